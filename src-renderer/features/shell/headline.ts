import type { NodeView, StateView } from '../../../src-main/core/api/schema.ts';
import { fmt, t } from '../../i18n/index.ts';
import type { Screen } from '../../stores/route.ts';
import type { Tone } from '../../ui/text.tsx';

export interface HeadlineView {
  readonly tone: Tone | 'gold';
  readonly title: string;
  readonly why: string;
  readonly button: { readonly label: string; readonly screen: Screen } | null;
}

export interface HeadlineFacts {
  readonly state: StateView;
  readonly node: Pick<NodeView, 'stage' | 'progress' | 'secondsLeft'> | undefined;
  /** H/s, the average of ten minutes. */
  readonly hashrate: number;
  /** The payout address as it may be shown. */
  readonly address: string;
}

const SCREEN_OF = { payout: 'settings', node: 'node', network: 'settings', miners: 'miners' } as const;

/** The state of the whole app in words: what, why, and at most one thing to do. Pure. */
export function headlineOf({ state, node, hashrate, address }: HeadlineFacts): HeadlineView {
  const words = t.headline;
  const { problem } = state;
  const fix =
    problem !== null && problem.action !== 'none'
      ? { label: words.actions[problem.action], screen: SCREEN_OF[problem.action] }
      : null;
  switch (state.headline) {
    case 'block':
      return {
        tone: 'gold',
        title: words.block.title,
        why: words.block.why(state.block === null ? '' : fmt.count(state.block.height)),
        button: { label: words.block.button, screen: 'blocks' },
      };
    case 'stopping':
      return { tone: 'idle', ...words.stopping, button: null };
    case 'nodeFailed':
      return {
        tone: 'bad',
        title: words.nodeFailed.title,
        why: problem?.message ?? words.nodeFailed.why,
        button: fix ?? { label: words.actions.node, screen: 'node' },
      };
    case 'degraded':
      return {
        tone: 'bad',
        title: words.degraded.title,
        why: problem?.message ?? words.degraded.why,
        button: fix,
      };
    case 'setup':
      return { tone: 'idle', ...words.setup, button: null };
    case 'nodeStarting':
      return { tone: 'busy', ...words.nodeStarting, button: null };
    case 'syncing': {
      const inBlocks = node?.stage === 'blocks';
      const seconds = node?.secondsLeft ?? null;
      const left = seconds === null ? null : fmt.span(seconds * 1000, 'long');
      return {
        tone: 'busy',
        title: words.syncing.title,
        why: inBlocks ? words.syncing.why(fmt.progress(node.progress), left) : words.syncing.headers,
        button: null,
      };
    }
    case 'waiting':
      return {
        tone: 'warn',
        title: words.waiting.title,
        why: words.waiting.why,
        button: { label: words.waiting.button, screen: 'miners' },
      };
    case 'mining':
      break;
  }
  const rate = fmt.join(fmt.hashrate(hashrate));
  const sharers = state.payout?.count ?? 0;
  return {
    tone: 'good',
    title: state.practice ? words.mining.practice : words.mining.title,
    why: sharers > 1 ? words.mining.whyMany(rate, sharers) : words.mining.why(rate, address),
    button: null,
  };
}
