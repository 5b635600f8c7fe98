import { join } from 'node:path';
import { createEngine } from '../engine.ts';
import { openLog } from '../services/log/index.ts';
import { runEngineChild } from './engine-child.ts';

/** Time for the last message to reach the shell before the process ends, in ms. */
const FAREWELL_MS = 100;

let report = (where: string, error: unknown): void => {
  process.stderr.write(`Adit engine: ${where}: ${String(error)}\n`);
};

// A utility process only warns about these. An engine in an unknown state must not go on: the shell starts a new one.
for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(event, (error: unknown) => {
    report(event, error instanceof Error ? (error.stack ?? error.message) : error);
    process.exit(1);
  });
}

runEngineChild({
  port: process.parentPort,
  create({ version, dataDir, practice, bundledDir }) {
    const { log } = openLog(join(dataDir, 'logs'), { level: 'info' });
    report = (where, error) => log.error(`Engine: ${where}`, { error: String(error) });
    return createEngine({ version, dataDir, practice, log, overrides: {}, bundledDir });
  },
  exit: (code) => void setTimeout(() => process.exit(code), FAREWELL_MS),
  onError: (where, error) => report(where, error),
});
