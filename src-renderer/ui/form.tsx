import { Select } from '@base-ui/react/select';
import { Switch } from '@base-ui/react/switch';
import Check from 'lucide-react/icons/check';
import ChevronsUpDown from 'lucide-react/icons/chevrons-up-down';
import { useId } from 'react';
import type { InputHTMLAttributes, ReactNode } from 'react';
import { cx } from './cx.ts';
import styles from './form.module.css';

export interface FieldIds {
  readonly id: string;
  readonly 'aria-describedby': string;
  readonly 'aria-invalid': boolean | undefined;
}

/** A setting: plain words, the technical name small beside them, a hint, its control, and what is wrong with it. */
export function Setting({
  label,
  technical,
  hint,
  error,
  wide = false,
  children,
}: {
  readonly label: string;
  readonly technical?: string | undefined;
  readonly hint?: ReactNode;
  readonly error?: string | undefined;
  readonly wide?: boolean;
  readonly children: (ids: FieldIds) => ReactNode;
}) {
  const id = useId();
  const about = `${id}-about`;
  return (
    <div className={cx(styles.row, wide && styles.wide)}>
      <div>
        <label className={styles.label} htmlFor={id} id={`${id}-label`}>
          {label}
          {technical !== undefined && <small>{technical}</small>}
        </label>
        <div id={about}>
          {hint !== undefined && <p className={styles.hint}>{hint}</p>}
          {error !== undefined && (
            <p className={styles.error} role="alert">
              {error}
            </p>
          )}
        </div>
      </div>
      <div className={styles.control}>
        {children({ id, 'aria-describedby': about, 'aria-invalid': error === undefined ? undefined : true })}
      </div>
    </div>
  );
}

export interface InputProps extends InputHTMLAttributes<HTMLInputElement> {
  readonly mono?: boolean;
  readonly large?: boolean;
}

export function Input({ mono, large, className, ...rest }: InputProps) {
  return (
    <input
      autoComplete="off"
      autoCapitalize="off"
      autoCorrect="off"
      spellCheck={false}
      {...rest}
      className={cx(
        styles.input,
        mono && styles.mono,
        large && styles.large,
        rest.type === 'number' && styles.number,
        className,
      )}
    />
  );
}

export function Toggle({
  checked,
  onChange,
  ...ids
}: FieldIds & { readonly checked: boolean; readonly onChange: (checked: boolean) => void }) {
  return (
    <Switch.Root {...ids} className={styles.switch} checked={checked} onCheckedChange={onChange}>
      <Switch.Thumb className={styles.thumb} />
    </Switch.Root>
  );
}

export function Choice<T extends string>({
  value,
  options,
  onChange,
  ...ids
}: FieldIds & {
  readonly value: T;
  readonly options: readonly { readonly value: T; readonly label: string }[];
  readonly onChange: (value: T) => void;
}) {
  return (
    <Select.Root items={options} value={value} onValueChange={(next) => next !== null && onChange(next)}>
      <Select.Trigger {...ids} aria-labelledby={`${ids.id}-label`} className={styles.select}>
        <Select.Value />
        <Select.Icon>
          <ChevronsUpDown size={15} />
        </Select.Icon>
      </Select.Trigger>
      <Select.Portal>
        <Select.Positioner className={styles.layer} sideOffset={4} alignItemWithTrigger={false}>
          <Select.Popup className={styles.options}>
            {options.map((option) => (
              <Select.Item key={option.value} value={option.value} className={styles.option}>
                <Select.ItemIndicator>
                  <Check size={14} />
                </Select.ItemIndicator>
                <Select.ItemText className={styles.optionText}>{option.label}</Select.ItemText>
              </Select.Item>
            ))}
          </Select.Popup>
        </Select.Positioner>
      </Select.Portal>
    </Select.Root>
  );
}

export const form = styles;
