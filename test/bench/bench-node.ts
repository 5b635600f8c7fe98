import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { addressOfScript } from '../../src-main/core/bitcoin/address.ts';
import { OPEN_SCRIPT, RegtestNode, spend, type Coin } from '../integration/conformance/regtest-node.ts';
import { endChild, forkWithPort, freePort } from './servers.ts';
import { timedTip } from './tip.ts';

/** Blocks until a coinbase may be spent. */
const MATURITY = 100;
/** A block on mainnet holds about so many transactions (2025: between 2,000 and 4,000). */
export const MEMPOOL_TRANSACTIONS = 2_500;
/** Outputs of one of the transactions that coins are made with. */
const FAN_OUT = 500;
/** Bytes of witness that make each as large as an ordinary transaction. */
const PADDING = 200;

/** A regtest node with a mempool like mainnet's, and the shim before it. */
export class BenchNode {
  readonly #node: RegtestNode;
  readonly #shim: ChildProcess;
  readonly shimPort: number;
  readonly zmqPort: number | undefined;
  readonly address: string;

  private constructor(node: RegtestNode, shim: ChildProcess, shimPort: number, zmqPort: number | undefined) {
    const address = addressOfScript(OPEN_SCRIPT, 'regtest');
    if (address === undefined) throw new Error('bench: the script has no address');
    this.#node = node;
    this.#shim = shim;
    this.shimPort = shimPort;
    this.zmqPort = zmqPort;
    this.address = address;
  }

  /** Needs ADIT_TEST_NODE, as the tests do. */
  static async start(): Promise<BenchNode> {
    const zmqPort = await freePort();
    const node = await RegtestNode.create('-logtimemicros=1', `-zmqpubrawblock=tcp://127.0.0.1:${zmqPort}`);
    try {
      const zmq = (await node.rpc.call('getzmqnotifications').catch(() => [])) as unknown[];
      await fillMempool(node);
      const { child, port } = await forkWithPort('./rpc-shim.ts', [String(node.port)]);
      return new BenchNode(node, child, port, zmq.length > 0 ? zmqPort : undefined);
    } catch (error) {
      await node.dispose();
      throw error;
    }
  }

  get cookieFile(): string {
    return join(this.#node.folder, 'regtest', '.cookie');
  }

  /** Lets the node take an empty block, so that the mempool stays as it is. Gives when it took it, ms since 1970. */
  moveTip = (): Promise<number> =>
    timedTip(
      async () => {
        await this.#node.rpc.call('generateblock', [this.address, []]);
      },
      join(this.#node.folder, 'regtest', 'debug.log'),
    );

  async stop(): Promise<void> {
    await endChild(this.#shim);
    await this.#node.dispose();
  }
}

async function fillMempool(node: RegtestNode): Promise<void> {
  const parents = Math.ceil(MEMPOOL_TRANSACTIONS / FAN_OUT);
  const hashes = await node.mine(parents);
  await node.mine(MATURITY);
  const coins: Coin[] = [];
  for (const hash of hashes) {
    const parent = spend(await node.coinbaseOf(hash), { fee: 100_000, outputs: FAN_OUT });
    await node.rpc.call('sendrawtransaction', [parent.hex]);
    coins.push(...parent.coins);
  }
  await node.mine(1);
  for (const coin of coins.slice(0, MEMPOOL_TRANSACTIONS))
    await node.rpc.call('sendrawtransaction', [spend(coin, { padding: PADDING }).hex]);
}
