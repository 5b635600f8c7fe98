import { useMemo, useState } from 'react';
import type { EventRow } from '../../../src-main/core/api/schema.ts';
import { asApiError, useApi } from '../../api/context.ts';
import { fmt, t } from '../../i18n/index.ts';
import { useNow } from '../../stores/now.ts';
import { useTopic } from '../../stores/topics.ts';
import { Button } from '../../ui/button.tsx';
import { Card } from '../../ui/card.tsx';
import { Empty, Failed, Skeleton } from '../../ui/feedback.tsx';
import { Segmented } from '../../ui/segmented.tsx';
import { Dot } from '../../ui/text.tsx';
import styles from './events.module.css';
import { LEVEL_TONE } from './levels.ts';

const PAGE = 100;
const DAY = 86_400_000;

function dayWords(at: number, now: number): string {
  const start = new Date(now).setHours(0, 0, 0, 0);
  if (at >= start) return t.events.today;
  if (at >= start - DAY) return t.events.yesterday;
  return fmt.shortDate(at);
}

/** Events newest first, grouped by day, older ones on demand. */
export function Events() {
  const api = useApi();
  const recent = useTopic('events', (list) => list);
  const now = useNow(60_000);
  const [older, setOlder] = useState<readonly EventRow[]>([]);
  const [state, setState] = useState<'idle' | 'busy' | 'end'>('idle');
  const [failure, setFailure] = useState<string | null>(null);
  const [show, setShow] = useState<'all' | 'important'>('all');

  const days = useMemo(() => {
    const byId = new Map([...older, ...(recent ?? [])].map((event) => [event.id, event]));
    const list = [...byId.values()]
      .filter((event) => show === 'all' || event.level === 'warn' || event.level === 'bad')
      .sort((a, b) => b.at - a.at || b.id - a.id);
    return Map.groupBy(list, (event) => dayWords(event.at, now));
  }, [recent, older, show, now]);

  if (recent === undefined) return <Skeleton height="20rem" />;
  const oldest = [...older, ...recent].reduce<number | null>(
    (least, event) => (least === null ? event.id : Math.min(least, event.id)),
    null,
  );
  const load = () => {
    setState('busy');
    setFailure(null);
    api.query('events.page', { before: oldest, limit: PAGE }).then(
      ({ events }) => {
        setOlder((before) => [...before, ...events]);
        setState(events.length < PAGE ? 'end' : 'idle');
      },
      (error: unknown) => {
        setFailure(asApiError(error).message);
        setState('idle');
      },
    );
  };

  return (
    <div className={styles.page}>
      <div className={styles.bar}>
        <Segmented
          label={t.events.show}
          value={show}
          onChange={setShow}
          options={[
            { value: 'all', label: t.events.all },
            { value: 'important', label: t.events.important },
          ]}
        />
      </div>
      {days.size === 0 ? (
        <Card>
          <Empty title={show === 'all' ? t.events.empty : t.events.none}>
            {show === 'all' && <p>{t.events.emptyWhy}</p>}
          </Empty>
        </Card>
      ) : (
        [...days].map(([name, events]) => (
          <section key={name} aria-label={name}>
            <h2 className={styles.day}>{name}</h2>
            <ul className={styles.list}>
              {events.map((event) => (
                <li key={event.id} data-level={event.level}>
                  <span>
                    <Dot tone={LEVEL_TONE[event.level]} />
                    <span className="visually-hidden">{t.events.levels[event.level]}</span>
                  </span>
                  <time dateTime={new Date(event.at).toISOString()}>{fmt.clockSeconds(event.at)}</time>
                  <span>{event.message}</span>
                  <span className={styles.code}>{event.code}</span>
                </li>
              ))}
            </ul>
          </section>
        ))
      )}
      {failure !== null && <Failed title={t.events.failed} message={failure} />}
      <div className={styles.older}>
        {state === 'end' ? (
          t.events.end
        ) : (
          <Button small disabled={state === 'busy'} onClick={load}>
            {t.events.older}
          </Button>
        )}
      </div>
    </div>
  );
}
