import { cx } from './cx.ts';
import styles from './meter.module.css';

/** One quantity in its room. */
export function Meter({
  value,
  label,
  words,
  tone = 'busy',
}: {
  /** 0 to 1 */
  readonly value: number;
  readonly label: string;
  readonly words: string;
  readonly tone?: 'good' | 'warn' | 'bad' | 'busy' | 'glow';
}) {
  const part = Math.min(1, Math.max(0, value));
  return (
    <div
      className={styles.track}
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.floor(part * 1000) / 10}
      aria-valuetext={words}
    >
      {part > 0 && <span className={cx(styles.part, styles[tone])} style={{ width: `${part * 100}%` }} />}
    </div>
  );
}

export interface StackPart {
  readonly key: string;
  readonly value: number;
  readonly tone: 'good' | 'warn' | 'bad' | 'violet' | 'idle';
}

/** Parts of a whole, side by side. The numbers have to stand beside it: the bar is only a picture. */
export function Stack({ parts, label }: { readonly parts: readonly StackPart[]; readonly label: string }) {
  const total = parts.reduce((sum, part) => sum + part.value, 0);
  return (
    <div className={styles.track} role="img" aria-label={label}>
      {parts
        .filter((part) => part.value > 0)
        .map((part) => (
          <span
            key={part.key}
            className={cx(styles.part, styles[part.tone])}
            style={{ width: `${(part.value / total) * 100}%` }}
          />
        ))}
    </div>
  );
}
