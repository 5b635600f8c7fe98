import { connect, type Socket } from 'node:net';
import { targetOfDifficulty } from '../../src-main/core/bitcoin/target.ts';
import {
  MAX_SERVER_LINE,
  buildHeader,
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
  type Subscription,
} from '../../src-main/core/stratum-v1/client.ts';
import { VERSION_ROLLING_MASK } from '../../src-main/core/mining/types.ts';
import type { Hasher } from '../../src-main/services/practice/index.ts';
import { monotonicMs } from './clock.ts';
import type { WorkerSetup } from './load-messages.ts';

const CONFIGURE_ID = 1;
const SUBSCRIBE_ID = 2;
const AUTHORIZE_ID = 3;
const SUGGEST_ID = 4;
const NONCES = 2 ** 32;
const USER_AGENT = 'adit-bench/1';

export interface MinerEvents {
  /** Subscribed, authorised, and the first job is there. */
  ready(): void;
  /** The first job on another tip, and when its packet was read. */
  newTip(previousHash: string, at: number): void;
  answer(phase: Phase, micros: number, error: string | undefined): void;
  /** Once, with the reason. */
  closed(reason: string): void;
}

export type Phase = 'steady' | 'burst';

/** One miner's connection: does what a machine does, and keeps the time. */
export class LoadMiner {
  readonly name: string;
  readonly #events: MinerEvents;
  readonly #waiting = new Map<number, { readonly at: number; readonly phase: Phase }>();
  readonly #socket: Socket;
  #partial = '';
  #subscription: Subscription | undefined;
  #authorized = false;
  #mask = 0;
  #difficulty = 1;
  #tip = '';
  /** Of the newest job; read in full only when a share is to be found on it. */
  #jobLine = '';
  #jobDifficulty = 1;
  #job: ClientJob | undefined;
  #stock: ClientShare[] = [];
  #extranonce2 = 0;
  #nonce = 0;
  #header: Uint8Array | undefined;
  #nextId = SUGGEST_ID + 1;
  #ready = false;
  #closed = false;
  #reason = 'the server closed the connection';

  constructor(name: string, setup: WorkerSetup, events: MinerEvents) {
    this.name = name;
    this.#events = events;
    this.#socket = connect({ host: setup.host, port: setup.port, noDelay: true });
    this.#socket.setEncoding('latin1');
    this.#socket.on('connect', () => {
      const suggest = setup.suggestDifficulty;
      this.#socket.write(
        encodeConfigure(CONFIGURE_ID, VERSION_ROLLING_MASK) +
          encodeSubscribe(SUBSCRIBE_ID, USER_AGENT) +
          (suggest === undefined ? '' : encodeSuggestDifficulty(SUGGEST_ID, suggest)) +
          encodeAuthorize(AUTHORIZE_ID, name, setup.password),
      );
    });
    this.#socket.on('data', (text: string) => this.#receive(text, monotonicMs()));
    this.#socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#reason = error.code ?? error.message;
    });
    this.#socket.on('close', () => {
      this.#closed = true;
      events.closed(this.#reason);
    });
  }

  get ready(): boolean {
    return this.#ready && !this.#closed;
  }
  get closed(): boolean {
    return this.#closed;
  }
  /** Shares without an answer. */
  get unanswered(): number {
    return this.#waiting.size;
  }
  /** Shares found and not yet sent. */
  get stock(): number {
    return this.#stock.length;
  }
  /** The tip of the newest job. */
  get tip(): string {
    return this.#tip;
  }

  stop(): void {
    this.#reason = 'stopped';
    this.#socket.destroy();
  }

  /**
   * Looks for shares on the newest job, at most `hashes` of them hashed now. True when there is at least one in stock.
   */
  search(hasher: Hasher, hashes: number): boolean {
    return this.#stock.length > 0 || this.searchMore(hasher, hashes);
  }

  /** As `search`, whatever is in stock already. */
  searchMore(hasher: Hasher, hashes: number): boolean {
    if (!this.ready || this.#subscription === undefined) return false;
    if (this.#job === undefined) {
      const message = parseServerLine(this.#jobLine);
      if (message.kind !== 'notify') return false;
      this.#job = message.job;
      this.#header = undefined;
    }
    const job = this.#job;
    const { extranonce1, extranonce2Size } = this.#subscription;
    if (this.#header === undefined || this.#nonce + hashes > NONCES) {
      this.#extranonce2 += 1;
      this.#nonce = 0;
      this.#header = buildHeader(
        job,
        extranonce1,
        numberBytes(this.#extranonce2, extranonce2Size),
        job.ntime,
        job.version,
        0,
      );
    }
    const { done, hits } = hasher.scan({
      header: this.#header,
      target: littleEndian(targetOfDifficulty(this.#jobDifficulty)),
      versions: Uint32Array.of(job.version),
      start: this.#nonce,
      count: hashes,
    });
    this.#nonce += done;
    // Servers differ in what the bits mean where the job's version has some of its own; then nothing is said of them.
    const versionBits = this.#mask !== 0 && (job.version & this.#mask) === 0 ? 0 : undefined;
    const extranonce2 = numberBytes(this.#extranonce2, extranonce2Size);
    for (const { nonce } of hits)
      this.#stock.push({ jobId: job.id, extranonce2, ntime: job.ntime, nonce, versionBits });
    return this.#stock.length > 0;
  }

  /** Sends a share from the stock. False when there is none. */
  submit(phase: Phase): boolean {
    const share = this.#closed ? undefined : this.#stock.pop();
    if (share === undefined) return false;
    const id = this.#nextId;
    this.#nextId += 1;
    const line = encodeSubmit(id, this.name, share);
    this.#waiting.set(id, { at: monotonicMs(), phase });
    this.#socket.write(line, 'latin1');
    return true;
  }

  #receive(text: string, at: number): void {
    const lines = (this.#partial + text).split('\n');
    this.#partial = lines.pop() ?? '';
    for (const line of lines) this.#line(line, at);
    if (this.#partial.length > MAX_SERVER_LINE) {
      this.#reason = 'a line of the server is too long';
      this.#socket.destroy();
    }
  }

  #line(line: string, at: number): void {
    let message: Record<string, unknown>;
    try {
      message = Object(JSON.parse(line)) as Record<string, unknown>;
    } catch {
      return;
    }
    const { method, params, id } = message;
    if (method === 'mining.notify' && Array.isArray(params)) {
      this.#notify(line, String(params[1]), params[8] === true, at);
    } else if (method === 'mining.set_difficulty' && Array.isArray(params)) {
      if (typeof params[0] === 'number' && params[0] > 0) this.#difficulty = params[0];
    } else if (method === 'mining.ping') {
      this.#socket.write(`${JSON.stringify({ id, result: 'pong', error: null })}\n`);
    } else if (method === undefined && typeof id === 'number') {
      this.#reply(id, message['result'], message['error'], at);
    }
  }

  #notify(line: string, previousHash: string, clean: boolean, at: number): void {
    this.#jobLine = line;
    this.#job = undefined;
    // Shares of the last job stay good until the work is said to be over, or is worth something else.
    if (clean || this.#jobDifficulty !== this.#difficulty) this.#stock = [];
    this.#jobDifficulty = this.#difficulty;
    const newTip = previousHash !== this.#tip;
    this.#tip = previousHash;
    this.#check();
    if (newTip) this.#events.newTip(previousHash, at);
  }

  #reply(id: number, result: unknown, error: unknown, at: number): void {
    if (id === SUBSCRIBE_ID) this.#subscription = parseSubscription(result);
    else if (id === CONFIGURE_ID) this.#mask = parseVersionMask(result);
    else if (id === AUTHORIZE_ID) this.#authorized = result === true;
    const sent = this.#waiting.get(id);
    if (sent === undefined) {
      this.#check();
      return;
    }
    this.#waiting.delete(id);
    const refused = Array.isArray(error) ? `${String(error[0])} ${String(error[1])}` : 'refused';
    this.#events.answer(
      sent.phase,
      (at - sent.at) * 1_000,
      result === true ? undefined : refused.slice(0, 60),
    );
  }

  #check(): void {
    if (this.#ready || !this.#authorized || this.#subscription === undefined || this.#jobLine === '') return;
    this.#ready = true;
    this.#events.ready();
  }
}

/** `size` bytes, big-endian, of a count. */
function numberBytes(value: number, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let i = size - 1, rest = value; i >= 0 && rest > 0; i -= 1, rest = Math.floor(rest / 256))
    bytes[i] = rest % 256;
  return bytes;
}

/** 32 bytes, as hashes in internal order are compared. */
export function littleEndian(target: bigint): Uint8Array {
  const bytes = new Uint8Array(32);
  for (let i = 0, rest = target; i < 32; i += 1, rest >>= 8n) bytes[i] = Number(rest & 0xffn);
  return bytes;
}
