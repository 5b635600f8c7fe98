import { describe, expect, test } from 'vitest';
import { bytesToHex } from '../../src-main/core/bitcoin/bytes.ts';
import { headerOf } from '../../src-main/core/mining/job.ts';
import {
  buildHeader,
  encodeAuthorize,
  encodeConfigure,
  encodeSubmit,
  encodeSubscribe,
  encodeSuggestDifficulty,
  parseServerLine,
  parseSubscription,
  parseVersionMask,
  rolledVersions,
  type ClientJob,
} from '../../src-main/core/stratum-v1/client.ts';
import {
  encodeError,
  encodeNotify,
  encodeResult,
  encodeSetDifficulty,
  encodeSubscribed,
  notifyTemplate,
  parseLine,
} from '../../src-main/core/stratum-v1/messages.ts';
import { easyJob } from '../fixtures/stratum-v1-job.ts';

function jobOf(line: string): ClientJob {
  const message = parseServerLine(line);
  if (message.kind !== 'notify') throw new Error(`read as ${message.kind}`);
  return message.job;
}

describe('what the server writes, the miner reads', () => {
  const job = easyJob({ id: 0x2a });
  const notify = encodeNotify(notifyTemplate(job), true);

  test('a job', () => {
    expect(jobOf(notify)).toEqual({
      id: '2a',
      previousHash: job.previousHash,
      coinbasePrefix: job.coinbasePrefix,
      coinbaseSuffix: job.coinbaseSuffix,
      merklePath: job.merklePath,
      version: job.version,
      bits: job.bits,
      ntime: job.time,
      cleanJobs: true,
    });
  });

  test('and makes the header the server judges', () => {
    const solution = {
      jobId: 0x2a,
      extranonce: Uint8Array.from({ length: 12 }, (_, i) => i),
      version: 0x20006000,
      ntime: 9,
      nonce: 8,
    };
    const mine = buildHeader(
      jobOf(notify),
      solution.extranonce.slice(0, 4),
      solution.extranonce.slice(4),
      9,
      0x20006000,
      8,
    );
    expect(bytesToHex(mine)).toBe(bytesToHex(headerOf(job, solution)));
  });

  test('difficulties, subscriptions and answers', () => {
    expect(parseServerLine(encodeSetDifficulty(0.125))).toEqual({ kind: 'setDifficulty', difficulty: 0.125 });
    const reply = parseServerLine(encodeSubscribed('2', 'ad170001', 8));
    expect(reply).toMatchObject({ kind: 'reply', id: 2, error: undefined });
    expect(reply.kind === 'reply' && parseSubscription(reply.result)).toEqual({
      extranonce1: Uint8Array.of(0xad, 0x17, 0, 1),
      extranonce2Size: 8,
    });
    expect(parseServerLine(encodeResult('7', 'true'))).toEqual({
      kind: 'reply',
      id: 7,
      result: true,
      error: undefined,
    });
    expect(parseServerLine(encodeError('7', 23, 'Low difficulty share'))).toEqual({
      kind: 'reply',
      id: 7,
      result: null,
      error: { code: 23, message: 'Low difficulty share' },
    });
  });

  test('the version mask, and never bits outside BIP320', () => {
    expect(parseVersionMask({ 'version-rolling': true, 'version-rolling.mask': '1fffe000' })).toBe(
      0x1fffe000,
    );
    expect(parseVersionMask({ 'version-rolling': true, 'version-rolling.mask': 'ffffffff' })).toBe(
      0x1fffe000,
    );
    expect(parseVersionMask({ 'version-rolling': false, 'version-rolling.mask': '1fffe000' })).toBe(0);
    expect(parseVersionMask(null)).toBe(0);
    expect(parseServerLine('{"id":null,"method":"mining.set_version_mask","params":["00c00000"]}')).toEqual({
      kind: 'setVersionMask',
      mask: 0x00c00000,
    });
  });
});

describe('what the miner writes, the server reads', () => {
  test.each([
    [encodeSubscribe(2, 'bitaxe/BM1370'), { kind: 'subscribe', id: '2', userAgent: 'bitaxe/BM1370' }],
    [encodeAuthorize(3, 'barn.7', 'x'), { kind: 'authorize', id: '3', worker: 'barn.7' }],
    [encodeSuggestDifficulty(4, 0.0014), { kind: 'suggestDifficulty', difficulty: 0.0014 }],
    [
      encodeConfigure(1, 0x1fffe000),
      { kind: 'configure', extensions: ['version-rolling'], mask: 0x1fffe000, minBitCount: 2 },
    ],
    [
      encodeSubmit(9, 'barn.7', {
        jobId: '2a',
        extranonce2: Uint8Array.of(0, 1),
        ntime: 16,
        nonce: 0xff,
        versionBits: 0x2000,
      }),
      {
        kind: 'submit',
        jobId: '2a',
        extranonce2: Uint8Array.of(0, 1),
        ntime: 16,
        nonce: 255,
        versionBits: 0x2000,
      },
    ],
    [
      encodeSubmit(9, 'barn.7', {
        jobId: '2a',
        extranonce2: Uint8Array.of(),
        ntime: 16,
        nonce: 0xff,
        versionBits: undefined,
      }),
      { kind: 'submit', versionBits: undefined },
    ],
  ])('%s', (line, request) => {
    expect(line.endsWith('\n')).toBe(true);
    expect(parseLine(line.trimEnd())).toMatchObject({ kind: 'request', request });
  });
});

describe('a server that makes no sense', () => {
  const hash = '00'.repeat(32);
  const good = ['1', hash, '01', '02', [hash], '20000000', '1d00ffff', '50000000', true];
  const notify = (place: number, value: unknown): string =>
    JSON.stringify({ id: null, method: 'mining.notify', params: good.with(place, value as string) });

  test('the job these spoil is well', () => {
    expect(parseServerLine(notify(0, '1')).kind).toBe('notify');
  });
  test.each([
    ['no id', 0, null],
    ['an id of a megabyte', 0, 'a'.repeat(1_000_000)],
    ['a short previous hash', 1, hash.slice(2)],
    ['a coinbase that is no hex', 2, 'zz'],
    ['a coinbase without end', 3, '00'.repeat(200_000)],
    ['branches that are none', 4, 'none'],
    ['25 branches', 4, Array(25).fill(hash)],
    ['a branch that is a number', 4, [1]],
    ['a version of 9 digits', 5, '120000000'],
    ['nbits of the wrong kind', 6, {}],
    ['no time', 7, undefined],
  ])('%s', (_name, place, value) => {
    expect(parseServerLine(notify(place, value)).kind).toBe('invalid');
  });

  test.each(['{', '7', '"text"', 'null', '[1]', '[]'])('%s is no message', (line) => {
    expect(parseServerLine(line).kind).toBe('invalid');
  });
  test.each(['', '   ', '{}', '{"method":"mining.unheard_of","params":7}', '{"id":"a","result":true}'])(
    '%s is let pass',
    (line) => {
      expect(parseServerLine(line).kind).toBe('ignored');
    },
  );
  test.each(['0', '-1', 'null', '"x"', '1e999', '{}'])('set_difficulty %s', (value) => {
    expect(parseServerLine(`{"id":null,"method":"mining.set_difficulty","params":[${value}]}`).kind).toBe(
      'invalid',
    );
  });
  test.each([
    [null],
    [[[], 'zz', 4]],
    [[[], 'ad', -1]],
    [[[], 'ad', 33]],
    [[[], 'ad', 1.5]],
    [[[], 'ad'.repeat(33), 4]],
  ])('subscription %j', (result) => {
    expect(parseSubscription(result)).toBeUndefined();
  });
});

describe('rolledVersions', () => {
  test('begins with the job’s own, repeats none and stays under the mask', () => {
    const versions = rolledVersions(0x20004000, 0x1fffe000, 16);
    expect(versions[0]).toBe(0x20004000);
    expect(new Set(versions).size).toBe(16);
    for (const version of versions) expect((version ^ 0x20004000) & ~0x1fffe000).toBe(0);
  });
  test('gives as many as the mask allows', () => {
    expect([...rolledVersions(4, 0, 16)]).toEqual([4]);
    expect([...rolledVersions(0, 0x6000, 16)]).toEqual([0, 0x2000, 0x4000, 0x6000]);
  });
});
