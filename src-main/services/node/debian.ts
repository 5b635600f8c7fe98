import { bringDebianNode } from '../../../native/debian.mjs';
import type { DebianNode } from '../../../native/debian.mjs';
import type { BringProgress } from './download.ts';

/**
 * Brings the node of Debian's archive into the cache, with the libraries and the loader it needs. For tests and practice
 * on regtest only: it is Bitcoin Knots, which follows another chain than Bitcoin's.
 *
 * @throws BringError with a stable `code`, a plain `message` and an `advice`
 */
export async function debianNode(options: {
  readonly cacheFolder: string;
  readonly signal?: AbortSignal;
  readonly progress?: BringProgress;
  /** False takes only what is in the cache. */
  readonly network: boolean;
}): Promise<DebianNode> {
  const { cacheFolder, signal, progress, network } = options;
  return bringDebianNode({
    cacheFolder,
    offline: !network,
    ...(signal && { signal }),
    ...(progress && { progress }),
  });
}
