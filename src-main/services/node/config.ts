import { createHash } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  closeSync,
  fsyncSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { NETWORK, NETWORKS } from '../../core/bitcoin/network.ts';
import type { Network } from '../../core/bitcoin/network.ts';
import type { Settings } from '../../core/api/settings.ts';
import { ChildStartError } from './child.ts';

/**
 * Ports of Adit's own nodes: below the range systems hand out for outgoing connections, and none of Core's defaults.
 * A node that listens also takes the port after `p2p` for Tor (Core 28 and newer), so these are two apart.
 */
export const OWN_PORTS: Readonly<Record<Network, { readonly rpc: number; readonly p2p: number }>> = {
  main: { rpc: 21_332, p2p: 21_350 },
  testnet4: { rpc: 21_333, p2p: 21_352 },
  signet: { rpc: 21_334, p2p: 21_354 },
  regtest: { rpc: 21_335, p2p: 21_356 },
};

const MARKER = 'adit.json';
const CONFIG = 'bitcoin.conf';
const BLOCK_BEGIN = '# >>> Adit: this part is written anew at every start';
const BLOCK_END = '# <<< Adit';
const MAX_CONFIG_BYTES = 256 * 1024;

/** What a folder that belongs to a node holds, whoever set it up. */
const CHAIN_FILES = [
  CONFIG,
  'blocks',
  'chainstate',
  'wallets',
  'wallet.dat',
  'debug.log',
  'peers.dat',
  'mempool.dat',
  '.lock',
  '.cookie',
];
/** Folders a node makes for the other networks; in the folder above ours they are Adit's own. */
const CHAIN_FOLDERS = ['testnet3', 'testnet4', 'signet', 'regtest'];

/**
 * Options a user may add below Adit's part. Left out on purpose: whatever Adit sets itself, opens the RPC to others, moves
 * the data elsewhere, loads other files, or runs programs.
 */
const USER_KEYS = new Set(
  (
    'addnode assumevalid asmap bantime bind blockmintxfee blocksonly bytespersigop connect datacarrier datacarriersize ' +
    'debug debugexclude discover dns dnsseed externalip fixedseeds forcednsseed i2pacceptincoming i2psam ' +
    'incrementalrelayfee limitancestorcount limitancestorsize limitclustercount limitclustersize limitdescendantcount ' +
    'limitdescendantsize listenonion logips logtimestamps maxmempool maxorphantx maxreceivebuffer maxsendbuffer ' +
    'maxuploadtarget mempoolexpiry mempoolfullrbf minrelaytxfee natpmp networkactive onion onlynet par peerblockfilters ' +
    'peerbloomfilters peertimeout permitbaremultisig persistmempool port proxy proxyrandomize seednode ' +
    'shrinkdebugfile timeout torcontrol torpassword v2transport whitebind whitelist zmqpubhashblock zmqpubhashtx ' +
    'zmqpubrawblock zmqpubrawtx zmqpubsequence'
  ).split(' '),
);

const markerSchema = z.looseObject({ format: z.literal(1), network: z.enum(NETWORKS) });

/** Names of the files and folders of one node of ours. */
export interface NodePaths {
  /** The folder above, which holds one per network. */
  readonly root: string;
  /** What the node gets as `-datadir`. */
  readonly dataDir: string;
  readonly config: string;
  readonly cookie: string;
  readonly runFile: string;
  readonly debugLog: string;
}

/**
 * @param appDataDir Adit's own data folder, absolute
 * @param chosen the user's folder for the chain, or empty
 */
export function nodePaths(appDataDir: string, chosen: string, network: Network): NodePaths {
  const root = chosen === '' ? join(appDataDir, 'node') : chosen;
  const dataDir = join(root, network);
  const chainDir = network === 'main' ? dataDir : join(dataDir, NETWORK[network].core);
  return {
    root,
    dataDir,
    config: join(dataDir, CONFIG),
    cookie: join(chainDir, '.cookie'),
    runFile: join(dataDir, 'adit-run.json'),
    debugLog: join(chainDir, 'debug.log'),
  };
}

/**
 * Makes the node's folder ours, or finds that it is. Never takes a folder that someone else's node has used.
 * @throws ChildStartError when it belongs to someone else, to another network, or can't be made
 */
export function claimDataDir(paths: NodePaths, network: Network): void {
  const { dataDir } = paths;
  try {
    refuseForeign(paths.root, CHAIN_FILES);
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    const marker = join(dataDir, MARKER);
    if (existsSync(marker)) return checkMarker(marker, dataDir, network);
    refuseForeign(dataDir, [...CHAIN_FILES, ...CHAIN_FOLDERS]);
    writeFileDurably(marker, `${JSON.stringify({ format: 1, network })}\n`);
  } catch (error) {
    throw asStartError(error, dataDir);
  }
}

function refuseForeign(folder: string, names: readonly string[]): void {
  const found = names.find((name) => lstatSync(join(folder, name), { throwIfNoEntry: false }));
  if (found === undefined) return;
  throw new ChildStartError(
    {
      code: 'foreignDataDir',
      message: `The folder ${folder} already holds a Bitcoin node that Adit did not set up (it has ${found}).`,
      advice: 'Choose an empty folder for the chain. Adit never changes the data of another node.',
    },
    true,
  );
}

function checkMarker(marker: string, dataDir: string, network: Network): void {
  let content: unknown;
  try {
    content = JSON.parse(readBounded(marker, 4_096));
  } catch (error) {
    if (!(error instanceof SyntaxError) && !(error instanceof TooLarge)) throw error;
  }
  const marked = markerSchema.safeParse(content);
  if (!marked.success) {
    throw new ChildStartError(
      {
        code: 'foreignDataDir',
        message: `The file ${marker}, which says whose the folder is, can't be read.`,
        advice: `If the chain in this folder is Adit's, delete ${MARKER} and write {"format":1,"network":"${network}"} into a new one. Else choose another folder.`,
      },
      true,
    );
  }
  if (marked.data.network === network) return;
  throw new ChildStartError(
    {
      code: 'wrongNetwork',
      message: `The folder ${dataDir} was set up for ${marked.data.network}, not for ${network}.`,
      advice: 'Choose another folder for the chain, or switch the network back.',
    },
    true,
  );
}

export interface NodeConfig {
  readonly network: Network;
  readonly settings: Settings['node'];
  readonly rpcPort: number;
}

/** Adit's part of `bitcoin.conf`. Pure; without line ends at either end. */
export function managedBlock({ network, settings, rpcPort }: NodeConfig): string {
  const ports = OWN_PORTS[network];
  return [
    BLOCK_BEGIN,
    `chain=${NETWORK[network].core}`,
    'server=1',
    // The page, the template's long poll and the sync status ask side by side; a long poll holds one thread.
    'rpcthreads=8',
    'rpcworkqueue=128',
    // The node asks nothing of a wallet, and a key that is not there can't be lost or stolen.
    'disablewallet=1',
    `prune=${settings.pruneMiB}`,
    `dbcache=${settings.dbCacheMiB}`,
    `maxconnections=${settings.maxConnections}`,
    `listen=${settings.listen ? 1 : 0}`,
    // Options on addresses and ports count for a test network only within its own section.
    `[${NETWORK[network].core}]`,
    'rpcbind=127.0.0.1',
    'rpcallowip=127.0.0.1',
    `rpcport=${rpcPort}`,
    ...(settings.listen ? [`port=${ports.p2p}`] : []),
    BLOCK_END,
  ].join('\n');
}

/** What became of a configuration that was there: `reason` says why it was not kept. */
export type ConfigReading =
  | { readonly kind: 'kept'; readonly userLines: readonly string[] }
  | { readonly kind: 'damaged'; readonly reason: string };

/** Reads a `bitcoin.conf` that Adit wrote, for the lines the user added below Adit's part. Pure. */
export function readConfig(text: string): ConfigReading {
  const damaged = (reason: string): ConfigReading => ({ kind: 'damaged', reason });
  // oxlint-disable-next-line no-control-regex
  if (/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffd]/.test(text)) return damaged('it holds bytes that are not text');
  const lines = text.split(/\r?\n/);
  const begin = lines.indexOf(BLOCK_BEGIN);
  const end = lines.indexOf(BLOCK_END);
  if (begin === -1 || end < begin) return damaged("Adit's part is not whole");
  if (lines.slice(0, begin).some((line) => line.trim() !== '' && !line.startsWith('#'))) {
    return damaged("there are lines before Adit's part");
  }
  const userLines = lines.slice(end + 1);
  for (const line of userLines) {
    const content = line.replace(/#.*/, '').trim();
    if (content === '') continue;
    const key = /^(?:no)?([a-z0-9]+)\s*=/.exec(content)?.[1];
    if (key === undefined) return damaged(`this line is not "name=value": ${line.slice(0, 80)}`);
    if (!USER_KEYS.has(key)) return damaged(`it sets "${key}", which Adit sets itself or does not know`);
  }
  while (userLines.at(-1)?.trim() === '') userLines.pop();
  while (userLines[0]?.trim() === '') userLines.shift();
  return { kind: 'kept', userLines };
}

/** What a start is made from, to tell whether a node that still runs was started with the same. */
export interface WrittenConfig {
  /** SHA-256 of everything but the RPC port, hex. */
  readonly fingerprint: string;
  /** Where a damaged file was put, and what was wrong with it. */
  readonly setAside: { readonly path: string; readonly reason: string } | undefined;
}

/**
 * Writes `bitcoin.conf` into a folder that is ours (`claimDataDir` first). The user's own lines below Adit's part are kept;
 * a damaged file is renamed to `bitcoin.conf.damaged` (the last one only) and written anew.
 * @throws ChildStartError when the folder can't be read or written
 */
export function writeConfig(paths: NodePaths, config: NodeConfig): WrittenConfig {
  try {
    let userLines: readonly string[] = [];
    let setAside: WrittenConfig['setAside'];
    if (lstatSync(paths.config, { throwIfNoEntry: false })) {
      const reading = readExisting(paths.config);
      if (reading.kind === 'kept') {
        userLines = reading.userLines;
      } else {
        const path = `${paths.config}.damaged`;
        rmSync(path, { force: true, recursive: true });
        renameSync(paths.config, path);
        setAside = { path, reason: reading.reason };
      }
    }
    const text = render(config, userLines);
    if (setAside !== undefined || !existsSync(paths.config) || readFileSync(paths.config, 'utf8') !== text) {
      writeFileDurably(paths.config, text);
    }
    const fingerprint = createHash('sha256')
      .update(render({ ...config, rpcPort: 0 }, userLines))
      .digest('hex');
    return { fingerprint, setAside };
  } catch (error) {
    throw asStartError(error, paths.dataDir);
  }
}

function render(config: NodeConfig, userLines: readonly string[]): string {
  const head = managedBlock(config);
  return userLines.length === 0
    ? `${head}\n\n# Your own lines go below this one.\n`
    : `${head}\n\n${userLines.join('\n')}\n`;
}

class TooLarge extends Error {}

function readExisting(path: string): ConfigReading {
  if (!statSync(path, { throwIfNoEntry: false })?.isFile())
    return { kind: 'damaged', reason: 'it is not a file' };
  try {
    return readConfig(readBounded(path, MAX_CONFIG_BYTES));
  } catch (error) {
    if (error instanceof TooLarge) return { kind: 'damaged', reason: 'it is far too large' };
    throw error;
  }
}

function readBounded(path: string, maxBytes: number): string {
  if (statSync(path).size > maxBytes) throw new TooLarge(`${path} is over ${maxBytes} bytes`);
  return readFileSync(path, 'utf8');
}

/** Writes a file so that after a crash it is the old one or the new one, whole. */
export function writeFileDurably(path: string, text: string): void {
  const temporary = `${path}.new`;
  rmSync(temporary, { force: true });
  const fd = openSync(temporary, 'wx', 0o600);
  try {
    writeSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, path);
}

/** What a failure of the file system means for the user. */
export function asStartError(error: unknown, dataDir: string): ChildStartError {
  if (error instanceof ChildStartError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new ChildStartError(
        {
          code: 'noPermission',
          message: `Adit may not write to the node's folder ${dataDir}.`,
          advice: 'Give your user the right to write there, or choose another folder for the chain.',
        },
        true,
      );
    case 'ENOSPC':
    case 'EDQUOT':
      return new ChildStartError(
        {
          code: 'diskFull',
          message: `The disk that holds ${dataDir} is full.`,
          advice: 'Make room on the disk, or choose a folder on another one, then start the node again.',
        },
        true,
      );
    case 'ENOTDIR':
    case 'EEXIST':
    case 'ENOENT':
      return new ChildStartError(
        {
          code: 'noFolder',
          message: `The folder ${dataDir} can't be made (${code}).`,
          advice: 'Check that the disk is connected, or choose another folder for the chain.',
        },
        true,
      );
    default:
      return new ChildStartError(
        {
          code: 'startFailed',
          message: `The node's folder ${dataDir} could not be set up: ${message}`,
          advice: 'Check the disk, then start the node again.',
        },
        false,
      );
  }
}
