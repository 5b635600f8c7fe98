import { z } from 'zod';
import { ApiError, applyChange } from '../../src-main/core/api/define.ts';
import type {
  ApiClient,
  BlockRow,
  CommandInput,
  CommandName,
  CommandOutput,
  ConnectionView,
  EventRow,
  JobView,
  MinerRow,
  NodeView,
  QueryInput,
  QueryName,
  QueryOutput,
  StateView,
  Topic,
  TopicName,
  TotalsView,
} from '../../src-main/core/api/schema.ts';
import { apiSchema } from '../../src-main/core/api/schema.ts';
import type { Settings } from '../../src-main/core/api/settings.ts';
import { DEFAULT_SETTINGS, patchSettings } from '../../src-main/core/api/settings.ts';
import type { Network } from '../../src-main/core/bitcoin/network.ts';

/** States of the made-up engine, as in `?mock=mining`. */
export const SCENES = [
  'fresh',
  'starting',
  'syncing',
  'ready',
  'mining',
  'barn',
  'block',
  'practice',
  'failed',
  'degraded',
  'disconnected',
  'empty',
] as const;
export type Scene = (typeof SCENES)[number];

// zod builds checkers with `new Function` where it may; the page's policy forbids that, so it must not try.
z.config({ jitless: true });

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const ADDRESS = 'bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq';
/** Well-formed (SV2 4.7), and nobody's. */
const AUTHORITY_KEY = '9bDuixKmZqAJnrmP746n8zU1wyAQRrus7th9dxnkPg6RzQvCnan';
const SECOND_ADDRESS = 'bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr';
const NETWORK_DIFFICULTY = 146_472_570_619_930;
const HEIGHT = 924_119;

function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 16_807) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

const hex = (random: () => number, length: number): string =>
  Array.from({ length }, () => Math.floor(random() * 16).toString(16)).join('');
const blockHash = (random: () => number): string => '0'.repeat(19) + hex(random, 45);

interface Machine {
  readonly worker: string;
  readonly userAgent: string;
  readonly hashrate: number;
}
const FLEET: readonly Machine[] = [
  { worker: `${ADDRESS}.window`, userAgent: 'bitaxe/BM1370/v2.13.1', hashrate: 1.24e12 },
  { worker: `${ADDRESS}.attic`, userAgent: 'NerdQAxe++/BM1370/v1.0.36', hashrate: 4.86e12 },
  { worker: 'desk-stick', userAgent: 'cgminer/4.13.1', hashrate: 3.1e11 },
  { worker: `${ADDRESS}.garage`, userAgent: 'cgminer/4.11.1 avalon nano3s', hashrate: 5.9e12 },
  {
    worker: 'Supra on the bookshelf behind the very tall plant',
    userAgent: 'bitaxe/BM1368/v2.9.0',
    hashrate: 6.9e11,
  },
  { worker: 'kitchen', userAgent: 'NerdMinerV2', hashrate: 78_000 },
  { worker: 'heater.1', userAgent: 'bosminer-plus-tuner/26.04', hashrate: 9.8e13 },
];

const none = { accepted: 0, stale: 0, duplicate: 0, lowDifficulty: 0, invalid: 0 };

export class MockClient implements ApiClient {
  readonly #random = generator(20_261_120);
  readonly #scene: Scene;
  readonly #listeners = new Map<TopicName, Set<(value: unknown) => void>>();
  readonly #connectionListeners = new Set<(connected: boolean) => void>();
  readonly #timers: ReturnType<typeof setInterval>[] = [];
  readonly #values: { [N in TopicName]: Topic<N> };
  readonly #threads = { now: 2 };
  #transactions: { id: string; list: [number, number][] } = { id: '', list: [] };
  #connected = true;
  #eventId = 0;

  /** @param live false: nothing moves by itself, for screenshots */
  constructor(scene: Scene, live = true) {
    this.#scene = scene;
    this.#values = this.#build();
    for (const name of Object.keys(this.#values) as TopicName[]) this.#check(name);
    if (scene === 'disconnected') this.#timers.push(setTimeout(() => this.#setConnected(false), 700));
    if (live) {
      this.#timers.push(setInterval(() => this.#beat(), 2_000));
      this.#timers.push(setInterval(() => this.#newTemplate(false), 15_000));
    }
  }

  command<N extends CommandName>(name: N, input: CommandInput<N>): Promise<CommandOutput<N>> {
    const definition = apiSchema.commands[name];
    return this.#answer(() => {
      const parsed = definition.input.safeParse(input);
      if (!parsed.success) {
        const issue = parsed.error.issues[0];
        throw new ApiError('bad-input', issue?.message ?? 'The input is not valid.', issue?.path.join('.'));
      }
      return definition.output.parse(this.#run(name, parsed.data)) as CommandOutput<N>;
    });
  }

  query<N extends QueryName>(name: N, input: QueryInput<N>): Promise<QueryOutput<N>> {
    const definition = apiSchema.queries[name];
    return this.#answer(
      () => definition.output.parse(this.#ask(name, definition.input.parse(input))) as QueryOutput<N>,
    );
  }

  watch<N extends TopicName>(name: N, listener: (state: Topic<N>) => void): () => void {
    const set = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, set);
    const entry = listener as (value: unknown) => void;
    set.add(entry);
    queueMicrotask(() => entry(this.#values[name]));
    return () => set.delete(entry);
  }

  onConnection(listener: (connected: boolean) => void): () => void {
    this.#connectionListeners.add(listener);
    queueMicrotask(() => listener(this.#connected));
    return () => this.#connectionListeners.delete(listener);
  }

  close(): void {
    for (const timer of this.#timers) clearInterval(timer);
  }

  async #answer<T>(work: () => T): Promise<T> {
    await new Promise((done) => setTimeout(done, 30));
    if (!this.#connected)
      throw new ApiError('disconnected', 'Adit does not answer. Check that it is running.');
    return work();
  }

  #setConnected(connected: boolean): void {
    this.#connected = connected;
    for (const listener of this.#connectionListeners) listener(connected);
  }

  #set<N extends TopicName>(name: N, value: Topic<N>): void {
    (this.#values as Record<string, unknown>)[name] = value;
    this.#check(name);
    if (this.#connected) for (const listener of this.#listeners.get(name) ?? []) listener(value);
  }

  /** Every value passes the schema, so that the page never learns shapes the engine does not send. */
  #check(name: TopicName): void {
    const topic = apiSchema.topics[name];
    const value: unknown = this.#values[name];
    if (topic.kind === 'value') topic.item.parse(value);
    else for (const item of Object.values(value as object)) topic.item.parse(item);
  }

  #build(): { [N in TopicName]: Topic<N> } {
    const scene = this.#scene;
    const now = Date.now();
    const practice = scene === 'practice' || scene === 'empty';
    const network: Network = practice ? 'regtest' : 'main';
    const settings = this.#settings(network);
    const synced = !['fresh', 'starting', 'syncing', 'failed'].includes(scene);
    const machines = this.#machines(now);
    const list = Object.values(machines);
    const job = synced ? this.#job(now, settings, practice) : null;
    const totals = this.#totals(list, practice);
    const blocks = this.#blocks(now, network);
    const unseen = scene === 'block' ? Object.values(blocks)[0]! : null;
    const headlines: Record<Scene, StateView['headline']> = {
      fresh: 'setup',
      starting: 'nodeStarting',
      syncing: 'syncing',
      ready: 'waiting',
      mining: 'mining',
      barn: 'mining',
      block: 'block',
      practice: 'mining',
      failed: 'nodeFailed',
      degraded: 'degraded',
      disconnected: 'mining',
      empty: 'mining',
    };
    const node = this.#node(now, network);
    const state: StateView = {
      headline: headlines[scene],
      version: '0.1.0',
      network,
      practice,
      upstream: 'solo',
      problem:
        scene === 'failed'
          ? { ...node.problem!, action: 'node' }
          : scene === 'degraded'
            ? {
                code: 'node-away',
                message: 'The node stopped answering and is being started again.',
                advice:
                  'Your machines go on with the last job. If a block is found now it is kept and sent as soon as the node is back.',
                action: 'node',
              }
            : null,
      payout:
        scene === 'fresh'
          ? null
          : { address: settings.payouts[network][0]!.address, count: settings.payouts[network].length },
      startedAt: now - 3 * DAY,
      block: unseen ? { hash: unseen.hash, height: unseen.height } : null,
    };
    return {
      state,
      node,
      job,
      totals,
      miners: machines,
      blocks,
      events: this.#events(now),
      settings,
      connection: this.#connection(settings),
    };
  }

  #settings(network: Network): Settings {
    const payouts = { ...DEFAULT_SETTINGS.payouts };
    if (this.#scene !== 'fresh') {
      payouts[network] =
        network === 'regtest'
          ? [{ address: 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080', basisPoints: 10_000 }]
          : this.#scene === 'barn'
            ? [
                { address: ADDRESS, basisPoints: 8_750 },
                { address: SECOND_ADDRESS, basisPoints: 1_250 },
              ]
            : [{ address: ADDRESS, basisPoints: 10_000 }];
    }
    const exposure = this.#scene === 'fresh' || this.#scene === 'ready' ? 'loopback' : 'lan';
    return { ...DEFAULT_SETTINGS, network, payouts, gateway: { ...DEFAULT_SETTINGS.gateway, exposure } };
  }

  #connection(settings: Settings): ConnectionView {
    const { sv1Port, sv2Port, exposure } = settings.gateway;
    const endpoints: ConnectionView['endpoints'] = [];
    for (const protocol of ['sv1', 'sv2'] as const) {
      for (const host of exposure === 'lan' ? ['192.168.1.20', '127.0.0.1'] : ['127.0.0.1']) {
        const scope = host === '127.0.0.1' ? 'loopback' : 'lan';
        endpoints.push(
          protocol === 'sv1'
            ? {
                protocol,
                url: `stratum+tcp://${host}:${sv1Port}`,
                host,
                port: sv1Port,
                scope,
                authorityKey: null,
              }
            : {
                protocol,
                url: `stratum2+tcp://${host}:${sv2Port}/${AUTHORITY_KEY}`,
                host,
                port: sv2Port,
                scope,
                authorityKey: AUTHORITY_KEY,
              },
        );
      }
    }
    return { exposure, endpoints, problem: null };
  }

  #node(now: number, network: Network): NodeView {
    const base: NodeView = {
      phase: 'ready',
      since: now - 3 * DAY,
      activity: null,
      forceFrom: null,
      retryAt: null,
      pid: 4_711,
      network,
      dataDir: '/home/ada/.local/share/adit/main/node',
      flavour: 'core',
      version: 'v31.1.0',
      origin: 'bundled',
      source: 'rpc',
      stage: 'synced',
      progress: 1,
      secondsLeft: null,
      blocks: HEIGHT - 1,
      headers: HEIGHT - 1,
      bestHash: blockHash(this.#random),
      tipAt: now - 3 * MINUTE,
      difficulty: NETWORK_DIFFICULTY,
      peers: { inbound: 0, outbound: 14, onion: 6 },
      mempool: { transactions: 48_212, bytes: 131_000_000 },
      diskBytes: 12_400_000_000,
      pruned: true,
      warnings: [],
      problem: null,
    };
    switch (this.#scene) {
      case 'fresh':
        return {
          ...base,
          stage: 'headers',
          progress: 0.004,
          blocks: 0,
          headers: 388_000,
          tipAt: null,
          peers: { inbound: 0, outbound: 8, onion: 0 },
        };
      case 'starting':
        return {
          ...base,
          phase: 'warming',
          since: now - 9_000,
          stage: 'starting',
          progress: 0,
          blocks: 0,
          headers: 0,
          bestHash: '',
          tipAt: null,
          peers: { inbound: 0, outbound: 0, onion: 0 },
          mempool: { transactions: 0, bytes: 0 },
        };
      case 'syncing':
        return {
          ...base,
          stage: 'blocks',
          progress: 0.43,
          secondsLeft: 6.2 * 3600,
          blocks: 598_204,
          tipAt: now - 2_600 * DAY,
          mempool: { transactions: 0, bytes: 0 },
        };
      case 'failed':
        return {
          ...base,
          phase: 'failed',
          since: now - 4 * MINUTE,
          pid: null,
          stage: 'starting',
          progress: 0,
          peers: { inbound: 0, outbound: 0, onion: 0 },
          problem: {
            code: 'disk-full',
            message: 'The disk is full, so the node stopped.',
            advice:
              'Free at least 5 GB on the disk of the data folder, or choose another folder in Settings. Then start the node again.',
          },
        };
      case 'degraded':
        return { ...base, phase: 'backoff', since: now - 25_000, retryAt: now + 12_000, pid: null };
      case 'practice':
      case 'empty':
        return {
          ...base,
          dataDir: '/home/ada/.local/share/adit/practice/node',
          origin: 'path',
          blocks: 112,
          headers: 112,
          difficulty: 4.656542373906925e-10,
          peers: { inbound: 0, outbound: 0, onion: 0 },
          mempool: { transactions: 0, bytes: 0 },
          diskBytes: 17_000_000,
          pruned: false,
          tipAt: now - 9_000,
        };
      case 'barn':
        return {
          ...base,
          warnings: [
            'The system clock is 74 s ahead of the other nodes. Set it, or peers may drop this node.',
          ],
        };
      default:
        return base;
    }
  }

  #job(now: number, settings: Settings, practice: boolean): JobView {
    const height = practice ? 113 : HEIGHT;
    const subsidy = practice ? 5_000_000_000 : 312_500_000;
    const templateId = `rpc-${Math.floor(this.#random() * 1e6)}`;
    this.#transactions = {
      id: templateId,
      list: this.#scene === 'empty' ? [] : this.#makeTransactions(practice ? 9 : 3_214),
    };
    const fees = this.#transactions.list.reduce((sum, [, fee]) => sum + fee, 0);
    const vsize = this.#transactions.list.reduce((sum, [size]) => sum + size, 0);
    const reward = subsidy + fees;
    const payouts = settings.payouts[settings.network];
    let left = reward;
    const outputs: JobView['outputs'] = payouts.map((entry, index) => {
      const value = index === payouts.length - 1 ? left : Math.floor((reward * entry.basisPoints) / 10_000);
      left -= value;
      return {
        value,
        script: `0014${hex(this.#random, 40)}`,
        address: entry.address,
        kind: 'payout',
        mine: true,
      };
    });
    outputs.push({
      value: 0,
      script: `6a24aa21a9ed${hex(this.#random, 64)}`,
      address: null,
      kind: 'commitment',
      mine: false,
    });
    return {
      id: Math.floor(this.#random() * 1e6),
      templateId,
      source: 'rpc',
      height,
      previousHash: blockHash(this.#random),
      bits: practice ? '207fffff' : '1701f0cc',
      version: 0x20000000,
      networkDifficulty: practice ? 4.656542373906925e-10 : NETWORK_DIFFICULTY,
      transactionCount: this.#transactions.list.length,
      weight: vsize * 4,
      fees,
      reward,
      tag: settings.tag,
      createdAt: now,
      templateAt: now,
      tipAt: now - 3 * MINUTE,
      outputs,
      payoutVerified: true,
    };
  }

  /** Transactions up to a full block of 997,500 vB: many small ones, a few large, rates falling off as mempools do. */
  #makeTransactions(amount: number): [number, number][] {
    const random = this.#random;
    const sizes = Array.from({ length: amount }, () => {
      const draw = random();
      if (draw < 0.004) return 5_000 + random() ** 3 * 40_000;
      if (draw < 0.08) return 700 + random() * 3_000;
      return 110 + random() ** 3 * 420;
    });
    const total = sizes.reduce((sum, size) => sum + size, 0);
    const scale = amount > 1_000 ? 984_000 / total : 1;
    const rates = Array.from(
      { length: amount },
      () => 1.02 + 2.2 * random() + 38 * random() ** 9 + 120 * random() ** 60,
    );
    rates.sort((a, b) => b - a);
    return sizes.map((size, index) => {
      const vsize = Math.max(96, Math.floor(size * scale));
      return [vsize, Math.round(vsize * rates[index]! * (0.94 + random() * 0.12))];
    });
  }

  #machines(now: number): Record<string, MinerRow> {
    const scene = this.#scene;
    if (['fresh', 'ready', 'starting', 'failed'].includes(scene)) return {};
    const machines: Machine[] =
      scene === 'barn'
        ? Array.from({ length: 300 }, (_, index) => {
            const kind = FLEET[index % FLEET.length]!;
            const rack = `${String.fromCharCode(65 + Math.floor(index / 60))}${(Math.floor(index / 10) % 6) + 1}-${String((index % 10) + 1).padStart(2, '0')}`;
            return {
              worker: `${ADDRESS}.${rack}`,
              userAgent: index % 3 === 0 ? kind.userAgent : 'Antminer S21/Wed Jan  7 2026',
              hashrate: index % 3 === 0 ? kind.hashrate : 2e14,
            };
          })
        : scene === 'practice' || scene === 'empty'
          ? [{ worker: 'practice.cpu', userAgent: 'adit-cpu/0.1.0', hashrate: 3.9e7 }]
          : [...FLEET];
    const practice = scene === 'practice' || scene === 'empty';
    const rows: Record<string, MinerRow> = {};
    machines.forEach((machine, index) => {
      const status: MinerRow['status'] =
        scene === 'syncing'
          ? 'quiet'
          : scene === 'barn'
            ? index % 47 === 5
              ? 'offline'
              : index % 31 === 3
                ? 'quiet'
                : 'active'
            : index === 3
              ? 'offline'
              : 'active';
      const speed = status === 'active' ? machine.hashrate : 0;
      const accepted = status === 'quiet' ? 0 : 1_200 + Math.floor(this.#random() * 1_800);
      const difficulty = practice
        ? 0.002
        : 2 ** Math.max(-8, Math.round(Math.log2((machine.hashrate * 10) / 2 ** 32)));
      const bestOf = (scale: number) => ({
        difficulty: difficulty * scale * (40 + this.#random() * 4_000),
        at: now - Math.floor(this.#random() * 3 * DAY * (scale > 1 ? 10 : 1)),
        worker: machine.worker,
      });
      const id = `${machine.worker}@${index}`;
      rows[id] = {
        id,
        worker: machine.worker,
        userAgent: machine.userAgent,
        remote: practice ? '127.0.0.1:51744' : `192.168.1.${30 + (index % 200)}:${40_000 + index}`,
        protocol: 'sv1',
        status,
        practice,
        connectedAt: status === 'offline' ? null : now - 3 * DAY + index * 61_000,
        offlineAt: status === 'offline' ? now - 6 * MINUTE : null,
        lastShareAt:
          status === 'quiet'
            ? null
            : status === 'offline'
              ? now - 6.4 * MINUTE
              : now - Math.floor(this.#random() * 14_000),
        difficulty,
        hashrate: {
          m1: speed * (0.8 + this.#random() * 0.4),
          m10: speed * (0.95 + this.#random() * 0.1),
          h1: machine.hashrate * (status === 'quiet' ? 0 : 0.985 + this.#random() * 0.03),
          d1: machine.hashrate * (status === 'quiet' ? 0 : 0.97 + this.#random() * 0.03),
        },
        shares: {
          accepted,
          stale: Math.floor(accepted * 0.004 * this.#random() * 2),
          duplicate: 0,
          lowDifficulty: index === 2 ? 9 : 0,
          invalid: index === 5 ? 2 : 0,
        },
        bestSession: accepted ? bestOf(1) : null,
        bestEver: accepted
          ? index === 0 && !practice
            ? { difficulty: 41.8e9, at: now - 8 * DAY, worker: machine.worker }
            : bestOf(6)
          : null,
      };
    });
    return rows;
  }

  #totals(list: readonly MinerRow[], practice: boolean): TotalsView {
    const sum = (pick: (row: MinerRow) => number) => list.reduce((total, row) => total + pick(row), 0);
    const by = (status: MinerRow['status']) => list.filter((row) => row.status === status).length;
    const rate = sum((row) => row.hashrate.h1);
    const difficulty = practice ? 4.656542373906925e-10 : NETWORK_DIFFICULTY;
    const expected = rate > 0 ? (difficulty * 2 ** 32) / rate : null;
    const year = expected === null ? 0 : 1 - Math.exp(-31_557_600 / expected);
    const bests = list.map((row) => row.bestEver).filter((entry) => entry !== null);
    bests.sort((a, b) => b.difficulty - a.difficulty);
    const sessions = list.map((row) => row.bestSession).filter((entry) => entry !== null);
    sessions.sort((a, b) => b.difficulty - a.difficulty);
    const mined = list.length > 0 && rate > 0;
    return {
      hashrate: {
        m1: sum((row) => row.hashrate.m1),
        m10: sum((row) => row.hashrate.m10),
        h1: rate,
        d1: sum((row) => row.hashrate.d1),
      },
      miners: { active: by('active'), quiet: by('quiet'), offline: by('offline') },
      session: mined ? { accepted: 41_022, stale: 193, duplicate: 1, lowDifficulty: 41, invalid: 4 } : none,
      day: mined ? { accepted: 18_204, stale: 91, duplicate: 1, lowDifficulty: 22, invalid: 2 } : none,
      ever: { accepted: mined ? 1_204_551 : 0, work: mined ? 2 ** 68 : 0 },
      bestSession: mined ? (sessions[0] ?? null) : null,
      bestEver: mined ? (bests[0] ?? null) : null,
      networkDifficulty: this.#scene === 'starting' || this.#scene === 'failed' ? 0 : difficulty,
      odds: {
        nextBlock: expected === null ? 0 : 1 - Math.exp(-600 / expected),
        year,
        expectedSeconds: expected,
      },
      tipToMinersMs: mined ? 9 : null,
      blocksFound: practice ? 12 : this.#scene === 'block' ? 1 : 0,
    };
  }

  #blocks(now: number, network: Network): Record<string, BlockRow> {
    const rows: Record<string, BlockRow> = {};
    const add = (part: Partial<BlockRow>) => {
      const hash = network === 'regtest' ? hex(this.#random, 64) : blockHash(this.#random);
      rows[hash] = {
        hash,
        height: HEIGHT,
        foundAt: now - 40_000,
        worker: `${ADDRESS}.window`,
        reward: 316_872_310,
        fees: 4_372_310,
        difficulty: 181e12,
        network,
        source: 'rpc',
        transactionCount: 3_214,
        weight: 3_993_120,
        status: 'onChain',
        confirmations: 1,
        reason: null,
        attempts: 1,
        file: `/home/ada/.local/share/adit/main/blocks/${HEIGHT}-${hash.slice(-8)}.hex`,
        acknowledged: true,
        ...part,
      };
    };
    if (this.#scene === 'block') {
      add({ acknowledged: false });
      add({
        height: HEIGHT - 812,
        foundAt: now - 6 * DAY,
        status: 'stale',
        confirmations: 0,
        reason: 'Another block at this height was built on.',
      });
      add({ height: HEIGHT - 21_400, foundAt: now - 150 * DAY, confirmations: 21_400, reward: 314_010_211 });
      add({
        height: HEIGHT - 2,
        foundAt: now - 18 * MINUTE,
        status: 'waiting',
        confirmations: 0,
        attempts: 4,
        reason: 'The node was away when the block was found.',
      });
      add({
        height: HEIGHT - 90_001,
        foundAt: now - 610 * DAY,
        status: 'rejected',
        confirmations: 0,
        reason: 'bad-txns-inputs-missingorspent',
      });
    }
    if (network === 'regtest') {
      for (let index = 0; index < 12; index++) {
        add({
          height: 112 - index,
          foundAt: now - 9_000 - index * 15_000,
          worker: 'practice.cpu',
          reward: 5_000_000_000,
          fees: 0,
          difficulty: 4e-9,
          transactionCount: 0,
          weight: 1_160,
          confirmations: index + 1,
          file: `/home/ada/.local/share/adit/practice/blocks/${112 - index}.hex`,
        });
      }
    }
    return rows;
  }

  #events(now: number): EventRow[] {
    if (this.#scene === 'fresh')
      return [this.#event(now - 20_000, 'info', 'node.start', 'The node was started for the first time.')];
    const rows: [number, EventRow['level'], string, string][] = [
      [3 * DAY, 'info', 'app.start', 'Adit 0.1.0 started.'],
      [3 * DAY - 4_000, 'info', 'node.start', 'The node was started: Bitcoin Core 31.1.0, bundled.'],
      [3 * DAY - 20_000, 'good', 'node.ready', 'The node answers and is in step with the network.'],
      [3 * DAY - 61_000, 'info', 'miner.new', 'A new machine: window (bitaxe/BM1370/v2.13.1).'],
      [
        26 * HOUR,
        'warn',
        'miner.rejects',
        'desk-stick sent 9 shares below its difficulty within an hour. Its firmware may ignore difficulty changes.',
      ],
      [11 * HOUR, 'good', 'best.session', 'Best share of this session: 2.31 G by attic.'],
      [
        5 * HOUR,
        'bad',
        'node.crash',
        'The node ended by itself (signal SEGV) and was started again. Machines held their job for 14 s.',
      ],
      [5 * HOUR - 14_000, 'good', 'node.ready', 'The node answers again.'],
      [6 * MINUTE, 'warn', 'miner.offline', 'garage went away after 2 days.'],
      [
        3 * MINUTE,
        'info',
        'tip',
        `Block ${(HEIGHT - 1).toLocaleString('en')} came in; new job sent to 6 machines in 9 ms.`,
      ],
    ];
    return rows.map(([ago, level, code, message]) => this.#event(now - ago, level, code, message));
  }

  #event(at: number, level: EventRow['level'], code: string, message: string): EventRow {
    this.#eventId++;
    return { id: 1_000 + this.#eventId, at, level, code, message };
  }

  /** What changes by itself every two seconds. */
  #beat(): void {
    const values = this.#values;
    const now = Date.now();
    const changed: Record<string, MinerRow> = {};
    for (const row of Object.values(values.miners)) {
      if (row.status !== 'active' || this.#random() > 0.4) continue;
      changed[row.id] = {
        ...row,
        lastShareAt: now,
        shares: { ...row.shares, accepted: row.shares.accepted + 1 },
        hashrate: {
          ...row.hashrate,
          m1: row.hashrate.m1 * (0.97 + this.#random() * 0.06),
          m10: row.hashrate.m10 * (0.998 + this.#random() * 0.004),
        },
      };
    }
    const miners = applyChange(values.miners, { kind: 'map', set: changed, remove: [] }) as Topic<'miners'>;
    this.#set('miners', miners);
    const list = Object.values(miners);
    this.#set('totals', {
      ...values.totals,
      hashrate: {
        ...values.totals.hashrate,
        m1: list.reduce((sum, row) => sum + row.hashrate.m1, 0),
        m10: list.reduce((sum, row) => sum + row.hashrate.m10, 0),
      },
      session: {
        ...values.totals.session,
        accepted: values.totals.session.accepted + Object.keys(changed).length,
      },
      day: { ...values.totals.day, accepted: values.totals.day.accepted + Object.keys(changed).length },
    });
    if (this.#scene === 'syncing') {
      const node = values.node;
      this.#set('node', {
        ...node,
        progress: node.progress + 0.0004,
        blocks: node.blocks + 41,
        secondsLeft: Math.max(60, (node.secondsLeft ?? 0) - 9),
      });
    }
  }

  #newTemplate(newTip: boolean): void {
    const { job, settings, state } = this.#values;
    if (job === null) return;
    const now = Date.now();
    const next = this.#job(now, settings, state.practice);
    this.#set('job', {
      ...next,
      height: job.height + (newTip ? 1 : 0),
      tipAt: newTip ? now : job.tipAt,
      previousHash: newTip ? next.previousHash : job.previousHash,
    });
  }

  #run(name: CommandName, input: unknown): unknown {
    const values = this.#values;
    switch (name) {
      case 'settings.update': {
        const patch = input as CommandInput<'settings.update'>;
        for (const [network, entries] of Object.entries(patch.payouts ?? {})) {
          const problem = checkPayouts(network as Network, entries);
          if (problem)
            throw new ApiError('bad-payout', problem.message, `payouts.${network}.${problem.index ?? ''}`);
        }
        if (patch.gateway?.sv1Port === 80) {
          throw new ApiError(
            'port-taken',
            'Port 80 is in use by another program. Choose another, for example 3334.',
            'gateway.sv1Port',
          );
        }
        const settings = patchSettings(values.settings, patch);
        this.#set('settings', settings);
        this.#set('connection', this.#connection(settings));
        const entries = settings.payouts[settings.network];
        const payout = entries[0] ? { address: entries[0].address, count: entries.length } : null;
        const headline =
          payout === null
            ? 'setup'
            : values.state.headline === 'setup'
              ? values.node.stage === 'synced'
                ? 'waiting'
                : 'syncing'
              : values.state.headline;
        this.#set('state', { ...values.state, payout, network: settings.network, headline });
        if (values.job !== null && payout !== null) this.#newTemplate(false);
        return settings;
      }
      case 'block.acknowledge': {
        const { hash } = input as CommandInput<'block.acknowledge'>;
        const block = values.blocks[hash];
        if (!block) throw new ApiError('unknown-block', 'There is no such block.');
        this.#set('blocks', { ...values.blocks, [hash]: { ...block, acknowledged: true } });
        this.#set('state', { ...values.state, headline: 'mining', block: null });
        return {};
      }
      case 'block.resubmit':
        return { status: 'waiting', reason: 'The node already knows a longer chain.' };
      case 'miner.forget': {
        const { id } = input as CommandInput<'miner.forget'>;
        const { [id]: _, ...rest } = values.miners;
        this.#set('miners', rest);
        return {};
      }
      case 'practice.threads':
        this.#threads.now = (input as CommandInput<'practice.threads'>).threads;
        return {};
      case 'node.stop':
        this.#set('node', {
          ...values.node,
          phase: 'stopping',
          since: Date.now(),
          forceFrom: Date.now() + 1_000,
        });
        return {};
      case 'node.forceStop':
        this.#set('node', {
          ...values.node,
          phase: 'stopped',
          pid: null,
          since: Date.now(),
          forceFrom: null,
        });
        return { done: true };
      case 'node.start':
      case 'node.restart':
      case 'node.reindex':
      default:
        this.#set('node', {
          ...values.node,
          phase: 'starting',
          since: Date.now(),
          problem: null,
          activity: { text: 'Bringing Bitcoin Core 31.1', progress: 0.37 },
        });
        return {};
    }
  }

  #ask(name: QueryName, input: unknown): unknown {
    const values = this.#values;
    switch (name) {
      case 'address.check':
        return checkAddress(
          (input as { network: Network; text: string }).network,
          (input as { text: string }).text.trim(),
        );
      case 'payout.check': {
        const { network, payouts } = input as { network: Network; payouts: Settings['payouts']['main'] };
        const problem = checkPayouts(network, payouts);
        return problem
          ? { ok: false, code: 'payout', message: problem.message, index: problem.index }
          : { ok: true };
      }
      case 'hashrate.history':
        return this.#history((input as { range: '1h' | '24h' | '7d' }).range);
      case 'miners.sparklines': {
        const random = generator(99);
        return Object.fromEntries(
          Object.values(values.miners).map((row) => [
            row.id,
            Array.from({ length: 48 }, (_, index) => {
              if (row.status === 'quiet') return 0;
              if (index < 4 && row.id.endsWith('@4')) return null;
              if (row.status === 'offline' && index === 47) return 0;
              return row.hashrate.d1 * (0.9 + random() * 0.2);
            }),
          ]),
        );
      }
      case 'template.transactions':
        return (input as { templateId: string }).templateId === this.#transactions.id
          ? { transactions: this.#transactions.list }
          : null;
      case 'node.log':
        return {
          lines: LOG.map((line, index) => `2026-11-20T12:${String(10 + index).padStart(2, '0')}:07Z ${line}`),
        };
      case 'events.page': {
        const { before, limit } = input as { before: number | null; limit: number };
        const all = Array.from({ length: 40 }, (_, index) => ({
          id: 1_000 - index,
          at: Date.now() - 3 * DAY - (index + 1) * HOUR,
          level: 'info' as const,
          code: 'tip',
          message: `Block ${(HEIGHT - 440 - index * 6).toLocaleString('en')} came in; new job sent to 7 machines in ${8 + (index % 5)} ms.`,
        }));
        return { events: all.filter((row) => before === null || row.id < before).slice(0, limit) };
      }
      case 'block.raw':
      default:
        return { hex: hex(generator(5), 4_000) };
    }
  }

  #history(range: '1h' | '24h' | '7d'): QueryOutput<'hashrate.history'> {
    const steps = { '1h': MINUTE, '24h': 5 * MINUTE, '7d': HOUR } as const;
    const lengths = { '1h': HOUR, '24h': DAY, '7d': 7 * DAY } as const;
    const stepMs = steps[range];
    const now = Math.floor(Date.now() / stepMs) * stepMs;
    const total = this.#values.totals.hashrate.d1 || 0;
    const random = generator(7);
    const amount = lengths[range] / stepMs;
    let drift = 0;
    const points: [number, number | null][] = [];
    for (let index = 0; index <= amount; index++) {
      const at = now - (amount - index) * stepMs;
      const part = index / amount;
      drift += (random() - 0.5) * 0.03 - drift * 0.08;
      let value: number | null = total * (1 + drift + (random() - 0.5) * 0.05);
      if (total === 0) value = 0;
      else if (range === '24h' && part > 0.28 && part < 0.33) value = null;
      else if (range === '24h' && part > 0.62 && part < 0.66) value *= 0.35;
      else if (range === '7d' && part < 0.12) value = null;
      points.push([at, value]);
    }
    return { stepMs, points };
  }
}

const LOG = [
  'Bitcoin Core version v31.1.0 (release build)',
  'Using the x86_shani(1way;2way) SHA256 implementation',
  'Default data directory /home/ada/.bitcoin',
  'Using data directory /home/ada/.local/share/adit/main/node',
  'Cache configuration: max cache setting possible 1024.0 MiB',
  'Loading block index db: last block file = 5102',
  'Opened LevelDB successfully',
  'init message: Verifying blocks…',
  'Verification: No coin database inconsistencies in last 6 blocks',
  'init message: Starting network threads…',
  'New block-relay-only v2 peer connected: version: 70016, blocks=924116',
  'UpdateTip: new best=000000000000000000017f3a height=924117 tx=1288400211 progress=1.000000',
  'UpdateTip: new best=00000000000000000000a11c height=924118 tx=1288403425 progress=1.000000',
];

const HEAD: Readonly<Record<Network, string>> = {
  main: 'bc1',
  testnet4: 'tb1',
  signet: 'tb1',
  regtest: 'bcrt1',
};

/** Good enough to show every state of a form; the real check is the engine's. */
function checkAddress(network: Network, text: string): QueryOutput<'address.check'> {
  const other = (Object.keys(HEAD) as Network[]).find(
    (each) => HEAD[each] !== HEAD[network] && text.startsWith(HEAD[each]),
  );
  if (other) {
    return {
      ok: false,
      code: 'wrong-network',
      message: `This address belongs to ${other === 'main' ? 'the main network' : other}, but Adit is set to ${network}.`,
    };
  }
  if (/^[13]/.test(text) && network === 'main' && text.length > 25) {
    return {
      ok: true,
      address: text,
      type: text.startsWith('1') ? 'p2pkh' : 'p2sh',
      script: `76a914${'0'.repeat(40)}88ac`,
      warning: 'This is an older address type. It works; spending from it costs more in fees.',
    };
  }
  if (!text.startsWith(HEAD[network]))
    return {
      ok: false,
      code: 'not-an-address',
      message: `This is no Bitcoin address. One for this network begins with ${HEAD[network]}.`,
    };
  if (!/^[a-z0-9]+$/.test(text) || text.length < 42 || text.endsWith('xxx')) {
    return {
      ok: false,
      code: 'checksum',
      message: 'The check sum does not fit: a letter is wrong or missing. Copy the address again.',
    };
  }
  const taproot = text.startsWith(`${HEAD[network]}p`);
  return {
    ok: true,
    address: text,
    type: taproot ? 'p2tr' : 'p2wpkh',
    script: taproot ? `5120${'ab'.repeat(32)}` : `0014${'cd'.repeat(20)}`,
    warning: null,
  };
}

function checkPayouts(
  network: Network,
  payouts: Settings['payouts']['main'],
): { message: string; index: number | null } | undefined {
  for (const [index, entry] of payouts.entries()) {
    const result = checkAddress(network, entry.address);
    if (!result.ok) return { message: result.message, index };
  }
  const sum = payouts.reduce((total, entry) => total + entry.basisPoints, 0);
  if (payouts.length > 0 && sum !== 10_000)
    return { message: 'The parts must add up to 100 %.', index: null };
  return undefined;
}
