import { describe, expect, it } from 'vitest';
import type { MinerRow } from '../../src-main/core/api/schema.ts';
import { modelOf } from '../../src-renderer/features/miners/model.ts';
import { selectRows, visibleSlice } from '../../src-renderer/features/miners/rows.ts';
import { sparkPath } from '../../src-renderer/ui/sparkline.tsx';

const row = (id: string, part: Partial<MinerRow> = {}): MinerRow => ({
  id,
  worker: id,
  userAgent: 'bitaxe/BM1370/v2.13.1',
  remote: '192.168.1.30:4000',
  protocol: 'sv1',
  status: 'active',
  practice: false,
  connectedAt: 0,
  offlineAt: null,
  lastShareAt: 0,
  difficulty: 512,
  hashrate: { m1: 0, m10: 0, h1: 0, d1: 0 },
  shares: { accepted: 0, stale: 0, duplicate: 0, lowDifficulty: 0, invalid: 0 },
  bestSession: null,
  bestEver: null,
  ...part,
});
const ids = (rows: readonly MinerRow[]) => rows.map((each) => each.id);
const byName = { column: 'name', descending: false } as const;

describe('models', () => {
  it.each([
    ['bitaxe/BM1370/v2.13.1', 'Bitaxe Gamma'],
    ['bitaxe/BM1366/v2.4.0', 'Bitaxe Ultra'],
    ['bitaxe/BM9999', 'Bitaxe (BM9999)'],
    ['NerdQAxe++/BM1370/v1.0.36', 'NerdQAxe++'],
    ['NerdMinerV2', 'NerdMiner'],
    ['Antminer S21/Wed Jan  7 2026', 'Antminer S21'],
    ['bosminer-plus-tuner/26.04', 'Braiins OS'],
    ['cgminer/4.11.1 avalon nano3s', 'Avalon Nano3s'],
    ['cgminer/4.13.1', 'CGMiner'],
    ['somethingnew/1.0', 'somethingnew'],
    ['', null],
    ['   ', null],
  ])('%j is %j', (userAgent, model) => {
    expect(modelOf(userAgent)).toBe(model);
  });

  it('cuts what a hostile firmware calls itself', () => {
    expect(modelOf('x'.repeat(5_000))!.length).toBeLessThanOrEqual(24);
  });
});

describe('rows', () => {
  const rows = [
    row('rig10', { hashrate: { m1: 0, m10: 5, h1: 0, d1: 0 } }),
    row('rig2', { hashrate: { m1: 0, m10: 9, h1: 0, d1: 0 }, status: 'offline' }),
    row('attic', { hashrate: { m1: 0, m10: 5, h1: 0, d1: 0 }, userAgent: 'NerdMinerV2' }),
  ];

  it('sorts names as people count, and equal values by name', () => {
    expect(ids(selectRows(rows, '', 'all', byName))).toEqual(['attic', 'rig2', 'rig10']);
    expect(ids(selectRows(rows, '', 'all', { column: 'm10', descending: true }))).toEqual([
      'rig2',
      'attic',
      'rig10',
    ]);
  });

  it('filters by every word, in name, model and address, and by status', () => {
    expect(ids(selectRows(rows, 'nerd', 'all', byName))).toEqual(['attic']);
    expect(ids(selectRows(rows, 'RIG gamma', 'all', byName))).toEqual(['rig2', 'rig10']);
    expect(ids(selectRows(rows, '192.168', 'offline', byName))).toEqual(['rig2']);
    expect(selectRows(rows, 'nobody', 'all', byName)).toEqual([]);
  });

  it('leaves what it was given alone', () => {
    const before = ids(rows);
    selectRows(rows, '', 'all', { column: 'name', descending: true });
    expect(ids(rows)).toEqual(before);
  });
});

describe('visible rows', () => {
  it('draws short lists whole', () => {
    expect(visibleSlice(100, 48, 0, 600)).toEqual({ from: 0, to: 100 });
  });

  it('draws only what can be seen of long ones', () => {
    const { from, to } = visibleSlice(300, 48, 4_800, 600);
    expect(from).toBe(88);
    expect(to).toBe(125);
  });

  it('stays inside a list that became shorter while it was scrolled', () => {
    const { from, to } = visibleSlice(120, 48, 1_000_000, 600);
    expect(from).toBeLessThan(120);
    expect(to).toBeLessThanOrEqual(120);
    expect(to).toBeGreaterThan(from);
  });
});

describe('sparkline', () => {
  it('breaks the line where nothing was measured', () => {
    expect(sparkPath([1, 1, null, 1, 1], 40, 20).match(/M/g)).toHaveLength(2);
  });

  it('is nothing when there is nothing', () => {
    expect(sparkPath([0, 0, 0], 40, 20)).toBe('');
    expect(sparkPath([null, null], 40, 20)).toBe('');
  });

  it('has zero at the bottom', () => {
    expect(sparkPath([0, 2], 40, 20)).toBe('M0.0 19.0L40.0 1.0');
  });
});
