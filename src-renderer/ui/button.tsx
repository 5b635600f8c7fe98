import type { ButtonHTMLAttributes, ReactNode } from 'react';
import styles from './button.module.css';
import { cx } from './cx.ts';
import { Tip } from './tip.tsx';

type Kind = 'plain' | 'primary' | 'danger' | 'quiet';

export interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  readonly kind?: Kind;
  readonly small?: boolean;
}

export function buttonClass(kind: Kind = 'plain', small = false, icon = false): string {
  return cx(styles.button, kind !== 'plain' && styles[kind], small && styles.small, icon && styles.icon);
}

export function Button({ kind, small, className, type = 'button', ...rest }: ButtonProps) {
  return <button {...rest} type={type} className={cx(buttonClass(kind, small), className)} />;
}

/** A button that is only a picture: its label is read aloud and shown as a tip. */
export function IconButton({
  label,
  kind = 'quiet',
  small,
  className,
  children,
  ...rest
}: Omit<ButtonProps, 'aria-label'> & { readonly label: string; readonly children: ReactNode }) {
  return (
    <Tip text={label}>
      <button
        {...rest}
        type="button"
        aria-label={label}
        className={cx(buttonClass(kind, small, true), className)}
      >
        {children}
      </button>
    </Tip>
  );
}

export const linkClass: string = styles.link!;
