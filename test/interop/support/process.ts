/** Programs of the reference implementation: started on loopback, watched, ended. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

const STOP_MS = 3_000;
/** What is kept of its words. */
const MAX_LINES = 4_000;

/** What runs now. Nothing of it may outlive this process, however that ends. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export class Program {
  readonly folder: string;
  readonly lines: string[] = [];
  readonly #child: ChildProcess;
  readonly #name: string;
  #ended: string | undefined;

  /** Starts a program in a folder of its own, which is gone when it ends. */
  constructor(path: string, args: readonly string[], options: { folder?: string } = {}) {
    this.#name = path.replace(/.*[\\/]/, '');
    this.folder = options.folder ?? makeFolder();
    this.#child = spawn(path, args, {
      cwd: this.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, RUST_LOG: 'info', NO_COLOR: '1' },
    });
    running.add(this.#child);
    this.#child.once('exit', () => running.delete(this.#child));
    this.#child.once('error', (error) => (this.#ended = error.message));
    this.#child.once('exit', (code, signal) => (this.#ended = `ended with ${String(code ?? signal)}`));
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.lines.push(...stripVTControlCharacters(text).split('\n').filter(Boolean));
        this.lines.splice(0, this.lines.length - MAX_LINES);
      });
  }

  /** Its last words, for an error. */
  get words(): string {
    return `${this.#name} ${this.#ended ?? 'runs'}; its last words:\n${this.lines.slice(-30).join('\n')}`;
  }

  get running(): boolean {
    return this.#ended === undefined;
  }

  /** Throws when it is no longer there. */
  alive(): true {
    if (!this.running) throw new Error(this.words);
    return true;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null && this.#child.pid !== undefined) {
      const exit = once(this.#child, 'exit');
      this.#child.kill('SIGTERM');
      const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS);
      await exit;
      clearTimeout(timer);
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export function makeFolder(): string {
  return mkdtempSync(join(tmpdir(), 'adit-interop-'));
}

/** A port nobody listens on now, for programs that can't be told to take any. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  return port;
}
