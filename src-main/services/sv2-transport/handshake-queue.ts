/**
 * Rest after a handshake, as a part of the time it took. A handshake costs milliseconds of arithmetic: without a rest, ten
 * thousand peers that connect at once would keep honest shares waiting until all were done.
 */
const REST = 0.5;

interface Waiting {
  readonly work: () => void;
}

/**
 * Does handshakes one at a time, addresses in turn, leaving a third of the time to everything else. Whoever comes from an
 * address that was quiet waits for one handshake of each other address at most, however many those have queued.
 */
export class HandshakeQueue {
  /** By address, in the order of their next turn. */
  readonly #byAddress = new Map<string, Set<Waiting>>();
  #timer: NodeJS.Timeout | undefined;

  get size(): number {
    let count = 0;
    for (const waiting of this.#byAddress.values()) count += waiting.size;
    return count;
  }

  /** Queues the handshake of a peer; `work` must not throw. Gives the way to take it out again, when the peer has gone. */
  add(address: string, work: () => void): () => void {
    const waiting: Waiting = { work };
    const queue = this.#byAddress.get(address);
    if (queue) queue.add(waiting);
    else this.#byAddress.set(address, new Set([waiting]));
    this.#timer ??= setTimeout(() => this.#turn(), 0);
    return () => this.#remove(address, waiting);
  }

  #remove(address: string, waiting: Waiting): void {
    const queue = this.#byAddress.get(address);
    if (!queue?.delete(waiting)) return;
    if (queue.size === 0) this.#byAddress.delete(address);
  }

  #turn(): void {
    this.#timer = undefined;
    const [next] = this.#byAddress;
    if (!next) return;
    const [address, queue] = next;
    const [waiting] = queue;
    // Behind all others for its next turn.
    this.#byAddress.delete(address);
    if (waiting) queue.delete(waiting);
    if (queue.size > 0) this.#byAddress.set(address, queue);
    const began = performance.now();
    waiting?.work();
    if (this.#byAddress.size === 0) return;
    this.#timer = setTimeout(() => this.#turn(), (performance.now() - began) * REST);
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#byAddress.clear();
  }
}
