import { fmt, t } from '../../i18n/index.ts';
import { useTopic } from '../../stores/topics.ts';
import { Card } from '../../ui/card.tsx';
import { Skeleton } from '../../ui/feedback.tsx';
import { Note, Num, useCovered, workerWords } from '../../ui/text.tsx';
import styles from './dashboard.module.css';
import { onLogScale } from './scale.ts';

export function BestCard() {
  const best = useTopic('totals', (totals) => totals.bestEver);
  const session = useTopic('totals', (totals) => totals.bestSession) ?? null;
  const network = useTopic('totals', (totals) => totals.networkDifficulty);
  const covered = useCovered();
  if (best === undefined || network === undefined) {
    return (
      <Card title={t.best.title}>
        <Skeleton height="6rem" />
      </Card>
    );
  }
  const words = (value: number) => fmt.join(fmt.difficulty(value));
  const part = best === null || network === 0 ? 0 : best.difficulty / network;
  return (
    <Card title={t.best.title} aside={best === null ? undefined : t.best.ever} data-card="best">
      <div className={styles.stretch}>
        <div>
          {best === null ? (
            <>
              <strong>{t.best.none}</strong>
              <Note>{t.best.noneWhy}</Note>
            </>
          ) : (
            <>
              <Num of={fmt.difficulty(best.difficulty)} size="mid" />
              <Note>{t.best.by(workerWords(best.worker, covered), fmt.day(best.at))}</Note>
            </>
          )}
        </div>
        {network > 0 && (
          <div>
            <div className={styles.scale} role="img" aria-label={t.best.scale(fmt.fraction(part))}>
              {best !== null && (
                <span
                  className={styles.scaleFill}
                  style={{ width: `${onLogScale(best.difficulty, network) * 100}%` }}
                />
              )}
              {session !== null && (
                <span
                  className={styles.tick}
                  style={{ left: `${onLogScale(session.difficulty, network) * 100}%` }}
                />
              )}
            </div>
            <div className={styles.ends}>
              <span>
                {t.best.session} <b>{session === null ? t.common.nothing : words(session.difficulty)}</b>
              </span>
              <span>
                {t.best.network} <b>{words(network)}</b>
              </span>
            </div>
          </div>
        )}
      </div>
    </Card>
  );
}
