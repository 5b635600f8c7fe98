/**
 * One mining connection from the server's side (SV2 3.6, 5.2, 5.3, extensions 0x0001 and 0x0002): set-up, extensions, channels
 * and their groups, jobs out, shares in. A pure state machine: messages and the time go in, things to do come out, in order.
 *
 * Nothing a client sends makes it throw. What a client does wrong is answered with a code where the protocol has one; where
 * it can't go on, the last thing to do is to disconnect.
 */
import { concatBytes } from '../../../bitcoin/bytes.ts';
import { ExtranonceError } from '../../../mining/extranonce.ts';
import { DuplicateSet } from '../../../mining/share.ts';
import type { Job, ShareOutcome } from '../../../mining/types.ts';
import { CodecError, u256ToBigint } from '../../codec.ts';
import type { Frame } from '../../frame.ts';
import {
  PROTOCOL,
  PROTOCOL_VERSION,
  SETUP_CONNECTION_ERROR,
  SetupConnectionError,
  SetupConnectionSuccess,
  type SetupConnection,
} from '../../messages/common.ts';
import {
  EXTENSION,
  RequestExtensionsError,
  RequestExtensionsSuccess,
  userIdentityOf,
  type RequestExtensions,
} from '../../messages/extensions.ts';
import {
  CloseChannel,
  MINING_FLAG,
  MINING_SUCCESS_FLAG,
  OPEN_MINING_CHANNEL_ERROR,
  OpenMiningChannelError,
  SET_CUSTOM_MINING_JOB_ERROR,
  SUBMIT_SHARES_ERROR,
  SetCustomMiningJobError,
  SubmitSharesError,
  UPDATE_CHANNEL_ERROR,
  UpdateChannelError,
  type OpenExtendedMiningChannel,
  type OpenStandardMiningChannel,
  type SetCustomMiningJob,
  type SubmitSharesExtended,
  type SubmitSharesStandard,
  type UpdateChannel,
} from '../../messages/mining.ts';
import { fromClient, messageOf, plain, type ClientMessage, type ServerMessage } from '../messages.ts';
import {
  checkDemands,
  type ChannelSettings,
  type JudgeContext,
  type Judgement,
  type Submission,
} from './channel.ts';
import { ServerExtendedChannel } from './extended-channel.ts';
import { ServerGroupChannel } from './group-channel.ts';
import { ServerStandardChannel } from './standard-channel.ts';

export type MiningChannel = ServerStandardChannel | ServerExtendedChannel;

/** Extensions a request may list; there are two. */
const MAX_REQUESTED_EXTENSIONS = 64;
/** Closed channels whose late shares are still looked at, for a block among them. */
const MAX_ENDED = 16;
const MAX_USER_AGENT = 200;
/** What is left for a connection that can have no channel more; the reference implementation's word since 2026. */
const CHANNEL_CAPACITY_EXHAUSTED = 'channel-capacity-exhausted';

export type SessionErrorCode = 'extranonceSize' | 'unknownChannel' | 'grouping';

/** A call that makes no sense: a mistake in this program, never the peer's. */
export class SessionError extends Error {
  readonly code: SessionErrorCode;
  constructor(code: SessionErrorCode, message: string) {
    super(message);
    this.name = 'SessionError';
    this.code = code;
  }
}

/** Hands out extranonce prefixes no other connection holds (`ExtranonceAllocator`). `allocate` throws `ExtranonceError`. */
export interface PrefixSource {
  allocate(): Uint8Array;
  release(prefix: Uint8Array): unknown;
}

export interface ServerSessionOptions {
  readonly prefixes: PrefixSource;
  /** Bytes of extranonce every job has room for. An extended channel gets what the prefix leaves. Default 12. */
  readonly extranonceSize?: number;
  /** Default 6. */
  readonly sharesPerMinute?: number;
  /** Difficulty to begin with; 0 (default): from the hashrate the client names, else from its kind. */
  readonly startDifficulty?: number;
  /** Whether miners may change the version's general purpose bits. Default true. */
  readonly versionRolling?: boolean;
  /** Default 1,024. */
  readonly maxChannels?: number;
  /** So many accepted shares are acknowledged at once; fewer wait for `flush`. Default 64. */
  readonly acknowledgeAt?: number;
  /** Shared by all connections, or one of its own. */
  readonly seen?: DuplicateSet;
  /** Whether shares on a job still count. When left out: while it builds on what the channel was last told. */
  readonly isCurrent?: (job: Job) => boolean;
}

/** Why a connection can't go on. */
export type DisconnectReason =
  /** A frame that is no message, or a request beyond all measure. */
  | 'malformed'
  /** Something else came before `SetupConnection`. */
  | 'setupExpected'
  | 'setupRepeated'
  /** Another protocol, version or demand than can be served; `SetupConnection.Error` says which. */
  | 'setupRefused';

export interface ShareVerdict {
  readonly channelId: number;
  readonly sequenceNumber: number;
  /** The channel's; undefined when there is no such channel. */
  readonly userIdentity: string | undefined;
  /** The worker named with the share, where extension 0x0002 was negotiated. Hostile text of 32 bytes at most. */
  readonly worker: string | undefined;
  readonly job: Job | undefined;
  readonly assignedDifficulty: number;
  readonly outcome: ShareOutcome;
  /** What a rejection is answered with. */
  readonly errorCode: string | undefined;
}

export type ServerOutput =
  | { readonly kind: 'send'; readonly message: ServerMessage }
  /** Always before its answer. When its outcome is `blockFound`, nothing comes before handing the block over. */
  | { readonly kind: 'share'; readonly verdict: ShareVerdict }
  /** Set up. `userAgent`: vendor, hardware and firmware, without control characters. */
  | { readonly kind: 'connected'; readonly userAgent: string; readonly setup: SetupConnection }
  | { readonly kind: 'opened'; readonly channel: MiningChannel }
  /** By the client when there is a reason; by `closeChannel` otherwise. */
  | { readonly kind: 'closed'; readonly channel: MiningChannel; readonly reason: string | undefined }
  /** A channel's difficulty changed. */
  | { readonly kind: 'difficulty'; readonly channel: MiningChannel }
  /** It made no sense; answered where there is an answer. To be counted against the peer. */
  | { readonly kind: 'confused'; readonly detail: string }
  | { readonly kind: 'disconnect'; readonly reason: DisconnectReason; readonly detail: string };

export class ServerSession {
  readonly #prefixes: PrefixSource;
  readonly #extranonceSize: number;
  readonly #sharesPerMinute: number;
  readonly #startDifficulty: number;
  readonly #versionRolling: boolean;
  readonly #maxChannels: number;
  readonly #acknowledgeAt: number;
  readonly #context: Omit<JudgeContext, 'now'>;
  readonly #channels = new Map<number, MiningChannel>();
  readonly #groups = new Map<number, ServerGroupChannel>();
  readonly #groupOf = new Map<number, ServerGroupChannel>();
  readonly #ended = new Map<number, MiningChannel>();
  /** Those with shares to acknowledge. */
  readonly #unacknowledged = new Set<MiningChannel>();
  readonly #extensions = new Set<number>();
  #state: 'new' | 'ready' | 'closed' = 'new';
  #userAgent = '';
  #standardJobs = false;
  #defaultGroup: ServerGroupChannel | undefined;
  /** Groups and channels share their ids; none is given twice (SV2 5.2). */
  #lastChannelId = 0;
  #lastJobId = 0;
  /** The first part of all standard channels' extranonces. */
  #standardPrefix: Uint8Array | undefined;
  #lastStandard = 0;
  #job: Job | undefined;

  constructor(options: ServerSessionOptions) {
    this.#prefixes = options.prefixes;
    this.#extranonceSize = options.extranonceSize ?? 12;
    this.#sharesPerMinute = options.sharesPerMinute ?? 6;
    this.#startDifficulty = options.startDifficulty ?? 0;
    this.#versionRolling = options.versionRolling ?? true;
    this.#maxChannels = options.maxChannels ?? 1_024;
    this.#acknowledgeAt = options.acknowledgeAt ?? 64;
    this.#context = { seen: options.seen ?? new DuplicateSet(), isCurrent: options.isCurrent };
  }

  /** Set up: it may open channels. */
  get ready(): boolean {
    return this.#state === 'ready';
  }
  get userAgent(): string {
    return this.#userAgent;
  }
  /** The client can't use extended jobs. */
  get requiresStandardJobs(): boolean {
    return this.#standardJobs;
  }
  /** Negotiated extensions. */
  get extensions(): ReadonlySet<number> {
    return this.#extensions;
  }
  get channels(): ReadonlyMap<number, MiningChannel> {
    return this.#channels;
  }

  /** Job ids run through all channels of the connection, so that a group's never meets a channel's. */
  readonly #nextJobId = (): number => {
    this.#lastJobId = (this.#lastJobId + 1) >>> 0;
    return this.#lastJobId;
  };

  #nextChannelId(): number {
    this.#lastChannelId += 1;
    return this.#lastChannelId;
  }

  // Messages

  /** A frame of the client, opened. `now`: milliseconds since 1970. */
  receiveFrame(frame: Frame, now: number): ServerOutput[] {
    if (this.#state === 'closed') return [];
    let decoded;
    try {
      decoded = fromClient.decode(frame);
    } catch (error) {
      if (!(error instanceof CodecError)) throw error;
      return this.#disconnect('malformed', error.message);
    }
    if (decoded.kind === 'message') return this.receive(decoded.message, now);
    if (this.#state === 'new') return this.#disconnect('setupExpected', 'its first message was none we know');
    // Messages of extensions nobody negotiated must be ignored (SV2 3.4.1).
    if (decoded.kind === 'unknownExtension') return [];
    return [confused(`a message of the unknown type 0x${frame.messageType.toString(16)}`)];
  }

  /** A decoded message of the client. */
  receive(message: ClientMessage, now: number): ServerOutput[] {
    if (this.#state === 'closed') return [];
    if (message.name === 'SetupConnection') return this.#setup(message.fields);
    if (this.#state === 'new')
      return this.#disconnect('setupExpected', `${message.name} came before SetupConnection`);
    switch (message.name) {
      case 'RequestExtensions':
        return this.#negotiate(message.fields);
      case 'OpenStandardMiningChannel':
        return this.#openStandard(message.fields, now);
      case 'OpenExtendedMiningChannel':
        return this.#openExtended(message.fields, now);
      case 'UpdateChannel':
        return this.#update(message.fields, now);
      case 'CloseChannel':
        return this.#closedByClient(message.fields.channelId, plain(message.fields.reasonCode));
      case 'SubmitSharesStandard':
        return this.#submit('standard', message.fields, NO_BYTES, NO_BYTES, now);
      case 'SubmitSharesExtended':
        return this.#submit('extended', message.fields, message.fields.extranonce, message.tlvs, now);
      default:
        return refuseCustomJob(message.fields);
    }
  }

  #disconnect(reason: DisconnectReason, detail: string): ServerOutput[] {
    this.close();
    return [{ kind: 'disconnect', reason, detail }];
  }

  // Set-up (3.6.1 to 3.6.3, 5.3.1)

  #setup(setup: SetupConnection): ServerOutput[] {
    if (this.#state !== 'new') return this.#disconnect('setupRepeated', 'a second SetupConnection');
    const refuse = (errorCode: string, flags: number, detail: string): ServerOutput[] => [
      send(messageOf(SetupConnectionError, { flags, errorCode })),
      ...this.#disconnect('setupRefused', detail),
    ];
    if (setup.protocol !== PROTOCOL.mining)
      return refuse(SETUP_CONNECTION_ERROR.unsupportedProtocol, 0, `it asked for protocol ${setup.protocol}`);
    if (setup.minVersion > PROTOCOL_VERSION || setup.maxVersion < PROTOCOL_VERSION) {
      const detail = `it speaks versions ${setup.minVersion} to ${setup.maxVersion}, here is ${PROTOCOL_VERSION}`;
      return refuse(SETUP_CONNECTION_ERROR.protocolVersionMismatch, 0, detail);
    }
    const { requiresStandardJobs, requiresVersionRolling, requiresWorkSelection } = MINING_FLAG;
    const supported = requiresStandardJobs | (this.#versionRolling ? requiresVersionRolling : 0);
    const asked = setup.flags >>> 0;
    if ((asked & ~supported) !== 0) {
      // All that is not supported must be named, whether asked for or not (3.6.3); of bits without a meaning, those asked for.
      const named = (requiresWorkSelection | requiresVersionRolling) & ~supported;
      const flags = (named | (asked & ~supported)) >>> 0;
      return refuse(
        SETUP_CONNECTION_ERROR.unsupportedFeatureFlags,
        flags,
        `it needs flags 0x${asked.toString(16)}`,
      );
    }
    this.#state = 'ready';
    this.#standardJobs = (asked & requiresStandardJobs) !== 0;
    this.#userAgent = plain(
      [setup.vendor, setup.hardwareVersion, setup.firmware].filter((part) => part !== '').join(' '),
    ).slice(0, MAX_USER_AGENT);
    this.#defaultGroup = this.#addGroup();
    const flags = this.#versionRolling ? 0 : MINING_SUCCESS_FLAG.requiresFixedVersion;
    return [
      { kind: 'connected', userAgent: this.#userAgent, setup },
      send(messageOf(SetupConnectionSuccess, { usedVersion: PROTOCOL_VERSION, flags })),
    ];
  }

  /** Extension 0x0001. */
  #negotiate({ requestId, requestedExtensions }: RequestExtensions): ServerOutput[] {
    if (requestedExtensions.length > MAX_REQUESTED_EXTENSIONS)
      return this.#disconnect('malformed', `a request for ${requestedExtensions.length} extensions`);
    const known: readonly number[] = [EXTENSION.negotiation, EXTENSION.workerHashrate];
    const supportedExtensions = requestedExtensions.filter((extension) => known.includes(extension));
    const unsupportedExtensions = requestedExtensions.filter((extension) => !known.includes(extension));
    this.#extensions.clear();
    for (const extension of supportedExtensions) this.#extensions.add(extension);
    return [
      send(
        supportedExtensions.length > 0
          ? messageOf(RequestExtensionsSuccess, { requestId, supportedExtensions })
          : messageOf(RequestExtensionsError, { requestId, unsupportedExtensions, requiredExtensions: [] }),
      ),
    ];
  }

  // Channels (5.3.2 to 5.3.10)

  #settings(): ChannelSettings {
    return {
      sharesPerMinute: this.#sharesPerMinute,
      startDifficulty: this.#startDifficulty,
      userAgent: this.#userAgent,
      versionRolling: this.#versionRolling,
    };
  }

  #openStandard(request: OpenStandardMiningChannel, now: number): ServerOutput[] {
    const wrong = this.#whyNot(request);
    if (wrong !== undefined) return openError(request.requestId, wrong);
    const prefix = this.#standardExtranonce();
    if (!prefix) return openError(request.requestId, CHANNEL_CAPACITY_EXHAUSTED);
    const wanted = this.#wanted(request, now);
    const channel = new ServerStandardChannel(wanted, this.#settings(), prefix);
    return this.#opened(channel, request.requestId);
  }

  #openExtended(request: OpenExtendedMiningChannel, now: number): ServerOutput[] {
    if (this.#standardJobs)
      return openError(
        request.requestId,
        OPEN_MINING_CHANNEL_ERROR.extendedChannelsNotSupportedForStandardJobs,
      );
    const wrong = this.#whyNot(request);
    if (wrong !== undefined) return openError(request.requestId, wrong);
    const prefix = this.#allocate();
    if (!prefix) return openError(request.requestId, CHANNEL_CAPACITY_EXHAUSTED);
    const rollable = this.#extranonceSize - prefix.length;
    if (request.minExtranonceSize > rollable) {
      this.#prefixes.release(prefix);
      return openError(request.requestId, OPEN_MINING_CHANNEL_ERROR.minExtranonceSizeTooLarge);
    }
    const wanted = this.#wanted(request, now);
    const channel = new ServerExtendedChannel(wanted, this.#settings(), prefix, rollable);
    return this.#opened(channel, request.requestId);
  }

  #whyNot(request: OpenStandardMiningChannel): string | undefined {
    const wrong = checkDemands(request.nominalHashRate, u256ToBigint(request.maxTarget));
    if (wrong === 'nominalHashRate') return OPEN_MINING_CHANNEL_ERROR.invalidNominalHashrate;
    if (wrong === 'maxTarget') return OPEN_MINING_CHANNEL_ERROR.maxTargetOutOfRange;
    return this.#channels.size >= this.#maxChannels ? CHANNEL_CAPACITY_EXHAUSTED : undefined;
  }

  #wanted(request: OpenStandardMiningChannel, now: number) {
    return {
      id: this.#nextChannelId(),
      userIdentity: request.userIdentity,
      nominalHashRate: request.nominalHashRate,
      maxTarget: u256ToBigint(request.maxTarget),
      now,
    };
  }

  #opened(channel: MiningChannel, requestId: number): ServerOutput[] {
    const group = this.#defaultGroup as ServerGroupChannel;
    this.#channels.set(channel.id, channel);
    group.add(channel);
    this.#groupOf.set(channel.id, group);
    const outputs: ServerOutput[] = [{ kind: 'opened', channel }, send(channel.opened(requestId, group.id))];
    // Its first job is sent to it alone, as a future job with its SetNewPrevHash (5.3.15).
    if (this.#job) outputs.push(...channel.newJob(this.#nextJobId, this.#job).map(send));
    return outputs;
  }

  #allocate(): Uint8Array | undefined {
    try {
      return this.#prefixes.allocate();
    } catch (error) {
      if (error instanceof ExtranonceError) return undefined;
      throw error;
    }
  }

  /** The connection's prefix for standard channels, then a number of the channel: each a whole extranonce of its own. */
  #standardExtranonce(): Uint8Array | undefined {
    this.#standardPrefix ??= this.#allocate();
    if (!this.#standardPrefix) return undefined;
    const number = new Uint8Array(this.#extranonceSize - this.#standardPrefix.length);
    this.#lastStandard += 1;
    for (let i = number.length - 1, left = this.#lastStandard; i >= 0; i--) {
      number[i] = left % 256;
      left = Math.floor(left / 256);
    }
    return concatBytes(this.#standardPrefix, number);
  }

  #update(request: UpdateChannel, now: number): ServerOutput[] {
    const { channelId, nominalHashRate } = request;
    const refuse = (errorCode: string): ServerOutput[] => [
      send(messageOf(UpdateChannelError, { channelId, errorCode })),
      confused(`UpdateChannel: ${errorCode}`),
    ];
    const channel = this.#channels.get(channelId);
    if (!channel) return refuse(UPDATE_CHANNEL_ERROR.invalidChannelId);
    const maxTarget = u256ToBigint(request.maximumTarget);
    const wrong = checkDemands(nominalHashRate, maxTarget);
    if (wrong === 'nominalHashRate') return refuse(UPDATE_CHANNEL_ERROR.invalidNominalHashrate);
    if (wrong === 'maxTarget') return refuse(UPDATE_CHANNEL_ERROR.maxTargetOutOfRange);
    return retargeted(channel, channel.update(this.#nextJobId, nominalHashRate, maxTarget, now));
  }

  #closedByClient(id: number, reason: string): ServerOutput[] {
    const group = this.#groups.get(id);
    const channel = this.#channels.get(id);
    const closing = group ? group.members() : channel ? [channel] : [];
    if (closing.length === 0) return [confused(`CloseChannel for ${id}, which is not open`)];
    return closing.flatMap((member) => {
      const open = this.#channels.get(member.id);
      if (!open) return [];
      this.#end(open);
      return [{ kind: 'closed' as const, channel: open, reason }];
    });
  }

  /** Closes a channel from our side, what waits acknowledged. Throws `SessionError` "unknownChannel". */
  closeChannel(channelId: number, reasonCode: string): ServerOutput[] {
    const channel = this.#channel(channelId);
    const acknowledged = channel.acknowledge();
    this.#end(channel);
    return [
      ...(acknowledged ? [send(acknowledged)] : []),
      send(messageOf(CloseChannel, { channelId, reasonCode })),
      { kind: 'closed', channel, reason: undefined },
    ];
  }

  #end(channel: MiningChannel): void {
    this.#channels.delete(channel.id);
    this.#unacknowledged.delete(channel);
    this.#groupOf.get(channel.id)?.remove(channel.id);
    this.#groupOf.delete(channel.id);
    this.#releaseOf(channel, channel.allPrefixes());
    this.#ended.set(channel.id, channel);
    for (const id of this.#ended.keys()) {
      if (this.#ended.size <= MAX_ENDED) return;
      this.#ended.delete(id);
    }
  }

  /** A standard channel's extranonces are numbers of this connection, which are never given twice. */
  #releaseOf(channel: MiningChannel, prefixes: readonly Uint8Array[]): void {
    if (channel.kind === 'extended') for (const prefix of prefixes) this.#prefixes.release(prefix);
  }

  /**
   * Gives a channel another extranonce prefix, and its job anew. Throws `SessionError` "unknownChannel", `ExtranonceError`
   * when all are in use.
   */
  setExtranoncePrefix(channelId: number, now: number): ServerOutput[] {
    const channel = this.#channel(channelId);
    const prefix = channel.kind === 'extended' ? this.#prefixes.allocate() : this.#standardExtranonce();
    if (!prefix) throw new ExtranonceError('All extranonce prefixes are in use: close some connections.');
    return channel.setExtranoncePrefix(this.#nextJobId, prefix, now).map(send);
  }

  #channel(channelId: number): MiningChannel {
    const channel = this.#channels.get(channelId);
    if (!channel) throw new SessionError('unknownChannel', `channel ${channelId} is not open`);
    return channel;
  }

  #addGroup(): ServerGroupChannel {
    const group = new ServerGroupChannel(this.#nextChannelId(), this.#extranonceSize, this.#versionRolling);
    this.#groups.set(group.id, group);
    return group;
  }

  /**
   * Puts channels into a group of their own (`SetGroupChannel`, 5.3.22). Throws `SessionError` "unknownChannel", or "grouping"
   * when the client takes no extended jobs.
   */
  regroup(channelIds: readonly number[]): ServerOutput[] {
    if (this.#standardJobs) throw new SessionError('grouping', 'this client takes no jobs for groups');
    const channels = channelIds.map((id) => this.#channel(id));
    const group = this.#addGroup();
    for (const channel of channels) {
      this.#groupOf.get(channel.id)?.remove(channel.id);
      this.#groupOf.set(channel.id, group);
      group.add(channel);
    }
    for (const [id, left] of this.#groups)
      if (left.size === 0 && left !== this.#defaultGroup && left !== group) this.#groups.delete(id);
    return [send(group.announce())];
  }

  // Jobs (5.3.15 to 5.3.17)

  #checkJob(job: Job): void {
    if (job.extranonceSize === this.#extranonceSize) return;
    const detail = `Job ${job.id} has room for ${job.extranonceSize} bytes of extranonce, ${this.#extranonceSize} are needed.`;
    throw new SessionError('extranonceSize', detail);
  }

  /** Groups that are worth a message of their own, and the channels that get their own. */
  #receivers(): { readonly groups: ServerGroupChannel[]; readonly single: MiningChannel[] } {
    // To a group of one the job goes as to a channel: machines that know nothing of groups understand it too.
    const groups = this.#standardJobs ? [] : [...this.#groups.values()].filter(({ size }) => size > 1);
    const single = [...this.#channels.values()].filter((channel) => {
      const group = this.#groupOf.get(channel.id);
      return !group || !groups.includes(group);
    });
    return { groups, single };
  }

  /** A new job for all channels, those to come included. Throws `SessionError` "extranonceSize". */
  newJob(job: Job): ServerOutput[] {
    this.#checkJob(job);
    if (this.#state === 'closed') return [];
    this.#job = job;
    const { groups, single } = this.#receivers();
    const outputs = [
      ...groups.flatMap((group) => group.newJob(this.#nextJobId, job)),
      ...single.flatMap((channel) => channel.newJob(this.#nextJobId, job)),
    ].map(send);
    for (const channel of this.#channels.values()) this.#releaseOf(channel, channel.freedPrefixes());
    return outputs;
  }

  /**
   * Sends a job ahead of its block hash (5.1.3), to all channels there are. `newJob` with the same `id` and the same work
   * activates it; its previous hash, bits and times count only then. Throws `SessionError` "extranonceSize".
   */
  offerJob(job: Job): ServerOutput[] {
    this.#checkJob(job);
    const { groups, single } = this.#receivers();
    return [...groups, ...single].map((receiver) => send(receiver.offer(this.#nextJobId(), job)));
  }

  // Shares (5.3.11 to 5.3.14)

  #submit(
    kind: MiningChannel['kind'],
    fields: SubmitSharesStandard | SubmitSharesExtended,
    extranonce: Uint8Array,
    tlvs: Uint8Array,
    now: number,
  ): ServerOutput[] {
    const { channelId, sequenceNumber, jobId, nonce, ntime, version } = fields;
    const share = { sequenceNumber, jobId, nonce, ntime, version, extranonce };
    const channel = this.#channels.get(channelId);
    if (!channel || channel.kind !== kind) return this.#strayShare(kind, channelId, share, now);
    const worker = this.#workerOf(tlvs);
    const context = { ...this.#context, now };
    const judgement = channel.judge(share, context, worker === 'tooLong' ? NAME_TOO_LONG : undefined);
    const verdict = {
      channelId,
      sequenceNumber,
      userIdentity: channel.userIdentity,
      worker: worker === 'tooLong' ? undefined : worker?.name,
      ...judgement,
    };
    const outputs: ServerOutput[] = [{ kind: 'share', verdict }];
    const { errorCode, outcome } = judgement;
    if (errorCode !== undefined) {
      outputs.push(send(messageOf(SubmitSharesError, { channelId, sequenceNumber, errorCode })));
      return outputs;
    }
    this.#unacknowledged.add(channel);
    if (outcome.kind === 'blockFound' || channel.pendingAcknowledgements >= this.#acknowledgeAt)
      outputs.push(...this.#acknowledge(channel));
    const after = channel.afterShare(this.#nextJobId, judgement.assignedDifficulty, now);
    outputs.push(...retargeted(channel, after));
    return outputs;
  }

  /** Extension 0x0002. A garbled field costs only the name; one that is too long must cost the message (3.4.3). */
  #workerOf(tlvs: Uint8Array): { readonly name: string } | 'tooLong' | undefined {
    if (tlvs.length === 0 || !this.#extensions.has(EXTENSION.workerHashrate)) return undefined;
    try {
      const name = userIdentityOf(tlvs);
      return name === undefined ? undefined : { name };
    } catch (error) {
      if (!(error instanceof CodecError)) throw error;
      return error.code === 'tooLarge' ? 'tooLong' : undefined;
    }
  }

  /** A share for a channel that is not open. A block on one that was closed while the share was under way is not lost. */
  #strayShare(
    kind: MiningChannel['kind'],
    channelId: number,
    share: Submission,
    now: number,
  ): ServerOutput[] {
    const { sequenceNumber } = share;
    const ended = this.#ended.get(channelId);
    const late = ended?.kind === kind ? ended.judge(share, { ...this.#context, now }) : undefined;
    const judgement = late?.outcome.kind === 'blockFound' ? late : NO_CHANNEL;
    const verdict = {
      channelId,
      sequenceNumber,
      userIdentity: ended?.userIdentity,
      worker: undefined,
      ...judgement,
    };
    const { errorCode } = judgement;
    if (errorCode === undefined) return [{ kind: 'share', verdict }];
    return [
      { kind: 'share', verdict },
      send(messageOf(SubmitSharesError, { channelId, sequenceNumber, errorCode })),
    ];
  }

  #acknowledge(channel: MiningChannel): ServerOutput[] {
    this.#unacknowledged.delete(channel);
    const message = channel.acknowledge();
    return message ? [send(message)] : [];
  }

  /** Acknowledges all accepted shares that wait for it. To be called when what came in one go was handled. */
  flush(): ServerOutput[] {
    return [...this.#unacknowledged].flatMap((channel) => this.#acknowledge(channel));
  }

  /** Time passes: difficulties, and what `flush` does. To be called every few seconds. */
  tick(now: number): ServerOutput[] {
    const outputs = this.flush();
    for (const channel of this.#channels.values())
      outputs.push(...retargeted(channel, channel.tick(this.#nextJobId, now)));
    return outputs;
  }

  /** The connection is gone: gives all extranonce prefixes back. Safe to call twice. */
  close(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    for (const channel of this.#channels.values()) this.#releaseOf(channel, channel.allPrefixes());
    if (this.#standardPrefix) this.#prefixes.release(this.#standardPrefix);
    this.#channels.clear();
    this.#unacknowledged.clear();
    this.#groups.clear();
    this.#groupOf.clear();
    this.#ended.clear();
  }
}

const NO_BYTES = new Uint8Array(0);

const NO_CHANNEL: Judgement = {
  outcome: { kind: 'rejected', reason: 'malformed', detail: 'no such channel of that kind is open' },
  job: undefined,
  assignedDifficulty: 0,
  errorCode: SUBMIT_SHARES_ERROR.invalidChannelId,
};

const NAME_TOO_LONG: Judgement = {
  outcome: { kind: 'rejected', reason: 'malformed', detail: 'the worker name has more than 32 bytes' },
  job: undefined,
  assignedDifficulty: 0,
  errorCode: SUBMIT_SHARES_ERROR.invalidShare,
};

function send(message: ServerMessage): ServerOutput {
  return { kind: 'send', message };
}

function confused(detail: string): ServerOutput {
  return { kind: 'confused', detail };
}

function refuseCustomJob({ channelId, requestId }: SetCustomMiningJob): ServerOutput[] {
  const errorCode = SET_CUSTOM_MINING_JOB_ERROR.jdNotSupported;
  return [
    send(messageOf(SetCustomMiningJobError, { channelId, requestId, errorCode })),
    confused('SetCustomMiningJob on a connection without work selection'),
  ];
}

function openError(requestId: number, errorCode: string): ServerOutput[] {
  return [
    send(messageOf(OpenMiningChannelError, { requestId, errorCode })),
    confused(`a channel was not opened: ${errorCode}`),
  ];
}

function retargeted(channel: MiningChannel, messages: readonly ServerMessage[]): ServerOutput[] {
  return messages.length === 0 ? [] : [{ kind: 'difficulty', channel }, ...messages.map(send)];
}
