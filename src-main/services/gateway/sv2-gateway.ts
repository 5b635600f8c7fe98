import type { Socket } from 'node:net';
import { bytesToHex } from '../../core/bitcoin/bytes.ts';
import type { ExtranonceAllocator } from '../../core/mining/extranonce.ts';
import { DuplicateSet } from '../../core/mining/share.ts';
import type { Job } from '../../core/mining/types.ts';
import { foreignProtocol } from '../../core/stratum-v1/messages.ts';
import { plain } from '../../core/stratum-v2/channels/messages.ts';
import {
  ServerSession,
  type MiningChannel,
  type ServerOutput,
  type ShareVerdict,
} from '../../core/stratum-v2/channels/server/session.ts';
import type { Frame } from '../../core/stratum-v2/frame.ts';
import { SubmitSharesExtended, SubmitSharesStandard } from '../../core/stratum-v2/messages/mining.ts';
import { NoiseResponder, type ResponderIdentity } from '../../core/stratum-v2/noise.ts';
import { HandshakeQueue, SecureChannel } from '../sv2-transport/index.ts';
import { Audience } from './audience.ts';
import { GatewayError } from './errors.ts';
import { newPrefixes, type GatewayOptions } from './gateway.ts';
import { limitsWith, type GatewayLimits } from './limits.ts';
import { Listeners, every, remoteOf } from './listen.ts';
import { Places } from './places.ts';
import { Miners } from './miners.ts';
import { NoticeBoard, type Notice } from './notices.ts';
import { Admission } from './sv2-admission.ts';
import { Sv2Connection, type ChannelMachine } from './sv2-connection.ts';
import { FrameEncoder } from './sv2-frames.ts';
import type { Gateway, GatewayAddress, MinerView, ShareEvent } from './types.ts';

/** Extranonce prefix ‖ what the machine rolls: 4 and 8 bytes, as on the Stratum V1 side. Bitaxe wants 6 or more, NerdQAxe 8. */
const EXTRANONCE_SIZE = 12;
/** Messages of one connection that are handled before the others get their turn. */
const MESSAGES_PER_TURN = 64;
/** What a message other than a share counts against the limit of messages: opening a channel costs as much as many shares. */
const CONTROL_WEIGHT = 20;
/** How often time is looked at: handshakes, silence, difficulties. ms */
const SWEEP_MS = 1_000;
/** Time a peer has to read why it is let go. ms */
const LAST_WORDS_MS = 2_000;
/** Shares of machines remembered against being counted twice. About 60 bytes each. */
const MAX_SEEN = 200_000;
/** The longest name that is shown. */
const MAX_WORKER = 255;
const UNNAMED = 'unnamed';

const KEY_ADVICE =
  'Copy the authority key from the page to the machine once more; if it is right, check that the clocks of both are right.';

export interface Sv2GatewayOptions extends Omit<GatewayOptions, 'serverName'> {
  /** Static key and certificate for connections that begin now (`Authority.identity`). */
  readonly identity: () => ResponderIdentity;
}

/** The Stratum V2 listener: standard, extended and group channels over the same jobs as Stratum V1. */
export function createSv2Gateway(options: Sv2GatewayOptions): Gateway {
  return new StratumV2Gateway(options);
}

const isShare = ({ extensionType, messageType }: Frame): boolean =>
  extensionType === 0 &&
  (messageType === SubmitSharesStandard.messageType || messageType === SubmitSharesExtended.messageType);

/** What a peer speaks that began with these bytes, none of which can begin a handshake by honest chance. */
function foreignNotice(first: Uint8Array): Omit<Notice, 'remote'> | undefined {
  const text = Buffer.from(first).toString('latin1');
  // A key is random: so many plain letters in a row at its beginning happen once in a billion.
  if (/^\s*\{[\x20-\x7e\s]{15}/.test(text)) {
    return {
      code: 'stratumV1',
      detail:
        'It speaks Stratum V1, but this is the port for Stratum V2. Give it the Stratum V1 address from the page.',
    };
  }
  const known = foreignProtocol(first);
  if (known === 'http' && /^[A-Z]+ [\x21-\x7e]+ HTTP/.test(text))
    return {
      code: 'http',
      detail: 'A browser or web program opened the port for miners. The page has another address.',
    };
  if (known === 'proxyProtocol')
    return {
      code: 'proxyProtocol',
      detail: 'A proxy in front of the machine sends a PROXY line. Turn the PROXY protocol off there.',
    };
  return undefined;
}

class StratumV2Gateway implements Gateway {
  readonly #options: Sv2GatewayOptions;
  readonly #limits: GatewayLimits;
  readonly #prefixes: ExtranonceAllocator;
  readonly #seen = new DuplicateSet(MAX_SEEN);
  readonly #jobIds = new Set<number>();
  readonly #connections = new Set<Sv2Connection>();
  readonly #places: Places;
  readonly #admission: Admission<Sv2Connection>;
  readonly #handshakes = new HandshakeQueue();
  readonly #miners = new Miners('sv2');
  readonly #audience: Audience;
  readonly #notices: NoticeBoard;
  readonly #listeners: Listeners;
  readonly #encoder = new FrameEncoder();
  #channels = 0;
  #started = false;
  #release: (() => void)[] = [];
  #fanOutFrom = 0;
  #lastFanOutMs: number | undefined;

  constructor(options: Sv2GatewayOptions) {
    const { log } = options;
    this.#options = options;
    this.#limits = limitsWith(options.limits ?? {});
    this.#places = new Places(this.#limits);
    this.#prefixes = options.prefixes ?? newPrefixes(options.random);
    this.#admission = new Admission(this.#limits);
    this.#audience = new Audience(log);
    this.#listeners = new Listeners((socket) => this.#accept(socket), log);
    this.#notices = new NoticeBoard((notice) => {
      const { code, remote, detail } = notice;
      log.warn(`gateway: ${remote}: ${detail}`, { code, remote, protocol: 'sv2' });
      this.#audience.tellNotice(notice);
    });
  }

  async start(): Promise<void> {
    if (this.#started) throw new GatewayError('alreadyStarted', 'The gateway is running already.');
    this.#started = true;
    const { host, port, upstream, clock } = this.#options;
    try {
      await this.#listeners.open(host, port);
    } catch (error) {
      this.#started = false;
      throw error;
    }
    const current = upstream.current();
    if (current) this.#jobIds.add(current.id);
    this.#release = [
      upstream.onJob((job) => this.#onJob(job)),
      (clock.every ?? every)(SWEEP_MS, () => this.#sweep()),
    ];
  }

  async stop(): Promise<void> {
    for (const release of this.#release) release();
    this.#release = [];
    this.#started = false;
    for (const connection of this.#connections) this.#close(connection);
    this.#handshakes.clear();
    await this.#listeners.close();
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
    const full = this.#whyFull(remote, now);
    if (full) {
      // A reset: the peer learns at once, and nothing stays behind here.
      socket.resetAndDestroy();
      this.#notices.tell(full, now);
      return;
    }
    const connection = new Sv2Connection(socket, remote, this.#session(), this.#limits, now);
    this.#connections.add(connection);
    this.#places.take(remote);
    socket.on('data', (packet) => this.#onData(connection, packet));
    socket.on('error', (error) =>
      this.#options.log.debug('gateway: connection failed', { remote, error: error.message }),
    );
    socket.on('close', () => this.#gone(connection));
    const leaves = this.#admission.add(connection);
    if (leaves)
      this.#drop(
        leaves,
        'handshake',
        'Too many connections wait for their handshake; the oldest were let go.',
      );
  }

  #whyFull(remote: string, now: number): Notice | undefined {
    const full = this.#places.whyFull(remote);
    if (full) return full;
    if (this.#admission.full(remote)) {
      const detail = `More than ${this.#limits.maxUnfinishedPerAddress} connections from this address have not finished their handshake. New ones are refused until they have.`;
      return { code: 'tooManyHandshakes', remote, detail };
    }
    if (this.#admission.failing(remote, now)) {
      const detail = `Its handshakes come to nothing again and again. New ones are refused for a while. ${KEY_ADVICE}`;
      return { code: 'handshakesFail', remote, detail };
    }
    return undefined;
  }

  #session(): ServerSession {
    const { upstream, sharesPerMinute, startDifficulty } = this.#options;
    const session = new ServerSession({
      prefixes: this.#prefixes,
      extranonceSize: EXTRANONCE_SIZE,
      sharesPerMinute: sharesPerMinute ?? 6,
      startDifficulty: startDifficulty ?? 0,
      maxChannels: this.#limits.maxChannelsPerConnection,
      seen: this.#seen,
      // What the upstream has forgotten can't be checked against being sent twice any more.
      isCurrent: (job) => upstream.job(job.id) !== undefined && upstream.isCurrentTip(job),
    });
    const job = upstream.current();
    // Nobody has a channel yet: it only learns what those to come begin with.
    if (job?.extranonceSize === EXTRANONCE_SIZE) session.newJob(job);
    return session;
  }

  /** The socket is closed, by the peer unless `#close` was there first. */
  #gone(connection: Sv2Connection): void {
    if (connection.closed) return;
    const { stage } = connection;
    this.#close(connection);
    if (stage !== 'answered' || !this.#started) return;
    const detail = `It went away right after our half of the handshake: its authority key is most likely not ours. ${KEY_ADVICE}`;
    this.#notices.tell({ code: 'keyRefused', remote: connection.remote, detail }, this.#options.clock.now());
  }

  /** Ends a connection from our side or after the peer did. Safe to call twice. */
  #close(connection: Sv2Connection, withLastWords = false): void {
    if (connection.closed) return;
    connection.secure?.flush();
    connection.closed = true;
    connection.leaveQueue?.();
    const { socket, session, remote } = connection;
    if (withLastWords) {
      socket.end();
      // What the peer still sends is thrown away, and it can't keep the socket open by sending on.
      socket.resume();
      const timer = setTimeout(() => socket.destroy(), LAST_WORDS_MS);
      socket.once('close', () => clearTimeout(timer));
    } else {
      socket.destroy();
    }
    this.#channels -= connection.openChannels;
    session.close();
    this.#connections.delete(connection);
    this.#admission.remove(connection);
    // Our half of the handshake was for nothing.
    if (connection.secure && !connection.wasReady) this.#admission.fail(remote, this.#options.clock.now());
    this.#places.leave(remote);
    this.#leave(connection.takeMachines());
  }

  #leave(machines: readonly ChannelMachine[]): void {
    if (machines.length === 0) return;
    for (const { id, link } of machines) this.#miners.leave(id, link);
    this.#audience.tellMiners();
  }

  #drop(connection: Sv2Connection, code: string, detail: string, withLastWords = false): void {
    if (connection.closed) return;
    this.#close(connection, withLastWords);
    this.#notices.tell({ code, remote: connection.remote, detail }, this.#options.clock.now());
  }

  // Handshake

  #onData(connection: Sv2Connection, packet: Buffer): void {
    if (connection.closed) return;
    connection.heardAt = this.#options.clock.now();
    if (!connection.secure) {
      this.#onHello(connection, packet);
      return;
    }
    try {
      connection.secure.push(packet);
    } catch (error) {
      this.#dropBroken(connection, error);
      return;
    }
    if (!connection.paused) this.#read(connection);
  }

  #onHello(connection: Sv2Connection, packet: Buffer): void {
    const honest = connection.takeHello(packet);
    const foreign = foreignNotice(connection.hello);
    if (foreign || !honest) {
      const { code, detail } = foreign ?? {
        code: 'notStratumV2',
        detail: 'It does not speak Stratum V2. Give it the Stratum V1 address from the page.',
      };
      this.#drop(connection, code, detail);
      return;
    }
    if (!connection.helloComplete || connection.stage !== 'hello') return;
    connection.stage = 'queued';
    connection.leaveQueue = this.#handshakes.add(connection.remote, () => this.#answer(connection));
  }

  /** The handshake's arithmetic, when it is this connection's turn. */
  #answer(connection: Sv2Connection): void {
    connection.leaveQueue = undefined;
    if (connection.closed) return;
    const { identity, random, clock } = this.#options;
    const { socket } = connection;
    try {
      const step = new NoiseResponder({ identity: identity(), random }).receive(connection.hello);
      if (step.kind !== 'done') return;
      socket.write(step.reply);
      connection.secure = new SecureChannel(socket, step.transport, {
        maxPayload: this.#limits.maxLineBytes,
        maxBufferedBytes: this.#limits.maxBufferedBytes,
      });
      connection.stage = 'answered';
      connection.answeredAt = clock.now();
    } catch (error) {
      this.#options.log.error('gateway: a handshake failed on our side', { error: (error as Error).stack });
      this.#drop(connection, 'handshake', 'The handshake could not be answered; the log file says why.');
    }
  }

  #dropBroken(connection: Sv2Connection, error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    if (connection.stage === 'live')
      this.#drop(connection, 'brokenFrame', `It sent what can't be read (${reason}), and was disconnected.`);
    else
      this.#drop(
        connection,
        'notStratumV2',
        'It did not finish the handshake of Stratum V2. Give it the Stratum V1 address from the page if it speaks that.',
      );
  }

  // Messages

  /** Handles whole frames, up to a turn's worth; the rest after the others had theirs. */
  #read(connection: Sv2Connection): void {
    const { secure, session, budget } = connection;
    if (!secure) return;
    const events: ShareEvent[] = [];
    secure.gather();
    let turn = 0;
    while (!connection.closed) {
      let frame: Frame | undefined;
      try {
        frame = secure.next();
      } catch (error) {
        this.#dropBroken(connection, error);
        break;
      }
      if (!frame) break;
      connection.stage = 'live';
      const received = frame;
      this.#run(connection, () => session.receiveFrame(received, connection.heardAt), events);
      const wait = budget.throttle(connection.heardAt, isShare(frame) ? 1 : CONTROL_WEIGHT);
      turn += 1;
      if (wait > 0 || turn >= MESSAGES_PER_TURN) {
        this.#pause(connection, wait);
        break;
      }
    }
    if (!connection.closed) this.#run(connection, () => session.flush(), events);
    if (!connection.closed) secure.flush();
    this.#audience.tellShares(events);
  }

  #pause(connection: Sv2Connection, wait: number): void {
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

  /** What its session wants done. A fault of ours with one connection must not cost the others. */
  #run(connection: Sv2Connection, work: () => readonly ServerOutput[], events: ShareEvent[]): void {
    try {
      this.#do(connection, work(), events);
    } catch (error) {
      this.#options.log.error('gateway: a connection failed on our side', { error: (error as Error).stack });
      this.#drop(
        connection,
        'failed',
        'It was disconnected because of a fault in Adit; the log file says more.',
      );
    }
  }

  #do(connection: Sv2Connection, outputs: readonly ServerOutput[], events: ShareEvent[]): void {
    for (const output of outputs) {
      if (output.kind === 'share') this.#judged(connection, output.verdict, events);
      else if (!connection.closed) this.#handle(connection, output);
    }
  }

  #handle(connection: Sv2Connection, output: Exclude<ServerOutput, { kind: 'share' }>): void {
    switch (output.kind) {
      case 'send':
        if (!connection.send(this.#encoder.encode(output.message)))
          this.#drop(connection, 'slow', 'It does not read what it is sent, and was disconnected.');
        return;
      case 'connected':
        connection.wasReady = true;
        this.#admission.remove(connection);
        return;
      case 'opened':
        this.#opened(connection, output.channel);
        return;
      case 'closed':
        this.#channels -= 1;
        connection.openChannels -= 1;
        this.#leave(connection.takeMachines(output.channel.id));
        return;
      case 'difficulty':
        this.#audience.tellMiners();
        return;
      case 'confused':
        this.#countInvalid(connection);
        return;
      case 'disconnect':
        this.#drop(connection, output.reason, `It was disconnected: ${output.detail}.`, true);
    }
  }

  #opened(connection: Sv2Connection, channel: MiningChannel): void {
    this.#channels += 1;
    connection.openChannels += 1;
    if (this.#channels > this.#limits.maxChannels) {
      const detail = `More than ${this.#limits.maxChannels} channels are open. New ones are closed again.`;
      this.#notices.tell({ code: 'tooManyChannels', remote: connection.remote, detail }, connection.heardAt);
      // Its answer is on the way behind this output; the end of the channel goes behind that.
      queueMicrotask(() => {
        if (connection.closed || !connection.session.channels.has(channel.id)) return;
        const { session } = connection;
        this.#run(connection, () => session.closeChannel(channel.id, 'channel-capacity-exhausted'), []);
        connection.secure?.flush();
      });
    }
    this.#machine(connection, channel, workerName(channel.userIdentity));
    this.#audience.tellMiners();
  }

  /** The machine of this name behind a channel; one more when the name is new. */
  #machine(connection: Sv2Connection, channel: MiningChannel, worker: string): string {
    const known = connection.machine(channel.id, worker);
    if (known) return known.id;
    if (!connection.roomForMachine) return '';
    const link = connection.linkOf(channel);
    const id = this.#miners.join(worker, connection.remote, link, connection.heardAt);
    connection.keepMachine(channel.id, worker, { id, link });
    this.#audience.tellMiners();
    return id;
  }

  #countInvalid(connection: Sv2Connection): void {
    if (!connection.budget.invalid(connection.heardAt)) return;
    this.#drop(
      connection,
      'invalidFlood',
      `${connection.session.userAgent || 'A machine without a name'} sent too many refused shares or senseless requests, and was disconnected.`,
    );
  }

  // Shares

  #judged(connection: Sv2Connection, verdict: ShareVerdict, events: ShareEvent[]): void {
    const { outcome, job, assignedDifficulty } = verdict;
    const { userAgent } = connection.session;
    const worker = workerName(verdict.worker ?? verdict.userIdentity ?? '');
    if (job && outcome.kind === 'blockFound') {
      // Before anything else: every millisecond may cost the block, and nothing after this may keep it from the node.
      try {
        this.#options.upstream.blockFound(job, outcome, { worker, userAgent });
      } catch (error) {
        this.#options.log.error('gateway: handing over a found block failed', {
          height: job.height,
          header: bytesToHex(outcome.header),
          error: (error as Error).message,
        });
      }
    }
    const channel = connection.session.channels.get(verdict.channelId);
    const accepted = outcome.kind !== 'rejected';
    const minerId = channel
      ? // A name that comes only with refused shares makes no machine.
        accepted
        ? this.#machine(connection, channel, worker)
        : (connection.machine(channel.id, worker)?.id ?? '')
      : '';
    const base = {
      at: connection.heardAt,
      minerId,
      worker,
      userAgent,
      jobId: job?.id,
      assignedDifficulty,
    };
    if (!accepted) {
      events.push({ ...base, outcome: { kind: 'rejected', reason: outcome.reason } });
      // Late shares are nobody's fault.
      if (outcome.reason !== 'stale') this.#countInvalid(connection);
      return;
    }
    connection.budget.accepted();
    this.#miners.share(minerId, connection.heardAt);
    events.push({
      ...base,
      outcome: {
        kind: 'accepted',
        difficulty: outcome.difficulty,
        block: outcome.kind === 'blockFound',
        hash: bytesToHex(outcome.hash.toReversed()),
      },
    });
  }

  // Jobs

  #onJob(job: Job): void {
    const began = performance.now();
    if (job.extranonceSize !== EXTRANONCE_SIZE) {
      const detail = `Job ${job.id} has room for ${job.extranonceSize} bytes of extranonce, ${EXTRANONCE_SIZE} are needed. It was not sent.`;
      this.#notices.tell({ code: 'extranonceSize', remote: 'upstream', detail }, this.#options.clock.now());
      return;
    }
    // Everyone is first in turn. A copy, because a slow peer is taken out while it runs.
    const all = [...this.#connections];
    this.#fanOutFrom = all.length === 0 ? 0 : (this.#fanOutFrom + Math.ceil(all.length / 7)) % all.length;
    for (let i = 0; i < all.length; i += 1) {
      const connection = all[(i + this.#fanOutFrom) % all.length] as Sv2Connection;
      if (connection.closed) continue;
      connection.secure?.gather();
      this.#run(connection, () => connection.session.newJob(job), []);
      if (!connection.closed) connection.secure?.flush();
    }
    if (job.cleanJobs) this.#lastFanOutMs = performance.now() - began;
    for (const id of this.#jobIds) {
      if (this.#options.upstream.job(id) !== undefined) continue;
      this.#jobIds.delete(id);
      this.#seen.drop(id);
    }
    this.#jobIds.add(job.id);
  }

  // Time

  #sweep(): void {
    const now = this.#options.clock.now();
    const { helloMs, handshakeMs, emptyAfterMs } = this.#limits;
    const seconds = (ms: number): number => Math.round(ms / 1_000);
    for (const connection of this.#connections) {
      const { session, stage } = connection;
      if (stage === 'hello') {
        if (now - connection.openedAt >= helloMs) {
          const detail = `It connected but did not begin the handshake of Stratum V2 within ${seconds(helloMs)} s.`;
          this.#drop(connection, 'handshake', detail);
        }
      } else if (!session.ready) {
        // While it waits for its turn of the handshake, nothing is held against it.
        if (stage !== 'queued' && now - connection.answeredAt >= handshakeMs) {
          const detail = `It connected but did not set up the connection within ${seconds(handshakeMs)} s.`;
          this.#drop(connection, 'handshake', detail);
        }
      } else if (connection.openChannels === 0 && now - connection.heardAt >= emptyAfterMs) {
        const detail = `It has opened no channel for ${Math.round(emptyAfterMs / 60_000)} minutes, and was disconnected.`;
        this.#drop(connection, 'empty', detail);
      } else {
        // Stratum V2 has no message to ask for a sign of life, and a proxy may have no machine for days: whether the peer
        // is still there, the keep-alive of TCP finds out.
        connection.secure?.gather();
        this.#run(connection, () => session.tick(now), []);
        if (!connection.closed) connection.secure?.flush();
      }
    }
    this.#notices.flush(now);
  }
}

/** The name a machine is shown by: hostile text made plain, and never empty. */
function workerName(text: string): string {
  const name = plain(text).trim().slice(0, MAX_WORKER);
  return name === '' ? UNNAMED : name;
}
