import {
  ByteReader,
  ByteWriter,
  FormatError,
  bytesToHex,
  compactSize,
  compactSizeLength,
  equalBytes,
  hexToBytes,
} from './bytes.ts';
import { sha256d } from './hash.ts';
import { merkleRoot, witnessCommitment, WITNESS_COMMITMENT_HEADER } from './merkle.ts';
import { MAX_BLOCK_WEIGHT, isCoinbase, readTransaction, txidOf, weightOf, wtxidOf } from './transaction.ts';
import type { Transaction } from './transaction.ts';

export const HEADER_SIZE = 80;

export interface BlockHeader {
  /** 32 bits; parsed as signed, like Core's `nVersion`. */
  readonly version: number;
  /** Internal byte order, both. */
  readonly previousHash: Uint8Array;
  readonly merkleRoot: Uint8Array;
  /** Seconds since 1970. */
  readonly time: number;
  readonly bits: number;
  readonly nonce: number;
}

export interface Block {
  readonly header: BlockHeader;
  /** The coinbase first. */
  readonly transactions: readonly Transaction[];
}

/** The 80 bytes that are hashed. Throws `FormatError` "range" for a field that does not fit. */
export function serializeHeader(header: BlockHeader): Uint8Array {
  if (header.previousHash.length !== 32 || header.merkleRoot.length !== 32) {
    throw new FormatError('range', 'serializeHeader: previous hash and merkle root have 32 bytes');
  }
  return new ByteWriter(HEADER_SIZE)
    .u32le(header.version >>> 0)
    .bytes(header.previousHash)
    .bytes(header.merkleRoot)
    .u32le(header.time)
    .u32le(header.bits)
    .u32le(header.nonce)
    .finish();
}

/** Reads exactly 80 bytes. Throws `FormatError`. */
export function parseHeader(bytes: Uint8Array): BlockHeader {
  const reader = new ByteReader(bytes);
  const header = readHeader(reader);
  reader.end('block header');
  return header;
}

function readHeader(reader: ByteReader): BlockHeader {
  return {
    version: reader.i32le('block version'),
    previousHash: reader.bytes(32, 'previous hash'),
    merkleRoot: reader.bytes(32, 'merkle root'),
    time: reader.u32le('block time'),
    bits: reader.u32le('bits'),
    nonce: reader.u32le('nonce'),
  };
}

/** Hash of a header (parsed, or its 80 bytes), internal order. */
export function blockHash(header: BlockHeader | Uint8Array): Uint8Array {
  return sha256d(header instanceof Uint8Array ? header : serializeHeader(header));
}

/**
 * A whole block, ready for `submitblock`: header ‖ count ‖ coinbase ‖ transactions, each byte for byte as given.
 * @param header 80 bytes or parsed.
 * @param coinbase with its witness (BIP144) where the block has one.
 * @param transactions all others in block order, as bytes or hex. Throws `FormatError` for broken hex.
 */
export function serializeBlock(
  header: BlockHeader | Uint8Array,
  coinbase: Uint8Array,
  transactions: readonly (string | Uint8Array)[],
): Uint8Array {
  const head = header instanceof Uint8Array ? header : serializeHeader(header);
  if (head.length !== HEADER_SIZE)
    throw new FormatError('range', `serializeBlock: a header has 80 bytes, got ${head.length}`);
  const count = compactSize(transactions.length + 1);
  let length = HEADER_SIZE + count.length + coinbase.length;
  for (const item of transactions) length += typeof item === 'string' ? item.length / 2 : item.length;
  if (!Number.isInteger(length))
    throw new FormatError('hex', 'serializeBlock: a transaction has half a byte');
  const block = new Uint8Array(length);
  let offset = 0;
  const put = (part: Uint8Array): void => {
    block.set(part, offset);
    offset += part.length;
  };
  put(head);
  put(count);
  put(coinbase);
  for (const item of transactions) put(typeof item === 'string' ? hexToBytes(item) : item);
  return block;
}

/**
 * Parses a block; nothing may follow it. Bounded by its own size, which may be at most 4,000,000 bytes (no valid block is
 * larger). Says nothing about validity: see `checkBlockStructure`. Throws `FormatError`.
 */
export function parseBlock(bytes: Uint8Array): Block {
  if (bytes.length > MAX_BLOCK_WEIGHT)
    throw new FormatError('tooLarge', `block: ${bytes.length} bytes are more than a block can have`);
  const reader = new ByteReader(bytes);
  const header = readHeader(reader);
  // The smallest transaction there can be has 60 bytes: version, one input, one output with an empty script, lock time.
  const count = reader.compactSize(Math.floor(reader.remaining / 60), 'transaction count');
  const transactions: Transaction[] = [];
  for (let i = 0; i < count; i++) transactions.push(readTransaction(reader));
  reader.end('block');
  return { header, transactions };
}

export type BlockStructure =
  | { readonly ok: true }
  | {
      readonly ok: false;
      readonly code:
        'noCoinbase' | 'manyCoinbases' | 'duplicateTransaction' | 'merkleRoot' | 'weight' | 'witness';
      readonly reason: string;
    };

function fault(code: Extract<BlockStructure, { ok: false }>['code'], reason: string): BlockStructure {
  return { ok: false, code, reason };
}

/**
 * What can be told of a block without the chain: one coinbase in first place, merkle root, weight, and the witness
 * commitment of BIP141 (the last matching output counts; without one no transaction may have a witness).
 */
export function checkBlockStructure(block: Block): BlockStructure {
  const [coinbase, ...rest] = block.transactions;
  if (coinbase === undefined || !isCoinbase(coinbase))
    return fault('noCoinbase', 'the first transaction is no coinbase');
  if (rest.some(isCoinbase)) return fault('manyCoinbases', 'there is more than one coinbase');
  const txids = block.transactions.map(txidOf);
  // Repeating transactions at the end can leave the root the same (CVE-2012-2459).
  if (new Set(txids.map(bytesToHex)).size !== txids.length) {
    return fault('duplicateTransaction', 'a transaction stands in the block twice');
  }
  if (!equalBytes(merkleRoot(txids), block.header.merkleRoot)) {
    return fault('merkleRoot', 'the merkle root in the header is not that of the transactions');
  }
  let weight = 4 * (HEADER_SIZE + compactSizeLength(block.transactions.length));
  for (const transaction of block.transactions) weight += weightOf(transaction);
  if (weight > MAX_BLOCK_WEIGHT)
    return fault('weight', `the block weighs ${weight}, more than ${MAX_BLOCK_WEIGHT}`);

  const output = coinbase.outputs.findLast(
    ({ script }) => script.length >= 38 && equalBytes(script.subarray(0, 6), WITNESS_COMMITMENT_HEADER),
  );
  if (output === undefined) {
    const witness = block.transactions.some(({ inputs }) => inputs.some((input) => input.witness.length > 0));
    return witness
      ? fault('witness', 'there are witnesses, but the coinbase has no commitment to them')
      : { ok: true };
  }
  const stack = coinbase.inputs[0]?.witness ?? [];
  const reserved = stack[0];
  if (stack.length !== 1 || reserved?.length !== 32) {
    return fault('witness', 'the coinbase witness is not one value of 32 bytes');
  }
  if (!equalBytes(witnessCommitment(rest.map(wtxidOf), reserved), output.script.subarray(6, 38))) {
    return fault('witness', 'the witness commitment is not that of the transactions');
  }
  return { ok: true };
}
