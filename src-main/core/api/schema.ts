import { z } from 'zod';
import { NETWORKS } from '../bitcoin/network.ts';
import type { ApiDefinition, TopicState } from './define.ts';
import { payoutEntry, settingsPatchSchema, settingsSchema } from './settings.ts';

/**
 * The one API of Adit: the page, the headless server, the tray and tests all speak it. Times are milliseconds since 1970,
 * hashrates H/s, amounts sat, weights weight units, hashes display-order hex; see docs in README "API".
 */

const time = z.number();
const hash = z.string().regex(/^[0-9a-f]{64}$/);
const network = z.enum(NETWORKS);

/** Windows of every average Adit shows: one minute, ten minutes, one hour, one day. */
const windows = z.object({ m1: z.number(), m10: z.number(), h1: z.number(), d1: z.number() });
export type Windows = z.output<typeof windows>;

/** Shares by what became of them. */
const shareCounts = z.object({
  accepted: z.number(),
  stale: z.number(),
  duplicate: z.number(),
  lowDifficulty: z.number(),
  /** Unknown job, malformed, not authorised. */
  invalid: z.number(),
});
export type ShareCounts = z.output<typeof shareCounts>;

const best = z.object({ difficulty: z.number(), at: time, worker: z.string() });
export type Best = z.output<typeof best>;

/** A problem with a way out. `action` names a screen or a command the page can offer as a button. */
const problem = z.object({
  code: z.string(),
  message: z.string(),
  advice: z.string(),
  action: z.enum(['payout', 'node', 'network', 'miners', 'none']),
});
export type Problem = z.output<typeof problem>;

/** The headline: one state for the whole app. The first that fits, in this order of urgency. */
export const HEADLINES = [
  'block', // a block was found and not yet acknowledged
  'stopping',
  'nodeFailed', // the node can't run: needs a hand
  'degraded', // the node is away; miners hold the last job
  'setup', // no payout address yet
  'nodeStarting',
  'syncing',
  'waiting', // ready, but no machine connected
  'mining',
] as const;

const state = z.object({
  headline: z.enum(HEADLINES),
  version: z.string(),
  network,
  practice: z.boolean(),
  /** Solo until other upstreams are built; the page's switch reads it. */
  upstream: z.enum(['solo']),
  problem: problem.nullable(),
  /** Address the current job pays, and how many share it. */
  payout: z.object({ address: z.string(), count: z.number() }).nullable(),
  startedAt: time,
  /** Set while a found block waits to be acknowledged. */
  block: z.object({ hash, height: z.number() }).nullable(),
});
export type StateView = z.output<typeof state>;

const nodeView = z.object({
  phase: z.enum(['stopped', 'starting', 'warming', 'ready', 'stopping', 'backoff', 'failed']),
  since: time,
  /** What is being done before the node can start, with a share of 0..1 where it is known: its release is being brought. */
  activity: z.object({ text: z.string(), progress: z.number().nullable() }).nullable(),
  /** When the next start is tried, in `backoff`. */
  retryAt: time.nullable(),
  /** While `stopping`: from when on the user may end the node by force. */
  forceFrom: time.nullable(),
  pid: z.number().nullable(),
  network,
  dataDir: z.string(),
  flavour: z.string(),
  version: z.string(),
  origin: z.string(),
  source: z.enum(['rpc', 'ipc']),
  stage: z.enum(['starting', 'preHeaders', 'headers', 'blocks', 'synced']),
  progress: z.number(),
  secondsLeft: z.number().nullable(),
  blocks: z.number(),
  headers: z.number(),
  bestHash: z.string(),
  tipAt: time.nullable(),
  difficulty: z.number(),
  peers: z.object({ inbound: z.number(), outbound: z.number(), onion: z.number() }),
  mempool: z.object({ transactions: z.number(), bytes: z.number() }),
  diskBytes: z.number(),
  pruned: z.boolean(),
  warnings: z.array(z.string()),
  problem: z.object({ code: z.string(), message: z.string(), advice: z.string() }).nullable(),
});
export type NodeView = z.output<typeof nodeView>;

const job = z.object({
  id: z.number(),
  templateId: z.string(),
  source: z.enum(['rpc', 'ipc']),
  height: z.number(),
  previousHash: hash,
  bits: z.string(),
  version: z.number(),
  networkDifficulty: z.number(),
  transactionCount: z.number(),
  weight: z.number(),
  fees: z.number(),
  reward: z.number(),
  tag: z.string(),
  createdAt: time,
  /** When the template of the job came from the node, and when the tip it builds on did. */
  templateAt: time,
  tipAt: time,
  outputs: z.array(
    z.object({
      value: z.number(),
      script: z.string(),
      address: z.string().nullable(),
      kind: z.enum(['payout', 'commitment', 'other']),
      /** True when this output pays an address the user set. */
      mine: z.boolean(),
    }),
  ),
  /** True when the coinbase was read back from the finished job and pays exactly what the settings ask for. */
  payoutVerified: z.boolean(),
});
export type JobView = z.output<typeof job>;

const miner = z.object({
  id: z.string(),
  worker: z.string(),
  userAgent: z.string(),
  remote: z.string(),
  protocol: z.enum(['sv1', 'sv2']),
  /** `active` sent a share of late, `quiet` is connected without one, `offline` is gone. */
  status: z.enum(['active', 'quiet', 'offline']),
  practice: z.boolean(),
  connectedAt: time.nullable(),
  offlineAt: time.nullable(),
  lastShareAt: time.nullable(),
  difficulty: z.number(),
  hashrate: windows,
  shares: shareCounts,
  bestSession: best.nullable(),
  bestEver: best.nullable(),
});
export type MinerRow = z.output<typeof miner>;

const totals = z.object({
  hashrate: windows,
  miners: z.object({ active: z.number(), quiet: z.number(), offline: z.number() }),
  session: shareCounts,
  day: shareCounts,
  ever: z.object({ accepted: z.number(), work: z.number() }),
  bestSession: best.nullable(),
  bestEver: best.nullable(),
  networkDifficulty: z.number(),
  /** Probability that the next block of the network is ours, and that at least one is within a year. */
  odds: z.object({ nextBlock: z.number(), year: z.number(), expectedSeconds: z.number().nullable() }),
  /** Milliseconds from a new tip's job to the last byte of it written to the last machine. */
  tipToMinersMs: z.number().nullable(),
  blocksFound: z.number(),
});
export type TotalsView = z.output<typeof totals>;

const block = z.object({
  hash,
  height: z.number(),
  foundAt: time,
  worker: z.string(),
  reward: z.number(),
  fees: z.number(),
  difficulty: z.number(),
  network,
  source: z.enum(['rpc', 'ipc']),
  transactionCount: z.number(),
  weight: z.number(),
  /**
   * `sending`: on its way; `waiting`: the node is away, it will be sent again; `onChain`; `stale`: another block won;
   * `rejected`: the node refused it.
   */
  status: z.enum(['sending', 'waiting', 'onChain', 'stale', 'rejected']),
  confirmations: z.number(),
  reason: z.string().nullable(),
  attempts: z.number(),
  file: z.string().nullable(),
  acknowledged: z.boolean(),
});
export type BlockRow = z.output<typeof block>;

const event = z.object({
  id: z.number(),
  at: time,
  level: z.enum(['info', 'good', 'warn', 'bad']),
  code: z.string(),
  message: z.string(),
});
export type EventRow = z.output<typeof event>;

const connection = z.object({
  exposure: z.enum(['loopback', 'lan']),
  endpoints: z.array(
    z.object({
      protocol: z.enum(['sv1', 'sv2']),
      /** What a machine takes as one line; of Stratum V2 with the authority key at its end. */
      url: z.string(),
      host: z.string(),
      port: z.number(),
      /** Reachable from this computer only, or from the local network. */
      scope: z.enum(['loopback', 'lan']),
      /** Stratum V2: the key by which machines know that they talk to this Adit. */
      authorityKey: z.string().nullable(),
    }),
  ),
  /** Set when a port could not be opened. */
  problem: z.string().nullable(),
});
export type ConnectionView = z.output<typeof connection>;

const addressCheck = z.discriminatedUnion('ok', [
  z.object({
    ok: z.literal(true),
    address: z.string(),
    /** Script type in the field's own term. */
    type: z.enum(['p2pkh', 'p2sh', 'p2wpkh', 'p2wsh', 'p2tr', 'witness']),
    script: z.string(),
    /** A hint that does not forbid the address, for example an old type. */
    warning: z.string().nullable(),
  }),
  z.object({ ok: z.literal(false), code: z.string(), message: z.string() }),
]);
export type AddressCheckView = z.output<typeof addressCheck>;

const nothing = z.object({});
const point = z.tuple([z.number(), z.number().nullable()]);

export const apiSchema = {
  commands: {
    'settings.update': { input: settingsPatchSchema, output: settingsSchema },
    'node.start': { input: nothing, output: nothing },
    'node.stop': { input: nothing, output: nothing },
    'node.restart': { input: nothing, output: nothing },
    /** Ends a node that hangs at its stop; heeded from `forceFrom` of the node's view on. It can damage the chain data. */
    'node.forceStop': { input: nothing, output: z.object({ done: z.boolean() }) },
    /** Starts the node with a rebuild of its databases from the blocks on disk, or anew where it is pruned. Takes hours. */
    'node.reindex': { input: nothing, output: nothing },
    'block.acknowledge': { input: z.object({ hash }), output: nothing },
    'block.resubmit': {
      input: z.object({ hash }),
      output: z.object({ status: z.string(), reason: z.string().nullable() }),
    },
    'miner.forget': { input: z.object({ id: z.string().max(300) }), output: nothing },
    'practice.threads': { input: z.object({ threads: z.int().min(0).max(256) }), output: nothing },
  },
  queries: {
    'address.check': { input: z.object({ network, text: z.string().max(1_000) }), output: addressCheck },
    'payout.check': {
      input: z.object({ network, payouts: z.array(payoutEntry).max(20) }),
      output: z.discriminatedUnion('ok', [
        z.object({ ok: z.literal(true) }),
        z.object({
          ok: z.literal(false),
          code: z.string(),
          message: z.string(),
          index: z.number().nullable(),
        }),
      ]),
    },
    /** Points [time, H/s]; null where nothing was measured (Adit was not running), 0 where nothing was mined. */
    'hashrate.history': {
      input: z.object({ range: z.enum(['1h', '24h', '7d']), minerId: z.string().max(300).nullable() }),
      output: z.object({ stepMs: z.number(), points: z.array(point) }),
    },
    /** For every machine the last 24 h in 48 points. */
    'miners.sparklines': { input: nothing, output: z.record(z.string(), z.array(z.number().nullable())) },
    /** Transactions of the job's template in block order: [vsize, fee]; what the block picture needs. */
    'template.transactions': {
      input: z.object({ templateId: z.string().max(60) }),
      output: z.object({ transactions: z.array(z.tuple([z.number(), z.number()])) }).nullable(),
    },
    'node.log': { input: nothing, output: z.object({ lines: z.array(z.string()) }) },
    'events.page': {
      input: z.object({ before: z.number().nullable(), limit: z.int().min(1).max(500) }),
      output: z.object({ events: z.array(event) }),
    },
    'block.raw': { input: z.object({ hash }), output: z.object({ hex: z.string() }).nullable() },
  },
  topics: {
    state: { kind: 'value', item: state },
    node: { kind: 'value', item: nodeView },
    /** null until the first job. */
    job: { kind: 'value', item: job.nullable() },
    totals: { kind: 'value', item: totals },
    miners: { kind: 'map', item: miner },
    blocks: { kind: 'map', item: block },
    events: { kind: 'list', item: event, limit: 200 },
    settings: { kind: 'value', item: settingsSchema },
    connection: { kind: 'value', item: connection },
  },
} as const satisfies ApiDefinition;

export type ApiSchema = typeof apiSchema;
export type CommandName = keyof ApiSchema['commands'];
export type QueryName = keyof ApiSchema['queries'];
export type TopicName = keyof ApiSchema['topics'];
export type CommandInput<N extends CommandName> = z.input<ApiSchema['commands'][N]['input']>;
export type CommandOutput<N extends CommandName> = z.output<ApiSchema['commands'][N]['output']>;
export type QueryInput<N extends QueryName> = z.input<ApiSchema['queries'][N]['input']>;
export type QueryOutput<N extends QueryName> = z.output<ApiSchema['queries'][N]['output']>;
export type Topic<N extends TopicName> = TopicState<ApiSchema['topics'][N]>;

/** What a client of the API can do, whatever the transport. */
export interface ApiClient {
  command<N extends CommandName>(name: N, input: CommandInput<N>): Promise<CommandOutput<N>>;
  query<N extends QueryName>(name: N, input: QueryInput<N>): Promise<QueryOutput<N>>;
  /** The listener gets the snapshot first, then the whole state after each change. Returns the way to stop. */
  watch<N extends TopicName>(name: N, listener: (state: Topic<N>) => void): () => void;
  /** `connected` while the other end answers. */
  onConnection(listener: (connected: boolean) => void): () => void;
  close(): void;
}

/** What the engine offers a transport: calls answered, topics with their state and their numbered changes. */
export interface ApiServer {
  /** Checks the input against the schema, answers, and throws `ApiError` with a code a client can show. */
  call(kind: 'command' | 'query', name: string, input: unknown): Promise<unknown>;
  /** The snapshot with the number of the last change in it, and every later change until unsubscribed. */
  subscribe(
    topic: string,
    onChange: (seq: number, change: import('./define.ts').TopicChange) => void,
  ): { readonly snapshot: unknown; readonly seq: number; readonly unsubscribe: () => void };
}
