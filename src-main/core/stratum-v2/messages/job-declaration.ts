/** The Job Declaration Protocol: the SV2 specification, section 6.4. Types: chapter 8; the channel bit is never set. */
import {
  b0_16m,
  b0_255,
  b0_32,
  b0_64k,
  codeString,
  messagesOf,
  seq0_64k,
  str0_255,
  u16,
  u256,
  u32,
  type FieldsOf,
} from '../codec.ts';

const message = messagesOf(0);

/** Bits of `SetupConnection.flags` and of `SetupConnection.Error.flags` (6.4.1). */
export const JOB_DECLARATION_FLAG = {
  /** Full-Template mode: the client will reveal its transactions. */
  declareTxData: 1 << 0,
} as const;

/** 6.4.2. */
export const AllocateMiningJobToken = message('AllocateMiningJobToken', 0x50, false, 'client', {
  userIdentifier: str0_255,
  requestId: u32,
});
export type AllocateMiningJobToken = FieldsOf<typeof AllocateMiningJobToken>;

/** 6.4.3. `coinbaseTxOutputs` is a CompactSize count and the outputs; the first is where the pool is paid. */
export const AllocateMiningJobTokenSuccess = message(
  'AllocateMiningJobToken.Success',
  0x51,
  false,
  'server',
  {
    requestId: u32,
    miningJobToken: b0_255,
    coinbaseTxOutputs: b0_64k,
  },
);
export type AllocateMiningJobTokenSuccess = FieldsOf<typeof AllocateMiningJobTokenSuccess>;

/** 6.4.7. Positions in `wtxidList` of the declaration, from 0. */
export const ProvideMissingTransactions = message('ProvideMissingTransactions', 0x55, false, 'server', {
  requestId: u32,
  unknownTxPositionList: seq0_64k(u16),
});
export type ProvideMissingTransactions = FieldsOf<typeof ProvideMissingTransactions>;

/** 6.4.8. In the order they were asked for. */
export const ProvideMissingTransactionsSuccess = message(
  'ProvideMissingTransactions.Success',
  0x56,
  false,
  'client',
  {
    requestId: u32,
    transactionList: seq0_64k(b0_16m),
  },
);
export type ProvideMissingTransactionsSuccess = FieldsOf<typeof ProvideMissingTransactionsSuccess>;

/** 6.4.4. Coinbase parts with the fields of BIP141, unlike those of `NewExtendedMiningJob`; wtxids without the coinbase. */
export const DeclareMiningJob = message('DeclareMiningJob', 0x57, false, 'client', {
  requestId: u32,
  miningJobToken: b0_255,
  version: u32,
  coinbaseTxPrefix: b0_64k,
  coinbaseTxSuffix: b0_64k,
  wtxidList: seq0_64k(u256),
  excessData: b0_64k,
});
export type DeclareMiningJob = FieldsOf<typeof DeclareMiningJob>;

/** 6.4.5. */
export const DeclareMiningJobSuccess = message('DeclareMiningJob.Success', 0x58, false, 'server', {
  requestId: u32,
  newMiningJobToken: b0_255,
});
export type DeclareMiningJobSuccess = FieldsOf<typeof DeclareMiningJobSuccess>;

/** 6.4.6. */
export const DeclareMiningJobError = message('DeclareMiningJob.Error', 0x59, false, 'server', {
  requestId: u32,
  errorCode: codeString,
  errorDetails: b0_64k,
});
export type DeclareMiningJobError = FieldsOf<typeof DeclareMiningJobError>;

/** 6.4.9. `extranonce` is the whole one, prefix included. */
export const PushSolution = message('PushSolution', 0x60, false, 'client', {
  extranonce: b0_32,
  prevHash: u256,
  nonce: u32,
  ntime: u32,
  nbits: u32,
  version: u32,
});
export type PushSolution = FieldsOf<typeof PushSolution>;

export const JOB_DECLARATION_MESSAGES = [
  AllocateMiningJobToken,
  AllocateMiningJobTokenSuccess,
  ProvideMissingTransactions,
  ProvideMissingTransactionsSuccess,
  DeclareMiningJob,
  DeclareMiningJobSuccess,
  DeclareMiningJobError,
  PushSolution,
] as const;

/** Codes for `DeclareMiningJob.Error`: those of the reference implementation, since the specification lists none (3.5). */
export const DECLARE_MINING_JOB_ERROR = {
  invalidMiningJobToken: 'invalid-mining-job-token',
  missingTxs: 'missing-txs',
  invalidCoinbaseTx: 'invalid-coinbase-tx',
  invalidCoinbaseTxInput: 'invalid-coinbase-tx-input',
  internalError: 'internal-error',
  staleChainTip: 'stale-chain-tip',
  invalidJob: 'invalid-job',
} as const;
