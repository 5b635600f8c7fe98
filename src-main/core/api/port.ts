/**
 * The one shape behind which the ports of all runtimes look alike: a browser's or preload's `MessagePort`, Node's, and
 * Electron's `MessagePortMain`.
 */
export interface FramePort {
  send(frame: string): void;
  close(): void;
}

/** A port as any of the runtimes gives it. */
export interface AnyPort {
  postMessage(message: unknown): void;
  start?(): void;
  close(): void;
  on?(event: string, listener: (value: unknown) => void): unknown;
  addEventListener?(event: string, listener: (event: unknown) => void): void;
}

const dataOf = (event: unknown): unknown =>
  typeof event === 'object' && event !== null && 'data' in event ? event.data : undefined;

/**
 * Listens on a port and starts it. `closed` is called once, when the other end is gone; not after our own `close`.
 * What arrives that is not text is passed on as it is, for the protocol to refuse.
 */
export function usePort(port: AnyPort, events: { frame(frame: unknown): void; closed(): void }): FramePort {
  let over = false;
  const frame = (value: unknown): void => {
    if (!over) events.frame(value);
  };
  const closed = (): void => {
    if (over) return;
    over = true;
    events.closed();
  };
  if (port.on) {
    // Node passes the value itself, Electron an event that holds it.
    port.on('message', (value) => frame(typeof value === 'string' ? value : dataOf(value)));
    port.on('close', closed);
  } else {
    port.addEventListener?.('message', (event) => frame(dataOf(event)));
    port.addEventListener?.('close', closed);
  }
  port.start?.();
  return {
    send(text) {
      if (!over) port.postMessage(text);
    },
    close() {
      if (over) return;
      over = true;
      port.close();
    },
  };
}
