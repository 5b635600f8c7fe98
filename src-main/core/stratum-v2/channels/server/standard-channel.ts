/** A standard channel from the server's side (SV2 5.2.1): header-only mining, the whole extranonce is the server's. */
import { bigintToU256 } from '../../codec.ts';
import { OpenStandardMiningChannelSuccess } from '../../messages/mining.ts';
import type { Job } from '../../../mining/types.ts';
import { messageOf, type ServerMessage } from '../messages.ts';
import { ServerChannel } from './channel.ts';
import { standardJobMessage } from './jobs.ts';

/** Its prefix is all of the job's extranonce. */
export class ServerStandardChannel extends ServerChannel {
  readonly kind = 'standard';
  readonly rollableSize = 0;

  protected jobMessage(id: number, job: Job, minNtime: number | undefined): ServerMessage {
    return standardJobMessage(this.id, id, job, minNtime, this.extranoncePrefix);
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
