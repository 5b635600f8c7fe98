import type { NodeView } from '../../../src-main/core/api/schema.ts';
import { t } from '../../i18n/index.ts';
import type { Tone } from '../../ui/text.tsx';

export function nodeTone(node: Pick<NodeView, 'phase' | 'stage'>): Tone {
  switch (node.phase) {
    case 'ready':
      return node.stage === 'synced' ? 'good' : 'busy';
    case 'starting':
    case 'warming':
      return 'busy';
    case 'stopped':
    case 'stopping':
      return 'idle';
    case 'backoff':
    case 'failed':
    default:
      return 'bad';
  }
}

const PROGRAMS: Readonly<Record<string, string>> = {
  core: 'Bitcoin Core',
  knots: 'Bitcoin Knots',
  other: 'Bitcoin node',
};

/** The node's program by the name people know, with its version; empty while none was found. */
export function programOf({ flavour, version }: Pick<NodeView, 'flavour' | 'version'>): string {
  const name = PROGRAMS[flavour] ?? flavour;
  return `${name} ${version.replace(/^v/, '').replace(/\.knots\d+$/, '')}`.trim();
}

/** Where the program was found, in words. */
export function originOf(origin: string): string {
  return t.node.origins[origin] ?? origin;
}

/** The node in a few words: what it does while it runs, else what keeps it from running. */
export function nodeWords(node: Pick<NodeView, 'phase' | 'stage'>): string {
  return node.phase === 'ready' ? t.node.stageWords[node.stage] : t.node.phases[node.phase];
}

/**
 * Progress from 0 to 1 as it may be shown: the node's own word while it checks blocks, headers by count, and 1 only when the
 * node itself says it is in step.
 */
export function shownProgress(node: Pick<NodeView, 'stage' | 'progress'>): number {
  if (node.stage === 'synced') return 1;
  return Math.min(0.999, Math.max(0, node.progress));
}
