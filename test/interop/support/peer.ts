/** Our peer of reference crates (`test/interop/vectors`) at work: one line of JSON for each line it is given. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** What the peer said. A panic is the reference's, caught: the peer goes on. */
export type Answer<T> =
  | { readonly kind: 'ok'; readonly value: T }
  | { readonly kind: 'error'; readonly error: string }
  | { readonly kind: 'panic' };

/** How long one answer may take. The longest message is 16 MiB. */
const ANSWER_MS = 30_000;

export class Peer {
  readonly #child: ChildProcess;
  readonly #waiting: { resolve(line: string): void; reject(error: Error): void }[] = [];
  #failure: Error | undefined;

  constructor(path: string) {
    this.#child = spawn(path, ['serve'], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child.once('error', (error) => this.#fail(error));
    this.#child.once('exit', (code) => this.#fail(new Error(`the peer ended with ${String(code)}`)));
    const { stdin, stdout } = this.#child;
    if (!stdin || !stdout) throw new Error('the peer has no pipes');
    stdin.on('error', (error) => this.#fail(error));
    // Not `node:readline`: it also ends lines at U+2028, which texts may hold.
    let pieces: string[] = [];
    stdout.setEncoding('utf8').on('data', (text: string) => {
      const [first = '', ...others] = text.split('\n');
      pieces.push(first);
      for (const next of others) {
        this.#waiting.shift()?.resolve(pieces.join(''));
        pieces = [next];
      }
    });
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const waiting of this.#waiting.splice(0)) waiting.reject(this.#failure);
  }

  /** Gives a command and waits for the answer. Commands may be given before earlier ones are answered. */
  async ask<T>(command: string): Promise<Answer<T>> {
    if (this.#failure) throw this.#failure;
    const line = await new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no answer to ${command.slice(0, 80)}`)), ANSWER_MS);
      this.#waiting.push({
        resolve(answer) {
          clearTimeout(timer);
          resolve(answer);
        },
        reject(error) {
          clearTimeout(timer);
          reject(error);
        },
      });
      this.#child.stdin?.write(`${command}\n`);
    });
    const answer = JSON.parse(line) as { ok?: T; error?: string };
    if (answer.ok !== undefined) return { kind: 'ok', value: answer.ok };
    return answer.error === undefined ? { kind: 'panic' } : { kind: 'error', error: answer.error };
  }

  /** Like `ask`, for what must not fail. */
  async must<T>(command: string): Promise<T> {
    const answer = await this.ask<T>(command);
    if (answer.kind === 'ok') return answer.value;
    throw new Error(
      `${command.slice(0, 80)}: ${answer.kind === 'error' ? answer.error : 'the reference panicked'}`,
    );
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exit = once(this.#child, 'exit');
    this.#child.kill();
    await exit;
  }
}
