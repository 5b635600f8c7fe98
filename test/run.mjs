// `npm test`: sets up, then every rung that can run on this machine. A rung whose peer is missing is skipped aloud.
// Ends with a line "N passed, M failed, K skipped".
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { environment, node24, root, say, setup } from '../native/setup.mjs';
import { bringChromium, bringTestNode } from './machine.mjs';

const results = { passed: 0, failed: 0, skipped: 0 };
/** What did not run, why, and how to get it. */
const missing = [];
const out = join(root, 'test', '.cache');
const only = process.argv.slice(2).find((word) => !word.startsWith('-'));

/** Runs a program of ours or of a package on Node 24; true when it ended well. */
function step(name, args, env = {}) {
  say(`\n— ${name}`);
  const done = spawnSync(node24, args, { cwd: root, stdio: 'inherit', env: { ...environment(), ...env } });
  return done.status === 0;
}

/** A check that is right or wrong as a whole counts as one test. */
function check(name, args) {
  const ok = step(name, args);
  results[ok ? 'passed' : 'failed'] += 1;
  if (!ok) say(`${name}: failed`);
}

function readJson(path) {
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined;
}

function vitest(env) {
  const report = join(out, 'vitest.json');
  rmSync(report, { force: true });
  const ok = step(
    'unit, property and service tests',
    [
      'node_modules/vitest/vitest.mjs',
      'run',
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${report}`,
    ],
    env,
  );
  const told = readJson(report);
  if (told === undefined) {
    results.failed += 1;
    return;
  }
  results.passed += told.numPassedTests;
  results.failed += told.numFailedTests;
  results.skipped += told.numPendingTests + told.numTodoTests;
  // A file that can't even be loaded has no failed test in it, but the run is not green.
  if (!ok && told.numFailedTests === 0) results.failed += 1;
}

function playwright(env) {
  const report = join(out, 'playwright.json');
  rmSync(report, { force: true });
  const ok = step(
    'the page in Chromium',
    [
      'node_modules/playwright/cli.js',
      'test',
      '--config',
      'test/e2e/playwright.config.ts',
      '--reporter=list,json',
    ],
    {
      ...env,
      PLAYWRIGHT_JSON_OUTPUT_FILE: report,
    },
  );
  const stats = readJson(report)?.stats;
  if (stats === undefined) {
    results.failed += 1;
    return;
  }
  results.passed += stats.expected + stats.flaky;
  results.failed += stats.unexpected;
  results.skipped += stats.skipped;
  if (!ok && stats.unexpected === 0) results.failed += 1;
}

try {
  setup();
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  console.log('0 passed, 1 failed');
  process.exit(1);
}
mkdirSync(out, { recursive: true });

const testNode = bringTestNode();
if (!testNode.ok) missing.push(`real node: ${testNode.reason}`);
const chromium = bringChromium();
if (!chromium.ok) missing.push(`page in Chromium: ${chromium.reason}`);
const env = {
  ...(testNode.ok ? { ADIT_TEST_NODE: testNode.json } : {}),
  ...(chromium.ok ? { ADIT_TEST_CHROMIUM: chromium.path } : {}),
};

if (only === undefined || only === 'static') {
  check('layers', ['test/layers.mjs']);
  check('types', ['node_modules/typescript/bin/tsc', '-p', '.']);
  check('lint', ['node_modules/oxlint/bin/oxlint', '--deny-warnings']);
  check('format', ['node_modules/prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '.']);
}
if (only === undefined || only === 'unit') vitest(env);
if ((only === undefined || only === 'e2e') && chromium.ok) playwright(env);

say('');
for (const line of missing) say(`did not run: ${line}`);
console.log(
  `${results.passed} passed, ${results.failed} failed${results.skipped ? `, ${results.skipped} skipped` : ''}`,
);
process.exitCode = results.failed === 0 && results.passed > 0 ? 0 : 1;
