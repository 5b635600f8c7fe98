import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** A session lasts this long, in ms. */
const SESSION_MS = 30 * 24 * 60 * 60 * 1_000;
/** Failed logins of one address within `WINDOW_MS` before it has to wait. */
const MAX_FAILURES = 10;
const WINDOW_MS = 60_000;
/** Addresses remembered at once; the oldest is forgotten first. */
const MAX_ADDRESSES = 1_000;

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
/** Compares two texts in a time that tells nothing of where, or whether in length, they differ. */
const sameText = (a: string, b: string): boolean => timingSafeEqual(digest(a), digest(b));

export type LoginOutcome =
  | { readonly kind: 'ok'; readonly session: string; readonly maxAgeSeconds: number }
  | { readonly kind: 'wrong' }
  | { readonly kind: 'wait'; readonly seconds: number };

/**
 * Logins by one secret token. A session is `expiry.nonce.mac`, made with the token as key: nothing is stored, and a new
 * token ends every session made with the old one.
 */
export class Logins {
  readonly #token: string;
  readonly #now: () => number;
  readonly #failures = new Map<string, { count: number; readonly since: number }>();

  /** `now` gives milliseconds since 1970. Throws on a token short enough to guess. */
  constructor(token: string, now: () => number) {
    if (token.length < 20) throw new RangeError('Logins: the token must have at least 20 characters');
    this.#token = token;
    this.#now = now;
  }

  /** Judges a token sent from an address. After too many wrong ones no token is looked at until the wait is over. */
  login(address: string, token: string): LoginOutcome {
    const now = this.#now();
    const known = this.#failures.get(address);
    const failures = known && now - known.since < WINDOW_MS ? known : { count: 0, since: now };
    if (failures.count >= MAX_FAILURES) {
      return { kind: 'wait', seconds: Math.ceil((failures.since + WINDOW_MS - now) / 1_000) };
    }
    if (sameText(token, this.#token)) {
      const head = `${now + SESSION_MS}.${randomBytes(16).toString('base64url')}`;
      return { kind: 'ok', session: `${head}.${this.#mac(head)}`, maxAgeSeconds: SESSION_MS / 1_000 };
    }
    failures.count += 1;
    this.#failures.delete(address);
    this.#failures.set(address, failures);
    if (this.#failures.size > MAX_ADDRESSES) {
      for (const oldest of this.#failures.keys()) {
        this.#failures.delete(oldest);
        break;
      }
    }
    return { kind: 'wrong' };
  }

  /** Whether a session was made with this token and is not over. */
  valid(session: string): boolean {
    const end = session.lastIndexOf('.');
    if (end < 0 || session.length > 200) return false;
    const head = session.slice(0, end);
    if (!sameText(session.slice(end + 1), this.#mac(head))) return false;
    return Number(head.slice(0, head.indexOf('.'))) > this.#now();
  }

  #mac(head: string): string {
    return createHmac('sha256', this.#token).update(`adit session ${head}`).digest('base64url');
  }
}
