// Against a real bitcoind on regtest: the one `npm test` brings and names in ADIT_TEST_NODE.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DEFAULT_SETTINGS } from '../../src-main/core/api/settings.ts';
import type { NodeBinary, NodeServiceOptions } from '../../src-main/services/node/index.ts';
import { NodeWorld, isKind, pidOf, runs, until } from '../fixtures/node-world.ts';

const named = process.env['ADIT_TEST_NODE'];
const SETTINGS = { ...DEFAULT_SETTINGS.node, dbCacheMiB: 16, pruneMiB: 0 } as const;

describe.skipIf(named === undefined)('a real node', { timeout: 60_000 }, () => {
  const binary = JSON.parse(named ?? '{}') as NodeBinary;
  let world: NodeWorld;
  beforeEach(() => {
    world = new NodeWorld();
  });
  afterEach(() => world.close());

  const found = () => Promise.resolve({ ok: true, binary, tried: [] } as const);
  const service = (options: Partial<NodeServiceOptions> = {}) =>
    world.service({ binary: found, settings: SETTINGS, ...options });
  const readyNode = async (options: Partial<NodeServiceOptions> = {}) => {
    const node = service(options);
    await node.start();
    const now = await until(node, ({ child }) => child.kind === 'ready' || child.kind === 'failed');
    if (now.child.kind !== 'ready')
      throw new Error(`${JSON.stringify(now.problem)}\n${node.log().join('\n')}`);
    return { node, pid: pidOf(now) };
  };
  const words = binary.launcher?.length > 0 ? binary.launcher : [binary.path];
  const mine = (
    node: { rpc: { call(method: string, params: unknown[]): Promise<unknown> } },
    blocks: number,
  ) => node.rpc.call('generatetodescriptor', [blocks, 'raw(51)']);

  test('starts at height 0 as synced, mines, stops cleanly and keeps its chain', async () => {
    const { node } = await readyNode();
    expect(node.snapshot()).toMatchObject({
      sync: { stage: 'synced', progress: 1, blocks: 0 },
      problem: undefined,
    });
    expect(node.snapshot().child).toMatchObject({ version: expect.stringMatching(/^\d+\.\d+/) });
    const hashes = (await mine(node, 3)) as string[];
    await until(node, ({ sync }) => sync?.blocks === 3 && sync.bestHash === hashes[2]);
    expect(await node.rpc.call('getblocktemplate', [{ rules: ['segwit'] }])).toMatchObject({ height: 4 });
    await node.stop();
    expect(node.log().at(-1)).toContain('Shutdown: done');
    await node.start();
    expect((await until(node, isKind('ready'))).sync).toMatchObject({ blocks: 3, bestHash: hashes[2] });
  });

  test('its own folder, and nothing listens but RPC on loopback', async () => {
    const { node, pid } = await readyNode();
    expect(readdirSync(world.dataDir)).toEqual(
      expect.arrayContaining(['adit.json', 'adit-run.json', 'bitcoin.conf', 'regtest']),
    );
    expect(await node.rpc.call('getnetworkinfo')).toMatchObject({ connections: 0, localaddresses: [] });
    if (process.platform !== 'linux') return;
    const listening = readFileSync(`/proc/${pid}/net/tcp`, 'latin1')
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[3] === '0A' && socketsOf(pid).has(fields[9] ?? ''))
      .map((fields) => fields[1]?.split(':')[0]);
    expect(listening).toEqual(['0100007F']);
  });

  test.skipIf(process.platform === 'win32')(
    'kill -9 while it mines: back with its chain after the wait',
    async () => {
      const { node, pid } = await readyNode();
      await mine(node, 5);
      const mining = mine(node, 2_000).catch((error: unknown) => error);
      process.kill(pid, 'SIGKILL');
      expect(await mining).toMatchObject({ name: 'RpcUnreachable', code: 'cut' });
      expect((await until(node, isKind('backoff'))).problem).toMatchObject({ code: 'killed' });
      const back = await until(node, ({ child }) => child.kind === 'ready' || child.kind === 'failed');
      expect(pidOf(back)).not.toBe(pid);
      expect(await mine(node, 1)).toHaveLength(1);
    },
  );

  test('its folder locked by another node: named, and taken when that one has ended', async () => {
    // A first start makes the folder ours; then a node that is not ours opens it.
    const { node: first } = await readyNode();
    await first.stop();
    const [command = '', ...before] = words;
    const own = [`-datadir=${world.dataDir}`, '-server=0', '-printtoconsole=1'];
    const other = spawn(command, [...before, ...own], { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = new Promise((resolve) => other.once('exit', resolve));
    try {
      for await (const line of createInterface({ input: other.stdout }))
        if (line.includes('Done loading')) break;
      other.stdout.resume();
      const node = service({ policy: { backoffMs: 200, crashLimit: 1_000 } });
      await node.start();
      const backoff = await until(node, isKind('backoff'));
      expect(backoff.problem).toMatchObject({ code: 'dataDirLocked' });
      expect(runs(other.pid ?? 0)).toBe(true);
      other.kill('SIGTERM');
      await ended;
      await until(node, isKind('ready'));
    } finally {
      other.kill('SIGTERM');
      await ended;
    }
  });

  test('a port that is taken in the last moment: the node itself says so', async () => {
    const blocker = createServer();
    await new Promise<void>((resolve) => blocker.listen(0, '127.0.0.1', resolve));
    const { port } = blocker.address() as AddressInfo;
    const node = service({ extraArgs: [`-rpcport=${port}`], policy: { backoffMs: 100, crashLimit: 1_000 } });
    await node.start();
    const backoff = await until(node, isKind('backoff'));
    expect(backoff.problem).toMatchObject({ code: 'portTaken' });
    await node.stop();
    await new Promise((resolve) => blocker.close(resolve));
  });

  test('a setting it does not take: failed at once, not tried again', async () => {
    const node = service({ extraArgs: ['-nonsense=1'] });
    await node.start();
    expect(await until(node, isKind('failed'))).toMatchObject({ problem: { code: 'badConfig' } });
  });

  test('a damaged configuration is written anew', async () => {
    const { node } = await readyNode();
    await node.stop();
    writeFileSync(join(world.dataDir, 'bitcoin.conf'), '[regtest\nrpcport=abc\0');
    await node.start();
    await until(node, isKind('ready'));
  });

  test('a chain of another network in its place is refused', async () => {
    const { node } = await readyNode();
    await node.stop();
    // signet's blocks and index under the name of regtest
    const [command = '', ...before] = words;
    const signet = join(world.root, 'signet');
    mkdirSync(signet);
    const made = spawnSync(
      command,
      [
        ...before,
        `-datadir=${signet}`,
        '-conf=/dev/null',
        '-chain=signet',
        '-server=0',
        '-connect=0',
        '-listen=0',
        '-stopatheight=0',
        '-stopafterblockimport=1',
        '-loadblock=/dev/null',
      ],
      { timeout: 30_000 },
    );
    expect(made.status).toBe(0);
    for (const name of ['blocks', 'chainstate']) {
      rmSync(join(world.dataDir, 'regtest', name), { recursive: true });
      spawnSync('cp', ['-r', join(signet, 'signet', name), join(world.dataDir, 'regtest', name)]);
    }
    await node.start();
    const failed = await until(node, isKind('failed'));
    expect(failed.problem, node.log().join('\n')).toMatchObject({ code: 'wrongNetwork' });
  });

  test('a damaged block database: failed with the advice to reindex, which heals it', async () => {
    const { node } = await readyNode();
    await mine(node, 10);
    await node.stop();
    const index = join(world.dataDir, 'regtest', 'blocks', 'index');
    for (const name of readdirSync(index)) {
      if (/^MANIFEST|\.ldb$|\.log$/.test(name))
        writeFileSync(join(index, name), 'not a database '.repeat(100));
    }
    await node.start();
    const failed = await until(node, isKind('failed'));
    expect(failed.problem, node.log().join('\n')).toMatchObject({
      code: 'corruptDatabase',
      advice: expect.stringContaining('reindex'),
    });
    await node.reindex();
    await until(node, ({ sync }) => sync?.blocks === 10);
  });

  const tmpfs = join('/tmp', `adit-full-${process.pid}`);
  const canMount = (): boolean => {
    if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
    mkdirSync(tmpfs, { recursive: true });
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=60m', 'none', tmpfs]).status === 0;
    if (mounted) spawnSync('umount', [tmpfs]);
    rmSync(tmpfs, { recursive: true, force: true });
    return mounted;
  };
  test.skipIf(named === undefined || !canMount())(
    'a full disk: failed with advice, and well again when there is room',
    async () => {
      mkdirSync(tmpfs);
      spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=200m', 'none', tmpfs]);
      try {
        const node = service({ settings: { ...SETTINGS, dataDir: tmpfs } });
        await node.start();
        await until(node, isKind('ready'));
        await mine(node, 1);
        await node.stop();
        const room = spawnSync('df', ['--output=avail', '-B1', tmpfs], { encoding: 'utf8' }).stdout.split(
          '\n',
        )[1];
        spawnSync('fallocate', ['-l', String(Number(room) - 20_000_000), join(tmpfs, 'filler')]);
        await node.start();
        const failed = await until(node, isKind('failed'));
        expect(failed.problem, node.log().join('\n')).toMatchObject({ code: 'diskFull' });
        rmSync(join(tmpfs, 'filler'));
        await node.start();
        expect((await until(node, isKind('ready'))).sync).toMatchObject({ blocks: 1 });
        await node.stop();
      } finally {
        spawnSync('umount', [tmpfs]);
        rmSync(tmpfs, { recursive: true, force: true });
      }
    },
  );

  test.skipIf(process.platform === 'win32')(
    'is taken over with its chain after its owner was killed',
    async () => {
      const script = fileURLToPath(new URL('../fixtures/node-owner.mjs', import.meta.url));
      const args = [script, world.root, JSON.stringify(binary), JSON.stringify(SETTINGS)];
      const owner = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
      const ended = new Promise((resolve) => owner.once('exit', resolve));
      let pid = 0;
      for await (const line of createInterface({ input: owner.stdout })) {
        pid = Number(/^ready (\d+)$/.exec(line)?.[1] ?? 0);
        if (pid > 0) break;
      }
      owner.kill('SIGKILL');
      await ended;
      const { node, pid: taken } = await readyNode();
      expect(taken).toBe(pid);
      expect(await mine(node, 1)).toHaveLength(1);
      expect(node.log().join('\n')).toContain('taken over');
      await node.stop();
      expect(runs(pid)).toBe(false);
    },
  );
});

/** Inodes of the sockets a process has open. */
function socketsOf(pid: number): ReadonlySet<string> {
  const folder = `/proc/${pid}/fd`;
  const inodes = new Set<string>();
  for (const name of readdirSync(folder)) {
    const link = readlinkSync(join(folder, name));
    const inode = /^socket:\[(\d+)\]/.exec(link)?.[1];
    if (inode !== undefined) inodes.add(inode);
  }
  return inodes;
}
