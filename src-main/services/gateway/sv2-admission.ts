/** Handshakes of one address that may come to nothing before it is refused, and how many are forgiven each second. */
const MAX_FAILED = 40;
const FAILED_PER_SECOND = 0.5;
/** Addresses of which failures are remembered. */
const MAX_FAILING = 4_096;

/** Connections that have not finished their handshake: in all, and from one address. */
export interface AdmissionLimits {
  readonly maxUnfinished: number;
  readonly maxUnfinishedPerAddress: number;
}

/**
 * Keeps peers that connect and never say anything from taking the places of those that do. Beyond the limit of all, the
 * oldest of the address that has most makes room, so that a newcomer from a quiet address always gets in.
 */
export class Admission<C extends { readonly remote: string }> {
  readonly #limits: AdmissionLimits;
  readonly #byAddress = new Map<string, Set<C>>();
  readonly #failing = new Map<string, { count: number; at: number }>();
  #count = 0;

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#count;
  }

  /** True when this address has too many unfinished ones already. */
  full(remote: string): boolean {
    return (this.#byAddress.get(remote)?.size ?? 0) >= this.#limits.maxUnfinishedPerAddress;
  }

  /** Gives the one that has to go for it, if there is no room. */
  add(connection: C): C | undefined {
    const here = this.#byAddress.get(connection.remote);
    if (here) here.add(connection);
    else this.#byAddress.set(connection.remote, new Set([connection]));
    this.#count += 1;
    if (this.#count <= this.#limits.maxUnfinished) return undefined;
    let most: Set<C> | undefined;
    for (const all of this.#byAddress.values()) if (!most || all.size > most.size) most = all;
    const [oldest] = most ?? [];
    return oldest;
  }

  #failed(remote: string, now: number): number {
    const failing = this.#failing.get(remote);
    return failing
      ? Math.max(0, failing.count - (Math.max(0, now - failing.at) / 1_000) * FAILED_PER_SECOND)
      : 0;
  }

  /**
   * A handshake of ours was for nothing: the peer never set up. Each costs us milliseconds and it next to nothing, so an
   * address that goes on with it is refused for a while (`failing`). `now` in milliseconds.
   */
  fail(remote: string, now: number): void {
    const count = this.#failed(remote, now) + 1;
    this.#failing.delete(remote);
    this.#failing.set(remote, { count, at: now });
    const [oldest] = this.#failing.keys();
    if (this.#failing.size > MAX_FAILING && oldest !== undefined) this.#failing.delete(oldest);
  }

  failing(remote: string, now: number): boolean {
    return this.#failed(remote, now) >= MAX_FAILED;
  }

  /** It finished, or is gone. Safe to call twice. */
  remove(connection: C): void {
    const here = this.#byAddress.get(connection.remote);
    if (!here?.delete(connection)) return;
    this.#count -= 1;
    if (here.size === 0) this.#byAddress.delete(connection.remote);
  }
}
