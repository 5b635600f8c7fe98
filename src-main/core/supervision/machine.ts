/**
 * The one state machine for every child process Adit supervises. Pure: events and the time go in, the next state and the
 * effects for a driver come out. Two facts are kept apart: *the process is up* (`process`) and *the service answers*
 * (`child.kind === 'ready'`). Stopping means ask, then wait for the exit; a kill happens only when the user forces it.
 */

/** What went wrong, in words for the user. `code` is stable, `advice` is the one next step. */
export interface ChildProblem {
  readonly code: string;
  readonly message: string;
  readonly advice: string;
}

/** How a process ended, or why it could not begin (then `code` and `signal` are both null). */
export interface ChildExit {
  readonly code: number | null;
  readonly signal: string | null;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** The last lines it printed, oldest first. */
  readonly logTail: readonly string[];
  /** The reason, when the exit and the log tell it. */
  readonly problem: ChildProblem | undefined;
}

/** Times are milliseconds since 1970. `since` is when the state was entered. */
export type ChildState =
  | { readonly kind: 'stopped'; readonly since: number }
  | { readonly kind: 'starting'; readonly since: number }
  | {
      readonly kind: 'warming';
      readonly since: number;
      /** The child's own words for what it is doing. */
      readonly stage: string;
      /** 0..1 within the stage, when the child tells it. */
      readonly progress: number | undefined;
    }
  | { readonly kind: 'ready'; readonly since: number; readonly pid: number; readonly version: string }
  | {
      readonly kind: 'stopping';
      readonly since: number;
      readonly reason: string;
      /** From then on the user may be offered to end the process by force. */
      readonly forceFrom: number;
    }
  | {
      readonly kind: 'backoff';
      readonly since: number;
      /** 1 after the first crash. */
      readonly attempt: number;
      readonly retryAt: number;
      readonly lastExit: ChildExit;
    }
  | {
      readonly kind: 'failed';
      readonly since: number;
      readonly exit: ChildExit;
      readonly logTail: readonly string[];
      readonly advice: string;
    };

export interface RestartPolicy {
  /** Wait after the first crash; doubles with each further one. */
  readonly backoffMs: number;
  readonly backoffMaxMs: number;
  /** This many crashes within `crashWindowMs` end in `failed`. Crashes of runs that never got ready count without limit in time. */
  readonly crashLimit: number;
  readonly crashWindowMs: number;
  /** How long a stop may take before the user is offered to force it. */
  readonly offerForceAfterMs: number;
}

/** What happens when the process that is being stopped has ended. */
type AfterStop =
  | { readonly kind: 'stay' }
  | { readonly kind: 'start' }
  | { readonly kind: 'fail'; readonly problem: ChildProblem };

/** `none`: no process. `spawning`: asked for, not yet confirmed. */
export type ProcessFact = 'none' | 'spawning' | { readonly pid: number };

export interface SupervisorState {
  readonly child: ChildState;
  readonly process: ProcessFact;
  /** When crashes happened, oldest first. */
  readonly crashes: readonly number[];
  /** Whether this run of the process has answered at least once. */
  readonly answered: boolean;
  readonly afterStop: AfterStop;
}

export type SupervisorEvent =
  | { readonly type: 'start' }
  | { readonly type: 'stop'; readonly reason: string }
  | { readonly type: 'restart'; readonly reason: string }
  /** The user's explicit wish; heeded only once `forceFrom` of a stop has passed. */
  | { readonly type: 'forceKill' }
  /** The process the `spawn` effect asked for is up: started, or found running and taken over. */
  | { readonly type: 'spawned'; readonly pid: number }
  /** The process ended, or could not begin. `fatal`: trying again can't help until someone acts. */
  | { readonly type: 'exited'; readonly exit: ChildExit; readonly fatal: boolean }
  | { readonly type: 'warming'; readonly stage: string; readonly progress: number | undefined }
  | { readonly type: 'answers'; readonly version: string }
  /** The process is up, but its service has not answered for too long. */
  | { readonly type: 'silent' }
  /** The service answers, but is not what was asked for (a node on another chain): stop it and don't start it again. */
  | { readonly type: 'refuse'; readonly problem: ChildProblem }
  /** The wait that `scheduleRetry` asked for is over. */
  | { readonly type: 'retry' };

export type SupervisorEffect =
  | { readonly type: 'spawn' }
  | { readonly type: 'askStop'; readonly reason: string }
  | { readonly type: 'kill' }
  | { readonly type: 'scheduleRetry'; readonly at: number }
  | { readonly type: 'cancelRetry' };

export interface Transition {
  readonly state: SupervisorState;
  readonly effects: readonly SupervisorEffect[];
}

/** Stage of a child that answered before and does not any more. */
export const SILENT_STAGE = 'not answering';

/** A supervisor with nothing running. `now`: milliseconds since 1970. */
export function initialState(now: number): SupervisorState {
  return {
    child: { kind: 'stopped', since: now },
    process: 'none',
    crashes: [],
    answered: false,
    afterStop: { kind: 'stay' },
  };
}

/**
 * The next state and what the driver has to do. Total: an event that does not fit the state changes nothing.
 * `now`: milliseconds since 1970, not before that of earlier calls.
 */
export function transition(
  state: SupervisorState,
  event: SupervisorEvent,
  policy: RestartPolicy,
  now: number,
): Transition {
  switch (event.type) {
    case 'start':
      return start(state, now);
    case 'stop':
      return stop(state, event.reason, { kind: 'stay' }, policy, now);
    case 'restart':
      return state.process === 'none'
        ? start(state, now)
        : stop(state, event.reason, { kind: 'start' }, policy, now);
    case 'forceKill':
      return state.child.kind === 'stopping' &&
        typeof state.process === 'object' &&
        now >= state.child.forceFrom
        ? { state, effects: [{ type: 'kill' }] }
        : unchanged(state);
    case 'spawned':
      return spawned(state, event.pid);
    case 'exited':
      return exited(state, event.exit, event.fatal, policy, now);
    case 'warming':
      return warming(state, event.stage, event.progress, now);
    case 'answers':
      return answers(state, event.version, now);
    case 'silent':
      return state.child.kind === 'ready'
        ? next(state, {
            child: { kind: 'warming', since: now, stage: SILENT_STAGE, progress: undefined },
          })
        : unchanged(state);
    case 'refuse':
      return isRunning(state.child)
        ? stop(state, event.problem.message, { kind: 'fail', problem: event.problem }, policy, now)
        : unchanged(state);
    case 'retry':
      // Not compared with `retryAt`: a timer may fire a millisecond early, and the clock may have been set back.
      return state.child.kind === 'backoff' ? spawn(state, now) : unchanged(state);
    default:
      return impossible(event);
  }
}

function impossible(value: never): never {
  throw new TypeError(`no such event or state: ${JSON.stringify(value)}`);
}

const unchanged = (state: SupervisorState): Transition => ({ state, effects: [] });
const next = (
  state: SupervisorState,
  change: Partial<SupervisorState>,
  ...effects: SupervisorEffect[]
): Transition => ({ state: { ...state, ...change }, effects });

const isRunning = (child: ChildState): boolean =>
  child.kind === 'starting' || child.kind === 'warming' || child.kind === 'ready';

function spawn(state: SupervisorState, now: number): Transition {
  return next(
    state,
    {
      child: { kind: 'starting', since: now },
      process: 'spawning',
      answered: false,
      afterStop: { kind: 'stay' },
    },
    { type: 'spawn' },
  );
}

function start(state: SupervisorState, now: number): Transition {
  switch (state.child.kind) {
    case 'stopped':
    case 'failed':
      // A person asked: what happened before no longer counts.
      return spawn({ ...state, crashes: [] }, now);
    case 'backoff': {
      const begun = spawn(state, now);
      return { state: begun.state, effects: [{ type: 'cancelRetry' }, ...begun.effects] };
    }
    case 'stopping':
      // Never a second process beside one that is still flushing: start when it has ended.
      return next(state, { afterStop: { kind: 'start' } });
    case 'starting':
    case 'warming':
    case 'ready':
      return unchanged(state);
    default:
      return impossible(state.child);
  }
}

function stop(
  state: SupervisorState,
  reason: string,
  afterStop: AfterStop,
  policy: RestartPolicy,
  now: number,
): Transition {
  switch (state.child.kind) {
    case 'stopped':
    case 'failed':
      return unchanged(state);
    case 'backoff':
      return next(state, { child: { kind: 'stopped', since: now }, crashes: [] }, { type: 'cancelRetry' });
    case 'stopping':
      return next(state, { afterStop });
    case 'starting':
    case 'warming':
    case 'ready':
      return next(
        state,
        {
          child: { kind: 'stopping', since: now, reason, forceFrom: now + policy.offerForceAfterMs },
          afterStop,
        },
        { type: 'askStop', reason },
      );
    default:
      return impossible(state.child);
  }
}

function spawned(state: SupervisorState, pid: number): Transition {
  if (state.process !== 'spawning') return unchanged(state);
  // A stop that came while the process was being started has had nobody to ask yet.
  if (state.child.kind === 'stopping') {
    return next(state, { process: { pid } }, { type: 'askStop', reason: state.child.reason });
  }
  return next(state, { process: { pid } });
}

function warming(
  state: SupervisorState,
  stage: string,
  progress: number | undefined,
  now: number,
): Transition {
  const { child } = state;
  if (!isRunning(child) || typeof state.process !== 'object') return unchanged(state);
  if (child.kind === 'warming' && child.stage === stage && child.progress === progress)
    return unchanged(state);
  const since = child.kind === 'warming' ? child.since : now;
  return next(state, { child: { kind: 'warming', since, stage, progress } });
}

function answers(state: SupervisorState, version: string, now: number): Transition {
  const { child, process } = state;
  if (!isRunning(child) || typeof process !== 'object') return unchanged(state);
  if (child.kind === 'ready' && child.version === version) return unchanged(state);
  const since = child.kind === 'ready' ? child.since : now;
  return next(state, { child: { kind: 'ready', since, pid: process.pid, version }, answered: true });
}

function exited(
  state: SupervisorState,
  exit: ChildExit,
  fatal: boolean,
  policy: RestartPolicy,
  now: number,
): Transition {
  if (state.process === 'none') return unchanged(state);
  const ended: SupervisorState = { ...state, process: 'none' };
  if (state.child.kind === 'stopping') {
    switch (state.afterStop.kind) {
      case 'stay':
        return next(ended, { child: { kind: 'stopped', since: now }, crashes: [] });
      case 'start':
        return spawn({ ...ended, crashes: [] }, now);
      case 'fail':
        return failed(ended, { ...exit, problem: state.afterStop.problem }, now);
    }
  }
  if (fatal) return failed(ended, exit, now);
  const remembered = state.answered
    ? state.crashes.filter((at) => now - at < policy.crashWindowMs)
    : state.crashes;
  const crashes = [...remembered, now];
  if (crashes.length >= policy.crashLimit) return failed({ ...ended, crashes }, exit, now);
  const retryAt = now + backoff(crashes.length, policy);
  return next(
    ended,
    { child: { kind: 'backoff', since: now, attempt: crashes.length, retryAt, lastExit: exit }, crashes },
    { type: 'scheduleRetry', at: retryAt },
  );
}

function failed(state: SupervisorState, exit: ChildExit, now: number): Transition {
  const advice =
    exit.problem?.advice ??
    'Look at the last lines of its log, then start it again. If it ends again, report the log.';
  return next(state, { child: { kind: 'failed', since: now, exit, logTail: exit.logTail, advice } });
}

/** Milliseconds to wait after the `attempt`th crash (from 1). */
export function backoff(attempt: number, policy: Pick<RestartPolicy, 'backoffMs' | 'backoffMaxMs'>): number {
  return Math.min(policy.backoffMs * 2 ** Math.min(attempt - 1, 30), policy.backoffMaxMs);
}
