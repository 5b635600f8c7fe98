/**
 * Extensions of the SV2 specification, chapter 9: 0x0001 (extensions negotiation) with messages of its own, and 0x0002
 * (worker-specific hashrate tracking), which adds one field to `SubmitSharesExtended`.
 */
import {
  CodecError,
  encodeTlv,
  messagesOf,
  parseTlvs,
  seq0_64k,
  u16,
  type FieldsOf,
  type Tlv,
} from '../codec.ts';

/** Numbers of extensions (chapter 9, Extension Registry). */
export const EXTENSION = { negotiation: 0x0001, workerHashrate: 0x0002 } as const;

const message = messagesOf(EXTENSION.negotiation);

/** Extension 0x0001, 2. Straight after `SetupConnection.Success`. */
export const RequestExtensions = message('RequestExtensions', 0x00, false, 'client', {
  requestId: u16,
  requestedExtensions: seq0_64k(u16),
});
export type RequestExtensions = FieldsOf<typeof RequestExtensions>;

/** Extension 0x0001, 2. */
export const RequestExtensionsSuccess = message('RequestExtensions.Success', 0x01, false, 'server', {
  requestId: u16,
  supportedExtensions: seq0_64k(u16),
});
export type RequestExtensionsSuccess = FieldsOf<typeof RequestExtensionsSuccess>;

/** Extension 0x0001, 2. */
export const RequestExtensionsError = message('RequestExtensions.Error', 0x02, false, 'server', {
  requestId: u16,
  unsupportedExtensions: seq0_64k(u16),
  requiredExtensions: seq0_64k(u16),
});
export type RequestExtensionsError = FieldsOf<typeof RequestExtensionsError>;

export const NEGOTIATION_MESSAGES = [
  RequestExtensions,
  RequestExtensionsSuccess,
  RequestExtensionsError,
] as const;

/** Extension 0x0002, 1.1: the field `user_identity`. */
const USER_IDENTITY = 0x01;
/** Its longest value in bytes. */
export const MAX_USER_IDENTITY = 32;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const ONLY_WORKER_HASHRATE: ReadonlySet<number> = new Set([EXTENSION.workerHashrate]);

/** The TLV field that names the worker of a share, to be given to `encodeMessage`. Throws `CodecError` "tooLarge" over 32 bytes. */
export function encodeUserIdentity(name: string): Uint8Array {
  const value = encoder.encode(name);
  checkLength(value);
  return encodeTlv({ extensionType: EXTENSION.workerHashrate, fieldType: USER_IDENTITY, value });
}

/**
 * The worker named after a `SubmitSharesExtended`, or undefined when none is. To be called only when 0x0002 was negotiated.
 * Throws `CodecError`: "tooLarge" (then the message must be rejected, SV2 3.4.3) or "structure".
 */
export function userIdentityOf(tlvs: Uint8Array): string | undefined {
  const field = parseTlvs(tlvs, ONLY_WORKER_HASHRATE).find((tlv: Tlv) => tlv.fieldType === USER_IDENTITY);
  if (!field) return undefined;
  checkLength(field.value);
  return decoder.decode(field.value);
}

function checkLength(value: Uint8Array): void {
  if (value.length > MAX_USER_IDENTITY)
    throw new CodecError(
      'tooLarge',
      'user_identity',
      `${value.length} bytes, at most ${MAX_USER_IDENTITY} are allowed`,
    );
}
