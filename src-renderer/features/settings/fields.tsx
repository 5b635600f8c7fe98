import Check from 'lucide-react/icons/check';
import { useState } from 'react';
import type { ReactNode } from 'react';
import type { SettingsPatch } from '../../../src-main/core/api/settings.ts';
import { t } from '../../i18n/index.ts';
import { Choice, Input, Setting, Toggle, form } from '../../ui/form.tsx';
import type { InputProps } from '../../ui/form.tsx';
import styles from './settings.module.css';
import { useSetting } from './use-setting.ts';

interface Common {
  readonly label: string;
  readonly technical?: string;
  readonly hint?: ReactNode;
}

export function SavedTick({ shown }: { readonly shown: boolean }) {
  return (
    <span className={styles.saved} role="status">
      {shown && (
        <>
          <Check size={14} aria-hidden="true" />
          {t.settings.saved}
        </>
      )}
    </span>
  );
}

/**
 * A line of text or a number. Saved when the field is left or Enter is pressed; Escape takes the old value back. What the
 * engine refuses stays in the field, with the reason under it.
 */
export function TextSetting({
  label,
  technical,
  hint,
  value,
  patch,
  after,
  preview,
  wide,
  ...input
}: Common &
  Omit<InputProps, 'value' | 'onChange'> & {
    readonly value: string;
    readonly patch: (text: string) => SettingsPatch;
    readonly after?: string;
    readonly preview?: (text: string) => ReactNode;
    readonly wide?: boolean;
  }) {
  const setting = useSetting();
  const [draft, setDraft] = useState<string | null>(null);
  const shown = draft ?? value;
  const commit = () => {
    if (draft === null || draft === value) {
      setDraft(null);
      setting.clear();
      return;
    }
    void setting.save(patch(draft)).then((ok) => ok && setDraft(null));
  };
  return (
    <Setting label={label} technical={technical} hint={hint} error={setting.error} wide={wide ?? false}>
      {(ids) => (
        <div className={wide ? styles.stack : form.control}>
          <SavedTick shown={setting.saved} />
          <Input
            {...ids}
            {...input}
            value={shown}
            onChange={(event) => setDraft(event.target.value)}
            onBlur={commit}
            onKeyDown={(event) => {
              if (event.key === 'Enter') commit();
              if (event.key === 'Escape') {
                setDraft(null);
                setting.clear();
              }
            }}
          />
          {after !== undefined && <span className={form.after}>{after}</span>}
          {preview?.(shown)}
        </div>
      )}
    </Setting>
  );
}

export function SwitchSetting({
  label,
  technical,
  hint,
  value,
  patch,
}: Common & { readonly value: boolean; readonly patch: (value: boolean) => SettingsPatch }) {
  const setting = useSetting();
  return (
    <Setting label={label} technical={technical} hint={hint} error={setting.error}>
      {(ids) => (
        <>
          <SavedTick shown={setting.saved} />
          <Toggle {...ids} checked={value} onChange={(next) => void setting.save(patch(next))} />
        </>
      )}
    </Setting>
  );
}

export function ChoiceSetting<T extends string>({
  label,
  technical,
  hint,
  value,
  options,
  onPick,
  error,
}: Common & {
  readonly value: T;
  readonly options: readonly { readonly value: T; readonly label: string }[];
  readonly onPick: (value: T) => void;
  readonly error?: string | undefined;
}) {
  return (
    <Setting label={label} technical={technical} hint={hint} error={error}>
      {(ids) => <Choice {...ids} value={value} options={options} onChange={onPick} />}
    </Setting>
  );
}
