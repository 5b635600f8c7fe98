import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { RawData, WebSocket } from 'ws';
import { LIMITS } from '../core/api/protocol.ts';
import type { ApiServer } from '../core/api/schema.ts';
import { serveSession } from './session.ts';
import type { CloseReason, SessionOptions } from './session.ts';

export interface WebSocketHostOptions extends SessionOptions {
  /** A socket that did not answer the last ping is dropped after this many ms. Default 15 s. */
  readonly heartbeatMs?: number;
  /** Sockets open at once; more are refused. Default 64. */
  readonly maxSockets?: number;
}

export interface WebSocketHost {
  /** Takes over an HTTP upgrade whose sender was already checked. */
  accept(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  readonly count: number;
  /** Closes all sockets. Resolves when they are gone. */
  close(): Promise<void>;
}

/** Close codes of RFC 6455 section 7.4.1. */
const CODES: Record<CloseReason, number> = { protocol: 1002, tooSlow: 1013, closing: 1001 };
/** How long a socket may take over the closing handshake before it is cut, in ms. */
const CLOSE_WITHIN = 1_000;

/**
 * Serves the API over WebSockets. Checking who connects (cookie, Origin, Host) is the HTTP server's part, before `accept`.
 * Frames are text of at most `LIMITS.clientFrame` bytes, without compression: a small frame cannot unfold into a large one.
 */
export function createWebSocketHost(server: ApiServer, options: WebSocketHostOptions = {}): WebSocketHost {
  const { heartbeatMs = 15_000, maxSockets = 64 } = options;
  const upgrader = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: LIMITS.clientFrame,
    perMessageDeflate: false,
  });
  const sockets = new Map<WebSocket, { alive: boolean }>();
  let closing = false;

  const heartbeat = setInterval(() => {
    for (const [socket, mark] of sockets) {
      if (!mark.alive) socket.terminate();
      else {
        mark.alive = false;
        socket.ping();
      }
    }
  }, heartbeatMs);
  heartbeat.unref();

  const shut = (socket: WebSocket, reason: CloseReason): void => {
    socket.close(CODES[reason]);
    setTimeout(() => socket.terminate(), CLOSE_WITHIN).unref();
  };

  const serve = (socket: WebSocket): void => {
    const mark = { alive: true };
    sockets.set(socket, mark);
    const session = serveSession(
      server,
      {
        // An error here means the socket is closing; its `close` event follows.
        send: (frame) =>
          socket.send(frame, (error) => {
            if (!error) session.drained();
          }),
        buffered: () => socket.bufferedAmount,
        close: (reason) => shut(socket, reason),
      },
      options,
    );
    socket.on('message', (data: RawData, binary: boolean) => {
      mark.alive = true;
      // Node's default binaryType: always one Buffer.
      session.receive(binary ? undefined : (data as Buffer).toString('utf8'));
    });
    socket.on('pong', () => {
      mark.alive = true;
    });
    // Frames too long or broken: ws has sent the close code, `close` follows.
    socket.on('error', (error) => {
      if (!('code' in error)) options.onError?.('websocket', error);
    });
    socket.on('close', () => {
      session.ended();
      sockets.delete(socket);
    });
  };

  return {
    accept(request, socket, head) {
      if (closing || sockets.size >= maxSockets) {
        socket.end('HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
        return;
      }
      upgrader.handleUpgrade(request, socket, head, serve);
    },
    get count() {
      return sockets.size;
    },
    async close() {
      closing = true;
      clearInterval(heartbeat);
      await Promise.all(
        [...sockets.keys()].map(
          (socket) =>
            new Promise<void>((resolve) => {
              socket.once('close', () => resolve());
              shut(socket, 'closing');
            }),
        ),
      );
    },
  };
}
