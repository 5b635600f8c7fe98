import { NETWORK } from './network.ts';
import type { Network } from './network.ts';

export type TargetErrorCode = 'negative' | 'overflow' | 'zero' | 'range';

/** A compact target or difficulty that means nothing. */
export class TargetError extends Error {
  readonly code: TargetErrorCode;
  constructor(code: TargetErrorCode, message: string) {
    super(message);
    this.name = 'TargetError';
    this.code = code;
  }
}

/** The largest number of 256 bits: every hash meets it. */
export const MAX_TARGET = (1n << 256n) - 1n;

/** Target of difficulty 1 ("pdiff"): 0x00000000ffff0000…0000. */
export const DIFFICULTY_1_TARGET = 0xffffn << 208n;

/**
 * The target a compact "nBits" stands for. Follows `arith_uint256::SetCompact` of Core: a base-256 exponent in the top byte,
 * 23 bits of mantissa and a sign bit. Throws `TargetError`: "negative" (sign bit with a mantissa), "overflow" (more than 256
 * bits), "zero" (no hash could meet it; Core's CheckProofOfWork refuses it too).
 */
export function bitsToTarget(bits: number): bigint {
  if (!Number.isInteger(bits) || bits < 0 || bits > 0xffffffff) {
    throw new TargetError('range', `bitsToTarget: expected 32 bits, got ${bits}`);
  }
  const size = bits >>> 24;
  const mantissa = bits & 0x007fffff;
  const word = size <= 3 ? mantissa >>> (8 * (3 - size)) : mantissa;
  if (word !== 0 && (bits & 0x00800000) !== 0) {
    throw new TargetError('negative', `bitsToTarget: 0x${hex8(bits)} is a negative target`);
  }
  if (word !== 0 && (size > 34 || (word > 0xff && size > 33) || (word > 0xffff && size > 32))) {
    throw new TargetError('overflow', `bitsToTarget: 0x${hex8(bits)} does not fit 256 bits`);
  }
  if (word === 0) throw new TargetError('zero', `bitsToTarget: 0x${hex8(bits)} is a target of zero`);
  return size <= 3 ? BigInt(word) : BigInt(word) << BigInt(8 * (size - 3));
}

function hex8(bits: number): string {
  return bits.toString(16).padStart(8, '0');
}

/** The compact form of a target, rounded down (`arith_uint256::GetCompact`). Throws "range" outside 0 … 2^256-1. */
export function targetToBits(target: bigint): number {
  if (target < 0n || target > MAX_TARGET)
    throw new TargetError('range', 'targetToBits: a target has 256 bits');
  if (target === 0n) return 0;
  let size = Math.ceil(target.toString(16).length / 2);
  let mantissa = Number(size <= 3 ? target << BigInt(8 * (3 - size)) : target >> BigInt(8 * (size - 3)));
  // The top mantissa bit is the sign: a number that has it set moves one byte down.
  if ((mantissa & 0x00800000) !== 0) {
    mantissa >>>= 8;
    size += 1;
  }
  return ((size << 24) | mantissa) >>> 0;
}

/** Difficulty (pdiff) of a target, to double precision. A target of 0 counts as 1, so that the result stays finite. */
export function difficultyOfTarget(target: bigint): number {
  if (target < 0n) throw new TargetError('range', 'difficultyOfTarget: a target is not negative');
  return Number(DIFFICULTY_1_TARGET) / Number(target === 0n ? 1n : target);
}

/**
 * The target of a difficulty: floor(DIFFICULTY_1_TARGET / d), at most 2^256-1. Exact for every double, fractions too,
 * because a double is a whole number times a power of two. Throws `TargetError` "range" unless d is positive and finite.
 */
export function targetOfDifficulty(d: number): bigint {
  if (!(d > 0) || !Number.isFinite(d)) {
    throw new TargetError('range', `targetOfDifficulty: expected a positive number, got ${d}`);
  }
  let shift = 0n;
  let mantissa = d;
  while (!Number.isInteger(mantissa)) {
    mantissa *= 2;
    shift += 1n;
  }
  const target = (DIFFICULTY_1_TARGET << shift) / BigInt(mantissa);
  return target > MAX_TARGET ? MAX_TARGET : target;
}

/** A hash in internal order as the number that is compared with a target (little-endian). */
export function hashToBigint(hash: Uint8Array): bigint {
  if (hash.length !== 32)
    throw new TargetError('range', `hashToBigint: a hash has 32 bytes, got ${hash.length}`);
  const view = new DataView(hash.buffer, hash.byteOffset, 32);
  return (
    (view.getBigUint64(24, true) << 192n) |
    (view.getBigUint64(16, true) << 128n) |
    (view.getBigUint64(8, true) << 64n) |
    view.getBigUint64(0, true)
  );
}

/** The highest difficulty a hash (internal order) would have met. Finite for every hash. */
export function difficultyOfHash(hash: Uint8Array): number {
  return difficultyOfTarget(hashToBigint(hash));
}

/** True when the hash (internal order) is at most the target. */
export function meetsTarget(hash: Uint8Array, target: bigint): boolean {
  return hashToBigint(hash) <= target;
}

/** New coins a block at this height may make, in sat (Core's `GetBlockSubsidy`). */
export function subsidy(height: number, network: Network): number {
  if (!Number.isSafeInteger(height) || height < 0)
    throw new TargetError('range', `subsidy: ${height} is no height`);
  const halvings = Math.floor(height / NETWORK[network].halvingInterval);
  // 50 BTC is below 2^33 sat: after 33 halvings nothing is left.
  return halvings > 33 ? 0 : Math.floor(5_000_000_000 / 2 ** halvings);
}
