import type { Socket } from 'node:net';
import { encodeFrameOf, type ClientMessage } from '../../core/stratum-v2/channels/messages.ts';
import {
  ClientSession,
  type ChannelWish,
  type ClientOutput,
  type ExtendedChannelWish,
  type MiningClientChannel,
} from '../../core/stratum-v2/channels/client/session.ts';
import type { ClientExtendedChannel } from '../../core/stratum-v2/channels/client/extended-channel.ts';
import type { Attempt } from '../../core/stratum-v2/channels/client/jobs.ts';
import type { ClientStandardChannel } from '../../core/stratum-v2/channels/client/standard-channel.ts';
import type { RandomBytes } from '../../core/stratum-v2/ellswift.ts';
import { parseAuthorityKey, type Certificate } from '../../core/stratum-v2/noise.ts';
import { connectSecure, type SecureChannel, type SecureConnection } from '../sv2-transport/index.ts';

/** Longest message of a server: a job with the largest coinbase there can be, or a group of 65,535 channels. */
const MAX_PAYLOAD = 300_000;
/** A server that does not read gets no more than this. Shares are 100 bytes. */
const MAX_BUFFERED = 262_144;
/** Messages that are handled before everything else gets its turn. */
const MESSAGES_PER_TURN = 256;
const TIMEOUT_MS = 10_000;

export type Sv2ClientErrorCode =
  | 'authorityKey'
  | 'setupRefused'
  | 'extensionsRequired'
  | 'openRefused'
  | 'timeout'
  /** The server broke the protocol; going on would mean trusting its work. */
  | 'protocol'
  /** It closed the connection. */
  | 'closed'
  | 'slow'
  /** We closed it. */
  | 'ended';

/** `errorCode` is what the server said, where it said something. */
export class Sv2ClientError extends Error {
  readonly code: Sv2ClientErrorCode;
  readonly errorCode: string | undefined;
  constructor(code: Sv2ClientErrorCode, message: string, errorCode?: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'Sv2ClientError';
    this.code = code;
    this.errorCode = errorCode;
  }
}

export interface Sv2ClientOptions {
  readonly host: string;
  readonly port: number;
  /** As the server's operator publishes it (base58check, SV2 4.7); "any" encrypts to whoever answers. */
  readonly authorityKey: string;
  readonly requiresStandardJobs?: boolean;
  readonly requiresVersionRolling?: boolean;
  /** Extensions to ask for. */
  readonly extensions?: readonly number[];
  /** What the server is told of us. */
  readonly vendor: string;
  readonly hardwareVersion?: string;
  readonly firmware?: string;
  readonly deviceId?: string;
  readonly random: RandomBytes;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** For name, connection, handshake and set-up together, and then for each answer. Default 10,000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** What the server tells of its own accord, in order. */
export type Sv2Event = Extract<
  ClientOutput,
  {
    readonly kind:
      'work' | 'target' | 'acknowledged' | 'rejected' | 'updateRefused' | 'closed' | 'reconnect' | 'ignored';
  }
>;

/** A connection to a server of the Mining Protocol, set up and ready for channels. */
export interface Sv2Client {
  readonly certificate: Certificate;
  /** Extensions that were negotiated. */
  readonly extensions: ReadonlySet<number>;
  readonly channels: ReadonlyMap<number, MiningClientChannel>;
  /** Rejects with `Sv2ClientError` "openRefused", "timeout", or why the connection ended; `ClientSessionError` "unsupported". */
  openStandard(wish: ChannelWish): Promise<ClientStandardChannel>;
  openExtended(wish: ExtendedChannelWish): Promise<ClientExtendedChannel>;
  /** Sends a share at once. Gives its sequence number, or undefined and why when it would be refused for sure. */
  submit(
    channel: MiningClientChannel,
    jobId: number,
    attempt: Attempt,
  ): { readonly sequenceNumber: number } | { readonly refused: string };
  /** Tells the server of another hashrate (H/s) or highest target. */
  update(channel: MiningClientChannel, nominalHashRate: number, maximumTarget: bigint): void;
  closeChannel(channel: MiningClientChannel, reasonCode: string): void;
  /** Called in order with everything that comes, work that came before included. Only one may listen. */
  listen(listener: (event: Sv2Event) => void): void;
  /** Resolves with the reason once the connection has ended; "ended" when `close` ended it. */
  readonly over: Promise<Sv2ClientError>;
  close(): void;
}

/**
 * Connects to a pool or another server as a miner or proxy does. Rejects with `ConnectError` (name, TCP, handshake, wrong key,
 * certificate and clock), or `Sv2ClientError` "authorityKey", "setupRefused", "extensionsRequired", "protocol", "closed",
 * "timeout". Nothing stays open then.
 */
export async function connectSv2(options: Sv2ClientOptions): Promise<Sv2Client> {
  const { host, port, authorityKey, timeoutMs = TIMEOUT_MS, random, now, signal } = options;
  const authority = authorityKey === 'any' ? 'any' : authorityOf(authorityKey);
  const began = now();
  const connection = await connectSecure({
    host,
    port,
    authority,
    random,
    now,
    timeoutMs,
    signal,
    maxPayload: MAX_PAYLOAD,
    maxBufferedBytes: MAX_BUFFERED,
  });
  const client = new Client(connection, options);
  await client.setUp(Math.max(1, timeoutMs - Math.max(0, now() - began)));
  return client;
}

function authorityOf(text: string): Uint8Array {
  try {
    return parseAuthorityKey(text.trim());
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new Sv2ClientError('authorityKey', message, undefined, { cause: error });
  }
}

interface Waiting<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (error: Error) => void;
}

class Client implements Sv2Client {
  readonly certificate: Certificate;
  readonly over: Promise<Sv2ClientError>;
  readonly #where: string;
  readonly #timeoutMs: number;
  readonly #socket: Socket;
  readonly #channel: SecureChannel;
  readonly #session: ClientSession;
  readonly #signal: AbortSignal | undefined;
  readonly #openings = new Map<number, Waiting<MiningClientChannel>>();
  #ready: Waiting<void> | undefined;
  #listener: ((event: Sv2Event) => void) | undefined;
  /** What came before anyone listened. Bounded by `listen` being called right after channels are opened, and by reading. */
  #early: Sv2Event[] = [];
  #end: Sv2ClientError | undefined;
  #tellOver: (error: Sv2ClientError) => void = () => {};
  #reading = false;

  constructor(connection: SecureConnection, options: Sv2ClientOptions) {
    const { host, port, requiresStandardJobs, requiresVersionRolling, extensions } = options;
    this.certificate = connection.certificate;
    this.#where = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
    this.#socket = connection.socket;
    this.#channel = connection.channel;
    this.#signal = options.signal;
    this.#session = new ClientSession({
      setup: {
        endpointHost: host,
        endpointPort: port,
        vendor: options.vendor,
        hardwareVersion: options.hardwareVersion ?? '',
        firmware: options.firmware ?? '',
        deviceId: options.deviceId ?? '',
      },
      requiresStandardJobs: requiresStandardJobs ?? false,
      requiresVersionRolling: requiresVersionRolling ?? false,
      extensions: extensions ?? [],
    });
    this.over = new Promise((resolve) => {
      this.#tellOver = resolve;
    });
    this.#socket.on('data', (packet) => this.#onData(packet));
    this.#socket.on('close', () =>
      this.#finish(new Sv2ClientError('closed', `${this.#where} closed the connection.`)),
    );
  }

  get extensions(): ReadonlySet<number> {
    return this.#session.extensions;
  }
  get channels(): ReadonlyMap<number, MiningClientChannel> {
    return this.#session.channels;
  }

  /** Sends `SetupConnection` and waits until channels can be opened. */
  async setUp(timeoutMs: number): Promise<void> {
    const abort = (): void => this.close();
    this.#signal?.addEventListener('abort', abort);
    const timer = setTimeout(
      () =>
        this.#finish(
          new Sv2ClientError(
            'timeout',
            `${this.#where} did not answer the set-up within ${this.#timeoutMs / 1_000} s.`,
          ),
        ),
      timeoutMs,
    );
    try {
      await new Promise<void>((resolve, reject) => {
        this.#ready = { resolve, reject };
        this.#send(this.#session.start());
        this.#socket.resume();
        // What came with the end of the handshake.
        this.#read();
      });
    } finally {
      clearTimeout(timer);
      this.#signal?.removeEventListener('abort', abort);
    }
  }

  #send(message: ClientMessage): void {
    if (this.#end || this.#channel.send(encodeFrameOf(message))) return;
    this.#finish(new Sv2ClientError('slow', `${this.#where} does not read what it is sent.`));
  }

  #onData(packet: Buffer): void {
    if (this.#end) return;
    try {
      this.#channel.push(packet);
    } catch (error) {
      this.#fault(error);
      return;
    }
    this.#read();
  }

  #fault(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    this.#finish(
      new Sv2ClientError('protocol', `${this.#where} broke the protocol: ${reason}.`, undefined, {
        cause: error,
      }),
    );
  }

  #read(): void {
    if (this.#reading) return;
    this.#reading = true;
    for (let turn = 0; !this.#end; turn += 1) {
      if (turn === MESSAGES_PER_TURN) {
        this.#socket.pause();
        setImmediate(() => {
          this.#reading = false;
          if (this.#end) return;
          this.#socket.resume();
          this.#read();
        });
        return;
      }
      try {
        const frame = this.#channel.next();
        if (!frame) break;
        for (const output of this.#session.receiveFrame(frame)) this.#handle(output);
      } catch (error) {
        this.#fault(error);
      }
    }
    this.#reading = false;
  }

  #handle(output: ClientOutput): void {
    switch (output.kind) {
      case 'send':
        this.#send(output.message);
        return;
      case 'ready':
        this.#ready?.resolve();
        this.#ready = undefined;
        return;
      case 'refused': {
        const { errorCode } = output;
        const message = `${this.#where} refused the connection: ${errorCode || 'no reason given'}.`;
        this.#finish(new Sv2ClientError('setupRefused', message, errorCode));
        return;
      }
      case 'extensionsRequired': {
        const list = output.extensions.map((extension) => `0x${extension.toString(16)}`).join(', ');
        const message = `${this.#where} demands extensions this program does not have: ${list}.`;
        this.#finish(new Sv2ClientError('extensionsRequired', message));
        return;
      }
      case 'opened':
        // Nobody waits for an answer that came too late.
        if (!this.#openings.has(output.requestId)) this.closeChannel(output.channel, 'not-wanted');
        this.#openings.get(output.requestId)?.resolve(output.channel);
        this.#openings.delete(output.requestId);
        return;
      case 'openRefused': {
        const { requestId, errorCode } = output;
        const message = `${this.#where} refused to open a channel: ${errorCode || 'no reason given'}.`;
        this.#openings.get(requestId)?.reject(new Sv2ClientError('openRefused', message, errorCode));
        this.#openings.delete(requestId);
        return;
      }
      case 'fault':
        this.#fault(new Error(output.detail));
        return;
      default:
        if (this.#listener) this.#listener(output);
        else this.#keepEarly(output);
    }
  }

  /** Until somebody listens, only the newest of each kind and channel matters. */
  #keepEarly(event: Sv2Event): void {
    const same = (other: Sv2Event): boolean =>
      other.kind === event.kind &&
      ('channel' in other ? other.channel : undefined) === ('channel' in event ? event.channel : undefined);
    this.#early = this.#early.filter((other) => !same(other));
    this.#early.push(event);
  }

  listen(listener: (event: Sv2Event) => void): void {
    this.#listener = listener;
    const early = this.#early;
    this.#early = [];
    for (const event of early) listener(event);
  }

  openStandard(wish: ChannelWish): Promise<ClientStandardChannel> {
    return this.#open(() => this.#session.openStandard(wish)) as Promise<ClientStandardChannel>;
  }

  openExtended(wish: ExtendedChannelWish): Promise<ClientExtendedChannel> {
    return this.#open(() => this.#session.openExtended(wish)) as Promise<ClientExtendedChannel>;
  }

  async #open(make: () => ClientMessage): Promise<MiningClientChannel> {
    if (this.#end) throw this.#end;
    const message = make();
    const { requestId } = message.fields as { readonly requestId: number };
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<MiningClientChannel>((resolve, reject) => {
        this.#openings.set(requestId, { resolve, reject });
        timer = setTimeout(() => {
          this.#openings.delete(requestId);
          reject(new Sv2ClientError('timeout', `${this.#where} did not open the channel in time.`));
        }, this.#timeoutMs);
        this.#send(message);
      });
    } finally {
      clearTimeout(timer);
    }
  }

  submit(
    channel: MiningClientChannel,
    jobId: number,
    attempt: Attempt,
  ): { readonly sequenceNumber: number } | { readonly refused: string } {
    if (this.#end) return { refused: this.#end.message };
    const submitted = channel.submit(jobId, attempt);
    if (submitted.kind === 'refused') return { refused: submitted.detail };
    this.#send(submitted.message);
    return { sequenceNumber: submitted.sequenceNumber };
  }

  update(channel: MiningClientChannel, nominalHashRate: number, maximumTarget: bigint): void {
    this.#send(this.#session.update(channel, nominalHashRate, maximumTarget));
  }

  closeChannel(channel: MiningClientChannel, reasonCode: string): void {
    this.#send(this.#session.close(channel, reasonCode));
  }

  close(): void {
    this.#finish(new Sv2ClientError('ended', `The connection to ${this.#where} was closed.`));
  }

  #finish(error: Sv2ClientError): void {
    if (this.#end) return;
    this.#end = error;
    this.#socket.destroy();
    this.#ready?.reject(error);
    this.#ready = undefined;
    for (const waiting of this.#openings.values()) waiting.reject(error);
    this.#openings.clear();
    this.#tellOver(error);
  }
}
