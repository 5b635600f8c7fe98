const LINE_FEED = 0x0a;
const EMPTY = Buffer.alloc(0);

/**
 * Cuts a byte stream into lines, however it was split into packets. Holds at most one packet and one partial line.
 * Bytes that are no UTF-8 become U+FFFD, so a line is always text.
 */
export class LineBuffer {
  readonly #maxBytes: number;
  #bytes: Buffer = EMPTY;
  #start = 0;
  /** Where to look on for a line feed, so that a line that comes byte by byte is not searched again and again. */
  #seen = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes held. */
  get size(): number {
    return this.#bytes.length - this.#start;
  }

  push(packet: Buffer): void {
    if (this.size === 0) {
      this.#bytes = packet;
      this.#seen = 0;
    } else {
      const before = this.size;
      const searched = this.#seen - this.#start;
      this.#bytes = Buffer.concat([this.#bytes.subarray(this.#start), packet], before + packet.length);
      this.#seen = searched;
    }
    this.#start = 0;
  }

  /** The next whole line without its line feed; undefined when there is none yet; "tooLong" ends the connection. */
  next(): { readonly kind: 'line'; readonly text: string } | { readonly kind: 'tooLong' } | undefined {
    const end = this.#bytes.indexOf(LINE_FEED, this.#seen);
    if (end === -1) {
      if (this.size > this.#maxBytes) return { kind: 'tooLong' };
      if (this.#start > 0 || this.#bytes !== EMPTY) {
        // A copy, so that a few bytes left over do not keep a packet of 64 kB alive.
        this.#bytes = this.size === 0 ? EMPTY : Buffer.from(this.#bytes.subarray(this.#start));
        this.#start = 0;
      }
      this.#seen = this.#bytes.length;
      return undefined;
    }
    if (end - this.#start > this.#maxBytes) return { kind: 'tooLong' };
    const text = this.#bytes.toString('utf8', this.#start, end);
    this.#start = end + 1;
    this.#seen = this.#start;
    return { kind: 'line', text };
  }

  clear(): void {
    this.#bytes = EMPTY;
    this.#start = 0;
    this.#seen = 0;
  }
}
