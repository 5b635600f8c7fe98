import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressOfScript } from '../../src-main/core/bitcoin/address.ts';
import { checkBlockStructure, parseBlock, serializeBlock } from '../../src-main/core/bitcoin/block.ts';
import { dustThreshold } from '../../src-main/core/bitcoin/script.ts';
import { MAX_TARGET } from '../../src-main/core/bitcoin/target.ts';
import {
  parseTransaction,
  serializeTransaction,
  txidOf,
  weightOf,
  wtxidOf,
} from '../../src-main/core/bitcoin/transaction.ts';
import {
  merklePath,
  witnessCommitment,
  witnessCommitmentScript,
} from '../../src-main/core/bitcoin/merkle.ts';
import { heightPush } from '../../src-main/core/mining/coinbase.ts';
import { ExtranonceAllocator } from '../../src-main/core/mining/extranonce.ts';
import {
  buildJob,
  coinbaseOf,
  verifyJob,
  withWitness,
  workMerkleRoot,
} from '../../src-main/core/mining/job.ts';
import { splitReward } from '../../src-main/core/mining/payout.ts';
import { DuplicateSet, checkShare } from '../../src-main/core/mining/share.ts';
import type { Job, Payout } from '../../src-main/core/mining/types.ts';
import { LEAST_DIFFICULTY, Vardiff, difficultyOfHashrate } from '../../src-main/core/mining/vardiff.ts';
import { runMachine, sharesPerMinute } from '../fixtures/core-machine.ts';
import { makeTemplate } from '../fixtures/core-templates.ts';

/** Up to 20 payouts of all kinds, with parts that add up to 10,000. */
const payouts: fc.Arbitrary<readonly Payout[]> = fc
  .uniqueArray(fc.nat({ max: 9_999 }), { minLength: 0, maxLength: 19 })
  .chain((cuts) =>
    fc.tuple(
      fc.constant(cuts),
      fc.array(fc.constantFrom('p2pkh', 'p2sh', 'p2wpkh', 'p2wsh'), { minLength: 20, maxLength: 20 }),
    ),
  )
  .map(([cuts, kinds]) => {
    const edges = [0, ...cuts.filter((cut) => cut > 0).toSorted((a, b) => a - b), 10_000];
    return edges.slice(1).map((edge, i) => {
      const hash = new Uint8Array(kinds[i] === 'p2wsh' ? 32 : 20).fill(i + 1);
      const script =
        kinds[i] === 'p2pkh'
          ? Uint8Array.of(0x76, 0xa9, 20, ...hash, 0x88, 0xac)
          : kinds[i] === 'p2sh'
            ? Uint8Array.of(0xa9, 20, ...hash, 0x87)
            : Uint8Array.of(0, hash.length, ...hash);
      return { script, address: addressOfScript(script, 'main') ?? '', basisPoints: edge - (edges[i] ?? 0) };
    });
  });

const reward = fc.oneof(fc.nat({ max: 100_000 }), fc.nat({ max: 2_100_000_000_000_000 }));

const setting = fc.record({
  payouts,
  coinbaseValue: reward,
  height: fc.integer({ min: 1, max: 5_000_000 }),
  transactions: fc.nat({ max: 9 }),
  tag: fc.string({ unit: fc.constantFrom(...Array.from('abcXYZ019 /~')), maxLength: 40 }),
  extranonceSize: fc.integer({ min: 4, max: 32 }),
});

function jobOf(value: {
  payouts: readonly Payout[];
  coinbaseValue: number;
  height: number;
  transactions: number;
  tag: string;
  extranonceSize: number;
}): Job {
  const template = makeTemplate(
    { height: value.height, coinbaseValue: value.coinbaseValue },
    value.transactions,
  );
  return buildJob(template, {
    id: 1,
    payouts: value.payouts,
    tag: value.tag,
    network: 'main',
    now: 0,
    extranonceSize: value.extranonceSize,
  });
}

describe('splitReward', () => {
  it('adds up exactly, makes no dust, and is within one rounding of what was asked for', () => {
    fc.assert(
      fc.property(reward, payouts, (value, chosen) => {
        const parts = splitReward(value, chosen);
        expect(parts.reduce((sum, part) => sum + part.value, 0)).toBe(value);
        expect(parts.length).toBeGreaterThan(0);
        if (parts.length > 1)
          for (const part of parts) expect(part.value).toBeGreaterThanOrEqual(dustThreshold(part.script));
        for (const [i, part] of parts.entries()) {
          const wanted = chosen.find(({ address }) => address === part.address);
          const exact = (BigInt(value) * BigInt(wanted?.basisPoints ?? 0)) / 10_000n;
          if (i > 0) expect(BigInt(part.value)).toBe(exact);
          else expect(BigInt(part.value) >= exact).toBe(true);
        }
      }),
    );
  });
});

describe('jobs', () => {
  it('verify, whatever the setting', () => {
    fc.assert(
      fc.property(setting, (value) => {
        const job = jobOf(value);
        expect(verifyJob(job, value.payouts)).toEqual({ ok: true });
        const coinbase = parseTransaction(coinbaseOf(job, new Uint8Array(job.extranonceSize).fill(0xff)));
        const script = coinbase.inputs[0]?.script ?? new Uint8Array(0);
        expect(script.length).toBeGreaterThanOrEqual(2);
        expect(script.length).toBeLessThanOrEqual(100);
        expect([...script.subarray(-job.extranonceSize)]).toEqual(
          Array.from({ length: job.extranonceSize }, () => 0xff),
        );
        expect(value.tag.startsWith(job.tag)).toBe(true);
      }),
    );
  });

  it('do not verify once any byte of their outputs is changed', () => {
    fc.assert(
      fc.property(setting, fc.nat(), fc.integer({ min: 1, max: 255 }), (value, place, flip) => {
        const job = jobOf(value);
        // Sequence first (4 bytes) and lock time last (4 bytes): both pay nobody.
        const suffix = Uint8Array.from(job.coinbaseSuffix);
        const at = 4 + (place % (suffix.length - 8));
        suffix[at] = (suffix[at] ?? 0) ^ flip;
        expect(verifyJob({ ...job, coinbaseSuffix: suffix }, value.payouts).ok).toBe(false);
      }),
    );
  });

  it('do not verify once any byte of the prefix that means something is changed', () => {
    fc.assert(
      fc.property(setting, fc.nat(), fc.integer({ min: 1, max: 255 }), (value, place, flip) => {
        const job = jobOf(value);
        const prefix = Uint8Array.from(job.coinbasePrefix);
        // Input count, outpoint, length of the scriptSig, height. Version and tag may be anything.
        const at = 4 + (place % (38 + heightPush(value.height).length));
        prefix[at] = (prefix[at] ?? 0) ^ flip;
        expect(verifyJob({ ...job, coinbasePrefix: prefix }, value.payouts).ok).toBe(false);
      }),
    );
  });

  it('do not verify for anyone else, nor without their commitment', () => {
    fc.assert(
      fc.property(setting, payouts, (value, others) => {
        const job = jobOf(value);
        const same =
          JSON.stringify(splitReward(value.coinbaseValue, others)) ===
          JSON.stringify(splitReward(value.coinbaseValue, value.payouts));
        expect(verifyJob(job, others).ok).toBe(same);
        const coinbase = parseTransaction(coinbaseOf(job, new Uint8Array(job.extranonceSize)));
        const without = serializeTransaction(
          { ...coinbase, outputs: coinbase.outputs.slice(0, -1) },
          { witness: false },
        );
        const cut = job.coinbasePrefix.length;
        const stripped: Job = {
          ...job,
          outputs: job.outputs.slice(0, -1),
          coinbasePrefix: without.slice(0, cut),
          coinbaseSuffix: without.slice(cut + job.extranonceSize),
        };
        expect(verifyJob(stripped, value.payouts)).toMatchObject({
          ok: false,
          reason: 'the witness commitment is missing',
        });
      }),
    );
  });

  it('make sound blocks with real transactions', () => {
    const hash = fc.uint8Array({ minLength: 32, maxLength: 32 });
    const transaction = fc.record({
      version: fc.constant(2),
      inputs: fc.tuple(
        fc.record({
          previousTxid: hash,
          previousIndex: fc.nat({ max: 100 }),
          script: fc.uint8Array({ maxLength: 20 }),
          sequence: fc.constant(0),
          witness: fc.array(fc.uint8Array({ maxLength: 72 }), { maxLength: 2 }),
        }),
      ),
      outputs: fc.tuple(fc.record({ value: fc.nat(), script: fc.uint8Array({ maxLength: 40 }) })),
      lockTime: fc.constant(0),
    });
    fc.assert(
      fc.property(
        setting,
        fc.uniqueArray(transaction, { maxLength: 6, selector: (value) => txidOf(value).join() }),
        (value, transactions) => {
          const reserved = new Uint8Array(32);
          const template = {
            ...makeTemplate({ height: value.height, coinbaseValue: value.coinbaseValue }, 0),
            merklePath: merklePath(transactions.map(txidOf)),
            transactionCount: transactions.length,
            weight: transactions.reduce((sum, item) => sum + weightOf(item), 0),
            requiredOutputs: [
              {
                value: 0,
                script: witnessCommitmentScript(witnessCommitment(transactions.map(wtxidOf), reserved)),
              },
            ],
          };
          const job = buildJob(template, { ...value, id: 1, network: 'main', now: 0 });
          const extranonce = new Uint8Array(job.extranonceSize).fill(7);
          const solution = { jobId: 1, extranonce, version: job.version, ntime: job.time, nonce: 9 };
          const outcome = checkShare(job, solution, {
            assignedTarget: 0n,
            networkTarget: MAX_TARGET,
            current: false,
            seen: new DuplicateSet(),
            now: job.time,
          });
          if (outcome.kind !== 'blockFound') throw new Error(`not a block: ${outcome.kind}`);
          expect(outcome.coinbase).toEqual(withWitness(job, coinbaseOf(job, extranonce)));
          const parts = transactions.map((item) => serializeTransaction(item, { witness: true }));
          const bytes = serializeBlock(outcome.header, outcome.coinbase, parts);
          const block = parseBlock(bytes);
          expect(checkBlockStructure(block)).toEqual({ ok: true });
          expect(block.header.merkleRoot).toEqual(workMerkleRoot(job, extranonce));
          const stripped = block.transactions.reduce(
            (sum, item) => sum + serializeTransaction(item, { witness: false }).length,
            81,
          );
          expect(job.weight).toBe(3 * stripped + bytes.length);
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe('ExtranonceAllocator', () => {
  it('never gives what is in use, and always gives while there is room', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 600 }), fc.nat(), (steps, start) => {
        const allocator = new ExtranonceAllocator(1, start);
        const used = new Map<number, Uint8Array>();
        for (const take of steps) {
          if (take && used.size < 256) {
            const prefix = allocator.allocate();
            expect(used.has(prefix[0] ?? -1)).toBe(false);
            used.set(prefix[0] ?? -1, prefix);
          } else {
            const [first] = used.values();
            if (first === undefined) continue;
            expect(allocator.release(first)).toBe(true);
            used.delete(first[0] ?? -1);
          }
          expect(allocator.inUse).toBe(used.size);
        }
      }),
    );
  });
});

describe('Vardiff', () => {
  const HOUR = 3_600_000;

  it('converges from anywhere to within a factor of two of the wanted rate, and then changes rarely', () => {
    let late = 0;
    let runs = 0;
    fc.assert(
      fc.property(
        // 50 kH/s to 200 TH/s, a start up to 2^12 off, 3 to 20 shares a minute.
        fc.double({ min: Math.log2(50e3), max: Math.log2(200e12), noNaN: true }),
        fc.integer({ min: -12, max: 12 }),
        fc.constantFrom(3, 6, 20),
        fc.nat(),
        (log2, off, wanted, seed) => {
          const hashrate = 2 ** log2;
          const vardiff = new Vardiff({
            initial: difficultyOfHashrate(hashrate, wanted) * 2 ** off,
            now: 0,
            sharesPerMinute: wanted,
          });
          const run = runMachine(vardiff, { hashrate: () => hashrate, milliseconds: 4 * HOUR, seed });
          const ratio = sharesPerMinute(hashrate, vardiff.difficulty) / wanted;
          // The machine may lie just on the edge, where two powers are equally wrong.
          expect(ratio).toBeGreaterThan(0.47);
          expect(ratio).toBeLessThan(2.13);
          const lately = run.changes.filter(([at]) => at > 2 * HOUR).length;
          expect(lately).toBeLessThanOrEqual(2);
          late += lately;
          runs += 1;
          for (const [, difficulty] of run.changes) {
            expect(Number.isInteger(Math.log2(difficulty))).toBe(true);
            expect(difficulty).toBeGreaterThanOrEqual(LEAST_DIFFICULTY);
          }
        },
      ),
      // The same runs each time: what is claimed is a matter of chance, the test is not.
      { numRuns: 150, seed: 20_260_101 },
    );
    expect(late / runs / 2).toBeLessThan(0.08);
  });

  it('never goes below the least the machine asked for', () => {
    fc.assert(
      fc.property(fc.integer({ min: -10, max: 30 }), fc.nat(), (log2, seed) => {
        const vardiff = new Vardiff({ initial: 2 ** log2, now: 0 });
        vardiff.setMinimum(3);
        const run = runMachine(vardiff, { hashrate: () => 1e6, milliseconds: HOUR, seed });
        for (const [, difficulty] of run.changes) expect(difficulty).toBeGreaterThanOrEqual(4);
        expect(vardiff.difficulty).toBeGreaterThanOrEqual(4);
      }),
      { numRuns: 30 },
    );
  });
});
