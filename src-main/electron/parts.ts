import type * as Electron from 'electron';

/** The pieces of Electron the shell uses, handed in by `main.ts`, so that everything else runs on a typed fake. */
export type ElectronParts = Pick<
  typeof Electron,
  | 'app'
  | 'BrowserWindow'
  | 'dialog'
  | 'ipcMain'
  | 'Menu'
  | 'MessageChannelMain'
  | 'nativeImage'
  | 'nativeTheme'
  | 'Notification'
  | 'protocol'
  | 'session'
  | 'shell'
  | 'Tray'
  | 'utilityProcess'
>;
