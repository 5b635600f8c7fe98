import type { GatewayLimits } from './limits.ts';

/** What an accepted share makes up for, in refused ones. */
const INVALID_PER_ACCEPTED = 5;

/** How much one peer has asked for and how much of it was senseless, against the limits. Times in milliseconds. */
export class PeerBudget {
  readonly #limits: GatewayLimits;
  #secondBegan = 0;
  #messages = 0;
  #invalid = 0;
  #invalidAt: number;

  constructor(limits: GatewayLimits, now: number) {
    this.#limits = limits;
    this.#invalidAt = now;
  }

  /** Counts a message, a costly one as `weight` of them. Gives the milliseconds to wait before the next is read, 0 for none. */
  throttle(now: number, weight = 1): number {
    const age = now - this.#secondBegan;
    if (age >= 1_000 || age < 0) {
      this.#secondBegan = now;
      this.#messages = 0;
    }
    this.#messages += weight;
    return this.#messages < this.#limits.messagesPerSecond ? 0 : Math.max(1, 1_000 - Math.max(0, age));
  }

  accepted(): void {
    this.#invalid = Math.max(0, this.#invalid - INVALID_PER_ACCEPTED);
  }

  /** A refused share or a senseless request. True when there were too many. */
  invalid(now: number): boolean {
    const forgiven = ((now - this.#invalidAt) / 1_000) * this.#limits.invalidPerSecond;
    this.#invalid = Math.max(0, this.#invalid - Math.max(0, forgiven)) + 1;
    this.#invalidAt = now;
    return this.#invalid > this.#limits.maxInvalid;
  }
}
