import { createServer, type RequestListener } from 'node:http';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { displayHash } from '../../src-main/core/bitcoin/bytes.ts';
import type { Template } from '../../src-main/core/mining/types.ts';
import { silentLog } from '../../src-main/services/log/index.ts';
import { RpcError, RpcUnreachable } from '../../src-main/services/node/index.ts';
import { createNodeRpc } from '../../src-main/services/node/rpc.ts';
import {
  createRpcTemplateSource,
  type SourceState,
  type TemplateSource,
} from '../../src-main/services/templates/index.ts';
import { ScriptedNode } from '../fixtures/scripted-node.ts';
import { TIP, replyOf } from '../fixtures/template-reply.ts';

const NEXT = 'ab'.repeat(32);
const REFRESH_MS = 30_000;

let node: ScriptedNode;
let source: TemplateSource;
let given: Template[];
let states: SourceState[];

function watch(made: TemplateSource): void {
  source = made;
  given = [];
  states = [];
  source.onTemplate((template) => given.push(template));
  source.onState((state) => states.push(state));
}

const tips = (): string[] => given.map(({ previousHash }) => displayHash(previousHash));
/** Lets everything happen that needs no time. */
const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);

async function begin(reply: unknown, network: 'regtest' | 'signet' = 'regtest'): Promise<void> {
  node = new ScriptedNode(reply);
  watch(createRpcTemplateSource({ rpc: node, network, clock: Date, log: silentLog, refreshMs: REFRESH_MS }));
  source.start();
  await settle();
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(async () => {
  await source.stop();
  vi.useRealTimers();
});

describe('the long poll', () => {
  it('passes on a new tip in the moment it is known, and asks again without a pause', async () => {
    await begin(replyOf());
    expect(tips()).toEqual([TIP]);
    expect(node.waiting).toBe(1);
    for (let height = 201; height < 221; height += 1) {
      node.set(replyOf({ height, tip: height.toString(16).padStart(64, '0') }));
      await settle();
      expect(given.at(-1)).toMatchObject({ height, newTip: true });
      expect(node.waiting).toBe(1);
    }
    expect(Date.now() - (given[0]?.receivedAt ?? 0)).toBe(0);
    expect(new Set(given.map(({ id }) => id)).size).toBe(21);
  });

  it('asks for segwit, and on signet for signet too', async () => {
    await begin(replyOf());
    expect(node.calls[0]?.params).toEqual([{ rules: ['segwit'], longpollid: undefined }]);
    expect(node.calls[1]?.params).toEqual([{ rules: ['segwit'], longpollid: `${TIP}0` }]);
    await source.stop();
    await begin(replyOf(), 'signet');
    expect(node.calls[0]?.params).toMatchObject([{ rules: ['segwit', 'signet'] }]);
  });

  it('does not hammer a node that answers long polls at once', async () => {
    await begin(replyOf());
    node.holdsLongPolls = false;
    node.set(replyOf());
    await vi.advanceTimersByTimeAsync(10_000);
    expect(node.count('getblocktemplate')).toBeLessThan(16);
    expect(given).toHaveLength(1);
  });

  it('ends with the source', async () => {
    await begin(replyOf());
    await source.stop();
    expect(node.waiting).toBe(0);
    expect(source.state()).toEqual({ kind: 'stopped' });
    const calls = node.calls.length;
    await vi.advanceTimersByTimeAsync(10 * REFRESH_MS);
    expect(node.calls).toHaveLength(calls);
  });

  it('is begun anew when it has missed a tip', async () => {
    await begin(replyOf());
    node.set(replyOf({ tip: NEXT, height: 201 }), { silently: true });
    await vi.advanceTimersByTimeAsync(REFRESH_MS);
    expect(tips()).toEqual([TIP]);
    await vi.advanceTimersByTimeAsync(REFRESH_MS);
    expect(tips()).toEqual([TIP, NEXT]);
  });
});

describe('fees', () => {
  it('are looked for while the mempool changes, and only then', async () => {
    await begin(replyOf());
    node.mempool = { size: 1, bytes: 100, total_fee: 0.1 };
    node.set(replyOf({ count: 4 }), { silently: true });
    await vi.advanceTimersByTimeAsync(REFRESH_MS);
    expect(given.map(({ transactionCount, newTip }) => [transactionCount, newTip])).toEqual([
      [3, true],
      [4, false],
    ]);
    const asked = node.count('getblocktemplate');
    await vi.advanceTimersByTimeAsync(REFRESH_MS);
    expect(node.count('getmempoolinfo')).toBe(2);
    expect(node.count('getblocktemplate')).toBe(asked);
  });

  it('bring no new job when the node gives the same work', async () => {
    await begin(replyOf());
    node.mempool = { size: 1, bytes: 100, total_fee: 0.1 };
    await vi.advanceTimersByTimeAsync(REFRESH_MS);
    expect(node.count('getblocktemplate')).toBe(3);
    expect(given).toHaveLength(1);
  });

  it('a quiet chain still gets a fresh time now and then', async () => {
    await begin(replyOf());
    await vi.advanceTimersByTimeAsync(5 * 60_000);
    expect(given.length).toBeGreaterThanOrEqual(4);
    expect(given.length).toBeLessThanOrEqual(6);
    expect(new Set(tips())).toEqual(new Set([TIP]));
  });
});

describe('two requests at once', () => {
  it('an answer from before the tip moved is dropped', async () => {
    await begin(replyOf());
    const slow = Promise.withResolvers<unknown>();
    node.intercept = (method, [request]) =>
      method === 'getblocktemplate' && (request as { longpollid?: string }).longpollid === undefined
        ? slow.promise
        : undefined;
    const refreshed = source.refresh();
    await settle();
    node.intercept = undefined;
    node.set(replyOf({ tip: NEXT, height: 201 }));
    await settle();
    slow.resolve(replyOf());
    await refreshed;
    expect(tips()).toEqual([TIP, NEXT]);
  });

  it('a tip that the long poll saw before another request overtook it does not win', async () => {
    await begin(replyOf());
    const later = replyOf({ tip: NEXT, height: 201 });
    node.set(later, { silently: true });
    await source.refresh();
    expect(tips()).toEqual([TIP, NEXT]);
    // The long poll was sent before and is answered now, with a tip from in between: ask once more, and the node decides.
    const between = replyOf({ tip: 'cd'.repeat(32), height: 201 });
    node.set(between);
    node.set(later, { silently: true });
    await settle();
    expect(tips()).toEqual([TIP, NEXT]);
    expect(node.calls.at(-2)?.params).toEqual([{ rules: ['segwit'], longpollid: undefined }]);
    expect(node.waiting).toBe(1);
  });
});

describe('a node in trouble', () => {
  it.each([
    [new RpcError('getblocktemplate', -9, 'Bitcoin is not connected!'), 'not connected to any other node'],
    [new RpcError('getblocktemplate', -10, 'in initial sync'), 'catching up with the chain'],
    [new RpcError('getblocktemplate', -28, 'Loading block index'), 'Loading block index'],
    [new RpcUnreachable('getblocktemplate', 'refused', 'nothing listens'), 'nothing listens'],
  ])('is waited for, with the reason: %s', async (error, words) => {
    await begin(replyOf());
    node.drop(error);
    await settle();
    expect(source.state()).toEqual({ kind: 'waiting', reason: expect.stringContaining(words) as string });
    expect(source.current()).toBe(given[0]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(states.filter(({ kind }) => kind === 'waiting')).toHaveLength(2);
    node.trouble = undefined;
    node.set(replyOf({ tip: NEXT, height: 201 }));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(source.state()).toEqual({ kind: 'running' });
    expect(tips()).toEqual([TIP, NEXT]);
  });

  it('is asked at once when somebody knows that it is back', async () => {
    await begin(replyOf());
    node.drop(new RpcError('getblocktemplate', -10, 'in initial sync'));
    await settle();
    node.trouble = undefined;
    await source.refresh();
    await settle();
    expect(source.state()).toEqual({ kind: 'running' });
    expect(node.waiting).toBe(1);
  });

  it('that hangs is noticed although the long poll stays open', async () => {
    await begin(replyOf());
    node.trouble = new RpcUnreachable('getmempoolinfo', 'timeout', 'no answer within 10 s');
    await vi.advanceTimersByTimeAsync(REFRESH_MS);
    expect(source.state()).toEqual({
      kind: 'waiting',
      reason: 'The node does not answer: no answer within 10 s.',
    });
    node.trouble = undefined;
    await vi.advanceTimersByTimeAsync(REFRESH_MS);
    expect(source.state()).toEqual({ kind: 'running' });
    expect(node.waiting).toBe(1);
  });

  it('does not throw whatever becomes of a submission', async () => {
    await begin(replyOf());
    node.intercept = (method) => (method === 'submitblock' ? Promise.resolve({ odd: true }) : undefined);
    expect(await source.submit(Uint8Array.of(1))).toMatchObject({ kind: 'unreachable' });
    node.trouble = new TypeError('unforeseen');
    expect(await source.submit(Uint8Array.of(1))).toEqual({ kind: 'unreachable', reason: 'unforeseen' });
  });
});

describe('a wrong template', () => {
  it('is refused with the reason; a right one is taken after it', async () => {
    await begin({ ...replyOf(), height: -5 });
    expect(given).toEqual([]);
    expect(source.state()).toMatchObject({
      kind: 'failed',
      reason: expect.stringContaining('height') as string,
    });
    const asked = node.calls.length;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(node.calls.length - asked).toBeLessThanOrEqual(10);
    node.set(replyOf());
    await vi.advanceTimersByTimeAsync(1_000);
    expect(source.state()).toEqual({ kind: 'running' });
    expect(tips()).toEqual([TIP]);
  });

  it('is withdrawn when its commitment turns out to be false, and the next ones are checked first', async () => {
    const forged = { ...replyOf(), default_witness_commitment: `6a24aa21a9ed${'11'.repeat(32)}` };
    await begin(forged);
    expect(given).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(300);
    await vi.waitFor(() => expect(source.current()).toBeUndefined());
    expect(source.state()).toMatchObject({
      kind: 'failed',
      reason: expect.stringContaining('witness commitment') as string,
    });
    await vi.advanceTimersByTimeAsync(5_000);
    expect(given).toHaveLength(1);
    node.set(replyOf());
    await vi.advanceTimersByTimeAsync(1_000);
    expect(source.current()).toBe(given[1]);
    expect(given[1]).toMatchObject({ newTip: true });
    // A solution for the first may be on its way all the same.
    expect(await source.transactions(given[0]?.id ?? '')).toHaveLength(3);
  });

  it('of a signet that only its owners can mine on is none', async () => {
    await begin({ ...replyOf(), signet_challenge: `5121${'02'.repeat(33)}51ae` }, 'signet');
    expect(given).toEqual([]);
    expect(source.state()).toMatchObject({
      kind: 'failed',
      advice: expect.stringContaining('testnet4') as string,
    });
    node.set({ ...replyOf({ height: 100, count: 0 }), signet_challenge: '51' });
    await vi.advanceTimersByTimeAsync(1_000);
    expect(given).toHaveLength(1);
  });

  it('a listener that fails disturbs neither the others nor the source', async () => {
    node = new ScriptedNode(replyOf());
    watch(createRpcTemplateSource({ rpc: node, network: 'regtest', clock: Date, log: silentLog }));
    const seen: string[] = [];
    source.onTemplate(() => {
      throw new Error('broken');
    });
    const off = source.onTemplate(({ id }) => seen.push(id));
    source.start();
    await settle();
    expect(seen).toHaveLength(1);
    off();
    node.set(replyOf({ tip: NEXT, height: 201 }));
    await settle();
    expect(seen).toHaveLength(1);
    expect(given).toHaveLength(2);
  });
});

describe('over HTTP', () => {
  async function serve(answer: RequestListener): Promise<{ readonly close: () => Promise<void> }> {
    vi.useRealTimers();
    const folder = mkdtempSync(join(tmpdir(), 'adit-templates-'));
    const cookieFile = join(folder, '.cookie');
    writeFileSync(cookieFile, '__cookie__:00');
    const server = createServer(answer);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const rpc = createNodeRpc({
      target: () => ({ port: (server.address() as AddressInfo).port, cookieFile }),
    });
    watch(createRpcTemplateSource({ rpc, network: 'regtest', clock: Date, log: silentLog }));
    return {
      async close() {
        await source.stop();
        rpc.close();
        server.closeAllConnections();
        server.close();
        rmSync(folder, { recursive: true });
      },
    };
  }

  const whole = JSON.stringify({ result: replyOf({ count: 100 }), error: null, id: 1 });
  it.each<readonly [string, RequestListener]>([
    [
      'cut short',
      (_, response) =>
        response
          .writeHead(200, { 'content-length': whole.length })
          .write(whole.slice(0, 5_000), () => response.destroy()),
    ],
    ['half of the JSON', (_, response) => response.end(whole.slice(0, 5_000))],
    ['HTML', (_, response) => response.end('<html>')],
    ['nothing', (_, response) => response.end()],
    ['endless', (_, response) => response.writeHead(200, { 'content-length': 10 ** 12 }).flushHeaders()],
    [
      'result of a wrong type',
      (_, response) => response.end(JSON.stringify({ result: 5, error: null, id: 1 })),
    ],
  ])('a reply that is %s is waited out', async (_, answer) => {
    const server = await serve(answer);
    try {
      const trouble = new Promise<SourceState>((resolve) => {
        source.onState((state) => {
          if (state.kind !== 'waiting' || !state.reason.startsWith('Waiting for the first')) resolve(state);
        });
      });
      source.start();
      const state = await trouble;
      expect(['waiting', 'failed']).toContain(state.kind);
      expect(given).toEqual([]);
    } finally {
      await server.close();
    }
  });
});
