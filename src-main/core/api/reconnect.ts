import type { ChannelEvents, ClientChannel } from './client.ts';
import type { Schedule } from './timing.ts';

/** One connection: it ends once, by `lost` or by our `close`, and is never used again. */
export interface Connection {
  send(frame: string): void;
  close(): void;
}

/** Wait before try number `attempt` (from 0), in ms: quick at first, then calm. */
export function backOff(attempt: number): number {
  return Math.min(250 * 2 ** Math.min(attempt, 10), 5_000);
}

/**
 * Makes a channel of connections: one at a time, the next after a back-off that starts anew once a connection opened.
 * `connect` must return before it calls any of its events.
 */
export function reconnecting(
  schedule: Schedule,
  connect: (events: ChannelEvents) => Connection,
): ClientChannel {
  let events: ChannelEvents | undefined;
  let current: { readonly connection: Connection; opened: boolean } | undefined;
  let attempt = 0;
  let stopWaiting: (() => void) | undefined;

  /** Ends the connection at hand, whoever asked for it. */
  const end = (one: typeof current): void => {
    if (!one || one !== current) return;
    current = undefined;
    stopWaiting = schedule(backOff(attempt), start);
    attempt += 1;
    if (one.opened) events?.lost();
  };

  function start(): void {
    const connection = connect({
      opened() {
        if (one !== current || one.opened) return;
        one.opened = true;
        attempt = 0;
        events?.opened();
      },
      frame(text) {
        if (one === current && one.opened) events?.frame(text);
      },
      lost: () => end(one),
    });
    const one = { connection, opened: false };
    current = one;
  }

  return {
    open(listener) {
      events = listener;
      start();
    },
    send: (frame) => current?.connection.send(frame),
    reset() {
      const one = current;
      one?.connection.close();
      end(one);
    },
    close() {
      events = undefined;
      stopWaiting?.();
      const one = current;
      current = undefined;
      one?.connection.close();
    },
  };
}
