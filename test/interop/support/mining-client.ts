/** Our client on a real connection, hashing for its channels. */
import { randomBytes } from 'node:crypto';
import { setImmediate as breathe } from 'node:timers/promises';
import { sha256d } from '../../../src-main/core/bitcoin/hash.ts';
import { meetsTarget } from '../../../src-main/core/bitcoin/target.ts';
import { headerOf } from '../../../src-main/core/stratum-v2/channels/client/jobs.ts';
import type { MiningClientChannel } from '../../../src-main/core/stratum-v2/channels/client/session.ts';
import {
  connectSv2,
  type Sv2Client,
  type Sv2ClientOptions,
  type Sv2Event,
} from '../../../src-main/services/upstream/index.ts';
import { until } from './wait.ts';

/** Hashes between two looks at the socket: a few milliseconds. */
const SLICE = 2_000;

export class MiningClient {
  readonly client: Sv2Client;
  readonly events: Sv2Event[] = [];
  #nonce = randomBytes(4).readUInt32LE();
  #over: Error | undefined;

  private constructor(client: Sv2Client) {
    this.client = client;
    client.listen((event) => this.events.push(event));
    void client.over.then((error) => (this.#over = error));
  }

  static async connect(
    port: number,
    authorityKey: string,
    options: Partial<Sv2ClientOptions> = {},
  ): Promise<MiningClient> {
    return new MiningClient(
      await connectSv2({
        host: '127.0.0.1',
        port,
        authorityKey,
        vendor: 'adit',
        hardwareVersion: 'interop',
        random: (length) => new Uint8Array(randomBytes(length)),
        now: Date.now,
        ...options,
      }),
    );
  }

  /** Waits for something the server has to send. */
  async answered(what: () => string, ready: () => boolean, ms = 10_000): Promise<void> {
    await until(what, () => this.#check() && ready(), ms);
  }

  #check(): true {
    if (this.#over) throw this.#over;
    return true;
  }

  /** Hashes on the channel's newest job until it found and sent so many shares. `wrong` ones miss the target on purpose. */
  async mine(channel: MiningClientChannel, count: number, ms: number, wrong = false): Promise<void> {
    const end = performance.now() + ms;
    const extranonce = new Uint8Array(randomBytes(channel.rollableSize));
    for (let found = 0; found < count;) {
      if (performance.now() > end) throw new Error(`${found} of ${count} shares found in ${ms / 1_000} s`);
      await breathe();
      this.#check();
      const job = channel.current;
      if (!job) continue;
      const ntime = Math.max(job.minNtime, Math.floor(Date.now() / 1_000));
      const attempt = { extranonce, version: job.version, ntime, nonce: 0 };
      const header = headerOf(job, attempt);
      const view = new DataView(header.buffer);
      for (let i = 0; i < SLICE; i++) {
        this.#nonce = (this.#nonce + 1) >>> 0;
        view.setUint32(76, this.#nonce, true);
        if (meetsTarget(sha256d(header), job.target) === wrong) continue;
        const sent = this.client.submit(channel, job.id, { ...attempt, nonce: this.#nonce });
        if ('refused' in sent) throw new Error(sent.refused);
        found += 1;
        break;
      }
    }
  }

  /** Shares of the channel the server said yes to. */
  accepted(channel: MiningClientChannel): number {
    return this.events.reduce(
      (sum, event) => sum + (event.kind === 'acknowledged' && event.channel === channel ? event.count : 0),
      0,
    );
  }

  /** Codes of the server's refusals. */
  rejected(channel: MiningClientChannel): string[] {
    return this.events.flatMap((event) =>
      event.kind === 'rejected' && event.channel === channel ? [event.errorCode] : [],
    );
  }

  /** How often the channel was told to work on something. */
  works(channel: MiningClientChannel): number {
    return this.events.filter((event) => event.kind === 'work' && event.channel === channel).length;
  }
}
