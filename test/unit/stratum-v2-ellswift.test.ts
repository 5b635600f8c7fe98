import { readFileSync } from 'node:fs';
import { elligatorSwift } from '@scure/btc-signer/p2p.js';
import { describe, expect, it } from 'vitest';
import { bytesToHex, hexToBytes } from '../../src-main/core/bitcoin/bytes.ts';
import {
  KeyError,
  ellswiftDecode,
  ellswiftEcdh,
  ellswiftEncode,
  generateKeyPair,
  keyPairOf,
  parsePeerKey,
  swiftEcInverse,
} from '../../src-main/core/stratum-v2/ellswift.ts';
import { seededRandom } from '../fixtures/stratum-v2-messages.ts';

/** The rows of one of the BIP's tables, by the names in its first line. */
function rows(file: string): Record<string, string>[] {
  const path = new URL(`../fixtures/vectors/${file}`, import.meta.url);
  const [head = '', ...lines] = readFileSync(path, 'utf8').trim().split(/\r?\n/);
  const names = head.split(',');
  return lines.map((line) =>
    Object.fromEntries(line.split(',').map((cell, i) => [names[i] ?? '', cell] as const)),
  );
}
const number = (hex = ''): bigint => BigInt(`0x${hex}`);

describe("BIP324's vectors", () => {
  it.each(rows('bip324-ellswift_decode_test_vectors.csv'))('decode $comment', (row) => {
    expect(bytesToHex(ellswiftDecode(hexToBytes(row['ellswift'] ?? '')))).toBe(row['x']);
  });

  it.each(rows('bip324-xswiftec_inv_test_vectors.csv'))('invert u=$u x=$x', (row) => {
    for (let which = 0; which < 8; which++) {
      const t = swiftEcInverse(number(row['x']), number(row['u']), which);
      expect(t === undefined ? '' : t.toString(16).padStart(64, '0')).toBe(row[`case${which}_t`]);
    }
  });

  it.each(rows('bip324-packet_encoding_test_vectors.csv'))('shared secret of packet $in_idx', (row) => {
    const ours = {
      secretKey: hexToBytes(row['in_priv_ours'] ?? ''),
      publicKey: hexToBytes(row['in_ellswift_ours'] ?? ''),
      xOnly: new Uint8Array(32),
    };
    const theirs = parsePeerKey(hexToBytes(row['in_ellswift_theirs'] ?? ''));
    expect(bytesToHex(theirs.xOnly)).toBe(row['mid_x_theirs']);
    expect(bytesToHex(ellswiftDecode(ours.publicKey))).toBe(row['mid_x_ours']);
    for (const singleUse of [true, false])
      expect(bytesToHex(ellswiftEcdh(ours, theirs, row['in_initiating'] === '1', singleUse))).toBe(
        row['mid_shared_secret'],
      );
  });
});

describe('key pairs', () => {
  it('encode to something that decodes to the public key, here and in @scure/btc-signer', () => {
    const random = seededRandom(1);
    for (let i = 0; i < 20; i++) {
      const pair = generateKeyPair(random);
      expect(ellswiftDecode(pair.publicKey)).toEqual(pair.xOnly);
      expect(elligatorSwift.decode(pair.publicKey)).toEqual(pair.xOnly);
    }
  });

  it('share a secret, which is also what @scure/btc-signer finds', () => {
    const random = seededRandom(2);
    const a = generateKeyPair(random);
    const b = generateKeyPair(random);
    const secret = ellswiftEcdh(a, parsePeerKey(b.publicKey), true, true);
    expect(ellswiftEcdh(b, parsePeerKey(a.publicKey), false, false)).toEqual(secret);
    expect(elligatorSwift.getSharedSecretBip324(a.secretKey, b.publicKey, a.publicKey, true)).toEqual(secret);
  });

  it('pick another encoding with other randomness, and the same with the same', () => {
    const secret = new Uint8Array(32).fill(5);
    const first = keyPairOf(secret, seededRandom(3)).publicKey;
    expect(keyPairOf(secret, seededRandom(3)).publicKey).toEqual(first);
    expect(keyPairOf(secret, seededRandom(4)).publicKey).not.toEqual(first);
  });

  it('are not made of a scalar outside 1 to n - 1, nor by a broken source', () => {
    const n = hexToBytes('fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141');
    for (const bad of [new Uint8Array(32), n, new Uint8Array(31).fill(1), new Uint8Array(32).fill(0xff)])
      expect(() => keyPairOf(bad, seededRandom(5))).toThrow(KeyError);
    expect(() => generateKeyPair((length) => new Uint8Array(length))).toThrow(KeyError);
    expect(() => ellswiftEncode(1n, (length) => new Uint8Array(length))).toThrow(KeyError);
    expect(() => parsePeerKey(new Uint8Array(63))).toThrow(KeyError);
  });
});
