import BadgeCheck from 'lucide-react/icons/badge-check';
import Grid2x2 from 'lucide-react/icons/grid-2x2';
import OctagonAlert from 'lucide-react/icons/octagon-alert';
import Table2 from 'lucide-react/icons/table-2';
import { useMemo, useState } from 'react';
import type { JobView } from '../../../src-main/core/api/schema.ts';
import { useQuery } from '../../api/context.ts';
import { fmt, t } from '../../i18n/index.ts';
import { useNow } from '../../stores/now.ts';
import { useTopic } from '../../stores/topics.ts';
import { BlockPicture, RateLegend } from '../../ui/block/block-picture.tsx';
import type { TransactionFact } from '../../ui/block/rates.ts';
import { rateBands, rateTransactions } from '../../ui/block/rates.ts';
import { IconButton, linkClass } from '../../ui/button.tsx';
import { Card } from '../../ui/card.tsx';
import { cx } from '../../ui/cx.ts';
import { Sheet } from '../../ui/dialog.tsx';
import { Failed, Skeleton } from '../../ui/feedback.tsx';
import { Meter } from '../../ui/meter.tsx';
import { Address, Mono, Num, Pill } from '../../ui/text.tsx';
import { Explained } from '../../ui/tip.tsx';
import styles from './dashboard.module.css';

const MAX_WEIGHT = 4_000_000;

function JobAge({ createdAt }: { readonly createdAt: number }) {
  const now = useNow();
  return <span>{t.block.age(fmt.span(now - createdAt))}</span>;
}

/** The block the machines are working on. */
export function BlockCard() {
  const job = useTopic('job', (value) => value) ?? null;
  const ready = useTopic('job', () => true) ?? false;
  const headline = useTopic('state', (state) => state.headline);
  const [asTable, setAsTable] = useState(false);
  if (job === null) {
    return (
      <Card title={t.block.title} className={styles.yours} data-card="block">
        {ready ? (
          <div className={styles.emptyBlock}>
            <div className={styles.words}>
              <span className={cx(styles.coin, styles.ghost)} aria-hidden="true" />
              <strong>{t.block.none}</strong>
              <p>{headline === 'setup' ? t.block.noneSetup : t.block.noneWhy}</p>
            </div>
          </div>
        ) : (
          <Skeleton height="100%" />
        )}
      </Card>
    );
  }
  return (
    <Card
      title={t.block.next(fmt.count(job.height))}
      className={styles.yours}
      data-card="block"
      aside={
        <>
          <JobAge createdAt={job.createdAt} />
          {job.transactionCount > 0 && (
            <IconButton
              small
              label={asTable ? t.common.asPicture : t.common.asTable}
              onClick={() => setAsTable(!asTable)}
            >
              {asTable ? <Grid2x2 size={15} /> : <Table2 size={15} />}
            </IconButton>
          )}
        </>
      }
    >
      {job.transactionCount === 0 ? (
        <div className={styles.emptyBlock}>
          <div className={styles.words}>
            <span className={styles.coin} aria-hidden="true" />
            <strong>{t.block.empty}</strong>
            <p>{t.block.emptyWhy}</p>
          </div>
        </div>
      ) : (
        <Transactions job={job} asTable={asTable} />
      )}
      <div className={styles.blockFoot}>
        <div className={styles.rewardLine}>
          <Num of={fmt.amount(job.reward)} size="mid" />
          <dl className={styles.facts}>
            <dt>{t.block.subsidy}</dt>
            <dd>{fmt.join(fmt.amount(job.reward - job.fees))}</dd>
            <dt>{t.block.fees}</dt>
            <dd>{fmt.join(fmt.amount(job.fees))}</dd>
          </dl>
        </div>
        <div className={styles.weight}>
          <span>{t.block.transactions(job.transactionCount)}</span>
          <Meter
            value={job.weight / MAX_WEIGHT}
            label={t.block.weight}
            words={fmt.percent(job.weight / MAX_WEIGHT)}
            tone="glow"
          />
          <span>{t.block.weightOf(fmt.percent(job.weight / MAX_WEIGHT, 1))}</span>
        </div>
        <Proof job={job} />
      </div>
    </Card>
  );
}

function Transactions({ job, asTable }: { readonly job: JobView; readonly asTable: boolean }) {
  const query = useQuery('template.transactions', { templateId: job.templateId });
  // Between a new job and its transactions the last picture stays; null means that template is gone already.
  const [kept, setKept] = useState<{ height: number; transactions: readonly TransactionFact[] }>();
  const fresh = query.data?.transactions;
  if (fresh !== undefined && fresh !== kept?.transactions)
    setKept({ height: job.height, transactions: fresh });
  const transactions = fresh ?? kept?.transactions;
  const rated = useMemo(
    () => (transactions === undefined ? undefined : rateTransactions(transactions)),
    [transactions],
  );
  if (transactions === undefined || rated === undefined) {
    return (
      <div className={styles.pictureBox}>
        {query.error === undefined ? (
          <Skeleton height="100%" />
        ) : (
          <Failed title={t.block.failed} message={query.error.message} retry={query.refresh} />
        )}
      </div>
    );
  }
  if (asTable) return <Bands transactions={transactions} />;
  const low = fmt.roughly(rated.low);
  const high = fmt.roughly(rated.high);
  return (
    <>
      <div className={styles.pictureBox}>
        <BlockPicture
          transactions={transactions}
          height={kept?.height ?? job.height}
          label={t.block.picture(transactions.length, low, high)}
        />
      </div>
      <div className={styles.legendRow}>
        <RateLegend low={rated.low} high={rated.high} />
      </div>
    </>
  );
}

function Bands({ transactions }: { readonly transactions: readonly TransactionFact[] }) {
  const bands = useMemo(() => rateBands(transactions), [transactions]);
  return (
    <div className={styles.bands}>
      <table className={styles.table}>
        <caption className="visually-hidden">{t.block.bands.caption}</caption>
        <thead>
          <tr>
            <th scope="col">
              {t.block.bands.rate} ({t.block.unit})
            </th>
            <th scope="col" className={styles.n}>
              {t.block.bands.amount}
            </th>
            <th scope="col" className={styles.n}>
              {t.block.bands.size}
            </th>
            <th scope="col" className={styles.n}>
              {t.block.bands.fees}
            </th>
          </tr>
        </thead>
        <tbody>
          {bands.map((band) => (
            <tr key={band.from}>
              <td>
                {band.to === null
                  ? `${fmt.count(band.from)} +`
                  : `${fmt.count(band.from)} – ${fmt.count(band.to)}`}
              </td>
              <td className={styles.n}>{fmt.count(band.count)}</td>
              <td className={styles.n}>{fmt.count(Math.round(band.vsize / 1000))} kvB</td>
              <td className={styles.n}>{fmt.join(fmt.amount(band.fees))}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Whom the coinbase pays: the proof that matters most in solo mining. */
function Proof({ job }: { readonly job: JobView }) {
  const [open, setOpen] = useState(false);
  const paying = job.outputs.filter((output) => output.kind !== 'commitment' && output.value > 0);
  const total = paying.reduce((sum, output) => sum + output.value, 0);
  const shown = paying.slice(0, 3);
  const good = job.payoutVerified && paying.every((output) => output.mine || output.kind === 'other');
  return (
    <section
      className={cx(styles.proof, !good && styles.proofBad)}
      aria-label={t.coinbase.title}
      data-proof={good ? 'verified' : 'wrong'}
    >
      <div className={styles.proofTitle}>
        {good ? <BadgeCheck size={16} aria-hidden="true" /> : <OctagonAlert size={16} aria-hidden="true" />}
        {good ? (
          <span>
            {t.coinbase.title} · <Explained text={t.coinbase.verifiedWhy}>{t.coinbase.verified}</Explained>
          </span>
        ) : (
          <span role="alert">
            <strong>{t.coinbase.unverified}.</strong> {t.coinbase.unverifiedWhy}
          </span>
        )}
        <button type="button" className={linkClass} onClick={() => setOpen(true)}>
          {t.coinbase.open}
        </button>
      </div>
      <ul className={styles.outputs}>
        {shown.map((output, index) => (
          <li key={`${output.script}-${index}`}>
            <span className={styles.part}>{fmt.percent(total === 0 ? 0 : output.value / total, 2)}</span>
            {output.address === null ? (
              <Mono>{fmt.shortHash(output.script)}</Mono>
            ) : (
              <Address of={output.address} />
            )}
            {!output.mine && <Pill>{t.coinbase.notYou}</Pill>}
            <span className={styles.value}>{fmt.join(fmt.amount(output.value))}</span>
          </li>
        ))}
        {paying.length > shown.length && <li>{t.coinbase.more(paying.length - shown.length)}</li>}
      </ul>
      <Sheet open={open} onClose={() => setOpen(false)} title={t.coinbase.details} wide>
        <table className={styles.table}>
          <thead>
            <tr>
              <th scope="col">{t.coinbase.output}</th>
              <th scope="col" className={styles.n}>
                {t.coinbase.part}
              </th>
              <th scope="col" className={styles.n}>
                {t.coinbase.amount}
              </th>
            </tr>
          </thead>
          <tbody>
            {job.outputs.map((output, index) => (
              <tr key={`${output.script}-${index}`}>
                <td>
                  {output.kind === 'commitment' ? (
                    <Explained text={t.coinbase.commitmentWhy}>{t.coinbase.commitment}</Explained>
                  ) : output.address === null ? (
                    t.coinbase.other
                  ) : (
                    <Address of={output.address} whole />
                  )}{' '}
                  {output.mine && <Pill>{t.coinbase.you}</Pill>}
                </td>
                <td className={styles.n}>
                  {output.kind === 'commitment' ? '' : fmt.percent(total === 0 ? 0 : output.value / total, 2)}
                </td>
                <td className={styles.n}>{fmt.join(fmt.exactAmount(output.value))}</td>
              </tr>
            ))}
          </tbody>
        </table>
        <dl className={styles.details}>
          <dt>{t.coinbase.tag}</dt>
          <dd>
            <Mono>{job.tag}</Mono>
          </dd>
          <dt>{t.coinbase.previous}</dt>
          <dd>
            <Mono>{job.previousHash}</Mono>
          </dd>
          <dt>{t.coinbase.bits}</dt>
          <dd>
            <Mono>{job.bits}</Mono>
          </dd>
          <dt>{t.coinbase.source}</dt>
          <dd>
            {t.node.sources[job.source]} · <Mono>{job.templateId}</Mono>
          </dd>
        </dl>
      </Sheet>
    </section>
  );
}
