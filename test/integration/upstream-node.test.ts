import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { blockHash } from '../../src-main/core/bitcoin/block.ts';
import { displayHash, equalBytes, parseHash } from '../../src-main/core/bitcoin/bytes.ts';
import { meetsTarget } from '../../src-main/core/bitcoin/target.ts';
import { headerOf } from '../../src-main/core/mining/job.ts';
import { DuplicateSet, checkShare } from '../../src-main/core/mining/share.ts';
import type { Job, Payout, ShareOutcome } from '../../src-main/core/mining/types.ts';
import { silentLog } from '../../src-main/services/log/index.ts';
import { createRpcTemplateSource, type TemplateSource } from '../../src-main/services/templates/index.ts';
import {
  createBlockKeeper,
  createChainLookup,
  createSoloUpstream,
  type BlockKeeper,
  type KeptBlock,
  type SoloUpstream,
  type UpstreamProblem,
} from '../../src-main/services/upstream/index.ts';
import { OPEN_SCRIPT, RegtestNode, testNodeCommand } from './conformance/regtest-node.ts';

const PAYOUTS: readonly Payout[] = [
  { address: 'one', script: OPEN_SCRIPT, basisPoints: 9_900 },
  { address: 'two', script: Uint8Array.of(0x00, 0x14, ...new Uint8Array(20).fill(3)), basisPoints: 100 },
];
const FINDER = { worker: 'barn.1', userAgent: 'test' };

/** Mines on a job as a machine does; `salt` gives different work. */
function mine(job: Job, salt = 0): Extract<ShareOutcome, { kind: 'blockFound' }> {
  const extranonce = new Uint8Array(job.extranonceSize).fill(salt);
  const solution = { jobId: job.id, extranonce, version: job.version, ntime: job.time, nonce: 0 };
  while (!meetsTarget(blockHash(headerOf(job, solution)), job.target)) solution.nonce += 1;
  const outcome = checkShare(job, solution, {
    assignedTarget: job.target,
    current: true,
    seen: new DuplicateSet(),
    now: job.time,
  });
  if (outcome.kind !== 'blockFound') throw new Error(`not a block: ${outcome.kind}`);
  return outcome;
}

describe.skipIf(testNodeCommand() === undefined)('solo mining on a real node', { timeout: 90_000 }, () => {
  let node: RegtestNode;
  let folder: string;
  let source: TemplateSource;
  let keeper: BlockKeeper;
  let solo: SoloUpstream;
  let problems: (UpstreamProblem | undefined)[];

  function build(): void {
    source = createRpcTemplateSource({ rpc: node.rpc, network: 'regtest', clock: Date, log: silentLog });
    keeper = createBlockKeeper({
      folder,
      network: 'regtest',
      submit: (block) => source.submit(block),
      lookup: createChainLookup(node.rpc),
      clock: Date,
      log: silentLog,
    });
    problems = [];
    solo = createSoloUpstream({
      source,
      payouts: () => PAYOUTS,
      tag: () => '/test/',
      network: 'regtest',
      clock: Date,
      log: silentLog,
      keeper,
      extranonceSize: 12,
      onProblem: (problem) => problems.push(problem),
      proposeAfterMs: 0,
    });
    source.start();
    solo.start();
  }
  async function tearDown(): Promise<void> {
    await solo.stop();
    await source.stop();
    await keeper.stop();
  }
  function jobThat(wanted: (job: Job) => boolean): Promise<Job> {
    const current = solo.current();
    if (current !== undefined && wanted(current)) return Promise.resolve(current);
    return new Promise((resolve) => {
      const off = solo.onJob((job) => {
        if (!wanted(job)) return;
        off();
        resolve(job);
      });
    });
  }
  const jobOn = (hash: string): Promise<Job> =>
    jobThat((job) => equalBytes(job.previousHash, parseHash(hash)));
  function recordThat(hash: string, wanted: (record: KeptBlock) => boolean): Promise<KeptBlock> {
    const now = keeper.blocks().find((record) => record.hash === hash);
    if (now !== undefined && wanted(now)) return Promise.resolve(now);
    return new Promise((resolve) => {
      const off = keeper.onChange((record) => {
        if (record.hash !== hash || !wanted(record)) return;
        off();
        resolve(record);
      });
    });
  }

  beforeAll(async () => {
    node = await RegtestNode.create();
  }, 90_000);
  afterAll(() => node?.dispose(), 90_000);
  beforeEach(() => {
    folder = join(mkdtempSync(join(tmpdir(), 'adit-solo-')), 'blocks');
    build();
  });
  afterEach(async () => {
    await tearDown();
    rmSync(join(folder, '..'), { recursive: true, force: true });
  });

  it('a found block is on the chain, pays who was chosen, and gains confirmations', async () => {
    const job = await jobThat(() => true);
    const outcome = mine(job);
    solo.blockFound(job, outcome, FINDER);
    const hash = displayHash(outcome.hash);
    await recordThat(hash, ({ status, file }) => status === 'onChain' && file !== null);
    expect(await node.best()).toBe(hash);
    const { tx } = (await node.rpc.call('getblock', [hash, 2])) as {
      tx: { vout: { value: number; scriptPubKey: { hex: string } }[] }[];
    };
    expect(tx[0]?.vout.slice(0, 2).map(({ value, scriptPubKey }) => [value, scriptPubKey.hex])).toEqual([
      [49.5, Buffer.from(OPEN_SCRIPT).toString('hex')],
      [0.5, Buffer.from(PAYOUTS[1]?.script ?? []).toString('hex')],
    ]);
    await jobOn(hash);
    await node.mine(2);
    await recordThat(hash, ({ confirmations }) => confirmations === 3);
    expect(problems).toEqual([]);
  });

  it('a block found while the node is down reaches the chain when it is back', async () => {
    const job = await jobOn(await node.best());
    const outcome = mine(job);
    const hash = displayHash(outcome.hash);
    await node.stop();
    solo.blockFound(job, outcome, FINDER);
    const waiting = await recordThat(hash, ({ status, file }) => status === 'waiting' && file !== null);
    expect(waiting.reason).not.toBeNull();
    await node.start();
    const record = await recordThat(hash, ({ status }) => status === 'onChain');
    expect(record.attempts).toBeGreaterThan(1);
    expect(await node.best()).toBe(hash);
  });

  it('also when Adit itself ended meanwhile', async () => {
    const job = await jobOn(await node.best());
    const outcome = mine(job);
    const hash = displayHash(outcome.hash);
    await node.stop();
    solo.blockFound(job, outcome, FINDER);
    await recordThat(hash, ({ status, file }) => status === 'waiting' && file !== null);
    await tearDown();
    build();
    await keeper.start();
    await node.start();
    const record = await recordThat(hash, ({ status }) => status === 'onChain');
    expect(record).toMatchObject({ worker: 'barn.1', height: job.height, reward: job.coinbaseValue });
    expect(await node.best()).toBe(hash);
  });

  it('also when the node is killed in the moment it gets the block', async () => {
    // The parent has to be on its disk: here is no other node to have it from.
    await node.stop();
    await node.start();
    const job = await jobOn(await node.best());
    const outcome = mine(job);
    const hash = displayHash(outcome.hash);
    solo.blockFound(job, outcome, FINDER);
    await node.stop('SIGKILL');
    await node.start();
    keeper.onNodeReady();
    await recordThat(hash, ({ status, attempts }) => status === 'onChain' && attempts > 0);
    // A node that lost its last seconds is given the block again, whatever it said before.
    const deadline = Date.now() + 20_000;
    while ((await node.best()) !== hash && Date.now() < deadline) keeper.onTip();
    expect(await node.best()).toBe(hash);
  });

  it('of two blocks found at once on one tip, one wins and both are known', async () => {
    const job = await jobOn(await node.best());
    const [first, second] = [mine(job, 1), mine(job, 2)];
    solo.blockFound(job, first, FINDER);
    solo.blockFound(job, second, { ...FINDER, worker: 'barn.2' });
    const hashes = [displayHash(first.hash), displayHash(second.hash)];
    await Promise.all(
      hashes.map((hash) => recordThat(hash, ({ status, file }) => status !== 'sending' && file !== null)),
    );
    const best = await node.best();
    expect(hashes).toContain(best);
    for (const hash of hashes)
      await recordThat(hash, ({ status }) => status === (hash === best ? 'onChain' : 'stale'));
  });

  it('a block of ours that another chain overtakes becomes stale', async () => {
    const parent = await node.best();
    const job = await jobOn(parent);
    const outcome = mine(job);
    const hash = displayHash(outcome.hash);
    solo.blockFound(job, outcome, FINDER);
    await recordThat(hash, ({ status }) => status === 'onChain');
    await node.rpc.call('invalidateblock', [hash]);
    await node.mine(2);
    await node.rpc.call('reconsiderblock', [hash]);
    await recordThat(hash, ({ status }) => status === 'stale');
  });

  it('the node says of a job whether it would take its block', async () => {
    await jobOn(await node.best());
    solo.rebuild();
    expect(problems).toEqual([]);
    expect(await source.propose(new Uint8Array(80)).catch((error: Error) => error.message)).toBe(
      'Block decode failed',
    );
  });
});
