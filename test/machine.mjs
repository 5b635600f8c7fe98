// What the tests need of the machine besides npm's packages: a bitcoind to test against, a Chromium to see the page in.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { environment, node24, root, say } from '../native/setup.mjs';

const BROWSERS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/**
 * A bitcoind for regtest: the one on the PATH, else Debian's. Gives the JSON of a `NodeBinary`.
 * @returns {{ ok: true, json: string } | { ok: false, reason: string }}
 */
export function bringTestNode() {
  if (process.env.ADIT_TEST_NODE) return { ok: true, json: process.env.ADIT_TEST_NODE };
  const done = spawnSync(node24, ['native/debian-node.mjs', '--print'], {
    cwd: root,
    env: environment(),
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 300_000,
  });
  if (done.status === 0) return { ok: true, json: done.stdout.trim() };
  return {
    ok: false,
    reason: 'no bitcoind for regtest. Put Bitcoin Core 30.2 or newer on the PATH, or run on Debian with apt.',
  };
}

/**
 * Debian's Chromium, brought by apt where we are root.
 * @returns {{ ok: true, path: string } | { ok: false, reason: string }}
 */
export function bringChromium() {
  const named = process.env.ADIT_TEST_CHROMIUM;
  if (named) return { ok: true, path: named };
  const found = () => BROWSERS.find((path) => existsSync(path));
  if (
    found() === undefined &&
    process.platform === 'linux' &&
    existsSync('/usr/bin/apt-get') &&
    process.getuid?.() === 0
  ) {
    say('Tests: bringing Chromium with apt…');
    const options = {
      stdio: ['ignore', 2, 2],
      timeout: 600_000,
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    };
    const install = () =>
      spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'chromium'], options)
        .status === 0;
    if (!install()) {
      spawnSync('apt-get', ['update', '-qq'], options);
      install();
    }
  }
  const path = found();
  if (path !== undefined) return { ok: true, path };
  return {
    ok: false,
    reason: `no Chromium. Install one (Debian: apt-get install chromium), or run "npx playwright install chromium" and name it in ADIT_TEST_CHROMIUM.`,
  };
}
