import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DEFAULT_SETTINGS } from '../../src-main/core/api/settings.ts';
import {
  FAKE_BINARY,
  NodeWorld,
  QUICK_POLICY,
  fastClock,
  isKind,
  pidOf,
  runs,
  until,
} from '../fixtures/node-world.ts';

let world: NodeWorld;
beforeEach(() => {
  world = new NodeWorld();
});
afterEach(() => world.close());

const readyNode = async (options: Parameters<NodeWorld['service']>[0] = {}) => {
  const node = world.service(options);
  await node.start();
  return { node, pid: pidOf(await until(node, isKind('ready'))) };
};

describe('a node that behaves', () => {
  test('starts, is ready when it answers, stops when asked', async () => {
    const node = world.service();
    expect(node.snapshot().child.kind).toBe('stopped');
    await node.start();
    const ready = await until(node, isKind('ready'));
    expect(ready).toMatchObject({ problem: undefined, sync: { stage: 'synced', blocks: 0 } });
    expect(ready.child).toMatchObject({ version: '31.1.0' });
    expect(await node.rpc.call('getblockcount')).toBe(0);
    expect(node.log()).toContain('fake node listens');
    await node.stop();
    expect(node.snapshot()).toMatchObject({
      child: { kind: 'stopped' },
      sync: undefined,
      problem: undefined,
    });
    expect(runs(pidOf(ready))).toBe(false);
    expect(existsSync(join(world.dataDir, 'adit-run.json'))).toBe(false);
    await expect(node.rpc.call('getblockcount')).rejects.toMatchObject({
      name: 'RpcUnreachable',
      code: 'down',
    });
  });

  test('tells what it loads before it answers', async () => {
    world.script({ warmup: 3 });
    claim();
    const node = world.service();
    await node.start();
    const warming = await until(node, isKind('warming'));
    expect(warming.child).toMatchObject({ stage: 'Loading block index' });
    expect(warming.sync).toBeUndefined();
    await until(node, isKind('ready'));
  });

  test('gets its own files by name and nothing of our environment', async () => {
    process.env['ADIT_TEST_SECRET'] = 'x';
    await readyNode({ extraArgs: ['-debug=ipc'] });
    delete process.env['ADIT_TEST_SECRET'];
    const [first] = world.starts();
    expect(first?.argv).toEqual([
      `-datadir=${world.dataDir}`,
      `-conf=${join(world.dataDir, 'bitcoin.conf')}`,
      '-chain=regtest',
      '-printtoconsole=1',
      '-debug=ipc',
    ]);
    const names = Object.keys(first?.env ?? {}).filter((name) => !name.startsWith('__'));
    expect(['LC_ALL', 'PATH', 'TMPDIR']).toEqual(expect.arrayContaining(names));
  });

  test.skipIf(process.platform !== 'linux')(
    'is not in our process group: Ctrl-C does not reach it',
    async () => {
      const { pid } = await readyNode();
      const group = (of: number | string) =>
        readFileSync(`/proc/${of}/stat`, 'latin1').split(') ')[1]?.split(' ')[2];
      expect(group(pid)).not.toBe(group('self'));
    },
  );

  test('restarts with another process', async () => {
    const { node, pid } = await readyNode();
    await node.restart();
    expect(pidOf(await until(node, isKind('ready')))).not.toBe(pid);
    expect(runs(pid)).toBe(false);
  });

  test('rebuilds its database when told, once', async () => {
    const { node } = await readyNode();
    await node.reindex();
    await until(node, isKind('ready'));
    await node.restart();
    await until(node, isKind('ready'));
    expect(world.starts().map(({ argv }) => argv.includes('-reindex=1'))).toEqual([false, true, false]);
  });

  test('does not swamp us with a line that has no end', async () => {
    world.script({ flood: 3_000_000 });
    claim();
    const { node } = await readyNode();
    expect(node.log().join('').length).toBeLessThan(10_000);
  });
});

describe('a node that crashes', () => {
  test.skipIf(process.platform === 'win32')(
    'kill -9: it is back after the wait, with the reason in between',
    async () => {
      const { node, pid } = await readyNode();
      const begun = performance.now();
      process.kill(pid, 'SIGKILL');
      const backoff = await until(node, isKind('backoff'));
      expect(backoff.problem).toMatchObject({ code: 'killed' });
      expect(backoff.sync).toBeUndefined();
      expect(pidOf(await until(node, isKind('ready')))).not.toBe(pid);
      expect(performance.now() - begun).toBeGreaterThanOrEqual(50);
      expect(await node.rpc.call('getblockcount')).toBe(0);
    },
  );

  test('a crash loop ends in failed, with its last words and advice', async () => {
    world.script({ say: ['the last words'], exit: 3 });
    claim();
    const node = world.service();
    await node.start();
    const failed = await until(node, isKind('failed'));
    expect(failed.child).toMatchObject({ exit: { code: 3, signal: null }, logTail: ['the last words'] });
    expect(failed.problem).toMatchObject({
      code: 'crashLoop',
      message: expect.stringContaining('exit code 3'),
    });
    expect(world.starts().length).toBe(3);
    world.script({});
    await node.start();
    await until(node, isKind('ready'));
  });

  test('is not started again when only a person can help', async () => {
    world.script({ say: ['Error: Disk space is too low!'], exit: 1 });
    claim();
    const node = world.service();
    await node.start();
    const failed = await until(node, isKind('failed'));
    expect(failed.problem).toMatchObject({ code: 'diskFull', advice: expect.stringContaining('Make room') });
    expect(world.starts().length).toBe(1);
  });

  test('a folder locked by another node is tried again', async () => {
    world.script({
      say: ['Error: Cannot obtain a lock on directory /x. Bitcoin Core is probably already running.'],
      exit: 1,
    });
    claim();
    const node = world.service();
    await node.start();
    const backoff = await until(node, isKind('backoff'));
    expect(backoff.problem).toMatchObject({ code: 'dataDirLocked' });
    world.script({});
    await until(node, isKind('ready'));
  });
});

describe('a start that can not be', () => {
  test('a port that is taken is named, and tried again', async () => {
    const blocker = createServer();
    await new Promise<void>((resolve) => blocker.listen(0, '127.0.0.1', resolve));
    const { port } = blocker.address() as AddressInfo;
    const node = world.service({ rpcPort: port });
    await node.start();
    const backoff = await until(node, isKind('backoff'));
    expect(backoff.problem).toMatchObject({
      code: 'portTaken',
      message: expect.stringContaining(String(port)),
    });
    expect(world.starts()).toEqual([]);
    await new Promise((resolve) => blocker.close(resolve));
    await until(node, isKind('ready'));
  });

  test("another node's folder is refused and left alone", async () => {
    mkdirSync(join(world.dataDir, 'blocks'), { recursive: true });
    const node = world.service();
    await node.start();
    expect(node.snapshot()).toMatchObject({ child: { kind: 'failed' }, problem: { code: 'foreignDataDir' } });
    expect(readdirSync(world.dataDir)).toEqual(['blocks']);
  });

  test('no program: its reason and advice are passed on', async () => {
    const node = world.service({
      binary: () =>
        Promise.resolve({ ok: false, code: 'no-node', message: 'none', advice: 'install one', tried: [] }),
    });
    await node.start();
    expect(node.snapshot()).toMatchObject({
      child: { kind: 'failed', advice: 'install one' },
      problem: { code: 'no-node', message: 'none', advice: 'install one' },
    });
  });

  test.skipIf(process.platform === 'win32')('a program that may not be run, or is gone', async () => {
    const path = join(world.root, 'bitcoind');
    const binary = () =>
      Promise.resolve({ ok: true, binary: { ...FAKE_BINARY, path, launcher: [] }, tried: [] } as const);
    const node = world.service({ binary });
    await node.start();
    expect(node.snapshot().problem).toMatchObject({ code: 'binaryMissing' });
    writeFileSync(path, '#!/bin/sh\n');
    chmodSync(path, 0o600);
    await node.start();
    expect(node.snapshot().problem).toMatchObject({ code: 'notExecutable' });
    // Not for this computer: it must not end up with a shell that runs its bytes as commands.
    writeFileSync(path, `touch ${join(world.root, 'oops')}\n`);
    chmodSync(path, 0o700);
    await node.start();
    expect(node.snapshot().problem).toMatchObject({ code: 'wrongArchitecture' });
    const foreign = Buffer.alloc(64);
    foreign.write('\x7fELF\x02\x01', 'latin1');
    foreign.writeUInt16LE(0x15, 18); // PowerPC
    writeFileSync(path, foreign);
    await node.start();
    expect(node.snapshot().problem).toMatchObject({ code: 'wrongArchitecture' });
    expect(existsSync(join(world.root, 'oops'))).toBe(false);
    expect(node.snapshot().child.kind).toBe('failed');
  });

  test('a stop does not wait for the search of a program', async () => {
    let aborted = false;
    const node = world.service({
      binary: (signal) =>
        new Promise(() => {
          signal.addEventListener('abort', () => (aborted = true));
        }),
    });
    const started = node.start();
    await node.stop();
    await started;
    expect(aborted).toBe(true);
    expect(node.snapshot()).toMatchObject({ child: { kind: 'stopped' }, problem: undefined });
  });

  test('a damaged configuration heals itself', async () => {
    const { node } = await readyNode();
    await node.stop();
    writeFileSync(join(world.dataDir, 'bitcoin.conf'), 'rpcport=\0\0\0');
    await node.start();
    await until(node, isKind('ready'));
    expect(node.log()[0]).toContain('bitcoin.conf was written anew');
    expect(readFileSync(join(world.dataDir, 'bitcoin.conf.damaged'), 'utf8')).toBe('rpcport=\0\0\0');
  });
});

describe('a node that answers wrongly', () => {
  test.each([
    ['chain', { chain: 'main' }],
    ['first block', { genesis: '00'.repeat(32) }],
  ])('another %s: it is asked to stop and stays so', async (_, script) => {
    world.script(script);
    claim();
    const node = world.service();
    await node.start();
    const failed = await until(node, isKind('failed'));
    expect(failed.problem).toMatchObject({ code: 'wrongNetwork' });
    expect(world.starts().length).toBe(1);
    expect(runs(world.starts()[0]?.pid ?? 0)).toBe(false);
    if (process.platform !== 'win32') expect(signals()).toEqual(['SIGTERM']);
  });

  test.each([
    ['html', 'notJson'],
    ['absurd', 'badReply'],
  ])('%s: never ready, the reason is told, and gone once it behaves', async (reply) => {
    world.script({ reply });
    claim();
    const node = world.service();
    await node.start();
    const told = await until(node, ({ problem }) => problem !== undefined);
    expect(told).toMatchObject({ child: { kind: 'starting' }, problem: { code: 'absurdAnswer' } });
    world.script({});
    const ready = await until(node, isKind('ready'));
    expect(ready.problem).toBeUndefined();
  });

  test("replies cut short don't make it ready", async () => {
    world.script({ reply: 'cut' });
    claim();
    const node = world.service();
    await node.start();
    await expect(node.rpc.call('getblockcount')).rejects.toMatchObject({ name: 'RpcUnreachable' });
    expect(node.snapshot().child.kind).toBe('starting');
    world.script({});
    await until(node, isKind('ready'));
  });
});

test('a ready node that falls silent is told apart from one that is gone, and comes back', async () => {
  const { node, pid } = await readyNode({ clock: fastClock });
  world.script({ reply: 'cut' });
  const silent = await until(node, isKind('warming'));
  expect(silent).toMatchObject({ problem: { code: 'notAnswering' }, sync: undefined });
  expect(runs(pid)).toBe(true);
  world.script({});
  const back = await until(node, isKind('ready'));
  expect(pidOf(back)).toBe(pid);
  expect(back.problem).toBeUndefined();
});

describe('a node that hangs at its stop', () => {
  test('is waited for, never killed, and the state says since when', async () => {
    const { node, pid } = await readyNode();
    world.script({ deafToStop: true });
    const before = Date.now();
    let stopped = false;
    const stop = node.stop().then(() => (stopped = true));
    const { child } = await until(node, isKind('stopping'));
    expect(child.kind === 'stopping' && child.since).toBeGreaterThanOrEqual(before);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(stopped).toBe(false);
    expect(node.forceKill()).toBe(false);
    expect(runs(pid)).toBe(true);
    // Nothing may be started beside it.
    const restarted = node.start();
    expect(node.snapshot().child.kind).toBe('stopping');
    expect(world.starts().length).toBe(1);
    world.script({});
    await stop;
    await restarted;
    expect(runs(pid)).toBe(false);
    await until(node, isKind('ready'));
    expect(world.starts().length).toBe(2);
  });

  test('is asked again, and the user told to wait', async () => {
    const { node, pid } = await readyNode({ clock: fastClock });
    world.script({ deafToStop: true });
    const stop = node.stop();
    const told = await until(node, ({ problem }) => problem?.code === 'slowStop');
    expect(told).toMatchObject({
      child: { kind: 'stopping' },
      problem: { advice: expect.stringContaining('Wait') },
    });
    expect(runs(pid)).toBe(true);
    if (process.platform !== 'win32') expect(signals().length).toBeGreaterThan(1);
    world.script({});
    await stop;
    expect(node.snapshot().problem).toBeUndefined();
  });

  test('can be forced by the user once that is offered', async () => {
    const { node, pid } = await readyNode({ policy: { ...QUICK_POLICY, offerForceAfterMs: 0 } });
    world.script({ deafToStop: true });
    const stop = node.stop();
    expect(node.forceKill()).toBe(true);
    await stop;
    expect(node.snapshot().child.kind).toBe('stopped');
    expect(runs(pid)).toBe(false);
  });
});

describe('a folder that is in use', () => {
  test('two services never share a node', async () => {
    const { node } = await readyNode();
    const second = world.service();
    await second.start();
    expect(second.snapshot()).toMatchObject({ child: { kind: 'backoff' }, problem: { code: 'otherAdit' } });
    await second.stop();
    expect(node.snapshot().child.kind).toBe('ready');
    expect(world.starts().length).toBe(1);
  });

  /** Another program that owns the node: its process, and the node's. */
  const owner = async (settings = DEFAULT_SETTINGS.node) => {
    const script = fileURLToPath(new URL('../fixtures/node-owner.mjs', import.meta.url));
    const args = [script, world.root, JSON.stringify(FAKE_BINARY), JSON.stringify(settings)];
    const program = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = new Promise((resolve) => program.once('exit', resolve));
    for await (const line of createInterface({ input: program.stdout })) {
      const pid = Number(/^ready (\d+)$/.exec(line)?.[1]);
      if (pid > 0) return { end: () => (program.kill('SIGKILL'), ended), pid };
    }
    throw new Error('the owner did not get ready');
  };

  test.skipIf(process.platform === 'win32')(
    'the node of an owner that is alive is left alone, that of a dead one taken over',
    async () => {
      const { end, pid } = await owner();
      const node = world.service({ policy: { ...QUICK_POLICY, crashLimit: 1_000 } });
      await node.start();
      expect(node.snapshot().problem).toMatchObject({ code: 'otherAdit' });
      await end();
      expect(runs(pid)).toBe(true);
      expect(pidOf(await until(node, isKind('ready')))).toBe(pid);
      expect(world.starts().length).toBe(1);
      expect(await node.rpc.call('getblockcount')).toBe(0);
      await node.stop();
      expect(runs(pid)).toBe(false);
      expect(signals()).toEqual(['SIGTERM']);
    },
  );

  test.skipIf(process.platform === 'win32')(
    'the node of a dead owner with other settings is asked to stop first',
    async () => {
      const { end, pid } = await owner({ ...DEFAULT_SETTINGS.node, dbCacheMiB: 4 });
      await end();
      const { pid: fresh } = await readyNode();
      expect(fresh).not.toBe(pid);
      expect(runs(pid)).toBe(false);
      expect(signals()).toEqual(['SIGTERM']);
    },
  );

  test.skipIf(process.platform === 'win32')('a taken-over node that crashes is started again', async () => {
    const { end, pid } = await owner();
    await end();
    const { node, pid: adopted } = await readyNode();
    expect(adopted).toBe(pid);
    process.kill(pid, 'SIGKILL');
    expect(pidOf(await until(node, (now) => now.child.kind === 'ready' && now.child.pid !== pid))).not.toBe(
      pid,
    );
  });
});

/** Makes the folder ours before the first start, so that a script can wait in it. */
function claim(): void {
  writeFileSync(join(world.dataDir, 'adit.json'), '{"format":1,"network":"regtest"}');
}

function signals(): readonly string[] {
  const path = join(world.dataDir, 'signals.log');
  return existsSync(path) ? readFileSync(path, 'utf8').trimEnd().split('\n') : [];
}
