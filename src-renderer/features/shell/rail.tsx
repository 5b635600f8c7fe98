import Boxes from 'lucide-react/icons/boxes';
import Cpu from 'lucide-react/icons/cpu';
import Eye from 'lucide-react/icons/eye';
import EyeOff from 'lucide-react/icons/eye-off';
import Keyboard from 'lucide-react/icons/keyboard';
import LayoutDashboard from 'lucide-react/icons/layout-dashboard';
import Moon from 'lucide-react/icons/moon';
import Network from 'lucide-react/icons/network';
import ScrollText from 'lucide-react/icons/scroll-text';
import Settings from 'lucide-react/icons/settings';
import Sun from 'lucide-react/icons/sun';
import type { ComponentType, ReactNode } from 'react';
import { useCommand } from '../../api/context.ts';
import { fmt, t } from '../../i18n/index.ts';
import { useNow } from '../../stores/now.ts';
import type { Screen } from '../../stores/route.ts';
import { SCREENS, hrefOf } from '../../stores/route.ts';
import { theme } from '../../stores/theme.ts';
import { useTopic } from '../../stores/topics.ts';
import { IconButton } from '../../ui/button.tsx';
import { Dot, useCovered } from '../../ui/text.tsx';
import type { Tone } from '../../ui/text.tsx';
import { programOf } from '../node/node-words.ts';
import { Mark } from './mark.tsx';
import styles from './shell.module.css';

const ICONS: Readonly<Record<Screen, ComponentType<{ size?: number | string }>>> = {
  dashboard: LayoutDashboard,
  miners: Cpu,
  blocks: Boxes,
  node: Network,
  events: ScrollText,
  settings: Settings,
};

function NodeHint() {
  const phase = useTopic('node', (node) => node.phase);
  const synced = useTopic('node', (node) => node.stage === 'synced');
  if (phase === undefined) return null;
  const state =
    phase === 'ready'
      ? synced
        ? 'good'
        : 'busy'
      : phase === 'starting' || phase === 'warming'
        ? 'busy'
        : 'bad';
  const tone: Tone = state;
  return (
    <>
      <Dot tone={tone} />
      <span className="visually-hidden">{t.rail.nodeState[state]}</span>
    </>
  );
}

function MinersHint() {
  const active = useTopic('totals', (totals) => totals.miners.active);
  if (active === undefined || active === 0) return null;
  return <Counted amount={active} words={t.rail.minersActive(active)} />;
}

function BlocksHint() {
  const found = useTopic('totals', (totals) => totals.blocksFound);
  if (found === undefined || found === 0) return null;
  return <Counted amount={found} words={t.rail.blocksFound(found)} />;
}

function Counted({ amount, words }: { readonly amount: number; readonly words: string }) {
  return (
    <>
      <span aria-hidden="true">{fmt.count(amount)}</span>
      <span className="visually-hidden">{words}</span>
    </>
  );
}

const HINTS: Partial<Record<Screen, () => ReactNode>> = {
  miners: MinersHint,
  blocks: BlocksHint,
  node: NodeHint,
};

function Facts() {
  const node = useTopic('node', (view) => view);
  const now = useNow(10_000);
  if (node === undefined) return null;
  const peers = node.peers.inbound + node.peers.outbound;
  return (
    <div className={styles.facts}>
      {node.blocks > 0 && (
        <div>
          {t.rail.block(node.blocks)}
          {node.tipAt !== null && node.stage === 'synced'
            ? ` · ${t.rail.tipAge(fmt.span(now - node.tipAt))}`
            : ''}
        </div>
      )}
      {peers > 0 && (
        <div>
          {t.rail.peers(peers)}
          {node.peers.onion > 0 ? ` · ${t.rail.onion(node.peers.onion)}` : ''}
        </div>
      )}
      {node.version !== '' && <div>{programOf(node)}</div>}
    </div>
  );
}

export function useToggleAddresses(): () => void {
  const covered = useCovered();
  const update = useCommand('settings.update');
  return () => void update.run({ page: { hideAddresses: !covered } });
}

function Tools({ onShortcuts }: { readonly onShortcuts: () => void }) {
  const shown = theme((state) => state.shown);
  const covered = useCovered();
  const toggle = useToggleAddresses();
  const update = useCommand('settings.update');
  const next = shown === 'dark' ? 'light' : 'dark';
  return (
    <div className={styles.tools}>
      <IconButton
        small
        label={`${t.tools.theme}: ${t.tools.themes[next]}`}
        onClick={() => void update.run({ page: { theme: next } })}
      >
        {shown === 'dark' ? <Sun size={16} /> : <Moon size={16} />}
      </IconButton>
      <IconButton
        small
        label={covered ? t.tools.reveal : t.tools.hide}
        aria-pressed={covered}
        onClick={toggle}
      >
        {covered ? <EyeOff size={16} /> : <Eye size={16} />}
      </IconButton>
      <IconButton small label={t.tools.shortcuts} onClick={onShortcuts}>
        <Keyboard size={16} />
      </IconButton>
    </div>
  );
}

export function Rail({ screen, onShortcuts }: { readonly screen: Screen; readonly onShortcuts: () => void }) {
  return (
    <nav className={styles.rail} aria-label={t.rail.label}>
      <a className={styles.brand} href={hrefOf('dashboard')}>
        <Mark />
        <span>{t.app.name}</span>
      </a>
      {SCREENS.map((each) => {
        const Icon = ICONS[each];
        const Hint = HINTS[each];
        return (
          <a
            key={each}
            className={styles.link}
            href={hrefOf(each)}
            aria-current={each === screen ? 'page' : undefined}
            title={t.screens[each]}
          >
            <Icon size={17} />
            <span className={styles.name}>{t.screens[each]}</span>
            {Hint !== undefined && (
              <span className={styles.hint}>
                <Hint />
              </span>
            )}
          </a>
        );
      })}
      <footer className={styles.foot}>
        <Tools onShortcuts={onShortcuts} />
        <Facts />
      </footer>
    </nav>
  );
}
