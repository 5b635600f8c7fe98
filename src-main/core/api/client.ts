import { ApiError, applyChange } from './define.ts';
import { LIMITS, parseServerFrame } from './protocol.ts';
import type { ClientMessage, ServerMessage, WireError } from './protocol.ts';
import { apiSchema } from './schema.ts';
import type {
  ApiClient,
  CommandInput,
  CommandOutput,
  QueryInput,
  QueryOutput,
  Topic,
  TopicName,
} from './schema.ts';
import type { Schedule } from './timing.ts';

/** What a channel tells its client. `opened` and `lost` alternate, beginning with `opened`. */
export interface ChannelEvents {
  opened(): void;
  frame(text: unknown): void;
  lost(): void;
}

/** A way to a server that may come and go. */
export interface ClientChannel {
  /** Connects, and connects again after every loss until `close`. Called once. */
  open(events: ChannelEvents): void;
  /** Sends one frame. Called only between `opened` and `lost`. */
  send(frame: string): void;
  /** Gives up the connection at hand, because the other end is silent or talks nonsense, and connects again. */
  reset(): void;
  /** Ends the channel for good. No event comes after. */
  close(): void;
}

export interface ClientOptions {
  readonly schedule: Schedule;
  /** How long a call may take, in ms, the time it waits for a connection included. */
  readonly callTimeoutMs?: number;
  /** A connection that was silent this long, in ms, is asked for a sign of life. */
  readonly pingAfterMs?: number;
  /** How long that sign may take, in ms. */
  readonly pongWithinMs?: number;
}

interface OpenCall {
  readonly frame: string;
  sent: boolean;
  readonly resolve: (output: unknown) => void;
  readonly reject: (error: ApiError) => void;
  readonly stopTimer: () => void;
}

interface Watch {
  readonly topic: TopicName;
  id: number;
  seq: number;
  /** Undefined until the first snapshot; kept over a lost connection so that the page goes on showing what it knew. */
  state: { readonly value: unknown } | undefined;
  readonly listeners: Set<{ readonly call: (state: never) => void }>;
}

const nothing = (): void => {};
const toError = (error: WireError): ApiError => new ApiError(error.code, error.message, error.field);
const disconnected = (): ApiError =>
  new ApiError(
    'disconnected',
    'The connection was lost before the answer came. Check whether it was done, then try again.',
  );

/**
 * Makes the client of the API over a channel.
 *
 * Calls made while there is no connection wait for it. Calls whose reply was still due when the connection broke fail with
 * `disconnected` and are never repeated, since they may have been carried out. Other codes of its own: `timeout`, `busy`
 * (too many open calls), `too_large`, `closed`.
 *
 * Listeners are called asynchronously after `watch`, then on every change. The states they get are shared: never change them.
 */
export function createApiClient(channel: ClientChannel, options: ClientOptions): ApiClient {
  const { schedule, callTimeoutMs = 30_000, pingAfterMs = 15_000, pongWithinMs = 10_000 } = options;
  const calls = new Map<number, OpenCall>();
  const watches = new Map<TopicName, Watch>();
  const connectionListeners = new Set<{ readonly call: (connected: boolean) => void }>();
  let lastId = 0;
  let connected = false;
  let closed = false;
  let stopPing = nothing;
  let heard = false;

  const nextId = (): number => (lastId += 1);
  const send = (message: ClientMessage): void => channel.send(JSON.stringify(message));
  /** One listener that throws must not keep the others from hearing; its error surfaces as an uncaught one. */
  const tell = (task: () => void): void => {
    try {
      task();
    } catch (error) {
      schedule(0, () => {
        throw error;
      });
    }
  };

  const watchLine = (): void => {
    stopPing();
    heard = false;
    stopPing = schedule(pingAfterMs, () => {
      if (heard) return watchLine();
      stopPing = schedule(pongWithinMs, () => (heard ? watchLine() : channel.reset()));
      send({ t: 'ping', n: 0 });
    });
  };

  const subscribe = (watch: Watch): void => {
    watch.id = nextId();
    watch.seq = -1;
    send({ t: 'subscribe', id: watch.id, topic: watch.topic });
  };
  const publish = (watch: Watch, value: unknown): void => {
    watch.state = { value };
    for (const listener of watch.listeners) tell(() => listener.call(value as never));
  };
  const watchOf = (id: number): Watch | undefined => {
    for (const watch of watches.values()) if (watch.id === id) return watch;
    return undefined;
  };
  const take = (id: number): OpenCall | undefined => {
    const call = calls.get(id);
    calls.delete(id);
    call?.stopTimer();
    return call;
  };

  const receive = (message: ServerMessage): void => {
    switch (message.t) {
      case 'reply':
        take(message.id)?.resolve(message.output);
        return;
      case 'failed':
        take(message.id)?.reject(toError(message.error));
        return;
      case 'snapshot': {
        const watch = watchOf(message.id);
        if (!watch) return;
        watch.seq = message.seq;
        publish(watch, message.state);
        return;
      }
      case 'change': {
        const watch = watchOf(message.id);
        if (!watch) return;
        const definition = apiSchema.topics[watch.topic];
        if (
          watch.seq < 0 ||
          !watch.state ||
          message.seq !== watch.seq + 1 ||
          message.change.kind !== definition.kind
        ) {
          send({ t: 'unsubscribe', id: watch.id });
          subscribe(watch);
          return;
        }
        watch.seq = message.seq;
        const limit = definition.kind === 'list' ? definition.limit : undefined;
        publish(watch, applyChange(watch.state.value, message.change, limit));
        return;
      }
      case 'ping':
        send({ t: 'pong', n: message.n });
        return;
      case 'refused':
      case 'fault':
        // The client and the server are built from one schema, so this is a fault in one of them, not in what the user did.
        tell(() => {
          throw toError(message.error);
        });
        return;
      case 'pong':
        return;
    }
  };

  const setConnected = (next: boolean): void => {
    if (connected === next) return;
    connected = next;
    for (const listener of connectionListeners) tell(() => listener.call(next));
  };

  channel.open({
    opened() {
      if (closed) return;
      watchLine();
      for (const watch of watches.values()) subscribe(watch);
      for (const call of calls.values()) {
        call.sent = true;
        channel.send(call.frame);
      }
      setConnected(true);
    },
    frame(text) {
      if (closed) return;
      heard = true;
      const message = parseServerFrame(text);
      if (message.t === 'bad') channel.reset();
      else receive(message);
    },
    lost() {
      if (closed) return;
      stopPing();
      for (const watch of watches.values()) watch.seq = -1;
      setConnected(false);
      for (const [id, call] of calls) if (call.sent) take(id)?.reject(disconnected());
    },
  });

  const request = (kind: 'command' | 'query', name: string, input: unknown): Promise<unknown> => {
    if (closed) return Promise.reject(new ApiError('closed', 'The connection was closed. Open Adit again.'));
    if (calls.size >= LIMITS.openCalls) {
      return Promise.reject(
        new ApiError('busy', 'Too many requests are still open. Wait for them, then try again.'),
      );
    }
    const id = nextId();
    const frame = JSON.stringify({ t: 'call', id, kind, name, input } satisfies ClientMessage);
    if (frame.length > LIMITS.clientFrame) {
      return Promise.reject(
        new ApiError('too_large', 'That is too much text for one request. Make it shorter.'),
      );
    }
    return new Promise((resolve, reject) => {
      const stopTimer = schedule(callTimeoutMs, () => {
        take(id)?.reject(
          new ApiError('timeout', 'Adit did not answer in time. Check whether it was done, then try again.'),
        );
      });
      calls.set(id, { frame, sent: connected, resolve, reject, stopTimer });
      if (connected) channel.send(frame);
    });
  };

  return {
    command: (name, input: CommandInput<typeof name>) =>
      request('command', name, input) as Promise<CommandOutput<typeof name>>,
    query: (name, input: QueryInput<typeof name>) =>
      request('query', name, input) as Promise<QueryOutput<typeof name>>,
    watch<N extends TopicName>(name: N, listener: (state: Topic<N>) => void): () => void {
      if (closed) return nothing;
      let watch = watches.get(name);
      if (!watch) {
        watch = { topic: name, id: 0, seq: -1, state: undefined, listeners: new Set() };
        watches.set(name, watch);
        if (connected) subscribe(watch);
      }
      const { listeners } = watch;
      const mine = watch;
      let told = false;
      const entry = {
        call: (state: never) => {
          told = true;
          listener(state);
        },
      };
      listeners.add(entry);
      if (watch.state) {
        // Asynchronous, so that the caller holds the way to stop before the first call.
        queueMicrotask(() => {
          if (!told && listeners.has(entry) && mine.state) {
            const { value } = mine.state;
            tell(() => entry.call(value as never));
          }
        });
      }
      return () => {
        if (!listeners.delete(entry) || listeners.size > 0 || watches.get(name) !== mine) return;
        watches.delete(name);
        if (connected) send({ t: 'unsubscribe', id: mine.id });
      };
    },
    onConnection(listener) {
      let told = false;
      const entry = {
        call: (state: boolean) => {
          told = true;
          listener(state);
        },
      };
      connectionListeners.add(entry);
      queueMicrotask(() => {
        if (!told && connectionListeners.has(entry)) tell(() => entry.call(connected));
      });
      return () => void connectionListeners.delete(entry);
    },
    close() {
      if (closed) return;
      closed = true;
      stopPing();
      channel.close();
      for (const id of calls.keys()) take(id)?.reject(disconnected());
      watches.clear();
      setConnected(false);
      connectionListeners.clear();
    },
  };
}
