import { HASHES_PER_DIFFICULTY } from '../../core/mining/odds.ts';
import { VERSION_ROLLING_MASK } from '../../core/mining/types.ts';
import type { ClientShare } from '../../core/stratum-v1/client.ts';
import { PracticeError } from './errors.ts';
import { Tally, createHashingMiner, refuseMainnet, type MinerOptions, type PracticeMiner } from './miner.ts';
import { createSv1Client, type Assignment } from './sv1-client.ts';

/** Up to this hashrate a simulated machine's shares are real: one thread makes them and has time to spare. H/s. */
export const MOST_PROVEN_HASHRATE = 2_000_000;
const LEAST_HASHRATE = 1;
const MOST_HASHRATE = 1e16;
/** Longest single wait of the share clock: timers end at 2^31 ms. */
const LONGEST_WAIT_MS = 60_000;

/** How a kind of machine shows itself on the wire. */
export interface Model {
  readonly userAgent: string;
  /** Asks for version rolling (BIP310). */
  readonly versionRolling: boolean;
  /** Sends `mining.suggest_difficulty`: the difficulty it asks for. */
  readonly suggestDifficulty: number | undefined;
  /** Usual hashrate, H/s. */
  readonly hashrate: number;
}

/** Machines as they meet a gateway. User agents as their firmware sends them. */
export const MODELS = {
  nerdMiner: {
    userAgent: 'NerdMinerV2/1.8.3',
    versionRolling: false,
    suggestDifficulty: 0.00015,
    hashrate: 78e3,
  },
  nmMiner: { userAgent: 'NMMiner/1.8.10', versionRolling: false, suggestDifficulty: 0.0014, hashrate: 1e6 },
  bitaxeGamma: {
    userAgent: 'bitaxe/BM1370/v2.15.0',
    versionRolling: true,
    suggestDifficulty: 1000,
    hashrate: 1.2e12,
  },
  antminerS9: {
    userAgent: 'bmminer/2.0.0',
    versionRolling: false,
    suggestDifficulty: undefined,
    hashrate: 13.5e12,
  },
  antminerS21: {
    userAgent: 'Antminer S21/cgminer 4.12.1',
    versionRolling: true,
    suggestDifficulty: undefined,
    hashrate: 200e12,
  },
} as const satisfies Record<string, Model>;
export type ModelName = keyof typeof MODELS;

export interface SimulatedMinerOptions extends Omit<
  MinerOptions,
  'userAgent' | 'versionMask' | 'suggestDifficulty'
> {
  readonly model: ModelName | Model;
  /** H/s; default: the model's own. */
  readonly hashrate?: number;
  /**
   * `proven` (default): every share has its proof of work, found by really hashing at `hashrate`; only up to
   * `MOST_PROVEN_HASHRATE`, else `PracticeError` "notBacked".
   * `unproven`: any hashrate; shares come at the right times (a Poisson process of the assigned difficulty) but have no
   * proof of work, so a real gateway refuses them as too low. For tests whose gateway has its share check replaced, and
   * for showing what a machine with broken chips looks like.
   */
  readonly shares?: 'proven' | 'unproven';
}

export type SimulatedMiner = Omit<PracticeMiner, 'setThreads'>;

/** A pretended machine of a chosen model and hashrate. Throws `PracticeError` "mainnet", "range" or "notBacked". */
export function createSimulatedMiner(options: SimulatedMinerOptions): SimulatedMiner {
  refuseMainnet(options.network);
  const model: Model = typeof options.model === 'string' ? MODELS[options.model] : options.model;
  const hashrate = options.hashrate ?? model.hashrate;
  if (!(hashrate >= LEAST_HASHRATE && hashrate <= MOST_HASHRATE)) {
    throw new PracticeError(
      'range',
      `hashrate is in H/s, from ${LEAST_HASHRATE} to ${MOST_HASHRATE}, not ${hashrate}`,
    );
  }
  const mine: MinerOptions = {
    ...options,
    userAgent: model.userAgent,
    versionMask: model.versionRolling ? VERSION_ROLLING_MASK : 0,
    suggestDifficulty: model.suggestDifficulty,
  };
  if (options.shares === 'unproven') return createUnprovenMiner(mine, hashrate);
  if (hashrate > MOST_PROVEN_HASHRATE) {
    throw new PracticeError(
      'notBacked',
      `No CPU can find the shares of a machine of ${hashrate} H/s. Choose at most ${MOST_PROVEN_HASHRATE} H/s, ` +
        "or shares: 'unproven' in a test whose gateway does not check them.",
    );
  }
  return createHashingMiner({ ...mine, threads: 1, limit: hashrate });
}

function createUnprovenMiner(options: MinerOptions, hashrate: number): SimulatedMiner {
  const now = options.now ?? Date.now;
  const random = options.random ?? Math.random;
  const tally = new Tally(now);
  let assignment: Assignment | undefined;
  let timer: NodeJS.Timeout | undefined;
  let due = 0;
  let counted = 0;

  const client = createSv1Client({
    ...options,
    random,
    onAssignment(next) {
      const again = assignment?.difficulty !== next.difficulty;
      if (!assignment) counted = now();
      assignment = next;
      // The process has no memory: only a new difficulty needs a new draw.
      if (again) draw();
    },
    onState(state, detail) {
      if (state === 'working') tally.begin();
      else {
        count();
        tally.rest();
        assignment = undefined;
        clearTimeout(timer);
      }
      tally.detail = state === 'waiting' ? detail : '';
      tally.states.tell(state, detail);
    },
  });

  /** Pretended hashes up to now. */
  function count(): void {
    if (!assignment) return;
    const at = now();
    tally.count((hashrate * (at - counted)) / 1_000);
    counted = at;
  }

  /** Time to the next share: exponentially distributed about difficulty · 2^32 / hashrate. */
  function draw(): void {
    if (!assignment) return;
    const mean = ((assignment.difficulty * HASHES_PER_DIFFICULTY) / hashrate) * 1_000;
    due = now() - Math.log(1 - random()) * mean;
    wait();
  }

  function wait(): void {
    clearTimeout(timer);
    timer = setTimeout(tick, Math.min(LONGEST_WAIT_MS, Math.max(0, due - now())));
  }

  function tick(): void {
    count();
    const at = assignment;
    if (!at) return;
    if (now() < due) {
      wait();
      return;
    }
    const word = (): number => Math.floor(random() * 2 ** 32);
    const share: ClientShare = {
      jobId: at.job.id,
      extranonce2: Uint8Array.from({ length: at.extranonce2Size }, () => Math.floor(random() * 256)),
      ntime: at.job.ntime,
      nonce: word(),
      versionBits: at.versionMask === 0 ? undefined : (word() & at.versionMask) >>> 0,
    };
    void client.submit(share).then((reply) => tally.answered(share, at.difficulty, reply));
    draw();
  }

  return {
    start(gateway) {
      client.start(gateway);
    },
    async stop() {
      clearTimeout(timer);
      await client.stop();
    },
    stats() {
      count();
      return {
        state: client.state(),
        detail: tally.detail,
        threads: 0,
        hashrate: tally.hashrate(),
        hashes: tally.hashes,
        difficulty: assignment?.difficulty,
        accepted: tally.accepted,
        rejected: tally.rejected,
        lost: tally.lost,
        stale: tally.stale,
        withheld: tally.withheld,
        lastShareAt: tally.lastShareAt,
        hasher: 'simulated',
      };
    },
    onShare: (listener) => tally.shares.add(listener),
    onState: (listener) => tally.states.add(listener),
  };
}
