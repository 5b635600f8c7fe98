import { addressOfScript } from '../bitcoin/address.ts';
import { FormatError, compactSizeLength, concatBytes, equalBytes } from '../bitcoin/bytes.ts';
import { HEADER_SIZE } from '../bitcoin/block.ts';
import { sha256d } from '../bitcoin/hash.ts';
import { WITNESS_COMMITMENT_HEADER, rootFromPath } from '../bitcoin/merkle.ts';
import type { Network } from '../bitcoin/network.ts';
import { legacySigops } from '../bitcoin/script.ts';
import { bitsToTarget } from '../bitcoin/target.ts';
import { MAX_BLOCK_WEIGHT, isCoinbase, parseTransaction } from '../bitcoin/transaction.ts';
import { MAX_SCRIPT_SIG, MIN_SCRIPT_SIG, addCoinbaseWitness, buildCoinbase, heightPush } from './coinbase.ts';
import { splitReward } from './payout.ts';
import type { Job, JobOutput, Payout, Solution, Template } from './types.ts';

/** Cost of signature operations a block may have (BIP141). */
const MAX_SIGOPS_COST = 80_000;
/** Where the scriptSig of a coinbase begins: version, input count, outpoint, one byte of length. */
const SCRIPT_SIG_AT = 4 + 1 + 36 + 1;

export type JobErrorCode = 'template' | 'payouts' | 'weight' | 'sigops' | 'unverified';

/** No job could be made. The last good job stays the one to mine on. */
export class JobError extends Error {
  readonly code: JobErrorCode;
  constructor(code: JobErrorCode, message: string) {
    super(message);
    this.name = 'JobError';
    this.code = code;
  }
}

export interface JobOptions {
  readonly id: number;
  /** From `resolvePayouts`. */
  readonly payouts: readonly Payout[];
  /** Printable ASCII. */
  readonly tag: string;
  readonly network: Network;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Bytes. Default 12: 4 for the connection, 8 for the miner. */
  readonly extranonceSize?: number;
}

/**
 * Makes a job of a template. It is read back and proven by `verifyJob` before it is returned, so that no job can leave
 * that pays anyone else. Throws `JobError`: "template" (the node's values contradict each other), "payouts", "weight",
 * "sigops" (the coinbase does not fit the block), "unverified".
 */
export function buildJob(template: Template, options: JobOptions): Job {
  const { payouts, network, extranonceSize = 12 } = options;
  checkTemplate(template);
  const required = template.requiredOutputs.reduce((sum, output) => sum + output.value, 0);
  const outputs: JobOutput[] = [];
  try {
    for (const part of splitReward(template.coinbaseValue - required, payouts))
      outputs.push({ ...part, kind: 'payout' });
  } catch (error) {
    throw new JobError('payouts', `The reward can't be split: ${(error as Error).message}`);
  }
  for (const { value, script } of template.requiredOutputs) {
    outputs.push({
      value,
      script,
      kind: isCommitment(script) ? 'commitment' : 'other',
      address: addressOfScript(script, network),
    });
  }

  let parts;
  try {
    parts = buildCoinbase({
      scriptSigPrefix: template.scriptSigPrefix,
      tag: options.tag,
      extranonceSize,
      version: template.coinbaseVersion,
      sequence: template.coinbaseSequence,
      lockTime: template.coinbaseLockTime,
      outputs,
    });
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new JobError('template', `The coinbase can't be built: ${error.message}`);
  }
  const size = parts.prefix.length + extranonceSize + parts.suffix.length;
  // BIP144 adds marker, flag, item count, item length and the 32 bytes: 36 weight units.
  const coinbaseWeight = size * 4 + (template.witnessReserved === undefined ? 0 : 36);
  const weight =
    template.weight + coinbaseWeight + 4 * (HEADER_SIZE + compactSizeLength(template.transactionCount + 1));
  if (weight > MAX_BLOCK_WEIGHT) {
    throw new JobError(
      'weight',
      `The block would weigh ${weight}, more than ${MAX_BLOCK_WEIGHT}. Use fewer payout addresses.`,
    );
  }
  const sigops = template.sigops + 4 * outputs.reduce((sum, { script }) => sum + legacySigops(script), 0);
  if (sigops > MAX_SIGOPS_COST) {
    throw new JobError(
      'sigops',
      'The block would hold too many signature operations. Use fewer old-style (p2pkh) payout addresses.',
    );
  }
  const job: Job = {
    id: options.id,
    templateId: template.id,
    source: template.source,
    height: template.height,
    previousHash: template.previousHash,
    version: template.version,
    bits: template.bits,
    target: template.target,
    time: template.time,
    minTime: template.minTime,
    coinbasePrefix: parts.prefix,
    coinbaseSuffix: parts.suffix,
    extranonceSize,
    merklePath: template.merklePath,
    outputs,
    coinbaseValue: template.coinbaseValue,
    fees: template.fees,
    transactionCount: template.transactionCount,
    weight,
    witnessReserved: template.witnessReserved,
    tag: parts.tag,
    cleanJobs: template.newTip,
    createdAt: options.now,
  };
  const verdict = verifyJob(job, payouts, template.requiredOutputs);
  if (!verdict.ok)
    throw new JobError('unverified', `The finished job was refused by its own check: ${verdict.reason}.`);
  return job;
}

function isCommitment(script: Uint8Array): boolean {
  return script.length >= 38 && equalBytes(script.subarray(0, 6), WITNESS_COMMITMENT_HEADER);
}

function checkTemplate(template: Template): void {
  const wrong = (what: string): never => {
    throw new JobError('template', `The node's template ${template.id} is unusable: ${what}.`);
  };
  if (template.previousHash.length !== 32) wrong('its previous hash has not 32 bytes');
  if (template.merklePath.some((hash) => hash.length !== 32))
    wrong('a hash of its merkle path has not 32 bytes');
  if (!Number.isSafeInteger(template.coinbaseValue) || template.coinbaseValue < 0)
    wrong(`its reward is ${template.coinbaseValue}`);
  let target: bigint;
  try {
    target = bitsToTarget(template.bits);
  } catch (error) {
    return wrong((error as Error).message);
  }
  if (target !== template.target) wrong('its target is not that of its bits');
}

/** The coinbase without witness: what the txid, and so the merkle root, is made from. Throws `JobError` for a wrong extranonce length. */
export function coinbaseOf(job: Job, extranonce: Uint8Array): Uint8Array {
  if (extranonce.length !== job.extranonceSize) {
    throw new JobError(
      'template',
      `The extranonce has ${extranonce.length} bytes, the job leaves room for ${job.extranonceSize}.`,
    );
  }
  return concatBytes(job.coinbasePrefix, extranonce, job.coinbaseSuffix);
}

/** The coinbase as it goes into the block: with the witness reserved value where the template has one. */
export function withWitness(job: Job, coinbaseNoWitness: Uint8Array): Uint8Array {
  return job.witnessReserved === undefined
    ? coinbaseNoWitness
    : addCoinbaseWitness(coinbaseNoWitness, job.witnessReserved);
}

export type JobVerdict = { readonly ok: true } | { readonly ok: false; readonly reason: string };

/**
 * Reads the finished coinbase back from its bytes and proves what the user is promised: each payout output is there once,
 * to the right script, with the right value; nobody else is paid a single sat; nothing is left over; the height is pushed
 * (BIP34); the lock time lets it in; the witness commitment and what else the chain demands is there; what the page shows (`job.outputs`) is true.
 * Trusts neither how the bytes were made nor `job.outputs`.
 * @param payouts what the user chose (from the settings, not from the job).
 * @param requiredOutputs of the template, where the caller has it; else those of the job are held to the bytes.
 */
export function verifyJob(
  job: Job,
  payouts: readonly Payout[],
  requiredOutputs: Template['requiredOutputs'] = job.outputs.filter(({ kind }) => kind !== 'payout'),
): JobVerdict {
  const no = (reason: string): JobVerdict => ({ ok: false, reason });
  let coinbase;
  let expected;
  try {
    coinbase = parseTransaction(withWitness(job, coinbaseOf(job, new Uint8Array(job.extranonceSize))));
    expected = splitReward(job.coinbaseValue, payouts);
  } catch (error) {
    return no((error as Error).message);
  }
  const input = coinbase.inputs[0];
  if (!isCoinbase(coinbase) || input === undefined) return no('the transaction is no coinbase');
  if (input.script.length < MIN_SCRIPT_SIG || input.script.length > MAX_SCRIPT_SIG) {
    return no(`the scriptSig has ${input.script.length} bytes`);
  }
  if (!isFinal(coinbase.lockTime, input.sequence, job)) {
    return no(`the lock time ${coinbase.lockTime} does not let the coinbase into this block`);
  }
  const height = heightPush(job.height);
  if (!equalBytes(input.script.subarray(0, height.length), height))
    return no(`the scriptSig does not begin with height ${job.height}`);
  const hole = job.coinbasePrefix.length - SCRIPT_SIG_AT;
  if (hole < height.length || hole + job.extranonceSize > input.script.length)
    return no('the extranonce is not inside the scriptSig');

  if (coinbase.outputs.length !== expected.length + requiredOutputs.length) {
    return no(
      `there are ${coinbase.outputs.length} outputs, ${expected.length + requiredOutputs.length} are right`,
    );
  }
  for (const [index, output] of coinbase.outputs.entries()) {
    const shown = job.outputs[index];
    if (shown === undefined || shown.value !== output.value || !equalBytes(shown.script, output.script)) {
      return no(`output ${index} is not what the job says of it`);
    }
    const part = expected[index];
    if (part !== undefined) {
      if (!equalBytes(part.script, output.script)) return no(`output ${index} does not pay ${part.address}`);
      if (part.value !== output.value)
        return no(`output ${index} pays ${output.value} sat instead of ${part.value}`);
      if (shown.kind !== 'payout' || shown.address !== part.address)
        return no(`output ${index} is not shown as the payout it is`);
    } else {
      const demanded = requiredOutputs[index - expected.length];
      if (output.value !== 0) return no(`output ${index} pays ${output.value} sat to someone not chosen`);
      if (demanded === undefined || !equalBytes(demanded.script, output.script))
        return no(`output ${index} is not what the chain demands`);
      if (shown.kind === 'payout') return no(`output ${index} is shown as a payout but is none`);
    }
  }
  if (coinbase.outputs.reduce((sum, output) => sum + output.value, 0) > job.coinbaseValue)
    return no('the outputs add up to more than the reward');
  if (job.witnessReserved !== undefined && !coinbase.outputs.some(({ script }) => isCommitment(script))) {
    return no('the witness commitment is missing');
  }
  return { ok: true };
}

/** Core's `IsFinalTx`: below 500,000,000 a lock time is a height, else a time; `minTime` is the median time past plus one. */
function isFinal(lockTime: number, sequence: number, job: Job): boolean {
  return sequence === 0xffffffff || lockTime < (lockTime < 500_000_000 ? job.height : job.minTime);
}

/** The merkle root a miner gets with this extranonce, internal order. */
export function workMerkleRoot(job: Job, extranonce: Uint8Array): Uint8Array {
  return rootFromPath(sha256d(coinbaseOf(job, extranonce)), job.merklePath);
}

/** The 80 bytes of the header a solution stands for. Its numbers must fit 32 bits: they are taken modulo 2^32. */
export function headerOf(job: Job, solution: Solution): Uint8Array {
  return assembleHeader(job, workMerkleRoot(job, solution.extranonce), solution);
}

/** As `headerOf`, for a merkle root that is known already. */
export function assembleHeader(job: Job, merkleRoot: Uint8Array, solution: Solution): Uint8Array {
  const header = new Uint8Array(HEADER_SIZE);
  const view = new DataView(header.buffer);
  view.setUint32(0, solution.version, true);
  header.set(job.previousHash, 4);
  header.set(merkleRoot, 36);
  view.setUint32(68, solution.ntime, true);
  view.setUint32(72, job.bits, true);
  view.setUint32(76, solution.nonce, true);
  return header;
}
