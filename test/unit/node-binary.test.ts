import { describe, expect, test } from 'vitest';
import { defaultCacheFolder } from '../../native/cache.mjs';
import {
  dependencyNames,
  parseDeb822,
  parsePackages,
  parseSourcesList,
  pickDebianSource,
} from '../../native/debian.mjs';
import releases from '../../native/releases.json' with { type: 'json' };
import { NETWORKS } from '../../src-main/core/bitcoin/network.ts';
import { judgeBinary, parseNodeVersion } from '../../src-main/services/node/version.ts';

describe('what a node says of its version', () => {
  test.each([
    ['Bitcoin Core daemon version v31.1.0\nCopyright (C) 2009-2026', 'core', 'v31.1.0', 310100, undefined],
    ['Bitcoin Core daemon version v30.2.0 bitcoin-node\n', 'core', 'v30.2.0', 300200, undefined],
    [
      'Bitcoin Core daemon version v31.99.0-0a1b2c3d4e5f\n',
      'core',
      'v31.99.0-0a1b2c3d4e5f',
      319900,
      undefined,
    ],
    ['Bitcoin Core daemon version v31.1.0rc1\n', 'core', 'v31.1.0rc1', 310100, undefined],
    ['Bitcoin Core daemon version v31.1\r\n', 'core', 'v31.1', 310100, undefined],
    ['Bitcoin Knots daemon version v29.3.knots20260508\n', 'knots', 'v29.3.knots20260508', 290300, 20260508],
    [
      'Bitcoin Knots daemon version v29.4.3.knots20260508\n',
      'knots',
      'v29.4.3.knots20260508',
      290403,
      20260508,
    ],
    [
      'Bitcoin Core daemon version v29.2.knots20251110+bip110-v0.1\n',
      'knots',
      'v29.2.knots20251110+bip110-v0.1',
      290200,
      20251110,
    ],
    ['Bitcoin Knots daemon version v29.9.0\n', 'knots', 'v29.9.0', 290900, undefined],
    ['Another Coin daemon version v5.0.1\n', 'other', 'v5.0.1', 50001, undefined],
  ])('%j', (output, flavour, version, versionNumber, knotsDate) => {
    expect(parseNodeVersion(output)).toEqual({ flavour, version, versionNumber, knotsDate });
  });

  test.each([
    '',
    'Bitcoin Core RPC client version v31.1.0',
    'hello',
    'daemon version v31.1.0',
    `${'x'.repeat(200)} daemon version v31.1.0`,
    'Bitcoin Core daemon version v1234.1.0',
  ])('is nothing in %j', (output) => {
    expect(parseNodeVersion(output)).toBeUndefined();
  });
});

describe('which node may be used on which chain', () => {
  const judge = (output: string, network: (typeof NETWORKS)[number]) => {
    const version = parseNodeVersion(output);
    if (!version) throw new Error(`no version in ${output}`);
    const judgement = judgeBinary(version, network);
    return judgement.ok ? 'ok' : judgement.code;
  };
  const table: [string, string, string][] = [
    // version, on a public chain, on regtest
    ['Bitcoin Core daemon version v31.1.0', 'ok', 'ok'],
    ['Bitcoin Core daemon version v32.0.0', 'ok', 'ok'],
    ['Bitcoin Core daemon version v30.2.0', 'ok', 'ok'],
    ['Bitcoin Core daemon version v30.1.0', 'core-ipc-fault', 'ok'],
    ['Bitcoin Core daemon version v30.0.0', 'core-ipc-fault', 'ok'],
    ['Bitcoin Core daemon version v29.4.0', 'core-too-old', 'ok'],
    ['Bitcoin Core daemon version v27.0.0', 'core-too-old', 'ok'],
    ['Bitcoin Core daemon version v26.2.0', 'core-too-old', 'too-old'],
    ['Bitcoin Knots daemon version v29.3.knots20260508', 'knots-other-chain', 'ok'],
    ['Bitcoin Knots daemon version v29.4.3.knots20260901', 'knots-other-chain', 'ok'],
    ['Bitcoin Knots daemon version v31.0.0', 'knots-other-chain', 'ok'],
    ['Bitcoin Knots daemon version v29.3.knots20260507', 'knots-too-old', 'ok'],
    ['Bitcoin Knots daemon version v26.1.knots20240513', 'knots-too-old', 'too-old'],
    ['Another Coin daemon version v40.0.0', 'unknown-flavour', 'ok'],
  ];
  test.each(table)('%s: %s, on regtest %s', (output, elsewhere, regtest) => {
    expect(NETWORKS.map((network) => judge(output, network))).toEqual(
      NETWORKS.map((network) => (network === 'regtest' ? regtest : elsewhere)),
    );
  });

  test('a refusal names the version, the reason and one step', () => {
    const version = parseNodeVersion('Bitcoin Knots daemon version v29.4.3.knots20260508');
    const judgement = version && judgeBinary(version, 'main');
    expect(judgement).toMatchObject({
      ok: false,
      message: expect.stringMatching(/v29\.4\.3\.knots20260508.*another chain/),
      advice: expect.stringMatching(/Bitcoin Core 30\.2 or newer/),
    });
  });
});

describe('the pinned release', () => {
  const pins = Object.entries(releases.platforms);

  test('covers the five platforms', () => {
    expect(pins.map(([name]) => name).sort()).toEqual([
      'darwin-arm64',
      'darwin-x64',
      'linux-arm64',
      'linux-x64',
      'win32-x64',
    ]);
  });

  test.each(pins)('%s is agreed by two sources of different repositories', (_name, pin) => {
    const sources: Record<string, { repository: string; commit: string; path: string } | undefined> =
      releases.sources;
    const repositories = pin.agreed.map((source) => sources[source]?.repository);
    expect(repositories).not.toContain(undefined);
    expect(new Set(repositories).size).toBeGreaterThanOrEqual(2);
  });

  test.each(pins)('%s is whole', (_name, pin) => {
    expect(pin.sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(pin.file).toContain(`bitcoin-${releases.version}-`);
    expect(pin.urls.length).toBeGreaterThan(0);
    for (const url of pin.urls)
      expect(url).toMatch(new RegExp(`^https://.*/${pin.file.replaceAll('.', '\\.')}$`));
    if ('size' in pin) expect(pin.size).toBeLessThan(releases.maxBytes);
  });

  test('no hash is there twice', () => {
    expect(new Set(pins.map(([, pin]) => pin.sha256)).size).toBe(pins.length);
  });
});

describe('the machine’s package sources', () => {
  test('classic lines', () => {
    const text = `# deb http://commented.example/debian stable main
deb [arch=amd64 signed-by=/a.gpg,/b.gpg trusted=yes] http://mirror.example/debian/ bookworm main contrib # words
deb-src http://mirror.example/debian bookworm main
deb http://flat.example/ ./
nonsense`;
    expect(parseSourcesList(text)).toEqual([
      {
        uris: ['http://mirror.example/debian/'],
        suites: ['bookworm'],
        components: ['main', 'contrib'],
        signedBy: '/a.gpg /b.gpg',
        trusted: 'yes',
      },
      {
        uris: ['http://flat.example/'],
        suites: ['./'],
        components: [],
        signedBy: undefined,
        trusted: undefined,
      },
    ]);
  });

  test('deb822 stanzas, with a key in place, comments and switched-off ones', () => {
    const text = `Types: deb deb-src
URIs: http://mirror.example/debian
Suites: trixie
# between
 trixie-updates
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBF

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: sid
Components: main

Types: deb-src
URIs: http://src.example/debian
Suites: sid
Components: main
`;
    const [source, ...others] = parseDeb822(text);
    expect(others).toEqual([]);
    expect(source).toEqual({
      uris: ['http://mirror.example/debian'],
      suites: ['trixie', 'trixie-updates'],
      components: ['main'],
      signedBy: '\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINBF',
      trusted: undefined,
    });
  });

  test('the mirror is that of the main archive: not security, not another vendor', () => {
    const line = (text: string) => parseSourcesList(text);
    expect(
      pickDebianSource([
        ...line('deb http://security.example/debian-security bookworm-security main'),
        ...line('deb http://packages.example/tool tool-bookworm main'),
        ...line('deb http://archive.ubuntu.example/ubuntu noble main'),
        ...line('deb http://mirror.example/debian bookworm contrib'),
        ...line('deb http://mirror.example/debian bookworm main'),
      ])?.uris,
    ).toEqual(['http://mirror.example/debian']);
    expect(pickDebianSource(line('deb http://archive.ubuntu.example/ubuntu noble main'))).toBeUndefined();
    expect(pickDebianSource([])).toBeUndefined();
  });
});

test('dependencies are names: the first of alternatives, without versions', () => {
  expect(
    dependencyNames(
      'debconf (>= 0.5) | debconf-2.0, libc6 (>= 2.34), libevent-core-2.1-7t64:any, libstdc++6',
    ),
  ).toEqual(['debconf', 'libc6', 'libevent-core-2.1-7t64', 'libstdc++6']);
  expect(dependencyNames('')).toEqual([]);
});

test('package records', () => {
  const text = 'Package: a\nVersion: 1\nDescription: long\n more: words\n\nPackage: b\nDepends: a\n\n\n';
  expect(parsePackages(text)).toEqual([
    { package: 'a', version: '1', description: 'long' },
    { package: 'b', depends: 'a' },
  ]);
});

test('the cache folder follows the system’s habits', () => {
  expect(defaultCacheFolder({ XDG_CACHE_HOME: '/x/cache' }, 'linux')).toBe('/x/cache/adit');
  expect(defaultCacheFolder({ XDG_CACHE_HOME: 'relative' }, 'linux')).toMatch(/\/\.cache\/adit$/);
  expect(defaultCacheFolder({}, 'darwin')).toMatch(/Library\/Caches\/adit$/);
});
