import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { z } from 'zod';

/** A process by its id and, where the system tells it, the moment it began: ids are used again, the pair is not. */
export const processIdentity = z.object({
  pid: z
    .int()
    .min(1)
    .max(2 ** 31 - 1),
  startedAt: z.string().max(200).optional(),
});
export type ProcessIdentity = z.output<typeof processIdentity>;

/** The identity of a process that runs now. */
export function identify(pid: number): ProcessIdentity {
  return { pid, startedAt: startOf(pid) };
}

/**
 * Whether that very process still runs. A zombie has ended. On Windows only the id can be compared, so a foreign process
 * that was given the same id counts as alive.
 */
export function isAlive(identity: ProcessIdentity): boolean {
  try {
    process.kill(identity.pid, 0);
  } catch (error) {
    // EPERM: it is there, but belongs to someone else.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const began = startOf(identity.pid);
  if (process.platform !== 'linux' && process.platform !== 'darwin') return true;
  if (began === undefined) return false;
  return identity.startedAt === undefined || began === identity.startedAt;
}

/** `e_machine` of ELF (System V ABI) for what Node calls the processor; a 64-bit x86 runs 32-bit programs too. */
const ELF_MACHINES: Readonly<Record<string, readonly number[]>> = {
  x64: [0x3e, 0x03],
  arm64: [0xb7],
  arm: [0x28],
  ia32: [0x03],
  riscv64: [0xf3],
};
/** Mach-O, 64-bit and universal. */
const MACH_O = [0xcffaedfe, 0xcafebabe];

/**
 * Refuses a file this system can't run itself. Without the check, execvp(3) hands whatever the kernel does not take, a
 * node for another processor for example, to /bin/sh, which runs it line by line.
 * @throws an error with `code` ENOEXEC, or what the file system says
 */
export function checkProgram(path: string): void {
  if (process.platform === 'win32') return;
  const head = Buffer.alloc(20);
  const fd = openSync(path, 'r');
  try {
    readSync(fd, head, 0, head.length, 0);
  } finally {
    closeSync(fd);
  }
  if (head.toString('latin1', 0, 2) === '#!') return;
  if (process.platform === 'darwin' && MACH_O.includes(head.readUInt32BE(0))) return;
  if (head.toString('latin1', 0, 4) === '\x7fELF') {
    const machine = head[5] === 2 ? head.readUInt16BE(18) : head.readUInt16LE(18);
    if (ELF_MACHINES[process.arch]?.includes(machine) ?? true) return;
  }
  throw Object.assign(new Error(`${path} is not a program for this computer`), { code: 'ENOEXEC' });
}

/** Undefined when the process is gone, a zombie, or the system does not say. */
function startOf(pid: number): string | undefined {
  try {
    if (process.platform === 'linux') {
      // proc(5), /proc/pid/stat: the name in brackets may hold anything, so count from the last bracket: state is the
      // first field after it, start time (ticks since boot) the twentieth.
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
      const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
      return `${boot}/${fields[19] ?? ''}`;
    }
    if (process.platform === 'darwin') {
      const text = execFileSync('/bin/ps', ['-o', 'stat=,lstart=', '-p', String(pid)], {
        encoding: 'latin1',
        timeout: 2_000,
        env: { LC_ALL: 'C' },
        stdio: ['ignore', 'pipe', 'ignore'],
      }).trim();
      const match = /^(\S+)\s+(.+)$/.exec(text);
      return match === null || match[1]?.startsWith('Z') ? undefined : match[2];
    }
  } catch {
    // Gone between two looks.
  }
  return undefined;
}
