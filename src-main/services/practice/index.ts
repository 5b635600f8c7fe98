/**
 * Practice: miners made of software, for a private regtest chain, signet and testnet4. Never on mainnet.
 * The CPU miner and proven simulated machines find real shares; unproven ones only look like machines on the wire.
 */
import { createHashingMiner, type MinerOptions, type PracticeMiner } from './miner.ts';

export { PracticeError, type PracticeErrorCode } from './errors.ts';
export {
  loadHasher,
  type Hasher,
  type HasherFiles,
  type Kernel,
  type ScanRequest,
  type ScanResult,
} from './hasher.ts';
export type { MinerOptions, PracticeMiner, PracticeShare, PracticeStats } from './miner.ts';
export { practiceTarget, type PaceOptions } from './pace.ts';
export { MODELS, MOST_PROVEN_HASHRATE, createSimulatedMiner } from './simulated.ts';
export type { Model, ModelName, SimulatedMiner, SimulatedMinerOptions } from './simulated.ts';
export { createSv1Client } from './sv1-client.ts';
export type {
  Assignment,
  ClientState,
  ServerAddress,
  Sv1Client,
  Sv1ClientOptions,
  SubmitReply,
} from './sv1-client.ts';
export { PRACTICE_SCRIPT, createTraffic, type Traffic, type TrafficOptions } from './traffic.ts';

export interface CpuMinerOptions extends Omit<MinerOptions, 'userAgent' | 'versionMask'> {
  /** Hashing threads; 0: half the cores. Threads run at the lowest priority the system gives. */
  readonly threads: number;
  /** Default "adit-cpu/1". */
  readonly userAgent?: string;
}

export type CpuMiner = PracticeMiner;

/**
 * The CPU miner: speaks Stratum V1 over TCP like any machine. Throws `PracticeError` "mainnet" or "range".
 * A thread leaves its work within a few milliseconds of a new job.
 */
export function createCpuMiner(options: CpuMinerOptions): CpuMiner {
  return createHashingMiner({ userAgent: 'adit-cpu/1', ...options });
}
