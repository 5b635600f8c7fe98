import ChevronDown from 'lucide-react/icons/chevron-down';
import { useId, useMemo, useState } from 'react';
import type { ReactNode } from 'react';
import type { BlockRow } from '../../../src-main/core/api/schema.ts';
import { useApi, useCommand } from '../../api/context.ts';
import { fmt, t } from '../../i18n/index.ts';
import { useNow } from '../../stores/now.ts';
import { useTopic } from '../../stores/topics.ts';
import { Button, IconButton } from '../../ui/button.tsx';
import { CopyButton, CopyFetched } from '../../ui/copy.tsx';
import { cx } from '../../ui/cx.ts';
import { Skeleton } from '../../ui/feedback.tsx';
import { Dot, Mono, Note, Num, useCovered, workerWords } from '../../ui/text.tsx';
import type { Tone } from '../../ui/text.tsx';
import { onLogScale } from '../dashboard/scale.ts';
import styles from './blocks.module.css';

const TONE: Readonly<Record<BlockRow['status'], Tone>> = {
  sending: 'busy',
  waiting: 'busy',
  onChain: 'good',
  stale: 'idle',
  rejected: 'bad',
};
const MATURITY = 100;

export function Blocks() {
  const blocks = useTopic('blocks', (map) => map);
  const rows = useMemo(() => Object.values(blocks ?? {}).sort((a, b) => b.foundAt - a.foundAt), [blocks]);
  if (blocks === undefined) {
    return (
      <div className={styles.page}>
        <Skeleton height="4rem" />
        <Skeleton height="4rem" />
      </div>
    );
  }
  return (
    <div className={styles.page}>
      {rows.length === 0 ? (
        <NoBlock />
      ) : (
        <ul className={styles.list} aria-label={t.blocks.list}>
          {rows.map((block, index) => (
            <Block key={block.hash} block={block} open={index === 0 && rows.length < 4} />
          ))}
        </ul>
      )}
    </div>
  );
}

function NoBlock() {
  const best = useTopic('totals', (totals) => totals.bestEver) ?? null;
  const network = useTopic('totals', (totals) => totals.networkDifficulty) ?? 0;
  const covered = useCovered();
  const height = best === null ? 0 : onLogScale(best.difficulty, network);
  return (
    <div className={styles.empty}>
      <div className={styles.ghost} aria-hidden="true">
        <div className={styles.ghostFill} style={{ height: `${height * 100}%` }} />
      </div>
      <h2>{t.blocks.empty}</h2>
      <p>{t.blocks.emptyWhy}</p>
      {best !== null && network > 0 && (
        <div className={styles.closest}>
          <Note>{t.blocks.closest}</Note>
          <Num of={fmt.difficulty(best.difficulty)} size="mid" />
          <Note>
            {t.blocks.closestWhy(fmt.fraction(best.difficulty / network))} ·{' '}
            {t.best.by(workerWords(best.worker, covered), fmt.day(best.at))}
          </Note>
        </div>
      )}
    </div>
  );
}

function FoundAgo({ at }: { readonly at: number }) {
  const now = useNow(1_000);
  return t.common.ago(fmt.span(now - at));
}

function Block({ block, open: initial }: { readonly block: BlockRow; readonly open: boolean }) {
  const [open, setOpen] = useState(initial);
  const id = useId();
  const covered = useCovered();
  const words = t.blocks;
  const height = fmt.count(block.height);
  return (
    <li
      className={cx(styles.block, styles[block.status], !block.acknowledged && styles.fresh)}
      data-block={block.hash}
    >
      <span className={styles.cube} aria-hidden="true" />
      <div className={styles.main}>
        <strong>{height}</strong>
        <p>
          {workerWords(block.worker, covered)} · <FoundAgo at={block.foundAt} />
        </p>
      </div>
      <div className={styles.right}>
        <strong>
          <Num of={fmt.amount(block.reward)} />
        </strong>
        <p className={styles.statusLine}>
          <Dot tone={TONE[block.status]} />
          {words.status[block.status]}
          {block.status === 'onChain' &&
            ` · ${block.confirmations >= MATURITY ? words.mature : words.confirmations(block.confirmations)}`}
        </p>
      </div>
      <IconButton
        className={styles.toggle}
        label={words.details(height)}
        aria-expanded={open}
        aria-controls={id}
        onClick={() => setOpen(!open)}
      >
        <ChevronDown size={17} />
      </IconButton>
      {open && (
        <div className={styles.more} id={id}>
          <Details block={block} />
        </div>
      )}
    </li>
  );
}

function Fact({ name, children }: { readonly name: string; readonly children: ReactNode }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}

function Details({ block }: { readonly block: BlockRow }) {
  const api = useApi();
  const resubmit = useCommand('block.resubmit');
  const [told, setTold] = useState<string | null>(null);
  const words = t.blocks;
  return (
    <>
      <p className={styles.why}>{words.statusWhy[block.status]}</p>
      <dl className={styles.facts}>
        {block.reason !== null && <Fact name={words.reason}>{block.reason}</Fact>}
        <Fact name={words.hash}>
          <Mono>{block.hash}</Mono>
          <CopyButton text={block.hash} thing={words.hash} />
        </Fact>
        <Fact name={words.columns.found}>{fmt.moment(block.foundAt)}</Fact>
        <Fact name={words.columns.difficulty}>{fmt.join(fmt.difficulty(block.difficulty))}</Fact>
        <Fact name={words.fees}>{fmt.join(fmt.amount(block.fees))}</Fact>
        <Fact name={words.transactions}>{fmt.count(block.transactionCount)}</Fact>
        <Fact name={words.source}>
          {t.node.sources[block.source]} · {words.attempts}: {fmt.count(block.attempts)}
        </Fact>
        <Fact name={words.file}>
          {block.file === null ? (
            words.noFile
          ) : (
            <>
              <Mono>{block.file}</Mono>
              <CopyButton text={block.file} thing={words.file} />
            </>
          )}
        </Fact>
      </dl>
      <div className={styles.actions}>
        {(block.status === 'waiting' || block.status === 'rejected') && (
          <Button
            small
            kind="primary"
            disabled={resubmit.busy}
            onClick={() => {
              void resubmit
                .run({ hash: block.hash })
                .then((outcome) =>
                  setTold(
                    outcome.ok
                      ? words.resent(outcome.value.reason ?? outcome.value.status)
                      : outcome.error.message,
                  ),
                );
            }}
          >
            {words.resend}
          </Button>
        )}
        <CopyFetched
          label={words.raw}
          fetch={async () => (await api.query('block.raw', { hash: block.hash }))?.hex ?? null}
          onMissing={() => setTold(words.rawGone)}
        />
        <span role="status">
          <Note>{told}</Note>
        </span>
      </div>
    </>
  );
}
