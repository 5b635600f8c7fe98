import type { MinerRow, ShareCounts } from '../../../src-main/core/api/schema.ts';
import type { Tone } from '../../ui/text.tsx';
import { modelOf } from './model.ts';

export const STATUS_TONE: Readonly<Record<MinerRow['status'], Tone>> = {
  active: 'good',
  quiet: 'warn',
  offline: 'bad',
};
export type StatusFilter = 'all' | MinerRow['status'];

export const COLUMNS = [
  'status',
  'name',
  'model',
  'm10',
  'h1',
  'difficulty',
  'accepted',
  'rejected',
  'best',
  'last',
  'remote',
] as const;
export type Column = (typeof COLUMNS)[number];
export interface Sorting {
  readonly column: Column;
  readonly descending: boolean;
}

export const rejectedOf = (shares: ShareCounts): number =>
  shares.stale + shares.duplicate + shares.lowDifficulty + shares.invalid;

const STATUS_ORDER: Readonly<Record<MinerRow['status'], number>> = { active: 0, quiet: 1, offline: 2 };
const VALUE: Readonly<Record<Column, (row: MinerRow) => number | string>> = {
  status: (row) => STATUS_ORDER[row.status],
  name: (row) => row.worker,
  model: (row) => modelOf(row.userAgent) ?? '',
  m10: (row) => row.hashrate.m10,
  h1: (row) => row.hashrate.h1,
  difficulty: (row) => row.difficulty,
  accepted: (row) => row.shares.accepted,
  rejected: (row) => rejectedOf(row.shares),
  best: (row) => row.bestEver?.difficulty ?? 0,
  last: (row) => row.lastShareAt ?? 0,
  remote: (row) => row.remote,
};

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' });

/** Columns where the first click should show the largest first. */
export const NUMERIC: ReadonlySet<Column> = new Set([
  'm10',
  'h1',
  'difficulty',
  'accepted',
  'rejected',
  'best',
  'last',
]);

/** The machines that fit the filter, in order; equal ones by name, so that nothing jumps about. Pure. */
export function selectRows(
  all: readonly MinerRow[],
  text: string,
  status: StatusFilter,
  sorting: Sorting,
): MinerRow[] {
  const words = text.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const value = VALUE[sorting.column];
  const sign = sorting.descending ? -1 : 1;
  return all
    .filter((row) => status === 'all' || row.status === status)
    .filter((row) => {
      if (words.length === 0) return true;
      const hay =
        `${row.worker} ${row.userAgent} ${modelOf(row.userAgent) ?? ''} ${row.remote}`.toLowerCase();
      return words.every((word) => hay.includes(word));
    })
    .sort((a, b) => {
      const left = value(a);
      const right = value(b);
      const order =
        typeof left === 'number' && typeof right === 'number'
          ? left - right
          : collator.compare(String(left), String(right));
      return order !== 0 ? sign * order : collator.compare(a.worker, b.worker) || (a.id < b.id ? -1 : 1);
    });
}

export interface Slice {
  readonly from: number;
  readonly to: number;
}

/** Rows to draw of a long list, with some to spare on both sides. Short lists are drawn whole. */
export function visibleSlice(
  count: number,
  rowHeight: number,
  scrollTop: number,
  height: number,
  whole = 100,
  spare = 12,
): Slice {
  if (count <= whole || !(height > 0)) return { from: 0, to: Math.min(count, Math.max(whole, 0)) };
  const from = Math.max(0, Math.min(count - 1, Math.floor(scrollTop / rowHeight)) - spare);
  const to = Math.min(count, Math.ceil((scrollTop + height) / rowHeight) + spare);
  return { from, to: Math.max(to, Math.min(count, from + spare)) };
}
