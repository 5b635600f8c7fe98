import type { ElectronParts } from './parts.ts';

export interface TrayOptions {
  readonly electron: Pick<ElectronParts, 'Tray' | 'Menu' | 'nativeImage'>;
  readonly icon: string;
  readonly onShow: () => void;
  readonly onQuit: () => void;
}

export interface AppTray {
  update(words: string): void;
  destroy(): void;
}

/** The icon in the system's tray: what Adit does, and the ways to its window and out. Never the only way to either. */
export function createTray({ electron, icon, onShow, onQuit }: TrayOptions): AppTray {
  const tray = new electron.Tray(electron.nativeImage.createFromPath(icon));
  let last = '';
  tray.on('click', onShow);
  return {
    update(words) {
      if (words === last) return;
      last = words;
      tray.setToolTip(`Adit: ${words}`);
      // Linux shows a changed menu only once it is set anew.
      tray.setContextMenu(
        electron.Menu.buildFromTemplate([
          { label: words, enabled: false },
          { type: 'separator' },
          { label: 'Open Adit', click: () => onShow() },
          { label: 'Quit Adit (stops mining)', click: () => onQuit() },
        ]),
      );
    },
    destroy: () => tray.destroy(),
  };
}
