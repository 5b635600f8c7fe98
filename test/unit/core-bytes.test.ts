import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  ByteReader,
  ByteWriter,
  FormatError,
  bytesToHex,
  compactSize,
  displayHash,
  hexToBytes,
  parseHash,
} from '../../src-main/core/bitcoin/bytes.ts';
import { HashError, installSha256, sha256, sha256d } from '../../src-main/core/bitcoin/hash.ts';
import { NETWORK } from '../../src-main/core/bitcoin/network.ts';

const code = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof FormatError) return error.code;
    throw error;
  }
  return 'none';
};

describe('hex', () => {
  it('reads both cases and refuses what is no hex', () => {
    expect(bytesToHex(hexToBytes('00fFAb'))).toBe('00ffab');
    for (const bad of ['0', '0g', 'zz', '0x', ' 0', '\u0130\u0131', '00\u{1f600}']) {
      expect(
        code(() => hexToBytes(bad)),
        bad,
      ).toBe('hex');
    }
  });

  it('turns hashes round between display and internal order', () => {
    const internal = parseHash(NETWORK.main.genesis);
    expect(internal[31]).toBe(0);
    expect(internal[0]).toBe(0x6f);
    expect(displayHash(internal)).toBe(NETWORK.main.genesis);
    expect(internal[0]).toBe(0x6f);
    expect(code(() => parseHash('00'))).toBe('hex');
    expect(code(() => displayHash(new Uint8Array(31)))).toBe('range');
  });

  it('refuses a hash with any one digit wrong, and takes capitals', () => {
    const digits = '0123456789abcdef'.repeat(4);
    for (let place = 0; place < 64; place += 1) {
      for (const wrong of ['g', ' ', '/', ':', '\u0130', '\u0430'])
        expect(code(() => parseHash(`${digits.slice(0, place)}${wrong}${digits.slice(place + 1)}`))).toBe(
          'hex',
        );
    }
    expect(parseHash(digits.toUpperCase())).toEqual(hexToBytes(digits).toReversed());
  });
});

describe('compactSize', () => {
  it.each([
    [0, '00'],
    [252, 'fc'],
    [253, 'fdfd00'],
    [0xffff, 'fdffff'],
    [0x10000, 'fe00000100'],
    [0xffffffff, 'feffffffff'],
    [0x100000000, 'ff0000000001000000'],
  ])('%d', (n, hex) => {
    expect(bytesToHex(compactSize(n))).toBe(hex);
    expect(new ByteReader(hexToBytes(hex)).compactSize(Number.MAX_SAFE_INTEGER)).toBe(n);
  });

  it.each(['fdfc00', 'fd0000', 'feffff0000', 'ffffffffff00000000'])(
    'refuses %s, which is not the shortest form',
    (hex) => {
      expect(code(() => new ByteReader(hexToBytes(hex)).compactSize(Number.MAX_SAFE_INTEGER))).toBe(
        'notCanonical',
      );
    },
  );

  it('is bounded and says where it went wrong', () => {
    const reader = new ByteReader(hexToBytes('aafd0001'));
    reader.u8();
    expect(() => reader.compactSize(255, 'input count')).toThrow(/input count: 256 .* 255 .*byte 1/);
    expect(code(() => new ByteReader(hexToBytes('ffffffffffffffffff')).compactSize(10))).toBe('range');
    expect(code(() => compactSize(-1))).toBe('range');
    expect(code(() => compactSize(1.5))).toBe('range');
  });
});

describe('ByteWriter and ByteReader', () => {
  it('write and read each type at its edges, also while the buffer grows', () => {
    const writer = new ByteWriter(1);
    writer
      .u8(255)
      .u16le(0xfffe)
      .u32le(0xfffffffd)
      .i32le(-2)
      .u64le(2 ** 53 - 1)
      .u64le(0xffffffffffffffffn);
    writer.lengthAndBytes(Uint8Array.of(1, 2, 3));
    const reader = new ByteReader(writer.finish());
    expect([reader.u8(), reader.u16le(), reader.u32le(), reader.i32le()]).toEqual([
      255, 0xfffe, 0xfffffffd, -2,
    ]);
    expect(reader.safeU64le()).toBe(2 ** 53 - 1);
    expect(reader.u64le()).toBe(0xffffffffffffffffn);
    expect(reader.lengthAndBytes(10)).toEqual(Uint8Array.of(1, 2, 3));
    expect(() => reader.end('test')).not.toThrow();
  });

  it('refuse numbers that do not fit and reads past the end', () => {
    for (const run of [
      (w: ByteWriter) => w.u8(256),
      (w: ByteWriter) => w.u16le(-1),
      (w: ByteWriter) => w.u32le(2 ** 32),
      (w: ByteWriter) => w.i32le(2 ** 31),
      (w: ByteWriter) => w.u64le(-1n),
      (w: ByteWriter) => w.u64le(Number.NaN),
    ]) {
      const writer = new ByteWriter();
      expect(code(() => run(writer))).toBe('range');
      expect(writer.length).toBe(0);
    }
    expect(code(() => new ByteReader(new Uint8Array(3)).u32le())).toBe('truncated');
    expect(code(() => new ByteReader(new Uint8Array(3)).bytes(4))).toBe('truncated');
    expect(code(() => new ByteReader(new Uint8Array(1)).end('x'))).toBe('trailing');
    expect(code(() => new ByteReader(hexToBytes('ffffffffffffffff')).safeU64le())).toBe('range');
  });

  it('read a view into a larger buffer and give copies', () => {
    const buffer = Uint8Array.of(9, 9, 1, 2, 9);
    const reader = new ByteReader(buffer.subarray(2, 4));
    const copy = reader.bytes(2);
    buffer[2] = 7;
    expect(copy).toEqual(Uint8Array.of(1, 2));
    expect(reader.remaining).toBe(0);
  });
});

describe('sha256', () => {
  it('hashes as FIPS 180-4 says', () => {
    expect(bytesToHex(sha256(new TextEncoder().encode('abc')))).toBe(
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    );
    expect(bytesToHex(sha256d(new TextEncoder().encode('hello')))).toBe(
      '9595c9df90075148eb06860365df33584b75bff782a510c6cd4883a419833d50',
    );
  });

  it('accepts an identical function and refuses all others', () => {
    const node = (data: Uint8Array): Uint8Array => createHash('sha256').update(data).digest();
    const shared = new Uint8Array(32);
    for (const wrong of [
      () => new Uint8Array(32),
      (data: Uint8Array) => node(data).subarray(0, 31),
      (data: Uint8Array) => (data.length === 80 ? node(node(data)) : node(data)),
      (data: Uint8Array) => node(new Uint8Array(data.buffer)),
      (data: Uint8Array) => (shared.set(node(data)), shared),
      (data: Uint8Array) => {
        const digest = node(data);
        data.fill(0);
        return digest;
      },
    ]) {
      expect(() => installSha256(wrong)).toThrow(HashError);
      expect(bytesToHex(sha256(new Uint8Array(80)))).toBe(bytesToHex(node(new Uint8Array(80))));
    }
    let calls = 0;
    installSha256((data) => {
      calls += 1;
      return node(data);
    });
    calls = 0;
    sha256d(new Uint8Array(80));
    expect(calls).toBe(2);
  });
});
