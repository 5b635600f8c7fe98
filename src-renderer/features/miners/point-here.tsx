import HousePlug from 'lucide-react/icons/house-plug';
import LaptopMinimal from 'lucide-react/icons/laptop-minimal';
import { useState } from 'react';
import type { ConnectionView } from '../../../src-main/core/api/schema.ts';
import { useCommand } from '../../api/context.ts';
import { t } from '../../i18n/index.ts';
import { useTopic } from '../../stores/topics.ts';
import { Button } from '../../ui/button.tsx';
import { Card } from '../../ui/card.tsx';
import { CopyLine } from '../../ui/copy.tsx';
import { Confirm } from '../../ui/dialog.tsx';
import { Banner, Skeleton } from '../../ui/feedback.tsx';
import { Segmented } from '../../ui/segmented.tsx';
import { Mono } from '../../ui/text.tsx';
import styles from './miners.module.css';

/** Loopback or LAN, with the way to change it. */
export function Exposure() {
  const exposure = useTopic('connection', (connection) => connection.exposure);
  const [asking, setAsking] = useState(false);
  const update = useCommand('settings.update');
  if (exposure === undefined) return <Skeleton height="4rem" />;
  const lan = exposure === 'lan';
  const close = () => {
    update.clear();
    setAsking(false);
  };
  return (
    <div className={styles.exposure}>
      {lan ? <HousePlug size={20} aria-hidden="true" /> : <LaptopMinimal size={20} aria-hidden="true" />}
      <div className={styles.words}>
        <strong>{lan ? t.point.lan : t.point.loopback}</strong>
        <p>{lan ? t.point.lanWhy : t.point.loopbackWhy}</p>
      </div>
      <Button kind={lan ? 'plain' : 'primary'} small onClick={() => setAsking(true)}>
        {lan ? t.point.closeLan : t.point.openLan}
      </Button>
      <Confirm
        open={asking}
        title={lan ? t.point.closeTitle : t.point.openTitle}
        why={lan ? t.point.closeWhy : t.point.openWhy}
        confirm={lan ? t.point.closeLan : t.point.openLan}
        danger={lan}
        busy={update.busy}
        error={update.error?.message}
        onClose={close}
        onConfirm={() => {
          void update
            .run({ gateway: { exposure: lan ? 'loopback' : 'lan' } })
            .then((outcome) => outcome.ok && close());
        }}
      />
    </div>
  );
}

type Endpoint = ConnectionView['endpoints'][number];

/** The address without the key, which machines want in a field of its own. */
const addressOf = ({ url, authorityKey }: Endpoint) =>
  authorityKey === null ? url : url.slice(0, -(authorityKey.length + 1));

/** Where a machine has to be pointed to: the lines to type, with copy buttons. */
export function PointHere({
  className,
  waiting = true,
}: {
  readonly className?: string | undefined;
  readonly waiting?: boolean;
}) {
  const connection = useTopic('connection', (value) => value);
  const [wanted, setWanted] = useState<'sv1' | 'sv2'>('sv1');
  const all = connection?.endpoints ?? [];
  const offered = (['sv1', 'sv2'] as const).filter((each) =>
    all.some((endpoint) => endpoint.protocol === each),
  );
  // A listener that could not be opened has no tab.
  const protocol = offered.includes(wanted) ? wanted : (offered[0] ?? 'sv1');
  const endpoints = all.filter((endpoint) => endpoint.protocol === protocol);
  const [first] = endpoints;
  const key = first?.authorityKey ?? null;
  return (
    <Card title={t.point.title} className={className} data-card="point">
      <div className={styles.point}>
        <p className={styles.lead}>{t.point.lead}</p>
        {connection !== undefined && connection.problem !== null && (
          <Banner tone="bad" title={t.point.problem}>
            <p>{connection.problem}</p>
          </Banner>
        )}
        {offered.length > 1 && (
          <div className={styles.protocol}>
            <Segmented
              label={t.point.protocol}
              value={protocol}
              options={offered.map((value) => ({ value, label: t.point.protocols[value] }))}
              onChange={setWanted}
            />
            <p>{t.point.which[protocol]}</p>
          </div>
        )}
        <dl className={styles.steps}>
          <dt>
            {t.point.url}
            <small>{t.point.urlTechnical}</small>
          </dt>
          <dd>
            {connection === undefined ? (
              <Skeleton height="2.1rem" />
            ) : (
              endpoints.map((endpoint) => (
                <div key={endpoint.url} className={styles.endpoint}>
                  <CopyLine text={addressOf(endpoint)} thing={t.point.url} />
                  <span className={styles.scope}>{t.point.scope[endpoint.scope]}</span>
                </div>
              ))
            )}
            {first !== undefined && (
              <p>
                {t.point.hostPort} {t.point.host} <Mono>{first.host}</Mono>, {t.point.port}{' '}
                <Mono>{first.port}</Mono>
              </p>
            )}
          </dd>
          {first !== undefined && key !== null && (
            <>
              <dt>
                {t.point.key}
                <small>{t.point.keyTechnical}</small>
              </dt>
              <dd>
                <CopyLine text={key} thing={t.point.key} />
                <p>{t.point.keyWhy}</p>
              </dd>
              <dt>
                {t.point.whole}
                <small>{t.point.wholeWhy}</small>
              </dt>
              <dd>
                <CopyLine text={first.url} thing={t.point.whole} />
              </dd>
            </>
          )}
          <dt>
            {t.point.user}
            <small>{t.point.userValue}</small>
          </dt>
          <dd>
            <CopyLine text={t.point.userExample} thing={t.point.user} />
            <p>{t.point.userWhy}</p>
          </dd>
          <dt>{t.point.password}</dt>
          <dd>
            <CopyLine text={t.point.passwordValue} thing={t.point.password} />
            <p>{t.point.passwordWhy}</p>
          </dd>
        </dl>
        <Exposure />
        {waiting && (
          <>
            <p className={styles.practice}>
              {t.point.practice} {t.point.practiceWhy} <Mono>{t.point.practiceCommand}</Mono>{' '}
              {t.point.practiceAfter}
            </p>
            <p className={styles.waiting} role="status">
              <span className={styles.pulse} aria-hidden="true" />
              {t.point.waiting}
            </p>
          </>
        )}
      </div>
    </Card>
  );
}
