import type { RejectReason } from '../../core/mining/types.ts';

/** What the gateway tells the engine of each share, after the reply is on its way. */
export interface ShareEvent {
  readonly at: number;
  readonly minerId: string;
  readonly worker: string;
  readonly userAgent: string;
  readonly jobId: number | undefined;
  /** The difficulty the share was judged by: its worth as work. */
  readonly assignedDifficulty: number;
  readonly outcome:
    | {
        readonly kind: 'accepted';
        readonly difficulty: number;
        readonly block: boolean;
        readonly hash: string;
      }
    | { readonly kind: 'rejected'; readonly reason: RejectReason };
}

/** One machine as the gateway sees it. A machine keeps its id over reconnects: same worker name and same address. */
export interface MinerView {
  readonly id: string;
  readonly worker: string;
  readonly userAgent: string;
  /** IP address it connects from, without port. */
  readonly remote: string;
  readonly protocol: 'sv1' | 'sv2';
  readonly connectedAt: number | undefined;
  readonly connections: number;
  readonly difficulty: number;
  readonly versionRolling: boolean;
  readonly lastShareAt: number | undefined;
}

export interface GatewayAddress {
  readonly host: string;
  readonly port: number;
}

export interface Gateway {
  /** Resolves when it listens; rejects with a `GatewayError` that says what to do (port taken, no right to it). */
  start(): Promise<void>;
  stop(): Promise<void>;
  addresses(): readonly GatewayAddress[];
  miners(): readonly MinerView[];
  onShare(listener: (event: ShareEvent) => void): () => void;
  /** A machine came, went, or changed its name. */
  onMiners(listener: () => void): () => void;
  /** Something an operator should hear of: a limit reached, a peer dropped for abuse. */
  onNotice(
    listener: (notice: { readonly code: string; readonly remote: string; readonly detail: string }) => void,
  ): () => void;
  /** Milliseconds from `Upstream` giving the last clean job to its last byte being handed to the last socket. */
  lastFanOutMs(): number | undefined;
}
