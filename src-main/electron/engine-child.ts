import type { AnyPort } from '../core/api/port.ts';
import type { ApiServer } from '../core/api/schema.ts';
import { serveMessagePort } from '../transport/message-port.ts';
import type { EngineSettings, FromEngine, ToEngine } from './engine-messages.ts';

/** What runs in the engine's process. */
export interface HostedEngine {
  readonly api: ApiServer;
  start(): Promise<void>;
  /** Resolves when the node has stopped and everything is on disk. */
  stop(): Promise<void>;
}

/** `process.parentPort` of a utility process, as far as it is used. */
export interface ParentPort {
  on(
    event: 'message',
    listener: (event: { readonly data: unknown; readonly ports: readonly AnyPort[] }) => void,
  ): unknown;
  postMessage(message: FromEngine): void;
}

export interface EngineChildOptions {
  readonly port: ParentPort;
  readonly create: (settings: EngineSettings) => Promise<HostedEngine>;
  readonly exit: (code: number) => void;
  readonly onError: (where: string, error: unknown) => void;
}

/** Connections of one window: its page and the shell's own. Older ones belong to pages that are gone. */
const MAX_CONNECTIONS = 8;

/**
 * The engine's side of the utility process: makes the engine when told to, gives each port that comes the API, and stops
 * when asked. The API is served from before `start` on, so that the page can show what starting is busy with.
 */
export function runEngineChild({ port, create, exit, onError }: EngineChildOptions): void {
  let engine: Promise<HostedEngine> | undefined;
  let stopping = false;
  const connections: (() => void)[] = [];

  const tell = (message: FromEngine): void => port.postMessage(message);

  const start = async (settings: EngineSettings): Promise<void> => {
    try {
      engine = create(settings);
      const made = await engine;
      tell({ t: 'ready' });
      await made.start();
    } catch (error) {
      onError('start', error);
      tell({ t: 'failed', message: error instanceof Error ? error.message : String(error) });
      exit(1);
    }
  };
  const connect = async (port: AnyPort): Promise<void> => {
    const { api } = await (engine ?? Promise.reject(new Error('no engine yet')));
    connections.push(serveMessagePort(api, port, { onError }));
    if (connections.length > MAX_CONNECTIONS) connections.shift()?.();
  };
  const stop = async (): Promise<void> => {
    if (stopping) return;
    stopping = true;
    try {
      await (await engine)?.stop();
      tell({ t: 'stopped' });
      exit(0);
    } catch (error) {
      onError('stop', error);
      exit(1);
    }
  };

  port.on('message', ({ data, ports }) => {
    const message = data as ToEngine;
    if (message.t === 'start' && !engine) void start(message.settings);
    else if (message.t === 'stop') void stop();
    else if (message.t === 'connect' && ports[0]) {
      const [port] = ports;
      connect(port).catch(() => port.close());
    }
  });
}
