import CircleCheck from 'lucide-react/icons/circle-check';
import Info from 'lucide-react/icons/info';
import TriangleAlert from 'lucide-react/icons/triangle-alert';
import type { ReactNode } from 'react';
import { t } from '../i18n/index.ts';
import { Button } from './button.tsx';
import { cx } from './cx.ts';
import styles from './feedback.module.css';
import type { Tone } from './text.tsx';

/** The shape of what is on its way. */
export function Skeleton({
  width = '100%',
  height = '1em',
}: {
  readonly width?: string;
  readonly height?: string;
}) {
  return <span aria-hidden="true" className={styles.skeleton} style={{ width, height }} />;
}

export function Empty({
  title,
  children,
  icon,
}: {
  readonly title: string;
  readonly children?: ReactNode;
  readonly icon?: ReactNode;
}) {
  return (
    <div className={styles.empty}>
      {icon}
      <strong>{title}</strong>
      {children}
    </div>
  );
}

/** Something to know or to do, in a box. `alert` for what cannot wait. */
export function Banner({
  tone,
  title,
  children,
  action,
  alert = false,
  className,
}: {
  readonly tone: Tone;
  readonly title?: ReactNode;
  readonly children?: ReactNode;
  readonly action?: ReactNode;
  readonly alert?: boolean;
  readonly className?: string;
}) {
  const Icon = tone === 'good' ? CircleCheck : tone === 'bad' || tone === 'warn' ? TriangleAlert : Info;
  return (
    <div className={cx(styles.banner, styles[tone], className)} role={alert ? 'alert' : undefined}>
      <Icon size={18} aria-hidden="true" />
      <div className={styles.words}>
        {title !== undefined && <strong>{title}</strong>}
        {children}
      </div>
      {action}
    </div>
  );
}

/** What a list shows when its query failed. */
export function Failed({
  title,
  message,
  retry,
}: {
  readonly title: string;
  readonly message: string;
  readonly retry?: () => void;
}) {
  return (
    <Banner
      tone="bad"
      title={title}
      action={
        retry && (
          <Button small onClick={retry}>
            {t.common.tryAgain}
          </Button>
        )
      }
    >
      <p>{message}</p>
    </Banner>
  );
}
