/**
 * Stratum V1 on the wire: one JSON object a line. There is no standard; the sources are the original description
 * (https://en.bitcoin.it/wiki/Stratum_mining_protocol), BIP310 for `mining.configure`, and what firmware really sends.
 * Miners are read leniently wherever the meaning is plain; what goes out is the strictest form all of them accept.
 */
import type { Job } from '../mining/types.ts';
import { MAX_NAME, parseBytes, parseDifficulty, parseU32, printable } from './fields.ts';

/** Codes of the field for the first entry of an `error` array. */
export const ERROR = {
  other: 20,
  jobNotFound: 21,
  duplicate: 22,
  lowDifficulty: 23,
  unauthorized: 24,
  notSubscribed: 25,
} as const;
export type ErrorCode = (typeof ERROR)[keyof typeof ERROR];

/** Most bytes of an extranonce2 that are read at all; the session then asks for its exact size. */
const MAX_EXTRANONCE2 = 32;
/** Longest job id that is read; ours are far shorter. */
const MAX_JOB_ID = 64;
/** Most extensions of one `mining.configure` that are looked at. BIP310 has four. */
const MAX_EXTENSIONS = 16;

/**
 * A request's id, already encoded as JSON, to be sent back byte for byte: "7", "null", "\"a\"", "1.5". Kept as text because
 * numbers beyond 2^53 would come back changed and the miner would not know its own request.
 */
export type IdText = string;

export interface ConfigureRequest {
  readonly kind: 'configure';
  readonly id: IdText;
  /** BIP310 names, in the order asked. */
  readonly extensions: readonly string[];
  readonly mask: number | undefined;
  readonly minBitCount: number | undefined;
  readonly minimumDifficulty: number | undefined;
}

export interface SubmitRequest {
  readonly kind: 'submit';
  readonly id: IdText;
  readonly worker: string;
  readonly jobId: string;
  readonly extranonce2: Uint8Array;
  readonly ntime: number;
  readonly nonce: number;
  /** The sixth parameter (BIP310 version rolling), undefined when it is not there. */
  readonly versionBits: number | undefined;
}

export type Request =
  | {
      readonly kind: 'subscribe';
      readonly id: IdText;
      readonly userAgent: string;
      readonly sessionId: string;
    }
  | {
      readonly kind: 'authorize';
      readonly id: IdText;
      readonly worker: string;
      /** From a password such as "x,d=1024", which many pools read so. */
      readonly difficulty: number | undefined;
    }
  | ConfigureRequest
  | SubmitRequest
  | {
      readonly kind: 'malformedSubmit';
      readonly id: IdText;
      readonly worker: string;
      readonly detail: string;
    }
  | { readonly kind: 'suggestDifficulty'; readonly id: IdText; readonly difficulty: number }
  | { readonly kind: 'extranonceSubscribe'; readonly id: IdText }
  | { readonly kind: 'multiVersion'; readonly id: IdText }
  | { readonly kind: 'getTransactions'; readonly id: IdText }
  | { readonly kind: 'hashrate'; readonly id: IdText }
  | { readonly kind: 'ping'; readonly id: IdText }
  | { readonly kind: 'getVersion'; readonly id: IdText }
  /** The miner says that it goes. */
  | { readonly kind: 'terminate'; readonly id: IdText }
  /** An answer to something we asked (`client.get_version`, `mining.ping`); `text` is the result where that is text. */
  | { readonly kind: 'response'; readonly id: IdText; readonly text: string }
  | { readonly kind: 'unknown'; readonly id: IdText; readonly method: string };

/** Why a peer can't be a Stratum V1 miner, or can't be served. */
export type DisconnectReason = 'http' | 'tls' | 'proxyProtocol' | 'notJson' | 'notStratum';

export type Parsed =
  | { readonly kind: 'request'; readonly request: Request }
  /** To be answered with this code; the connection stays. */
  | { readonly kind: 'error'; readonly id: IdText; readonly code: ErrorCode; readonly message: string }
  | { readonly kind: 'disconnect'; readonly reason: DisconnectReason }
  /** An empty line: some firmware sends them to keep the connection alive. */
  | { readonly kind: 'nothing' };

/**
 * Tells what a peer speaks from its first bytes, when it is not Stratum V1. Gives undefined when it may be.
 * Sources: RFC 9112 (HTTP methods), RFC 8446 section 5.1 (TLS record type 22, version 3.x), the PROXY protocol 1 and 2.
 */
export function foreignProtocol(first: Uint8Array): DisconnectReason | undefined {
  if (first[0] === 0x16 && first[1] === 0x03) return 'tls';
  let text = '';
  for (let i = 0; i < first.length && i < 16; i += 1) text += String.fromCharCode(first[i] ?? 0);
  if (/^(?:GET|POST|PUT|HEAD|OPTIONS|DELETE|PATCH|CONNECT|TRACE|PRI) /.test(text)) return 'http';
  if (text.startsWith('PROXY ') || text.startsWith('\r\n\r\n\0\r\nQUIT')) return 'proxyProtocol';
  // A miner starts with an object; blanks before it are let pass. A Stratum V2 machine sends 64 bytes that look random.
  const start = /[^\s\0\u00ef\u00bb\u00bf]/.exec(text);
  return start === null || start[0] === '{' ? undefined : 'notStratum';
}

/** The JSON text of an id that can be sent back: numbers and short strings as they came, everything else as null. */
function idTextOf(id: unknown, line: string): IdText {
  if (typeof id === 'number') {
    if (Number.isSafeInteger(id)) return String(id);
    const literal = /"id"\s*:\s*(-?[0-9][0-9.eE+-]{0,40})/.exec(line)?.[1];
    return literal ?? JSON.stringify(id);
  }
  if (typeof id === 'string' && id.length <= MAX_NAME) return JSON.stringify(id);
  return 'null';
}

/**
 * Reads one line, without its line end. `line` must be bounded by the caller; its text may be anything. Never throws.
 * JSON.parse of V8 does not recurse, so depth needs no limit beyond the line's length.
 */
export function parseLine(line: string): Parsed {
  const text = line.replaceAll('\0', '').trim();
  if (text === '') return { kind: 'nothing' };
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch {
    return { kind: 'disconnect', reason: 'notJson' };
  }
  if (typeof message !== 'object' || message === null || Array.isArray(message)) {
    return { kind: 'disconnect', reason: 'notStratum' };
  }
  const fields = message as Readonly<Record<string, unknown>>;
  const id = idTextOf(fields['id'], text);
  const { method } = fields;
  if (method === undefined || method === null) {
    if (!('result' in fields) && !('error' in fields)) return { kind: 'nothing' };
    return { kind: 'request', request: { kind: 'response', id, text: printable(fields['result']) } };
  }
  if (typeof method !== 'string') {
    return { kind: 'error', id, code: ERROR.other, message: 'method must be text' };
  }
  const params: readonly unknown[] = Array.isArray(fields['params']) ? fields['params'] : [];
  return parseMethod(method, id, params);
}

function request(value: Request): Parsed {
  return { kind: 'request', request: value };
}

function parseMethod(method: string, id: IdText, params: readonly unknown[]): Parsed {
  switch (method) {
    case 'mining.submit':
      return request(parseSubmit(id, params));
    case 'mining.subscribe':
      // bosminer adds null, the host and the port; cgminer a session to take up again; cpuminer sends nothing at all.
      return request({
        kind: 'subscribe',
        id,
        userAgent: printable(params[0]),
        sessionId: printable(params[1]),
      });
    case 'mining.authorize':
    case 'mining.auth':
      return parseAuthorize(id, params);
    case 'mining.configure':
      return request(parseConfigure(id, params));
    case 'mining.suggest_difficulty':
      return parseSuggestion(id, parseDifficulty(params[0]));
    case 'mining.suggest_target':
      return parseSuggestion(id, difficultyOfTargetHex(params[0]));
    case 'mining.extranonce.subscribe':
    case 'mining.extranonce_subscribe':
      return request({ kind: 'extranonceSubscribe', id });
    case 'mining.multi_version':
      return request({ kind: 'multiVersion', id });
    case 'mining.get_transactions':
      return request({ kind: 'getTransactions', id });
    case 'eth_submitHashrate':
    case 'mining.hashrate':
      return request({ kind: 'hashrate', id });
    case 'mining.ping':
    case 'ping':
      return request({ kind: 'ping', id });
    case 'pong':
    case 'mining.pong':
      // ESP-Miner answers `mining.ping` with a method instead of a result.
      return request({ kind: 'response', id, text: '' });
    case 'client.get_version':
    case 'mining.get_version':
      return request({ kind: 'getVersion', id });
    case 'mining.term':
    case 'mining.terminate':
      return request({ kind: 'terminate', id });
    default:
      return request({ kind: 'unknown', id, method: printable(method) });
  }
}

function parseAuthorize(id: IdText, params: readonly unknown[]): Parsed {
  const [name, password] = params;
  if (typeof name === 'object' && name !== null) {
    return { kind: 'error', id, code: ERROR.other, message: 'the worker name must be text' };
  }
  const asked = typeof password === 'string' ? /(?:^|[,; ])d=([0-9.]{1,20})/.exec(password)?.[1] : undefined;
  const difficulty = parseDifficulty(asked);
  return request({ kind: 'authorize', id, worker: printable(name), difficulty });
}

function parseSuggestion(id: IdText, difficulty: number | undefined): Parsed {
  if (difficulty === undefined) {
    return { kind: 'error', id, code: ERROR.other, message: 'no usable difficulty' };
  }
  return request({ kind: 'suggestDifficulty', id, difficulty });
}

/** Target of difficulty 1 ("pdiff"). */
const TARGET_ONE = 0xffffn << 208n;

/** Difficulty of a target given as big-endian hex of up to 32 bytes. */
function difficultyOfTargetHex(value: unknown): number | undefined {
  if (typeof value !== 'string' || !/^(?:0x)?[0-9a-f]{1,64}$/i.test(value)) return undefined;
  const target = BigInt(value.startsWith('0x') || value.startsWith('0X') ? value : `0x${value}`);
  return target === 0n ? undefined : parseDifficulty(Number(TARGET_ONE) / Number(target));
}

function parseConfigure(id: IdText, params: readonly unknown[]): ConfigureRequest {
  const [names, values] = params;
  // BIP310 asks for a list; a lone name is understood too.
  const list: readonly unknown[] = Array.isArray(names) ? names : [names];
  const extensions = list
    .slice(0, MAX_EXTENSIONS)
    .map((name) => printable(name))
    .filter((name) => name !== '');
  const options =
    typeof values === 'object' && values !== null ? (values as Readonly<Record<string, unknown>>) : {};
  const bits = options['version-rolling.min-bit-count'];
  return {
    kind: 'configure',
    id,
    extensions,
    mask: parseU32(options['version-rolling.mask']),
    // BIP310 has a number here; firmware also sends decimal text.
    minBitCount: typeof bits === 'string' && /^[0-9]{1,10}$/.test(bits) ? Number(bits) : parseU32(bits),
    minimumDifficulty: parseDifficulty(options['minimum-difficulty.value']),
  };
}

function parseSubmit(id: IdText, params: readonly unknown[]): Request {
  const [name, job, extra, time, nonceField, bits] = params;
  const worker = printable(name);
  const malformed = (detail: string): Request => ({ kind: 'malformedSubmit', id, worker, detail });
  if (params.length < 5) return malformed('mining.submit needs worker, job, extranonce2, ntime and nonce');
  const jobId = typeof job === 'number' ? String(job) : job;
  if (typeof jobId !== 'string' || jobId.length > MAX_JOB_ID) return malformed('the job id must be text');
  const extranonce2 = parseBytes(extra, MAX_EXTRANONCE2);
  if (extranonce2 === undefined) return malformed('extranonce2 must be hex');
  const ntime = parseU32(time);
  if (ntime === undefined) return malformed('ntime must be hex of 4 bytes');
  const nonce = parseU32(nonceField);
  if (nonce === undefined) return malformed('nonce must be hex of 4 bytes');
  let versionBits: number | undefined;
  if (bits !== undefined && bits !== null && bits !== '') {
    versionBits = parseU32(bits);
    if (versionBits === undefined) return malformed('version bits must be hex of 4 bytes');
  }
  return { kind: 'submit', id, worker, jobId, extranonce2, ntime, nonce, versionBits };
}

/** A positive answer. `result` must be JSON text. Gives a whole line. */
export function encodeResult(id: IdText, result: string): string {
  return `{"id":${id},"result":${result},"error":null}\n`;
}

/** A negative answer in the field's form: `"error":[code,message,null]`. Gives a whole line. */
export function encodeError(id: IdText, code: ErrorCode, message: string): string {
  return `{"id":${id},"result":null,"error":[${code},${JSON.stringify(message)},null]}\n`;
}

/**
 * The answer to `mining.subscribe`: the subscriptions, extranonce1 as hex, and the bytes of extranonce2 the miner rolls.
 * cgminer and cpuminer keep the second entry of "mining.notify" as the session to ask for when they come again.
 */
export function encodeSubscribed(id: IdText, extranonce1: string, extranonce2Size: number): string {
  const result = `[[["mining.set_difficulty","${extranonce1}"],["mining.notify","${extranonce1}"]],"${extranonce1}",${extranonce2Size}]`;
  return encodeResult(id, result);
}

/**
 * A difficulty as JSON: whole numbers as integers (Bitaxe and others choke on "1024.0" or an exponent), fractions in plain
 * decimals. Twenty places hold every power of two down to 2^-20 exactly: a rounded one would make the miner send shares
 * that just miss.
 */
export function difficultyText(difficulty: number): string {
  if (Number.isInteger(difficulty))
    return difficulty < 1e21 ? String(difficulty) : BigInt(difficulty).toString();
  return difficulty.toFixed(20).replace(/0+$/, '').replace(/\.$/, '');
}

/** `mining.set_difficulty`: counts for the jobs that follow. Gives a whole line. */
export function encodeSetDifficulty(difficulty: number): string {
  return `{"id":null,"method":"mining.set_difficulty","params":[${difficultyText(difficulty)}]}\n`;
}

/** Hex of a number in 8 digits, most significant first, as version, nbits and ntime stand in messages. */
export function hexU32(value: number): string {
  return (value >>> 0).toString(16).padStart(8, '0');
}

const HEX_OF_BYTE = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

function hexOf(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += HEX_OF_BYTE[byte];
  return text;
}

/**
 * The previous block hash as `mining.notify` wants it: internal byte order with the bytes of every 4-byte word reversed,
 * a relic of the first miners, which took the header as big-endian words. Takes 32 bytes in internal order.
 */
export function prevhashHex(previousHash: Uint8Array): string {
  let text = '';
  for (let word = 0; word < 32; word += 4) {
    for (let i = 3; i >= 0; i -= 1) text += HEX_OF_BYTE[previousHash[word + i] ?? 0];
  }
  return text;
}

/** `mining.notify` of one job, serialised once for all connections; only id, time and the clean flag are put in later. */
export interface NotifyTemplate {
  readonly jobId: number;
  readonly ntime: number;
  /** From the comma after the job id to the comma before ntime. */
  readonly middle: string;
}

/** Serialises what every `mining.notify` of this job has in common. */
export function notifyTemplate(job: Job): NotifyTemplate {
  const branches = job.merklePath.map((hash) => `"${hexOf(hash)}"`).join(',');
  const middle =
    `,"${prevhashHex(job.previousHash)}","${hexOf(job.coinbasePrefix)}","${hexOf(job.coinbaseSuffix)}",` +
    `[${branches}],"${hexU32(job.version)}","${hexU32(job.bits)}",`;
  return { jobId: job.id, ntime: job.time, middle };
}

/**
 * `mining.notify` as a whole line.
 * `epoch` marks a job that is sent again to one miner with a later `ntime`, so that a new difficulty starts with it.
 */
export function encodeNotify(
  template: NotifyTemplate,
  cleanJobs: boolean,
  ntime: number = template.ntime,
  epoch?: number,
): string {
  const id = jobIdText(template.jobId, epoch);
  return `{"id":null,"method":"mining.notify","params":["${id}"${template.middle}"${hexU32(ntime)}",${cleanJobs}]}\n`;
}

/** A job's name on the wire: hex of its id, and after "_" the difficulty epoch where it was sent again. */
export function jobIdText(id: number, epoch?: number): string {
  return epoch === undefined ? id.toString(16) : `${id.toString(16)}_${epoch.toString(16)}`;
}

/** Reads what `jobIdText` wrote, in any case and with leading zeros. Undefined for anything else. */
export function parseJobId(
  text: string,
): { readonly id: number; readonly epoch: number | undefined } | undefined {
  const match = /^(?:0x)?([0-9a-f]{1,14})(?:_([0-9a-f]{1,8}))?$/i.exec(text);
  if (match?.[1] === undefined) return undefined;
  const id = Number.parseInt(match[1], 16);
  if (!Number.isSafeInteger(id)) return undefined;
  return { id, epoch: match[2] === undefined ? undefined : Number.parseInt(match[2], 16) };
}

/** Asks the miner for its name and version. `id` must be told apart from the miner's own ids by the caller. */
export function encodeGetVersion(id: number): string {
  return `{"id":${id},"method":"client.get_version","params":[]}\n`;
}

/** Asks for a sign of life. cgminer and its kin answer with a result, ESP-Miner with the method "pong". */
export function encodePing(id: number): string {
  return `{"id":${id},"method":"mining.ping","params":[]}\n`;
}

/** Shows a line of text on the miner's own screen or log. Cut to 200 printable characters. */
export function encodeShowMessage(text: string): string {
  const clean = text.replace(/[^\x20-\x7e]/g, '').slice(0, 200);
  return `{"id":null,"method":"client.show_message","params":[${JSON.stringify(clean)}]}\n`;
}

/**
 * Asks the miner to connect again. Host and port are left out on purpose: a machine must come back to the address its
 * owner gave it, and cgminer refuses any other.
 */
export function encodeReconnect(): string {
  return '{"id":null,"method":"client.reconnect","params":[]}\n';
}
