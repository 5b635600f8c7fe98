import { describe, expect, it } from 'vitest';
import { bytesToHex, concatBytes, hexToBytes } from '../../src-main/core/bitcoin/bytes.ts';
import {
  blockHash,
  checkBlockStructure,
  parseBlock,
  parseHeader,
  serializeBlock,
} from '../../src-main/core/bitcoin/block.ts';
import { witnessCommitment, witnessCommitmentScript } from '../../src-main/core/bitcoin/merkle.ts';
import { parseTransaction, weightOf } from '../../src-main/core/bitcoin/transaction.ts';
import { addCoinbaseWitness, buildCoinbase, heightPush } from '../../src-main/core/mining/coinbase.ts';
import { ExtranonceAllocator, ExtranonceError } from '../../src-main/core/mining/extranonce.ts';
import {
  JobError,
  buildJob,
  coinbaseOf,
  headerOf,
  verifyJob,
  withWitness,
  workMerkleRoot,
} from '../../src-main/core/mining/job.ts';
import type { Job, JobOutput, Template } from '../../src-main/core/mining/types.ts';
import { makePayouts, makeTemplate } from '../fixtures/core-templates.ts';

const A = 'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4';
const B = '1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa';
const payouts = makePayouts([
  [A, 9_800],
  [B, 200],
]);
const options = { id: 1, payouts, tag: '/Adit/', network: 'main', now: 1_750_000_000_500 } as const;
const extranonce = hexToBytes('000000010203040506070809');

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof JobError) return error.code;
    throw error;
  }
  return 'none';
}

describe('heightPush (BIP34)', () => {
  it.each([
    [0, '00'],
    [1, '51'],
    [16, '60'],
    [17, '0111'],
    [127, '017f'],
    [128, '028000'],
    [255, '02ff00'],
    [256, '020001'],
    [32_767, '02ff7f'],
    [32_768, '03008000'],
    // Main's first block with a height: 227,836, coinbase 033c7903…
    [227_836, '03fc7903'],
    [301_322, '030a9904'],
    [542_213, '03054608'],
    [840_000, '0340d10c'],
    [8_388_608, '0400008000'],
  ])('%d', (height, hex) => expect(bytesToHex(heightPush(height))).toBe(hex));
});

describe('buildJob', () => {
  const template = makeTemplate();
  const job = buildJob(template, options);
  const coinbase = coinbaseOf(job, extranonce);

  it('makes a coinbase that reads back as what was asked for', () => {
    const parsed = parseTransaction(withWitness(job, coinbase));
    const input = parsed.inputs[0];
    expect(bytesToHex(input?.script ?? new Uint8Array(0))).toBe(
      `0340d10c062f416469742f0c${bytesToHex(extranonce)}`,
    );
    expect(input).toMatchObject({
      previousIndex: 0xffffffff,
      sequence: 0xfffffffe,
      witness: [new Uint8Array(32)],
    });
    expect(parsed).toMatchObject({ version: 2, lockTime: 839_999 });
    expect(parsed.outputs.map(({ value }) => value)).toEqual([307_459_876, 6_274_691, 0]);
    expect(job.outputs.map(({ kind, address }) => [kind, address])).toEqual([
      ['payout', A],
      ['payout', B],
      ['commitment', undefined],
    ]);
    expect(parsed.outputs.reduce((sum, { value }) => sum + value, 0)).toBe(template.coinbaseValue);
  });

  it('knows the weight of the block', () => {
    const coinbaseWeight = weightOf(parseTransaction(withWitness(job, coinbase)));
    expect(job.weight).toBe(template.weight + coinbaseWeight + 4 * 81);
  });

  it('makes the header of a solution, which BIP320 bits and all come back from', () => {
    const solution = { jobId: 1, extranonce, version: 0x3fffe000, ntime: 1_750_000_001, nonce: 0xfffffffe };
    const header = parseHeader(headerOf(job, solution));
    expect(header).toEqual({
      version: 0x3fffe000,
      previousHash: template.previousHash,
      merkleRoot: workMerkleRoot(job, extranonce),
      time: 1_750_000_001,
      bits: template.bits,
      nonce: 0xfffffffe,
    });
  });

  it('makes a whole block whose structure is right, alone and with a transaction', () => {
    const alone = buildJob(makeTemplate({}, 0), options);
    const solution = { jobId: 1, extranonce, version: alone.version, ntime: alone.time, nonce: 0 };
    const bytes = serializeBlock(
      headerOf(alone, solution),
      withWitness(alone, coinbaseOf(alone, extranonce)),
      [],
    );
    const block = parseBlock(bytes);
    expect(checkBlockStructure(block)).toEqual({ ok: true });
    expect(alone.weight).toBe(3 * (bytes.length - 36) + bytes.length);
    expect(blockHash(block.header)).toEqual(blockHash(bytes.subarray(0, 80)));
  });

  it('works before segwit, and with heights of one byte', () => {
    const old = buildJob(
      makeTemplate(
        {
          height: 1,
          requiredOutputs: [],
          witnessReserved: undefined,
          coinbaseLockTime: 0,
          scriptSigPrefix: heightPush(1),
        },
        0,
      ),
      options,
    );
    expect(withWitness(old, coinbaseOf(old, extranonce))).toEqual(coinbaseOf(old, extranonce));
    expect(verifyJob(old, payouts)).toEqual({ ok: true });
  });

  it('keeps what else the chain demands, for example the solution of signet', () => {
    const signet = { value: 0, script: hexToBytes('6a04ecc7daa2') };
    const both = buildJob(makeTemplate({ requiredOutputs: [...template.requiredOutputs, signet] }), options);
    expect(both.outputs.map(({ kind }) => kind)).toEqual(['payout', 'payout', 'commitment', 'other']);
  });

  it('shortens the tag before it gives up mining', () => {
    const prefix = concatBytes(heightPush(840_000), new Uint8Array(70).fill(1));
    expect(buildJob(makeTemplate({ scriptSigPrefix: prefix }), { ...options, tag: 'x'.repeat(40) }).tag).toBe(
      'x'.repeat(12),
    );
    expect(
      buildJob(makeTemplate({ scriptSigPrefix: prefix }), {
        ...options,
        tag: 'x'.repeat(40),
        extranonceSize: 25,
      }).tag,
    ).toBe('');
    expect(
      codeOf(() => buildJob(makeTemplate({ scriptSigPrefix: prefix }), { ...options, extranonceSize: 26 })),
    ).toBe('template');
    expect(buildJob(makeTemplate(), { ...options, tag: '' }).tag).toBe('');
  });

  it.each([
    ['a reward that is no amount', { coinbaseValue: Number.NaN }, 'template'],
    ['a negative reward', { coinbaseValue: -1 }, 'template'],
    ['a target that is not that of the bits', { target: 1n }, 'template'],
    ['impossible bits', { bits: 0, target: 0n }, 'template'],
    ['a short previous hash', { previousHash: new Uint8Array(31) }, 'template'],
    ['a short hash in the path', { merklePath: [new Uint8Array(31)] }, 'template'],
    ['a lock time that keeps the coinbase out', { coinbaseLockTime: 840_000 }, 'unverified'],
    ['a lock time in the future', { coinbaseLockTime: 1_900_000_000 }, 'unverified'],
    ['a wrong height', { scriptSigPrefix: heightPush(839_999) }, 'unverified'],
    ['no height', { scriptSigPrefix: new Uint8Array(0) }, 'unverified'],
    ['no witness commitment', { requiredOutputs: [] }, 'unverified'],
    [
      'an output that pays someone else',
      { requiredOutputs: [{ value: 1_000, script: hexToBytes('51') }] },
      'unverified',
    ],
    [
      'a required output above the reward',
      { requiredOutputs: [{ value: 2 ** 40, script: hexToBytes('51') }] },
      'payouts',
    ],
    ['a block that is full already', { weight: 3_999_500 }, 'weight'],
    ['no room for signature operations', { sigops: 79_997 }, 'sigops'],
  ] as const)('refuses %s', (_name, changes: Partial<Template>, code) => {
    expect(codeOf(() => buildJob({ ...makeTemplate(), ...changes }, options))).toBe(code);
  });

  it('refuses payouts that do not add up and a tag that is not ASCII', () => {
    expect(codeOf(() => buildJob(template, { ...options, payouts: payouts.slice(0, 1) }))).toBe('payouts');
    expect(codeOf(() => buildJob(template, { ...options, payouts: [] }))).toBe('payouts');
    expect(codeOf(() => buildJob(template, { ...options, tag: 'Grüße' }))).toBe('template');
    expect(codeOf(() => coinbaseOf(job, extranonce.subarray(1)))).toBe('template');
  });
});

describe('verifyJob', () => {
  const template = makeTemplate();
  const job = buildJob(template, options);

  /** The job as it would be had its coinbase been built with these outputs. */
  function withOutputs(
    outputs: readonly JobOutput[],
    shown: readonly JobOutput[] = outputs,
    scriptSigPrefix = heightPush(840_000),
  ): Job {
    const parts = buildCoinbase({
      scriptSigPrefix,
      tag: '',
      extranonceSize: 12,
      version: 2,
      sequence: 0,
      lockTime: 0,
      outputs,
    });
    return { ...job, coinbasePrefix: parts.prefix, coinbaseSuffix: parts.suffix, outputs: shown };
  }
  const [first, second, commitment] = job.outputs as [JobOutput, JobOutput, JobOutput];
  const stranger: JobOutput = { value: 0, script: hexToBytes('51'), kind: 'payout', address: undefined };
  const reason = (changed: Job, chosen = payouts, required?: Template['requiredOutputs']): string => {
    const verdict = verifyJob(changed, chosen, required);
    return verdict.ok ? 'ok' : verdict.reason;
  };

  it('agrees with a true job, with and without the template at hand', () => {
    expect(reason(job)).toBe('ok');
    expect(reason(job, payouts, template.requiredOutputs)).toBe('ok');
    expect(reason(withOutputs(job.outputs))).toBe('ok');
  });

  it.each([
    ['a swapped script', [{ ...first, script: stranger.script }, second, commitment], /does not pay/],
    ['one sat less', [{ ...first, value: first.value - 1 }, second, commitment], /instead of/],
    ['one sat more', [{ ...first, value: first.value + 1 }, second, commitment], /instead of/],
    [
      'one sat moved',
      [{ ...first, value: first.value - 1 }, { ...second, value: second.value + 1 }, commitment],
      /instead of/,
    ],
    [
      'values swapped',
      [{ ...first, value: second.value }, { ...second, value: first.value }, commitment],
      /instead of/,
    ],
    ['a payout left out', [first, commitment], /2 outputs/],
    ['an output more', [first, second, commitment, stranger], /4 outputs/],
    [
      'an output more that takes its share',
      [{ ...first, value: first.value - 9 }, second, { ...stranger, value: 9 }, commitment],
      /4 outputs/,
    ],
    ['no commitment', [first, second], /commitment is missing/],
    ['a stranger paid as something demanded', [first, second, { ...commitment, value: 5 }], /not chosen/],
    [
      'a demanded output shown as payout',
      [first, second, { ...commitment, kind: 'payout' }],
      /3 are right|4|outputs/,
    ],
  ] as const)('refuses %s', (_name, outputs, expected) => {
    expect(reason(withOutputs(outputs))).toMatch(expected);
  });

  it('refuses a job that shows something else than its bytes', () => {
    const other = { ...first, script: stranger.script };
    expect(reason(withOutputs([other, second, commitment], job.outputs))).toMatch(/not what the job says/);
    expect(reason(withOutputs(job.outputs, [{ ...first, address: B }, second, commitment]))).toMatch(
      /not shown/,
    );
    expect(
      reason(
        withOutputs(job.outputs, [{ ...first, kind: 'other' }, second, commitment]),
        payouts,
        template.requiredOutputs,
      ),
    ).toMatch(/not shown/);
  });

  it('refuses payouts other than those of the settings', () => {
    expect(reason(job, makePayouts([[A, 10_000]]))).toMatch(/outputs/);
    expect(
      reason(
        job,
        makePayouts([
          [A, 9_801],
          [B, 199],
        ]),
      ),
    ).toMatch(/instead of/);
    expect(
      reason(
        job,
        makePayouts([
          [B, 9_800],
          [A, 200],
        ]),
      ),
    ).toMatch(/does not pay/);
  });

  it('refuses another commitment than the template has', () => {
    const other = {
      ...commitment,
      script: witnessCommitmentScript(witnessCommitment([], new Uint8Array(32))),
    };
    expect(reason(withOutputs([first, second, other]), payouts, template.requiredOutputs)).toMatch(
      /not what the chain demands/,
    );
  });

  it('refuses a wrong height and an extranonce outside the scriptSig', () => {
    expect(reason(withOutputs(job.outputs, job.outputs, heightPush(840_001)))).toMatch(/height/);
    const whole = coinbaseOf(job, new Uint8Array(12));
    for (const cut of [0, 10, 42, 45, whole.length - 12]) {
      const moved = { ...job, coinbasePrefix: whole.slice(0, cut), coinbaseSuffix: whole.slice(cut + 12) };
      expect(reason(moved), String(cut)).not.toBe('ok');
    }
  });

  it('refuses bytes that are no transaction', () => {
    expect(reason({ ...job, coinbaseSuffix: job.coinbaseSuffix.subarray(1) })).not.toBe('ok');
    expect(reason({ ...job, coinbasePrefix: new Uint8Array(0) })).not.toBe('ok');
    expect(reason({ ...job, witnessReserved: new Uint8Array(31) })).not.toBe('ok');
  });
});

describe('addCoinbaseWitness', () => {
  it('refuses what has a witness already', () => {
    const job = buildJob(makeTemplate(), options);
    const whole = withWitness(job, coinbaseOf(job, extranonce));
    expect(() => addCoinbaseWitness(whole, new Uint8Array(32))).toThrow(/no coinbase without witness/);
    expect(() => addCoinbaseWitness(coinbaseOf(job, extranonce), new Uint8Array(31))).toThrow(/32 bytes/);
  });
});

describe('ExtranonceAllocator', () => {
  it('gives unique prefixes, big-endian, and starts where told', () => {
    const allocator = new ExtranonceAllocator(4, 0xfffffffe);
    expect([allocator.allocate(), allocator.allocate(), allocator.allocate()].map(bytesToHex)).toEqual([
      'fffffffe',
      'ffffffff',
      '00000000',
    ]);
    expect(allocator.inUse).toBe(3);
  });

  it('gives a released one again only after all others, and errs when there is none', () => {
    const allocator = new ExtranonceAllocator(1);
    const all = Array.from({ length: 256 }, () => bytesToHex(allocator.allocate()));
    expect(new Set(all).size).toBe(256);
    expect(() => allocator.allocate()).toThrow(ExtranonceError);
    expect(allocator.release(Uint8Array.of(7))).toBe(true);
    expect(allocator.release(Uint8Array.of(7))).toBe(false);
    expect(allocator.release(Uint8Array.of(0, 9))).toBe(false);
    expect(bytesToHex(allocator.allocate())).toBe('07');

    const fresh = new ExtranonceAllocator(1);
    const given = [];
    for (let i = 0; i < 257; i++) {
      const prefix = fresh.allocate();
      given.push(prefix[0]);
      fresh.release(prefix);
    }
    expect(given.slice(0, 256)).toEqual(Array.from({ length: 256 }, (_, i) => i));
    expect(given[256]).toBe(0);
  });

  it('refuses sizes that make no sense', () => {
    for (const size of [0, 7, 1.5]) expect(() => new ExtranonceAllocator(size)).toThrow(RangeError);
    expect(() => new ExtranonceAllocator(4, -1)).toThrow(RangeError);
  });
});
