import { readFileSync, renameSync, writeFileSync } from 'node:fs';

/** What the shell remembers between runs. Settings live in the engine; this is only about windows. */
export interface ShellMemory {
  /** The user was told that closing the window does not stop mining. */
  readonly closeExplained: boolean;
}

export interface MemoryFile {
  read(): ShellMemory;
  write(memory: ShellMemory): void;
}

/** The memory in a small file. One that is missing or broken counts as empty: the worst is an explanation shown again. */
export function memoryFile(path: string): MemoryFile {
  return {
    read() {
      try {
        const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
        const explained = typeof value === 'object' && value !== null && 'closeExplained' in value;
        return { closeExplained: explained && value.closeExplained === true };
      } catch {
        return { closeExplained: false };
      }
    },
    write(memory) {
      const draft = `${path}.new`;
      writeFileSync(draft, JSON.stringify(memory), { mode: 0o600 });
      renameSync(draft, path);
    },
  };
}
