import { ApiError } from './core/api/define.ts';
import { createApiClient } from './core/api/client.ts';
import { createApiHub, type ApiHub } from './core/api/hub.ts';
import type { ApiClient, ApiServer } from './core/api/schema.ts';
import type { Settings, SettingsPatch } from './core/api/settings.ts';
import type { Network } from './core/bitcoin/network.ts';
import { checkAddress } from './core/bitcoin/address.ts';
import { installSha256 } from './core/bitcoin/hash.ts';
import { resolvePayouts } from './core/mining/payout.ts';
import { fastSha256 } from './engine/fast-sha256.ts';
import { lockFolder } from './engine/lock.ts';
import { Site, type SimulatedMachine } from './engine/site.ts';
import type { Log } from './services/log/index.ts';
import { openSettings } from './services/settings/index.ts';
import { memoryChannel } from './transport/memory.ts';
import { nodeSchedule } from './transport/schedule.ts';

export interface EngineOptions {
  readonly version: string;
  /** Settings, history, found blocks and, unless the user chose another place, the node's chain. */
  readonly dataDir: string;
  /** Folder of the node release that came with the app. */
  readonly bundledDir?: string | undefined;
  /** A private regtest chain, a CPU miner and made-up transactions. */
  readonly practice: boolean;
  /** What the command line says instead of the settings; the page can't change these. */
  readonly overrides?: {
    readonly network?: Network | undefined;
    readonly exposure?: 'loopback' | 'lan' | undefined;
    readonly sv1Port?: number | undefined;
    readonly sv2Port?: number | undefined;
    readonly payout?: string | undefined;
    readonly nodeBinary?: string | undefined;
    readonly threads?: number | undefined;
  };
  /** Simulated machines of practice, beside the CPU miner. */
  readonly simulate?: readonly SimulatedMachine[];
  readonly log: Log;
}

export interface Engine {
  readonly api: ApiServer;
  /** A client in the same process. */
  client(): ApiClient;
  start(): Promise<void>;
  /** Resolves when everything has ended, the node included. */
  stop(): Promise<void>;
}

/** Changes that need a new node, and so a new site. */
const needsNewSite = (a: Settings, b: Settings): boolean =>
  a.network !== b.network || JSON.stringify(a.node) !== JSON.stringify(b.node);
const needsNewGateway = (a: Settings, b: Settings): boolean =>
  JSON.stringify(a.gateway) !== JSON.stringify(b.gateway);
const needsNewJob = (a: Settings, b: Settings): boolean =>
  a.tag !== b.tag || JSON.stringify(a.payouts[a.network]) !== JSON.stringify(b.payouts[b.network]);

/**
 * Wires the services into one engine. Throws `LockedError` when another Adit works on the same folder, `ApiError` when an
 * override is wrong.
 */
export async function createEngine(options: EngineOptions): Promise<Engine> {
  const { log, practice } = options;
  const overrides = options.overrides ?? {};
  const startedAt = Date.now();
  // Checks shares and builds merkle paths faster than the pure one; it is proven before it is taken.
  installSha256(fastSha256);
  const unlock = lockFolder(options.dataDir);
  const settings = openSettings(options.dataDir, Date.now);
  const network = practice ? 'regtest' : overrides.network;

  /** The settings with what the command line says in their place. */
  const effective = (own: Settings = settings.get()): Settings => ({
    ...own,
    network: network ?? own.network,
    payouts:
      overrides.payout === undefined
        ? own.payouts
        : { ...own.payouts, [network ?? own.network]: [{ address: overrides.payout, basisPoints: 10_000 }] },
    node: { ...own.node, binary: overrides.nodeBinary ?? own.node.binary },
    gateway: { ...own.gateway, exposure: overrides.exposure ?? own.gateway.exposure },
    practice: { threads: overrides.threads ?? own.practice.threads },
  });
  const sv1Port = (): number => overrides.sv1Port ?? settings.get().gateway.sv1Port;
  const sv2Port = (): number => overrides.sv2Port ?? settings.get().gateway.sv2Port;

  /** A change to what the command line fixes would be saved and then not heeded: say so instead. */
  function refuseFixed(patch: SettingsPatch): void {
    const now = effective();
    const fixed: [unknown, string, string][] = [
      [
        network !== undefined && patch.network !== undefined && patch.network !== now.network,
        'network',
        practice ? '--practice' : '--network',
      ],
      [overrides.payout !== undefined && patch.payouts?.[now.network] !== undefined, 'payouts', '--payout'],
      [
        overrides.nodeBinary !== undefined &&
          patch.node?.binary !== undefined &&
          patch.node.binary !== now.node.binary,
        'node.binary',
        '--node',
      ],
      [
        overrides.exposure !== undefined &&
          patch.gateway?.exposure !== undefined &&
          patch.gateway.exposure !== now.gateway.exposure,
        'gateway.exposure',
        '--miners',
      ],
      [
        overrides.sv1Port !== undefined &&
          patch.gateway?.sv1Port !== undefined &&
          patch.gateway.sv1Port !== settings.get().gateway.sv1Port,
        'gateway.sv1Port',
        '--sv1-port',
      ],
      [
        overrides.sv2Port !== undefined &&
          patch.gateway?.sv2Port !== undefined &&
          patch.gateway.sv2Port !== settings.get().gateway.sv2Port,
        'gateway.sv2Port',
        '--sv2-port',
      ],
    ];
    const found = fixed.find(([is]) => is === true);
    if (found !== undefined) {
      throw new ApiError(
        'settings.fixed',
        `Adit was started with ${found[2]}, which fixes this setting. Start it without to change it here.`,
        found[1],
      );
    }
  }

  let site: Site;
  /** Changes of the site happen one after the other. */
  let queue: Promise<void> = Promise.resolve();
  let stopped = false;

  const hub: ApiHub = createApiHub({
    schedule: nodeSchedule,
    onError: (where, error) =>
      log.error('a fault in the API', {
        where,
        reason: error instanceof Error ? (error.stack ?? error.message) : String(error),
      }),
    initial: initialTopics(effective(), options.version, practice, startedAt),
    handlers: {
      commands: {
        'settings.update': (patch) => {
          refuseFixed(patch);
          const before = effective();
          settings.update(patch, (next) => {
            Site.checkPayouts(next);
            if (patch.gateway !== undefined) Site.checkPorts(next, patch.gateway.sv2Port !== undefined);
          });
          const after = effective();
          hub.value('settings', after);
          apply(before, after);
          return after;
        },
        'node.start': () => {
          void site.node.start();
          return {};
        },
        'node.stop': () => {
          void site.node.stop();
          return {};
        },
        'node.restart': () => {
          void site.node.restart();
          return {};
        },
        'node.forceStop': () => ({ done: site.node.forceKill() }),
        'node.reindex': () => {
          void site.node.reindex();
          return {};
        },
        'block.acknowledge': ({ hash }) => {
          site.acknowledge(hash);
          return {};
        },
        'block.resubmit': ({ hash }) => site.resubmit(hash),
        'miner.forget': ({ id }) => {
          site.forget(id);
          return {};
        },
        'practice.threads': ({ threads }) => {
          site.setThreads(threads);
          return {};
        },
      },
      queries: {
        'address.check': ({ network: chain, text }) => checkAddress(text, chain),
        'payout.check': ({ network: chain, payouts }) => {
          const checked = resolvePayouts(payouts, chain);
          return checked.ok ? { ok: true } : checked;
        },
        'hashrate.history': ({ range, minerId }) => site.history(range, minerId),
        'miners.sparklines': () => site.sparklines(),
        'template.transactions': ({ templateId }) => site.transactions(templateId),
        'node.log': () => ({ lines: [...site.node.log()] }),
        'events.page': ({ before, limit }) => ({ events: [...site.events(before, limit)] }),
        'block.raw': ({ hash }) => site.rawBlock(hash),
      },
    },
  });

  const makeSite = (): Site =>
    new Site({
      version: options.version,
      dataDir: options.dataDir,
      bundledDir: options.bundledDir,
      practice,
      settings: effective,
      sv1Port,
      sv2Port,
      log,
      hub,
      startedAt,
      simulate: options.simulate ?? [],
    });

  function later(what: string, work: () => Promise<void>): void {
    queue = queue.then(work).catch((error: unknown) => {
      log.error('a change of settings could not be carried out', {
        what,
        reason: error instanceof Error ? error.message : String(error),
      });
    });
  }

  /** Carries out what a change of settings asks for; payouts at once, the rest in line. */
  function apply(before: Settings, after: Settings): void {
    if (needsNewSite(before, after)) {
      later('site', async () => {
        await site.stop();
        if (stopped) return;
        hub.value('job', null);
        site = makeSite();
        await site.start();
      });
      return;
    }
    if (needsNewJob(before, after)) site.rebuild();
    if (needsNewGateway(before, after)) later('gateway', () => site.reopenGateway());
  }

  try {
    Site.checkPayouts(effective());
    site = makeSite();
  } catch (error) {
    unlock();
    throw error;
  }

  return {
    api: hub,
    client: () => createApiClient(memoryChannel(hub, nodeSchedule), { schedule: nodeSchedule }),
    async start() {
      await site.start();
      if (settings.notice !== undefined) site.event('bad', 'settings.damaged', settings.notice);
    },
    async stop() {
      if (stopped) return;
      stopped = true;
      await queue;
      await site.stop();
      hub.close();
      unlock();
    },
  };
}

/** What the topics hold until the services have spoken. */
function initialTopics(
  settings: Settings,
  version: string,
  practice: boolean,
  startedAt: number,
): Parameters<typeof createApiHub>[0]['initial'] {
  const none = { accepted: 0, stale: 0, duplicate: 0, lowDifficulty: 0, invalid: 0 };
  return {
    settings,
    state: {
      headline: 'nodeStarting',
      version,
      network: settings.network,
      practice,
      upstream: 'solo',
      problem: null,
      payout: null,
      startedAt,
      block: null,
    },
    node: {
      phase: 'stopped',
      since: startedAt,
      activity: null,
      retryAt: null,
      forceFrom: null,
      pid: null,
      network: settings.network,
      dataDir: '',
      flavour: '',
      version: '',
      origin: '',
      source: 'rpc',
      stage: 'starting',
      progress: 0,
      secondsLeft: null,
      blocks: 0,
      headers: 0,
      bestHash: '',
      tipAt: null,
      difficulty: 0,
      peers: { inbound: 0, outbound: 0, onion: 0 },
      mempool: { transactions: 0, bytes: 0 },
      diskBytes: 0,
      pruned: settings.node.pruneMiB > 0,
      warnings: [],
      problem: null,
    },
    job: null,
    totals: {
      hashrate: { m1: 0, m10: 0, h1: 0, d1: 0 },
      miners: { active: 0, quiet: 0, offline: 0 },
      session: none,
      day: none,
      ever: { accepted: 0, work: 0 },
      bestSession: null,
      bestEver: null,
      networkDifficulty: 0,
      odds: { nextBlock: 0, year: 0, expectedSeconds: null },
      tipToMinersMs: null,
      blocksFound: 0,
    },
    connection: { exposure: settings.gateway.exposure, endpoints: [], problem: null },
  };
}
