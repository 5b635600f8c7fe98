/**
 * ElligatorSwift: secp256k1 X coordinates as 64 bytes that look random, and the ECDH on them.
 * Sources: BIP324 ("ElligatorSwift encoding of curve X coordinates", "Shared secret computation") and the SV2 specification,
 * sections 4.3.1.1 and 4.4.2 (`v2_ecdh`). Written here on the field of @noble/curves because randomness must come from the
 * caller, and because one square root serves both the decoding and the point of the multiplication.
 *
 * Nothing made of JavaScript big integers runs in constant time. What is done about it: a scalar that is used for one
 * connection only may take the fast multiplication, one that lives longer never does (see `ellswiftEcdh`).
 */
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { bytesToNumberBE } from '@noble/curves/utils.js';
import { sha256 } from '@noble/hashes/sha2.js';

const Point = secp256k1.Point;
const Fp = Point.Fp;
const Fn = Point.Fn;

/** Gives so many random bytes from a cryptographically secure source. */
export type RandomBytes = (length: number) => Uint8Array;

export type KeyErrorCode = 'secretKey' | 'publicKey' | 'random';

/** A key that is none, or a source of randomness that gives none. */
export class KeyError extends Error {
  readonly code: KeyErrorCode;
  constructor(code: KeyErrorCode, message: string) {
    super(message);
    this.name = 'KeyError';
    this.code = code;
  }
}

/** A key pair as the handshake uses it. */
export interface KeyPair {
  /** 32 bytes, big-endian. */
  readonly secretKey: Uint8Array;
  /** 64 bytes, ElligatorSwift: u then t, each big-endian. */
  readonly publicKey: Uint8Array;
  /** 32 bytes, big-endian: the X coordinate, as certificates sign it (BIP340's public key). */
  readonly xOnly: Uint8Array;
}

export const ELLSWIFT_LENGTH = 64;

/** The square root of -3 that is a square itself: BIP324's c. The field's `sqrt` gives that one, because p mod 4 = 3. */
const C = Fp.sqrt(Fp.create(-3n));
const HALF = Fp.inv(2n);
/** How often a random draw may fail before the source is taken for broken: a good one fails a draw 3 times in 4. */
const MAX_DRAWS = 1_000;

/** The square root of `a`, or undefined when it has none. */
function squareRoot(a: bigint): bigint | undefined {
  try {
    return Fp.sqrt(a);
  } catch {
    // The field throws for a non-square, which is an ordinary answer here.
    return undefined;
  }
}

/** A y with y^2 = x^3 + 7, or undefined when no point has this x. */
function yOf(x: bigint): bigint | undefined {
  return squareRoot(Fp.add(Fp.mul(Fp.sqr(x), x), 7n));
}

interface AffinePoint {
  readonly x: bigint;
  readonly y: bigint;
}

/** BIP324's XSwiftEC, with either y of the point: any two field elements name a point. */
function swiftEc(uGiven: bigint, tGiven: bigint): AffinePoint {
  const u = Fp.is0(uGiven) ? 1n : uGiven;
  let t = Fp.is0(tGiven) ? 1n : tGiven;
  const g = Fp.add(Fp.mul(Fp.sqr(u), u), 7n);
  if (Fp.is0(Fp.add(g, Fp.sqr(t)))) t = Fp.add(t, t);
  const t2 = Fp.sqr(t);
  // BIP324 has X = (g - t^2) / 2t and Y = (X + t) / cu = (g + t^2) / 2tcu; put in, only sum and difference remain.
  const sum = Fp.add(g, t2);
  const difference = Fp.sub(g, t2);
  const tu = Fp.mul(t, u);
  const tu3 = Fp.mul(3n, Fp.sqr(tu));
  const inverse = Fp.inv(Fp.mul(tu3, sum));
  // u + 4Y^2, where c^2 = -3.
  const first = Fp.sub(u, Fp.mul(Fp.mul(Fp.sqr(sum), sum), inverse));
  let y = yOf(first);
  if (y !== undefined) return { x: first, y };
  const ratio = Fp.mul(Fp.mul(Fp.mul(difference, C), u), Fp.mul(tu3, inverse));
  const second = Fp.mul(Fp.sub(Fp.neg(ratio), u), HALF);
  y = yOf(second);
  if (y !== undefined) return { x: second, y };
  const third = Fp.mul(Fp.sub(ratio, u), HALF);
  y = yOf(third);
  // SwiftEC's theorem: one of the three always is an X coordinate.
  if (y === undefined) throw new KeyError('publicKey', 'ellswift: no point found for this encoding');
  return { x: third, y };
}

/**
 * BIP324's XSwiftECInv: the t for which XSwiftEC(u, t) = x, one of up to eight chosen by `which` (0 to 7), or undefined when
 * that one does not exist. Exported for BIP324's vectors.
 */
export function swiftEcInverse(x: bigint, u: bigint, which: number): bigint | undefined {
  const u2 = Fp.sqr(u);
  const g = Fp.add(Fp.mul(u2, u), 7n);
  let v: bigint;
  let s: bigint;
  if ((which & 2) === 0) {
    if (yOf(Fp.neg(Fp.add(x, u))) !== undefined) return undefined;
    v = x;
    const divisor = Fp.add(Fp.add(u2, Fp.mul(u, v)), Fp.sqr(v));
    if (Fp.is0(divisor)) return undefined;
    s = Fp.neg(Fp.div(g, divisor));
  } else {
    s = Fp.sub(x, u);
    if (Fp.is0(s)) return undefined;
    const r = squareRoot(Fp.neg(Fp.mul(s, Fp.add(Fp.mul(4n, g), Fp.mul(3n, Fp.mul(s, u2))))));
    if (r === undefined || ((which & 1) === 1 && Fp.is0(r))) return undefined;
    v = Fp.mul(Fp.sub(Fp.div(r, s), u), HALF);
  }
  const w = squareRoot(s);
  if (w === undefined) return undefined;
  const factor = Fp.mul((which & 1) === 0 ? Fp.sub(1n, C) : Fp.add(1n, C), HALF);
  const t = Fp.mul(w, Fp.add(Fp.mul(u, factor), v));
  const sign = which & 5;
  return sign === 0 || sign === 5 ? Fp.neg(t) : t;
}

function decodePoint(encoding: Uint8Array): AffinePoint {
  if (encoding.length !== ELLSWIFT_LENGTH)
    throw new KeyError('publicKey', `ellswift: expected 64 bytes, got ${encoding.length}`);
  return swiftEc(
    Fp.create(bytesToNumberBE(encoding.subarray(0, 32))),
    Fp.create(bytesToNumberBE(encoding.subarray(32))),
  );
}

/** The X coordinate (32 bytes, big-endian) that 64 bytes of ElligatorSwift stand for; every 64 bytes stand for one. */
export function ellswiftDecode(encoding: Uint8Array): Uint8Array {
  return Fp.toBytes(decodePoint(encoding).x);
}

/** One of the many encodings of an X coordinate, picked by `random`. Takes a coordinate that is on the curve. */
export function ellswiftEncode(x: bigint, random: RandomBytes): Uint8Array {
  for (let draw = 0; draw < MAX_DRAWS; draw++) {
    const bytes = random(33);
    const u = Fp.create(bytesToNumberBE(bytes.subarray(0, 32)));
    if (Fp.is0(u)) continue;
    const t = swiftEcInverse(x, u, (bytes[32] ?? 0) & 7);
    if (t === undefined || Fp.is0(t)) continue;
    const encoding = new Uint8Array(ELLSWIFT_LENGTH);
    encoding.set(Fp.toBytes(u), 0);
    encoding.set(Fp.toBytes(t), 32);
    return encoding;
  }
  throw new KeyError('random', 'ellswift: the source of randomness gives nothing usable');
}

/** The scalar of a secret key of 32 bytes. Throws `KeyError` "secretKey" unless it is from 1 to n - 1. */
function scalarOf(secretKey: Uint8Array): bigint {
  const d = secretKey.length === 32 ? bytesToNumberBE(secretKey) : 0n;
  if (d === 0n || d >= Fn.ORDER)
    throw new KeyError('secretKey', 'a secret key has 32 bytes and is from 1 to n - 1');
  return d;
}

/** Encodes the public key of a secret key of 32 bytes. `random` only picks among its encodings. */
export function keyPairOf(secretKey: Uint8Array, random: RandomBytes): KeyPair {
  const { x } = Point.BASE.multiply(scalarOf(secretKey)).toAffine();
  return { secretKey, publicKey: ellswiftEncode(x, random), xOnly: Fp.toBytes(x) };
}

/** A new key pair (SV2 4.3.1.1, "Key generation algorithm"; a draw outside 1 to n - 1 is repeated). */
export function generateKeyPair(random: RandomBytes): KeyPair {
  for (let draw = 0; draw < MAX_DRAWS; draw++) {
    const secretKey = Uint8Array.from(random(32));
    const d = bytesToNumberBE(secretKey);
    if (secretKey.length === 32 && d !== 0n && d < Fn.ORDER) return keyPairOf(secretKey, random);
  }
  throw new KeyError('random', 'generateKeyPair: the source of randomness gives nothing usable');
}

/**
 * A peer's public key, decoded once for the up to two multiplications a handshake does with it. `encoding` is kept as it
 * came: its bytes, not its meaning, go into the hash.
 */
export interface PeerKey {
  readonly encoding: Uint8Array;
  readonly xOnly: Uint8Array;
  readonly point: InstanceType<typeof Point>;
}

/** Reads a peer's 64 bytes; all values are valid (BIP324). Throws `KeyError` "publicKey" for another length. */
export function parsePeerKey(encoding: Uint8Array): PeerKey {
  const affine = decodePoint(encoding);
  return {
    encoding: Uint8Array.from(encoding),
    xOnly: Fp.toBytes(affine.x),
    point: Point.fromAffine(affine),
  };
}

const TAG = sha256(new TextEncoder().encode('bip324_ellswift_xonly_ecdh'));

/**
 * SV2 4.4.2 `ECDH(k, rk)` = BIP324 `v2_ecdh`: 32 bytes, the tagged SHA-256 of the initiator's encoding, the responder's
 * encoding and the shared X coordinate.
 *
 * `singleUse` says that this secret key serves one connection only. Such a one is multiplied in variable time, which is two
 * and a half times as fast: nobody gets a second look at it. A key of longer life keeps noble's regular ladder.
 */
export function ellswiftEcdh(
  ours: KeyPair,
  theirs: PeerKey,
  initiator: boolean,
  singleUse: boolean,
): Uint8Array {
  const d = scalarOf(ours.secretKey);
  const shared = singleUse ? theirs.point.multiplyUnsafe(d) : theirs.point.multiply(d);
  const [first, second] = initiator ? [ours.publicKey, theirs.encoding] : [theirs.encoding, ours.publicKey];
  return sha256
    .create()
    .update(TAG)
    .update(TAG)
    .update(first)
    .update(second)
    .update(Fp.toBytes(shared.toAffine().x))
    .digest();
}
