import { describe, expect, it } from 'vitest';
import type { ChildState } from '../../src-main/core/supervision/machine.ts';
import { headlineOf, type HeadlineFacts } from '../../src-main/engine/headline.ts';
import { connectionView } from '../../src-main/engine/views.ts';
import type { NodeSnapshot, SyncStatus } from '../../src-main/services/node/index.ts';

const sync: SyncStatus = {
  stage: 'synced',
  progress: 1,
  secondsLeft: undefined,
  blocks: 1,
  headers: 1,
  bestHash: '',
  tipTime: 1,
  difficulty: 1,
  peers: { inbound: 0, outbound: 8, onion: 0 },
  mempool: { transactions: 0, bytes: 0 },
  diskBytes: 0,
  pruned: true,
  warnings: [],
};
const ready: ChildState = { kind: 'ready', since: 0, pid: 1, version: '31.1' };
const exit = { code: 1, signal: null, at: 0, logTail: [], problem: undefined };
const node = (child: ChildState, over: Partial<NodeSnapshot> = {}): NodeSnapshot => ({
  child,
  network: 'main',
  dataDir: '/d',
  binary: undefined,
  sync: child.kind === 'ready' ? sync : undefined,
  problem: undefined,
  ...over,
});
const facts = (over: Partial<HeadlineFacts> = {}): HeadlineFacts => ({
  stopping: false,
  blockToAcknowledge: false,
  node: node(ready),
  payoutSet: true,
  haveJob: true,
  templatesCome: over.node === undefined || over.node.child.kind === 'ready',
  minersConnected: 1,
  ...over,
});

describe('the headline', () => {
  const backoff: ChildState = { kind: 'backoff', since: 0, attempt: 1, retryAt: 1, lastExit: exit };
  const failed: ChildState = { kind: 'failed', since: 0, exit, logTail: [], advice: '' };
  it.each<[string, HeadlineFacts, string]>([
    ['all is well', facts(), 'mining'],
    ['no machine yet', facts({ minersConnected: 0 }), 'waiting'],
    [
      'still syncing',
      facts({ node: node(ready, { sync: { ...sync, stage: 'blocks', progress: 0.4 } }) }),
      'syncing',
    ],
    ['no address yet', facts({ payoutSet: false, haveJob: false }), 'setup'],
    [
      'no address, and the node not up: the address comes first',
      facts({ payoutSet: false, haveJob: false, node: node({ kind: 'starting', since: 0 }) }),
      'setup',
    ],
    [
      'the node starts',
      facts({ haveJob: false, node: node({ kind: 'starting', since: 0 }) }),
      'nodeStarting',
    ],
    ['the node is back, its first template is not', facts({ haveJob: false }), 'nodeStarting'],
    ['the node crashed while machines hold a job', facts({ node: node(backoff) }), 'degraded'],
    ['the node crashed and nobody mines', facts({ node: node(backoff), minersConnected: 0 }), 'nodeStarting'],
    [
      'templates come before the supervisor has seen the node',
      facts({ node: node({ kind: 'starting', since: 0 }), templatesCome: true }),
      'mining',
    ],
    ['the node gave up', facts({ node: node(failed) }), 'nodeFailed'],
    [
      'the node gave up: even before the address',
      facts({ node: node(failed), payoutSet: false }),
      'nodeFailed',
    ],
    ['a block is found', facts({ blockToAcknowledge: true, node: node(failed) }), 'block'],
    ['Adit stops', facts({ stopping: true, blockToAcknowledge: true }), 'stopping'],
  ])('%s', (_name, given, headline) => {
    expect(headlineOf(given)).toBe(headline);
  });
});

describe('where miners connect', () => {
  const at = { sv1: [{ host: '0.0.0.0', port: 3333 }], sv2: [], authorityKey: undefined };
  it('shows this computer alone, or the network first', () => {
    expect(connectionView(at, 'loopback', ['192.168.1.5'], null).endpoints.map((e) => e.url)).toEqual([
      'stratum+tcp://127.0.0.1:3333',
    ]);
    expect(connectionView(at, 'lan', ['192.168.1.5'], null).endpoints.map((e) => [e.url, e.scope])).toEqual([
      ['stratum+tcp://192.168.1.5:3333', 'lan'],
      ['stratum+tcp://127.0.0.1:3333', 'loopback'],
    ]);
  });
  it('shows Stratum V2 with the key its machines need, the address of V1 first', () => {
    const both = { ...at, sv2: [{ host: '0.0.0.0', port: 3336 }], authorityKey: '9key' };
    const { endpoints } = connectionView(both, 'lan', ['192.168.1.5'], null);
    expect(endpoints.map((e) => e.protocol)).toEqual(['sv1', 'sv1', 'sv2', 'sv2']);
    expect(endpoints[2]).toEqual({
      protocol: 'sv2',
      url: 'stratum2+tcp://192.168.1.5:3336/9key',
      host: '192.168.1.5',
      port: 3336,
      scope: 'lan',
      authorityKey: '9key',
    });
  });
  it('shows no address while it does not listen', () => {
    const none = { sv1: [], sv2: [], authorityKey: '9key' };
    expect(connectionView(none, 'lan', ['192.168.1.5'], 'port taken')).toEqual({
      exposure: 'lan',
      endpoints: [],
      problem: 'port taken',
    });
  });
});
