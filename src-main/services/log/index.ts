import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';

/** How every service speaks. `data` is for facts; secrets named in `REDACT` are blotted out wherever they stand. */
export interface Log {
  debug(message: string, data?: Readonly<Record<string, unknown>>): void;
  info(message: string, data?: Readonly<Record<string, unknown>>): void;
  warn(message: string, data?: Readonly<Record<string, unknown>>): void;
  error(message: string, data?: Readonly<Record<string, unknown>>): void;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

const SECRET_KEYS = ['password', 'token', 'cookie', 'authorization', 'secret'];
const REDACT = SECRET_KEYS.flatMap((key) => [key, `*.${key}`]);

/** A log that says nothing, for tests and tools. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };

/**
 * A file of bounded size: at `maxBytes` it becomes `<name>.1` (older ones move up, the oldest goes). Writes are synchronous,
 * so that the last words before a crash are on disk. A disk that is full must not stop mining: lines are dropped, and the
 * count of them is written once there is room again.
 */
export class RotatingFile {
  readonly #path: string;
  readonly #maxBytes: number;
  readonly #keep: number;
  #fd: number;
  #size: number;
  #dropped = 0;

  constructor(folder: string, name: string, maxBytes = 5_000_000, keep = 4) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.#path = join(folder, name);
    this.#maxBytes = maxBytes;
    this.#keep = keep;
    this.#fd = openSync(this.#path, 'a', 0o600);
    this.#size = fstatSync(this.#fd).size;
  }

  write(line: string): void {
    try {
      if (this.#dropped > 0) {
        const note = `${JSON.stringify({ level: 40, msg: `${this.#dropped} lines lost: the log could not be written` })}\n`;
        this.#size += writeSync(this.#fd, note);
        this.#dropped = 0;
      }
      this.#size += writeSync(this.#fd, line);
      if (this.#size >= this.#maxBytes) this.#rotate();
    } catch {
      this.#dropped += 1;
    }
  }

  #rotate(): void {
    closeSync(this.#fd);
    rmSync(`${this.#path}.${this.#keep}`, { force: true });
    for (let n = this.#keep - 1; n >= 1; n -= 1) {
      if (existsSync(`${this.#path}.${n}`)) renameSync(`${this.#path}.${n}`, `${this.#path}.${n + 1}`);
    }
    renameSync(this.#path, `${this.#path}.1`);
    this.#fd = openSync(this.#path, 'a', 0o600);
    this.#size = 0;
  }

  close(): void {
    closeSync(this.#fd);
  }
}

export interface LogOptions {
  readonly level: LogLevel;
  /** Where lines go besides the file: the terminal of the headless program. */
  readonly also?: (line: string) => void;
}

/** A log to `<folder>/adit.log`, one JSON object a line. */
export function openLog(
  folder: string,
  options: LogOptions,
): { readonly log: Log; readonly close: () => void } {
  const file = new RotatingFile(folder, 'adit.log');
  const stream = {
    write(line: string): void {
      file.write(line);
      options.also?.(line);
    },
  };
  const logger = pino(
    { level: options.level, base: null, redact: { paths: REDACT, censor: '[hidden]' } },
    stream,
  );
  const at =
    (level: LogLevel) =>
    (message: string, data?: Readonly<Record<string, unknown>>): void => {
      logger[level](data ?? {}, message);
    };
  return {
    log: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') },
    close: () => file.close(),
  };
}
