import type { HEADLINES } from '../core/api/schema.ts';
import type { NodeSnapshot } from '../services/node/index.ts';

export type Headline = (typeof HEADLINES)[number];

export interface HeadlineFacts {
  readonly stopping: boolean;
  readonly blockToAcknowledge: boolean;
  readonly node: NodeSnapshot;
  readonly payoutSet: boolean;
  readonly haveJob: boolean;
  /** Templates come: what the supervisor has not noticed yet does not matter to the machines. */
  readonly templatesCome: boolean;
  readonly minersConnected: number;
}

/**
 * The one state of the whole app, most urgent first; see `HEADLINES`. A node that is away while miners hold a job is
 * `degraded`: they go on hashing, but a new tip would not reach them.
 */
export function headlineOf(facts: HeadlineFacts): Headline {
  const { child, sync, problem } = facts.node;
  if (facts.stopping) return 'stopping';
  if (facts.blockToAcknowledge) return 'block';
  if (child.kind === 'failed' || (problem !== undefined && child.kind === 'stopped')) return 'nodeFailed';
  const away = child.kind !== 'ready' && !facts.templatesCome;
  if (away && facts.haveJob && facts.minersConnected > 0) return 'degraded';
  if (!facts.payoutSet) return 'setup';
  if (away) return 'nodeStarting';
  if (sync !== undefined && sync.stage !== 'synced') return 'syncing';
  if (!facts.haveJob) return 'nodeStarting';
  return facts.minersConnected > 0 ? 'mining' : 'waiting';
}
