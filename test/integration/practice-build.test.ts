import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sourcesFingerprint } from '../../native/build-wasm.mjs';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));

function build(compiler: string, ...args: string[]): Promise<{ stdout: string; stderr: string }> {
  const env = { ...process.env, CC: compiler };
  return run(process.execPath, ['native/build-addon.mjs', ...args], { cwd: root, env });
}

describe('native/build-addon.mjs', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'adit-build-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('says in one line that there is no compiler, and ends well', async () => {
    const { stdout, stderr } = await build(join(folder, 'no-such-cc'));
    expect(stdout).toMatch(
      /^sha256d: no C compiler here \(.*no-such-cc\); the CPU miner uses WebAssembly\n$/,
    );
    expect(stderr).toBe('');
  });

  test('ends with 1 when asked to be strict', async () => {
    await expect(build(join(folder, 'no-such-cc'), '--strict')).rejects.toMatchObject({ code: 1 });
  });

  test.runIf(process.platform !== 'win32')('says in one line what a broken compiler said', async () => {
    const broken = join(folder, 'broken-cc');
    writeFileSync(
      broken,
      '#!/bin/sh\n[ "$1" = --version ] && exit 0\necho "fatal error: out of luck" >&2\nexit 1\n',
    );
    chmodSync(broken, 0o755);
    const { stdout } = await build(broken);
    expect(stdout).toBe('sha256d: not built, the CPU miner uses WebAssembly: fatal error: out of luck\n');
  });
});

test('the committed WebAssembly is made from the present C sources (node native/build-wasm.mjs)', () => {
  const stamp = readFileSync(join(root, 'native/sha256d/sha256d.wasm.sources'), 'utf8').trim();
  expect(stamp).toBe(sourcesFingerprint());
});
