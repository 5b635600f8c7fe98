import type { BrowserWindow, MessagePortMain } from 'electron';
import type { BlockRow, StateView, TotalsView } from '../core/api/schema.ts';
import type { Schedule } from '../core/api/timing.ts';
import { loadPage } from '../transport/page.ts';
import { createEngineHost } from './engine-host.ts';
import type { EngineState } from './engine-host.ts';
import type { EngineSettings } from './engine-messages.ts';
import type { MemoryFile } from './memory.ts';
import { menuTemplate } from './menu.ts';
import { PAGE_URL } from './origin.ts';
import type { ElectronParts } from './parts.ts';
import { registerScheme, servePage } from './protocol.ts';
import { hardenContents, hardenSession, isOwnSender } from './security.ts';
import { createTray } from './tray.ts';
import { windowOptions } from './window.ts';
import { stateWords } from './words.ts';

export interface ShellOptions {
  readonly electron: ElectronParts;
  readonly paths: {
    readonly preload: string;
    /** Folder of the built page. */
    readonly page: string;
    /** The engine's entry for the utility process. */
    readonly engine: string;
    readonly icon: string;
    readonly trayIcon: string;
  };
  readonly engine: EngineSettings;
  readonly platform: NodeJS.Platform;
  /** The app's id on Windows, the same as the installer's. */
  readonly appId: string;
  /** Start without showing the window. */
  readonly hidden: boolean;
  readonly memory: MemoryFile;
  readonly schedule: Schedule;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly log: (message: string) => void;
}

/** A page that crashes more often than this within a minute is not loaded again. */
const MAX_RELOADS = 3;

/**
 * The desktop shell: one window, a tray, the engine in its own process. It decides nothing about mining.
 *
 * Resolves once everything is wired. Closing the window leaves the engine mining; quitting stops it first.
 */
export async function runShell(options: ShellOptions): Promise<void> {
  const { electron, paths, platform, memory, schedule, now, log } = options;
  const { app, dialog } = electron;
  const packaged = app.isPackaged;

  app.enableSandbox();
  registerScheme(electron.protocol);
  if (platform === 'win32') app.setAppUserModelId(options.appId);
  if (!app.requestSingleInstanceLock()) {
    app.quit();
    return;
  }

  let window: BrowserWindow | undefined;
  let quitting = false;
  let done = false;
  let reloads: number[] = [];
  let state: StateView | undefined;
  let totals: TotalsView | undefined;

  const openExternal = (url: string): void => {
    electron.shell.openExternal(url).catch((error: unknown) => log(`cannot open ${url}: ${String(error)}`));
  };
  app.on('web-contents-created', (_event, contents) => hardenContents(contents, openExternal));
  // Without a listener Electron quits with its last window; mining must go on.
  app.on('window-all-closed', () => {});

  await app.whenReady();
  const files = await loadPage(paths.page);
  hardenSession(electron.session.defaultSession, packaged);
  servePage(electron.protocol, files);
  electron.Menu.setApplicationMenu(
    electron.Menu.buildFromTemplate(menuTemplate(platform, packaged, show, () => void quit())),
  );

  const host = createEngineHost({
    fork: () =>
      electron.utilityProcess.fork(paths.engine, [], { serviceName: 'Adit engine', stdio: 'inherit' }),
    createChannel: () => new electron.MessageChannelMain(),
    settings: options.engine,
    schedule,
    onState: onEngine,
    onDeath: (code) => log(`the engine ended by itself with code ${code}`),
  });
  const tray = createTray({ electron, icon: paths.trayIcon, onShow: show, onQuit: () => void quit() });

  electron.ipcMain.on('adit:connect', (event, id: unknown) => {
    if (!isOwnSender(event, window?.webContents) || typeof id !== 'number' || !Number.isSafeInteger(id)) {
      log('a message from a foreign frame was ignored');
      return;
    }
    const frame = event.senderFrame;
    host.connect('page', (port: MessagePortMain) => {
      // The page may have gone while the engine started.
      if (frame === null || frame.isDestroyed()) port.close();
      else frame.postMessage('adit:port', id, [port]);
    });
  });

  function refresh(): void {
    const words = stateWords(host.state, state, totals);
    tray.update(words);
    window?.setTitle(`Adit: ${words}`);
  }

  function onEngine(next: EngineState): void {
    refresh();
    if (next.kind === 'stopped' && next.message !== undefined && !quitting) void explainFailure(next.message);
  }

  async function explainFailure(message: string): Promise<void> {
    const { response } = await dialog.showMessageBox({
      type: 'error',
      title: 'Adit',
      message: 'Adit cannot mine',
      detail: message,
      buttons: ['Try again', 'Quit'],
      defaultId: 0,
      cancelId: 1,
      noLink: true,
    });
    if (response === 0) host.start();
    else void quit();
  }

  function show(): void {
    if (!window) openWindow(true);
    else {
      if (window.isMinimized()) window.restore();
      window.show();
      window.focus();
    }
  }

  function openWindow(visible: boolean): void {
    const mine = new electron.BrowserWindow(
      windowOptions(paths.preload, packaged, electron.nativeTheme.shouldUseDarkColors, paths.icon),
    );
    window = mine;
    // The page's own title would hide the state.
    mine.on('page-title-updated', (event) => event.preventDefault());
    mine.once('ready-to-show', () => {
      if (visible) mine.show();
    });
    mine.on('close', (event) => {
      if (done) return;
      event.preventDefault();
      void hide(mine);
    });
    mine.on('closed', () => {
      if (window === mine) window = undefined;
    });
    mine.webContents.on('render-process-gone', (_event, { reason }) => {
      if (reason === 'clean-exit' || mine.isDestroyed()) return;
      log(`the page ended: ${reason}`);
      reloads = [...reloads.filter((at) => now() - at < 60_000), now()];
      if (reloads.length <= MAX_RELOADS) mine.webContents.reload();
    });
    mine.loadURL(PAGE_URL).catch((error: unknown) => log(`the page did not load: ${String(error)}`));
    refresh();
  }

  async function hide(mine: BrowserWindow): Promise<void> {
    if (!quitting && !memory.read().closeExplained) {
      const { response } = await dialog.showMessageBox(mine, {
        type: 'info',
        title: 'Adit',
        message: 'Adit keeps mining in the background',
        detail:
          'Closing the window does not stop your node and your miners. Open Adit again from the tray or by starting it; quit it to stop mining.',
        buttons: ['Keep mining', 'Quit Adit'],
        defaultId: 0,
        cancelId: 0,
        noLink: true,
      });
      if (response === 1) {
        void quit();
        return;
      }
      try {
        memory.write({ closeExplained: true });
      } catch (error) {
        log(`cannot remember the explanation: ${String(error)}`);
      }
    }
    if (!quitting && !mine.isDestroyed()) mine.hide();
  }

  async function quit(): Promise<void> {
    if (quitting) return;
    quitting = true;
    // Stopping can take minutes: the window says so meanwhile.
    show();
    await host.stop();
    done = true;
    client.close();
    tray.destroy();
    app.quit();
  }

  const known = new Set<string>();
  const startedAt = now();
  function onBlocks(blocks: Readonly<Record<string, BlockRow>>): void {
    for (const { hash, height, foundAt, worker, reward } of Object.values(blocks)) {
      if (known.has(hash)) continue;
      known.add(hash);
      if (foundAt < startedAt || !electron.Notification.isSupported()) continue;
      const notification = new electron.Notification({
        title: `Block ${height} found!`,
        body: `${worker.slice(0, 80)} found it: ${(reward / 1e8).toFixed(8)} BTC. Adit is making sure that it gets into the chain.`,
        timeoutType: 'never',
      });
      notification.on('click', show);
      notification.show();
    }
  }

  const client = host.client();
  client.watch('state', (next) => {
    state = next;
    refresh();
  });
  client.watch('totals', (next) => {
    totals = next;
    refresh();
  });
  client.watch('blocks', onBlocks);
  app.on('second-instance', () => show());
  app.on('activate', () => show());
  app.on('before-quit', (event) => {
    if (done) return;
    event.preventDefault();
    void quit();
  });
  host.start();
  openWindow(!options.hidden);
}
