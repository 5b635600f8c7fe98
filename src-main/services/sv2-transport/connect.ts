import { connect as connectSocket, type Socket } from 'node:net';
import type { RandomBytes } from '../../core/stratum-v2/ellswift.ts';
import { NoiseError, NoiseInitiator, type Certificate } from '../../core/stratum-v2/noise.ts';
import { SecureChannel, type SecureChannelOptions } from './secure-channel.ts';

export type ConnectErrorCode =
  | 'resolve'
  | 'refused'
  | 'unreachable'
  | 'timeout'
  | 'closed'
  /** What answered is no Stratum V2 server, or something between us changes bytes. */
  | 'handshake'
  | 'wrongKey'
  | 'clockBehind'
  | 'certificateExpired'
  | 'cancelled';

/**
 * No encrypted connection came about. The message says what to do. `secondsOff`, of "clockBehind" and "certificateExpired": how far
 * this computer's clock is outside the certificate's validity.
 */
export class ConnectError extends Error {
  readonly code: ConnectErrorCode;
  readonly secondsOff: number | undefined;
  constructor(code: ConnectErrorCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'ConnectError';
    this.code = code;
    this.secondsOff = cause instanceof NoiseError ? cause.secondsOff : undefined;
  }
}

export interface ConnectOptions extends SecureChannelOptions {
  readonly host: string;
  readonly port: number;
  /** Key (32 bytes) that must have signed the server's certificate; "any" encrypts to whoever answers. */
  readonly authority: Uint8Array | 'any';
  readonly random: RandomBytes;
  /** Milliseconds since 1970: what the certificate's validity is judged by. */
  readonly now: () => number;
  /** For the name, the connection and the handshake together. Default 10,000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface SecureConnection {
  /** Paused, with nobody listening: add a "data" listener that pushes into `channel`, then resume it. */
  readonly socket: Socket;
  readonly channel: SecureChannel;
  readonly certificate: Certificate;
}

const RESOLVE = new Set(['ENOTFOUND', 'EAI_AGAIN', 'EAI_FAIL', 'EAI_NODATA', 'EAI_NONAME']);

function socketError(error: NodeJS.ErrnoException, where: string): ConnectError {
  const { code = '' } = error;
  if (RESOLVE.has(code))
    return new ConnectError(
      'resolve',
      `The name in ${where} was not found. Check its spelling and this computer's internet connection.`,
      error,
    );
  if (code === 'ECONNREFUSED')
    return new ConnectError(
      'refused',
      `Nothing listens at ${where}. Check the port, and whether the server runs.`,
      error,
    );
  if (code === 'ECONNRESET' || code === 'EPIPE') return closed(where, error);
  return new ConnectError('unreachable', `${where} can't be reached: ${error.message}.`, error);
}

function closed(where: string, cause?: unknown): ConnectError {
  return new ConnectError(
    'closed',
    `${where} closed the connection during the handshake. It may not speak Stratum V2 on this port, or have too many connections.`,
    cause,
  );
}

function noiseError(error: unknown, where: string): ConnectError {
  const message = `${where}: ${error instanceof Error ? error.message : String(error)}`;
  if (!(error instanceof NoiseError)) return new ConnectError('handshake', message, error);
  switch (error.code) {
    case 'certificateSignature':
      return new ConnectError('wrongKey', message, error);
    case 'clockBehind':
      return new ConnectError('clockBehind', message, error);
    case 'clockAhead':
      return new ConnectError('certificateExpired', message, error);
    default:
      return new ConnectError(
        'handshake',
        `${where} did not answer like a Stratum V2 server (${error.message}). Check the port.`,
        error,
      );
  }
}

/** Connects and does the handshake as initiator (SV2 4.5). Rejects with `ConnectError`; nothing stays open then. */
export function connectSecure(options: ConnectOptions): Promise<SecureConnection> {
  const { host, port, authority, random, now, timeoutMs = 10_000, signal } = options;
  const where = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(new ConnectError('cancelled', `The connection to ${where} was given up.`));
      return;
    }
    const socket = connectSocket({
      host,
      port,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: 60_000,
    });
    let initiator: NoiseInitiator | undefined;
    // What goes wrong with a socket between two owners shows when it closes.
    socket.on('error', () => {});
    const settle = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      socket.off('error', onError).off('close', onClose).off('data', onData);
    };
    const fail = (error: ConnectError): void => {
      settle();
      socket.destroy();
      reject(error);
    };
    const abort = (): void => fail(new ConnectError('cancelled', `The connection to ${where} was given up.`));
    const timer = setTimeout(() => {
      const done = initiator ? 'finish the handshake' : 'answer';
      const advice = initiator
        ? 'It may not speak Stratum V2 on this port.'
        : 'Check host, port and firewall.';
      fail(new ConnectError('timeout', `${where} did not ${done} within ${timeoutMs / 1_000} s. ${advice}`));
    }, timeoutMs);
    signal?.addEventListener('abort', abort);
    const onError = (error: Error): void => fail(socketError(error, where));
    const onClose = (): void => fail(closed(where));
    socket.on('connect', () => {
      initiator = new NoiseInitiator({ authority, random });
      socket.write(initiator.message);
    });
    const onData = (packet: Buffer): void => {
      if (!initiator) return;
      try {
        const step = initiator.receive(packet, Math.floor(now() / 1_000));
        if (step.kind === 'pending') return;
        const channel = new SecureChannel(socket, step.transport, options);
        if (step.rest.length > 0) channel.push(step.rest);
        socket.pause();
        settle();
        resolve({ socket, channel, certificate: step.certificate });
      } catch (error) {
        fail(noiseError(error, where));
      }
    };
    socket.on('error', onError).on('close', onClose).on('data', onData);
  });
}
