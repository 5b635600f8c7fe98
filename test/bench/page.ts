import { readFileSync, readdirSync } from 'node:fs';
import { dirname, extname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync } from 'node:zlib';
import { chromium } from 'playwright';
import { PracticeRun } from './engine.ts';
import { figure, type Figure } from './figure.ts';
import { median } from './statistics.ts';

const PAGE = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..', 'out', 'page');
/** Compressed in themselves. */
const COMPRESSED = new Set(['.woff2', '.png']);
/** Loads of the page for each round asked for. */
const LOADS = 3;

type Say = (line: string) => void;

/** Everything the page consists of, compressed with Brotli where it is not compressed already. kB are 1,000 bytes. */
export function benchBundle(say: Say): Figure[] {
  const sizes: Record<string, number> = {};
  let total = 0;
  for (const entry of readdirSync(PAGE, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const bytes = readFileSync(join(entry.parentPath, entry.name));
    const kind = extname(entry.name);
    const size = COMPRESSED.has(kind) ? bytes.length : brotliCompressSync(bytes).length;
    sizes[kind] = (sizes[kind] ?? 0) + size;
    total += size;
  }
  say(`page.bundle: ${JSON.stringify(sizes)}`);
  return [figure('page.bundle', 'kB compressed', total / 1_000)];
}

/** From opening the printed address in a browser that was never there to the first content (First Contentful Paint). */
export async function benchFirstPaint(rounds: number, say: Say): Promise<Figure[]> {
  const times: number[] = [];
  const run = new PracticeRun('--threads', '1');
  try {
    const { url = '' } = await run.event('page');
    await run.event('block');
    const browser = await chromium.launch({
      executablePath: process.env['ADIT_TEST_CHROMIUM'],
      chromiumSandbox: process.getuid?.() !== 0,
    });
    try {
      for (let load = 0; load < LOADS * rounds; load += 1) {
        const context = await browser.newContext();
        const page = await context.newPage();
        await page.goto(url);
        times.push(
          await page.evaluate(
            () =>
              new Promise<number>((done) => {
                new PerformanceObserver((list) => {
                  for (const entry of list.getEntriesByName('first-contentful-paint')) done(entry.startTime);
                }).observe({ type: 'paint', buffered: true });
              }),
          ),
        );
        await context.close();
      }
    } finally {
      await browser.close();
    }
  } finally {
    await run.stop();
  }
  say(`page.first-paint: ${JSON.stringify(times)}`);
  return [figure('page.first-paint', 'ms', median(times))];
}
