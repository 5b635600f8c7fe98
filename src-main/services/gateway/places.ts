import type { GatewayLimits } from './limits.ts';
import { isLoopback } from './listen.ts';
import type { Notice } from './notices.ts';

/** How many connections there are, in all and from each address, against the limits of both. */
export class Places {
  readonly #limits: Pick<GatewayLimits, 'maxConnections' | 'maxPerAddress' | 'maxPerLoopback'>;
  readonly #perAddress = new Map<string, number>();
  #count = 0;

  constructor(limits: Pick<GatewayLimits, 'maxConnections' | 'maxPerAddress' | 'maxPerLoopback'>) {
    this.#limits = limits;
  }

  /** Why one more from this address has to be refused; undefined when there is room. */
  whyFull(remote: string): Notice | undefined {
    const { maxConnections, maxPerAddress, maxPerLoopback } = this.#limits;
    const most = isLoopback(remote) ? maxPerLoopback : maxPerAddress;
    if ((this.#perAddress.get(remote) ?? 0) >= most) {
      const detail = `More than ${most} connections from this address. New ones are refused.`;
      return { code: 'tooManyFromAddress', remote, detail };
    }
    if (this.#count >= maxConnections) {
      const detail = `More than ${maxConnections} connections. New ones are refused; raise the limit in the settings if these are your machines.`;
      return { code: 'tooManyConnections', remote: 'all', detail };
    }
    return undefined;
  }

  take(remote: string): void {
    this.#perAddress.set(remote, (this.#perAddress.get(remote) ?? 0) + 1);
    this.#count += 1;
  }

  /** Once for each `take`. */
  leave(remote: string): void {
    const left = (this.#perAddress.get(remote) ?? 1) - 1;
    if (left > 0) this.#perAddress.set(remote, left);
    else this.#perAddress.delete(remote);
    this.#count -= 1;
  }
}
