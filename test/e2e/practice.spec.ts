// The page on the real engine, a real node and the CPU miner: what `npm start -- --practice` shows.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test, type Page } from 'playwright/test';

const REGTEST = 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080';
const root = resolve(import.meta.dirname, '..', '..');

let folder: string;
let adit: ChildProcess;
let url: string;

test.skip(process.env['ADIT_TEST_NODE'] === undefined, 'no bitcoind for regtest on this machine');
test.describe.configure({ mode: 'serial' });

test.beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'adit-e2e-'));
  adit = spawn(
    process.execPath,
    [
      '--disable-warning=ExperimentalWarning',
      'src-main/headless/main.ts',
      '--practice',
      '--json',
      '--data',
      folder,
    ],
    {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const lines = createInterface({ input: adit.stdout ?? process.stdin });
  url = await new Promise<string>((found, failed) => {
    adit.once('exit', (code) => failed(new Error(`Adit ended with ${code}`)));
    lines.on('line', (line) => {
      const told = JSON.parse(line) as { event: string; url?: string };
      if (told.event === 'page' && told.url) found(told.url);
    });
  });
});

test.afterAll(async () => {
  if (adit.exitCode === null) {
    adit.kill('SIGTERM');
    await once(adit, 'exit');
  }
  rmSync(folder, { recursive: true, force: true });
});

test('within 15 s: hashrate, template, shares and a block found', async ({ page }) => {
  const faults: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') faults.push(message.text());
  });
  page.on('pageerror', (error) => faults.push(error.message));
  await page.goto(url);
  await expect(page.getByRole('status').first()).toContainText('Practising', { timeout: 15_000 });
  await expect(page.getByText(/You found block \d+/)).toBeVisible({ timeout: 15_000 });
  await expect(page.getByText('verified')).toBeVisible();
  await expect(page.getByText(/Next block \d+/)).toBeVisible();
  // The token is out of the address once it is traded for the session.
  expect(page.url()).not.toContain('token');
  expect(faults).toEqual([]);
});

/** Signs in and goes to a screen. */
async function open(page: Page, screen: string): Promise<void> {
  await page.goto(url);
  await expect(page.getByRole('status').first()).toContainText('Practising', { timeout: 15_000 });
  await page.getByRole('navigation').getByRole('link', { name: screen }).click();
}

test('the block stands on the blocks screen, on the chain', async ({ page }) => {
  await open(page, 'Blocks');
  await expect(page.getByText(/^In the chain/).first()).toBeVisible({ timeout: 15_000 });
});

test('a payout address of another chain is refused in words, the right one is taken and every job pays it', async ({
  page,
}) => {
  await open(page, 'Settings');
  const address = page.getByPlaceholder(/bcrt1q/).first();
  await address.fill('bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4');
  await expect(page.getByText(/belongs to Bitcoin's main network/)).toBeVisible();
  await expect(page.getByRole('button', { name: 'Review and save' })).toBeDisabled();
  await address.fill(REGTEST);
  await page.getByRole('button', { name: 'Review and save' }).click();
  await page.getByRole('alertdialog').getByRole('button').last().click();
  await page.getByRole('navigation').getByRole('link', { name: 'Dashboard' }).click();
  await expect(
    page
      .getByText('bcrt…t080')
      .or(page.getByText(/bcrt1q?w?5?.*t080/))
      .first(),
  ).toBeVisible({ timeout: 10_000 });
});

test('without the printed address the page stays shut', async ({ browser }) => {
  const stranger = await browser.newContext();
  const page = await stranger.newPage();
  await page.goto(new URL(url).origin);
  await expect(page.getByRole('heading')).toContainText('Open the address that Adit printed');
  await stranger.close();
});
