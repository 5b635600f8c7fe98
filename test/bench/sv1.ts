import { setTimeout as sleep } from 'node:timers/promises';
import { BenchNode } from './bench-node.ts';
import { figure, type Figure } from './figure.ts';
import { runLoad, type LoadResult } from './load.ts';
import { processorSeconds, residentKb } from './process-figures.ts';
import { publicPoolFolder, startOwn, startPublicPool, type MeasuredServer } from './servers.ts';
import { median, quantile } from './statistics.ts';

const MINERS = 1_000;
const SHARES_PER_MINUTE = 6;
/** 4,096 hashes a share. The least our vardiff knows, so that it stays there. */
const DIFFICULTY = 2 ** -20;
/**
 * Shares go on while the tip moves, and are measured when it does not: a tip every two seconds, as no chain has it, would be
 * most of what they show. Either load takes less than a minute: then public-pool changes difficulties.
 */
const TIP_SECONDS = 25;
const TIP_EVERY_MS = 1_500;
const CALM_SECONDS = 15;
/** One share each of 32 miners is always under way: more than any server here needs to be busy all the time. */
const BURST = { seconds: 8, shares: 30_000, window: 32 };
/** Until memory has come to rest. */
const SETTLE_SECONDS = 8;

/** What one server showed in one round. */
interface Round {
  readonly tips: readonly number[];
  readonly replyP99: number;
  readonly sharesPerCore: number;
  readonly idleKb: number;
}

type Say = (line: string) => void;

/** A server in a fresh process under the load of 1,000 miners, then another one with 1,000 that do nothing. */
async function measure(node: BenchNode, start: () => Promise<MeasuredServer>, say: Say): Promise<Round> {
  const busy = await start();
  const load = {
    host: '127.0.0.1',
    port: busy.port,
    user: node.address,
    miners: MINERS,
    sharesPerMinute: SHARES_PER_MINUTE,
    suggestDifficulty: DIFFICULTY,
  };
  let burstCpu = 0;
  let moving: LoadResult;
  let calm: LoadResult;
  try {
    moving = await runLoad({
      ...load,
      seconds: TIP_SECONDS,
      moveTip: node.moveTip,
      tipEveryMs: TIP_EVERY_MS,
    });
    calm = await runLoad({
      ...load,
      seconds: CALM_SECONDS,
      burst: BURST,
      onPhase: (phase) => {
        // Once at its beginning, once at its end.
        if (phase === 'burst') burstCpu = processorSeconds(busy.pid) - burstCpu;
      },
    });
  } finally {
    await busy.stop();
  }
  const idle = await start();
  let idleKb = 0;
  try {
    await sleep(2_000);
    const before = residentKb(idle.pid);
    await runLoad({
      host: '127.0.0.1',
      port: idle.port,
      user: node.address,
      miners: MINERS,
      seconds: SETTLE_SECONDS,
      sharesPerMinute: 0,
      suggestDifficulty: DIFFICULTY,
      onPhase: (phase, edge) => {
        if (phase === 'steady' && edge === 'end') idleKb = (residentKb(idle.pid) - before) / MINERS;
      },
    });
  } finally {
    await idle.stop();
  }
  const { burst, steady } = calm;
  const { tipToLastNotify: tips } = moving;
  say(`${busy.name}: ${JSON.stringify({ moving, calm, burstCpu, idleKb })}`);
  if (tips.missed > 0) say(`${busy.name}: ${tips.missed} tips did not reach every miner`);
  return {
    tips: tips.all,
    replyP99: Math.max(steady.p99 ?? Number.NaN, burst?.p99 ?? Number.NaN),
    sharesPerCore: (burst?.accepted ?? 0) / burstCpu,
    idleKb,
  };
}

/** All figures of SV1 miners, ours and public-pool's in turns on the same node. */
export async function benchSv1(rounds: number, say: Say): Promise<Figure[]> {
  if (process.platform !== 'linux') {
    say('sv1: left out: processor time and memory of a server are read from /proc, which is Linux');
    return [];
  }
  const checkout = publicPoolFolder();
  if (checkout === undefined)
    say('sv1: no peer: ADIT_BENCH_PUBLIC_POOL names no built checkout of public-pool');
  const node = await BenchNode.start();
  const ours: Round[] = [];
  const peers: Round[] = [];
  try {
    for (let round = 1; round <= rounds; round += 1) {
      say(`sv1: round ${round} of ${rounds}`);
      ours.push(await measure(node, () => startOwn(node), say));
      if (checkout !== undefined) peers.push(await measure(node, () => startPublicPool(node, checkout), say));
    }
  } finally {
    await node.stop();
  }
  const peerName = node.zmqPort === undefined ? 'public-pool' : 'public-pool with ZMQ';
  const compare = (name: string, unit: string, of: (round: Round) => number): Figure =>
    figure(
      name,
      unit,
      median(ours.map(of)),
      peers.length === 0 ? undefined : median(peers.map(of)),
      peerName,
    );
  return [
    compare('sv1.tip-to-last-notify.p99.1000', 'ms', ({ tips }) => quantile(tips, 0.99)),
    compare('sv1.submit-to-reply.p99.1000', 'ms', ({ replyP99 }) => replyP99),
    compare('sv1.checked-shares', '1/s per core', ({ sharesPerCore }) => sharesPerCore),
    compare('sv1.memory-per-idle-miner', 'kB', ({ idleKb }) => idleKb),
  ];
}
