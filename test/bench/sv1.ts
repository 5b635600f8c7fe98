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

const LOAD = {
  host: '127.0.0.1',
  miners: MINERS,
  sharesPerMinute: SHARES_PER_MINUTE,
  suggestDifficulty: DIFFICULTY,
};

async function loadTips(node: BenchNode, server: MeasuredServer, say: Say): Promise<LoadResult> {
  const result = await runLoad({
    ...LOAD,
    port: server.port,
    user: node.address,
    seconds: TIP_SECONDS,
    moveTip: node.moveTip,
    tipEveryMs: TIP_EVERY_MS,
  });
  const { missed } = result.tipToLastNotify;
  if (missed > 0) say(`${server.name}: ${missed} tips did not reach every miner`);
  return result;
}

/** A server in a fresh process under the load of 1,000 miners, then another one with 1,000 that do nothing. */
async function measure(node: BenchNode, start: () => Promise<MeasuredServer>, say: Say): Promise<Round> {
  const busy = await start();
  let burstCpu = 0;
  let moving: LoadResult;
  let calm: LoadResult;
  try {
    moving = await loadTips(node, busy, say);
    calm = await runLoad({
      ...LOAD,
      port: busy.port,
      user: node.address,
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
      ...LOAD,
      port: idle.port,
      user: node.address,
      seconds: SETTLE_SECONDS,
      sharesPerMinute: 0,
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
  const told: (readonly number[])[] = [];
  try {
    for (let round = 1; round <= rounds; round += 1) {
      say(`sv1: round ${round} of ${rounds}`);
      ours.push(await measure(node, () => startOwn(node), say));
      if (checkout === undefined) continue;
      peers.push(await measure(node, () => startPublicPool(node, checkout), say));
      if (node.zmqPort !== undefined) told.push(await tipsWhenTold(node, checkout, node.zmqPort, say));
    }
  } finally {
    await node.stop();
  }
  const tipsP99 = ({ tips }: { readonly tips: readonly number[] }): number => quantile(tips, 0.99);
  const compare = (name: string, unit: string, of: (round: Round) => number): Figure => {
    const peer = peers.length === 0 ? undefined : median(peers.map(of));
    return figure(name, unit, median(ours.map(of)), peer, 'public-pool');
  };
  const tips = compare('sv1.tip-to-last-notify.p99.1000', 'ms', tipsP99);
  const toldP99 = told.map((times) => tipsP99({ tips: times }));
  return [
    tips,
    ...(told.length === 0
      ? []
      : [figure(`${tips.name}.zmq`, 'ms', tips.value, median(toldP99), 'public-pool with ZMQ')]),
    compare('sv1.submit-to-reply.p99.1000', 'ms', ({ replyP99 }) => replyP99),
    compare('sv1.checked-shares', '1/s per core', ({ sharesPerCore }) => sharesPerCore),
    compare('sv1.memory-per-idle-miner', 'kB', ({ idleKb }) => idleKb),
  ];
}

/** Public-pool's tips when the node tells it of them: not how it ships, but how it is quickest. */
async function tipsWhenTold(
  node: BenchNode,
  checkout: string,
  zmqPort: number,
  say: Say,
): Promise<readonly number[]> {
  const server = await startPublicPool(node, checkout, zmqPort);
  try {
    const result = await loadTips(node, server, say);
    say(`${server.name}: ${JSON.stringify(result)}`);
    return result.tipToLastNotify.all;
  } finally {
    await server.stop();
  }
}
