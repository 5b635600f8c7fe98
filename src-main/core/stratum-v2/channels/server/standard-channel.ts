/** A standard channel from the server's side (SV2 5.2.1): header-only mining, the whole extranonce is the server's. */
import { bigintToU256 } from '../../codec.ts';
import { OpenStandardMiningChannelSuccess } from '../../messages/mining.ts';
import type { Job } from '../../../mining/types.ts';
import { messageOf, type ServerMessage } from '../messages.ts';
import { ServerChannel } from './channel.ts';
import { standardJobMessage } from './jobs.ts';

/** The connection's prefix, room for a job's id, the channel's number: four bytes each. */
const UNIQUE_BYTES = 12;

/** Its prefix is all of the job's extranonce. */
export class ServerStandardChannel extends ServerChannel {
  readonly kind = 'standard';
  readonly rollableSize = 0;

  protected jobMessage(id: number, job: Job, minNtime: number | undefined, work: Uint8Array): ServerMessage {
    return standardJobMessage(this.id, id, job, minNtime, work);
  }

  /**
   * The prefix with the job's id before the channel's number, where there are zeros otherwise: the reference mining device
   * starts anew at every job by its own clock, so the same work would bring the same shares. Header-only miners never see it.
   */
  protected workAgain(id: number): Uint8Array {
    const work = this.extranoncePrefix.slice();
    if (work.length >= UNIQUE_BYTES) new DataView(work.buffer).setUint32(work.length - 8, id);
    return work;
  }

  /** `OpenStandardMiningChannel.Success` (5.3.3). */
  opened(requestId: number, groupChannelId: number): ServerMessage {
    return messageOf(OpenStandardMiningChannelSuccess, {
      requestId,
      channelId: this.id,
      target: bigintToU256(this.target),
      extranoncePrefix: this.extranoncePrefix,
      groupChannelId,
    });
  }
}
