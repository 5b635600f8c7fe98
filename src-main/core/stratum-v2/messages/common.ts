/** Common messages of all protocols: the SV2 specification, section 3.6. Types and channel bits: chapter 8. */
import { codeString, messagesOf, str0_255, u16, u32, u8, type FieldsOf } from '../codec.ts';

const message = messagesOf(0);

/** Values of `SetupConnection.protocol` (3.6.1). */
export const PROTOCOL = { mining: 0, jobDeclaration: 1, templateDistribution: 2 } as const;
export type Protocol = keyof typeof PROTOCOL;

/** The one version of the protocol there is (3.6.1). */
export const PROTOCOL_VERSION = 2;

/** 3.6.1. The first message of a connection. Flags are in the file of each protocol. */
export const SetupConnection = message('SetupConnection', 0x00, false, 'client', {
  protocol: u8,
  minVersion: u16,
  maxVersion: u16,
  flags: u32,
  endpointHost: str0_255,
  endpointPort: u16,
  vendor: str0_255,
  hardwareVersion: str0_255,
  firmware: str0_255,
  deviceId: str0_255,
});
export type SetupConnection = FieldsOf<typeof SetupConnection>;

/** 3.6.2. */
export const SetupConnectionSuccess = message('SetupConnection.Success', 0x01, false, 'server', {
  usedVersion: u16,
  flags: u32,
});
export type SetupConnectionSuccess = FieldsOf<typeof SetupConnectionSuccess>;

/** 3.6.3. `flags`: all flags the server does not support; 0 when they are not the reason. The server then closes. */
export const SetupConnectionError = message('SetupConnection.Error', 0x02, false, 'server', {
  flags: u32,
  errorCode: codeString,
});
export type SetupConnectionError = FieldsOf<typeof SetupConnectionError>;

/** 3.6.4. All extension state of the channel is void. */
export const ChannelEndpointChanged = message('ChannelEndpointChanged', 0x03, true, 'server', {
  channelId: u32,
});
export type ChannelEndpointChanged = FieldsOf<typeof ChannelEndpointChanged>;

/** 3.6.5. An empty host and port 0 mean the present ones. The authority key stays the same. */
export const Reconnect = message('Reconnect', 0x04, false, 'server', {
  newHost: str0_255,
  newPort: u16,
});
export type Reconnect = FieldsOf<typeof Reconnect>;

export const COMMON_MESSAGES = [
  SetupConnection,
  SetupConnectionSuccess,
  SetupConnectionError,
  ChannelEndpointChanged,
  Reconnect,
] as const;

/**
 * Codes for `SetupConnection.Error`. Since May 2026 the specification lists no codes any more (3.5: they differ between
 * implementations, and an unknown one must only be logged). These are the ones it listed before, and the one the reference
 * implementation adds.
 */
export const SETUP_CONNECTION_ERROR = {
  unsupportedFeatureFlags: 'unsupported-feature-flags',
  unsupportedProtocol: 'unsupported-protocol',
  protocolVersionMismatch: 'protocol-version-mismatch',
  /** Job declaration: the server wants DECLARE_TX_DATA. */
  missingDeclareTxDataFlag: 'missing-declare-tx-data-flag',
} as const;
