import { describe, expect, test } from 'vitest';
import { openPageClient } from '../../src-main/core/api/browser.ts';
import type { PageWindow } from '../../src-main/core/api/browser.ts';
import { createApiClient } from '../../src-main/core/api/client.ts';
import type { ChannelEvents, ClientChannel } from '../../src-main/core/api/client.ts';
import { sameJson } from '../../src-main/core/api/equal.ts';
import { LIMITS, parseClientFrame, parseServerFrame } from '../../src-main/core/api/protocol.ts';
import { backOff, reconnecting } from '../../src-main/core/api/reconnect.ts';
import { checkSession, exchangeToken } from '../../src-main/core/api/session.ts';
import type { SessionBrowser } from '../../src-main/core/api/session.ts';
import { INITIAL, eventRow, handTime } from '../fixtures/api-world.ts';

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A client on a channel of which the test is the other end. */
function wired() {
  const time = handTime();
  const sent: Record<string, unknown>[] = [];
  let events: ChannelEvents | undefined;
  let resets = 0;
  const channel: ClientChannel = {
    open: (given) => (events = given),
    send: (frame) => void sent.push(JSON.parse(frame) as Record<string, unknown>),
    reset: () => (resets += 1),
    close: () => (events = undefined),
  };
  const client = createApiClient(channel, { schedule: time.schedule });
  return {
    time,
    sent,
    client,
    open: () => events?.opened(),
    lose: () => events?.lost(),
    say: (message: unknown) => events?.frame(typeof message === 'string' ? message : JSON.stringify(message)),
    get resets() {
      return resets;
    },
  };
}

describe('the client', () => {
  test('calls wait for the connection and go out in their order', async () => {
    const { client, sent, open, say } = wired();
    const first = client.query('node.log', {});
    const second = client.query('miners.sparklines', {});
    expect(sent).toEqual([]);
    open();
    expect(sent.map(({ name }) => name)).toEqual(['node.log', 'miners.sparklines']);
    say({ t: 'reply', id: sent[1]?.['id'], output: { a: [1] } });
    say({ t: 'reply', id: sent[0]?.['id'], output: { lines: ['x'] } });
    expect(await first).toEqual({ lines: ['x'] });
    expect(await second).toEqual({ a: [1] });
  });

  test('a call that never got a connection times out', async () => {
    const { client, time, sent, open } = wired();
    const call = client.query('node.log', {});
    time.pass(30_000);
    await expect(call).rejects.toMatchObject({ code: 'timeout' });
    open();
    expect(sent).toEqual([]);
  });

  test('calls that wait are not lost with a connection they were never sent on', async () => {
    const { client, sent, open, lose, say } = wired();
    open();
    const out = client.query('node.log', {});
    lose();
    const waits = client.query('miners.sparklines', {});
    await expect(out).rejects.toMatchObject({ code: 'disconnected' });
    open();
    expect(sent.map(({ name }) => name)).toEqual(['node.log', 'miners.sparklines']);
    say({ t: 'reply', id: sent[1]?.['id'], output: {} });
    expect(await waits).toEqual({});
  });

  test('a gap in the numbers asks for a new snapshot, and nothing wrong is shown meanwhile', () => {
    const { client, sent, open, say } = wired();
    const seen: number[][] = [];
    client.watch('events', (events) => seen.push(events.map(({ id }) => id)));
    open();
    const id = sent[0]?.['id'];
    say({ t: 'snapshot', id, seq: 4, state: [eventRow(1)] });
    say({ t: 'change', id, seq: 5, change: { kind: 'list', append: [eventRow(2)] } });
    say({ t: 'change', id, seq: 7, change: { kind: 'list', append: [eventRow(4)] } });
    expect(sent.slice(1).map(({ t }) => t)).toEqual(['unsubscribe', 'subscribe']);
    say({ t: 'change', id, seq: 8, change: { kind: 'list', append: [eventRow(5)] } });
    say({ t: 'snapshot', id: sent[2]?.['id'], seq: 8, state: [1, 2, 3, 4, 5].map((n) => eventRow(n)) });
    expect(seen).toEqual([[1], [1, 2], [1, 2, 3, 4, 5]]);
  });

  test('a snapshot in the middle replaces what was there', () => {
    const { client, sent, open, say } = wired();
    const seen: string[] = [];
    client.watch('state', ({ headline }) => seen.push(headline));
    open();
    const id = sent[0]?.['id'];
    say({ t: 'snapshot', id, seq: 0, state: INITIAL.state });
    say({ t: 'snapshot', id, seq: 9, state: { ...INITIAL.state, headline: 'mining' } });
    say({
      t: 'change',
      id,
      seq: 10,
      change: { kind: 'value', value: { ...INITIAL.state, headline: 'degraded' } },
    });
    expect(seen).toEqual(['setup', 'mining', 'degraded']);
    expect(sent).toHaveLength(1);
  });

  test.each([
    ['{"t":'],
    ['7'],
    [JSON.stringify({ t: 'change', id: 1, seq: 1, change: { kind: 'map', set: [], remove: [1] } })],
    [JSON.stringify({ t: 'reply', id: -1 })],
    [JSON.stringify({ t: 'snapshot', id: 1, seq: 0 })],
  ])('nonsense from the server drops the connection: %s', (frame) => {
    const world = wired();
    world.open();
    world.say(frame);
    expect(world.resets).toBe(1);
  });

  test('a silent server is asked, then dropped; a word from it is enough', () => {
    const world = wired();
    world.open();
    world.time.pass(15_000);
    expect(world.sent).toEqual([{ t: 'ping', n: 0 }]);
    world.say({ t: 'pong', n: 0 });
    world.time.pass(10_000);
    expect(world.resets).toBe(0);
    world.time.pass(15_000);
    expect(world.sent).toHaveLength(2);
    world.time.pass(9_999);
    expect(world.resets).toBe(0);
    world.time.pass(1);
    expect(world.resets).toBe(1);
  });

  test('pings of the server are answered with their number', () => {
    const { sent, open, say } = wired();
    open();
    say({ t: 'ping', n: 42 });
    expect(sent).toEqual([{ t: 'pong', n: 42 }]);
  });

  test('a listener that throws keeps nobody else from hearing, and its error surfaces', () => {
    const { client, sent, open, say, time } = wired();
    const seen: string[] = [];
    client.watch('state', () => {
      throw new Error('mine');
    });
    client.watch('state', ({ headline }) => seen.push(headline));
    open();
    say({ t: 'snapshot', id: sent[0]?.['id'], seq: 0, state: INITIAL.state });
    expect(seen).toEqual(['setup']);
    expect(() => time.pass(0)).toThrow('mine');
  });

  test('a listener stopped before its first call is never called', async () => {
    const { client, sent, open, say } = wired();
    client.watch('state', () => {});
    open();
    say({ t: 'snapshot', id: sent[0]?.['id'], seq: 0, state: INITIAL.state });
    const seen: unknown[] = [];
    client.watch('state', (state) => seen.push(state))();
    client.onConnection((connected) => seen.push(connected))();
    await settle();
    expect(seen).toEqual([]);
  });

  test('after close no timer is left', () => {
    const { client, time, open } = wired();
    open();
    client.query('node.log', {}).catch(() => {});
    client.close();
    client.close();
    expect(time.waiting).toBe(0);
    expect(client.watch('state', () => {})).toBeTypeOf('function');
  });
});

describe('connecting again', () => {
  test('waits longer each time, from the start again once a connection opened', () => {
    expect([0, 1, 2, 3, 4, 5, 50].map(backOff)).toEqual([250, 500, 1_000, 2_000, 4_000, 5_000, 5_000]);
    const time = handTime();
    const links: { events: ChannelEvents; closed: boolean }[] = [];
    const told: string[] = [];
    const channel = reconnecting(time.schedule, (events) => {
      const link = { events, closed: false };
      links.push(link);
      return { send: () => {}, close: () => (link.closed = true) };
    });
    const last = (): (typeof links)[number] => links.at(-1) as (typeof links)[number];
    channel.open({
      opened: () => told.push('opened'),
      frame: (text) => told.push(String(text)),
      lost: () => told.push('lost'),
    });
    last().events.lost();
    time.pass(250);
    last().events.lost();
    time.pass(499);
    expect(links).toHaveLength(2);
    time.pass(1);
    const third = last();
    third.events.opened();
    third.events.frame('a');
    channel.reset();
    expect(third.closed).toBe(true);
    third.events.frame('late');
    third.events.lost();
    time.pass(250);
    expect(links).toHaveLength(4);
    last().events.opened();
    channel.close();
    last().events.lost();
    time.pass(60_000);
    expect(links).toHaveLength(4);
    expect(told).toEqual(['opened', 'a', 'lost', 'opened']);
  });
});

describe('frames', () => {
  test('only whole, known messages within their bounds are read', () => {
    expect(parseClientFrame('{"t":"ping","n":3,"more":1}')).toEqual({ t: 'ping', n: 3 });
    for (const frame of [
      undefined,
      new Uint8Array(2),
      '',
      '"ping"',
      '{"t":"bad","reason":"no"}',
      '{"t":"ping","n":-1}',
      '{"t":"ping","n":1e99}',
      '{"t":"subscribe","id":1,"topic":""}',
      '{"t":"unsubscribe","id":0}',
      ' '.repeat(LIMITS.clientFrame + 1),
    ]) {
      expect(parseClientFrame(frame).t).toBe('bad');
    }
    expect(parseServerFrame('{"t":"call","id":1,"kind":"query","name":"node.log"}').t).toBe('bad');
    expect(parseServerFrame('{"t":"failed","id":1,"error":{"code":"a","message":"b","field":3}}').t).toBe(
      'bad',
    );
  });
});

describe('sameJson', () => {
  test.each<[unknown, unknown, boolean]>([
    [{ a: 1, b: [1, { c: null }] }, { b: [1, { c: null }], a: 1 }, true],
    [{ a: 1, b: undefined }, { a: 1 }, true],
    [{ a: 1 }, { a: 1, b: 2 }, false],
    [{ a: 1, b: 2 }, { a: 1 }, false],
    [{ a: undefined, b: 1 }, { b: 1, c: undefined }, true],
    [[1, 2], [1, 2, 3], false],
    [[], {}, false],
    [null, {}, false],
    [Number.NaN, Number.NaN, true],
    ['1', 1, false],
    [{}, { toString: 1 }, false],
    [JSON.parse('{"__proto__":1}'), {}, false],
  ])('%j and %j: %s', (a, b, same) => {
    expect(sameJson(a, b)).toBe(same);
    expect(sameJson(b, a)).toBe(same);
  });
});

/** A browser whose server answers with these statuses in turn; a negative one fails. */
function browser(hash: string, statuses: number[]) {
  const asked: [string, RequestInit][] = [];
  const replaced: string[] = [];
  const fake: SessionBrowser = {
    location: { hash, pathname: '/', search: '?a=1' },
    history: { replaceState: (_data, _unused, url) => void replaced.push(url) },
    fetch(url, init) {
      asked.push([url, init]);
      const status = statuses.shift() ?? -1;
      return status < 0 ? Promise.reject(new TypeError('no network')) : Promise.resolve({ status });
    },
  };
  return { fake, asked, replaced };
}

describe('signing in', () => {
  test('a token is traded once and leaves the address', async () => {
    const { fake, asked, replaced } = browser('#token=a%2Bb', [204]);
    expect(await exchangeToken(fake)).toEqual({ kind: 'signedIn' });
    expect(asked[0]?.[0]).toBe('/session');
    expect(asked[0]?.[1]).toMatchObject({ method: 'POST', body: '{"token":"a+b"}' });
    expect(replaced).toEqual(['/?a=1']);
  });
  test('a wrong token leaves the address too', async () => {
    const { fake, replaced } = browser('#token=x', [401]);
    expect(await exchangeToken(fake)).toEqual({ kind: 'needsToken' });
    expect(replaced).toEqual(['/?a=1']);
  });
  test('a server that does not answer, or has no time, leaves it for the next try', async () => {
    for (const status of [-1, 429, 500]) {
      const { fake, replaced } = browser('#token=x', [status]);
      expect(await exchangeToken(fake)).toEqual({ kind: 'unreachable' });
      expect(replaced).toEqual([]);
    }
  });
  test('without a token the session decides', async () => {
    expect(await exchangeToken(browser('#/blocks', [204]).fake)).toEqual({ kind: 'signedIn' });
    expect(await exchangeToken(browser('', [401]).fake)).toEqual({ kind: 'needsToken' });
    expect(await checkSession(browser('', [-1]).fake)).toEqual({ kind: 'unreachable' });
  });
});

describe('the start-up of the page', () => {
  const page = (statuses: number[], more: Partial<PageWindow> = {}) => {
    const { fake } = browser('', statuses);
    const went: string[] = [];
    const window: PageWindow = {
      history: fake.history,
      fetch: fake.fetch.bind(fake),
      location: {
        ...fake.location,
        protocol: 'http:',
        host: '127.0.0.1:1',
        replace: (url) => void went.push(url),
      },
      ...more,
    };
    return { window, went };
  };

  test('a browser that is not signed in is sent to the page that says how', async () => {
    const time = handTime();
    const { window, went } = page([401]);
    const client = openPageClient(window, time.schedule);
    await settle();
    expect(went).toEqual(['/open']);
    client.close();
  });

  test('in the desktop app the bridge is used and nothing is fetched', async () => {
    const time = handTime();
    const sent: string[] = [];
    const { window } = page([], {
      fetch: () => Promise.reject(new Error('the page makes no request')),
      adit: {
        connect(events) {
          queueMicrotask(() => events.opened());
          return {
            send(text) {
              sent.push(text);
              const { id } = JSON.parse(text) as { id: number };
              events.frame(JSON.stringify({ t: 'reply', id, output: { lines: [] } }));
            },
            close: () => {},
          };
        },
      },
    });
    const client = openPageClient(window, time.schedule);
    expect(await client.query('node.log', {})).toEqual({ lines: [] });
    expect(sent).toHaveLength(1);
    client.close();
  });
});
