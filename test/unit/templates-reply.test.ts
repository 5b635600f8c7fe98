import { describe, expect, it } from 'vitest';
import { checkReply, TemplateReplyError } from '../../src-main/services/templates/reply.ts';
import { replyOf, type ReplyJson } from '../fixtures/template-reply.ts';

/** What Debian's node gave for height 1 of a fresh regtest chain. */
const FIRST = {
  capabilities: ['proposal'],
  version: 536870912,
  rules: ['csv', '!segwit', 'taproot'],
  vbavailable: {},
  vbrequired: 0,
  previousblockhash: '0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206',
  transactions: [],
  coinbaseaux: {},
  coinbasevalue: 5000000000,
  longpollid: '0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e22061',
  target: '7fffff0000000000000000000000000000000000000000000000000000000000',
  mintime: 1296688603,
  mutable: ['time', 'transactions', 'prevblock'],
  noncerange: '00000000ffffffff',
  sigoplimit: 80000,
  sizelimit: 4000000,
  weightlimit: 4000000,
  curtime: 1795178292,
  bits: '207fffff',
  height: 1,
  default_witness_commitment: '6a24aa21a9ede2f61c3f71d1defd3fa999dfa36953755c690689799962b48bebd836974e8cf9',
};

describe('checkReply', () => {
  it('reads what a node says of its first block', () => {
    expect(checkReply(FIRST, 'regtest')).toMatchObject({
      height: 1,
      bits: 0x207fffff,
      target: 0x7fffffn << 232n,
      coinbaseValue: 50_0000_0000,
      fees: 0,
      transactions: [],
      signetChallenge: undefined,
    });
  });

  it('adds up fees, weight and sigops, and counts dependencies from 0', () => {
    const raw = replyOf({ count: 3 });
    Object.assign(raw.transactions[2] as object, { depends: [1, 2, 1] });
    const reply = checkReply(raw, 'regtest');
    expect(reply.fees).toBe(1 + 2 + 3);
    expect(reply.sigops).toBe(12);
    expect(reply.weight).toBe(raw.transactions.reduce((sum, { weight }) => sum + (weight as number), 0));
    expect(reply.transactions.map(({ depends }) => depends)).toEqual([[], [], [0, 1]]);
    expect(reply.transactions[0]?.data.toString('hex')).toBe(raw.transactions[0]?.data);
  });

  it('accepts keys it does not know, and a reward below what is possible', () => {
    const raw = { ...replyOf(), somethingNew: { deep: [1] }, coinbasevalue: 1 };
    expect(checkReply(raw, 'regtest').coinbaseValue).toBe(1);
  });

  it('puts what the node wants into the scriptSig', () => {
    expect(
      checkReply({ ...replyOf(), coinbaseaux: { flags: '0102', other: 'ff' } }, 'regtest').auxiliary,
    ).toEqual(Buffer.from([1, 2, 255]));
  });

  it('follows the halvings of the network it is on', () => {
    // 150 blocks on regtest: at height 300 a reward of two halvings is right, on main it would be too small, never too much.
    const raw = replyOf({ height: 300, count: 0 });
    expect(raw['coinbasevalue']).toBe(12_5000_0000);
    expect(checkReply(raw, 'regtest').coinbaseValue).toBe(12_5000_0000);
    expect(() => checkReply({ ...raw, coinbasevalue: 50_0000_0000 }, 'regtest')).toThrow(
      'more than subsidy and fees',
    );
    expect(checkReply({ ...raw, coinbasevalue: 50_0000_0000 }, 'main').coinbaseValue).toBe(50_0000_0000);
  });

  const spoil: readonly (readonly [what: string, spoil: (raw: ReplyJson) => unknown, message: string])[] = [
    ['not an object', () => 'busy', 'it: '],
    ['null', () => null, 'it: '],
    ['nothing in it', () => ({}), 'version: '],
    ['a list', () => [], 'it: '],
    ['no transactions', (raw) => ({ ...raw, transactions: undefined }), 'transactions is not a list'],
    [
      'an object for transactions',
      (raw) => ({ ...raw, transactions: { length: 3 } }),
      'transactions is not a list',
    ],
    ['a height of text', (raw) => ({ ...raw, height: '200' }), 'height: '],
    ['an absurd height', (raw) => ({ ...raw, height: 1e300 }), 'height: '],
    ['height 0', (raw) => ({ ...raw, height: 0 }), 'height: '],
    ['a fraction of a block', (raw) => ({ ...raw, height: 1.5 }), 'height: '],
    ['an old version', (raw) => ({ ...raw, version: 1 }), 'version: '],
    ['a short hash', (raw) => ({ ...raw, previousblockhash: 'ab' }), 'previousblockhash: '],
    ['a hash in capitals', (raw) => ({ ...raw, previousblockhash: 'A'.repeat(64) }), 'previousblockhash: '],
    ['more money than there is', (raw) => ({ ...raw, coinbasevalue: 21e14 + 1 }), 'coinbasevalue: '],
    [
      'one sat too many',
      (raw) => ({ ...raw, coinbasevalue: (raw['coinbasevalue'] as number) + 1 }),
      'more than subsidy',
    ],
    ['a negative reward', (raw) => ({ ...raw, coinbasevalue: -1 }), 'coinbasevalue: '],
    ['bits of another target', (raw) => ({ ...raw, bits: '1d00ffff' }), 'does not follow from bits'],
    ['a negative target', (raw) => ({ ...raw, bits: '04923456' }), 'is no target'],
    ['a target of zero', (raw) => ({ ...raw, bits: '00000000' }), 'is no target'],
    ['a time before the least', (raw) => ({ ...raw, curtime: 1 }), 'curtime lies before mintime'],
    ['a time after the year 2106', (raw) => ({ ...raw, curtime: 2 ** 32 }), 'curtime: '],
    ['a part of the nonces', (raw) => ({ ...raw, noncerange: '00000000000000ff' }), 'noncerange: '],
    ['a weight limit above consensus', (raw) => ({ ...raw, weightlimit: 8_000_000 }), 'weightlimit: '],
    ['a rule not known', (raw) => ({ ...raw, rules: ['csv', '!newrule'] }), 'demands the rule "newrule"'],
    ['no long poll id', (raw) => ({ ...raw, longpollid: '' }), 'longpollid: '],
    [
      'no commitment',
      (raw) => ({ ...raw, default_witness_commitment: undefined }),
      'no default_witness_commitment',
    ],
    [
      'another script for it',
      (raw) => ({ ...raw, default_witness_commitment: `76a914${'0'.repeat(40)}88ac` }),
      'BIP141',
    ],
    [
      'aux that is not hex',
      (raw) => ({ ...raw, coinbaseaux: { flags: 'xy' } }),
      'coinbaseaux.flags is not hex',
    ],
    [
      'aux without end',
      (raw) => ({ ...raw, coinbaseaux: { flags: '00'.repeat(21) } }),
      'coinbaseaux has 21 bytes',
    ],
    [
      '100,000 transactions',
      (raw) => ({ ...raw, transactions: Array(100_000).fill(raw.transactions[0]) }),
      '100000 transactions',
    ],
    [
      'the same transaction twice',
      (raw) => ({ ...raw, transactions: [raw.transactions[0], raw.transactions[0]] }),
      'stands in it twice',
    ],
  ];
  it.each(spoil)('refuses %s', (_, change, message) => {
    const raw = change(replyOf());
    expect(() => checkReply(raw, 'regtest')).toThrow(TemplateReplyError);
    expect(() => checkReply(raw, 'regtest')).toThrow(message);
  });

  const entries: readonly (readonly [what: string, change: Record<string, unknown>, message: string])[] = [
    ['a negative fee', { fee: -1 }, 'transactions.1.fee'],
    ['a fee that is not a number', { fee: Number.NaN }, 'transactions.1.fee'],
    ['a fee of text', { fee: '1' }, 'transactions.1.fee'],
    ['data cut within a byte', { data: `${'00'.repeat(70)}0` }, 'transactions.1.data is not hex'],
    ['data that is not hex', { data: 'zz'.repeat(70) }, 'transactions.1.data is not hex'],
    ['data shorter than any transaction', { data: '00' }, 'transactions.1.data'],
    ['data larger than a block', { data: '00'.repeat(4_000_001) }, 'transactions.1.data'],
    ['a weight that can not be', { weight: 1_000_000 }, 'transactions.1.weight'],
    ['more sigops than a block', { sigops: 80_001 }, 'transactions.1.sigops'],
    ['a dependency on itself', { depends: [2] }, 'transactions.1.depends names 2'],
    ['a dependency on a later one', { depends: [3] }, 'transactions.1.depends names 3'],
    ['a dependency on the coinbase', { depends: [0] }, 'transactions.1.depends names 0'],
    ['a dependency of text', { depends: ['1'] }, 'transactions.1.depends'],
    ['an id too short', { txid: 'aa' }, 'transactions.1.txid'],
    ['no witness id', { hash: undefined }, 'transactions.1.hash'],
  ];
  it.each(entries)('refuses a transaction with %s', (_, change, message) => {
    const raw = replyOf();
    Object.assign(raw.transactions[1] as object, change);
    expect(() => checkReply(raw, 'regtest')).toThrow(message);
  });

  const bounds: readonly (readonly [field: string, wrong: readonly unknown[]])[] = [
    ['data', [undefined, null, 7, ['00'.repeat(70)], '00'.repeat(59), `${'00'.repeat(59)}0`]],
    ['txid', [undefined, 7, 'a'.repeat(63), 'a'.repeat(65), `${'a'.repeat(64)}\n`, 'A'.repeat(64)]],
    ['txid', ['/', ':', '`', 'g', '@', ' ', '\u0130', '\u0430'].map((digit) => `${'a'.repeat(63)}${digit}`)],
    ['hash', [null, {}, '', 'F'.repeat(64), `g${'0'.repeat(63)}`, ['0'.repeat(64)]]],
    ['depends', [undefined, null, {}, '', [1.5], [Number.NaN], [null], [2 ** 53], Array(16_667).fill(1)]],
    ['fee', [undefined, null, true, 1n, 0.5, Number.POSITIVE_INFINITY, 21e14 + 1]],
    ['sigops', [undefined, '4', -1, 1.5, 80_001]],
    ['weight', [undefined, '400', 239, 400.5, 4_000_001]],
  ];
  it.each(bounds.flatMap(([field, wrong]) => wrong.map((value, place) => ({ field, place, value }))))(
    'refuses a transaction whose $field is wrong ($place)',
    ({ field, value }) => {
      const raw = replyOf();
      Object.assign(raw.transactions[1] as object, { [field]: value });
      expect(() => checkReply(raw, 'regtest')).toThrow(TemplateReplyError);
      expect(() => checkReply(raw, 'regtest')).toThrow(`transactions.1.${field}`);
    },
  );

  it.each([[undefined], [null], ['00'], [7]])('refuses %s for a transaction', (entry) => {
    const raw = { ...replyOf(), transactions: [entry] };
    expect(() => checkReply(raw, 'regtest')).toThrow('transactions.0: ');
  });

  it('takes every field of a transaction at its bounds', () => {
    const raw = { ...replyOf({ count: 0 }), coinbasevalue: 1 };
    const digits = '0123456789abcdef'.repeat(4);
    const entry = {
      data: '00'.repeat(60),
      txid: digits,
      hash: digits,
      depends: [],
      fee: 0,
      sigops: 0,
      weight: 240,
    };
    expect(checkReply({ ...raw, transactions: [entry] }, 'regtest').transactions).toMatchObject([
      { txid: digits, wtxid: digits, fee: 0, sigops: 0, weight: 240 },
    ]);
    const most = { ...entry, data: '00'.repeat(1_000_000), fee: 21e14, sigops: 80_000, weight: 4_000_000 };
    expect(checkReply({ ...raw, transactions: [most] }, 'regtest').transactions).toMatchObject([
      { fee: 21e14, sigops: 80_000, weight: 4_000_000 },
    ]);
  });

  it('refuses transactions that together do not fit a block', () => {
    const sigops = replyOf();
    for (const entry of sigops.transactions) entry.sigops = 30_000;
    expect(() => checkReply(sigops, 'regtest')).toThrow('more signature operations than a block');
    expect(() => checkReply({ ...replyOf(), sizelimit: 100 }, 'regtest')).toThrow('larger than a block');
    expect(() => checkReply({ ...replyOf(), weightlimit: 300 }, 'regtest')).toThrow(
      'weigh more than a block',
    );
  });

  it('says in each refusal what to do', () => {
    const advice = (raw: unknown): string => {
      try {
        checkReply(raw, 'regtest');
      } catch (error) {
        if (error instanceof TemplateReplyError) return error.advice;
      }
      throw new Error('was not refused');
    };
    expect(advice({ ...replyOf(), rules: ['!newrule'] })).toBe('Update Adit.');
    expect(advice({})).toContain('Restart the node');
  });
});
