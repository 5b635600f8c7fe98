import { serializeBlock } from '../../core/bitcoin/block.ts';
import { displayHash, equalBytes, parseHash } from '../../core/bitcoin/bytes.ts';
import { sha256d } from '../../core/bitcoin/hash.ts';
import { witnessCommitment } from '../../core/bitcoin/merkle.ts';
import { parseTransaction, txidOf, weightOf } from '../../core/bitcoin/transaction.ts';
import type { Template, TemplateTransaction } from '../../core/mining/types.ts';
import type { Reply, ReplyTransaction } from './reply.ts';
import type { BlockSolution } from './types.ts';

/** Templates held on one tip; a solution that names an older one can't be assembled. */
export const TEMPLATES_KEPT = 17;
/** How long the templates of a tip that was replaced are still of use: a block on it can still win. */
export const OLD_TIP_MS = 60_000;
/** Jobs are dropped by `OLD_TIP_MS`; the templates stay a little longer, so that no job ever outlives its template. */
const OLD_TIP_GRACE_MS = 5_000;
/** Old tips held at once. More come only when blocks arrive in a flood, and nothing is won on those. */
const OLD_TIPS = 2;
/** Bytes of `OP_RETURN`, push and tag before the hash in a commitment's script (BIP141). */
const COMMITMENT_HEADER = 6;
/** Bytes hashed before the event loop gets its turn: a millisecond or two of work. */
const VERIFY_SLICE = 100_000;

/** The bytes of a transaction, shared by every template that holds it. */
interface SharedTransaction {
  readonly txid: string;
  readonly wtxid: string;
  readonly data: Buffer;
  readonly weight: number;
  /** Ids and weight were computed from the data and agree. */
  verified: boolean;
  holders: number;
}

interface Held {
  readonly template: Template;
  readonly shared: readonly SharedTransaction[];
  readonly fees: readonly number[];
  readonly sigops: readonly number[];
  readonly depends: readonly (readonly number[])[];
  readonly commitment: Buffer | undefined;
}

interface Tip {
  readonly previousHash: string;
  readonly held: Held[];
  expiry: NodeJS.Timeout | undefined;
}

/**
 * The templates a solution may still name, with their transactions. Two templates on one tip hold nearly the same
 * transactions, and a transaction's bytes are kept once however many hold it: 17 full templates cost little more than one.
 */
export class HeldTemplates {
  readonly #tips: Tip[] = [];
  readonly #byId = new Map<string, Held>();
  readonly #pool = new Map<string, SharedTransaction>();

  /** Holds a template with the transactions it was made from. Drops what is too old. */
  add(template: Template, reply: Reply): void {
    const held: Held = {
      template,
      shared: reply.transactions.map((transaction) => this.#share(transaction)),
      fees: reply.transactions.map((transaction) => transaction.fee),
      sigops: reply.transactions.map((transaction) => transaction.sigops),
      depends: reply.transactions.map((transaction) => transaction.depends),
      commitment: reply.commitment,
    };
    const tip = this.#tipOf(reply.previousHash);
    tip.held.push(held);
    this.#byId.set(template.id, held);
    while (tip.held.length > TEMPLATES_KEPT) this.#drop(tip.held.shift());
  }

  /** Lets go of a template that nobody was told of. */
  remove(id: string): void {
    for (const { held } of this.#tips) {
      const at = held.findIndex(({ template }) => template.id === id);
      if (at >= 0) this.#drop(held.splice(at, 1)[0]);
    }
  }

  /** The transactions of a held template as the contract has them; hex is made here, on demand, and not kept. */
  transactions(id: string): readonly TemplateTransaction[] | undefined {
    const held = this.#byId.get(id);
    return held?.shared.map((transaction, index) => ({
      txid: transaction.txid,
      wtxid: transaction.wtxid,
      hex: transaction.data.toString('hex'),
      fee: held.fees[index] ?? 0,
      weight: transaction.weight,
      sigops: held.sigops[index] ?? 0,
      depends: held.depends[index] ?? [],
    }));
  }

  /** Header ‖ count of transactions ‖ coinbase ‖ transactions (BIP144), or undefined when the template is gone. */
  assemble({ templateId, header, coinbase }: BlockSolution): Uint8Array | undefined {
    const held = this.#byId.get(templateId);
    if (held === undefined) return undefined;
    return serializeBlock(
      header,
      coinbase,
      held.shared.map(({ data }) => data),
    );
  }

  /**
   * Recomputes what the node claimed: ids and weight of every transaction not seen before, and the witness commitment
   * (BIP141). Gives way to the event loop as it goes.
   * @returns why the template is wrong, or undefined when it is right or no longer held
   */
  async verify(id: string): Promise<string | undefined> {
    const steps = this.#verification(id);
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
  }

  /** The same at one go: tens of milliseconds for a full template. */
  verifyNow(id: string): string | undefined {
    const steps = this.#verification(id);
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
    }
  }

  *#verification(id: string): Generator<undefined, string | undefined, undefined> {
    const held = this.#byId.get(id);
    if (held === undefined) return undefined;
    let hashed = 0;
    for (const transaction of held.shared) {
      if (transaction.verified) continue;
      const wrong = judge(transaction);
      if (wrong !== undefined) return wrong;
      transaction.verified = true;
      hashed += transaction.data.length;
      if (hashed >= VERIFY_SLICE) {
        hashed = 0;
        yield;
      }
    }
    if (held.commitment === undefined) return undefined;
    yield;
    // BIP141 leaves the reserved value to the miner; the node's commitment is made with 32 zero bytes.
    const expected = witnessCommitment(
      held.shared.map(({ wtxid }) => parseHash(wtxid)),
      new Uint8Array(32),
    );
    return equalBytes(held.commitment.subarray(COMMITMENT_HEADER), expected)
      ? undefined
      : 'its witness commitment does not belong to its transactions';
  }

  /** How many transactions are kept, and their bytes. */
  size(): { readonly templates: number; readonly transactions: number; readonly bytes: number } {
    let bytes = 0;
    for (const { data } of this.#pool.values()) bytes += data.length;
    return { templates: this.#byId.size, transactions: this.#pool.size, bytes };
  }

  clear(): void {
    for (const tip of this.#tips.splice(0)) this.#expire(tip);
  }

  #tipOf(previousHash: string): Tip {
    const last = this.#tips.at(-1);
    if (last?.previousHash === previousHash) return last;
    // A reorganisation can come back to a tip that was left a moment ago.
    const known = this.#tips.findIndex((tip) => tip.previousHash === previousHash);
    const tip =
      known >= 0 ? (this.#tips.splice(known, 1)[0] as Tip) : { previousHash, held: [], expiry: undefined };
    clearTimeout(tip.expiry);
    if (last !== undefined) {
      last.expiry = setTimeout(() => {
        this.#tips.splice(this.#tips.indexOf(last), 1);
        this.#expire(last);
      }, OLD_TIP_MS + OLD_TIP_GRACE_MS).unref();
    }
    this.#tips.push(tip);
    while (this.#tips.length > OLD_TIPS + 1) this.#expire(this.#tips.shift() as Tip);
    return tip;
  }

  #expire(tip: Tip): void {
    clearTimeout(tip.expiry);
    for (const held of tip.held.splice(0)) this.#drop(held);
  }

  #drop(held: Held | undefined): void {
    if (held === undefined) return;
    this.#byId.delete(held.template.id);
    for (const transaction of held.shared) {
      transaction.holders -= 1;
      if (transaction.holders === 0 && this.#pool.get(transaction.wtxid) === transaction)
        this.#pool.delete(transaction.wtxid);
    }
  }

  #share({ txid, wtxid, data, weight }: ReplyTransaction): SharedTransaction {
    const known = this.#pool.get(wtxid);
    // Same id and other bytes: one of the two is wrong, and `verify` will say which. They must not be mixed.
    if (known !== undefined && known.txid === txid && known.weight === weight && known.data.equals(data)) {
      known.holders += 1;
      return known;
    }
    const shared = { txid, wtxid, data, weight, verified: false, holders: 1 };
    this.#pool.set(wtxid, shared);
    return shared;
  }
}

/** Checks ids and weight of one transaction against its bytes. */
function judge({ txid, wtxid, data, weight }: SharedTransaction): string | undefined {
  if (displayHash(sha256d(data)) !== wtxid) return `transaction ${wtxid} is not what its hash says`;
  try {
    const transaction = parseTransaction(data);
    if (displayHash(txidOf(transaction)) !== txid) return `transaction ${txid} is not what its id says`;
    if (weightOf(transaction) !== weight) return `transaction ${txid} does not weigh ${weight}`;
  } catch (error) {
    return `transaction ${txid} can't be read: ${error instanceof Error ? error.message : String(error)}`;
  }
  return undefined;
}
