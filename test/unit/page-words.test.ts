import { describe, expect, it } from 'vitest';
import { HEADLINES } from '../../src-main/core/api/schema.ts';
import type { StateView } from '../../src-main/core/api/schema.ts';
import { oddsWords } from '../../src-renderer/features/dashboard/odds.ts';
import { onLogScale } from '../../src-renderer/features/dashboard/scale.ts';
import { nodeTone, originOf, programOf, shownProgress } from '../../src-renderer/features/node/node-words.ts';
import { headlineOf } from '../../src-renderer/features/shell/headline.ts';

const state = (part: Partial<StateView>): StateView => ({
  headline: 'mining',
  version: '0.1.0',
  network: 'main',
  practice: false,
  upstream: 'solo',
  problem: null,
  payout: { address: 'bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq', count: 1 },
  startedAt: 0,
  block: null,
  ...part,
});
const facts = (part: Partial<StateView>, node?: Parameters<typeof headlineOf>[0]['node']) =>
  headlineOf({ state: state(part), node, hashrate: 8.42e12, address: 'bc1q…5mdq' });

describe('headline', () => {
  it.each(HEADLINES)('%s has a title and a reason', (headline) => {
    const view = facts({ headline });
    expect(view.title).not.toBe('');
    expect(view.why).not.toBe('');
  });

  it('says how fast and for whom', () => {
    expect(facts({}).why).toContain('8.42 TH/s to bc1q…5mdq');
    expect(facts({ payout: { address: 'x', count: 3 } }).why).toContain('3 addresses');
  });

  it('does not call practice mining', () => {
    expect(facts({ practice: true }).title).not.toBe(facts({}).title);
  });

  it('offers the way out that the problem names', () => {
    const problem = {
      code: 'x',
      message: 'The disk is full.',
      advice: 'Free 5 GB.',
      action: 'network',
    } as const;
    expect(facts({ headline: 'nodeFailed', problem }).button?.screen).toBe('settings');
    expect(facts({ headline: 'nodeFailed', problem }).why).toBe('The disk is full.');
    expect(facts({ headline: 'nodeFailed' }).button?.screen).toBe('node');
  });

  it('tells progress and time left while blocks are checked, and only then', () => {
    expect(
      facts({ headline: 'syncing' }, { stage: 'blocks', progress: 0.43, secondsLeft: 21_600 }).why,
    ).toContain('43.0 %');
    expect(
      facts({ headline: 'syncing' }, { stage: 'headers', progress: 0.9, secondsLeft: 5 }).why,
    ).not.toContain('%');
  });
});

describe('odds', () => {
  it('speaks of one in so many a year for a small miner', () => {
    const words = oddsWords({ nextBlock: 8e-9, year: 1 / 2_380, expectedSeconds: 2_380 * 31_557_600 });
    expect(words?.figure).toEqual({ value: '1 in 2,380', unit: 'a year' });
    expect(words?.once).toContain('2,380 years');
    expect(words?.ticket).toContain('125 million');
  });

  it('speaks of percent for a barn and of time for practice', () => {
    expect(oddsWords({ nextBlock: 4e-5, year: 0.87, expectedSeconds: 1.5e7 })?.figure.value).toBe('87 %');
    expect(oddsWords({ nextBlock: 0.5, year: 1, expectedSeconds: 15 })?.figure.value).toBe('15 sec');
    expect(oddsWords({ nextBlock: 1, year: 1, expectedSeconds: 1e-7 })?.figure.value).not.toContain('0');
  });

  it('promises nothing without a hashrate', () => {
    expect(oddsWords({ nextBlock: 0, year: 0, expectedSeconds: null })).toBeNull();
    expect(oddsWords({ nextBlock: 0, year: 0, expectedSeconds: Number.POSITIVE_INFINITY })).toBeNull();
  });
});

describe('log scale', () => {
  it('runs from one to the difficulty of a block', () => {
    expect(onLogScale(1, 1e14)).toBe(0);
    expect(onLogScale(1e7, 1e14)).toBeCloseTo(0.5);
    expect(onLogScale(1e15, 1e14)).toBe(1);
    expect(onLogScale(0, 1e14)).toBe(0);
    expect(onLogScale(5, 0)).toBe(0);
  });
});

describe('node', () => {
  it('is called by the name people know', () => {
    expect(programOf({ flavour: 'core', version: 'v31.1.0' })).toBe('Bitcoin Core 31.1.0');
    expect(programOf({ flavour: 'knots', version: 'v29.4.3.knots20260508' })).toBe('Bitcoin Knots 29.4.3');
    expect(programOf({ flavour: '', version: '' })).toBe('');
    expect(originOf('somewhere')).toBe('somewhere');
  });

  it('is whole only when the node says so', () => {
    expect(shownProgress({ stage: 'blocks', progress: 1 })).toBeLessThan(1);
    expect(shownProgress({ stage: 'synced', progress: 0.999 })).toBe(1);
  });

  it('is green only when it runs and is in step', () => {
    expect(nodeTone({ phase: 'ready', stage: 'synced' })).toBe('good');
    expect(nodeTone({ phase: 'backoff', stage: 'synced' })).toBe('bad');
    expect(nodeTone({ phase: 'ready', stage: 'blocks' })).toBe('busy');
  });
});
