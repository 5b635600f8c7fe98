import type { StateView, TotalsView } from '../core/api/schema.ts';
import type { EngineState } from './engine-host.ts';

const UNITS = ['H/s', 'kH/s', 'MH/s', 'GH/s', 'TH/s', 'PH/s', 'EH/s'];

/** A hashrate in three figures, for example "3.20 TH/s". */
export function hashrateWords(rate: number): string {
  if (!(rate > 0)) return '0 H/s';
  const step = Math.min(Math.max(Math.floor(Math.log10(rate) / 3), 0), UNITS.length - 1);
  const value = rate / 1_000 ** step;
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${UNITS[step]}`;
}

const HEADLINES: Readonly<Record<StateView['headline'], string>> = {
  block: 'Block found!',
  stopping: 'Stopping: the node writes its state to disk',
  nodeFailed: 'The node cannot run: open Adit',
  degraded: 'Node away: miners hold the last job',
  setup: 'Set-up not finished: no payout address',
  nodeStarting: 'The node is starting',
  syncing: 'The node is syncing',
  waiting: 'Ready: no miner connected',
  mining: 'Mining solo',
};

/** The state of the whole app in a few words, for the tray and its tooltip. */
export function stateWords(
  engine: EngineState,
  state: StateView | undefined,
  totals: TotalsView | undefined,
): string {
  if (engine.kind === 'stopping') return HEADLINES.stopping;
  if (engine.kind === 'stopped') return 'Stopped';
  if (engine.kind === 'waiting') return 'The engine stopped and is started again';
  if (engine.kind === 'starting' || !state) return 'Starting';
  if (state.headline === 'block' && state.block) return `Block ${state.block.height} found!`;
  if (state.headline === 'mining') return `${HEADLINES.mining}: ${hashrateWords(totals?.hashrate.m10 ?? 0)}`;
  return HEADLINES[state.headline];
}
