import { fmt, t } from '../../i18n/index.ts';
import { useNow } from '../../stores/now.ts';
import { hrefOf } from '../../stores/route.ts';
import { useTopic } from '../../stores/topics.ts';
import { linkClass } from '../../ui/button.tsx';
import { Card } from '../../ui/card.tsx';
import { Skeleton } from '../../ui/feedback.tsx';
import { Dot, Note } from '../../ui/text.tsx';
import { nodeTone, nodeWords, programOf } from '../node/node-words.ts';
import styles from './dashboard.module.css';

/** The node in three lines; the rest is on its own screen. */
export function NodeCard() {
  const node = useTopic('node', (value) => value);
  const now = useNow(1_000);
  if (node === undefined) {
    return (
      <Card title={t.node.title}>
        <Skeleton height="3.5rem" />
      </Card>
    );
  }
  return (
    <Card
      title={t.node.title}
      data-card="node"
      aside={
        <a className={linkClass} href={hrefOf('node')}>
          {programOf(node)}
        </a>
      }
    >
      <div className={styles.nodeLine}>
        <Dot tone={nodeTone(node)} />
        {nodeWords(node)}
      </div>
      <Note>
        {node.phase === 'backoff' && node.retryAt !== null
          ? t.node.retry(fmt.span(node.retryAt - now))
          : [
              node.blocks > 0 ? t.rail.block(node.blocks) : '',
              node.tipAt !== null ? t.common.ago(fmt.span(now - node.tipAt)) : '',
            ]
              .filter((part) => part !== '')
              .join(' · ')}
      </Note>
    </Card>
  );
}
