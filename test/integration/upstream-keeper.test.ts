import * as files from 'node:fs/promises';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync, existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { silentLog } from '../../src-main/services/log/index.ts';
import type { SubmitResult } from '../../src-main/services/templates/index.ts';
import {
  FINAL_DEPTH,
  createBlockKeeper,
  type BlockKeeper,
  type BlockKeeperOptions,
  type ChainLookup,
  type KeeperProblem,
  type KeptBlock,
} from '../../src-main/services/upstream/index.ts';
import { foundBlock, hexOf } from '../fixtures/found-block.ts';

const ACCEPTED: SubmitResult = { kind: 'accepted', already: false };
const AWAY: SubmitResult = { kind: 'unreachable', reason: 'the node is not running' };

let folder: string;
let keeper: BlockKeeper;
let records: KeptBlock[];
let problems: (KeeperProblem | undefined)[];
/** What happened, in order. */
let happened: string[];
let answer: (block: Uint8Array) => SubmitResult | Promise<SubmitResult>;
let chain: ChainLookup;

function make(change: Partial<BlockKeeperOptions> = {}): BlockKeeper {
  keeper = createBlockKeeper({
    folder,
    network: 'regtest',
    submit: async (block) => {
      happened.push('submit');
      return answer(block);
    },
    lookup: (hash) => chain(hash),
    clock: Date,
    log: silentLog,
    ...change,
  });
  keeper.onChange((record) => {
    happened.push('told');
    records.push(record);
  });
  keeper.onProblem((problem) => problems.push(problem));
  return keeper;
}

/** Lets files and promises go on, without any time passing, until it is so. */
async function until(so: () => boolean): Promise<void> {
  const deadline = performance.now() + 5_000;
  while (!so()) {
    if (performance.now() > deadline)
      throw new Error(`it did not come to that: ${JSON.stringify(keeper.blocks())}`);
    await turn();
  }
}
const block = (hash: string): KeptBlock =>
  keeper.blocks().find((record) => record.hash === hash) as KeptBlock;
const saved = (hash: string): Promise<void> => until(() => block(hash).file !== null);
const sidecar = (height: number, hash: string): Record<string, unknown> =>
  JSON.parse(readFileSync(join(folder, `${height}-${hash}.json`), 'utf8')) as Record<string, unknown>;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] });
  folder = join(mkdtempSync(join(tmpdir(), 'adit-keeper-')), 'blocks');
  records = [];
  problems = [];
  happened = [];
  answer = () => ACCEPTED;
  chain = () => Promise.reject(new Error('away'));
});
afterEach(async () => {
  await keeper.stop();
  vi.useRealTimers();
  rmSync(join(folder, '..'), { recursive: true, force: true });
});

describe('a found block', () => {
  it('is submitted first, then written, and only then told', async () => {
    const order: string[] = [];
    make({
      submit: async () => {
        order.push('submit');
        return ACCEPTED;
      },
      fs: {
        ...files,
        mkdir: ((...args: Parameters<typeof files.mkdir>) => {
          order.push('disk');
          return files.mkdir(...args);
        }) as typeof files.mkdir,
      },
    });
    keeper.onChange(() => order.push('told'));
    const one = foundBlock(1);
    keeper.found(one);
    expect(order).toEqual(['submit', 'disk', 'told']);
    await saved(one.hash);
  });

  it('lies on disk byte for byte, with its facts beside it', async () => {
    make();
    const one = foundBlock(1);
    keeper.found(one);
    await until(() => block(one.hash).status === 'onChain' && block(one.hash).file !== null);
    await keeper.stop();
    expect(readdirSync(folder).sort()).toEqual([`200-${one.hash}.dat`, `200-${one.hash}.json`]);
    expect(hexOf(readFileSync(join(folder, `200-${one.hash}.dat`)))).toBe(hexOf(one.block));
    expect(sidecar(200, one.hash)).toMatchObject({
      worker: 'barn.1',
      status: 'onChain',
      reward: one.reward,
      attempts: 1,
    });
    expect(hexOf(await keeper.raw(one.hash))).toBe(hexOf(one.block));
    expect(await keeper.raw('00'.repeat(32))).toBeUndefined();
  });

  it('found twice is sent once', async () => {
    make();
    const one = foundBlock(1);
    keeper.found(one);
    keeper.found(one);
    await saved(one.hash);
    expect(happened.filter((what) => what === 'submit')).toHaveLength(1);
    expect(keeper.blocks()).toHaveLength(1);
  });

  it('does not wait for another that is found with it', async () => {
    const first = Promise.withResolvers<SubmitResult>();
    const [one, two] = [foundBlock(1), foundBlock(2)];
    answer = (bytes) => (hexOf(bytes) === hexOf(one.block) ? first.promise : ACCEPTED);
    make();
    keeper.found(one);
    keeper.found(two);
    await until(() => block(two.hash).status === 'onChain');
    await Promise.all([saved(one.hash), saved(two.hash)]);
    expect(block(one.hash).status).toBe('sending');
    first.resolve({ kind: 'inconclusive' });
    await until(() => block(one.hash).status === 'stale');
  });

  it.each<readonly [SubmitResult, Partial<KeptBlock>]>([
    [ACCEPTED, { status: 'onChain', confirmations: 1, final: false }],
    [{ kind: 'inconclusive' }, { status: 'stale', final: false }],
    [
      { kind: 'rejected', reason: 'bad-txnmrklroot' },
      { status: 'rejected', reason: 'bad-txnmrklroot', final: true },
    ],
    [AWAY, { status: 'waiting', reason: AWAY.kind === 'unreachable' ? AWAY.reason : '', final: false }],
  ])('ends up as the node says: %j', async (result, expected) => {
    answer = () => result;
    make();
    const one = foundBlock(1);
    keeper.found(one);
    await until(() => block(one.hash).status !== 'sending');
    expect(block(one.hash)).toMatchObject(expected);
  });

  it('a submission that throws is a submission to repeat', async () => {
    answer = () => {
      throw new Error('unforeseen');
    };
    make();
    const one = foundBlock(1);
    keeper.found(one);
    await until(() => block(one.hash).status === 'waiting');
    expect(block(one.hash).reason).toBe('unforeseen');
  });

  it('a listener that fails changes nothing', async () => {
    make();
    keeper.onChange(() => {
      throw new Error('broken');
    });
    const one = foundBlock(1);
    keeper.found(one);
    await until(() => block(one.hash).status === 'onChain');
    await saved(one.hash);
  });
});

describe('while the node is away', () => {
  it('a block is sent again, less and less often, and at once when the node is back', async () => {
    answer = () => AWAY;
    make();
    const one = foundBlock(1);
    keeper.found(one);
    await until(() => block(one.hash).status === 'waiting');
    await saved(one.hash);
    for (let minute = 0; minute < 60; minute += 1) {
      await vi.advanceTimersByTimeAsync(60_000);
      await until(() => vi.getTimerCount() > 0);
    }
    const { attempts } = block(one.hash);
    expect(attempts).toBeGreaterThan(20);
    expect(attempts).toBeLessThan(80);
    answer = () => ACCEPTED;
    keeper.onNodeReady();
    await until(() => block(one.hash).status === 'onChain');
    expect(block(one.hash)).toMatchObject({ attempts: attempts + 1, reason: null });
  });

  it('a call that hangs does not keep the next from being made when it ends', async () => {
    const hanging = Promise.withResolvers<SubmitResult>();
    answer = () => hanging.promise;
    make();
    const one = foundBlock(1);
    keeper.found(one);
    keeper.onNodeReady();
    answer = () => ACCEPTED;
    hanging.resolve(AWAY);
    await until(() => block(one.hash).status === 'onChain');
  });

  it('a block the chain has left behind is given up', async () => {
    answer = () => ({ kind: 'unreachable', reason: "the node can't take it yet (prev-blk-not-found)" });
    chain = () => Promise.resolve({ kind: 'unknown', tipHeight: 200 + FINAL_DEPTH - 1 });
    make();
    const one = foundBlock(1);
    keeper.found(one);
    await until(() => block(one.hash).status === 'waiting');
    keeper.onNodeReady();
    await until(() => block(one.hash).attempts === 2);
    await turn();
    expect(block(one.hash).status).toBe('waiting');
    chain = () => Promise.resolve({ kind: 'unknown', tipHeight: 200 + FINAL_DEPTH });
    keeper.onNodeReady();
    await until(() => block(one.hash).final);
    expect(block(one.hash)).toMatchObject({ status: 'stale', reason: 'the chain went on without it' });
  });
});

describe('on the chain', () => {
  const known = (confirmations: number, tipHeight: number): ChainLookup =>
    vi.fn<ChainLookup>(() => Promise.resolve({ kind: 'known', confirmations, tipHeight }));

  async function accepted(): Promise<string> {
    make();
    const one = foundBlock(1);
    keeper.found(one);
    await until(() => block(one.hash).status === 'onChain' && block(one.hash).file !== null);
    return one.hash;
  }

  it('confirmations are counted until its reward can be spent', async () => {
    const hash = await accepted();
    chain = known(7, 206);
    keeper.onTip();
    await until(() => block(hash).confirmations === 7);
    expect(block(hash).final).toBe(false);
    chain = known(FINAL_DEPTH + 1, 200 + FINAL_DEPTH);
    keeper.onTip();
    await until(() => block(hash).final);
    chain = known(1, 1);
    keeper.onTip();
    keeper.onNodeReady();
    await turn();
    expect(chain).not.toHaveBeenCalled();
  });

  it('a reorganisation makes it stale, another one brings it back', async () => {
    const hash = await accepted();
    chain = known(-1, 201);
    keeper.onTip();
    await until(() => block(hash).status === 'stale');
    expect(block(hash)).toMatchObject({ final: false, confirmations: 0 });
    chain = known(3, 202);
    keeper.onTip();
    await until(() => block(hash).status === 'onChain');
    chain = known(-1, 200 + FINAL_DEPTH);
    keeper.onTip();
    await until(() => block(hash).final);
    expect(block(hash).status).toBe('stale');
  });

  it('a node that does not know it any more gets it again', async () => {
    const hash = await accepted();
    chain = () => Promise.resolve({ kind: 'unknown', tipHeight: 199 });
    keeper.onTip();
    await until(() => block(hash).attempts === 2);
    await until(() => block(hash).status === 'onChain');
  });

  it('"duplicate" is no proof: the chain is asked', async () => {
    answer = () => ({ kind: 'accepted', already: true });
    chain = known(-1, 201);
    make();
    const one = foundBlock(1);
    keeper.found(one);
    await until(() => block(one.hash).status === 'stale');
  });

  it('is looked at now and then without anyone asking', async () => {
    const hash = await accepted();
    await keeper.stop();
    await keeper.start();
    chain = known(2, 201);
    await vi.advanceTimersByTimeAsync(60_000);
    await until(() => block(hash).confirmations === 2);
  });

  it('can be sent again on the word of the user', async () => {
    answer = () => ({ kind: 'rejected', reason: 'duplicate-invalid' });
    make();
    const one = foundBlock(1);
    keeper.found(one);
    await until(() => block(one.hash).final);
    await saved(one.hash);
    answer = () => ACCEPTED;
    expect(await keeper.resubmit(one.hash)).toMatchObject({ status: 'onChain', final: false, attempts: 2 });
    expect(await keeper.resubmit('00'.repeat(32))).toBeUndefined();
  });
});

describe('the disk', () => {
  it('full: says so, sends all the same, and writes when there is room', async () => {
    let full = true;
    const open = ((path: string, ...rest: [string, number]) => {
      if (full && path.endsWith('.tmp')) {
        return Promise.reject(
          Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' }),
        );
      }
      return files.open(path, ...rest);
    }) as typeof files.open;
    make({ fs: { ...files, open } });
    const one = foundBlock(1);
    keeper.found(one);
    await until(() => problems.length === 1 && block(one.hash).status === 'onChain');
    expect(problems[0]).toMatchObject({
      code: 'blockNotSaved',
      message: expect.stringContaining('ENOSPC') as string,
    });
    expect(block(one.hash).file).toBeNull();
    expect(hexOf(await keeper.raw(one.hash))).toBe(hexOf(one.block));
    full = false;
    await vi.advanceTimersByTimeAsync(5_000);
    await until(() => problems.length === 2);
    expect(problems[1]).toBeUndefined();
    expect(hexOf(readFileSync(block(one.hash).file ?? ''))).toBe(hexOf(one.block));
  });

  it('is left alone by a stop that comes while it is full', async () => {
    make({ fs: { ...files, mkdir: (() => Promise.reject(new Error('ENOSPC'))) as typeof files.mkdir } });
    keeper.found(foundBlock(1));
    await until(() => problems.length === 1);
    await keeper.stop();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('after a crash', () => {
  /** The folder as a crash leaves it. */
  async function leave(
    change: Partial<{ status: string; final: boolean; network: string }> = {},
  ): Promise<ReturnType<typeof foundBlock>> {
    answer = () => AWAY;
    make();
    const one = foundBlock(1);
    keeper.found(one);
    await until(() => block(one.hash).status === 'waiting' && block(one.hash).file !== null);
    await keeper.stop();
    const path = join(folder, `200-${one.hash}.json`);
    writeFileSync(path, JSON.stringify({ ...sidecar(200, one.hash), ...change }));
    answer = () => ACCEPTED;
    records = [];
    happened = [];
    return one;
  }
  const dat = (hash: string): string => join(folder, `200-${hash}.dat`);

  it('a block that was not settled is sent', async () => {
    const one = await leave();
    make();
    await keeper.start();
    await until(() => block(one.hash).status === 'onChain');
    expect(block(one.hash)).toMatchObject({ worker: 'barn.1', file: dat(one.hash) });
  });

  it('one that was settled is only shown', async () => {
    const one = await leave({ status: 'onChain', final: true });
    make();
    await keeper.start();
    await turn();
    expect(happened).not.toContain('submit');
    expect(keeper.blocks()).toMatchObject([{ hash: one.hash, status: 'onChain', final: true }]);
  });

  it('one that was on the chain is looked up, and sent if it is not there', async () => {
    const one = await leave({ status: 'onChain' });
    chain = () => Promise.resolve({ kind: 'unknown', tipHeight: 199 });
    make();
    await keeper.start();
    await until(() => block(one.hash).attempts === 2 && block(one.hash).status === 'onChain');
  });

  it('a file without its record is a block all the same', async () => {
    const one = await leave();
    rmSync(join(folder, `200-${one.hash}.json`));
    make();
    await keeper.start();
    await until(() => block(one.hash).status === 'onChain');
    expect(block(one.hash)).toMatchObject({
      height: 200,
      reward: one.reward,
      transactionCount: 0,
      weight: one.weight,
    });
  });

  it.each(['{', 'null', '{"hash":1}', 'x'.repeat(100_000)])(
    'a record that makes no sense does no harm: %#',
    async (text) => {
      const one = await leave();
      writeFileSync(join(folder, `200-${one.hash}.json`), text);
      make();
      await keeper.start();
      await until(() => block(one.hash).status === 'onChain');
    },
  );

  it('a whole file that has not got its name yet is used', async () => {
    const one = await leave();
    await files.rename(dat(one.hash), `${dat(one.hash)}.tmp`);
    make();
    await keeper.start();
    await until(() => block(one.hash).status === 'onChain');
    expect(existsSync(dat(one.hash))).toBe(true);
  });

  it('half a file that has not got its name yet goes', async () => {
    const one = await leave();
    writeFileSync(`${dat(one.hash)}.tmp`, one.block.subarray(0, 100));
    rmSync(dat(one.hash));
    make();
    await keeper.start();
    expect(keeper.blocks()).toEqual([]);
    expect(existsSync(`${dat(one.hash)}.tmp`)).toBe(false);
    expect(problems).toEqual([]);
  });

  it.each<readonly [string, (bytes: Uint8Array) => Uint8Array]>([
    ['short', (bytes) => bytes.subarray(0, bytes.length - 1)],
    ['empty', () => new Uint8Array(0)],
    ['changed in one bit', (bytes) => bytes.with(bytes.length - 60, (bytes.at(-60) as number) ^ 1)],
    ['another block', () => foundBlock(2).block],
    ['larger than any block', () => new Uint8Array(4_000_001)],
  ])('a damaged file is set aside and said: %s', async (_, damage) => {
    const one = await leave();
    writeFileSync(dat(one.hash), damage(one.block));
    make();
    await keeper.start();
    expect(keeper.blocks()).toEqual([]);
    expect(happened).not.toContain('submit');
    expect(problems).toMatchObject([{ code: 'blockFileDamaged' }]);
    expect(readdirSync(folder).some((name) => name === `200-${one.hash}.dat.damaged`)).toBe(true);
    const two = foundBlock(3);
    keeper.found(two);
    await saved(two.hash);
  });

  it('a block of another network is left alone', async () => {
    const one = await leave({ network: 'main' });
    make();
    await keeper.start();
    expect(keeper.blocks()).toEqual([]);
    expect(existsSync(dat(one.hash))).toBe(true);
  });

  it('a file that can not be read now is left where it is', async () => {
    const one = await leave();
    const readFile = ((path: string) =>
      path.endsWith('.dat')
        ? Promise.reject(new Error('EIO: i/o error'))
        : files.readFile(path)) as typeof files.readFile;
    make({ fs: { ...files, readFile } });
    await keeper.start();
    expect(problems).toMatchObject([
      { code: 'blockFileDamaged', message: expect.stringContaining('EIO') as string },
    ]);
    expect(existsSync(dat(one.hash))).toBe(true);
  });

  it('strange files disturb nobody', async () => {
    const one = await leave();
    for (const name of ['readme.txt', 'x.dat', '1-2.dat', '.dat.tmp', `9-${'z'.repeat(64)}.dat`])
      writeFileSync(join(folder, name), 'x');
    make();
    await keeper.start();
    await until(() => block(one.hash).status === 'onChain');
    expect(keeper.blocks()).toHaveLength(1);
    expect(problems).toEqual([]);
  });

  it('a folder that is not there, or can not be read, is no reason to fail', async () => {
    make();
    await keeper.start();
    expect(problems).toEqual([]);
    await keeper.stop();
    make({
      fs: {
        ...files,
        readdir: (() => Promise.reject(new Error('EACCES'))) as unknown as typeof files.readdir,
      },
    });
    await keeper.start();
    expect(problems).toMatchObject([{ code: 'blockFolder' }]);
  });
});
