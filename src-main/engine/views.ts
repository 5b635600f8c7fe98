import type { ConnectionView, JobView, NodeView } from '../core/api/schema.ts';
import { bytesToHex, displayHash } from '../core/bitcoin/bytes.ts';
import { difficultyOfTarget } from '../core/bitcoin/target.ts';
import type { Job, Payout } from '../core/mining/types.ts';
import type { NodeSnapshot } from '../services/node/index.ts';
import type { GatewayAddress } from '../services/gateway/index.ts';

/** The node as the API shows it. `source` is where templates come from. */
export function nodeView(
  snapshot: NodeSnapshot,
  source: 'rpc' | 'ipc',
  activity: NodeView['activity'],
): NodeView {
  const { child, sync, binary } = snapshot;
  return {
    phase: child.kind,
    since: child.since,
    activity: child.kind === 'starting' ? activity : null,
    retryAt: child.kind === 'backoff' ? child.retryAt : null,
    forceFrom: child.kind === 'stopping' ? child.forceFrom : null,
    pid: child.kind === 'ready' ? child.pid : null,
    network: snapshot.network,
    dataDir: snapshot.dataDir,
    flavour: binary?.flavour ?? '',
    version: binary?.version ?? '',
    origin: binary?.origin ?? '',
    source,
    stage: sync?.stage ?? 'starting',
    progress: sync?.progress ?? 0,
    secondsLeft: sync?.secondsLeft ?? null,
    blocks: sync?.blocks ?? 0,
    headers: sync?.headers ?? 0,
    bestHash: sync?.bestHash ?? '',
    tipAt: sync?.tipTime === undefined ? null : sync.tipTime * 1000,
    difficulty: sync?.difficulty ?? 0,
    peers: sync?.peers ?? { inbound: 0, outbound: 0, onion: 0 },
    mempool: sync?.mempool ?? { transactions: 0, bytes: 0 },
    diskBytes: sync?.diskBytes ?? 0,
    pruned: sync?.pruned ?? false,
    warnings: [...(sync?.warnings ?? [])],
    problem: snapshot.problem === undefined ? null : { ...snapshot.problem },
  };
}

export interface JobFacts {
  readonly templateAt: number;
  readonly tipAt: number;
  readonly payouts: readonly Payout[];
  readonly verified: boolean;
}

/** The job miners hold as the API shows it; `mine` marks the outputs that pay the user. */
export function jobView(job: Job, facts: JobFacts): JobView {
  const mine = new Set(facts.payouts.map((payout) => bytesToHex(payout.script)));
  return {
    id: job.id,
    templateId: job.templateId,
    source: job.source,
    height: job.height,
    previousHash: displayHash(job.previousHash),
    bits: job.bits.toString(16).padStart(8, '0'),
    version: job.version,
    networkDifficulty: difficultyOfTarget(job.target),
    transactionCount: job.transactionCount,
    weight: job.weight,
    fees: job.fees,
    reward: job.coinbaseValue,
    tag: job.tag,
    createdAt: job.createdAt,
    templateAt: facts.templateAt,
    tipAt: facts.tipAt,
    outputs: job.outputs.map((output) => {
      const script = bytesToHex(output.script);
      return {
        value: output.value,
        script,
        address: output.address ?? null,
        kind: output.kind,
        mine: mine.has(script),
      };
    }),
    payoutVerified: facts.verified,
  };
}

/** The listeners that are open. */
export interface OpenListeners {
  readonly sv1: readonly GatewayAddress[];
  readonly sv2: readonly GatewayAddress[];
  /** As Stratum V2 miners take it. */
  readonly authorityKey: string | undefined;
}

/** Where miners connect. `lanAddresses`: this machine's addresses on private networks. */
export function connectionView(
  listeners: OpenListeners,
  exposure: 'loopback' | 'lan',
  lanAddresses: readonly string[],
  problem: string | null,
): ConnectionView {
  const hosts = exposure === 'lan' ? [...lanAddresses, '127.0.0.1'] : ['127.0.0.1'];
  const { sv1, sv2, authorityKey } = listeners;
  const endpoints: ConnectionView['endpoints'] = [];
  const add = (protocol: 'sv1' | 'sv2', port: number, key: string | null): void => {
    for (const host of hosts) {
      const at = `${host.includes(':') ? `[${host}]` : host}:${port}`;
      endpoints.push({
        protocol,
        url: key === null ? `stratum+tcp://${at}` : `stratum2+tcp://${at}/${key}`,
        host,
        port,
        scope: host === '127.0.0.1' ? 'loopback' : 'lan',
        authorityKey: key,
      });
    }
  };
  if (sv1[0]) add('sv1', sv1[0].port, null);
  if (sv2[0] && authorityKey !== undefined) add('sv2', sv2[0].port, authorityKey);
  return { exposure, endpoints, problem };
}
