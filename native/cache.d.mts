export class BringError extends Error {
  constructor(code: string, message: string, advice: string);
  readonly code: string;
  readonly advice: string;
}
export function defaultCacheFolder(env?: NodeJS.ProcessEnv, platform?: NodeJS.Platform): string;
