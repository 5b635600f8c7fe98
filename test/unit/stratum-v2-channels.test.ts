import { describe, expect, it } from 'vitest';
import { bytesToHex, concatBytes, equalBytes } from '../../src-main/core/bitcoin/bytes.ts';
import { sha256d } from '../../src-main/core/bitcoin/hash.ts';
import { difficultyOfTarget, meetsTarget, targetOfDifficulty } from '../../src-main/core/bitcoin/target.ts';
import { parseTransaction } from '../../src-main/core/bitcoin/transaction.ts';
import { buildJob, headerOf as serverHeaderOf } from '../../src-main/core/mining/job.ts';
import { ExtranonceAllocator } from '../../src-main/core/mining/extranonce.ts';
import type { Job } from '../../src-main/core/mining/types.ts';
import { headerOf, weigh } from '../../src-main/core/stratum-v2/channels/client/jobs.ts';
import { ShareAccounting } from '../../src-main/core/stratum-v2/channels/server/accounting.ts';
import { MAX_CHANNEL_JOBS } from '../../src-main/core/stratum-v2/channels/server/jobs.ts';
import { messageOf } from '../../src-main/core/stratum-v2/channels/messages.ts';
import type { ClientMessage } from '../../src-main/core/stratum-v2/channels/messages.ts';
import { ServerSession } from '../../src-main/core/stratum-v2/channels/server/session.ts';
import { bigintToU256, u256ToBigint } from '../../src-main/core/stratum-v2/codec.ts';
import { SetupConnection } from '../../src-main/core/stratum-v2/messages/common.ts';
import { RequestExtensions, encodeUserIdentity } from '../../src-main/core/stratum-v2/messages/extensions.ts';
import {
  CloseChannel,
  OpenExtendedMiningChannel,
  OpenStandardMiningChannel,
  SetCustomMiningJob,
  SubmitSharesExtended,
  SubmitSharesStandard,
  UpdateChannel,
} from '../../src-main/core/stratum-v2/messages/mining.ts';
import { hashOf, makePayouts, makeTemplate } from '../fixtures/core-templates.ts';
import { easyJob } from '../fixtures/stratum-v1-job.ts';
import {
  START,
  TINY,
  Pair,
  frameOf,
  messagesNamed,
  solve,
  verdictOf,
} from '../fixtures/stratum-v2-channels.ts';

const ANY = bigintToU256((1n << 256n) - 1n);
const NAMELESS = {
  endpointHost: '',
  endpointPort: 0,
  vendor: '',
  hardwareVersion: '',
  firmware: '',
  deviceId: '',
};
const PAYOUTS = makePayouts([['1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2', 10_000]]);

const onTip = (id: number, tip: number, change: Partial<Job> = {}): Job =>
  easyJob({ id, previousHash: hashOf(tip), ...change });

/** A pair with one channel of each kind at work. */
function atWork(job = onTip(1, 1), kinds: readonly ('standard' | 'extended')[] = ['extended']) {
  const pair = new Pair().connect();
  pair.deliver(pair.server.newJob(job));
  const channels = kinds.map((kind) => (kind === 'standard' ? pair.openStandard() : pair.openExtended()));
  return { pair, channels, channel: channels[0] as NonNullable<(typeof channels)[0]> };
}

function setup(change: Partial<Parameters<typeof messageOf<typeof SetupConnection>>[1]> = {}): ClientMessage {
  return messageOf(SetupConnection, {
    protocol: 0,
    minVersion: 2,
    maxVersion: 2,
    flags: 0,
    ...NAMELESS,
    ...change,
  });
}

describe('setting up a connection (SV2 3.6)', () => {
  const fresh = (options = {}) => new Pair(options).server;
  const refusal = (outputs: ReturnType<ServerSession['receive']>) => {
    expect(outputs.at(-1)).toMatchObject({ kind: 'disconnect', reason: 'setupRefused' });
    return messagesNamed(outputs, 'SetupConnection.Error')[0]?.fields;
  };

  it('accepts a miner and says what it is', () => {
    const outputs = fresh().receive(
      setup({ vendor: 'bitaxe', hardwareVersion: 'BM\u00001370', flags: 0b101 }),
      START,
    );
    expect(outputs).toMatchObject([
      { kind: 'connected', userAgent: 'bitaxe BM\uFFFD1370' },
      { kind: 'send', message: { name: 'SetupConnection.Success', fields: { usedVersion: 2, flags: 0 } } },
    ]);
  });

  it('refuses what it cannot serve, with the code, and disconnects', () => {
    expect(refusal(fresh().receive(setup({ protocol: 1 }), START))).toEqual({
      flags: 0,
      errorCode: 'unsupported-protocol',
    });
    for (const versions of [
      { minVersion: 3, maxVersion: 4 },
      { minVersion: 0, maxVersion: 1 },
    ])
      expect(refusal(fresh().receive(setup(versions), START))).toEqual({
        flags: 0,
        errorCode: 'protocol-version-mismatch',
      });
    // Work selection is named; of bits without a meaning, those asked for.
    expect(refusal(fresh().receive(setup({ flags: 0b010 }), START))).toEqual({
      flags: 0b010,
      errorCode: 'unsupported-feature-flags',
    });
    expect(refusal(fresh().receive(setup({ flags: 0xffffffff }), START))).toEqual({
      flags: 0xfffffffa,
      errorCode: 'unsupported-feature-flags',
    });
    expect(refusal(fresh({ versionRolling: false }).receive(setup({ flags: 0b100 }), START))).toEqual({
      flags: 0b110,
      errorCode: 'unsupported-feature-flags',
    });
  });

  it('says so when versions are fixed', () => {
    const outputs = fresh({ versionRolling: false }).receive(setup(), START);
    expect(messagesNamed(outputs, 'SetupConnection.Success')[0]?.fields.flags).toBe(1);
  });

  it('disconnects whoever begins with anything else, sets up twice, or sends no message; then says nothing more', () => {
    const open = messageOf(OpenStandardMiningChannel, {
      requestId: 1,
      userIdentity: '',
      nominalHashRate: 0,
      maxTarget: ANY,
    });
    const early = fresh();
    expect(early.receive(open, START)).toMatchObject([{ kind: 'disconnect', reason: 'setupExpected' }]);
    expect(early.receive(setup(), START)).toEqual([]);
    expect(early.newJob(onTip(1, 1))).toEqual([]);

    const twice = fresh();
    twice.receive(setup(), START);
    expect(twice.receive(setup(), START)).toMatchObject([{ kind: 'disconnect', reason: 'setupRepeated' }]);

    const cut = fresh();
    expect(cut.receiveFrame({ ...frameOf(setup()), payload: new Uint8Array(3) }, START)).toMatchObject([
      { kind: 'disconnect', reason: 'malformed' },
    ]);
    const strange = fresh();
    expect(strange.receiveFrame({ ...frameOf(setup()), messageType: 0xee }, START)).toMatchObject([
      { kind: 'disconnect', reason: 'setupExpected' },
    ]);
  });

  it('ignores extensions nobody negotiated, and minds unknown messages', () => {
    const server = fresh();
    server.receive(setup(), START);
    const frame = frameOf(setup());
    expect(server.receiveFrame({ ...frame, extensionType: 0x4000 }, START)).toEqual([]);
    expect(server.receiveFrame({ ...frame, messageType: 0xee }, START)).toMatchObject([{ kind: 'confused' }]);
    // What only servers send is no message here either.
    expect(server.receiveFrame({ ...frame, messageType: 0x15 }, START)).toMatchObject([{ kind: 'confused' }]);
  });

  it('negotiates extensions (0x0001)', () => {
    const server = fresh();
    server.receive(setup(), START);
    const ask = (...requestedExtensions: number[]) =>
      server.receive(messageOf(RequestExtensions, { requestId: 7, requestedExtensions }), START);
    expect(messagesNamed(ask(2, 3), 'RequestExtensions.Success')[0]?.fields).toEqual({
      requestId: 7,
      supportedExtensions: [2],
    });
    expect([...server.extensions]).toEqual([2]);
    expect(messagesNamed(ask(3), 'RequestExtensions.Error')[0]?.fields).toEqual({
      requestId: 7,
      unsupportedExtensions: [3],
      requiredExtensions: [],
    });
    expect([...server.extensions]).toEqual([]);
    expect(ask(...Array.from({ length: 65 }, () => 2))).toMatchObject([
      { kind: 'disconnect', reason: 'malformed' },
    ]);
  });
});

describe('opening channels (SV2 5.3.2 to 5.3.6)', () => {
  it('an extended channel gets the prefix, eight bytes to roll, and a job to start on', () => {
    const { pair, channel } = atWork();
    expect(bytesToHex(channel.extranoncePrefix)).toBe('01020304');
    expect(channel.rollableSize).toBe(8);
    expect(channel.target).toBe(targetOfDifficulty(TINY));
    expect(pair.sent()).toEqual([
      'SetupConnection.Success',
      'OpenExtendedMiningChannel.Success',
      'NewExtendedMiningJob',
      'SetNewPrevHash',
    ]);
    // The first job is a future job, even though the tip is known (5.3.15).
    expect(messagesNamed(pair.fromServer, 'NewExtendedMiningJob')[0]?.fields.minNtime).toBeUndefined();
    expect(messagesNamed(pair.fromServer, 'SetNewPrevHash')[0]?.fields).toMatchObject({
      minNtime: 1_750_000_000,
      nbits: 0x1d00ffff,
    });
  });

  it('standard channels get whole extranonces of their own and merkle roots of them', () => {
    const { channels } = atWork(onTip(1, 1), ['standard', 'standard']);
    expect(channels.map((channel) => bytesToHex(channel.extranoncePrefix))).toEqual([
      '010203040000000000000001',
      '010203040000000000000002',
    ]);
    for (const channel of channels) {
      const job = channel.current;
      if (!job) throw new Error('no work');
      const attempt = { extranonce: new Uint8Array(0), version: job.version, ntime: job.minNtime, nonce: 5 };
      expect(headerOf(job, attempt)).toEqual(
        serverHeaderOf(onTip(1, 1), {
          jobId: 1,
          extranonce: channel.extranoncePrefix,
          version: 0x20000000,
          ntime: 1_750_000_000,
          nonce: 5,
        }),
      );
    }
  });

  it('no two channels and no group share an id or an extranonce', () => {
    const { pair, channels } = atWork(onTip(1, 1), ['standard', 'extended', 'extended', 'standard']);
    const ids = [...channels.map(({ id }) => id), channels[0]?.groupId];
    expect(new Set(ids).size).toBe(5);
    const [a, b, c, d] = channels.map(({ extranoncePrefix }) => bytesToHex(extranoncePrefix.subarray(0, 4)));
    expect(new Set([a, b, c]).size).toBe(3);
    expect(d).toBe(a);
    expect(pair.prefixes.inUse).toBe(3);
    pair.server.close();
    expect(pair.prefixes.inUse).toBe(0);
  });

  it('waits with the job until there is one', () => {
    const pair = new Pair().connect();
    const channel = pair.openExtended();
    expect(channel.current).toBeUndefined();
    pair.deliver(pair.server.newJob(onTip(1, 1)));
    expect(channel.current?.id).toBe(1);
  });

  it('refuses with the code the protocol has for it', () => {
    const { server } = new Pair({ maxChannels: 1 }).connect();
    const ask = (change: object) => {
      const fields = {
        requestId: 9,
        userIdentity: 'x',
        nominalHashRate: 1,
        maxTarget: ANY,
        minExtranonceSize: 8,
        ...change,
      };
      const outputs = server.receive(messageOf(OpenExtendedMiningChannel, fields), START);
      return messagesNamed(outputs, 'OpenMiningChannel.Error')[0]?.fields;
    };
    const refused = (errorCode: string) => ({ requestId: 9, errorCode });
    for (const nominalHashRate of [Number.NaN, -1, Infinity])
      expect(ask({ nominalHashRate })).toEqual(refused('invalid-nominal-hashrate'));
    expect(ask({ maxTarget: new Uint8Array(32) })).toEqual(refused('max-target-out-of-range'));
    expect(ask({ minExtranonceSize: 9 })).toEqual(refused('min-extranonce-size-too-large'));
    expect(ask({ minExtranonceSize: 6, nominalHashRate: 0 })).toBeUndefined();
    expect(ask({})).toEqual(refused('channel-capacity-exhausted'));
  });

  it('gives no extended channel to who can only do standard jobs', () => {
    const pair = new Pair({}, { requiresStandardJobs: true }).connect();
    pair.toServer(pair.client.openExtended({ userIdentity: '', nominalHashRate: 0, minExtranonceSize: 4 }));
    expect(pair.fromClient.at(-1)).toEqual({
      kind: 'openRefused',
      requestId: 1,
      errorCode: 'extended-channels-not-supported-for-standard-jobs',
    });
    expect(pair.prefixes.inUse).toBe(0);
  });

  it('says when extranonces run out', () => {
    const prefixes = new ExtranonceAllocator(1);
    const server = new ServerSession({ prefixes });
    server.receive(setup(), START);
    const fields = {
      requestId: 1,
      userIdentity: '',
      nominalHashRate: 0,
      maxTarget: ANY,
      minExtranonceSize: 11,
    };
    const open = () => server.receive(messageOf(OpenExtendedMiningChannel, fields), START);
    for (let i = 0; i < 256; i += 1) expect(open()[0]).toMatchObject({ kind: 'opened' });
    expect(messagesNamed(open(), 'OpenMiningChannel.Error')[0]?.fields.errorCode).toBe(
      'channel-capacity-exhausted',
    );
    server.closeChannel([...server.channels.keys()][0]!, 'make room');
    expect(open()[0]).toMatchObject({ kind: 'opened' });
  });

  it('begins at the hashrate a client names, and never above its highest target', () => {
    const pair = new Pair({ startDifficulty: 0 }).connect();
    pair.toServer(pair.client.openStandard({ userIdentity: 'a', nominalHashRate: 1e12 }));
    pair.toServer(
      pair.client.openStandard({
        userIdentity: 'b',
        nominalHashRate: 1e12,
        maxTarget: targetOfDifficulty(5_000),
      }),
    );
    pair.toServer(pair.client.openStandard({ userIdentity: 'c', nominalHashRate: 0 }));
    const difficulties = [...pair.client.channels.values()].map(({ target }) => difficultyOfTarget(target));
    // 1 TH/s at six shares a minute is 2328 hashes of difficulty 1; a Bitaxe that says nothing begins as a slow one.
    expect(difficulties).toEqual([2_048, 8_192, 2_048]);
  });
});

describe('shares (SV2 5.3.11 to 5.3.14)', () => {
  it.each(['standard', 'extended'] as const)(
    'on a %s channel are accepted and acknowledged together',
    (kind) => {
      const { pair, channel } = atWork(onTip(1, 1), [kind]);
      let from = 0;
      for (let i = 0; i < 3; i += 1) {
        const attempt = solve(channel, channel.current!, from);
        from = attempt.nonce + 1;
        const submitted = channel.submit(channel.current!.id, attempt);
        if (submitted.kind !== 'share') throw new Error(submitted.detail);
        expect(submitted.sequenceNumber).toBe(i);
        const verdict = verdictOf(pair.toServer(submitted.message));
        expect(verdict).toMatchObject({
          userIdentity: 'worker',
          assignedDifficulty: TINY,
          outcome: { kind: 'valid' },
        });
      }
      expect(channel.books).toMatchObject({ submitted: 3, accepted: 0, unanswered: 3 });
      const flushed = pair.server.flush();
      expect(messagesNamed(flushed, 'SubmitShares.Success').map(({ fields }) => fields)).toEqual([
        { channelId: channel.id, lastSequenceNumber: 2, newSubmitsAcceptedCount: 3, newSharesSum: 0n },
      ]);
      pair.deliver(flushed);
      expect(channel.books).toMatchObject({ accepted: 3, unanswered: 0, unexplained: 0 });
      expect(pair.server.flush()).toEqual([]);
    },
  );

  it('acknowledges at once when enough came, and counts each batch from nothing', () => {
    const pair = new Pair({ acknowledgeAt: 2 }).connect();
    pair.deliver(pair.server.newJob(onTip(1, 1)));
    const channel = pair.openExtended();
    const counts: number[] = [];
    let from = 0;
    for (let i = 0; i < 5; i += 1) {
      const attempt = solve(channel, channel.current!, from);
      from = attempt.nonce + 1;
      const outputs = pair.share(channel, attempt.nonce);
      counts.push(
        ...messagesNamed(outputs, 'SubmitShares.Success').map(({ fields }) => fields.newSubmitsAcceptedCount),
      );
    }
    expect(counts).toEqual([2, 2]);
  });

  it('carries fractions of difficulty from batch to batch', () => {
    const accounting = new ShareAccounting();
    const sums = Array.from({ length: 6 }, (_, i) => {
      accounting.accept(i, 0.5, false);
      const message = accounting.acknowledge(1);
      return message?.name === 'SubmitShares.Success' ? message.fields.newSharesSum : undefined;
    });
    expect(sums).toEqual([0n, 1n, 0n, 1n, 0n, 1n]);
    expect(accounting.acknowledge(1)).toBeUndefined();
  });

  it('names every refusal as the protocol does', () => {
    const { pair, channel } = atWork();
    const job = channel.current!;
    const good = solve(channel, job);
    const submit = (change: object, channelId = channel.id) => {
      const fields = { channelId, sequenceNumber: 40, jobId: job.id, ...good, ...change };
      const outputs = pair.server.receive(messageOf(SubmitSharesExtended, fields), START);
      const verdict = verdictOf(outputs);
      const answer = messagesNamed(outputs, 'SubmitShares.Error')[0]?.fields;
      expect(answer?.errorCode).toBe(verdict.errorCode);
      if (answer) expect(answer).toMatchObject({ channelId, sequenceNumber: 40 });
      return verdict.errorCode;
    };
    expect(submit({}, 99)).toBe('invalid-channel-id');
    expect(submit({ jobId: 77 })).toBe('invalid-job-id');
    expect(submit({ extranonce: new Uint8Array(7) })).toBe('bad-extranonce-size');
    expect(submit({ nonce: solve(channel, job, 0, {}, true).nonce })).toBe('difficulty-too-low');
    expect(submit({ version: job.version ^ 1 })).toBe('invalid-non-rollable-version-bit');
    expect(submit({ ntime: onTip(1, 1).minTime - 1 })).toBe('invalid-share');
    expect(submit({ ntime: START / 1_000 + 7_201 })).toBe('invalid-share');
    expect(submit({})).toBeUndefined();
    expect(submit({})).toBe('duplicate-share');
    pair.server.newJob(onTip(2, 2));
    expect(submit({ nonce: solve(channel, job, good.nonce + 1).nonce })).toBe('stale-share');
    pair.server.newJob(onTip(3, 3));
    expect(submit({})).toBe('invalid-job-id');
    const standard = messageOf(SubmitSharesStandard, {
      channelId: channel.id,
      sequenceNumber: 1,
      jobId: job.id,
      nonce: 0,
      ntime: 0,
      version: 0,
    });
    expect(verdictOf(pair.server.receive(standard, START)).errorCode).toBe('invalid-channel-id');
  });

  it('lets 24 bits of the version be rolled, or none', () => {
    const { pair, channel } = atWork();
    const version = channel.current!.version ^ 0x1fffffe0;
    expect(verdictOf(pair.share(channel, 0, { version })).outcome.kind).toBe('valid');

    const fixed = new Pair({ versionRolling: false }).connect();
    fixed.deliver(fixed.server.newJob(onTip(1, 1)));
    const strict = fixed.openExtended();
    expect(strict.current!.versionRolling).toBe(false);
    expect(strict.submit(1, { ...solve(strict, strict.current!), version }).kind).toBe('refused');
    const fields = {
      channelId: strict.id,
      sequenceNumber: 0,
      jobId: 1,
      ...solve(strict, strict.current!, 0, { version }),
    };
    expect(verdictOf(fixed.server.receive(messageOf(SubmitSharesExtended, fields), START)).errorCode).toBe(
      'version-rolling-not-allowed',
    );
  });

  it('takes old jobs of the same tip, as many as it keeps', () => {
    const { pair, channel } = atWork();
    const first = channel.current!;
    const good = solve(channel, first);
    for (let id = 2; id <= MAX_CHANNEL_JOBS; id += 1) pair.deliver(pair.server.newJob(onTip(id, 1)));
    const submitted = channel.submit(first.id, good);
    if (submitted.kind !== 'share') throw new Error(submitted.detail);
    expect(verdictOf(pair.toServer(submitted.message)).outcome.kind).toBe('valid');
    pair.deliver(pair.server.newJob(onTip(99, 1)));
    expect(verdictOf(pair.toServer(submitted.message)).errorCode).toBe('invalid-job-id');
  });

  it('asks whoever knows the tip better', () => {
    const pair = new Pair({ isCurrent: () => false }).connect();
    pair.deliver(pair.server.newJob(onTip(1, 1)));
    expect(verdictOf(pair.share(pair.openExtended())).errorCode).toBe('stale-share');
  });
});

describe('a found block', () => {
  const blockJob = (id: number, tip: number) =>
    buildJob(makeTemplate({ previousHash: hashOf(tip), bits: 0x207fffff }), {
      id,
      payouts: PAYOUTS,
      tag: 'Adit',
      network: 'main',
      now: START,
    });

  it.each(['standard', 'extended'] as const)(
    'on a %s channel comes whole, first, and is acknowledged at once',
    (kind) => {
      const job = blockJob(1, 1);
      const { pair, channel } = atWork(job, [kind]);
      const outputs = pair.share(channel);
      expect(outputs.map((output) => (output.kind === 'send' ? output.message.name : output.kind))).toEqual([
        'share',
        'SubmitShares.Success',
      ]);
      const { outcome, job: named } = verdictOf(outputs);
      if (outcome.kind !== 'blockFound') throw new Error(outcome.kind);
      expect(named).toBe(job);
      expect(meetsTarget(sha256d(outcome.header), job.target)).toBe(true);
      const coinbase = parseTransaction(outcome.coinbase);
      const input = coinbase.inputs[0]!.script;
      const at = bytesToHex(input).indexOf(bytesToHex(channel.extranoncePrefix));
      expect(at).toBeGreaterThan(0);
      expect(channel.books.accepted).toBe(1);
    },
  );

  it('is never thrown away: not for its tip, its version, its time, its name, its target, nor a closed channel', () => {
    const { pair, channel } = atWork(blockJob(1, 1));
    const job = channel.current!;
    pair.toServer(messageOf(RequestExtensions, { requestId: 1, requestedExtensions: [2] }));
    const found = (change: object, tlvs?: Uint8Array) => {
      for (let nonce = 0; ; nonce += 1) {
        const attempt = {
          extranonce: new Uint8Array(8),
          version: job.version,
          ntime: job.minNtime,
          nonce,
          ...change,
        };
        if (!meetsTarget(weigh(job, attempt).hash, blockJob(1, 1).target)) continue;
        const fields = { channelId: channel.id, sequenceNumber: nonce, jobId: job.id, ...attempt };
        return verdictOf(pair.server.receive(messageOf(SubmitSharesExtended, fields, tlvs), START)).outcome
          .kind;
      }
    };
    const longName = Uint8Array.from([2, 0, 1, 33, 0, ...new Uint8Array(33).fill(65)]);
    expect(found({ extranonce: new Uint8Array(8).fill(1) }, longName)).toBe('blockFound');
    expect(found({ version: 1 })).toBe('blockFound');
    expect(found({ ntime: 1 })).toBe('blockFound');
    const hard = messageOf(UpdateChannel, {
      channelId: channel.id,
      nominalHashRate: 0,
      maximumTarget: bigintToU256(targetOfDifficulty(2 ** 40)),
    });
    pair.server.receive(hard, START);
    expect(found({ extranonce: new Uint8Array(8).fill(2) })).toBe('blockFound');
    pair.server.newJob(blockJob(2, 2));
    expect(found({ extranonce: new Uint8Array(8).fill(3) })).toBe('blockFound');
    pair.server.closeChannel(channel.id, 'bye');
    expect(found({ extranonce: new Uint8Array(8).fill(4) })).toBe('blockFound');
    expect(found({ extranonce: new Uint8Array(8).fill(4) })).toBe('rejected');
  });
});

describe('jobs (SV2 5.3.15 to 5.3.17)', () => {
  it('on the same tip are active at once, on a new one come with SetNewPrevHash', () => {
    const { pair, channel } = atWork();
    const before = pair.fromServer.length;
    pair.deliver(pair.server.newJob(onTip(2, 1, { time: 1_750_000_030 })));
    pair.deliver(pair.server.newJob(onTip(3, 2)));
    expect(pair.sent(before)).toEqual(['NewExtendedMiningJob', 'NewExtendedMiningJob', 'SetNewPrevHash']);
    const [same, next] = messagesNamed(pair.fromServer.slice(before), 'NewExtendedMiningJob');
    expect(same?.fields).toMatchObject({
      channelId: channel.id,
      jobId: 2,
      minNtime: 1_750_000_030,
      versionRollingAllowed: true,
    });
    expect(next?.fields.minNtime).toBeUndefined();
    expect(equalBytes(channel.current!.previousHash, hashOf(2))).toBe(true);
    expect(channel.job(1)).toBeUndefined();
    expect(channel.submit(2, solve(channel, channel.current!)).kind).toBe('refused');
  });

  it('may be sent ahead of their block, and are then only activated', () => {
    const { pair, channel } = atWork();
    const ahead = onTip(2, 0, { coinbaseSuffix: new Uint8Array(50).fill(3) });
    pair.deliver(pair.server.offerJob(ahead));
    expect(channel.futureJobs).toBe(1);
    expect(channel.current!.id).toBe(1);
    const early = { channelId: channel.id, sequenceNumber: 0, jobId: 2, ...solve(channel, channel.current!) };
    expect(verdictOf(pair.server.receive(messageOf(SubmitSharesExtended, early), START)).errorCode).toBe(
      'invalid-job-id',
    );
    const before = pair.fromServer.length;
    pair.deliver(pair.server.newJob({ ...ahead, previousHash: hashOf(2), time: 1_750_000_500 }));
    expect(pair.sent(before)).toEqual(['SetNewPrevHash']);
    expect(channel.current).toMatchObject({ id: 2, minNtime: 1_750_000_500 });
    expect(verdictOf(pair.share(channel)).outcome.kind).toBe('valid');
  });

  it('are sent anew when they are not what was sent ahead', () => {
    const { pair, channel } = atWork();
    pair.deliver(pair.server.offerJob(onTip(2, 0)));
    const before = pair.fromServer.length;
    pair.deliver(pair.server.newJob(onTip(2, 2, { coinbaseSuffix: new Uint8Array(50).fill(3) })));
    expect(pair.sent(before)).toEqual(['NewExtendedMiningJob', 'SetNewPrevHash']);
    expect(verdictOf(pair.share(channel)).outcome.kind).toBe('valid');
  });

  it('with another room for the extranonce are a mistake of the caller', () => {
    const { pair } = atWork();
    expect(() => pair.server.newJob(onTip(2, 1, { extranonceSize: 16 }))).toThrow(/16 bytes of extranonce/);
    expect(() => pair.server.offerJob(onTip(2, 1, { extranonceSize: 16 }))).toThrow(/16 bytes of extranonce/);
  });

  it('go to standard channels as merkle roots when the client needs that', () => {
    const pair = new Pair({}, { requiresStandardJobs: true }).connect();
    pair.deliver(pair.server.newJob(onTip(1, 1)));
    const channels = [pair.openStandard(), pair.openStandard()];
    const before = pair.fromServer.length;
    pair.deliver(pair.server.newJob(onTip(2, 1)));
    expect(pair.sent(before)).toEqual(['NewMiningJob', 'NewMiningJob']);
    for (const channel of channels) expect(verdictOf(pair.share(channel)).outcome.kind).toBe('valid');
    expect(() => pair.server.regroup([channels[0]!.id])).toThrow(/takes no jobs for groups/);
  });
});

describe('groups (SV2 5.2.3, 5.3.22)', () => {
  it('bring one message to all channels, and every channel mines on it', () => {
    const { pair, channels } = atWork(onTip(1, 1), ['extended', 'standard', 'extended']);
    const before = pair.fromServer.length;
    pair.deliver(pair.server.newJob(onTip(2, 1)));
    pair.deliver(pair.server.newJob(onTip(3, 2)));
    expect(pair.sent(before)).toEqual(['NewExtendedMiningJob', 'NewExtendedMiningJob', 'SetNewPrevHash']);
    const sent = messagesNamed(pair.fromServer.slice(before), 'NewExtendedMiningJob');
    expect(sent.map(({ fields }) => fields.channelId)).toEqual([channels[0]!.groupId, channels[0]!.groupId]);
    for (const channel of channels) {
      expect(equalBytes(channel.current!.previousHash, hashOf(2))).toBe(true);
      const verdict = verdictOf(pair.share(channel));
      expect(verdict).toMatchObject({ channelId: channel.id, outcome: { kind: 'valid' } });
      expect(verdict.job?.id).toBe(3);
    }
  });

  it('take jobs ahead; who joins later gets the work all the same', () => {
    const { pair, channels } = atWork(onTip(1, 1), ['extended', 'standard']);
    const before = pair.fromServer.length;
    pair.deliver(pair.server.offerJob(onTip(2, 0)));
    pair.deliver(pair.server.newJob(onTip(2, 2)));
    expect(pair.sent(before)).toEqual(['NewExtendedMiningJob', 'SetNewPrevHash']);
    pair.deliver(pair.server.offerJob(onTip(3, 0)));
    const late = pair.openExtended();
    pair.deliver(pair.server.newJob(onTip(3, 3)));
    for (const channel of [...channels, late]) {
      expect(equalBytes(channel.current!.previousHash, hashOf(3))).toBe(true);
      expect(verdictOf(pair.share(channel)).outcome.kind).toBe('valid');
    }
  });

  it('can be formed anew', () => {
    const { pair, channels } = atWork(onTip(1, 1), ['extended', 'standard', 'extended', 'standard']);
    const [a, b, c, d] = channels as [NonNullable<(typeof channels)[0]>, ...typeof channels];
    pair.deliver(pair.server.regroup([c!.id, d!.id]));
    expect(c!.groupId).toBe(d!.groupId);
    expect(c!.groupId).not.toBe(a.groupId);
    const before = pair.fromServer.length;
    pair.deliver(pair.server.newJob(onTip(2, 2)));
    expect(pair.sent(before)).toEqual([
      'NewExtendedMiningJob',
      'SetNewPrevHash',
      'NewExtendedMiningJob',
      'SetNewPrevHash',
    ]);
    const groups = messagesNamed(pair.fromServer.slice(before), 'NewExtendedMiningJob').map(
      ({ fields }) => fields.channelId,
    );
    expect(groups).toEqual([a.groupId, c!.groupId]);
    for (const channel of [a, b!, c!, d!]) expect(verdictOf(pair.share(channel)).outcome.kind).toBe('valid');
    expect(() => pair.server.regroup([a.groupId])).toThrow(/not open/);
  });

  it('are closed as one', () => {
    const { pair, channels } = atWork(onTip(1, 1), ['extended', 'standard']);
    const outputs = pair.server.receive(
      messageOf(CloseChannel, { channelId: channels[0]!.groupId, reasonCode: 'off' }),
      START,
    );
    expect(outputs.map((output) => output.kind === 'closed' && [output.channel.id, output.reason])).toEqual(
      channels.map(({ id }) => [id, 'off']),
    );
    expect(pair.server.channels.size).toBe(0);
  });
});

describe('targets (SV2 5.3.7, 5.3.21)', () => {
  it('count for jobs to come, of which one is sent at once; the old job keeps its own', () => {
    const { pair, channel } = atWork();
    const old = channel.current!;
    const before = pair.fromServer.length;
    pair.toServer(pair.client.update(channel, 5e6, targetOfDifficulty(2 ** -18)));
    expect(pair.sent(before)).toEqual(['SetTarget', 'NewExtendedMiningJob']);
    expect(channel.current!.target).toBe(targetOfDifficulty(2 ** -18));
    // Later than all that was worked on, so that header-only miners find nothing twice.
    expect(channel.current!.minNtime).toBeGreaterThan(old.minNtime);
    expect(verdictOf(pair.share(channel)).assignedDifficulty).toBe(2 ** -18);
    const easy = channel.submit(old.id, solve(channel, old, 0, { extranonce: new Uint8Array(8).fill(9) }));
    if (easy.kind !== 'share') throw new Error(easy.detail);
    expect(verdictOf(pair.toServer(easy.message)).assignedDifficulty).toBe(TINY);
  });

  it('that got easier are honoured on the old job too, for what they are worth', () => {
    // Of an unknown make: machines known to be fast keep their difficulty in silence.
    const pair = new Pair({ startDifficulty: 2 ** -14 }, { setup: NAMELESS }).connect();
    pair.deliver(pair.server.newJob(onTip(1, 1)));
    const channel = pair.openExtended();
    const old = channel.current!;
    // Minutes of silence lower the difficulty.
    for (let i = 0; i < 60 && channel.current === old; i += 1) {
      pair.now += 10_000;
      pair.deliver(pair.server.tick(pair.now));
    }
    expect(channel.target).toBeGreaterThan(old.target);
    expect(pair.fromServer.some(({ kind }) => kind === 'difficulty')).toBe(true);
    for (let nonce = 0; ; nonce += 1) {
      const attempt = { extranonce: new Uint8Array(8), version: old.version, ntime: old.minNtime, nonce };
      const { hash } = weigh(old, attempt);
      if (!meetsTarget(hash, channel.target) || meetsTarget(hash, old.target)) continue;
      const submitted = channel.submit(old.id, attempt);
      if (submitted.kind !== 'share') throw new Error(submitted.detail);
      const verdict = verdictOf(pair.toServer(submitted.message));
      expect(verdict).toMatchObject({
        outcome: { kind: 'valid' },
        assignedDifficulty: difficultyOfTarget(channel.target),
      });
      break;
    }
  });

  it('changed twice in one second still give each job a time of its own', () => {
    const { pair, channel } = atWork(onTip(1, 1), ['standard']);
    const times = [-19, -18, -17].map((power) => {
      pair.toServer(pair.client.update(channel, 0, targetOfDifficulty(2 ** power)));
      return channel.current!.minNtime;
    });
    expect(times).toEqual([0, 1, 2].map((later) => START / 1_000 + later));
  });

  it('count for jobs sent ahead', () => {
    const { pair, channel } = atWork();
    const ahead = onTip(2, 0);
    pair.deliver(pair.server.offerJob(ahead));
    pair.toServer(pair.client.update(channel, 0, targetOfDifficulty(2 ** -18)));
    pair.deliver(pair.server.newJob({ ...ahead, previousHash: hashOf(2) }));
    expect(channel.current!.target).toBe(targetOfDifficulty(2 ** -18));
    expect(verdictOf(pair.share(channel)).assignedDifficulty).toBe(2 ** -18);
  });

  it('follow the shares: a fast machine gets a harder one and its job anew', () => {
    const { pair, channel } = atWork();
    let from = 0;
    for (let i = 0; i < 60 && channel.target === targetOfDifficulty(TINY); i += 1) {
      const attempt = solve(channel, channel.current!, from);
      from = attempt.nonce + 1;
      pair.now += 1_000;
      pair.share(channel, attempt.nonce);
    }
    expect(channel.target).toBeLessThan(targetOfDifficulty(TINY));
    expect(channel.current!.target).toBe(channel.target);
    expect(pair.server.channels.get(channel.id)?.target).toBe(channel.target);
    expect(verdictOf(pair.share(channel)).assignedDifficulty).toBe(difficultyOfTarget(channel.target));
  });

  it('stay where they are when the client only says what is so already', () => {
    const { pair, channel } = atWork();
    expect(pair.toServer(pair.client.update(channel, 7, (1n << 256n) - 1n))).toEqual([]);
    expect(pair.server.channels.get(channel.id)).toMatchObject({ nominalHashRate: 7 });
  });

  it('are refused with a code when they make no sense', () => {
    const { pair, channel } = atWork();
    const ask = (change: object) => {
      const fields = { channelId: channel.id, nominalHashRate: 1, maximumTarget: ANY, ...change };
      pair.toServer(messageOf(UpdateChannel, fields));
      const last = pair.fromClient.at(-1);
      return last?.kind === 'updateRefused' ? last.errorCode : undefined;
    };
    expect(ask({ channelId: 4_711 })).toBe('invalid-channel-id');
    expect(ask({ nominalHashRate: Number.NaN })).toBe('invalid-nominal-hashrate');
    expect(ask({ maximumTarget: new Uint8Array(32) })).toBe('max-target-out-of-range');
  });

  it('are little-endian on the wire', () => {
    const { pair } = atWork();
    const target = messagesNamed(pair.fromServer, 'OpenExtendedMiningChannel.Success')[0]!.fields.target;
    // The easiest target, 0x000fffff…: the top bytes come last.
    expect(target[31]).toBe(0);
    expect(target[30]).toBe(0x0f);
    expect(u256ToBigint(target)).toBe(targetOfDifficulty(TINY));
  });
});

describe('extranonce prefixes (SV2 5.3.10)', () => {
  it.each(['standard', 'extended'] as const)(
    'of a %s channel change for jobs to come; old jobs keep theirs',
    (kind) => {
      const { pair, channel } = atWork(onTip(1, 1), [kind]);
      const [old, before] = [channel.current!, channel.extranoncePrefix];
      pair.deliver(pair.server.setExtranoncePrefix(channel.id, START));
      expect(equalBytes(before, channel.extranoncePrefix)).toBe(false);
      expect(verdictOf(pair.share(channel)).outcome.kind).toBe('valid');
      const late = channel.submit(old.id, solve(channel, old));
      if (late.kind !== 'share') throw new Error(late.detail);
      expect(verdictOf(pair.toServer(late.message)).outcome.kind).toBe('valid');
    },
  );

  it('of a job sent ahead stay what they were when it was sent', () => {
    const { pair, channel } = atWork();
    const ahead = onTip(2, 0);
    const before = channel.extranoncePrefix;
    pair.deliver(pair.server.offerJob(ahead));
    pair.deliver(pair.server.setExtranoncePrefix(channel.id, START));
    pair.deliver(pair.server.newJob({ ...ahead, previousHash: hashOf(2) }));
    expect(channel.current!.work).toMatchObject({ extranoncePrefix: before });
    expect(verdictOf(pair.share(channel)).outcome.kind).toBe('valid');
  });

  it('are given back once no job uses them', () => {
    const { pair, channel } = atWork();
    pair.deliver(pair.server.setExtranoncePrefix(channel.id, START));
    expect(pair.prefixes.inUse).toBe(2);
    pair.deliver(pair.server.newJob(onTip(2, 2)));
    expect(pair.prefixes.inUse).toBe(2);
    pair.deliver(pair.server.newJob(onTip(3, 3)));
    expect(pair.prefixes.inUse).toBe(1);
    pair.server.closeChannel(channel.id, 'done');
    expect(pair.prefixes.inUse).toBe(0);
  });
});

describe('closing (SV2 5.3.9)', () => {
  it('by the client frees the channel; by the server acknowledges first', () => {
    const { pair, channels } = atWork(onTip(1, 1), ['extended', 'extended']);
    const [a, b] = channels as [NonNullable<(typeof channels)[0]>, NonNullable<(typeof channels)[0]>];
    pair.share(a);
    pair.share(b);
    expect(pair.toServer(pair.client.close(a, 'off'))).toMatchObject([{ kind: 'closed', reason: 'off' }]);
    expect(pair.toServer(messageOf(CloseChannel, { channelId: a.id, reasonCode: '' }))).toMatchObject([
      { kind: 'confused' },
    ]);
    const before = pair.fromServer.length;
    pair.deliver(pair.server.closeChannel(b.id, 'maintenance'));
    expect(pair.sent(before)).toEqual(['SubmitShares.Success', 'CloseChannel']);
    expect(b.books).toMatchObject({ accepted: 1, unanswered: 0 });
    expect(pair.fromClient.at(-1)).toMatchObject({ kind: 'closed', reason: 'maintenance' });
    expect(pair.server.flush()).toEqual([]);
    expect(() => pair.server.closeChannel(b.id, '')).toThrow(/not open/);
  });
});

describe('workers of one channel (extension 0x0002)', () => {
  it('are named with each share once negotiated', () => {
    const pair = new Pair({}, { extensions: [2] }).connect();
    pair.deliver(pair.server.newJob(onTip(1, 1)));
    const channel = pair.openExtended('barn', 8, 'axe-7');
    expect(verdictOf(pair.share(channel))).toMatchObject({ userIdentity: 'barn', worker: 'axe-7' });
  });

  it('are ignored when not negotiated', () => {
    const { pair, channel } = atWork();
    const fields = {
      channelId: channel.id,
      sequenceNumber: 0,
      jobId: 1,
      ...solve(channel, channel.current!),
    };
    const verdict = verdictOf(
      pair.server.receive(messageOf(SubmitSharesExtended, fields, encodeUserIdentity('x')), START),
    );
    expect(verdict).toMatchObject({ worker: undefined, outcome: { kind: 'valid' } });
  });

  it('with too long a name cost the share, with a garbled one only the name', () => {
    const pair = new Pair({}, { extensions: [2] }).connect();
    pair.deliver(pair.server.newJob(onTip(1, 1)));
    const channel = pair.openExtended();
    const submit = (nonce: number, tlvs: Uint8Array) => {
      const attempt = solve(channel, channel.current!, nonce);
      const fields = { channelId: channel.id, sequenceNumber: 0, jobId: 1, ...attempt };
      return {
        nonce: attempt.nonce,
        verdict: verdictOf(pair.server.receive(messageOf(SubmitSharesExtended, fields, tlvs), START)),
      };
    };
    const long = submit(0, concatBytes(Uint8Array.of(2, 0, 1, 33, 0), new Uint8Array(33)));
    expect(long.verdict.errorCode).toBe('invalid-share');
    expect(pair.server.channels.get(channel.id)?.books).toMatchObject({ accepted: 0, rejected: 1 });
    expect(submit(long.nonce + 1, Uint8Array.of(1, 2, 3)).verdict).toMatchObject({
      worker: undefined,
      outcome: { kind: 'valid' },
    });
  });
});

describe('custom jobs', () => {
  it('are refused: this server declares none', () => {
    const { pair, channel } = atWork();
    const outputs = pair.server.receive(
      messageOf(SetCustomMiningJob, {
        channelId: channel.id,
        requestId: 3,
        miningJobToken: new Uint8Array(0),
        version: 0,
        prevHash: new Uint8Array(32),
        minNtime: 0,
        nbits: 0,
        coinbaseTxVersion: 0,
        coinbasePrefix: new Uint8Array(0),
        coinbaseTxInputNSequence: 0,
        coinbaseTxOutputs: new Uint8Array(0),
        coinbaseTxLocktime: 0,
        merklePath: [],
      }),
      START,
    );
    expect(messagesNamed(outputs, 'SetCustomMiningJob.Error')[0]?.fields).toEqual({
      channelId: channel.id,
      requestId: 3,
      errorCode: 'jd-not-supported',
    });
  });
});
