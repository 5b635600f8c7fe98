/** The work a client gets and what it makes of it (SV2 5.3.15 to 5.3.17). A server is not trusted: counts and sizes are bounded. */
import { HEADER_SIZE } from '../../../bitcoin/block.ts';
import { concatBytes } from '../../../bitcoin/bytes.ts';
import { sha256d } from '../../../bitcoin/hash.ts';
import { rootFromPath } from '../../../bitcoin/merkle.ts';
import { difficultyOfTarget, hashToBigint } from '../../../bitcoin/target.ts';
import { SV2_VERSION_MASK } from '../messages.ts';

/** Future jobs of a channel that are kept; a server has a few at most. */
export const MAX_FUTURE_JOBS = 16;
/** Active jobs of a channel that are kept while they are valid. */
export const MAX_ACTIVE_JOBS = 64;

/** How the merkle root of a job comes about. */
export type Work =
  /** Header-only mining: it is given. */
  | { readonly kind: 'root'; readonly merkleRoot: Uint8Array }
  /** coinbase = prefix ‖ extranonce prefix ‖ extranonce ‖ suffix. */
  | {
      readonly kind: 'coinbase';
      readonly coinbasePrefix: Uint8Array;
      readonly coinbaseSuffix: Uint8Array;
      readonly merklePath: readonly Uint8Array[];
      readonly extranoncePrefix: Uint8Array;
    };

/** A job that waits for its `SetNewPrevHash`. */
export interface FutureJob {
  readonly id: number;
  readonly version: number;
  readonly versionRolling: boolean;
  readonly work: Work;
}

/** A job to work on. */
export interface ClientJob extends FutureJob {
  /** Internal byte order. */
  readonly previousHash: Uint8Array;
  readonly bits: number;
  /** Seconds: the least header time. */
  readonly minNtime: number;
  /** What its shares must meet; it keeps it (5.3.21). */
  readonly target: bigint;
}

/** What a miner varies. */
export interface Attempt {
  /** The client's part; empty on standard channels. */
  readonly extranonce: Uint8Array;
  readonly version: number;
  readonly ntime: number;
  readonly nonce: number;
}

/** Bits of the version that may differ from the job's. */
export function versionMaskOf(job: FutureJob): number {
  return job.versionRolling ? SV2_VERSION_MASK : 0;
}

/** The merkle root of the work with this extranonce, internal byte order. */
export function merkleRootOf(work: Work, extranonce: Uint8Array): Uint8Array {
  if (work.kind === 'root') return work.merkleRoot;
  const coinbase = concatBytes(work.coinbasePrefix, work.extranoncePrefix, extranonce, work.coinbaseSuffix);
  return rootFromPath(sha256d(coinbase), work.merklePath);
}

/** The 80 bytes of the header an attempt stands for. Its numbers must fit 32 bits: they are taken modulo 2^32. */
export function headerOf(job: ClientJob, attempt: Attempt): Uint8Array {
  const header = new Uint8Array(HEADER_SIZE);
  const view = new DataView(header.buffer);
  view.setUint32(0, attempt.version, true);
  header.set(job.previousHash, 4);
  header.set(merkleRootOf(job.work, attempt.extranonce), 36);
  view.setUint32(68, attempt.ntime, true);
  view.setUint32(72, job.bits, true);
  view.setUint32(76, attempt.nonce, true);
  return header;
}

/** What an attempt is worth. `difficulty` is what its hash reaches. */
export function weigh(
  job: ClientJob,
  attempt: Attempt,
): { readonly hash: Uint8Array; readonly difficulty: number; readonly isShare: boolean } {
  const hash = sha256d(headerOf(job, attempt));
  const value = hashToBigint(hash);
  return { hash, difficulty: difficultyOfTarget(value), isShare: value <= job.target };
}
