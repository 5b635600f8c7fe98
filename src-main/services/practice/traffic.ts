import { bytesToHex, parseHash } from '../../core/bitcoin/bytes.ts';
import { sha256 } from '../../core/bitcoin/hash.ts';
import {
  serializeTransaction,
  txidOf,
  weightOf,
  type Transaction,
  type TxIn,
  type TxOut,
} from '../../core/bitcoin/transaction.ts';
import type { Log } from '../log/index.ts';
import type { NodeRpc } from '../node/index.ts';

/** The witness script `OP_TRUE`: its coins need no key, so practice needs no wallet. */
const OP_TRUE = Uint8Array.of(0x51);
/** P2WSH of `OP_TRUE`: witness version 0 and the script's SHA-256 (BIP141). */
export const PRACTICE_SCRIPT: Uint8Array = Uint8Array.of(0x00, 0x20, ...sha256(OP_TRUE));

/** Blocks after which a coinbase may be spent, and that many more so that several can be (`COINBASE_MATURITY`). */
const SEED_BLOCKS = 110;
/** Outputs a matured coinbase is split into, so that many transactions can be made from it. */
const FAN = 60;
/** Keep this many transactions waiting: enough for a picture, few enough to cost nothing. */
const MEMPOOL = 150;
/** A transaction whose parents wait too may be this deep in the chain (Core's default limit is 25). */
const MAX_DEPTH = 6;
const MAX_COINS = 2_000;

interface Coin {
  readonly txid: Uint8Array;
  readonly index: number;
  readonly value: number;
  /** Unconfirmed ancestors in a row. */
  readonly depth: number;
}

export interface TrafficOptions {
  readonly rpc: NodeRpc;
  /** The practice address on regtest, which the node pays when it makes the first blocks. */
  readonly address: string;
  readonly log: Log;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
  readonly everyMs?: number;
}

export interface Traffic {
  /** Makes the first blocks where the chain has none, then keeps transactions coming until stopped. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;

/**
 * Life on a private regtest chain: transactions of many sizes and feerates, so that templates in practice look and behave
 * like real ones. Spends only coins of `PRACTICE_SCRIPT`, which belong to whoever asks.
 */
export function createTraffic(options: TrafficOptions): Traffic {
  const { rpc, log, random } = options;
  let coins: Coin[] = [];
  let running = false;
  let loop: Promise<void> = Promise.resolve();
  let wake: () => void = () => {};

  const input = (coin: Coin): TxIn => ({
    previousTxid: coin.txid,
    previousIndex: coin.index,
    script: new Uint8Array(0),
    sequence: 0xfffffffd,
    witness: [OP_TRUE],
  });
  const pick = (least: number, most: number): number => least + Math.floor(random() * (most - least + 1));

  async function seed(): Promise<void> {
    const height = Number(await rpc.call('getblockcount'));
    if (height < SEED_BLOCKS)
      await rpc.call('generatetoaddress', [SEED_BLOCKS - height, options.address], { timeoutMs: 60_000 });
  }

  /** The coins the chain holds for us; what waits in the mempool is left alone. */
  async function gather(): Promise<void> {
    const height = Number(await rpc.call('getblockcount'));
    const found = await rpc.call('scantxoutset', ['start', [`addr(${options.address})`]], {
      timeoutMs: 60_000,
    });
    const unspents =
      isRecord(found) && Array.isArray(found['unspents']) ? (found['unspents'] as unknown[]) : [];
    coins = [];
    for (const unspent of unspents) {
      if (!isRecord(unspent) || coins.length >= MAX_COINS) continue;
      const mature = unspent['coinbase'] !== true || height - Number(unspent['height']) >= 100;
      const value = Math.round(Number(unspent['amount']) * 1e8);
      if (mature && value > 10_000) {
        coins.push({
          txid: parseHash(String(unspent['txid'])),
          index: Number(unspent['vout']),
          value,
          depth: 0,
        });
      }
    }
  }

  /** Builds a transaction from the coins, keeps its outputs as new coins, and sends it. */
  async function send(
    from: readonly Coin[],
    outputCount: number,
    feerate: number,
    data: number,
  ): Promise<void> {
    const total = from.reduce((sum, coin) => sum + coin.value, 0);
    const shape = (fee: number): Transaction => {
      const each = Math.floor((total - fee) / outputCount);
      const outputs: TxOut[] = Array.from({ length: outputCount }, () => ({
        value: each,
        script: PRACTICE_SCRIPT,
      }));
      if (data > 0)
        outputs.push({ value: 0, script: Uint8Array.of(0x6a, data, ...new Uint8Array(data).fill(0x41)) });
      return { version: 2, inputs: from.map(input), outputs, lockTime: 0 };
    };
    const fee = Math.ceil((weightOf(shape(0)) / 4) * feerate);
    if (total - fee < outputCount * 10_000) return;
    const transaction = shape(fee);
    const depth = Math.max(...from.map((coin) => coin.depth)) + 1;
    await rpc.call('sendrawtransaction', [
      bytesToHex(serializeTransaction(transaction, { witness: true })),
      0,
    ]);
    const txid = txidOf(transaction);
    for (const [index, output] of transaction.outputs.entries()) {
      if (output.value > 10_000 && coins.length < MAX_COINS)
        coins.push({ txid, index, value: output.value, depth });
    }
  }

  const take = (index: number): Coin[] => coins.splice(index, 1);

  async function turn(): Promise<void> {
    const info = await rpc.call('getmempoolinfo');
    const waiting = isRecord(info) ? Number(info['size']) : 0;
    if (waiting === 0) await gather();
    // Mostly cheap, now and then someone in a hurry: the spread a real mempool has.
    const feerate = (): number => Math.round(2 ** (random() * 7) * 10) / 10;
    for (let n = 0; n < 12 && waiting + n < MEMPOOL && coins.length > 0; n += 1) {
      const large = coins.findIndex((coin) => coin.value > 100_000_000);
      const at = large >= 0 && random() < 0.2 ? large : Math.floor(random() * coins.length);
      const [first] = take(at);
      if (first === undefined || first.depth >= MAX_DEPTH) continue;
      const split = first.value > 100_000_000;
      const more = split
        ? []
        : Array.from({ length: random() < 0.3 ? pick(1, 6) : 0 }, () =>
            take(Math.floor(random() * coins.length)),
          ).flat();
      const usable = [first, ...more.filter((coin) => coin.depth < MAX_DEPTH)];
      try {
        await send(usable, split ? FAN : pick(1, 3), feerate(), random() < 0.15 ? pick(10, 75) : 0);
      } catch (error) {
        // A coin that a block or a restart took away: the next gathering finds out what is left.
        log.debug('practice transaction refused', {
          reason: error instanceof Error ? error.message : String(error),
        });
      }
    }
  }

  async function run(): Promise<void> {
    while (running) {
      try {
        await turn();
      } catch (error) {
        log.debug('practice traffic waits for the node', {
          reason: error instanceof Error ? error.message : String(error),
        });
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, options.everyMs ?? 900);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  return {
    async start() {
      if (running) return;
      running = true;
      await seed();
      await gather();
      loop = run();
    },
    async stop() {
      running = false;
      wake();
      await loop;
    },
  };
}
