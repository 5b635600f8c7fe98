import type { Socket } from 'node:net';
import { leastDifficulty, powerOfTwo, Vardiff } from '../../core/mining/vardiff.ts';
import type { Session } from '../../core/stratum-v1/session.ts';
import { PeerBudget } from './budget.ts';
import type { GatewayLimits } from './limits.ts';
import { LineBuffer } from './lines.ts';
import type { MinerLink } from './miners.ts';

/** Different suggestions of one connection that are followed; firmware repeats the same one as a sign of life. */
const MAX_SUGGESTIONS = 10;

/** One socket with everything that belongs to it. Does the bookkeeping; decides nothing about the protocol. */
export class Connection implements MinerLink {
  readonly socket: Socket;
  /** IP address without port. */
  readonly remote: string;
  readonly session: Session;
  readonly lines: LineBuffer;
  readonly budget: PeerBudget;
  readonly openedAt: number;
  /** Machine ids by worker name. */
  readonly machines = new Map<string, string>();
  heardAt: number;
  pingedAt: number;
  closed = false;
  /** Nothing was read yet: the first bytes tell what the peer speaks. */
  fresh = true;
  /** Reading stopped until there is time again. */
  paused = false;
  readonly #limits: GatewayLimits;
  #vardiff: Vardiff | undefined;
  #floor: number | undefined;
  #begin: number | undefined;
  #suggestions = 0;
  #suggested = 0;
  #out = '';
  #gathering = false;

  constructor(socket: Socket, remote: string, session: Session, limits: GatewayLimits, now: number) {
    this.socket = socket;
    this.remote = remote;
    this.session = session;
    this.lines = new LineBuffer(limits.maxLineBytes);
    this.openedAt = now;
    this.heardAt = now;
    this.pingedAt = now;
    this.budget = new PeerBudget(limits, now);
    this.#limits = limits;
  }

  get userAgent(): string {
    return this.session.userAgent;
  }
  get versionRolling(): boolean {
    return this.session.versionRolling;
  }
  /** The difficulty wanted for it: in force, or to be sent with the next job. 0 before it is ready. */
  get difficulty(): number {
    return this.#vardiff?.difficulty ?? 0;
  }

  /** Ready for jobs: difficulty begins at what the machine asked for, else at `initial`. */
  beginDifficulty(initial: number, sharesPerMinute: number, now: number): void {
    const begin = this.#begin ?? initial;
    // A machine that asks for less than its kind ever needs gets what it asks for.
    const least = Math.min(begin, leastDifficulty(this.userAgent, sharesPerMinute));
    this.#vardiff = new Vardiff({ initial: begin, sharesPerMinute, now, least });
    if (this.#floor !== undefined) this.#vardiff.setMinimum(this.#floor);
  }

  /** The machine asks for a difficulty. Gives the new one when that changes it. */
  askDifficulty(asked: number, floor: boolean, sharesPerMinute: number, now: number): number | undefined {
    if (floor) {
      this.#floor = asked;
      return this.#vardiff?.setMinimum(asked);
    }
    if (asked === this.#suggested || this.#suggestions >= MAX_SUGGESTIONS) return undefined;
    this.#suggested = asked;
    this.#suggestions += 1;
    const before = this.#vardiff?.difficulty;
    this.#begin = powerOfTwo(asked);
    if (before === undefined) return undefined;
    this.beginDifficulty(asked, sharesPerMinute, now);
    return this.difficulty === before ? undefined : this.difficulty;
  }

  /** An accepted share. Gives the new difficulty when it changes. */
  accepted(now: number, assigned: number): number | undefined {
    this.budget.accepted();
    return this.#vardiff?.share(now, assigned);
  }

  tick(now: number): number | undefined {
    return this.#vardiff?.tick(now);
  }

  /** Until `flush`, what is sent is gathered, so that many answers leave in one packet. */
  gather(): void {
    this.#gathering = true;
  }

  flush(): void {
    this.#gathering = false;
    this.#writeOut();
  }

  /** Sends lines of ASCII. False when the peer does not read and too much waits for it. */
  send(text: string): boolean {
    this.#out += text;
    if (!this.#gathering) this.#writeOut();
    return this.socket.writableLength + this.#out.length <= this.#limits.maxBufferedBytes;
  }

  /** Sends bytes that many connections share. False as for `send`. */
  sendShared(bytes: Buffer): boolean {
    this.#writeOut();
    if (!this.closed) this.socket.write(bytes);
    return this.socket.writableLength <= this.#limits.maxBufferedBytes;
  }

  #writeOut(): void {
    if (this.#out === '') return;
    const text = this.#out;
    this.#out = '';
    if (!this.closed) this.socket.write(text, 'latin1');
  }
}
