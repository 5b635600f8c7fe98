import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { deflateRawSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BringError } from '../../native/cache.mjs';
import { bringRelease } from '../../native/release.mjs';
import type { Releases } from '../../native/release.mjs';
import { unpack, UnpackError } from '../../native/unpack.mjs';

interface Entry {
  readonly name: string;
  readonly body?: string | Buffer;
  /** tar's type flag: '0' a file, '2' a symbolic link, '5' a folder, 'x' pax, 'L' a long name. */
  readonly type?: string;
  readonly prefix?: string;
}

function tar(entries: readonly Entry[]): Buffer {
  const blocks: Buffer[] = [];
  for (const { name, body = '', type = '0', prefix = '' } of entries) {
    const content = Buffer.from(body);
    const header = Buffer.alloc(512);
    header.write(name, 0, 100);
    header.write('0000644\0', 100);
    header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124);
    header.write('        ', 148);
    header.write(type, 156);
    header.write('ustar\0', 257);
    header.write(prefix, 345);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    blocks.push(header, content, Buffer.alloc((512 - (content.length % 512)) % 512));
  }
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}
const tarGz = (entries: readonly Entry[]) => gzipSync(tar(entries));

function zip(
  entries: readonly { name: string; body: string; mode?: number; claim?: number; store?: boolean }[],
): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const { name, body, mode = 0o100644, claim, store = false } of entries) {
    const packed = store ? Buffer.from(body) : deflateRawSync(body);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(name.length, 26);
    parts.push(local, Buffer.from(name), packed);
    const record = Buffer.alloc(46);
    record.writeUInt32LE(0x02014b50, 0);
    record.writeUInt16LE(store ? 0 : 8, 10);
    record.writeUInt32LE(packed.length, 20);
    record.writeUInt32LE(claim ?? body.length, 24);
    record.writeUInt16LE(name.length, 28);
    record.writeUInt32LE((mode << 16) >>> 0, 38);
    record.writeUInt32LE(at, 42);
    directory.push(record, Buffer.from(name));
    at += 30 + name.length + packed.length;
  }
  const list = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(list.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...parts, list, end]);
}

const PROGRAMS: Entry[] = [
  { name: 'bitcoin-9.9/', type: '5' },
  { name: 'bitcoin-9.9/README.md', body: 'read me' },
  { name: 'bitcoin-9.9/bin/bitcoind', body: 'the daemon' },
  { name: 'bitcoin-9.9/bin/bitcoin-qt', body: 'a window' },
  { name: 'bitcoin-9.9/bin/bitcoin-cli', body: 'the cli'.repeat(20_000) },
  { name: 'bitcoin-9.9/libexec/bitcoin-node', body: 'the node' },
];
const GOOD = tarGz(PROGRAMS);
const sha256 = (data: Buffer) => createHash('sha256').update(data).digest('hex');
const LIMITS = { headersMs: 10_000, idleMs: 10_000, totalMs: 20_000, pauseMs: 1 };

let folder: string;
let server: Server;
let origin: string;
let answer: (request: IncomingMessage, response: ServerResponse) => void;
let asked: { url: string; range: string | undefined }[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'adit-bring-'));
  asked = [];
  server = createServer((request, response) => {
    asked.push({ url: request.url ?? '', range: request.headers.range });
    answer(request, response);
  });
  await new Promise<void>((done) => {
    server.listen(0, '127.0.0.1', done);
  });
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((done) => {
    server.close(done);
  });
  await rm(folder, { recursive: true, force: true });
});

/** A release of which only the archive and the addresses matter. */
function release(
  archive: Buffer,
  pin: { size?: number; sha256?: string; urls?: string[]; file?: string; maxBytes?: number } = {},
): Releases {
  return {
    version: '9.9',
    folder: 'bitcoin-9.9',
    maxBytes: pin.maxBytes ?? 1_000_000,
    platforms: {
      'linux-x64': {
        file: pin.file ?? 'node.tar.gz',
        ...(pin.size !== undefined && { size: pin.size }),
        sha256: pin.sha256 ?? sha256(archive),
        urls: pin.urls ?? [`${origin}/node.tar.gz`],
        node: 'libexec/bitcoin-node',
        daemon: 'bin/bitcoind',
        cli: 'bin/bitcoin-cli',
      },
    },
  };
}
const bring = (releases: Releases, more: object = {}) =>
  bringRelease(releases, { cacheFolder: folder, platform: 'linux', arch: 'x64', limits: LIMITS, ...more });
async function refusal(promise: Promise<unknown>): Promise<BringError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(BringError);
  return error as BringError;
}
const archivePlace = () => join(folder, 'releases', 'node.tar.gz');
/** Whatever went wrong, nothing that looks like a node may be left. */
async function nothingUnpacked() {
  const names = await readdir(join(folder, 'releases'), { recursive: true });
  expect(names.filter((name) => /bitcoin|\.new-/.test(name))).toEqual([]);
}

describe('a good archive', () => {
  test('is brought, verified, unpacked to what is needed, executable, with its licence', async () => {
    answer = (_request, response) => response.end(GOOD);
    const lines: unknown[] = [];
    const node = await bring(release(GOOD, { size: GOOD.length }), {
      progress: (...line: unknown[]) => lines.push(line),
    });
    expect(node).toMatchObject({ version: '9.9', path: join(node.folder, 'libexec/bitcoin-node') });
    expect((await readdir(node.folder, { recursive: true })).sort()).toEqual([
      'COPYING',
      'adit-node.json',
      'bin',
      'bin/bitcoin-cli',
      'bin/bitcoind',
      'libexec',
      'libexec/bitcoin-node',
    ]);
    expect(await readFile(node.path, 'utf8')).toBe('the node');
    expect((await stat(node.path)).mode & 0o777).toBe(0o755);
    expect(await readFile(join(node.folder, 'COPYING'), 'utf8')).toContain('MIT');
    expect(lines).toContainEqual(['Bitcoin Core 9.9: downloading', GOOD.length, GOOD.length]);
    expect(await readdir(join(folder, 'releases'))).toEqual(['bitcoin-9.9-linux-x64']);
  });

  test('is not brought twice', async () => {
    answer = (_request, response) => response.end(GOOD);
    const first = await bring(release(GOOD));
    expect(await bring(release(GOOD), { offline: true })).toEqual(first);
    expect(asked).toHaveLength(1);
  });

  test('is brought anew when the pin has changed', async () => {
    answer = (_request, response) => response.end(GOOD);
    await bring(release(GOOD));
    const other = tarGz(
      PROGRAMS.map((entry) => (entry.name.endsWith('bitcoin-node') ? { ...entry, body: 'newer' } : entry)),
    );
    answer = (_request, response) => response.end(other);
    expect(await readFile((await bring(release(other))).path, 'utf8')).toBe('newer');
    expect(await readdir(join(folder, 'releases'))).toEqual(['bitcoin-9.9-linux-x64']);
  });

  test('without bitcoin-node gives bitcoind', async () => {
    const old = tarGz(PROGRAMS.filter((entry) => !entry.name.includes('libexec')));
    answer = (_request, response) => response.end(old);
    expect((await bring(release(old))).path).toMatch(/bin\/bitcoind$/);
  });

  test('can go to a folder of one’s choice', async () => {
    answer = (_request, response) => response.end(GOOD);
    const to = join(folder, 'some', 'where');
    expect((await bring(release(GOOD), { to })).folder).toBe(to);
  });

  test('is taken where the user placed it, without the network, and is left there', async () => {
    await mkdir(dirname(archivePlace()), { recursive: true });
    await writeFile(archivePlace(), GOOD);
    const node = await bring(release(GOOD), { offline: true });
    expect(await readFile(node.path, 'utf8')).toBe('the node');
    expect(existsSync(archivePlace())).toBe(true);
    expect(asked).toEqual([]);
  });

  test('comes through a few redirects, and from the second address when the first fails', async () => {
    answer = (request, response) => {
      if (request.url === '/gone') response.writeHead(404).end('no');
      else if (request.url === '/node.tar.gz') response.writeHead(302, { location: '/there' }).end();
      else response.end(GOOD);
    };
    await bring(release(GOOD, { urls: [`${origin}/gone`, `${origin}/node.tar.gz`] }));
    expect(asked.map((one) => one.url)).toEqual(['/gone', '/node.tar.gz', '/there']);
  });
});

describe('a download that breaks off', () => {
  const half = Math.floor(GOOD.length / 2);
  let broken: ServerResponse | undefined;
  /** Sends the first half and no more. */
  const sendHalf = (response: ServerResponse) => {
    broken = response;
    response.writeHead(200, { 'content-length': GOOD.length });
    response.write(GOOD.subarray(0, half));
  };
  /** Breaks the connection once the first half is on the disk. */
  const progress = (_text: string, done?: number) => {
    if (done === half) broken?.destroy();
  };

  test('is continued where it ended', async () => {
    answer = (request, response) => {
      const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
      if (from === 0) {
        sendHalf(response);
      } else {
        response.writeHead(206, { 'content-range': `bytes ${from}-${GOOD.length - 1}/${GOOD.length}` });
        response.end(GOOD.subarray(from));
      }
    };
    await bring(release(GOOD), { progress });
    expect(asked.at(-1)?.range).toBe(`bytes=${half}-`);
  });

  test('starts anew with a server that can not continue', async () => {
    answer = (_request, response) => {
      if (asked.length === 1) {
        sendHalf(response);
      } else response.end(GOOD);
    };
    await bring(release(GOOD), { progress });
    expect(asked).toHaveLength(2);
  });

  test('is fetched clean once more when what was there was something else', async () => {
    await mkdir(dirname(archivePlace()), { recursive: true });
    await writeFile(`${archivePlace()}.part`, Buffer.alloc(half, 7));
    answer = (request, response) => {
      const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
      if (from > 0)
        response.writeHead(206, { 'content-range': `bytes ${from}-${GOOD.length - 1}/${GOOD.length}` });
      response.end(GOOD.subarray(from));
    };
    await bring(release(GOOD), { progress });
    expect(asked.map((one) => one.range)).toEqual([`bytes=${half}-`, undefined]);
  });

  test('that always ends at the same place is given up after three attempts without a new byte', async () => {
    answer = (_request, response) => {
      sendHalf(response);
    };
    const error = await refusal(bring(release(GOOD), { progress }));
    expect(error.code).toBe('unreachable');
    expect(asked).toHaveLength(4);
    await nothingUnpacked();
  });

  test('that ends too early but politely is refused by its size, then by its hash', async () => {
    answer = (_request, response) => response.end(GOOD.subarray(0, half));
    expect((await refusal(bring(release(GOOD, { size: GOOD.length })))).message).toContain(
      `${half} bytes instead of ${GOOD.length}`,
    );
    expect((await refusal(bring(release(GOOD)))).code).toBe('mismatch');
    await nothingUnpacked();
  });
});

describe('two at the same time', () => {
  test('bring it once', async () => {
    answer = (_request, response) => response.end(GOOD);
    const [first, second] = await Promise.all([bring(release(GOOD)), bring(release(GOOD))]);
    expect(first).toEqual(second);
    expect(asked).toHaveLength(1);
    expect(await readdir(join(folder, 'releases'))).toEqual(['bitcoin-9.9-linux-x64']);
  });

  test('what a killed run left behind does not hold up the next', async () => {
    answer = (_request, response) => response.end(GOOD);
    await mkdir(join(folder, 'releases', 'bitcoin-9.9-linux-x64.new-dead'), { recursive: true });
    // The number of a process that has ended.
    const { pid } = spawnSync(process.execPath, ['--version']);
    await writeFile(`${archivePlace()}.lock`, String(pid));
    await bring(release(GOOD));
    expect(await readdir(join(folder, 'releases'))).toEqual(['bitcoin-9.9-linux-x64']);
  });

  test('the one that waits can be cancelled', async () => {
    await mkdir(join(folder, 'releases'), { recursive: true });
    await writeFile(`${archivePlace()}.lock`, String(process.pid));
    const control = new AbortController();
    const progress = () => control.abort();
    expect((await refusal(bring(release(GOOD), { signal: control.signal, progress }))).code).toBe(
      'cancelled',
    );
    expect(asked).toEqual([]);
  });
});

describe('what is refused', () => {
  test('a wrong hash: both are told, the file is deleted, nothing is unpacked', async () => {
    const evil = tarGz([...PROGRAMS, { name: 'bitcoin-9.9/extra', body: 'x' }]);
    answer = (_request, response) => response.end(evil);
    const error = await refusal(bring(release(GOOD)));
    expect(error.code).toBe('mismatch');
    expect(error.message).toContain(`expected ${sha256(GOOD)}, got ${sha256(evil)}`);
    expect(error.advice).toContain('Try again');
    expect(await readdir(join(folder, 'releases'))).toEqual([]);
  });

  test('an archive placed by hand with the wrong hash: it is not touched, and the network is not asked', async () => {
    await mkdir(dirname(archivePlace()), { recursive: true });
    await writeFile(archivePlace(), 'something else');
    const error = await refusal(bring(release(GOOD)));
    expect(error).toMatchObject({ code: 'mismatch', advice: `Delete ${archivePlace()} and try again.` });
    expect(await readFile(archivePlace(), 'utf8')).toBe('something else');
    expect(asked).toEqual([]);
    await nothingUnpacked();
  });

  test('a body without end, when the size is known and when it is not', async () => {
    for (const size of [GOOD.length, undefined]) {
      let sent = 0;
      answer = (_request, response) => {
        const chunk = Buffer.alloc(65_536);
        const push = () => {
          while (!response.destroyed && response.write(chunk)) sent += chunk.length;
          if (!response.destroyed) sent += chunk.length;
        };
        response.on('drain', push);
        push();
      };
      const error = await refusal(
        bring(release(GOOD, { ...(size !== undefined && { size }), maxBytes: 2_000_000 })),
      );
      expect(error.message).toContain(`sends more than ${size ?? 2_000_000} bytes`);
      expect(sent).toBeLessThan(20_000_000);
      expect(await readdir(join(folder, 'releases'))).toEqual([]);
    }
  });

  test('a body announced as too large: not a byte of it is read', async () => {
    answer = (_request, response) => response.writeHead(200, { 'content-length': 5_000_000 }).write('x');
    expect((await refusal(bring(release(GOOD)))).message).toContain(
      'offers 5000000 bytes instead of at most 1000000',
    );
    expect(asked).toHaveLength(1);
  });

  test('redirects in a circle, to nowhere, and to another protocol', async () => {
    answer = (request, response) => response.writeHead(302, { location: request.url }).end();
    expect((await refusal(bring(release(GOOD)))).message).toContain('redirects more than 5 times');
    expect(asked).toHaveLength(6);
    answer = (_request, response) => response.writeHead(302).end();
    expect((await refusal(bring(release(GOOD)))).code).toBe('unreachable');
    answer = (_request, response) => response.writeHead(302, { location: 'file:///etc/passwd' }).end();
    expect((await refusal(bring(release(GOOD)))).message).toContain('unprotected');
  });

  test('404 at once, 500 after three attempts; the ways on are named', async () => {
    answer = (_request, response) => response.writeHead(404).end();
    const error = await refusal(bring(release(GOOD)));
    expect(error.message).toContain(`${origin}/node.tar.gz: it answers 404`);
    expect(error.advice).toMatch(/settings.*PATH.*place node\.tar\.gz at .*node\.tar\.gz/);
    expect(asked).toHaveLength(1);
    answer = (_request, response) => response.writeHead(500).end();
    await refusal(bring(release(GOOD)));
    expect(asked).toHaveLength(4);
  });

  test('a server that never answers, and one that falls silent', async () => {
    const limits = { ...LIMITS, headersMs: 200, idleMs: 100 };
    answer = () => {};
    expect((await refusal(bring(release(GOOD), { limits }))).message).toContain('does not answer in time');
    expect(asked).toHaveLength(1);
    answer = (_request, response) => {
      response.writeHead(200, { 'content-length': GOOD.length });
      response.write(GOOD.subarray(0, 10));
    };
    expect((await refusal(bring(release(GOOD), { limits }))).message).toContain('stopped sending');
    const soon = { ...LIMITS, totalMs: 150 };
    expect((await refusal(bring(release(GOOD), { limits: soon }))).message).toContain('not finished within');
  });

  test('no server at all, and no leave to ask one', async () => {
    const error = await refusal(bring(release(GOOD, { urls: ['http://127.0.0.1:1/node.tar.gz'] })));
    expect(error.code).toBe('unreachable');
    expect((await refusal(bring(release(GOOD), { offline: true }))).code).toBe('offline');
    expect((await refusal(bring(release(GOOD), { arch: 'mips' }))).code).toBe('no-release');
  });

  test('a download that the user cancels', async () => {
    const control = new AbortController();
    answer = (_request, response) => {
      response.writeHead(200, { 'content-length': GOOD.length });
      response.write(GOOD.subarray(0, 10), () => control.abort());
    };
    expect((await refusal(bring(release(GOOD), { signal: control.signal }))).code).toBe('cancelled');
  });

  test('an archive without the node, though its hash is right', async () => {
    const empty = tarGz([{ name: 'bitcoin-9.9/README.md', body: 'hi' }]);
    answer = (_request, response) => response.end(empty);
    expect((await refusal(bring(release(empty)))).message).toContain(
      'holds no bin/bitcoind and no bin/bitcoin-cli',
    );
    await nothingUnpacked();
  });

  test('a folder that holds something of the user’s is never replaced', async () => {
    answer = (_request, response) => response.end(GOOD);
    const to = join(folder, 'mine');
    await mkdir(to);
    await writeFile(join(to, 'photo'), 'dear');
    expect((await refusal(bring(release(GOOD), { to }))).code).toBe('place-taken');
    expect(await readFile(join(to, 'photo'), 'utf8')).toBe('dear');
  });

  test('a folder that can not be made', async () => {
    await writeFile(join(folder, 'file'), '');
    expect((await refusal(bring(release(GOOD), { cacheFolder: join(folder, 'file') }))).code).toBe('disk');
  });
});

describe('unpacking', () => {
  const attempt = async (name: string, archive: Buffer, wanted: Record<string, string>) => {
    const path = join(folder, name);
    await writeFile(path, archive);
    return unpack(
      path,
      new Map(Object.entries(wanted).map(([entry, place]) => [entry, join(folder, 'out', place)])),
    );
  };
  const evil: [string, Entry[]][] = [
    ['up and away', [{ name: '../evil', body: 'x' }]],
    ['up in the middle', [{ name: 'a/../../evil', body: 'x' }]],
    ['absolute', [{ name: '/tmp/evil', body: 'x' }]],
    ['a drive', [{ name: 'C:/evil', body: 'x' }]],
    ['backslashes', [{ name: '..\\evil', body: 'x' }]],
    ['by the prefix field', [{ name: 'evil', prefix: '../..', body: 'x' }]],
    [
      'by a pax name',
      [
        { name: 'pax', type: 'x', body: '16 path=../evil\n' },
        { name: 'fine', body: 'x' },
      ],
    ],
    [
      'by a GNU name',
      [
        { name: '././@LongLink', type: 'L', body: '../../evil\0' },
        { name: 'fine', body: 'x' },
      ],
    ],
  ];
  test.each(evil)('refuses an entry that points outside: %s', async (_what, entries) => {
    await expect(
      attempt('a.tar.gz', tarGz([...entries, { name: 'good', body: 'y' }]), { good: 'good' }),
    ).rejects.toThrow(/outside the archive/);
    expect(existsSync(join(folder, 'evil'))).toBe(false);
    expect(existsSync(join(folder, 'out'))).toBe(false);
  });

  test('refuses a link in the place of a wanted file, a wanted file that is there twice, and to overwrite', async () => {
    await expect(attempt('a.tar.gz', tarGz([{ name: 'good', type: '2' }]), { good: 'g' })).rejects.toThrow(
      /not a plain file/,
    );
    const twice = [
      { name: 'good', body: '1' },
      { name: 'good', body: '2' },
    ];
    await expect(attempt('b.tar.gz', tarGz(twice), { good: 'h' })).rejects.toThrow(/twice/);
    await expect(attempt('c.tar.gz', tarGz([{ name: 'good', body: '1' }]), { good: 'h' })).rejects.toThrow(
      /EEXIST/,
    );
  });

  test('reads long names in both ways they are written', async () => {
    const long = `${'n'.repeat(120)}/file`;
    const record = ` path=${long}\n`;
    const pax = `${record.length + 3}${record}`;
    const archive = tarGz([
      { name: 'pax', type: 'x', body: pax },
      { name: 'short', body: 'one' },
      { name: '././@LongLink', type: 'L', body: `m/${long}\0` },
      { name: 'short', body: 'two' },
    ]);
    await attempt('a.tar.gz', archive, { [long]: 'one', [`m/${long}`]: 'two' });
    expect(await readFile(join(folder, 'out', 'one'), 'utf8')).toBe('one');
    expect(await readFile(join(folder, 'out', 'two'), 'utf8')).toBe('two');
  });

  test('every damaged archive ends in an UnpackError, never in a hang or a half answer', async () => {
    const plain = tar(PROGRAMS);
    const damaged = [
      Buffer.alloc(0),
      Buffer.from('not packed at all'),
      GOOD.subarray(0, GOOD.length - 20),
      gzipSync(plain.subarray(0, 700)),
      gzipSync(plain.subarray(0, plain.length - 1024)),
      gzipSync(Buffer.concat([plain.subarray(0, 130), Buffer.from('z'), plain.subarray(131)])),
    ];
    for (const [index, archive] of damaged.entries()) {
      await expect(attempt(`${index}.tar.gz`, archive, {}), `archive ${index}`).rejects.toThrow(UnpackError);
    }
  });

  test('zip: packed and stored entries', async () => {
    const archive = zip([
      { name: 'a/', body: '', store: true },
      { name: 'a/one.exe', body: 'one'.repeat(10_000) },
      { name: 'a/two', body: 'two', store: true },
      { name: 'a/not wanted', body: 'three' },
    ]);
    expect(await attempt('a.zip', archive, { 'a/one.exe': 'one', 'a/two': 'two', 'a/none': 'none' })).toEqual(
      new Set(['a/one.exe', 'a/two']),
    );
    expect(await readFile(join(folder, 'out', 'one'), 'utf8')).toBe('one'.repeat(10_000));
    expect((await readdir(join(folder, 'out'))).sort()).toEqual(['one', 'two']);
  });

  test('zip: refuses what points outside, links, bombs, and damage', async () => {
    await expect(attempt('a.zip', zip([{ name: '../evil', body: 'x' }]), {})).rejects.toThrow(
      /outside the archive/,
    );
    await expect(attempt('b.zip', zip([{ name: '..\\evil', body: 'x' }]), {})).rejects.toThrow(
      /outside the archive/,
    );
    await expect(
      attempt('c.zip', zip([{ name: 'l', body: 'x', mode: 0o120777 }]), { l: 'l' }),
    ).rejects.toThrow(/plain file/);
    await expect(
      attempt('d.zip', zip([{ name: 'b', body: 'x'.repeat(1_000_000), claim: 10 }]), { b: 'b' }),
    ).rejects.toThrow(/larger than the archive says/);
    await expect(attempt('e.zip', zip([{ name: 's', body: 'x', claim: 10 }]), { s: 's' })).rejects.toThrow(
      /shorter/,
    );
    const good = zip([{ name: 'g', body: 'x'.repeat(500) }]);
    await expect(attempt('f.zip', good.subarray(0, 30), { g: 'g' })).rejects.toThrow(UnpackError);
    await expect(attempt('g.zip', Buffer.alloc(0), {})).rejects.toThrow(UnpackError);
    const noise = Buffer.from(good);
    noise.fill(0xff, 31, 36);
    await expect(attempt('h.zip', noise, { g: 'h' })).rejects.toThrow(UnpackError);
  });
});
