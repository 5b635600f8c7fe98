import Check from 'lucide-react/icons/check';
import { fmt, t } from '../../i18n/index.ts';
import { useTopic } from '../../stores/topics.ts';
import { Card } from '../../ui/card.tsx';
import { Meter } from '../../ui/meter.tsx';
import { Note } from '../../ui/text.tsx';
import { nodeWords, shownProgress } from './node-words.ts';
import styles from './node.module.css';

const STAGES = ['starting', 'preHeaders', 'headers', 'blocks', 'synced'] as const;

/** The way of a node from its start to being in step. */
export function Stages() {
  const stage = useTopic('node', (node) => (node.phase === 'ready' ? node.stage : 'starting'));
  const current = STAGES.indexOf(stage ?? 'starting');
  return (
    <ol className={styles.stages}>
      {STAGES.map((each, index) => (
        <li
          key={each}
          aria-current={index === current && each !== 'synced' ? 'step' : undefined}
          data-done={index < current || stage === 'synced'}
        >
          {(index < current || stage === 'synced') && <Check size={14} aria-hidden="true" />}
          {t.node.stages[each]}
        </li>
      ))}
    </ol>
  );
}

/** The dashboard's first card while the node catches up. */
export function SyncCard({ className }: { readonly className?: string | undefined }) {
  const node = useTopic('node', (value) => value);
  if (node === undefined) return null;
  const part = shownProgress(node);
  const inBlocks = node.phase === 'ready' && node.stage === 'blocks';
  return (
    <Card title={t.node.title} className={className} data-card="sync">
      <div className={styles.sync}>
        {inBlocks && <div className={styles.syncBig}>{fmt.progress(part)}</div>}
        <div className={styles.syncWords}>
          <div className={styles.syncLine}>
            <strong>{nodeWords(node)}</strong>
            {inBlocks && (
              <span>
                {node.secondsLeft === null
                  ? t.node.leftUnknown
                  : t.node.left(fmt.span(node.secondsLeft * 1000, 'long'))}
              </span>
            )}
          </div>
          <Meter value={inBlocks ? part : 0} label={t.node.progress} words={fmt.progress(part)} />
          <div className={styles.syncLine}>
            <Stages />
            {node.headers > 0 && (
              <Note>{t.node.blocks(fmt.count(node.blocks), fmt.count(node.headers))}</Note>
            )}
          </div>
        </div>
      </div>
    </Card>
  );
}
