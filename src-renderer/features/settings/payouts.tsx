import Plus from 'lucide-react/icons/plus';
import Scale from 'lucide-react/icons/scale';
import X from 'lucide-react/icons/x';
import { useEffect, useId, useState } from 'react';
import type { Network } from '../../../src-main/core/bitcoin/network.ts';
import { useCommand, useQuery } from '../../api/context.ts';
import { fmt, t } from '../../i18n/index.ts';
import { useTopic } from '../../stores/topics.ts';
import { Button, IconButton } from '../../ui/button.tsx';
import { cx } from '../../ui/cx.ts';
import { Confirm } from '../../ui/dialog.tsx';
import { Banner } from '../../ui/feedback.tsx';
import { Input, form } from '../../ui/form.tsx';
import { Note, text } from '../../ui/text.tsx';
import { isSameAddress, useAddressCheck } from '../setup/address-check.ts';
import { Verdict } from '../setup/address-verdict.tsx';
import type { DraftPayout } from './percent.ts';
import { parsePercent, percentText, splitEvenly, sumOf } from './percent.ts';
import styles from './settings.module.css';

const MOST = 20;
const WHOLE = 10_000;
let lastKey = 0;
const row = (address: string, basisPoints: number): DraftPayout => ({
  key: ++lastKey,
  address,
  percent: percentText(basisPoints),
});

/** Who is paid, and what part. Saved only after a look at what every job will pay from then on. */
export function Payouts({ network }: { readonly network: Network }) {
  const saved = useTopic('settings', (settings) => settings.payouts[network]);
  const practice = useTopic('state', (state) => state.practice) ?? false;
  const [rows, setRows] = useState<readonly DraftPayout[] | null>(null);
  const [valid, setValid] = useState<Readonly<Record<number, string>>>({});
  const [reviewing, setReviewing] = useState(false);
  const [done, setDone] = useState(false);
  const update = useCommand('settings.update');

  const shown =
    rows ??
    (saved === undefined || saved.length === 0
      ? EMPTY
      : saved.map((entry, index) => ({
          key: -1 - index,
          address: entry.address,
          percent: percentText(entry.basisPoints),
        })));
  const sum = sumOf(shown);
  const change = (next: readonly DraftPayout[]) => {
    update.clear();
    setDone(false);
    setRows(next);
  };
  const replace = (key: number, part: Partial<DraftPayout>) =>
    change(shown.map((each) => (each.key === key ? { ...each, ...part } : each)));

  const addresses = shown.map((each) => valid[each.key]);
  const complete = shown.every(
    (each) => isSameAddress(valid[each.key] ?? '', each.address) && parsePercent(each.percent) !== null,
  );
  const twice = new Set(
    addresses.filter((address, index) => address !== undefined && addresses.indexOf(address) !== index),
  );
  const entries =
    complete && sum === WHOLE
      ? shown.map((each) => ({ address: valid[each.key]!, basisPoints: parsePercent(each.percent)! }))
      : null;
  const whole = useQuery('payout.check', entries === null ? null : { network, payouts: entries });
  const problem = entries !== null && whole.data?.ok === false ? whole.data : undefined;
  const savable = entries !== null && problem === undefined && twice.size === 0 && rows !== null;

  const save = async () => {
    if (entries === null) return;
    const outcome = await update.run({ payouts: { [network]: entries } });
    if (!outcome.ok) return;
    setReviewing(false);
    setRows(null);
    setDone(true);
  };

  return (
    <div className={styles.payouts}>
      {saved?.length === 0 && <Note>{practice ? t.settings.payout.practice : t.settings.payout.none}</Note>}
      {shown.map((each, index) => (
        <PayoutRow
          key={each.key}
          network={network}
          index={index}
          row={each}
          only={shown.length === 1}
          note={
            valid[each.key] !== undefined &&
            twice.has(valid[each.key]) &&
            addresses.indexOf(valid[each.key]) !== index
              ? t.settings.payout.twice
              : problem?.index === index
                ? problem.message
                : undefined
          }
          onChange={(part) => replace(each.key, part)}
          onRemove={() => {
            const left = shown.filter((other) => other.key !== each.key);
            change(left.length === 1 ? left.map((other) => ({ ...other, percent: '100' })) : left);
          }}
          onValid={(address) =>
            setValid((before) =>
              before[each.key] === address ? before : { ...before, [each.key]: address ?? '' },
            )
          }
        />
      ))}
      {problem !== undefined && problem.index === null && (
        <Banner tone="bad">
          <p>{problem.message}</p>
        </Banner>
      )}
      <div className={styles.sumLine}>
        <Button
          small
          disabled={shown.length >= MOST}
          onClick={() => change([...shown, row('', Math.max(1, WHOLE - sum))])}
        >
          <Plus size={15} aria-hidden="true" />
          {t.settings.payout.add}
        </Button>
        {shown.length > 1 && (
          <Button
            small
            kind="quiet"
            onClick={() => {
              const parts = splitEvenly(shown.length);
              change(shown.map((each, index) => ({ ...each, percent: percentText(parts[index]!) })));
            }}
          >
            <Scale size={15} aria-hidden="true" />
            {t.settings.payout.even}
          </Button>
        )}
        <span className={cx(styles.sum, sum === WHOLE ? text.good : text.warn)} role="status" data-sum={sum}>
          {sum === WHOLE
            ? t.settings.payout.sumGood
            : `${t.settings.payout.sum(fmt.percent(sum / WHOLE, 2))} · ${sum < WHOLE ? t.settings.payout.sumLess(fmt.percent((WHOLE - sum) / WHOLE, 2)) : t.settings.payout.sumMore(fmt.percent((sum - WHOLE) / WHOLE, 2))}`}
        </span>
        <div className={styles.push}>
          {rows !== null && (
            <Button kind="quiet" onClick={() => setRows(null)}>
              {t.common.undo}
            </Button>
          )}
          <Button kind="primary" disabled={!savable} onClick={() => setReviewing(true)}>
            {t.settings.payout.save}
          </Button>
        </div>
      </div>
      {done && saved !== undefined && saved[0] !== undefined && (
        <Banner tone="good" title={t.settings.saved}>
          <p>{t.settings.payout.now(saved.map((entry) => fmt.shortAddress(entry.address)).join(', '))}</p>
        </Banner>
      )}
      <Confirm
        open={reviewing}
        onClose={() => {
          update.clear();
          setReviewing(false);
        }}
        title={t.settings.payout.reviewTitle}
        why={t.settings.payout.reviewWhy}
        confirm={t.settings.payout.confirm}
        busy={update.busy}
        error={update.error?.message}
        onConfirm={() => void save()}
      >
        <ul className={styles.review}>
          {(entries ?? []).map((entry) => (
            <li key={entry.address}>
              <strong>{fmt.percent(entry.basisPoints / WHOLE, 2)}</strong>
              <code>
                {entry.address.slice(0, -6)}
                <b>{entry.address.slice(-6)}</b>
              </code>
            </li>
          ))}
        </ul>
      </Confirm>
    </div>
  );
}

const EMPTY: readonly DraftPayout[] = [{ key: 0, address: '', percent: '100' }];

function PayoutRow({
  network,
  index,
  row: { address, percent },
  only,
  note,
  onChange,
  onRemove,
  onValid,
}: {
  readonly network: Network;
  readonly index: number;
  readonly row: DraftPayout;
  readonly only: boolean;
  readonly note: string | undefined;
  readonly onChange: (part: Partial<DraftPayout>) => void;
  readonly onRemove: () => void;
  readonly onValid: (address: string | undefined) => void;
}) {
  const id = useId();
  const check = useAddressCheck(network, address);
  const good = check?.ok === true ? check : undefined;
  useEffect(() => {
    onValid(good?.address);
    // The callback only writes to state by this row's key.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [good?.address]);
  return (
    <div className={styles.payout} data-payout={index}>
      <Input
        mono
        value={address}
        maxLength={120}
        placeholder={t.setup.placeholder[network]}
        aria-label={t.settings.payout.address(index + 1)}
        aria-describedby={id}
        aria-invalid={check?.ok === false || note !== undefined ? true : undefined}
        onChange={(event) => onChange({ address: event.target.value })}
      />
      <div className={styles.percent}>
        <Input
          value={percent}
          inputMode="decimal"
          maxLength={8}
          aria-label={t.settings.payout.part(index + 1)}
          aria-invalid={parsePercent(percent) === null ? true : undefined}
          onChange={(event) => onChange({ percent: event.target.value })}
        />
        <span aria-hidden="true">%</span>
      </div>
      {only ? (
        <span />
      ) : (
        <IconButton label={t.settings.payout.remove(index + 1)} onClick={onRemove}>
          <X size={16} />
        </IconButton>
      )}
      <div className={styles.verdictLine}>
        <Verdict check={check} id={id} />
        {good !== undefined && (
          <>
            <span className={styles.ending}>
              {t.address.ending} <b>{good.address.slice(-6)}</b>
            </span>
            <span className={styles.scriptText}>
              {t.address.script} {good.script}
            </span>
          </>
        )}
        {note !== undefined && (
          <p className={form.error} role="alert">
            {note}
          </p>
        )}
      </div>
    </div>
  );
}
