/**
 * The Mining Protocol: the SV2 specification, section 5.3. Types and channel bits: chapter 8.
 * A target is a U256 and so little-endian; `u256ToBigint` and `bigintToU256` convert.
 */
import {
  b0_255,
  b0_32,
  b0_64k,
  bool,
  codeString,
  f32,
  messagesOf,
  option,
  seq0_255,
  seq0_64k,
  str0_255,
  u16,
  u256,
  u32,
  u64,
  type FieldsOf,
} from '../codec.ts';

const message = messagesOf(0);

/** Bits of `SetupConnection.flags` and of `SetupConnection.Error.flags` (5.3.1). */
export const MINING_FLAG = {
  requiresStandardJobs: 1 << 0,
  requiresWorkSelection: 1 << 1,
  requiresVersionRolling: 1 << 2,
} as const;

/** Bits of `SetupConnection.Success.flags` (5.3.1). */
export const MINING_SUCCESS_FLAG = {
  requiresFixedVersion: 1 << 0,
  requiresExtendedChannels: 1 << 1,
} as const;

/** The version bits a miner may roll where rolling is allowed: 24 of them since the specification names BIP323 (5.1.1). */
export const ROLLABLE_VERSION_BITS = 24;

/** 5.3.2. `nominalHashRate` in H/s, from hostile hands possibly NaN or infinite. */
export const OpenStandardMiningChannel = message('OpenStandardMiningChannel', 0x10, false, 'client', {
  requestId: u32,
  userIdentity: str0_255,
  nominalHashRate: f32,
  maxTarget: u256,
});
export type OpenStandardMiningChannel = FieldsOf<typeof OpenStandardMiningChannel>;

/** 5.3.3. */
export const OpenStandardMiningChannelSuccess = message(
  'OpenStandardMiningChannel.Success',
  0x11,
  false,
  'server',
  {
    requestId: u32,
    channelId: u32,
    target: u256,
    extranoncePrefix: b0_32,
    groupChannelId: u32,
  },
);
export type OpenStandardMiningChannelSuccess = FieldsOf<typeof OpenStandardMiningChannelSuccess>;

/** 5.3.6. For both kinds of channels. */
export const OpenMiningChannelError = message('OpenMiningChannel.Error', 0x12, false, 'server', {
  requestId: u32,
  errorCode: codeString,
});
export type OpenMiningChannelError = FieldsOf<typeof OpenMiningChannelError>;

/** 5.3.4. `minExtranonceSize` in bytes. */
export const OpenExtendedMiningChannel = message('OpenExtendedMiningChannel', 0x13, false, 'client', {
  ...OpenStandardMiningChannel.fields,
  minExtranonceSize: u16,
});
export type OpenExtendedMiningChannel = FieldsOf<typeof OpenExtendedMiningChannel>;

/** 5.3.5. `extranonceSize` in bytes, without the prefix. */
export const OpenExtendedMiningChannelSuccess = message(
  'OpenExtendedMiningChannel.Success',
  0x14,
  false,
  'server',
  {
    requestId: u32,
    channelId: u32,
    target: u256,
    extranonceSize: u16,
    extranoncePrefix: b0_32,
    groupChannelId: u32,
  },
);
export type OpenExtendedMiningChannelSuccess = FieldsOf<typeof OpenExtendedMiningChannelSuccess>;

/** 5.3.15. Without `minNtime` it is a future job, which waits for a `SetNewPrevHash` that names it. */
export const NewMiningJob = message('NewMiningJob', 0x15, true, 'server', {
  channelId: u32,
  jobId: u32,
  minNtime: option(u32),
  version: u32,
  merkleRoot: u256,
});
export type NewMiningJob = FieldsOf<typeof NewMiningJob>;

/** 5.3.7. */
export const UpdateChannel = message('UpdateChannel', 0x16, true, 'client', {
  channelId: u32,
  nominalHashRate: f32,
  maximumTarget: u256,
});
export type UpdateChannel = FieldsOf<typeof UpdateChannel>;

/** 5.3.8. */
export const UpdateChannelError = message('UpdateChannel.Error', 0x17, true, 'server', {
  channelId: u32,
  errorCode: codeString,
});
export type UpdateChannelError = FieldsOf<typeof UpdateChannelError>;

/** 5.3.9. For a group channel it closes all channels of the group. */
export const CloseChannel = message('CloseChannel', 0x18, true, 'both', {
  channelId: u32,
  reasonCode: codeString,
});
export type CloseChannel = FieldsOf<typeof CloseChannel>;

/** 5.3.10. For all jobs sent after it. */
export const SetExtranoncePrefix = message('SetExtranoncePrefix', 0x19, true, 'server', {
  channelId: u32,
  extranoncePrefix: b0_32,
});
export type SetExtranoncePrefix = FieldsOf<typeof SetExtranoncePrefix>;

/** 5.3.11. */
export const SubmitSharesStandard = message('SubmitSharesStandard', 0x1a, true, 'client', {
  channelId: u32,
  sequenceNumber: u32,
  jobId: u32,
  nonce: u32,
  ntime: u32,
  version: u32,
});
export type SubmitSharesStandard = FieldsOf<typeof SubmitSharesStandard>;

/** 5.3.12. `extranonce` has exactly the negotiated size. */
export const SubmitSharesExtended = message('SubmitSharesExtended', 0x1b, true, 'client', {
  ...SubmitSharesStandard.fields,
  extranonce: b0_32,
});
export type SubmitSharesExtended = FieldsOf<typeof SubmitSharesExtended>;

/** 5.3.13. Both counts are of this batch only and begin anew with the next. */
export const SubmitSharesSuccess = message('SubmitShares.Success', 0x1c, true, 'server', {
  channelId: u32,
  lastSequenceNumber: u32,
  newSubmitsAcceptedCount: u32,
  newSharesSum: u64,
});
export type SubmitSharesSuccess = FieldsOf<typeof SubmitSharesSuccess>;

/** 5.3.14. */
export const SubmitSharesError = message('SubmitShares.Error', 0x1d, true, 'server', {
  channelId: u32,
  sequenceNumber: u32,
  errorCode: codeString,
});
export type SubmitSharesError = FieldsOf<typeof SubmitSharesError>;

/** 5.3.16. The coinbase is prefix, extranonce prefix, extranonce, suffix, without the fields of BIP141. */
export const NewExtendedMiningJob = message('NewExtendedMiningJob', 0x1f, true, 'server', {
  channelId: u32,
  jobId: u32,
  minNtime: option(u32),
  version: u32,
  versionRollingAllowed: bool,
  merklePath: seq0_255(u256),
  coinbaseTxPrefix: b0_64k,
  coinbaseTxSuffix: b0_64k,
});
export type NewExtendedMiningJob = FieldsOf<typeof NewExtendedMiningJob>;

/** 5.3.17. Only the job it names stays valid. */
export const SetNewPrevHash = message('SetNewPrevHash', 0x20, true, 'server', {
  channelId: u32,
  jobId: u32,
  prevHash: u256,
  minNtime: u32,
  nbits: u32,
});
export type SetNewPrevHash = FieldsOf<typeof SetNewPrevHash>;

/** 5.3.21. For jobs to come and future jobs; active ones keep their target. */
export const SetTarget = message('SetTarget', 0x21, true, 'server', {
  channelId: u32,
  maximumTarget: u256,
});
export type SetTarget = FieldsOf<typeof SetTarget>;

/** 5.3.18. `coinbaseTxOutputs` is a CompactSize count and the outputs. */
export const SetCustomMiningJob = message('SetCustomMiningJob', 0x22, true, 'client', {
  channelId: u32,
  requestId: u32,
  miningJobToken: b0_255,
  version: u32,
  prevHash: u256,
  minNtime: u32,
  nbits: u32,
  coinbaseTxVersion: u32,
  coinbasePrefix: b0_255,
  coinbaseTxInputNSequence: u32,
  coinbaseTxOutputs: b0_64k,
  coinbaseTxLocktime: u32,
  merklePath: seq0_255(u256),
});
export type SetCustomMiningJob = FieldsOf<typeof SetCustomMiningJob>;

/** 5.3.19. */
export const SetCustomMiningJobSuccess = message('SetCustomMiningJob.Success', 0x23, true, 'server', {
  channelId: u32,
  requestId: u32,
  jobId: u32,
});
export type SetCustomMiningJobSuccess = FieldsOf<typeof SetCustomMiningJobSuccess>;

/** 5.3.20. */
export const SetCustomMiningJobError = message('SetCustomMiningJob.Error', 0x24, true, 'server', {
  channelId: u32,
  requestId: u32,
  errorCode: codeString,
});
export type SetCustomMiningJobError = FieldsOf<typeof SetCustomMiningJobError>;

/** 5.3.22. */
export const SetGroupChannel = message('SetGroupChannel', 0x25, false, 'server', {
  groupChannelId: u32,
  channelIds: seq0_64k(u32),
});
export type SetGroupChannel = FieldsOf<typeof SetGroupChannel>;

export const MINING_MESSAGES = [
  OpenStandardMiningChannel,
  OpenStandardMiningChannelSuccess,
  OpenMiningChannelError,
  OpenExtendedMiningChannel,
  OpenExtendedMiningChannelSuccess,
  NewMiningJob,
  UpdateChannel,
  UpdateChannelError,
  CloseChannel,
  SetExtranoncePrefix,
  SubmitSharesStandard,
  SubmitSharesExtended,
  SubmitSharesSuccess,
  SubmitSharesError,
  NewExtendedMiningJob,
  SetNewPrevHash,
  SetTarget,
  SetCustomMiningJob,
  SetCustomMiningJobSuccess,
  SetCustomMiningJobError,
  SetGroupChannel,
] as const;

/*
 * Codes. Since May 2026 the specification lists none any more (3.5). Where it listed one before, that is used; the others are
 * those of the reference implementation, so that its log lines and ours say the same.
 */

/** For `OpenMiningChannel.Error`. */
export const OPEN_MINING_CHANNEL_ERROR = {
  unknownUser: 'unknown-user',
  maxTargetOutOfRange: 'max-target-out-of-range',
  invalidUserIdentity: 'invalid-user-identity',
  invalidNominalHashrate: 'invalid-nominal-hashrate',
  minExtranonceSizeTooLarge: 'min-extranonce-size-too-large',
  unsupportedMinExtranonceSize: 'unsupported-min-extranonce-size',
  standardChannelsNotSupportedForCustomWork: 'standard-channels-not-supported-for-custom-work',
  extendedChannelsNotSupportedForStandardJobs: 'extended-channels-not-supported-for-standard-jobs',
} as const;

/** For `UpdateChannel.Error`. */
export const UPDATE_CHANNEL_ERROR = {
  maxTargetOutOfRange: 'max-target-out-of-range',
  invalidChannelId: 'invalid-channel-id',
  invalidNominalHashrate: 'invalid-nominal-hashrate',
} as const;

/** For `SubmitShares.Error`. */
export const SUBMIT_SHARES_ERROR = {
  invalidChannelId: 'invalid-channel-id',
  staleShare: 'stale-share',
  difficultyTooLow: 'difficulty-too-low',
  invalidJobId: 'invalid-job-id',
  invalidShare: 'invalid-share',
  duplicateShare: 'duplicate-share',
  badExtranonceSize: 'bad-extranonce-size',
  versionRollingNotAllowed: 'version-rolling-not-allowed',
  invalidNonRollableVersionBit: 'invalid-non-rollable-version-bit',
} as const;

/** For `SetCustomMiningJob.Error`. The specification's old `invalid-job-param-value-<field>` has become a code for each field. */
export const SET_CUSTOM_MINING_JOB_ERROR = {
  invalidChannelId: 'invalid-channel-id',
  invalidMiningJobToken: 'invalid-mining-job-token',
  jdNotSupported: 'jd-not-supported',
  jobNotYetValidated: 'job-not-yet-validated',
  staleChainTip: 'stale-chain-tip',
  invalidMinNtime: 'invalid-min-ntime',
  invalidNbits: 'invalid-nbits',
  invalidVersion: 'invalid-version',
  invalidCoinbaseTx: 'invalid-coinbase-tx',
  invalidCoinbaseTxVersion: 'invalid-coinbase-tx-version',
  invalidCoinbasePrefix: 'invalid-coinbase-prefix',
  invalidCoinbaseTxInputNSequence: 'invalid-coinbase-tx-input-n-sequence',
  invalidCoinbaseTxOutputs: 'invalid-coinbase-tx-outputs',
  invalidCoinbaseTxLocktime: 'invalid-coinbase-tx-locktime',
  invalidMerklePath: 'invalid-merkle-path',
} as const;
