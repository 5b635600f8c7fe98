import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { BenchNode } from './bench-node.ts';
import type { OwnServerSetup } from './own-server.ts';

const START_MS = 90_000;
const STOP_MS = 5_000;
const QUIET_FLAG = '--disable-warning=ExperimentalWarning';

/** A Stratum server in a process of its own. */
export interface MeasuredServer {
  readonly name: string;
  readonly pid: number;
  readonly port: number;
  stop(): Promise<void>;
}

/** Starts one of our own programs and waits for the port it listens on. */
export async function forkWithPort(
  program: string,
  args: readonly string[],
): Promise<{ readonly child: ChildProcess; readonly port: number }> {
  const extra = process.env['ADIT_BENCH_NODE_OPTIONS']?.split(' ').filter(Boolean) ?? [];
  const child = fork(fileURLToPath(new URL(program, import.meta.url)), args, {
    execArgv: [QUIET_FLAG, ...extra],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`${program} ended with ${String(code)}`);
  });
  ended.catch(() => {});
  const timeout = sleep(START_MS, undefined, { ref: false }).then(() => {
    throw new Error(`${program} did not start in time`);
  });
  const [message] = (await Promise.race([once(child, 'message'), ended, timeout])) as [{ port: number }];
  return { child, port: message.port };
}

/** Asks a process to end; kills it after `ms`. */
export async function endChild(child: ChildProcess, ms = STOP_MS): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), ms);
  await exit;
  clearTimeout(timer);
}

export async function startOwn(node: BenchNode): Promise<MeasuredServer> {
  const folder = mkdtempSync(join(tmpdir(), 'adit-bench-own-'));
  const setup: OwnServerSetup = {
    rpcPort: node.shimPort,
    cookieFile: node.cookieFile,
    folder,
    address: node.address,
  };
  const { child, port } = await forkWithPort('./own-server.ts', [JSON.stringify(setup)]);
  return {
    name: 'Adit',
    pid: child.pid ?? 0,
    port,
    async stop() {
      await endChild(child);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Folder of a built checkout of public-pool. Undefined where there is none. */
export function publicPoolFolder(): string | undefined {
  const folder = process.env['ADIT_BENCH_PUBLIC_POOL'];
  if (!folder) return undefined;
  if (!existsSync(join(folder, 'dist', 'main.js'))) {
    console.error(
      `bench: ADIT_BENCH_PUBLIC_POOL: ${folder} has no dist/main.js; build it first. It is left out.`,
    );
    return undefined;
  }
  return folder;
}

export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/**
 * Public-pool as its own example configures it: it asks the node twice a second whether there is a new block. With
 * `zmqPort` the node tells it, which is quicker.
 */
export async function startPublicPool(
  node: BenchNode,
  checkout: string,
  zmqPort?: number,
): Promise<MeasuredServer> {
  const name = zmqPort === undefined ? 'public-pool' : 'public-pool with ZMQ';
  const folder = mkdtempSync(join(tmpdir(), 'adit-bench-peer-'));
  mkdirSync(join(folder, 'DB'));
  const port = await freePort();
  const words = join(folder, 'words.txt');
  // Its libraries may not run on our Node yet.
  const program = process.env['ADIT_BENCH_PUBLIC_POOL_NODE'] || process.execPath;
  const child = spawn(program, [join(checkout, 'dist', 'main.js')], {
    cwd: folder,
    stdio: ['ignore', 'ignore', openSync(words, 'w')],
    env: {
      PATH: process.env['PATH'],
      BITCOIN_RPC_URL: 'http://127.0.0.1',
      BITCOIN_RPC_PORT: String(node.shimPort),
      BITCOIN_RPC_TIMEOUT: '10000',
      BITCOIN_RPC_COOKIEFILE: node.cookieFile,
      ...(zmqPort === undefined ? {} : { BITCOIN_ZMQ_HOST: `tcp://127.0.0.1:${zmqPort}` }),
      API_PORT: String(await freePort()),
      STRATUM_PORT: String(port),
      NETWORK: 'regtest',
      API_SECURE: 'false',
      POOL_IDENTIFIER: 'Public-Pool',
    },
  });
  const stop = async (): Promise<void> => {
    await endChild(child);
    rmSync(folder, { recursive: true, force: true });
  };
  for (const deadline = Date.now() + START_MS; Date.now() < deadline; await sleep(100)) {
    if (child.exitCode !== null) break;
    if (await answers(port)) return { name, pid: child.pid ?? 0, port, stop };
  }
  const said = readFileSync(words, 'utf8').slice(-1_000);
  await stop();
  throw new Error(`public-pool did not start: ${said}`);
}
