import releases from '../../../native/releases.json' with { type: 'json' };
import { bringRelease, cachedRelease } from '../../../native/release.mjs';
import type { ReleaseNode, Releases } from '../../../native/release.mjs';

/** Tells how bringing goes on: a line for people, and bytes while there are any. `total` is absent when it is not known. */
export type BringProgress = (text: string, done?: number, total?: number) => void;

/** The pinned release. Its hashes were agreed by at least two public sources, named in native/releases.json. */
export const RELEASES: Releases = releases;

/** The official release in the cache, when it is the pinned one and whole. */
export async function releaseInCache(cacheFolder: string): Promise<ReleaseNode | undefined> {
  return cachedRelease(RELEASES, { cacheFolder });
}

/**
 * Brings the official release into the cache: verified before it is unpacked.
 *
 * @throws BringError with a stable `code`, a plain `message` and an `advice`
 */
export async function downloadRelease(options: {
  readonly cacheFolder: string;
  readonly signal?: AbortSignal;
  readonly progress?: BringProgress;
  /** False takes only an archive that the user has placed by hand. */
  readonly network: boolean;
  /** How long a server may take until it answers at all, in ms. Default: 30,000. */
  readonly answerMs?: number;
}): Promise<ReleaseNode> {
  const { cacheFolder, signal, progress, network, answerMs } = options;
  return bringRelease(RELEASES, {
    cacheFolder,
    offline: !network,
    ...(answerMs !== undefined && { limits: { headersMs: answerMs } }),
    ...(signal && { signal }),
    ...(progress && { progress }),
  });
}
