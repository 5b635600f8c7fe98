import { bytesToHex as nobleBytesToHex } from '@noble/hashes/utils.js';

export type FormatErrorCode =
  'hex' | 'truncated' | 'trailing' | 'notCanonical' | 'tooLarge' | 'range' | 'structure';

/** Bytes that are not what they should be. `offset` is where in the input, in bytes, when that is known. */
export class FormatError extends Error {
  readonly code: FormatErrorCode;
  readonly offset: number | undefined;
  constructor(code: FormatErrorCode, message: string, offset?: number) {
    super(offset === undefined ? message : `${message} (at byte ${offset})`);
    this.name = 'FormatError';
    this.code = code;
    this.offset = offset;
  }
}

/** Value of each hex digit by its character code; 0xff for all others. */
const DIGITS = new Uint8Array(256).fill(0xff);
for (let i = 0; i < 16; i++) {
  DIGITS['0123456789abcdef'.charCodeAt(i)] = i;
  DIGITS['0123456789ABCDEF'.charCodeAt(i)] = i;
}

/**
 * Hex (either case, even length, no prefix) to bytes in the same order. Throws `FormatError` "hex". Our own loop, because
 * megabytes of transactions pass here while a found block waits.
 */
export function hexToBytes(hex: string): Uint8Array {
  const bytes = new Uint8Array(hex.length >>> 1);
  let bad = hex.length & 1;
  for (let i = 0; i < bytes.length; i++) {
    const high = DIGITS[hex.charCodeAt(2 * i)] ?? 0xff;
    const low = DIGITS[hex.charCodeAt(2 * i + 1)] ?? 0xff;
    bad |= (high | low) & 0xf0;
    bytes[i] = (high << 4) | low;
  }
  if (bad !== 0) {
    throw new FormatError(
      'hex',
      `hexToBytes: expected an even number of hex digits, got ${JSON.stringify(hex.slice(0, 40))}`,
    );
  }
  return bytes;
}

/** Bytes to lower-case hex in the same order. */
export function bytesToHex(bytes: Uint8Array): string {
  return nobleBytesToHex(bytes);
}

/** A hash of 32 bytes in internal order as explorers and RPC show it: lower-case hex, byte order turned round. */
export function displayHash(internal: Uint8Array): string {
  if (internal.length !== 32)
    throw new FormatError('range', `displayHash: a hash has 32 bytes, got ${internal.length}`);
  return bytesToHex(internal.toReversed());
}

/**
 * The reverse of `displayHash`: 64 hex digits in display order to 32 bytes in internal order. Throws `FormatError` "hex".
 * Turned round in the same pass: thousands of ids pass here while machines wait for the job of a new tip.
 */
export function parseHash(display: string): Uint8Array {
  if (display.length !== 64)
    throw new FormatError('hex', `parseHash: a hash has 64 hex digits, got ${display.length}`);
  const bytes = new Uint8Array(32);
  let bad = 0;
  for (let i = 0; i < 32; i++) {
    const high = DIGITS[display.charCodeAt(62 - 2 * i)] ?? 0xff;
    const low = DIGITS[display.charCodeAt(63 - 2 * i)] ?? 0xff;
    bad |= (high | low) & 0xf0;
    bytes[i] = (high << 4) | low;
  }
  if (bad !== 0)
    throw new FormatError(
      'hex',
      `parseHash: expected hex digits, got ${JSON.stringify(display.slice(0, 40))}`,
    );
  return bytes;
}

/** All parts one after the other, in a new array. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}

/** True when both hold the same bytes. Not constant-time: for public data only. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** How many bytes `compactSize(n)` takes: 1, 3, 5 or 9. */
export function compactSizeLength(n: number): number {
  if (!Number.isSafeInteger(n) || n < 0)
    throw new FormatError('range', `compactSize: expected a whole number from 0, got ${n}`);
  return n < 0xfd ? 1 : n <= 0xffff ? 3 : n <= 0xffffffff ? 5 : 9;
}

/** Bitcoin's variable-length integer ("CompactSize", Core's serialize.h), in its one canonical (shortest) form. */
export function compactSize(n: number): Uint8Array {
  const out = new Uint8Array(compactSizeLength(n));
  const view = new DataView(out.buffer);
  if (out.length === 1) {
    out[0] = n;
  } else if (out.length === 3) {
    out[0] = 0xfd;
    view.setUint16(1, n, true);
  } else if (out.length === 5) {
    out[0] = 0xfe;
    view.setUint32(1, n, true);
  } else {
    out[0] = 0xff;
    view.setBigUint64(1, BigInt(n), true);
  }
  return out;
}

/** Collects bytes little-endian, as Bitcoin serialises. Grows as needed; a number outside its type throws `FormatError` "range". */
export class ByteWriter {
  #buffer: Uint8Array;
  #view: DataView;
  #length = 0;

  constructor(capacity = 256) {
    this.#buffer = new Uint8Array(capacity);
    this.#view = new DataView(this.#buffer.buffer);
  }

  get length(): number {
    return this.#length;
  }

  /** Makes room and gives its offset. May replace the view, so it is called before the view is used. */
  #room(bytes: number): number {
    const at = this.#length;
    const needed = at + bytes;
    if (needed > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(needed, this.#buffer.length * 2));
      grown.set(this.#buffer);
      this.#buffer = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#length = needed;
    return at;
  }

  u8(n: number): this {
    checkInteger('u8', n, 0, 0xff);
    const at = this.#room(1);
    this.#view.setUint8(at, n);
    return this;
  }

  u16le(n: number): this {
    checkInteger('u16le', n, 0, 0xffff);
    const at = this.#room(2);
    this.#view.setUint16(at, n, true);
    return this;
  }

  u32le(n: number): this {
    checkInteger('u32le', n, 0, 0xffffffff);
    const at = this.#room(4);
    this.#view.setUint32(at, n, true);
    return this;
  }

  i32le(n: number): this {
    checkInteger('i32le', n, -0x80000000, 0x7fffffff);
    const at = this.#room(4);
    this.#view.setInt32(at, n, true);
    return this;
  }

  /** A safe whole number, or any bigint of 64 bits. */
  u64le(n: number | bigint): this {
    if (typeof n === 'number') checkInteger('u64le', n, 0, Number.MAX_SAFE_INTEGER);
    else if (n < 0n || n > 0xffffffffffffffffn) throw new FormatError('range', `u64le: ${n} does not fit`);
    const at = this.#room(8);
    this.#view.setBigUint64(at, BigInt(n), true);
    return this;
  }

  compactSize(n: number): this {
    return this.bytes(compactSize(n));
  }

  bytes(bytes: Uint8Array): this {
    const at = this.#room(bytes.length);
    this.#buffer.set(bytes, at);
    return this;
  }

  /** A compactSize length, then the bytes. */
  lengthAndBytes(bytes: Uint8Array): this {
    return this.compactSize(bytes.length).bytes(bytes);
  }

  /** A copy of what was written so far. */
  finish(): Uint8Array {
    return this.#buffer.slice(0, this.#length);
  }
}

function checkInteger(name: string, n: number, least: number, most: number): void {
  if (!Number.isInteger(n) || n < least || n > most) {
    throw new FormatError('range', `${name}: expected a whole number from ${least} to ${most}, got ${n}`);
  }
}

/** Reads little-endian from a byte array it does not own. Every error is a `FormatError` with the offset in it. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get offset(): number {
    return this.#offset;
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  #take(count: number, what: string): number {
    if (count > this.remaining) {
      throw new FormatError(
        'truncated',
        `${what}: ${count} bytes wanted, ${this.remaining} left`,
        this.#offset,
      );
    }
    const at = this.#offset;
    this.#offset += count;
    return at;
  }

  u8(what = 'u8'): number {
    return this.#view.getUint8(this.#take(1, what));
  }

  u16le(what = 'u16le'): number {
    return this.#view.getUint16(this.#take(2, what), true);
  }

  u32le(what = 'u32le'): number {
    return this.#view.getUint32(this.#take(4, what), true);
  }

  i32le(what = 'i32le'): number {
    return this.#view.getInt32(this.#take(4, what), true);
  }

  u64le(what = 'u64le'): bigint {
    return this.#view.getBigUint64(this.#take(8, what), true);
  }

  /** A u64 as a number; throws "range" above 2^53 - 1. */
  safeU64le(what = 'u64le'): number {
    const at = this.#offset;
    const n = this.u64le(what);
    if (n > BigInt(Number.MAX_SAFE_INTEGER)) throw new FormatError('range', `${what}: ${n} is too large`, at);
    return Number(n);
  }

  /**
   * A compactSize of at most `most`. The longer-than-needed forms are refused, as Core does ("non-canonical ReadCompactSize"):
   * otherwise two byte strings would mean the same transaction.
   */
  compactSize(most: number, what = 'compactSize'): number {
    const at = this.#offset;
    const first = this.u8(what);
    if (first < 0xfd) return this.#checkSize(first, 0, most, at, what);
    if (first === 0xfd) return this.#checkSize(this.u16le(what), 0xfd, most, at, what);
    if (first === 0xfe) return this.#checkSize(this.u32le(what), 0x10000, most, at, what);
    return this.#checkSize(this.safeU64le(what), 0x100000000, most, at, what);
  }

  #checkSize(n: number, least: number, most: number, at: number, what: string): number {
    if (n < least) throw new FormatError('notCanonical', `${what}: ${n} is not in its shortest form`, at);
    if (n > most)
      throw new FormatError('tooLarge', `${what}: ${n} is more than the ${most} possible here`, at);
    return n;
  }

  /** A copy of the next `count` bytes. */
  bytes(count: number, what = 'bytes'): Uint8Array {
    const at = this.#take(count, what);
    return this.#bytes.slice(at, at + count);
  }

  /** A compactSize length of at most `most`, then so many bytes. */
  lengthAndBytes(most: number, what = 'bytes'): Uint8Array {
    return this.bytes(this.compactSize(most, what), what);
  }

  /** Looks at the byte `ahead` of the next one without taking it; undefined past the end. */
  peek(ahead = 0): number | undefined {
    return this.#bytes[this.#offset + ahead];
  }

  /** Throws "trailing" unless everything was read. */
  end(what: string): void {
    if (this.remaining > 0)
      throw new FormatError('trailing', `${what}: ${this.remaining} bytes too many`, this.#offset);
  }
}
