/**
 * Stratum V1 from the miner's side: what a machine writes and how it reads a server. Sources as in `messages.ts`:
 * the original description (https://en.bitcoin.it/wiki/Stratum_mining_protocol) and BIP310 for `mining.configure`.
 * A server is not trusted: every size is bounded and nothing here throws on its account.
 */
import { bytesToHex, concatBytes } from '../bitcoin/bytes.ts';
import { sha256d } from '../bitcoin/hash.ts';
import { rootFromPath } from '../bitcoin/merkle.ts';
import { VERSION_ROLLING_MASK } from '../mining/types.ts';
import { parseBytes, parseDifficulty, parseU32, printable } from './fields.ts';
import { hexU32 } from './messages.ts';

/** Longest line of a server that is worth reading, in bytes: a notify with a coinbase of 100 kB in hex and room to spare. */
export const MAX_SERVER_LINE = 512 * 1024;
/** Most bytes of either half of a coinbase that is read. */
const MAX_COINBASE = 100_000;
/** A block holds fewer than 2^24 transactions. */
const MAX_BRANCHES = 24;
const MAX_EXTRANONCE = 32;
const MAX_JOB_ID = 64;

/** The work of one `mining.notify`. */
export interface ClientJob {
  /** As the server wrote it; a share carries it back. */
  readonly id: string;
  /** Internal byte order. */
  readonly previousHash: Uint8Array;
  readonly coinbasePrefix: Uint8Array;
  readonly coinbaseSuffix: Uint8Array;
  /** Siblings of the coinbase from the leaf up, internal byte order. */
  readonly merklePath: readonly Uint8Array[];
  readonly version: number;
  readonly bits: number;
  /** Seconds. */
  readonly ntime: number;
  /** Everything found on earlier jobs is worthless. */
  readonly cleanJobs: boolean;
}

/** An entry of a subscription's answer: where on the coinbase this connection works. */
export interface Subscription {
  readonly extranonce1: Uint8Array;
  readonly extranonce2Size: number;
}

export type ServerMessage =
  | { readonly kind: 'notify'; readonly job: ClientJob }
  | { readonly kind: 'setDifficulty'; readonly difficulty: number }
  | { readonly kind: 'setExtranonce'; readonly subscription: Subscription }
  /** BIP310: the bits of the version this miner may roll from now on. */
  | { readonly kind: 'setVersionMask'; readonly mask: number }
  | { readonly kind: 'showMessage'; readonly text: string }
  | { readonly kind: 'reconnect' }
  /** Wants an answer with this id (already JSON text). */
  | { readonly kind: 'getVersion' | 'ping'; readonly id: string }
  /** The answer to a request of ours. `error` is its text when the server said no. */
  | {
      readonly kind: 'reply';
      readonly id: number;
      readonly result: unknown;
      readonly error: ServerError | undefined;
    }
  /** A message this miner has no use for. */
  | { readonly kind: 'ignored' }
  /** Not Stratum V1, or a field of it that makes no sense. */
  | { readonly kind: 'invalid'; readonly detail: string };

export interface ServerError {
  /** 20 to 25 by the field's custom; 0 when the server gave none. */
  readonly code: number;
  readonly message: string;
}

const invalid = (detail: string): ServerMessage => ({ kind: 'invalid', detail });

/** Reads one line of a server, without its line end. Never throws. */
export function parseServerLine(line: string): ServerMessage {
  if (line.trim() === '') return { kind: 'ignored' };
  let message: unknown;
  try {
    message = JSON.parse(line);
  } catch {
    return invalid('a line that is no JSON');
  }
  if (typeof message !== 'object' || message === null || Array.isArray(message)) {
    return invalid('a line that is no JSON object');
  }
  const fields = message as Readonly<Record<string, unknown>>;
  const { method, id } = fields;
  if (typeof method !== 'string') {
    if (typeof id !== 'number') return { kind: 'ignored' };
    return { kind: 'reply', id, result: fields['result'], error: parseError(fields['error']) };
  }
  const params: readonly unknown[] = Array.isArray(fields['params']) ? fields['params'] : [];
  switch (method) {
    case 'mining.notify':
      return parseNotify(params);
    case 'mining.set_difficulty': {
      const difficulty = parseDifficulty(params[0]);
      return difficulty === undefined
        ? invalid('set_difficulty without a usable number')
        : { kind: 'setDifficulty', difficulty };
    }
    case 'mining.set_extranonce': {
      const subscription = parseExtranonce(params[0], params[1]);
      return subscription
        ? { kind: 'setExtranonce', subscription }
        : invalid('set_extranonce without usable values');
    }
    case 'mining.set_version_mask': {
      const mask = parseU32(params[0]);
      return mask === undefined
        ? invalid('set_version_mask without a mask')
        : { kind: 'setVersionMask', mask: allowed(mask) };
    }
    case 'client.show_message':
      return { kind: 'showMessage', text: printable(params[0]) };
    case 'client.reconnect':
      return { kind: 'reconnect' };
    case 'client.get_version':
      return { kind: 'getVersion', id: idText(id) };
    case 'mining.ping':
      return { kind: 'ping', id: idText(id) };
    default:
      return { kind: 'ignored' };
  }
}

function idText(id: unknown): string {
  return typeof id === 'number' || (typeof id === 'string' && id.length <= MAX_JOB_ID)
    ? JSON.stringify(id)
    : 'null';
}

function parseError(error: unknown): ServerError | undefined {
  if (error === null || error === undefined || error === false) return undefined;
  if (Array.isArray(error)) {
    return { code: typeof error[0] === 'number' ? error[0] : 0, message: printable(error[1]) };
  }
  return { code: 0, message: typeof error === 'string' ? printable(error) : 'refused' };
}

function parseExtranonce(prefix: unknown, size: unknown): Subscription | undefined {
  const extranonce1 = parseBytes(prefix, MAX_EXTRANONCE);
  if (extranonce1 === undefined || typeof size !== 'number') return undefined;
  if (!Number.isInteger(size) || size < 0 || size > MAX_EXTRANONCE) return undefined;
  return { extranonce1, extranonce2Size: size };
}

function parseNotify(params: readonly unknown[]): ServerMessage {
  const [id, previous, prefix, suffix, branches, versionField, bitsField, time, clean] = params;
  if (typeof id !== 'string' || id.length > MAX_JOB_ID) return invalid('notify without a job id');
  const swapped = parseBytes(previous, 32);
  if (swapped?.length !== 32) return invalid('notify without a previous hash of 32 bytes');
  const coinbasePrefix = parseBytes(prefix, MAX_COINBASE);
  const coinbaseSuffix = parseBytes(suffix, MAX_COINBASE);
  if (!coinbasePrefix || !coinbaseSuffix) return invalid('notify without a coinbase in hex');
  if (!Array.isArray(branches) || branches.length > MAX_BRANCHES)
    return invalid('notify without merkle branches');
  const merklePath: Uint8Array[] = [];
  for (const branch of branches) {
    const hash = parseBytes(branch, 32);
    if (hash?.length !== 32) return invalid('notify with a merkle branch that is no hash');
    merklePath.push(hash);
  }
  const version = parseU32(versionField);
  const bits = parseU32(bitsField);
  const ntime = parseU32(time);
  if (version === undefined || bits === undefined || ntime === undefined) {
    return invalid('notify without version, nbits or ntime');
  }
  const previousHash = swapWords(swapped);
  const cleanJobs = clean === true;
  const job = {
    id,
    previousHash,
    coinbasePrefix,
    coinbaseSuffix,
    merklePath,
    version,
    bits,
    ntime,
    cleanJobs,
  };
  return { kind: 'notify', job };
}

/** The previous hash comes with the bytes of each 32-bit word turned round; this turns them back. */
function swapWords(hash: Uint8Array): Uint8Array {
  const out = new Uint8Array(hash.length);
  for (let i = 0; i < hash.length; i += 1) out[i] = hash[i ^ 3] as number;
  return out;
}

const allowed = (mask: number): number => (mask & VERSION_ROLLING_MASK) >>> 0;

/** Reads the answer to `mining.subscribe`: [subscriptions, extranonce1, extranonce2 size]. Undefined when unusable. */
export function parseSubscription(result: unknown): Subscription | undefined {
  return Array.isArray(result) ? parseExtranonce(result[1], result[2]) : undefined;
}

/** Reads the answer to `mining.configure` (BIP310): the bits of the version the miner may roll; 0 when none. */
export function parseVersionMask(result: unknown): number {
  if (typeof result !== 'object' || result === null) return 0;
  const fields = result as Readonly<Record<string, unknown>>;
  if (fields['version-rolling'] !== true) return 0;
  return allowed(parseU32(fields['version-rolling.mask']) ?? 0);
}

function line(id: number, method: string, params: readonly unknown[]): string {
  return `${JSON.stringify({ id, method, params })}\n`;
}

/** `mining.subscribe` with the machine's name and version, for example "NerdMinerV2/1.7". A whole line. */
export function encodeSubscribe(id: number, userAgent: string): string {
  return line(id, 'mining.subscribe', [userAgent]);
}

/** `mining.configure` (BIP310) that asks for version rolling in the bits of `mask`. A whole line. */
export function encodeConfigure(id: number, mask: number): string {
  const options = { 'version-rolling.mask': hexU32(mask), 'version-rolling.min-bit-count': 2 };
  return line(id, 'mining.configure', [['version-rolling'], options]);
}

/** `mining.authorize` with worker name and password. A whole line. */
export function encodeAuthorize(id: number, worker: string, password: string): string {
  return line(id, 'mining.authorize', [worker, password]);
}

/** `mining.suggest_difficulty`: what the machine would like to start with. A whole line. */
export function encodeSuggestDifficulty(id: number, difficulty: number): string {
  return line(id, 'mining.suggest_difficulty', [difficulty]);
}

/** A found share. */
export interface ClientShare {
  readonly jobId: string;
  readonly extranonce2: Uint8Array;
  readonly ntime: number;
  readonly nonce: number;
  /** The version's bits under the mask (BIP310); undefined on a connection without version rolling. */
  readonly versionBits: number | undefined;
}

/** `mining.submit`. A whole line. */
export function encodeSubmit(id: number, worker: string, share: ClientShare): string {
  const params = [
    worker,
    share.jobId,
    bytesToHex(share.extranonce2),
    hexU32(share.ntime),
    hexU32(share.nonce),
  ];
  if (share.versionBits !== undefined) params.push(hexU32(share.versionBits));
  return line(id, 'mining.submit', params);
}

/**
 * The 80-byte header a job and one choice of extranonce2, ntime, version and nonce stand for: what is hashed.
 * @param extranonce1 and `extranonce2` as agreed by subscription.
 */
export function buildHeader(
  job: ClientJob,
  extranonce1: Uint8Array,
  extranonce2: Uint8Array,
  ntime: number,
  version: number,
  nonce: number,
): Uint8Array {
  const coinbase = concatBytes(job.coinbasePrefix, extranonce1, extranonce2, job.coinbaseSuffix);
  const header = new Uint8Array(80);
  const view = new DataView(header.buffer);
  view.setUint32(0, version, true);
  header.set(job.previousHash, 4);
  header.set(rootFromPath(sha256d(coinbase), job.merklePath), 36);
  view.setUint32(68, ntime, true);
  view.setUint32(72, job.bits, true);
  view.setUint32(76, nonce, true);
  return header;
}

/** Versions a miner may try: the job's own first, then with the bits of `mask` counted up. At most `count`. */
export function rolledVersions(version: number, mask: number, count: number): Uint32Array {
  const bits = [];
  for (let bit = 0; bit < 32; bit += 1) if (((mask >>> bit) & 1) === 1) bits.push(bit);
  const versions: number[] = [];
  const most = Math.min(count, 2 ** bits.length);
  for (let n = 0; n < most; n += 1) {
    let rolled = 0;
    bits.forEach((bit, place) => {
      if (((n >>> place) & 1) === 1) rolled |= 1 << bit;
    });
    // Exclusive or, so that the job's own bits under the mask are kept in the first and no version comes twice.
    versions.push((version ^ rolled) >>> 0);
  }
  return Uint32Array.from(versions);
}
