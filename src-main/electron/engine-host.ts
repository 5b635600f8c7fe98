import type { MessagePortMain, UtilityProcess } from 'electron';
import { createApiClient } from '../core/api/client.ts';
import type { ApiClient } from '../core/api/schema.ts';
import type { Schedule } from '../core/api/timing.ts';
import { messagePortChannel } from '../transport/message-port.ts';
import { isFromEngine } from './engine-messages.ts';
import type { EngineSettings, ToEngine } from './engine-messages.ts';

export type EngineState =
  | { readonly kind: 'starting' }
  | { readonly kind: 'running' }
  /** It died and is started again in `waitMs`. */
  | { readonly kind: 'waiting'; readonly waitMs: number }
  | { readonly kind: 'stopping' }
  /** `message` says what keeps it from running; undefined after an ordinary stop. */
  | { readonly kind: 'stopped'; readonly message: string | undefined };

export interface EngineHostOptions {
  readonly fork: () => UtilityProcess;
  readonly createChannel: () => { readonly port1: MessagePortMain; readonly port2: MessagePortMain };
  readonly settings: EngineSettings;
  readonly schedule: Schedule;
  readonly onState: (state: EngineState) => void;
  /** Hears of every end of the engine that nobody asked for. */
  readonly onDeath: (code: number) => void;
}

export interface EngineHost {
  start(): void;
  /** Gives a port to the engine, now or once it is up. A second wait under the same key replaces the first. */
  connect(key: string, give: (port: MessagePortMain) => void): void;
  /** The shell's own client. */
  client(): ApiClient;
  /**
   * Asks the engine to stop and resolves when its process is gone. It takes as long as the node needs to write its state:
   * minutes on a slow disk. It is never killed, since a node killed while it writes may have to begin anew.
   */
  stop(): Promise<void>;
  readonly state: EngineState;
}

/** Waits between an engine's death and its next start, in ms; the last is repeated. */
export const RESTART_WAITS: readonly number[] = [0, 1_000, 2_000, 5_000, 15_000, 30_000];
/** An engine that ran this long, in ms, counts as healthy: the next death is a first one. */
const HEALTHY_AFTER = 60_000;

/** Runs the engine in a process of its own, starts it again when it dies, and stops it with patience. */
export function createEngineHost(options: EngineHostOptions): EngineHost {
  const { fork, createChannel, settings, schedule, onState, onDeath } = options;
  let state: EngineState = { kind: 'stopped', message: undefined };
  let child: UtilityProcess | undefined;
  let ready = false;
  let deaths = 0;
  let stopTimer: (() => void) | undefined;
  const waiting = new Map<string, (port: MessagePortMain) => void>();
  const stopped: (() => void)[] = [];

  const enter = (next: EngineState): void => {
    state = next;
    onState(next);
  };
  const post = (message: ToEngine, ports: MessagePortMain[] = []): void => child?.postMessage(message, ports);
  const hand = (give: (port: MessagePortMain) => void): void => {
    const { port1, port2 } = createChannel();
    post({ t: 'connect' }, [port1]);
    give(port2);
  };
  const finish = (message: string | undefined): void => {
    enter({ kind: 'stopped', message });
    for (const resolve of stopped.splice(0)) resolve();
  };

  const start = (): void => {
    stopTimer = undefined;
    enter({ kind: 'starting' });
    ready = false;
    let failure: string | undefined;
    const mine = fork();
    child = mine;
    mine.on('message', (message: unknown) => {
      if (child !== mine || !isFromEngine(message)) return;
      if (message.t === 'failed') failure = message.message;
      if (message.t !== 'ready' || state.kind !== 'starting') return;
      ready = true;
      enter({ kind: 'running' });
      stopTimer = schedule(HEALTHY_AFTER, () => {
        deaths = 0;
      });
      const gives = [...waiting.values()];
      waiting.clear();
      for (const give of gives) hand(give);
    });
    mine.once('exit', (code: number) => {
      if (child !== mine) return;
      child = undefined;
      ready = false;
      stopTimer?.();
      if (state.kind === 'stopping') return finish(undefined);
      onDeath(code);
      if (failure !== undefined) return finish(failure);
      const waitMs = RESTART_WAITS[Math.min(deaths, RESTART_WAITS.length - 1)] ?? 0;
      deaths += 1;
      enter({ kind: 'waiting', waitMs });
      stopTimer = schedule(waitMs, start);
    });
    post({ t: 'start', settings });
  };

  const connect = (key: string, give: (port: MessagePortMain) => void): void => {
    if (ready) hand(give);
    else waiting.set(key, give);
  };

  return {
    start() {
      if (state.kind === 'stopped') start();
    },
    connect,
    client: () =>
      createApiClient(
        messagePortChannel((give) => connect('shell', (port) => give(port)), schedule),
        { schedule },
      ),
    stop() {
      if (state.kind === 'stopped') return Promise.resolve();
      return new Promise((resolve) => {
        stopped.push(resolve);
        if (state.kind === 'stopping') return;
        waiting.clear();
        stopTimer?.();
        if (!child) return finish(undefined);
        enter({ kind: 'stopping' });
        post({ t: 'stop' });
      });
    },
    get state() {
      return state;
    },
  };
}
