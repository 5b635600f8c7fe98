import type { Network } from '../../core/bitcoin/network.ts';
import type { ChildState } from '../../core/supervision/machine.ts';

/** `other` is any program that answers as a node but is neither; it is accepted on regtest only. */
export type NodeFlavour = 'core' | 'knots' | 'other';
/** Where the binary came from, in the order they are tried. */
export type BinaryOrigin = 'named' | 'path' | 'bundled' | 'cache' | 'downloaded' | 'debian';

export interface NodeBinary {
  /** Absolute path of `bitcoin-node` or `bitcoind`. */
  readonly path: string;
  /** Words to put before the node's own arguments, when the program needs a loader (`ld-linux … --library-path … bitcoind`). */
  readonly launcher: readonly string[];
  readonly origin: BinaryOrigin;
  readonly flavour: NodeFlavour;
  /** As the program prints it, for example "v31.1.0" or "v29.3.knots20260508". */
  readonly version: string;
  /** Core's number, for example 310100. */
  readonly versionNumber: number;
  /** True when the program can serve the mining interface over IPC. */
  readonly ipc: boolean;
}

/** Sync as the node tells it. A stage is never guessed: `synced` only when the node says it is out of initial block download. */
export type SyncStage = 'starting' | 'preHeaders' | 'headers' | 'blocks' | 'synced';

export interface SyncStatus {
  readonly stage: SyncStage;
  /** 0..1 within the whole sync; below 1 until the node says so itself. */
  readonly progress: number;
  readonly secondsLeft: number | undefined;
  readonly blocks: number;
  readonly headers: number;
  readonly bestHash: string;
  readonly tipTime: number | undefined;
  readonly difficulty: number;
  readonly peers: { readonly inbound: number; readonly outbound: number; readonly onion: number };
  readonly mempool: { readonly transactions: number; readonly bytes: number };
  readonly diskBytes: number;
  readonly pruned: boolean;
  /** The node's own words when something is wrong with it or its clock. */
  readonly warnings: readonly string[];
}

export interface NodeSnapshot {
  readonly child: ChildState;
  readonly network: Network;
  readonly dataDir: string;
  readonly binary: NodeBinary | undefined;
  readonly sync: SyncStatus | undefined;
  /** What to do when the node can't run: plain words, at most one next step. */
  readonly problem: { readonly code: string; readonly message: string; readonly advice: string } | undefined;
}

export interface RpcCallOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** JSON-RPC to the node. Errors are `RpcError` (the node answered with an error) or `RpcUnreachable` (it did not answer). */
export interface NodeRpc {
  call(method: string, params?: readonly unknown[], options?: RpcCallOptions): Promise<unknown>;
}

export interface NodeService {
  snapshot(): NodeSnapshot;
  /** Calls `listener` on every change (coalesced); returns the way to stop it. */
  subscribe(listener: (snapshot: NodeSnapshot) => void): () => void;
  readonly rpc: NodeRpc;
  /** The last lines the node printed, oldest first. */
  log(): readonly string[];
  start(): Promise<void>;
  /** Asks the node to stop and resolves when its process has ended. Never kills a node that is flushing. */
  stop(): Promise<void>;
  restart(): Promise<void>;
}
