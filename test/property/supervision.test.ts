import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { initialState, transition } from '../../src-main/core/supervision/machine.ts';
import type {
  RestartPolicy,
  SupervisorEvent,
  SupervisorState,
} from '../../src-main/core/supervision/machine.ts';

const policy: RestartPolicy = {
  backoffMs: 10,
  backoffMaxMs: 100,
  crashLimit: 3,
  crashWindowMs: 1_000,
  offerForceAfterMs: 500,
};
const problem = { code: 'wrongNetwork', message: 'wrong', advice: 'switch' };
const exitEvent = (fatal: boolean, at: number): SupervisorEvent => ({
  type: 'exited',
  exit: { code: 1, signal: null, at, logTail: [], problem: undefined },
  fatal,
});

/** What a person, a service or the system can do; the last three only happen to a process that is there. */
type Action =
  | 'start'
  | 'stop'
  | 'restart'
  | 'forceKill'
  | 'warming'
  | 'answers'
  | 'silent'
  | 'refuse'
  | 'retry'
  | 'comesUp'
  | 'crashes'
  | 'fails';
const actions = fc.array(
  fc.tuple(
    fc.constantFrom<Action[]>(
      'start',
      'stop',
      'restart',
      'forceKill',
      'warming',
      'answers',
      'silent',
      'refuse',
      'retry',
      'comesUp',
      'crashes',
      'fails',
    ),
    fc.integer({ min: 0, max: 700 }),
  ),
  { maxLength: 60 },
);

/** A world around the machine: it runs what the effects ask for, and knows how many processes there really are. */
class World {
  state: SupervisorState = initialState(0);
  now = 0;
  /** `asked`: a spawn was asked for; `up`: the process runs. */
  process: 'none' | 'asked' | 'up' = 'none';
  askedToStop = false;
  retryAt: number | undefined;
  crashesSinceStart = 0;

  send(event: SupervisorEvent): void {
    const before = this.state;
    const { state, effects } = transition(before, event, policy, this.now);
    this.state = state;
    for (const effect of effects) {
      switch (effect.type) {
        case 'spawn':
          expect(this.process, 'never two processes at once').toBe('none');
          expect(state.child.kind, 'never spawned while stopping').toBe('starting');
          this.process = 'asked';
          this.askedToStop = false;
          break;
        case 'askStop':
          expect(this.process).not.toBe('none');
          if (this.process === 'up') this.askedToStop = true;
          break;
        case 'kill':
          expect(event.type, 'only the user kills').toBe('forceKill');
          expect(
            this.now - (before.child.kind === 'stopping' ? before.child.since : NaN),
          ).toBeGreaterThanOrEqual(policy.offerForceAfterMs);
          break;
        case 'scheduleRetry':
          expect(effect.at).toBeGreaterThan(this.now);
          expect(effect.at - this.now).toBeLessThanOrEqual(policy.backoffMaxMs);
          this.retryAt = effect.at;
          break;
        case 'cancelRetry':
          this.retryAt = undefined;
          break;
      }
    }
  }

  act(action: Action): void {
    switch (action) {
      case 'start':
        if (this.state.child.kind === 'stopped' || this.state.child.kind === 'failed')
          this.crashesSinceStart = 0;
        return this.send({ type: 'start' });
      case 'stop':
        return this.send({ type: 'stop', reason: 'test' });
      case 'restart':
        if (this.process === 'none' && this.state.child.kind !== 'backoff') this.crashesSinceStart = 0;
        return this.send({ type: 'restart', reason: 'test' });
      case 'forceKill':
        return this.send({ type: 'forceKill' });
      case 'warming':
        return this.send({ type: 'warming', stage: 'Loading', progress: undefined });
      case 'answers':
        return this.send({ type: 'answers', version: '1' });
      case 'silent':
        return this.send({ type: 'silent' });
      case 'refuse':
        return this.send({ type: 'refuse', problem });
      case 'retry':
        // The driver's timer: it fires once, and not after it was called off.
        if (this.retryAt === undefined || this.now < this.retryAt) return;
        this.retryAt = undefined;
        return this.send({ type: 'retry' });
      case 'comesUp':
        if (this.process !== 'asked') return;
        this.process = 'up';
        return this.send({ type: 'spawned', pid: 42 });
      case 'crashes':
      case 'fails':
        if (this.process === 'none') return;
        this.process = 'none';
        if (this.state.child.kind !== 'stopping') this.crashesSinceStart += 1;
        else this.crashesSinceStart = 0;
        return this.send(exitEvent(action === 'fails', this.now));
    }
  }

  check(action: Action, before: SupervisorState): void {
    const { child, process } = this.state;
    expect(typeof process === 'object' ? 'up' : process === 'spawning' ? 'asked' : 'none').toBe(this.process);
    const running = ['starting', 'warming', 'ready', 'stopping'].includes(child.kind);
    expect(running, 'a state says rightly whether there is a process').toBe(this.process !== 'none');
    if (child.kind === 'ready') expect(process).toEqual({ pid: child.pid });
    if (child.kind === 'stopping' && this.process === 'up') {
      expect(this.askedToStop, 'who stops has been asked to').toBe(true);
    }
    expect(child.kind === 'backoff', 'who waits for a retry has a timer, nobody else').toBe(
      this.retryAt !== undefined,
    );
    if (child.kind === 'failed' && before.child.kind !== 'failed') {
      const refused = before.afterStop.kind === 'fail' && before.child.kind === 'stopping';
      expect(
        action === 'fails' || refused || this.crashesSinceStart >= policy.crashLimit,
        'failed only after the limit, a fatal exit or a refusal',
      ).toBe(true);
    }
  }
}

function run(steps: readonly (readonly [Action, number])[]): World {
  const world = new World();
  for (const [action, wait] of steps) {
    world.now += wait;
    const before = world.state;
    world.act(action);
    world.check(action, before);
  }
  return world;
}

describe('the supervisor, whatever happens', () => {
  test('runs one process at most, never spawns while stopping, fails only by its rules', () => {
    fc.assert(
      fc.property(actions, (steps) => void run(steps)),
      { numRuns: 2_000 },
    );
  });

  test('a stop always ends in stopped once the exit has come', () => {
    fc.assert(
      fc.property(actions, (steps) => {
        const world = run(steps);
        const was = world.state.child.kind;
        world.act('stop');
        world.act('crashes');
        expect(world.state.child.kind).toBe(was === 'failed' ? 'failed' : 'stopped');
        expect(world.process).toBe('none');
      }),
      { numRuns: 1_000 },
    );
  });

  test('a child that keeps crashing always ends in failed', () => {
    fc.assert(
      fc.property(actions, (steps) => {
        const world = run(steps);
        world.act('stop');
        world.act('crashes');
        world.act('start');
        for (let round = 0; round < policy.crashLimit && world.state.child.kind !== 'failed'; round += 1) {
          world.act('comesUp');
          world.act('crashes');
          world.now += policy.backoffMaxMs;
          world.act('retry');
        }
        expect(world.state.child.kind).toBe('failed');
      }),
      { numRuns: 500 },
    );
  });
});
