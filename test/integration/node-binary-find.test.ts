import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BringError } from '../../native/cache.mjs';
import { bringDebianNode } from '../../native/debian.mjs';
import { commandOf, findNodeBinary } from '../../src-main/services/node/binary.ts';
import { RELEASES } from '../../src-main/services/node/download.ts';

const posix = process.platform !== 'win32';
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'adit-find-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** Places a program that answers `-version` and `-help` as a node would. */
async function fakeNode(
  path: string,
  version: string,
  more: { ipc?: boolean; script?: string } = {},
): Promise<string> {
  const place = join(folder, path);
  const body =
    more.script ??
    `case "$1" in\n-version) echo "${version}";;\n-help) echo "  -chain=<chain>"${more.ipc ? '; echo "  -ipcbind=<address>"' : ''};;\nesac`;
  await mkdir(dirname(place), { recursive: true });
  await writeFile(place, `#!/bin/sh\n${body}\n`);
  await chmod(place, 0o755);
  return place;
}
const core = (version: string) => `Bitcoin Core daemon version ${version}`;
const KNOTS = 'Bitcoin Knots daemon version v29.4.3.knots20260508';
const searchPath = (...folders: string[]) => folders.map((one) => join(folder, one)).join(delimiter);
/** Finds with nothing of this machine: no PATH of its own, an empty cache. */
const find = (options: Partial<Parameters<typeof findNodeBinary>[0]>) =>
  findNodeBinary({ network: 'main', path: '', cacheFolder: join(folder, 'cache'), ...options });

/** Puts what looks like the brought release into the cache. */
async function fakeCache(version: string, name = 'libexec/bitcoin-node'): Promise<string> {
  const place = `cache/releases/bitcoin-${RELEASES.version}-${process.platform}-${process.arch}`;
  await fakeNode(`${place}/bin/bitcoind`, version);
  const path = await fakeNode(`${place}/${name}`, version, { ipc: true });
  const sha256 = RELEASES.platforms[`${process.platform}-${process.arch}`]?.sha256;
  await writeFile(join(folder, place, 'adit-node.json'), JSON.stringify({ sha256 }));
  return path;
}

describe.runIf(posix)('the order', () => {
  test('the named one before all others', async () => {
    await fakeNode('a/bitcoind', core('v31.1.0'));
    const named = await fakeNode('mine/bitcoind', core('v30.2.0'));
    expect(await find({ named: ` ${named} `, path: searchPath('a') })).toMatchObject({
      ok: true,
      binary: {
        path: named,
        origin: 'named',
        launcher: [],
        flavour: 'core',
        version: 'v30.2.0',
        versionNumber: 300200,
        ipc: false,
      },
    });
  });

  test('a named folder, and the bitcoin command, mean the bitcoin-node in it or beside it', async () => {
    const node = await fakeNode('mine/libexec/bitcoin-node', core('v31.1.0'), { ipc: true });
    await fakeNode('mine/bin/bitcoind', core('v31.1.0'));
    const command = await fakeNode('mine/bin/bitcoin', 'not asked');
    for (const named of [join(folder, 'mine'), command]) {
      expect(await find({ named })).toMatchObject({ ok: true, binary: { path: node, ipc: true } });
    }
  });

  test('on the PATH: bitcoin-node beside bitcoin, then bitcoind; relative folders are passed over', async () => {
    await fakeNode('a/bitcoind', core('v31.1.0'));
    await fakeNode('b/bin/bitcoin', 'not asked');
    const node = await fakeNode('b/libexec/bitcoin-node', core('v31.1.0'), { ipc: true });
    const path = `.${delimiter}relative${delimiter}${searchPath('a', 'b/bin')}`;
    expect(await find({ path })).toMatchObject({
      ok: true,
      binary: { path: node, origin: 'path', ipc: true },
    });
    await rm(node);
    expect(await find({ path })).toMatchObject({ ok: true, binary: { path: join(folder, 'a/bitcoind') } });
  });

  test('what is refused on the PATH is passed over and told', async () => {
    const old = await fakeNode('a/bitcoind', core('v28.0.0'));
    const knots = await fakeNode('b/bitcoind', KNOTS);
    const bundled = await fakeNode('app/libexec/bitcoin-node', core('v31.1.0'), { ipc: true });
    expect(await find({ path: searchPath('a', 'b'), bundled: join(folder, 'app') })).toEqual({
      ok: true,
      binary: expect.objectContaining({ path: bundled, origin: 'bundled' }),
      tried: [
        { origin: 'path', path: old, code: 'core-too-old', message: expect.stringContaining('v28.0.0') },
        {
          origin: 'path',
          path: knots,
          code: 'knots-other-chain',
          message: expect.stringContaining('another chain'),
        },
      ],
    });
  });

  test('the bundled one before the cached one', async () => {
    const cached = await fakeCache(core('v31.1.0'));
    const bundled = await fakeNode('app/bin/bitcoind', core('v31.1.0'));
    expect(await find({ bundled: join(folder, 'app') })).toMatchObject({
      ok: true,
      binary: { path: bundled, origin: 'bundled' },
    });
    expect(await find({ bundled: join(folder, 'nothing') })).toMatchObject({
      ok: true,
      binary: { path: cached, origin: 'cache' },
    });
  });
});

describe.runIf(posix)('a named one that does not do', () => {
  test.each([
    ['Knots off regtest', KNOTS, 'main' as const, 'knots-other-chain'],
    ['an old Core', core('v29.0.0'), 'signet' as const, 'core-too-old'],
    ['a faulty Core', core('v30.0.0'), 'testnet4' as const, 'core-ipc-fault'],
    ['another coin', 'Another Coin daemon version v40.0.0', 'main' as const, 'unknown-flavour'],
    ['an ancient one for practice', core('v25.0.0'), 'regtest' as const, 'too-old'],
    ['no node at all', 'hello', 'regtest' as const, 'named-unusable'],
  ])('%s: refused with the reason, nothing else is run', async (_what, version, network, code) => {
    await fakeCache(core('v31.1.0'));
    const named = await fakeNode('mine/bitcoind', version);
    const found = await find({ named, network });
    expect(found).toMatchObject({ ok: false, code, tried: [] });
    expect(!found.ok && found.message.length * found.advice.length).toBeGreaterThan(0);
  });

  test('Knots is good enough for practice', async () => {
    const named = await fakeNode('mine/bitcoind', KNOTS);
    expect(await find({ named, network: 'regtest' })).toMatchObject({
      ok: true,
      binary: { flavour: 'knots' },
    });
  });

  test('missing, not executable, an empty folder: named-missing', async () => {
    await fakeCache(core('v31.1.0'));
    const plain = join(folder, 'plain');
    await writeFile(plain, 'text');
    await mkdir(join(folder, 'empty'));
    for (const named of [join(folder, 'none'), plain, join(folder, 'empty')]) {
      expect(await find({ named })).toMatchObject({ ok: false, code: 'named-missing' });
    }
  });

  test('the one with a window is not started', async () => {
    const mark = join(folder, 'started');
    const named = await fakeNode('mine/bitcoin-qt', '', { script: `touch '${mark}'` });
    expect(await find({ named })).toMatchObject({ ok: false, code: 'not-a-node' });
    expect(await readdir(folder)).not.toContain('started');
  });

  test('one that hangs, one that never stops talking, one that fails', async () => {
    const hangs = await fakeNode('a/bitcoind', '', { script: 'exec sleep 60' });
    expect(await find({ named: hangs, probeTimeoutMs: 150 })).toMatchObject({
      ok: false,
      message: expect.stringContaining('gave no result within 1 s'),
    });
    const talks = await fakeNode('b/bitcoind', '', { script: 'exec yes' });
    expect(await find({ named: talks })).toMatchObject({
      ok: false,
      message: expect.stringContaining('printed more than'),
    });
    const fails = await fakeNode('c/bitcoind', '', { script: 'echo "libfoo.so.1 is missing" >&2; exit 127' });
    expect(await find({ named: fails })).toMatchObject({
      ok: false,
      message: expect.stringContaining('libfoo.so.1 is missing'),
    });
  });

  test('it sees nothing of our environment', async () => {
    const seen = join(folder, 'seen');
    const named = await fakeNode('mine/bitcoind', '', {
      script: `env > '${seen}'; echo "${core('v31.1.0')}"`,
    });
    process.env['ADIT_TEST_SECRET'] = 'hush';
    try {
      expect(await find({ named })).toMatchObject({ ok: true });
    } finally {
      delete process.env['ADIT_TEST_SECRET'];
    }
    expect(await readFile(seen, 'utf8')).not.toContain('hush');
  });
});

describe('nothing to be found', () => {
  test('is told with what was tried and the ways on; nothing is downloaded without leave', async () => {
    const found = await find({});
    expect(found).toMatchObject({
      ok: false,
      code: 'no-node',
      tried: [{ origin: 'downloaded', code: expect.stringMatching(/offline|no-release/) }],
    });
  });

  test('a damaged archive placed by hand is told', async () => {
    const pin = RELEASES.platforms[`${process.platform}-${process.arch}`];
    if (!pin) throw new Error('no pin for the platform these tests run on');
    await mkdir(join(folder, 'cache', 'releases'), { recursive: true });
    await writeFile(join(folder, 'cache', 'releases', pin.file), 'not it');
    expect(await find({})).toMatchObject({
      ok: false,
      code: 'no-node',
      advice: expect.stringMatching(/^Delete /),
    });
  });

  test('Debian’s node is never taken off regtest', async () => {
    const found = await find({ network: 'signet', debian: true });
    expect(found.tried.map((one) => one.origin)).not.toContain('debian');
  });

  test('a search that is cancelled', async () => {
    expect(await find({ signal: AbortSignal.abort() })).toMatchObject({ ok: false, code: 'cancelled' });
  });
});

test('the words to start a node with', () => {
  expect(commandOf({ path: '/x/bitcoind', launcher: [] }, ['-regtest'])).toEqual(['/x/bitcoind', '-regtest']);
  const launcher = ['/x/ld.so', '--library-path', '/x/lib', '/x/bitcoind'];
  expect(commandOf({ path: '/x/bitcoind', launcher }, ['-regtest'])).toEqual([...launcher, '-regtest']);
});

describe.runIf(posix)('Debian’s node, where it can not be had', () => {
  /** A search path with stand-ins for apt, so that the real one is not run. */
  async function standIns(aptGet: string): Promise<{ env: NodeJS.ProcessEnv; etcApt: string }> {
    await fakeNode('tools/dpkg', '', { script: 'echo amd64' });
    await fakeNode('tools/apt-get', '', { script: aptGet });
    await fakeNode('tools/apt-cache', '', { script: 'exit 0' });
    const etcApt = join(folder, 'etc');
    await mkdir(etcApt);
    await writeFile(join(etcApt, 'sources.list'), 'deb http://mirror.invalid/debian bookworm main\n');
    return { env: { PATH: `${join(folder, 'tools')}${delimiter}/usr/bin${delimiter}/bin` }, etcApt };
  }
  const code = async (options: Parameters<typeof bringDebianNode>[0]) => {
    const error: unknown = await bringDebianNode({ cacheFolder: join(folder, 'cache'), ...options }).catch(
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(BringError);
    return error as BringError;
  };

  test('no apt, no Debian mirror, no leave', async () => {
    expect((await code({ env: { PATH: join(folder, 'nothing') } })).code).toBe('debian-not-here');
    const { env, etcApt } = await standIns('exit 0');
    await writeFile(join(etcApt, 'sources.list'), 'deb http://archive.ubuntu.invalid/ubuntu noble main\n');
    expect((await code({ env, etcApt })).code).toBe('debian-not-here');
    expect((await code({ offline: true })).code).toBe('offline');
  });

  test('a mirror that fails, one without the package: told in apt’s own words, nothing left behind', async () => {
    const { env, etcApt } = await standIns('echo "E: Failed to fetch the list" >&2; exit 100');
    const failed = await code({ env, etcApt });
    expect(failed).toMatchObject({
      code: 'debian-unreachable',
      message: expect.stringContaining('E: Failed to fetch the list'),
    });
    await fakeNode('tools/apt-get', '', { script: 'exit 0' });
    expect((await code({ env, etcApt })).message).toContain('no package bitcoin-knots');
    expect(await readdir(join(folder, 'cache'))).toEqual([]);
  });

  test('apt is run on our own folders, with the machine’s mirror and the suite sid, and without its hooks', async () => {
    const seen = join(folder, 'seen');
    const { env, etcApt } = await standIns(
      `cp -r "$(dirname "$2")" '${seen}'; echo "$@" > '${seen}/arguments'; exit 100`,
    );
    await code({ env, etcApt });
    const source = await readFile(join(seen, 'sources', 'debian.sources'), 'utf8');
    expect(source).toMatch(/^URIs: http:\/\/mirror\.invalid\/debian$/m);
    expect(source).toMatch(/^Suites: sid$/m);
    const config = await readFile(join(seen, 'apt.conf'), 'utf8');
    for (const key of ['Dir::State ', 'Dir::State::lists ', 'Dir::Cache ', 'Dir::Etc::SourceParts ']) {
      expect(config).toContain(`${key}"${join(folder, 'cache')}`);
    }
    expect(config).toContain('#clear APT::Update::Post-Invoke;');
    expect(await readFile(join(seen, 'arguments'), 'utf8')).toMatch(/^-c \S+apt\.conf -q update$/m);
  });
});

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

test('Debian’s node starts on regtest, makes blocks and stops', { timeout: 240_000 }, async (context) => {
  let node;
  try {
    node = await bringDebianNode();
  } catch (error) {
    if (!(error instanceof BringError)) throw error;
    context.skip(`Debian's node can't be had here: ${error.message}`);
    return;
  }
  const found = await findNodeBinary({ network: 'regtest', path: '', cacheFolder: undefined, debian: true });
  if (!found.ok) throw new Error(found.message);
  // Where the official release is in the cache, that comes first.
  expect(['debian', 'cache']).toContain(found.binary.origin);

  const port = await freePort();
  const [program, ...words] = commandOf({ path: node.path, launcher: node.launcher }, [
    `-datadir=${folder}`,
    '-regtest',
    '-listen=0',
    '-server=1',
    `-rpcport=${port}`,
    '-rpcuser=adit',
    '-rpcpassword=test',
    '-printtoconsole=1',
  ]);
  const child: ChildProcess = spawn(program, words, { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  try {
    const call = async (method: string, ...params: unknown[]): Promise<unknown> => {
      const response = await fetch(`http://127.0.0.1:${port}/`, {
        method: 'POST',
        headers: { authorization: `Basic ${Buffer.from('adit:test').toString('base64')}` },
        body: JSON.stringify({ id: 1, method, params }),
      });
      const reply = (await response.json()) as { result: unknown; error: unknown };
      if (reply.error !== null && reply.error !== undefined) throw new Error(JSON.stringify(reply.error));
      return reply.result;
    };
    await new Promise<void>((done, fail) => {
      let log = '';
      child.stdout?.on('data', (chunk: Buffer) => {
        log = (log + chunk.toString()).slice(-20_000);
        if (log.includes('Done loading')) done();
      });
      child.once('exit', (code) => {
        fail(new Error(`the node ended with ${code}: ${log}`));
      });
    });
    expect(await call('getblockchaininfo')).toMatchObject({ chain: 'regtest', blocks: 0 });
    const { descriptor } = (await call('getdescriptorinfo', 'raw(51)')) as { descriptor: string };
    expect(await call('generatetodescriptor', 2, descriptor)).toHaveLength(2);
    const made = (await call('generateblock', descriptor, [], false)) as { hash: string; hex: string };
    expect(await call('submitblock', made.hex)).toBeNull();
    expect(await call('getbestblockhash')).toBe(made.hash);
    await call('stop');
    expect(await exited).toEqual([0, null]);
  } finally {
    if (child.exitCode === null) child.kill('SIGKILL');
    await exited;
  }
});
