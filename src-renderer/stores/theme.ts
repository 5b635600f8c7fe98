import { useEffect } from 'react';
import { create } from 'zustand';
import type { Settings } from '../../src-main/core/api/settings.ts';
import { useTopic } from './topics.ts';

type Theme = Settings['page']['theme'];
const KEY = 'adit.theme';
const dark = matchMedia('(prefers-color-scheme: dark)');

function remembered(): Theme {
  const saved = localStorage.getItem(KEY);
  return saved === 'dark' || saved === 'light' ? saved : 'system';
}

/** What is on the screen right now; canvases redraw when it changes. */
export const theme = create<{ shown: 'dark' | 'light' }>()(() => ({
  shown: dark.matches ? 'dark' : 'light',
}));

function apply(wanted: Theme): void {
  const shown = wanted === 'system' ? (dark.matches ? 'dark' : 'light') : wanted;
  document.documentElement.dataset['theme'] = shown;
  theme.setState({ shown });
}

/** Before the first paint: what was chosen last time, so that the page does not flash. */
export function applyRememberedTheme(): void {
  apply(remembered());
}

/** Follows the setting, and the system where the setting says so. */
export function useTheme(): void {
  const wanted = useTopic('settings', (settings) => settings.page.theme);
  useEffect(() => {
    if (wanted === undefined) return undefined;
    localStorage.setItem(KEY, wanted);
    apply(wanted);
    const follow = () => apply(wanted);
    dark.addEventListener('change', follow);
    return () => dark.removeEventListener('change', follow);
  }, [wanted]);
}
