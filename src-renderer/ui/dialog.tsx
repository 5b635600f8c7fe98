import { AlertDialog } from '@base-ui/react/alert-dialog';
import { Dialog } from '@base-ui/react/dialog';
import type { ReactNode } from 'react';
import { t } from '../i18n/index.ts';
import { Button, buttonClass } from './button.tsx';
import { cx } from './cx.ts';
import styles from './dialog.module.css';
import { Banner } from './feedback.tsx';

/** Asks before something that cannot be taken back at once. */
export function Confirm({
  open,
  onClose,
  title,
  why,
  confirm,
  danger = false,
  busy = false,
  error,
  onConfirm,
  children,
}: {
  readonly open: boolean;
  readonly onClose: () => void;
  readonly title: string;
  readonly why: string;
  readonly confirm: string;
  readonly danger?: boolean;
  readonly busy?: boolean;
  readonly error?: string | undefined;
  readonly onConfirm: () => void;
  readonly children?: ReactNode;
}) {
  return (
    <AlertDialog.Root open={open} onOpenChange={(next) => !next && onClose()}>
      <AlertDialog.Portal>
        <AlertDialog.Backdrop className={styles.backdrop} />
        <AlertDialog.Popup className={styles.popup}>
          <AlertDialog.Title render={<h2 />}>{title}</AlertDialog.Title>
          <AlertDialog.Description className={styles.why}>{why}</AlertDialog.Description>
          {children}
          {error !== undefined && (
            <Banner tone="bad" alert>
              <p>{error}</p>
            </Banner>
          )}
          <div className={styles.actions}>
            <AlertDialog.Close className={buttonClass('quiet')}>{t.common.cancel}</AlertDialog.Close>
            <Button kind={danger ? 'danger' : 'primary'} disabled={busy} onClick={onConfirm}>
              {confirm}
            </Button>
          </div>
        </AlertDialog.Popup>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  );
}

/** Something to read, over the screen. */
export function Sheet({
  open,
  onClose,
  title,
  wide = false,
  children,
}: {
  readonly open: boolean;
  readonly onClose: () => void;
  readonly title: string;
  readonly wide?: boolean;
  readonly children: ReactNode;
}) {
  return (
    <Dialog.Root open={open} onOpenChange={(next) => !next && onClose()}>
      <Dialog.Portal>
        <Dialog.Backdrop className={styles.backdrop} />
        <Dialog.Popup className={cx(styles.popup, wide && styles.wide)}>
          <Dialog.Title render={<h2 />}>{title}</Dialog.Title>
          {children}
          <div className={styles.actions}>
            <Dialog.Close className={buttonClass('plain')}>{t.common.close}</Dialog.Close>
          </div>
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
