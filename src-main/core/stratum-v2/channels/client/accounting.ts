/** A client's books of one channel's shares: what it sent, and what the server said of it (SV2 5.3.11 to 5.3.14). */
import type { SubmitSharesSuccess } from '../../messages/mining.ts';

/** Shares without an answer that are remembered; of more, the oldest are given up. */
const MAX_UNANSWERED = 10_000;
/** Different error codes that are counted by name; a server may send what it likes. */
const MAX_CODES = 32;
const OTHER = 'other';

export interface ClientBooks {
  readonly submitted: number;
  /** Sum of the difficulties of the targets of all submitted shares. */
  readonly submittedSum: number;
  /** As the server acknowledged. */
  readonly accepted: number;
  readonly acceptedSum: bigint;
  readonly rejected: number;
  readonly rejectedSum: number;
  readonly rejectedBy: Readonly<Record<string, number>>;
  /** Sent, and neither accepted nor rejected yet. */
  readonly unanswered: number;
  /** Passed over by an acknowledgement that counted fewer, given up, or acknowledged without having been sent. */
  readonly unexplained: number;
}

export class ClientAccounting {
  /** Difficulty by sequence number, in the order sent. */
  readonly #unanswered = new Map<number, number>();
  readonly #rejectedBy = new Map<string, number>();
  #next = 0;
  #submitted = 0;
  #submittedSum = 0;
  #accepted = 0;
  #acceptedSum = 0n;
  #rejected = 0;
  #rejectedSum = 0;
  #unexplained = 0;

  /** Books a share that is sent and gives its sequence number. */
  submit(difficulty: number): number {
    const sequence = this.#next;
    this.#next = (this.#next + 1) >>> 0;
    this.#submitted += 1;
    this.#submittedSum += difficulty;
    this.#unanswered.set(sequence, difficulty);
    if (this.#unanswered.size > MAX_UNANSWERED) {
      const [oldest] = this.#unanswered.keys();
      this.#unanswered.delete(oldest as number);
      this.#unexplained += 1;
    }
    return sequence;
  }

  /** `SubmitShares.Success`: everything up to its sequence number is answered. */
  success(message: SubmitSharesSuccess): void {
    this.#accepted += message.newSubmitsAcceptedCount;
    this.#acceptedSum += message.newSharesSum;
    let answered = 0;
    if (this.#unanswered.has(message.lastSequenceNumber)) {
      for (const sequence of this.#unanswered.keys()) {
        this.#unanswered.delete(sequence);
        answered += 1;
        if (sequence === message.lastSequenceNumber) break;
      }
    }
    this.#unexplained += Math.abs(answered - message.newSubmitsAcceptedCount);
  }

  /** `SubmitShares.Error`. False when no such share waits for an answer. */
  error(sequence: number, code: string): boolean {
    const difficulty = this.#unanswered.get(sequence);
    if (difficulty === undefined) return false;
    this.#unanswered.delete(sequence);
    this.#rejected += 1;
    this.#rejectedSum += difficulty;
    const name = this.#rejectedBy.has(code) || this.#rejectedBy.size < MAX_CODES ? code : OTHER;
    this.#rejectedBy.set(name, (this.#rejectedBy.get(name) ?? 0) + 1);
    return true;
  }

  get books(): ClientBooks {
    return {
      submitted: this.#submitted,
      submittedSum: this.#submittedSum,
      accepted: this.#accepted,
      acceptedSum: this.#acceptedSum,
      rejected: this.#rejected,
      rejectedSum: this.#rejectedSum,
      rejectedBy: Object.fromEntries(this.#rejectedBy),
      unanswered: this.#unanswered.size,
      unexplained: this.#unexplained,
    };
  }
}
