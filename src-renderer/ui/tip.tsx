import { Tooltip } from '@base-ui/react/tooltip';
import type { ReactElement, ReactNode } from 'react';
import styles from './tip.module.css';

/** A hint on hover and focus. The child has to be an element that takes a ref. */
export function Tip({
  text,
  children,
  side = 'top',
}: {
  readonly text: ReactNode;
  readonly children: ReactElement;
  readonly side?: 'top' | 'right' | 'bottom';
}) {
  return (
    <Tooltip.Root>
      <Tooltip.Trigger render={children} delay={350} />
      <Tooltip.Portal>
        <Tooltip.Positioner className={styles.layer} sideOffset={6} side={side} collisionPadding={8}>
          <Tooltip.Popup className={styles.popup}>{text}</Tooltip.Popup>
        </Tooltip.Positioner>
      </Tooltip.Portal>
    </Tooltip.Root>
  );
}

/** Words with an explanation behind them: dotted underline unless `bare`, reachable by keyboard. */
export function Explained({
  text,
  bare = false,
  children,
}: {
  readonly text: ReactNode;
  readonly bare?: boolean;
  readonly children: ReactNode;
}) {
  return (
    <Tip text={text}>
      <button type="button" className={bare ? styles.bare : styles.trigger}>
        {children}
      </button>
    </Tip>
  );
}
