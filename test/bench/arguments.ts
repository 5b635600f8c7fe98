import { BlockList, isIP } from 'node:net';
import { parseArgs } from 'node:util';

/** Wrong words on the command line; the message says which and what is right. */
export class ArgumentError extends Error {
  override readonly name = 'ArgumentError';
  readonly code = 'arguments';
}

export const MOST_MINERS = 5_000;
export const MOST_SECONDS = 600;
export const MOST_BURST_SECONDS = 60;

export interface StratumArguments {
  readonly help: boolean;
  readonly json: boolean;
  readonly lan: boolean;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly miners: number;
  readonly seconds: number;
  readonly sharesPerMinute: number;
  readonly suggestDifficulty: number | undefined;
  readonly burst: number;
  readonly burstShares: number;
  readonly window: number;
  readonly workers: number | undefined;
  readonly tipCommand: string | undefined;
  readonly tipEvery: number;
  readonly nodeLog: string | undefined;
}

export const STRATUM_HELP = `Load for a Stratum V1 server: many miners that send real shares, and what they see of it.

Usage: npm run bench:stratum -- --url stratum+tcp://HOST:PORT --user NAME [options]

The server
  --url URL               stratum+tcp://HOST:PORT; loopback addresses only
  --lan                   private addresses (10/8, 172.16/12, 192.168/16, fd00::/8 …) too; others are never taken
  --user NAME             the miners are NAME.1, NAME.2 …; what many servers take for the payout address
  --password WORD         default: x

The load
  --miners N              connections, 1 to ${MOST_MINERS} (default: 100)
  --seconds S             time of the steady load, 1 to ${MOST_SECONDS} (default: 30)
  --shares-per-minute R   of each miner, spread as a Poisson process, 0 to 600 (default: 6)
  --suggest-difficulty D  sent as mining.suggest_difficulty; keep it small: the shares are really searched for
  --burst S               after that, up to S seconds (at most ${MOST_BURST_SECONDS}) of shares as quick as the server takes them, searched for
                          beforehand (default: 0)
  --burst-shares N        most shares of the burst, up to 200000 (default: 20000)
  --window N              shares of the burst that wait for their answer at any time, 1 to 10000 (default: 64)
  --workers N             threads of the load generator, 1 to 16 (default: by the count of miners)

The tip
  --tip-command CMD       run by "sh -c" every few seconds; must move the tip of the node behind the server by one block,
                          for example: --tip-command "bitcoin-cli -regtest generatetoaddress 1 ADDRESS"
  --tip-every S           seconds between two tips, 1 to 60 (default: 3)
  --node-log FILE         the node's debug.log: times are then taken from the node's own "UpdateTip" line instead of the end
                          of CMD. Start the node with -logtimemicros=1, on this computer

  --json                  one JSON object on standard output
  --help

Times are milliseconds. "tip to last notify" is the time from the tip to the moment the last miner has read the first job
on it; p50 and p99 are over the tips. "generator" says how busy the load generator itself was: above 0.8 the figures are
its own rather than the server's.
`;

function number(
  name: string,
  text: string | undefined,
  fallback: number,
  least: number,
  most: number,
): number {
  if (text === undefined) return fallback;
  const value = /^\d+(\.\d+)?(e-?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most))
    throw new ArgumentError(`--${name} takes a number from ${least} to ${most}, not "${text}".`);
  return value;
}

function whole(
  name: string,
  text: string | undefined,
  fallback: number,
  least: number,
  most: number,
): number {
  const value = number(name, text, fallback, least, most);
  if (!Number.isInteger(value)) throw new ArgumentError(`--${name} takes a whole number, not "${text}".`);
  return value;
}

/** Reads "stratum+tcp://host:port" (or "host:port"). Throws `ArgumentError`. */
export function parseUrl(text: string): { readonly host: string; readonly port: number } {
  const match = /^(?:stratum\+tcp:\/\/)?(\[[0-9a-f:.]+\]|[a-z0-9.-]+):(\d{1,5})\/?$/i.exec(text);
  const port = Number(match?.[2]);
  if (match?.[1] === undefined || !(port >= 1 && port <= 65_535))
    throw new ArgumentError(`--url takes stratum+tcp://HOST:PORT, not "${text}".`);
  return { host: match[1].replace(/^\[|\]$/g, ''), port };
}

/** Reads the command line of the load generator (without program and script). Throws `ArgumentError`. */
export function readStratumArguments(words: readonly string[]): StratumArguments {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...words],
      strict: true,
      allowPositionals: false,
      options: {
        help: { type: 'boolean', short: 'h', default: false },
        json: { type: 'boolean', default: false },
        lan: { type: 'boolean', default: false },
        url: { type: 'string' },
        user: { type: 'string' },
        password: { type: 'string', default: 'x' },
        miners: { type: 'string' },
        seconds: { type: 'string' },
        'shares-per-minute': { type: 'string' },
        'suggest-difficulty': { type: 'string' },
        burst: { type: 'string' },
        'burst-shares': { type: 'string' },
        window: { type: 'string' },
        workers: { type: 'string' },
        'tip-command': { type: 'string' },
        'tip-every': { type: 'string' },
        'node-log': { type: 'string' },
      },
    }));
  } catch (error) {
    throw new ArgumentError(`${error instanceof Error ? error.message : String(error)} See --help.`);
  }
  const { help, json, lan, password } = values;
  if (!help && values.url === undefined) throw new ArgumentError('--url is missing. See --help.');
  if (!help && !values.user) throw new ArgumentError('--user is missing. See --help.');
  if (values['node-log'] !== undefined && values['tip-command'] === undefined)
    throw new ArgumentError('--node-log is of use only with --tip-command.');
  const suggested = values['suggest-difficulty'];
  return {
    help,
    json,
    lan,
    ...(help ? { host: '', port: 0 } : parseUrl(values.url ?? '')),
    user: values.user ?? '',
    password,
    miners: whole('miners', values.miners, 100, 1, MOST_MINERS),
    seconds: number('seconds', values.seconds, 30, 1, MOST_SECONDS),
    sharesPerMinute: number('shares-per-minute', values['shares-per-minute'], 6, 0, 600),
    suggestDifficulty:
      suggested === undefined ? undefined : number('suggest-difficulty', suggested, 1, 1e-9, 1e9),
    burst: number('burst', values.burst, 0, 0, MOST_BURST_SECONDS),
    burstShares: whole('burst-shares', values['burst-shares'], 20_000, 1, 200_000),
    window: whole('window', values.window, 64, 1, 10_000),
    workers: values.workers === undefined ? undefined : whole('workers', values.workers, 1, 1, 16),
    tipCommand: values['tip-command'],
    tipEvery: number('tip-every', values['tip-every'], 3, 1, 60),
    nodeLog: values['node-log'],
  };
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** RFC 1918, RFC 3927, RFC 4193, RFC 4291 link-local. */
const PRIVATE = new BlockList();
PRIVATE.addSubnet('10.0.0.0', 8, 'ipv4');
PRIVATE.addSubnet('172.16.0.0', 12, 'ipv4');
PRIVATE.addSubnet('192.168.0.0', 16, 'ipv4');
PRIVATE.addSubnet('169.254.0.0', 16, 'ipv4');
PRIVATE.addSubnet('fd00::', 8, 'ipv6');
PRIVATE.addSubnet('fe80::', 10, 'ipv6');

/**
 * Refuses addresses that load may not be put on: without `lan` all but this computer's own, with it all but private ones.
 * There is no way round it: thousands of connections against somebody else's server are an attack. Throws `ArgumentError`.
 * @param address an IP address, resolved already, so that a name can't lead elsewhere afterwards
 */
export function checkTarget(address: string, lan: boolean): void {
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
  if (isIP(address) === 0) throw new ArgumentError(`"${address}" is no IP address.`);
  if (LOOPBACK.check(address, family)) return;
  if (!PRIVATE.check(address, family)) {
    throw new ArgumentError(
      `${address} is a public address. Load is for servers of your own: loopback, or with --lan private addresses.`,
    );
  }
  if (!lan) throw new ArgumentError(`${address} is not this computer. If that server is yours, add --lan.`);
}

export interface BenchArguments {
  readonly help: boolean;
  readonly json: boolean;
  readonly only: readonly string[];
  readonly rounds: number;
}

export const BENCH_HELP = `Measures Adit, and other programs beside it in the same run where there are any.

Usage: npm run bench -- [options]

  --json         one JSON object {machine, date, figures: [{name, unit, value, peer, peerName, ratio}]}
  --only NAME    only figures whose name begins so, for example sv1 or page.bundle; may be repeated
  --rounds N     runs of each measure, 1 to 9; the median counts (default: 3)
  --help

ratio is value / peer. A figure whose part can't run here is left out, and standard error says why. Needed:
  a bitcoind for regtest: on the PATH, else Debian's is brought; Chromium for page.first-paint
Peers, in the environment:
  ADIT_BENCH_PUBLIC_POOL   folder of a built checkout of public-pool (with dist/main.js and node_modules)
  ADIT_BENCH_PUBLIC_POOL_NODE
                           the Node.js it runs on (default: the bench's own)
  ADIT_BENCH_CPUMINER      a CPU miner that knows --benchmark (several as in PATH)
`;

/** Reads the command line of the bench (without program and script). Throws `ArgumentError`. */
export function readBenchArguments(words: readonly string[]): BenchArguments {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...words],
      strict: true,
      allowPositionals: false,
      options: {
        help: { type: 'boolean', short: 'h', default: false },
        json: { type: 'boolean', default: false },
        only: { type: 'string', multiple: true, default: [] },
        rounds: { type: 'string' },
      },
    }));
  } catch (error) {
    throw new ArgumentError(`${error instanceof Error ? error.message : String(error)} See --help.`);
  }
  const { help, json, only } = values;
  return { help, json, only, rounds: whole('rounds', values.rounds, 3, 1, 9) };
}
