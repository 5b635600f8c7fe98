import { describe, expect, test } from 'vitest';
import { diagnoseExit } from '../../src-main/services/node/problems.ts';
import { LogRing } from '../../src-main/services/node/ring.ts';

const exit = (line: string, code: number | null = 1, signal: string | null = null) => ({
  code,
  signal,
  spawnError: undefined,
  logTail: ['2026-11-20T12:00:00Z Bitcoin Core version v31.1.0', line, 'Shutdown: done'],
});
const spawnError = (code: string) => ({
  code: null,
  signal: null,
  spawnError: Object.assign(new Error(code), { code }),
  logTail: [],
});

describe('why a node ended', () => {
  // Wording of bitcoind 29 to 31, or of the loader.
  test.each([
    [
      'Error: Cannot obtain a lock on directory /x. Bitcoin Core is probably already running.',
      'dataDirLocked',
      false,
    ],
    [
      'Error: Unable to bind to 0.0.0.0:21350 on this computer. Bitcoin Core is probably already running.',
      'portTaken',
      false,
    ],
    ['Error: Unable to start HTTP server. See debug log for details.', 'portTaken', false],
    ['Error: Disk space is too low!', 'diskFull', true],
    ['System error while flushing: Disk space is too low! Please free some.', 'diskFull', true],
    ['Fatal LevelDB error: IO error: /x/000005.log: No space left on device', 'diskFull', true],
    ['Error: Incorrect or no genesis block found. Wrong datadir for network?', 'wrongNetwork', true],
    [
      'Error: You need to rebuild the database using -reindex to go back to unpruned mode. This will redownload',
      'pruneChanged',
      true,
    ],
    [
      'Corrupted block database detected. Please restart with -reindex or -reindex-chainstate to recover.',
      'corruptDatabase',
      true,
    ],
    ['Fatal LevelDB error: Corruption: block checksum mismatch: /x/000123.ldb', 'corruptDatabase', true],
    [
      'Error reading configuration file: parse error on line 3: foo, options must start with -',
      'badConfig',
      true,
    ],
    ['Error: Error parsing command line arguments: Invalid parameter -foo', 'badConfig', true],
    [
      'bitcoind: error while loading shared libraries: libevent.so: cannot open shared object file',
      'missingLibrary',
      true,
    ],
    [
      "bitcoind: /lib/libc.so.6: version `GLIBC_2.38' not found (required by bitcoind)",
      'missingLibrary',
      true,
    ],
    ['Error: Out of memory. Terminating.', 'outOfMemory', false],
    ["Error: Cannot write to directory '/x'; check permissions.", 'noPermission', true],
  ])('%s', (line, code, fatal) => {
    expect(diagnoseExit(exit(line))).toMatchObject({ problem: { code }, fatal });
  });

  test.each([
    ['ENOENT', 'binaryMissing'],
    ['EACCES', 'notExecutable'],
    ['ENOEXEC', 'wrongArchitecture'],
  ])('a program that can not be started: %s', (code, expected) => {
    expect(diagnoseExit(spawnError(code))).toMatchObject({ problem: { code: expected }, fatal: true });
  });
  test('being short of processes passes', () => {
    expect(diagnoseExit(spawnError('EAGAIN'))).toMatchObject({
      problem: { code: 'startFailed' },
      fatal: false,
    });
  });

  test('signals', () => {
    expect(diagnoseExit(exit('', null, 'SIGKILL'))).toMatchObject({
      problem: { code: 'killed' },
      fatal: false,
    });
    expect(diagnoseExit(exit('', null, 'SIGILL'))).toMatchObject({
      problem: { code: 'wrongArchitecture' },
      fatal: true,
    });
    expect(diagnoseExit(exit('', null, 'SIGSEGV'))).toBeUndefined();
  });

  test("a peer's words don't pass for the node's", () => {
    const line = '[net] receive version message: /No space left on device/: version 70016, blocks=1, peer=3';
    expect(diagnoseExit(exit(line))).toBeUndefined();
  });

  test('the newest line counts', () => {
    const tail = ['Error: Disk space is too low!', 'Error: Unable to bind to 127.0.0.1:1 on this computer.'];
    expect(diagnoseExit({ ...exit(''), logTail: tail })?.problem.code).toBe('portTaken');
  });

  test('every problem says what to do in whole sentences', () => {
    for (const word of ['ENOENT', 'EACCES', 'ENOEXEC', 'EAGAIN']) {
      expect(diagnoseExit(spawnError(word))?.problem.advice).toMatch(/^[A-Z].*\.$/);
    }
  });
});

describe('the log ring', () => {
  const write = (ring: LogRing, text: string) => ring.write(Buffer.from(text));

  test('joins lines over chunks, also within a character', () => {
    const ring = new LogRing();
    const bytes = Buffer.from('first\r\nsecond – half\nthird');
    for (const byte of bytes) ring.write(Buffer.from([byte]));
    expect(ring.lines()).toEqual(['first', 'second – half']);
    ring.end();
    expect(ring.lines().at(-1)).toBe('third');
  });

  test('keeps the newest 300 lines', () => {
    const ring = new LogRing();
    for (let n = 0; n < 1_000; n += 1) write(ring, `line ${n}\n`);
    expect(ring.lines().length).toBe(300);
    expect(ring.lines()[0]).toBe('line 700');
  });

  test('bounds a line that never ends', () => {
    const ring = new LogRing();
    for (let n = 0; n < 100; n += 1) write(ring, 'x'.repeat(100_000));
    write(ring, '\nnext\n');
    expect(ring.lines()).toEqual([`${'x'.repeat(2_000)} …`, 'next']);
  });

  test('lets no control character through', () => {
    const ring = new LogRing();
    write(ring, 'a\u001b[2Jb\u0000c\td\n');
    expect(ring.lines()).toEqual(['a\ufffd[2Jb\ufffdc\td']);
  });
});
