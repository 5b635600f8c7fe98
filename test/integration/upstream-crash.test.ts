import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../src-main/services/log/index.ts';
import { createBlockKeeper } from '../../src-main/services/upstream/index.ts';
import { foundBlock, hexOf } from '../fixtures/found-block.ts';

/** mkdir, then open, write, fsync, close, rename of the temporary file: before the last of them is done there is no file. */
const STEPS_TO_THE_NAME = ['mkdir', 'open', 'write', 'fsync', 'close', 'rename'];
/** open, fsync, close of the folder; the same nine for the record beside the block. */
const STEPS_AFTER = ['open folder', 'fsync folder', 'close folder', 'open record', 'write record'];

let folder: string;
/** A node that takes blocks and answers when it is told to. */
let received: string[];
let pending: ServerResponse[];
let onReceived: () => void;
const server = createServer((incoming, response) => {
  const chunks: Buffer[] = [];
  incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
  incoming.on('end', () => {
    received.push(Buffer.concat(chunks).toString('hex'));
    pending.push(response);
    onReceived();
  });
});

beforeEach(async () => {
  folder = join(mkdtempSync(join(tmpdir(), 'adit-crash-')), 'blocks');
  received = [];
  pending = [];
  onReceived = () => {};
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
  rmSync(join(folder, '..'), { recursive: true, force: true });
});

/** Runs the child until it has killed itself before the step. */
async function crash(step: number, when: 'heard' | 'atOnce', port: number): Promise<void> {
  const child = fork(
    join(import.meta.dirname, '../fixtures/keeper-child.ts'),
    [folder, String(port), String(step), when],
    {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      execPath: process.execPath,
      execArgv: [],
    },
  );
  onReceived = () => child.send('heard');
  const [, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  expect(signal).toBe('SIGKILL');
}

/** The next start: everything the keeper finds in the folder is sent. Gives the blocks it sent. */
async function restart(): Promise<string[]> {
  const sent: string[] = [];
  const keeper = createBlockKeeper({
    folder,
    network: 'regtest',
    submit: (block) => {
      sent.push(hexOf(block));
      return Promise.resolve({ kind: 'accepted', already: false });
    },
    lookup: () => Promise.reject(new Error('not asked')),
    clock: Date,
    log: silentLog,
  });
  const problems: unknown[] = [];
  keeper.onProblem((problem) => problems.push(problem));
  await keeper.start();
  await keeper.stop();
  expect(problems).toEqual([]);
  return sent;
}

describe('kill -9 after a block was found', { timeout: 30_000 }, () => {
  const block = hexOf(foundBlock(1).block);

  it.each([...STEPS_TO_THE_NAME, ...STEPS_AFTER].map((name, step) => [name, step] as const))(
    'before %s, while the node checks the block: the node has it',
    async (_, step) => {
      await crash(step, 'heard', (server.address() as AddressInfo).port);
      expect(received).toEqual([block]);
      const sent = await restart();
      // From the moment the file is written the next start sends it too; a second time does no harm.
      expect(sent).toEqual(step > STEPS_TO_THE_NAME.indexOf('write') ? [block] : []);
    },
  );

  it.each(STEPS_AFTER.map((name, place) => [name, STEPS_TO_THE_NAME.length + place] as const))(
    'before %s, while no node is there: the next start sends it',
    async (_, step) => {
      const { port } = server.address() as AddressInfo;
      server.close();
      await once(server, 'close');
      await crash(step, 'atOnce', port);
      expect(received).toEqual([]);
      expect(await restart()).toEqual([block]);
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
    },
  );
});
