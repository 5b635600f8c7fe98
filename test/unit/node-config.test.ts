import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DEFAULT_SETTINGS } from '../../src-main/core/api/settings.ts';
import { NETWORK, NETWORKS } from '../../src-main/core/bitcoin/network.ts';
import { ChildStartError } from '../../src-main/services/node/child.ts';
import {
  OWN_PORTS,
  claimDataDir,
  managedBlock,
  nodePaths,
  readConfig,
  writeConfig,
} from '../../src-main/services/node/config.ts';

const settings = DEFAULT_SETTINGS.node;
const config = { network: 'regtest', settings, rpcPort: 12_345 } as const;

describe('the configuration text', () => {
  test('answers RPC on this computer only, prunes, takes no connections by default', () => {
    const lines = managedBlock({ ...config, network: 'main' }).split('\n');
    for (const line of [
      'chain=main',
      'server=1',
      'prune=10000',
      'listen=0',
      'dbcache=1024',
      'maxconnections=40',
    ]) {
      expect(lines).toContain(line);
    }
    const section = lines.slice(lines.indexOf('[main]'));
    expect(section).toEqual(
      expect.arrayContaining(['rpcbind=127.0.0.1', 'rpcallowip=127.0.0.1', 'rpcport=12345']),
    );
    expect(lines.some((line) => /rpcuser|rpcpassword|rpcauth|blockfilter|ipcbind/.test(line))).toBe(false);
  });

  test('what counts for one network only stands in its section', () => {
    for (const network of NETWORKS) {
      const lines = managedBlock({ network, settings: { ...settings, listen: true }, rpcPort: 1 }).split(
        '\n',
      );
      const section = lines.indexOf(`[${NETWORK[network].core}]`);
      expect(lines.indexOf('rpcport=1')).toBeGreaterThan(section);
      expect(lines.indexOf(`port=${OWN_PORTS[network].p2p}`)).toBeGreaterThan(section);
    }
  });

  test("Adit's ports are none of Core's and don't meet each other", () => {
    const own = NETWORKS.flatMap((network) => {
      const { rpc, p2p } = OWN_PORTS[network];
      return [rpc, p2p, p2p + 1];
    });
    const core = NETWORKS.flatMap((network) => [
      NETWORK[network].rpcPort,
      NETWORK[network].p2pPort,
      NETWORK[network].p2pPort + 1,
    ]);
    expect(new Set([...own, ...core]).size).toBe(own.length + new Set(core).size);
  });

  test('reads back what it wrote, and keeps lines of the user', () => {
    const own = ['# my Tor', 'proxy=127.0.0.1:9050', '', 'addnode=192.0.2.1 # friend', 'nodebug=net'];
    expect(readConfig(`${managedBlock(config)}\n\n${own.join('\n')}\n`)).toEqual({
      kind: 'kept',
      userLines: own,
    });
  });

  test.each([
    ['nothing', ''],
    ['zeros, as after a power cut', '\0'.repeat(512)],
    ['broken UTF-8', Buffer.from([0xff, 0xfe, 0x00]).toString('utf8')],
    ['half of it', managedBlock(config).slice(0, 200)],
    ['a line before', `server=0\n${managedBlock(config)}`],
    ['a key nobody knows', `${managedBlock(config)}\nfoo=1`],
    ['an open RPC', `${managedBlock(config)}\nrpcallowip=0.0.0.0/0`],
    ['a program to run', `${managedBlock(config)}\nblocknotify=rm -rf /`],
    ['another file', `${managedBlock(config)}\nincludeconf=/etc/passwd`],
    ['another folder', `${managedBlock(config)}\ndatadir=/home/me/.bitcoin`],
    ['a section', `${managedBlock(config)}\n[main]\nrpcport=1`],
    ['a network prefix', `${managedBlock(config)}\nregtest.rpcport=1`],
    ['no value', `${managedBlock(config)}\nproxy`],
  ])('takes %s for damaged', (_, text) => {
    expect(readConfig(text).kind).toBe('damaged');
  });
});

describe('the folder of the node', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'adit-config-'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const paths = (chosen = '', network: 'main' | 'regtest' = 'regtest') => nodePaths(root, chosen, network);
  const refusal = (run: () => unknown): ChildStartError => {
    try {
      run();
    } catch (error) {
      if (error instanceof ChildStartError) return error;
      throw error;
    }
    throw new Error('was not refused');
  };

  test('is one per network, with the cookie where Core puts it', () => {
    expect(nodePaths('/a', '', 'main')).toMatchObject({
      dataDir: '/a/node/main',
      cookie: '/a/node/main/.cookie',
    });
    expect(nodePaths('/a', '/big', 'signet')).toMatchObject({
      dataDir: '/big/signet',
      cookie: '/big/signet/signet/.cookie',
    });
  });

  test('is claimed once and known again', () => {
    claimDataDir(paths(), 'regtest');
    writeConfig(paths(), config);
    mkdirSync(join(paths().dataDir, 'regtest'));
    expect(() => claimDataDir(paths(), 'regtest')).not.toThrow();
  });

  test.each(['bitcoin.conf', 'blocks', 'chainstate', '.lock', 'wallet.dat', 'regtest'])(
    'is refused and left as it is when it has %s of another node',
    (name) => {
      mkdirSync(join(paths().dataDir, name), { recursive: true });
      const error = refusal(() => claimDataDir(paths(), 'regtest'));
      expect(error.problem).toMatchObject({ code: 'foreignDataDir', message: expect.stringContaining(name) });
      expect(error.fatal).toBe(true);
      expect(readdirSync(paths().dataDir)).toEqual([name]);
    },
  );

  test("another node's own folder is not used for a folder of ours either", () => {
    const theirs = join(root, '.bitcoin');
    mkdirSync(join(theirs, 'chainstate'), { recursive: true });
    expect(refusal(() => claimDataDir(paths(theirs), 'regtest')).problem.code).toBe('foreignDataDir');
    expect(readdirSync(theirs)).toEqual(['chainstate']);
  });

  test('two networks of ours may share a chosen folder', () => {
    const chosen = join(root, 'big');
    claimDataDir(paths(chosen, 'regtest'), 'regtest');
    expect(() => claimDataDir(paths(chosen, 'main'), 'main')).not.toThrow();
  });

  test('is refused when it was set up for another network', () => {
    claimDataDir(paths(), 'regtest');
    const error = refusal(() => claimDataDir(paths(), 'main'));
    expect(error.problem).toMatchObject({
      code: 'wrongNetwork',
      message: expect.stringContaining('regtest'),
    });
  });

  test('is refused when its marker is damaged', () => {
    claimDataDir(paths(), 'regtest');
    writeFileSync(join(paths().dataDir, 'adit.json'), '{"format":');
    expect(refusal(() => claimDataDir(paths(), 'regtest')).problem.code).toBe('foreignDataDir');
  });

  test('can not be a file', () => {
    writeFileSync(join(root, 'node'), '');
    expect(refusal(() => claimDataDir(paths(), 'regtest')).problem.code).toBe('noFolder');
  });

  test.skipIf(process.getuid?.() === 0 || process.platform === 'win32')('must be writable', () => {
    chmodSync(root, 0o500);
    expect(refusal(() => claimDataDir(paths(), 'regtest')).problem.code).toBe('noPermission');
    chmodSync(root, 0o700);
  });

  test('a damaged configuration is set aside and written anew, a good one kept', () => {
    claimDataDir(paths(), 'regtest');
    const first = writeConfig(paths(), config);
    expect(first.setAside).toBeUndefined();
    const good = readFileSync(paths().config, 'utf8');

    writeFileSync(paths().config, 'server=maybe\n\0\0');
    const second = writeConfig(paths(), config);
    expect(second.setAside).toMatchObject({
      path: `${paths().config}.damaged`,
      reason: 'it holds bytes that are not text',
    });
    expect(readFileSync(paths().config, 'utf8')).toBe(good);
    expect(readFileSync(`${paths().config}.damaged`, 'utf8')).toContain('server=maybe');

    writeFileSync(paths().config, `${good}maxuploadtarget=500\n`);
    expect(writeConfig(paths(), config).setAside).toBeUndefined();
    expect(readFileSync(paths().config, 'utf8')).toContain('maxuploadtarget=500');
    expect(existsSync(`${paths().config}.new`)).toBe(false);
  });

  test('a folder or a giant in the place of the configuration is set aside too', () => {
    claimDataDir(paths(), 'regtest');
    mkdirSync(paths().config);
    expect(writeConfig(paths(), config).setAside?.reason).toBe('it is not a file');
    writeFileSync(paths().config, '#'.repeat(300_000));
    expect(writeConfig(paths(), config).setAside?.reason).toBe('it is far too large');
  });

  test('the fingerprint tells other settings, not another port', () => {
    claimDataDir(paths(), 'regtest');
    const first = writeConfig(paths(), config).fingerprint;
    expect(writeConfig(paths(), { ...config, rpcPort: 54_321 }).fingerprint).toBe(first);
    expect(
      writeConfig(paths(), { ...config, settings: { ...settings, dbCacheMiB: 4 } }).fingerprint,
    ).not.toBe(first);
  });
});
