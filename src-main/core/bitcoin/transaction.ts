import { ByteReader, ByteWriter, FormatError, compactSizeLength } from './bytes.ts';
import { sha256d } from './hash.ts';

/** 21 million bitcoin in sat: no amount above it is valid (Core's `MAX_MONEY`). */
export const MAX_MONEY = 2_100_000_000_000_000;
/** Weight units a block may have (BIP141). */
export const MAX_BLOCK_WEIGHT = 4_000_000;

export interface TxIn {
  /** Internal byte order; 32 zeros in a coinbase. */
  readonly previousTxid: Uint8Array;
  /** 0xffffffff in a coinbase. */
  readonly previousIndex: number;
  readonly script: Uint8Array;
  readonly sequence: number;
  readonly witness: readonly Uint8Array[];
}

export interface TxOut {
  /** sat. */
  readonly value: number;
  readonly script: Uint8Array;
}

export interface Transaction {
  /** 32 bits, unsigned as in Core 28 and later. */
  readonly version: number;
  readonly inputs: readonly TxIn[];
  readonly outputs: readonly TxOut[];
  readonly lockTime: number;
}

export interface TransactionLimits {
  /** Bytes of the whole transaction. Default 4,000,000: no block holds more. */
  readonly maxBytes?: number;
}

/**
 * Parses one transaction, with or without witness (BIP144); nothing may follow it. Counts are checked against the bytes
 * that are left before anything is made, so hostile input costs no more memory than its own size. Throws `FormatError`.
 */
export function parseTransaction(bytes: Uint8Array, limits: TransactionLimits = {}): Transaction {
  const most = limits.maxBytes ?? MAX_BLOCK_WEIGHT;
  if (bytes.length > most)
    throw new FormatError('tooLarge', `transaction: ${bytes.length} bytes, at most ${most} are possible`);
  const reader = new ByteReader(bytes);
  const transaction = readTransaction(reader);
  reader.end('transaction');
  return transaction;
}

/** Reads the transaction that begins at the reader's place, and leaves the reader behind it. Throws `FormatError`. */
export function readTransaction(reader: ByteReader): Transaction {
  const version = reader.u32le('transaction version');
  // An input count of zero is BIP144's marker; what follows is the flag.
  const hasWitness = reader.peek() === 0;
  if (hasWitness) {
    reader.u8();
    const at = reader.offset;
    if (reader.u8('witness flag') !== 1)
      throw new FormatError('structure', 'transaction: unknown flag after the marker', at);
  }
  const inputCount = reader.compactSize(Math.floor(reader.remaining / 41), 'input count');
  if (inputCount === 0) throw new FormatError('structure', 'transaction: it has no inputs', reader.offset);
  const inputs: { -readonly [K in keyof TxIn]: TxIn[K] }[] = [];
  for (let i = 0; i < inputCount; i++) {
    inputs.push({
      previousTxid: reader.bytes(32, 'previous txid'),
      previousIndex: reader.u32le('previous index'),
      script: reader.lengthAndBytes(reader.remaining, 'scriptSig'),
      sequence: reader.u32le('sequence'),
      witness: NO_WITNESS,
    });
  }
  const outputCount = reader.compactSize(Math.floor(reader.remaining / 9), 'output count');
  const outputs: TxOut[] = [];
  for (let i = 0; i < outputCount; i++) {
    const at = reader.offset;
    const value = reader.u64le('output value');
    if (value > BigInt(MAX_MONEY))
      throw new FormatError('range', `output value: ${value} is more than there can be`, at);
    outputs.push({ value: Number(value), script: reader.lengthAndBytes(reader.remaining, 'output script') });
  }
  if (hasWitness) {
    const at = reader.offset;
    for (const input of inputs) input.witness = readWitness(reader);
    if (inputs.every((input) => input.witness.length === 0)) {
      throw new FormatError('structure', 'transaction: marked as having witnesses, but all are empty', at);
    }
  }
  return { version, inputs, outputs, lockTime: reader.u32le('lock time') };
}

const NO_WITNESS: readonly Uint8Array[] = [];

function readWitness(reader: ByteReader): readonly Uint8Array[] {
  const count = reader.compactSize(reader.remaining, 'witness count');
  if (count === 0) return NO_WITNESS;
  const items: Uint8Array[] = [];
  for (let i = 0; i < count; i++) items.push(reader.lengthAndBytes(reader.remaining, 'witness item'));
  return items;
}

function hasWitness(transaction: Transaction): boolean {
  return transaction.inputs.some((input) => input.witness.length > 0);
}

/**
 * Bytes of a transaction: with `witness` in BIP144's form when it has any witness, else in the form the txid is made from.
 * Throws `FormatError` "range" for a number that does not fit its field.
 */
export function serializeTransaction(
  transaction: Transaction,
  options: { readonly witness: boolean },
): Uint8Array {
  const witness = options.witness && hasWitness(transaction);
  const writer = new ByteWriter();
  writer.u32le(transaction.version >>> 0);
  if (witness) writer.u8(0).u8(1);
  writer.compactSize(transaction.inputs.length);
  for (const input of transaction.inputs) {
    writer
      .bytes(input.previousTxid)
      .u32le(input.previousIndex)
      .lengthAndBytes(input.script)
      .u32le(input.sequence);
  }
  writer.compactSize(transaction.outputs.length);
  for (const output of transaction.outputs) writer.u64le(output.value).lengthAndBytes(output.script);
  if (witness) {
    for (const input of transaction.inputs) {
      writer.compactSize(input.witness.length);
      for (const item of input.witness) writer.lengthAndBytes(item);
    }
  }
  return writer.u32le(transaction.lockTime).finish();
}

/** Transaction id, internal order: hash of the form without witness. */
export function txidOf(transaction: Transaction): Uint8Array {
  return sha256d(serializeTransaction(transaction, { witness: false }));
}

/** Witness transaction id (BIP141), internal order. Equals the txid when there is no witness. */
export function wtxidOf(transaction: Transaction): Uint8Array {
  return sha256d(serializeTransaction(transaction, { witness: true }));
}

/** Weight units (BIP141): three times the size without witness plus the size with it. */
export function weightOf(transaction: Transaction): number {
  let base = 8 + compactSizeLength(transaction.inputs.length) + compactSizeLength(transaction.outputs.length);
  let witness = 0;
  for (const input of transaction.inputs) {
    base += 40 + compactSizeLength(input.script.length) + input.script.length;
    witness += compactSizeLength(input.witness.length);
    for (const item of input.witness) witness += compactSizeLength(item.length) + item.length;
  }
  for (const output of transaction.outputs)
    base += 8 + compactSizeLength(output.script.length) + output.script.length;
  return hasWitness(transaction) ? base * 4 + 2 + witness : base * 4;
}

/** True when the transaction is a coinbase: one input that spends nothing. */
export function isCoinbase(transaction: Transaction): boolean {
  const input = transaction.inputs[0];
  return (
    transaction.inputs.length === 1 &&
    input !== undefined &&
    input.previousIndex === 0xffffffff &&
    input.previousTxid.every((byte) => byte === 0)
  );
}
