import { HEADER_LENGTH, writeHeader } from '../../core/stratum-v2/frame.ts';
import { encodeFrameOf, type ServerMessage } from '../../core/stratum-v2/channels/messages.ts';
import { NewExtendedMiningJob } from '../../core/stratum-v2/messages/mining.ts';

type ExtendedJob = Extract<ServerMessage, { readonly name: 'NewExtendedMiningJob' }>['fields'];

/** Where a `NewExtendedMiningJob` stops being about one channel: after channel id, job id and the count of `min_ntime`. */
const OWN_PART = HEADER_LENGTH + 4 + 4 + 1;
const NTIME = 4;

/**
 * Encodes what the server sends. The bulk of a job (merkle path and coinbase) is the same for every machine: it is encoded
 * once and copied, whatever channel, job id and time stand before it.
 */
export class FrameEncoder {
  #last: ExtendedJob | undefined;
  #shared: Uint8Array = new Uint8Array(0);

  /** The encoded frame, not sealed. Throws `CodecError` for a value that fits no field. */
  encode(message: ServerMessage): Uint8Array {
    if (message.name !== 'NewExtendedMiningJob' || message.tlvs.length > 0) return encodeFrameOf(message);
    const { fields } = message;
    const own = OWN_PART + (fields.minNtime === undefined ? 0 : NTIME);
    if (this.#last === undefined || !sameBulk(this.#last, fields)) {
      const frame = encodeFrameOf(message);
      this.#last = fields;
      this.#shared = frame.subarray(own);
      return frame;
    }
    const frame = new Uint8Array(own + this.#shared.length);
    const { extensionType, channelMessage, messageType } = NewExtendedMiningJob;
    writeHeader(frame, extensionType, channelMessage, messageType, frame.length - HEADER_LENGTH);
    const view = new DataView(frame.buffer);
    view.setUint32(HEADER_LENGTH, fields.channelId, true);
    view.setUint32(HEADER_LENGTH + 4, fields.jobId, true);
    if (fields.minNtime !== undefined) {
      frame[HEADER_LENGTH + 8] = 1;
      view.setUint32(OWN_PART, fields.minNtime, true);
    }
    frame.set(this.#shared, own);
    return frame;
  }
}

/** True when both come from one job: the very same arrays, which nobody changes. */
function sameBulk(a: ExtendedJob, b: ExtendedJob): boolean {
  return (
    a.coinbaseTxPrefix === b.coinbaseTxPrefix &&
    a.coinbaseTxSuffix === b.coinbaseTxSuffix &&
    a.version === b.version &&
    a.versionRollingAllowed === b.versionRollingAllowed &&
    a.merklePath.length === b.merklePath.length &&
    a.merklePath.every((hash, i) => hash === b.merklePath[i])
  );
}
