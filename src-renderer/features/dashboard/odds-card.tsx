import { fmt, t } from '../../i18n/index.ts';
import { useNow } from '../../stores/now.ts';
import { hrefOf } from '../../stores/route.ts';
import { useTopic } from '../../stores/topics.ts';
import { linkClass } from '../../ui/button.tsx';
import { Card } from '../../ui/card.tsx';
import { Skeleton } from '../../ui/feedback.tsx';
import { Note, Num } from '../../ui/text.tsx';
import styles from './dashboard.module.css';
import { oddsWords } from './odds.ts';

function Found() {
  const found = useTopic('totals', (totals) => totals.blocksFound) ?? 0;
  const last =
    useTopic('blocks', (blocks) =>
      Object.values(blocks).reduce<number | null>(
        (latest, block) => Math.max(latest ?? 0, block.foundAt),
        null,
      ),
    ) ?? null;
  const now = useNow(10_000);
  return (
    <a className={linkClass} href={hrefOf('blocks')}>
      {t.found.count(found)}
      {last === null ? '' : ` · ${t.found.last(fmt.span(now - last))}`}
    </a>
  );
}

export function OddsCard() {
  const odds = useTopic('totals', (totals) => totals.odds);
  if (odds === undefined) {
    return (
      <Card title={t.odds.title}>
        <Skeleton height="5rem" />
      </Card>
    );
  }
  const words = oddsWords(odds);
  const ticket = words?.ticket ?? null;
  return (
    <Card title={t.odds.title} data-card="odds" aside={<Found />}>
      <div className={styles.stretch}>
        {words === null ? (
          <div>
            <strong>{t.odds.none}</strong>
            <Note>{t.odds.noneWhy}</Note>
          </div>
        ) : (
          <div>
            <Num of={words.figure} size="mid" />
            <Note>{words.once}</Note>
          </div>
        )}
        {ticket !== null && <Note className={styles.ticket}>{ticket}</Note>}
      </div>
    </Card>
  );
}
