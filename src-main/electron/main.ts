import {
  BrowserWindow,
  Menu,
  MessageChannelMain,
  Notification,
  Tray,
  app,
  dialog,
  ipcMain,
  nativeImage,
  nativeTheme,
  protocol,
  session,
  shell,
  utilityProcess,
} from 'electron';
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { defaultDataFolder } from '../headless/arguments.ts';
import { openLog } from '../services/log/index.ts';
import { nodeSchedule } from '../transport/schedule.ts';
import { memoryFile } from './memory.ts';
import { runShell } from './shell.ts';

// Built to out/main/shell.js; the engine's entry lies beside it, preload and page beside its folder.
const out = resolve(import.meta.dirname, '..');
const argv = process.argv.slice(1);
const practice = argv.includes('--practice');
const named = argv.indexOf('--data');
const dataDir = resolve(
  (named < 0 ? undefined : argv[named + 1]) ?? defaultDataFolder(),
  practice ? 'practice' : '.',
);
const shellDir = join(dataDir, 'shell');
mkdirSync(shellDir, { recursive: true, mode: 0o700 });
// Also what the lock for a single instance goes by: a practice run may stand beside the real one.
app.setPath('userData', shellDir);

const { log, close: closeLog } = openLog(join(dataDir, 'logs', 'shell'), { level: 'info' });
app.on('quit', closeLog);
const resources = app.isPackaged ? process.resourcesPath : resolve(out, '..', 'resources');

// Not awaited here: Electron is ready only once this module has been evaluated.
runShell({
  electron: {
    app,
    BrowserWindow,
    dialog,
    ipcMain,
    Menu,
    MessageChannelMain,
    nativeImage,
    nativeTheme,
    Notification,
    protocol,
    session,
    shell,
    Tray,
    utilityProcess,
  },
  paths: {
    preload: join(out, 'preload', 'preload.cjs'),
    page: join(out, 'page'),
    engine: join(out, 'main', 'engine.js'),
    icon: join(resources, 'icon.png'),
    trayIcon: join(resources, 'tray.png'),
  },
  engine: {
    version: app.getVersion(),
    dataDir,
    practice,
    bundledDir: app.isPackaged ? join(process.resourcesPath, 'bin') : resolve(out, '..', 'native', 'bin'),
  },
  platform: process.platform,
  appId: 'org.adit.desktop',
  hidden: argv.includes('--hidden'),
  memory: memoryFile(join(shellDir, 'shell.json')),
  schedule: nodeSchedule,
  now: Date.now,
  log: (message) => log.warn(message),
}).catch((error: unknown) => {
  log.error('The desktop app could not start', { error: String(error) });
  dialog.showErrorBox('Adit cannot start', error instanceof Error ? error.message : String(error));
  app.exit(1);
});
