/**
 * The least mining server our core makes: sessions on sealed connections, and a book of what they did. It does what the
 * gateway has no occasion for: jobs ahead of their block hash, and new extranonce prefixes.
 */
import { randomBytes } from 'node:crypto';
import { ExtranonceAllocator } from '../../../src-main/core/mining/extranonce.ts';
import type { Job } from '../../../src-main/core/mining/types.ts';
import { encodeFrameOf } from '../../../src-main/core/stratum-v2/channels/messages.ts';
import {
  ServerSession,
  type ServerOutput,
  type ShareVerdict,
} from '../../../src-main/core/stratum-v2/channels/server/session.ts';
import { START_DIFFICULTY, SHARES_PER_MINUTE } from './pace.ts';
import type { Served } from './served.ts';
import { SecureServer, type SecurePeer } from './secure-server.ts';

const TICK_MS = 1_000;

export class MiningServer implements Served {
  readonly #sessions = new Map<ServerSession, SecurePeer>();
  readonly #prefixes = new ExtranonceAllocator(4, randomBytes(4).readUInt32LE());
  readonly #verdicts: ShareVerdict[] = [];
  readonly #wrong: string[] = [];
  #server: SecureServer | undefined;
  #job: Job;
  #timer: NodeJS.Timeout | undefined;

  private constructor(job: Job) {
    this.#job = job;
  }

  static async start(job: Job): Promise<MiningServer> {
    const self = new MiningServer(job);
    self.#server = await SecureServer.start((peer) => {
      const session = new ServerSession({
        prefixes: self.#prefixes,
        startDifficulty: START_DIFFICULTY,
        sharesPerMinute: SHARES_PER_MINUTE,
      });
      session.newJob(self.#job);
      self.#sessions.set(session, peer);
      return {
        frame: (frame) =>
          self.#do(session, peer, [...session.receiveFrame(frame, Date.now()), ...session.flush()]),
        closed() {
          session.close();
          self.#sessions.delete(session);
        },
      };
    });
    self.#timer = setInterval(() => {
      for (const [session, peer] of self.#sessions) self.#do(session, peer, session.tick(Date.now()));
    }, TICK_MS);
    return self;
  }

  get port(): number {
    return this.#server?.port ?? 0;
  }
  get authority(): string {
    return this.#server?.authority ?? '';
  }
  #do(session: ServerSession, peer: SecurePeer, outputs: readonly ServerOutput[]): void {
    for (const output of outputs) {
      if (output.kind === 'send') peer.send(encodeFrameOf(output.message));
      else if (output.kind === 'share') this.#verdicts.push(output.verdict);
      else if (output.kind === 'confused') this.#wrong.push(output.detail);
      else if (output.kind === 'disconnect') {
        this.#wrong.push(`${output.reason}: ${output.detail}`);
        session.close();
        peer.end();
      }
    }
  }

  newJob(job: Job): void {
    this.#job = job;
    for (const [session, peer] of this.#sessions) this.#do(session, peer, session.newJob(job));
  }

  /** Sends a job ahead of its block hash. */
  offerJob(job: Job): void {
    for (const [session, peer] of this.#sessions) this.#do(session, peer, session.offerJob(job));
  }

  /** Gives every channel another extranonce prefix. */
  changePrefixes(): void {
    for (const [session, peer] of this.#sessions)
      for (const id of session.channels.keys())
        this.#do(session, peer, session.setExtranoncePrefix(id, Date.now()));
  }

  accepted(job?: Job): number {
    return this.#good().filter((verdict) => job === undefined || verdict.job?.id === job.id).length;
  }
  #good(): ShareVerdict[] {
    return this.#verdicts.filter(({ errorCode }) => errorCode === undefined);
  }
  blocks(): number {
    return this.#verdicts.filter(({ outcome }) => outcome.kind === 'blockFound').length;
  }
  rejected(): Readonly<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const { outcome } of this.#verdicts)
      if (outcome.kind === 'rejected') counts[outcome.reason] = (counts[outcome.reason] ?? 0) + 1;
    return counts;
  }
  workers(): readonly string[] {
    return [...new Set(this.#good().map(({ worker, userIdentity }) => worker ?? userIdentity ?? ''))];
  }
  wrong(): readonly string[] {
    return [...(this.#server?.errors.map(String) ?? []), ...this.#wrong];
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#server?.stop();
  }
}
