import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseUrl } from './arguments.ts';
import { figure, type Figure } from './figure.ts';
import { runLoad } from './load.ts';
import { threadSeconds } from './process-figures.ts';
import { endChild } from './servers.ts';
import { median } from './statistics.ts';

const HEADLESS = fileURLToPath(new URL('../../src-main/headless/main.ts', import.meta.url));
const EVENT_MS = 120_000;

const MINERS = 20;
const IDLE_SECONDS = 40;
/** Every machine's shares, 4,096 hashes each: what is to be measured is not here but in the engine. */
const DIFFICULTY = 2 ** -20;

interface Event {
  readonly event: string;
  readonly url?: string;
  /** Milliseconds since the process was started. */
  readonly after: number;
}

type Say = (line: string) => void;

/** `npm run practice` in a new data folder, and the events it tells. */
export class PracticeRun {
  readonly #began = performance.now();
  readonly #folder = mkdtempSync(join(tmpdir(), 'adit-bench-practice-'));
  readonly #child: ChildProcess;
  readonly #events: Event[] = [];
  readonly #listeners = new Set<() => void>();
  #ended = '';

  constructor(...args: string[]) {
    const flags = [
      '--disable-warning=ExperimentalWarning',
      HEADLESS,
      '--practice',
      '--json',
      '--data',
      this.#folder,
    ];
    const child = spawn(process.execPath, [...flags, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#child = child;
    createInterface({ input: child.stdout }).on('line', (line) => {
      const { event, url } = JSON.parse(line) as Event;
      this.#events.push({ event, url, after: performance.now() - this.#began });
      for (const listener of this.#listeners) listener();
    });
    child.on('exit', (code) => {
      this.#ended = `Adit ended with ${code}`;
      for (const listener of this.#listeners) listener();
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** The first event of this name. */
  async event(name: string): Promise<Event> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => settle(new Error(`no event "${name}" in time`)), EVENT_MS);
      const settle = (result: Event | Error): void => {
        clearTimeout(timer);
        this.#listeners.delete(look);
        if (result instanceof Error) reject(result);
        else resolve(result);
      };
      const look = (): void => {
        const found = this.#events.find(({ event }) => event === name);
        if (found !== undefined) settle(found);
        else if (this.#ended !== '') settle(new Error(this.#ended));
      };
      this.#listeners.add(look);
      look();
    });
  }

  /** Asks it to end, as Ctrl+C does, and waits: it stops its node first. */
  async stop(): Promise<void> {
    await endChild(this.#child, 30_000);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** From the start of the process until miners can connect, and until the first block is on the chain. */
export async function benchStart(rounds: number, say: Say): Promise<Figure[]> {
  const starts: number[] = [];
  const blocks: number[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    const run = new PracticeRun('--no-page');
    try {
      starts.push((await run.event('stratum')).after / 1_000);
      blocks.push((await run.event('block')).after / 1_000);
    } finally {
      await run.stop();
    }
  }
  say(`start: ${JSON.stringify({ starts, blocks })}`);
  return [figure('practice.first-block', 's', median(blocks)), figure('engine.start', 's', median(starts))];
}

/**
 * The engine's processor time with 20 machines that send their shares, while nobody looks at the page. A practice run, so its
 * blocks and transactions are in it; the threads that hash are not.
 */
export async function benchIdle(rounds: number, say: Say): Promise<Figure[]> {
  if (process.platform !== 'linux') {
    say('engine.idle-cpu.20-miners: left out: the time of single threads is read from /proc, which is Linux');
    return [];
  }
  const shares: number[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    const run = new PracticeRun('--no-page', '--threads', '1');
    try {
      const { url = '' } = await run.event('stratum');
      await run.event('block');
      let used = 0;
      let seconds = 0;
      await runLoad({
        ...parseUrl(url),
        host: '127.0.0.1',
        user: 'bench',
        miners: MINERS,
        seconds: IDLE_SECONDS,
        sharesPerMinute: 6,
        suggestDifficulty: DIFFICULTY,
        onPhase: (phase) => {
          if (phase !== 'steady') return;
          // Once at its beginning, once at its end.
          used = engineSeconds(run.pid) - used;
          seconds = performance.now() / 1_000 - seconds;
        },
      });
      shares.push((100 * used) / seconds);
    } finally {
      await run.stop();
    }
  }
  say(`idle: ${JSON.stringify(shares)}`);
  return [figure('engine.idle-cpu.20-miners', '% of a core', median(shares))];
}

/** Processor time of all threads but the busiest one besides the main thread: in practice with one thread that one hashes. */
function engineSeconds(pid: number): number {
  const threads = [...threadSeconds(pid)];
  const others = threads.filter(([id]) => Number(id) !== pid).map(([, { seconds }]) => seconds);
  const sum = threads.reduce((total, [, { seconds }]) => total + seconds, 0);
  return sum - Math.max(0, ...others);
}
