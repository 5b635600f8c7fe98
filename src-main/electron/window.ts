import type { BrowserWindowConstructorOptions, WebPreferences } from 'electron';

/**
 * What a page may do: nothing of Node, nothing of Electron, its own world. Every window is made with these; what is not
 * named keeps Electron's safe default.
 */
export function webPreferences(preload: string, packaged: boolean): WebPreferences {
  return {
    preload,
    sandbox: true,
    contextIsolation: true,
    nodeIntegration: false,
    nodeIntegrationInWorker: false,
    nodeIntegrationInSubFrames: false,
    webviewTag: false,
    spellcheck: false,
    navigateOnDragDrop: false,
    safeDialogs: true,
    devTools: !packaged,
  };
}

/** The main window. Shown only once the page is drawn, on the page's own ground colour: no white flash. */
export function windowOptions(
  preload: string,
  packaged: boolean,
  dark: boolean,
  icon: string | undefined,
): BrowserWindowConstructorOptions {
  return {
    title: 'Adit',
    width: 1_320,
    height: 860,
    minWidth: 820,
    minHeight: 560,
    show: false,
    autoHideMenuBar: true,
    backgroundColor: dark ? '#0d1014' : '#f6f4ef',
    ...(icon === undefined ? {} : { icon }),
    webPreferences: webPreferences(preload, packaged),
  };
}
