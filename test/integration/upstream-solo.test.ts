import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { displayHash } from '../../src-main/core/bitcoin/bytes.ts';
import { serializeBlock } from '../../src-main/core/bitcoin/block.ts';
import { verifyJob } from '../../src-main/core/mining/job.ts';
import type { Job, Payout, Template } from '../../src-main/core/mining/types.ts';
import { silentLog } from '../../src-main/services/log/index.ts';
import {
  OLD_TIP_MS,
  TEMPLATES_KEPT,
  type SourceState,
  type TemplateSource,
} from '../../src-main/services/templates/index.ts';
import {
  JOBS_KEPT,
  createSoloUpstream,
  type FoundBlock,
  type SoloUpstream,
  type UpstreamProblem,
} from '../../src-main/services/upstream/index.ts';
import { PAYOUTS, findOn, hexOf, templateOf } from '../fixtures/found-block.ts';

/** A source that gives what the test tells it to. */
class FakeSource implements TemplateSource {
  readonly kind = 'rpc';
  readonly held = new Set<string>();
  readonly proposed: Uint8Array[] = [];
  verdict: () => Promise<{ valid: boolean; reason: string | undefined }> = () =>
    Promise.resolve({ valid: true, reason: undefined });
  #current: Template | undefined;
  #state: SourceState = { kind: 'running' };
  readonly #onTemplate = new Set<(template: Template) => void>();
  readonly #onState = new Set<(state: SourceState) => void>();
  #last = 0;

  give(height: number, tip: number): Template {
    const previousHash = new Uint8Array(32).fill(tip);
    this.#last += 1;
    const newTip = this.#current?.previousHash[0] !== tip;
    const template = templateOf(`t${this.#last}`, height, previousHash, newTip);
    this.pass(template);
    return template;
  }
  pass(template: Template): void {
    this.held.add(template.id);
    this.#current = template;
    for (const listener of this.#onTemplate) listener(template);
  }
  withdraw(): void {
    this.#current = undefined;
    this.setState({ kind: 'failed', reason: 'wrong', advice: '' });
  }
  setState(state: SourceState): void {
    this.#state = state;
    for (const listener of this.#onState) listener(state);
  }
  start(): void {}
  stop(): Promise<void> {
    return Promise.resolve();
  }
  state(): SourceState {
    return this.#state;
  }
  current(): Template | undefined {
    return this.#current;
  }
  onTemplate(listener: (template: Template) => void): () => void {
    this.#onTemplate.add(listener);
    return () => this.#onTemplate.delete(listener);
  }
  onState(listener: (state: SourceState) => void): () => void {
    this.#onState.add(listener);
    return () => this.#onState.delete(listener);
  }
  refresh(): Promise<void> {
    return Promise.resolve();
  }
  transactions(): Promise<undefined> {
    return Promise.resolve(undefined);
  }
  assemble({
    templateId,
    header,
    coinbase,
  }: Parameters<TemplateSource['assemble']>[0]): Uint8Array | undefined {
    return this.held.has(templateId) ? serializeBlock(header, coinbase, []) : undefined;
  }
  submit(): ReturnType<TemplateSource['submit']> {
    return Promise.reject(new Error('blocks go through the keeper'));
  }
  propose(block: Uint8Array): ReturnType<TemplateSource['propose']> {
    this.proposed.push(block);
    return this.verdict();
  }
}

const OTHER: readonly Payout[] = [
  {
    address: 'bcrt1qother',
    script: Uint8Array.of(0x00, 0x14, ...new Uint8Array(20).fill(9)),
    basisPoints: 10_000,
  },
];

let source: FakeSource;
let solo: SoloUpstream;
let payouts: readonly Payout[] | undefined;
let tag: string;
let jobs: Job[];
let found: FoundBlock[];
let calls: string[];
let problems: (UpstreamProblem | undefined)[];

beforeEach(() => {
  vi.useFakeTimers();
  source = new FakeSource();
  payouts = PAYOUTS;
  tag = '/one/';
  jobs = [];
  found = [];
  calls = [];
  problems = [];
  solo = createSoloUpstream({
    source,
    payouts: () => payouts,
    tag: () => tag,
    network: 'regtest',
    clock: Date,
    log: silentLog,
    keeper: {
      found: (block) => found.push(block),
      onTip: () => calls.push('tip'),
      onNodeReady: () => calls.push('ready'),
    },
    extranonceSize: 12,
    onProblem: (problem) => problems.push(problem),
  });
  solo.onJob((job) => jobs.push(job));
});
afterEach(async () => {
  await solo.stop();
  vi.useRealTimers();
});

describe('jobs', () => {
  it('are made of the template there is, and of each that comes, paying the user', () => {
    source.give(10, 1);
    solo.start();
    expect(jobs).toHaveLength(1);
    source.give(10, 1);
    source.give(11, 2);
    expect(jobs.map(({ id, height, cleanJobs }) => [id, height, cleanJobs])).toEqual([
      [1, 10, true],
      [2, 10, false],
      [3, 11, true],
    ]);
    for (const job of jobs) expect(verifyJob(job, PAYOUTS)).toEqual({ ok: true });
    expect(solo.current()).toBe(jobs[2]);
    expect(jobs.map((job) => solo.isCurrentTip(job))).toEqual([false, false, true]);
    expect(calls).toEqual(['tip', 'tip']);
  });

  it('are none without a payout', () => {
    payouts = undefined;
    solo.start();
    source.give(10, 1);
    payouts = [];
    source.give(11, 2);
    expect(jobs).toEqual([]);
    expect(solo.current()).toBeUndefined();
    payouts = PAYOUTS;
    solo.rebuild();
    expect(jobs).toHaveLength(1);
    expect(jobs[0]).toMatchObject({ height: 11, cleanJobs: true });
    payouts = undefined;
    solo.rebuild();
    expect(solo.current()).toBeUndefined();
  });

  it('end at once for a payout that was replaced', () => {
    solo.start();
    source.give(10, 1);
    payouts = OTHER;
    tag = '/two/';
    solo.rebuild();
    expect(jobs).toHaveLength(2);
    expect(jobs[1]).toMatchObject({ cleanJobs: true, templateId: jobs[0]?.templateId, tag: '/two/' });
    expect(verifyJob(jobs[1] as Job, OTHER)).toEqual({ ok: true });
    expect(verifyJob(jobs[1] as Job, PAYOUTS)).toMatchObject({ ok: false });
    // Its shares count no less, and a block found on it belongs to who was chosen then.
    expect(solo.job(1)).toBe(jobs[0]);
  });

  it('can be named while they may come back: the last 64 of the tip', () => {
    solo.start();
    source.give(10, 1);
    for (let n = 0; n < JOBS_KEPT; n += 1) solo.rebuild();
    expect(solo.job(1)).toBeUndefined();
    expect(solo.job(2)).toBe(jobs[1]);
    expect(solo.job(JOBS_KEPT + 1)).toBe(jobs.at(-1));
    expect(solo.job(JOBS_KEPT + 2)).toBeUndefined();
  });

  it('of a tip that is gone can be named for a minute', () => {
    solo.start();
    source.give(10, 1);
    source.give(11, 2);
    vi.advanceTimersByTime(OLD_TIP_MS - 1);
    expect(solo.job(1)).toBe(jobs[0]);
    vi.advanceTimersByTime(1);
    expect(solo.job(1)).toBeUndefined();
    expect(solo.job(2)).toBe(jobs[1]);
  });

  it('never outlive their template', () => {
    solo.start();
    for (let n = 0; n <= TEMPLATES_KEPT; n += 1) source.give(10, 1);
    expect(solo.job(1)).toBeUndefined();
    expect(solo.job(2)).toBe(jobs[1]);
  });

  it('stay as they are while the node is away, and end when a template is withdrawn', () => {
    solo.start();
    source.give(10, 1);
    source.setState({ kind: 'waiting', reason: 'away' });
    expect(solo.current()).toBe(jobs[0]);
    source.setState({ kind: 'running' });
    expect(calls).toEqual(['tip', 'ready']);
    source.withdraw();
    expect(solo.current()).toBeUndefined();
  });

  it('come no more once stopped', async () => {
    solo.start();
    source.give(10, 1);
    await solo.stop();
    source.give(11, 2);
    solo.rebuild();
    expect(jobs).toHaveLength(1);
    expect(solo.current()).toBeUndefined();
    expect(solo.job(1)).toBe(jobs[0]);
  });

  it('a listener that fails does not keep the others from theirs', () => {
    const seen: Job[] = [];
    solo.onJob(() => {
      throw new Error('broken');
    });
    solo.onJob((job) => seen.push(job));
    solo.start();
    source.give(10, 1);
    expect(seen).toEqual(jobs);
  });
});

describe('a template no job can be made of', () => {
  it('is told loudly; on the same tip the last job goes on', () => {
    solo.start();
    source.give(10, 1);
    source.pass({ ...templateOf('bad', 10, new Uint8Array(32).fill(1), false), coinbaseValue: -1 });
    expect(problems).toMatchObject([{ code: 'jobFailed' }]);
    expect(solo.current()).toBe(jobs[0]);
    source.give(10, 1);
    expect(problems.at(-1)).toBeUndefined();
    expect(jobs).toHaveLength(2);
  });

  it('on a new tip, or for a new payout, leaves no job', () => {
    solo.start();
    source.give(10, 1);
    payouts = [{ ...(PAYOUTS[0] as Payout), basisPoints: 5_000 }];
    solo.rebuild();
    expect(solo.current()).toBeUndefined();
    expect(problems).toMatchObject([{ code: 'jobFailed', advice: 'Check the payout addresses.' }]);
    payouts = PAYOUTS;
    solo.rebuild();
    expect(jobs.at(-1)?.cleanJobs).toBe(true);
    source.pass({ ...templateOf('bad', 11, new Uint8Array(32).fill(2)), coinbaseValue: -1 });
    expect(solo.current()).toBeUndefined();
  });
});

describe('the check of the job by the node', () => {
  const pass = (): Promise<unknown> => vi.advanceTimersByTimeAsync(2_000);

  it('is made once for each payout and tag, with a block without work', async () => {
    solo.start();
    source.give(10, 1);
    await pass();
    expect(source.proposed).toHaveLength(1);
    source.give(11, 2);
    await pass();
    expect(source.proposed).toHaveLength(1);
    tag = '/two/';
    solo.rebuild();
    await pass();
    expect(source.proposed).toHaveLength(2);
    expect(problems).toEqual([]);
  });

  it('is loud about a job the node would refuse, until one is good', async () => {
    source.verdict = () => Promise.resolve({ valid: false, reason: 'bad-cb-amount' });
    solo.start();
    source.give(10, 1);
    await pass();
    expect(problems).toMatchObject([
      { code: 'jobRefused', message: expect.stringContaining('bad-cb-amount') as string },
    ]);
    source.verdict = () => Promise.resolve({ valid: true, reason: undefined });
    source.give(11, 2);
    await pass();
    expect(problems.at(-1)).toBeUndefined();
  });

  it('waits for another job when the node does not answer, or the tip moves meanwhile', async () => {
    source.verdict = () => Promise.reject(new Error('away'));
    solo.start();
    source.give(10, 1);
    await pass();
    source.verdict = () => {
      source.give(12, 3);
      return Promise.resolve({ valid: false, reason: 'bad-prevblk' });
    };
    source.give(11, 2);
    await vi.advanceTimersByTimeAsync(1_000);
    source.verdict = () => Promise.resolve({ valid: false, reason: 'inconclusive-not-best-prevblk' });
    await pass();
    expect(problems).toEqual([]);
    expect(source.proposed).toHaveLength(3);
  });
});

describe('a found block', () => {
  it('goes to the keeper in the same turn, whole', () => {
    solo.start();
    source.give(10, 1);
    const job = jobs[0] as Job;
    const outcome = findOn(job, 42);
    solo.blockFound(job, outcome, { worker: 'barn.7', userAgent: 'x' });
    expect(found).toHaveLength(1);
    expect(found[0]).toMatchObject({
      hash: displayHash(outcome.hash),
      height: 10,
      worker: 'barn.7',
      reward: job.coinbaseValue,
      network: 'regtest',
    });
    expect(hexOf(found[0]?.block)).toBe(hexOf(serializeBlock(outcome.header, outcome.coinbase, [])));
  });

  it('of an old job goes there too', async () => {
    solo.start();
    source.give(10, 1);
    source.give(11, 2);
    await solo.stop();
    const job = solo.job(1) as Job;
    solo.blockFound(job, findOn(job), { worker: 'w', userAgent: '' });
    expect(found).toHaveLength(1);
  });

  it('that can not be put together is at least told', () => {
    solo.start();
    source.give(10, 1);
    source.held.clear();
    solo.blockFound(jobs[0] as Job, findOn(jobs[0] as Job), { worker: 'w', userAgent: '' });
    expect(found).toEqual([]);
    expect(problems).toMatchObject([{ code: 'templateGone' }]);
  });
});
