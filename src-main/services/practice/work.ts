/** What a hashing thread and its owner say to each other. */
import type { ClientJob, ClientShare } from '../../core/stratum-v1/client.ts';
import type { HasherFiles } from './hasher.ts';

export interface WorkerSetup {
  readonly files: HasherFiles;
  /** Most hashes per second this thread makes; undefined: as many as it can. */
  readonly limit: number | undefined;
}

/** Work for one thread: its own part of the nonces of a job. */
export interface WorkOrder {
  readonly kind: 'work';
  /** Comes back with each share, so that those of an order given up are known. */
  readonly order: number;
  readonly job: ClientJob;
  readonly extranonce1: Uint8Array;
  readonly extranonce2Size: number;
  /** Where to start counting extranonce2. */
  readonly extranonce2Start: number;
  /** 32 bytes, little-endian. */
  readonly target: Uint8Array;
  readonly versionMask: number;
  /** Nonces from (included) and to (not included). */
  readonly nonceFrom: number;
  readonly nonceTo: number;
}

export type ToWorker = WorkOrder | { readonly kind: 'idle' } | { readonly kind: 'stop' };

export type FromWorker =
  | {
      readonly kind: 'ready';
      readonly hasher: 'addon' | 'wasm';
      readonly kernel: string;
      readonly note: string | undefined;
    }
  | { readonly kind: 'share'; readonly order: number; readonly share: ClientShare }
  /** Hashes since the last progress, and shares not sent because there were too many. */
  | { readonly kind: 'progress'; readonly hashes: number; readonly withheld: number };
