import { hash } from 'node:crypto';

/**
 * The runtime's own SHA-256 (FIPS 180-4), for `installSha256`: 32 fresh bytes of any byte array. The digest crosses over as
 * a string of one character a byte, because a Buffer made for so short a result costs more than the hash itself: on Node 24
 * a SHA-256d of 64 bytes takes 0.8 µs this way and 2 µs with a Buffer.
 */
export function fastSha256(data: Uint8Array): Uint8Array {
  const text = hash('sha256', data, 'binary');
  const digest = new Uint8Array(32);
  for (let i = 0; i < 32; i += 1) digest[i] = text.charCodeAt(i);
  return digest;
}
