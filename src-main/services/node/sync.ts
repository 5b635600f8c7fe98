import { z } from 'zod';
import { NETWORK } from '../../core/bitcoin/network.ts';
import type { Network } from '../../core/bitcoin/network.ts';
import type { ChildProblem } from '../../core/supervision/machine.ts';
import type { SyncStage, SyncStatus } from './types.ts';

const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const hash = z.string().regex(/^[0-9a-f]{64}$/);
const line = z.string().transform((text) => text.slice(0, 500));
/** A list from Core 28 on, one string before. */
const warnings = z
  .union([z.array(line).max(1_000), line])
  .transform((value) =>
    (typeof value === 'string' ? [value] : value).filter((text) => text !== '').slice(0, 10),
  );

/** `getblockchaininfo`: fields Adit reads; others may come and go. `time` of the tip is there from Core 23 on. */
export const blockchainInfo = z.looseObject({
  chain: z.string().max(20),
  blocks: count,
  headers: count,
  bestblockhash: hash,
  difficulty: z.number().positive(),
  time: count.optional(),
  mediantime: count,
  verificationprogress: z.number(),
  initialblockdownload: z.boolean(),
  size_on_disk: count,
  pruned: z.boolean(),
  warnings: warnings.optional(),
});
export const networkInfo = z.looseObject({
  version: count,
  subversion: z.string().max(256),
  connections_in: count,
  connections_out: count,
  networkactive: z.boolean().optional(),
  warnings: warnings.optional(),
});
export const peerInfo = z
  .array(
    z.looseObject({
      inbound: z.boolean(),
      /** Absent for a peer of an unknown kind. */
      network: z.string().max(40).optional(),
      /** Height of headers checked in the first pass of header download (BIP-less, Core 24); -1: none under way. */
      presynced_headers: z.number().int().optional(),
      synced_headers: z.number().int().optional(),
    }),
  )
  .max(5_000);
export const mempoolInfo = z.looseObject({ size: count, bytes: count });

/** Answers of one round of questions. */
export interface NodeAnswers {
  readonly blockchain: unknown;
  readonly network: unknown;
  readonly peers: unknown;
  readonly mempool: unknown;
  /** `getblockhash 0`. */
  readonly genesis: unknown;
}

/** What is kept between two rounds, for the time left. */
export interface SyncMemory {
  /** Samples of verification progress, oldest first; `at` in milliseconds. */
  readonly samples: readonly { readonly at: number; readonly progress: number }[];
}
export const NO_MEMORY: SyncMemory = { samples: [] };

export type SyncReading =
  | {
      readonly kind: 'status';
      readonly status: SyncStatus;
      readonly version: string;
      readonly memory: SyncMemory;
    }
  /** The node is on another chain than the one asked for. */
  | { readonly kind: 'wrongNetwork'; readonly problem: ChildProblem }
  /** An answer has not the shape Core documents; `reason` names the field. */
  | { readonly kind: 'absurd'; readonly reason: string };

/** The largest progress shown while the node has not said that it is done. */
const NEARLY = 0.9999;
/** So many blocks behind the best header, a node is catching up, also after initial download (it was off for an hour). */
const CATCHING_UP = 3;
const SAMPLE_EVERY_MS = 5_000;
const SAMPLE_SPAN_MS = 10 * 60_000;
const SAMPLE_MIN_MS = 30_000;
/** Beyond this a guess says nothing. */
const MAX_SECONDS_LEFT = 60 * 24 * 3600;

/**
 * Sync status from the node's own answers. Pure.
 *
 * `synced` only when `initialblockdownload` is false. The one exception is regtest, where it stays true until a block of
 * the last day: the chain is the user's own, so a node that has every block of it is synced, at height 0 too.
 *
 * @param now milliseconds since 1970
 */
export function readSync(
  network: Network,
  answers: NodeAnswers,
  memory: SyncMemory,
  now: number,
): SyncReading {
  const chain = blockchainInfo.safeParse(answers.blockchain);
  if (!chain.success) return absurd('getblockchaininfo', chain.error);
  const info = chain.data;
  const genesis = hash.safeParse(answers.genesis);
  if (!genesis.success) return absurd('getblockhash', genesis.error);
  const wrong = wrongNetwork(network, info.chain, genesis.data);
  if (wrong !== undefined) return wrong;
  const net = networkInfo.safeParse(answers.network);
  if (!net.success) return absurd('getnetworkinfo', net.error);
  const peers = peerInfo.safeParse(answers.peers);
  if (!peers.success) return absurd('getpeerinfo', peers.error);
  const pool = mempoolInfo.safeParse(answers.mempool);
  if (!pool.success) return absurd('getmempoolinfo', pool.error);

  const stage = stageOf(network, info, peers.data);
  const progress = stage === 'synced' ? 1 : Math.min(Math.max(finite(info.verificationprogress), 0), NEARLY);
  const next = stage === 'blocks' ? remember(memory, progress, now) : NO_MEMORY;
  const status: SyncStatus = {
    stage,
    progress,
    secondsLeft: stage === 'blocks' ? secondsLeft(next, progress) : undefined,
    blocks: info.blocks,
    headers: info.headers,
    bestHash: info.bestblockhash,
    tipTime: info.time ?? info.mediantime,
    difficulty: info.difficulty,
    peers: {
      inbound: net.data.connections_in,
      outbound: net.data.connections_out,
      onion: peers.data.filter((peer) => peer.network === 'onion').length,
    },
    mempool: { transactions: pool.data.size, bytes: pool.data.bytes },
    diskBytes: info.size_on_disk,
    pruned: info.pruned,
    warnings: [...new Set([...(info.warnings ?? []), ...(net.data.warnings ?? [])])],
  };
  return { kind: 'status', status, version: readableVersion(net.data.subversion), memory: next };
}

/** Whether the node is on the chain that was asked for, by its name and by its first block. */
function wrongNetwork(network: Network, chain: string, genesis: string): SyncReading | undefined {
  const expected = NETWORK[network];
  if (chain === expected.core && genesis === expected.genesis) return undefined;
  const advice = 'Choose another folder for the chain, or switch the network back. Nothing was mined on it.';
  const message =
    chain === expected.core
      ? `The node says it is on ${expected.core}, but its first block is not that of ${expected.core}.`
      : `The node is on "${chain}", not on ${expected.core}.`;
  return { kind: 'wrongNetwork', problem: { code: 'wrongNetwork', message, advice } };
}

function stageOf(
  network: Network,
  info: z.output<typeof blockchainInfo>,
  peers: z.output<typeof peerInfo>,
): SyncStage {
  const behind = info.headers - info.blocks;
  const catchingUp = behind > CATCHING_UP;
  if (network === 'regtest' ? behind <= 0 : !info.initialblockdownload && !catchingUp) return 'synced';
  if (!info.initialblockdownload) return 'blocks';
  // Headers come twice: once to see that the work is there, then to keep (Core 24, "headers presync").
  const presync = Math.max(-1, ...peers.map((peer) => peer.presynced_headers ?? -1));
  if (presync > info.headers) return 'preHeaders';
  // Blocks wait until the header chain has the minimum work of the release.
  return info.blocks === 0 ? 'headers' : 'blocks';
}

const finite = (value: number): number => (Number.isFinite(value) ? value : 0);

function remember(memory: SyncMemory, progress: number, now: number): SyncMemory {
  const last = memory.samples.at(-1);
  // A clock that was set back makes old samples meaningless.
  if (last !== undefined && now < last.at) return { samples: [{ at: now, progress }] };
  if (last !== undefined && now - last.at < SAMPLE_EVERY_MS) return memory;
  const recent = memory.samples.filter((sample) => now - sample.at <= SAMPLE_SPAN_MS);
  return { samples: [...recent, { at: now, progress }] };
}

/** From the mean speed of the last ten minutes, which smooths over slow and fast blocks. */
function secondsLeft(memory: SyncMemory, progress: number): number | undefined {
  const first = memory.samples[0];
  const last = memory.samples.at(-1);
  if (first === undefined || last === undefined || last.at - first.at < SAMPLE_MIN_MS) return undefined;
  const perSecond = (last.progress - first.progress) / ((last.at - first.at) / 1_000);
  if (perSecond <= 0) return undefined;
  const seconds = Math.ceil((1 - progress) / perSecond);
  return seconds <= MAX_SECONDS_LEFT ? seconds : undefined;
}

/** "/Satoshi:31.1.0/" → "31.1.0", "/Satoshi:29.3.0/Knots:20260508/" → "29.3.0 Knots:20260508". */
function readableVersion(subversion: string): string {
  const parts = subversion.split('/').filter((part) => part !== '');
  return parts.map((part) => part.replace(/^Satoshi:/, '')).join(' ') || subversion;
}

function absurd(method: string, error: z.ZodError): SyncReading {
  const issue = error.issues[0];
  const at = issue === undefined || issue.path.length === 0 ? 'the answer' : issue.path.join('.');
  return { kind: 'absurd', reason: `${method}: ${at}: ${issue?.message ?? 'not as expected'}` };
}
