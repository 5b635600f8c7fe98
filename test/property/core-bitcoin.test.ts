import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressOfScript, checkAddress } from '../../src-main/core/bitcoin/address.ts';
import {
  blockHash,
  parseBlock,
  parseHeader,
  serializeBlock,
  serializeHeader,
} from '../../src-main/core/bitcoin/block.ts';
import {
  ByteReader,
  FormatError,
  bytesToHex,
  compactSize,
  displayHash,
  hexToBytes,
  parseHash,
} from '../../src-main/core/bitcoin/bytes.ts';
import { merklePath, merkleRoot, rootFromPath } from '../../src-main/core/bitcoin/merkle.ts';
import { NETWORKS } from '../../src-main/core/bitcoin/network.ts';
import {
  DIFFICULTY_1_TARGET,
  MAX_TARGET,
  bitsToTarget,
  difficultyOfTarget,
  targetOfDifficulty,
  targetToBits,
} from '../../src-main/core/bitcoin/target.ts';
import {
  MAX_MONEY,
  parseTransaction,
  serializeTransaction,
  txidOf,
  weightOf,
  wtxidOf,
} from '../../src-main/core/bitcoin/transaction.ts';

const bytes = (maxLength: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength });
const hash = fc.uint8Array({ minLength: 32, maxLength: 32 });
const u32 = fc.nat({ max: 0xffffffff });

const transaction = fc.record({
  version: u32,
  inputs: fc.array(
    fc.record({
      previousTxid: hash,
      previousIndex: u32,
      script: bytes(300),
      sequence: u32,
      witness: fc.array(bytes(80), { maxLength: 3 }),
    }),
    { minLength: 1, maxLength: 4 },
  ),
  outputs: fc.array(fc.record({ value: fc.nat({ max: MAX_MONEY }), script: bytes(60) }), {
    minLength: 1,
    maxLength: 4,
  }),
  lockTime: u32,
});

const header = fc.record({
  version: fc.integer({ min: -0x80000000, max: 0x7fffffff }),
  previousHash: hash,
  merkleRoot: hash,
  time: u32,
  bits: u32,
  nonce: u32,
});

describe('bytes', () => {
  it('hex, hashes and compactSize come back', () => {
    fc.assert(
      fc.property(bytes(200), hash, fc.maxSafeNat(), (value, internal, n) => {
        expect(hexToBytes(bytesToHex(value))).toEqual(value);
        expect(parseHash(displayHash(internal))).toEqual(internal);
        expect(new ByteReader(compactSize(n)).compactSize(Number.MAX_SAFE_INTEGER)).toBe(n);
      }),
    );
  });
});

describe('transactions, headers and blocks', () => {
  it('come back from their bytes', () => {
    fc.assert(
      fc.property(transaction, (value) => {
        const whole = serializeTransaction(value, { witness: true });
        expect(parseTransaction(whole)).toEqual(value);
        const stripped = serializeTransaction(value, { witness: false });
        expect(weightOf(value)).toBe(3 * stripped.length + whole.length);
        const bare = parseTransaction(stripped);
        expect(txidOf(bare)).toEqual(txidOf(value));
        expect(wtxidOf(bare)).toEqual(txidOf(value));
      }),
    );
    fc.assert(
      fc.property(header, (value) => {
        expect(parseHeader(serializeHeader(value))).toEqual(value);
        expect(blockHash(value)).toEqual(blockHash(serializeHeader(value)));
      }),
    );
    fc.assert(
      fc.property(header, fc.array(transaction, { minLength: 1, maxLength: 4 }), (head, transactions) => {
        const parts = transactions.map((value) => serializeTransaction(value, { witness: true }));
        const [first, ...rest] = parts as [Uint8Array, ...Uint8Array[]];
        expect(parseBlock(serializeBlock(head, first, rest.map(bytesToHex)))).toEqual({
          header: head,
          transactions,
        });
      }),
      { numRuns: 50 },
    );
  });

  it('parse, or say what is wrong, whatever comes', () => {
    const read = (run: () => unknown): void => {
      try {
        run();
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
      }
    };
    fc.assert(fc.property(bytes(400), (value) => read(() => parseTransaction(value))));
    fc.assert(fc.property(bytes(600), (value) => read(() => parseBlock(value))));
    fc.assert(
      fc.property(transaction, fc.nat(), fc.nat({ max: 255 }), (value, place, byte) => {
        const changed = serializeTransaction(value, { witness: true });
        changed[place % changed.length] = byte;
        read(() => {
          // What does parse is exactly what stands there: no two byte strings mean the same transaction.
          expect(serializeTransaction(parseTransaction(changed), { witness: true })).toEqual(changed);
        });
      }),
      { numRuns: 500 },
    );
  });
});

describe('merkle', () => {
  it('the path leads to the root', () => {
    fc.assert(
      fc.property(fc.array(hash, { minLength: 1, maxLength: 70 }), (leaves) => {
        const [coinbase, ...rest] = leaves as [Uint8Array, ...Uint8Array[]];
        expect(rootFromPath(coinbase, merklePath(rest))).toEqual(merkleRoot(leaves));
      }),
    );
  });

  it('a change of any leaf changes the root', () => {
    fc.assert(
      fc.property(fc.array(hash, { minLength: 1, maxLength: 20 }), fc.nat(), (leaves, place) => {
        const changed = leaves.map((leaf, i) =>
          i === place % leaves.length ? leaf.map((byte) => byte ^ 1) : leaf,
        );
        expect(merkleRoot(changed)).not.toEqual(merkleRoot(leaves));
      }),
    );
  });
});

describe('targets', () => {
  const target = fc.bigInt({ min: 1n, max: MAX_TARGET });

  it('compact form rounds down, by less than 2^-15, and comes back', () => {
    fc.assert(
      fc.property(target, (value) => {
        const bits = targetToBits(value);
        const rounded = bitsToTarget(bits);
        expect(rounded <= value).toBe(true);
        expect((value - rounded) << 15n <= value).toBe(true);
        expect(targetToBits(rounded)).toBe(bits);
      }),
    );
  });

  it('targetOfDifficulty is the exact floor, and difficultyOfTarget undoes it', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (d) => {
        if (d > 0) expect(targetOfDifficulty(d)).toBe(DIFFICULTY_1_TARGET / BigInt(d));
      }),
    );
    fc.assert(
      fc.property(fc.integer({ min: -30, max: 100 }), (exponent) => {
        expect(difficultyOfTarget(targetOfDifficulty(2 ** exponent))).toBe(2 ** exponent);
      }),
    );
  });
});

describe('addresses', () => {
  const program = fc
    .tuple(fc.constantFrom(0x00, 0x52, 0x5a, 0x60), fc.constantFrom(20, 32))
    .chain(([version, length]) =>
      fc
        .uint8Array({ minLength: length, maxLength: length })
        .map((value) => Uint8Array.of(version, length, ...value)),
    );
  const p2pkh = fc
    .uint8Array({ minLength: 20, maxLength: 20 })
    .map((value) => Uint8Array.of(0x76, 0xa9, 20, ...value, 0x88, 0xac));
  const p2sh = fc
    .uint8Array({ minLength: 20, maxLength: 20 })
    .map((value) => Uint8Array.of(0xa9, 20, ...value, 0x87));

  it('come back from scripts on every network, and belong to no network with other parameters', () => {
    fc.assert(
      fc.property(fc.oneof(program, p2pkh, p2sh), fc.constantFrom(...NETWORKS), (script, network) => {
        const address = addressOfScript(script, network) ?? '';
        expect(checkAddress(address, network)).toMatchObject({
          ok: true,
          address,
          script: bytesToHex(script),
        });
        expect(checkAddress(address, network === 'main' ? 'regtest' : 'main')).toMatchObject({
          ok: false,
          code: 'network',
        });
      }),
    );
  });

  it('any text is answered, with a sentence', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.string({ maxLength: 60 }).map((value) => `bc1${value}`),
      fc.string({
        unit: fc.constantFrom(...Array.from('123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz')),
        maxLength: 112,
      }),
    );
    fc.assert(
      fc.property(text, fc.constantFrom(...NETWORKS), (value, network) => {
        const checked = checkAddress(value, network);
        expect(checked.ok || checked.message.length > 10).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});
