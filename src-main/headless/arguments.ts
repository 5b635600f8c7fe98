import { parseArgs } from 'node:util';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { NETWORKS, type Network } from '../core/bitcoin/network.ts';
import type { SimulatedMachine } from '../engine/site.ts';
import { MODELS, MOST_PROVEN_HASHRATE, type ModelName } from '../services/practice/index.ts';

export interface Arguments {
  readonly help: boolean;
  readonly version: boolean;
  readonly practice: boolean;
  readonly json: boolean;
  readonly page: boolean;
  readonly open: boolean;
  /** Stop after this many blocks; 0: never. */
  readonly blocks: number;
  readonly data: string;
  readonly network: Network | undefined;
  readonly listen: string;
  readonly port: number;
  readonly exposure: 'loopback' | 'lan' | undefined;
  readonly sv1Port: number | undefined;
  readonly sv2Port: number | undefined;
  readonly payout: string | undefined;
  readonly node: string | undefined;
  readonly threads: number | undefined;
  readonly simulate: readonly SimulatedMachine[];
  readonly allowedHosts: readonly string[];
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error';
}

/** Wrong words on the command line: the message says which and what is right. */
export class ArgumentError extends Error {
  override readonly name = 'ArgumentError';
}

export const HELP = `Adit, without a window: mines on your own node and serves its page on this computer.

Usage: npm run headless -- [options]        the page, for a server or a NAS
       npm run practice -- [options]        a private regtest chain with the built-in CPU miner, no page
       npm start -- --practice              the same with the desktop app

Where things are
  --data FOLDER          settings, history, found blocks and the node's chain (default: ${defaultDataFolder()})
  --node FILE            the bitcoin-node or bitcoind to use (default: find one, else bring Bitcoin Core)

What is mined
  --network NAME         main, testnet4, signet or regtest (default: as set on the page, main at first)
  --payout ADDRESS       every block pays this address, whole (default: as set on the page)
  --practice             private regtest chain, CPU miner, worthless coins

Who can reach it
  --listen ADDRESS       where the page is served (default: 127.0.0.1, this computer only)
  --port PORT            port of the page (default: 7337; 0 picks a free one)
  --allow-host NAME      name under which a browser may reach the page besides --listen; may be repeated
  --miners loopback|lan  who may mine here (default: as set on the page, loopback at first)
  --sv1-port PORT        port for Stratum V1 miners (default: as set on the page, 3333 at first; 0 picks a free one)
  --sv2-port PORT        port for Stratum V2 miners (default: as set on the page, 3336 at first; 0 picks a free one)
  --no-page              serve no page

Running
  --blocks N             stop after N blocks found (practice)
  --threads N            threads of the CPU miner (practice)
  --simulate MODEL[=H/S] a pretended machine beside it, up to ${MOST_PROVEN_HASHRATE} H/s, every share proven (practice);
                         may be repeated; models: ${Object.keys(MODELS).join(', ')}
  --json                 events as JSON lines on standard output
  --open                 open the page in the browser
  --log-level LEVEL      debug, info, warn or error (default: info)
  --version, --help
`;

/** The folder for Adit's data where the system wants it. `ADIT_DATA` overrides. */
export function defaultDataFolder(): string {
  const named = process.env['ADIT_DATA'];
  if (named) return named;
  if (process.platform === 'win32')
    return join(process.env['LOCALAPPDATA'] ?? join(homedir(), 'AppData', 'Local'), 'Adit');
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Application Support', 'Adit');
  return join(process.env['XDG_DATA_HOME'] ?? join(homedir(), '.local', 'share'), 'adit');
}

function wholeNumber(
  name: string,
  text: string | undefined,
  least: number,
  most: number,
): number | undefined {
  if (text === undefined) return undefined;
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most)) {
    throw new ArgumentError(`--${name} takes a whole number from ${least} to ${most}, not "${text}".`);
  }
  return value;
}

function oneOf<T extends string>(
  name: string,
  text: string | undefined,
  choices: readonly T[],
): T | undefined {
  if (text === undefined) return undefined;
  const found = choices.find((choice) => choice === text);
  if (found === undefined)
    throw new ArgumentError(`--${name} takes one of ${choices.join(', ')}, not "${text}".`);
  return found;
}

function simulatedMachine(text: string): SimulatedMachine {
  const [name = '', rate] = text.split('=', 2);
  const model = oneOf('simulate', name, Object.keys(MODELS) as ModelName[]) as ModelName;
  const hashrate = rate === undefined ? MODELS[model].hashrate : Number(rate);
  if (!(hashrate >= 1 && hashrate <= MOST_PROVEN_HASHRATE)) {
    throw new ArgumentError(
      `--simulate ${name} needs a hashrate from 1 to ${MOST_PROVEN_HASHRATE} H/s, for example "${name}=500000": a CPU has to find its shares.`,
    );
  }
  return { model, hashrate };
}

/** Reads the command line (without program and script). Throws `ArgumentError`. */
export function readArguments(words: readonly string[]): Arguments {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...words],
      strict: true,
      allowPositionals: false,
      allowNegative: true,
      options: {
        help: { type: 'boolean', short: 'h', default: false },
        version: { type: 'boolean', default: false },
        practice: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        page: { type: 'boolean', default: true },
        open: { type: 'boolean', default: false },
        blocks: { type: 'string' },
        data: { type: 'string' },
        network: { type: 'string' },
        listen: { type: 'string', default: '127.0.0.1' },
        port: { type: 'string' },
        miners: { type: 'string' },
        'sv1-port': { type: 'string' },
        'sv2-port': { type: 'string' },
        payout: { type: 'string' },
        node: { type: 'string' },
        threads: { type: 'string' },
        simulate: { type: 'string', multiple: true, default: [] },
        'allow-host': { type: 'string', multiple: true, default: [] },
        'log-level': { type: 'string' },
      },
    }));
  } catch (error) {
    throw new ArgumentError(`${error instanceof Error ? error.message : String(error)} See --help.`);
  }
  const network = oneOf('network', values.network, NETWORKS);
  if (values.practice && network !== undefined && network !== 'regtest') {
    throw new ArgumentError('--practice runs on its own regtest chain; leave --network out.');
  }
  const blocks = wholeNumber('blocks', values.blocks, 1, 1_000_000);
  if (blocks !== undefined && !values.practice)
    throw new ArgumentError('--blocks is for --practice: nobody can promise blocks elsewhere.');
  if (values.simulate.length > 0 && !values.practice)
    throw new ArgumentError('--simulate is for --practice.');
  return {
    help: values.help,
    version: values.version,
    practice: values.practice,
    json: values.json,
    page: values.page,
    open: values.open,
    blocks: blocks ?? 0,
    data: values.data ?? defaultDataFolder(),
    network,
    listen: values.listen,
    port: wholeNumber('port', values.port, 0, 65_535) ?? (values.practice ? 0 : 7337),
    exposure: oneOf('miners', values.miners, ['loopback', 'lan'] as const),
    sv1Port: wholeNumber('sv1-port', values['sv1-port'], 0, 65_535) ?? (values.practice ? 0 : undefined),
    sv2Port: wholeNumber('sv2-port', values['sv2-port'], 0, 65_535) ?? (values.practice ? 0 : undefined),
    payout: values.payout,
    node: values.node,
    simulate: values.simulate.map(simulatedMachine),
    threads: wholeNumber('threads', values.threads, 1, 256),
    allowedHosts: values['allow-host'],
    logLevel: oneOf('log-level', values['log-level'], ['debug', 'info', 'warn', 'error'] as const) ?? 'info',
  };
}
