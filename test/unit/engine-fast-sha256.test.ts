import { sha256 as pureSha256 } from '@noble/hashes/sha2.js';
import { describe, expect, it } from 'vitest';
import { bytesToHex, displayHash, hexToBytes } from '../../src-main/core/bitcoin/bytes.ts';
import { installSha256, sha256d } from '../../src-main/core/bitcoin/hash.ts';
import { NETWORK } from '../../src-main/core/bitcoin/network.ts';
import { fastSha256 } from '../../src-main/engine/fast-sha256.ts';

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('fastSha256', () => {
  // FIPS 180-2, appendix B; the empty message from NIST's CAVP (SHA256ShortMsg).
  it.each([
    ['', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
    ['abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
    [
      'abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq',
      '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
    ],
    ['a'.repeat(1_000_000), 'cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0'],
  ])('hashes the example %#', (message, digest) => {
    expect(bytesToHex(fastSha256(ascii(message)))).toBe(digest);
  });

  it('agrees with the pure one at every length around the padding, in a view too, and keeps its input', () => {
    const buffer = Uint8Array.from({ length: 210 }, (_, i) => (i * 167 + 13) & 0xff);
    const before = Uint8Array.from(buffer);
    for (let length = 0; length <= 200; length += 1) {
      const view = buffer.subarray(5, 5 + length);
      expect(bytesToHex(fastSha256(view))).toBe(bytesToHex(pureSha256(view)));
    }
    expect(buffer).toEqual(before);
  });

  it('gives an array of its own each time, and not a Buffer', () => {
    const first = fastSha256(ascii('abc'));
    const kept = Uint8Array.from(first);
    fastSha256(ascii('abd'));
    expect(first).toEqual(kept);
    expect(first.constructor).toBe(Uint8Array);
    expect(first.buffer.byteLength).toBe(32);
  });

  it('is accepted by the core, and hashes the genesis block with it', () => {
    installSha256(fastSha256);
    const header = hexToBytes(
      `0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c`,
    );
    expect(displayHash(sha256d(header))).toBe(NETWORK.main.genesis);
  });
});
