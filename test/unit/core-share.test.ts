import { describe, expect, it } from 'vitest';
import {
  blockHash,
  checkBlockStructure,
  parseBlock,
  parseHeader,
  serializeBlock,
} from '../../src-main/core/bitcoin/block.ts';
import { displayHash } from '../../src-main/core/bitcoin/bytes.ts';
import {
  MAX_TARGET,
  difficultyOfTarget,
  hashToBigint,
  targetOfDifficulty,
} from '../../src-main/core/bitcoin/target.ts';
import { buildJob, headerOf } from '../../src-main/core/mining/job.ts';
import { DuplicateSet, checkShare } from '../../src-main/core/mining/share.ts';
import type { ShareContext } from '../../src-main/core/mining/share.ts';
import { VERSION_ROLLING_MASK } from '../../src-main/core/mining/types.ts';
import type { ShareOutcome, Solution } from '../../src-main/core/mining/types.ts';
import { hashOf, makePayouts, makeTemplate } from '../fixtures/core-templates.ts';

const payouts = makePayouts([['bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4', 10_000]]);
const job = buildJob(makeTemplate({}, 0), { id: 5, payouts, tag: '/Adit/', network: 'main', now: 0 });
const NOW = job.time;

const solve = (changes: Partial<Solution> = {}): Solution => ({
  jobId: 5,
  extranonce: new Uint8Array(12),
  version: job.version,
  ntime: job.time,
  nonce: 1,
  ...changes,
});
/** Judged by a network target no hash meets, unless told. */
const context = (changes: Partial<ShareContext> = {}): ShareContext => ({
  assignedTarget: MAX_TARGET,
  networkTarget: 0n,
  current: true,
  seen: new DuplicateSet(),
  now: NOW,
  ...changes,
});
const word = (outcome: ShareOutcome): string => (outcome.kind === 'rejected' ? outcome.reason : outcome.kind);

describe('checkShare', () => {
  it('counts a share by the hash of its header', () => {
    const outcome = checkShare(job, solve(), context());
    const hash = blockHash(headerOf(job, solve()));
    expect(outcome).toEqual({ kind: 'valid', hash, difficulty: difficultyOfTarget(hashToBigint(hash)) });
  });

  it('draws the line exactly at the target', () => {
    const value = hashToBigint(blockHash(headerOf(job, solve())));
    expect(word(checkShare(job, solve(), context({ assignedTarget: value })))).toBe('valid');
    expect(word(checkShare(job, solve(), context({ assignedTarget: value - 1n })))).toBe('lowDifficulty');
    expect(word(checkShare(job, solve(), context({ networkTarget: value })))).toBe('blockFound');
    expect(word(checkShare(job, solve(), context({ networkTarget: value - 1n })))).toBe('valid');
  });

  it.each([
    ['a short extranonce', { extranonce: new Uint8Array(11) }, 'malformed'],
    ['a nonce of 33 bits', { nonce: 2 ** 32 }, 'malformed'],
    ['a broken nonce', { nonce: 1.5 }, 'malformed'],
    ['a negative ntime', { ntime: -1 }, 'malformed'],
    ['a version that is no number', { version: Number.NaN }, 'malformed'],
    ['ntime before the median', { ntime: job.minTime - 1 }, 'malformed'],
    ['ntime at the least allowed', { ntime: job.minTime }, 'valid'],
    ['ntime two hours ahead', { ntime: NOW + 7_200 }, 'valid'],
    ['ntime further ahead', { ntime: NOW + 7_201 }, 'malformed'],
    ['all bits of BIP320 rolled', { version: job.version | VERSION_ROLLING_MASK }, 'valid'],
    ['a bit below the mask', { version: job.version | 0x1000 }, 'malformed'],
    ['a bit above the mask', { version: job.version ^ 0x20000000 }, 'malformed'],
    ['the sign bit', { version: (job.version | 0x80000000) >>> 0 }, 'malformed'],
    ['the sign bit, as a signed number', { version: job.version | 0x80000000 }, 'malformed'],
  ] as const)('%s', (_name, changes, expected) => {
    expect(word(checkShare(job, solve(changes), context()))).toBe(expected);
  });

  it('takes no rolled version where none was agreed', () => {
    expect(word(checkShare(job, solve({ version: job.version | 0x2000 }), context({ versionMask: 0 })))).toBe(
      'malformed',
    );
    expect(word(checkShare(job, solve(), context({ versionMask: 0 })))).toBe('valid');
  });

  it('tells stale before duplicate before low', () => {
    const seen = new DuplicateSet();
    expect(word(checkShare(job, solve(), context({ seen })))).toBe('valid');
    expect(word(checkShare(job, solve(), context({ seen })))).toBe('duplicate');
    expect(word(checkShare(job, solve(), context({ seen, assignedTarget: 0n })))).toBe('duplicate');
    expect(word(checkShare(job, solve(), context({ seen, current: false })))).toBe('stale');
    expect(word(checkShare(job, solve({ nonce: 2 }), context({ seen, assignedTarget: 0n })))).toBe(
      'lowDifficulty',
    );
    expect(seen.size).toBe(1);
  });

  it('never throws away a block, whatever else is wrong', () => {
    for (const [changes, wrong] of [
      [{}, { current: false }],
      [{ ntime: 0 }, {}],
      [{ ntime: 0xffffffff }, {}],
      [{ version: 0x20000001 }, {}],
      [{ version: 0xffffffff }, {}],
      [{}, { versionMask: 0, assignedTarget: 0n, current: false }],
    ] as const) {
      const outcome = checkShare(job, solve(changes), context({ networkTarget: MAX_TARGET, ...wrong }));
      expect(word(outcome)).toBe('blockFound');
      if (outcome.kind !== 'blockFound') continue;
      expect(blockHash(outcome.header)).toEqual(outcome.hash);
      expect(parseHeader(outcome.header).time).toBe(solve(changes).ntime);
    }
  });

  it('takes the same block only once', () => {
    const seen = new DuplicateSet();
    const networkTarget = MAX_TARGET;
    expect(word(checkShare(job, solve(), context({ seen, networkTarget, current: false })))).toBe(
      'blockFound',
    );
    expect(word(checkShare(job, solve(), context({ seen, networkTarget })))).toBe('duplicate');
    expect(word(checkShare(job, solve({ nonce: 2 }), context({ seen, networkTarget })))).toBe('blockFound');
  });

  it('gives a block that is whole: at the target of the job when none is named', () => {
    for (let nonce = 0; nonce < 1_000; nonce++) {
      const outcome = checkShare(job, solve({ nonce }), {
        assignedTarget: 0n,
        current: true,
        seen: new DuplicateSet(),
        now: NOW,
      });
      if (outcome.kind !== 'blockFound') continue;
      const block = parseBlock(serializeBlock(outcome.header, outcome.coinbase, []));
      expect(checkBlockStructure(block)).toEqual({ ok: true });
      expect(displayHash(blockHash(block.header))).toBe(displayHash(outcome.hash));
      expect(hashToBigint(outcome.hash) <= job.target).toBe(true);
      return;
    }
    throw new Error('half of all hashes meet the target of regtest');
  });

  it('accepts about as many hashes as the difficulty says', () => {
    const assignedTarget = targetOfDifficulty(2 ** -28);
    let valid = 0;
    for (let nonce = 0; nonce < 3_200; nonce++) {
      if (word(checkShare(job, solve({ nonce }), context({ assignedTarget }))) === 'valid') valid += 1;
    }
    // One in 16: 200 expected, and the nonces are always the same.
    expect(valid).toBeGreaterThan(160);
    expect(valid).toBeLessThan(240);
  });
});

describe('DuplicateSet', () => {
  it('keeps jobs apart and forgets them on request', () => {
    const set = new DuplicateSet();
    expect(set.add(1, hashOf(1))).toBe(true);
    expect(set.add(1, hashOf(1))).toBe(false);
    expect(set.add(2, hashOf(1))).toBe(true);
    expect(set.has(2, hashOf(2))).toBe(false);
    set.drop(1);
    set.drop(99);
    expect([set.has(1, hashOf(1)), set.has(2, hashOf(1)), set.size]).toEqual([false, true, 1]);
    set.clear();
    expect(set.size).toBe(0);
  });

  it('is bounded: the oldest of the oldest job go first', () => {
    const set = new DuplicateSet(3);
    for (let i = 0; i < 2; i++) set.add(1, hashOf(i));
    for (let i = 0; i < 2; i++) set.add(2, hashOf(i));
    expect([set.size, set.has(1, hashOf(0)), set.has(1, hashOf(1))]).toEqual([3, false, true]);
    for (let i = 2; i < 5; i++) set.add(2, hashOf(i));
    expect([set.size, set.has(1, hashOf(1)), set.has(2, hashOf(1)), set.has(2, hashOf(4))]).toEqual([
      3,
      false,
      false,
      true,
    ]);
  });
});
