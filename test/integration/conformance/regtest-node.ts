import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { bytesToHex, displayHash, parseHash } from '../../../src-main/core/bitcoin/bytes.ts';
import { sha256 } from '../../../src-main/core/bitcoin/hash.ts';
import {
  serializeTransaction,
  txidOf,
  type Transaction,
} from '../../../src-main/core/bitcoin/transaction.ts';
import type { NodeRpc } from '../../../src-main/services/node/index.ts';
import { createNodeRpc } from '../../../src-main/services/node/rpc.ts';

const START_MS = 60_000;
const STOP_MS = 60_000;

/** Words that start the machine's bitcoind, or undefined where there is none (see `test/machine.mjs`). */
export function testNodeCommand(): readonly string[] | undefined {
  const json = process.env['ADIT_TEST_NODE'];
  if (json === undefined) return undefined;
  const { command, launcher, path } = JSON.parse(json) as {
    command?: string[];
    launcher?: string[];
    path: string;
  };
  return command ?? (launcher !== undefined && launcher.length > 0 ? launcher : [path]);
}

/** A bitcoind on a regtest chain of its own, with RPC on a free port of 127.0.0.1 and no other connection. */
export class RegtestNode {
  readonly folder = mkdtempSync(join(tmpdir(), 'adit-regtest-'));
  readonly rpc: NodeRpc & { readonly close: () => void };
  readonly port: number;
  readonly #command: readonly string[];
  readonly #extraArgs: readonly string[];
  #child: ChildProcess | undefined;

  private constructor(command: readonly string[], port: number, extraArgs: readonly string[]) {
    this.#command = command;
    this.#extraArgs = extraArgs;
    this.port = port;
    this.rpc = createNodeRpc({
      target: () =>
        this.#child === undefined ? undefined : { port, cookieFile: join(this.folder, 'regtest', '.cookie') },
    });
  }

  static async create(...extraArgs: string[]): Promise<RegtestNode> {
    const command = testNodeCommand();
    if (command === undefined) throw new Error('ADIT_TEST_NODE is not set');
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, 'close');
    const node = new RegtestNode(command, port, extraArgs);
    await node.start();
    return node;
  }

  async start(): Promise<void> {
    const [program, ...words] = this.#command as readonly [string, ...string[]];
    const child = spawn(
      program,
      [
        ...words,
        '-regtest',
        `-datadir=${this.folder}`,
        `-rpcport=${this.port}`,
        '-server',
        '-listen=0',
        '-dnsseed=0',
        '-acceptnonstdtxn=1',
        '-dbcache=16',
        '-printtoconsole=0',
        ...this.#extraArgs,
      ],
      { stdio: 'ignore' },
    );
    this.#child = child;
    const deadline = Date.now() + START_MS;
    while (child.exitCode === null && Date.now() < deadline) {
      try {
        await this.rpc.call('getblockcount', [], { timeoutMs: 2_000 });
        return;
      } catch {
        await sleep(50);
      }
    }
    throw new Error(`bitcoind did not start (exit code ${child.exitCode})`);
  }

  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    await exit;
    clearTimeout(timer);
  }

  async dispose(): Promise<void> {
    await this.stop();
    this.rpc.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Mines blocks whose coins anyone can spend with `spend`. Gives their hashes. */
  async mine(blocks: number): Promise<string[]> {
    return (await this.rpc.call('generatetodescriptor', [
      blocks,
      `raw(${bytesToHex(OPEN_SCRIPT)})`,
    ])) as string[];
  }

  async best(): Promise<string> {
    return (await this.rpc.call('getbestblockhash')) as string;
  }

  /** The coinbase output of a block of `mine`. */
  async coinbaseOf(hash: string): Promise<Coin> {
    const { tx } = (await this.rpc.call('getblock', [hash, 2])) as {
      tx: { txid: string; vout: { value: number }[] }[];
    };
    const [coinbase] = tx;
    if (coinbase === undefined) throw new Error(`block ${hash} has no coinbase`);
    return { txid: coinbase.txid, index: 0, value: Math.round((coinbase.vout[0]?.value ?? 0) * 1e8) };
  }
}

export interface Coin {
  readonly txid: string;
  readonly index: number;
  /** sat. */
  readonly value: number;
}

/** OP_DROP OP_TRUE: takes one item of witness, whatever it is. Made for filling blocks. */
const OPEN_WITNESS_SCRIPT = Uint8Array.of(0x75, 0x51);
/** Its P2WSH output (BIP141). */
export const OPEN_SCRIPT = Uint8Array.of(0x00, 0x20, ...sha256(OPEN_WITNESS_SCRIPT));

export interface Spend {
  readonly txid: string;
  readonly hex: string;
  readonly coins: readonly Coin[];
}

/** Spends a coin of `OPEN_SCRIPT` to `outputs` equal ones of the same script. `padding`: bytes of witness, at most 256: Knots refuses more. */
export function spend(coin: Coin, { fee = 1_000, outputs = 1, padding = 1 } = {}): Spend {
  const value = Math.floor((coin.value - fee) / outputs);
  const transaction: Transaction = {
    version: 2,
    inputs: [
      {
        previousTxid: parseHash(coin.txid),
        previousIndex: coin.index,
        script: new Uint8Array(0),
        sequence: 0xffff_fffd,
        witness: [new Uint8Array(padding).fill(1), OPEN_WITNESS_SCRIPT],
      },
    ],
    outputs: Array.from({ length: outputs }, () => ({ value, script: OPEN_SCRIPT })),
    lockTime: 0,
  };
  const txid = displayHash(txidOf(transaction));
  return {
    txid,
    hex: bytesToHex(serializeTransaction(transaction, { witness: true })),
    coins: Array.from({ length: outputs }, (_, index) => ({ txid, index, value })),
  };
}
