/**
 * One mining connection from the client's side: the mirror of `server/session.ts`, for a miner, a proxy, or our connection to a
 * pool. A pure state machine: messages of the server go in, what came of them comes out, in order.
 *
 * A server is not trusted. What the protocol forbids it gives `fault`, after which the connection is to be ended and
 * nothing more is taken; nothing a server sends makes it throw.
 */
import { MAX_TARGET } from '../../../bitcoin/target.ts';
import { CodecError, bigintToU256, u256ToBigint } from '../../codec.ts';
import type { Frame } from '../../frame.ts';
import {
  PROTOCOL,
  PROTOCOL_VERSION,
  SetupConnection,
  type SetupConnectionSuccess,
} from '../../messages/common.ts';
import { EXTENSION, RequestExtensions, encodeUserIdentity } from '../../messages/extensions.ts';
import {
  CloseChannel,
  MINING_FLAG,
  MINING_SUCCESS_FLAG,
  OpenExtendedMiningChannel,
  OpenStandardMiningChannel,
  UpdateChannel,
  type OpenExtendedMiningChannelSuccess,
  type OpenStandardMiningChannelSuccess,
  type SetGroupChannel,
} from '../../messages/mining.ts';
import { fromServer, messageOf, type ClientMessage, type ServerMessage } from '../messages.ts';
import type { Fault, Followed } from './channel.ts';
import { ClientExtendedChannel } from './extended-channel.ts';
import { ClientGroupChannel, type FollowedBy } from './group-channel.ts';
import type { ClientJob } from './jobs.ts';
import { ClientStandardChannel } from './standard-channel.ts';

export type MiningClientChannel = ClientStandardChannel | ClientExtendedChannel;

/** Longest extranonce, prefix and rolled part together, that is accepted (SV2: B0_32). */
const MAX_EXTRANONCE = 32;
/** Requests that may wait for an answer, and with the open channels the most there can be. */
const MAX_CHANNELS = 65_536;

export interface ClientSessionOptions {
  readonly setup: Pick<
    SetupConnection,
    'endpointHost' | 'endpointPort' | 'vendor' | 'hardwareVersion' | 'firmware' | 'deviceId'
  >;
  readonly requiresStandardJobs?: boolean;
  readonly requiresVersionRolling?: boolean;
  /** Extensions to ask for; none: no negotiation. */
  readonly extensions?: readonly number[];
}

export interface ChannelWish {
  readonly userIdentity: string;
  /** H/s; 0 when there are no machines yet. */
  readonly nominalHashRate: number;
  /** Default: any. */
  readonly maxTarget?: bigint;
}

export interface ExtendedChannelWish extends ChannelWish {
  readonly minExtranonceSize: number;
  /** Named with every share when extension 0x0002 is negotiated: at most 32 bytes of UTF-8. */
  readonly worker?: string;
}

export type ClientOutput =
  | { readonly kind: 'send'; readonly message: ClientMessage }
  /** Channels may be opened. */
  | { readonly kind: 'ready' }
  /** The server refuses the connection, and ends it. `flags`: all it does not support. */
  | { readonly kind: 'refused'; readonly errorCode: string; readonly flags: number }
  /** The server wants extensions that were not asked for, and ends the connection unless they are. */
  | { readonly kind: 'extensionsRequired'; readonly extensions: readonly number[] }
  | { readonly kind: 'opened'; readonly requestId: number; readonly channel: MiningClientChannel }
  | { readonly kind: 'openRefused'; readonly requestId: number; readonly errorCode: string }
  /** Work on this now. */
  | { readonly kind: 'work'; readonly channel: MiningClientChannel; readonly job: ClientJob }
  /** Another target for the jobs to come. */
  | { readonly kind: 'target'; readonly channel: MiningClientChannel }
  | { readonly kind: 'acknowledged'; readonly channel: MiningClientChannel; readonly count: number }
  | {
      readonly kind: 'rejected';
      readonly channel: MiningClientChannel;
      readonly sequenceNumber: number;
      readonly errorCode: string;
    }
  | { readonly kind: 'updateRefused'; readonly channelId: number; readonly errorCode: string }
  | { readonly kind: 'closed'; readonly channel: MiningClientChannel; readonly reason: string }
  /** Connect again, there if it is not empty and not 0; the authority key stays the same. */
  | { readonly kind: 'reconnect'; readonly host: string; readonly port: number }
  /** Taken note of: nothing to do, worth a line in the log. */
  | { readonly kind: 'ignored'; readonly detail: string }
  | Fault;

export type ClientSessionErrorCode = 'notReady' | 'unsupported' | 'tooMany';

/** A call that can't be followed now. */
export class ClientSessionError extends Error {
  readonly code: ClientSessionErrorCode;
  constructor(code: ClientSessionErrorCode, message: string) {
    super(message);
    this.name = 'ClientSessionError';
    this.code = code;
  }
}

type Pending =
  | { readonly kind: 'standard'; readonly wish: ChannelWish }
  | { readonly kind: 'extended'; readonly wish: ExtendedChannelWish };

export class ClientSession {
  readonly #options: ClientSessionOptions;
  readonly #pending = new Map<number, Pending>();
  readonly #channels = new Map<number, MiningClientChannel>();
  readonly #groups = new Map<number, ClientGroupChannel<MiningClientChannel>>();
  readonly #extensions = new Set<number>();
  #state: 'new' | 'settingUp' | 'negotiating' | 'ready' | 'ended' = 'new';
  #serverFlags = 0;
  #lastRequest = 0;

  constructor(options: ClientSessionOptions) {
    this.#options = options;
  }

  get ready(): boolean {
    return this.#state === 'ready';
  }
  get channels(): ReadonlyMap<number, MiningClientChannel> {
    return this.#channels;
  }
  get extensions(): ReadonlySet<number> {
    return this.#extensions;
  }

  // What the client does

  /** The first message. */
  start(): ClientMessage {
    if (this.#state !== 'new') throw new ClientSessionError('notReady', 'the connection was set up before');
    this.#state = 'settingUp';
    return messageOf(SetupConnection, {
      ...this.#options.setup,
      protocol: PROTOCOL.mining,
      minVersion: PROTOCOL_VERSION,
      maxVersion: PROTOCOL_VERSION,
      flags: this.#flags(),
    });
  }

  #flags(): number {
    const { requiresStandardJobs = false, requiresVersionRolling = false } = this.#options;
    return (
      (requiresStandardJobs ? MINING_FLAG.requiresStandardJobs : 0) |
      (requiresVersionRolling ? MINING_FLAG.requiresVersionRolling : 0)
    );
  }

  /** The server did not answer `RequestExtensions` in time: goes on without any, as with servers that know nothing of it. */
  skipExtensions(): ClientOutput[] {
    if (this.#state !== 'negotiating') return [];
    this.#state = 'ready';
    return [{ kind: 'ready' }];
  }

  #request(pending: Pending): number {
    if (this.#state !== 'ready')
      throw new ClientSessionError('notReady', 'channels can be opened once the connection is set up');
    if (this.#pending.size + this.#channels.size >= MAX_CHANNELS)
      throw new ClientSessionError('tooMany', `more than ${MAX_CHANNELS} channels`);
    this.#lastRequest = (this.#lastRequest + 1) >>> 0;
    this.#pending.set(this.#lastRequest, pending);
    return this.#lastRequest;
  }

  /** Throws `ClientSessionError`: "notReady", "tooMany", "unsupported" when the server wants extended channels. */
  openStandard(wish: ChannelWish): ClientMessage {
    if ((this.#serverFlags & MINING_SUCCESS_FLAG.requiresExtendedChannels) !== 0)
      throw new ClientSessionError('unsupported', 'this server takes extended channels only');
    const requestId = this.#request({ kind: 'standard', wish });
    return messageOf(OpenStandardMiningChannel, { requestId, ...openFields(wish) });
  }

  /** Throws `ClientSessionError` "notReady", "tooMany". */
  openExtended(wish: ExtendedChannelWish): ClientMessage {
    const requestId = this.#request({ kind: 'extended', wish });
    const { minExtranonceSize } = wish;
    return messageOf(OpenExtendedMiningChannel, { requestId, ...openFields(wish), minExtranonceSize });
  }

  /** Tells the server of another hashrate or of the highest target the machines can do. */
  update(channel: MiningClientChannel, nominalHashRate: number, maximumTarget: bigint): ClientMessage {
    return messageOf(UpdateChannel, {
      channelId: channel.id,
      nominalHashRate,
      maximumTarget: bigintToU256(maximumTarget),
    });
  }

  /** Closes a channel; the server must be quiet about it from then on. */
  close(channel: MiningClientChannel, reasonCode: string): ClientMessage {
    this.#forget(channel);
    return messageOf(CloseChannel, { channelId: channel.id, reasonCode });
  }

  #forget(channel: MiningClientChannel): void {
    this.#channels.delete(channel.id);
    const group = this.#groups.get(channel.groupId);
    group?.remove(channel.id);
    if (group?.size === 0) this.#groups.delete(channel.groupId);
  }

  // Messages of the server

  /** A frame of the server, opened. */
  receiveFrame(frame: Frame): ClientOutput[] {
    if (this.#state === 'ended') return [];
    try {
      const decoded = fromServer.decode(frame);
      if (decoded.kind === 'message') return this.receive(decoded.message);
      return [
        { kind: 'ignored', detail: `a message of the unknown type 0x${frame.messageType.toString(16)}` },
      ];
    } catch (error) {
      if (!(error instanceof CodecError)) throw error;
      return this.#fault(error.message);
    }
  }

  receive(message: ServerMessage): ClientOutput[] {
    if (this.#state === 'ended') return [];
    switch (message.name) {
      case 'SetupConnection.Success':
        return this.#setUp(message.fields);
      case 'SetupConnection.Error': {
        this.#state = 'ended';
        const { errorCode, flags } = message.fields;
        return [{ kind: 'refused', errorCode, flags }];
      }
      case 'Reconnect':
        return [{ kind: 'reconnect', host: message.fields.newHost, port: message.fields.newPort }];
      case 'RequestExtensions.Success':
        return this.#negotiated(message.fields.supportedExtensions, []);
      case 'RequestExtensions.Error':
        return this.#negotiated([], message.fields.requiredExtensions);
      case 'OpenStandardMiningChannel.Success':
        return this.#opened('standard', message.fields, 0);
      case 'OpenExtendedMiningChannel.Success':
        return this.#opened('extended', message.fields, message.fields.extranonceSize);
      case 'OpenMiningChannel.Error': {
        const { requestId, errorCode } = message.fields;
        if (!this.#pending.delete(requestId))
          return [ignored(`an error for the unknown request ${requestId}`)];
        return [{ kind: 'openRefused', requestId, errorCode }];
      }
      case 'NewMiningJob':
        return this.#to(message, (channel) =>
          channel.kind === 'standard'
            ? channel.onStandardJob(message.fields)
            : { kind: 'fault', detail: `a standard job on the extended channel ${channel.id}` },
        );
      case 'NewExtendedMiningJob':
        return this.#toGroupOr(message, (receiver) => receiver.onExtendedJob(message.fields));
      case 'SetNewPrevHash':
        return this.#toGroupOr(message, (receiver) => receiver.onNewPrevHash(message.fields));
      case 'SetTarget':
        return this.#retarget(message.fields.channelId, message.fields.maximumTarget);
      case 'SetExtranoncePrefix':
        return this.#to(message, (channel) => channel.onExtranoncePrefix(message.fields.extranoncePrefix));
      case 'SetGroupChannel':
        return this.#regroup(message.fields);
      case 'SubmitShares.Success': {
        const channel = this.#channels.get(message.fields.channelId);
        if (!channel) return [unknownChannel(message)];
        channel.onSharesSuccess(message.fields);
        return [{ kind: 'acknowledged', channel, count: message.fields.newSubmitsAcceptedCount }];
      }
      case 'SubmitShares.Error': {
        const { channelId, sequenceNumber, errorCode } = message.fields;
        const channel = this.#channels.get(channelId);
        if (!channel) return [unknownChannel(message)];
        if (!channel.onSharesError(message.fields))
          return [ignored(`an error for share ${sequenceNumber}, which waits for no answer`)];
        return [{ kind: 'rejected', channel, sequenceNumber, errorCode }];
      }
      case 'UpdateChannel.Error':
        return [{ kind: 'updateRefused', ...message.fields }];
      case 'CloseChannel':
        return this.#closed(message.fields.channelId, message.fields.reasonCode);
      // ChannelEndpointChanged, and answers about custom jobs.
      default:
        return [ignored(`${message.name}, which this client has no use for`)];
    }
  }

  #fault(detail: string): ClientOutput[] {
    this.#state = 'ended';
    return [{ kind: 'fault', detail }];
  }

  #setUp({ usedVersion, flags }: SetupConnectionSuccess): ClientOutput[] {
    if (this.#state !== 'settingUp') return this.#fault('SetupConnection.Success out of turn');
    if (usedVersion !== PROTOCOL_VERSION) return this.#fault(`the server chose version ${usedVersion}`);
    if (this.#options.requiresVersionRolling && (flags & MINING_SUCCESS_FLAG.requiresFixedVersion) !== 0)
      return this.#fault('the server takes no version rolling, after it was told it is needed');
    this.#serverFlags = flags;
    const extensions = this.#options.extensions ?? [];
    if (extensions.length === 0) {
      this.#state = 'ready';
      return [{ kind: 'ready' }];
    }
    this.#state = 'negotiating';
    const message = messageOf(RequestExtensions, { requestId: 1, requestedExtensions: [...extensions] });
    return [{ kind: 'send', message }];
  }

  #negotiated(supported: readonly number[], required: readonly number[]): ClientOutput[] {
    if (this.#state !== 'negotiating') return [ignored('an answer about extensions that comes too late')];
    const asked = this.#options.extensions ?? [];
    for (const extension of supported) if (asked.includes(extension)) this.#extensions.add(extension);
    if (required.length > 0) {
      this.#state = 'ended';
      return [{ kind: 'extensionsRequired', extensions: required }];
    }
    this.#state = 'ready';
    return [{ kind: 'ready' }];
  }

  #opened(
    kind: Pending['kind'],
    fields: OpenStandardMiningChannelSuccess | OpenExtendedMiningChannelSuccess,
    rollableSize: number,
  ): ClientOutput[] {
    const { requestId, channelId: id, groupChannelId: groupId, extranoncePrefix } = fields;
    const pending = this.#pending.get(requestId);
    if (!pending || pending.kind !== kind)
      return this.#fault(`a channel was opened for request ${requestId}, which waits for none of its kind`);
    if (this.#channels.has(id) || this.#groups.has(id))
      return this.#fault(`the id ${id} was given to a second channel`);
    if (groupId === id || this.#channels.has(groupId))
      return this.#fault(`channel and group share the id ${groupId}`);
    if (extranoncePrefix.length + rollableSize > MAX_EXTRANONCE)
      return this.#fault(`${extranoncePrefix.length} and ${rollableSize} bytes of extranonce`);
    const target = u256ToBigint(fields.target);
    if (target === 0n || target > (pending.wish.maxTarget ?? MAX_TARGET))
      return this.#fault('the target of the new channel is not what was asked for');
    const opened = { id, groupId, userIdentity: pending.wish.userIdentity, target, extranoncePrefix };
    let channel: MiningClientChannel;
    if (pending.kind === 'standard') {
      channel = new ClientStandardChannel(opened);
    } else {
      const { minExtranonceSize, worker } = pending.wish;
      if (rollableSize < minExtranonceSize)
        return this.#fault(`${rollableSize} bytes of extranonce, ${minExtranonceSize} are needed`);
      const named = worker !== undefined && this.#extensions.has(EXTENSION.workerHashrate);
      channel = new ClientExtendedChannel(
        opened,
        rollableSize,
        named ? encodeUserIdentity(worker) : undefined,
      );
    }
    this.#pending.delete(requestId);
    this.#channels.set(id, channel);
    const fault = this.#join(channel, groupId);
    if (fault) return this.#fault(fault.detail);
    return [{ kind: 'opened', requestId, channel }];
  }

  #join(channel: MiningClientChannel, groupId: number): Fault | undefined {
    let group = this.#groups.get(groupId);
    if (!group) {
      group = new ClientGroupChannel(groupId);
      this.#groups.set(groupId, group);
    }
    return group.add(channel);
  }

  /** For messages to one channel. Those for channels we closed may still be under way. */
  #to(
    message: ServerMessage & { readonly fields: { readonly channelId: number } },
    follow: (channel: MiningClientChannel) => Followed,
  ): ClientOutput[] {
    const channel = this.#channels.get(message.fields.channelId);
    return channel ? this.#followed(channel, follow(channel)) : [unknownChannel(message)];
  }

  #toGroupOr(
    message: ServerMessage & { readonly fields: { readonly channelId: number } },
    follow: (
      receiver: MiningClientChannel | ClientGroupChannel<MiningClientChannel>,
    ) => Followed | FollowedBy<MiningClientChannel>[],
  ): ClientOutput[] {
    const { channelId } = message.fields;
    const channel = this.#channels.get(channelId);
    const receiver = this.#groups.get(channelId) ?? channel;
    if (!receiver) return [unknownChannel(message)];
    const result = follow(receiver);
    const all = Array.isArray(result) ? result : channel ? [{ channel, followed: result }] : [];
    const outputs: ClientOutput[] = [];
    for (const each of all) {
      outputs.push(...this.#followed(each.channel, each.followed));
      if (!this.ready) break;
    }
    return outputs;
  }

  #followed(channel: MiningClientChannel, followed: Followed): ClientOutput[] {
    if (followed.kind === 'fault') return this.#fault(followed.detail);
    return followed.kind === 'work' ? [{ kind: 'work', channel, job: followed.job }] : [];
  }

  #retarget(id: number, maximumTarget: Uint8Array): ClientOutput[] {
    const group = this.#groups.get(id);
    const channel = this.#channels.get(id);
    const members = group ? group.members() : channel ? [channel] : [];
    if (members.length === 0) return [ignored(`SetTarget for the unknown channel ${id}`)];
    if (u256ToBigint(maximumTarget) === 0n)
      return this.#fault(`a target no share can meet for channel ${id}`);
    return members.map((member) => {
      member.onTarget(maximumTarget);
      return { kind: 'target' as const, channel: member };
    });
  }

  #regroup({ groupChannelId, channelIds }: SetGroupChannel): ClientOutput[] {
    if ((this.#flags() & MINING_FLAG.requiresStandardJobs) !== 0)
      return this.#fault('SetGroupChannel for a client that takes no jobs for groups');
    if (this.#channels.has(groupChannelId)) return this.#fault(`channel ${groupChannelId} was made a group`);
    for (const id of channelIds) {
      const channel = this.#channels.get(id);
      if (!channel) continue;
      const before = this.#groups.get(channel.groupId);
      before?.remove(id);
      if (before?.size === 0 && before.id !== groupChannelId) this.#groups.delete(before.id);
      const fault = this.#join(channel, groupChannelId);
      if (fault) return this.#fault(fault.detail);
    }
    return [];
  }

  #closed(id: number, reason: string): ClientOutput[] {
    const group = this.#groups.get(id);
    const channel = this.#channels.get(id);
    const closing = group ? group.members() : channel ? [channel] : [];
    for (const member of closing) this.#forget(member);
    return closing.map((member) => ({ kind: 'closed' as const, channel: member, reason }));
  }
}

function openFields(wish: ChannelWish) {
  return {
    userIdentity: wish.userIdentity,
    nominalHashRate: wish.nominalHashRate,
    maxTarget: bigintToU256(wish.maxTarget ?? MAX_TARGET),
  };
}

function ignored(detail: string): ClientOutput {
  return { kind: 'ignored', detail };
}

function unknownChannel(
  message: ServerMessage & { readonly fields: { readonly channelId: number } },
): ClientOutput {
  return ignored(`${message.name} for the unknown channel ${message.fields.channelId}`);
}
