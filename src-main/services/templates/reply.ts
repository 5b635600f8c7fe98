import { z } from 'zod';
import type { Network } from '../../core/bitcoin/network.ts';
import { bitsToTarget, subsidy } from '../../core/bitcoin/target.ts';
import { MAX_BLOCK_WEIGHT, MAX_MONEY } from '../../core/bitcoin/transaction.ts';

/** Signature operations of a block, as cost (consensus.h, BIP141). */
const MAX_BLOCK_SIGOPS = 80_000;
/** The smallest transaction has 60 bytes without witness, and each weighs 4 units (BIP141). */
const MIN_TRANSACTION_BYTES = 60;
const MIN_TRANSACTION_WEIGHT = 4 * MIN_TRANSACTION_BYTES;
const MAX_TRANSACTIONS = Math.floor(MAX_BLOCK_WEIGHT / MIN_TRANSACTION_WEIGHT);
/** The coinbase's scriptSig has at most 100 bytes (consensus), and the tag and extranonce need their room. */
const MAX_AUXILIARY_BYTES = 20;
/** Character codes of the first and last of the hex digits. */
const ZERO = 0x30;
const NINE = 0x39;
const A = 0x61;
const F = 0x66;
/** Rules (BIP9, "!" in front: a miner must know them) that Adit's blocks follow. Signet needs a signature: see `rpc.ts`. */
const KNOWN_RULES = new Set(['!segwit', '!signet']);

const hash = z.string().regex(/^[0-9a-f]{64}$/, 'is not a hash');
const sat = z.int().min(0).max(MAX_MONEY);
const seconds = z.int().min(0).max(0xffff_ffff);

/** Not strict: nodes add keys (BIP22 asks clients to ignore those they don't know). */
const envelopeSchema = z.object({
  version: z.int().min(4).max(0x7fff_ffff),
  rules: z.array(z.string().max(80)).max(100),
  previousblockhash: hash,
  coinbaseaux: z.record(z.string(), z.string().max(200)).optional(),
  coinbasevalue: sat,
  longpollid: z.string().min(1).max(200),
  target: hash,
  mintime: seconds,
  noncerange: z.literal('00000000ffffffff').optional(),
  sigoplimit: z.int().min(1).max(MAX_BLOCK_SIGOPS),
  sizelimit: z.int().min(1).max(MAX_BLOCK_WEIGHT),
  weightlimit: z.int().min(1).max(MAX_BLOCK_WEIGHT).optional(),
  curtime: seconds,
  bits: z.string().regex(/^[0-9a-f]{8}$/, 'is not a compact target'),
  height: z.int().min(1).max(0x7fff_ffff),
  signet_challenge: z
    .string()
    .max(20_000)
    .regex(/^(?:[0-9a-f]{2})*$/)
    .optional(),
  default_witness_commitment: z
    .string()
    .regex(/^6a24aa21a9ed[0-9a-f]{64}$/, 'is not a commitment of BIP141')
    .optional(),
});

/** A reply that can't be used. `message` names the field and what is wrong with it. */
export class TemplateReplyError extends Error {
  override readonly name = 'TemplateReplyError';
  readonly code = 'bad-template';
  /** The next step for the user. */
  readonly advice: string;
  constructor(
    message: string,
    advice = 'Restart the node. If this stays, update the node and Adit.',
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.advice = advice;
  }
}

export interface ReplyTransaction {
  readonly txid: string;
  readonly wtxid: string;
  /** Serialised with witness. */
  readonly data: Buffer;
  readonly fee: number;
  readonly sigops: number;
  readonly weight: number;
  /** Places from 0, each before this transaction's own. */
  readonly depends: readonly number[];
}

/** A checked `getblocktemplate` reply in Adit's units. */
export interface Reply {
  readonly longpollId: string;
  readonly height: number;
  /** Display order. */
  readonly previousHash: string;
  readonly version: number;
  readonly bits: number;
  readonly target: bigint;
  readonly time: number;
  readonly minTime: number;
  readonly coinbaseValue: number;
  readonly fees: number;
  /** Bytes the node wants in the scriptSig after the height (BIP22 `coinbaseaux`). */
  readonly auxiliary: Buffer;
  /** The witness commitment's whole script, absent before segwit. */
  readonly commitment: Buffer | undefined;
  readonly signetChallenge: string | undefined;
  readonly weight: number;
  readonly sigops: number;
  readonly transactions: readonly ReplyTransaction[];
}

const NO_DEPENDS: readonly number[] = Object.freeze([]);

/**
 * Checks a `getblocktemplate` reply (BIP22, 23, 145) as something a stranger sent: shapes, bounds, order of dependencies,
 * weights and signature operations within the block's limits, `bits` against `target`, and the reward against subsidy and
 * fees. It does not hash: that ids and commitment belong to the data is checked off the hot path (`HeldTemplates.verify`).
 *
 * @param raw the reply as it came out of JSON
 * @param network says how often the subsidy halves
 * @throws TemplateReplyError with the reason
 */
export function checkReply(raw: unknown, network: Network): Reply {
  const envelope = parse(envelopeSchema, raw, '');
  for (const rule of envelope.rules) {
    if (rule.startsWith('!') && !KNOWN_RULES.has(rule)) {
      throw new TemplateReplyError(
        `it demands the rule "${rule.slice(1)}", which this version of Adit does not know`,
        'Update Adit.',
      );
    }
  }
  const bits = Number.parseInt(envelope.bits, 16);
  const target = targetOf(bits);
  if (target.toString(16).padStart(64, '0') !== envelope.target) {
    throw new TemplateReplyError(`target ${envelope.target} does not follow from bits ${envelope.bits}`);
  }
  if (envelope.mintime > envelope.curtime) throw new TemplateReplyError('curtime lies before mintime');

  const transactions = checkTransactions((raw as { readonly transactions?: unknown }).transactions);
  let fees = 0;
  let weight = 0;
  let sigops = 0;
  let bytes = 0;
  let witness = false;
  for (const transaction of transactions) {
    fees += transaction.fee;
    weight += transaction.weight;
    sigops += transaction.sigops;
    bytes += transaction.data.length;
    witness ||= transaction.txid !== transaction.wtxid;
  }
  if (weight > (envelope.weightlimit ?? 4 * envelope.sizelimit))
    throw new TemplateReplyError('its transactions weigh more than a block');
  if (bytes > envelope.sizelimit) throw new TemplateReplyError('its transactions are larger than a block');
  if (sigops > envelope.sigoplimit)
    throw new TemplateReplyError('its transactions have more signature operations than a block');
  if (witness && envelope.default_witness_commitment === undefined) {
    throw new TemplateReplyError('it has transactions with witness but no default_witness_commitment');
  }
  const most = subsidy(envelope.height, network) + fees;
  // Less would be odd but valid; more would make every block found on it worthless.
  if (envelope.coinbasevalue > most) {
    throw new TemplateReplyError(
      `coinbasevalue ${envelope.coinbasevalue} is more than subsidy and fees (${most}) at height ${envelope.height}`,
    );
  }
  return {
    longpollId: envelope.longpollid,
    height: envelope.height,
    previousHash: envelope.previousblockhash,
    version: envelope.version,
    bits,
    target,
    time: envelope.curtime,
    minTime: envelope.mintime,
    coinbaseValue: envelope.coinbasevalue,
    fees,
    auxiliary: auxiliaryOf(envelope.coinbaseaux ?? {}),
    commitment:
      envelope.default_witness_commitment === undefined
        ? undefined
        : Buffer.from(envelope.default_witness_commitment, 'hex'),
    signetChallenge: envelope.signet_challenge,
    weight,
    sigops,
    transactions,
  };
}

function checkTransactions(raw: unknown): ReplyTransaction[] {
  if (!Array.isArray(raw)) throw new TemplateReplyError('transactions is not a list');
  // Before anything is parsed: a list of a million entries must cost nothing.
  if (raw.length > MAX_TRANSACTIONS)
    throw new TemplateReplyError(`it has ${raw.length} transactions; no block holds as many`);
  const seen = new Set<string>();
  let total = 0;
  return raw.map((entry: unknown, index): ReplyTransaction => {
    const parsed = readEntry(entry, index);
    const hex = parsed.data;
    // The merkle tree can't tell a list from one with its end repeated (CVE-2012-2459).
    if (seen.has(parsed.txid)) throw new TemplateReplyError(`transaction ${parsed.txid} stands in it twice`);
    seen.add(parsed.txid);
    total += hex.length;
    if (total > 2 * MAX_BLOCK_WEIGHT)
      throw new TemplateReplyError('its transactions are larger than a block');
    const data = Buffer.from(hex, 'hex');
    // `Buffer.from` stops at the first letter that is not hex.
    if (data.length * 2 !== hex.length) throw new TemplateReplyError(`transactions.${index}.data is not hex`);
    if (parsed.weight < data.length || parsed.weight > 4 * data.length) {
      throw new TemplateReplyError(
        `transactions.${index}.weight ${parsed.weight} does not fit ${data.length} bytes`,
      );
    }
    return {
      txid: parsed.txid,
      wtxid: parsed.hash,
      data,
      fee: parsed.fee,
      sigops: parsed.sigops,
      weight: parsed.weight,
      depends: parsed.depends.length === 0 ? NO_DEPENDS : dependsOf(parsed.depends, index),
    };
  });
}

/** A transaction of the reply with every field of the right type and within its bounds; `hash` is the wtxid. */
interface Entry {
  readonly data: string;
  readonly txid: string;
  readonly hash: string;
  readonly depends: readonly number[];
  readonly fee: number;
  readonly sigops: number;
  readonly weight: number;
}

/** By hand: a schema takes several times as long for thousands of entries, and machines wait for the new tip meanwhile. */
function readEntry(raw: unknown, index: number): Entry {
  if (typeof raw !== 'object' || raw === null)
    throw new TemplateReplyError(`transactions.${index}: is not an object`);
  const { data, txid, hash: wtxid, depends, fee, sigops, weight } = raw as Record<keyof Entry, unknown>;
  const wrong = (key: keyof Entry, why: string): TemplateReplyError =>
    new TemplateReplyError(`transactions.${index}.${key}: ${why}`);
  if (typeof data !== 'string') throw wrong('data', 'is not text');
  if (data.length < 2 * MIN_TRANSACTION_BYTES) throw wrong('data', 'is shorter than any transaction');
  if (data.length > 2 * MAX_BLOCK_WEIGHT) throw wrong('data', 'is larger than a block');
  if (!isHash(txid)) throw wrong('txid', 'is not a hash');
  if (!isHash(wtxid)) throw wrong('hash', 'is not a hash');
  if (!Array.isArray(depends)) throw wrong('depends', 'is not a list');
  if (depends.length > MAX_TRANSACTIONS) throw wrong('depends', 'is longer than any block');
  for (const place of depends)
    if (!Number.isSafeInteger(place)) throw wrong('depends', 'is not a list of whole numbers');
  if (!isWhole(fee, 0, MAX_MONEY)) throw wrong('fee', `is not a whole number from 0 to ${MAX_MONEY}`);
  if (!isWhole(sigops, 0, MAX_BLOCK_SIGOPS))
    throw wrong('sigops', `is not a whole number from 0 to ${MAX_BLOCK_SIGOPS}`);
  if (!isWhole(weight, MIN_TRANSACTION_WEIGHT, MAX_BLOCK_WEIGHT))
    throw wrong('weight', `is not a whole number from ${MIN_TRANSACTION_WEIGHT} to ${MAX_BLOCK_WEIGHT}`);
  return { data, txid, hash: wtxid, depends: depends as number[], fee, sigops, weight };
}

/** 64 hex digits in lower case. A loop, for a regular expression takes more than twice as long here. */
function isHash(value: unknown): value is string {
  if (typeof value !== 'string' || value.length !== 64) return false;
  for (let i = 0; i < 64; i += 1) {
    const code = value.charCodeAt(i);
    if (code < ZERO || code > F || (code > NINE && code < A)) return false;
  }
  return true;
}

function isWhole(value: unknown, least: number, most: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;
}

/** The node counts from 1; a transaction can only lean on those before it. */
function dependsOf(depends: readonly number[], index: number): readonly number[] {
  for (const place of depends) {
    if (place < 1 || place > index)
      throw new TemplateReplyError(
        `transactions.${index}.depends names ${place}, which does not come before it`,
      );
  }
  return [...new Set(depends)].map((place) => place - 1);
}

function auxiliaryOf(values: Readonly<Record<string, string>>): Buffer {
  const parts = Object.entries(values).map(([key, hex]) => {
    const bytes = Buffer.from(hex, 'hex');
    if (bytes.length * 2 !== hex.length)
      throw new TemplateReplyError(`coinbaseaux.${key.slice(0, 40)} is not hex`);
    return bytes;
  });
  const joined = Buffer.concat(parts);
  if (joined.length > MAX_AUXILIARY_BYTES) {
    throw new TemplateReplyError(
      `coinbaseaux has ${joined.length} bytes; there is room for ${MAX_AUXILIARY_BYTES}`,
    );
  }
  return joined;
}

function targetOf(bits: number): bigint {
  let target: bigint;
  try {
    target = bitsToTarget(bits);
  } catch (error) {
    throw new TemplateReplyError(`bits ${bits.toString(16)} is no target`, undefined, { cause: error });
  }
  if (target <= 0n) throw new TemplateReplyError(`bits ${bits.toString(16)} is no target`);
  return target;
}

function parse<S extends z.ZodType>(schema: S, value: unknown, where: string): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const path = [where, ...(issue?.path.map(String) ?? [])].filter(Boolean).join('.') || 'it';
  throw new TemplateReplyError(`${path.slice(0, 120)}: ${issue?.message ?? 'not valid'}`);
}
