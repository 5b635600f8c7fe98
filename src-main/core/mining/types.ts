/**
 * The values that flow through Adit: template, job, share. Plain data, no behaviour.
 *
 * Conventions, everywhere in `core` and `services`:
 * - A hash in a `Uint8Array` is in *internal* byte order (as SHA-256 gives it, as it stands in a header).
 *   A hash in a string is lower-case hex in *display* byte order (as explorers and RPC show it).
 * - Amounts are whole satoshi in a `number` (21e14 < 2^53). Weights are weight units.
 * - Times called `...At` are milliseconds since 1970 from the injected clock; `ntime` and other header times are seconds.
 * - Difficulty is "pdiff": 1 means target 0x00000000ffff0000…, one share per 2^32 hashes (65536/65535 of it, exactly).
 */

/** Where a template came from. `rpc` is getblocktemplate, `ipc` the node's Cap'n Proto mining interface. */
export type TemplateSourceKind = 'rpc' | 'ipc';

/** A transaction of a template as the node gave it. Its place in the array is its place in the block, after the coinbase. */
export interface TemplateTransaction {
  readonly txid: string;
  readonly wtxid: string;
  /** Serialised with witness (BIP144), lower-case hex: what goes into the block, byte for byte. */
  readonly hex: string;
  /** Base fee in sat. */
  readonly fee: number;
  readonly weight: number;
  readonly sigops: number;
  /** Places (from 0) of transactions in the same array that must come before this one. */
  readonly depends: readonly number[];
}

/** What miners need of a template; the transactions themselves stay with the `TemplateSource` that gave it. */
export interface Template {
  /** Unique for the life of the process, for example "rpc-17". */
  readonly id: string;
  readonly source: TemplateSourceKind;
  readonly height: number;
  readonly previousHash: Uint8Array;
  readonly version: number;
  /** Compact target ("nBits") as in the header. */
  readonly bits: number;
  /** The network's target for this block, from `bits`. */
  readonly target: bigint;
  /** The node's time for the header, and the least the chain allows (median time past + 1). Seconds. */
  readonly time: number;
  readonly minTime: number;
  /** Subsidy plus fees: the most the coinbase's outputs may add up to. sat. */
  readonly coinbaseValue: number;
  /** Sum of fees. sat. */
  readonly fees: number;
  /** Bytes the scriptSig must begin with (BIP34 height push), and what the chain demands beyond that. */
  readonly scriptSigPrefix: Uint8Array;
  readonly coinbaseVersion: number;
  readonly coinbaseSequence: number;
  readonly coinbaseLockTime: number;
  /** Outputs the coinbase must hold besides the payout: the witness commitment (BIP141), signet's solution. */
  readonly requiredOutputs: readonly { readonly value: number; readonly script: Uint8Array }[];
  /** BIP141 witness reserved value: 32 bytes; absent before segwit is active. */
  readonly witnessReserved: Uint8Array | undefined;
  /** Siblings of the coinbase from the leaf up, internal byte order. Empty when the coinbase is alone. */
  readonly merklePath: readonly Uint8Array[];
  readonly transactionCount: number;
  /** Weight of the transactions without coinbase and header; sigops likewise. */
  readonly weight: number;
  readonly sigops: number;
  /** True when the tip changed: jobs made from earlier templates of this source are stale. */
  readonly newTip: boolean;
  readonly receivedAt: number;
}

/** One share of the reward: a checked script and its part in parts per 10,000. All parts of a payout add up to 10,000. */
export interface Payout {
  readonly address: string;
  readonly script: Uint8Array;
  readonly basisPoints: number;
}

export interface JobOutput {
  readonly value: number;
  readonly script: Uint8Array;
  /** `payout` pays the user; `commitment` is BIP141's; `other` is demanded by the chain or put there by a pool. */
  readonly kind: 'payout' | 'commitment' | 'other';
  /** Address where the script has one on this network. */
  readonly address: string | undefined;
}

/**
 * Work for miners: a template with a coinbase of ours, cut open where the extranonce goes.
 * coinbase (without witness) = coinbasePrefix ‖ extranonce (extranonceSize bytes) ‖ coinbaseSuffix
 */
export interface Job {
  /** Counts up from 1 for the life of the process; SV1 shows it in hex. */
  readonly id: number;
  readonly templateId: string;
  readonly source: TemplateSourceKind;
  readonly height: number;
  readonly previousHash: Uint8Array;
  readonly version: number;
  readonly bits: number;
  readonly target: bigint;
  readonly time: number;
  readonly minTime: number;
  readonly coinbasePrefix: Uint8Array;
  readonly coinbaseSuffix: Uint8Array;
  readonly extranonceSize: number;
  readonly merklePath: readonly Uint8Array[];
  readonly outputs: readonly JobOutput[];
  readonly coinbaseValue: number;
  readonly fees: number;
  readonly transactionCount: number;
  /** Weight of the whole block: header, transaction count, coinbase and transactions. */
  readonly weight: number;
  readonly witnessReserved: Uint8Array | undefined;
  /** Coinbase tag as text, for the page. */
  readonly tag: string;
  /** True when every earlier job is stale (the tip moved). */
  readonly cleanJobs: boolean;
  readonly createdAt: number;
}

/** Bits of `version` a miner may roll (BIP320, BIP323). */
export const VERSION_ROLLING_MASK = 0x1fffe000;

/** What a miner found, once its own extranonce layers are joined. */
export interface Solution {
  readonly jobId: number;
  /** The whole extranonce: connection prefix ‖ what the miner rolled. */
  readonly extranonce: Uint8Array;
  readonly version: number;
  readonly ntime: number;
  readonly nonce: number;
}

/** Why a share was not accepted. */
export type RejectReason =
  'stale' | 'duplicate' | 'lowDifficulty' | 'unknownJob' | 'malformed' | 'unauthorized';
export const REJECT_REASONS: readonly RejectReason[] = [
  'stale',
  'duplicate',
  'lowDifficulty',
  'unknownJob',
  'malformed',
  'unauthorized',
];

/** A union the caller can't ignore. `difficulty` is the difficulty the hash itself reaches, not the assigned one. */
export type ShareOutcome =
  | { readonly kind: 'valid'; readonly hash: Uint8Array; readonly difficulty: number }
  | {
      readonly kind: 'blockFound';
      readonly hash: Uint8Array;
      readonly difficulty: number;
      readonly header: Uint8Array;
      readonly coinbase: Uint8Array;
    }
  | { readonly kind: 'rejected'; readonly reason: RejectReason; readonly detail: string };
