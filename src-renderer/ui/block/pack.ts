/** Squares on a grid, in the order they were given. `row` 0 is the top. */
export interface Packing {
  readonly columns: number;
  readonly rows: number;
  /** Rows that hold at least a part of a square. */
  readonly usedRows: number;
  /** Virtual bytes that one cell stands for. */
  readonly unit: number;
  readonly column: Uint16Array;
  readonly row: Uint16Array;
  readonly side: Uint16Array;
}

/**
 * Lays the transactions of a block out as squares: each takes the first place, row by row from the top, where it fits.
 * Given in descending fee rate, the dear end of the block is at the top.
 *
 * @param vsizes virtual sizes in vB, in the order to be placed
 * @param columns width of the grid in cells, at least 1
 * @param rows height of the grid in cells, at least 1
 * @param minUnit least vB one cell may stand for: keeps three transactions from filling the picture
 * @returns a packing that holds every transaction without overlap inside the grid. The grid grows beyond what was asked for,
 *   in the same shape, only when it has fewer cells than there are transactions.
 */
export function pack(vsizes: readonly number[], columns: number, rows: number, minUnit = 0): Packing {
  let width = Math.max(1, Math.floor(columns));
  let height = Math.max(1, Math.floor(rows));
  if (width * height < vsizes.length) {
    const factor = Math.sqrt(vsizes.length / (width * height));
    width = Math.ceil(width * factor);
    height = Math.ceil(height * factor);
  }
  let unit = Math.max(minUnit, unitFor(vsizes, width, height));
  for (;;) {
    const placed = place(vsizes, width, height, unit);
    if (placed !== undefined) return placed;
    unit *= 1.03;
  }
}

const sideOf = (vsize: number, unit: number, largest: number): number =>
  Math.min(largest, Math.max(1, Math.round(Math.sqrt(Math.max(0, vsize) / unit))));

/** Part of the grid that squares fill at best; the rest is holes that nothing fits. */
const FILLED = 0.97;

/** The unit with which the rounded squares fill as much of the grid as they can be hoped to. */
function unitFor(vsizes: readonly number[], columns: number, rows: number): number {
  const cells = columns * rows * FILLED;
  const largest = Math.min(columns, rows);
  let total = 0;
  for (const vsize of vsizes) total += Math.max(0, vsize);
  let low = Math.max(total / cells / 4, 1e-9);
  let high = Math.max((total / cells) * 4, 1e-9);
  for (let step = 0; step < 14; step++) {
    const middle = (low + high) / 2;
    let area = 0;
    for (const vsize of vsizes) area += sideOf(vsize, middle, largest) ** 2;
    if (area > cells) low = middle;
    else high = middle;
  }
  return high;
}

function place(vsizes: readonly number[], columns: number, rows: number, unit: number): Packing | undefined {
  const count = vsizes.length;
  const column = new Uint16Array(count);
  const row = new Uint16Array(count);
  const side = new Uint16Array(count);
  const taken = new Uint8Array(columns * rows);
  const largest = Math.min(columns, rows);
  // Where the search for a square of each side goes on: cells are never freed, so a place that once refused a side refuses
  // it, and every larger one, for good. That makes the whole layout one sweep of the grid per side.
  const resume = new Uint32Array(largest + 1);
  let usedRows = 0;

  for (let index = 0; index < count; index++) {
    const size = sideOf(vsizes[index]!, unit, largest);
    let start = 0;
    for (let smaller = 1; smaller <= size; smaller++) if (resume[smaller]! > start) start = resume[smaller]!;
    const at = firstFit(taken, columns, rows, size, start);
    resume[size] = at;
    if (at >= columns * rows) return undefined;
    const top = Math.floor(at / columns);
    const left = at - top * columns;
    for (let down = 0; down < size; down++) {
      const from = at + down * columns;
      taken.fill(1, from, from + size);
    }
    column[index] = left;
    row[index] = top;
    side[index] = size;
    if (top + size > usedRows) usedRows = top + size;
  }
  return { columns, rows, usedRows, unit, column, row, side };
}

/** The first cell from `start` on, row by row, where a square of `size` fits; the cell count of the grid when there is none. */
function firstFit(taken: Uint8Array, columns: number, rows: number, size: number, start: number): number {
  let top = Math.floor(start / columns);
  let left = start - top * columns;
  for (; top + size <= rows; top++, left = 0) {
    search: while (left + size <= columns) {
      for (let down = 0; down < size; down++) {
        const base = (top + down) * columns + left;
        // From the right, so that one taken cell skips as far as it can.
        for (let across = size - 1; across >= 0; across--) {
          if (taken[base + across] !== 0) {
            left += across + 1;
            continue search;
          }
        }
      }
      return top * columns + left;
    }
  }
  return columns * rows;
}
