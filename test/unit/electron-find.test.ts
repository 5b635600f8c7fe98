import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { errorLine, findElectron } from '../../native/electron.mjs';
import { readWish } from '../../native/dist.mjs';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'adit-electron-'));
  mkdirSync(join(root, 'node_modules', 'electron', 'dist'), { recursive: true });
  writeFileSync(join(root, 'node_modules', 'electron', 'install.js'), '');
});
afterEach(() => rmSync(root, { recursive: true }));

const install = (): void => {
  writeFileSync(join(root, 'node_modules', 'electron', 'path.txt'), 'electron');
  writeFileSync(join(root, 'node_modules', 'electron', 'dist', 'electron'), '');
};
interface Ended {
  code: number | null;
  output: string;
  timedOut: boolean;
}
function machine(
  parts: {
    platform?: NodeJS.Platform;
    env?: NodeJS.ProcessEnv;
    uid?: number;
    proc?: Record<string, string>;
    run?: (command: string, args: readonly string[]) => Ended;
  } = {},
) {
  const ran: string[] = [];
  const fine = (): Ended => ({ code: 0, output: 'v45.4.1\n', timedOut: false });
  const { platform = 'linux', env = { DISPLAY: ':0' }, uid = 1_000, proc = {}, run = fine } = parts;
  return {
    ran,
    platform,
    env,
    uid,
    read: (path: string) => proc[path],
    run(command: string, args: readonly string[]) {
      ran.push([command, ...args].join(' '));
      return Promise.resolve(run(command, args));
    },
  };
}

describe('finding Electron', () => {
  test('one that is there and starts is found without a download', async () => {
    install();
    const path = join(root, 'node_modules', 'electron', 'dist', 'electron');
    const here = machine();
    expect(await findElectron(root, here)).toEqual({ ok: true, path });
    expect(here.ran).toEqual([`${path} --version`]);
  });

  test('one that is missing is brought by its own installer', async () => {
    const here = machine({
      run(_command, args) {
        if (args[0]?.endsWith('install.js')) install();
        return { code: 0, output: '', timedOut: false };
      },
    });
    expect(await findElectron(root, here)).toMatchObject({ ok: true });
    expect(here.ran[0]).toContain('install.js');
  });

  test.each<[string, Parameters<typeof machine>[0], string]>([
    ['no display', { env: {} }, 'no display'],
    ['root', { uid: 0 }, 'root'],
    [
      'no network',
      { run: () => ({ code: 1, output: 'TypeError: fetch failed\n    at x', timedOut: false }) },
      'github.com',
    ],
    [
      'another refusal',
      { run: () => ({ code: 1, output: 'at x\nError: HTTP 403\n', timedOut: false }) },
      'HTTP 403',
    ],
    ['a download without end', { run: () => ({ code: null, output: '', timedOut: true }) }, '4 minutes'],
  ])('%s is said in one line', async (_, parts, words) => {
    const found = await findElectron(root, machine(parts));
    expect(found).toMatchObject({ ok: false, reason: expect.stringContaining(words) as string });
    expect((found as { reason: string }).reason).not.toContain('\n');
  });

  test('a missing library, a missing sandbox and a missing package are reasons too', async () => {
    expect(await findElectron(join(root, 'nowhere'), machine())).toMatchObject({
      reason: expect.stringContaining('npm ci') as string,
    });
    install();
    const libraries = machine({
      run: () => ({
        code: 127,
        output: 'electron: error while loading shared libraries: libnss3.so\n',
        timedOut: false,
      }),
    });
    expect(await findElectron(root, libraries)).toMatchObject({
      reason: expect.stringContaining('libnss3.so') as string,
    });
    const restricted = machine({ proc: { '/proc/sys/kernel/apparmor_restrict_unprivileged_userns': '1' } });
    expect(await findElectron(root, restricted)).toMatchObject({
      reason: expect.stringContaining('chmod 4755') as string,
    });
  });

  test('Windows and macOS need no display variable', async () => {
    install();
    for (const platform of ['win32', 'darwin'] as const) {
      expect(await findElectron(root, machine({ platform, env: {} }))).toMatchObject({ ok: true });
    }
  });

  test('of many lines the telling one is kept, and never a long one', () => {
    expect(errorLine('hello\n  Error: ENOSPC: no space left\n at a')).toBe('Error: ENOSPC: no space left');
    expect(errorLine('one\ntwo\n')).toBe('two');
    expect(errorLine('')).toBe('no reason given');
    expect(errorLine('x'.repeat(1_000))).toHaveLength(160);
  });
});

describe('the wish to pack', () => {
  test('is for this system unless said otherwise', () => {
    expect(readWish([])).toEqual({
      platforms: [process.platform],
      archs: [process.arch],
      dir: false,
      help: false,
    });
    expect(readWish(['--platform', 'darwin', '--platform', 'win32', '--arch', 'arm64', '--dir'])).toEqual({
      platforms: ['darwin', 'win32'],
      archs: ['arm64'],
      dir: true,
      help: false,
    });
  });
  test.each([
    [['--platform', 'beos']],
    [['--platform', '__proto__']],
    [['--arch', 'mips']],
    [['--sign']],
    [['x']],
  ])('%j is refused', (args) => expect(() => readWish(args)).toThrow());
});
