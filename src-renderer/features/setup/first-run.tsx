import { useId, useState } from 'react';
import { useCommand } from '../../api/context.ts';
import { t } from '../../i18n/index.ts';
import { hrefOf } from '../../stores/route.ts';
import { useTopic } from '../../stores/topics.ts';
import { Button, linkClass } from '../../ui/button.tsx';
import { Card } from '../../ui/card.tsx';
import { Banner } from '../../ui/feedback.tsx';
import { Input } from '../../ui/form.tsx';
import { Mono } from '../../ui/text.tsx';
import { SyncCard } from '../node/sync-card.tsx';
import { Mark } from '../shell/mark.tsx';
import { useAddressCheck } from './address-check.ts';
import { Verdict } from './address-verdict.tsx';
import styles from './setup.module.css';

/** The one question that has to be answered before anything is mined. */
export function FirstRun() {
  const network = useTopic('state', (state) => state.network) ?? 'main';
  const synced = useTopic('node', (node) => node.phase === 'ready' && node.stage === 'synced') ?? true;
  const [address, setAddress] = useState('');
  const check = useAddressCheck(network, address);
  const update = useCommand('settings.update');
  const id = useId();
  const good = check?.ok === true ? check : undefined;
  const save = () => {
    if (good === undefined) return;
    void update.run({ payouts: { [network]: [{ address: good.address, basisPoints: 10_000 }] } });
  };
  return (
    <div className={styles.page}>
      {!synced && <SyncCard />}
      <div className={styles.center}>
        <Card className={styles.card} data-card="setup">
          <span className={styles.mark} aria-hidden="true">
            <Mark size={32} />
          </span>
          <h2 className={styles.title}>{t.setup.title}</h2>
          <p className={styles.lead}>{t.setup.lead}</p>
          <form
            className={styles.form}
            onSubmit={(event) => {
              event.preventDefault();
              save();
            }}
          >
            <label htmlFor={id}>{t.setup.address}</label>
            <Input
              id={id}
              large
              mono
              value={address}
              maxLength={120}
              placeholder={t.setup.placeholder[network]}
              aria-describedby={`${id}-hint ${id}-verdict`}
              aria-invalid={check?.ok === false ? true : undefined}
              onChange={(event) => setAddress(event.target.value)}
            />
            {address.trim() === '' ? (
              <p id={`${id}-hint`} className={styles.hint}>
                {t.setup.addressHint}
              </p>
            ) : (
              <Verdict check={check} id={`${id}-verdict`} />
            )}
            {good !== undefined && (
              <div className={styles.tail}>
                <span>{t.setup.confirm}</span>
                <b>{good.address.slice(-6)}</b>
              </div>
            )}
            {update.error !== undefined && (
              <Banner tone="bad" alert title={t.settings.notSaved}>
                <p>{update.error.message}</p>
              </Banner>
            )}
            <Button
              type="submit"
              kind="primary"
              className={styles.go}
              disabled={good === undefined || update.busy}
            >
              {t.setup.button}
            </Button>
          </form>
          <div className={styles.foot}>
            <p>
              <a className={linkClass} href={hrefOf('settings')}>
                {t.setup.split}
              </a>
            </p>
            <p>
              {t.setup.practice} {t.point.practiceWhy} <Mono>{t.point.practiceCommand}</Mono>{' '}
              {t.point.practiceAfter}
            </p>
          </div>
        </Card>
      </div>
    </div>
  );
}
