// The Stratum V2 listener on real sockets: machines of each kind mine on it with our own client.
import { afterEach, describe, expect, test } from 'vitest';
import { bytesToHex, equalBytes } from '../../src-main/core/bitcoin/bytes.ts';
import { sha256d } from '../../src-main/core/bitcoin/hash.ts';
import { targetOfDifficulty } from '../../src-main/core/bitcoin/target.ts';
import { headerOf, merkleRootOf } from '../../src-main/core/stratum-v2/channels/client/jobs.ts';
import { EXTENSION } from '../../src-main/core/stratum-v2/messages/extensions.ts';
import { joinMinerViews, minerId } from '../../src-main/services/gateway/index.ts';
import { rig as sv1Rig } from '../fixtures/stratum-v1-peers.ts';
import { EASY_TARGET, findShare, sv2Rig, type Machine, type Sv2Rig } from '../fixtures/stratum-v2-peers.ts';

let open: Sv2Rig | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});

async function running(options: Parameters<typeof sv2Rig>[0] = {}): Promise<Sv2Rig> {
  open = await sv2Rig(options);
  open.upstream.say({ cleanJobs: true });
  return open;
}

const WISH = { userIdentity: 'addr.garage', nominalHashRate: 0 };
const extended = (machine: Machine, over = {}) =>
  machine.client.openExtended({ ...WISH, minExtranonceSize: 6, ...over });

describe('machines of each kind', () => {
  test.each([
    ['a Bitaxe: extended, at least 6 bytes, version rolling', 6, { requiresVersionRolling: true }],
    ['a NerdQAxe: extended, at least 8 bytes', 8, {}],
  ])('%s', async (_name, minExtranonceSize, options) => {
    const it = await running();
    const machine = await it.machine({ ...options, vendor: 'Bitaxe', hardwareVersion: '601' });
    const channel = await extended(machine, { minExtranonceSize });
    await machine.take('work');
    expect(channel.rollableSize).toBe(8);
    expect(channel.extranoncePrefix).toHaveLength(4);
    // A version it rolled, and an extranonce of its own.
    const { attempt, job } = machine.mine(channel, {
      version: 0x2000_0000 | (5 << 13),
      extranonce: Uint8Array.from({ length: 8 }, (_, i) => i),
    });
    expect((await machine.take('acknowledged')).count).toBe(1);
    const hash = sha256d(headerOf(job, attempt)).toReversed();
    expect(it.shares).toHaveLength(1);
    expect(it.shares[0]).toMatchObject({
      minerId: minerId('addr.garage', '127.0.0.1'),
      worker: 'addr.garage',
      userAgent: 'Bitaxe 601',
      jobId: it.upstream.current()?.id,
      assignedDifficulty: 2 ** -20,
      outcome: { kind: 'accepted', block: false, hash: bytesToHex(hash) },
    });
    expect(it.gateway.miners()).toMatchObject([
      {
        worker: 'addr.garage',
        userAgent: 'Bitaxe 601',
        protocol: 'sv2',
        connections: 1,
        versionRolling: true,
      },
    ]);
  });

  test('the reference mining device: standard, header only', async () => {
    const it = await running();
    const machine = await it.machine({ requiresStandardJobs: true });
    const channel = await machine.client.openStandard(WISH);
    const { job } = await machine.take('work');
    expect(job.work.kind).toBe('root');
    machine.mine(channel);
    await machine.take('acknowledged');
    expect(it.shares[0]?.outcome.kind).toBe('accepted');
  });

  test('one that needs more extranonce than there is learns so, and goes on', async () => {
    const it = await running();
    const machine = await it.machine();
    await expect(extended(machine, { minExtranonceSize: 9 })).rejects.toMatchObject({
      code: 'openRefused',
      errorCode: 'min-extranonce-size-too-large',
    });
    expect((await extended(machine)).rollableSize).toBe(8);
  });

  test('a proxy: each channel is a machine of its own, and a group of them shares one message', async () => {
    const it = await running();
    const machine = await it.machine();
    const a = await extended(machine, { userIdentity: 'farm.a' });
    const b = await machine.client.openStandard({ ...WISH, userIdentity: 'farm.b' });
    expect(it.gateway.miners().map(({ worker }) => worker)).toEqual(['farm.a', 'farm.b']);
    machine.events.length = 0;
    const said = it.upstream.say({ cleanJobs: true, previousHash: new Uint8Array(32).fill(4) });
    const works = [await machine.take('work'), await machine.take('work')];
    expect(works.map(({ channel }) => channel)).toEqual([a, b]);
    for (const { job } of works) expect(equalBytes(job.previousHash, said.previousHash)).toBe(true);
    // Different machines never search the same.
    const roots = works.map(({ channel, job }) =>
      bytesToHex(merkleRootOf(job.work, new Uint8Array(channel.rollableSize))),
    );
    expect(new Set(roots).size).toBe(2);
    machine.mine(a);
    machine.mine(b);
    await machine.take('acknowledged', ({ channel }) => channel === a);
    await machine.take('acknowledged', ({ channel }) => channel === b);
    expect(it.shares.map(({ worker }) => worker).sort()).toEqual(['farm.a', 'farm.b']);
    machine.client.closeChannel(a, 'unplugged');
    machine.mine(b, {}, 1_000_000);
    await machine.take('acknowledged', ({ channel }) => channel === b);
    const [gone, there] = it.gateway.miners().toSorted((x, y) => x.worker.localeCompare(y.worker));
    expect([gone?.connections, gone?.connectedAt, there?.connections]).toEqual([0, undefined, 1]);
  });

  test('names of workers that come with shares (extension 0x0002) are machines too', async () => {
    const it = await running();
    const machine = await it.machine({ extensions: [EXTENSION.workerHashrate] });
    const channel = await extended(machine, { worker: 'rig-7' });
    machine.mine(channel);
    await machine.take('acknowledged');
    expect(it.shares[0]).toMatchObject({ worker: 'rig-7', minerId: minerId('rig-7', '127.0.0.1') });
    expect(it.gateway.miners().map(({ worker }) => worker)).toEqual(['addr.garage', 'rig-7']);
  });

  test('one without a name has one, and control characters are no part of it', async () => {
    const it = await running();
    const machine = await it.machine();
    await extended(machine, { userIdentity: '' });
    await extended(machine, { userIdentity: 'a\u001b[31m' });
    expect(it.gateway.miners().map(({ worker }) => worker)).toEqual(['unnamed', 'a\uFFFD[31m']);
  });
});

describe('shares', () => {
  test('a block goes to the upstream before anything is answered or told, from either kind of channel', async () => {
    const it = await running();
    it.upstream.say({ cleanJobs: true, target: EASY_TARGET, previousHash: new Uint8Array(32).fill(3) });
    const machine = await it.machine({ vendor: 'Bitaxe' });
    const order: string[] = [];
    it.upstream.onFound = () =>
      order.push(
        `found ${it.shares.length} ${machine.events.filter(({ kind }) => kind === 'acknowledged').length}`,
      );
    const a = await extended(machine);
    machine.mine(a);
    await machine.take('acknowledged');
    const b = await machine.client.openStandard(WISH);
    machine.mine(b);
    await machine.take('acknowledged');
    expect(order).toEqual(['found 0 0', 'found 1 0']);
    expect(it.shares.map(({ outcome }) => outcome)).toMatchObject([{ block: true }, { block: true }]);
    const { job, outcome, finder } = it.upstream.found[0] ?? {};
    expect(job).toBe(it.upstream.current());
    expect(outcome?.header).toHaveLength(80);
    expect(finder).toEqual({ worker: 'addr.garage', userAgent: 'Bitaxe' });
  });

  test('an upstream that fails at a block costs neither the answer nor the connection', async () => {
    const it = await running();
    it.upstream.say({ cleanJobs: true, target: EASY_TARGET, previousHash: new Uint8Array(32).fill(3) });
    it.upstream.onFound = () => {
      throw new Error('disk full');
    };
    const machine = await it.machine();
    const channel = await extended(machine);
    machine.mine(channel);
    expect((await machine.take('acknowledged')).count).toBe(1);
  });

  test('stale, duplicate, and too easy are refused with the code of the specification', async () => {
    const it = await running();
    const machine = await it.machine();
    const channel = await extended(machine);
    const { attempt, job } = machine.mine(channel);
    await machine.take('acknowledged');
    machine.client.submit(channel, job.id, attempt);
    expect((await machine.take('rejected')).errorCode).toBe('duplicate-share');
    machine.client.submit(channel, job.id, findShare(channel, job, {}, 0, false));
    expect((await machine.take('rejected')).errorCode).toBe('difficulty-too-low');
    // Sent before it can know of the new tip.
    it.upstream.say({ cleanJobs: true, previousHash: new Uint8Array(32).fill(9) });
    machine.client.submit(channel, job.id, findShare(channel, job, {}, attempt.nonce + 1));
    expect((await machine.take('rejected')).errorCode).toBe('stale-share');
    expect(it.shares.map(({ outcome }) => (outcome.kind === 'rejected' ? outcome.reason : 'ok'))).toEqual([
      'ok',
      'duplicate',
      'lowDifficulty',
      'stale',
    ]);
  });

  test('a block on the tip before, found late, still goes to the upstream', async () => {
    const it = await running();
    it.upstream.say({ cleanJobs: true, target: EASY_TARGET, previousHash: new Uint8Array(32).fill(3) });
    const machine = await it.machine();
    const channel = await extended(machine);
    const job = channel.current;
    if (!job) throw new Error('no job');
    it.upstream.say({ cleanJobs: true, previousHash: new Uint8Array(32).fill(9) });
    machine.client.submit(channel, job.id, findShare(channel, job));
    await machine.take('acknowledged');
    expect(it.upstream.found).toHaveLength(1);
  });

  test('what the upstream has forgotten does not count any more', async () => {
    const it = await running();
    const machine = await it.machine();
    const channel = await extended(machine);
    it.upstream.forget(it.upstream.current()?.id ?? 0);
    machine.mine(channel);
    expect((await machine.take('rejected')).errorCode).toBe('stale-share');
  });
});

describe('jobs', () => {
  test('a new template on the same tip is work at once; a new tip comes with its hash', async () => {
    const it = await running();
    const machine = await it.machine();
    const channel = await extended(machine);
    const before = await machine.take('work');
    const same = it.upstream.say({ coinbaseSuffix: new Uint8Array(80).fill(1), time: 1_750_000_030 });
    const next = await machine.take('work');
    expect(next.job.previousHash).toEqual(before.job.previousHash);
    expect(next.job.minNtime).toBe(same.time);
    expect(channel.job(before.job.id)).toBeDefined();
    const tip = it.upstream.say({
      cleanJobs: true,
      previousHash: new Uint8Array(32).fill(9),
      bits: 0x1d00fffe,
    });
    const clean = await machine.take('work');
    expect(clean.job).toMatchObject({ previousHash: tip.previousHash, bits: tip.bits });
    expect(channel.job(next.job.id)).toBeUndefined();
    machine.mine(channel);
    await machine.take('acknowledged');
    expect(it.gateway.lastFanOutMs()).toBeGreaterThanOrEqual(0);
  });

  test('machines that come before the first job get it when it comes', async () => {
    open = await sv2Rig();
    const machine = await open.machine();
    const channel = await extended(machine);
    expect(channel.current).toBeUndefined();
    open.upstream.say({ cleanJobs: true });
    await machine.take('work');
  });

  test('a job with no room for our extranonce is not sent', async () => {
    const it = await running();
    it.upstream.say({ extranonceSize: 8 });
    expect((await it.notice('extranonceSize')).detail).toMatch(/8 bytes.*12/);
  });

  test('a fast machine gets a harder target, and its shares count at once', async () => {
    const it = await running({ sharesPerMinute: 6 });
    const machine = await it.machine();
    const channel = await extended(machine);
    let told = false;
    for (let sent = 0; sent < 200 && !told; sent += 1) {
      it.clock.pass(100);
      machine.mine(channel, { extranonce: Uint8Array.of(0, 0, 0, 0, 0, 0, sent >> 8, sent) });
      await machine.take('acknowledged');
      told = machine.events.some(({ kind }) => kind === 'target');
    }
    expect(told).toBe(true);
    const { job } = await machine.take('work', (event) => event.job.target < targetOfDifficulty(2 ** -20));
    expect(job.target).toBe(channel.target);
    expect(it.gateway.miners()[0]?.difficulty).toBeGreaterThan(2 ** -20);
    const { assignedDifficulty } = it.shares.at(-1) ?? { assignedDifficulty: 0 };
    expect(assignedDifficulty).toBeGreaterThan(0);
  });
});

describe('coming and going', () => {
  test('a machine that moves from V1 to V2 stays the same machine', async () => {
    const v1 = await sv1Rig();
    const it = await running();
    try {
      v1.upstream.say({ cleanJobs: true });
      const old = await (await v1.client()).login('addr.garage', 'bitaxe/BM1370/v2.15.0');
      const before = v1.gateway.miners()[0];
      old.socket.destroy();
      await new Promise<void>((resolve) => {
        const off = v1.gateway.onMiners(() => {
          off();
          resolve();
        });
      });
      const machine = await it.machine({ vendor: 'Bitaxe' });
      await extended(machine);
      const rows = joinMinerViews(v1.gateway.miners(), it.gateway.miners());
      expect(rows).toHaveLength(1);
      expect(rows[0]).toMatchObject({ id: before?.id, protocol: 'sv2', connections: 1, userAgent: 'Bitaxe' });
    } finally {
      await v1.close();
    }
  });

  test('stops and starts again; machines come back', async () => {
    const it = await running();
    const machine = await it.machine();
    await extended(machine);
    await it.gateway.stop();
    expect((await machine.client.over).code).toBe('closed');
    expect(it.upstream.listeners).toBe(0);
    await it.gateway.start();
    const again = await it.machine({ port: it.gateway.addresses()[0]?.port ?? 0 });
    await extended(again);
    expect(it.gateway.miners()).toMatchObject([{ connections: 1 }]);
  });

  test('a taken port is told with what to do', async () => {
    const it = await running();
    await expect(sv2Rig({ port: it.port })).rejects.toMatchObject({
      name: 'GatewayError',
      code: 'portTaken',
    });
    await expect(it.gateway.start()).rejects.toMatchObject({ code: 'alreadyStarted' });
  });
});
