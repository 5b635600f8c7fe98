export interface AptSource {
  uris: string[];
  suites: string[];
  components: string[];
  signedBy: string | undefined;
  trusted: string | undefined;
}
export interface DebianNode {
  readonly path: string;
  readonly launcher: string[];
  readonly cli: string[];
  readonly package: string;
  readonly version: string;
}
export function parseSourcesList(text: string): AptSource[];
export function parseDeb822(text: string): AptSource[];
export function pickDebianSource(
  sources: readonly AptSource[],
  suites?: readonly string[],
): AptSource | undefined;
export function parsePackages(text: string): Array<Record<string, string>>;
export function dependencyNames(depends: string): string[];
export function cachedDebianNode(cacheFolder?: string): Promise<DebianNode | undefined>;
export function bringDebianNode(options?: {
  cacheFolder?: string;
  refresh?: boolean;
  offline?: boolean;
  progress?: (line: string) => void;
  signal?: AbortSignal;
  etcApt?: string;
  env?: NodeJS.ProcessEnv;
}): Promise<DebianNode>;
