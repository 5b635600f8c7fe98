import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { targetOfDifficulty } from '../../src-main/core/bitcoin/target.ts';
import type { Job } from '../../src-main/core/mining/types.ts';
import { headerOf } from '../../src-main/core/stratum-v2/channels/client/jobs.ts';
import type { Attempt } from '../../src-main/core/stratum-v2/channels/client/jobs.ts';
import { ClientSession } from '../../src-main/core/stratum-v2/channels/client/session.ts';
import type { MiningClientChannel } from '../../src-main/core/stratum-v2/channels/client/session.ts';
import {
  CLIENT_MESSAGES,
  SERVER_MESSAGES,
  encodeFrameOf,
  messageOf,
} from '../../src-main/core/stratum-v2/channels/messages.ts';
import type { ClientMessage, ServerMessage } from '../../src-main/core/stratum-v2/channels/messages.ts';
import { ServerSession } from '../../src-main/core/stratum-v2/channels/server/session.ts';
import type { FieldsOf, MessageDefinition } from '../../src-main/core/stratum-v2/codec.ts';
import { hashOf } from '../fixtures/core-templates.ts';
import { easyJob } from '../fixtures/stratum-v1-job.ts';
import { Pair, START, TINY, frameOf, solve } from '../fixtures/stratum-v2-channels.ts';

/** One thing that happens. `at` picks a channel, `n` varies it. */
type Step = { readonly do: (typeof STEPS)[number]; readonly at: number; readonly n: number };
const STEPS = [
  'share',
  'share',
  'share',
  'again',
  'low',
  'stale',
  'wrongJob',
  'wrongVersion',
  'job',
  'tip',
  'offer',
  'activate',
  'target',
  'prefix',
  'openStandard',
  'openExtended',
  'close',
  'evict',
  'regroup',
  'flush',
  'tick',
] as const;
const steps = fc.array(fc.record({ do: fc.constantFrom(...STEPS), at: fc.nat(7), n: fc.nat(1_000_000) }), {
  minLength: 4,
  maxLength: 30,
});

/** Plays steps on a pair and checks, all the way, that both ends see the same. */
class Play {
  readonly pair: Pair;
  readonly channels: MiningClientChannel[] = [];
  readonly #last = new Map<number, { readonly jobId: number; readonly attempt: Attempt }>();
  #job = 1;
  #tip = 1;
  #offered: Job | undefined;

  constructor(standardJobs: boolean, acknowledgeAt: number) {
    this.pair = new Pair({ acknowledgeAt }, { requiresStandardJobs: standardJobs }).connect();
    this.pair.deliver(this.pair.server.newJob(this.#next()));
    this.#open('openStandard');
    this.#open(standardJobs ? 'openStandard' : 'openExtended');
  }

  #next(): Job {
    return easyJob({
      id: this.#job++,
      previousHash: hashOf(this.#tip),
      time: 1_750_000_000 + this.#job,
      coinbaseSuffix: Uint8Array.from({ length: 60 }, (_, i) => (i * this.#job) & 0xff),
    });
  }

  #open(kind: 'openStandard' | 'openExtended'): void {
    this.channels.push(kind === 'openStandard' ? this.pair.openStandard() : this.pair.openExtended());
  }

  #send(message: ClientMessage): void {
    this.pair.toServer(message);
  }

  /** Books a share at the client that it would not have sent of itself, and sends it. */
  #sendOdd(channel: MiningClientChannel, change: object): void {
    const job = channel.current;
    if (!job) return;
    const honest = channel.submit(job.id, { ...solve(channel, job, 0, {}, true) });
    if (honest.kind !== 'share') throw new Error(honest.detail);
    const { message } = honest;
    this.#send({ ...message, fields: { ...message.fields, ...change } } as ClientMessage);
  }

  step({ do: what, at, n }: Step): void {
    const { pair } = this;
    const open = this.channels.filter(({ id }) => pair.client.channels.has(id));
    const channel = open[at % Math.max(1, open.length)];
    pair.now += n % 2_000;
    switch (what) {
      case 'job':
        return pair.deliver(pair.server.newJob(this.#next()));
      case 'tip':
        this.#tip += 1;
        return pair.deliver(pair.server.newJob(this.#next()));
      case 'offer':
        this.#offered = this.#next();
        return pair.deliver(pair.server.offerJob(this.#offered));
      case 'activate':
        if (!this.#offered) return;
        this.#tip += 1;
        return pair.deliver(pair.server.newJob({ ...this.#offered, previousHash: hashOf(this.#tip) }));
      case 'flush':
        return pair.deliver(pair.server.flush());
      case 'tick':
        return pair.deliver(pair.server.tick(pair.now));
      case 'openStandard':
        return this.#open(what);
      case 'openExtended':
        return pair.server.requiresStandardJobs ? undefined : this.#open(what);
      case 'regroup':
        if (pair.server.requiresStandardJobs) return;
        return pair.deliver(
          pair.server.regroup(open.filter((_, i) => ((n >> i) & 1) === 1).map(({ id }) => id)),
        );
      default:
        if (channel) this.#onChannel(what, channel, n);
    }
  }

  #onChannel(what: Step['do'], channel: MiningClientChannel, n: number): void {
    const { pair } = this;
    const job = channel.current;
    if (!job) throw new Error('an open channel without work');
    switch (what) {
      case 'share': {
        const attempt = solve(channel, job, n);
        const submitted = channel.submit(job.id, attempt);
        if (submitted.kind !== 'share') throw new Error(submitted.detail);
        this.#last.set(channel.id, { jobId: job.id, attempt });
        return this.#send(submitted.message);
      }
      case 'low': {
        const submitted = channel.submit(job.id, solve(channel, job, n, {}, true));
        if (submitted.kind !== 'share') throw new Error(submitted.detail);
        return this.#send(submitted.message);
      }
      case 'again': {
        // The same work under the next number, as from a machine that lost count.
        const last = this.#last.get(channel.id);
        const submitted = last && channel.submit(last.jobId, last.attempt);
        if (submitted?.kind === 'share') this.#send(submitted.message);
        return;
      }
      case 'stale':
        return this.#sendOdd(channel, { jobId: Math.max(1, job.id - 1 - (n % 5)) });
      case 'wrongJob':
        return this.#sendOdd(channel, { jobId: 1_000_000 });
      case 'wrongVersion':
        return this.#sendOdd(channel, { version: 1 });
      case 'target':
        return void pair.toServer(pair.client.update(channel, n, targetOfDifficulty(TINY * 2 ** (n % 3))));
      case 'prefix':
        return pair.deliver(pair.server.setExtranoncePrefix(channel.id, pair.now));
      case 'close':
        pair.deliver(pair.server.flush());
        return void pair.toServer(pair.client.close(channel, 'off'));
      case 'evict':
        return pair.deliver(pair.server.closeChannel(channel.id, 'out'));
      default:
        throw new Error(what);
    }
  }
}

describe('client and server channels', () => {
  it('keep the same books and work on the same headers, whatever happens', () => {
    let shares = 0;
    fc.assert(
      fc.property(steps, fc.boolean(), fc.integer({ min: 1, max: 5 }), (all, standardJobs, acknowledgeAt) => {
        const play = new Play(standardJobs, acknowledgeAt);
        const { pair } = play;
        const servers = new Map(pair.server.channels);
        for (const step of all) {
          play.step(step);
          for (const [id, channel] of pair.server.channels) servers.set(id, channel);
        }
        pair.deliver(pair.server.flush());
        expect(pair.fromClient.filter(({ kind }) => kind === 'fault')).toEqual([]);
        expect(pair.fromServer.filter(({ kind }) => kind === 'disconnect')).toEqual([]);
        expect([...pair.server.channels.keys()]).toEqual([...pair.client.channels.keys()]);
        for (const channel of play.channels) {
          const books = servers.get(channel.id)!.books;
          shares += books.accepted;
          expect(channel.books).toMatchObject({ accepted: books.accepted, unanswered: 0, unexplained: 0 });
          expect(channel.books.acceptedSum).toBe(BigInt(Math.floor(books.difficultySum)));
          expect(channel.books.submitted).toBe(channel.books.accepted + channel.books.rejected);
          expect(channel.books.rejected).toBe(books.rejected);
          expect(books.difficultySum).toBe(channel.books.submittedSum - channel.books.rejectedSum);
        }
        pair.server.close();
        expect(pair.prefixes.inUse).toBe(0);
      }),
      { numRuns: 60 },
    );
    expect(shares).toBeGreaterThan(50);
  });

  it('never give two channels the same work', () => {
    fc.assert(
      fc.property(steps, fc.boolean(), (all, standardJobs) => {
        const play = new Play(standardJobs, 1);
        const quiet = all.filter(
          ({ do: what }) => !['share', 'again', 'low', 'stale', 'wrongJob', 'wrongVersion'].includes(what),
        );
        for (const step of quiet) play.step(step);
        const headers = [...play.pair.client.channels.values()].map((channel) => {
          const job = channel.current!;
          const extranonce = new Uint8Array(channel.rollableSize);
          return headerOf(job, { extranonce, version: 0, ntime: 0, nonce: 0 }).join();
        });
        expect(new Set(headers).size).toBe(headers.length);
      }),
      { numRuns: 100 },
    );
  });
});

// Anything a peer may send: every message with any fields of the right types, small numbers likely.
const u32 = fc.oneof(fc.nat(6), fc.integer({ min: 0, max: 0xffffffff }));
const bytes = (maxLength: number) => fc.uint8Array({ maxLength });
const hash = fc.oneof(
  fc.constant(new Uint8Array(32).fill(255)),
  fc.uint8Array({ minLength: 32, maxLength: 32 }),
);
const VALUES: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  BOOL: fc.boolean(),
  U8: fc.nat(2),
  U16: fc.oneof(fc.nat(3), fc.nat(0xffff)),
  U32: u32,
  U64: fc.bigInt(0n, 2n ** 64n - 1n),
  F32: fc.oneof(fc.constantFrom(0, 1e12, Number.NaN, Infinity, -1), fc.float()),
  U256: hash,
  B0_32: fc.oneof(bytes(32), fc.uint8Array({ minLength: 8, maxLength: 8 })),
  B0_255: bytes(40),
  B0_64K: bytes(120),
  STR0_255: fc.string({ maxLength: 20 }),
  'OPTION[U32]': fc.option(u32, { nil: undefined }),
  'SEQ0_255[U256]': fc.array(hash, { maxLength: 3 }),
  'SEQ0_64K[U16]': fc.array(fc.nat(4), { maxLength: 80 }),
  'SEQ0_64K[U32]': fc.array(u32, { maxLength: 5 }),
};
function anyOf<M extends ClientMessage | ServerMessage>(
  definitions: readonly MessageDefinition[],
): fc.Arbitrary<M> {
  return fc
    .oneof(
      ...definitions.map((definition) =>
        fc
          .tuple(
            fc.record(
              Object.fromEntries(
                Object.entries(definition.fields).map(([key, codec]) => [
                  key,
                  VALUES[codec.name] as fc.Arbitrary<unknown>,
                ]),
              ),
            ),
            bytes(8),
          )
          .map(
            ([fields, tlvs]) =>
              messageOf(definition, fields as FieldsOf<MessageDefinition>, tlvs) as unknown as M,
          ),
      ),
    )
    .filter((message) => {
      // Codes with control characters can't be written.
      try {
        encodeFrameOf(message);
        return true;
      } catch {
        return false;
      }
    });
}

describe('a hostile peer', () => {
  it('makes no server throw, and gets no more channels than are allowed', () => {
    fc.assert(
      fc.property(
        fc.array(anyOf<ClientMessage>(CLIENT_MESSAGES.filter(({ name }) => name !== 'SetupConnection')), {
          maxLength: 40,
        }),
        fc.boolean(),
        (messages, late) => {
          const prefixes = new Pair().prefixes;
          const server = new ServerSession({ prefixes, maxChannels: 4 });
          server.receive(
            new ClientSession({
              setup: {
                endpointHost: '',
                endpointPort: 0,
                vendor: '',
                hardwareVersion: '',
                firmware: '',
                deviceId: '',
              },
            }).start(),
            START,
          );
          if (!late) server.newJob(easyJob({ id: 1 }));
          for (const [i, message] of messages.entries()) {
            for (const output of server.receiveFrame(frameOf(message), START + i * 500))
              if (output.kind === 'send') encodeFrameOf(output.message);
            server.newJob(easyJob({ id: i + 2, previousHash: hashOf(i >> 2) }));
            server.tick(START + i * 500);
          }
          expect(server.channels.size).toBeLessThanOrEqual(4);
          for (const channel of server.channels.values())
            expect(channel.target).toBeLessThanOrEqual(channel.maxTarget);
          server.close();
          expect(prefixes.inUse).toBe(0);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('makes no client throw; after a fault nothing more is taken', () => {
    fc.assert(
      fc.property(
        fc.array(anyOf<ServerMessage>(SERVER_MESSAGES), { maxLength: 40 }),
        fc.boolean(),
        (messages, setUp) => {
          const pair = new Pair();
          if (setUp) pair.connect();
          else pair.client.start();
          if (setUp) {
            pair.deliver(pair.server.newJob(easyJob({ id: 1 })));
            pair.openExtended();
            pair.openStandard();
          }
          let ended = false;
          for (const message of messages) {
            const outputs = pair.client.receiveFrame(frameOf(message));
            if (ended) expect(outputs).toEqual([]);
            ended ||= outputs.some(
              ({ kind }) => kind === 'fault' || kind === 'refused' || kind === 'extensionsRequired',
            );
            if (!ended && pair.client.ready && pair.client.channels.size < 4) {
              if (setUp) pair.client.openStandard({ userIdentity: '', nominalHashRate: 0 });
              pair.client.openExtended({ userIdentity: '', nominalHashRate: 0, minExtranonceSize: 0 });
            }
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
