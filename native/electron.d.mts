export type Found = { ok: true; path: string } | { ok: false; reason: string };
export interface Ended {
  code: number | null;
  output: string;
  timedOut: boolean;
}
export interface Machine {
  platform: NodeJS.Platform;
  env: NodeJS.ProcessEnv;
  uid: number | undefined;
  run(command: string, args: readonly string[], withinMs: number): Promise<Ended>;
  read(path: string): string | undefined;
}
export function run(command: string, args: readonly string[], withinMs: number): Promise<Ended>;
export function electronPath(root: string, env?: NodeJS.ProcessEnv): string | undefined;
export function errorLine(output: string): string;
export function bringElectron(root: string, machine?: Machine): Promise<Found>;
export function windowless(machine: Machine): string | undefined;
export function findElectron(root: string, machine?: Machine): Promise<Found>;
