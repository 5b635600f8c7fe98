/** A listener on loopback whose connections are sealed: the small frame that the servers of this rung are built in. */
import { randomBytes } from 'node:crypto';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import type { Frame } from '../../../src-main/core/stratum-v2/frame.ts';
import {
  NoiseResponder,
  authorityPublicKey,
  createIdentity,
  encodeAuthorityKey,
} from '../../../src-main/core/stratum-v2/noise.ts';
import { SecureChannel } from '../../../src-main/services/sv2-transport/index.ts';

/** Room for any template there is. */
const LIMITS = { maxPayload: 0xff_ffff, maxBufferedBytes: 64 * 1024 * 1024 };
const random = (length: number): Uint8Array => new Uint8Array(randomBytes(length));

/** One sealed connection. Frames that are sent are encoded ones. */
export interface SecurePeer {
  send(frame: Uint8Array): void;
  end(): void;
}

export interface SecureHandlers {
  frame(frame: Frame): void;
  closed(): void;
}

export class SecureServer {
  readonly port: number;
  /** The key clients must be given, base58check. */
  readonly authority: string;
  readonly #server;
  readonly #sockets: Set<Socket>;
  /** What went wrong on a connection; a test looks at it. */
  readonly errors: Error[] = [];

  private constructor(server: ReturnType<typeof createServer>, sockets: Set<Socket>, authority: string) {
    this.#server = server;
    this.#sockets = sockets;
    this.port = (server.address() as AddressInfo).port;
    this.authority = authority;
  }

  static async start(accept: (peer: SecurePeer) => SecureHandlers): Promise<SecureServer> {
    const secret = random(32);
    const now = Math.floor(Date.now() / 1_000);
    const identity = createIdentity({
      authoritySecretKey: secret,
      validFrom: now - 3_600,
      notValidAfter: now + 3_600,
      random,
    });
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      const responder = new NoiseResponder({ identity, random });
      let channel: SecureChannel | undefined;
      let handlers: SecureHandlers | undefined;
      const peer: SecurePeer = {
        send: (frame) => void channel?.send(frame),
        end: () => socket.destroy(),
      };
      const take = (bytes: Uint8Array): void => {
        channel?.push(bytes);
        for (let frame = channel?.next(); frame; frame = channel?.next()) handlers?.frame(frame);
      };
      socket.on('data', (bytes) => {
        try {
          if (channel) {
            take(bytes);
            return;
          }
          const step = responder.receive(bytes);
          if (step.kind === 'pending') return;
          socket.write(step.reply);
          channel = new SecureChannel(socket, step.transport, LIMITS);
          handlers = accept(peer);
          take(step.rest);
        } catch (error) {
          result.errors.push(error as Error);
          socket.destroy();
        }
      });
      // A peer that is killed resets its connection.
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        handlers?.closed();
      });
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(0, '127.0.0.1', resolve);
    });
    const result = new SecureServer(server, sockets, encodeAuthorityKey(authorityPublicKey(secret)));
    return result;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }
}
