import { join } from 'node:path';
import { test as base, expect } from 'playwright/test';
import type { Page } from 'playwright/test';
import { build } from 'vite';
import { serveFolder } from './static-server.ts';

const root = join(import.meta.dirname, '../..');

export interface MockPage {
  /** Opens a scene of the made-up engine at a screen, for example `open('mining', 'miners')`. */
  readonly open: (scene: string, screen?: string) => Promise<void>;
}

/**
 * The built page on a server with the real policy. A test fails when the page writes an error or a warning to the console,
 * throws, or breaks the policy.
 */
export const test = base.extend<{ mock: MockPage }, { site: string }>({
  site: [
    // oxlint-disable-next-line no-empty-pattern -- Playwright reads the pattern
    async ({}, use) => {
      await build({ configFile: join(root, 'vite.config.ts'), mode: 'mock', logLevel: 'error' });
      const server = await serveFolder(join(root, 'out/page-mock'));
      await use(server.url);
      await server.close();
    },
    { scope: 'worker', timeout: 120_000 },
  ],
  mock: async ({ page, site }, use) => {
    const faults: string[] = [];
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') faults.push(message.text());
    });
    page.on('pageerror', (error) => faults.push(error.message));
    await page.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', (event) => {
        console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`);
      });
    });
    await use({
      open: async (scene, screen = 'dashboard') => {
        await page.goto(`${site}/?mock=${scene}&still#/${screen}`);
        await expect(page.locator(`main[data-screen="${screen}"]`)).toBeVisible();
        await expect(page.locator('[data-headline]')).toBeVisible();
      },
    });
    expect(faults).toEqual([]);
  },
});

/** Everything a mouse or keyboard can use has to have a name that can be read aloud. */
export async function namelessControls(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const named = (element: Element): boolean => {
      const text = (element.textContent ?? '').trim();
      const label = element.getAttribute('aria-label')?.trim();
      const by = element
        .getAttribute('aria-labelledby')
        ?.split(' ')
        .some((id) => (document.getElementById(id)?.textContent ?? '').trim() !== '');
      const forLabel =
        element.id !== '' && document.querySelector(`label[for="${CSS.escape(element.id)}"]`) !== null;
      return (
        text !== '' ||
        Boolean(label) ||
        by === true ||
        forLabel ||
        element.closest('label, [role="img"][aria-label]') !== null
      );
    };
    return [
      ...document.querySelectorAll(
        'a[href], button, input:not([type="hidden"]):not([aria-hidden="true"]), [role="switch"], canvas, img, svg[role="img"]',
      ),
    ]
      .filter((element) => !named(element) && element.closest('[aria-hidden="true"]') === null)
      .map((element) => element.outerHTML.slice(0, 160));
  });
}

export { expect };
