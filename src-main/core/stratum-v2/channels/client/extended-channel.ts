/** An extended channel from the client's side (SV2 5.2.2): it rolls the end of the extranonce. */
import { SubmitSharesExtended } from '../../messages/mining.ts';
import { messageOf, type ClientMessage } from '../messages.ts';
import { ClientChannel, type OpenedChannel } from './channel.ts';
import type { Attempt } from './jobs.ts';

export class ClientExtendedChannel extends ClientChannel {
  readonly kind = 'extended';
  readonly rollableSize: number;
  readonly #tlvs: Uint8Array | undefined;

  /** @param tlvs encoded fields of extensions that follow every share of the channel. */
  constructor(opened: OpenedChannel, rollableSize: number, tlvs?: Uint8Array) {
    super(opened);
    this.rollableSize = rollableSize;
    this.#tlvs = tlvs;
  }

  protected shareMessage(sequenceNumber: number, jobId: number, attempt: Attempt): ClientMessage {
    const { nonce, ntime, version, extranonce } = attempt;
    return messageOf(
      SubmitSharesExtended,
      { channelId: this.id, sequenceNumber, jobId, nonce, ntime, version: version >>> 0, extranonce },
      this.#tlvs,
    );
  }
}
