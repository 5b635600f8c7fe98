import { useSyncExternalStore } from 'react';

const listeners = new Set<() => void>();
let current = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => {
    current = Date.now();
    for (const each of listeners) each();
  }, 1_000);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

/**
 * The time, for ages on the screen. All of them tick together, once a second.
 * @param stepMs how fine the age has to be: the component draws anew only when the time passes a multiple of it
 */
export function useNow(stepMs = 1_000): number {
  return useSyncExternalStore(subscribe, () => {
    if (timer === undefined) current = Date.now();
    return Math.floor(current / stepMs) * stepMs;
  });
}
