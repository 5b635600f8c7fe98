import type { Socket } from 'node:net';
import { FrameDecoder, sealFrame, type Frame } from '../../core/stratum-v2/frame.ts';
import type { NoiseTransport } from '../../core/stratum-v2/noise.ts';

export interface SecureChannelOptions {
  /** Longest payload in bytes a message of the peer may have. */
  readonly maxPayload: number;
  /** Bytes that may wait for a peer that does not read. */
  readonly maxBufferedBytes: number;
}

/**
 * A socket after its handshake: sealed frames in both directions (SV2 4.6). It does not listen to the socket itself: its
 * owner pushes what came and takes whole frames out at its own pace, so that it can stop reading a peer that sends too much.
 */
export class SecureChannel {
  readonly #socket: Socket;
  readonly #transport: NoiseTransport;
  readonly #decoder: FrameDecoder;
  readonly #maxBufferedBytes: number;
  #out: Uint8Array[] = [];
  #outBytes = 0;
  #gathering = false;

  constructor(socket: Socket, transport: NoiseTransport, options: SecureChannelOptions) {
    this.#socket = socket;
    this.#transport = transport;
    this.#decoder = new FrameDecoder({ maxPayload: options.maxPayload, cipher: transport.receive });
    this.#maxBufferedBytes = options.maxBufferedBytes;
  }

  /** Bytes of a message that has not wholly come. Above 0 when the peer closed: it was cut off. */
  get pending(): number {
    return this.#decoder.pending;
  }

  /** Takes received bytes, which must not change any more. Throws what `next` threw, once it has. */
  push(bytes: Uint8Array): void {
    this.#decoder.push(bytes);
  }

  /** The next whole frame, or undefined until more is pushed. Throws `FrameError` or `NoiseError`: then disconnect. */
  next(): Frame | undefined {
    return this.#decoder.next();
  }

  /** Until `flush`, what is sent is gathered, so that many messages leave in one write. */
  gather(): void {
    this.#gathering = true;
  }

  flush(): void {
    this.#gathering = false;
    this.#writeOut();
  }

  /**
   * Seals an encoded frame (`encodeMessage`) and sends it, `extra` bytes more than usual being allowed to wait. False when the
   * peer does not read and too much waits for it: then disconnect.
   */
  send(frame: Uint8Array, extra = 0): boolean {
    const sealed = sealFrame(frame, this.#transport.send);
    this.#out.push(sealed);
    this.#outBytes += sealed.length;
    if (!this.#gathering) this.#writeOut();
    return this.#socket.writableLength + this.#outBytes <= this.#maxBufferedBytes + extra;
  }

  #writeOut(): void {
    const [first] = this.#out;
    if (first === undefined) return;
    const bytes = this.#out.length === 1 ? first : Buffer.concat(this.#out, this.#outBytes);
    this.#out = [];
    this.#outBytes = 0;
    if (!this.#socket.destroyed) this.#socket.write(bytes);
  }
}
