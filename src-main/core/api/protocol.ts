/**
 * The wire protocol of the API: the same text frames over WebSocket, MessagePort and in memory. One frame is one JSON
 * object whose `t` names the message; nothing binary, no batches.
 *
 * For the page (all of it may be imported from `core/api`):
 *   - `openPageClient()` in `browser.ts` is the whole start-up: it signs in, picks the desktop app's port or the WebSocket,
 *     and gives an `ApiClient` that reconnects by itself. Call it once, before the first render.
 *   - Behind it, for tests or other shells: `exchangeToken()` in `session.ts` trades the `#token=…` of the address for the
 *     session cookie and removes the fragment; `webSocketChannel()` and `bridgeChannel()` make the two channels, and
 *     `createApiClient(channel, { schedule })` in `client.ts` the client.
 *
 * A conversation:
 *   client                                     server
 *   {t:'call',id,kind,name,input}         ->   one of
 *                                         <-   {t:'reply',id,output}  {t:'failed',id,error}
 *   {t:'subscribe',id,topic}              ->
 *                                         <-   {t:'snapshot',id,seq,state}, then {t:'change',id,seq,change} …
 *                                         <-   or {t:'refused',id,error}
 *   {t:'unsubscribe',id}                  ->   (no answer; changes already on the way may still arrive)
 *   {t:'ping',n} / {t:'pong',n}           both ways
 *   {t:'fault',error}                     <-   the client broke the protocol; the server closes next
 *
 * Rules:
 *   - `id` is chosen by the client: a positive integer, unique among its open calls and subscriptions.
 *   - `seq` of a snapshot is the number of the last change in it; changes go up by one. A client that sees a gap drops the
 *     subscription and makes a new one. A server may send a new snapshot at any time: it does so when a client lags, in
 *     place of the changes it left out.
 *   - The server asks `ping` while it sends much, and counts what was sent since the last `pong`: that is its measure of a
 *     client that cannot keep up, whatever the transport buffers.
 *   - A client that gave up on a call forgets it; the call may still have been carried out.
 *   - A lost connection ends every call and subscription of it. The client subscribes again; it never repeats a call.
 */

import type { TopicChange } from './define.ts';

/** Bounds of one connection. Sizes are UTF-16 code units of the frame's text. */
export const LIMITS = {
  /** Longest frame a client may send. Settings are the largest input, some 10 KiB. */
  clientFrame: 256 * 1024,
  /** Longest frame a server may send: a raw block as hex is 8 MiB at most, and JSON around it. */
  serverFrame: 16 * 1024 * 1024,
  /** Calls of one connection that wait for their reply. */
  openCalls: 64,
  /** Subscriptions of one connection. */
  subscriptions: 32,
  /** Longest name of a call or topic. */
  name: 64,
} as const;

export interface WireError {
  readonly code: string;
  readonly message: string;
  readonly field?: string;
}

export type ClientMessage =
  | {
      readonly t: 'call';
      readonly id: number;
      readonly kind: 'command' | 'query';
      readonly name: string;
      readonly input: unknown;
    }
  | { readonly t: 'subscribe'; readonly id: number; readonly topic: string }
  | { readonly t: 'unsubscribe'; readonly id: number }
  | { readonly t: 'ping'; readonly n: number }
  | { readonly t: 'pong'; readonly n: number };

export type ServerMessage =
  | { readonly t: 'reply'; readonly id: number; readonly output: unknown }
  | { readonly t: 'failed'; readonly id: number; readonly error: WireError }
  | { readonly t: 'snapshot'; readonly id: number; readonly seq: number; readonly state: unknown }
  | { readonly t: 'change'; readonly id: number; readonly seq: number; readonly change: TopicChange }
  | { readonly t: 'refused'; readonly id: number; readonly error: WireError }
  | { readonly t: 'ping'; readonly n: number }
  | { readonly t: 'pong'; readonly n: number }
  | { readonly t: 'fault'; readonly error: WireError };

/** A frame that is not a message of this protocol; `reason` says what was expected. */
export interface BadFrame {
  readonly t: 'bad';
  readonly reason: string;
}

const bad = (reason: string): BadFrame => ({ t: 'bad', reason });
const isId = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) > 0;
const isSeq = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isName = (value: unknown): value is string =>
  typeof value === 'string' && value.length > 0 && value.length <= LIMITS.name;
const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The object in a frame, or the reason why there is none. */
function parseObject(frame: unknown, longest: number): Record<string, unknown> | string {
  if (typeof frame !== 'string') return 'a frame is text';
  if (frame.length > longest) return `a frame has at most ${longest} characters`;
  let value: unknown;
  try {
    value = JSON.parse(frame);
  } catch {
    return 'a frame is JSON';
  }
  return isRecord(value) ? value : 'a frame is a JSON object';
}

/** Reads a frame a client sent. Never throws; anything else than a known message is `bad`. */
export function parseClientFrame(frame: unknown): ClientMessage | BadFrame {
  const value = parseObject(frame, LIMITS.clientFrame);
  if (typeof value === 'string') return bad(value);
  const { t, id, kind, name, topic, n, input } = value;
  switch (t) {
    case 'call':
      if (!isId(id)) return bad('a call has a positive integer id');
      if (kind !== 'command' && kind !== 'query') return bad('the kind of a call is command or query');
      if (!isName(name)) return bad('a call has a name');
      return { t, id, kind, name, input };
    case 'subscribe':
      if (!isId(id)) return bad('a subscription has a positive integer id');
      if (!isName(topic)) return bad('a subscription has a topic');
      return { t, id, topic };
    case 'unsubscribe':
      return isId(id) ? { t, id } : bad('a subscription has a positive integer id');
    case 'ping':
    case 'pong':
      return isSeq(n) ? { t, n } : bad('a ping has a number');
    default:
      return bad('unknown message');
  }
}

function isWireError(value: unknown): value is WireError {
  return (
    isRecord(value) &&
    typeof value['code'] === 'string' &&
    typeof value['message'] === 'string' &&
    (value['field'] === undefined || typeof value['field'] === 'string')
  );
}

function isChange(value: unknown): value is TopicChange {
  if (!isRecord(value)) return false;
  switch (value['kind']) {
    case 'value':
      return 'value' in value;
    case 'map':
      return (
        isRecord(value['set']) &&
        Array.isArray(value['remove']) &&
        value['remove'].every((key) => typeof key === 'string')
      );
    case 'list':
      return Array.isArray(value['append']);
    default:
      return false;
  }
}

/** Reads a frame a server sent. Never throws; anything else than a known message is `bad`. */
export function parseServerFrame(frame: unknown): ServerMessage | BadFrame {
  const value = parseObject(frame, LIMITS.serverFrame);
  if (typeof value === 'string') return bad(value);
  const { t, id, seq, error, n, change, output, state } = value;
  switch (t) {
    case 'reply':
      return isId(id) ? { t, id, output } : bad('a reply has an id');
    case 'failed':
    case 'refused':
      return isId(id) && isWireError(error) ? { t, id, error } : bad('a refusal has an id and an error');
    case 'snapshot':
      return isId(id) && isSeq(seq) && 'state' in value
        ? { t, id, seq, state }
        : bad('a snapshot has an id, a number and a state');
    case 'change':
      return isId(id) && isSeq(seq) && isChange(change)
        ? { t, id, seq, change }
        : bad('a change has an id, a number and a change');
    case 'ping':
    case 'pong':
      return isSeq(n) ? { t, n } : bad('a ping has a number');
    case 'fault':
      return isWireError(error) ? { t, error } : bad('a fault has an error');
    default:
      return bad('unknown message');
  }
}
