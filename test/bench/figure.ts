import { significant } from './statistics.ts';

/** One line of the bench. `ratio` is value / peer, both measured in the same run; null where no peer could be run. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly value: number;
  readonly peer: number | null;
  readonly peerName: string | null;
  readonly ratio: number | null;
}

export function figure(name: string, unit: string, value: number, peer?: number, peerName?: string): Figure {
  const measured = peer !== undefined && Number.isFinite(peer);
  return {
    name,
    unit,
    value: significant(value),
    peer: measured ? significant(peer) : null,
    peerName: measured ? (peerName ?? null) : null,
    ratio: measured && peer !== 0 ? significant(value / peer, 3) : null,
  };
}

/** The figures as a table for people. */
export function table(figures: readonly Figure[]): string {
  const text = (value: number | null): string => (value === null ? '-' : String(significant(value)));
  const rows = figures.map((one) => [
    one.name,
    `${text(one.value)} ${one.unit}`,
    one.peer === null ? '-' : `${text(one.peer)} (${one.peerName ?? 'peer'})`,
    text(one.ratio),
  ]);
  const all = [['figure', 'value', 'peer', 'ratio'], ...rows];
  const widths = [0, 1, 2].map((column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  return all
    .map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '))
    .map((line) => line.trimEnd())
    .join('\n');
}
