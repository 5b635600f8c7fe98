// The whole engine on a real regtest node: what `npm run practice` runs, in process.
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ApiClient, BlockRow, Topic, TopicName } from '../../src-main/core/api/schema.ts';
import { createEngine, type Engine, type EngineOptions } from '../../src-main/engine.ts';
import { LockedError } from '../../src-main/engine/lock.ts';
import { displayHash } from '../../src-main/core/bitcoin/bytes.ts';
import { silentLog } from '../../src-main/services/log/index.ts';
import { connectSv2 } from '../../src-main/services/upstream/index.ts';

const REGTEST = 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080';
const MAINNET = 'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4';

/** Resolves with the first state of the topic that fits. */
function until<N extends TopicName>(
  api: ApiClient,
  topic: N,
  fits: (state: Topic<N>) => boolean,
  ms = 30_000,
): Promise<Topic<N>> {
  return new Promise((resolve, reject) => {
    let stop = (): void => {};
    const timer = setTimeout(() => {
      stop();
      reject(new Error(`${topic}: nothing that fits within ${ms} ms`));
    }, ms);
    stop = api.watch(topic, (state) => {
      if (!fits(state)) return;
      clearTimeout(timer);
      queueMicrotask(() => stop());
      resolve(state);
    });
  });
}

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

let folder: string;
const begin = (over: Partial<EngineOptions> = {}): Promise<Engine> =>
  createEngine({
    version: '0.0.0',
    dataDir: folder,
    practice: true,
    log: silentLog,
    ...over,
    overrides: { sv1Port: 0, sv2Port: 0, ...over.overrides },
  });

describe('the engine without a node', () => {
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'adit-engine-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('refuses a payout address of another network before anything starts', async () => {
    await expect(begin({ overrides: { payout: MAINNET } })).rejects.toThrow(/main/i);
    expect(existsSync(join(folder, 'adit.pid'))).toBe(false);
  });

  it('works on a folder alone', async () => {
    const engine = await begin();
    await expect(begin()).rejects.toBeInstanceOf(LockedError);
    await engine.stop();
    const again = await begin();
    await again.stop();
  });

  it('says what the command line fixes instead of saving it in vain', async () => {
    const engine = await begin({ overrides: { payout: REGTEST } });
    const api = engine.client();
    await expect(api.command('settings.update', { network: 'signet' })).rejects.toMatchObject({
      code: 'settings.fixed',
      field: 'network',
    });
    await expect(
      api.command('settings.update', { payouts: { regtest: [{ address: REGTEST, basisPoints: 10_000 }] } }),
    ).rejects.toMatchObject({ code: 'settings.fixed', field: 'payouts' });
    await api.command('settings.update', { tag: '/ok/' });
    api.close();
    await engine.stop();
  });

  it('keeps the two protocols on ports of their own', async () => {
    const engine = await begin({ overrides: { sv1Port: undefined, sv2Port: undefined } });
    const api = engine.client();
    const set = (gateway: { sv1Port?: number; sv2Port?: number }) =>
      api.command('settings.update', { gateway });
    await expect(set({ sv2Port: 3333 })).rejects.toMatchObject({ field: 'gateway.sv2Port' });
    await expect(set({ sv1Port: 3336 })).rejects.toMatchObject({ field: 'gateway.sv1Port' });
    await set({ sv1Port: 3336, sv2Port: 3333 });
    await set({ sv1Port: 3333, sv2Port: 3336 });
    api.close();
    await engine.stop();
  });

  it('takes no settings that would pay nobody, or the wrong one', async () => {
    const engine = await begin();
    const api = engine.client();
    const pay = (address: string, basisPoints = 10_000) =>
      api.command('settings.update', { payouts: { regtest: [{ address, basisPoints }] } });
    await expect(pay(MAINNET)).rejects.toMatchObject({ field: 'payouts.regtest.0' });
    await expect(pay(REGTEST.replace('080', '081'))).rejects.toMatchObject({ field: 'payouts.regtest.0' });
    await expect(pay(REGTEST, 9_999)).rejects.toMatchObject({ field: 'payouts.regtest' });
    api.close();
    await engine.stop();
  });
});

describe.skipIf(process.env['ADIT_TEST_NODE'] === undefined)(
  'the engine on a real node',
  { timeout: 90_000 },
  () => {
    let engine: Engine;
    let api: ApiClient;
    const open = async (over: Partial<EngineOptions> = {}): Promise<void> => {
      engine = await begin(over);
      api = engine.client();
      await engine.start();
    };
    const close = async (): Promise<void> => {
      api.close();
      await engine.stop();
    };
    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), 'adit-engine-'));
    });
    afterEach(close);
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    it('mines blocks that pay the practice address, and shows all of it', async () => {
      await open({ simulate: [{ model: 'nmMiner', hashrate: 300_000 }] });
      const blocks = await until(api, 'blocks', (rows) =>
        Object.values(rows).some((row) => row.status === 'onChain' && row.confirmations > 0),
      );
      const block = Object.values(blocks).find((row) => row.status === 'onChain');
      expect(block).toMatchObject({
        worker: expect.stringContaining('practice.'),
        network: 'regtest',
        source: 'rpc',
      });
      const job = await until(api, 'job', (now) => now !== null && now.transactionCount > 0);
      expect(job?.payoutVerified).toBe(true);
      expect(job?.outputs.filter((output) => output.mine)).toHaveLength(1);
      expect(job?.outputs.reduce((sum, output) => sum + output.value, 0)).toBe(job?.reward);
      const transactions = await api.query('template.transactions', { templateId: job?.templateId ?? '' });
      expect(transactions?.transactions.reduce((sum, [, fee]) => sum + fee, 0)).toBe(job?.fees);

      const rows = await until(
        api,
        'miners',
        (all) => Object.values(all).filter((row) => row.shares.accepted > 0).length === 2,
      );
      expect(
        Object.values(rows)
          .map((row) => row.worker)
          .sort(),
      ).toEqual(['practice.cpu', 'practice.nmMiner1']);
      const totals = await until(api, 'totals', (now) => now.hashrate.m1 > 0 && now.blocksFound > 0);
      expect(totals.session.accepted).toBeGreaterThan(0);
      expect(totals.odds.expectedSeconds).toBeGreaterThan(0);
      const state = await until(api, 'state', (now) => now.headline === 'mining');
      expect(state).toMatchObject({ practice: true, problem: null, network: 'regtest' });
      const raw = await api.query('block.raw', { hash: block?.hash ?? '' });
      expect(raw?.hex.length).toBeGreaterThan(160);
      const history = await api.query('hashrate.history', { range: '1h', minerId: null });
      expect(history.points.every(([, rate]) => rate === null || rate >= 0)).toBe(true);
    });

    it('a block found while the node is away reaches the chain after it returns', async () => {
      await open();
      await until(api, 'job', (now) => now !== null);
      await api.command('node.stop', {});
      await until(api, 'node', (now) => now.phase === 'stopped');
      const { headline } = await until(
        api,
        'state',
        (now) => now.headline === 'degraded' || now.headline === 'nodeStarting',
      );
      expect(headline).toBe('degraded');
      const waiting = await until(
        api,
        'blocks',
        (rows) => Object.values(rows).some((row) => row.status === 'waiting'),
        75_000,
      );
      const block = Object.values(waiting).find((row) => row.status === 'waiting');
      await api.command('node.start', {});
      // Where two were found at this height while the node was away, either may win.
      const settled = (row: BlockRow): boolean =>
        row.height === block?.height && (row.status === 'onChain' || row.status === 'stale');
      const after = await until(
        api,
        'blocks',
        (rows) =>
          Object.values(rows).some((row) => row.hash === block?.hash && settled(row)) &&
          Object.values(rows).some((row) => settled(row) && row.status === 'onChain'),
        30_000,
      );
      expect(after[block?.hash ?? '']?.attempts).toBeGreaterThan(1);
      const events = await api.query('events.page', { before: null, limit: 100 });
      expect(events.events.map((event) => event.code)).toEqual(
        expect.arrayContaining(['block.waiting', 'block.onChain']),
      );
    });

    it('a node that is killed comes back by itself, and mining goes on', async () => {
      await open();
      const node = await until(api, 'node', (now) => now.phase === 'ready' && now.pid !== null);
      process.kill(node.pid ?? 0, 'SIGKILL');
      await until(api, 'node', (now) => now.phase === 'backoff');
      const again = await until(api, 'node', (now) => now.phase === 'ready' && now.pid !== node.pid);
      expect(again.problem).toBeNull();
      const startedAt = Date.now();
      await until(
        api,
        'blocks',
        (rows) => Object.values(rows).some((row) => row.status === 'onChain' && row.foundAt >= startedAt),
        75_000,
      );
    });

    it('gives every machine a job for the new address at once', async () => {
      await open();
      const before = await until(api, 'job', (now) => now !== null);
      await api.command('settings.update', {
        payouts: { regtest: [{ address: REGTEST, basisPoints: 10_000 }] },
        tag: '/test/',
      });
      const after = await until(
        api,
        'job',
        (now) => now?.outputs.some((output) => output.address === REGTEST) === true,
      );
      expect(after?.id).toBeGreaterThan(before?.id ?? 0);
      expect(
        after?.outputs.filter((output) => output.kind === 'payout').map((output) => output.address),
      ).toEqual([REGTEST]);
      expect(after).toMatchObject({ tag: '/test/', payoutVerified: true });
      await api.command('settings.update', { payouts: { regtest: [] } });
      const practice = await until(
        api,
        'job',
        (now) => now?.outputs.every((output) => output.address !== REGTEST) === true,
      );
      expect(practice?.payoutVerified).toBe(true);
    });

    it('moves its listener to another port, and the machines follow', async () => {
      const taken = createServer();
      await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
      const { port } = taken.address() as AddressInfo;
      engine = await createEngine({
        version: '0',
        dataDir: folder,
        practice: true,
        log: silentLog,
        overrides: { sv2Port: 0 },
      });
      api = engine.client();
      await api.command('settings.update', { gateway: { sv1Port: port } });
      await engine.start();
      const closed = await until(api, 'connection', (now) => now.problem !== null);
      expect(closed.problem).toMatch(String(port));
      // Stratum V2 is served all the same.
      expect(closed.endpoints.map((endpoint) => endpoint.protocol)).toEqual(['sv2']);
      await new Promise((resolve) => taken.close(resolve));
      // Any change of the listener's settings opens it anew.
      await api.command('settings.update', { gateway: { sharesPerMinute: 7 } });
      const opened = await until(
        api,
        'connection',
        (now) => now.problem === null && now.endpoints.some((endpoint) => endpoint.protocol === 'sv1'),
      );
      expect(opened.endpoints[0]?.port).toBe(port);
      await until(api, 'miners', (rows) => Object.values(rows).some((row) => row.status === 'active'));
    });

    it('serves Stratum V2 machines with the key the page shows, which stays', async () => {
      await open();
      const withV2 = (now: Topic<'connection'>) => now.endpoints.find(({ protocol }) => protocol === 'sv2');
      const endpoint = withV2(await until(api, 'connection', (now) => withV2(now) !== undefined));
      const { host = '', port = 0, authorityKey } = endpoint ?? {};
      expect(endpoint?.url).toBe(`stratum2+tcp://${host}:${port}/${authorityKey}`);
      const job = await until(api, 'job', (now) => now !== null);
      const client = await connectSv2({
        host,
        port,
        authorityKey: authorityKey ?? '',
        vendor: 'Bitaxe',
        random: (length) => new Uint8Array(randomBytes(length)),
        now: Date.now,
      });
      const channel = await client.openExtended({
        userIdentity: 'attic',
        nominalHashRate: 1e12,
        minExtranonceSize: 6,
      });
      const rows = await until(api, 'miners', (all) =>
        Object.values(all).some(({ worker }) => worker === 'attic'),
      );
      expect(Object.values(rows).find(({ worker }) => worker === 'attic')).toMatchObject({
        protocol: 'sv2',
        userAgent: 'Bitaxe',
        status: 'quiet',
      });
      expect(displayHash(channel.current?.previousHash ?? new Uint8Array(32))).toMatch(/^[0-9a-f]{64}$/);
      expect(job?.payoutVerified).toBe(true);
      client.close();
      // The port is another one then; the key is the same.
      await api.command('settings.update', { gateway: { sharesPerMinute: 8 } });
      const later = withV2(
        await until(api, 'connection', (now) => ![undefined, port].includes(withV2(now)?.port)),
      );
      expect(later?.authorityKey).toBe(authorityKey);
      // A damaged key is told of aloud, and a new one is made.
      await close();
      writeFileSync(join(folder, 'sv2-authority.json'), '{');
      await open();
      const events = await until(api, 'events', (list) =>
        list.some(({ code }) => code === 'gateway.newAuthorityKey'),
      );
      expect(events.find(({ code }) => code === 'gateway.newAuthorityKey')?.message).toMatch(/new key/);
      const renewed = withV2(await until(api, 'connection', (now) => withV2(now) !== undefined));
      expect(renewed?.authorityKey).not.toBe(authorityKey);
    });

    it('remembers blocks and machines, and leaves no process behind', async () => {
      await open();
      const before = await until(api, 'blocks', (rows) => Object.keys(rows).length > 0);
      const node = await until(api, 'node', (now) => now.phase === 'ready' && now.pid !== null);
      expect(Object.keys(before).length).toBeGreaterThan(0);
      expect(readdirSync(join(folder, 'blocks', 'regtest')).some((name) => name.endsWith('.dat'))).toBe(true);
      await close();
      expect(alive(node.pid ?? 0)).toBe(false);
      expect(existsSync(join(folder, 'adit.pid'))).toBe(false);
    });
  },
);
