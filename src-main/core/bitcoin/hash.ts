import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, equalBytes, hexToBytes } from './bytes.ts';

export type Sha256 = (data: Uint8Array) => Uint8Array;

let implementation: Sha256 = nobleSha256;

/** SHA-256 (FIPS 180-4), 32 bytes. */
export function sha256(data: Uint8Array): Uint8Array {
  return implementation(data);
}

/** SHA-256 twice: what Bitcoin calls a hash. 32 bytes in internal order. */
export function sha256d(data: Uint8Array): Uint8Array {
  return implementation(implementation(data));
}

/** FIPS 180-4 examples; the long ones come from the reference implementation at the lengths where padding changes. */
const VECTORS: readonly (readonly [message: Uint8Array, digest: string])[] = [
  [new Uint8Array(0), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
  [hexToBytes('616263'), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
];
const LENGTHS = [1, 31, 32, 55, 56, 63, 64, 65, 80, 119, 120, 128, 300, 1_000];

export class HashError extends Error {
  readonly code = 'wrongSha256';
}

/**
 * Puts a faster SHA-256 in place of the built-in one, for the whole process. It must take any byte array (also a view into
 * a larger buffer), leave it untouched and give a fresh array of 32 bytes. It is accepted only after it reproduces known
 * vectors; otherwise `HashError` is thrown and nothing changes: a wrong hash would lose blocks.
 */
export function installSha256(fn: Sha256): void {
  // A copy each time: a function that changes its input must not change the vectors.
  for (const [message, digest] of VECTORS) check(fn, Uint8Array.from(message), digest);
  for (const length of LENGTHS) {
    const buffer = Uint8Array.from({ length: length + 7 }, (_, i) => (i * 167 + length) & 0xff);
    const message = buffer.subarray(3, 3 + length);
    check(fn, message, bytesToHex(nobleSha256(message)));
  }
  const first = fn(new Uint8Array(80));
  const kept = Uint8Array.from(first);
  fn(new Uint8Array(64));
  if (!equalBytes(first, kept))
    throw new HashError('installSha256: the function reuses the array it returns');
  implementation = fn;
}

function check(fn: Sha256, message: Uint8Array, digest: string): void {
  const before = Uint8Array.from(message);
  const result = fn(message);
  if (!(result instanceof Uint8Array) || result.length !== 32 || bytesToHex(result) !== digest) {
    throw new HashError(`installSha256: wrong digest of a message of ${message.length} bytes`);
  }
  if (!equalBytes(before, message)) throw new HashError('installSha256: the function changes its input');
}
