/**
 * The data types of Stratum V2 and the tables messages are declared with.
 * Source: the SV2 specification, section 3.1 (data types) and 3.4.3 (TLV fields). Everything is little-endian.
 *
 * Reading is strict about lengths, all of them checked before anything is allocated, and lenient where the specification
 * says so: the upper bits of a BOOL, and what follows the last field (see `decodePayload`).
 */
import { ByteReader, ByteWriter, FormatError, type FormatErrorCode } from '../bitcoin/bytes.ts';
import { MAX_TARGET, hashToBigint } from '../bitcoin/target.ts';
import { HEADER_LENGTH, writeHeader, type Frame } from './frame.ts';

/** A payload that is not the message it should be, or a value that fits no message. `where` is message and field. */
export class CodecError extends Error {
  readonly code: FormatErrorCode;
  readonly where: string;
  constructor(code: FormatErrorCode, where: string, message: string) {
    super(`${where}: ${message}`);
    this.name = 'CodecError';
    this.code = code;
    this.where = where;
  }
}

/** One data type: how it is read and written. `least` is the fewest bytes it takes, which bounds sequences of it. */
export interface Codec<T> {
  readonly name: string;
  readonly least: number;
  /** Throws `FormatError`. */
  read(reader: ByteReader): T;
  /** Throws `FormatError` "range" for a value the type cannot hold. */
  write(writer: ByteWriter, value: T): void;
}

/** The values of a data type in TypeScript. */
export type ValueOf<C> = C extends Codec<infer T> ? T : never;

/** BOOL: the lowest bit decides; the others are written 0 and not looked at. */
export const bool: Codec<boolean> = {
  name: 'BOOL',
  least: 1,
  read: (reader) => (reader.u8('BOOL') & 1) === 1,
  write: (writer, value) => {
    writer.u8(value ? 1 : 0);
  },
};

export const u8: Codec<number> = {
  name: 'U8',
  least: 1,
  read: (reader) => reader.u8('U8'),
  write: (writer, value) => {
    writer.u8(value);
  },
};

export const u16: Codec<number> = {
  name: 'U16',
  least: 2,
  read: (reader) => reader.u16le('U16'),
  write: (writer, value) => {
    writer.u16le(value);
  },
};

export const u24: Codec<number> = {
  name: 'U24',
  least: 3,
  read: (reader) => reader.u16le('U24') | (reader.u8('U24') << 16),
  write: (writer, value) => {
    if (!Number.isInteger(value) || value < 0 || value > 0xff_ffff)
      throw new FormatError('range', `U24: expected a whole number from 0 to 16777215, got ${value}`);
    writer.u16le(value & 0xffff).u8(value >>> 16);
  },
};

export const u32: Codec<number> = {
  name: 'U32',
  least: 4,
  read: (reader) => reader.u32le('U32'),
  write: (writer, value) => {
    writer.u32le(value);
  },
};

/** U64, always as a bigint: template ids use all 64 bits. */
export const u64: Codec<bigint> = {
  name: 'U64',
  least: 8,
  read: (reader) => reader.u64le('U64'),
  write: (writer, value) => {
    writer.u64le(value);
  },
};

const scratch = new DataView(new ArrayBuffer(4));
/**
 * F32 (IEEE 754, little-endian), used for hashrates in H/s. The specification uses it without listing it in 3.1. Written
 * values are rounded to it; NaN and infinities are read as they come, the reader of the field must refuse them.
 */
export const f32: Codec<number> = {
  name: 'F32',
  least: 4,
  read: (reader) => {
    scratch.setUint32(0, reader.u32le('F32'), true);
    return scratch.getFloat32(0, true);
  },
  write: (writer, value) => {
    scratch.setFloat32(0, value, true);
    writer.u32le(scratch.getUint32(0, true));
  },
};

function fixedBytes(name: string, length: number): Codec<Uint8Array> {
  return {
    name,
    least: length,
    read: (reader) => reader.bytes(length, name),
    write: (writer, value) => {
      if (value.length !== length)
        throw new FormatError('range', `${name}: expected ${length} bytes, got ${value.length}`);
      writer.bytes(value);
    },
  };
}

/**
 * U256 as its 32 bytes in wire order, which is little-endian. A hash therefore stands as SHA-256 gave it (internal order), and
 * a target with its most significant byte last: see `u256ToBigint`. Targets sent the other way round have made miners mine
 * without ever finding a share.
 */
export const u256 = fixedBytes('U256', 32);
/** PUBKEY: an X coordinate (BIP340), big-endian. */
export const pubkey = fixedBytes('PUBKEY', 32);
/** SIGNATURE: BIP340. */
export const signature = fixedBytes('SIGNATURE', 64);

/** A U256 as a number, for targets: byte 31 is the most significant. */
export const u256ToBigint = hashToBigint;

/** A number as U256: 32 bytes, little-endian. Throws `FormatError` "range" outside 0 to 2^256 - 1. */
export function bigintToU256(value: bigint): Uint8Array {
  if (value < 0n || value > MAX_TARGET)
    throw new FormatError('range', `U256: expected a number from 0 to 2^256 - 1, got ${value}`);
  const bytes = new Uint8Array(32);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < 4; i++) view.setBigUint64(8 * i, BigInt.asUintN(64, value >> BigInt(64 * i)), true);
  return bytes;
}

/** A length as U8, U16 or U24, as the sizes of the variable types are written. */
interface Prefix {
  readonly codec: Codec<number>;
  readonly most: number;
}
const PREFIX_8: Prefix = { codec: u8, most: 0xff };
const PREFIX_16: Prefix = { codec: u16, most: 0xffff };
const PREFIX_24: Prefix = { codec: u24, most: 0xff_ffff };

function checkLength(name: string, length: number, most: number): void {
  if (length > most)
    throw new FormatError('tooLarge', `${name}: ${length} is more than the ${most} possible`);
}

function prefixedBytes(name: string, prefix: Prefix, most = prefix.most): Codec<Uint8Array> {
  return {
    name,
    least: prefix.codec.least,
    read: (reader) => {
      const length = prefix.codec.read(reader);
      checkLength(name, length, most);
      return reader.bytes(length, name);
    },
    write: (writer, value) => {
      checkLength(name, value.length, most);
      prefix.codec.write(writer, value.length);
      writer.bytes(value);
    },
  };
}

export const b0_32 = prefixedBytes('B0_32', PREFIX_8, 32);
export const b0_255 = prefixedBytes('B0_255', PREFIX_8);
export const b0_64k = prefixedBytes('B0_64K', PREFIX_16);
export const b0_16m = prefixedBytes('B0_16M', PREFIX_24);

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/**
 * STR0_255 as text. The specification calls it a string but demands no encoding, and devices put into it what they like: what
 * is not UTF-8 is read as U+FFFD, never refused. Text that takes more than 255 bytes of UTF-8, or is not well-formed, cannot
 * be written.
 */
export const str0_255: Codec<string> = {
  name: 'STR0_255',
  least: 1,
  read: (reader) => {
    const length = reader.u8('STR0_255');
    return length === 0 ? '' : decoder.decode(reader.bytes(length, 'STR0_255'));
  },
  write: (writer, value) => {
    if (!value.isWellFormed())
      throw new FormatError('range', 'STR0_255: half a surrogate pair cannot be written as UTF-8');
    const bytes = encoder.encode(value);
    checkLength('STR0_255', bytes.length, 255);
    writer.u8(bytes.length).bytes(bytes);
  },
};

// Both the C0 and the C1 control characters, and DEL between them.
const CONTROLS = /\p{Cc}/gu;

/**
 * STR0_255 for error_code and reason_code, which must hold no control characters (SV2 3.5): they cannot be written, and are
 * read as U+FFFD, since such codes end up in logs and on screens.
 */
export const codeString: Codec<string> = {
  name: 'STR0_255',
  least: 1,
  read: (reader) => str0_255.read(reader).replace(CONTROLS, '\uFFFD'),
  write: (writer, value) => {
    if (value.search(CONTROLS) >= 0)
      throw new FormatError('range', `a code must hold no control characters, got ${JSON.stringify(value)}`);
    str0_255.write(writer, value);
  },
};

function sequence<T>(name: string, prefix: Prefix, item: Codec<T>): Codec<T[]> {
  const full = `${name}[${item.name}]`;
  return {
    name: full,
    least: prefix.codec.least,
    read: (reader) => {
      const count = prefix.codec.read(reader);
      if (count * item.least > reader.remaining)
        throw new FormatError(
          'truncated',
          `${full}: ${count} elements announced, ${reader.remaining} bytes left`,
          reader.offset,
        );
      const items: T[] = [];
      for (let i = 0; i < count; i++) items.push(item.read(reader));
      return items;
    },
    write: (writer, value) => {
      checkLength(full, value.length, prefix.most);
      prefix.codec.write(writer, value.length);
      for (const element of value) item.write(writer, element);
    },
  };
}

/** SEQ0_255[T]. */
export function seq0_255<T>(item: Codec<T>): Codec<T[]> {
  return sequence('SEQ0_255', PREFIX_8, item);
}

/** SEQ0_64K[T]. */
export function seq0_64k<T>(item: Codec<T>): Codec<T[]> {
  return sequence('SEQ0_64K', PREFIX_16, item);
}

/** OPTION[T], which is SEQ0_1[T]: a count of 0 or 1. */
export function option<T>(item: Codec<T>): Codec<T | undefined> {
  const name = `OPTION[${item.name}]`;
  return {
    name,
    least: 1,
    read: (reader) => {
      const count = reader.u8(name);
      checkLength(name, count, 1);
      return count === 1 ? item.read(reader) : undefined;
    },
    write: (writer, value) => {
      writer.u8(value === undefined ? 0 : 1);
      if (value !== undefined) item.write(writer, value);
    },
  };
}

// ---------------------------------------------------------------------------------------------------- messages

/** Any data type, where its values do not matter. */
// oxlint-disable-next-line typescript/no-explicit-any -- a codec takes and gives its type: no other type is above all of them
export type AnyCodec = Codec<any>;
export type FieldTable = Readonly<Record<string, AnyCodec>>;

/** Who may send a message. */
export type Sender = 'client' | 'server' | 'both';

/** A message, declared once: its place in the protocol and its fields in the order of the specification. */
export interface MessageDefinition<N extends string = string, F extends FieldTable = FieldTable> {
  /** As the specification writes it, "SetupConnection.Success". */
  readonly name: N;
  readonly extensionType: number;
  readonly messageType: number;
  /** The channel_msg bit it is sent with. */
  readonly channelMessage: boolean;
  readonly sender: Sender;
  readonly fields: F;
}

/** The fields of a message in TypeScript. Fields of type OPTION may be left out. */
export type FieldsOf<D> =
  D extends MessageDefinition<string, infer F>
    ? { [K in keyof F as undefined extends ValueOf<F[K]> ? never : K]: ValueOf<F[K]> } & {
        [K in keyof F as undefined extends ValueOf<F[K]> ? K : never]?: ValueOf<F[K]>;
      }
    : never;

/** The entries of a field table in order, looked up once for each definition. */
const entriesOf = new WeakMap<FieldTable, readonly (readonly [string, AnyCodec])[]>();
function entries(fields: FieldTable): readonly (readonly [string, AnyCodec])[] {
  let list = entriesOf.get(fields);
  if (!list) {
    list = Object.entries(fields);
    entriesOf.set(fields, list);
  }
  return list;
}

/** Declares messages of one extension; 0 is the core protocol. */
export function messagesOf(extensionType: number) {
  return <const N extends string, F extends FieldTable>(
    name: N,
    messageType: number,
    channelMessage: boolean,
    sender: Sender,
    fields: F,
  ): MessageDefinition<N, F> => ({ name, extensionType, messageType, channelMessage, sender, fields });
}

function failure(error: unknown, where: string): unknown {
  return error instanceof FormatError ? new CodecError(error.code, where, error.message) : error;
}

const NO_TLVS = new Uint8Array(0);
const NO_HEADER = new Uint8Array(HEADER_LENGTH);

/**
 * A message as an encoded frame, header and payload in one array, ready to be sent plain or to be sealed. `tlvs`: encoded TLV
 * fields to append (see `encodeTlv`). Throws `CodecError` when a value does not fit, `FrameError` when all of them do not.
 */
export function encodeMessage<D extends MessageDefinition>(
  definition: D,
  fields: FieldsOf<D>,
  tlvs: Uint8Array = NO_TLVS,
): Uint8Array {
  const values = fields as Readonly<Record<string, unknown>>;
  const writer = new ByteWriter(128).bytes(NO_HEADER);
  for (const [key, codec] of entries(definition.fields)) {
    try {
      codec.write(writer, values[key]);
    } catch (error) {
      throw failure(error, `${definition.name}.${key}`);
    }
  }
  if (tlvs.length > 0) writer.bytes(tlvs);
  const frame = writer.finish();
  writeHeader(
    frame,
    definition.extensionType,
    definition.channelMessage,
    definition.messageType,
    frame.length - HEADER_LENGTH,
  );
  return frame;
}

/** A decoded message. `name` tells messages apart; `tlvs` is what followed the last field. */
export type Decoded<D> =
  D extends MessageDefinition<infer N>
    ? { readonly name: N; readonly fields: FieldsOf<D>; readonly tlvs: Uint8Array }
    : never;

/**
 * Reads a payload. What follows the last field is given back as it is, in `tlvs`: extensions put their fields there and those
 * not negotiated must be ignored (SV2 3.4.3), so it is never an error. Throws `CodecError`.
 */
export function decodePayload<D extends MessageDefinition>(definition: D, payload: Uint8Array): Decoded<D> {
  const reader = new ByteReader(payload);
  const fields: Record<string, unknown> = {};
  for (const [key, codec] of entries(definition.fields)) {
    try {
      fields[key] = codec.read(reader);
    } catch (error) {
      throw failure(error, `${definition.name}.${key}`);
    }
  }
  const tlvs = reader.remaining > 0 ? reader.bytes(reader.remaining) : NO_TLVS;
  return { name: definition.name, fields, tlvs } as unknown as Decoded<D>;
}

/** What a frame turned out to be. */
export type DecodeOutcome<D> =
  | { readonly kind: 'message'; readonly message: Decoded<D>; readonly definition: MessageDefinition }
  /** Of an extension that is not in the table. When it is for this end, it must be ignored (SV2 3.4.1). */
  | { readonly kind: 'unknownExtension'; readonly frame: Frame }
  /** Of a known extension or the core, but no message of the table. The specification does not say what to do. */
  | { readonly kind: 'unknownMessage'; readonly frame: Frame };

/** The messages one end of a connection understands. */
export interface MessageTable<D extends MessageDefinition> {
  /** Reads a frame. The channel bit is not looked at (SV2 3.2.1: it plays no part in the look-up). Throws `CodecError`. */
  decode(frame: Frame): DecodeOutcome<D>;
}

/** Makes a table of definitions. Throws `RangeError` when two claim the same number, which is a mistake in this program. */
export function messageTable<const D extends MessageDefinition>(definitions: readonly D[]): MessageTable<D> {
  const byNumber = new Map<number, D>();
  const extensions = new Set<number>();
  for (const definition of definitions) {
    const number = (definition.extensionType << 8) | definition.messageType;
    const other = byNumber.get(number);
    if (other) throw new RangeError(`${definition.name} and ${other.name} have the same number`);
    byNumber.set(number, definition);
    extensions.add(definition.extensionType);
  }
  return {
    decode(frame) {
      const definition = byNumber.get((frame.extensionType << 8) | frame.messageType);
      if (definition)
        return { kind: 'message', message: decodePayload(definition, frame.payload), definition };
      return { kind: extensions.has(frame.extensionType) ? 'unknownMessage' : 'unknownExtension', frame };
    },
  };
}

// ---------------------------------------------------------------------------------------------------- TLV fields

/** A field an extension appends to a message of another (SV2 3.4.3). */
export interface Tlv {
  readonly extensionType: number;
  readonly fieldType: number;
  readonly value: Uint8Array;
}

/** Type (U16 and U8) and length (U16). */
const TLV_HEADER = 5;

/**
 * Encodes one TLV field: extension_type U16, field_type U8, length U16, value. Little-endian like everything else (SV2 3.1), and
 * as the reference implementation writes it; the example bytes in 3.4.3 and in extension 0x0002 are big-endian.
 */
export function encodeTlv(tlv: Tlv): Uint8Array {
  try {
    checkLength('TLV', tlv.value.length, 0xffff);
    return new ByteWriter(TLV_HEADER + tlv.value.length)
      .u16le(tlv.extensionType)
      .u8(tlv.fieldType)
      .u16le(tlv.value.length)
      .bytes(tlv.value)
      .finish();
  } catch (error) {
    throw failure(error, 'TLV');
  }
}

function readTlvs(bytes: Uint8Array, littleEndian: boolean): Tlv[] | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const found: Tlv[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (bytes.length - at < TLV_HEADER) return undefined;
    const start = at + TLV_HEADER;
    const end = start + view.getUint16(at + 3, littleEndian);
    if (end > bytes.length) return undefined;
    found.push({
      extensionType: view.getUint16(at, littleEndian),
      fieldType: view.getUint8(at + 2),
      value: bytes.slice(start, end),
    });
    at = end;
  }
  return found;
}

/**
 * The TLV fields of the `negotiated` extensions among what followed a message, in the order they came; all others are passed
 * over. Bytes that are no TLV fields little-endian are tried big-endian, the way the specification's examples are written.
 * Throws `CodecError` "structure" when they are neither; what came before them was read all the same, and a share is not worth
 * less because the name after it is garbled.
 */
export function parseTlvs(bytes: Uint8Array, negotiated: ReadonlySet<number>): Tlv[] {
  if (bytes.length === 0 || negotiated.size === 0) return [];
  const wanted = (tlv: Tlv): boolean => negotiated.has(tlv.extensionType);
  const little = readTlvs(bytes, true);
  const found = little?.filter(wanted) ?? [];
  if (found.length > 0) return found;
  const big = readTlvs(bytes, false);
  if (!little && !big)
    throw new CodecError(
      'structure',
      'TLV',
      `${bytes.length} bytes after the last field are no fields of an extension`,
    );
  return big?.filter(wanted) ?? [];
}
