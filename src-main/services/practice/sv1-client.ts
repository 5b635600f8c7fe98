import { connect, type Socket } from 'node:net';
import {
  MAX_SERVER_LINE,
  encodeAuthorize,
  encodeConfigure,
  encodeSubmit,
  encodeSubscribe,
  encodeSuggestDifficulty,
  parseServerLine,
  parseSubscription,
  parseVersionMask,
  type ClientJob,
  type ClientShare,
  type ServerMessage,
  type Subscription,
} from '../../core/stratum-v1/client.ts';
import { encodeResult } from '../../core/stratum-v1/messages.ts';
import { VERSION_ROLLING_MASK } from '../../core/mining/types.ts';

/** Ids of the handshake's requests; submissions count on from the last. */
const CONFIGURE_ID = 1;
const SUBSCRIBE_ID = 2;
const AUTHORIZE_ID = 3;
const SUGGEST_ID = 4;
/** Submissions that may wait for their answer; the oldest is given up as lost when there are more. */
const MAX_WAITING = 1_000;

const HANDSHAKE_MS = 10_000;
/** A server that says nothing for so long is gone: templates are renewed far more often. */
const SILENCE_MS = 300_000;
const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 15_000;

/** What a job is to be worked on with. */
export interface Assignment extends Subscription {
  readonly job: ClientJob;
  /** Difficulty of the shares wanted for this job (pdiff). */
  readonly difficulty: number;
  /** Bits of the version that may be rolled; 0: none. */
  readonly versionMask: number;
}

export type SubmitReply =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'rejected'; readonly code: number; readonly message: string }
  /** The connection ended before an answer came. */
  | { readonly kind: 'lost' };

export type ClientState = 'stopped' | 'connecting' | 'working' | 'waiting';

/** Where a server listens. */
export interface ServerAddress {
  readonly host: string;
  readonly port: number;
}

export interface Sv1ClientOptions {
  /** Worker name. */
  readonly worker: string;
  readonly password?: string;
  /** As it stands in `mining.subscribe`. */
  readonly userAgent: string;
  /** Version bits to ask for; 0: a machine that does not know `mining.configure`. Default: all of BIP320. */
  readonly versionMask?: number;
  /** Sent as `mining.suggest_difficulty` when given. */
  readonly suggestDifficulty?: number;
  /** Connect again when the connection ends, with growing pauses. Default true. */
  readonly reconnect?: boolean;
  /** New work; whatever was worked on before is to be left at once when `job.cleanJobs`. */
  readonly onAssignment: (assignment: Assignment) => void;
  /** The state changed; `detail` says why the connection ended. */
  readonly onState?: (state: ClientState, detail: string) => void;
  /** 0 ≤ x < 1; spreads the pauses before connecting again. */
  readonly random: () => number;
}

export interface Sv1Client {
  /** Connects, and again to the same address whenever the connection ends. Does nothing while already started. */
  start(address: ServerAddress): void;
  /** Ends the connection; resolves when the socket is closed. Shares under way are lost. */
  stop(): Promise<void>;
  state(): ClientState;
  /** Sends a share; resolves with the server's answer. */
  submit(share: ClientShare): Promise<SubmitReply>;
}

/** A Stratum V1 miner's connection: handshake, jobs, submissions, and connecting again. */
export function createSv1Client(options: Sv1ClientOptions): Sv1Client {
  const askedMask = options.versionMask ?? VERSION_ROLLING_MASK;
  const waiting = new Map<number, (reply: SubmitReply) => void>();
  let state: ClientState = 'stopped';
  let address: ServerAddress = { host: '127.0.0.1', port: 0 };
  let socket: Socket | undefined;
  let retry: NodeJS.Timeout | undefined;
  let failures = 0;
  // Of one connection:
  let partial = '';
  let subscription: Subscription | undefined;
  let authorized = false;
  let versionMask = 0;
  let difficulty = 1;
  let job: ClientJob | undefined;
  let nextId = SUGGEST_ID + 1;
  let ended = '';

  function enter(next: ClientState, detail: string): void {
    if (state === next) return;
    state = next;
    options.onState?.(next, detail);
  }

  function open(): void {
    partial = '';
    subscription = undefined;
    authorized = false;
    versionMask = 0;
    difficulty = 1;
    job = undefined;
    nextId = SUGGEST_ID + 1;
    ended = 'the server closed the connection';
    enter('connecting', '');
    const mine = connect({ host: address.host, port: address.port, noDelay: true, keepAlive: true });
    socket = mine;
    mine.setEncoding('utf8');
    mine.setTimeout(HANDSHAKE_MS, () => close('no answer'));
    mine.on('connect', () => {
      let hello = askedMask === 0 ? '' : encodeConfigure(CONFIGURE_ID, askedMask);
      hello += encodeSubscribe(SUBSCRIBE_ID, options.userAgent);
      if (options.suggestDifficulty !== undefined)
        hello += encodeSuggestDifficulty(SUGGEST_ID, options.suggestDifficulty);
      mine.write(hello + encodeAuthorize(AUTHORIZE_ID, options.worker, options.password ?? 'x'));
    });
    mine.on('data', (text: string) => receive(mine, text));
    mine.on('error', (error) => {
      ended = error.message;
    });
    mine.on('close', () => closed(mine));
  }

  function close(reason: string): void {
    ended = reason;
    socket?.destroy();
  }

  function closed(mine: Socket): void {
    if (socket !== mine) return;
    socket = undefined;
    for (const settle of waiting.values()) settle({ kind: 'lost' });
    waiting.clear();
    if (state === 'stopped') return;
    if (options.reconnect === false) {
      enter('stopped', ended);
      return;
    }
    // Between half and the whole of the pause, so that a barn does not come back in one instant.
    const pause = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** failures) * (0.5 + options.random() / 2);
    failures += 1;
    enter('waiting', ended);
    retry = setTimeout(open, pause);
  }

  function receive(mine: Socket, text: string): void {
    const lines = (partial + text).split('\n');
    partial = lines.pop() ?? '';
    for (const line of lines) {
      if (socket !== mine || mine.destroyed) return;
      handle(mine, parseServerLine(line));
    }
    if (partial.length > MAX_SERVER_LINE) close('a line longer than any job');
  }

  function handle(mine: Socket, message: ServerMessage): void {
    switch (message.kind) {
      case 'notify':
        job = message.job;
        assign();
        break;
      case 'setDifficulty':
        // Counts from the next job on.
        difficulty = message.difficulty;
        break;
      case 'setExtranonce':
        subscription = message.subscription;
        break;
      case 'setVersionMask':
        versionMask = (message.mask & askedMask) >>> 0;
        break;
      case 'reply':
        replied(message);
        break;
      case 'getVersion':
        mine.write(encodeResult(message.id, JSON.stringify(options.userAgent)));
        break;
      case 'ping':
        mine.write(encodeResult(message.id, '"pong"'));
        break;
      case 'reconnect':
        close('the server asked to connect again');
        break;
      case 'invalid':
        close(`the server sent ${message.detail}`);
        break;
      case 'showMessage':
      case 'ignored':
        break;
    }
  }

  function replied(reply: ServerMessage & { kind: 'reply' }): void {
    switch (reply.id) {
      case CONFIGURE_ID:
        versionMask = (parseVersionMask(reply.result) & askedMask) >>> 0;
        return;
      case SUBSCRIBE_ID:
        subscription = parseSubscription(reply.result);
        if (!subscription)
          close(`the server refused the subscription: ${reply.error?.message ?? 'unusable answer'}`);
        return;
      case AUTHORIZE_ID:
        if (reply.error || reply.result !== true) {
          close(`the server refused the worker name: ${reply.error?.message ?? 'no reason given'}`);
          return;
        }
        authorized = true;
        socket?.setTimeout(SILENCE_MS);
        // A job may have come first.
        assign();
        return;
      default: {
        const settle = waiting.get(reply.id);
        if (!settle) return;
        waiting.delete(reply.id);
        if (reply.result === true) settle({ kind: 'accepted' });
        else
          settle({
            kind: 'rejected',
            code: reply.error?.code ?? 0,
            message: reply.error?.message ?? 'refused',
          });
      }
    }
  }

  function assign(): void {
    if (!job || !subscription || !authorized) return;
    failures = 0;
    enter('working', '');
    options.onAssignment({ ...subscription, job, difficulty, versionMask });
  }

  return {
    start(server) {
      if (state !== 'stopped') return;
      address = server;
      failures = 0;
      open();
    },
    async stop() {
      clearTimeout(retry);
      enter('stopped', 'stopped');
      const mine = socket;
      if (!mine || mine.closed) return;
      const done = new Promise<void>((resolve) => {
        mine.once('close', () => resolve());
      });
      mine.destroy();
      await done;
    },
    state: () => state,
    submit(share) {
      const mine = socket;
      if (!mine || !authorized || mine.destroyed) return Promise.resolve({ kind: 'lost' });
      const id = nextId;
      nextId += 1;
      if (waiting.size >= MAX_WAITING) {
        const [oldest, settle] = waiting.entries().next().value as [number, (reply: SubmitReply) => void];
        waiting.delete(oldest);
        settle({ kind: 'lost' });
      }
      return new Promise((resolve) => {
        waiting.set(id, resolve);
        mine.write(encodeSubmit(id, options.worker, share));
      });
    },
  };
}
