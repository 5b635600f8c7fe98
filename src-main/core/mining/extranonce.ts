export class ExtranonceError extends Error {
  readonly code = 'exhausted';
}

/**
 * Hands out extranonce prefixes, one for each connection, so that no two machines search the same work. A prefix is given
 * again only after it was released and all others had their turn: a machine that comes back late can't meet its old one
 * in other hands too soon.
 */
export class ExtranonceAllocator {
  readonly #bytes: number;
  readonly #space: number;
  readonly #used = new Set<number>();
  #next: number;

  /**
   * @param prefixBytes length of a prefix, 1 to 6.
   * @param start where to begin; a random one keeps a restarted process from repeating work.
   */
  constructor(prefixBytes = 4, start = 0) {
    if (!Number.isInteger(prefixBytes) || prefixBytes < 1 || prefixBytes > 6) {
      throw new RangeError(`ExtranonceAllocator: a prefix has 1 to 6 bytes, not ${prefixBytes}`);
    }
    if (!Number.isSafeInteger(start) || start < 0)
      throw new RangeError(`ExtranonceAllocator: ${start} is no start`);
    this.#bytes = prefixBytes;
    this.#space = 256 ** prefixBytes;
    this.#next = start % this.#space;
  }

  get inUse(): number {
    return this.#used.size;
  }

  /** A prefix nobody has, big-endian. Throws `ExtranonceError` when all are in use. */
  allocate(): Uint8Array {
    if (this.#used.size >= this.#space) {
      throw new ExtranonceError(`All ${this.#space} extranonce prefixes are in use: close some connections.`);
    }
    while (this.#used.has(this.#next)) this.#next = (this.#next + 1) % this.#space;
    let n = this.#next;
    this.#used.add(n);
    this.#next = (n + 1) % this.#space;
    const prefix = new Uint8Array(this.#bytes);
    for (let i = this.#bytes - 1; i >= 0; i--) {
      prefix[i] = n % 256;
      n = Math.floor(n / 256);
    }
    return prefix;
  }

  /** Gives a prefix back. False when it was not in use. */
  release(prefix: Uint8Array): boolean {
    if (prefix.length !== this.#bytes) return false;
    let n = 0;
    for (const byte of prefix) n = n * 256 + byte;
    return this.#used.delete(n);
  }
}
