import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pack } from '../../src-renderer/ui/block/pack.ts';

const blocks = fc.record({
  vsizes: fc.array(fc.oneof(fc.integer({ min: 60, max: 600 }), fc.integer({ min: 0, max: 400_000 })), {
    maxLength: 400,
  }),
  columns: fc.integer({ min: 1, max: 120 }),
  rows: fc.integer({ min: 1, max: 120 }),
  minUnit: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 200, noNaN: true })),
});

describe('pack', () => {
  it('places every transaction inside the grid without overlap, larger ones never as smaller squares', () => {
    fc.assert(
      fc.property(blocks, ({ vsizes, columns, rows, minUnit }) => {
        const packing = pack(vsizes, columns, rows, minUnit);
        const taken = new Uint8Array(packing.columns * packing.rows);
        let lowest = 0;
        for (let index = 0; index < vsizes.length; index++) {
          const side = packing.side[index]!;
          const left = packing.column[index]!;
          const top = packing.row[index]!;
          expect(side).toBeGreaterThanOrEqual(1);
          expect(left + side).toBeLessThanOrEqual(packing.columns);
          expect(top + side).toBeLessThanOrEqual(packing.rows);
          lowest = Math.max(lowest, top + side);
          for (let row = top; row < top + side; row++) {
            for (let column = left; column < left + side; column++) {
              expect(taken[row * packing.columns + column]).toBe(0);
              taken[row * packing.columns + column] = 1;
            }
          }
        }
        expect(packing.usedRows).toBe(lowest);
        const bySize = vsizes
          .map((vsize, index) => [vsize, packing.side[index]!] as const)
          .sort((a, b) => a[0] - b[0]);
        for (let index = 1; index < bySize.length; index++)
          expect(bySize[index]![1]).toBeGreaterThanOrEqual(bySize[index - 1]![1]);
      }),
      { numRuns: 150 },
    );
  });

  it('leaves no earlier place where a square would have fitted when its turn came', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 60, max: 4_000 }), { minLength: 1, maxLength: 40 }),
        (vsizes) => {
          const packing = pack(vsizes, 14, 14);
          const taken = new Set<number>();
          const free = (left: number, top: number, side: number) => {
            if (left + side > packing.columns || top + side > packing.rows) return false;
            for (let row = top; row < top + side; row++) {
              for (let column = left; column < left + side; column++)
                if (taken.has(row * packing.columns + column)) return false;
            }
            return true;
          };
          for (let index = 0; index < vsizes.length; index++) {
            const side = packing.side[index]!;
            const at = packing.row[index]! * packing.columns + packing.column[index]!;
            for (let earlier = 0; earlier < at; earlier++) {
              expect(free(earlier % packing.columns, Math.floor(earlier / packing.columns), side)).toBe(
                false,
              );
            }
            for (let row = 0; row < side; row++)
              for (let column = 0; column < side; column++) taken.add(at + row * packing.columns + column);
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});
