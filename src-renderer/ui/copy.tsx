import Check from 'lucide-react/icons/check';
import Copy from 'lucide-react/icons/copy';
import { useEffect, useRef, useState } from 'react';
import { t } from '../i18n/index.ts';
import { Button, IconButton } from './button.tsx';
import styles from './copy.module.css';

/** `navigator.clipboard` exists only on secure origins; over plain HTTP on a LAN the old way still works. */
async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement('textarea');
    area.value = text;
    area.className = 'visually-hidden';
    document.body.append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    return done;
  }
}

type Result = 'idle' | 'done' | 'failed';

function useCopy(): [Result, (text: string) => void] {
  const [result, setResult] = useState<Result>('idle');
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const copy = (text: string) => {
    void copyText(text).then((done) => {
      setResult(done ? 'done' : 'failed');
      clearTimeout(timer.current);
      timer.current = setTimeout(() => setResult('idle'), 2_000);
    });
  };
  return [result, copy];
}

const words = (result: Result, idle: string) =>
  result === 'done' ? t.common.copied : result === 'failed' ? t.common.copyFailed : idle;

/** @param thing what is copied, for the label: "the hash" */
export function CopyButton({
  text,
  thing,
  small = true,
}: {
  readonly text: string;
  readonly thing: string;
  readonly small?: boolean;
}) {
  const [result, copy] = useCopy();
  return (
    <>
      <IconButton small={small} label={words(result, t.common.copyThing(thing))} onClick={() => copy(text)}>
        {result === 'done' ? (
          <Check size={15} className={styles.done} aria-hidden="true" />
        ) : (
          <Copy size={15} aria-hidden="true" />
        )}
      </IconButton>
      <span className="visually-hidden" role="status">
        {result === 'idle' ? '' : words(result, '')}
      </span>
    </>
  );
}

/** Fetches the text when asked, then copies it. */
export function CopyFetched({
  label,
  fetch,
  onMissing,
}: {
  readonly label: string;
  readonly fetch: () => Promise<string | null>;
  readonly onMissing: () => void;
}) {
  const [result, copy] = useCopy();
  return (
    <Button
      small
      onClick={() => {
        void fetch().then((text) => (text === null ? onMissing() : copy(text)), onMissing);
      }}
    >
      {result === 'done' ? <Check size={15} aria-hidden="true" /> : <Copy size={15} aria-hidden="true" />}
      {words(result, label)}
    </Button>
  );
}

/** A line to be typed elsewhere, with its copy button. */
export function CopyLine({
  text,
  thing,
  shown,
}: {
  readonly text: string;
  readonly thing: string;
  readonly shown?: string;
}) {
  return (
    <div className={styles.line}>
      <code>{shown ?? text}</code>
      <CopyButton text={text} thing={thing} />
    </div>
  );
}
