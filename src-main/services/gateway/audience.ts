import type { Log } from '../log/index.ts';
import type { Notice } from './notices.ts';
import type { ShareEvent } from './types.ts';

/** Listeners look at every machine: when a farm comes back after a power cut, they are told so often at most. ms */
const MINERS_EVERY_MS = 100;

/** Everyone who wants to hear of a gateway. One that throws must neither stop the rest nor a miner's connection. */
export class Audience {
  readonly #log: Log;
  readonly #shares = new Set<(event: ShareEvent) => void>();
  readonly #miners = new Set<() => void>();
  readonly #notices = new Set<(notice: Notice) => void>();
  #minersChanged = false;
  #minersToldAt = -MINERS_EVERY_MS;

  constructor(log: Log) {
    this.#log = log;
  }

  #tell<A extends readonly unknown[]>(listeners: ReadonlySet<(...args: A) => void>, ...args: A): void {
    for (const listener of listeners) {
      try {
        listener(...args);
      } catch (error) {
        this.#log.error('gateway: a listener failed', { error: (error as Error).stack });
      }
    }
  }

  onShare(listener: (event: ShareEvent) => void): () => void {
    this.#shares.add(listener);
    return () => this.#shares.delete(listener);
  }

  onMiners(listener: () => void): () => void {
    this.#miners.add(listener);
    return () => this.#miners.delete(listener);
  }

  onNotice(listener: (notice: Notice) => void): () => void {
    this.#notices.add(listener);
    return () => this.#notices.delete(listener);
  }

  tellShares(events: readonly ShareEvent[]): void {
    for (const event of events) this.#tell(this.#shares, event);
  }

  tellNotice(notice: Notice): void {
    this.#tell(this.#notices, notice);
  }

  /** Tells of changes once per turn of the event loop, however many there were, and again only after a while. */
  tellMiners(): void {
    if (this.#minersChanged) return;
    this.#minersChanged = true;
    const tell = (): void => {
      this.#minersChanged = false;
      this.#minersToldAt = performance.now();
      this.#tell(this.#miners);
    };
    const wait = this.#minersToldAt + MINERS_EVERY_MS - performance.now();
    if (wait > 0) setTimeout(tell, wait).unref();
    else setImmediate(tell);
  }
}
