import { randomBytes } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { ApiError } from '../core/api/define.ts';
import type { ApiHub } from '../core/api/hub.ts';
import type { EventRow, MinerRow, NodeView, Problem, QueryOutput } from '../core/api/schema.ts';
import type { Settings } from '../core/api/settings.ts';
import { addressOfScript } from '../core/bitcoin/address.ts';
import { bytesToHex } from '../core/bitcoin/bytes.ts';
import { difficultyOfTarget } from '../core/bitcoin/target.ts';
import { verifyJob } from '../core/mining/job.ts';
import { oddsOf } from '../core/mining/odds.ts';
import { resolvePayouts } from '../core/mining/payout.ts';
import type { Job, Payout } from '../core/mining/types.ts';
import {
  createGateway,
  createSv2Gateway,
  joinMinerViews,
  newPrefixes,
  type Gateway,
  type MinerView,
} from '../services/gateway/index.ts';
import { Ledger, type Range } from '../services/ledger/index.ts';
import type { Log } from '../services/log/index.ts';
import {
  createNodeService,
  findNodeBinary,
  type NodeSnapshot,
  type OwnedNodeService,
} from '../services/node/index.ts';
import {
  PRACTICE_SCRIPT,
  createCpuMiner,
  createSimulatedMiner,
  createTraffic,
  practiceTarget,
  type ModelName,
  type PracticeMiner,
  type SimulatedMiner,
  type Traffic,
} from '../services/practice/index.ts';
import { openStore, type Store, type StoredBlock } from '../services/store/index.ts';
import { openAuthority, type Authority } from '../services/sv2-transport/index.ts';
import { createRpcTemplateSource, type TemplateSource } from '../services/templates/index.ts';
import {
  createBlockKeeper,
  createChainLookup,
  createSoloUpstream,
  type BlockKeeper,
  type KeptBlock,
  type SoloUpstream,
} from '../services/upstream/index.ts';
import { headlineOf } from './headline.ts';
import { connectionView, jobView, nodeView } from './views.ts';

export interface SiteOptions {
  readonly version: string;
  readonly dataDir: string;
  /** Folder of the node release that came with the app. */
  readonly bundledDir: string | undefined;
  readonly practice: boolean;
  /** Settings with what the command line overrides. Read anew whenever they are needed. */
  readonly settings: () => Settings;
  /** 0 for a free port, in practice or when asked on the command line. */
  readonly sv1Port: () => number;
  readonly sv2Port: () => number;
  readonly log: Log;
  readonly hub: ApiHub;
  readonly startedAt: number;
  /** Simulated machines of practice. */
  readonly simulate: readonly SimulatedMachine[];
}

export interface SimulatedMachine {
  readonly model: ModelName;
  /** H/s; undefined: what such a machine usually does. */
  readonly hashrate: number | undefined;
}

const TICK_MS = 1_000;
const FLUSH_MS = 1_000;
const PRUNE_MS = 3_600_000;
/** Shares a minute asked of each machine in practice: enough to watch. */
const PRACTICE_SHARES = 40;
/** Where a practice machine starts: some 60 million hashes a share, about a second of one core. */
const PRACTICE_DIFFICULTY = 2 ** -6;
const PRACTICE_WORKER = 'practice';
/** Bytes of extranonce in the coinbase: 4 of the connection, 8 the machine rolls. */
const EXTRANONCE_SIZE = 12;

const clock = { now: () => Date.now() };

/** This computer's addresses on private networks: what to type into a miner. */
function lanAddresses(): string[] {
  const found: string[] = [];
  for (const addresses of Object.values(networkInterfaces())) {
    for (const address of addresses ?? []) {
      if (!address.internal && address.family === 'IPv4' && !address.address.startsWith('169.254.'))
        found.push(address.address);
    }
  }
  return found;
}

const SUFFIXES = ['', 'k', 'M', 'G', 'T', 'P', 'E'];
/** A difficulty in words for an event: 41.8 G. */
function formatDifficulty(difficulty: number): string {
  const step = Math.min(SUFFIXES.length - 1, Math.max(0, Math.floor(Math.log10(difficulty) / 3)));
  const value = difficulty / 1000 ** step;
  return `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ${SUFFIXES[step] ?? ''}`.trim();
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Everything that belongs to one network: node, templates, jobs, miners, books. A change of network makes a new one. */
export class Site {
  readonly #options: SiteOptions;
  readonly #network: Settings['network'];
  readonly #store: Store;
  readonly #node: OwnedNodeService;
  readonly #source: TemplateSource;
  readonly #keeper: BlockKeeper;
  readonly #upstream: SoloUpstream;
  readonly #ledger: Ledger;
  readonly #traffic: Traffic | undefined;
  #gateway: Gateway | undefined;
  #sv2Gateway: Gateway | undefined;
  #authority: Authority | undefined;
  #gatewayProblem: string | null = null;
  #cpu: PracticeMiner | undefined;
  #simulated: SimulatedMiner[] = [];
  #threads: number;
  #payouts: readonly Payout[] | undefined;
  #payoutProblem: string | undefined;
  #jobProblem: { readonly message: string; readonly advice: string } | undefined;
  #timers: NodeJS.Timeout[] = [];
  #phase: 'new' | 'running' | 'stopping' = 'new';
  #rows: readonly MinerRow[] = [];
  #tipAt = 0;
  #lastTip = '';
  readonly #blocks: Map<string, StoredBlock>;
  #foundThisRun = 0;
  /** In practice only the first block of a run is celebrated: another comes every few seconds. */
  #firstPractice: string | undefined;
  #trafficBegun = false;
  #lastNode = '';
  #activity: NodeView['activity'] = null;
  #storeFailing = false;

  constructor(options: SiteOptions) {
    this.#options = options;
    const settings = options.settings();
    const { network } = settings;
    const { log, practice } = options;
    this.#network = network;
    this.#threads = settings.practice.threads;
    this.#store = openStore(options.dataDir, network, Date.now());
    this.#blocks = new Map(this.#store.blocks().map((block) => [block.hash, block]));
    this.#node = createNodeService({
      network,
      dataDir: options.dataDir,
      settings: settings.node,
      binary: (signal) =>
        findNodeBinary({
          network,
          named: settings.node.binary,
          bundled: options.bundledDir,
          download: true,
          debian: practice,
          signal,
          progress: (text, done, total) => {
            this.#activity = {
              text,
              progress: done !== undefined && total ? Math.min(1, done / total) : null,
            };
            this.#publishNode(this.#node.snapshot());
          },
        }),
      log,
      ...(practice ? { rpcPort: 0 } : {}),
    });
    this.#source = createRpcTemplateSource({
      rpc: this.#node.rpc,
      network,
      clock,
      log,
      ...(practice ? { refreshMs: 3_000 } : {}),
    });
    this.#keeper = createBlockKeeper({
      folder: join(options.dataDir, 'blocks', network),
      network,
      submit: (block) => this.#source.submit(block),
      lookup: createChainLookup(this.#node.rpc),
      clock,
      log,
    });
    this.#upstream = createSoloUpstream({
      source: this.#source,
      payouts: () => this.#payouts,
      tag: () => options.settings().tag,
      network,
      clock,
      log,
      keeper: this.#keeper,
      extranonceSize: EXTRANONCE_SIZE,
      onProblem: (problem) => {
        this.#jobProblem = problem;
        if (problem !== undefined)
          this.event('bad', `job.${problem.code}`, `${problem.message} ${problem.advice}`);
        this.#publishState();
      },
      ...(practice
        ? {
            practiceTarget: () =>
              practiceTarget({ hashrate: () => this.#cpu?.stats().hashrate ?? 0 }, this.#foundThisRun),
          }
        : {}),
    });
    this.#ledger = new Ledger({
      store: this.#store,
      now: Date.now,
      isPractice: (worker) => practice && worker.startsWith(PRACTICE_WORKER),
      onBest: (best, previous) => {
        // The first shares of a new installation are all "best ever"; only a real step is news.
        if (previous !== undefined && best.difficulty >= 1 && best.difficulty > previous.difficulty * 1.5) {
          this.event(
            'good',
            'share.best',
            `New best share: difficulty ${formatDifficulty(best.difficulty)} by ${best.worker}.`,
          );
        }
      },
    });
    if (practice) {
      const address = addressOfScript(PRACTICE_SCRIPT, 'regtest');
      if (address === undefined) throw new Error('practice: the practice script has no address');
      this.#traffic = createTraffic({ rpc: this.#node.rpc, address, log, random: Math.random });
    }
    this.#resolvePayouts();
  }

  /** Starts everything; resolves when miners can connect. The node goes on starting by itself. */
  async start(): Promise<void> {
    const { hub } = this.#options;
    this.#phase = 'running';
    hub
      .map('blocks')
      .replace([...this.#blocks].map(([hash, block]) => [hash, { ...block, confirmations: 0 }]));
    hub.append('events', ...this.#store.events(undefined, 100));
    if (this.#store.setAside !== undefined) this.event('bad', 'store.setAside', this.#store.setAside);
    this.#node.subscribe((snapshot) => this.#onNode(snapshot));
    // Machines first: what the page shows of a job is worked out when it is on its way to them.
    this.#upstream.onJob((job) => setImmediate(() => this.#onJob(job)));
    this.#keeper.onChange((block) => this.#onBlock(block));
    this.#keeper.onProblem((problem) => {
      if (problem !== undefined)
        this.event('bad', `block.${problem.code}`, `${problem.message} ${problem.advice}`);
    });
    await this.#keeper.start();
    this.#upstream.start();
    this.#source.start();
    await this.#openGateway();
    void this.#node.start();
    this.#timers = [
      setInterval(() => this.#tick(), TICK_MS),
      setInterval(() => this.#flush(), FLUSH_MS),
      setInterval(() => this.#guard('prune', () => this.#store.prune(Date.now())), PRUNE_MS),
    ];
    this.#tick();
  }

  /** Machines first, so that none works for nothing; the node last, and as long as it needs. */
  async stop(): Promise<void> {
    if (this.#phase === 'stopping') return;
    this.#phase = 'stopping';
    this.#publishState();
    for (const timer of this.#timers) clearInterval(timer);
    await this.#stopPractice();
    await this.#traffic?.stop();
    await this.#stopGateways();
    await this.#upstream.stop();
    await this.#source.stop();
    await this.#keeper.stop();
    await this.#node.stop();
    this.#flush();
    this.#store.close();
  }

  /** Adds a line to the event log. */
  event(level: EventRow['level'], code: string, message: string): void {
    this.#options.log[level === 'bad' ? 'error' : level === 'warn' ? 'warn' : 'info'](message, { code });
    const at = Date.now();
    this.#guard('event', () =>
      this.#options.hub.append('events', this.#store.addEvent({ at, level, code, message })),
    );
  }

  /** The payouts of the settings, checked; throws `ApiError` with the entry at fault. */
  static checkPayouts(settings: Settings): void {
    for (const network of Object.keys(settings.payouts) as (keyof Settings['payouts'])[]) {
      const entries = settings.payouts[network];
      if (entries.length === 0) continue;
      const checked = resolvePayouts(entries, network);
      if (!checked.ok) {
        throw new ApiError(
          checked.code,
          checked.message,
          checked.index === null ? `payouts.${network}` : `payouts.${network}.${checked.index}`,
        );
      }
    }
  }

  /** Both protocols on one port can't be; throws `ApiError` with the port that was changed. */
  static checkPorts({ gateway }: Settings, changedV2: boolean): void {
    if (gateway.sv1Port !== gateway.sv2Port) return;
    throw new ApiError(
      'settings.invalid',
      `Port ${gateway.sv1Port} is set for the other protocol already. Choose different ports for Stratum V1 and V2.`,
      changedV2 ? 'gateway.sv2Port' : 'gateway.sv1Port',
    );
  }

  /** Payouts or tag changed: every machine gets a job for the new ones at once. */
  rebuild(): void {
    this.#resolvePayouts();
    this.#upstream.rebuild();
    if (this.#payouts === undefined) this.#options.hub.value('job', null);
    this.#publishState();
  }

  #resolvePayouts(): void {
    const { practice } = this.#options;
    const entries = this.#options.settings().payouts[this.#network];
    this.#payoutProblem = undefined;
    if (entries.length === 0) {
      const address = addressOfScript(PRACTICE_SCRIPT, 'regtest');
      this.#payouts =
        practice && address !== undefined
          ? [{ address, script: PRACTICE_SCRIPT, basisPoints: 10_000 }]
          : undefined;
      return;
    }
    const checked = resolvePayouts(entries, this.#network);
    this.#payouts = checked.ok ? checked.payouts : undefined;
    if (!checked.ok) this.#payoutProblem = checked.message;
  }

  /** Listeners for miners, as the settings want them now. The old ones are closed first. */
  async reopenGateway(): Promise<void> {
    await this.#stopPractice();
    await this.#stopGateways();
    await this.#openGateway();
  }

  async #stopGateways(): Promise<void> {
    await Promise.all([this.#gateway?.stop(), this.#sv2Gateway?.stop()]);
  }

  /** Machines of both listeners; one that moved from one to the other is there once. */
  #minerViews(): readonly MinerView[] {
    return joinMinerViews(this.#gateway?.miners() ?? [], this.#sv2Gateway?.miners() ?? []);
  }

  async #openGateway(): Promise<void> {
    const { practice, log } = this.#options;
    const settings = this.#options.settings();
    const lan = settings.gateway.exposure === 'lan';
    const random = (bytes: number): Uint8Array => new Uint8Array(randomBytes(bytes));
    const common = {
      prefixes: newPrefixes(random),
      upstream: this.#upstream,
      host: lan ? '0.0.0.0' : '127.0.0.1',
      startDifficulty: practice ? PRACTICE_DIFFICULTY : settings.gateway.startDifficulty,
      sharesPerMinute: practice ? PRACTICE_SHARES : settings.gateway.sharesPerMinute,
      limits: { maxConnections: settings.gateway.maxConnections },
      clock,
      random,
      log,
    };
    const gateway = createGateway({
      ...common,
      port: this.#options.sv1Port(),
      serverName: `Adit/${this.#options.version}`,
    });
    this.#gateway = gateway;
    const problems = [await this.#startGateway(gateway)];
    this.#sv2Gateway = undefined;
    try {
      const authority = this.#openAuthority();
      this.#sv2Gateway = createSv2Gateway({
        ...common,
        port: this.#options.sv2Port(),
        identity: () => authority.identity(),
      });
      problems.push(await this.#startGateway(this.#sv2Gateway));
    } catch (error) {
      // Stratum V1 goes on without it.
      problems.push(this.#gatewayNotOpen(error));
    }
    const found = problems.filter((problem) => problem !== undefined);
    this.#gatewayProblem = found.length === 0 ? null : found.join(' ');
    this.#options.hub.value(
      'connection',
      connectionView(
        {
          sv1: gateway.addresses(),
          sv2: this.#sv2Gateway?.addresses() ?? [],
          authorityKey: this.#authority?.text,
        },
        settings.gateway.exposure,
        lanAddresses(),
        this.#gatewayProblem,
      ),
    );
    const port = gateway.addresses()[0]?.port;
    if (practice && port !== undefined) this.#startPractice(port);
  }

  /** Gives why it could not be opened. */
  async #startGateway(gateway: Gateway): Promise<string | undefined> {
    gateway.onShare((share) => this.#ledger.record(share));
    gateway.onMiners(() => this.#publishMiners());
    gateway.onNotice((notice) =>
      this.event('warn', `gateway.${notice.code}`, `${notice.remote}: ${notice.detail}`),
    );
    try {
      await gateway.start();
      return undefined;
    } catch (error) {
      return this.#gatewayNotOpen(error);
    }
  }

  #gatewayNotOpen(error: unknown): string {
    const problem = reasonOf(error);
    this.event('bad', 'gateway.notOpen', problem);
    return problem;
  }

  /** The key by which Stratum V2 miners know this Adit. Throws `AuthorityError`. */
  #openAuthority(): Authority {
    if (this.#authority === undefined) {
      this.#authority = openAuthority({
        folder: this.#options.dataDir,
        now: Date.now,
        random: (bytes) => new Uint8Array(randomBytes(bytes)),
      });
      if (this.#authority.notice !== undefined)
        this.event('bad', 'gateway.newAuthorityKey', this.#authority.notice);
    }
    return this.#authority;
  }

  /** The CPU miner and the simulated machines, which come in over TCP like any other. */
  #startPractice(port: number): void {
    const { log } = this.#options;
    const network = this.#network;
    this.#cpu = createCpuMiner({ network, worker: `${PRACTICE_WORKER}.cpu`, threads: this.#threads, log });
    this.#simulated = this.#options.simulate.map(({ model, hashrate }, index) =>
      createSimulatedMiner({
        network,
        model,
        worker: `${PRACTICE_WORKER}.${model}${index + 1}`,
        log,
        ...(hashrate === undefined ? {} : { hashrate }),
      }),
    );
    for (const miner of [this.#cpu, ...this.#simulated]) miner.start({ host: '127.0.0.1', port });
  }

  async #stopPractice(): Promise<void> {
    await Promise.all([this.#cpu?.stop(), ...this.#simulated.map((miner) => miner.stop())]);
  }

  /** Changes how many threads the practice miner uses. */
  setThreads(threads: number): void {
    if (this.#cpu === undefined)
      throw new ApiError('practice.off', 'The CPU miner runs only in practice. Start Adit with --practice.');
    this.#threads = threads;
    this.#cpu.setThreads(threads);
  }

  get node(): OwnedNodeService {
    return this.#node;
  }

  #publishNode(snapshot: NodeSnapshot): void {
    if (snapshot.child.kind !== 'starting') this.#activity = null;
    this.#options.hub.value('node', nodeView(snapshot, this.#source.kind, this.#activity));
  }

  #onNode(snapshot: NodeSnapshot): void {
    this.#publishNode(snapshot);
    const { child, problem } = snapshot;
    const now = `${child.kind} ${problem?.code ?? ''}`;
    if (now !== this.#lastNode) {
      this.#lastNode = now;
      if (child.kind === 'ready')
        this.event(
          'good',
          'node.ready',
          `The node answers (${snapshot.binary?.version ?? 'version unknown'}).`,
        );
      if (child.kind === 'backoff')
        this.event(
          'warn',
          'node.crashed',
          `The node ended by itself and is started again. ${problem?.message ?? ''}`.trim(),
        );
      if (child.kind === 'failed')
        this.event(
          'bad',
          'node.failed',
          `The node can't run. ${problem?.message ?? ''} ${problem?.advice ?? child.advice}`.trim(),
        );
    }
    if (child.kind === 'ready' && this.#traffic !== undefined && !this.#trafficBegun) {
      this.#trafficBegun = true;
      this.#traffic
        .start()
        .catch((error: unknown) =>
          this.event('warn', 'practice.traffic', `No practice transactions: ${reasonOf(error)}`),
        );
    }
    this.#publishState();
  }

  #onJob(job: Job): void {
    // Another one came meanwhile; that one is shown.
    if (this.#upstream.current() !== job) return;
    const tip = bytesToHex(job.previousHash);
    if (tip !== this.#lastTip) {
      this.#lastTip = tip;
      this.#tipAt = job.createdAt;
    }
    // Read back from the job miners really hold, against what the settings say now.
    const verified = this.#payouts !== undefined && verifyJob(job, this.#payouts).ok;
    this.#options.hub.value(
      'job',
      jobView(job, {
        templateAt: this.#source.current()?.receivedAt ?? job.createdAt,
        tipAt: this.#tipAt,
        payouts: this.#payouts ?? [],
        verified,
      }),
    );
    this.#publishState();
  }

  #onBlock(block: KeptBlock): void {
    const known = this.#blocks.get(block.hash);
    if (known === undefined) {
      this.#foundThisRun += 1;
      this.#firstPractice ??= block.hash;
      this.event('good', 'block.found', `Block ${block.height} found by ${block.worker}: ${block.hash}`);
    } else if (known.status !== block.status) {
      const words = {
        sending: 'is on its way',
        waiting: 'waits for the node',
        onChain: 'is on the chain',
        stale: 'lost to another block',
        rejected: 'was refused',
      };
      const level = block.status === 'onChain' ? 'good' : block.status === 'rejected' ? 'bad' : 'warn';
      this.event(
        level,
        `block.${block.status}`,
        `Block ${block.height} ${words[block.status]}${block.reason === null ? '.' : `: ${block.reason}`}`,
      );
    }
    const { confirmations, final: _final, ...facts } = block;
    const stored: StoredBlock = { ...facts, acknowledged: known?.acknowledged ?? false };
    this.#blocks.set(block.hash, stored);
    this.#guard('block', () => this.#store.putBlock(stored));
    this.#options.hub.map('blocks').set(block.hash, { ...stored, confirmations });
    this.#publishState();
  }

  /** The user has seen the block. */
  acknowledge(hash: string): void {
    const known = this.#blocks.get(hash);
    if (known === undefined) throw new ApiError('block.unknown', 'No such block is known here.');
    const seen = { ...known, acknowledged: true };
    this.#blocks.set(hash, seen);
    this.#store.putBlock(seen);
    this.#options.hub.map('blocks').set(hash, { ...seen, confirmations: this.#confirmations(hash) });
    this.#publishState();
  }

  #confirmations(hash: string): number {
    return this.#keeper.blocks().find((block) => block.hash === hash)?.confirmations ?? 0;
  }

  async resubmit(hash: string): Promise<{ status: string; reason: string | null }> {
    const block = await this.#keeper.resubmit(hash);
    if (block === undefined)
      throw new ApiError('block.unknown', 'No such block is kept here, so it can not be sent again.');
    return { status: block.status, reason: block.reason };
  }

  async rawBlock(hash: string): Promise<QueryOutput<'block.raw'>> {
    const bytes = await this.#keeper.raw(hash);
    return bytes === undefined ? null : { hex: bytesToHex(bytes) };
  }

  history(range: Range, minerId: string | null): QueryOutput<'hashrate.history'> {
    return this.#ledger.history(range, minerId ?? undefined);
  }

  sparklines(): QueryOutput<'miners.sparklines'> {
    return this.#ledger.sparklines();
  }

  async transactions(templateId: string): Promise<QueryOutput<'template.transactions'>> {
    const transactions = await this.#source.transactions(templateId);
    if (transactions === undefined) return null;
    return { transactions: transactions.map(({ weight, fee }) => [Math.ceil(weight / 4), fee]) };
  }

  events(before: number | null, limit: number): readonly EventRow[] {
    return this.#store.events(before ?? undefined, limit);
  }

  forget(id: string): void {
    if (this.#minerViews().some((miner) => miner.id === id)) {
      throw new ApiError(
        'miner.connected',
        'This machine is connected. Only machines that are gone can be forgotten.',
      );
    }
    if (!this.#ledger.forget(id)) throw new ApiError('miner.unknown', 'No such machine is known here.');
    this.#publishMiners();
  }

  #publishMiners(): void {
    this.#rows = this.#ledger.rows(this.#minerViews());
    this.#options.hub.map('miners').replace(this.#rows.map((row) => [row.id, row]));
  }

  /** The listeners are told of a job one after the other. */
  #fanOutMs(): number | null {
    const sv1 = this.#gateway?.lastFanOutMs();
    const sv2 = this.#sv2Gateway?.lastFanOutMs();
    return sv1 === undefined && sv2 === undefined ? null : (sv1 ?? 0) + (sv2 ?? 0);
  }

  #tick(): void {
    this.#publishMiners();
    const totals = this.#ledger.totals(this.#rows);
    const job = this.#upstream.current();
    const networkDifficulty =
      job === undefined ? (this.#node.snapshot().sync?.difficulty ?? 0) : difficultyOfTarget(job.target);
    const { hashrate } = totals;
    this.#options.hub.value('totals', {
      ...totals,
      networkDifficulty,
      odds: oddsOf(hashrate.h1 || hashrate.m10 || hashrate.m1, networkDifficulty),
      tipToMinersMs: this.#fanOutMs(),
      blocksFound: this.#keeper.blocks().filter((block) => block.status === 'onChain').length,
    });
    this.#publishState();
  }

  #flush(): void {
    this.#guard('flush', () => this.#ledger.flush());
  }

  /** History must never stop mining: a store that fails is told of once, and tried again. */
  #guard(what: string, work: () => void): void {
    try {
      work();
      if (what === 'flush') this.#storeFailing = false;
    } catch (error) {
      this.#options.log.error('the history could not be written', { what, reason: reasonOf(error) });
      if (!this.#storeFailing) {
        this.#storeFailing = true;
        this.#options.hub.append('events', {
          id: 0,
          at: Date.now(),
          level: 'bad',
          code: 'store.failing',
          message: `The history can't be written (${reasonOf(error)}). Mining goes on. Check the free space of the disk.`,
        });
      }
    }
  }

  #problem(): Problem | null {
    const { problem } = this.#node.snapshot();
    if (problem !== undefined) return { ...problem, action: 'node' };
    if (this.#payoutProblem !== undefined) {
      return {
        code: 'payout',
        message: this.#payoutProblem,
        advice: 'Put the payout addresses right in the settings.',
        action: 'payout',
      };
    }
    if (this.#gatewayProblem !== null) {
      return {
        code: 'gateway',
        message: this.#gatewayProblem,
        advice: 'Choose another port in the settings.',
        action: 'miners',
      };
    }
    if (this.#jobProblem !== undefined) return { code: 'job', ...this.#jobProblem, action: 'none' };
    const source = this.#source.state();
    if (source.kind === 'failed')
      return { code: 'templates', message: source.reason, advice: source.advice, action: 'node' };
    return null;
  }

  /** The newest block the user has not acknowledged yet. */
  #unseenBlock(): StoredBlock | undefined {
    const candidates = [...this.#blocks.values()].filter(
      (block) => !block.acknowledged && block.status !== 'rejected',
    );
    if (this.#options.practice) return candidates.find((block) => block.hash === this.#firstPractice);
    return candidates.at(-1);
  }

  #publishState(): void {
    const { hub, version, practice, startedAt } = this.#options;
    const waiting = this.#unseenBlock();
    const node = this.#node.snapshot();
    const first = this.#payouts?.[0];
    const problem = this.#problem();
    hub.value('state', {
      headline: headlineOf({
        stopping: this.#phase === 'stopping',
        blockToAcknowledge: !practice && waiting !== undefined,
        node,
        payoutSet: this.#payouts !== undefined,
        haveJob: this.#upstream.current() !== undefined,
        templatesCome: this.#source.state().kind === 'running',
        minersConnected: this.#minerViews().length,
      }),
      version,
      network: this.#network,
      practice,
      upstream: 'solo',
      problem,
      payout: first === undefined ? null : { address: first.address, count: this.#payouts?.length ?? 0 },
      startedAt,
      block: waiting === undefined ? null : { hash: waiting.hash, height: waiting.height },
    });
  }
}
