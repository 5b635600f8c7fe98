export function runBounded(
  command: string,
  args: readonly string[],
  options: {
    timeoutMs: number;
    maxBytes?: number;
    cwd?: string;
    env?: NodeJS.ProcessEnv;
    signal?: AbortSignal;
  },
): Promise<{ code: number | null; stdout: string; stderr: string; fault: string | undefined }>;
