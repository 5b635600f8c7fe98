import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { isAbsolute } from 'node:path';
import { initialState, transition } from '../../core/supervision/machine.ts';
import type {
  ChildExit,
  ChildProblem,
  ChildState,
  RestartPolicy,
  SupervisorEffect,
  SupervisorEvent,
  SupervisorState,
} from '../../core/supervision/machine.ts';
import type { Log } from '../log/index.ts';
import { checkProgram, isAlive } from './process.ts';
import type { ProcessIdentity } from './process.ts';
import { LogRing } from './ring.ts';

/** Time for a driver: real in the app, moved by hand in tests. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Calls `run` once after `ms`; returns the way to call it off. */
  after(ms: number, run: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

/** A start that could not be: the problem for the user, and whether trying again can help. */
export class ChildStartError extends Error {
  override readonly name = 'ChildStartError';
  readonly problem: ChildProblem;
  readonly fatal: boolean;
  constructor(problem: ChildProblem, fatal: boolean) {
    super(problem.message);
    const { code, message, advice } = problem;
    this.problem = { code, message, advice };
    this.fatal = fatal;
  }
}

/** What to start, or which running process to take over. */
export type ChildPlan =
  | {
      readonly kind: 'spawn';
      /** Absolute path; run without a shell. */
      readonly command: string;
      readonly args: readonly string[];
      /** The whole environment of the child: nothing of ours is handed down. */
      readonly env: Readonly<Record<string, string>>;
      readonly cwd: string;
    }
  | { readonly kind: 'adopt'; readonly process: ProcessIdentity; readonly logTail: readonly string[] };

export type ChildHealth =
  | { readonly kind: 'answers'; readonly version: string }
  | { readonly kind: 'warming'; readonly stage: string; readonly progress: number | undefined }
  | { readonly kind: 'silent' }
  /** It answers, but is not what was asked for. */
  | { readonly kind: 'refuse'; readonly problem: ChildProblem };

export interface ChildDiagnosis {
  readonly problem: ChildProblem;
  /** True when starting again can't help until someone acts. */
  readonly fatal: boolean;
}

/** How a process ended, before anyone has judged it. `spawnError`: it could not begin. */
export interface RawExit {
  readonly code: number | null;
  readonly signal: string | null;
  readonly spawnError: NodeJS.ErrnoException | undefined;
  readonly logTail: readonly string[];
}

/** One kind of child: everything a supervisor has to know about it. */
export interface ChildSpec {
  readonly name: string;
  readonly policy: RestartPolicy;
  /**
   * Gets everything ready for a start, anew each time. `say` adds a line to the child's log. Rejects with
   * `ChildStartError`; any other error counts as a crash. `signal` is aborted when a stop comes meanwhile.
   */
  prepare(signal: AbortSignal, say: (line: string) => void): Promise<ChildPlan>;
  /** The process runs (`adopted`: it did before). Throws when that can't be recorded; then it is asked to stop. */
  onSpawned?(pid: number, adopted: boolean): void;
  /** The process has ended and everything it printed has been read. */
  onExited?(): void;
  /** Asks the service how it is; bounded in time by itself, never throws. */
  probe(signal: AbortSignal): Promise<ChildHealth>;
  /** Milliseconds until the next probe. */
  probeEvery(state: ChildState): number;
  /** How long a child that was ready may be silent before it counts as not answering. */
  readonly silentAfterMs: number;
  /** Asks the process to end in its own time; called again every `askStopEveryMs` until it has. Must not kill. */
  askStop(pid: number, times: number): Promise<void>;
  readonly askStopEveryMs: number;
  diagnose(exit: RawExit): ChildDiagnosis | undefined;
  /** Log lines for an adopted process, whose output goes elsewhere. */
  adoptedLogTail?(): readonly string[];
}

export interface Child {
  state(): ChildState;
  /** Calls `listener` after every change of state; returns the way to stop it. */
  subscribe(listener: (state: ChildState) => void): () => void;
  /** The last lines the child printed, oldest first. */
  log(): readonly string[];
  /** Resolves when the process is up or it is known why it is not; see `state()`. Never rejects. */
  start(): Promise<void>;
  /** Asks, and resolves when the process has ended, however long that takes. */
  stop(reason: string): Promise<void>;
  restart(reason: string): Promise<void>;
  /** The user's explicit wish, offered from `forceFrom` of a stop on. False: not heeded. */
  forceKill(): boolean;
}

/** How long output may still come after the exit of a process whose own children hold the pipe. */
const DRAIN_MS = 500;
const ADOPTED_POLL_MS = 500;
const EXIT_LOG_LINES = 40;

/** Drives one child by the state machine: spawns, probes, asks to stop, keeps its last words. */
export function createChild(spec: ChildSpec, deps: { readonly clock: Clock; readonly log: Log }): Child {
  const { clock, log } = deps;
  const ring = new LogRing();
  const listeners = new Set<(state: ChildState) => void>();
  const waiters = new Set<() => void>();
  let state: SupervisorState = initialState(clock.now());
  let handle: ChildProcess | undefined;
  let adopted: ProcessIdentity | undefined;
  /** Aborted when the current run has ended. */
  let run = new AbortController();
  /** Aborted when a stop comes before there is a process. */
  let preparing = new AbortController();
  let cancelRetry: (() => void) | undefined;
  let lastAnswer = 0;

  const send = (event: SupervisorEvent): void => {
    const before = state;
    const after = transition(state, event, spec.policy, clock.now());
    state = after.state;
    for (const effect of after.effects) perform(effect);
    if (before.child !== state.child) {
      if (before.child.kind !== state.child.kind) {
        log.info(`${spec.name}: ${state.child.kind}`, { ...describe(state.child) });
      }
      for (const listener of listeners) listener(state.child);
    }
    for (const waiter of waiters) waiter();
  };

  const perform = (effect: SupervisorEffect): void => {
    switch (effect.type) {
      case 'spawn':
        run = new AbortController();
        preparing = new AbortController();
        void begin(run, preparing.signal);
        break;
      case 'askStop':
        if (typeof state.process === 'object') askStop(state.process.pid, run.signal, 1);
        // Nothing is up yet: call the preparations off.
        else preparing.abort();
        break;
      case 'kill':
        if (typeof state.process === 'object') kill(state.process.pid);
        break;
      case 'scheduleRetry':
        cancelRetry = clock.after(Math.max(effect.at - clock.now(), 0), () => send({ type: 'retry' }));
        break;
      case 'cancelRetry':
        cancelRetry?.();
        break;
    }
  };

  const begin = async (mine: AbortController, calledOff: AbortSignal): Promise<void> => {
    ring.clear();
    let plan: ChildPlan;
    try {
      plan = await spec.prepare(calledOff, (line) => ring.push(line));
      calledOff.throwIfAborted();
    } catch (error) {
      ended(mine, { code: null, signal: null, spawnError: undefined }, error);
      return;
    }
    if (plan.kind === 'adopt') {
      for (const line of plan.logTail) ring.push(line);
      adopted = plan.process;
      up(mine, plan.process.pid, true);
      watchAdopted(plan.process, mine);
      return;
    }
    launch(plan, mine);
  };

  const launch = (plan: Extract<ChildPlan, { kind: 'spawn' }>, mine: AbortController): void => {
    let child: ChildProcess;
    try {
      if (!isAbsolute(plan.command)) throw new Error(`${plan.command} is not an absolute path`);
      checkProgram(plan.command);
      child = spawn(plan.command, [...plan.args], {
        cwd: plan.cwd,
        env: { ...plan.env },
        stdio: ['ignore', 'pipe', 'pipe'],
        shell: false,
        windowsHide: true,
        // A process group of its own: Ctrl-C in our terminal must not take the node away while a block is being handed
        // to it. We stop it ourselves, in order.
        detached: process.platform !== 'win32',
      });
    } catch (error) {
      ended(mine, { code: null, signal: null, spawnError: error as NodeJS.ErrnoException });
      return;
    }
    child.stdout?.on('data', (chunk: Buffer) => ring.write(chunk));
    child.stderr?.on('data', (chunk: Buffer) => ring.write(chunk));
    let begun = false;
    let exit: { code: number | null; signal: string | null } | undefined;
    child.on('error', (error: NodeJS.ErrnoException) => {
      // Also emitted when a signal could not be delivered; then the process is still there and will exit in its time.
      if (begun) log.warn(`${spec.name}: ${error.message}`);
      else ended(mine, { code: null, signal: null, spawnError: error });
    });
    child.once('spawn', () => {
      begun = true;
      handle = child;
      up(mine, child.pid ?? 0, false);
    });
    const finish = (): void => {
      if (exit === undefined) return;
      const last = exit;
      exit = undefined;
      child.stdout?.destroy();
      child.stderr?.destroy();
      ended(mine, { ...last, spawnError: undefined });
    };
    child.once('exit', (code, signal) => {
      exit = { code, signal };
      clock.after(DRAIN_MS, finish);
    });
    child.once('close', finish);
  };

  const up = (mine: AbortController, pid: number, wasRunning: boolean): void => {
    lastAnswer = clock.now();
    let fault: unknown;
    try {
      spec.onSpawned?.(pid, wasRunning);
    } catch (error) {
      fault = error;
    }
    send({ type: 'spawned', pid });
    if (fault !== undefined) {
      const problem: ChildProblem =
        fault instanceof ChildStartError
          ? fault.problem
          : {
              code: 'startFailed',
              message: `${spec.name} could not be set up: ${wordsOf(fault)}`,
              advice: 'Check that the folder can be written to and has room, then start it again.',
            };
      send({ type: 'refuse', problem });
    }
    void probeLoop(mine);
  };

  const probeLoop = async (mine: AbortController): Promise<void> => {
    while (!mine.signal.aborted && state.child.kind !== 'stopping') {
      const health = await spec.probe(mine.signal);
      if (mine.signal.aborted) return;
      switch (health.kind) {
        case 'answers':
          lastAnswer = clock.now();
          send({ type: 'answers', version: health.version });
          break;
        case 'warming':
          lastAnswer = clock.now();
          send({ type: 'warming', stage: health.stage, progress: health.progress });
          break;
        case 'silent':
          if (clock.now() - lastAnswer >= spec.silentAfterMs) send({ type: 'silent' });
          break;
        case 'refuse':
          send({ type: 'refuse', problem: health.problem });
          break;
      }
      await pause(spec.probeEvery(state.child), mine.signal);
    }
  };

  const pause = (ms: number, signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      const cancel = clock.after(ms, () => {
        signal.removeEventListener('abort', stop);
        resolve();
      });
      const stop = (): void => {
        cancel();
        resolve();
      };
      if (signal.aborted) stop();
      else signal.addEventListener('abort', stop, { once: true });
    });

  const watchAdopted = (identity: ProcessIdentity, mine: AbortController): void => {
    if (isAlive(identity)) {
      clock.after(ADOPTED_POLL_MS, () => watchAdopted(identity, mine));
      return;
    }
    for (const line of spec.adoptedLogTail?.() ?? []) ring.push(line);
    ended(mine, { code: null, signal: null, spawnError: undefined });
  };

  const askStop = (pid: number, signal: AbortSignal, times: number): void => {
    void spec
      .askStop(pid, times)
      .catch((error: unknown) => {
        log.warn(`${spec.name}: the request to stop did not arrive`, { reason: String(error) });
      })
      .then(() => pause(spec.askStopEveryMs, signal))
      .then(() => {
        if (!signal.aborted) askStop(pid, signal, times + 1);
      });
  };

  const kill = (pid: number): void => {
    log.warn(`${spec.name}: ended by force, as the user asked`, { pid });
    try {
      if (handle?.pid === pid) handle.kill('SIGKILL');
      else if (adopted?.pid === pid && isAlive(adopted)) process.kill(pid, 'SIGKILL');
    } catch (error) {
      log.warn(`${spec.name}: could not be ended by force`, { reason: String(error) });
    }
  };

  const ended = (mine: AbortController, raw: Omit<RawExit, 'logTail'>, fault?: unknown): void => {
    mine.abort();
    handle = undefined;
    adopted = undefined;
    ring.end();
    const logTail = ring.lines().slice(-EXIT_LOG_LINES);
    const diagnosis =
      fault instanceof ChildStartError
        ? fault
        : state.child.kind === 'stopping'
          ? undefined
          : (spec.diagnose({ ...raw, logTail }) ?? unexpected(spec.name, fault));
    const exit: ChildExit = {
      code: raw.code,
      signal: raw.signal,
      at: clock.now(),
      logTail,
      problem: diagnosis?.problem,
    };
    spec.onExited?.();
    send({ type: 'exited', exit, fatal: diagnosis?.fatal ?? false });
  };

  /** Resolves once `test` holds, now or after a change. */
  const when = (test: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      if (test()) return resolve();
      const waiter = (): void => {
        if (!test()) return;
        waiters.delete(waiter);
        resolve();
      };
      waiters.add(waiter);
    });
  const settled = (): boolean => state.process !== 'spawning';

  return {
    state: () => state.child,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    log: () => ring.lines(),
    async start() {
      send({ type: 'start' });
      await when(settled);
    },
    async stop(reason) {
      const asked = run;
      send({ type: 'stop', reason });
      // A start that comes while it ends makes a new run: this one is over then too.
      await when(() => state.process === 'none' || run !== asked);
    },
    async restart(reason) {
      send({ type: 'restart', reason });
      await when(() => state.child.kind !== 'stopping' && settled());
    },
    forceKill() {
      const { child } = state;
      const heeded = child.kind === 'stopping' && clock.now() >= child.forceFrom;
      send({ type: 'forceKill' });
      return heeded;
    },
  };
}

const wordsOf = (fault: unknown): string =>
  fault instanceof Error ? fault.message : 'for a reason not told';

function unexpected(name: string, fault: unknown): ChildDiagnosis | undefined {
  if (fault === undefined) return undefined;
  const reason = wordsOf(fault);
  return {
    problem: {
      code: 'startFailed',
      message: `${name} could not be started: ${reason}`,
      advice: 'Start it again. If that does not help, report the log.',
    },
    fatal: false,
  };
}

function describe(child: ChildState): Readonly<Record<string, unknown>> {
  switch (child.kind) {
    case 'backoff':
      return {
        attempt: child.attempt,
        retryAt: child.retryAt,
        exit: child.lastExit.code,
        signal: child.lastExit.signal,
        problem: child.lastExit.problem?.message,
      };
    case 'failed':
      return { exit: child.exit.code, signal: child.exit.signal, problem: child.exit.problem?.message };
    case 'warming':
      return { stage: child.stage, progress: child.progress };
    case 'ready':
      return { pid: child.pid, version: child.version };
    case 'stopping':
      return { reason: child.reason };
    default:
      return {};
  }
}
