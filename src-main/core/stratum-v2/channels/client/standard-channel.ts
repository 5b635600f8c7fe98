/** A standard channel from the client's side (SV2 5.2.1): the merkle root is given, or follows from a group's job. */
import { SubmitSharesStandard, type NewMiningJob } from '../../messages/mining.ts';
import { messageOf, type ClientMessage } from '../messages.ts';
import { ClientChannel, type Followed } from './channel.ts';
import type { Attempt } from './jobs.ts';

export class ClientStandardChannel extends ClientChannel {
  readonly kind = 'standard';
  readonly rollableSize = 0;

  /** `NewMiningJob` (5.3.15). The version's general purpose bits are always the client's to roll. */
  onStandardJob(message: NewMiningJob): Followed {
    const { jobId: id, version, merkleRoot } = message;
    return this.take(
      { id, version, versionRolling: true, work: { kind: 'root', merkleRoot } },
      message.minNtime,
    );
  }

  protected shareMessage(sequenceNumber: number, jobId: number, attempt: Attempt): ClientMessage {
    const { nonce, ntime, version } = attempt;
    return messageOf(SubmitSharesStandard, {
      channelId: this.id,
      sequenceNumber,
      jobId,
      nonce,
      ntime,
      version: version >>> 0,
    });
  }
}
