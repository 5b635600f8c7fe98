import Table2 from 'lucide-react/icons/table-2';
import ChartLine from 'lucide-react/icons/chart-line';
import { useState } from 'react';
import { useQuery } from '../../api/context.ts';
import { fmt, t } from '../../i18n/index.ts';
import { useTopic } from '../../stores/topics.ts';
import { IconButton } from '../../ui/button.tsx';
import { Card } from '../../ui/card.tsx';
import type { Point } from '../../ui/chart/time-chart.tsx';
import { TimeChart } from '../../ui/chart/time-chart.tsx';
import { Empty, Failed, Skeleton } from '../../ui/feedback.tsx';
import { Segmented } from '../../ui/segmented.tsx';
import { Note, Num } from '../../ui/text.tsx';
import styles from './dashboard.module.css';

const RANGES = ['1h', '24h', '7d'] as const;
type Range = (typeof RANGES)[number];
const REFRESH: Readonly<Record<Range, number>> = { '1h': 15_000, '24h': 60_000, '7d': 300_000 };
const words = (value: number) => fmt.join(fmt.hashrate(value));

export function HashrateCard() {
  const [picked, setRange] = useState<Range | null>(null);
  // Practice is watched for minutes, mining for days.
  const practice = useTopic('state', (state) => state.practice) ?? false;
  const range = picked ?? (practice ? '1h' : '24h');
  const [asTable, setAsTable] = useState(false);
  const rates = useTopic('totals', (totals) => totals.hashrate);
  const history = useQuery('hashrate.history', { range, minerId: null }, REFRESH[range]);
  const points = history.data?.points;
  return (
    <Card
      title={t.hashrate.title}
      className={styles.hash}
      data-card="hashrate"
      aside={
        <>
          <Segmented
            label={t.hashrate.range}
            value={range}
            options={RANGES.map((value) => ({ value, label: t.ranges[value] }))}
            onChange={setRange}
          />
          <IconButton
            small
            label={asTable ? t.common.asPicture : t.common.asTable}
            onClick={() => setAsTable(!asTable)}
          >
            {asTable ? <ChartLine size={15} /> : <Table2 size={15} />}
          </IconButton>
        </>
      }
    >
      <div className={styles.hashHead}>
        {rates === undefined ? (
          <Skeleton width="11rem" height="2.75rem" />
        ) : (
          <div>
            <Num of={fmt.hashrate(rates.m10)} size="big" />
            <Note>{t.hashrate.now}</Note>
          </div>
        )}
        {rates !== undefined && (
          <dl className={styles.windows}>
            {(['m1', 'h1', 'd1'] as const).map((window) => (
              <div key={window}>
                <dt>{t.windows[window]}</dt>
                <dd>{words(rates[window])}</dd>
              </div>
            ))}
          </dl>
        )}
      </div>
      <div className={styles.chartBox}>
        {history.error !== undefined && points === undefined ? (
          <Failed title={t.hashrate.failed} message={history.error.message} retry={history.refresh} />
        ) : points === undefined ? (
          <Skeleton height="100%" />
        ) : points.every(([, value]) => value === null || value === 0) ? (
          rates !== undefined && rates.m10 > 0 ? (
            <Empty title={t.hashrate.measuring}>
              <p>{t.hashrate.measuringWhy(fmt.span(history.data!.stepMs, 'long'))}</p>
            </Empty>
          ) : (
            <Empty title={t.hashrate.nothing}>
              <p>{t.hashrate.nothingWhy}</p>
            </Empty>
          )
        ) : asTable ? (
          <HistoryTable points={points} range={range} />
        ) : (
          <TimeChart
            points={points}
            stepMs={history.data!.stepMs}
            label={t.hashrate.chart(t.ranges[range])}
            format={words}
            tick={fmt.hashrateTick}
            gap={t.hashrate.gap}
          />
        )}
      </div>
    </Card>
  );
}

/** The chart in twelve rows, for readers of tables and of screens. */
function HistoryTable({ points, range }: { readonly points: readonly Point[]; readonly range: Range }) {
  const size = Math.max(1, Math.ceil(points.length / 12));
  const rows = Array.from({ length: Math.ceil(points.length / size) }, (_, index) =>
    points.slice(index * size, (index + 1) * size),
  );
  return (
    <div className={styles.bands}>
      <table className={styles.table}>
        <caption className="visually-hidden">{t.hashrate.tableTitle}</caption>
        <thead>
          <tr>
            <th scope="col">{t.hashrate.time}</th>
            <th scope="col" className={styles.n}>
              {t.hashrate.average}
            </th>
            <th scope="col" className={styles.n}>
              {t.hashrate.least}
            </th>
            <th scope="col" className={styles.n}>
              {t.hashrate.most}
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.toReversed().map((row) => {
            const values = row.map(([, value]) => value).filter((value) => value !== null);
            const from = row[0]![0];
            return (
              <tr key={from}>
                <td>{range === '7d' ? fmt.moment(from) : fmt.clock(from)}</td>
                {values.length === 0 ? (
                  <td colSpan={3} className={styles.n}>
                    {t.hashrate.gap}
                  </td>
                ) : (
                  <>
                    <td className={styles.n}>
                      {words(values.reduce((sum, value) => sum + value, 0) / values.length)}
                    </td>
                    <td className={styles.n}>{words(Math.min(...values))}</td>
                    <td className={styles.n}>{words(Math.max(...values))}</td>
                  </>
                )}
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
