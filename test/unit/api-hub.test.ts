import { describe, expect, test } from 'vitest';
import { ApiError, applyChange } from '../../src-main/core/api/define.ts';
import type { TopicChange } from '../../src-main/core/api/define.ts';
import { createApiHub } from '../../src-main/core/api/hub.ts';
import type { HubOptions } from '../../src-main/core/api/hub.ts';
import { INITIAL, eventRow, handTime, minerRow, plainHandlers } from '../fixtures/api-world.ts';

function world(options: Partial<HubOptions> = {}) {
  const time = handTime();
  const errors: [string, unknown][] = [];
  const hub = createApiHub({
    handlers: plainHandlers(),
    schedule: time.schedule,
    initial: INITIAL,
    onError: (where, error) => errors.push([where, error]),
    ...options,
  });
  const watch = (topic: string, limit?: number) => {
    const seen: { seq: number; change: TopicChange }[] = [];
    const started = hub.subscribe(topic, (seq, change) => seen.push({ seq, change }));
    return {
      ...started,
      seen,
      get state() {
        return seen.reduce<unknown>(
          (state, { change }) => applyChange(state, change, limit),
          started.snapshot,
        );
      },
    };
  };
  return { hub, time, errors, watch };
}

const failure = async (promise: Promise<unknown>): Promise<ApiError> => {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ApiError);
  return error as ApiError;
};

describe('calls', () => {
  test('the handler gets the parsed input and its answer comes back', async () => {
    const given: unknown[] = [];
    const handlers = plainHandlers();
    const { hub } = world({
      handlers: {
        ...handlers,
        commands: {
          ...handlers.commands,
          'practice.threads': (input) => {
            given.push(input);
            return {};
          },
        },
      },
    });
    expect(await hub.call('command', 'practice.threads', { threads: 3, extra: true })).toEqual({});
    expect(given).toEqual([{ threads: 3 }]);
  });

  test('a wrong input fails with the field at fault and never reaches the handler', async () => {
    const { hub } = world();
    const error = await failure(hub.call('command', 'settings.update', { gateway: { sv1Port: 70_000 } }));
    expect(error).toMatchObject({ code: 'invalid_input', field: 'gateway.sv1Port' });
    const whole = await failure(hub.call('command', 'practice.threads', 'no'));
    expect(whole).toMatchObject({ code: 'invalid_input', field: undefined });
  });

  test.each(['__proto__', 'constructor', 'toString', 'nothing', 'node.log'])(
    '"%s" is no command',
    async (name) => {
      const { hub } = world();
      expect((await failure(hub.call('command', name, {}))).code).toBe('unknown_call');
    },
  );

  test('prototype keys in an input change nothing', async () => {
    const { hub } = world();
    const input: unknown = JSON.parse(
      '{"__proto__":{"polluted":1},"threads":1,"constructor":{"prototype":{"polluted":1}}}',
    );
    await hub.call('command', 'practice.threads', input);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  test('an ApiError passes as it is, anything else becomes `internal` and is reported', async () => {
    const handlers = plainHandlers();
    const secret = new Error('ENOENT /home/someone/.cookie');
    const { hub, errors } = world({
      handlers: {
        ...handlers,
        commands: {
          ...handlers.commands,
          'node.start': () => {
            throw new ApiError('no_binary', 'There is no node. Choose one in the settings.', 'node.binary');
          },
          'node.stop': () => Promise.reject(secret),
        },
      },
    });
    expect(await failure(hub.call('command', 'node.start', {}))).toMatchObject({
      code: 'no_binary',
      field: 'node.binary',
    });
    const error = await failure(hub.call('command', 'node.stop', {}));
    expect(error.code).toBe('internal');
    expect(error.message).not.toContain('cookie');
    expect(errors).toEqual([['command node.stop', secret]]);
  });

  test('an answer beyond the schema is cut to it, a wrong one is `internal`', async () => {
    const handlers = plainHandlers();
    const { hub, errors } = world({
      handlers: {
        ...handlers,
        queries: {
          ...handlers.queries,
          'node.log': () => ({ lines: ['a'], cookie: 'secret' }),
          'events.page': () => ({ events: [{ ...eventRow(1), at: Number.NaN }] }),
        },
      },
    });
    expect(await hub.call('query', 'node.log', {})).toEqual({ lines: ['a'] });
    expect((await failure(hub.call('query', 'events.page', { before: null, limit: 1 }))).code).toBe(
      'internal',
    );
    expect(errors).toHaveLength(1);
  });

  test('after close, calls fail and changes stop', async () => {
    const { hub, watch } = world();
    const state = watch('state');
    hub.close();
    hub.value('state', { ...INITIAL.state, headline: 'stopping' });
    expect(state.seen).toEqual([]);
    expect((await failure(hub.call('query', 'node.log', {}))).code).toBe('stopping');
  });
});

describe('topics', () => {
  test('unknown topics are refused', () => {
    const { hub } = world();
    for (const name of ['nothing', '__proto__', 'constructor']) {
      expect(() => hub.subscribe(name, () => {})).toThrow(ApiError);
    }
  });

  test('changes are numbered from 1 without gaps, and the snapshot names the last one in it', () => {
    const { hub, watch } = world();
    const early = watch('state');
    expect(early).toMatchObject({ seq: 0, snapshot: INITIAL.state });
    hub.value('state', { ...INITIAL.state, headline: 'waiting' });
    hub.value('state', { ...INITIAL.state, headline: 'mining' });
    const late = watch('state');
    hub.value('state', { ...INITIAL.state, headline: 'degraded' });
    expect(early.seen.map(({ seq }) => seq)).toEqual([1, 2, 3]);
    expect(late.seq).toBe(2);
    expect(late.seen.map(({ seq }) => seq)).toEqual([3]);
    expect(late.state).toEqual(early.state);
  });

  test('a value that says the same is not sent again', () => {
    const { hub, watch } = world();
    const state = watch('state');
    hub.value('state', { ...INITIAL.state });
    expect(state.seen).toEqual([]);
    hub.value('state', { ...INITIAL.state, payout: { address: 'bcrt1q', count: 1 } });
    hub.value('state', { ...INITIAL.state, payout: { address: 'bcrt1q', count: 1 } });
    expect(state.seen).toHaveLength(1);
  });

  test('the first change goes at once, the rest of the interval is merged into one', () => {
    const { hub, time, watch } = world();
    const totals = watch('totals');
    for (let blocksFound = 1; blocksFound <= 5; blocksFound += 1)
      hub.value('totals', { ...INITIAL.totals, blocksFound });
    expect(totals.seen).toHaveLength(1);
    time.pass(99);
    expect(totals.seen).toHaveLength(1);
    time.pass(1);
    expect(totals.seen).toHaveLength(2);
    expect(totals.state).toMatchObject({ blocksFound: 5 });
    time.pass(1_000);
    expect(totals.seen).toHaveLength(2);
    expect(time.waiting).toBe(0);
  });

  test('a value that went back while waiting is not sent', () => {
    const { hub, time, watch } = world();
    const totals = watch('totals');
    hub.value('totals', { ...INITIAL.totals, blocksFound: 1 });
    hub.value('totals', { ...INITIAL.totals, blocksFound: 2 });
    hub.value('totals', { ...INITIAL.totals, blocksFound: 1 });
    time.pass(100);
    expect(totals.seen).toHaveLength(1);
  });

  test('job and blocks are never held back', () => {
    const { hub, watch } = world();
    const blocks = watch('blocks');
    for (const status of ['sending', 'onChain'] as const) {
      hub.map('blocks').set('a', {
        hash: 'a'.repeat(64),
        height: 1,
        foundAt: 1,
        worker: 'w',
        reward: 1,
        fees: 0,
        difficulty: 1,
        network: 'regtest',
        source: 'rpc',
        transactionCount: 1,
        weight: 1,
        status,
        confirmations: 0,
        reason: null,
        attempts: 1,
        file: null,
        acknowledged: false,
      });
    }
    expect(blocks.seen).toHaveLength(2);
  });

  test('map changes are merged: last value wins, set then removed is nothing', () => {
    const { hub, time, watch } = world();
    const miners = hub.map('miners');
    const seen = watch('miners');
    miners.set('a', minerRow('a'));
    miners.set('b', minerRow('b', 1));
    miners.set('b', minerRow('b', 2));
    miners.set('c', minerRow('c'));
    miners.remove('c');
    miners.remove('a');
    time.pass(100);
    expect(seen.seen.map(({ change }) => change)).toEqual([
      { kind: 'map', set: { a: minerRow('a') }, remove: [] },
      { kind: 'map', set: { b: minerRow('b', 2) }, remove: ['a'] },
    ]);
    expect(seen.state).toEqual({ b: minerRow('b', 2) });
  });

  test('replace sends only the difference', () => {
    const { hub, time, watch } = world();
    const miners = hub.map('miners');
    miners.replace([
      ['a', minerRow('a')],
      ['b', minerRow('b')],
    ]);
    time.pass(100);
    const seen = watch('miners');
    miners.replace([
      ['b', minerRow('b')],
      ['c', minerRow('c')],
    ]);
    expect(seen.seen.map(({ change }) => change)).toEqual([
      { kind: 'map', set: { c: minerRow('c') }, remove: ['a'] },
    ]);
    miners.replace([['b', minerRow('b')]]);
    miners.replace([
      ['b', minerRow('b')],
      ['c', minerRow('c')],
    ]);
    time.pass(100);
    expect(seen.seen).toHaveLength(1);
  });

  test('a machine called __proto__ is an entry like any other', () => {
    const { hub, watch } = world();
    const seen = watch('miners');
    hub.map('miners').set('__proto__', minerRow('__proto__'));
    const wire = JSON.parse(JSON.stringify(seen.seen[0]?.change)) as TopicChange;
    const state = applyChange(seen.snapshot, wire) as object;
    expect(Object.keys(state)).toEqual(['__proto__']);
    expect(Object.getPrototypeOf(state)).toBe(Object.prototype);
    expect(Object.keys(watch('miners').snapshot as object)).toEqual(['__proto__']);
  });

  test('one who subscribes while changes wait gets them once', () => {
    const { hub, time, watch } = world();
    hub.append('events', eventRow(1));
    hub.append('events', eventRow(2));
    const late = watch('events', 200);
    time.pass(100);
    expect(late.state).toEqual([eventRow(1), eventRow(2)]);
    expect(late.snapshot).toEqual([eventRow(1)]);
  });

  test('a list keeps its newest items, waiting ones included', () => {
    const { hub, time, watch } = world({ lists: { events: [eventRow(0)] } });
    const seen = watch('events', 200);
    for (let id = 1; id <= 1_000; id += 1) hub.append('events', eventRow(id));
    time.pass(100);
    const expected = Array.from({ length: 200 }, (_, index) => eventRow(801 + index));
    expect(seen.state).toEqual(expected);
    expect(watch('events').snapshot).toEqual(expected);
    expect(seen.seen[1]?.change).toMatchObject({ kind: 'list', append: expected });
  });

  test('a subscriber that throws is reported and disturbs nobody', () => {
    const { hub, errors, watch } = world();
    hub.subscribe('state', () => {
      throw new Error('mine');
    });
    const other = watch('state');
    hub.value('state', { ...INITIAL.state, headline: 'mining' });
    expect(other.seen).toHaveLength(1);
    expect(errors[0]?.[0]).toBe('subscriber of state');
  });

  test('flush sends what waits, unsubscribe ends it', () => {
    const { hub, watch } = world();
    const totals = watch('totals');
    hub.value('totals', { ...INITIAL.totals, blocksFound: 1 });
    hub.value('totals', { ...INITIAL.totals, blocksFound: 2 });
    hub.flush();
    expect(totals.seen).toHaveLength(2);
    totals.unsubscribe();
    hub.value('totals', { ...INITIAL.totals, blocksFound: 3 });
    hub.flush();
    expect(totals.seen).toHaveLength(2);
  });
});
