import { fmt, t } from '../../i18n/index.ts';
import { useNow } from '../../stores/now.ts';
import { hrefOf } from '../../stores/route.ts';
import { useTopic } from '../../stores/topics.ts';
import { linkClass } from '../../ui/button.tsx';
import { Card } from '../../ui/card.tsx';
import { Dot } from '../../ui/text.tsx';
import { LEVEL_TONE } from '../events/levels.ts';
import styles from './dashboard.module.css';

/** The newest events, on screens with room for them. */
export function LatelyCard() {
  const events = useTopic('events', (list) => list);
  const now = useNow(10_000);
  if (events === undefined || events.length === 0) return null;
  return (
    <Card
      title={t.lately.title}
      className={styles.lately}
      aside={
        <a className={linkClass} href={hrefOf('events')}>
          {t.lately.all}
        </a>
      }
    >
      <ul className={styles.events}>
        {events
          .slice(-12)
          .toReversed()
          .map((event) => (
            <li key={event.id}>
              <Dot tone={LEVEL_TONE[event.level]} />
              <span>{event.message}</span>
              <span className={styles.at}>{fmt.span(now - event.at)}</span>
            </li>
          ))}
      </ul>
    </Card>
  );
}
