import { ApiError } from '../core/api/define.ts';
import type { TopicChange } from '../core/api/define.ts';
import { LIMITS, parseClientFrame } from '../core/api/protocol.ts';
import type { ClientMessage, ServerMessage, WireError } from '../core/api/protocol.ts';
import type { ApiServer } from '../core/api/schema.ts';

/** The server's end of one connection. */
export interface ServerLink {
  send(frame: string): void;
  /** Characters or bytes handed over that the transport still holds, where it can tell. */
  buffered?(): number;
  /** Ends the connection; `reason` is for the log of the other end. */
  close(reason: CloseReason): void;
}
export type CloseReason = 'protocol' | 'tooSlow' | 'closing';

/** Bounds on what may be on its way to one client, in characters of frames. */
export interface SessionLimits {
  /** Above this, topics stop sending changes; once the client caught up, they send a snapshot in their place. */
  readonly lagAbove: number;
  /** The client caught up when less than this is on its way. */
  readonly caughtUpBelow: number;
  /** Above this, the connection is closed: the client calls without reading the replies. */
  readonly closeAbove: number;
  /** A sign of life is asked for after this much. */
  readonly pingEvery: number;
}
export const SESSION_LIMITS: SessionLimits = {
  lagAbove: 1024 * 1024,
  caughtUpBelow: 256 * 1024,
  closeAbove: 64 * 1024 * 1024,
  pingEvery: 64 * 1024,
};

export interface SessionOptions {
  readonly limits?: Partial<SessionLimits>;
  /** Hears of errors that are faults of ours: output that is no JSON, a server that throws what it should not. */
  readonly onError?: (where: string, error: unknown) => void;
}

/** One client, served. The transport tells it what arrives; it never throws. */
export interface Session {
  receive(frame: unknown): void;
  /** The transport's buffer became smaller. */
  drained(): void;
  /** The connection is gone; nothing is sent any more. */
  ended(): void;
}

interface Subscription {
  readonly topic: string;
  /** Undefined while the client lags: no changes are collected, a snapshot follows. */
  unsubscribe: (() => void) | undefined;
}

const wireError = (error: ApiError): WireError =>
  error.field === undefined
    ? { code: error.code, message: error.message }
    : { code: error.code, message: error.message, field: error.field };

/**
 * Serves the API to one connection, whatever carries it: reads frames, bounds open calls and subscriptions, numbers
 * nothing itself, and turns a client that cannot keep up into one that gets snapshots instead of a backlog.
 */
export function serveSession(server: ApiServer, link: ServerLink, options: SessionOptions = {}): Session {
  const limits = { ...SESSION_LIMITS, ...options.limits };
  const { onError = () => {} } = options;
  const openCalls = new Set<number>();
  const subscriptions = new Map<number, Subscription>();
  let over = false;
  let sent = 0;
  let confirmed = 0;
  /** The ping on its way, and how much had been sent before it. */
  let probe: { readonly n: number; readonly sent: number } | undefined;
  let lastPing = 0;

  const onItsWay = (): number => Math.max(sent - confirmed, link.buffered?.() ?? 0);
  const end = (): void => {
    over = true;
    for (const { unsubscribe } of subscriptions.values()) unsubscribe?.();
    subscriptions.clear();
    openCalls.clear();
  };
  const close = (reason: CloseReason): void => {
    if (over) return;
    end();
    link.close(reason);
  };
  const write = (frame: string): void => {
    sent += frame.length;
    link.send(frame);
  };
  const push = (frame: string): void => {
    if (over) return;
    write(frame);
    if (over) return;
    if (onItsWay() > limits.closeAbove) return close('tooSlow');
    probeIfDue();
  };
  const probeIfDue = (): void => {
    if (probe || sent - confirmed <= limits.pingEvery) return;
    lastPing += 1;
    probe = { n: lastPing, sent };
    write(JSON.stringify({ t: 'ping', n: lastPing } satisfies ServerMessage));
  };
  const send = (message: ServerMessage): void => push(JSON.stringify(message));
  const fault = (message: string): void => {
    send({ t: 'fault', error: { code: 'protocol', message } });
    close('protocol');
  };

  /** Subscribes with the server and sends the snapshot, or leaves that for when the client caught up. */
  const start = (id: number, subscription: Subscription): void => {
    if (onItsWay() > limits.lagAbove) return;
    const started = server.subscribe(subscription.topic, (seq, change) =>
      onChange(id, subscription, seq, change),
    );
    subscription.unsubscribe = started.unsubscribe;
    send({ t: 'snapshot', id, seq: started.seq, state: started.snapshot });
  };
  const onChange = (id: number, subscription: Subscription, seq: number, change: TopicChange): void => {
    if (!subscription.unsubscribe) return;
    if (onItsWay() > limits.lagAbove) {
      subscription.unsubscribe();
      subscription.unsubscribe = undefined;
      return;
    }
    send({ t: 'change', id, seq, change });
  };
  const resume = (): void => {
    if (over || onItsWay() > limits.caughtUpBelow) return;
    for (const [id, subscription] of subscriptions) {
      if (!subscription.unsubscribe) start(id, subscription);
    }
  };

  const call = async (message: Extract<ClientMessage, { t: 'call' }>): Promise<void> => {
    const { id, kind, name, input } = message;
    const fail = (error: ApiError): void => send({ t: 'failed', id, error: wireError(error) });
    if (openCalls.has(id)) return fault('two open calls have the same id');
    if (openCalls.size >= LIMITS.openCalls) {
      return fail(new ApiError('busy', 'Too many requests are still open. Wait for them, then try again.'));
    }
    openCalls.add(id);
    let frame: string;
    try {
      const output = (await server.call(kind, name, input)) ?? null;
      frame = JSON.stringify({ t: 'reply', id, output } satisfies ServerMessage);
      if (frame.length > LIMITS.serverFrame) throw new Error(`the reply has ${frame.length} characters`);
    } catch (error) {
      openCalls.delete(id);
      if (error instanceof ApiError) return fail(error);
      onError(`${kind} ${name}`, error);
      return fail(
        new ApiError('internal', 'Something went wrong inside Adit. The log has the details; try again.'),
      );
    }
    openCalls.delete(id);
    push(frame);
  };

  const subscribe = (id: number, topic: string): void => {
    if (subscriptions.has(id)) return fault('two subscriptions have the same id');
    const refuse = (error: ApiError): void => send({ t: 'refused', id, error: wireError(error) });
    if (subscriptions.size >= LIMITS.subscriptions) {
      return refuse(new ApiError('too_many', 'Too many subscriptions on one connection.'));
    }
    const subscription: Subscription = { topic, unsubscribe: undefined };
    subscriptions.set(id, subscription);
    try {
      start(id, subscription);
    } catch (error) {
      subscriptions.delete(id);
      if (error instanceof ApiError) return refuse(error);
      onError(`subscribe ${topic}`, error);
      return refuse(new ApiError('internal', 'Something went wrong inside Adit. The log has the details.'));
    }
  };

  return {
    receive(frame) {
      if (over) return;
      const message = parseClientFrame(frame);
      switch (message.t) {
        case 'bad':
          fault(message.reason);
          return;
        case 'call':
          void call(message);
          return;
        case 'subscribe':
          subscribe(message.id, message.topic);
          return;
        case 'unsubscribe':
          subscriptions.get(message.id)?.unsubscribe?.();
          subscriptions.delete(message.id);
          return;
        case 'ping':
          send({ t: 'pong', n: message.n });
          return;
        case 'pong':
          if (probe?.n !== message.n) return;
          confirmed = probe.sent;
          probe = undefined;
          probeIfDue();
          resume();
          return;
      }
    },
    drained: resume,
    ended: end,
  };
}
