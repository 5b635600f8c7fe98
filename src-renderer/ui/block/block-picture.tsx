import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react';
import type { PointerEvent } from 'react';
import { fmt, t } from '../../i18n/index.ts';
import { theme } from '../../stores/theme.ts';
import { ramp, reducedMotion, resolveColour } from '../colour.ts';
import styles from './block-picture.module.css';
import type { Packing } from './pack.ts';
import { pack } from './pack.ts';
import type { RatedTransactions, TransactionFact } from './rates.ts';
import { rateTransactions, warmth } from './rates.ts';

const STEPS = 32;
/** Cells a transaction gets on average, and the largest a cell may be: three transactions should not fill the picture. */
const CELLS_EACH = 8;
const MIN_CELL = 1.6;
const MAX_CELL = 24;
const MIN_VB_PER_CELL_AT_MAX = 140;

/** Fineness of the grid that is tried: rounding to whole cells suits some grids better than others. */
const FINENESS = [1, 1.07, 0.94] as const;
const FULL_ENOUGH = 0.95;
/** Part of the block, at its cheap end, that is placed large ones first, so that the picture ends flat. */
const CHEAP_END = 0.18;

interface Scene {
  readonly packing: Packing;
  readonly rated: RatedTransactions;
  /** Places in the block in the order they were packed. */
  readonly order: readonly number[];
  readonly cell: number;
  readonly left: number;
  /** True when the block does not fill the picture, so that what is empty means room. */
  readonly roomy: boolean;
}

function packingOrder(transactions: readonly TransactionFact[], rated: RatedTransactions): number[] {
  const order = [...rated.order];
  const total = transactions.reduce((sum, [vsize]) => sum + vsize, 0);
  let placed = 0;
  let cut = 0;
  while (cut < order.length && placed < total * (1 - CHEAP_END)) placed += transactions[order[cut++]!]![0];
  return [
    ...order.slice(0, cut),
    ...order.slice(cut).sort((a, b) => transactions[b]![0] - transactions[a]![0] || a - b),
  ];
}

function layOut(
  transactions: readonly TransactionFact[],
  rated: RatedTransactions,
  width: number,
  height: number,
): Scene {
  const order = packingOrder(transactions, rated);
  const sizes = order.map((place) => transactions[place]![0]);
  const ideal = Math.sqrt((width * height) / Math.max(1, transactions.length * CELLS_EACH));
  let best: (Scene & { readonly filled: number }) | undefined;
  for (const fineness of FINENESS) {
    const wanted = Math.min(MAX_CELL, Math.max(MIN_CELL, ideal / fineness));
    const columns = Math.max(1, Math.round(width / wanted));
    const rows = Math.max(1, Math.floor(height / (width / columns)));
    const minUnit = MIN_VB_PER_CELL_AT_MAX * (width / columns / MAX_CELL) ** 2;
    const packing = pack(sizes, columns, rows, minUnit);
    const cell = Math.min(width / packing.columns, height / packing.rows);
    const filled = (packing.usedRows * cell) / height;
    const roomy = packing.unit === minUnit;
    if (best === undefined || filled > best.filled) {
      best = { packing, rated, order, cell, left: (width - cell * packing.columns) / 2, roomy, filled };
    }
    if (roomy || filled > FULL_ENOUGH) break;
  }
  return best!;
}

function draw(canvas: HTMLCanvasElement, scene: Scene, shown: number, hovered: number | null): void {
  const context = canvas.getContext('2d')!;
  const scale = devicePixelRatio || 1;
  const { packing, rated, order, cell, left, roomy } = scene;
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, canvas.width / scale, canvas.height / scale);

  // The room that is left, as a survey grid: an honest picture of a block that is not full.
  const width = packing.columns * cell;
  const bottom = packing.usedRows * cell;
  const height = canvas.height / scale;
  if (roomy && height - bottom > 24) {
    const step = Math.max(cell, 18);
    context.fillStyle = resolveColour('color-mix(in srgb, var(--line) 80%, transparent)');
    for (let y = bottom + step / 2; y < height - 2; y += step) {
      for (let x = left + step / 2; x < left + width; x += step)
        context.fillRect(Math.round(x), Math.round(y), 1.5, 1.5);
    }
  }

  const colours = ramp('var(--slate)', 'var(--lamp)', STEPS);
  const gap = Math.min(1.6, Math.max(0.5, cell * 0.24));
  const count = packing.side.length;
  for (let index = 0; index < count; index++) {
    const place = order[index]!;
    const start = (index / Math.max(1, count)) * 0.7;
    const appear = Math.min(1, Math.max(0, (shown - start) / 0.3));
    if (appear <= 0) break;
    const size = packing.side[index]! * cell;
    const x = left + packing.column[index]! * cell;
    const y = packing.row[index]! * cell;
    const shrink = (1 - appear) * size * 0.4;
    const side = Math.max(0.75, size - gap - shrink);
    const inset = (size - side) / 2;
    context.globalAlpha = appear;
    context.fillStyle = colours[Math.round(warmth(rated.rate[place]!, rated.low, rated.high) * (STEPS - 1))]!;
    if (side > 5) {
      context.beginPath();
      context.roundRect(x + inset, y + inset, side, side, Math.min(4, side / 7));
      context.fill();
    } else {
      context.fillRect(x + inset, y + inset, side, side);
    }
  }
  context.globalAlpha = 1;
  if (hovered !== null && hovered < count) {
    const size = packing.side[hovered]! * cell;
    context.strokeStyle = resolveColour('var(--ink)');
    context.lineWidth = 2;
    context.strokeRect(left + packing.column[hovered]! * cell, packing.row[hovered]! * cell, size, size);
  }
}

function hit(scene: Scene, x: number, y: number): number | null {
  const column = Math.floor((x - scene.left) / scene.cell);
  const row = Math.floor(y / scene.cell);
  const { packing } = scene;
  for (let index = 0; index < packing.side.length; index++) {
    const side = packing.side[index]!;
    const atColumn = packing.column[index]!;
    const atRow = packing.row[index]!;
    if (column >= atColumn && column < atColumn + side && row >= atRow && row < atRow + side) return index;
  }
  return null;
}

/**
 * The transactions of a block as squares, dear ones warm and on top. A new block builds itself up; a new template of the same
 * block only changes.
 * @param height of the block, tells a new block from a new template
 */
export function BlockPicture({
  transactions,
  height,
  label,
}: {
  readonly transactions: readonly TransactionFact[];
  readonly height: number;
  readonly label: string;
}) {
  const holder = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [size, setSize] = useState({ width: 0, height: 0 });
  const [hover, setHover] = useState<{ index: number; x: number; y: number } | null>(null);
  const shownTheme = theme((state) => state.shown);
  const builtHeight = useRef<number>(undefined);

  useLayoutEffect(() => {
    const element = holder.current!;
    const observer = new ResizeObserver(() =>
      setSize({ width: element.clientWidth, height: element.clientHeight }),
    );
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const rated = useMemo(() => rateTransactions(transactions), [transactions]);
  const scene = useMemo(
    () =>
      size.width > 0 && size.height > 0 ? layOut(transactions, rated, size.width, size.height) : undefined,
    [transactions, rated, size],
  );

  const hovered = hover?.index ?? null;
  useEffect(() => {
    const target = canvas.current;
    if (target === null || scene === undefined) return undefined;
    const scale = devicePixelRatio || 1;
    target.width = Math.round(size.width * scale);
    target.height = Math.round(size.height * scale);
    const build = builtHeight.current !== height && !reducedMotion();
    builtHeight.current = height;
    if (!build) {
      draw(target, scene, 1, hovered);
      return undefined;
    }
    let frame = 0;
    const began = performance.now();
    const step = (now: number) => {
      const part = Math.min(1, (now - began) / 750);
      draw(target, scene, part, null);
      if (part < 1) frame = requestAnimationFrame(step);
    };
    draw(target, scene, 0, null);
    frame = requestAnimationFrame(step);
    return () => {
      cancelAnimationFrame(frame);
      draw(target, scene, 1, null);
    };
    // oxlint-disable-next-line react/exhaustive-effect-dependencies -- the colours are those of the theme
  }, [scene, size, hovered, height, shownTheme]);

  const onMove = (event: PointerEvent<HTMLCanvasElement>) => {
    if (scene === undefined) return;
    const box = event.currentTarget.getBoundingClientRect();
    const x = event.clientX - box.left;
    const y = event.clientY - box.top;
    const index = hit(scene, x, y);
    setHover(index === null ? null : { index, x, y });
  };

  const place = hover === null ? undefined : scene?.order[hover.index];
  const fact = place === undefined ? undefined : transactions[place];
  return (
    <div className={styles.picture} ref={holder}>
      <canvas
        ref={canvas}
        className={styles.canvas}
        role="img"
        aria-label={label}
        onPointerMove={onMove}
        onPointerLeave={() => setHover(null)}
      />
      {hover !== null && place !== undefined && fact !== undefined && (
        <div
          className={styles.hover}
          aria-hidden="true"
          style={{
            left: Math.min(hover.x + 14, Math.max(0, size.width - 150)),
            top: hover.y + 64 > size.height ? hover.y - 56 : hover.y + 16,
          }}
        >
          <strong>
            {fmt.roughly(rated.rate[place]!)} {t.block.unit}
          </strong>
          <span>
            {fmt.join(fmt.amount(fact[1]))} · {t.block.hover(fmt.count(place + 1), fmt.count(fact[0]))}
          </span>
        </div>
      )}
    </div>
  );
}

export function RateLegend({ low, high }: { readonly low: number; readonly high: number }) {
  return (
    <div
      className={styles.legend}
      role="img"
      aria-label={t.block.legend(fmt.roughly(low), fmt.roughly(high))}
    >
      <span>{fmt.roughly(low)}</span>
      <span className={styles.ramp} />
      <span>
        {fmt.roughly(high)} {t.block.unit}
      </span>
    </div>
  );
}
