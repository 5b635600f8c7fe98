import { describe, expect, it } from 'vitest';
import { pack } from '../../src-renderer/ui/block/pack.ts';

/** The picture as rows of letters, one letter for each square. */
function draw(vsizes: readonly number[], columns: number, rows: number, minUnit = 0): string[] {
  const packing = pack(vsizes, columns, rows, minUnit);
  const grid = Array.from({ length: packing.rows }, () => Array.from({ length: packing.columns }, () => '.'));
  packing.side.forEach((side, index) => {
    for (let down = 0; down < side; down++) {
      for (let across = 0; across < side; across++) {
        grid[packing.row[index]! + down]![packing.column[index]! + across] = String.fromCharCode(97 + index);
      }
    }
  });
  return grid.map((row) => row.join(''));
}

describe('pack', () => {
  it('takes the first place that fits, row by row, and fills holes behind large squares', () => {
    expect(draw([400, 400, 100, 100, 100], 5, 3, 100)).toEqual(['aabbc', 'aabbd', 'e....']);
  });

  it('puts the transactions given first at the top', () => {
    const packing = pack([100, 100, 100, 100, 100, 100], 2, 3, 100);
    expect([...packing.row]).toEqual([0, 0, 1, 1, 2, 2]);
  });

  it('makes squares whose area stands for the size', () => {
    const packing = pack([100, 900], 10, 10, 100);
    expect([...packing.side]).toEqual([1, 3]);
  });

  it('does not blow up a few transactions to the whole picture', () => {
    const packing = pack([140, 140, 140], 14, 10, 140);
    expect([...packing.side]).toEqual([1, 1, 1]);
    expect(packing.usedRows).toBe(1);
  });

  it('shrinks until a block fits that is far too large for the grid at first', () => {
    const packing = pack([1_000_000, 50, 50], 8, 8);
    expect(packing.side.length).toBe(3);
    expect(packing.usedRows).toBeLessThanOrEqual(8);
  });

  it('grows the grid when there are more transactions than cells', () => {
    const packing = pack(
      Array.from({ length: 100 }, () => 200),
      4,
      4,
    );
    expect(packing.columns * packing.rows).toBeGreaterThanOrEqual(100);
    expect(packing.side.every((side) => side >= 1)).toBe(true);
  });

  it('takes an empty block and a block of nothing', () => {
    expect(pack([], 10, 10).usedRows).toBe(0);
    expect([...pack([0, 0], 10, 10).side]).toEqual([1, 1]);
  });
});
