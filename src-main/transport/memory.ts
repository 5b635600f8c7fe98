import type { ClientChannel } from '../core/api/client.ts';
import { reconnecting } from '../core/api/reconnect.ts';
import type { ApiServer } from '../core/api/schema.ts';
import type { Schedule } from '../core/api/timing.ts';
import { serveSession } from './session.ts';
import type { Session, SessionOptions } from './session.ts';

/**
 * A channel to a server in the same process, over the same text frames as any other transport. For tests, and for parts
 * of the program that want to be an ordinary client.
 */
export function memoryChannel(
  server: ApiServer,
  schedule: Schedule,
  options: SessionOptions = {},
): ClientChannel {
  return reconnecting(schedule, (events) => {
    let session: Session | undefined;
    let over = false;
    const lose = (): void => {
      if (over) return;
      over = true;
      session?.ended();
      events.lost();
    };
    queueMicrotask(() => {
      if (over) return;
      session = serveSession(
        server,
        {
          send: (frame) => queueMicrotask(() => over || events.frame(frame)),
          close: () => queueMicrotask(lose),
        },
        options,
      );
      events.opened();
    });
    return {
      send: (frame) => queueMicrotask(() => session?.receive(frame)),
      close() {
        over = true;
        session?.ended();
      },
    };
  });
}
