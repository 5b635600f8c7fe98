/** What the shell hands the engine's process. Plain data: it crosses a process border. */
export interface EngineSettings {
  readonly version: string;
  /** Adit's data folder; the engine makes its own inside it. */
  readonly dataDir: string;
  readonly practice: boolean;
  /** Folder of the node that came with the app. */
  readonly bundledDir: string;
}

/** Shell to engine. `connect` carries a port. */
export type ToEngine =
  | { readonly t: 'start'; readonly settings: EngineSettings }
  | { readonly t: 'connect' }
  | { readonly t: 'stop' };

/** Engine to shell. After `failed` the engine exits by itself; starting it again would not help. */
export type FromEngine =
  { readonly t: 'ready' } | { readonly t: 'failed'; readonly message: string } | { readonly t: 'stopped' };

export function isFromEngine(value: unknown): value is FromEngine {
  if (typeof value !== 'object' || value === null || !('t' in value)) return false;
  if (value.t === 'failed') return 'message' in value && typeof value.message === 'string';
  return value.t === 'ready' || value.t === 'stopped';
}
