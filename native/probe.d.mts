export interface NodeVersion {
  readonly flavour: 'core' | 'knots' | 'other';
  readonly version: string;
  readonly versionNumber: number;
  readonly knotsDate: number | undefined;
}
export type Probe =
  | ({ readonly ok: true; readonly ipc: boolean } & NodeVersion)
  | { readonly ok: false; readonly reason: string };
export function parseNodeVersion(output: string): NodeVersion | undefined;
export function probeNode(
  command: readonly string[],
  options?: { timeoutMs?: number; signal?: AbortSignal },
): Promise<Probe>;
