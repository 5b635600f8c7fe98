import { describe, expect, it } from 'vitest';
import {
  blockHash,
  checkBlockStructure,
  parseBlock,
  parseHeader,
  serializeBlock,
  serializeHeader,
} from '../../src-main/core/bitcoin/block.ts';
import type { Block } from '../../src-main/core/bitcoin/block.ts';
import {
  FormatError,
  bytesToHex,
  concatBytes,
  displayHash,
  hexToBytes,
  parseHash,
} from '../../src-main/core/bitcoin/bytes.ts';
import {
  merklePath,
  merkleRoot,
  rootFromPath,
  witnessCommitment,
  witnessCommitmentScript,
} from '../../src-main/core/bitcoin/merkle.ts';
import { bitsToTarget, meetsTarget } from '../../src-main/core/bitcoin/target.ts';
import {
  isCoinbase,
  parseTransaction,
  serializeTransaction,
  txidOf,
  weightOf,
  wtxidOf,
} from '../../src-main/core/bitcoin/transaction.ts';
import type { Transaction } from '../../src-main/core/bitcoin/transaction.ts';
import { GENESIS, LEGACY_BLOCK, SEGWIT_BLOCK } from '../fixtures/core-blocks.ts';

const BLOCKS = [GENESIS, LEGACY_BLOCK, SEGWIT_BLOCK];

describe.each(BLOCKS)('block of $name', (fixture) => {
  const bytes = hexToBytes(fixture.hex);
  const block = parseBlock(bytes);
  const parts = block.transactions.map((transaction) => serializeTransaction(transaction, { witness: true }));

  it('has its hash, and the hash has the work', () => {
    expect(displayHash(blockHash(block.header))).toBe(fixture.hash);
    expect(displayHash(blockHash(bytes.subarray(0, 80)))).toBe(fixture.hash);
    expect(meetsTarget(blockHash(block.header), bitsToTarget(block.header.bits))).toBe(true);
  });

  it('is sound, and comes back byte for byte', () => {
    expect(block.transactions).toHaveLength(fixture.transactions);
    expect(checkBlockStructure(block)).toEqual({ ok: true });
    const [coinbase, ...rest] = parts as [Uint8Array, ...Uint8Array[]];
    expect(bytesToHex(serializeBlock(block.header, coinbase, rest))).toBe(fixture.hex);
    expect(bytesToHex(serializeBlock(bytes.subarray(0, 80), coinbase, rest.map(bytesToHex)))).toBe(
      fixture.hex,
    );
  });

  it('has the weight of BIP141: three times the stripped size plus the whole size', () => {
    for (const [i, transaction] of block.transactions.entries()) {
      const stripped = serializeTransaction(transaction, { witness: false }).length;
      expect(weightOf(transaction)).toBe(3 * stripped + (parts[i]?.length ?? 0));
    }
  });

  it('reaches the merkle root from the coinbase', () => {
    const [coinbase, ...rest] = block.transactions.map(txidOf) as [Uint8Array, ...Uint8Array[]];
    expect(rootFromPath(coinbase, merklePath(rest))).toEqual(block.header.merkleRoot);
  });

  it('is refused when it is cut off anywhere or longer than it should be', () => {
    for (let length = 0; length < bytes.length; length++) {
      expect(() => parseBlock(bytes.subarray(0, length))).toThrow(FormatError);
    }
    expect(() => parseBlock(concatBytes(bytes, Uint8Array.of(0)))).toThrow(/1 bytes too many/);
  });
});

describe('known transactions', () => {
  it('the coinbase of the first block', () => {
    const coinbase = parseBlock(hexToBytes(GENESIS.hex)).transactions[0] as Transaction;
    expect(displayHash(txidOf(coinbase))).toBe(
      '4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b',
    );
    expect(isCoinbase(coinbase)).toBe(true);
    expect(coinbase.outputs[0]?.value).toBe(5_000_000_000);
  });

  it('BIP143 example: native P2WPKH, signed', () => {
    const hex =
      '01000000000102fff7f7881a8099afa6940d42d1e7f6362bec38171ea3edf433541db4e4ad969f00000000494830450221008b9d1dc26ba6a9cb62127b02742fa9d754cd3bebf337f7a55d114c8e5cdd30be022040529b194ba3f9281a99f2b1c0a19c0489bc22ede944ccf4ecbab4cc618ef3ed01eeffffffef51e1b804cc89d182d279655c3aa89e815b1b309fe287d9b2b55d57b90ec68a0100000000ffffffff02202cb206000000001976a9148280b37df378db99f66f85c95a783a76ac7a6d5988ac9093510d000000001976a9143bde42dbee7e4dbe6a21b2d50ce2f0167faa815988ac000247304402203609e17b84f6a7d30c80bfa610b5b4542f32a8a0d5447a12fb1366d7f01cc44a0220573a954c4518331561406f90300e8f3358f51928d43c212a8caed02de67eebee0121025476c2e83188368da1ff3e292e7acafcdb3566bb0ad253f62fc70f07aeee635711000000';
    const transaction = parseTransaction(hexToBytes(hex));
    expect(transaction.inputs.map(({ witness }) => witness.length)).toEqual([0, 2]);
    expect(transaction.lockTime).toBe(17);
    expect(bytesToHex(serializeTransaction(transaction, { witness: true }))).toBe(hex);
    expect(displayHash(txidOf(transaction))).not.toBe(displayHash(wtxidOf(transaction)));
  });
});

describe('parseTransaction', () => {
  const segwit = parseBlock(hexToBytes(SEGWIT_BLOCK.hex)).transactions.find(
    (transaction) => weightOf(transaction) % 4 !== 0 || !isCoinbase(transaction),
  ) as Transaction;

  it('refuses an empty witness that is marked as one (BIP144)', () => {
    const stripped = serializeTransaction(
      { ...segwit, inputs: segwit.inputs.map((input) => ({ ...input, witness: [] })) },
      { witness: true },
    );
    const marked = concatBytes(
      stripped.subarray(0, 4),
      Uint8Array.of(0, 1),
      stripped.subarray(4, -4),
      new Uint8Array(segwit.inputs.length),
      stripped.subarray(-4),
    );
    expect(() => parseTransaction(marked)).toThrow(/all are empty/);
  });

  it('refuses an unknown flag, no inputs, absurd counts and absurd amounts', () => {
    expect(() => parseTransaction(hexToBytes('01000000000200'))).toThrow(/unknown flag/);
    expect(() => parseTransaction(hexToBytes('01000000000100'))).toThrow(/no inputs/);
    expect(() => parseTransaction(hexToBytes('01000000feffffffff00'))).toThrow(/input count/);
    const legacy = serializeTransaction(
      { ...segwit, outputs: [{ value: 1, script: new Uint8Array(0) }] },
      { witness: false },
    );
    legacy.fill(0xff, legacy.length - 13, legacy.length - 5);
    expect(() => parseTransaction(legacy)).toThrow(/more than there can be/);
    expect(() => parseTransaction(new Uint8Array(101), { maxBytes: 100 })).toThrow(/at most 100/);
  });
});

describe('checkBlockStructure', () => {
  const block = parseBlock(hexToBytes(SEGWIT_BLOCK.hex));
  const codeOf = (changed: Block): string => {
    const verdict = checkBlockStructure(changed);
    return verdict.ok ? 'ok' : verdict.code;
  };
  const [coinbase, ...rest] = block.transactions as [Transaction, ...Transaction[]];
  const rebuilt = (transactions: readonly Transaction[]): Block => ({
    header: { ...block.header, merkleRoot: merkleRoot(transactions.map(txidOf)) },
    transactions,
  });

  it('finds each fault', () => {
    expect(codeOf(block)).toBe('ok');
    expect(codeOf({ ...block, transactions: [] })).toBe('noCoinbase');
    expect(codeOf(rebuilt(rest))).toBe('noCoinbase');
    expect(codeOf(rebuilt([coinbase, ...rest, coinbase]))).toBe('manyCoinbases');
    expect(codeOf({ ...block, transactions: [coinbase, ...rest.toReversed()] })).toBe('merkleRoot');
    const last = rest.at(-1) as Transaction;
    expect(codeOf({ ...block, transactions: [coinbase, ...rest, last] })).toBe('duplicateTransaction');
  });

  it('holds the witness commitment to the witnesses', () => {
    expect(codeOf(rebuilt([coinbase, ...rest.slice(1)]))).toBe('witness');
    const input = coinbase.inputs[0];
    if (input === undefined) throw new Error('a coinbase has an input');
    expect(codeOf(rebuilt([{ ...coinbase, inputs: [{ ...input, witness: [] }] }, ...rest]))).toBe('witness');
    expect(
      codeOf(
        rebuilt([{ ...coinbase, inputs: [{ ...input, witness: [new Uint8Array(32).fill(1)] }] }, ...rest]),
      ),
    ).toBe('witness');
    const bare = { ...coinbase, outputs: coinbase.outputs.filter(({ value }) => value > 0) };
    expect(codeOf(rebuilt([bare, ...rest]))).toBe('witness');
  });

  it('the last commitment counts (BIP141)', () => {
    const wrong = { value: 0, script: witnessCommitmentScript(new Uint8Array(32)) };
    expect(codeOf(rebuilt([{ ...coinbase, outputs: [wrong, ...coinbase.outputs] }, ...rest]))).toBe('ok');
    expect(codeOf(rebuilt([{ ...coinbase, outputs: [...coinbase.outputs, wrong] }, ...rest]))).toBe(
      'witness',
    );
  });

  it('refuses a block that weighs too much', () => {
    const heavy = {
      ...coinbase,
      outputs: [...coinbase.outputs, { value: 0, script: new Uint8Array(1_000_000) }],
    };
    expect(codeOf(rebuilt([heavy, ...rest]))).toBe('weight');
  });
});

describe('merkle', () => {
  // The four transactions of block 100,000 and its root.
  const leaves = [
    '8c14f0db3df150123e6f3dbbf30f8b955a8249b62ac1d1ff16284aefa3d06d87',
    'fff2525b8931402dd09222c50775608f75787bd2b87e56995a7bdd30f79702c4',
    '6359f0868171b1d194cbee1af2f16ea598ae8fad666d9b012c8ed2b79a236ec4',
    'e9a66845e05d5abc0ad04ec80f774a7e585c6e8db975962d069a522137b80c1d',
  ].map(parseHash);

  it('has the root of block 100,000', () => {
    const root = merkleRoot(leaves);
    expect(displayHash(root)).toBe('f3e94742aca4b5ef85488dc37c06c3282295ffec960994b2c0d5ac2a25a95766');
    const header = serializeHeader({
      version: 1,
      previousHash: parseHash('000000000002d01c1fccc21636b607dfd930d31d01c3a62104612a1719011250'),
      merkleRoot: root,
      time: 1293623863,
      bits: 0x1b04864c,
      nonce: 274148111,
    });
    expect(displayHash(blockHash(header))).toBe(
      '000000000003ba27aa200b1cecaad478d2b00432346c3f1f3986da1afd33e506',
    );
  });

  it('gives the path of the coinbase', () => {
    expect(merklePath([])).toEqual([]);
    const [coinbase, ...rest] = leaves as [Uint8Array, ...Uint8Array[]];
    expect(merklePath(rest)).toHaveLength(2);
    expect(merklePath(rest)[0]).toEqual(leaves[1]);
    expect(merkleRoot([coinbase])).toEqual(coinbase);
    expect(() => merkleRoot([])).toThrow(FormatError);
    expect(() => merkleRoot([new Uint8Array(31)])).toThrow(FormatError);
  });

  it('commits to witnesses as BIP141 says: a block without transactions, all zeros', () => {
    // The commitment every empty block with a reserved value of zeros has.
    const hex = 'e2f61c3f71d1defd3fa999dfa36953755c690689799962b48bebd836974e8cf9';
    expect(bytesToHex(witnessCommitment([], new Uint8Array(32)))).toBe(hex);
    expect(bytesToHex(witnessCommitment(new Uint8Array(32), new Uint8Array(32)))).toBe(hex);
    expect(bytesToHex(witnessCommitmentScript(hexToBytes(hex)))).toBe(`6a24aa21a9ed${hex}`);
    expect(() => witnessCommitment([], new Uint8Array(31))).toThrow(FormatError);
  });
});

describe('headers', () => {
  it('come back byte for byte, with rolled version bits too', () => {
    const header = hexToBytes(GENESIS.hex).subarray(0, 80);
    header.set([0x00, 0xe0, 0xff, 0xff], 0);
    expect(parseHeader(header).version).toBe(-8192);
    expect(serializeHeader(parseHeader(header))).toEqual(header);
    expect(serializeHeader({ ...parseHeader(header), version: 0xffffe000 })).toEqual(header);
    expect(() => parseHeader(header.subarray(1))).toThrow(FormatError);
    expect(() => serializeHeader({ ...parseHeader(header), time: 2 ** 32 })).toThrow(FormatError);
  });
});
