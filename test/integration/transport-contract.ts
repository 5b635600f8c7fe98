import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createApiClient } from '../../src-main/core/api/client.ts';
import type { ClientChannel, ClientOptions } from '../../src-main/core/api/client.ts';
import { ApiError } from '../../src-main/core/api/define.ts';
import { createApiHub } from '../../src-main/core/api/hub.ts';
import type { ApiHandlers, ApiHub } from '../../src-main/core/api/hub.ts';
import { LIMITS } from '../../src-main/core/api/protocol.ts';
import type { ApiClient, ApiServer } from '../../src-main/core/api/schema.ts';
import type { SessionOptions } from '../../src-main/transport/session.ts';
import { nodeSchedule } from '../../src-main/transport/schedule.ts';
import { INITIAL, eventRow, minerRow, plainHandlers } from '../fixtures/api-world.ts';

/** A connection of which the test writes and reads every frame. */
export interface RawConnection {
  send(frame: unknown): void;
  /** Frames that arrived, oldest first. */
  readonly frames: string[];
  /** Resolves when the server ended it. */
  readonly ended: Promise<void>;
  /** The client's end goes silent: it reads nothing any more, until `read(true)`. */
  read(on: boolean): void;
  close(): void;
}

/** A server reachable over one transport. */
export interface Rig {
  channel(): ClientChannel;
  raw(): Promise<RawConnection>;
  /** Breaks every connection that is open, as a network would. */
  drop(): void;
  stop(): Promise<void>;
}

/** Waits until `condition` holds, looking after every turn of the event loop; the test's own time limit bounds it. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

interface Sent {
  readonly t: string;
  readonly id?: number;
  readonly seq?: number;
  readonly n?: number;
  readonly state?: unknown;
  readonly error?: { readonly code: string; readonly message: string };
}
const read = (raw: RawConnection): Sent[] => raw.frames.map((frame) => JSON.parse(frame) as Sent);
const failure = async (promise: Promise<unknown>): Promise<ApiError> => {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ApiError);
  return error as ApiError;
};

/** What every transport of the API must do. `start` makes a server of it. */
export function transportContract(
  name: string,
  start: (server: ApiServer, options: SessionOptions) => Promise<Rig>,
): void {
  describe(name, () => {
    let hub: ApiHub;
    let rig: Rig;
    let handlers: { -readonly [K in keyof ApiHandlers]: ApiHandlers[K] };
    let errors: [string, unknown][];
    const clients: ApiClient[] = [];
    const limits = {
      lagAbove: 64 * 1024,
      caughtUpBelow: 16 * 1024,
      pingEvery: 8 * 1024,
      closeAbove: 4 * 1024 * 1024,
    };

    const connect = (options: Partial<ClientOptions> = {}): ApiClient => {
      const client = createApiClient(rig.channel(), { schedule: nodeSchedule, ...options });
      clients.push(client);
      return client;
    };
    const online = (client: ApiClient): Promise<void> =>
      new Promise((resolve) => {
        const stop = client.onConnection((connected) => {
          if (!connected) return;
          queueMicrotask(() => stop());
          resolve();
        });
      });

    beforeEach(async () => {
      errors = [];
      handlers = plainHandlers();
      hub = createApiHub({
        handlers: {
          get commands() {
            return handlers.commands;
          },
          get queries() {
            return handlers.queries;
          },
        },
        schedule: nodeSchedule,
        initial: INITIAL,
        intervals: { totals: 0, miners: 0, events: 0 },
        onError: (where, error) => errors.push([where, error]),
      });
      rig = await start(hub, { limits, onError: (where, error) => errors.push([where, error]) });
    });
    afterEach(async () => {
      for (const client of clients.splice(0)) client.close();
      await rig.stop();
      hub.close();
    });

    describe('calls', () => {
      test('answers come back to the call that asked, whatever their order', async () => {
        const gates: (() => void)[] = [];
        handlers.queries = {
          ...handlers.queries,
          'address.check': async ({ text }) => {
            await new Promise<void>((resolve) => gates.push(resolve));
            return { ok: false, code: 'test', message: text };
          },
        };
        const client = connect();
        const order: string[] = [];
        const ask = async (text: string): Promise<void> => {
          const answer = await client.query('address.check', { network: 'main', text });
          expect(answer).toMatchObject({ message: text });
          order.push(text);
        };
        const all = ['a', 'b', 'c'].map(ask);
        await until(() => gates.length === 3);
        for (const gate of gates.toReversed()) gate();
        await Promise.all(all);
        expect(order).toEqual(['c', 'b', 'a']);
      });

      test('text of every kind survives the way', async () => {
        const text = 'quote " backslash \\ null \0 line\u2028 rocket 🚀 lone \ud800 ünï';
        const answer = await connect().query('address.check', { network: 'main', text });
        // A lone surrogate is no text that UTF-8 can carry; JSON escapes it, so it arrives as it was.
        expect(answer).toMatchObject({ message: text });
      });

      test('errors keep code, message and field', async () => {
        const client = connect();
        handlers.commands = {
          ...handlers.commands,
          'node.start': () => {
            throw new ApiError('no_binary', 'There is no node.', 'node.binary');
          },
        };
        expect(await failure(client.command('node.start', {}))).toMatchObject({
          code: 'no_binary',
          message: 'There is no node.',
          field: 'node.binary',
        });
        expect(await failure(client.command('practice.threads', { threads: -1 }))).toMatchObject({
          code: 'invalid_input',
          field: 'threads',
        });
        expect(errors).toEqual([]);
      });

      test('a fault inside the engine shows only a code', async () => {
        handlers.commands = {
          ...handlers.commands,
          'node.stop': () => Promise.reject(new Error('/home/a/.cookie')),
        };
        const error = await failure(connect().command('node.stop', {}));
        expect(error).toMatchObject({ code: 'internal', field: undefined });
        expect(error.message).not.toContain('cookie');
        expect(errors).toHaveLength(1);
      });

      test('a call that takes too long times out, and its late answer harms nobody', async () => {
        let open = (): void => {};
        handlers.queries = {
          ...handlers.queries,
          'node.log': async () => {
            await new Promise<void>((resolve) => (open = resolve));
            return { lines: ['late'] };
          },
        };
        const client = connect({ callTimeoutMs: 60 });
        await online(client);
        expect((await failure(client.query('node.log', {}))).code).toBe('timeout');
        open();
        expect(await client.query('miners.sparklines', {})).toEqual({});
      });

      test('a large answer arrives whole', async () => {
        const hex = 'ab'.repeat(1_500_000);
        handlers.queries = { ...handlers.queries, 'block.raw': () => ({ hex }) };
        const answer = await connect().query('block.raw', { hash: '0'.repeat(64) });
        expect(answer?.hex.length).toBe(hex.length);
      });

      test('an input that is too large fails on the client, and the connection lives', async () => {
        const client = connect();
        const text = 'x'.repeat(LIMITS.clientFrame);
        expect((await failure(client.query('address.check', { network: 'main', text }))).code).toBe(
          'too_large',
        );
        expect(await client.query('node.log', {})).toEqual({ lines: [] });
      });

      test('too many open calls fail at once, the open ones go on', async () => {
        let open = (): void => {};
        const gate = new Promise<void>((resolve) => (open = resolve));
        handlers.queries = {
          ...handlers.queries,
          'node.log': async () => {
            await gate;
            return { lines: [] };
          },
        };
        const client = connect();
        await online(client);
        const calls = Array.from({ length: LIMITS.openCalls }, () => client.query('node.log', {}));
        expect((await failure(client.query('node.log', {}))).code).toBe('busy');
        open();
        await Promise.all(calls);
        expect(await client.query('node.log', {})).toEqual({ lines: [] });
      });
    });

    describe('topics', () => {
      test('the snapshot first, then each change, in order', async () => {
        const client = connect();
        const seen: number[] = [];
        client.watch('totals', (totals) => seen.push(totals.blocksFound));
        await until(() => seen.length === 1);
        for (let blocksFound = 1; blocksFound <= 50; blocksFound += 1) {
          hub.value('totals', { ...INITIAL.totals, blocksFound });
        }
        await until(() => seen.length === 51);
        expect(seen).toEqual(Array.from({ length: 51 }, (_, index) => index));
      });

      test('map and list topics add up to what the engine holds', async () => {
        const client = connect();
        let miners: unknown;
        let events: readonly unknown[] = [];
        hub.append('events', eventRow(0));
        client.watch('miners', (state) => (miners = state));
        client.watch('events', (state) => (events = state));
        await until(() => events.length === 1 && miners !== undefined);
        hub.map('miners').set('a', minerRow('a'));
        hub.map('miners').set('__proto__', minerRow('__proto__'));
        hub.map('miners').remove('a');
        for (let id = 1; id <= 250; id += 1) hub.append('events', eventRow(id));
        await until(() => (events.at(-1) as { id: number }).id === 250);
        expect(Object.keys(miners as object)).toEqual(['__proto__']);
        expect(events).toEqual(Array.from({ length: 200 }, (_, index) => eventRow(51 + index)));
      });

      test('a second watcher gets the state too, and the last one to stop ends the subscription', async () => {
        const client = connect();
        const first: string[] = [];
        const second: string[] = [];
        const stopFirst = client.watch('state', ({ headline }) => first.push(headline));
        await until(() => first.length === 1);
        const stopSecond = client.watch('state', ({ headline }) => second.push(headline));
        await until(() => second.length === 1);
        stopFirst();
        hub.value('state', { ...INITIAL.state, headline: 'waiting' });
        await until(() => second.length === 2);
        stopSecond();
        hub.value('state', { ...INITIAL.state, headline: 'mining' });
        await client.query('node.log', {});
        expect({ first, second }).toEqual({ first: ['setup'], second: ['setup', 'waiting'] });
        const again: string[] = [];
        client.watch('state', ({ headline }) => again.push(headline));
        await until(() => again.length === 1);
        expect(again).toEqual(['mining']);
      });
    });

    describe('a lost connection', () => {
      test('is told, comes back by itself, and topics begin with a fresh snapshot', async () => {
        const client = connect();
        const links: boolean[] = [];
        const seen: number[] = [];
        client.onConnection((connected) => links.push(connected));
        client.watch('totals', (totals) => seen.push(totals.blocksFound));
        await until(() => seen.length === 1);
        hub.value('totals', { ...INITIAL.totals, blocksFound: 1 });
        await until(() => seen.length === 2);
        rig.drop();
        await until(() => links.at(-1) === false);
        hub.value('totals', { ...INITIAL.totals, blocksFound: 2 });
        hub.value('totals', { ...INITIAL.totals, blocksFound: 3 });
        await until(() => seen.length === 3);
        hub.value('totals', { ...INITIAL.totals, blocksFound: 4 });
        await until(() => seen.length === 4);
        expect(seen).toEqual([0, 1, 3, 4]);
        // The first word depends on how quickly the transport connects.
        expect(links[0] === false ? links.slice(1) : links).toEqual([true, false, true]);
      });

      test('fails the calls that were out, and carries out none twice', async () => {
        let count = 0;
        handlers.commands = {
          ...handlers.commands,
          'node.restart': () => {
            count += 1;
            return new Promise(() => {});
          },
        };
        const client = connect();
        const call = failure(client.command('node.restart', {}));
        await until(() => count === 1);
        rig.drop();
        expect((await call).code).toBe('disconnected');
        expect(await client.query('node.log', {})).toEqual({ lines: [] });
        expect(count).toBe(1);
      });

      test('closing the client fails what is out and silences it', async () => {
        const client = connect();
        const seen: unknown[] = [];
        client.watch('state', (state) => seen.push(state));
        await until(() => seen.length === 1);
        handlers.commands = { ...handlers.commands, 'node.stop': () => new Promise(() => {}) };
        const call = failure(client.command('node.stop', {}));
        client.close();
        expect((await call).code).toBe('disconnected');
        expect((await failure(client.query('node.log', {}))).code).toBe('closed');
        hub.value('state', { ...INITIAL.state, headline: 'mining' });
        await connect().query('node.log', {});
        expect(seen).toHaveLength(1);
      });
    });

    describe('hostile clients', () => {
      const subscribeFrame = (id: number, topic: string): string =>
        JSON.stringify({ t: 'subscribe', id, topic });

      test.each([
        ['no JSON', '{"t":"call"'],
        ['no object', '[]'],
        ['null', 'null'],
        ['unknown message', '{"t":"shutdown"}'],
        ['inherited message', '{"t":"__proto__"}'],
        ['id of the wrong type', '{"t":"call","id":"1","kind":"query","name":"node.log"}'],
        ['id that is not whole', '{"t":"subscribe","id":1.5,"topic":"state"}'],
        ['unknown kind', '{"t":"call","id":1,"kind":"eval","name":"node.log"}'],
        ['endless name', JSON.stringify({ t: 'call', id: 1, kind: 'query', name: 'n'.repeat(65) })],
        [
          'deep nesting',
          '{"t":"call","id":1,"kind":"x","input":' + '['.repeat(100_000) + ']'.repeat(100_000) + '}',
        ],
      ])('garbage ends the connection with a reason: %s', async (_, frame) => {
        const raw = await rig.raw();
        raw.send(frame);
        await raw.ended;
        expect(read(raw).at(-1)).toMatchObject({ t: 'fault', error: { code: 'protocol' } });
        expect(await connect().query('node.log', {})).toEqual({ lines: [] });
      });

      test('deep nesting inside an input is refused as an input', async () => {
        const raw = await rig.raw();
        const input = '['.repeat(50_000) + ']'.repeat(50_000);
        raw.send(`{"t":"call","id":1,"kind":"query","name":"node.log","input":${input}}`);
        await until(() => raw.frames.length === 1);
        expect(read(raw)[0]).toMatchObject({ t: 'failed', error: { code: 'invalid_input' } });
        raw.close();
      });

      test('frames that are not text end the connection', async () => {
        const raw = await rig.raw();
        raw.send(new Uint8Array([123, 125]));
        await raw.ended;
        expect(await connect().query('node.log', {})).toEqual({ lines: [] });
      });

      test('a frame over the limit ends the connection', async () => {
        const raw = await rig.raw();
        raw.send(' '.repeat(LIMITS.clientFrame + 1));
        await raw.ended;
        expect(await connect().query('node.log', {})).toEqual({ lines: [] });
      });

      test('prototype keys pollute nothing', async () => {
        const raw = await rig.raw();
        raw.send(
          '{"t":"call","id":1,"kind":"command","name":"practice.threads","input":{"threads":1,"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}},"__proto__":{"polluted":1}}',
        );
        raw.send('{"t":"call","id":2,"kind":"command","name":"__proto__","input":{}}');
        raw.send(subscribeFrame(3, '__proto__'));
        await until(() => raw.frames.length === 3);
        expect(new Map(read(raw).map((frame) => [frame.id, frame.error?.code ?? frame.t]))).toEqual(
          new Map([
            [1, 'reply'],
            [2, 'unknown_call'],
            [3, 'unknown_topic'],
          ]),
        );
        expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
        raw.close();
      });

      test('of 10,000 subscriptions only the allowed ones are made', async () => {
        const raw = await rig.raw();
        for (let id = 1; id <= 10_000; id += 1) raw.send(subscribeFrame(id, 'connection'));
        await until(
          () =>
            raw.frames.filter((frame) => frame.includes('"refused"')).length ===
            10_000 - LIMITS.subscriptions,
        );
        expect(read(raw).filter(({ t }) => t === 'snapshot')).toHaveLength(LIMITS.subscriptions);
        raw.close();
      });

      test('open calls are bounded by the server too', async () => {
        handlers.queries = { ...handlers.queries, 'node.log': () => new Promise(() => {}) };
        const raw = await rig.raw();
        for (let id = 1; id <= LIMITS.openCalls + 5; id += 1) {
          raw.send(JSON.stringify({ t: 'call', id, kind: 'query', name: 'node.log', input: {} }));
        }
        await until(() => raw.frames.length === 5);
        expect(read(raw).every(({ error }) => error?.code === 'busy')).toBe(true);
        raw.close();
      });

      test('an id that is in use ends the connection', async () => {
        const raw = await rig.raw();
        raw.send(subscribeFrame(1, 'state'));
        raw.send(subscribeFrame(1, 'node'));
        await raw.ended;
        expect(read(raw).at(-1)?.t).toBe('fault');
      });
    });

    describe('back-pressure', () => {
      /** A frame of some 10 kB. */
      const publish = (id: number): void => hub.append('events', eventRow(id, 'x'.repeat(10_000)));

      test('a client that does not confirm gets no backlog, and a snapshot once it does', async () => {
        const raw = await rig.raw();
        raw.send(JSON.stringify({ t: 'subscribe', id: 1, topic: 'events' }));
        await until(() => raw.frames.length === 1);
        for (let id = 1; id <= 2_000; id += 1) publish(id);
        await connect().query('node.log', {});
        const before = read(raw);
        expect(before.filter(({ t }) => t === 'change').length).toBeLessThanOrEqual(
          limits.lagAbove / 10_000 + 1,
        );
        expect(before.filter(({ t }) => t === 'ping')).toHaveLength(1);

        raw.frames.length = 0;
        // Each pong confirms what was sent before its ping, and may be answered by the next ping.
        let ping = before.find(({ t }) => t === 'ping');
        while (ping && !read(raw).some(({ t }) => t === 'snapshot')) {
          const { n } = ping;
          raw.send(JSON.stringify({ t: 'pong', n }));
          await until(() =>
            raw.frames.some((frame) => /"t":"(ping|snapshot)"/.test(frame) && !frame.includes(`"n":${n}}`)),
          );
          ping = read(raw).findLast(({ t }) => t === 'ping');
        }
        const snapshot = read(raw).find(({ t }) => t === 'snapshot');
        expect(snapshot).toMatchObject({ id: 1, seq: 2_000 });
        expect(JSON.stringify(snapshot)).toContain('"id":2000,');
        expect(read(raw).filter(({ t }) => t === 'change')).toEqual([]);
        raw.close();
      });

      test('one that stands still disturbs no other, and an ordinary client ends up right', async () => {
        const still = await rig.raw();
        still.send(JSON.stringify({ t: 'subscribe', id: 1, topic: 'events' }));
        await until(() => still.frames.length === 1);
        still.read(false);
        let last = -1;
        connect().watch('events', (events) => (last = events.at(-1)?.id ?? 0));
        await until(() => last === 0);
        for (let id = 1; id <= 3_000; id += 1) publish(id);
        await until(() => last === 3_000);
        still.close();
      });

      test('one that asks without reading is cut off', async () => {
        handlers.queries = { ...handlers.queries, 'block.raw': () => ({ hex: 'ab'.repeat(100_000) }) };
        const raw = await rig.raw();
        for (let id = 1; id <= 60; id += 1) {
          raw.send(
            JSON.stringify({
              t: 'call',
              id,
              kind: 'query',
              name: 'block.raw',
              input: { hash: '0'.repeat(64) },
            }),
          );
        }
        await raw.ended;
        expect(raw.frames.length).toBeLessThan(60);
      });
    });
  });
}
