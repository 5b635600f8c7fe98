import ArrowDown from 'lucide-react/icons/arrow-down';
import ArrowUp from 'lucide-react/icons/arrow-up';
import Search from 'lucide-react/icons/search';
import Trash2 from 'lucide-react/icons/trash-2';
import { memo, useCallback, useLayoutEffect, useMemo, useRef, useState } from 'react';
import type { CSSProperties } from 'react';
import type { MinerRow } from '../../../src-main/core/api/schema.ts';
import { useCommand, useQuery } from '../../api/context.ts';
import { fmt, t } from '../../i18n/index.ts';
import { useNow } from '../../stores/now.ts';
import { useTopic } from '../../stores/topics.ts';
import { Button, IconButton } from '../../ui/button.tsx';
import { cx } from '../../ui/cx.ts';
import { Confirm } from '../../ui/dialog.tsx';
import { Empty, Skeleton } from '../../ui/feedback.tsx';
import { Segmented } from '../../ui/segmented.tsx';
import { Sparkline } from '../../ui/sparkline.tsx';
import { Cut, Dot, Worker, text, useCovered, workerWords } from '../../ui/text.tsx';
import { Explained, Tip } from '../../ui/tip.tsx';
import { modelOf } from './model.ts';
import styles from './miners.module.css';
import { PointHere } from './point-here.tsx';
import type { Column, Sorting, StatusFilter } from './rows.ts';
import { NUMERIC, STATUS_TONE, rejectedOf, selectRows, visibleSlice } from './rows.ts';

/** Root font size times 3rem: the height every row has, so that long lists need not be measured. */
const rowHeight = () => 3 * Number.parseFloat(getComputedStyle(document.documentElement).fontSize);

const HEADS: readonly (readonly [Column | 'day' | 'actions', string])[] = [
  ['status', 'w-status'],
  ['name', 'w-name'],
  ['model', 'w-model'],
  ['m10', 'w-rate'],
  ['h1', 'w-h1'],
  ['day', 'w-spark'],
  ['difficulty', 'w-diff'],
  ['accepted', 'w-num'],
  ['rejected', 'w-rej'],
  ['best', 'w-best'],
  ['last', 'w-last'],
  ['remote', 'w-remote'],
  ['actions', 'w-act'],
];

export function Miners() {
  const miners = useTopic('miners', (map) => map);
  if (miners === undefined) {
    return (
      <div className={styles.page}>
        <Skeleton width="24rem" height="2.1rem" />
        <Skeleton height="20rem" />
      </div>
    );
  }
  if (Object.keys(miners).length === 0) {
    return (
      <div className={styles.pointPage}>
        <PointHere />
      </div>
    );
  }
  return <Table miners={miners} />;
}

function Table({ miners }: { readonly miners: Readonly<Record<string, MinerRow>> }) {
  const [filter, setFilter] = useState('');
  const [status, setStatus] = useState<StatusFilter>('all');
  const [sorting, setSorting] = useState<Sorting>({ column: 'name', descending: false });
  const [scroll, setScroll] = useState({ top: 0, height: 800 });
  const [forgetting, setForgetting] = useState<MinerRow | null>(null);
  const frame = useRef<HTMLDivElement>(null);
  const forget = useCommand('miner.forget');
  const sparks = useQuery('miners.sparklines', {}, 60_000);
  const covered = useCovered();

  const all = useMemo(() => Object.values(miners), [miners]);
  const rows = useMemo(() => selectRows(all, filter, status, sorting), [all, filter, status, sorting]);
  const height = rowHeight();
  const slice = visibleSlice(rows.length, height, scroll.top, scroll.height);
  const measure = useCallback(() => {
    const element = frame.current;
    if (element !== null) setScroll({ top: element.scrollTop, height: element.clientHeight });
  }, []);
  useLayoutEffect(() => {
    const observer = new ResizeObserver(measure);
    observer.observe(frame.current!);
    return () => observer.disconnect();
  }, [measure]);
  const sortBy = (column: Column) =>
    setSorting((before) =>
      before.column === column
        ? { column, descending: !before.descending }
        : { column, descending: NUMERIC.has(column) },
    );
  const count = (wanted: StatusFilter) =>
    wanted === 'all' ? all.length : all.filter((row) => row.status === wanted).length;

  return (
    <div className={styles.page}>
      <div className={styles.bar}>
        <label className={styles.search}>
          <Search size={15} aria-hidden="true" />
          <input
            type="search"
            aria-label={t.miners.filter}
            placeholder={t.miners.filter}
            value={filter}
            maxLength={200}
            onChange={(event) => setFilter(event.target.value)}
            onKeyDown={(event) => event.key === 'Escape' && setFilter('')}
          />
        </label>
        <Segmented
          label={t.miners.statusFilter}
          value={status}
          onChange={setStatus}
          options={(['all', 'active', 'quiet', 'offline'] as const).map((value) => ({
            value,
            label: `${value === 'all' ? t.miners.all : t.miners.status[value]} ${fmt.count(count(value))}`,
          }))}
        />
        <span className={styles.count} role="status">
          {t.miners.shown(rows.length, all.length)}
        </span>
      </div>
      <div
        className={styles.frame}
        ref={frame}
        onScroll={measure}
        tabIndex={0}
        role="region"
        aria-label={t.miners.title}
      >
        {rows.length === 0 ? (
          <Empty title={t.miners.nobody}>
            <Button
              small
              onClick={() => {
                setFilter('');
                setStatus('all');
              }}
            >
              {t.miners.clearFilter}
            </Button>
          </Empty>
        ) : (
          <table className={styles.table} aria-rowcount={rows.length + 2}>
            <thead>
              <tr>
                {HEADS.map(([column, width]) => (
                  <th
                    key={column}
                    scope="col"
                    className={cx(
                      styles[width],
                      (NUMERIC.has(column as Column) || column === 'day') && styles.n,
                    )}
                    aria-sort={
                      sorting.column === column
                        ? sorting.descending
                          ? 'descending'
                          : 'ascending'
                        : undefined
                    }
                  >
                    {column === 'day' || column === 'actions' ? (
                      <span className={cx(styles.plainHead, column === 'actions' && 'visually-hidden')}>
                        {t.miners.columns[column]}
                      </span>
                    ) : (
                      <button
                        type="button"
                        className={styles.sort}
                        data-on={sorting.column === column}
                        onClick={() => sortBy(column)}
                      >
                        {t.miners.columns[column]}
                        {sorting.column === column &&
                          (sorting.descending ? (
                            <ArrowDown size={13} aria-hidden="true" />
                          ) : (
                            <ArrowUp size={13} aria-hidden="true" />
                          ))}
                      </button>
                    )}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {slice.from > 0 && <Spacer height={slice.from * height} />}
              {rows.slice(slice.from, slice.to).map((row, index) => (
                <Row
                  key={row.id}
                  row={row}
                  index={slice.from + index}
                  points={sparks.data?.[row.id]}
                  covered={covered}
                  onForget={setForgetting}
                />
              ))}
              {slice.to < rows.length && <Spacer height={(rows.length - slice.to) * height} />}
            </tbody>
            <Totals rows={rows} />
          </table>
        )}
      </div>
      {forgetting !== null && (
        <Confirm
          open
          title={t.miners.forgetTitle(workerWords(forgetting.worker, covered))}
          why={t.miners.forgetWhy}
          confirm={t.miners.forget}
          busy={forget.busy}
          error={forget.error?.message}
          onClose={() => {
            forget.clear();
            setForgetting(null);
          }}
          onConfirm={() => {
            void forget.run({ id: forgetting.id }).then((outcome) => outcome.ok && setForgetting(null));
          }}
        />
      )}
    </div>
  );
}

function Spacer({ height }: { readonly height: number }) {
  const style: CSSProperties = { height };
  return (
    <tr className={styles.spacer} aria-hidden="true">
      <td style={style} />
    </tr>
  );
}

function hideRemote(remote: string): string {
  return remote.replace(/^(\d+\.\d+)\.\d+\.\d+/, '$1.•.•');
}

const Row = memo(function Row({
  row,
  index,
  points,
  covered,
  onForget,
}: {
  readonly row: MinerRow;
  readonly index: number;
  readonly points: readonly (number | null)[] | undefined;
  readonly covered: boolean;
  readonly onForget: (row: MinerRow) => void;
}) {
  const name = workerWords(row.worker, covered);
  const rejected = rejectedOf(row.shares);
  const model = modelOf(row.userAgent);
  return (
    <tr aria-rowindex={index + 2} className={cx(row.status === 'offline' && styles.dim)} data-miner={row.id}>
      <td>
        <Tip text={t.miners.statusWhy[row.status]}>
          <span className={styles.status}>
            <Dot tone={STATUS_TONE[row.status]} />
            <StatusWords row={row} />
          </span>
        </Tip>
      </td>
      <td>
        <span className={styles.name}>
          <Worker of={row.worker} />
          <span className={styles.under}>{model ?? t.miners.unknownModel}</span>
        </span>
      </td>
      <td className={styles['w-model']}>
        {model === null ? (
          <span className={styles.sub}>{t.miners.unknownModel}</span>
        ) : (
          <Tip text={row.userAgent}>
            <span className={text.cut}>{model}</span>
          </Tip>
        )}
      </td>
      <td className={styles.n}>
        {row.status === 'offline' ? t.common.nothing : fmt.join(fmt.hashrate(row.hashrate.m10))}
      </td>
      <td className={cx(styles.n, styles['w-h1'])}>
        {row.status === 'offline' ? t.common.nothing : fmt.join(fmt.hashrate(row.hashrate.h1))}
      </td>
      <td className={styles.n}>
        <Sparkline points={points} label={t.miners.sparkline(name)} />
      </td>
      <td className={cx(styles.n, styles['w-diff'])}>{fmt.join(fmt.difficulty(row.difficulty))}</td>
      <td className={styles.n}>{fmt.count(row.shares.accepted)}</td>
      <td className={styles.n}>
        {rejected === 0 ? (
          <span className={styles.sub}>0</span>
        ) : (
          <Explained
            text={
              <dl className={styles.reasons}>
                {(['stale', 'lowDifficulty', 'duplicate', 'invalid'] as const).map((kind) => (
                  <Reason key={kind} name={t.shares[kind]} value={row.shares[kind]} />
                ))}
              </dl>
            }
          >
            {fmt.count(rejected)}{' '}
            <span className={styles.sub}>{fmt.share(rejected / (rejected + row.shares.accepted))}</span>
          </Explained>
        )}
      </td>
      <td className={styles.n}>
        {row.bestEver === null ? (
          t.common.nothing
        ) : (
          <Tip
            text={`${t.best.session}: ${row.bestSession === null ? t.common.nothing : fmt.join(fmt.difficulty(row.bestSession.difficulty))}`}
          >
            <span>{fmt.join(fmt.difficulty(row.bestEver.difficulty))}</span>
          </Tip>
        )}
      </td>
      <td className={styles.n}>
        <LastShare at={row.lastShareAt} />
      </td>
      <td className={styles['w-remote']}>
        <Cut className={styles.sub}>{covered ? hideRemote(row.remote) : row.remote}</Cut>
      </td>
      <td>
        {row.status === 'offline' && (
          <IconButton small label={t.miners.forgetThing(name)} onClick={() => onForget(row)}>
            <Trash2 size={15} />
          </IconButton>
        )}
      </td>
    </tr>
  );
});

function StatusWords({ row }: { readonly row: MinerRow }) {
  const now = useNow(10_000);
  if (row.status === 'offline' && row.offlineAt !== null) {
    return <span className={text.bad}>{t.miners.offlineFor(fmt.span(now - row.offlineAt))}</span>;
  }
  return t.miners.status[row.status];
}

function LastShare({ at }: { readonly at: number | null }) {
  const now = useNow(1_000);
  if (at === null) return t.common.never;
  return fmt.span(now - at);
}

function Reason({ name, value }: { readonly name: string; readonly value: number }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{fmt.count(value)}</dd>
    </>
  );
}

function Totals({ rows }: { readonly rows: readonly MinerRow[] }) {
  const sum = (pick: (row: MinerRow) => number) =>
    rows.reduce((total, row) => total + (row.status === 'offline' ? 0 : pick(row)), 0);
  const ever = (pick: (row: MinerRow) => number) => rows.reduce((total, row) => total + pick(row), 0);
  const best = rows.reduce((most, row) => Math.max(most, row.bestEver?.difficulty ?? 0), 0);
  return (
    <tfoot>
      <tr>
        <td colSpan={2}>{t.miners.totals}</td>
        <td className={styles['w-model']} />
        <td className={styles.n}>{fmt.join(fmt.hashrate(sum((row) => row.hashrate.m10)))}</td>
        <td className={cx(styles.n, styles['w-h1'])}>
          {fmt.join(fmt.hashrate(sum((row) => row.hashrate.h1)))}
        </td>
        <td />
        <td className={styles['w-diff']} />
        <td className={styles.n}>{fmt.count(ever((row) => row.shares.accepted))}</td>
        <td className={styles.n}>{fmt.count(ever((row) => rejectedOf(row.shares)))}</td>
        <td className={styles.n}>{best === 0 ? t.common.nothing : fmt.join(fmt.difficulty(best))}</td>
        <td />
        <td className={styles['w-remote']} />
        <td />
      </tr>
    </tfoot>
  );
}
