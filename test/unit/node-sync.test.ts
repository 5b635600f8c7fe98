import { describe, expect, test } from 'vitest';
import { NETWORK } from '../../src-main/core/bitcoin/network.ts';
import type { Network } from '../../src-main/core/bitcoin/network.ts';
import { NO_MEMORY, readSync } from '../../src-main/services/node/sync.ts';
import type { NodeAnswers, SyncMemory } from '../../src-main/services/node/sync.ts';

/** Answers of a Core 31 on mainnet that has everything. */
function answers(
  network: Network,
  change: {
    blockchain?: Record<string, unknown>;
    network?: Record<string, unknown>;
    peers?: unknown;
    mempool?: unknown;
    genesis?: unknown;
  } = {},
): NodeAnswers {
  return {
    blockchain: {
      chain: NETWORK[network].core,
      blocks: 920_000,
      headers: 920_000,
      bestblockhash: '0'.repeat(60) + 'abcd',
      bits: '1701f0cc',
      target: '0'.repeat(64),
      difficulty: 146_472_570_619_930.8,
      time: 1_790_000_000,
      mediantime: 1_789_998_000,
      verificationprogress: 0.999_998_345_217_812_3,
      initialblockdownload: false,
      chainwork: '0'.repeat(64),
      size_on_disk: 10_485_760_000,
      pruned: true,
      pruneheight: 900_000,
      automatic_pruning: true,
      prune_target_size: 10_485_760_000,
      warnings: [],
      ...change.blockchain,
    },
    network: {
      version: 310_100,
      subversion: '/Satoshi:31.1.0/',
      connections: 10,
      connections_in: 2,
      connections_out: 8,
      networkactive: true,
      warnings: [],
      ...change.network,
    },
    peers: change.peers ?? [
      { inbound: false, network: 'ipv4', presynced_headers: -1, synced_headers: 920_000 },
      { inbound: true, network: 'onion', presynced_headers: -1, synced_headers: -1 },
    ],
    mempool: change.mempool ?? { loaded: true, size: 41_000, bytes: 21_000_000 },
    genesis: change.genesis ?? NETWORK[network].genesis,
  };
}

function status(network: Network, given: NodeAnswers, memory: SyncMemory = NO_MEMORY, now = 0) {
  const reading = readSync(network, given, memory, now);
  if (reading.kind !== 'status') throw new Error(JSON.stringify(reading));
  return reading;
}
const syncing = (blocks: number, progress: number) => ({
  blockchain: { blocks, verificationprogress: progress, initialblockdownload: true },
});

describe('sync status', () => {
  test('a node out of initial download is synced at 100 %', () => {
    const { status: got, version } = status('main', answers('main'));
    expect(got).toEqual({
      stage: 'synced',
      progress: 1,
      secondsLeft: undefined,
      blocks: 920_000,
      headers: 920_000,
      bestHash: '0'.repeat(60) + 'abcd',
      tipTime: 1_790_000_000,
      difficulty: 146_472_570_619_930.8,
      peers: { inbound: 2, outbound: 8, onion: 1 },
      mempool: { transactions: 41_000, bytes: 21_000_000 },
      diskBytes: 10_485_760_000,
      pruned: true,
      warnings: [],
    });
    expect(version).toBe('31.1.0');
  });

  test.each(['main', 'testnet4', 'signet'] as const)(
    '%s is never at 100 % before the node says so',
    (network) => {
      for (const progress of [1, 0.999_999_999, 1.5, 1e300]) {
        const { status: got } = status(network, answers(network, syncing(920_000, progress)));
        expect(got.stage).toBe('blocks');
        expect(got.progress).toBeLessThan(1);
      }
    },
  );

  test('out of initial download but many blocks behind is catching up, not synced', () => {
    const { status: got } = status('main', answers('main', { blockchain: { blocks: 919_900 } }));
    expect(got.stage).toBe('blocks');
    expect(got.progress).toBeLessThan(1);
    expect(status('main', answers('main', { blockchain: { blocks: 919_999 } })).status.stage).toBe('synced');
  });

  test('names the header stages', () => {
    const fresh = { blocks: 0, headers: 0, verificationprogress: 1e-9, initialblockdownload: true };
    const peers = (presynced: number) => [
      { inbound: false, presynced_headers: presynced, synced_headers: -1 },
    ];
    expect(status('main', answers('main', { blockchain: fresh, peers: [] })).status.stage).toBe('headers');
    expect(status('main', answers('main', { blockchain: fresh, peers: peers(250_000) })).status.stage).toBe(
      'preHeaders',
    );
    const later = { ...fresh, headers: 400_000 };
    expect(status('main', answers('main', { blockchain: later, peers: peers(-1) })).status.stage).toBe(
      'headers',
    );
    const blocks = { ...fresh, headers: 920_000, blocks: 1 };
    expect(status('main', answers('main', { blockchain: blocks, peers: peers(-1) })).status.stage).toBe(
      'blocks',
    );
  });

  test('a regtest chain of our own is synced at height 0, also while the node says initial download', () => {
    const fresh = { blocks: 0, headers: 0, verificationprogress: 1, initialblockdownload: true };
    expect(status('regtest', answers('regtest', { blockchain: fresh, peers: [] })).status).toMatchObject({
      stage: 'synced',
      progress: 1,
    });
    const behind = { ...fresh, headers: 120 };
    expect(status('regtest', answers('regtest', { blockchain: behind })).status).toMatchObject({
      stage: 'headers',
    });
  });

  test('time left comes from the mean speed and waits for enough of it', () => {
    let memory = NO_MEMORY;
    const left: (number | undefined)[] = [];
    // 0.1 % each 10 s, from 50 %: at 51 % there are 49 % left, at 10,000 s for the whole 4,900 s.
    for (let step = 0; step <= 10; step += 1) {
      const reading = status(
        'main',
        answers('main', syncing(500_000, 0.5 + step / 1_000)),
        memory,
        step * 10_000,
      );
      memory = reading.memory;
      left.push(reading.status.secondsLeft);
    }
    expect(left.slice(0, 3)).toEqual([undefined, undefined, undefined]);
    expect(left.at(-1)).toBeGreaterThanOrEqual(4_899);
    expect(left.at(-1)).toBeLessThanOrEqual(4_901);
  });

  test('time left is unknown when nothing moves, and the memory is bounded', () => {
    let memory = NO_MEMORY;
    let last: number | undefined = 0;
    for (let second = 0; second < 20_000; second += 1) {
      const reading = status('main', answers('main', syncing(500_000, 0.5)), memory, second * 1_000);
      memory = reading.memory;
      last = reading.status.secondsLeft;
    }
    expect(last).toBeUndefined();
    expect(memory.samples.length).toBeLessThanOrEqual(125);
  });

  test('a clock that was set back starts the measure anew', () => {
    const first = status('main', answers('main', syncing(1, 0.1)), NO_MEMORY, 1_000_000);
    const second = status('main', answers('main', syncing(1, 0.2)), first.memory, 1_000);
    expect(second.status.secondsLeft).toBeUndefined();
    expect(second.memory.samples).toEqual([{ at: 1_000, progress: 0.2 }]);
  });

  test('warnings come from one string (before Core 28) or a list, once each', () => {
    const given = answers('main', {
      blockchain: { warnings: 'Your clock is wrong' },
      network: { warnings: ['Your clock is wrong', 'Unknown new rules activated'] },
    });
    expect(status('main', given).status.warnings).toEqual([
      'Your clock is wrong',
      'Unknown new rules activated',
    ]);
    const flood = answers('main', {
      network: { warnings: Array.from({ length: 900 }, (_, i) => `${i} ${'x'.repeat(9_999)}`) },
    });
    const { warnings } = status('main', flood).status;
    expect(warnings.length).toBe(10);
    expect(warnings[0]?.length).toBe(500);
  });

  test('a node on another chain is refused, by name and by first block', () => {
    const byName = readSync('main', answers('main', { blockchain: { chain: 'test' } }), NO_MEMORY, 0);
    expect(byName).toMatchObject({ kind: 'wrongNetwork', problem: { code: 'wrongNetwork' } });
    const byGenesis = readSync('signet', answers('signet', { genesis: 'ab'.repeat(32) }), NO_MEMORY, 0);
    expect(byGenesis).toMatchObject({
      kind: 'wrongNetwork',
      problem: { message: expect.stringContaining('first block') },
    });
  });

  test.each([
    ['nothing', null, 'getblockchaininfo: the answer'],
    ['a list', [], 'getblockchaininfo: the answer'],
    [
      'a negative height',
      { ...(answers('main').blockchain as object), blocks: -1 },
      'getblockchaininfo: blocks',
    ],
    [
      'a fraction of a block',
      { ...(answers('main').blockchain as object), headers: 1.5 },
      'getblockchaininfo: headers',
    ],
    [
      'a hash that is none',
      { ...(answers('main').blockchain as object), bestblockhash: 'x' },
      'bestblockhash',
    ],
    [
      'a word for a flag',
      { ...(answers('main').blockchain as object), initialblockdownload: 'no' },
      'initialblockdownload',
    ],
  ])('%s for an answer is told as absurd', (_, blockchain, reason) => {
    const reading = readSync('main', { ...answers('main'), blockchain }, NO_MEMORY, 0);
    expect(reading).toMatchObject({ kind: 'absurd', reason: expect.stringContaining(reason) });
  });

  test('absurd answers to the other questions are told with their name', () => {
    const network = readSync('main', answers('main', { network: { connections_in: 'two' } }), NO_MEMORY, 0);
    expect(network).toMatchObject({
      kind: 'absurd',
      reason: expect.stringContaining('getnetworkinfo: connections_in'),
    });
    const peers = readSync(
      'main',
      answers('main', { peers: Array.from({ length: 6_000 }, () => ({ inbound: true })) }),
      NO_MEMORY,
      0,
    );
    expect(peers).toMatchObject({ kind: 'absurd', reason: expect.stringContaining('getpeerinfo') });
    const genesis = readSync('main', answers('main', { genesis: { chain: 7 } }), NO_MEMORY, 0);
    expect(genesis).toMatchObject({ kind: 'absurd', reason: expect.stringContaining('getblockhash') });
    const mempool = readSync('main', answers('main', { mempool: {} }), NO_MEMORY, 0);
    expect(mempool).toMatchObject({
      kind: 'absurd',
      reason: expect.stringContaining('getmempoolinfo: size'),
    });
  });
});
