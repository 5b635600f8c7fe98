export interface Pin {
  readonly file: string;
  readonly size?: number;
  readonly sha256: string;
  readonly urls: readonly string[];
  readonly node?: string;
  readonly daemon: string;
  readonly cli: string;
}
export interface Releases {
  readonly version: string;
  readonly folder: string;
  readonly maxBytes: number;
  readonly platforms: Readonly<Record<string, Pin | undefined>>;
}
export interface ReleaseNode {
  readonly folder: string;
  readonly path: string;
  readonly cli: string;
  readonly version: string;
}
export interface DownloadLimits {
  headersMs: number;
  idleMs: number;
  totalMs: number;
  pauseMs: number;
}
export function readReleases(): Promise<Releases>;
export function pinFor(releases: Releases, platform?: string, arch?: string): Pin;
export function cachedRelease(
  releases: Releases,
  options?: { cacheFolder?: string; platform?: string; arch?: string; folder?: string },
): Promise<ReleaseNode | undefined>;
export function bringRelease(
  releases: Releases,
  options?: {
    cacheFolder?: string;
    platform?: string;
    arch?: string;
    to?: string;
    offline?: boolean;
    signal?: AbortSignal;
    progress?: (text: string, done?: number, total?: number) => void;
    limits?: Partial<DownloadLimits>;
  },
): Promise<ReleaseNode>;
