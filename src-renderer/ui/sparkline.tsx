import { memo } from 'react';

/** Path of a line through the points that are there; gaps stay gaps. Zero is the bottom. */
export function sparkPath(points: readonly (number | null)[], width: number, height: number): string {
  const top = points.reduce<number>((most, point) => Math.max(most, point ?? 0), 0);
  if (points.length < 2 || top <= 0) return '';
  let path = '';
  let open = false;
  points.forEach((point, index) => {
    if (point === null) {
      open = false;
      return;
    }
    const x = (index / (points.length - 1)) * width;
    const y = height - 1 - (point / top) * (height - 2);
    path += `${open ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}`;
    open = true;
  });
  return path;
}

/** The same line closed to the ground, run by run. */
function areaOf(path: string, height: number): string {
  return path
    .split('M')
    .filter((run) => run.includes('L'))
    .map((run) => {
      const first = run.slice(0, run.indexOf(' '));
      const lastPoint = run.slice(run.lastIndexOf('L') + 1);
      return `M${run}L${lastPoint.slice(0, lastPoint.indexOf(' '))} ${height - 1}L${first} ${height - 1}Z`;
    })
    .join('');
}

export const Sparkline = memo(function Sparkline({
  points,
  label,
  width = 76,
  height = 22,
}: {
  readonly points: readonly (number | null)[] | undefined;
  readonly label: string;
  readonly width?: number;
  readonly height?: number;
}) {
  const path = points === undefined ? '' : sparkPath(points, width, height);
  return (
    <svg
      width={width}
      height={height}
      viewBox={`0 0 ${width} ${height}`}
      role="img"
      aria-label={label}
      className="sparkline"
    >
      <path d={`M0 ${height - 0.5}H${width}`} stroke="var(--line)" strokeWidth="1" />
      {path !== '' && (
        <path d={areaOf(path, height)} fill="color-mix(in srgb, var(--lamp) 14%, transparent)" />
      )}
      <path
        d={path}
        fill="none"
        stroke="var(--lamp)"
        strokeWidth="1.3"
        strokeLinejoin="round"
        strokeLinecap="round"
      />
    </svg>
  );
});
