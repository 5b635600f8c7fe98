// `npm run bench:stratum`: load for any Stratum V1 server of one's own.
import { lookup } from 'node:dns/promises';
import {
  ArgumentError,
  STRATUM_HELP,
  checkTarget,
  readStratumArguments,
  type StratumArguments,
} from './arguments.ts';
import { runLoad, type LoadResult, type ShareFigures } from './load.ts';
import { significant } from './statistics.ts';
import { runTipCommand, timedTip } from './tip.ts';

async function resolveTarget(host: string, lan: boolean): Promise<string> {
  let address: string;
  try {
    ({ address } = await lookup(host));
  } catch {
    throw new ArgumentError(`"${host}" has no address.`);
  }
  checkTarget(address, lan);
  return address;
}

function words(result: LoadResult): string {
  const ms = (value: number | null): string => (value === null ? '-' : `${significant(value)} ms`);
  const shares = (name: string, one: ShareFigures): string[] => [
    `${name}: ${one.accepted} of ${one.sent} shares accepted, ${significant(one.acceptedPerSecond)} a second`,
    `  submit to reply   p50 ${ms(one.p50)}, p99 ${ms(one.p99)}`,
    ...Object.entries(one.errors).map(([error, count]) => `  ${count} refused: ${error}`),
  ];
  const { tipToLastNotify: tip, generator } = result;
  return [
    `miners: ${result.miners.ready} of ${result.miners.asked} have a job after ${ms(result.openMs)}`,
    ...Object.entries(result.miners.failures).map(([reason, count]) => `  ${count} not: ${reason}`),
    `tip to last notify: p50 ${ms(tip.p50)}, p99 ${ms(tip.p99)} over ${tip.tips} tips${tip.missed > 0 ? `, ${tip.missed} missed` : ''}`,
    ...shares('steady', result.steady),
    ...(result.burst === null ? [] : shares('burst', result.burst)),
    ...(result.notFound > 0
      ? [
          `${result.notFound} shares were not found: the difficulty is too high for this computer (--suggest-difficulty)`,
        ]
      : []),
    ...(result.unanswered > 0 ? [`${result.unanswered} shares without an answer`] : []),
    ...Object.entries(result.disconnects).map(([reason, count]) => `${count} disconnected: ${reason}`),
    `generator: ${generator.workers} threads, ${Math.round(generator.busy * 100)} % busy, event loop late by ${ms(generator.loopDelayP99Ms)} (p99), ${generator.hasher}`,
  ].join('\n');
}

async function main(options: StratumArguments): Promise<void> {
  const host = await resolveTarget(options.host, options.lan);
  const { tipCommand, nodeLog } = options;
  const result = await runLoad({
    host,
    port: options.port,
    user: options.user,
    password: options.password,
    miners: options.miners,
    seconds: options.seconds,
    sharesPerMinute: options.sharesPerMinute,
    suggestDifficulty: options.suggestDifficulty,
    burst:
      options.burst === 0
        ? undefined
        : { seconds: options.burst, shares: options.burstShares, window: options.window },
    workers: options.workers,
    tipEveryMs: options.tipEvery * 1_000,
    moveTip: tipCommand === undefined ? undefined : () => timedTip(() => runTipCommand(tipCommand), nodeLog),
  });
  console.log(options.json ? JSON.stringify(result) : words(result));
}

try {
  const options = readStratumArguments(process.argv.slice(2));
  if (options.help) console.log(STRATUM_HELP);
  else await main(options);
} catch (error) {
  console.error(`bench:stratum: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = error instanceof ArgumentError ? 2 : 1;
}
