import type { ShareCounts } from '../../../src-main/core/api/schema.ts';
import { fmt, t } from '../../i18n/index.ts';
import { useTopic } from '../../stores/topics.ts';
import { Card } from '../../ui/card.tsx';
import { Skeleton } from '../../ui/feedback.tsx';
import type { StackPart } from '../../ui/meter.tsx';
import { Stack } from '../../ui/meter.tsx';
import { Note, Num } from '../../ui/text.tsx';
import { Explained } from '../../ui/tip.tsx';
import styles from './dashboard.module.css';

const REJECTED = ['stale', 'lowDifficulty', 'duplicate', 'invalid'] as const;
const TONES: Readonly<Record<keyof ShareCounts, StackPart['tone']>> = {
  accepted: 'good',
  stale: 'warn',
  lowDifficulty: 'bad',
  duplicate: 'violet',
  invalid: 'bad',
};

export function SharesCard() {
  const day = useTopic('totals', (totals) => totals.day);
  const latency = useTopic('totals', (totals) => totals.tipToMinersMs) ?? null;
  if (day === undefined) {
    return (
      <Card title={t.shares.title}>
        <Skeleton height="7rem" />
      </Card>
    );
  }
  const rejected = REJECTED.reduce((sum, kind) => sum + day[kind], 0);
  const all = day.accepted + rejected;
  const rows = REJECTED.filter((kind) => day[kind] > 0);
  return (
    <Card title={t.shares.title} aside={t.shares.day} data-card="shares">
      <div className={styles.stretch}>
        {all === 0 ? (
          <div>
            <strong>{t.shares.none}</strong>
            <Note>{t.shares.noneWhy}</Note>
          </div>
        ) : (
          <>
            <Num of={{ value: fmt.count(day.accepted), unit: t.shares.accepted }} size="mid" />
            <Stack
              label={t.shares.bar(fmt.count(day.accepted), fmt.count(rejected))}
              parts={(['accepted', ...REJECTED] as const).map((kind) => ({
                key: kind,
                value: day[kind],
                tone: TONES[kind],
              }))}
            />
          </>
        )}
        <dl className={styles.kv}>
          {rows.map((kind) => (
            <Line
              key={kind}
              name={<Explained text={t.shares.why[kind]}>{t.shares[kind]}</Explained>}
              value={fmt.count(day[kind])}
              part={fmt.share(day[kind] / all)}
            />
          ))}
          {all > 0 && rows.length === 0 && <Line name={t.shares.allGood} value="" part="" />}
          {latency !== null && <Line name={t.shares.tip} value={fmt.milliseconds(latency)} part="" />}
        </dl>
      </div>
    </Card>
  );
}

function Line({
  name,
  value,
  part,
}: {
  readonly name: React.ReactNode;
  readonly value: string;
  readonly part: string;
}) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{value}</dd>
      <dd className={styles.part}>{part}</dd>
    </>
  );
}
