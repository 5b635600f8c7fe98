import { describe, expect, it } from 'vitest';
import { encodeFrameOf, messageOf } from '../../src-main/core/stratum-v2/channels/messages.ts';
import { NewExtendedMiningJob, SetTarget } from '../../src-main/core/stratum-v2/messages/mining.ts';
import { joinMinerViews, type MinerView } from '../../src-main/services/gateway/index.ts';
import { Admission } from '../../src-main/services/gateway/sv2-admission.ts';
import { FrameEncoder } from '../../src-main/services/gateway/sv2-frames.ts';

describe('frames of jobs', () => {
  const bulk = {
    version: 0x2000_0000,
    versionRollingAllowed: true,
    merklePath: [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)],
    coinbaseTxPrefix: new Uint8Array(60).fill(3),
    coinbaseTxSuffix: new Uint8Array(90).fill(4),
  };
  const same = (
    encoder: FrameEncoder,
    message: Parameters<typeof encodeFrameOf>[0] & Parameters<FrameEncoder['encode']>[0],
  ) => expect(encoder.encode(message)).toEqual(encodeFrameOf(message));

  it('are what the codec makes, whatever came before', () => {
    const encoder = new FrameEncoder();
    const job = (channelId: number, jobId: number, minNtime: number | undefined, over = {}) =>
      messageOf(NewExtendedMiningJob, {
        channelId,
        jobId,
        ...bulk,
        ...over,
        ...(minNtime === undefined ? {} : { minNtime }),
      });
    const changes = [
      {},
      // The same content in arrays of its own.
      { merklePath: bulk.merklePath.map((hash) => hash.slice()) },
      { merklePath: [] },
      { coinbaseTxPrefix: new Uint8Array(61) },
      { coinbaseTxSuffix: new Uint8Array(10) },
      { version: 0x2000_0010 },
      { versionRollingAllowed: false },
    ];
    for (const change of changes) {
      for (let i = 0; i < 2; i += 1) {
        same(encoder, job(1 + i, 0xffff_fff0, undefined, change));
        same(encoder, job(0xffff_ffff, 7 + i, 1_750_000_000, change));
      }
    }
    for (const change of changes) same(encoder, job(9, 9, 5, change));
    same(encoder, messageOf(SetTarget, { channelId: 1, maximumTarget: new Uint8Array(32) }));
  });
});

describe('who waits for a handshake', () => {
  const peer = (remote: string) => ({ remote });

  it('makes room by letting go of the oldest of the busiest address', () => {
    const admission = new Admission({ maxUnfinished: 3, maxUnfinishedPerAddress: 2 });
    const [a1, a2, b1, c1] = [peer('a'), peer('a'), peer('b'), peer('c')];
    expect([a1, a2, b1].map((each) => admission.add(each))).toEqual([undefined, undefined, undefined]);
    expect([admission.full('a'), admission.full('b')]).toEqual([true, false]);
    expect(admission.add(c1)).toBe(a1);
    admission.remove(a1);
    admission.remove(a1);
    expect(admission.size).toBe(3);
    expect(admission.full('a')).toBe(false);
  });
});

describe('handshakes that come to nothing', () => {
  it('are forgiven one every two seconds, and too many are too many', () => {
    const admission = new Admission({ maxUnfinished: 3, maxUnfinishedPerAddress: 2 });
    for (let i = 0; i < 39; i += 1) admission.fail('a', 1_000);
    expect(admission.failing('a', 1_000)).toBe(false);
    admission.fail('a', 1_000);
    expect([admission.failing('a', 1_000), admission.failing('b', 1_000)]).toEqual([true, false]);
    expect([admission.failing('a', 2_999), admission.failing('a', 3_001)]).toEqual([false, false]);
    // A clock that is set back forgives nothing.
    for (let i = 0; i < 2; i += 1) admission.fail('a', 3_001);
    expect(admission.failing('a', 0)).toBe(true);
  });

  it('of more addresses than are remembered cost only memory of the oldest', () => {
    const admission = new Admission({ maxUnfinished: 3, maxUnfinishedPerAddress: 2 });
    for (let i = 0; i < 40; i += 1) admission.fail('first', 0);
    for (let i = 0; i < 4_096; i += 1) admission.fail(`other ${i}`, 0);
    expect(admission.failing('first', 0)).toBe(false);
  });
});

describe('machines of two listeners', () => {
  const view = (over: Partial<MinerView>): MinerView => ({
    id: 'x',
    worker: 'w',
    userAgent: '',
    remote: '10.0.0.1',
    protocol: 'sv1',
    connectedAt: undefined,
    connections: 0,
    difficulty: 1,
    versionRolling: false,
    lastShareAt: undefined,
    ...over,
  });

  it('are one list; a machine that moved is shown where it is, with its last share', () => {
    const gone = view({ lastShareAt: 50, difficulty: 8 });
    const here = view({ protocol: 'sv2', connectedAt: 60, connections: 1 });
    const other = view({ id: 'y' });
    for (const lists of [
      [[gone, other], [here]],
      [[here], [gone, other]],
    ]) {
      const rows = joinMinerViews(...lists).toSorted((a, b) => a.id.localeCompare(b.id));
      expect(rows).toEqual([{ ...here, lastShareAt: 50 }, other]);
    }
  });

  it('are one machine when both are connected under one name', () => {
    const rows = joinMinerViews(
      [view({ connectedAt: 10, connections: 2, lastShareAt: 90 })],
      [view({ protocol: 'sv2', connectedAt: 20, connections: 1, lastShareAt: 80 })],
    );
    expect(rows).toMatchObject([{ protocol: 'sv2', connections: 3, lastShareAt: 90 }]);
  });

  it('that are gone from both were last where they last sent a share', () => {
    const rows = joinMinerViews([view({ lastShareAt: 1 })], [view({ protocol: 'sv2', lastShareAt: 2 })]);
    expect(rows).toMatchObject([{ protocol: 'sv2', lastShareAt: 2 }]);
  });
});
