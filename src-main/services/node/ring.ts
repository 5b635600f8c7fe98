import { StringDecoder } from 'node:string_decoder';

/**
 * The last lines of a program's output. Bounded in lines and in length of a line, so that a program that prints without
 * end, or without line breaks, costs no more than `maxLines * maxLine` characters.
 */
export class LogRing {
  readonly #maxLines: number;
  readonly #maxLine: number;
  #lines: string[] = [];
  #open = '';
  #overflowed = false;
  #decoder = new StringDecoder('utf8');

  constructor(maxLines = 300, maxLine = 2_000) {
    this.#maxLines = maxLines;
    this.#maxLine = maxLine;
  }

  /** Takes output as it comes; lines may be spread over chunks. */
  write(chunk: Buffer): void {
    const parts = this.#decoder.write(chunk).split('\n');
    const last = parts.pop() ?? '';
    for (const part of parts) {
      this.#extend(part);
      this.#flush();
    }
    this.#extend(last);
  }

  /** Adds a whole line of our own. */
  push(line: string): void {
    this.#flushOpen();
    this.#extend(line);
    this.#flush();
  }

  /** The output has ended: an unfinished line counts as one. */
  end(): void {
    this.#open += this.#decoder.end();
    this.#flushOpen();
  }

  lines(): readonly string[] {
    return [...this.#lines];
  }

  clear(): void {
    this.#lines = [];
    this.#open = '';
    this.#overflowed = false;
    this.#decoder = new StringDecoder('utf8');
  }

  #extend(text: string): void {
    const room = this.#maxLine - this.#open.length;
    this.#open += text.length > room ? text.slice(0, room) : text;
    if (text.length > room) this.#overflowed = true;
  }

  #flushOpen(): void {
    if (this.#open !== '') this.#flush();
  }

  #flush(): void {
    const line = this.#open.replace(/\r$/, '');
    // Control characters would let a peer's name, which the node logs, write to a terminal.
    // oxlint-disable-next-line no-control-regex
    this.#lines.push((this.#overflowed ? `${line} …` : line).replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, '�'));
    if (this.#lines.length > this.#maxLines) this.#lines.splice(0, this.#lines.length - this.#maxLines);
    this.#open = '';
    this.#overflowed = false;
  }
}
