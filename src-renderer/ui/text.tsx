import type { ReactNode } from 'react';
import { fmt, t } from '../i18n/index.ts';
import type { Figure } from '../i18n/format.ts';
import { useTopic } from '../stores/topics.ts';
import { cx } from './cx.ts';
import styles from './text.module.css';
import { Tip } from './tip.tsx';

export type Tone = 'good' | 'warn' | 'bad' | 'busy' | 'idle';

/** A number with its unit, in one of three sizes. */
export function Num({
  of,
  size = 'small',
}: {
  readonly of: Figure;
  readonly size?: 'big' | 'mid' | 'small';
}) {
  return (
    <span className={styles[size]}>
      {of.value}
      {of.unit !== '' && <span className={styles.unit}> {of.unit}</span>}
    </span>
  );
}

export const Note = ({
  children,
  className,
}: {
  readonly children: ReactNode;
  readonly className?: string | undefined;
}) => <p className={cx(styles.note, className)}>{children}</p>;

export const Pill = ({ children }: { readonly children: ReactNode }) => (
  <span className={styles.pill}>{children}</span>
);

export function Dot({ tone }: { readonly tone: Tone }) {
  return <span aria-hidden="true" className={cx(styles.dot, toneClass(tone))} />;
}

export function toneClass(tone: Tone): string | undefined {
  return tone === 'idle' ? styles.faint : styles[tone];
}

/** Whether addresses are to be covered on this screen. */
export function useCovered(): boolean {
  return useTopic('settings', (settings) => settings.page.hideAddresses) ?? false;
}

/** An address, short or whole, covered when the user asked for it. */
export function Address({ of, whole = false }: { readonly of: string; readonly whole?: boolean }) {
  const covered = useCovered();
  if (covered)
    return (
      <span
        className={cx(styles.address, styles.covered)}
        aria-label={t.common.hidden}
      >{`${of.slice(0, 4)}••••••`}</span>
    );
  if (whole) {
    return (
      <span className={styles.address}>
        {of.slice(0, -6)}
        <span className={styles.tail}>{of.slice(-6)}</span>
      </span>
    );
  }
  return <span className={styles.address}>{fmt.shortAddress(of)}</span>;
}

const LONG_ADDRESS = /^((?:bc1|tb1|bcrt1)[a-z0-9]{20,}|[13mn2][1-9A-HJ-NP-Za-km-z]{25,})(?:[._](.*))?$/;

/** The part of a worker's name that tells machines apart: pools make people write their address in front. */
export function workerName(worker: string): { readonly address: string | null; readonly name: string } {
  const match = LONG_ADDRESS.exec(worker);
  if (match === null) return { address: null, name: worker };
  return { address: match[1]!, name: match[2] ?? '' };
}

/** Words for a worker, short enough for a sentence. */
export function workerWords(worker: string, covered: boolean): string {
  const { address, name } = workerName(worker);
  if (name !== '') return name;
  if (address === null) return t.miners.noName;
  return covered ? `${address.slice(0, 4)}••••••` : fmt.shortAddress(address);
}

/** A worker's name that is cut where there is no room, whole in the tip. */
export function Worker({ of }: { readonly of: string }) {
  const covered = useCovered();
  const words = workerWords(of, covered);
  return (
    <Tip text={covered ? words : of === '' ? words : of}>
      <span className={styles.cut}>{words}</span>
    </Tip>
  );
}

/** Text on one line, cut with an ellipsis, whole in the tip. */
export function Cut({ children, className }: { readonly children: string; readonly className?: string }) {
  return (
    <Tip text={children}>
      <span className={cx(styles.cut, className)}>{children}</span>
    </Tip>
  );
}

export const Mono = ({ children }: { readonly children: ReactNode }) => (
  <span className={styles.mono}>{children}</span>
);
export const text = styles;
