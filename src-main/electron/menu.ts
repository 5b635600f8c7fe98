import type { MenuItemConstructorOptions } from 'electron';

/** The application menu. Developer tools and reload only in a build that is not packaged. */
export function menuTemplate(
  platform: NodeJS.Platform,
  packaged: boolean,
  onShow: () => void,
  onQuit: () => void,
): MenuItemConstructorOptions[] {
  const mac = platform === 'darwin';
  const quit: MenuItemConstructorOptions = {
    label: 'Quit Adit',
    accelerator: 'CommandOrControl+Q',
    click: () => onQuit(),
  };
  const app: MenuItemConstructorOptions = {
    label: 'Adit',
    submenu: [
      { label: 'Open Adit', click: () => onShow() },
      { type: 'separator' },
      ...(mac
        ? ([
            { role: 'about' },
            { role: 'hide' },
            { role: 'hideOthers' },
            { role: 'unhide' },
            { type: 'separator' },
          ] satisfies MenuItemConstructorOptions[])
        : []),
      quit,
    ],
  };
  return [
    app,
    { role: 'editMenu' },
    {
      label: 'View',
      submenu: [
        { role: 'resetZoom' },
        { role: 'zoomIn' },
        { role: 'zoomOut' },
        { role: 'togglefullscreen' },
        ...(packaged
          ? []
          : ([{ role: 'reload' }, { role: 'toggleDevTools' }] satisfies MenuItemConstructorOptions[])),
      ],
    },
    { role: 'windowMenu' },
  ];
}
