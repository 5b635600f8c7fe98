import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, namelessControls, test } from './page.ts';

const SCREENS = ['dashboard', 'miners', 'blocks', 'node', 'events', 'settings'] as const;
const SCENES = [
  'fresh',
  'starting',
  'syncing',
  'ready',
  'mining',
  'barn',
  'block',
  'practice',
  'failed',
  'degraded',
  'empty',
] as const;
const GOOD = 'bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq';
const OTHER = 'bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr';

test.describe('every state on every screen', () => {
  for (const scene of SCENES) {
    test(scene, async ({ page, mock }) => {
      for (const screen of SCREENS) {
        await mock.open(scene, screen);
        await expect(page.getByRole('heading', { level: 1 })).toHaveCount(1);
        expect(await namelessControls(page)).toEqual([]);
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        expect(overflow).toBeLessThanOrEqual(0);
      }
    });
  }

  for (const [width, height] of [
    [980, 700],
    [640, 400],
    [2560, 1440],
  ] as const) {
    test(`fits ${width} by ${height}`, async ({ page, mock }) => {
      await page.setViewportSize({ width, height });
      for (const screen of SCREENS) {
        await mock.open('mining', screen);
        const overflow = await page.evaluate(() => {
          const main = document.querySelector('main')!;
          return Math.max(
            document.documentElement.scrollWidth - innerWidth,
            main.scrollWidth - main.clientWidth,
          );
        });
        expect(overflow, screen).toBeLessThanOrEqual(0);
      }
    });
  }
});

test.describe('shell', () => {
  test('says what happens to the miners when the connection is lost', async ({ page, mock }) => {
    await mock.open('disconnected');
    await expect(page.getByRole('alert')).toContainText('go on mining');
  });

  test('moves with the keyboard and puts the focus on the new screen', async ({ page, mock }) => {
    await mock.open('mining');
    await page.keyboard.press('Control+4');
    await expect(page.locator('main[data-screen="node"]')).toBeFocused();
    await page.keyboard.press('?');
    await expect(page.getByRole('dialog')).toBeVisible();
    await page.keyboard.press('Escape');
    await expect(page.getByRole('dialog')).toHaveCount(0);
    await page.keyboard.press('Control+2');
    await page.keyboard.press('/');
    await expect(page.getByRole('searchbox')).toBeFocused();
  });

  test('follows the system and the switch between light and dark', async ({ page, mock }) => {
    await page.emulateMedia({ colorScheme: 'dark' });
    await mock.open('mining', 'settings');
    const root = page.locator('html');
    await expect(root).toHaveAttribute('data-theme', 'dark');
    await page.emulateMedia({ colorScheme: 'light' });
    await expect(root).toHaveAttribute('data-theme', 'light');
    await page.locator('[data-section="page"]').getByRole('button', { name: 'Dark' }).click();
    await expect(root).toHaveAttribute('data-theme', 'dark');
    await page.emulateMedia({ colorScheme: 'light' });
    await expect(root).toHaveAttribute('data-theme', 'dark');
  });

  test('covers addresses everywhere when asked to', async ({ page, mock }) => {
    await mock.open('mining');
    await expect(page.locator('body')).toContainText('5mdq');
    await page.keyboard.press('h');
    await expect(page.locator('body')).not.toContainText('5mdq');
    await page.keyboard.press('Control+2');
    await expect(page.getByRole('table')).toBeVisible();
    await expect(page.locator('body')).not.toContainText('192.168.1.3');
  });
});

test.describe('first run', () => {
  test('asks for an address, refuses wrong ones with the reason, then goes to the dashboard', async ({
    page,
    mock,
  }) => {
    await mock.open('fresh');
    const field = page.locator('[data-card="setup"]').getByRole('textbox');
    const button = page.locator('[data-card="setup"]').getByRole('button', { name: 'Mine to this address' });
    await expect(button).toBeDisabled();
    await field.fill('tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx');
    await expect(page.locator('[data-verdict="bad"]')).toBeVisible();
    await expect(button).toBeDisabled();
    await field.fill(GOOD);
    await expect(page.locator('[data-card="setup"]')).toContainText(GOOD.slice(-6));
    await button.click();
    await expect(page.locator('[data-card="setup"]')).toHaveCount(0);
    await expect(page.locator('[data-card="sync"]')).toBeVisible();
  });
});

test.describe('dashboard', () => {
  test('proves whom the coinbase pays', async ({ page, mock }) => {
    await mock.open('mining');
    const proof = page.locator('[data-proof="verified"]');
    await expect(proof).toContainText('100 %');
    await expect(proof).toContainText('bc1q…5mdq');
    await proof.getByRole('button', { name: 'Details' }).click();
    await expect(page.getByRole('dialog')).toContainText(GOOD);
  });

  test('draws the block, in the colours of fee rates, dearest on top', async ({ page, mock }) => {
    await mock.open('mining');
    const canvas = page.locator('[data-card="block"] canvas');
    await expect(canvas).toBeVisible();
    const filled = () =>
      canvas.evaluate((element: HTMLCanvasElement) => {
        const copy = new OffscreenCanvas(element.width, element.height);
        const context = copy.getContext('2d', { willReadFrequently: true })!;
        context.drawImage(element, 0, 0);
        const part = (from: number, to: number) => {
          const top = Math.floor(element.height * from);
          const { data } = context.getImageData(
            0,
            top,
            element.width,
            Math.max(1, Math.floor(element.height * (to - from))),
          );
          let red = 0;
          let blue = 0;
          let some = 0;
          for (let at = 0; at < data.length; at += 4) {
            if (data[at + 3]! < 128) continue;
            red += data[at]!;
            blue += data[at + 2]!;
            some++;
          }
          return { warmth: some === 0 ? 0 : (red - blue) / some, covered: some / (data.length / 4) };
        };
        return { top: part(0, 0.1), bottom: part(0.8, 0.9) };
      });
    await expect.poll(async () => (await filled()).bottom.covered).toBeGreaterThan(0.5);
    const { top, bottom } = await filled();
    expect(top.covered).toBeGreaterThan(0.5);
    expect(top.warmth).toBeGreaterThan(bottom.warmth + 20);
  });

  test('has a table for the picture and for the chart', async ({ page, mock }) => {
    await mock.open('mining');
    await page.locator('[data-card="block"]').getByRole('button', { name: 'Show as table' }).click();
    await expect(page.locator('[data-card="block"]').getByRole('table')).toBeVisible();
    await page.locator('[data-card="hashrate"]').getByRole('button', { name: 'Show as table' }).click();
    await expect(page.locator('[data-card="hashrate"]').getByRole('table')).toContainText('TH/s');
  });

  test('is honest about an empty block', async ({ page, mock }) => {
    await mock.open('empty');
    await expect(page.locator('[data-card="block"]')).toContainText('No transactions waiting');
  });

  test('shows progress while the node catches up, and never all of it', async ({ page, mock }) => {
    await mock.open('syncing');
    const bar = page.locator('[data-card="sync"]').getByRole('progressbar');
    await expect(bar).toHaveAttribute('aria-valuenow', '43');
  });

  test('shows how to point a miner here while there is none', async ({ page, mock }) => {
    await mock.open('ready');
    await expect(page.locator('[data-card="point"]')).toContainText('stratum+tcp://127.0.0.1:3333');
  });
});

test.describe('miners', () => {
  test('sorts, filters, and draws only some of 300', async ({ page, mock }) => {
    await mock.open('barn', 'miners');
    expect(await page.locator('[data-miner]').count()).toBeLessThan(60);
    await page.getByRole('button', { name: 'Best', exact: true }).click();
    await expect(page.getByRole('columnheader', { name: 'Best' })).toHaveAttribute('aria-sort', 'descending');
    await page.getByRole('region').evaluate((element) => element.scrollTo(0, element.scrollHeight));
    await expect(page.locator('[aria-rowindex="301"]')).toBeVisible();
    await page.getByRole('searchbox').fill('C4-0 antminer');
    await expect(page.getByRole('status').filter({ hasText: 'of 300' })).toContainText(/^[1-9] of 300/);
    await page.getByRole('searchbox').fill('nobody has this name');
    await page.getByRole('button', { name: 'Clear filter' }).click();
    await expect(page.locator('[data-miner]').first()).toBeVisible();
  });

  test('forgets an offline machine after asking', async ({ page, mock }) => {
    await mock.open('mining', 'miners');
    await expect(page.locator('[data-miner]')).toHaveCount(7);
    await page.getByRole('button', { name: 'Forget garage' }).click();
    await page.getByRole('alertdialog').getByRole('button', { name: 'Forget' }).click();
    await expect(page.locator('[data-miner]')).toHaveCount(6);
  });

  test('opens to the local network only after asking', async ({ page, mock }) => {
    await mock.open('ready', 'miners');
    await page.getByRole('button', { name: 'Open to the local network' }).click();
    await expect(page.locator('[data-card="point"]')).not.toContainText('192.168.1.20');
    await page.getByRole('alertdialog').getByRole('button', { name: 'Open to the local network' }).click();
    await expect(page.locator('[data-card="point"]')).toContainText('stratum+tcp://192.168.1.20:3333');
  });

  test('copies the pool address', async ({ page, mock, context }) => {
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await mock.open('ready', 'miners');
    await page.getByRole('button', { name: 'Copy Pool address' }).click();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe('stratum+tcp://127.0.0.1:3333');
  });

  test('shows Stratum V2 with its key, and which machines use which', async ({ page, mock, context }) => {
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await mock.open('ready', 'miners');
    const card = page.locator('[data-card="point"]');
    await expect(card).toContainText('V2 (Bitaxe from AxeOS 2.15, NerdQAxe)');
    await card.getByRole('button', { name: 'Stratum V2' }).click();
    await expect(card).not.toContainText(':3333');
    const copied = async (name: string): Promise<string> => {
      await card.getByRole('button', { name }).click();
      return page.evaluate(() => navigator.clipboard.readText());
    };
    expect(await copied('Copy Pool address')).toBe('stratum2+tcp://127.0.0.1:3336');
    const key = await copied('Copy Authority key');
    expect(key).toMatch(/^9[1-9A-HJ-NP-Za-km-z]{50}$/);
    expect(await copied('Copy In one line')).toBe(`stratum2+tcp://127.0.0.1:3336/${key}`);
    expect(await namelessControls(page)).toEqual([]);
  });
});

test.describe('node', () => {
  test('asks before it stops, and offers force only when it hangs', async ({ page, mock }) => {
    await mock.open('mining', 'node');
    const card = page.locator('[data-card="node-state"]');
    await card.getByRole('button', { name: 'Stop' }).click();
    await page.getByRole('alertdialog').getByRole('button', { name: 'Stop' }).click();
    await expect(card).toContainText('Stopping');
    await card.getByRole('button', { name: 'End it by force' }).click();
    await page.getByRole('alertdialog').getByRole('button', { name: 'End it by force' }).click();
    await expect(card).toContainText('Stopped');
    await card.getByRole('button', { name: 'Start' }).click();
    await expect(card.getByRole('progressbar')).toHaveAttribute('aria-valuenow', '37');
  });

  test('says what is wrong and what to do, and shows its log', async ({ page, mock }) => {
    await mock.open('failed', 'node');
    await expect(page.locator('main')).toContainText('Free at least 5 GB');
    await expect(page.locator('[data-card="node-log"]')).toContainText('UpdateTip');
  });
});

test.describe('blocks', () => {
  test('celebrates until it was acknowledged', async ({ page, mock }) => {
    await mock.open('block');
    await expect(page.locator('[data-headline="block"]')).toBeVisible();
    await page.getByRole('button', { name: 'Thank you, luck' }).click();
    await expect(page.locator('[data-headline="mining"]')).toBeVisible();
    await expect(page.getByText('You found block')).toHaveCount(0);
  });

  test('sends a waiting block again and says what the node said', async ({ page, mock }) => {
    await mock.open('block', 'blocks');
    const waiting = page.locator('[data-block]').filter({ hasText: 'Waiting for the node' });
    await waiting.getByRole('button').first().click();
    await waiting.getByRole('button', { name: 'Send again' }).click();
    await expect(waiting.getByRole('status').filter({ hasText: 'The node says' })).toBeVisible();
  });
});

test.describe('settings', () => {
  test('takes several payout addresses only when they add up, and shows them before saving', async ({
    page,
    mock,
  }) => {
    await mock.open('mining', 'settings');
    const section = page.locator('[data-section="payout"]');
    const save = section.getByRole('button', { name: 'Review and save' });
    await section.getByRole('button', { name: 'Add address' }).click();
    await section.getByRole('textbox', { name: 'Address 2', exact: true }).fill(OTHER);
    await section.getByRole('textbox', { name: 'Part of address 2 in percent' }).fill('12,5');
    await expect(section.locator('[data-sum]')).toHaveAttribute('data-sum', '11250');
    await expect(save).toBeDisabled();
    await section.getByRole('textbox', { name: 'Part of address 1 in percent' }).fill('87.5');
    await save.click();
    const review = page.getByRole('alertdialog');
    await expect(review).toContainText('87.5 %');
    await expect(review).toContainText(OTHER.slice(-6));
    await review.getByRole('button', { name: 'Yes, pay this' }).click();
    await expect(page.locator('[data-headline]')).toContainText('2 addresses');
  });

  test('does not take the same address twice or one of another network', async ({ page, mock }) => {
    await mock.open('mining', 'settings');
    const section = page.locator('[data-section="payout"]');
    await section.getByRole('button', { name: 'Add address' }).click();
    await section.getByRole('button', { name: 'Share evenly' }).click();
    await section.getByRole('textbox', { name: 'Address 2', exact: true }).fill(GOOD);
    await expect(section).toContainText('in the list already');
    await expect(section.getByRole('button', { name: 'Review and save' })).toBeDisabled();
    await section
      .getByRole('textbox', { name: 'Address 2', exact: true })
      .fill('bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080');
    await expect(section.locator('[data-verdict="bad"]')).toContainText('regtest');
  });

  test('shows what the engine says against a value at its field, and keeps the old value on Escape', async ({
    page,
    mock,
  }) => {
    await mock.open('mining', 'settings');
    const port = page.getByRole('spinbutton', { name: /^Port/ });
    await port.fill('80');
    await port.press('Enter');
    await expect(page.getByRole('alert').filter({ hasText: 'in use' })).toBeVisible();
    await expect(port).toHaveAttribute('aria-invalid', 'true');
    await port.press('Escape');
    await expect(port).toHaveValue('3333');
    await expect(page.getByRole('alert')).toHaveCount(0);
  });

  test('asks before it switches the network', async ({ page, mock }) => {
    await mock.open('mining', 'settings');
    await page.getByRole('combobox', { name: /^Network/ }).click();
    await page.getByRole('option', { name: 'Signet' }).click();
    await page.getByRole('alertdialog').getByRole('button', { name: 'Cancel' }).click();
    await expect(page.getByRole('combobox', { name: /^Network/ })).toContainText('Bitcoin');
  });
});

test('pictures of every screen, light and dark', async ({ page, mock }) => {
  const folder = process.env['ADIT_SHOTS'];
  test.skip(folder === undefined, 'ADIT_SHOTS names the folder to write them to');
  test.setTimeout(240_000);
  mkdirSync(folder!, { recursive: true });
  for (const colorScheme of ['dark', 'light'] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    for (const [width, height] of [
      [1280, 800],
      [1600, 1000],
    ] as const) {
      await page.setViewportSize({ width, height });
      for (const screen of SCREENS) {
        await mock.open('mining', screen);
        await page.waitForTimeout(600);
        await page.screenshot({ path: join(folder!, `${screen}-${colorScheme}-${width}.png`) });
      }
    }
  }
});
