/** An extended channel from the server's side (SV2 5.2.2): the client rolls the end of the extranonce. */
import { bigintToU256 } from '../../codec.ts';
import { OpenExtendedMiningChannelSuccess } from '../../messages/mining.ts';
import type { Job } from '../../../mining/types.ts';
import { messageOf, type ServerMessage } from '../messages.ts';
import { ServerChannel, type ChannelRequest, type ChannelSettings } from './channel.ts';
import { extendedJobMessage } from './jobs.ts';

/** The job's extranonce is its prefix and `rollableSize` bytes of the client's. */
export class ServerExtendedChannel extends ServerChannel {
  readonly kind = 'extended';
  readonly rollableSize: number;

  constructor(
    request: ChannelRequest,
    settings: ChannelSettings,
    extranoncePrefix: Uint8Array,
    rollableSize: number,
  ) {
    super(request, settings, extranoncePrefix);
    this.rollableSize = rollableSize;
  }

  protected jobMessage(id: number, job: Job, minNtime: number | undefined): ServerMessage {
    return extendedJobMessage(this.id, id, job, minNtime, this.versionRolling);
  }

  /** The client rolls on where it is: the same job is not the same work to it. */
  protected workAgain(): Uint8Array {
    return this.extranoncePrefix;
  }

  /** `OpenExtendedMiningChannel.Success` (5.3.5). */
  opened(requestId: number, groupChannelId: number): ServerMessage {
    return messageOf(OpenExtendedMiningChannelSuccess, {
      requestId,
      channelId: this.id,
      target: bigintToU256(this.target),
      extranonceSize: this.rollableSize,
      extranoncePrefix: this.extranoncePrefix,
      groupChannelId,
    });
  }
}
