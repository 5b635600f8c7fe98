import { useEffect, useLayoutEffect, useRef, useState } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { fmt } from '../../i18n/index.ts';
import { theme } from '../../stores/theme.ts';
import { resolveColour } from '../colour.ts';
import styles from './time-chart.module.css';

export type Point = readonly [at: number, value: number | null];

const aligned = (points: readonly Point[]): uPlot.AlignedData => [
  points.map(([at]) => at / 1000),
  points.map(([, value]) => value),
];

/** Places of points without a neighbour on either side. */
export function isolated(values: ArrayLike<number | null | undefined>): number[] {
  const there = (index: number) => typeof values[index] === 'number';
  return Array.from({ length: values.length }, (_, index) => index).filter(
    (index) => there(index) && !there(index - 1) && !there(index + 1),
  );
}

/**
 * A line over time from an honest zero. Where nothing was measured there is no line.
 * @param format a value in words
 * @param tick a value on the axis
 * @param gap what the read-out says where nothing was measured
 */
export function TimeChart({
  points,
  stepMs,
  label,
  format,
  tick,
  gap,
}: {
  readonly points: readonly Point[];
  readonly stepMs: number;
  readonly label: string;
  readonly format: (value: number) => string;
  readonly tick: (value: number) => string;
  readonly gap: string;
}) {
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const latest = useRef({ points, tick });
  const [hovered, setHovered] = useState<number | null>(null);
  const shown = theme((state) => state.shown);

  useLayoutEffect(() => {
    latest.current = { points, tick };
    plot.current?.setData(aligned(points));
  }, [points, tick]);

  useEffect(() => {
    const element = holder.current!;
    const lamp = resolveColour('var(--lamp)');
    const glow = [
      resolveColour('color-mix(in srgb, var(--lamp) 26%, transparent)'),
      resolveColour('color-mix(in srgb, var(--lamp) 2%, transparent)'),
    ];
    const line = resolveColour('var(--line)');
    const faint = resolveColour('var(--faint)');
    const rem = Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
    const font = `${Math.round(rem * 0.6875)}px ${getComputedStyle(document.body).fontFamily}`;
    const chart = new uPlot(
      {
        width: Math.max(1, element.clientWidth),
        height: Math.max(1, element.clientHeight),
        padding: [rem * 0.9, rem * 1.5, 0, 0],
        legend: { show: false },
        cursor: {
          y: false,
          drag: { x: false, y: false },
          points: { size: 8, fill: lamp, stroke: resolveColour('var(--card)'), width: 2 },
        },
        scales: {
          x: { time: true },
          y: { range: (_, __, most) => [0, !(most > 0) ? 1 : most * 1.08] },
        },
        axes: [
          {
            stroke: faint,
            font,
            size: rem * 1.7,
            gap: 6,
            space: rem * 5,
            grid: { show: false },
            ticks: { show: true, stroke: line, size: 4, width: 1 },
            values: (chart, splits) => {
              const span = (chart.scales['x']?.max ?? 0) - (chart.scales['x']?.min ?? 0);
              return splits.map((at) => (span > 2 * 86_400 ? fmt.shortDay(at * 1000) : fmt.clock(at * 1000)));
            },
            // Days for a week, so that no label stands twice.
            incrs: [60, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 14_400, 21_600, 43_200, 86_400, 172_800],
          },
          {
            stroke: faint,
            font,
            size: (_, values) =>
              rem * (0.7 + 0.39 * Math.max(4, ...(values ?? []).map((value) => value.length))),
            gap: 8,
            space: rem * 2.6,
            grid: { show: true, stroke: line, width: 1 },
            ticks: { show: false },
            values: (_, splits) => splits.map((value) => (value === 0 ? '0' : latest.current.tick(value))),
          },
        ],
        series: [
          {},
          {
            stroke: lamp,
            width: 1.6,
            spanGaps: false,
            // A line needs two points; one alone is drawn as a dot, so that it does not go missing.
            points: {
              show: true,
              size: 4,
              fill: lamp,
              stroke: lamp,
              filter: (chart) => isolated(chart.data[1]!),
            },
            fill: (chart) => {
              const gradient = chart.ctx.createLinearGradient(
                0,
                chart.bbox.top,
                0,
                chart.bbox.top + chart.bbox.height,
              );
              gradient.addColorStop(0, glow[0]!);
              gradient.addColorStop(1, glow[1]!);
              return gradient;
            },
          },
        ],
        hooks: { setCursor: [(chart) => setHovered(chart.cursor.idx ?? null)] },
      },
      aligned(latest.current.points),
      element,
    );
    plot.current = chart;
    const observer = new ResizeObserver(() => {
      chart.setSize({ width: Math.max(1, element.clientWidth), height: Math.max(1, element.clientHeight) });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      chart.destroy();
      plot.current = undefined;
    };
    // oxlint-disable-next-line react/exhaustive-effect-dependencies -- the colours of the chart are those of the theme
  }, [shown]);

  const point = hovered === null ? undefined : points[hovered];
  return (
    <div className={styles.chart} role="img" aria-label={label}>
      <div className={styles.canvas} ref={holder} />
      {point !== undefined && (
        <div className={styles.readout} aria-hidden="true">
          {point[1] === null ? gap : format(point[1])}{' '}
          <span>{stepMs >= 3_600_000 ? fmt.moment(point[0]) : fmt.clock(point[0])}</span>
        </div>
      )}
    </div>
  );
}
