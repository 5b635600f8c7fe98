import { checkAddress } from '../bitcoin/address.ts';
import { hexToBytes } from '../bitcoin/bytes.ts';
import type { Network } from '../bitcoin/network.ts';
import { dustThreshold } from '../bitcoin/script.ts';
import type { Payout } from './types.ts';

/** Parts a whole reward has. */
export const BASIS_POINTS = 10_000;
export const MAX_PAYOUTS = 20;

export type PayoutCheck =
  | { readonly ok: true; readonly payouts: readonly Payout[] }
  /** `index` is the entry at fault, or null when it is the list as a whole. */
  | { readonly ok: false; readonly code: string; readonly message: string; readonly index: number | null };

/**
 * Checks what the user entered and turns addresses into scripts. Codes: those of `checkAddress`, and "none", "tooMany",
 * "part" (not a whole number from 1 to 10,000), "duplicate", "sum".
 */
export function resolvePayouts(
  entries: readonly { readonly address: string; readonly basisPoints: number }[],
  network: Network,
): PayoutCheck {
  if (entries.length === 0) {
    return {
      ok: false,
      code: 'none',
      message: 'Enter the address the reward of a block should go to.',
      index: null,
    };
  }
  if (entries.length > MAX_PAYOUTS) {
    return {
      ok: false,
      code: 'tooMany',
      message: `At most ${MAX_PAYOUTS} addresses can share a reward.`,
      index: null,
    };
  }
  const payouts: Payout[] = [];
  const places = new Map<string, number>();
  let sum = 0;
  for (const [index, entry] of entries.entries()) {
    const checked = checkAddress(entry.address, network);
    if (!checked.ok) return { ok: false, code: checked.code, message: checked.message, index };
    if (!Number.isInteger(entry.basisPoints) || entry.basisPoints < 1 || entry.basisPoints > BASIS_POINTS) {
      return {
        ok: false,
        code: 'part',
        message: 'Each part is from 0.01 % to 100 %, in steps of 0.01 %.',
        index,
      };
    }
    const earlier = places.get(checked.script);
    if (earlier !== undefined) {
      const message = `This address is entered twice (also in place ${earlier + 1}). Keep one and give it both parts.`;
      return { ok: false, code: 'duplicate', message, index };
    }
    places.set(checked.script, index);
    sum += entry.basisPoints;
    payouts.push({
      address: checked.address,
      script: hexToBytes(checked.script),
      basisPoints: entry.basisPoints,
    });
  }
  if (sum !== BASIS_POINTS) {
    const message = `The parts add up to ${sum / 100} %, not 100 %. Change them so that they do.`;
    return { ok: false, code: 'sum', message, index: null };
  }
  return { ok: true, payouts };
}

export interface RewardPart {
  readonly script: Uint8Array;
  /** sat. */
  readonly value: number;
  readonly address: string;
}

/**
 * Splits a reward so that the parts add up to exactly `value` sat. What rounding leaves, and parts below the dust
 * threshold of their script (which would cost more to spend than they hold), go to the first payout whose own part is not
 * dust; when all are, the first gets everything. Each payout has at most one part, in the order of `payouts`.
 * @param payouts at least one; their basis points add up to 10,000 (`resolvePayouts`). Throws `RangeError` otherwise.
 */
export function splitReward(value: number, payouts: readonly Payout[]): RewardPart[] {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`splitReward: ${value} is no amount`);
  const sum = payouts.reduce((total, payout) => total + payout.basisPoints, 0);
  if (
    sum !== BASIS_POINTS ||
    payouts.some(({ basisPoints }) => !Number.isInteger(basisPoints) || basisPoints < 1)
  ) {
    throw new RangeError('splitReward: the parts of the payouts do not add up to 10,000');
  }
  const whole = Math.floor(value / BASIS_POINTS);
  const rest = value % BASIS_POINTS;
  const values = payouts.map(({ script, basisPoints }) => {
    // floor(value * basisPoints / 10,000), without ever going above 2^53.
    const part = whole * basisPoints + Math.floor((rest * basisPoints) / BASIS_POINTS);
    return part < dustThreshold(script) ? 0 : part;
  });
  const left = value - values.reduce((total, part) => total + part, 0);
  const taker = Math.max(
    0,
    values.findIndex((part) => part > 0),
  );
  const parts: RewardPart[] = [];
  for (const [index, { address, script }] of payouts.entries()) {
    const part = (values[index] ?? 0) + (index === taker ? left : 0);
    if (part > 0 || index === taker) parts.push({ address, script, value: part });
  }
  return parts;
}
