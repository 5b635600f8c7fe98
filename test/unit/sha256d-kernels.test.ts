import { hash as digest } from 'node:crypto';
import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { loadHasher, type Hasher } from '../../src-main/services/practice/hasher.ts';

const ADDON = new URL('../../native/build/sha256d.node', import.meta.url);

const sha256d = (data: Uint8Array): Buffer => digest('sha256', digest('sha256', data, 'buffer'), 'buffer');

/** A 256-bit number as a target: 32 bytes, little-endian. */
function targetOf(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
}
function numberOf(hash: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(hash.toReversed()).toString('hex')}`);
}
function withVersionAndNonce(header: Uint8Array, version: number, nonce: number): Buffer {
  const out = Buffer.from(header);
  out.writeUInt32LE(version, 0);
  out.writeUInt32LE(nonce, 76);
  return out;
}

/** Every solution in a range by node:crypto, in the order of `sorted`. */
function bySlowWay(
  header: Uint8Array,
  target: bigint,
  versions: Uint32Array,
  start: number,
  count: number,
): string[] {
  const hits = [];
  for (let nonce = start; nonce < start + count; nonce += 1) {
    for (const version of versions) {
      if (numberOf(sha256d(withVersionAndNonce(header, version, nonce))) <= target)
        hits.push({ nonce, version });
    }
  }
  return sorted(hits);
}
const sorted = (hits: readonly { nonce: number; version: number }[]): string[] =>
  hits.map(({ nonce, version }) => `${nonce}/${version}`).toSorted();

/** Pseudo-random bytes that are the same in every run. */
const noise = (seed: number, length: number): Buffer =>
  Buffer.concat(
    Array.from({ length: Math.ceil(length / 32) }, (_, i) => digest('sha256', `${seed} ${i}`, 'buffer')),
  ).subarray(0, length);

/** Real blocks of mainnet: header, nonce and hash as explorers show it. */
const BLOCKS = [
  {
    height: 0,
    header:
      '0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c',
    hash: '000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f',
  },
  {
    height: 1,
    header:
      '010000006fe28c0ab6f1b372c1a6a246ae63f74f931e8365e15a089c68d6190000000000982051fd1e4ba744bbbe680e1fee14677ba1a3c3540bf7b1cdb606e857233e0e61bc6649ffff001d01e36299',
    hash: '00000000839a8e6886ab5951d76f411475428afc90947ee320161bbf18eb6048',
  },
  {
    height: 125_552,
    header:
      '0100000081cd02ab7e569e8bcd9317e2fe99f2de44d49ab2b8851ba4a308000000000000e320b6c2fffc8d750423db8b1eb942ae710e951ed797f7affc8892b0f1fc122bc7f5d74df2b9441a42a14695',
    hash: '00000000000000001e8d6829a8a21adc5d38d0a473b144b6765798e61f98bd1d',
  },
].map((block) => {
  const header = Buffer.from(block.header, 'hex');
  return { ...block, header, nonce: header.readUInt32LE(76), target: BigInt(`0x${block.hash}`) };
});

function suite(hasher: Hasher): void {
  const usable = hasher.kernels.filter((kernel) => kernel.usable).map((kernel) => kernel.name);

  test('the plain kernel always runs, and one kernel is chosen', () => {
    expect(usable).toContain('plain');
    expect(usable).toContain(hasher.kernel);
    expect(hasher.kernels.filter((kernel) => kernel.best)).toHaveLength(1);
  });

  describe.each(usable)('%s', (kernel) => {
    test.each(BLOCKS)(
      'finds the nonce of block $height, and only below its hash',
      ({ header, nonce, target }) => {
        expect(numberOf(sha256d(header))).toBe(target);
        const ask = {
          header,
          versions: Uint32Array.of(0x20000000, 1),
          start: nonce - 1000,
          count: 2000,
          kernel,
        };
        expect(hasher.scan({ ...ask, target: targetOf(target) })).toEqual({
          done: 2000,
          hits: [{ nonce, version: 1 }],
        });
        expect(hasher.scan({ ...ask, target: targetOf(target - 1n) })).toEqual({ done: 2000, hits: [] });
      },
    );

    test.each([
      { bits: 256, name: 'one in 1' },
      { bits: 255, name: 'one in 2' },
      { bits: 251, name: 'one in 32' },
      { bits: 247, name: 'one in 512' },
      { bits: 244, name: 'one in 4096' },
    ])('agrees with node:crypto on random headers where $name is a hit', ({ bits }) => {
      const tries = bits === 256 ? 16 : 600;
      for (const count of [1, 3, 5]) {
        const header = noise(bits * 10 + count, 80);
        const versions = Uint32Array.from({ length: count }, (_, i) => noise(i, 4).readUInt32LE());
        const target = numberOf(noise(bits, 32)) % (1n << BigInt(bits));
        const start = noise(count, 4).readUInt32LE() % 2 ** 31;
        const found = hasher.scan({
          header,
          target: targetOf(target),
          versions,
          start,
          count: tries,
          kernel,
        });
        expect(sorted(found.hits)).toEqual(bySlowWay(header, target, versions, start, found.done));
        expect(found.done).toBeGreaterThan(0);
        for (const hit of found.hits) {
          expect(numberOf(sha256d(withVersionAndNonce(header, hit.version, hit.nonce))) <= target).toBe(true);
        }
      }
    });

    test('looks at every nonce once, whatever the count, up to the last of all', () => {
      const header = noise(7, 80);
      const target = (1n << 253n) - 1n;
      const versions = Uint32Array.of(4);
      for (const count of [0, 1, 2, 3, 7, 15, 16, 17, 31, 33, 100]) {
        const start = 2 ** 32 - count;
        const found = hasher.scan({
          header,
          target: targetOf(target),
          versions,
          start: start % 2 ** 32,
          count,
          kernel,
        });
        expect(found.done).toBe(count);
        expect(sorted(found.hits)).toEqual(bySlowWay(header, target, versions, start, count));
      }
      const past = hasher.scan({
        header,
        target: targetOf(0n),
        versions,
        start: 2 ** 32 - 5,
        count: 100,
        kernel,
      });
      expect(past.done).toBe(5);
    });

    test('stops early rather than lose hits when there are too many', () => {
      const header = noise(9, 80);
      const versions = Uint32Array.from({ length: 16 }, (_, i) => i << 13);
      const target = (1n << 256n) - 1n;
      const { done, hits } = hasher.scan({
        header,
        target: targetOf(target),
        versions,
        start: 5,
        count: 2 ** 31,
        kernel,
      });
      expect(done).toBeGreaterThan(0);
      expect(done).toBeLessThan(200);
      expect(sorted(hits)).toEqual(bySlowWay(header, target, versions, 5, done));
    });
  });

  test('sha256d agrees with node:crypto at every length around the block borders', () => {
    for (const length of [0, 1, 31, 32, 55, 56, 63, 64, 65, 80, 119, 120, 127, 128, 129, 1000]) {
      const data = noise(length, length);
      expect(Buffer.from(hasher.sha256d(data)).toString('hex')).toBe(sha256d(data).toString('hex'));
    }
  });

  test('refuses what it can not scan', () => {
    const good = {
      header: noise(1, 80),
      target: noise(2, 32),
      versions: Uint32Array.of(1),
      start: 0,
      count: 1,
    };
    expect(() => hasher.scan({ ...good, header: noise(1, 79) })).toThrow(TypeError);
    expect(() => hasher.scan({ ...good, target: noise(1, 31) })).toThrow(TypeError);
    expect(() => hasher.scan({ ...good, versions: new Uint32Array(0) })).toThrow(TypeError);
    expect(() => hasher.scan({ ...good, versions: new Uint32Array(17) })).toThrow(TypeError);
    expect(() => hasher.scan({ ...good, count: -1 })).toThrow(TypeError);
    expect(() => hasher.scan({ ...good, count: 2 ** 32 + 1 })).toThrow(TypeError);
    expect(() => hasher.scan({ ...good, kernel: 'quantum' })).toThrow(TypeError);
  });
}

describe('sha256d in WebAssembly', () => {
  suite(loadHasher({ addon: null }));
});

describe.skipIf(!existsSync(ADDON))('sha256d add-on (node native/build-addon.mjs builds it)', () => {
  if (existsSync(ADDON)) {
    const hasher = loadHasher();
    test('is loaded', () => expect(hasher).toMatchObject({ kind: 'addon', fallbackReason: undefined }));
    suite(hasher);
  }
});

describe('loadHasher', () => {
  test('takes WebAssembly when the add-on can not be loaded, and says why', () => {
    const hasher = loadHasher({ addon: '/nowhere/sha256d.node' });
    expect(hasher.kind).toBe('wasm');
    expect(hasher.fallbackReason).toContain('/nowhere/sha256d.node');
  });

  test('says what to do when there is neither', () => {
    expect(() => loadHasher({ addon: null, wasm: '/nowhere/sha256d.wasm' })).toThrow(
      expect.objectContaining({ code: 'noHasher', message: expect.stringContaining('build-addon.mjs') }),
    );
  });
});
