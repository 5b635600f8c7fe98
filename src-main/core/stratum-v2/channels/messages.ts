/**
 * The messages of a mining connection as values, for both ends: what a client may send, what a server may send, and how they
 * become frames. Source: the SV2 specification, chapters 3.6 and 5.3, and extension 0x0001.
 */
import {
  encodeMessage,
  messageTable,
  type Decoded,
  type FieldsOf,
  type MessageDefinition,
  type MessageTable,
} from '../codec.ts';
import {
  ChannelEndpointChanged,
  Reconnect,
  SetupConnection,
  SetupConnectionError,
  SetupConnectionSuccess,
} from '../messages/common.ts';
import {
  RequestExtensions,
  RequestExtensionsError,
  RequestExtensionsSuccess,
} from '../messages/extensions.ts';
import {
  CloseChannel,
  NewExtendedMiningJob,
  NewMiningJob,
  OpenExtendedMiningChannel,
  OpenExtendedMiningChannelSuccess,
  OpenMiningChannelError,
  OpenStandardMiningChannel,
  OpenStandardMiningChannelSuccess,
  SetCustomMiningJob,
  SetCustomMiningJobError,
  SetCustomMiningJobSuccess,
  SetExtranoncePrefix,
  SetGroupChannel,
  SetNewPrevHash,
  SetTarget,
  SubmitSharesError,
  SubmitSharesExtended,
  SubmitSharesStandard,
  SubmitSharesSuccess,
  UpdateChannel,
  UpdateChannelError,
} from '../messages/mining.ts';

/** All that a client of a mining connection may send. */
export const CLIENT_MESSAGES = [
  SetupConnection,
  RequestExtensions,
  OpenStandardMiningChannel,
  OpenExtendedMiningChannel,
  UpdateChannel,
  CloseChannel,
  SubmitSharesStandard,
  SubmitSharesExtended,
  SetCustomMiningJob,
] as const;

/** All that a server of a mining connection may send. */
export const SERVER_MESSAGES = [
  SetupConnectionSuccess,
  SetupConnectionError,
  ChannelEndpointChanged,
  Reconnect,
  RequestExtensionsSuccess,
  RequestExtensionsError,
  OpenStandardMiningChannelSuccess,
  OpenExtendedMiningChannelSuccess,
  OpenMiningChannelError,
  NewMiningJob,
  NewExtendedMiningJob,
  SetNewPrevHash,
  SetTarget,
  SetExtranoncePrefix,
  SetGroupChannel,
  SubmitSharesSuccess,
  SubmitSharesError,
  UpdateChannelError,
  CloseChannel,
  SetCustomMiningJobSuccess,
  SetCustomMiningJobError,
] as const;

export type ClientMessage = Decoded<(typeof CLIENT_MESSAGES)[number]>;
export type ServerMessage = Decoded<(typeof SERVER_MESSAGES)[number]>;

/** What a server reads. */
export const fromClient: MessageTable<(typeof CLIENT_MESSAGES)[number]> = messageTable(CLIENT_MESSAGES);
/** What a client reads. */
export const fromServer: MessageTable<(typeof SERVER_MESSAGES)[number]> = messageTable(SERVER_MESSAGES);

const NO_TLVS = new Uint8Array(0);

/** A message as a value, ready for `encodeFrameOf`. `tlvs`: encoded fields of extensions that follow it. */
export function messageOf<D extends MessageDefinition>(
  definition: D,
  fields: FieldsOf<D>,
  tlvs: Uint8Array = NO_TLVS,
): Decoded<D> {
  return { name: definition.name, fields, tlvs } as unknown as Decoded<D>;
}

const DEFINITIONS: ReadonlyMap<string, MessageDefinition> = new Map(
  [...CLIENT_MESSAGES, ...SERVER_MESSAGES].map((definition) => [definition.name, definition]),
);

/** The encoded frame (header and payload, not sealed) of a message. Throws `CodecError` for a value that fits no field. */
export function encodeFrameOf(message: ClientMessage | ServerMessage): Uint8Array {
  const definition = DEFINITIONS.get(message.name) as MessageDefinition;
  return encodeMessage(definition, message.fields as FieldsOf<MessageDefinition>, message.tlvs);
}

/** Bits of `version` a miner may roll where rolling is allowed (SV2 5.1, BIP323): 5 to 28. */
export const SV2_VERSION_MASK = 0x1fffffe0;

/** Control characters of either kind; names and reasons of peers end up in logs and on screens. */
const CONTROLS = /\p{Cc}/gu;

/** Text of a peer without control characters. */
export function plain(text: string): string {
  return text.replace(CONTROLS, '\uFFFD');
}
