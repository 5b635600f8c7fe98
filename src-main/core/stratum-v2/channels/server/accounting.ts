/** A server's books of one channel's shares (SV2 5.3.13). */
import { SubmitSharesSuccess } from '../../messages/mining.ts';
import { messageOf, type ServerMessage } from '../messages.ts';

export interface ChannelBooks {
  readonly accepted: number;
  /** Sum of the difficulties accepted shares were assigned. */
  readonly difficultySum: number;
  readonly rejected: number;
  readonly blocks: number;
}

/**
 * Counts shares and gathers accepted ones until they are acknowledged. Difficulties may be fractions while the message
 * carries whole numbers: what a batch leaves over goes into the next, so that all batches together never lose any.
 */
export class ShareAccounting {
  #accepted = 0;
  #sum = 0;
  #rejected = 0;
  #blocks = 0;
  #pending = 0;
  #lastSequence = 0;
  #told = 0;

  /** Accepted shares that are not acknowledged yet. */
  get pending(): number {
    return this.#pending;
  }

  get books(): ChannelBooks {
    return {
      accepted: this.#accepted,
      difficultySum: this.#sum,
      rejected: this.#rejected,
      blocks: this.#blocks,
    };
  }

  accept(sequenceNumber: number, difficulty: number, block: boolean): void {
    this.#accepted += 1;
    this.#sum += difficulty;
    this.#pending += 1;
    this.#lastSequence = sequenceNumber;
    if (block) this.#blocks += 1;
  }

  reject(): void {
    this.#rejected += 1;
  }

  /** `SubmitShares.Success` for all that waits, or undefined when nothing does. */
  acknowledge(channelId: number): ServerMessage | undefined {
    if (this.#pending === 0) return undefined;
    const whole = Math.floor(this.#sum);
    const message = messageOf(SubmitSharesSuccess, {
      channelId,
      lastSequenceNumber: this.#lastSequence,
      newSubmitsAcceptedCount: this.#pending,
      newSharesSum: BigInt(whole - this.#told),
    });
    this.#told = whole;
    this.#pending = 0;
    return message;
  }
}
