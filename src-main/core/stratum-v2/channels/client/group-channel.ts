/** A group channel from the client's side (SV2 5.2.3): hands what is sent to the group to its members. */
import type { NewExtendedMiningJob, SetNewPrevHash } from '../../messages/mining.ts';
import type { ClientChannel, Fault, Followed } from './channel.ts';

/** What a member made of a message to its group. */
export interface FollowedBy<C extends ClientChannel> {
  readonly channel: C;
  readonly followed: Followed;
}

export class ClientGroupChannel<C extends ClientChannel = ClientChannel> {
  readonly id: number;
  readonly #members = new Map<number, C>();
  #extranonceSize: number | undefined;

  constructor(id: number) {
    this.id = id;
  }

  get size(): number {
    return this.#members.size;
  }
  members(): readonly C[] {
    return [...this.#members.values()];
  }

  /** All members must have extranonces of one size, for they share one scriptSig. */
  add(channel: C): Fault | undefined {
    const size = channel.extranoncePrefix.length + channel.rollableSize;
    if (this.#members.size > 0 && size !== this.#extranonceSize)
      return {
        kind: 'fault',
        detail: `channel ${channel.id} has ${size} bytes of extranonce, its group ${this.#extranonceSize}`,
      };
    this.#extranonceSize = size;
    this.#members.set(channel.id, channel);
    channel.groupId = this.id;
    return undefined;
  }

  remove(channelId: number): void {
    this.#members.delete(channelId);
  }

  onExtendedJob(message: NewExtendedMiningJob): FollowedBy<C>[] {
    return this.members().map((channel) => ({ channel, followed: channel.onExtendedJob(message) }));
  }

  /**
   * A member that joined after the job was sent does not have it. It has no work until its next job, but what it is told of
   * the tip counts for it too.
   */
  onNewPrevHash(message: SetNewPrevHash): FollowedBy<C>[] {
    const known = this.members().some((channel) => channel.hasFutureJob(message.jobId));
    return this.members().map((channel) => ({
      channel,
      followed:
        known && !channel.hasFutureJob(message.jobId)
          ? channel.onTipAlone(message)
          : channel.onNewPrevHash(message),
    }));
  }

  onTarget(maximumTarget: Uint8Array): void {
    for (const channel of this.#members.values()) channel.onTarget(maximumTarget);
  }
}
