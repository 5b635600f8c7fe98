import type { Socket } from 'node:net';
import { bytesToHex, concatBytes } from '../../core/bitcoin/bytes.ts';
import { targetOfDifficulty } from '../../core/bitcoin/target.ts';
import { ExtranonceAllocator } from '../../core/mining/extranonce.ts';
import { DuplicateSet, checkShare } from '../../core/mining/share.ts';
import type { Job, RejectReason, ShareOutcome } from '../../core/mining/types.ts';
import { initialDifficulty } from '../../core/mining/vardiff.ts';
import {
  encodeGetVersion,
  encodeNotify,
  encodePing,
  foreignProtocol,
  notifyTemplate,
  parseLine,
} from '../../core/stratum-v1/messages.ts';
import type { DisconnectReason, NotifyTemplate } from '../../core/stratum-v1/messages.ts';
import {
  PING_REQUEST_ID,
  Session,
  VERSION_REQUEST_ID,
  encodeOutcome,
} from '../../core/stratum-v1/session.ts';
import type { Output, SubmittedShare } from '../../core/stratum-v1/session.ts';
import type { Log } from '../log/index.ts';
import type { Upstream } from '../upstream/index.ts';
import { Audience } from './audience.ts';
import { Connection } from './connection.ts';
import { GatewayError } from './errors.ts';
import { limitsWith } from './limits.ts';
import type { GatewayLimits } from './limits.ts';
import { Listeners, every, remoteOf } from './listen.ts';
import { Places } from './places.ts';
import { Miners } from './miners.ts';
import { NoticeBoard } from './notices.ts';
import type { Notice } from './notices.ts';
import type { Gateway, GatewayAddress, MinerView, ShareEvent } from './types.ts';

/** extranonce1 ‖ extranonce2. Eight bytes for the miner: the size every firmware handles, and room for any speed. */
const EXTRANONCE1_SIZE = 4;
const EXTRANONCE2_SIZE = 8;
/** Messages of one connection that are handled before the others get their turn. */
const MESSAGES_PER_TURN = 64;
/** How often time is looked at: handshakes, silence, difficulties. ms */
const SWEEP_MS = 1_000;
/** Time a peer has to read why it is let go. ms */
const LAST_WORDS_MS = 2_000;
/** A difficulty that rises by this factor stops the old work at once; anything less waits for the work to run out. */
const CLEAN_FACTOR = 4;
/** Shares of machines remembered against being counted twice. About 60 bytes each. */
const MAX_SEEN = 200_000;

const HTTP_ANSWER =
  'HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n' +
  'X-Content-Type-Options: nosniff\r\nContent-Length: 69\r\n\r\n' +
  'This port is for mining machines (Stratum V1). There is no page here.';

const ADVICE: Readonly<Record<DisconnectReason, string>> = {
  http: 'A browser or web program opened the port for miners. The page has another address.',
  tls: 'It tried an encrypted connection (TLS). Set the machine to plain Stratum: stratum+tcp://, no TLS or SSL.',
  proxyProtocol: 'A proxy in front of the machine sends a PROXY line. Turn the PROXY protocol off there.',
  notJson: 'It sent a line that is no Stratum V1 message.',
  notStratum:
    'It does not speak Stratum V1. If the machine is set to Stratum V2, give it the Stratum V2 address and key from the page.',
};

export interface GatewayOptions {
  readonly upstream: Upstream;
  /** Addresses to listen on: "127.0.0.1" for this computer only, "::" or "0.0.0.0" for the network. */
  readonly host: string | readonly string[];
  /** 0 takes a free port, the same on every address. */
  readonly port: number;
  /** Difficulty of a machine whose speed is unknown; 0 or absent: picked by its name. */
  readonly startDifficulty?: number;
  /** Default 6. */
  readonly sharesPerMinute?: number;
  readonly limits?: Partial<GatewayLimits>;
  /** `now`: milliseconds since 1970. `every`: calls back again and again until what it gave is called; real time if absent. */
  readonly clock: {
    now(): number;
    readonly every?: (ms: number, callback: () => void) => () => void;
  };
  /** Random bytes; so that extranonces of a restarted process do not repeat. */
  readonly random: (bytes: number) => Uint8Array;
  readonly log: Log;
  /** Shared by listeners of one upstream, so that no two machines get the same work. Default: of its own. */
  readonly prefixes?: ExtranonceAllocator;
  /** What miners are told when they ask for a version. Default "Adit". */
  readonly serverName?: string;
}

interface CurrentJob {
  readonly job: Job;
  readonly template: NotifyTemplate;
  /** The whole line for machines that come while this job is the newest. */
  readonly first: Buffer;
}

/** Extranonce prefixes for the machines of one upstream, beginning anywhere, so that a restarted process repeats no work. */
export function newPrefixes(random: (bytes: number) => Uint8Array): ExtranonceAllocator {
  const start = random(EXTRANONCE1_SIZE).reduce((number, byte) => number * 256 + byte, 0);
  return new ExtranonceAllocator(EXTRANONCE1_SIZE, start);
}

export function createGateway(options: GatewayOptions): Gateway {
  return new StratumV1Gateway(options);
}

class StratumV1Gateway implements Gateway {
  readonly #options: GatewayOptions;
  readonly #upstream: Upstream;
  readonly #limits: GatewayLimits;
  readonly #sharesPerMinute: number;
  readonly #log: Log;
  readonly #allocator: ExtranonceAllocator;
  readonly #seen = new DuplicateSet(MAX_SEEN);
  readonly #jobIds = new Set<number>();
  readonly #connections = new Set<Connection>();
  /** Those that get jobs, in no order that matters. */
  readonly #ready: Connection[] = [];
  readonly #places: Places;
  readonly #miners = new Miners('sv1');
  readonly #notices: NoticeBoard;
  readonly #audience: Audience;
  readonly #listeners: Listeners;
  #started = false;
  #release: (() => void)[] = [];
  #current: CurrentJob | undefined;
  #fanOutFrom = 0;
  #lastFanOutMs: number | undefined;

  constructor(options: GatewayOptions) {
    this.#options = options;
    this.#upstream = options.upstream;
    this.#limits = limitsWith(options.limits ?? {});
    this.#places = new Places(this.#limits);
    this.#sharesPerMinute = options.sharesPerMinute ?? 6;
    this.#log = options.log;
    this.#allocator = options.prefixes ?? newPrefixes(options.random);
    this.#audience = new Audience(options.log);
    this.#listeners = new Listeners((socket) => this.#accept(socket), options.log);
    this.#notices = new NoticeBoard((notice) => {
      this.#log.warn(`gateway: ${notice.remote}: ${notice.detail}`, {
        code: notice.code,
        remote: notice.remote,
      });
      this.#audience.tellNotice(notice);
    });
  }

  async start(): Promise<void> {
    if (this.#started) throw new GatewayError('alreadyStarted', 'The gateway is running already.');
    this.#started = true;
    const { host, port } = this.#options;
    try {
      await this.#listeners.open(host, port);
    } catch (error) {
      this.#started = false;
      throw error;
    }
    const current = this.#upstream.current();
    if (current) this.#onJob(current);
    this.#release = [
      this.#upstream.onJob((job) => this.#onJob(job)),
      (this.#options.clock.every ?? every)(SWEEP_MS, () => this.#sweep()),
    ];
  }

  async stop(): Promise<void> {
    for (const release of this.#release) release();
    this.#release = [];
    for (const connection of this.#connections) this.#close(connection);
    await this.#listeners.close();
    this.#current = undefined;
    this.#started = false;
  }

  addresses(): readonly GatewayAddress[] {
    return this.#listeners.addresses();
  }

  miners(): readonly MinerView[] {
    return this.#miners.views();
  }

  onShare(listener: (event: ShareEvent) => void): () => void {
    return this.#audience.onShare(listener);
  }

  onMiners(listener: () => void): () => void {
    return this.#audience.onMiners(listener);
  }

  onNotice(listener: (notice: Notice) => void): () => void {
    return this.#audience.onNotice(listener);
  }

  lastFanOutMs(): number | undefined {
    return this.#lastFanOutMs;
  }

  // Connections

  #accept(socket: Socket): void {
    const now = this.#options.clock.now();
    const remote = remoteOf(socket);
    if (remote === undefined || !this.#started) {
      socket.destroy();
      return;
    }
    const full = this.#places.whyFull(remote);
    if (full) {
      // A reset: the peer learns at once, and nothing stays behind here.
      socket.resetAndDestroy();
      this.#notices.tell(full, now);
      return;
    }
    const session = new Session({
      extranonce1: this.#allocator.allocate(),
      extranonce2Size: EXTRANONCE2_SIZE,
      serverName: this.#options.serverName ?? 'Adit',
    });
    const connection = new Connection(socket, remote, session, this.#limits, now);
    this.#connections.add(connection);
    this.#places.take(remote);
    socket.on('data', (packet) => this.#onData(connection, packet));
    socket.on('error', (error) =>
      this.#log.debug('gateway: connection failed', { remote, error: error.message }),
    );
    socket.on('close', () => this.#close(connection));
  }

  /** Ends a connection from our side or after the peer did. Safe to call twice. */
  #close(connection: Connection, lastWords?: string): void {
    if (connection.closed) return;
    connection.flush();
    connection.closed = true;
    if (lastWords === undefined) connection.socket.destroy();
    else {
      connection.socket.end(lastWords, 'latin1');
      // What the peer still sends is thrown away, and it can't keep the socket open by sending on.
      connection.socket.resume();
      const timer = setTimeout(() => connection.socket.destroy(), LAST_WORDS_MS);
      connection.socket.once('close', () => clearTimeout(timer));
    }
    connection.lines.clear();
    this.#connections.delete(connection);
    this.#allocator.release(connection.session.extranonce1);
    this.#places.leave(connection.remote);
    const place = this.#ready.indexOf(connection);
    if (place !== -1) {
      const last = this.#ready.pop() as Connection;
      if (last !== connection) this.#ready[place] = last;
    }
    if (connection.machines.size === 0) return;
    for (const id of connection.machines.values()) this.#miners.leave(id, connection);
    this.#audience.tellMiners();
  }

  #drop(connection: Connection, code: string, detail: string, lastWords?: string): void {
    if (connection.closed) return;
    this.#close(connection, lastWords);
    this.#notices.tell({ code, remote: connection.remote, detail }, this.#options.clock.now());
  }

  #dropSlow(connection: Connection): void {
    this.#drop(connection, 'slow', 'It does not read what it is sent, and was disconnected.');
  }

  #onData(connection: Connection, packet: Buffer): void {
    if (connection.closed) return;
    connection.heardAt = this.#options.clock.now();
    if (connection.fresh) {
      connection.fresh = false;
      const foreign = foreignProtocol(packet);
      if (foreign) {
        this.#dropForeign(connection, foreign);
        return;
      }
    }
    connection.lines.push(packet);
    if (!connection.paused) this.#read(connection);
  }

  #dropForeign(connection: Connection, reason: DisconnectReason): void {
    this.#drop(connection, reason, ADVICE[reason], reason === 'http' ? HTTP_ANSWER : undefined);
  }

  /** Handles whole lines, up to a turn's worth; the rest after the others had theirs. */
  #read(connection: Connection): void {
    const events: ShareEvent[] = [];
    connection.gather();
    let turn = 0;
    while (!connection.closed) {
      const line = connection.lines.next();
      if (line === undefined) break;
      if (line.kind === 'tooLong') {
        const most = Math.round(this.#limits.maxLineBytes / 1_024);
        this.#drop(
          connection,
          'lineTooLong',
          `It sent a line of more than ${most} kB, and was disconnected.`,
        );
        break;
      }
      for (const output of connection.session.receive(parseLine(line.text))) {
        if (connection.closed) break;
        this.#handle(connection, output, events);
      }
      const wait = connection.budget.throttle(connection.heardAt);
      turn += 1;
      if (wait > 0 || turn >= MESSAGES_PER_TURN) {
        this.#pause(connection, wait);
        break;
      }
    }
    connection.flush();
    this.#audience.tellShares(events);
  }

  #pause(connection: Connection, wait: number): void {
    if (connection.closed) return;
    connection.paused = true;
    connection.socket.pause();
    const goOn = (): void => {
      connection.paused = false;
      if (connection.closed) return;
      connection.heardAt = this.#options.clock.now();
      this.#read(connection);
      if (!connection.paused && !connection.closed) connection.socket.resume();
    };
    if (wait > 0) setTimeout(goOn, wait);
    else setImmediate(goOn);
  }

  #send(connection: Connection, text: string): void {
    if (text !== '' && !connection.send(text)) this.#dropSlow(connection);
  }

  #handle(connection: Connection, output: Output, events: ShareEvent[]): void {
    switch (output.kind) {
      case 'send':
        this.#send(connection, output.text);
        return;
      case 'share':
        this.#judge(connection, output.share, events);
        return;
      case 'rejected':
        this.#send(connection, output.text);
        events.push(this.#rejection(connection, output.worker, undefined, 0, output.reason));
        this.#countInvalid(connection);
        return;
      case 'confused':
        this.#send(connection, output.text);
        this.#countInvalid(connection);
        return;
      case 'authorized':
        this.#join(connection, output.worker);
        return;
      case 'named':
        if (connection.machines.size > 0) this.#audience.tellMiners();
        return;
      case 'ready':
        this.#begin(connection);
        return;
      case 'difficultyAsked': {
        const now = connection.heardAt;
        const difficulty = connection.askDifficulty(
          output.difficulty,
          output.floor,
          this.#sharesPerMinute,
          now,
        );
        this.#setDifficulty(connection, difficulty, now);
        return;
      }
      case 'disconnect':
        if (output.reason === 'terminated') this.#close(connection, '');
        else this.#dropForeign(connection, output.reason);
    }
  }

  #join(connection: Connection, worker: string): void {
    connection.machines.set(
      worker,
      this.#miners.join(worker, connection.remote, connection, connection.heardAt),
    );
    this.#audience.tellMiners();
  }

  #begin(connection: Connection): void {
    const { startDifficulty = 0 } = this.#options;
    const rate = this.#sharesPerMinute;
    const initial = startDifficulty > 0 ? startDifficulty : initialDifficulty(connection.userAgent, rate);
    connection.beginDifficulty(initial, rate, connection.heardAt);
    this.#ready.push(connection);
    const current = this.#current;
    if (current) this.#sendJob(connection, current.template, current.first);
    if (connection.userAgent === '') this.#send(connection, encodeGetVersion(VERSION_REQUEST_ID));
  }

  #countInvalid(connection: Connection): void {
    if (!connection.budget.invalid(connection.heardAt)) return;
    const name = connection.session.workers[0] ?? 'a machine without a name';
    this.#drop(
      connection,
      'invalidFlood',
      `${name} sent too many refused shares or senseless requests, and was disconnected.`,
    );
  }

  // Shares

  #judge(connection: Connection, share: SubmittedShare, events: ShareEvent[]): void {
    const now = connection.heardAt;
    const job = this.#upstream.job(share.jobId);
    const outcome = job ? this.#check(connection, job, share, now) : unknownJob;
    if (job && outcome.kind === 'blockFound') {
      // Before anything else: every millisecond may cost the block, and nothing after this may keep it from the node.
      try {
        this.#upstream.blockFound(job, outcome, { worker: share.worker, userAgent: connection.userAgent });
      } catch (error) {
        this.#log.error('gateway: handing over a found block failed', {
          height: job.height,
          header: bytesToHex(outcome.header),
          error: (error as Error).message,
        });
      }
    }
    this.#send(connection, encodeOutcome(share.id, outcome));
    if (outcome.kind === 'rejected') {
      events.push(
        this.#rejection(connection, share.worker, share.jobId, share.assignedDifficulty, outcome.reason),
      );
      // Late shares are nobody's fault.
      if (outcome.reason !== 'stale') this.#countInvalid(connection);
      return;
    }
    const minerId = connection.machines.get(share.worker) ?? '';
    this.#miners.share(minerId, now);
    events.push({
      at: now,
      minerId,
      worker: share.worker,
      userAgent: connection.userAgent,
      jobId: share.jobId,
      assignedDifficulty: share.assignedDifficulty,
      outcome: {
        kind: 'accepted',
        difficulty: outcome.difficulty,
        block: outcome.kind === 'blockFound',
        hash: bytesToHex(outcome.hash.toReversed()),
      },
    });
    this.#setDifficulty(connection, connection.accepted(now, share.assignedDifficulty), now);
  }

  #check(connection: Connection, job: Job, share: SubmittedShare, now: number): ShareOutcome {
    const { session } = connection;
    const extranonce = concatBytes(session.extranonce1, share.extranonce2);
    const context = {
      assignedTarget: targetOfDifficulty(share.assignedDifficulty),
      current: this.#upstream.isCurrentTip(job),
      seen: this.#seen,
      now: Math.floor(now / 1_000),
      versionMask: session.versionMask,
    };
    let first: ShareOutcome | undefined;
    for (const version of session.versionsOf(job.version, share.versionBits)) {
      const { ntime, nonce } = share;
      const outcome = checkShare(job, { jobId: job.id, extranonce, version, ntime, nonce }, context);
      if (outcome.kind !== 'rejected') return outcome;
      first ??= outcome;
    }
    return first ?? unknownJob;
  }

  #rejection(
    connection: Connection,
    worker: string,
    jobId: number | undefined,
    assignedDifficulty: number,
    reason: RejectReason,
  ): ShareEvent {
    return {
      at: connection.heardAt,
      minerId: connection.machines.get(worker) ?? '',
      worker,
      userAgent: connection.userAgent,
      jobId,
      assignedDifficulty,
      outcome: { kind: 'rejected', reason },
    };
  }

  // Jobs and difficulty

  #onJob(job: Job): void {
    const began = performance.now();
    if (job.extranonceSize !== EXTRANONCE1_SIZE + EXTRANONCE2_SIZE) {
      const detail = `Job ${job.id} has room for ${job.extranonceSize} bytes of extranonce, ${EXTRANONCE1_SIZE + EXTRANONCE2_SIZE} are needed. It was not sent.`;
      this.#notices.tell({ code: 'extranonceSize', remote: 'upstream', detail }, this.#options.clock.now());
      return;
    }
    const template = notifyTemplate(job);
    const line = Buffer.from(encodeNotify(template, job.cleanJobs), 'latin1');
    const first = job.cleanJobs ? line : Buffer.from(encodeNotify(template, true), 'latin1');
    this.#current = { job, template, first };
    // Everyone is first in turn. A copy, because a slow peer is taken out while it runs.
    const ready = this.#ready.slice();
    this.#fanOutFrom =
      ready.length === 0 ? 0 : (this.#fanOutFrom + Math.ceil(ready.length / 7)) % ready.length;
    for (let i = 0; i < ready.length; i += 1) {
      const connection = ready[(i + this.#fanOutFrom) % ready.length] as Connection;
      this.#sendJob(connection, template, line);
    }
    if (job.cleanJobs) this.#lastFanOutMs = performance.now() - began;
    for (const id of this.#jobIds) {
      if (this.#upstream.job(id) !== undefined) continue;
      this.#jobIds.delete(id);
      this.#seen.drop(id);
    }
    this.#jobIds.add(job.id);
  }

  /** `line` is the job's `mining.notify`; the difficulty goes before it where it is new, in the same write. */
  #sendJob(connection: Connection, template: NotifyTemplate, line: Buffer): void {
    if (connection.closed) return;
    const before = connection.session.jobSent(template, connection.difficulty);
    const fast =
      before === ''
        ? connection.sendShared(line)
        : connection.sendShared(Buffer.concat([Buffer.from(before, 'latin1'), line]));
    if (!fast) this.#dropSlow(connection);
  }

  /** A new difficulty takes effect now: the current job is sent once more with it. Without a job, it goes with the first. */
  #setDifficulty(connection: Connection, difficulty: number | undefined, now: number): void {
    const current = this.#current;
    const { session } = connection;
    if (difficulty === undefined || current === undefined || connection.closed || !session.ready) return;
    const clean = difficulty >= CLEAN_FACTOR * session.difficulty;
    this.#send(connection, session.resend(current.template, difficulty, Math.floor(now / 1_000), clean));
    this.#audience.tellMiners();
  }

  // Time

  #sweep(): void {
    const now = this.#options.clock.now();
    const { handshakeMs, pingAfterMs, deadAfterMs } = this.#limits;
    for (const connection of this.#connections) {
      if (!connection.session.ready) {
        if (now - connection.openedAt >= handshakeMs) {
          this.#drop(
            connection,
            'handshake',
            `It connected but did not subscribe and authorise within ${Math.round(handshakeMs / 1_000)} s.`,
          );
        }
        continue;
      }
      const silent = now - connection.heardAt;
      if (silent >= deadAfterMs) {
        this.#drop(
          connection,
          'halfOpen',
          `It has been silent for ${Math.round(silent / 60_000)} minutes, and was disconnected.`,
        );
        continue;
      }
      if (silent >= pingAfterMs && now - connection.pingedAt >= pingAfterMs) {
        connection.pingedAt = now;
        this.#send(connection, encodePing(PING_REQUEST_ID));
      }
      this.#setDifficulty(connection, connection.tick(now), now);
    }
    this.#notices.flush(now);
  }
}

const unknownJob: ShareOutcome = { kind: 'rejected', reason: 'unknownJob', detail: 'no such job' };
