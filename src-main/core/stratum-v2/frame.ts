/**
 * Frames: the six bytes before each message, and how they are sealed.
 * Source: the SV2 specification, sections 3.2 (framing) and 4.6 (encrypted framing).
 */
import { MAC_LENGTH, type CipherState } from './noise.ts';

export type FrameErrorCode = 'tooLarge' | 'broken';

/** A frame that cannot be read or made. Reading cannot go on after it: disconnect. */
export class FrameError extends Error {
  readonly code: FrameErrorCode;
  constructor(code: FrameErrorCode, message: string) {
    super(message);
    this.name = 'FrameError';
    this.code = code;
  }
}

/** extension_type U16, msg_type U8, msg_length U24. */
export const HEADER_LENGTH = 6;
/** A sealed header. */
export const SEALED_HEADER_LENGTH = HEADER_LENGTH + MAC_LENGTH;
/** The longest payload a U24 can say. */
export const MAX_PAYLOAD = 0xff_ffff;
/** The longest Noise message, and the plaintext that fits into one (SV2 4.6, MAX_CT_LEN and MAX_PT_LEN). */
export const MAX_SEALED_BLOCK = 65_535;
export const MAX_BLOCK = MAX_SEALED_BLOCK - MAC_LENGTH;

/** Bit 15 of extension_type: the first four bytes of the payload are a channel id (SV2 3.2.1). */
const CHANNEL_BIT = 0x8000;
const EMPTY = new Uint8Array(0);

export interface Frame {
  /** Without the channel bit: 0 to 0x7fff. */
  readonly extensionType: number;
  /** The channel bit. It says who handles a message of an unknown extension; the known ones do not need it. */
  readonly channelMessage: boolean;
  readonly messageType: number;
  /** Its own memory, no view into what was received. */
  readonly payload: Uint8Array;
}

/** The channel id a frame is for, or undefined when it is for the connection (SV2 3.2.1). */
export function channelOf(frame: Frame): number | undefined {
  const [a, b, c, d] = frame.payload;
  if (!frame.channelMessage || a === undefined || b === undefined || c === undefined || d === undefined)
    return undefined;
  return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0;
}

/** Writes a header at the start of `out`. */
export function writeHeader(
  out: Uint8Array,
  extensionType: number,
  channelMessage: boolean,
  messageType: number,
  length: number,
): void {
  if (length > MAX_PAYLOAD)
    throw new FrameError('tooLarge', `a message holds ${MAX_PAYLOAD} bytes at most, this one has ${length}`);
  out[0] = extensionType;
  out[1] = (extensionType >>> 8) | (channelMessage ? CHANNEL_BIT >>> 8 : 0);
  out[2] = messageType;
  out[3] = length;
  out[4] = length >>> 8;
  out[5] = length >>> 16;
}

/** Header and payload in one array (SV2 3.2). Throws "tooLarge" beyond `MAX_PAYLOAD`. */
export function encodeFrame(frame: Frame): Uint8Array {
  const { payload } = frame;
  if (payload.length > MAX_PAYLOAD)
    throw new FrameError(
      'tooLarge',
      `a message holds ${MAX_PAYLOAD} bytes at most, this one has ${payload.length}`,
    );
  const out = new Uint8Array(HEADER_LENGTH + payload.length);
  writeHeader(out, frame.extensionType, frame.channelMessage, frame.messageType, payload.length);
  out.set(payload, HEADER_LENGTH);
  return out;
}

/** How many bytes a payload of `length` takes once sealed (SV2 4.6, `pt_len_to_ct_len`): none for none. */
export function sealedPayloadLength(length: number): number {
  return length + Math.ceil(length / MAX_BLOCK) * MAC_LENGTH;
}

/** Seals one encoded frame (SV2 4.6): the header in one block, the payload in as many as needed. Gives all in one array. */
export function sealFrame(frame: Uint8Array, cipher: CipherState): Uint8Array {
  const length = frame.length - HEADER_LENGTH;
  const out = new Uint8Array(SEALED_HEADER_LENGTH + sealedPayloadLength(length));
  cipher.seal(frame.subarray(0, HEADER_LENGTH), EMPTY, out.subarray(0, SEALED_HEADER_LENGTH));
  let at = SEALED_HEADER_LENGTH;
  for (let start = HEADER_LENGTH; start < frame.length; start += MAX_BLOCK) {
    const block = frame.subarray(start, start + MAX_BLOCK);
    const end = at + block.length + MAC_LENGTH;
    cipher.seal(block, EMPTY, out.subarray(at, end));
    at = end;
  }
  return out;
}

/**
 * Cuts a stream into frames, whatever pieces it comes in.
 *
 * `push` what was received, then call `next` until it gives undefined. Memory is bounded by what really came, never by what
 * a header promises: a buffer grows with the bytes in it. After an error nothing more is read; every further call throws.
 */
export class FrameDecoder {
  readonly #maxPayload: number;
  readonly #cipher: CipherState | undefined;
  /** Received and not yet used: #input from #start to #end. Owned (and growing) only when something was left over. */
  #input: Uint8Array = EMPTY;
  #owned = false;
  #start = 0;
  #end = 0;
  /** The frame whose payload is awaited. Of a sealed one #payload holds what is opened already. */
  #header: Omit<Frame, 'payload'> | undefined;
  #length = 0;
  #payload: Uint8Array = EMPTY;
  #opened = 0;
  #failure: Error | undefined;

  /**
   * `maxPayload`: longest payload in bytes that is accepted; what is right depends on what the peer has to say. `cipher`: for
   * sealed frames the receiving cipher of the handshake; without it frames are plain.
   */
  constructor(options: { readonly maxPayload: number; readonly cipher?: CipherState }) {
    this.#maxPayload = Math.min(options.maxPayload, MAX_PAYLOAD);
    this.#cipher = options.cipher;
  }

  /** Bytes held until more comes (of a sealed frame, what is opened already counts plain). Above 0 at the end of a stream: cut off. */
  get pending(): number {
    return this.#end - this.#start + this.#opened + (this.#header ? HEADER_LENGTH : 0);
  }

  /** Takes received bytes. They are used in place until `next` gives undefined and must not change before. */
  push(bytes: Uint8Array): void {
    if (this.#failure) throw this.#failure;
    const left = this.#end - this.#start;
    if (left === 0) {
      this.#input = bytes;
      this.#owned = false;
      this.#start = 0;
      this.#end = bytes.length;
      return;
    }
    const needed = left + bytes.length;
    if (!this.#owned || this.#end + bytes.length > this.#input.length) {
      // Doubling, and moving only when at least half is free, keeps one byte at a time as cheap as all at once.
      const roomy = this.#owned && needed * 2 <= this.#input.length;
      const target = roomy ? this.#input : new Uint8Array(Math.max(256, needed * 2));
      target.set(this.#input.subarray(this.#start, this.#end));
      this.#input = target;
      this.#owned = true;
      this.#start = 0;
      this.#end = left;
    }
    this.#input.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  /** The next whole frame, or undefined until more is pushed. Throws `FrameError`, or `NoiseError` "authentication". */
  next(): Frame | undefined {
    if (this.#failure) throw this.#failure;
    try {
      return this.#cipher ? this.#nextSealed(this.#cipher) : this.#nextPlain();
    } catch (error) {
      this.#failure =
        error instanceof Error ? error : new FrameError('broken', `a frame cannot be read: ${String(error)}`);
      this.#input = EMPTY;
      this.#payload = EMPTY;
      this.#start = this.#end = this.#opened = 0;
      throw this.#failure;
    }
  }

  /** The next `count` bytes in place, or undefined when they have not all come. */
  #take(count: number): Uint8Array | undefined {
    if (this.#end - this.#start < count) return undefined;
    const bytes = this.#input.subarray(this.#start, this.#start + count);
    this.#start += count;
    return bytes;
  }

  /** After the last use of taken bytes: lets go of a buffer with nothing left in it. */
  #release(): void {
    if (this.#start !== this.#end) return;
    this.#input = EMPTY;
    this.#owned = false;
    this.#start = this.#end = 0;
  }

  #readHeader(bytes: Uint8Array): void {
    const [e0 = 0, e1 = 0, type = 0, l0 = 0, l1 = 0, l2 = 0] = bytes;
    const extension = e0 | (e1 << 8);
    const length = l0 | (l1 << 8) | (l2 << 16);
    if (length > this.#maxPayload)
      throw new FrameError(
        'tooLarge',
        `the peer announced a message of ${length} bytes, at most ${this.#maxPayload} are accepted here`,
      );
    this.#header = {
      extensionType: extension & ~CHANNEL_BIT,
      channelMessage: (extension & CHANNEL_BIT) !== 0,
      messageType: type,
    };
    this.#length = length;
  }

  #finish(payload: Uint8Array): Frame | undefined {
    const header = this.#header;
    if (!header) return undefined;
    this.#header = undefined;
    this.#payload = EMPTY;
    this.#opened = 0;
    this.#release();
    return { ...header, payload };
  }

  #nextPlain(): Frame | undefined {
    if (!this.#header) {
      const bytes = this.#take(HEADER_LENGTH);
      if (!bytes) return undefined;
      this.#readHeader(bytes);
    }
    const payload = this.#take(this.#length);
    // A copy made this way also of a Node Buffer, whose own `slice` would be a view.
    return payload && this.#finish(new Uint8Array(payload));
  }

  #nextSealed(cipher: CipherState): Frame | undefined {
    if (!this.#header) {
      const bytes = this.#take(SEALED_HEADER_LENGTH);
      if (!bytes) return undefined;
      this.#readHeader(cipher.open(bytes));
      this.#release();
    }
    while (this.#opened < this.#length) {
      const plain = Math.min(this.#length - this.#opened, MAX_BLOCK);
      const sealed = this.#take(plain + MAC_LENGTH);
      if (!sealed) return undefined;
      if (plain === this.#length) return this.#finish(cipher.open(sealed));
      this.#grow(this.#opened + plain);
      cipher.open(sealed, EMPTY, this.#payload.subarray(this.#opened, this.#opened + plain));
      this.#opened += plain;
      this.#release();
    }
    // The doubling may have left room at the end, which would be held as long as the message.
    return this.#finish(
      this.#payload.length === this.#length ? this.#payload : this.#payload.slice(0, this.#length),
    );
  }

  #grow(needed: number): void {
    if (needed <= this.#payload.length) return;
    const grown = new Uint8Array(Math.min(this.#length, Math.max(needed, this.#payload.length * 2)));
    grown.set(this.#payload.subarray(0, this.#opened));
    this.#payload = grown;
  }
}
