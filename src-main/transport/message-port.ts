import { usePort } from '../core/api/port.ts';
import type { AnyPort, FramePort } from '../core/api/port.ts';
import { reconnecting } from '../core/api/reconnect.ts';
import type { ClientChannel } from '../core/api/client.ts';
import type { ApiServer } from '../core/api/schema.ts';
import type { Schedule } from '../core/api/timing.ts';
import { serveSession } from './session.ts';
import type { Session, SessionOptions } from './session.ts';

/**
 * Serves the API on one end of a message channel: a browser's port, Node's, or Electron's. Returns the way to stop.
 * Ports tell nothing of their buffer; the protocol's own pings bound what is on its way.
 */
export function serveMessagePort(server: ApiServer, port: AnyPort, options: SessionOptions = {}): () => void {
  let session: Session | undefined;
  const link: FramePort = usePort(port, {
    frame: (frame) => session?.receive(frame),
    closed: () => session?.ended(),
  });
  session = serveSession(server, { send: (frame) => link.send(frame), close: () => link.close() }, options);
  return () => {
    session.ended();
    link.close();
  };
}

/**
 * A client's channel over message ports. `request` asks for a fresh port to the server for every connection and calls
 * `give` with it when there is one, or `fail` when there will be none; the channel then tries again.
 */
export function messagePortChannel(
  request: (give: (port: AnyPort) => void, fail: () => void) => void,
  schedule: Schedule,
): ClientChannel {
  return reconnecting(schedule, (events) => {
    let port: FramePort | undefined;
    let over = false;
    // Later, since a connection must not report before it was handed over.
    queueMicrotask(() =>
      request(
        (given) => {
          if (over || port) return given.close();
          port = usePort(given, { frame: (frame) => events.frame(frame), closed: () => events.lost() });
          events.opened();
        },
        () => events.lost(),
      ),
    );
    return {
      send: (frame) => port?.send(frame),
      close() {
        over = true;
        port?.close();
      },
    };
  });
}
