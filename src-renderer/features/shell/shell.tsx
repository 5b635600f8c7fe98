import Pickaxe from 'lucide-react/icons/pickaxe';
import { useEffect, useRef, useState } from 'react';
import type { ReactNode } from 'react';
import { fmt, t } from '../../i18n/index.ts';
import { useNow } from '../../stores/now.ts';
import type { Screen } from '../../stores/route.ts';
import { SCREENS, go, hrefOf, useScreen } from '../../stores/route.ts';
import { useTheme } from '../../stores/theme.ts';
import { link, useTopic } from '../../stores/topics.ts';
import { buttonClass } from '../../ui/button.tsx';
import { cx } from '../../ui/cx.ts';
import { Sheet } from '../../ui/dialog.tsx';
import { Banner, Skeleton } from '../../ui/feedback.tsx';
import { useCovered } from '../../ui/text.tsx';
import { Explained } from '../../ui/tip.tsx';
import { Blocks } from '../blocks/blocks.tsx';
import { Dashboard } from '../dashboard/dashboard.tsx';
import { Events } from '../events/events.tsx';
import { Miners } from '../miners/miners.tsx';
import { NodeScreen } from '../node/node.tsx';
import { SettingsScreen } from '../settings/settings.tsx';
import { FirstRun } from '../setup/first-run.tsx';
import { headlineOf } from './headline.ts';
import { Party } from './party.tsx';
import { Rail, useToggleAddresses } from './rail.tsx';
import styles from './shell.module.css';

const VIEWS: Readonly<Record<Screen, () => ReactNode>> = {
  dashboard: Dashboard,
  miners: Miners,
  blocks: Blocks,
  node: NodeScreen,
  events: Events,
  settings: SettingsScreen,
};

function Headline({ screen }: { readonly screen: Screen }) {
  const state = useTopic('state', (value) => value);
  const node = useTopic('node', (value) => value);
  const hashrate = useTopic('totals', (totals) => totals.hashrate.m10);
  const covered = useCovered();
  const connected = link((value) => value.connected);
  if (state === undefined) {
    return (
      <div className={styles.state} role="status" aria-label={t.app.loading}>
        <Skeleton width="16rem" height="1.25rem" />
      </div>
    );
  }
  const raw = state.payout?.address ?? '';
  const address = covered ? `${raw.slice(0, 4)}••••` : fmt.shortAddress(raw);
  const view = headlineOf({ state, node, hashrate: hashrate ?? 0, address });
  return (
    <>
      <div className={styles.state} role="status" aria-live="polite" data-headline={state.headline}>
        <strong>
          <span
            className={cx(
              styles.lamp,
              styles[connected ? view.tone : 'idle'],
              connected && state.headline === 'mining' && styles.beating,
            )}
            aria-hidden="true"
          />
          {view.title}
        </strong>
        <span className={styles.why}>{view.why}</span>
      </div>
      <div className={styles.side}>
        {view.button !== null && view.button.screen !== screen && (
          <a className={buttonClass('primary', true)} href={hrefOf(view.button.screen)}>
            {view.button.label}
          </a>
        )}
        {state.practice ? (
          <Explained text={t.app.practiceHint} bare>
            <span className={cx(styles.mode, styles.chain)}>{t.app.practice}</span>
          </Explained>
        ) : state.network !== 'main' ? (
          <Explained text={t.app.networkHint} bare>
            <span className={cx(styles.mode, styles.chain)}>{t.app.network[state.network]}</span>
          </Explained>
        ) : null}
        <Explained text={t.app.soloHint} bare>
          <span className={styles.mode}>
            <Pickaxe size={14} aria-hidden="true" />
            {t.app.solo}
          </span>
        </Explained>
      </div>
    </>
  );
}

function ConnectionNotice() {
  const connected = link((state) => state.connected);
  const ever = link((state) => state.ever);
  const lostAt = link((state) => state.lostAt);
  const now = useNow();
  // A hiccup of a second is not worth a word.
  if (connected || lostAt === null || now - lostAt < 1_500) return null;
  return (
    <Banner tone="warn" alert title={ever ? t.link.lost : t.link.never}>
      <p>{ever ? t.link.lostWhy(fmt.span(now - lostAt, 'long')) : t.link.neverWhy}</p>
    </Banner>
  );
}

function Problem({ screen }: { readonly screen: Screen }) {
  const headline = useTopic('state', (state) => state.headline);
  const problem = useTopic('state', (state) => state.problem);
  // The node screen says the same in its own words, with its own buttons.
  if (problem === undefined || problem === null || screen === 'node' || headline === 'setup') return null;
  return (
    <Banner tone={headline === 'nodeFailed' ? 'bad' : 'warn'} title={problem.message}>
      <p>{problem.advice}</p>
    </Banner>
  );
}

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  (target.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(target.tagName));

function Shortcuts({ open, onClose }: { readonly open: boolean; readonly onClose: () => void }) {
  const command = /Mac|iP(hone|ad)/.test(navigator.userAgent) ? '⌘' : 'Ctrl';
  return (
    <Sheet open={open} onClose={onClose} title={t.shortcuts.title}>
      <dl className={styles.keys}>
        {SCREENS.map((screen, index) => (
          <Row
            key={screen}
            words={t.shortcuts.screen(t.screens[screen])}
            keys={[command, String(index + 1)]}
          />
        ))}
        <Row words={t.shortcuts.filter} keys={['/']} />
        <Row words={t.shortcuts.hide} keys={['h']} />
        <Row words={t.shortcuts.help} keys={['?']} />
        <Row words={t.shortcuts.close} keys={['Esc']} />
      </dl>
    </Sheet>
  );
}

function Row({ words, keys }: { readonly words: string; readonly keys: readonly string[] }) {
  return (
    <>
      <dt>{words}</dt>
      <dd>
        {keys.map((key) => (
          <kbd key={key}>{key}</kbd>
        ))}
      </dd>
    </>
  );
}

/** The frame around every screen: rail, headline, notices. */
export function Shell() {
  useTheme();
  const screen = useScreen();
  const [help, setHelp] = useState(false);
  const area = useRef<HTMLElement>(null);
  const first = useRef(true);
  const setup = useTopic('state', (state) => state.headline === 'setup') ?? false;
  const toggleAddresses = useToggleAddresses();
  const toggle = useRef(toggleAddresses);
  useEffect(() => {
    toggle.current = toggleAddresses;
  });

  useEffect(() => {
    document.title = `${t.screens[screen]} · ${t.app.name}`;
    if (first.current) {
      first.current = false;
      return;
    }
    area.current?.scrollTo(0, 0);
    area.current?.focus();
  }, [screen]);

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey) {
        const target = SCREENS[Number(event.key) - 1];
        if (target !== undefined) {
          event.preventDefault();
          go(target);
        }
        return;
      }
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      if (event.key === '?') setHelp(true);
      else if (event.key === 'h') toggle.current();
      else if (event.key === '/') {
        const filter = document.querySelector<HTMLInputElement>('input[type="search"]');
        if (filter !== null) {
          event.preventDefault();
          filter.focus();
        }
      }
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, []);

  const View = setup && screen === 'dashboard' ? FirstRun : VIEWS[screen];
  return (
    <div className={styles.app}>
      <a
        className={styles.skip}
        href="#content"
        onClick={(event) => {
          event.preventDefault();
          area.current?.focus();
        }}
      >
        {t.app.skip}
      </a>
      <Rail screen={screen} onShortcuts={() => setHelp(true)} />
      <div className={styles.main}>
        <header className={styles.head}>
          <Headline screen={screen} />
        </header>
        <div className={styles.notices}>
          <ConnectionNotice />
          <Party />
          <Problem screen={screen} />
        </div>
        <main
          className={styles.screen}
          id="content"
          tabIndex={-1}
          ref={area}
          aria-labelledby="screen-title"
          data-screen={screen}
        >
          <h1 id="screen-title" className="visually-hidden">
            {t.screens[screen]}
          </h1>
          <View />
        </main>
      </div>
      <Shortcuts open={help} onClose={() => setHelp(false)} />
    </div>
  );
}
