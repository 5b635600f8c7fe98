/** A row of the payout form, as typed. */
export interface DraftPayout {
  readonly key: number;
  readonly address: string;
  readonly percent: string;
}

/**
 * Reads a percentage as people type it: "12.5", "12,5", "12.5 %".
 * @returns parts per 10,000, or null when it is no percentage above 0 and up to 100 with at most two decimals
 */
export function parsePercent(text: string): number | null {
  const match = /^(\d{1,3})(?:[.,](\d{1,2}))?\s*%?$/.exec(text.trim());
  if (match === null) return null;
  const points = Number(match[1]) * 100 + Number((match[2] ?? '').padEnd(2, '0'));
  return points >= 1 && points <= 10_000 ? points : null;
}

/** Parts per 10,000 as the shortest percentage: 1250 is "12.5". */
export function percentText(basisPoints: number): string {
  return String(basisPoints / 100);
}

/** Splits the whole evenly; what does not divide goes to the first, so that the sum is exact. */
export function splitEvenly(amount: number): number[] {
  const each = Math.floor(10_000 / amount);
  return Array.from({ length: amount }, (_, index) => (index === 0 ? 10_000 - each * (amount - 1) : each));
}

/** Sum of the parts that can be read, in parts per 10,000. */
export function sumOf(rows: readonly DraftPayout[]): number {
  return rows.reduce((sum, row) => sum + (parsePercent(row.percent) ?? 0), 0);
}
