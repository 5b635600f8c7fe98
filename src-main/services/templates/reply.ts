import { z } from 'zod';
import type { Network } from '../../core/bitcoin/network.ts';
import { bitsToTarget, subsidy } from '../../core/bitcoin/target.ts';
import { MAX_BLOCK_WEIGHT, MAX_MONEY } from '../../core/bitcoin/transaction.ts';

/** Signature operations of a block, as cost (consensus.h, BIP141). */
const MAX_BLOCK_SIGOPS = 80_000;
/** The smallest transaction has 60 bytes without witness, so 240 weight units. */
const MAX_TRANSACTIONS = Math.floor(MAX_BLOCK_WEIGHT / 240);
/** The coinbase's scriptSig has at most 100 bytes (consensus), and the tag and extranonce need their room. */
const MAX_AUXILIARY_BYTES = 20;
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

const transactionSchema = z.object({
  data: z
    .string()
    .min(120)
    .max(2 * MAX_BLOCK_WEIGHT),
  txid: hash,
  hash,
  depends: z.array(z.int()).max(MAX_TRANSACTIONS),
  fee: sat,
  sigops: z.int().min(0).max(MAX_BLOCK_SIGOPS),
  weight: z.int().min(240).max(MAX_BLOCK_WEIGHT),
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
    const { data: hex, ...parsed } = parse(transactionSchema, entry, `transactions.${index}`);
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
