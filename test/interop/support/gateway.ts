/** Our gateway's Stratum V2 listener, with jobs from here instead of a node. */
import { randomBytes } from 'node:crypto';
import type { Job } from '../../../src-main/core/mining/types.ts';
import {
  authorityPublicKey,
  createIdentity,
  encodeAuthorityKey,
} from '../../../src-main/core/stratum-v2/noise.ts';
import { createSv2Gateway, type ShareEvent } from '../../../src-main/services/gateway/index.ts';
import { silentLog } from '../../../src-main/services/log/index.ts';
import type { Upstream } from '../../../src-main/services/upstream/index.ts';
import { START_DIFFICULTY, SHARES_PER_MINUTE } from './pace.ts';
import type { Served } from './served.ts';

const random = (length: number): Uint8Array => new Uint8Array(randomBytes(length));

/** Jobs as they are given; those of the newest tip count. */
class Jobs implements Upstream {
  readonly kind = 'solo';
  readonly #jobs = new Map<number, Job>();
  readonly #listeners = new Set<(job: Job) => void>();
  #current: Job;
  blocks = 0;

  constructor(job: Job) {
    this.#current = job;
    this.#jobs.set(job.id, job);
  }
  give(job: Job): void {
    this.#current = job;
    this.#jobs.set(job.id, job);
    for (const listener of this.#listeners) listener(job);
  }
  current(): Job {
    return this.#current;
  }
  onJob(listener: (job: Job) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
  job(id: number): Job | undefined {
    return this.#jobs.get(id);
  }
  isCurrentTip(job: Job): boolean {
    return Buffer.compare(job.previousHash, this.#current.previousHash) === 0;
  }
  blockFound(): void {
    this.blocks += 1;
  }
  start(): void {}
  async stop(): Promise<void> {}
}

export async function startGateway(job: Job): Promise<Served> {
  const secret = random(32);
  const now = Math.floor(Date.now() / 1_000);
  const identity = createIdentity({
    authoritySecretKey: secret,
    validFrom: now - 3_600,
    notValidAfter: now + 3_600,
    random,
  });
  const jobs = new Jobs(job);
  const gateway = createSv2Gateway({
    upstream: jobs,
    host: '127.0.0.1',
    port: 0,
    startDifficulty: START_DIFFICULTY,
    sharesPerMinute: SHARES_PER_MINUTE,
    clock: { now: Date.now },
    random,
    log: silentLog,
    identity: () => identity,
  });
  const shares: ShareEvent[] = [];
  const notices: string[] = [];
  gateway.onShare((share) => shares.push(share));
  gateway.onNotice(({ code, detail }) => notices.push(`${code}: ${detail}`));
  await gateway.start();
  const accepted = (of?: Job): ShareEvent[] =>
    shares.filter(
      ({ outcome, jobId }) => outcome.kind === 'accepted' && (of === undefined || jobId === of.id),
    );
  return {
    port: gateway.addresses()[0]?.port ?? 0,
    authority: encodeAuthorityKey(authorityPublicKey(secret)),
    newJob: (next) => jobs.give(next),
    accepted: (of) => accepted(of).length,
    blocks: () => jobs.blocks,
    rejected() {
      const counts: Record<string, number> = {};
      for (const { outcome } of shares)
        if (outcome.kind === 'rejected') counts[outcome.reason] = (counts[outcome.reason] ?? 0) + 1;
      return counts;
    },
    workers: () => [...new Set(accepted().map(({ worker }) => worker))],
    wrong: () => notices,
    stop: () => gateway.stop(),
  };
}
