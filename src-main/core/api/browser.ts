/** The browser's side of the API: the one module of `core/api` that touches the page's globals. */
import { createApiClient } from './client.ts';
import type { ClientChannel } from './client.ts';
import { reconnecting } from './reconnect.ts';
import type { Connection } from './reconnect.ts';
import type { ApiClient } from './schema.ts';
import { SIGN_IN_PATH, SOCKET_PATH, checkSession, exchangeToken } from './session.ts';
import type { SessionBrowser } from './session.ts';
import type { Schedule } from './timing.ts';

export const browserSchedule: Schedule = (ms, task) => {
  const timer = setTimeout(task, ms);
  return () => clearTimeout(timer);
};

/** What the desktop app's preload shows the page as `window.adit`. Only strings cross it. */
export interface AditBridge {
  /** Asks the shell for a connection to the engine; `opened` comes once the engine is up. */
  connect(events: { opened(): void; frame(text: string): void; lost(): void }): Connection;
}

/** A channel over the desktop app's bridge. */
export function bridgeChannel(bridge: AditBridge, schedule: Schedule = browserSchedule): ClientChannel {
  return reconnecting(schedule, (events) => bridge.connect(events));
}

/** How long a WebSocket may take to open, in ms. */
const OPEN_WITHIN = 10_000;

export interface WebSocketChannelOptions {
  readonly schedule?: Schedule;
  /** Called when a connection was refused or lost, before the next try. */
  readonly onLost?: () => void;
  /** Makes the socket; the browser's own by default. */
  readonly create?: (url: string) => WebSocket;
}

/** A channel over WebSockets to `url` (`ws:` or `wss:`). Text frames only. */
export function webSocketChannel(url: string, options: WebSocketChannelOptions = {}): ClientChannel {
  const {
    schedule = browserSchedule,
    onLost = () => {},
    create = (address) => new WebSocket(address),
  } = options;
  return reconnecting(schedule, (events) => {
    const socket = create(url);
    const stopTimer = schedule(OPEN_WITHIN, () => socket.close());
    socket.addEventListener('open', () => {
      stopTimer();
      events.opened();
    });
    socket.addEventListener('message', (event: MessageEvent<unknown>) => events.frame(event.data));
    // An error is always followed by a close.
    socket.addEventListener('close', () => {
      stopTimer();
      events.lost();
      onLost();
    });
    return {
      send: (frame) => {
        if (socket.readyState === socket.OPEN) socket.send(frame);
      },
      close: () => {
        stopTimer();
        socket.close();
      },
    };
  });
}

/** The page's window, as far as the start-up needs it. */
export interface PageWindow extends SessionBrowser {
  readonly location: SessionBrowser['location'] & {
    readonly protocol: string;
    readonly host: string;
    replace(url: string): void;
  };
  readonly adit?: AditBridge;
}

/**
 * Starts the API client of the page, in the desktop app over the preload's bridge, in a browser over the WebSocket of the
 * server the page came from. In a browser it signs in first; one that can't is sent to the page that says how to get in.
 *
 * The client is given at once and works as soon as it is connected. `page` is `window`.
 */
export function openPageClient(page: PageWindow, schedule: Schedule = browserSchedule): ApiClient {
  const options = { schedule };
  if (page.adit) return createApiClient(bridgeChannel(page.adit, schedule), options);

  const { protocol, host } = page.location;
  let over = false;
  let checking = false;
  /** A refused WebSocket does not say why; the session does. */
  const recheck = async (): Promise<void> => {
    if (checking || over) return;
    checking = true;
    const state = await checkSession(page);
    checking = false;
    if (state.kind === 'needsToken' && !over) page.location.replace(SIGN_IN_PATH);
  };
  const socket = webSocketChannel(`${protocol === 'https:' ? 'wss:' : 'ws:'}//${host}${SOCKET_PATH}`, {
    schedule,
    onLost: () => void recheck(),
  });
  return createApiClient(
    {
      ...socket,
      open(events) {
        void exchangeToken(page).then((state) => {
          if (over) return;
          if (state.kind === 'needsToken') page.location.replace(SIGN_IN_PATH);
          else socket.open(events);
        });
      },
      close() {
        over = true;
        socket.close();
      },
    },
    options,
  );
}
