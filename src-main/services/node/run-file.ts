import { readFileSync, rmSync, statSync } from 'node:fs';
import { z } from 'zod';
import { asStartError, writeFileDurably } from './config.ts';
import type { NodePaths } from './config.ts';
import { processIdentity } from './process.ts';

/**
 * Which node runs on a folder and who started it. Written beside the chain, so that after a crash of ours the node that
 * still runs is found again, and so that two Adits never share one.
 */
const runRecord = z.object({
  format: z.literal(1),
  node: processIdentity,
  owner: processIdentity,
  rpcPort: z.int().min(1).max(65_535),
  /** Hash of program, configuration and arguments it was started with. */
  fingerprint: z.string().max(128),
});
export type RunRecord = z.output<typeof runRecord>;

/** @returns undefined when there is none, or it is not one */
export function readRunFile(paths: NodePaths): RunRecord | undefined {
  try {
    if (statSync(paths.runFile).size > 4_096) return undefined;
    return runRecord.safeParse(JSON.parse(readFileSync(paths.runFile, 'utf8'))).data;
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw asStartError(error, paths.dataDir);
  }
}

/** @throws ChildStartError when the folder can't be written to */
export function writeRunFile(paths: NodePaths, record: RunRecord): void {
  try {
    writeFileDurably(paths.runFile, `${JSON.stringify(record)}\n`);
  } catch (error) {
    throw asStartError(error, paths.dataDir);
  }
}

export function removeRunFile(paths: NodePaths): void {
  rmSync(paths.runFile, { force: true });
}
