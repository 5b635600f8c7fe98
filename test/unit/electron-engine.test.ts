import { describe, expect, test } from 'vitest';
import type { UtilityProcess } from 'electron';
import { createApiHub } from '../../src-main/core/api/hub.ts';
import type { HostedEngine } from '../../src-main/electron/engine-child.ts';
import { RESTART_WAITS, createEngineHost } from '../../src-main/electron/engine-host.ts';
import type { EngineState } from '../../src-main/electron/engine-host.ts';
import type { EngineSettings } from '../../src-main/electron/engine-messages.ts';
import { nodeSchedule } from '../../src-main/transport/schedule.ts';
import { INITIAL, handTime, plainHandlers } from '../fixtures/api-world.ts';
import { FakeChannel, FakeUtility } from '../fixtures/fake-electron.ts';

const SETTINGS: EngineSettings = { version: '0.1.0', dataDir: '/data', practice: false, bundledDir: '/bin' };
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await turn();
};

function world(create?: (settings: EngineSettings) => Promise<HostedEngine>) {
  const time = handTime();
  const states: EngineState[] = [];
  const deaths: number[] = [];
  const children: FakeUtility[] = [];
  const host = createEngineHost({
    fork() {
      const child = new FakeUtility(create);
      children.push(child);
      return child as unknown as UtilityProcess;
    },
    createChannel: () => new FakeChannel() as never,
    settings: SETTINGS,
    schedule: time.schedule,
    onState: (state) => states.push(state),
    onDeath: (code) => deaths.push(code),
  });
  const child = (): FakeUtility => children.at(-1) as FakeUtility;
  return { host, time, states, deaths, children, child };
}

/** An engine of which the test holds the strings. */
function fakeEngine(parts: Partial<HostedEngine> = {}): HostedEngine {
  const hub = createApiHub({
    handlers: plainHandlers(),
    schedule: nodeSchedule,
    initial: INITIAL,
    onError: () => {},
  });
  return { api: hub, start: () => Promise.resolve(), stop: () => Promise.resolve(), ...parts };
}

describe('the engine host', () => {
  test('starts the engine with its settings and tells when it runs', () => {
    const { host, states, child } = world();
    host.start();
    expect(child().received).toEqual([{ t: 'start', settings: SETTINGS }]);
    child().say({ t: 'ready' });
    expect(states).toEqual([{ kind: 'starting' }, { kind: 'running' }]);
    host.start();
    expect(states).toHaveLength(2);
  });

  test('an engine that dies is started again, later each time, and at once after it ran well', () => {
    const { host, time, deaths, children, child } = world();
    host.start();
    for (const wait of [...RESTART_WAITS, RESTART_WAITS.at(-1) as number]) {
      child().say({ t: 'ready' });
      const count = children.length;
      child().die(139);
      expect(host.state).toEqual({ kind: 'waiting', waitMs: wait });
      time.pass(wait - 1);
      expect(children.length).toBe(count);
      time.pass(1);
      expect(children.length).toBe(count + 1);
    }
    expect(new Set(deaths)).toEqual(new Set([139]));
    child().say({ t: 'ready' });
    time.pass(60_000);
    child().die(1);
    expect(host.state).toEqual({ kind: 'waiting', waitMs: 0 });
  });

  test('an engine that says why it cannot run is not started again by itself', () => {
    const { host, time, children, child } = world();
    host.start();
    child().say({ t: 'failed', message: 'Another Adit uses this folder.' });
    child().die(1);
    expect(host.state).toEqual({ kind: 'stopped', message: 'Another Adit uses this folder.' });
    time.pass(60_000);
    expect(children).toHaveLength(1);
    host.start();
    expect(children).toHaveLength(2);
  });

  test('ports wait until the engine is up; only the last one of a page is handed out', () => {
    const { host, child } = world();
    const given: string[] = [];
    host.start();
    host.connect('page', () => given.push('first'));
    host.connect('page', () => given.push('second'));
    host.connect('shell', () => given.push('shell'));
    expect(given).toEqual([]);
    child().say({ t: 'ready' });
    expect(given).toEqual(['second', 'shell']);
    host.connect('page', () => given.push('third'));
    expect(given).toEqual(['second', 'shell', 'third']);
    expect(child().received.filter((message) => (message as { t: string }).t === 'connect')).toHaveLength(3);
  });

  test('stopping asks, waits for the end of the process however long, and starts nothing anew', async () => {
    const { host, time, states, children, child } = world();
    host.start();
    child().say({ t: 'ready' });
    let stopped = false;
    const both = Promise.all([host.stop(), host.stop()]).then(() => (stopped = true));
    expect(host.state).toEqual({ kind: 'stopping' });
    expect(child().received.at(-1)).toEqual({ t: 'stop' });
    time.pass(3_600_000);
    child().say({ t: 'stopped' });
    await turn();
    expect(stopped).toBe(false);
    child().die(0);
    await both;
    time.pass(3_600_000);
    expect(children).toHaveLength(1);
    expect(states.at(-1)).toEqual({ kind: 'stopped', message: undefined });
    await host.stop();
  });

  test('an engine that dies while it stops has stopped', async () => {
    const { host, child } = world();
    host.start();
    const done = host.stop();
    child().die(1);
    await done;
    expect(host.state.kind).toBe('stopped');
  });

  test('stopping while a restart is due calls it off', async () => {
    const { host, time, children, child } = world();
    host.start();
    child().die(1);
    await host.stop();
    time.pass(60_000);
    expect(children).toHaveLength(1);
  });
});

describe('host and engine together', () => {
  test('the client reaches the engine, and reaches the next one after a crash', async () => {
    let engines = 0;
    const { host, time, child } = world(() => {
      engines += 1;
      return Promise.resolve(fakeEngine());
    });
    const client = host.client();
    host.start();
    expect(await client.query('node.log', {})).toEqual({ lines: [] });
    const links: boolean[] = [];
    client.onConnection((connected) => links.push(connected));
    await turn();
    child().die(139);
    await until(() => links.at(-1) === false);
    time.pass(10_000);
    expect(await client.query('node.log', {})).toEqual({ lines: [] });
    expect(engines).toBe(2);
    expect(links).toEqual([true, false, true]);
    client.close();
    child().die(0);
  });

  test('the API answers while the engine still starts', async () => {
    const { host, child } = world(() => Promise.resolve(fakeEngine({ start: () => new Promise(() => {}) })));
    const client = host.client();
    host.start();
    expect(await client.query('node.log', {})).toEqual({ lines: [] });
    client.close();
    child().die(0);
  });

  test('a start that fails ends the process with its reason', async () => {
    const { host } = world(() => Promise.reject(new Error('Another Adit uses this folder.')));
    host.start();
    await until(() => host.state.kind === 'stopped');
    expect(host.state).toEqual({ kind: 'stopped', message: 'Another Adit uses this folder.' });
  });

  test('stop waits for the engine, once', async () => {
    let stops = 0;
    let finish = (): void => {};
    const { host } = world(() =>
      Promise.resolve(
        fakeEngine({
          stop() {
            stops += 1;
            return new Promise((resolve) => (finish = resolve));
          },
        }),
      ),
    );
    host.start();
    await until(() => host.state.kind === 'running');
    let stopped = false;
    const done = host.stop().then(() => (stopped = true));
    await until(() => stops > 0);
    await turn();
    expect(stopped).toBe(false);
    finish();
    await done;
    expect(stops).toBe(1);
  });

  test('of many connections the oldest are closed', async () => {
    const { host, child } = world(() => Promise.resolve(fakeEngine()));
    host.start();
    await until(() => host.state.kind === 'running');
    const ports: { closed: boolean }[] = [];
    for (let n = 0; n < 10; n += 1)
      host.connect('page', (port) => ports.push(port as unknown as { closed: boolean }));
    await until(() => ports.filter(({ closed }) => closed).length === 2);
    expect(ports.map(({ closed }) => closed)).toEqual([true, true, ...Array<boolean>(8).fill(false)]);
    child().die(0);
  });
});
