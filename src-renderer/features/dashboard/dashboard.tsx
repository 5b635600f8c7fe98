import { useTopic } from '../../stores/topics.ts';
import { cx } from '../../ui/cx.ts';
import { PointHere } from '../miners/point-here.tsx';
import { SyncCard } from '../node/sync-card.tsx';
import { BestCard } from './best-card.tsx';
import { BlockCard } from './block-card.tsx';
import styles from './dashboard.module.css';
import { HashrateCard } from './hashrate-card.tsx';
import { LatelyCard } from './lately-card.tsx';
import { MinersCard } from './miners-card.tsx';
import { NodeCard } from './node-card.tsx';
import { OddsCard } from './odds-card.tsx';
import { SharesCard } from './shares-card.tsx';

/** The screen people leave open. Cards without anything to say give their room to what is next. */
export function Dashboard() {
  const synced = useTopic('node', (node) => node.phase === 'ready' && node.stage === 'synced') ?? true;
  const known = useTopic('miners', (miners) => Object.keys(miners).length > 0) ?? true;
  const headline = useTopic('state', (state) => state.headline);
  const catchingUp =
    !synced && (headline === 'syncing' || headline === 'nodeStarting' || headline === 'setup');
  return (
    <div className={styles.page}>
      {catchingUp && <SyncCard className={styles.sync} />}
      <div className={styles.grid}>
        <div className={styles.column}>
          {known ? (
            <>
              <HashrateCard />
              <MinersCard />
            </>
          ) : (
            <PointHere className={styles.hash} />
          )}
        </div>
        <div className={styles.column}>
          <BlockCard />
        </div>
        <div className={cx(styles.column, styles.side)}>
          <BestCard />
          <OddsCard />
          <SharesCard />
          {!catchingUp && <NodeCard />}
          <LatelyCard />
        </div>
      </div>
    </div>
  );
}
