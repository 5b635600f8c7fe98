import { execFile } from 'node:child_process';
import { open, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const COMMAND_MS = 30_000;
const LOG_MS = 2_000;
const MAX_LOG_BYTES = 4_000_000;
/** Bitcoin Core with -logtimemicros=1: "2026-01-02T03:04:05.678901Z UpdateTip: new best=…". */
const UPDATE_TIP = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{6})Z (?:\[[^\]]*\] )*UpdateTip: new best=/gm;

/** When the node took the last block of this piece of its log, ms since 1970. Undefined when it took none. */
export function lastUpdateTip(log: string): number | undefined {
  const match = [...log.matchAll(UPDATE_TIP)].at(-1);
  return match === undefined ? undefined : Date.parse(`${match[1]}Z`) + Number(match[2]) / 1_000;
}

/** Runs a command of the user's by "sh -c". Throws when it fails. */
export async function runTipCommand(command: string): Promise<void> {
  try {
    await promisify(execFile)('sh', ['-c', command], { timeout: COMMAND_MS });
  } catch (error) {
    const { stderr = '', message } = error as { stderr?: string; message: string };
    throw new Error(`The tip command failed: ${(stderr.trim() || message).slice(0, 500)}`, { cause: error });
  }
}

/**
 * Moves the tip and says when: ms since 1970, from the node's own log where `nodeLog` names it, else the moment when
 * `move` was done.
 */
export async function timedTip(move: () => Promise<void>, nodeLog: string | undefined): Promise<number> {
  const from = nodeLog === undefined ? 0 : (await stat(nodeLog)).size;
  await move();
  const doneAt = performance.timeOrigin + performance.now();
  if (nodeLog === undefined) return doneAt;
  for (const deadline = Date.now() + LOG_MS; Date.now() < deadline; await sleep(10)) {
    const at = lastUpdateTip(await readFrom(nodeLog, from));
    if (at !== undefined) return at;
  }
  throw new Error(
    `${nodeLog} tells of no new tip. Does the node log with -logtimemicros=1, and did the command move the tip?`,
  );
}

async function readFrom(path: string, from: number): Promise<string> {
  await using file = await open(path, 'r');
  const { buffer, bytesRead } = await file.read(Buffer.alloc(MAX_LOG_BYTES), 0, MAX_LOG_BYTES, from);
  return buffer.toString('latin1', 0, bytesRead);
}
