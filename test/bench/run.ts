// `npm run bench`: every figure that can be measured here.
import { cpus, release, totalmem } from 'node:os';
import { bringTestNode, bringChromium } from '../machine.mjs';
import { ArgumentError, BENCH_HELP, readBenchArguments, type BenchArguments } from './arguments.ts';
import { table, type Figure } from './figure.ts';

interface Part {
  /** Names of its figures begin so. */
  readonly names: readonly string[];
  readonly needs: readonly ('node' | 'chromium')[];
  run(rounds: number, say: (line: string) => void): Promise<readonly Figure[]>;
}

const PARTS: readonly Part[] = [
  {
    names: ['cpu-miner.per-core'],
    needs: [],
    run: async (rounds) => (await import('./cpu-miner.ts')).benchCpuMiner({ rounds }),
  },
  {
    names: [
      'sv1.tip-to-last-notify.p99.1000',
      'sv1.submit-to-reply.p99.1000',
      'sv1.checked-shares',
      'sv1.memory-per-idle-miner',
    ],
    needs: ['node'],
    run: async (rounds, say) => (await import('./sv1.ts')).benchSv1(rounds, say),
  },
  {
    names: ['practice.first-block', 'engine.start'],
    needs: ['node'],
    run: async (rounds, say) => (await import('./engine.ts')).benchStart(rounds, say),
  },
  {
    names: ['engine.idle-cpu.20-miners'],
    needs: ['node'],
    run: async (rounds, say) => (await import('./engine.ts')).benchIdle(rounds, say),
  },
  {
    names: ['page.bundle'],
    needs: [],
    run: async (_rounds, say) => (await import('./page.ts')).benchBundle(say),
  },
  {
    names: ['page.first-paint'],
    needs: ['node', 'chromium'],
    run: async (rounds, say) => (await import('./page.ts')).benchFirstPaint(rounds, say),
  },
];

const say = (line: string): void => console.error(`bench: ${line}`);

/** What a part needs of the machine; the reason when it can't be had. */
const bring = {
  node: (): string | undefined => {
    const found = bringTestNode();
    if (!found.ok) return found.reason;
    process.env['ADIT_TEST_NODE'] = found.json;
    return undefined;
  },
  chromium: (): string | undefined => {
    const found = bringChromium();
    if (!found.ok) return found.reason;
    process.env['ADIT_TEST_CHROMIUM'] = found.path;
    return undefined;
  },
};

async function main({ json, only, rounds }: BenchArguments): Promise<void> {
  const wanted = (name: string): boolean => only.length === 0 || only.some((start) => name.startsWith(start));
  const parts = PARTS.filter(({ names }) => names.some(wanted));
  if (parts.length === 0)
    throw new ArgumentError(
      `--only fits no figure. There are: ${PARTS.flatMap(({ names }) => names).join(', ')}.`,
    );
  const figures: Figure[] = [];
  for (const part of parts) {
    const missing = part.needs.map((need) => bring[need]()).find((reason) => reason !== undefined);
    if (missing !== undefined) {
      say(`${part.names.join(', ')}: left out: ${missing}`);
      continue;
    }
    say(`${part.names.join(', ')} …`);
    try {
      figures.push(...(await part.run(rounds, say)).filter(({ name }) => wanted(name)));
    } catch (error) {
      say(`${part.names.join(', ')}: failed: ${error instanceof Error ? error.message : String(error)}`);
      process.exitCode = 1;
    }
  }
  const processors = cpus();
  const machine = `${processors[0]?.model.trim() ?? 'unknown'} × ${processors.length}, ${Math.round(totalmem() / 1e9)} GB, ${process.platform} ${release()} ${process.arch}, Node ${process.versions.node}`;
  console.log(
    json
      ? JSON.stringify({ machine, date: new Date().toISOString(), figures })
      : `${machine}\n${table(figures)}`,
  );
}

try {
  const options = readBenchArguments(process.argv.slice(2));
  if (options.help) console.log(BENCH_HELP);
  else await main(options);
} catch (error) {
  if (!(error instanceof ArgumentError)) throw error;
  console.error(`bench: ${error.message}`);
  process.exitCode = 2;
}
