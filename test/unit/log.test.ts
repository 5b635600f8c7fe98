import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openLog, RotatingFile } from '../../src-main/services/log/index.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'adit-log-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it('writes one JSON object a line, with the facts given', () => {
  const also: string[] = [];
  const { log, close } = openLog(folder, { level: 'info', also: (line) => also.push(line) });
  log.info('miner came', { worker: 'attic' });
  log.debug('too fine to show');
  close();
  const lines = readFileSync(join(folder, 'adit.log'), 'utf8').trim().split('\n');
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ msg: 'miner came', worker: 'attic', level: 30 });
  expect(also).toHaveLength(1);
});

it('blots out secrets', () => {
  const { log, close } = openLog(folder, { level: 'info' });
  log.info('opened', { token: 'abc123', rpc: { password: 'hunter2', port: 1 } });
  close();
  const text = readFileSync(join(folder, 'adit.log'), 'utf8');
  expect(text).not.toMatch(/abc123|hunter2/);
  expect(text).toMatch(/"port":1/);
});

it('is readable by its owner only', () => {
  openLog(folder, { level: 'info' }).close();
  if (process.platform !== 'win32') expect(statSync(join(folder, 'adit.log')).mode & 0o077).toBe(0);
});

it('is bounded: old files move up and the oldest goes', () => {
  const file = new RotatingFile(folder, 'x.log', 100, 2);
  for (let n = 0; n < 50; n += 1) file.write(`line ${n} ${'.'.repeat(20)}\n`);
  file.close();
  expect(readdirSync(folder).sort()).toEqual(['x.log', 'x.log.1', 'x.log.2']);
  for (const name of readdirSync(folder)) expect(statSync(join(folder, name)).size).toBeLessThan(200);
  expect(readFileSync(join(folder, 'x.log.1'), 'utf8')).toMatch(/line 4\d/);
});
