/**
 * A group channel from the server's side (SV2 5.2.3): one message brings a job to all its members. Who is in it is fixed by
 * `Open….Success` and `SetGroupChannel`; targets and shares stay with the members.
 */
import type { Job } from '../../../mining/types.ts';
import { SetGroupChannel } from '../../messages/mining.ts';
import { messageOf, type ServerMessage } from '../messages.ts';
import type { ServerChannel } from './channel.ts';
import { extendedJobMessage, newPrevHashMessage, startNtime } from './jobs.ts';

/**
 * All members must have the same size of extranonce, prefix and rolled part together, because the length of the scriptSig
 * stands in what they are all sent.
 */
export class ServerGroupChannel {
  readonly id: number;
  readonly #extranonceSize: number;
  readonly #versionRolling: boolean;
  readonly #members = new Map<number, ServerChannel>();

  constructor(id: number, extranonceSize: number, versionRolling: boolean) {
    this.id = id;
    this.#extranonceSize = extranonceSize;
    this.#versionRolling = versionRolling;
  }

  get size(): number {
    return this.#members.size;
  }
  members(): readonly ServerChannel[] {
    return [...this.#members.values()];
  }

  /** Throws `RangeError` for a channel with another size of extranonce: a mistake of the caller. */
  add(channel: ServerChannel): void {
    const size = channel.extranoncePrefix.length + channel.rollableSize;
    if (size !== this.#extranonceSize)
      throw new RangeError(
        `a channel with ${size} bytes of extranonce in a group of ${this.#extranonceSize}`,
      );
    this.#members.set(channel.id, channel);
  }

  /** False when it was no member. */
  remove(channelId: number): boolean {
    return this.#members.delete(channelId);
  }

  /** As `ServerChannel.offer`, for all members at once. */
  offer(id: number, job: Job): ServerMessage {
    for (const channel of this.#members.values()) channel.takeJob(id, job, true);
    return extendedJobMessage(this.id, id, job, undefined, this.#versionRolling);
  }

  /** As `ServerChannel.newJob`, for all members at once. */
  newJob(nextId: () => number, job: Job): ServerMessage[] {
    const members = this.members();
    if (members.every((channel) => channel.onTip(job))) {
      const id = nextId();
      for (const channel of members) channel.takeJob(id, job, false);
      return [extendedJobMessage(this.id, id, job, startNtime(job), this.#versionRolling)];
    }
    const sent: ServerMessage[] = [];
    // Who joined after a job was offered does not have it, and could not follow its SetNewPrevHash.
    const offered = members[0]?.futureIdOf(job);
    let id =
      offered !== undefined && members.every((channel) => channel.futureIdOf(job) === offered)
        ? offered
        : undefined;
    if (id === undefined) {
      id = nextId();
      sent.push(this.offer(id, job));
    }
    for (const channel of members) channel.activate(id, job);
    sent.push(newPrevHashMessage(this.id, id, job));
    return sent;
  }

  /** `SetGroupChannel` (5.3.22) that makes its members know they are. */
  announce(): ServerMessage {
    return messageOf(SetGroupChannel, {
      groupChannelId: this.id,
      channelIds: [...this.#members.keys()],
    });
  }
}
