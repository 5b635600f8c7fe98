import { useSyncExternalStore } from 'react';

/** Screens in the order of the rail and of the number keys. */
export const SCREENS = ['dashboard', 'miners', 'blocks', 'node', 'events', 'settings'] as const;
export type Screen = (typeof SCREENS)[number];

function read(): Screen {
  const name = location.hash.replace(/^#\/?/, '').split('/')[0];
  return SCREENS.find((screen) => screen === name) ?? 'dashboard';
}

function subscribe(listener: () => void): () => void {
  addEventListener('hashchange', listener);
  return () => removeEventListener('hashchange', listener);
}

export const useScreen = (): Screen => useSyncExternalStore(subscribe, read);
export const hrefOf = (screen: Screen): string => `#/${screen}`;
export function go(screen: Screen): void {
  location.hash = hrefOf(screen);
}
