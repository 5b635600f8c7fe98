import { useMemo } from 'react';
import type { MinerRow } from '../../../src-main/core/api/schema.ts';
import { useQuery } from '../../api/context.ts';
import { fmt, t } from '../../i18n/index.ts';
import { useNow } from '../../stores/now.ts';
import { hrefOf } from '../../stores/route.ts';
import { useTopic } from '../../stores/topics.ts';
import { linkClass } from '../../ui/button.tsx';
import { Card } from '../../ui/card.tsx';
import { cx } from '../../ui/cx.ts';
import { Skeleton } from '../../ui/feedback.tsx';
import { Sparkline } from '../../ui/sparkline.tsx';
import { Cut, Dot, Worker, text, useCovered, workerWords } from '../../ui/text.tsx';
import { modelOf } from '../miners/model.ts';
import { STATUS_TONE } from '../miners/rows.ts';
import styles from './dashboard.module.css';

const SHOWN = 6;
const ORDER: Readonly<Record<MinerRow['status'], number>> = { active: 0, quiet: 1, offline: 2 };

/** The fastest six, and those that went away among them. */
export function MinersCard() {
  const miners = useTopic('miners', (map) => map);
  const counts = useTopic('totals', (totals) => totals.miners);
  const sparks = useQuery('miners.sparklines', {}, 60_000);
  const covered = useCovered();
  const now = useNow(10_000);
  const rows = useMemo(
    () =>
      Object.values(miners ?? {})
        .sort(
          (a, b) =>
            b.hashrate.d1 - a.hashrate.d1 || ORDER[a.status] - ORDER[b.status] || a.id.localeCompare(b.id),
        )
        .slice(0, SHOWN),
    [miners],
  );
  if (miners === undefined || counts === undefined) {
    return (
      <Card title={t.strip.title} className={styles.miners}>
        <Skeleton height="12rem" />
      </Card>
    );
  }
  const all = Object.keys(miners).length;
  return (
    <Card
      title={t.strip.title}
      className={styles.miners}
      data-card="miners"
      aside={
        <>
          <span>{t.strip.summary(counts.active, counts.quiet, counts.offline)}</span>
          <a className={linkClass} href={hrefOf('miners')}>
            {all > SHOWN ? t.strip.all(all) : t.common.showAll}
          </a>
        </>
      }
    >
      <table className={cx(styles.table, styles.fixed)}>
        <colgroup>
          <col />
          <col className={styles.colModel} />
          <col className={styles.colNumber} />
          <col className={styles.colSpark} />
          <col className={styles.colNumber} />
        </colgroup>
        <thead>
          <tr>
            <th scope="col">{t.miners.columns.name}</th>
            <th scope="col" className={styles.model}>
              {t.miners.columns.model}
            </th>
            <th scope="col" className={styles.n}>
              {t.miners.columns.m10}
            </th>
            <th scope="col" className={styles.n}>
              {t.miners.columns.day}
            </th>
            <th scope="col" className={styles.n}>
              {t.miners.columns.best}
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.id}>
              <td>
                <span className={styles.nameCell}>
                  <Dot tone={STATUS_TONE[row.status]} />
                  <span className="visually-hidden">{t.miners.status[row.status]}</span>
                  <Worker of={row.worker} />
                </span>
              </td>
              <td className={cx(text.note, styles.model)}>
                <Cut>{modelOf(row.userAgent) ?? t.miners.unknownModel}</Cut>
              </td>
              <td className={styles.n}>
                {row.status === 'offline' && row.offlineAt !== null ? (
                  <span className={text.bad}>{t.miners.offlineFor(fmt.span(now - row.offlineAt))}</span>
                ) : (
                  fmt.join(fmt.hashrate(row.hashrate.m10))
                )}
              </td>
              <td className={styles.n}>
                <Sparkline
                  points={sparks.data?.[row.id]}
                  label={t.miners.sparkline(workerWords(row.worker, covered))}
                />
              </td>
              <td className={styles.n}>
                {row.bestEver === null ? t.common.nothing : fmt.join(fmt.difficulty(row.bestEver.difficulty))}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Card>
  );
}
