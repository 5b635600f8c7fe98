import { describe, expect, test } from 'vitest';
import { SILENT_STAGE, backoff, initialState, transition } from '../../src-main/core/supervision/machine.ts';
import type {
  ChildExit,
  RestartPolicy,
  SupervisorEvent,
  SupervisorState,
} from '../../src-main/core/supervision/machine.ts';

const policy: RestartPolicy = {
  backoffMs: 1_000,
  backoffMaxMs: 60_000,
  crashLimit: 3,
  crashWindowMs: 600_000,
  offerForceAfterMs: 900_000,
};
const exit: ChildExit = { code: 1, signal: null, at: 0, logTail: ['last words'], problem: undefined };
const spawned: SupervisorEvent = { type: 'spawned', pid: 7 };
const exited: SupervisorEvent = { type: 'exited', exit, fatal: false };
const answers: SupervisorEvent = { type: 'answers', version: '31.1.0' };

/** Plays events one after another, each at its time; gives the last state and the effects of the last event. */
function play(...events: readonly (readonly [number, SupervisorEvent])[]) {
  let state: SupervisorState = initialState(0);
  let effects: readonly string[] = [];
  for (const [now, event] of events) {
    const next = transition(state, event, policy, now);
    state = next.state;
    effects = next.effects.map((effect) => effect.type);
  }
  return { state, effects };
}
const start: readonly [number, SupervisorEvent] = [0, { type: 'start' }];

describe('the supervisor', () => {
  test('goes from start over loading to ready; up and answering are two facts', () => {
    expect(play(start).effects).toEqual(['spawn']);
    const up = play(start, [10, spawned]).state;
    expect(up.process).toEqual({ pid: 7 });
    expect(up.child).toEqual({ kind: 'starting', since: 0 });
    const loading = play(start, [10, spawned], [20, { type: 'warming', stage: 'Loading', progress: 0.1 }]);
    expect(loading.state.child).toEqual({ kind: 'warming', since: 20, stage: 'Loading', progress: 0.1 });
    const ready = play(
      start,
      [10, spawned],
      [20, { type: 'warming', stage: 'Loading', progress: 0.1 }],
      [30, answers],
    );
    expect(ready.state.child).toEqual({ kind: 'ready', since: 30, pid: 7, version: '31.1.0' });
  });

  test('ready falls back to warming when the service goes silent, and the process stays', () => {
    const { state, effects } = play(start, [1, spawned], [2, answers], [3, { type: 'silent' }]);
    expect(state.child).toEqual({ kind: 'warming', since: 3, stage: SILENT_STAGE, progress: undefined });
    expect(state.process).toEqual({ pid: 7 });
    expect(effects).toEqual([]);
  });

  test('asks to stop, waits for the exit, and does not count it as a crash', () => {
    const asked = play(start, [1, spawned], [2, answers], [100, { type: 'stop', reason: 'quit' }]);
    expect(asked.effects).toEqual(['askStop']);
    expect(asked.state.child).toEqual({ kind: 'stopping', since: 100, reason: 'quit', forceFrom: 900_100 });
    const { state } = play(
      start,
      [1, spawned],
      [2, answers],
      [100, { type: 'stop', reason: 'quit' }],
      [200, exited],
    );
    expect(state.child).toEqual({ kind: 'stopped', since: 200 });
    expect(state.crashes).toEqual([]);
  });

  test('a stop that comes before there is a process is asked again once there is one', () => {
    const { state, effects } = play(start, [5, { type: 'stop', reason: 'quit' }], [10, spawned]);
    expect(state.child.kind).toBe('stopping');
    expect(effects).toEqual(['askStop']);
  });

  test('a start during a stop waits for the exit', () => {
    const waiting = play(start, [1, spawned], [2, { type: 'stop', reason: 'quit' }], [3, { type: 'start' }]);
    expect(waiting.state.child.kind).toBe('stopping');
    expect(waiting.effects).toEqual([]);
    const after = play(
      start,
      [1, spawned],
      [2, { type: 'stop', reason: 'quit' }],
      [3, { type: 'start' }],
      [4, exited],
    );
    expect(after.state.child.kind).toBe('starting');
    expect(after.effects).toEqual(['spawn']);
  });

  test('a second stop takes back a start asked for during the first', () => {
    const { state } = play(
      start,
      [1, spawned],
      [2, { type: 'restart', reason: 'settings' }],
      [3, { type: 'stop', reason: 'quit' }],
      [4, exited],
    );
    expect(state.child.kind).toBe('stopped');
  });

  test('never kills by itself; the user may force it once the time has passed', () => {
    const stopping = [start, [1, spawned], [2, { type: 'stop', reason: 'quit' }]] as const;
    expect(play(...stopping, [900_001, { type: 'forceKill' }]).effects).toEqual([]);
    expect(play(...stopping, [900_002, { type: 'forceKill' }]).effects).toEqual(['kill']);
    expect(play(start, [1, spawned], [2, answers], [9e9, { type: 'forceKill' }]).effects).toEqual([]);
  });

  test('a crash waits longer each time, and the third in a row fails with its log', () => {
    const first = play(start, [1, spawned], [100, exited]);
    expect(first.state.child).toMatchObject({ kind: 'backoff', attempt: 1, retryAt: 1_100 });
    expect(first.effects).toEqual(['scheduleRetry']);
    const again = [
      start,
      [1, spawned],
      [100, exited],
      [1_100, { type: 'retry' }],
      [1_101, spawned],
      [1_200, exited],
    ] as const;
    expect(play(...again).state.child).toMatchObject({ kind: 'backoff', attempt: 2, retryAt: 3_200 });
    const failed = play(...again, [3_200, { type: 'retry' }], [3_201, spawned], [3_300, exited]);
    expect(failed.state.child).toMatchObject({ kind: 'failed', since: 3_300, logTail: ['last words'] });
    expect(failed.state.child.kind === 'failed' && failed.state.child.advice).toMatch(/start it again/);
  });

  test('crashes of runs that worked are forgotten after the window; those that never did are not', () => {
    const late = 700_000;
    const worked = [
      start,
      [1, spawned],
      [2, answers],
      [100, exited],
      [1_100, { type: 'retry' }],
      [1_101, spawned],
    ] as const;
    expect(play(...worked, [1_102, answers], [late, exited]).state.child).toMatchObject({
      kind: 'backoff',
      attempt: 1,
    });
    expect(play(...worked, [late, exited]).state.child).toMatchObject({ kind: 'backoff', attempt: 2 });
  });

  test('a fatal exit fails at once with its own advice, and a start by hand begins anew', () => {
    const problem = { code: 'diskFull', message: 'full', advice: 'make room' };
    const fatal: SupervisorEvent = { type: 'exited', exit: { ...exit, problem }, fatal: true };
    const { state } = play(start, [1, spawned], [2, fatal]);
    expect(state.child).toMatchObject({ kind: 'failed', advice: 'make room' });
    expect(play(start, [1, spawned], [2, fatal], [3, { type: 'start' }]).effects).toEqual(['spawn']);
  });

  test('a service that is not what was asked for is stopped, and stays so', () => {
    const problem = { code: 'wrongNetwork', message: 'on main', advice: 'switch back' };
    const refused = play(start, [1, spawned], [2, { type: 'refuse', problem }]);
    expect(refused.effects).toEqual(['askStop']);
    const after = play(start, [1, spawned], [2, { type: 'refuse', problem }], [3, exited]);
    expect(after.state.child).toMatchObject({ kind: 'failed', exit: { problem }, advice: 'switch back' });
  });

  test('a stop during the wait for a retry calls it off', () => {
    const { state, effects } = play(start, [1, spawned], [2, exited], [3, { type: 'stop', reason: 'quit' }]);
    expect(state.child.kind).toBe('stopped');
    expect(effects).toEqual(['cancelRetry']);
  });

  test('the end of the wait counts, whatever the clock says by then', () => {
    for (const now of [1_099, 1_100, 1_000_000]) {
      expect(play(start, [1, spawned], [100, exited], [now, { type: 'retry' }]).effects).toEqual(['spawn']);
    }
    expect(play(start, [1, spawned], [2, answers], [3, { type: 'retry' }]).effects).toEqual([]);
  });

  test('the wait doubles up to its bound', () => {
    expect([1, 2, 3, 7, 8, 5_000].map((attempt) => backoff(attempt, policy))).toEqual([
      1_000, 2_000, 4_000, 60_000, 60_000, 60_000,
    ]);
  });
});
