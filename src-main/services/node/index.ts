import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { createServer } from 'node:net';
import { isAbsolute } from 'node:path';
import type { Network } from '../../core/bitcoin/network.ts';
import type { Settings } from '../../core/api/settings.ts';
import { SILENT_STAGE } from '../../core/supervision/machine.ts';
import type { ChildExit, ChildProblem, ChildState, RestartPolicy } from '../../core/supervision/machine.ts';
import type { Log } from '../log/index.ts';
import { commandOf } from './binary.ts';
import type { FoundBinary } from './binary.ts';
import { ChildStartError, createChild, systemClock } from './child.ts';
import type { ChildHealth, ChildPlan, Clock } from './child.ts';
import { OWN_PORTS, claimDataDir, nodePaths, writeConfig } from './config.ts';
import { RPC_IN_WARMUP, RpcError, RpcUnreachable } from './errors.ts';
import { diagnoseExit } from './problems.ts';
import { identify, isAlive } from './process.ts';
import { createNodeRpc } from './rpc.ts';
import { readRunFile, removeRunFile, writeRunFile } from './run-file.ts';
import type { RunRecord } from './run-file.ts';
import { NO_MEMORY, readSync } from './sync.ts';
import type { SyncMemory } from './sync.ts';
import type { NodeBinary, NodeService, NodeSnapshot, SyncStatus } from './types.ts';

export type * from './types.ts';
export { findNodeBinary } from './binary.ts';
export type { FindOptions, FoundBinary, Tried } from './binary.ts';
export type { Clock } from './child.ts';
export { systemClock } from './child.ts';
export { RPC_IN_WARMUP, RpcError, RpcUnreachable } from './errors.ts';
export type { UnreachableCode } from './errors.ts';

export interface NodeServiceOptions {
  readonly network: Network;
  /** Adit's own data folder, absolute. */
  readonly dataDir: string;
  readonly settings: Settings['node'];
  /** Finds the program to run; called before every start. A stop meanwhile aborts `signal` and does not wait for it. */
  readonly binary: (signal: AbortSignal) => Promise<FoundBinary>;
  readonly log: Log;
  readonly clock?: Clock;
  /** Arguments after all others, for example `-ipcbind=unix`. */
  readonly extraArgs?: readonly string[];
  /** 0: any free port. Left out: Adit's own port, or a free one while that is taken. */
  readonly rpcPort?: number;
  readonly policy?: Partial<RestartPolicy>;
}

/** The node service, with what only the program that owns it may do. */
export interface OwnedNodeService extends NodeService {
  /**
   * Ends a node that hangs at its stop. Only for the user's explicit wish: it can damage the chain data. Heeded (true) once
   * `forceFrom` of the state `stopping` has passed.
   */
  forceKill(): boolean;
  /** Starts the node anew so that it rebuilds its block database; a pruned one fetches the chain again. Takes hours to days. */
  reindex(): Promise<void>;
}

const POLICY: RestartPolicy = {
  backoffMs: 1_000,
  backoffMaxMs: 60_000,
  crashLimit: 5,
  crashWindowMs: 30 * 60_000,
  offerForceAfterMs: 15 * 60_000,
};
const PROBE_TIMEOUT_MS = 10_000;
/** A node that connects a large block, or flushes, can hold its locks for this long. */
const SILENT_AFTER_MS = 60_000;
const ASK_STOP_EVERY_MS = 10_000;
const SLOW_STOP_MS = 60_000;
const SLOW_EARLIER_MS = 10_000;
const EARLIER_POLL_MS = 250;
const DEBUG_LOG_TAIL_BYTES = 64 * 1024;

const SLOW_STOP: ChildProblem = {
  code: 'slowStop',
  message: 'The node takes long to stop.',
  advice: 'Wait: it is writing its data to the disk. Ending it by force can damage the chain data.',
};

/** Folders in use by this very process, where a record of process ids can't tell two services apart. */
const inUse = new Set<string>();

/**
 * The node: found, configured, started, watched and asked to stop. `start`, `stop` and `restart` never reject: what went
 * wrong is in the snapshot's `problem`.
 */
export function createNodeService(options: NodeServiceOptions): OwnedNodeService {
  const { network, settings, log } = options;
  const clock = options.clock ?? systemClock;
  const paths = nodePaths(options.dataDir, settings.dataDir, network);
  const listeners = new Set<(snapshot: NodeSnapshot) => void>();
  let binary: NodeBinary | undefined;
  /** Where the node of the current run answers. */
  let target: { readonly port: number; readonly cookieFile: string } | undefined;
  let fingerprint = '';
  let holding = false;
  let recorded = false;
  /** The next start rebuilds the database; the node itself remembers to finish that. */
  let reindexing = false;
  let genesis: unknown;
  let sync: SyncStatus | undefined;
  let memory: SyncMemory = NO_MEMORY;
  /** Something to tell while the child's state alone does not say it. */
  let notice: ChildProblem | undefined;
  let announced = false;

  const rpc = createNodeRpc({ target: () => target });

  const changed = (): void => {
    if (announced) return;
    announced = true;
    queueMicrotask(() => {
      announced = false;
      const now = snapshot();
      for (const listener of listeners) listener(now);
    });
  };

  const setNotice = (problem: ChildProblem | undefined): void => {
    if (notice?.code === problem?.code && notice?.message === problem?.message) return;
    notice = problem;
    changed();
  };

  const prepare = async (signal: AbortSignal, say: (line: string) => void): Promise<ChildPlan> => {
    hold();
    if (!isAbsolute(paths.dataDir)) {
      throw new ChildStartError(
        {
          code: 'noFolder',
          message: `"${settings.dataDir}" is not the whole path of a folder.`,
          advice: 'Give the path from the root on, or leave it empty.',
        },
        true,
      );
    }
    claimDataDir(paths, network);
    const found = await unlessAborted(options.binary(signal), signal);
    if (!found.ok) throw new ChildStartError(found, true);
    binary = found.binary;
    const earlier = readRunFile(paths);
    const wanted = options.rpcPort !== undefined && options.rpcPort !== 0 ? options.rpcPort : undefined;
    const running = earlier !== undefined && isAlive(earlier.node) ? earlier : undefined;
    if (running !== undefined) refuseIfOwned(running);
    const rpcPort =
      running !== undefined && (wanted === undefined || wanted === running.rpcPort)
        ? running.rpcPort
        : await pickPort(options.rpcPort, network);
    const written = writeConfig(paths, { network, settings, rpcPort });
    if (written.setAside !== undefined) {
      const { path, reason } = written.setAside;
      say(`Adit: bitcoin.conf was written anew because ${reason}. The old one is ${path}.`);
      log.warn('node: bitcoin.conf was written anew', { path, reason });
    }
    const [command, ...args] = commandOf(binary, nodeArguments());
    fingerprint = createHash('sha256')
      .update(JSON.stringify([written.fingerprint, binary.version, command, args]))
      .digest('hex');
    if (running !== undefined) {
      const same = !reindexing && running.fingerprint === fingerprint && running.rpcPort === rpcPort;
      if ((await meetEarlier(running, same, signal, say)) === 'adopt') {
        return { kind: 'adopt', process: running.node, logTail: debugLogTail() };
      }
    }
    // The cookie of a node that is gone must not be shown to whoever listens on the port now.
    fs.rmSync(paths.cookie, { force: true });
    target = { port: rpcPort, cookieFile: paths.cookie };
    const once = reindexing ? ['-reindex=1'] : [];
    reindexing = false;
    return { kind: 'spawn', command, args: [...args, ...once], env: environment(), cwd: paths.dataDir };
  };

  const nodeArguments = (): readonly string[] => [
    `-datadir=${paths.dataDir}`,
    // Its own file by name, so that the one in the user's home is never read.
    `-conf=${paths.config}`,
    `-chain=${network}`,
    // The last words of a crash are read from here.
    '-printtoconsole=1',
    ...(options.extraArgs ?? []),
  ];

  const hold = (): void => {
    if (inUse.has(paths.dataDir)) throw new ChildStartError(otherAdit(), false);
    inUse.add(paths.dataDir);
    holding = true;
  };

  const refuseIfOwned = (earlier: RunRecord): void => {
    if (earlier.owner.pid !== process.pid && isAlive(earlier.owner)) {
      throw new ChildStartError(otherAdit(), false);
    }
  };

  const otherAdit = (): ChildProblem => ({
    code: 'otherAdit',
    message: `Another Adit that is running uses the folder ${paths.dataDir}.`,
    advice: 'Close the other one. Adit tries again by itself.',
  });

  /** A node of ours from before a crash: take it over when it is what we would start, else have it end. */
  const meetEarlier = async (
    earlier: RunRecord,
    same: boolean,
    signal: AbortSignal,
    say: (line: string) => void,
  ): Promise<'adopt' | 'gone'> => {
    const { pid } = earlier.node;
    say(`Adit: a node of an earlier run still runs (process ${pid}).`);
    target = { port: earlier.rpcPort, cookieFile: paths.cookie };
    const since = clock.now();
    let askedAt = -Infinity;
    while (isAlive(earlier.node)) {
      signal.throwIfAborted();
      const health = await ask(signal);
      signal.throwIfAborted();
      if (health === 'up' && same) {
        say('Adit: it answers and has the same settings, so it is taken over.');
        setNotice(undefined);
        return 'adopt';
      }
      if (health === 'up' && clock.now() - askedAt >= ASK_STOP_EVERY_MS) {
        say('Adit: it was started with other settings, so it is asked to stop.');
        askedAt = clock.now();
        await requestStop(pid);
      }
      if (clock.now() - since >= SLOW_EARLIER_MS) {
        setNotice({
          code: 'earlierNode',
          message: 'The node of an earlier run is still ending.',
          advice: 'Wait: it is writing its data to the disk. Adit starts the new one by itself.',
        });
      }
      await new Promise<void>((resolve) => clock.after(EARLIER_POLL_MS, resolve));
    }
    setNotice(undefined);
    target = undefined;
    say('Adit: the earlier node has ended.');
    return 'gone';
  };

  /** Whether our node's RPC is there at all: an answer, or the word that it is still loading. */
  const ask = async (signal: AbortSignal): Promise<'up' | 'silent'> => {
    try {
      await rpc.call('getblockcount', [], { timeoutMs: 2_000, signal });
      return 'up';
    } catch (error) {
      return error instanceof RpcError && error.code === RPC_IN_WARMUP ? 'up' : 'silent';
    }
  };

  const probe = async (signal: AbortSignal): Promise<ChildHealth> => {
    const call = (method: string, params: readonly unknown[] = []): Promise<unknown> =>
      rpc.call(method, params, { timeoutMs: PROBE_TIMEOUT_MS, signal });
    try {
      // Alone first: a node that is still loading is asked one question, not five.
      const blockchain = await call('getblockchaininfo');
      const [firstBlock, networkInfo, peers, mempool] = await Promise.all([
        genesis === undefined ? call('getblockhash', [0]) : Promise.resolve(genesis),
        call('getnetworkinfo'),
        call('getpeerinfo'),
        call('getmempoolinfo'),
      ]);
      const reading = readSync(
        network,
        { blockchain, network: networkInfo, peers, mempool, genesis: firstBlock },
        memory,
        clock.now(),
      );
      if (reading.kind === 'absurd') return absurd(reading.reason);
      if (reading.kind === 'wrongNetwork') return { kind: 'refuse', problem: reading.problem };
      memory = reading.memory;
      genesis = firstBlock;
      setNotice(undefined);
      if (JSON.stringify(sync) !== JSON.stringify(reading.status)) {
        sync = reading.status;
        changed();
      }
      return { kind: 'answers', version: reading.version };
    } catch (error) {
      if (error instanceof RpcError) {
        if (error.code === RPC_IN_WARMUP) return { kind: 'warming', ...warmup(error.message, child.log()) };
        return absurd(`${error.method}: ${error.message} (${error.code})`);
      }
      if (error instanceof RpcUnreachable) {
        if (error.code === 'notJson' || error.code === 'badReply' || error.code === 'tooLarge') {
          return absurd(`${error.method}: ${error.reason}`);
        }
        return { kind: 'silent' };
      }
      log.error('node: the status could not be read', { reason: String(error) });
      return { kind: 'silent' };
    }
  };

  const absurd = (reason: string): ChildHealth => {
    if (notice?.code !== 'absurdAnswer') log.warn('node: an answer makes no sense', { reason });
    setNotice({
      code: 'absurdAnswer',
      message: `The node gives an answer Adit can't use: ${reason}`.slice(0, 400),
      advice: 'Check in the node settings that the program is a supported Bitcoin node, and restart it.',
    });
    return { kind: 'silent' };
  };

  const requestStop = async (pid: number): Promise<void> => {
    // A signal reaches a node that is still loading too, which refuses every RPC. Windows has no such signal: there it
    // would end the process on the spot.
    if (process.platform !== 'win32') {
      try {
        process.kill(pid, 'SIGTERM');
        return;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EPERM') return;
      }
    }
    await rpc.call('stop', [], { timeoutMs: PROBE_TIMEOUT_MS });
  };

  const child = createChild(
    {
      name: 'node',
      policy: { ...POLICY, ...options.policy },
      prepare,
      onSpawned(pid) {
        genesis = undefined;
        recorded = true;
        const rpcPort = target?.port ?? 0;
        writeRunFile(paths, {
          format: 1,
          node: identify(pid),
          owner: identify(process.pid),
          rpcPort,
          fingerprint,
        });
      },
      onExited() {
        if (recorded) removeRunFile(paths);
        recorded = false;
        if (holding) inUse.delete(paths.dataDir);
        holding = false;
        target = undefined;
        sync = undefined;
        memory = NO_MEMORY;
        setNotice(undefined);
        rpc.close();
      },
      probe,
      probeEvery(state) {
        if (state.kind !== 'ready') return network === 'regtest' ? 100 : 500;
        if (network === 'regtest') return 1_000;
        return sync?.stage === 'synced' ? 10_000 : 2_000;
      },
      silentAfterMs: SILENT_AFTER_MS,
      askStop: requestStop,
      askStopEveryMs: ASK_STOP_EVERY_MS,
      diagnose: diagnoseExit,
      adoptedLogTail: () => debugLogTail(),
    },
    { clock, log },
  );
  let cancelSlowStop: (() => void) | undefined;
  child.subscribe((state) => {
    cancelSlowStop?.();
    cancelSlowStop =
      state.kind === 'stopping' ? clock.after(SLOW_STOP_MS, () => setNotice(SLOW_STOP)) : undefined;
    changed();
  });

  const debugLogTail = (): readonly string[] => {
    try {
      const fd = fs.openSync(paths.debugLog, 'r');
      try {
        const { size } = fs.fstatSync(fd);
        const length = Math.min(size, DEBUG_LOG_TAIL_BYTES);
        const bytes = Buffer.alloc(length);
        const read = fs.readSync(fd, bytes, 0, length, size - length);
        const lines = bytes.toString('utf8', 0, read).trimEnd().split('\n');
        return length < size ? lines.slice(1) : lines;
      } finally {
        fs.closeSync(fd);
      }
    } catch (error) {
      return [`Adit: the node's log can't be read: ${(error as Error).message}`];
    }
  };

  const snapshot = (): NodeSnapshot => {
    const state = child.state();
    return {
      child: state,
      network,
      dataDir: paths.dataDir,
      binary,
      // What a node said before it fell silent is not its state any more.
      sync: state.kind === 'ready' ? sync : undefined,
      problem: problemOf(state, notice),
    };
  };

  return {
    snapshot,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    rpc,
    log: () => child.log(),
    start: () => child.start(),
    stop: () => child.stop('Adit stops'),
    restart: () => child.restart('restart'),
    forceKill: () => child.forceKill(),
    async reindex() {
      reindexing = true;
      await child.restart('reindex');
    },
  };
}

function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(new Error('called off'));
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/** Only what a program needs to run at all; in English, since its words are read. */
function environment(): Readonly<Record<string, string>> {
  const names = process.platform === 'win32' ? ['SystemRoot', 'TEMP', 'TMP', 'PATH'] : ['PATH', 'TMPDIR'];
  const env: Record<string, string> = process.platform === 'win32' ? {} : { LC_ALL: 'C' };
  for (const name of names) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  return env;
}

async function pickPort(wanted: number | undefined, network: Network): Promise<number> {
  if (wanted !== undefined && wanted !== 0) {
    if (await isFree(wanted)) return wanted;
    throw new ChildStartError(
      {
        code: 'portTaken',
        message: `Another program uses port ${wanted}, which the node needs.`,
        advice: 'End the other program, or choose another port. Adit tries again by itself.',
      },
      false,
    );
  }
  const own = OWN_PORTS[network].rpc;
  if (wanted === undefined && (await isFree(own))) return own;
  return freePort();
}

const isFree = (port: number): Promise<boolean> => listenOnce(port).then((got) => got !== undefined);

async function freePort(): Promise<number> {
  const port = await listenOnce(0);
  if (port !== undefined) return port;
  throw new ChildStartError(
    {
      code: 'portTaken',
      message: 'The system has no free port.',
      advice: 'Close programs, then start the node again.',
    },
    false,
  );
}

function listenOnce(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : undefined));
    });
  });
}

/** What a loading node is doing: its own words, and a percentage if its last lines tell one. */
function warmup(message: string, lines: readonly string[]): { stage: string; progress: number | undefined } {
  const stage = message.slice(0, 200).replace(/(?:…|\.\.\.)$/, '');
  const percent = /\b(\d{1,3})%|\[(\d{1,3})%\]/.exec(lines.at(-1) ?? '');
  const value = Number(percent?.[1] ?? percent?.[2]);
  return { stage, progress: percent !== null && value <= 100 ? value / 100 : undefined };
}

function problemOf(state: ChildState, notice: ChildProblem | undefined): ChildProblem | undefined {
  switch (state.kind) {
    case 'failed':
      return (
        state.exit.problem ?? {
          code: 'crashLoop',
          message: `The node keeps ending by itself (${howItEnded(state.exit)}).`,
          advice: state.advice,
        }
      );
    case 'backoff':
      return (
        state.lastExit.problem ?? {
          code: 'crashed',
          message: `The node ended by itself (${howItEnded(state.lastExit)}).`,
          advice: 'Adit starts it again by itself.',
        }
      );
    case 'warming':
      return state.stage === SILENT_STAGE
        ? (notice ?? {
            code: 'notAnswering',
            message: 'The node runs but does not answer.',
            advice: 'Wait a few minutes. If it stays like this, restart the node.',
          })
        : notice;
    case 'starting':
    case 'ready':
    case 'stopping':
      return notice;
    default:
      return undefined;
  }
}

function howItEnded(exit: ChildExit): string {
  if (exit.signal !== null) return exit.signal;
  return exit.code === null ? 'how is not known' : `exit code ${exit.code}`;
}
