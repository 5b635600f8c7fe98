/** The Template Distribution Protocol: the SV2 specification, chapter 7. Types: chapter 8; the channel bit is never set. */
import {
  b0_16m,
  b0_255,
  b0_64k,
  bool,
  codeString,
  messagesOf,
  seq0_255,
  seq0_64k,
  u16,
  u256,
  u32,
  u64,
  type FieldsOf,
} from '../codec.ts';

const message = messagesOf(0);

/** 7.1. Bytes of outputs and their sigops that the client will add to the coinbase. */
export const CoinbaseOutputConstraints = message('CoinbaseOutputConstraints', 0x70, false, 'client', {
  coinbaseOutputMaxAdditionalSize: u32,
  coinbaseOutputMaxAdditionalSigops: u16,
});
export type CoinbaseOutputConstraints = FieldsOf<typeof CoinbaseOutputConstraints>;

/** 7.2. `coinbaseTxOutputs` are the outputs alone, without a count before them; `coinbaseTxValueRemaining` in sat. */
export const NewTemplate = message('NewTemplate', 0x71, false, 'server', {
  templateId: u64,
  futureTemplate: bool,
  version: u32,
  coinbaseTxVersion: u32,
  coinbasePrefix: b0_255,
  coinbaseTxInputSequence: u32,
  coinbaseTxValueRemaining: u64,
  coinbaseTxOutputsCount: u32,
  coinbaseTxOutputs: b0_64k,
  coinbaseTxLocktime: u32,
  merklePath: seq0_255(u256),
});
export type NewTemplate = FieldsOf<typeof NewTemplate>;

/** 7.3. `headerTimestamp` is where to start, not the least that is valid. */
export const SetNewPrevHash = message('SetNewPrevHash', 0x72, false, 'server', {
  templateId: u64,
  prevHash: u256,
  headerTimestamp: u32,
  nBits: u32,
  target: u256,
});
export type SetNewPrevHash = FieldsOf<typeof SetNewPrevHash>;

/** 7.4. */
export const RequestTransactionData = message('RequestTransactionData', 0x73, false, 'client', {
  templateId: u64,
});
export type RequestTransactionData = FieldsOf<typeof RequestTransactionData>;

/** 7.5. All transactions but the coinbase, in the order of the block. */
export const RequestTransactionDataSuccess = message(
  'RequestTransactionData.Success',
  0x74,
  false,
  'server',
  {
    templateId: u64,
    excessData: b0_64k,
    transactionList: seq0_64k(b0_16m),
  },
);
export type RequestTransactionDataSuccess = FieldsOf<typeof RequestTransactionDataSuccess>;

/** 7.6. */
export const RequestTransactionDataError = message('RequestTransactionData.Error', 0x75, false, 'server', {
  templateId: u64,
  errorCode: codeString,
});
export type RequestTransactionDataError = FieldsOf<typeof RequestTransactionDataError>;

/** 7.7. The whole coinbase, with the fields of BIP141. */
export const SubmitSolution = message('SubmitSolution', 0x76, false, 'client', {
  templateId: u64,
  version: u32,
  headerTimestamp: u32,
  headerNonce: u32,
  coinbaseTx: b0_64k,
});
export type SubmitSolution = FieldsOf<typeof SubmitSolution>;

export const TEMPLATE_DISTRIBUTION_MESSAGES = [
  CoinbaseOutputConstraints,
  NewTemplate,
  SetNewPrevHash,
  RequestTransactionData,
  RequestTransactionDataSuccess,
  RequestTransactionDataError,
  SubmitSolution,
] as const;

/** Codes for `RequestTransactionData.Error`: the specification listed these until May 2026 (3.5), and all still use them. */
export const REQUEST_TRANSACTION_DATA_ERROR = {
  /** The template's previous block is no longer the tip. */
  staleTemplateId: 'stale-template-id',
  /** The template is no longer known. */
  templateIdNotFound: 'template-id-not-found',
} as const;
