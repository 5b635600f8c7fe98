import { afterEach, describe, expect, test } from 'vitest';
import { createServer } from 'node:net';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { bytesToHex } from '../../src-main/core/bitcoin/bytes.ts';
import { targetOfDifficulty } from '../../src-main/core/bitcoin/target.ts';
import type { Job, Solution } from '../../src-main/core/mining/types.ts';
import { GatewayError, createGateway, minerId } from '../../src-main/services/gateway/index.ts';
import { silentLog } from '../../src-main/services/log/index.ts';
import { mine } from '../fixtures/stratum-v1-job.ts';
import { FakeClock, FakeUpstream, rig } from '../fixtures/stratum-v1-peers.ts';
import type { Client, Line, Rig } from '../fixtures/stratum-v1-peers.ts';

const EASY = 2 ** -20;
let open: Rig | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});

async function running(options: Parameters<typeof rig>[0] = {}): Promise<Rig> {
  open = await rig(options);
  return open;
}

const hex = (value: number): string => value.toString(16).padStart(8, '0');

function submitParams(solution: Solution, job: string, bits?: string): unknown[] {
  const params = [
    'addr.w1',
    job,
    bytesToHex(solution.extranonce.subarray(4)),
    hex(solution.ntime),
    hex(solution.nonce),
  ];
  return bits === undefined ? params : [...params, bits];
}

const send = (client: Client, solution: Solution, job = solution.jobId.toString(16)): Promise<Line> =>
  client.ask('mining.submit', submitParams(solution, job));

const find = (client: Client, job: Job, number = 1, from = 0): Solution =>
  mine(job, client.extranonce(number), EASY, from);

describe('jobs', () => {
  test('difficulty comes before the first job, in one go after subscribe and authorise', async () => {
    const { upstream, client } = await running();
    upstream.say({ cleanJobs: true });
    const miner = await (await client()).login();
    await miner.method('mining.notify');
    const methods = miner.raw.map((line) => (JSON.parse(line) as Line).method ?? 'answer');
    expect(methods).toEqual(['answer', 'answer', 'mining.set_difficulty', 'mining.notify']);
  });

  test('a miner that is there before the first job gets it when it comes', async () => {
    const { upstream, client } = await running();
    const miner = await (await client()).login();
    expect(miner.lines).toEqual([]);
    upstream.say({ cleanJobs: true });
    expect((await miner.method('mining.set_difficulty')).params).toEqual([EASY]);
    expect((await miner.method('mining.notify')).params?.[8]).toBe(true);
  });

  test('the first job of a miner is clean for it; later ones say what they are', async () => {
    const { upstream, client } = await running();
    upstream.say();
    const miner = await (await client()).login();
    expect((await miner.method('mining.notify')).params?.[8]).toBe(true);
    upstream.say();
    expect((await miner.method('mining.notify')).params?.[8]).toBe(false);
    upstream.say({ cleanJobs: true });
    expect((await miner.method('mining.notify')).params?.[8]).toBe(true);
  });

  test('all miners get the same bytes, and the fan-out time of a clean job is known', async () => {
    const { upstream, client, gateway } = await running();
    const miners = await Promise.all(Array.from({ length: 20 }, async () => (await client()).login()));
    expect(gateway.lastFanOutMs()).toBeUndefined();
    upstream.say({ cleanJobs: true });
    await Promise.all(miners.map((miner) => miner.method('mining.notify')));
    const lines = new Set(
      miners.map((miner) => miner.raw.find((line) => line.includes('"method":"mining.notify"'))),
    );
    expect(lines.size).toBe(1);
    expect(gateway.lastFanOutMs()).toBeGreaterThanOrEqual(0);
    expect(new Set(miners.map((miner) => bytesToHex(miner.extranonce1))).size).toBe(20);
  });

  test('a job with another extranonce size is never sent', async () => {
    const { upstream, client, notice } = await running();
    const miner = await (await client()).login();
    upstream.say({ extranonceSize: 16 });
    expect((await notice('extranonceSize')).detail).toContain('16');
    upstream.say({ cleanJobs: true });
    expect((await miner.method('mining.notify')).params?.[0]).toBe('2');
  });
});

describe('shares', () => {
  test('a real one, found by hashing, is accepted, and the engine hears of it', async () => {
    const { upstream, client, shares, clock, gateway } = await running();
    const job = upstream.say({ cleanJobs: true });
    const miner = await (await client()).login();
    const answer = await send(miner, find(miner, job));
    expect(answer).toMatchObject({ result: true, error: null });
    expect(shares).toHaveLength(1);
    expect(shares[0]).toMatchObject({
      at: clock.now(),
      minerId: minerId('addr.w1', '127.0.0.1'),
      worker: 'addr.w1',
      userAgent: 'test/1',
      jobId: 1,
      assignedDifficulty: EASY,
      outcome: { kind: 'accepted', block: false, hash: expect.stringMatching(/^[0-9a-f]{64}$/) },
    });
    const { outcome } = shares[0] as (typeof shares)[number];
    expect(outcome.kind === 'accepted' && outcome.difficulty).toBeGreaterThanOrEqual(EASY);
    expect(gateway.miners()[0]).toMatchObject({ lastShareAt: clock.now(), difficulty: EASY });
  });

  test('the same again: 22', async () => {
    const { upstream, client, shares } = await running();
    const job = upstream.say({ cleanJobs: true });
    const miner = await (await client()).login();
    const solution = find(miner, job);
    await send(miner, solution);
    expect((await send(miner, solution)).error?.[0]).toBe(22);
    expect(shares[1]?.outcome).toEqual({ kind: 'rejected', reason: 'duplicate' });
  });

  test('too low: 23', async () => {
    const { upstream, client, shares } = await running();
    const job = upstream.say({ cleanJobs: true });
    const miner = await (await client()).login();
    const low = mine(job, miner.extranonce(1), 2 ** -28, 0, EASY);
    expect((await send(miner, low)).error?.[0]).toBe(23);
    expect(shares[0]?.outcome).toEqual({ kind: 'rejected', reason: 'lowDifficulty' });
  });

  test('of the last tip: 21, and it is not held against the miner', async () => {
    const { upstream, client, shares } = await running({ limits: { maxInvalid: 0 } });
    const job = upstream.say({ cleanJobs: true });
    const miner = await (await client()).login();
    upstream.say({ cleanJobs: true });
    expect((await send(miner, find(miner, job))).error?.[0]).toBe(21);
    expect(shares[0]?.outcome).toEqual({ kind: 'rejected', reason: 'stale' });
    expect(miner.closed).toBe(false);
  });

  test('of a job that is gone, or never was: 21', async () => {
    const { upstream, client, shares } = await running();
    const job = upstream.say({ cleanJobs: true });
    const miner = await (await client()).login();
    const solution = find(miner, job);
    upstream.forget(1);
    expect((await send(miner, solution)).error?.[0]).toBe(21);
    expect((await send(miner, solution, 'ffff')).error?.[0]).toBe(21);
    expect(shares.map(({ outcome }) => outcome.kind === 'rejected' && outcome.reason)).toEqual([
      'unknownJob',
      'unknownJob',
    ]);
  });

  test.each<[string, unknown, number]>([
    ['nothing', [], 20],
    ['hex that is none', ['w', '1', 'zz', '65000000', '00'], 20],
    ['extranonce2 too short', ['w', '1', '00', '65000000', '00'], 20],
    ['time long ago', ['w', '1', '0000000000000001', '00000001', '00'], 20],
    [
      'version bits outside the mask',
      ['w', '1', '0000000000000001', hex(1_750_000_000), '00', '00000001'],
      20,
    ],
    ['wrong types', [{}, [], null, true, {}], 20],
    ['params that are text', 'x', 20],
  ])('malformed (%s): its code', async (_name, params, code) => {
    const { upstream, client, shares } = await running();
    upstream.say({ cleanJobs: true });
    const miner = await (await client()).login();
    expect((await miner.ask('mining.submit', params)).error?.[0]).toBe(code);
    expect(shares[0]?.outcome).toEqual({ kind: 'rejected', reason: 'malformed' });
  });

  test('before subscribing 25, before authorising 24', async () => {
    const { client, shares } = await running();
    const miner = await client();
    expect((await miner.ask('mining.submit', ['w', '1', '00', '00', '00'])).error?.[0]).toBe(25);
    await miner.ask('mining.subscribe', []);
    expect((await miner.ask('mining.submit', ['w', '1', '00', '00', '00'])).error?.[0]).toBe(24);
    expect(shares.map(({ outcome }) => outcome.kind === 'rejected' && outcome.reason)).toEqual([
      'unauthorized',
      'unauthorized',
    ]);
  });

  test('with rolled version bits, by BIP310', async () => {
    const { upstream, client } = await running();
    const job = upstream.say({ cleanJobs: true });
    const miner = await client();
    const configured = await miner.ask('mining.configure', [
      ['version-rolling'],
      { 'version-rolling.mask': 'ffffffff' },
    ]);
    expect(configured.result).toEqual({ 'version-rolling': true, 'version-rolling.mask': '1fffe000' });
    await miner.login();
    const solution = mine(job, miner.extranonce(1), EASY, 0, Infinity, 0x2abc_e000);
    expect((await miner.ask('mining.submit', submitParams(solution, '1', '0abce000'))).result).toBe(true);
  });

  test('a job with a version bit inside the mask: both readings of the bits are good', async () => {
    const { upstream, client } = await running();
    const job = upstream.say({ cleanJobs: true, version: 0x3000_0000 });
    const miner = await client();
    await miner.ask('mining.configure', [['version-rolling'], {}]);
    await miner.login();
    const replaced = mine(job, miner.extranonce(1), EASY, 0, Infinity, 0x2000_2000);
    const added = mine(job, miner.extranonce(2), EASY, 0, Infinity, 0x3000_2000);
    expect((await miner.ask('mining.submit', submitParams(replaced, '1', '00002000'))).result).toBe(true);
    expect((await miner.ask('mining.submit', submitParams(added, '1', '00002000'))).result).toBe(true);
  });

  test('two machines on one connection are kept apart by the name in the share', async () => {
    const { upstream, client, shares, gateway } = await running();
    const job = upstream.say({ cleanJobs: true });
    const miner = await (await client()).login('addr.w1');
    await miner.ask('mining.authorize', ['addr.w2', 'x']);
    const params = submitParams(find(miner, job), '1');
    params[0] = 'addr.w2';
    await miner.ask('mining.submit', params);
    expect(shares[0]).toMatchObject({ worker: 'addr.w2', minerId: minerId('addr.w2', '127.0.0.1') });
    expect(gateway.miners().map(({ worker }) => worker)).toEqual(['addr.w1', 'addr.w2']);
  });
});

describe('a block', () => {
  const target = targetOfDifficulty(EASY);

  test('goes to the upstream before anything else, the answer to the miner included', async () => {
    const { upstream, client, shares } = await running();
    const job = upstream.say({ cleanJobs: true, target });
    const miner = await (await client()).login();
    const solution = find(miner, job);
    const order: string[] = [];
    upstream.onFound = () => order.push(`found, ${miner.lines.length} lines, ${shares.length} events`);
    miner.lines.length = 0;
    const answer = await send(miner, solution);
    expect(answer.result).toBe(true);
    expect(order).toEqual(['found, 0 lines, 0 events']);
    expect(upstream.found[0]).toMatchObject({
      job: { id: 1 },
      finder: { worker: 'addr.w1', userAgent: 'test/1' },
    });
    expect(upstream.found[0]?.outcome.header).toHaveLength(80);
    expect(shares[0]?.outcome).toMatchObject({ kind: 'accepted', block: true });
  });

  test('on a stale job is still handed over: only the network may throw it away', async () => {
    const { upstream, client } = await running();
    const job = upstream.say({ cleanJobs: true, target });
    const miner = await (await client()).login();
    upstream.say({ cleanJobs: true, target });
    expect((await send(miner, find(miner, job))).result).toBe(true);
    expect(upstream.found).toHaveLength(1);
  });

  test('with version bits the miner was not allowed to roll is handed over too', async () => {
    const { upstream, client } = await running();
    const job = upstream.say({ cleanJobs: true, target });
    const miner = await client();
    await miner.ask('mining.configure', [['version-rolling'], { 'version-rolling.mask': '00c00000' }]);
    await miner.login();
    const solution = mine(job, miner.extranonce(1), EASY, 0, Infinity, 0x2000_2001);
    expect((await miner.ask('mining.submit', submitParams(solution, '1', '00002001'))).result).toBe(true);
    expect(upstream.found).toHaveLength(1);
  });

  test('an upstream that throws takes nothing down with it', async () => {
    const { upstream, client } = await running();
    const job = upstream.say({ cleanJobs: true, target });
    upstream.onFound = () => {
      throw new Error('disk on fire');
    };
    const miner = await (await client()).login();
    expect((await send(miner, find(miner, job))).result).toBe(true);
    expect((await miner.ask('mining.ping', [])).result).toBe('pong');
  });

  test('that brings the next job at once: the old answers come first', async () => {
    const { upstream, client } = await running();
    const job = upstream.say({ cleanJobs: true, target });
    const miner = await (await client()).login();
    await miner.method('mining.notify');
    upstream.onFound = () => upstream.say({ cleanJobs: true });
    const found = find(miner, job);
    const params = submitParams(found, '1');
    miner.raw.length = 0;
    miner.write(
      `{"id":90,"method":"mining.ping"}\n${JSON.stringify({ id: 91, method: 'mining.submit', params })}\n`,
    );
    await miner.take((line) => line.id === 91);
    expect(miner.raw.map((line) => (JSON.parse(line) as Line).id)).toEqual([90, null, 91]);
  });
});

describe('difficulty', () => {
  test('a machine that sends too much gets more, at once and with the current job under another name', async () => {
    const { upstream, client, clock } = await running();
    const job = upstream.say({ cleanJobs: true });
    const miner = await (await client()).login();
    const first = await miner.method('mining.set_difficulty');
    await miner.method('mining.notify');
    let raised: Line | undefined;
    for (let number = 1; number <= 40 && !raised; number += 1) {
      clock.pass(200);
      expect((await send(miner, find(miner, job, number))).result).toBe(true);
      raised = miner.lines.find((line) => line.method === 'mining.set_difficulty');
    }
    expect(raised?.params?.[0]).toBeGreaterThan(first.params?.[0] as number);
    const again = await miner.method('mining.notify');
    expect(again.params?.[0]).toMatch(/^1_/);
    expect(miner.raw.findLastIndex((line) => line.includes('set_difficulty'))).toBeLessThan(
      miner.raw.findLastIndex((line) => line.includes('mining.notify')),
    );
    // What was found for the first name keeps its difficulty; the new name has the new one.
    const late = mine(job, miner.extranonce(1_000), EASY, 0, raised?.params?.[0] as number);
    expect((await send(miner, late)).result).toBe(true);
    const renamed = { ...late, ntime: Number.parseInt(again.params?.[7] as string, 16) };
    const low = mine(
      { ...job, time: renamed.ntime },
      miner.extranonce(1_001),
      EASY,
      0,
      raised?.params?.[0] as number,
    );
    expect((await send(miner, low, again.params?.[0] as string)).error?.[0]).toBe(23);
  });

  test('a silent machine is lowered', async () => {
    const { upstream, client, clock } = await running({ startDifficulty: 1024 });
    upstream.say({ cleanJobs: true });
    const miner = await (await client()).login();
    await miner.method('mining.set_difficulty');
    for (let i = 0; i < 120; i += 1) clock.pass(1_000);
    expect((await miner.method('mining.set_difficulty')).params?.[0]).toBeLessThan(1024);
  });

  test('begins by the name of the machine where the user set none', async () => {
    const { upstream, client } = await running({ startDifficulty: 0 });
    upstream.say({ cleanJobs: true });
    const start = async (userAgent: string): Promise<number> => {
      const miner = await (await client()).login('w', userAgent);
      return (await miner.method('mining.set_difficulty')).params?.[0] as number;
    };
    const [nerd, bitaxe, s21] = [
      await start('NerdMinerV2/V1.8.3'),
      await start('bitaxe/BM1370/v2.9'),
      await start('Antminer S21/1'),
    ];
    expect(nerd).toBeLessThan(1);
    expect(Number.isInteger(bitaxe)).toBe(true);
    expect(s21).toBeGreaterThan(bitaxe);
  });

  test('is what the machine suggests, as a power of two, and the same suggestion again changes nothing', async () => {
    const { upstream, client } = await running();
    upstream.say({ cleanJobs: true });
    const miner = await client();
    await miner.ask('mining.suggest_difficulty', [1000]);
    await miner.login();
    expect((await miner.method('mining.set_difficulty')).params).toEqual([1024]);
    await miner.ask('mining.suggest_difficulty', [1000]);
    await miner.ask('mining.suggest_difficulty', [64]);
    expect((await miner.method('mining.set_difficulty')).params).toEqual([64]);
    expect(miner.lines.filter((line) => line.method === 'mining.set_difficulty')).toEqual([]);
  });

  test('never goes below a minimum the machine set', async () => {
    const { upstream, client, clock } = await running();
    upstream.say({ cleanJobs: true });
    const miner = await client();
    await miner.ask('mining.configure', [['minimum-difficulty'], { 'minimum-difficulty.value': 3000 }]);
    await miner.login();
    expect((await miner.method('mining.set_difficulty')).params).toEqual([4096]);
    for (let i = 0; i < 300; i += 1) clock.pass(1_000);
    await miner.ask('mining.ping', []);
    expect(miner.lines.filter((line) => line.method === 'mining.set_difficulty')).toEqual([]);
  });
});

describe('machines', () => {
  test('come, go, and keep their id when they come again', async () => {
    const { client, gateway } = await running();
    let told = 0;
    const changed = (): Promise<void> =>
      new Promise((resolve) => {
        const off = gateway.onMiners(() => {
          told += 1;
          off();
          resolve();
        });
      });
    const came = changed();
    const miner = await (await client()).login('addr.garage', 'bitaxe/1');
    await came;
    const [view] = gateway.miners();
    expect(view).toMatchObject({
      worker: 'addr.garage',
      userAgent: 'bitaxe/1',
      remote: '127.0.0.1',
      connections: 1,
      protocol: 'sv1',
    });
    const went = changed();
    miner.socket.destroy();
    await went;
    expect(gateway.miners()[0]).toMatchObject({
      id: view?.id,
      connections: 0,
      connectedAt: undefined,
      userAgent: 'bitaxe/1',
    });
    const again = changed();
    await (await client()).login('addr.garage', 'bitaxe/2');
    await again;
    expect(gateway.miners()).toHaveLength(1);
    expect(gateway.miners()[0]).toMatchObject({ id: view?.id, connections: 1, userAgent: 'bitaxe/2' });
    expect(told).toBe(3);
  });

  test('two under one name on one address are one machine with two connections', async () => {
    const { client, gateway } = await running();
    const first = await (await client()).login('w');
    await (await client()).login('w');
    expect(gateway.miners()).toMatchObject([{ connections: 2 }]);
    first.socket.destroy();
    await new Promise<void>((resolve) => gateway.onMiners(resolve));
    expect(gateway.miners()).toMatchObject([{ connections: 1, connectedAt: expect.any(Number) }]);
  });

  test('one that tells no name is asked for its version', async () => {
    const { upstream, client, gateway } = await running();
    upstream.say({ cleanJobs: true });
    const miner = await client();
    await miner.ask('mining.subscribe', []);
    await miner.ask('mining.authorize', ['w']);
    const asked = await miner.method('client.get_version');
    miner.write(`${JSON.stringify({ id: asked.id, result: 'cgminer/4.9', error: null })}\n`);
    await miner.ask('mining.ping', []);
    expect(gateway.miners()[0]?.userAgent).toBe('cgminer/4.9');
  });
});

describe('listening', () => {
  test('a port that is taken is said with a way out', async () => {
    const blocker = createServer().listen(0, '127.0.0.1');
    await once(blocker, 'listening');
    const { port } = blocker.address() as AddressInfo;
    const gateway = createGateway({
      upstream: new FakeUpstream(),
      host: '127.0.0.1',
      port,
      clock: new FakeClock(),
      random: (bytes) => new Uint8Array(bytes),
      log: silentLog,
    });
    const error = await gateway.start().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(GatewayError);
    expect(error).toMatchObject({ code: 'portTaken', message: expect.stringContaining('another port') });
    blocker.close();
    await once(blocker, 'close');
    await gateway.start();
    expect(gateway.addresses()).toEqual([{ host: '127.0.0.1', port }]);
    await gateway.stop();
  });

  test('an address this computer does not have', async () => {
    await expect(running({ host: '192.0.2.1' })).rejects.toMatchObject({ code: 'addressUnknown' });
  });

  test('several addresses share one port, and nothing listens when one of them fails', async () => {
    const { gateway, port } = await running({ host: ['127.0.0.1', '127.0.0.2'] });
    expect(gateway.addresses()).toEqual([
      { host: '127.0.0.1', port },
      { host: '127.0.0.2', port },
    ]);
  });

  test('stop ends every connection and lets go of the upstream; start works again', async () => {
    const { gateway, client, upstream } = await running();
    const miner = await (await client()).login();
    await gateway.stop();
    await miner.untilClosed();
    expect(upstream.listeners).toBe(0);
    expect(gateway.addresses()).toEqual([]);
    await gateway.start();
    expect(gateway.addresses()).toHaveLength(1);
    await expect(gateway.start()).rejects.toMatchObject({ code: 'alreadyStarted' });
  });
});
