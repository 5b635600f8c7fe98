import { useRef, useState } from 'react';
import type { CSSProperties, ReactNode } from 'react';
import type { Network } from '../../../src-main/core/bitcoin/network.ts';
import type { Settings } from '../../../src-main/core/api/settings.ts';
import { useCommand } from '../../api/context.ts';
import { fmt, t } from '../../i18n/index.ts';
import { useTopic } from '../../stores/topics.ts';
import { Card } from '../../ui/card.tsx';
import { Confirm } from '../../ui/dialog.tsx';
import { Banner, Skeleton } from '../../ui/feedback.tsx';
import { Setting, form } from '../../ui/form.tsx';
import { Segmented } from '../../ui/segmented.tsx';
import { PointHere } from '../miners/point-here.tsx';
import { ChoiceSetting, SavedTick, SwitchSetting, TextSetting } from './fields.tsx';
import { Payouts } from './payouts.tsx';
import styles from './settings.module.css';
import { useSetting } from './use-setting.ts';

const SECTIONS = ['payout', 'mining', 'machines', 'node', 'page', 'about'] as const;
type SectionName = (typeof SECTIONS)[number];
const NETWORK_ORDER: readonly Network[] = ['main', 'testnet4', 'signet', 'regtest'];
const TAG_ROOM = 40;

/** Text as a whole number for the engine to judge; NaN would not survive JSON, so nonsense becomes a number out of range. */
const wholeNumber = (text: string): number => (/^\s*\d+\s*$/.test(text) ? Number(text) : -1);

function Section({
  name,
  lead,
  children,
}: {
  readonly name: SectionName;
  readonly lead?: string;
  readonly children: ReactNode;
}) {
  return (
    <Card
      className={styles.section}
      id={`settings-${name}`}
      tabIndex={-1}
      aria-label={t.settings.sections[name]}
      data-section={name}
    >
      <h2>{t.settings.sections[name]}</h2>
      {lead !== undefined && <p className={styles.lead}>{lead}</p>}
      {children}
    </Card>
  );
}

export function SettingsScreen() {
  const settings = useTopic('settings', (value) => value);
  const version = useTopic('state', (state) => state.version);
  const practice = useTopic('state', (state) => state.practice) ?? false;
  const area = useRef<HTMLDivElement>(null);
  if (settings === undefined) return <Skeleton height="30rem" />;
  const jump = (name: SectionName) => {
    const target = area.current?.querySelector<HTMLElement>(`#settings-${name}`);
    target?.scrollIntoView({ behavior: 'smooth', block: 'start' });
    target?.focus({ preventScroll: true });
  };
  return (
    <div className={styles.page} ref={area}>
      <nav className={styles.contents} aria-label={t.settings.contents}>
        {SECTIONS.map((name) => (
          <button key={name} type="button" onClick={() => jump(name)}>
            {t.settings.sections[name]}
          </button>
        ))}
      </nav>
      <div className={styles.sections}>
        <Section
          name="payout"
          lead={`${t.settings.payout.lead} ${t.settings.payout.network(t.app.network[settings.network])}`}
        >
          <Payouts key={settings.network} network={settings.network} />
        </Section>
        <Section name="mining">
          <Tag settings={settings} />
          <NetworkSetting settings={settings} locked={practice} />
          {practice && <PracticeThreads settings={settings} />}
        </Section>
        <PointHere waiting={false} />
        <Section name="machines">
          <Machines settings={settings} />
        </Section>
        <Section name="node" lead={t.settings.node.restartNote}>
          <NodeSettings settings={settings} />
        </Section>
        <Section name="page">
          <Page settings={settings} />
        </Section>
        <Section name="about">
          <div className={styles.about}>
            <p>{t.settings.about.lead}</p>
            <p>
              {t.settings.about.version} {version}
            </p>
          </div>
        </Section>
      </div>
    </div>
  );
}

const tagPreview = (tag: string): ReactNode => (
  <div className={styles.preview}>
    <span>{t.settings.tag.preview}</span>
    <code>{tag === '' ? t.common.nothing : tag}</code>
    <span>{t.settings.tag.room(TAG_ROOM - tag.length)}</span>
  </div>
);

function Tag({ settings }: { readonly settings: Settings }) {
  return (
    <TextSetting
      wide
      mono
      label={t.settings.tag.label}
      technical={t.settings.tag.technical}
      hint={t.settings.tag.hint}
      value={settings.tag}
      maxLength={TAG_ROOM}
      patch={(tag) => ({ tag })}
      preview={tagPreview}
    />
  );
}

function NetworkSetting({ settings, locked }: { readonly settings: Settings; readonly locked: boolean }) {
  const [asked, setAsked] = useState<Network | null>(null);
  const update = useCommand('settings.update');
  const close = () => {
    update.clear();
    setAsked(null);
  };
  if (locked) {
    return (
      <Setting
        label={t.settings.network.label}
        technical={t.settings.network.technical}
        hint={t.app.practiceHint}
      >
        {(ids) => <output id={ids.id}>{t.app.network[settings.network]}</output>}
      </Setting>
    );
  }
  return (
    <>
      <ChoiceSetting
        label={t.settings.network.label}
        technical={t.settings.network.technical}
        hint={t.settings.network.hint}
        value={settings.network}
        options={NETWORK_ORDER.map((value) => ({ value, label: t.app.network[value] }))}
        onPick={(value) => value !== settings.network && setAsked(value)}
      />
      <Confirm
        open={asked !== null}
        onClose={close}
        title={t.settings.network.title(t.app.network[asked ?? settings.network])}
        why={t.settings.network.why}
        confirm={t.settings.network.confirm(t.app.network[asked ?? settings.network])}
        danger
        busy={update.busy}
        error={update.error?.message}
        onConfirm={() => {
          if (asked !== null) void update.run({ network: asked }).then((outcome) => outcome.ok && close());
        }}
      />
    </>
  );
}

function PracticeThreads({ settings }: { readonly settings: Settings }) {
  const threads = useCommand('practice.threads');
  return (
    <TextSetting
      label={t.settings.practice.threads}
      technical={t.settings.practice.threadsTechnical}
      hint={threads.error?.message ?? t.settings.practice.threadsHint}
      type="number"
      inputMode="numeric"
      min={0}
      max={256}
      value={String(settings.practice.threads)}
      patch={(text) => {
        const wanted = wholeNumber(text);
        if (wanted >= 0) void threads.run({ threads: wanted });
        return { practice: { threads: wanted } };
      }}
    />
  );
}

function Machines({ settings }: { readonly settings: Settings }) {
  const words = t.settings.gateway;
  const { gateway } = settings;
  return (
    <>
      <TextSetting
        label={words.port}
        technical={words.portTechnical}
        hint={words.portHint}
        type="number"
        inputMode="numeric"
        min={1}
        max={65_535}
        value={String(gateway.sv1Port)}
        patch={(text) => ({ gateway: { sv1Port: wholeNumber(text) } })}
      />
      <TextSetting
        label={words.portV2}
        technical={words.portV2Technical}
        hint={words.portHint}
        type="number"
        inputMode="numeric"
        min={1}
        max={65_535}
        value={String(gateway.sv2Port)}
        patch={(text) => ({ gateway: { sv2Port: wholeNumber(text) } })}
      />
      <TextSetting
        label={words.shares}
        technical={words.sharesTechnical}
        hint={words.sharesHint}
        type="number"
        inputMode="numeric"
        min={1}
        max={60}
        value={String(gateway.sharesPerMinute)}
        patch={(text) => ({ gateway: { sharesPerMinute: Number(text) } })}
      />
      <TextSetting
        label={words.start}
        technical={words.startTechnical}
        hint={words.startHint}
        type="number"
        inputMode="decimal"
        min={0}
        value={String(gateway.startDifficulty)}
        patch={(text) => ({ gateway: { startDifficulty: Number(text) } })}
      />
      <TextSetting
        label={words.connections}
        technical={words.connectionsTechnical}
        type="number"
        inputMode="numeric"
        min={1}
        max={20_000}
        value={String(gateway.maxConnections)}
        patch={(text) => ({ gateway: { maxConnections: wholeNumber(text) } })}
      />
    </>
  );
}

/** Steps of the slider in MiB; the last keeps everything. */
const PRUNE_STEPS = [550, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 0] as const;
const MIB = 1_048_576;

function Prune({ settings }: { readonly settings: Settings }) {
  const words = t.settings.node;
  const setting = useSetting();
  const current = settings.node.pruneMiB;
  const nearest =
    current === 0
      ? PRUNE_STEPS.length - 1
      : PRUNE_STEPS.findLastIndex((step) => step !== 0 && step <= current);
  const [draft, setDraft] = useState<number | null>(null);
  const index = draft ?? Math.max(0, nearest);
  const chosen = draft === null ? current : PRUNE_STEPS[index]!;
  const plain =
    chosen === 0 ? `${words.pruneAll}, ${words.pruneAllHint}` : words.prunePlain(fmt.bytes(chosen * MIB));
  const commit = () => {
    if (draft === null) return;
    void setting.save({ node: { pruneMiB: PRUNE_STEPS[draft]! } }).then(() => setDraft(null));
  };
  return (
    <Setting
      label={words.prune}
      technical={words.pruneTechnical}
      hint={words.pruneHint}
      error={setting.error}
      wide
    >
      {(ids) => (
        <div className={styles.stack}>
          <div className={styles.rangeEnds}>
            <span className={styles.rangeValue}>{plain}</span>
            <SavedTick shown={setting.saved} />
          </div>
          <input
            {...ids}
            className={form.range}
            style={{ '--part': `${(index / (PRUNE_STEPS.length - 1)) * 100}%` } as CSSProperties}
            type="range"
            min={0}
            max={PRUNE_STEPS.length - 1}
            step={1}
            value={index}
            aria-valuetext={plain}
            onChange={(event) => setDraft(Number(event.target.value))}
            onPointerUp={commit}
            onKeyUp={commit}
            onBlur={commit}
          />
        </div>
      )}
    </Setting>
  );
}

function NodeSettings({ settings }: { readonly settings: Settings }) {
  const words = t.settings.node;
  const { node } = settings;
  return (
    <>
      <Prune settings={settings} />
      <TextSetting
        label={words.cache}
        technical={words.cacheTechnical}
        hint={words.cacheHint}
        type="number"
        inputMode="numeric"
        min={4}
        max={65_536}
        after="MiB"
        value={String(node.dbCacheMiB)}
        patch={(text) => ({ node: { dbCacheMiB: wholeNumber(text) } })}
      />
      <TextSetting
        label={words.connections}
        technical={words.connectionsTechnical}
        type="number"
        inputMode="numeric"
        min={8}
        max={1_000}
        value={String(node.maxConnections)}
        patch={(text) => ({ node: { maxConnections: wholeNumber(text) } })}
      />
      <SwitchSetting
        label={words.listen}
        technical={words.listenTechnical}
        hint={words.listenHint}
        value={node.listen}
        patch={(listen) => ({ node: { listen } })}
      />
      <TextSetting
        wide
        mono
        label={words.binary}
        technical={words.binaryTechnical}
        hint={words.binaryHint}
        placeholder={words.automatic}
        maxLength={4_096}
        value={node.binary}
        patch={(binary) => ({ node: { binary: binary.trim() } })}
      />
      <TextSetting
        wide
        mono
        label={words.dataDir}
        technical={words.dataDirTechnical}
        hint={words.dataDirHint}
        placeholder={words.automatic}
        maxLength={4_096}
        value={node.dataDir}
        patch={(dataDir) => ({ node: { dataDir: dataDir.trim() } })}
      />
    </>
  );
}

function Page({ settings }: { readonly settings: Settings }) {
  const words = t.settings.page;
  const theme = useSetting();
  return (
    <>
      <Setting label={words.theme} error={theme.error}>
        {() => (
          <Segmented
            label={words.theme}
            value={settings.page.theme}
            options={(['system', 'light', 'dark'] as const).map((value) => ({
              value,
              label: t.tools.themes[value],
            }))}
            onChange={(value) => void theme.save({ page: { theme: value } })}
          />
        )}
      </Setting>
      <SwitchSetting
        label={words.hide}
        hint={words.hideHint}
        value={settings.page.hideAddresses}
        patch={(hideAddresses) => ({ page: { hideAddresses } })}
      />
      {theme.error !== undefined && (
        <Banner tone="bad">
          <p>{theme.error}</p>
        </Banner>
      )}
    </>
  );
}
