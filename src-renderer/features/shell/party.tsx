import { useCommand } from '../../api/context.ts';
import { fmt, t } from '../../i18n/index.ts';
import { useTopic } from '../../stores/topics.ts';
import { Button } from '../../ui/button.tsx';
import { useCovered, workerWords } from '../../ui/text.tsx';
import { Confetti } from './confetti.tsx';
import styles from './shell.module.css';

/** Stays until the user has seen it: the engine keeps the block unacknowledged over restarts. */
export function Party() {
  const found = useTopic('state', (state) => state.block) ?? null;
  const practice = useTopic('state', (state) => state.practice) ?? false;
  const block = useTopic('blocks', (blocks) => (found === null ? undefined : blocks[found.hash]));
  const covered = useCovered();
  const acknowledge = useCommand('block.acknowledge');
  if (found === null) return null;
  const worker = block === undefined ? '' : workerWords(block.worker, covered);
  return (
    <section className={styles.party} aria-label={t.headline.block.title}>
      <Confetti key={found.hash} occasion={found.hash} />
      <span className={styles.cube} aria-hidden="true" />
      <div className={styles.words}>
        <h2>{t.party.title(fmt.count(found.height))}</h2>
        {block !== undefined && (
          <p>
            {practice ? t.party.practice(worker) : t.party.text(worker, fmt.join(fmt.amount(block.reward)))}
          </p>
        )}
      </div>
      <Button
        kind="primary"
        disabled={acknowledge.busy}
        onClick={() => void acknowledge.run({ hash: found.hash })}
      >
        {t.party.done}
      </Button>
    </section>
  );
}
