import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import type { Log } from '../log/index.ts';
import { GatewayError, listenError } from './errors.ts';
import type { GatewayAddress } from './types.ts';

/** The listening sockets of a gateway: one for each address, all on the same port. */
export class Listeners {
  readonly #accept: (socket: Socket) => void;
  readonly #log: Log;
  #servers: Server[] = [];

  constructor(accept: (socket: Socket) => void, log: Log) {
    this.#accept = accept;
    this.#log = log;
  }

  /** Opens all or none. Port 0 takes a free port. Rejects with `GatewayError`. */
  async open(host: string | readonly string[], port: number): Promise<void> {
    try {
      let chosen = port;
      for (const address of typeof host === 'string' ? [host] : host) {
        const server = await this.#listen(address, chosen);
        this.#servers.push(server);
        chosen = (server.address() as AddressInfo).port;
      }
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async #listen(host: string, port: number): Promise<Server> {
    const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 }, (socket) =>
      this.#accept(socket),
    );
    await new Promise<void>((resolve, reject) => {
      const failed = (error: NodeJS.ErrnoException): void => reject(listenError(error, host, port));
      server.once('error', failed);
      // A farm comes back all at once after a power cut.
      server.listen({ host, port, backlog: 4_096 }, () => {
        server.off('error', failed);
        resolve();
      });
    }).catch(async (error: unknown) => {
      // A computer without IPv6 still has all its IPv4 addresses.
      const cause = error instanceof GatewayError ? (error.cause as NodeJS.ErrnoException) : undefined;
      if (host === '::' && cause?.code === 'EAFNOSUPPORT') return;
      throw error;
    });
    if (!server.listening) return this.#listen('0.0.0.0', port);
    server.on('error', (error) => this.#log.error('gateway: the listener failed', { error: error.message }));
    return server;
  }

  /** Takes no more connections; resolves when those there were have ended. */
  async close(): Promise<void> {
    const servers = this.#servers;
    this.#servers = [];
    await Promise.all(servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))));
  }

  addresses(): readonly GatewayAddress[] {
    return this.#servers.map((server) => {
      const { address, port } = server.address() as AddressInfo;
      return { host: address, port };
    });
  }
}

/** A socket's peer without port, IPv4 always in its own form. Undefined when the peer has gone already. */
export function remoteOf(socket: Socket): string | undefined {
  const address = socket.remoteAddress;
  return address?.startsWith('::ffff:') ? address.slice(7) : address;
}

export function isLoopback(remote: string): boolean {
  return remote === '::1' || remote.startsWith('127.');
}

/** Calls back again and again until what it gives is called. Keeps no process alive. */
export function every(ms: number, callback: () => void): () => void {
  const timer = setInterval(callback, ms);
  timer.unref();
  return () => clearInterval(timer);
}
