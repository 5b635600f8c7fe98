import { randomBytes } from 'node:crypto';
import { afterEach, expect, test } from 'vitest';
import type { Job } from '../../src-main/core/mining/types.ts';
import { createGateway, type Gateway, type ShareEvent } from '../../src-main/services/gateway/index.ts';
import { silentLog } from '../../src-main/services/log/index.ts';
import { MODELS, createCpuMiner, createSimulatedMiner } from '../../src-main/services/practice/index.ts';
import type { Upstream } from '../../src-main/services/upstream/types.ts';
import { easyJob } from '../fixtures/stratum-v1-job.ts';

/** Jobs by hand; each new one is a new tip. */
class HandUpstream implements Upstream {
  readonly kind = 'solo';
  readonly #jobs = new Map<number, Job>();
  readonly #listeners = new Set<(job: Job) => void>();
  #current: Job | undefined;
  readonly blocks: number[] = [];

  current(): Job | undefined {
    return this.#current;
  }
  job(id: number): Job | undefined {
    return this.#jobs.get(id);
  }
  isCurrentTip(job: Job): boolean {
    return job === this.#current;
  }
  onJob(listener: (job: Job) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
  blockFound(job: Job): void {
    this.blocks.push(job.id);
  }
  start(): void {}
  async stop(): Promise<void> {}

  give(id: number, change: Partial<Job> = {}): void {
    const now = Math.floor(Date.now() / 1_000);
    const job = easyJob({
      id,
      time: now,
      minTime: now - 3_600,
      previousHash: new Uint8Array(32).fill(id),
      cleanJobs: true,
      ...change,
    });
    this.#jobs.set(id, job);
    this.#current = job;
    for (const listener of this.#listeners) listener(job);
  }
}

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).toReversed()) await stop();
});

async function gatewayOn(
  upstream: Upstream,
  startDifficulty: number,
): Promise<{ gateway: Gateway; at: { host: string; port: number } }> {
  const gateway = createGateway({
    upstream,
    host: '127.0.0.1',
    port: 0,
    startDifficulty,
    // So many that the difficulty stays near where it starts for the short life of a test.
    sharesPerMinute: 1_200,
    clock: { now: Date.now },
    random: (bytes) => randomBytes(bytes),
    log: silentLog,
  });
  await gateway.start();
  stops.push(() => gateway.stop());
  const [at] = gateway.addresses();
  if (!at) throw new Error('the gateway has no address');
  return { gateway, at };
}

function shareWhere(gateway: Gateway, wanted: (event: ShareEvent) => boolean): Promise<ShareEvent> {
  return new Promise((resolve) => {
    const off = gateway.onShare((event) => {
      if (!wanted(event)) return;
      off();
      resolve(event);
    });
  });
}

test('CPU miner and simulated machine mine side by side on the gateway, over changes of the tip', async () => {
  const upstream = new HandUpstream();
  upstream.give(1);
  const { gateway, at } = await gatewayOn(upstream, 2 ** -12);
  const seen: ShareEvent[] = [];
  gateway.onShare((event) => seen.push(event));
  const cpu = createCpuMiner({ network: 'regtest', worker: 'practice.cpu', threads: 2 });
  const toy = createSimulatedMiner({
    network: 'regtest',
    worker: 'practice.toy',
    model: { ...MODELS.nerdMiner, suggestDifficulty: undefined },
    hashrate: 1_000_000,
  });
  stops.push(
    () => cpu.stop(),
    () => toy.stop(),
  );
  cpu.start(at);
  toy.start(at);
  for (let id = 2; id <= 4; id += 1) {
    await Promise.all(
      ['practice.cpu', 'practice.toy'].map((worker) =>
        shareWhere(
          gateway,
          (event) => event.worker === worker && event.outcome.kind === 'accepted' && event.jobId === id - 1,
        ),
      ),
    );
    if (id < 4) upstream.give(id);
  }
  // A share may cross a new job on the wire; nothing else may be wrong with one.
  const reasons = new Set(
    seen.map(({ outcome }) => (outcome.kind === 'rejected' ? outcome.reason : 'accepted')),
  );
  reasons.delete('stale');
  expect([...reasons]).toEqual(['accepted']);
  const names = gateway
    .miners()
    .map(({ worker, userAgent, versionRolling }) => ({ worker, userAgent, versionRolling }));
  expect(names).toHaveLength(2);
  expect(names).toContainEqual({ worker: 'practice.cpu', userAgent: 'adit-cpu/1', versionRolling: true });
  expect(names).toContainEqual({
    worker: 'practice.toy',
    userAgent: MODELS.nerdMiner.userAgent,
    versionRolling: false,
  });
});

test('a hash below the block target of the job reaches the upstream as a block', async () => {
  const upstream = new HandUpstream();
  upstream.give(1, { target: 1n << 238n });
  const { gateway, at } = await gatewayOn(upstream, 2 ** -14);
  const cpu = createCpuMiner({ network: 'regtest', worker: 'practice.cpu', threads: 1 });
  stops.push(() => cpu.stop());
  cpu.start(at);
  await shareWhere(gateway, (event) => event.outcome.kind === 'accepted' && event.outcome.block);
  expect(upstream.blocks[0]).toBe(1);
});
