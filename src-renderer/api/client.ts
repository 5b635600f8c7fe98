import { openPageClient } from '../../src-main/core/api/browser.ts';
import type { ApiClient } from '../../src-main/core/api/schema.ts';

/**
 * The engine, whichever way it can be reached: the shell's bridge in the app, else the WebSocket of the server that gave the
 * page. Builds with `__ADIT_MOCK__` also know `?mock=<scene>`, optionally with `&still` so that nothing moves.
 */
export async function openClient(): Promise<ApiClient> {
  if (__ADIT_MOCK__) {
    const asked = new URLSearchParams(location.search);
    const name = asked.get('mock');
    if (name !== null) {
      const { MockClient, SCENES } = await import('./mock.ts');
      return new MockClient(SCENES.find((scene) => scene === name) ?? 'mining', !asked.has('still'));
    }
  }
  return openPageClient(window);
}
