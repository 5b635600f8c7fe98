import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { bytesToHex, hexToBytes } from '../../core/bitcoin/bytes.ts';
import { generateKeyPair, type RandomBytes } from '../../core/stratum-v2/ellswift.ts';
import {
  authorityPublicKey,
  createIdentity,
  encodeAuthorityKey,
  type ResponderIdentity,
} from '../../core/stratum-v2/noise.ts';

/** Name of the file in the data folder. */
export const AUTHORITY_FILE = 'sv2-authority.json';
/** The file is a few hundred bytes. */
const MAX_BYTES = 4_096;
const DAY = 86_400;
/**
 * A certificate's validity around the time it is made, in seconds. Wide, because a miner's clock may be wrong by days (a
 * small machine has no clock of its own and asks the network for the time), while the key it speaks for is in memory only.
 */
const VALID_BEFORE = 7 * DAY;
const VALID_AFTER = 30 * DAY;
/** A new one is made when less than this is left, or our clock was set back before the certificate by more than that. */
const RENEW_BEFORE_END = 15 * DAY;
const RENEW_AFTER_START = 3 * DAY;

export type AuthorityErrorCode = 'unreadable' | 'notSaved';

/** The key of miners' connections can't be read or kept. The message says what to do. */
export class AuthorityError extends Error {
  readonly code: AuthorityErrorCode;
  constructor(code: AuthorityErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'AuthorityError';
    this.code = code;
  }
}

/** The key by which miners know this installation, and certificates of it. */
export interface Authority {
  /** 32 bytes, BIP340. */
  readonly publicKey: Uint8Array;
  /** The key as miners take it: base58check (SV2 4.7). */
  readonly text: string;
  /** What the user should hear of: a damaged key file, so that miners need the new key. */
  readonly notice: string | undefined;
  /**
   * Static key and certificate for connections that begin now. The same one until its certificate nears its end; connections
   * there are go on with theirs.
   */
  identity(): ResponderIdentity;
}

export interface AuthorityOptions {
  readonly folder: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly random: RandomBytes;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

type Read =
  | { readonly kind: 'ok'; readonly secretKey: Uint8Array }
  | { readonly kind: 'missing' }
  | { readonly kind: 'damaged'; readonly why: string };

function read(path: string): Read {
  let text: string;
  try {
    if (!existsSync(path)) return { kind: 'missing' };
    const { size, mode } = statSync(path);
    if (size > MAX_BYTES) return { kind: 'damaged', why: 'it is too large' };
    text = readFileSync(path, 'utf8');
    // Copied from elsewhere, or unpacked from a backup: nobody else may read it.
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) chmodSync(path, 0o600);
  } catch (error) {
    throw new AuthorityError(
      'unreadable',
      `The key for Stratum V2 miners in ${path} can't be read (${reasonOf(error)}). Give Adit the right to read it, or move it away: a new one is then made, and every Stratum V2 miner needs it.`,
      { cause: error },
    );
  }
  try {
    const value = JSON.parse(text) as { readonly version?: unknown; readonly secretKey?: unknown } | null;
    if (value?.version !== 1) return { kind: 'damaged', why: 'it is of no known version' };
    if (typeof value.secretKey !== 'string' || !/^[0-9a-f]{64}$/.test(value.secretKey))
      return { kind: 'damaged', why: 'it holds no key' };
    const secretKey = hexToBytes(value.secretKey);
    // Throws for the few numbers that are no key.
    authorityPublicKey(secretKey);
    return { kind: 'ok', secretKey };
  } catch (error) {
    return { kind: 'damaged', why: reasonOf(error) };
  }
}

/** Writes so that after a crash there is either no file or a whole one, and never readable for others. */
function write(path: string, secretKey: Uint8Array): void {
  const temporary = `${path}.new`;
  const fd = openSync(temporary, 'w', 0o600);
  try {
    writeSync(fd, `${JSON.stringify({ version: 1, secretKey: bytesToHex(secretKey) }, null, 2)}\n`);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, path);
}

/**
 * Opens the authority key in `<folder>/sv2-authority.json`, or makes one at the first run. A damaged file is set aside as
 * `sv2-authority.json.damaged-<time>` and `notice` tells of it. Throws `AuthorityError`.
 */
export function openAuthority(options: AuthorityOptions): Authority {
  const { folder, now, random } = options;
  const path = join(folder, AUTHORITY_FILE);
  const found = read(path);
  let secretKey: Uint8Array;
  let notice: string | undefined;
  if (found.kind === 'ok') {
    secretKey = found.secretKey;
  } else {
    ({ secretKey } = generateKeyPair(random));
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      if (found.kind === 'damaged') {
        const aside = `${path}.damaged-${now()}`;
        renameSync(path, aside);
        notice = `The key for Stratum V2 miners could not be read (${found.why}). It was set aside as ${aside} and a new one was made: copy the new key from the page to every machine that uses Stratum V2.`;
      }
      write(path, secretKey);
    } catch (error) {
      throw new AuthorityError(
        'notSaved',
        `The key for Stratum V2 miners could not be saved to ${path} (${reasonOf(error)}). Free some space or check the folder's rights, then start Adit again.`,
        { cause: error },
      );
    }
  }
  const publicKey = authorityPublicKey(secretKey);
  let identity: ResponderIdentity | undefined;
  let madeAt = 0;
  return {
    publicKey,
    text: encodeAuthorityKey(publicKey),
    notice,
    identity() {
      const seconds = Math.floor(now() / 1_000);
      const left = madeAt + VALID_AFTER - seconds;
      const since = seconds - (madeAt - VALID_BEFORE);
      if (identity === undefined || left < RENEW_BEFORE_END || since < RENEW_AFTER_START) {
        madeAt = seconds;
        identity = createIdentity({
          authoritySecretKey: secretKey,
          validFrom: seconds - VALID_BEFORE,
          notValidAfter: seconds + VALID_AFTER,
          random,
        });
      }
      return identity;
    },
  };
}
