import { once, EventEmitter } from 'node:events';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { blockHash } from '../../../src-main/core/bitcoin/block.ts';
import {
  bytesToHex,
  displayHash,
  equalBytes,
  hexToBytes,
  parseHash,
} from '../../../src-main/core/bitcoin/bytes.ts';
import { sha256d } from '../../../src-main/core/bitcoin/hash.ts';
import { merklePath } from '../../../src-main/core/bitcoin/merkle.ts';
import { meetsTarget, subsidy } from '../../../src-main/core/bitcoin/target.ts';
import { buildJob, coinbaseOf, headerOf, withWitness } from '../../../src-main/core/mining/job.ts';
import type { Payout, Template } from '../../../src-main/core/mining/types.ts';
import type {
  BlockSolution,
  SourceState,
  TemplateSource,
} from '../../../src-main/services/templates/index.ts';
import { OPEN_SCRIPT, RegtestNode, spend, testNodeCommand } from './regtest-node.ts';

const WAIT_MS = 10_000;
const PAYOUT: Payout = { address: 'open', script: OPEN_SCRIPT, basisPoints: 10_000 };

/** Works on a template until a header meets its target: a couple of hashes on regtest. `salt` gives another block. */
export function solve(template: Template, salt = 0): BlockSolution {
  const job = buildJob(template, {
    id: 1,
    payouts: [PAYOUT],
    tag: '/test/',
    network: 'regtest',
    now: 0,
    extranonceSize: 8,
  });
  const extranonce = new Uint8Array(8).fill(salt);
  for (let nonce = 0; ; nonce += 1) {
    const header = headerOf(job, { jobId: 1, extranonce, version: job.version, ntime: job.time, nonce });
    if (meetsTarget(blockHash(header), job.target)) {
      return { templateId: template.id, header, coinbase: withWitness(job, coinbaseOf(job, extranonce)) };
    }
  }
}

/** The same with a header that misses the target. */
function miss(template: Template): BlockSolution {
  const { header, ...rest } = solve(template);
  const bad = Uint8Array.from(header);
  while (meetsTarget(blockHash(bad), template.target)) bad[76] = ((bad[76] as number) + 1) & 0xff;
  return { ...rest, header: bad };
}

export function assembled(source: TemplateSource, solution: BlockSolution): Uint8Array {
  const block = source.assemble(solution);
  if (block === undefined) throw new Error(`template ${solution.templateId} is gone`);
  return block;
}

/** Waits for the first template that `wanted` takes, the current one included. */
export function templateThat(
  source: TemplateSource,
  wanted: (template: Template) => boolean,
): Promise<Template> {
  const current = source.current();
  if (current !== undefined && wanted(current)) return Promise.resolve(current);
  const events = new EventEmitter();
  const off = source.onTemplate((template) => {
    if (wanted(template)) events.emit('template', template);
  });
  return once(events, 'template', { signal: AbortSignal.timeout(WAIT_MS) })
    .then(([template]) => template as Template)
    .finally(off);
}

function stateThat(source: TemplateSource, wanted: (state: SourceState) => boolean): Promise<SourceState> {
  if (wanted(source.state())) return Promise.resolve(source.state());
  const events = new EventEmitter();
  const off = source.onState((state) => {
    if (wanted(state)) events.emit('state', state);
  });
  return once(events, 'state', { signal: AbortSignal.timeout(WAIT_MS) })
    .then(([state]) => state as SourceState)
    .finally(off);
}

const on = (hash: string) => (template: Template) => equalBytes(template.previousHash, parseHash(hash));

/**
 * What every `TemplateSource` must do on a real node: give templates, notice every change of the tip, and above all have
 * blocks made from its templates accepted.
 * @param make a source for this node, not yet started
 */
export function templateSourceConformance(name: string, make: (node: RegtestNode) => TemplateSource): void {
  describe.skipIf(testNodeCommand() === undefined)(`${name} on a real node`, { timeout: 60_000 }, () => {
    let node: RegtestNode;
    let source: TemplateSource;
    beforeAll(async () => {
      node = await RegtestNode.create();
    }, 90_000);
    afterAll(() => node?.dispose(), 90_000);
    beforeEach(() => {
      source = make(node);
    });
    afterEach(() => source.stop());

    it('mines the first blocks of a chain, where heights are pushed by opcodes', async () => {
      expect(source.state()).toEqual({ kind: 'stopped' });
      source.start();
      let template = await templateThat(source, ({ height }) => height === 1);
      expect(source.state()).toEqual({ kind: 'running' });
      expect(template.newTip).toBe(true);
      while (template.height <= 18) {
        const block = assembled(source, solve(template));
        expect(await source.submit(block)).toEqual({ kind: 'accepted', already: false });
        const hash = displayHash(blockHash(block.subarray(0, 80)));
        expect(await node.best()).toBe(hash);
        template = await templateThat(source, on(hash));
        expect(template.newTip).toBe(true);
      }
    });

    it('describes the next block as the chain demands it', async () => {
      const [hash] = await node.mine(1);
      source.start();
      const template = await templateThat(source, () => true);
      const height = (await node.rpc.call('getblockcount')) as number;
      expect(template).toMatchObject({
        source: source.kind,
        height: height + 1,
        previousHash: parseHash(String(hash)),
        bits: 0x207fffff,
        coinbaseValue: subsidy(height + 1, 'regtest'),
        fees: 0,
        merklePath: [],
        transactionCount: 0,
        weight: 0,
      });
      expect(template.minTime).toBeLessThanOrEqual(template.time);
      expect(template.witnessReserved).toEqual(new Uint8Array(32));
      expect(template.requiredOutputs).toHaveLength(1);
      expect(await source.transactions(template.id)).toEqual([]);
      expect(await source.transactions('no-such-template')).toBeUndefined();
    });

    it('passes on a tip that another miner made', async () => {
      source.start();
      await templateThat(source, () => true);
      for (let round = 0; round < 3; round += 1) {
        const [hash] = await node.mine(1);
        const template = await templateThat(source, on(String(hash)));
        expect(template.newTip).toBe(true);
      }
    });

    it('follows a reorganisation back and forth', async () => {
      const [parent, tip] = await node.mine(2);
      source.start();
      const first = await templateThat(source, on(String(tip)));
      await node.rpc.call('invalidateblock', [tip]);
      const back = await templateThat(source, on(String(parent)));
      expect(back.height).toBe(first.height - 1);
      await node.rpc.call('reconsiderblock', [tip]);
      const again = await templateThat(source, on(String(tip)));
      expect(again.height).toBe(first.height);
      expect(await source.submit(assembled(source, solve(again)))).toEqual({
        kind: 'accepted',
        already: false,
      });
    });

    it('mines transactions, with their fees and their witnesses', async () => {
      const [funded] = await node.mine(1);
      await node.mine(100);
      source.start();
      await templateThat(source, () => true);
      const parent = spend(await node.coinbaseOf(String(funded)), { fee: 10_000, outputs: 2 });
      const children = parent.coins.map((coin) => spend(coin, { fee: 5_000, padding: 200 }));
      for (const { hex } of [parent, ...children]) await node.rpc.call('sendrawtransaction', [hex]);
      // Core gives the same template for 5 s whatever comes in, by this clock.
      await node.rpc.call('setmocktime', [Math.floor(Date.now() / 1_000) + 10]);
      await source.refresh();
      const template = await templateThat(source, ({ transactionCount }) => transactionCount === 3);
      expect(template.fees).toBe(20_000);
      expect(template.coinbaseValue).toBe(subsidy(template.height, 'regtest') + 20_000);
      expect(template.newTip).toBe(false);

      const transactions = (await source.transactions(template.id)) ?? [];
      expect(transactions.map(({ txid }) => txid).sort()).toEqual(
        [parent, ...children].map(({ txid }) => txid).sort(),
      );
      expect(transactions[0]).toMatchObject({ txid: parent.txid, hex: parent.hex, fee: 10_000, depends: [] });
      for (const child of transactions.slice(1)) expect(child).toMatchObject({ fee: 5_000, depends: [0] });
      for (const { hex, wtxid, txid } of transactions) {
        expect(displayHash(sha256d(hexToBytes(hex)))).toBe(wtxid);
        expect(wtxid).not.toBe(txid);
      }
      expect(template.weight).toBe(transactions.reduce((sum, { weight }) => sum + weight, 0));
      expect(template.merklePath).toEqual(merklePath(transactions.map(({ txid }) => parseHash(txid))));

      const block = assembled(source, solve(template));
      expect(await source.submit(block)).toEqual({ kind: 'accepted', already: false });
      const mined = (await node.rpc.call('getblock', [await node.best(), 1])) as {
        tx: string[];
        confirmations: number;
      };
      expect(mined.tx.slice(1)).toEqual(transactions.map(({ txid }) => txid));
      await node.rpc.call('setmocktime', [0]);
    });

    it('gives a fresh template when it is asked to, on the same tip', async () => {
      source.start();
      const first = await templateThat(source, () => true);
      const given: Template[] = [];
      source.onTemplate((template) => given.push(template));
      await Promise.all([source.refresh(), source.refresh(), source.refresh()]);
      expect(given.length).toBeGreaterThanOrEqual(1);
      for (const template of given) {
        expect(template.id).not.toBe(first.id);
        expect(template.newTip).toBe(false);
      }
    });

    it('says of each wrong block what is wrong, and takes a good one twice', async () => {
      source.start();
      await node.mine(1);
      const template = await templateThat(source, on(await node.best()));
      const solution = solve(template);
      const good = assembled(source, solution);

      const coinbase = Uint8Array.from(solution.coinbase);
      coinbase[60] = (coinbase[60] as number) ^ 1;
      expect(await source.submit(assembled(source, { ...solution, coinbase }))).toMatchObject({
        kind: 'rejected',
      });
      expect(await source.submit(assembled(source, miss(template)))).toEqual({
        kind: 'rejected',
        reason: 'high-hash',
      });
      expect(await source.submit(good.subarray(0, good.length - 7))).toMatchObject({ kind: 'rejected' });
      expect(await source.submit(new Uint8Array(0))).toMatchObject({ kind: 'rejected' });

      expect(await source.submit(good)).toEqual({ kind: 'accepted', already: false });
      expect(await source.submit(good)).toEqual({ kind: 'accepted', already: true });
      expect(await node.best()).toBe(displayHash(blockHash(solution.header)));
    });

    it('still takes a block of the tip before, which comes second', async () => {
      source.start();
      await node.mine(1);
      const old = await templateThat(source, on(await node.best()));
      const [first] = await node.mine(1);
      await templateThat(source, on(String(first)));
      expect(await source.submit(assembled(source, solve(old, 7)))).toEqual({ kind: 'inconclusive' });
      expect(await node.best()).toBe(first);
    });

    it('asks for a block again whose parent the node does not know', async () => {
      source.start();
      const template = await templateThat(source, () => true);
      const strange = solve({ ...template, previousHash: new Uint8Array(32).fill(5) });
      expect(await source.submit(assembled(source, strange))).toMatchObject({ kind: 'unreachable' });
    });

    it('shows a block to the node before work is done on it', async () => {
      source.start();
      const template = await templateThat(source, on(await node.best()));
      expect(await source.propose(assembled(source, miss(template)))).toEqual({
        valid: true,
        reason: undefined,
      });
      const greedy = solve({ ...template, coinbaseValue: template.coinbaseValue + 1 });
      expect(await source.propose(assembled(source, greedy))).toEqual({
        valid: false,
        reason: 'bad-cb-amount',
      });
      const bare = solve({
        ...template,
        scriptSigPrefix: template.scriptSigPrefix,
        previousHash: new Uint8Array(32),
      });
      expect(await source.propose(assembled(source, bare))).toMatchObject({ valid: false });
    });

    it('holds the last 17 templates of a tip, and those of the tip before', async () => {
      source.start();
      const ids: string[] = [];
      source.onTemplate((template) => ids.push(template.id));
      const first = await templateThat(source, on(await node.best()));
      while (ids.length < 18) await source.refresh();
      expect(source.assemble(solve(first))).toBeUndefined();
      const kept = ids.slice(-17);
      for (const id of kept) expect(await source.transactions(id)).toEqual([]);
      const [hash] = await node.mine(1);
      await templateThat(source, on(String(hash)));
      for (const id of kept) expect(await source.transactions(id)).toEqual([]);
    });

    it('waits while the node is away, says so, and goes on at once when it is back', async () => {
      source.start();
      const before = await templateThat(source, on(await node.best()));
      const block = assembled(source, solve(before));
      await node.stop();
      const waiting = await stateThat(source, ({ kind }) => kind === 'waiting');
      expect(waiting).toMatchObject({ reason: expect.stringContaining('node') as string });
      expect(source.current()).toBe(before);
      expect(await source.submit(block)).toMatchObject({ kind: 'unreachable' });
      await expect(source.propose(block)).rejects.toThrow(Error);
      await node.start();
      await stateThat(source, ({ kind }) => kind === 'running');
      expect(await source.submit(block)).toEqual({ kind: 'accepted', already: false });
      const [hash] = await node.mine(1);
      expect((await templateThat(source, on(String(hash)))).newTip).toBe(true);
    });

    it('can be stopped within a wait and started again', async () => {
      source.start();
      await templateThat(source, () => true);
      await source.stop();
      expect(source.state()).toEqual({ kind: 'stopped' });
      const given: string[] = [];
      source.onTemplate((template) => given.push(bytesToHex(template.previousHash)));
      const [hash] = await node.mine(1);
      expect(given).toEqual([]);
      source.start();
      await templateThat(source, on(String(hash)));
      expect(given).toEqual([bytesToHex(parseHash(String(hash)))]);
    });
  });
}
