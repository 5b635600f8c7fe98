import DatabaseZap from 'lucide-react/icons/database-zap';
import Play from 'lucide-react/icons/play';
import RotateCw from 'lucide-react/icons/rotate-cw';
import Square from 'lucide-react/icons/square';
import { useEffect, useRef, useState } from 'react';
import type { ReactNode } from 'react';
import type { NodeView } from '../../../src-main/core/api/schema.ts';
import { useCommand, useQuery } from '../../api/context.ts';
import { fmt, t } from '../../i18n/index.ts';
import { useNow } from '../../stores/now.ts';
import { useTopic } from '../../stores/topics.ts';
import { Button } from '../../ui/button.tsx';
import { Card } from '../../ui/card.tsx';
import { CopyButton } from '../../ui/copy.tsx';
import { Confirm } from '../../ui/dialog.tsx';
import { Banner, Failed, Skeleton } from '../../ui/feedback.tsx';
import { Meter } from '../../ui/meter.tsx';
import { Mono, Note } from '../../ui/text.tsx';
import { Explained } from '../../ui/tip.tsx';
import { nodeTone, nodeWords, originOf, programOf, shownProgress } from './node-words.ts';
import styles from './node.module.css';
import { Stages } from './sync-card.tsx';

export function NodeScreen() {
  const node = useTopic('node', (value) => value);
  if (node === undefined) {
    return (
      <div className={styles.page}>
        <Skeleton height="22rem" />
        <Skeleton height="22rem" />
      </div>
    );
  }
  return (
    <div className={styles.page}>
      {node.problem !== null && (
        <Banner tone={node.phase === 'failed' ? 'bad' : 'warn'} title={node.problem.message}>
          <p>{node.problem.advice}</p>
        </Banner>
      )}
      {node.warnings.map((warning) => (
        <Banner key={warning} tone="warn" title={t.node.warnings}>
          <p>{warning}</p>
        </Banner>
      ))}
      <div className={styles.pair}>
        <Card title={t.node.title} data-card="node-state">
          <State node={node} />
        </Card>
        <Card title={programOf(node) || t.node.program} data-card="node-facts">
          <Facts node={node} />
        </Card>
      </div>
      <Log />
    </div>
  );
}

/** Codes of the problems that a rebuild of the databases heals. */
const REINDEX_HELPS: ReadonlySet<string> = new Set(['corruptDatabase', 'pruneChanged']);

const CIRCLE = 2 * Math.PI * 44;

/** One ring for every state of the node: its colour, how far it is, and the words in the middle. */
function Dial({ node }: { readonly node: NodeView }) {
  const tone = {
    good: 'var(--vein)',
    busy: 'var(--sky)',
    bad: 'var(--rust)',
    warn: 'var(--lamp)',
    idle: 'var(--line-strong)',
  }[nodeTone(node)];
  const part = node.phase === 'ready' ? shownProgress(node) : 0;
  const searching =
    node.phase === 'starting' ||
    node.phase === 'warming' ||
    node.phase === 'stopping' ||
    (node.phase === 'ready' && part < 0.01);
  const synced = node.phase === 'ready' && node.stage === 'synced';
  return (
    <div className={styles.dial}>
      <svg viewBox="0 0 100 100" aria-hidden="true">
        <circle cx="50" cy="50" r="44" fill="none" stroke="var(--press)" strokeWidth="4.5" />
        {searching ? (
          <circle
            className={styles.spin}
            cx="50"
            cy="50"
            r="44"
            fill="none"
            stroke={tone}
            strokeWidth="4.5"
            strokeLinecap="round"
            strokeDasharray={`${CIRCLE * 0.14} ${CIRCLE}`}
          />
        ) : (
          <circle
            className={styles.arc}
            cx="50"
            cy="50"
            r="44"
            fill="none"
            stroke={tone}
            strokeWidth="4.5"
            strokeLinecap="round"
            strokeDasharray={CIRCLE}
            strokeDashoffset={CIRCLE * (1 - (node.phase === 'ready' ? part : 1))}
            transform="rotate(-90 50 50)"
          />
        )}
      </svg>
      <div className={styles.dialWords}>
        {synced ? (
          <>
            <span>{t.node.tip}</span>
            <strong>{fmt.count(node.blocks)}</strong>
            <TipAge at={node.tipAt} />
          </>
        ) : node.phase === 'ready' && node.stage === 'blocks' ? (
          <>
            <strong>{fmt.progress(part)}</strong>
            <span>
              {node.secondsLeft === null
                ? t.node.leftUnknown
                : t.node.left(fmt.span(node.secondsLeft * 1000))}
            </span>
          </>
        ) : (
          <strong>{node.phase === 'ready' ? t.node.stages[node.stage] : t.node.phases[node.phase]}</strong>
        )}
      </div>
    </div>
  );
}

function TipAge({ at }: { readonly at: number | null }) {
  const now = useNow(1_000);
  return at === null ? null : <span>{t.common.ago(fmt.span(now - at))}</span>;
}

type Ask = 'stop' | 'restart' | 'forceStop' | 'reindex';

const ASKED: Readonly<
  Record<
    Ask,
    { readonly title: string; readonly why: string; readonly confirm: string; readonly danger: boolean }
  >
> = {
  stop: { title: t.node.stopTitle, why: t.node.stopWhy, confirm: t.node.stop, danger: true },
  restart: { title: t.node.restartTitle, why: t.node.restartWhy, confirm: t.node.restart, danger: false },
  forceStop: { title: t.node.forceTitle, why: t.node.forceWhy, confirm: t.node.force, danger: true },
  reindex: { title: t.node.reindexTitle, why: t.node.reindexWhy, confirm: t.node.reindex, danger: true },
};

/** What stands under the node's state: what it waits for, how far it is, or what it is for. */
function Why({ node }: { readonly node: NodeView }) {
  const now = useNow(1_000);
  if (node.activity !== null) {
    return (
      <div className={styles.activity}>
        <Note>{node.activity.text}</Note>
        {node.activity.progress !== null && (
          <Meter
            value={node.activity.progress}
            label={node.activity.text}
            words={fmt.percent(node.activity.progress, 0)}
          />
        )}
      </div>
    );
  }
  if (node.phase === 'backoff' && node.retryAt !== null)
    return <Note>{t.node.retry(fmt.span(node.retryAt - now, 'long'))}</Note>;
  if (node.phase === 'failed') return <Note>{t.node.failedWhy}</Note>;
  if (node.phase === 'starting' || node.phase === 'warming')
    return <Note>{t.headline.nodeStarting.why}</Note>;
  if (node.phase === 'stopped') return <Note>{t.node.stoppedWhy}</Note>;
  if (node.phase === 'stopping')
    return <Note>{canForce(node, now) ? t.node.forceLate : t.node.stoppingWhy}</Note>;
  if (node.phase === 'ready' && node.stage !== 'synced' && node.headers > 0) {
    return <Note>{t.node.blocks(fmt.count(node.blocks), fmt.count(node.headers))}</Note>;
  }
  return <Note>{t.node.lead}</Note>;
}

const canForce = (node: NodeView, now: number): boolean =>
  node.phase === 'stopping' && node.forceFrom !== null && now >= node.forceFrom;

function State({ node }: { readonly node: NodeView }) {
  const [asking, setAsking] = useState<Ask | null>(null);
  const now = useNow(1_000);
  const start = useCommand('node.start');
  const commands = {
    stop: useCommand('node.stop'),
    restart: useCommand('node.restart'),
    forceStop: useCommand('node.forceStop'),
    reindex: useCommand('node.reindex'),
  };
  const { phase } = node;
  const command = asking === null ? undefined : commands[asking];
  return (
    <div className={styles.hero}>
      <Dial node={node} />
      <div className={styles.words}>
        <p className={phase === 'ready' ? styles.state : 'visually-hidden'} role="status">
          {nodeWords(node)}
        </p>
        <Why node={node} />
      </div>
      {phase === 'ready' && node.stage !== 'synced' && <Stages />}
      {start.error !== undefined && (
        <Banner tone="bad" alert>
          <p>{start.error.message}</p>
        </Banner>
      )}
      <div className={styles.buttons}>
        {(phase === 'stopped' || phase === 'failed' || phase === 'backoff') && (
          <Button kind="primary" disabled={start.busy} onClick={() => void start.run({})}>
            <Play size={15} aria-hidden="true" />
            {t.node.start}
          </Button>
        )}
        {phase === 'failed' && node.problem !== null && REINDEX_HELPS.has(node.problem.code) && (
          <Button onClick={() => setAsking('reindex')}>
            <DatabaseZap size={15} aria-hidden="true" />
            {t.node.reindex}
          </Button>
        )}
        {phase === 'ready' && (
          <Button onClick={() => setAsking('restart')}>
            <RotateCw size={15} aria-hidden="true" />
            {t.node.restart}
          </Button>
        )}
        {(phase === 'ready' || phase === 'starting' || phase === 'warming' || phase === 'backoff') && (
          <Button onClick={() => setAsking('stop')}>
            <Square size={14} aria-hidden="true" />
            {t.node.stop}
          </Button>
        )}
        {canForce(node, now) && (
          <Button kind="danger" onClick={() => setAsking('forceStop')}>
            {t.node.force}
          </Button>
        )}
      </div>
      {asking !== null && (
        <Confirm
          open
          {...ASKED[asking]}
          busy={command?.busy ?? false}
          error={command?.error?.message}
          onClose={() => {
            command?.clear();
            setAsking(null);
          }}
          onConfirm={() => {
            void command?.run({}).then((outcome) => outcome.ok && setAsking(null));
          }}
        />
      )}
    </div>
  );
}

function Fact({
  name,
  technical,
  children,
}: {
  readonly name: string;
  readonly technical?: string;
  readonly children: ReactNode;
}) {
  return (
    <>
      <dt>
        {name}
        {technical !== undefined && <small>{technical}</small>}
      </dt>
      <dd>{children}</dd>
    </>
  );
}

function Facts({ node }: { readonly node: NodeView }) {
  const { peers, mempool } = node;
  return (
    <dl className={styles.facts}>
      <Fact name={t.node.program}>
        {programOf(node) || t.node.noProgram} <span className={styles.sub}>{originOf(node.origin)}</span>
      </Fact>
      <Fact name={t.node.source}>
        <Explained text={t.node.sourceWhy[node.source]}>{t.node.sources[node.source]}</Explained>
      </Fact>
      <Fact name={t.node.peers}>
        {fmt.count(peers.inbound + peers.outbound)}{' '}
        <span className={styles.sub}>{t.node.peersSplit(peers.outbound, peers.inbound, peers.onion)}</span>
      </Fact>
      <Fact name={t.node.mempool} technical={t.node.mempoolTechnical}>
        {fmt.count(mempool.transactions)} <span className={styles.sub}>{fmt.bytes(mempool.bytes)}</span>
      </Fact>
      <Fact name={t.node.difficulty}>
        {node.difficulty > 0 ? fmt.join(fmt.difficulty(node.difficulty)) : t.common.nothing}
      </Fact>
      <Fact name={t.node.disk}>
        {fmt.bytes(node.diskBytes)}{' '}
        <span className={styles.sub}>{node.pruned ? t.node.pruned : t.node.full}</span>
      </Fact>
      <Fact name={t.node.dataDir} technical="datadir">
        <span className={styles.path}>
          <Mono>{node.dataDir}</Mono>
          <CopyButton text={node.dataDir} thing={t.node.dataDir} />
        </span>
      </Fact>
      <Fact name={t.node.process}>
        {node.pid === null ? t.node.phases[node.phase] : t.node.pid(node.pid)}{' '}
        <span className={styles.sub}>
          {t.node.since} {fmt.moment(node.since)}
        </span>
      </Fact>
    </dl>
  );
}

const ALARM = /\b(?:error|fatal|corrupt\w*|failed)\b|\bwarning:/i;

function Log() {
  const { data, error, refresh } = useQuery('node.log', {}, 2_000);
  const box = useRef<HTMLPreElement>(null);
  const follow = useRef(true);
  const lines = data?.lines;

  useEffect(() => {
    const element = box.current;
    if (element !== null && follow.current) element.scrollTop = element.scrollHeight;
    // oxlint-disable-next-line react/exhaustive-effect-dependencies -- new lines are what it follows
  }, [lines]);

  return (
    <Card
      title={t.node.log}
      className={styles.logCard}
      data-card="node-log"
      aside={
        <>
          <span>{t.node.logTechnical}</span>
          {lines !== undefined && lines.length > 0 && (
            <CopyButton text={lines.join('\n')} thing={t.node.log} />
          )}
        </>
      }
    >
      {error !== undefined && lines === undefined ? (
        <Failed title={t.node.logFailed} message={error.message} retry={refresh} />
      ) : lines === undefined ? (
        <Skeleton height="12rem" />
      ) : (
        <pre
          className={styles.log}
          ref={box}
          tabIndex={0}
          aria-label={t.node.log}
          onScroll={(event) => {
            const element = event.currentTarget;
            follow.current = element.scrollHeight - element.scrollTop - element.clientHeight < 24;
          }}
        >
          {lines.length === 0
            ? t.node.logEmpty
            : lines.map((line, index) => {
                const space = /^\d{4}-\d\d-\d\dT\S+Z /.exec(line)?.[0].length ?? 0;
                return (
                  <span key={`${index}-${line}`}>
                    <span className={styles.time}>{line.slice(0, space)}</span>
                    <span className={ALARM.test(line) ? styles.alarm : undefined}>{line.slice(space)}</span>
                    {'\n'}
                  </span>
                );
              })}
        </pre>
      )}
    </Card>
  );
}
