import { ByteWriter, FormatError, concatBytes } from '../bitcoin/bytes.ts';
import type { TxOut } from '../bitcoin/transaction.ts';

/** Consensus bounds of a coinbase's scriptSig, in bytes ("bad-cb-length"). */
export const MIN_SCRIPT_SIG = 2;
export const MAX_SCRIPT_SIG = 100;
/** A direct push: the opcode is the length itself. */
const MAX_DIRECT_PUSH = 75;

/** BIP34: the height as `CScript() << height` pushes it, which is what consensus compares with. */
export function heightPush(height: number): Uint8Array {
  if (!Number.isInteger(height) || height < 0 || height > 0x7fffffff)
    throw new FormatError('range', `heightPush: ${height} is no height`);
  if (height === 0) return Uint8Array.of(0);
  if (height <= 16) return Uint8Array.of(0x50 + height);
  const bytes: number[] = [];
  for (let rest = height; rest > 0; rest = Math.floor(rest / 256)) bytes.push(rest % 256);
  // Script numbers have a sign bit: a top byte that would set it is followed by a zero.
  if ((bytes.at(-1) as number) >= 0x80) bytes.push(0);
  return Uint8Array.of(bytes.length, ...bytes);
}

export interface CoinbaseInput {
  /** What the scriptSig must begin with. */
  readonly scriptSigPrefix: Uint8Array;
  /** Printable ASCII; shortened when the scriptSig has no room for all of it. */
  readonly tag: string;
  /** Bytes left open for the extranonce, 1 to 75. */
  readonly extranonceSize: number;
  readonly version: number;
  readonly sequence: number;
  readonly lockTime: number;
  readonly outputs: readonly TxOut[];
}

/** A coinbase without witness, cut open where the extranonce goes: prefix ‖ extranonce ‖ suffix. */
export interface CoinbaseParts {
  readonly prefix: Uint8Array;
  readonly suffix: Uint8Array;
  /** The tag that found room. */
  readonly tag: string;
}

/**
 * Builds a coinbase: scriptSig = prefix ‖ push(tag) ‖ push(extranonce), one input that spends nothing, the outputs as given.
 * Both are pushes, so that no byte of them can count as a signature operation. Throws `FormatError`: "range" (a size or
 * number that can't be), "structure" (a tag that is not printable ASCII).
 */
export function buildCoinbase(input: CoinbaseInput): CoinbaseParts {
  const { scriptSigPrefix, extranonceSize } = input;
  if (!Number.isInteger(extranonceSize) || extranonceSize < 1 || extranonceSize > MAX_DIRECT_PUSH) {
    throw new FormatError(
      'range',
      `buildCoinbase: an extranonce has 1 to ${MAX_DIRECT_PUSH} bytes, not ${extranonceSize}`,
    );
  }
  if (!/^[\x20-\x7e]*$/.test(input.tag))
    throw new FormatError('structure', 'buildCoinbase: the tag is not printable ASCII');
  const room = MAX_SCRIPT_SIG - scriptSigPrefix.length - 1 - extranonceSize;
  if (room < 0) {
    throw new FormatError(
      'range',
      `buildCoinbase: a prefix of ${scriptSigPrefix.length} bytes leaves no room for the extranonce`,
    );
  }
  // A tag is only decoration: it gives way before mining does.
  const tag = input.tag.slice(0, Math.max(0, Math.min(room - 1, MAX_DIRECT_PUSH)));
  const tagPush =
    tag === ''
      ? new Uint8Array(0)
      : Uint8Array.of(tag.length, ...Array.from(tag, (char) => char.charCodeAt(0)));
  const scriptSigLength = scriptSigPrefix.length + tagPush.length + 1 + extranonceSize;

  const prefix = new ByteWriter()
    .u32le(input.version >>> 0)
    .compactSize(1)
    .bytes(new Uint8Array(32))
    .u32le(0xffffffff)
    .compactSize(scriptSigLength)
    .bytes(scriptSigPrefix)
    .bytes(tagPush)
    .u8(extranonceSize)
    .finish();
  const suffix = new ByteWriter().u32le(input.sequence).compactSize(input.outputs.length);
  for (const output of input.outputs) suffix.u64le(output.value).lengthAndBytes(output.script);
  return { prefix, suffix: suffix.u32le(input.lockTime).finish(), tag };
}

/**
 * Puts the witness into a coinbase that was serialised without one (BIP144): marker and flag after the version, and before
 * the lock time a stack of one item, the witness reserved value.
 * @param reserved 32 bytes.
 */
export function addCoinbaseWitness(coinbase: Uint8Array, reserved: Uint8Array): Uint8Array {
  if (reserved.length !== 32)
    throw new FormatError('range', 'addCoinbaseWitness: the reserved value has 32 bytes');
  if (coinbase.length < 60 || coinbase[4] === 0)
    throw new FormatError('structure', 'addCoinbaseWitness: this is no coinbase without witness');
  return concatBytes(
    coinbase.subarray(0, 4),
    Uint8Array.of(0, 1),
    coinbase.subarray(4, -4),
    Uint8Array.of(1, 32),
    reserved,
    coinbase.subarray(-4),
  );
}
