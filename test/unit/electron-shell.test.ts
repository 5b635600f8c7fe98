import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { bridgeChannel } from '../../src-main/core/api/browser.ts';
import { createApiClient } from '../../src-main/core/api/client.ts';
import { createApiHub } from '../../src-main/core/api/hub.ts';
import type { ApiHub } from '../../src-main/core/api/hub.ts';
import { usePort } from '../../src-main/core/api/port.ts';
import type { BlockRow } from '../../src-main/core/api/schema.ts';
import { memoryFile } from '../../src-main/electron/memory.ts';
import { runShell } from '../../src-main/electron/shell.ts';
import type { ShellOptions } from '../../src-main/electron/shell.ts';
import { hashrateWords, stateWords } from '../../src-main/electron/words.ts';
import { nodeSchedule } from '../../src-main/transport/schedule.ts';
import { INITIAL, plainHandlers } from '../fixtures/api-world.ts';
import { fakeElectron, fakeFrame } from '../fixtures/fake-electron.ts';
import type { FakeElectron, FakeWindow } from '../fixtures/fake-electron.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await turn();
};
const NOW = 1_700_000_000_000;
const block = (hash: string, height: number, foundAt: number): BlockRow => ({
  hash: hash.repeat(64),
  height,
  foundAt,
  worker: 'garage',
  reward: 312_500_000,
  fees: 0,
  difficulty: 1,
  network: 'regtest',
  source: 'rpc',
  transactionCount: 1,
  weight: 800,
  status: 'sending',
  confirmations: 0,
  reason: null,
  attempts: 1,
  file: null,
  acknowledged: false,
});

describe('the shell', () => {
  let folder: string;
  let electron: FakeElectron;
  let hub: ApiHub;
  /** Ends the engine's `stop`; set once the engine was asked to. */
  let finishStop: (() => void) | undefined;
  let time: number;
  const log: string[] = [];

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'adit-shell-'));
    writeFileSync(join(folder, 'index.html'), '<title>Adit</title>');
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  async function start(
    options: Partial<ShellOptions> = {},
    prepare: (electron: FakeElectron) => void = () => {},
  ) {
    time = NOW;
    finishStop = undefined;
    log.length = 0;
    hub = createApiHub({
      handlers: plainHandlers(),
      schedule: nodeSchedule,
      initial: INITIAL,
      intervals: { totals: 0 },
      onError: () => {},
    });
    electron = fakeElectron(() =>
      Promise.resolve({
        api: hub,
        start: () => Promise.resolve(),
        stop: () => new Promise((resolve) => (finishStop = resolve)),
      }),
    );
    prepare(electron);
    let explained = false;
    await runShell({
      electron: electron.parts,
      paths: {
        preload: '/p.cjs',
        page: folder,
        engine: '/engine.js',
        icon: '/icon.png',
        trayIcon: '/tray.png',
      },
      engine: { version: '0.1.0', dataDir: '/data', practice: false, bundledDir: '/bin' },
      platform: 'linux',
      appId: 'org.adit.desktop',
      hidden: false,
      memory: {
        read: () => ({ closeExplained: explained }),
        write: (memory) => (explained = memory.closeExplained),
      },
      schedule: nodeSchedule,
      now: () => time,
      log: (message) => log.push(message),
      ...options,
    });
  }
  const window = (): FakeWindow => electron.windows.at(-1) as FakeWindow;
  const running = (): Promise<void> => until(() => electron.tray.tooltip.includes('payout'));
  /** Ends what a test left running, so that no port keeps the process alive. */
  afterEach(async () => {
    if (electron.utilities.length === 0) return;
    electron.app.quit();
    finishStop?.();
    for (const utility of electron.utilities) utility.die(0);
    await until(() => electron.app.ended);
  });

  test('sandbox and scheme come before anything is ready, the page is ours', async () => {
    await start();
    expect(electron.log).toEqual(['sandbox', 'schemes', 'ready']);
    expect(window().url).toBe('app://adit/');
    expect(electron.session.request).toBeTypeOf('function');
    expect(electron.session.before).toBeTypeOf('function');
    expect(electron.handled.get('app')?.({ method: 'GET', url: 'app://adit/' }).status).toBe(200);
    expect(window().webContents.openHandler).toBeTypeOf('function');
    expect(electron.forks).toEqual([
      { path: '/engine.js', options: { serviceName: 'Adit engine', stdio: 'inherit' } },
    ]);
  });

  test('a second instance ends at once and starts nothing', async () => {
    await start({}, (fake) => (fake.app.locked = false));
    expect(electron.app.quits).toBe(1);
    expect(electron.windows).toEqual([]);
    expect(electron.utilities).toEqual([]);
  });

  test('a second start brings the window back', async () => {
    await start();
    window().visible = false;
    window().minimized = true;
    electron.app.emit('second-instance');
    expect(window()).toMatchObject({ visible: true, minimized: false, focused: true });
    expect(electron.windows).toHaveLength(1);
  });

  test('the window is shown when it is drawn, and not at all when started hidden', async () => {
    await start();
    expect(window().visible).toBe(false);
    window().emit('ready-to-show');
    expect(window().visible).toBe(true);
    electron.app.quit();
    await until(() => finishStop !== undefined);
    finishStop?.();
    await until(() => electron.app.ended);
    await start({ hidden: true });
    window().emit('ready-to-show');
    expect(window().visible).toBe(false);
    electron.tray.click();
    expect(window().visible).toBe(true);
  });

  test('Windows knows the app by its id', async () => {
    await start({ platform: 'win32' });
    expect(electron.app.userModelId).toBe('org.adit.desktop');
  });

  test('the page reaches the engine over a port that only our own frame gets', async () => {
    await start();
    await running();
    const own = fakeFrame('app://adit/index.html');
    const ask = (senderFrame: unknown, sender: unknown, id: unknown): void => {
      electron.ipcMain.emit('adit:connect', { senderFrame, sender }, id);
    };
    const foreign = fakeFrame('https://evil.example/');
    ask(foreign, window().webContents, 1);
    ask(own, {}, 1);
    ask(null, window().webContents, 1);
    ask(own, window().webContents, 'one');
    ask(own, window().webContents, { toString: 1 });
    expect([own.posted, foreign.posted]).toEqual([[], []]);
    expect(log).toHaveLength(5);

    const client = createApiClient(
      bridgeChannel({
        connect(events) {
          ask(own, window().webContents, 7);
          const posted = own.posted[0];
          expect(posted).toMatchObject({ channel: 'adit:port', message: 7 });
          const port = usePort(posted?.ports[0] as never, {
            frame: (text) => events.frame(text as string),
            closed: () => events.lost(),
          });
          queueMicrotask(() => events.opened());
          return port;
        },
      }),
      { schedule: nodeSchedule },
    );
    expect(await client.query('node.log', {})).toEqual({ lines: [] });
    client.close();
  });

  test('a frame that went away while the engine started gets no port', async () => {
    await start();
    const own = fakeFrame('app://adit/');
    electron.ipcMain.emit('adit:connect', { senderFrame: own, sender: window().webContents }, 1);
    own.destroyed = true;
    await running();
    expect(own.posted).toEqual([]);
  });

  test('tray and title say the state in words', async () => {
    await start();
    await running();
    expect(window().title).toBe('Adit: Set-up not finished: no payout address');
    hub.value('totals', { ...INITIAL.totals, hashrate: { m1: 0, m10: 3.2e12, h1: 0, d1: 0 } });
    hub.value('state', { ...INITIAL.state, headline: 'mining' });
    await until(() => electron.tray.tooltip === 'Adit: Mining solo: 3.20 TH/s');
    expect(electron.tray.menu[0]).toEqual({ label: 'Mining solo: 3.20 TH/s', enabled: false });
    hub.value('state', { ...INITIAL.state, headline: 'block', block: { hash: 'a'.repeat(64), height: 5 } });
    await until(() => window().title === 'Adit: Block 5 found!');
  });

  test('the first closing explains, later ones only hide; mining goes on', async () => {
    await start();
    window().visible = true;
    window().close();
    await until(() => !window().visible);
    expect(electron.dialogs.map(({ message }) => message)).toEqual(['Adit keeps mining in the background']);
    window().visible = true;
    window().close();
    await until(() => !window().visible);
    expect(electron.dialogs).toHaveLength(1);
    expect(electron.app.ended).toBe(false);
    expect(electron.utilities[0]?.dead).toBe(false);
  });

  test('the explanation offers to quit instead', async () => {
    await start();
    electron.answer = () => 1;
    window().close();
    await until(() => finishStop !== undefined);
    finishStop?.();
    await until(() => electron.app.ended);
  });

  test('quitting waits until the engine has stopped, and shows it', async () => {
    await start();
    await running();
    electron.app.quit();
    expect(electron.app.ended).toBe(false);
    expect(window().visible).toBe(true);
    expect(window().title).toBe('Adit: Stopping: the node writes its state to disk');
    await until(() => finishStop !== undefined);
    window().close();
    electron.app.quit();
    await turn();
    expect(electron.app.ended).toBe(false);
    finishStop?.();
    await until(() => electron.app.ended);
    expect(electron.utilities[0]?.dead).toBe(true);
    expect(electron.tray.destroyed).toBe(true);
    expect(electron.dialogs).toEqual([]);
  });

  test('an engine that cannot run is explained, and tried again or left', async () => {
    let tries = 0;
    await start({}, (fake) => {
      const { utilityProcess } = fake.parts;
      const fork = utilityProcess.fork.bind(utilityProcess);
      utilityProcess.fork = (...args) => {
        const child = fork(...args);
        tries += 1;
        if (tries === 1) {
          queueMicrotask(() => {
            child.emit('message', { t: 'failed', message: 'Another Adit uses this folder.' });
            fake.utilities.at(-1)?.die(1);
          });
        }
        return child;
      };
    });
    await until(() => tries === 2);
    expect(electron.dialogs[0]).toMatchObject({
      message: 'Adit cannot mine',
      detail: 'Another Adit uses this folder.',
    });
  });

  test('a block found is told once, those of earlier runs are not', async () => {
    await start();
    hub.map('blocks').set('a', block('a', 1, NOW - 1));
    hub.map('blocks').set('b', block('b', 2, NOW + 1));
    await until(() => electron.notifications.length === 1);
    hub.map('blocks').set('b', { ...block('b', 2, NOW + 1), status: 'onChain' });
    hub.map('blocks').set('c', block('c', 3, NOW + 2));
    await until(() => electron.notifications.length === 2);
    expect(electron.notifications.map(({ title }) => title)).toEqual(['Block 2 found!', 'Block 3 found!']);
    expect(electron.notifications[0]?.body).toContain('3.12500000 BTC');
  });

  test('a page that crashes is loaded again, but not for ever', async () => {
    await start();
    const crash = (reason: string): unknown =>
      window().webContents.emit('render-process-gone', {}, { reason });
    crash('clean-exit');
    expect(window().webContents.reloads).toBe(0);
    for (let n = 0; n < 6; n += 1) crash('crashed');
    expect(window().webContents.reloads).toBe(3);
    time += 61_000;
    crash('oom');
    expect(window().webContents.reloads).toBe(4);
    expect(electron.utilities).toHaveLength(1);
  });

  test('what it remembers survives, and a broken file counts as empty', () => {
    const path = join(folder, 'shell.json');
    const memory = memoryFile(path);
    expect(memory.read()).toEqual({ closeExplained: false });
    memory.write({ closeExplained: true });
    expect(memoryFile(path).read()).toEqual({ closeExplained: true });
    for (const text of ['', '{', 'null', '[]', '{"closeExplained":"yes"}']) {
      writeFileSync(path, text);
      expect(memory.read()).toEqual({ closeExplained: false });
    }
    rmSync(path);
  });
});

describe('words', () => {
  test.each([
    [0, '0 H/s'],
    [-1, '0 H/s'],
    [Number.NaN, '0 H/s'],
    [0.5, '0.50 H/s'],
    [50_000, '50.0 kH/s'],
    [1.2e12, '1.20 TH/s'],
    [999e18, '999 EH/s'],
    [1e24, '1000000 EH/s'],
  ])('%d H/s is %s', (rate, words) => expect(hashrateWords(rate)).toBe(words));

  test('what the engine does comes before what it last said', () => {
    const state = { ...INITIAL.state, headline: 'mining' as const };
    expect(stateWords({ kind: 'waiting', waitMs: 0 }, state, INITIAL.totals)).toMatch(/started again/);
    expect(stateWords({ kind: 'stopping' }, state, INITIAL.totals)).toMatch(/^Stopping/);
    expect(stateWords({ kind: 'running' }, undefined, undefined)).toBe('Starting');
    expect(stateWords({ kind: 'running' }, state, undefined)).toBe('Mining solo: 0 H/s');
  });
});
