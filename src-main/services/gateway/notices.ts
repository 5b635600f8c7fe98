export interface Notice {
  readonly code: string;
  readonly remote: string;
  readonly detail: string;
}

/** Different notices held back at a time; beyond it they are counted under "others". */
const MAX_KINDS = 256;

/**
 * Tells an operator of a kind of trouble once, then counts: ten thousand refused connections are two notices, not ten
 * thousand. `flush` is to be called about once a second.
 */
export class NoticeBoard {
  readonly #emit: (notice: Notice) => void;
  readonly #windowMs: number;
  readonly #held = new Map<string, { notice: Notice; until: number; count: number }>();

  constructor(emit: (notice: Notice) => void, windowMs = 60_000) {
    this.#emit = emit;
    this.#windowMs = windowMs;
  }

  tell(notice: Notice, now: number): void {
    let key = `${notice.code} ${notice.remote}`;
    if (!this.#held.has(key) && this.#held.size >= MAX_KINDS) key = 'others';
    const held = this.#held.get(key);
    if (held) {
      held.count += 1;
      return;
    }
    this.#held.set(key, { notice, until: now + this.#windowMs, count: 0 });
    this.#emit(notice);
  }

  /** Says how often each has happened again since it was told, and starts anew. */
  flush(now: number): void {
    for (const [key, held] of this.#held) {
      if (now < held.until) continue;
      this.#held.delete(key);
      if (held.count === 0) continue;
      const detail = `${held.notice.detail} (${held.count} more times in the last ${Math.round(this.#windowMs / 1000)} s)`;
      this.#emit({ ...held.notice, detail });
    }
  }
}
