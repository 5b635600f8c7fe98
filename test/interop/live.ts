/** Programs of the reference implementation against our servers and our client, on loopback. */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sha256 } from '@noble/hashes/sha2.js';
import { createBase58check } from '@scure/base';
import { sha256d } from '../../src-main/core/bitcoin/hash.ts';
import { rootFromPath } from '../../src-main/core/bitcoin/merkle.ts';
import { meetsTarget } from '../../src-main/core/bitcoin/target.ts';
import { parseTransaction, serializeTransaction, txidOf } from '../../src-main/core/bitcoin/transaction.ts';
import { serializeHeader } from '../../src-main/core/bitcoin/block.ts';
import type { MiningClientChannel } from '../../src-main/core/stratum-v2/channels/client/session.ts';
import type { SubmitSolution } from '../../src-main/core/stratum-v2/messages/template-distribution.ts';
import { EXTENSION } from '../../src-main/core/stratum-v2/messages/extensions.ts';
import { authorityPublicKey, encodeAuthorityKey } from '../../src-main/core/stratum-v2/noise.ts';
import { createCpuMiner } from '../../src-main/services/practice/index.ts';
import { jobOf, template } from './support/chain.ts';
import { MiningClient } from './support/mining-client.ts';
import { MiningServer } from './support/mining-server.ts';
import { startGateway } from './support/gateway.ts';
import { mineRegtestBlock, type Mining } from './support/regtest.ts';
import type { Served } from './support/served.ts';
import type { Job } from '../../src-main/core/mining/types.ts';
import { Program, freePort, makeFolder } from './support/process.ts';
import { TemplateProvider } from './support/template-provider.ts';
import { until } from './support/wait.ts';

const SHARES = 40;
/** Shares the pool acknowledges at once. */
const BATCH = 5;

/** No share may be refused but those that crossed a new block on the way, and nothing else may be wrong. */
function onlyStale(server: Served): void {
  const others = Object.keys(server.rejected()).filter((reason) => reason !== 'stale');
  if (others.length + server.wrong().length > 0)
    throw new Error(`refused: ${JSON.stringify(server.rejected())}; ${server.wrong().join('; ')}`);
}

function summary(server: Served): string {
  const stale = server.rejected()['stale'] ?? 0;
  return `${server.accepted()} shares accepted, ${server.blocks()} of them blocks, ${stale} stale; workers ${server.workers().join(', ')}`;
}

/** Waits for what a server and the program that mines on it should come to. */
async function mined(server: Served, program: Program, what: string, ready: () => boolean): Promise<void> {
  await until(
    () => `${what}: ${summary(server)}\n${program.words}`,
    () => program.alive() && ready(),
    60_000,
  );
  onlyStale(server);
}

function startDevice(path: string, port: number, authority: string): Program {
  const address = ['--address-pool', `127.0.0.1:${port}`, '--pubkey-pool', authority];
  return new Program(path, [...address, '--id-user', 'adit.device', '--cores', '1']);
}

/** The reference's mining device (standard channel, header-only mining) on our gateway. */
export async function deviceOnGateway(path: string): Promise<string> {
  const first = jobOf(template(200));
  const server = await startGateway(first);
  const device = startDevice(path, server.port, server.authority);
  try {
    const shares = (job: Job): Promise<void> =>
      mined(server, device, `shares on job ${job.id}`, () => server.accepted(job) >= SHARES);
    await mined(server, device, 'a block', () => server.blocks() > 0);
    await shares(first);
    // More transactions on the same tip, then another tip.
    for (const next of [
      jobOf({ ...template(200, first.previousHash, 5), newTip: false }),
      jobOf(template(201)),
    ]) {
      server.newJob(next);
      await shares(next);
    }
    return summary(server);
  } finally {
    await device.stop();
    await server.stop();
  }
}

/** The same on the whole engine with a regtest node. */
export function deviceOnRegtest(path: string): Promise<string> {
  return mineRegtestBlock('adit.device', async ({ port, authority }) => {
    const program = startDevice(path, port, authority);
    return { program, stop: () => program.stop() };
  });
}

/** The same on bare sessions: a job that is sent ahead of its block hash. */
export async function deviceOnSessions(path: string): Promise<string> {
  const first = jobOf(template(210));
  const server = await MiningServer.start(first);
  const device = startDevice(path, server.port, server.authority);
  try {
    await mined(server, device, 'shares', () => server.accepted(first) >= SHARES);
    const future = jobOf(template(211));
    server.offerJob(future);
    server.newJob(future);
    await mined(server, device, 'shares on a job sent ahead', () => server.accepted(future) >= SHARES);
    return summary(server);
  } finally {
    await device.stop();
    await server.stop();
  }
}

async function translatorConfig(
  folder: string,
  server: Pick<Served, 'port' | 'authority'>,
  aggregate: boolean,
  hashrate: number,
): Promise<number> {
  const port = await freePort();
  const monitoring = await freePort();
  writeFileSync(
    join(folder, 'translator.toml'),
    `downstream_address = "127.0.0.1"
downstream_port = ${port}
max_supported_version = 2
min_supported_version = 2
downstream_extranonce2_size = 4
verify_payout = false
aggregate_channels = ${aggregate}
supported_extensions = [0x0002]
required_extensions = []
monitoring_address = "127.0.0.1:${monitoring}"

[downstream_difficulty_config]
min_individual_miner_hashrate = ${hashrate.toFixed(1)}
shares_per_minute = 600.0
enable_vardiff = true
job_keepalive_interval_secs = 60

[[upstreams]]
address = "127.0.0.1"
port = ${server.port}
authority_pubkey = "${server.authority}"
user_identity = "adit"
`,
  );
  return port;
}

/** A translator with two of our SV1 CPU miners behind it. */
async function startTranslator(
  path: string,
  server: Pick<Served, 'port' | 'authority'>,
  aggregate: boolean,
  hashrate = 200_000,
): Promise<Mining> {
  const folder = makeFolder();
  const port = await translatorConfig(folder, server, aggregate, hashrate);
  const program = new Program(path, ['-c', join(folder, 'translator.toml')], { folder });
  const miners = ['one', 'two'].map((worker) =>
    createCpuMiner({ network: 'regtest', worker: `adit.${worker}`, threads: 1 }),
  );
  for (const miner of miners) miner.start({ host: '127.0.0.1', port });
  return {
    program,
    async stop() {
      await Promise.all(miners.map((miner) => miner.stop()));
      await program.stop();
    },
  };
}

/** The reference's translator (extended channels above, SV1 below) on our gateway. */
export async function translatorOnGateway(path: string, aggregate: boolean): Promise<string> {
  const first = jobOf(template(300));
  const server = await startGateway(first);
  const translator = await startTranslator(path, server, aggregate);
  try {
    const { program } = translator;
    await mined(server, program, 'shares on the first job', () => server.accepted(first) >= SHARES);
    await mined(server, program, 'a block', () => server.blocks() > 0);
    const next = jobOf(template(301));
    server.newJob(next);
    await mined(server, program, 'shares on the next block', () => server.accepted(next) >= SHARES);
    return summary(server);
  } finally {
    await translator.stop();
    await server.stop();
  }
}

/**
 * The same on the whole engine with a regtest node. The reference takes every hash below regtest's target for a block and sends
 * it on, be it below its channel's target or not; practice asks for more of a block than regtest does, and would refuse them
 * all. So the machines behind it are given a difficulty that is no easier than the channel's.
 */
export function translatorOnRegtest(path: string): Promise<string> {
  return mineRegtestBlock('adit.miner1', (server) => startTranslator(path, server, false, 900_000_000));
}

/** The same on bare sessions: a job ahead of its block hash, and another extranonce prefix while it mines. */
export async function translatorOnSessions(path: string): Promise<string> {
  const first = jobOf(template(310));
  const server = await MiningServer.start(first);
  const translator = await startTranslator(path, server, false);
  try {
    const { program } = translator;
    await mined(server, program, 'shares', () => server.accepted(first) >= SHARES);
    const future = jobOf(template(311));
    server.offerJob(future);
    server.newJob(future);
    await mined(server, program, 'shares on a job sent ahead', () => server.accepted(future) >= SHARES);
    server.changePrefixes();
    const after = jobOf({ ...template(311, future.previousHash, 4), newTip: false });
    server.newJob(after);
    await mined(server, program, 'shares with another prefix', () => server.accepted(after) >= SHARES);
    return summary(server);
  } finally {
    await translator.stop();
    await server.stop();
  }
}

const GROUPED = 'standard in a group';
const base58check = createBase58check(sha256);

/** Whether a solution the pool handed to its Template Provider is a block on the template it names. */
function isBlock(provider: TemplateProvider, solution: SubmitSolution): boolean {
  const of = provider.templateOf(solution.templateId);
  if (!of) throw new Error('a solution for an unknown template');
  const coinbase = parseTransaction(solution.coinbaseTx);
  if (Buffer.compare(serializeTransaction(coinbase, { witness: true }), solution.coinbaseTx) !== 0)
    throw new Error('the coinbase is not as a transaction is written');
  const header = serializeHeader({
    version: solution.version,
    previousHash: of.previousHash,
    merkleRoot: rootFromPath(txidOf(coinbase), of.merklePath),
    time: solution.headerTimestamp,
    bits: of.bits,
    nonce: solution.headerNonce,
  });
  return meetsTarget(sha256d(header), of.target);
}

/** The reference's pool: our templates below it, our client above it. */
export async function pool(path: string): Promise<string> {
  const first = template(400);
  const provider = await TemplateProvider.start(first);
  const folder = makeFolder();
  const port = await freePort();
  const secret = new Uint8Array(randomBytes(32));
  const authority = encodeAuthorityKey(authorityPublicKey(secret));
  writeFileSync(
    join(folder, 'pool.toml'),
    `authority_public_key = "${authority}"
authority_secret_key = "${base58check.encode(secret)}"
cert_validity_sec = 3600
listen_address = "127.0.0.1:${port}"
coinbase_reward_script = "addr(bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080)"
server_id = 1
pool_signature = "interop"
shares_per_minute = 600.0
share_batch_size = ${BATCH}
supported_extensions = [0x0002]
required_extensions = []
monitoring_address = "127.0.0.1:${await freePort()}"

[template_provider_type.Sv2Tp]
address = "${provider.address}"
public_key = "${provider.authority}"
`,
  );
  const program = new Program(path, ['-c', join(folder, 'pool.toml')], { folder });
  const clients: MiningClient[] = [];
  const connect = async (options: Parameters<typeof MiningClient.connect>[2]): Promise<MiningClient> => {
    const one = await MiningClient.connect(port, authority, options);
    clients.push(one);
    return one;
  };
  const words = (): string => program.words;
  try {
    await until(words, () => program.alive() && provider.constraints.length > 0, 30_000);
    await until(words, () => program.alive() && /ready to accept/.test(program.lines.join()), 10_000);

    const nominalHashRate = 300_000;
    const extended = await connect({ extensions: [EXTENSION.workerHashrate] });
    if (!extended.client.extensions.has(EXTENSION.workerHashrate))
      throw new Error('extension 0x0002 was not taken');
    const headerOnly = await connect({ requiresStandardJobs: true });
    const channels = [
      {
        name: 'extended',
        one: extended,
        channel: await extended.client.openExtended({
          userIdentity: 'adit.one',
          nominalHashRate,
          minExtranonceSize: 6,
          worker: 'barn-1',
        }),
      },
      {
        name: GROUPED,
        one: extended,
        channel: await extended.client.openStandard({ userIdentity: 'adit.two', nominalHashRate }),
      },
      {
        name: 'standard, header-only',
        one: headerOnly,
        channel: await headerOnly.client.openStandard({ userIdentity: 'adit.three', nominalHashRate }),
      },
    ];
    const sentOn = new Map<MiningClientChannel, number>();
    const mineAll = async (count: number): Promise<void> => {
      for (const { one, channel, name } of channels) {
        await one.mine(channel, count, 60_000);
        const sent = (sentOn.get(channel) ?? 0) + count;
        sentOn.set(channel, sent);
        await one.answered(
          () => `${sent} shares sent (${name}), ${one.accepted(channel)} acknowledged\n${words()}`,
          // The pool gathers acknowledgements and keeps those of a batch that is not full.
          () => one.accepted(channel) + one.rejected(channel).length > sent - BATCH,
        );
        if (one.rejected(channel).length > 0)
          throw new Error(`${name}: refused ${one.rejected(channel).join()}\n${words()}`);
      }
    };
    await mineAll(20);
    provider.newTemplate({ ...template(400, first.previousHash, 6), id: 'more' });
    await mineAll(10);
    const before = channels.map(({ one, channel }) => one.works(channel));
    provider.newTemplate(template(401));
    for (const [at, { one, channel, name }] of channels.entries())
      await one.answered(
        () => `work on a new tip (${name})\n${words()}`,
        () => one.works(channel) > (before[at] ?? 0),
      );
    await mineAll(20);
    const told = channels.map(({ one, channel, name }) => `${name}: ${one.accepted(channel)} shares`);
    for (const { one, channel, name } of channels) {
      await one.mine(channel, 1, 10_000, true);
      await one.answered(
        () => `the refusal of a wrong share (${name})`,
        () => one.rejected(channel).length > 0,
      );
      const [code] = one.rejected(channel);
      if (code !== 'difficulty-too-low')
        throw new Error(`${name}: a share above the target was refused as ${code}`);
    }
    const good = provider.solutions.filter((solution) => isBlock(provider, solution));
    const bad = provider.solutions.filter((solution) => !good.includes(solution));
    // pool_sv2 0.7.0 (channels_sv2 8.0.0) puts the template's outputs twice into the coinbase it hands over for a standard
    // channel that mined on its group's job: the share was right, the block is lost in the pool.
    const grouped =
      channels.find(({ name }) => name === GROUPED)?.channel.extranoncePrefix ?? new Uint8Array();
    for (const { coinbaseTx } of bad)
      if (!Buffer.from(coinbaseTx).includes(Buffer.from(grouped)))
        throw new Error('the pool handed over a solution that is no block');
    for (const { channel, name } of channels)
      if (
        !good.some(({ coinbaseTx }) =>
          Buffer.from(coinbaseTx).includes(Buffer.from(channel.extranoncePrefix)),
        )
      )
        throw new Error(`no block among the shares (${name})\n${words()}`);
    if (provider.errors.length > 0) throw provider.errors[0];
    return `${told.join(', ')}; ${good.length} blocks handed to our template provider, ${bad.length} spoilt by the pool (its fault with standard channels in groups)`;
  } finally {
    for (const { client } of clients) client.close();
    await program.stop();
    await provider.stop();
  }
}
