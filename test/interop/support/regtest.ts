/** The whole engine on a real regtest node, with miners of others on its Stratum V2 port. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ApiClient, Topic, TopicName } from '../../../src-main/core/api/schema.ts';
import { createEngine } from '../../../src-main/engine.ts';
import { silentLog } from '../../../src-main/services/log/index.ts';
import type { Program } from './process.ts';
import type { Served } from './served.ts';
import { until } from './wait.ts';

/** A program that mines, and how to end it and what stands behind it. */
export interface Mining {
  readonly program: Program;
  stop(): Promise<void>;
}

const START_MS = 60_000;
const BLOCK_MS = 90_000;

function latest<N extends TopicName>(api: ApiClient, topic: N): () => Topic<N> | undefined {
  let state: Topic<N> | undefined;
  api.watch(topic, (next) => (state = next));
  return () => state;
}

/** Starts node and engine, lets a program mine on it, and waits for a block of this worker in the node's chain. */
export async function mineRegtestBlock(
  worker: string,
  start: (server: Pick<Served, 'port' | 'authority'>) => Promise<Mining>,
): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'adit-interop-engine-'));
  const engine = await createEngine({
    version: '0.0.0',
    dataDir: folder,
    practice: true,
    log: silentLog,
    overrides: { sv1Port: 0, sv2Port: 0 },
  });
  const api = engine.client();
  let mining: Mining | undefined;
  try {
    const connection = latest(api, 'connection');
    const blocks = latest(api, 'blocks');
    const miners = latest(api, 'miners');
    const events = latest(api, 'events');
    const told = (): string =>
      Object.values(events() ?? {})
        .slice(-10)
        .map((event) => JSON.stringify(event))
        .join('\n');
    await engine.start();
    const endpoint = () => connection()?.endpoints.find(({ protocol }) => protocol === 'sv2');
    await until(
      () => `a Stratum V2 port: ${JSON.stringify(connection())}`,
      () => endpoint() !== undefined,
      START_MS,
    );
    const { port = 0, authorityKey } = endpoint() ?? {};
    mining = await start({ port, authority: authorityKey ?? '' });
    const { program } = mining;
    const found = () =>
      Object.values(blocks() ?? {}).find(
        (block) => block.worker === worker && block.status === 'onChain' && block.confirmations > 0,
      );
    const seen = (): string =>
      `a block of ${worker}: ${JSON.stringify(Object.values(miners() ?? {}))}\n${told()}\n${program.words}`;
    await until(seen, () => found() !== undefined || !program.running, BLOCK_MS);
    if (!program.running) throw new Error(seen());
    const row = Object.values(miners() ?? {}).find((miner) => miner.worker === worker);
    return `block ${found()?.height} of ${worker} is in the chain; ${row?.protocol ?? 'not listed'}`;
  } finally {
    await mining?.stop();
    api.close();
    await engine.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}
