import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { blockHash, checkBlockStructure, parseBlock } from '../../src-main/core/bitcoin/block.ts';
import { parseHash } from '../../src-main/core/bitcoin/bytes.ts';
import { heightPush } from '../../src-main/core/mining/coinbase.ts';
import { merklePath } from '../../src-main/core/bitcoin/merkle.ts';
import { buildJob, coinbaseOf, headerOf, withWitness } from '../../src-main/core/mining/job.ts';
import type { Template } from '../../src-main/core/mining/types.ts';
import { HeldTemplates, OLD_TIP_MS, TEMPLATES_KEPT } from '../../src-main/services/templates/held.ts';
import { checkReply } from '../../src-main/services/templates/reply.ts';
import { TIP, replyOf, type ReplyJson } from '../fixtures/template-reply.ts';

const OTHER_TIP = 'ab'.repeat(32);
const THIRD_TIP = 'cd'.repeat(32);
const FOURTH_TIP = 'ef'.repeat(32);

function hold(held: HeldTemplates, id: string, raw: ReplyJson): Template {
  const reply = checkReply(raw, 'regtest');
  const template: Template = {
    id,
    source: 'rpc',
    height: reply.height,
    previousHash: parseHash(reply.previousHash),
    version: reply.version,
    bits: reply.bits,
    target: reply.target,
    time: reply.time,
    minTime: reply.minTime,
    coinbaseValue: reply.coinbaseValue,
    fees: reply.fees,
    scriptSigPrefix: heightPush(reply.height),
    coinbaseVersion: 2,
    coinbaseSequence: 0xffff_fffe,
    coinbaseLockTime: reply.height - 1,
    requiredOutputs: [{ value: 0, script: reply.commitment ?? new Uint8Array(0) }],
    witnessReserved: new Uint8Array(32),
    merklePath: merklePath(reply.transactions.map(({ txid }) => parseHash(txid))),
    transactionCount: reply.transactions.length,
    weight: reply.weight,
    sigops: reply.sigops,
    newTip: true,
    receivedAt: 0,
  };
  held.add(template, reply);
  return template;
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('HeldTemplates', () => {
  it('puts together a block that is right in itself', () => {
    const held = new HeldTemplates();
    const template = hold(held, 'a', replyOf({ count: 300 }));
    const job = buildJob(template, {
      id: 1,
      payouts: [{ address: 'a', script: new Uint8Array(22), basisPoints: 10_000 }],
      tag: '',
      network: 'regtest',
      now: 0,
    });
    const extranonce = new Uint8Array(job.extranonceSize).fill(3);
    const header = headerOf(job, { jobId: 1, extranonce, version: job.version, ntime: job.time, nonce: 5 });
    const bytes = held.assemble({
      templateId: 'a',
      header,
      coinbase: withWitness(job, coinbaseOf(job, extranonce)),
    });
    const block = parseBlock(bytes ?? new Uint8Array(0));
    expect(block.transactions).toHaveLength(301);
    expect(blockHash(block.header)).toEqual(blockHash(header));
    // Merkle root, weight and witness commitment.
    expect(checkBlockStructure(block)).toEqual({ ok: true });
    expect(held.assemble({ templateId: 'b', header, coinbase: new Uint8Array(0) })).toBeUndefined();
  });

  it('keeps the bytes of a transaction once, however many templates hold it', () => {
    const held = new HeldTemplates();
    for (let n = 0; n < TEMPLATES_KEPT; n += 1) hold(held, `t${n}`, replyOf({ count: 50 }));
    expect(held.size()).toMatchObject({ templates: TEMPLATES_KEPT, transactions: 50 });
    const one = replyOf({ count: 50 }).transactions.reduce(
      (sum, { data }) => sum + (data as string).length / 2,
      0,
    );
    expect(held.size().bytes).toBe(one);
  });

  it('gives transactions as they came', () => {
    const held = new HeldTemplates();
    const raw = replyOf({ count: 2 });
    Object.assign(raw.transactions[1] as object, { depends: [1] });
    hold(held, 'a', raw);
    expect(held.transactions('a')).toEqual(
      raw.transactions.map(({ data, txid, hash, fee, sigops, weight }, place) => ({
        hex: data,
        txid,
        wtxid: hash,
        fee,
        sigops,
        weight,
        depends: place === 1 ? [0] : [],
      })),
    );
    expect(held.transactions('b')).toBeUndefined();
  });

  it('lets go of the oldest of a tip, and of transactions nobody holds', () => {
    const held = new HeldTemplates();
    hold(held, 'first', replyOf({ count: 5, salt: 1_000 }));
    for (let n = 0; n < TEMPLATES_KEPT; n += 1) hold(held, `t${n}`, replyOf({ count: 2 }));
    expect(held.transactions('first')).toBeUndefined();
    expect(held.transactions('t0')).toHaveLength(2);
    expect(held.size()).toMatchObject({ templates: TEMPLATES_KEPT, transactions: 2 });
  });

  it('holds those of the tip before for a minute more', () => {
    const held = new HeldTemplates();
    hold(held, 'old', replyOf({ count: 2 }));
    hold(held, 'new', replyOf({ count: 1, salt: 9, tip: OTHER_TIP, height: 201 }));
    vi.advanceTimersByTime(OLD_TIP_MS);
    expect(held.transactions('old')).toHaveLength(2);
    vi.advanceTimersByTime(60_000);
    expect(held.transactions('old')).toBeUndefined();
    expect(held.transactions('new')).toHaveLength(1);
    expect(held.size()).toMatchObject({ templates: 1, transactions: 1 });
  });

  it('keeps those of a tip that a reorganisation comes back to', () => {
    const held = new HeldTemplates();
    hold(held, 'a1', replyOf());
    hold(held, 'b1', replyOf({ tip: OTHER_TIP }));
    hold(held, 'a2', replyOf({ tip: TIP }));
    vi.advanceTimersByTime(10 * OLD_TIP_MS);
    expect(held.transactions('a1')).toBeDefined();
    expect(held.transactions('a2')).toBeDefined();
    expect(held.transactions('b1')).toBeUndefined();
  });

  it('is bounded when tips come in a flood', () => {
    const held = new HeldTemplates();
    for (const [id, tip] of Object.entries({ a: TIP, b: OTHER_TIP, c: THIRD_TIP, d: FOURTH_TIP }))
      hold(held, id, replyOf({ tip }));
    expect(held.transactions('a')).toBeUndefined();
    expect(held.transactions('b')).toBeDefined();
    expect(held.size()).toMatchObject({ templates: 3, transactions: 3 });
  });

  it('removes and clears without a trace', () => {
    const held = new HeldTemplates();
    hold(held, 'a', replyOf({ count: 3 }));
    hold(held, 'b', replyOf({ count: 4 }));
    held.remove('b');
    expect(held.size()).toMatchObject({ templates: 1, transactions: 3 });
    held.clear();
    expect(held.size()).toEqual({ templates: 0, transactions: 0, bytes: 0 });
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('HeldTemplates.verify', () => {
  const verdict = async (spoil: (raw: ReplyJson) => void): Promise<string | undefined> => {
    const held = new HeldTemplates();
    const raw = replyOf({ count: 5 });
    spoil(raw);
    hold(held, 'a', raw);
    expect(held.verifyNow('a')).toBe(held.verifyNow('a'));
    vi.useRealTimers();
    const found = await held.verify('a');
    expect(found).toBe(held.verifyNow('a'));
    return found;
  };

  it('finds nothing wrong with what a node made', async () => {
    expect(await verdict(() => {})).toBeUndefined();
  });

  it('has nothing to say of a template that is gone', () => {
    expect(new HeldTemplates().verifyNow('gone')).toBeUndefined();
  });

  it('finds a commitment to something else', async () => {
    expect(
      await verdict((raw) => {
        raw['default_witness_commitment'] = `6a24aa21a9ed${'11'.repeat(32)}`;
      }),
    ).toContain('witness commitment');
  });

  it('finds transactions in another order than committed to', async () => {
    expect(await verdict((raw) => raw.transactions.push(...raw.transactions.splice(0, 1)))).toContain(
      'witness commitment',
    );
  });

  it('finds ids that belong to other data', async () => {
    expect(
      await verdict((raw) => {
        (raw.transactions[2] as { hash: unknown }).hash = '22'.repeat(32);
      }),
    ).toContain('not what its hash says');
    expect(
      await verdict((raw) => {
        (raw.transactions[2] as { txid: unknown }).txid = '22'.repeat(32);
      }),
    ).toContain('not what its id says');
  });

  it('finds a weight that is wrong', async () => {
    expect(
      await verdict((raw) => {
        const entry = raw.transactions[2] as { weight: number };
        entry.weight += 1;
      }),
    ).toContain('does not weigh');
  });

  it('does not mix two transactions that claim one id', () => {
    const held = new HeldTemplates();
    const good = replyOf({ count: 2 });
    const forged = replyOf({ count: 2, salt: 500 });
    (forged.transactions[0] as { hash: unknown }).hash = good.transactions[0]?.hash;
    hold(held, 'good', good);
    hold(held, 'forged', forged);
    expect(held.transactions('forged')?.[0]?.hex).toBe(forged.transactions[0]?.data);
    expect(held.transactions('good')?.[0]?.hex).toBe(good.transactions[0]?.data);
    expect(held.verifyNow('good')).toBeUndefined();
    expect(held.verifyNow('forged')).toContain('not what its hash says');
  });
});
