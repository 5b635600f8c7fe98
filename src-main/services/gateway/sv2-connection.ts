import type { Socket } from 'node:net';
import type { MiningChannel, ServerSession } from '../../core/stratum-v2/channels/server/session.ts';
import { ACT_1_LENGTH } from '../../core/stratum-v2/noise.ts';
import type { SecureChannel } from '../sv2-transport/index.ts';
import { PeerBudget } from './budget.ts';
import type { GatewayLimits } from './limits.ts';
import type { MinerLink } from './miners.ts';

/** Worker names of one connection that are shown as machines of their own; a peer may make up any number. */
const MAX_WORKERS = 1_024;
/** More bytes that may wait for a peer for each channel it has: a job for each of them. */
const BUFFER_PER_CHANNEL = 1_024;

/**
 * Where a connection is: `hello` waits for the peer's first 64 bytes, `queued` for its turn of a handshake, `answered` for its
 * first message after ours; `live` has spoken.
 */
export type Stage = 'hello' | 'queued' | 'answered' | 'live';

/** What a machine looks like through a channel. */
class ChannelLink implements MinerLink {
  readonly #session: ServerSession;
  readonly #channel: MiningChannel;

  constructor(session: ServerSession, channel: MiningChannel) {
    this.#session = session;
    this.#channel = channel;
  }
  get userAgent(): string {
    return this.#session.userAgent;
  }
  get difficulty(): number {
    return this.#channel.difficulty;
  }
  get versionRolling(): boolean {
    return this.#channel.versionRolling;
  }
}

/** A machine as known from one channel. */
export interface ChannelMachine {
  readonly id: string;
  readonly link: MinerLink;
}

/** One socket with everything that belongs to it. Does the bookkeeping; decides nothing about the protocol. */
export class Sv2Connection {
  readonly socket: Socket;
  /** IP address without port. */
  readonly remote: string;
  readonly session: ServerSession;
  readonly budget: PeerBudget;
  readonly openedAt: number;
  heardAt: number;
  /** When our half of the handshake went out. */
  answeredAt: number;
  stage: Stage = 'hello';
  /** It set up the connection. */
  wasReady = false;
  /** Channels that were opened and not closed. */
  openChannels = 0;
  closed = false;
  /** Reading stopped until there is time again. */
  paused = false;
  /** Takes it out of the queue for handshakes. */
  leaveQueue: (() => void) | undefined;
  secure: SecureChannel | undefined;
  readonly #hello = new Uint8Array(ACT_1_LENGTH);
  #helloLength = 0;
  /** By channel id, then worker name. */
  readonly #machines = new Map<number, Map<string, ChannelMachine>>();
  readonly #links = new Map<number, MinerLink>();
  #machineCount = 0;

  constructor(socket: Socket, remote: string, session: ServerSession, limits: GatewayLimits, now: number) {
    this.socket = socket;
    this.remote = remote;
    this.session = session;
    this.budget = new PeerBudget(limits, now);
    this.openedAt = now;
    this.heardAt = now;
    this.answeredAt = now;
  }

  /** The peer's first bytes, 64 at most. */
  get hello(): Uint8Array {
    return this.#hello.subarray(0, this.#helloLength);
  }

  /** Takes bytes before the handshake. False when there are more than an honest peer can have sent by then. */
  takeHello(bytes: Uint8Array): boolean {
    const taken = Math.min(bytes.length, ACT_1_LENGTH - this.#helloLength);
    this.#hello.set(bytes.subarray(0, taken), this.#helloLength);
    this.#helloLength += taken;
    return taken === bytes.length;
  }

  get helloComplete(): boolean {
    return this.#helloLength === ACT_1_LENGTH;
  }

  /** Sends an encoded frame. False when the peer does not read and too much waits for it. */
  send(frame: Uint8Array): boolean {
    if (this.closed || !this.secure) return true;
    return this.secure.send(frame, BUFFER_PER_CHANNEL * this.session.channels.size);
  }

  linkOf(channel: MiningChannel): MinerLink {
    let link = this.#links.get(channel.id);
    if (!link) {
      link = new ChannelLink(this.session, channel);
      this.#links.set(channel.id, link);
    }
    return link;
  }

  /** The machine of this name behind a channel, if it was kept. */
  machine(channelId: number, worker: string): ChannelMachine | undefined {
    return this.#machines.get(channelId)?.get(worker);
  }

  get roomForMachine(): boolean {
    return this.#machineCount < MAX_WORKERS;
  }

  keepMachine(channelId: number, worker: string, machine: ChannelMachine): void {
    let ofChannel = this.#machines.get(channelId);
    if (!ofChannel) {
      ofChannel = new Map();
      this.#machines.set(channelId, ofChannel);
    }
    ofChannel.set(worker, machine);
    this.#machineCount += 1;
  }

  /** Lets go of a channel's machines, or of all. */
  takeMachines(channelId?: number): ChannelMachine[] {
    const gone = channelId === undefined ? [...this.#machines.keys()] : [channelId];
    return gone.flatMap((id) => {
      const machines = [...(this.#machines.get(id)?.values() ?? [])];
      this.#machines.delete(id);
      this.#links.delete(id);
      this.#machineCount -= machines.length;
      return machines;
    });
  }
}
