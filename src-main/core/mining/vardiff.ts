import { HASHES_PER_DIFFICULTY } from './odds.ts';

/**
 * Variable difficulty as two-sided CUSUM tests (Page, "Continuous inspection schemes", 1954) on the stream of shares.
 *
 * Shares come as a Poisson process. All figures are relative to the wanted rate: a machine at ratio 1 sends just what is
 * wanted. With powers of two the best difficulty leaves a ratio between 1/sqrt(2) and sqrt(2), so these two are "fine"; a
 * test gathers evidence (a log-likelihood ratio) for "too fast" or "too slow" against them, forgets it when it points the
 * other way, and rings at a threshold. How long a fine machine goes without a false alarm grows exponentially with it, how long a
 * real change takes to be seen only linearly: that is what keeps it calm and quick at once.
 */
const FINE_HIGH = Math.SQRT2;
const FINE_LOW = Math.SQRT1_2;
/** Two tests for each side: one sharp for a factor of two, one quick for large jumps. */
const ALTERNATIVES: readonly { readonly fine: number; readonly off: number; readonly sharp: boolean }[] = [
  { fine: FINE_HIGH, off: 2, sharp: true },
  { fine: FINE_HIGH, off: 8, sharp: false },
  { fine: FINE_LOW, off: 1 / 2, sharp: true },
  { fine: FINE_LOW, off: 1 / 8, sharp: false },
];
/** The sharp tests begin with little evidence, while a machine is new and a wrong step of two is soon undone. */
const SHARP_NEW = 3;
const SHARP_KNOWN = 8;
/** The quick tests may never err often: six shares in a row are enough for them, or 17 times the wanted wait in silence. */
const QUICK = 10;
/** Of a machine that has never sent anything, nothing is known: silence counts for more, at first. */
const QUICK_UNHEARD = 3;
/** A machine begins to count as known after so many times the wanted wait between two shares, and is after so many more. */
const WAITS_NEW = 45;
const WAITS_KNOWN = 90;
/** A change by this factor or more means: everything known about the machine is old. */
const FACTOR_TO_FORGET = 8;
/**
 * A high rate is believed only after so long, or with so many shares: many machines send what they found during a stall in
 * one go, and from six shares alone the next difficulty would be a guess.
 */
const MEASURE_MS = 10_000;
const MEASURE_FLOOD = { shares: 64, msNew: 100, msKnown: 1_000 } as const;
const MEASURE_NEW = { shares: 16, ms: 1_000 } as const;
/**
 * What silence lowers the difficulty by: two quick steps find most machines; then it goes slowly, because a large machine
 * may be tuning its chips for minutes and would flood us when it begins.
 */
const SILENT_QUICK_STEPS = [8, 64] as const;
const SILENT_STEP = 8;
/** A machine that was heard is paused rather than a thousand times slower: silence goes no further below its last share. */
const SILENT_MOST = 1_024;
/** A gap in the calls longer than this is a computer that slept, not a silent machine. */
const LONGEST_STEP_MS = 30_000;
/** A share found at a former, higher difficulty counts for at most so many. */
const MAX_WEIGHT = 4;

/** 2^-20 is about 400 H/s at six shares a minute; 2^48 is far above any network difficulty so far. */
export const LEAST_DIFFICULTY = 2 ** -20;
export const MOST_DIFFICULTY = 2 ** 48;

/** The nearest power of two on a logarithmic scale, between the least and the most. */
export function powerOfTwo(difficulty: number): number {
  return clamp(2 ** Math.round(Math.log2(difficulty)));
}

function powerOfTwoAbove(difficulty: number): number {
  return clamp(2 ** Math.ceil(Math.log2(difficulty)));
}

function clamp(difficulty: number): number {
  return Math.min(MOST_DIFFICULTY, Math.max(LEAST_DIFFICULTY, difficulty));
}

/** The power-of-two difficulty that gives a machine of this hashrate (H/s) the wanted shares per minute. */
export function difficultyOfHashrate(hashrate: number, sharesPerMinute = 6): number {
  return powerOfTwo((hashrate * 60) / sharesPerMinute / HASHES_PER_DIFFICULTY);
}

/** Evidence of one test, and what was seen since it was last at zero: where the change began, as far as can be told. */
interface Test {
  readonly sharp: boolean;
  readonly fine: number;
  readonly off: number;
  evidence: number;
  /** Weighed by difficulty, and as they came. */
  shares: number;
  count: number;
  ms: number;
}

export interface VardiffOptions {
  /** Difficulty to begin with; brought to the nearest power of two. */
  readonly initial: number;
  /** Milliseconds, from the same clock as every later `now`. */
  readonly now: number;
  /** Default 6. */
  readonly sharesPerMinute?: number;
  /** What the difficulty never goes below: see `leastDifficulty`. Default `LEAST_DIFFICULTY`. */
  readonly least?: number;
}

/**
 * The difficulty of one connection. Difficulties are powers of two; fractions only for machines too slow for 1. Holds no
 * clock: tell it of each accepted share (`share`) and call `tick` every few seconds (30 s at most), so that a machine that
 * sends nothing is seen too. Both give the new difficulty when it changes, else undefined. The new one must reach the
 * machine with the next job; until then shares at the old one may come and are weighed accordingly.
 */
export class Vardiff {
  readonly #sharesPerMs: number;
  readonly #least: number;
  #tests: Test[] = [];
  #difficulty: number;
  #minimum = LEAST_DIFFICULTY;
  #last: number;
  /** How long the machine has been heard near its difficulty. */
  #knownMs = 0;
  /** Steps down since the last share for silence alone. */
  #silentSteps = 0;
  /** Difficulty of the last share. */
  #heard: number | undefined;

  constructor(options: VardiffOptions) {
    const perMinute = options.sharesPerMinute ?? 6;
    if (!(perMinute > 0) || !Number.isFinite(perMinute))
      throw new RangeError(`Vardiff: ${perMinute} shares per minute`);
    if (!(options.initial > 0) || !Number.isFinite(options.initial))
      throw new RangeError(`Vardiff: difficulty ${options.initial}`);
    this.#sharesPerMs = perMinute / 60_000;
    this.#least = powerOfTwo(options.least ?? LEAST_DIFFICULTY);
    this.#difficulty = Math.max(this.#least, powerOfTwo(options.initial));
    this.#last = options.now;
    this.#restart();
  }

  get difficulty(): number {
    return this.#difficulty;
  }

  get minimum(): number {
    return this.#minimum;
  }

  /**
   * The least difficulty the machine asked for (`mining.configure` minimum-difficulty, `mining.suggest_difficulty`),
   * brought up to a power of two. Gives the new difficulty when the present one is below it. What is no positive number
   * is ignored.
   */
  setMinimum(difficulty: number): number | undefined {
    if (!(difficulty > 0) || !Number.isFinite(difficulty)) return undefined;
    this.#minimum = powerOfTwoAbove(difficulty);
    return this.#minimum > this.#difficulty ? this.#change(this.#minimum) : undefined;
  }

  /** An accepted share. @param difficulty what it was judged by, which may still be a former one. */
  share(now: number, difficulty: number): number | undefined {
    this.#advance(now);
    const weight = Math.min(MAX_WEIGHT, difficulty / this.#difficulty);
    if (!(weight > 0)) throw new RangeError(`Vardiff: a share of difficulty ${difficulty}`);
    this.#heard = difficulty;
    this.#silentSteps = 0;
    for (const test of this.#tests) {
      test.shares += weight;
      test.count += 1;
      test.evidence += weight * Math.log(test.off / test.fine);
    }
    return this.#judge();
  }

  /** Time passes without a share. */
  tick(now: number): number | undefined {
    this.#advance(now);
    return this.#judge();
  }

  #advance(now: number): void {
    const ms = Math.min(LONGEST_STEP_MS, Math.max(0, now - this.#last));
    this.#last = now;
    if (this.#heard !== undefined && this.#silentSteps === 0) this.#knownMs += ms;
    for (const test of this.#tests) {
      test.ms += ms;
      test.evidence -= ms * this.#sharesPerMs * (test.off - test.fine);
    }
  }

  #judge(): number | undefined {
    const waits = this.#knownMs * this.#sharesPerMs;
    const known = Math.min(1, Math.max(0, (waits - WAITS_NEW) / (WAITS_KNOWN - WAITS_NEW)));
    const sharp = SHARP_NEW + known * (SHARP_KNOWN - SHARP_NEW);
    const unheard = this.#silentSteps > 0 || this.#heard === undefined;
    const quick = unheard && this.#silentSteps < SILENT_QUICK_STEPS.length ? QUICK_UNHEARD : QUICK;
    let rang: Test | undefined;
    for (const test of this.#tests) {
      if (test.evidence <= 0) {
        test.evidence = 0;
        test.shares = 0;
        test.count = 0;
        test.ms = 0;
      } else if (test.evidence >= (test.sharp ? sharp : quick) && isMeasured(test, known)) {
        // Of two that ring for the same side, the quick one has seen the recent past.
        rang = test;
      }
    }
    if (rang === undefined) return undefined;

    let factor: number;
    let least = Math.max(this.#minimum, this.#least);
    if (rang.shares === 0) {
      factor = 1 / (SILENT_QUICK_STEPS[this.#silentSteps] ?? SILENT_STEP);
      this.#silentSteps += 1;
      if (this.#heard !== undefined) least = Math.max(least, powerOfTwo(this.#heard / SILENT_MOST));
    } else {
      const steps = Math.round(Math.log2(rang.shares / (rang.ms * this.#sharesPerMs)));
      // A sharp test that rang late has seen little more than a factor of two: no leaps from it.
      const most = rang.sharp && known === 1 ? 1 : Infinity;
      factor =
        rang.off > rang.fine
          ? 2 ** Math.min(most, Math.max(1, steps))
          : 2 ** -Math.min(most, Math.max(1, -steps));
    }
    // Never up for silence: the last share may have been at a former, higher difficulty.
    const wanted =
      rang.off < rang.fine
        ? Math.min(this.#difficulty, Math.max(least, this.#difficulty * factor))
        : clamp(this.#difficulty * factor);
    if (wanted === this.#difficulty) {
      // At the end of the range: nothing to change, and nothing to remember either.
      this.#restart();
      return undefined;
    }
    return this.#change(wanted);
  }

  #change(difficulty: number): number {
    const factor = difficulty / this.#difficulty;
    if (factor >= FACTOR_TO_FORGET || factor <= 1 / FACTOR_TO_FORGET) this.#knownMs = 0;
    this.#difficulty = difficulty;
    this.#restart();
    return difficulty;
  }

  #restart(): void {
    this.#tests = ALTERNATIVES.map((alternative) => ({
      ...alternative,
      evidence: 0,
      shares: 0,
      count: 0,
      ms: 0,
    }));
  }
}

function isMeasured(test: Test, known: number): boolean {
  if (test.off < test.fine || test.ms >= MEASURE_MS) return true;
  if (
    test.count >= MEASURE_FLOOD.shares &&
    test.ms >= (known === 0 ? MEASURE_FLOOD.msNew : MEASURE_FLOOD.msKnown)
  )
    return true;
  return known === 0 && test.count >= MEASURE_NEW.shares && test.ms >= MEASURE_NEW.ms;
}

/**
 * Hashrates by the name a machine gives in `mining.subscribe` (H/s, the slow end of the family): too low a start costs a
 * few extra shares for a second, too high a start costs a minute of silence. First match counts.
 */
const FAMILIES: readonly (readonly [name: RegExp, hashrate: number])[] = [
  // ESP32 and other toys: 50 to 1,000 kH/s.
  [
    /nerd ?miner|han_solo|nmminer|esp32|bitsyminer|leafminer|sparkminer|heliosminer|luckyminer\/v1|jingleminer|mviiiax/i,
    50e3,
  ],
  // Rented and gathered hashrate: rarely less than a big machine.
  [/nicehash|miningrigrentals|mrr-hash/i, 50e12],
  // Multi-chip home boards.
  [/nerdoctaxe|nerdhaxe|nerdqx|nerdeko|zyber/i, 2e12],
  [/nerdqaxe|bitforge|gekkoaxe-gt/i, 1.5e12],
  // Single-chip boards by their chip.
  [/bm1397/i, 250e9],
  [/bm1366|bm1368/i, 400e9],
  [/bm137\d/i, 800e9],
  [/bitaxe|nerdaxe|nmaxe|gekkoaxe|luckyminer|magicminer|nerdnos|disruptor|bitdsk|forgeminer|axeos/i, 300e9],
  [/compac|gekko/i, 100e9],
  // Industrial machines.
  [/antminer (?:s2[1-9]|t2[1-9]|s3\d)/i, 150e12],
  [/antminer (?:s19|t19)/i, 60e12],
  [/antminer s9|am1-s9/i, 8e12],
  [
    /antminer|luxminer|bosminer|boser|vnish|xminer|whatsminer|btminer|sm-miner|auradine|fluxos|\bepic\b|\bproto\b/i,
    30e12,
  ],
  [/bmminer/i, 8e12],
  [/avalon/i, 3e12],
  // Software.
  [/cpuminer|cpu-miner|ccminer|sgminer|adit/i, 1e6],
  // One name for everything from a USB stick to an Avalon.
  [/cgminer|bfgminer/i, 10e9],
];
/** Unknown: between the toys and the boards, a few silent steps from the one and a few seconds from the other. */
const UNKNOWN_HASHRATE = 1e9;

/** The slowest ASIC in the table is far above this, the fastest computer far below. */
const ASIC_HASHRATE = 5e9;

function hashrateOf(userAgent: string): number | undefined {
  const name = userAgent.slice(0, 200);
  return FAMILIES.find(([pattern]) => pattern.test(name))?.[1];
}

/**
 * A power-of-two difficulty to begin with, from the user agent of `mining.subscribe` (hostile text: only matched).
 * @param sharesPerMinute as in `VardiffOptions`.
 */
export function initialDifficulty(userAgent: string, sharesPerMinute = 6): number {
  return difficultyOfHashrate(hashrateOf(userAgent) ?? UNKNOWN_HASHRATE, sharesPerMinute);
}

/**
 * What the difficulty of a machine of this name need never go below, for `VardiffOptions.least`: ASICs that are paused or
 * still starting stay silent for long, and many of their firmwares misread fractions. Nothing is held against unknown names.
 */
export function leastDifficulty(userAgent: string, sharesPerMinute = 6): number {
  const hashrate = hashrateOf(userAgent);
  if (hashrate === undefined || hashrate < ASIC_HASHRATE) return LEAST_DIFFICULTY;
  return Math.max(1, difficultyOfHashrate(hashrate, sharesPerMinute) / SILENT_MOST);
}
