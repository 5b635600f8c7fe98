import { createCipheriv } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { schnorr } from '@noble/curves/secp256k1.js';
import { describe, expect, it } from 'vitest';
import { bytesToHex, concatBytes, hexToBytes } from '../../src-main/core/bitcoin/bytes.ts';
import { ellswiftDecode, keyPairOf, swiftEcInverse } from '../../src-main/core/stratum-v2/ellswift.ts';
import {
  ACT_2_LENGTH,
  CLOCK_LEEWAY,
  CipherState,
  NoiseError,
  NoiseInitiator,
  NoiseResponder,
  authorityPublicKey,
  checkCertificate,
  createCertificate,
  createIdentity,
  encodeAuthorityKey,
  parseAuthorityKey,
  type InitiatorDone,
  type ResponderDone,
} from '../../src-main/core/stratum-v2/noise.ts';
import { seededRandom } from '../fixtures/stratum-v2-messages.ts';

const fixture = (name: string): string =>
  readFileSync(new URL(`../fixtures/vectors/${name}`, import.meta.url), 'utf8');

/** The code of the NoiseError that is thrown. */
function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof NoiseError) return error.code;
    throw error;
  }
  return 'nothing thrown';
}

const AUTHORITY = new Uint8Array(32).fill(7);
const NOW = 1_790_000_000;
const random = seededRandom(77);
const identity = createIdentity({
  authoritySecretKey: AUTHORITY,
  validFrom: NOW - 3_600,
  notValidAfter: NOW + 3_600,
  random,
});

function newInitiator(authority: Uint8Array | 'any' = authorityPublicKey(AUTHORITY)): NoiseInitiator {
  return new NoiseInitiator({ authority, random });
}
function answer(message: Uint8Array): ResponderDone {
  const outcome = new NoiseResponder({ identity, random }).receive(message);
  if (outcome.kind !== 'done') throw new Error('act 1 was not enough');
  return outcome;
}
function conclude(initiator: NoiseInitiator, reply: Uint8Array, now = NOW): InitiatorDone {
  const outcome = initiator.receive(reply, now);
  if (outcome.kind !== 'done') throw new Error('act 2 was not enough');
  return outcome;
}

describe('CipherState', () => {
  it('opens and seals the vector of RFC 8439, A.5', () => {
    // The RFC's nonce begins with four zero bytes, so it is one of ours: the counter 0x0807060504030201.
    const key = hexToBytes('1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0');
    const ad = hexToBytes('f33388860000000000004e91');
    const sealed = hexToBytes(
      '64a0861575861af460f062c79be643bd5e805cfd345cf389f108670ac76c8cb24c6cfc18755d43eea09ee94e382d26b0' +
        'bdb7b73c321b0100d4f03b7f355894cf332f830e710b97ce98c8a84abd0b948114ad176e008d33bd60f982b1ff37c855' +
        '9797a06ef4f0ef61c186324e2b3506383606907b6a7c02b0f9f6157b53c867e4b9166c767b804d46a59b5216cde7a4e9' +
        '9040c5a40433225ee282a1b0a06c523eaf4534d7f83fa1155b0047718cbc546a0d072b04b3564eea1b422273f548271a' +
        '0bb2316053fa76991955ebd63159434ecebb4e466dae5a1073a6727627097a1049e617d91d361094fa68f0ff77987130' +
        '305beaba2eda04df997b714d6c6f2c29a6ad5cb4022b02709beead9d67890cbb22392336fea1851f38',
    );
    const plaintext = new TextEncoder().encode(
      'Internet-Drafts are draft documents valid for a maximum of six months and may be updated, replaced, or ' +
        'obsoleted by other documents at any time. It is inappropriate to use Internet-Drafts as reference ' +
        'material or to cite them other than as /\u201cwork in progress./\u201d',
    );
    expect(new CipherState(key, 0x0807060504030201n).open(sealed, ad)).toEqual(plaintext);
    expect(new CipherState(key, 0x0807060504030201n).seal(plaintext, ad)).toEqual(sealed);
  });

  it('agrees with OpenSSL for lengths around the block, and counts its nonces little-endian', () => {
    const key = random(32);
    const start = 0xffff_fff0n;
    const cipher = new CipherState(key, start);
    for (let length = 0; length < 200; length += 7) {
      const counter = start + BigInt(length / 7);
      const nonce = Buffer.alloc(12);
      nonce.writeBigUInt64LE(counter, 4);
      const plaintext = random(length);
      const ad = random(length % 20);
      const openssl = createCipheriv('chacha20-poly1305', key, nonce, { authTagLength: 16 });
      openssl.setAAD(ad, { plaintextLength: length });
      const expected = Buffer.concat([openssl.update(plaintext), openssl.final(), openssl.getAuthTag()]);
      expect(cipher.counter).toBe(counter);
      expect(bytesToHex(cipher.seal(plaintext, ad))).toBe(expected.toString('hex'));
    }
  });

  it('refuses the last nonce instead of wrapping', () => {
    const cipher = new CipherState(new Uint8Array(32), 2n ** 64n - 2n);
    cipher.seal(new Uint8Array(1));
    expect(codeOf(() => cipher.seal(new Uint8Array(1)))).toBe('nonceExhausted');
    expect(codeOf(() => cipher.open(new Uint8Array(17)))).toBe('nonceExhausted');
  });

  it('does not count what it could not open', () => {
    const key = random(32);
    const sealed = new CipherState(key).seal(Uint8Array.of(1, 2, 3));
    const receiver = new CipherState(key);
    const changed = Uint8Array.from(sealed);
    changed[0] = (changed[0] ?? 0) ^ 1;
    expect(codeOf(() => receiver.open(changed))).toBe('authentication');
    expect(codeOf(() => receiver.open(sealed.subarray(0, 10)))).toBe('authentication');
    expect(receiver.counter).toBe(0n);
    expect(receiver.open(sealed)).toEqual(Uint8Array.of(1, 2, 3));
    expect(codeOf(() => receiver.open(sealed))).toBe('authentication');
  });
});

describe("BIP340's vectors, as certificates are signed and checked", () => {
  const lines = fixture('bip340-test-vectors.csv').trim().split(/\r?\n/).slice(1);
  it.each(lines.map((line) => line.split(',')))(
    'vector %s',
    (_index, secret = '', publicKey = '', aux = '', message = '', signature = '', result = '') => {
      const bytes = hexToBytes(message);
      if (secret !== '')
        expect(bytesToHex(schnorr.sign(bytes, hexToBytes(secret), hexToBytes(aux))).toUpperCase()).toBe(
          signature,
        );
      expect(schnorr.verify(hexToBytes(signature), bytes, hexToBytes(publicKey))).toBe(result === 'TRUE');
    },
  );
});

describe('handshake', () => {
  it('gives both sides the same keys, each direction its own', () => {
    const initiator = newInitiator();
    const responder = answer(initiator.message);
    const { transport, certificate, rest } = conclude(initiator, responder.reply);
    expect(initiator.message).toHaveLength(64);
    expect(responder.reply).toHaveLength(234);
    expect(rest).toHaveLength(0);
    expect(certificate.serverPublicKey).toEqual(identity.keys.xOnly);
    expect([certificate.validFrom, certificate.notValidAfter]).toEqual([NOW - 3_600, NOW + 3_600]);
    for (let i = 0; i < 3; i++) {
      const text = random(50);
      const there = transport.send.seal(text);
      const back = responder.transport.send.seal(text);
      expect(there).not.toEqual(back);
      expect(responder.transport.receive.open(there)).toEqual(text);
      expect(transport.receive.open(back)).toEqual(text);
    }
  });

  it('takes its messages in any pieces, and gives back what came after', () => {
    const initiator = newInitiator();
    const responder = new NoiseResponder({ identity, random });
    for (let i = 0; i < 63; i++)
      expect(responder.receive(initiator.message.subarray(i, i + 1))).toEqual({
        kind: 'pending',
        missing: 63 - i,
      });
    const done = responder.receive(concatBytes(initiator.message.subarray(63), Uint8Array.of(9, 8)));
    if (done.kind !== 'done') throw new Error(done.kind);
    expect(done.rest).toEqual(Uint8Array.of(9, 8));
    expect(initiator.receive(done.reply.subarray(0, 100), NOW)).toEqual({ kind: 'pending', missing: 134 });
    const end = conclude(initiator, concatBytes(done.reply.subarray(100), Uint8Array.of(7)));
    expect(end.rest).toEqual(Uint8Array.of(7));
    expect(codeOf(() => responder.receive(Uint8Array.of(1)))).toBe('finished');
    expect(codeOf(() => initiator.receive(Uint8Array.of(1), NOW))).toBe('finished');
  });

  it('fails for every flipped bit of act 2, and at the first frame for one of act 1', () => {
    const initiator = newInitiator();
    const { reply } = answer(initiator.message);
    for (const at of [64, 100, 127, 128, 143, 144, 153, 154, ACT_2_LENGTH - 1]) {
      const other = newInitiator();
      const changed = answer(other.message).reply;
      changed[at] = (changed[at] ?? 0) ^ 0x10;
      expect(codeOf(() => other.receive(changed, NOW))).toBe('authentication');
    }
    expect(codeOf(() => newInitiator().receive(reply, NOW))).toBe('authentication');
    const message = Uint8Array.from(initiator.message);
    message[0] = (message[0] ?? 0) ^ 1;
    expect(codeOf(() => initiator.receive(answer(message).reply, NOW))).toBe('authentication');
  });

  it('is over once it failed', () => {
    const initiator = newInitiator();
    expect(codeOf(() => initiator.receive(new Uint8Array(ACT_2_LENGTH), NOW))).toBe('authentication');
    expect(codeOf(() => initiator.receive(new Uint8Array(1), NOW))).toBe('finished');
  });

  it('uses new ephemeral keys for every connection', () => {
    const initiator = newInitiator();
    expect(answer(initiator.message).reply).not.toEqual(answer(initiator.message).reply);
    expect(newInitiator().message).not.toEqual(initiator.message);
  });
});

interface GoldenHandshake {
  readonly initiatorDraws: readonly string[];
  readonly responderDraws: readonly string[];
  readonly responderStatic: string;
  readonly act1: string;
  readonly act2: string;
  readonly fromInitiator: readonly string[];
  readonly fromResponder: readonly string[];
}
interface Golden {
  readonly authoritySecretKey: string;
  readonly authorityPublicKey: string;
  readonly now: number;
  readonly validity: number;
  readonly handshakes: readonly GoldenHandshake[];
}

/** What a source must give for an encoding to come out: its u, and which of the eight roots its t is. */
function drawOf(encoding: string): Uint8Array {
  const bytes = hexToBytes(encoding);
  const u = bytes.subarray(0, 32);
  const [x = 0n, uNumber = 0n, t = 0n] = [ellswiftDecode(bytes), u, bytes.subarray(32)].map((part) =>
    BigInt(`0x${bytesToHex(part)}`),
  );
  const which = [0, 1, 2, 3, 4, 5, 6, 7].find((n) => swiftEcInverse(x, uNumber, n) === t);
  if (which === undefined) throw new Error('no case gives this encoding');
  return concatBytes(u, Uint8Array.of(which));
}

/** A source that gives these draws and no more. */
function replay(...draws: Uint8Array[]): (length: number) => Uint8Array {
  return (length) => {
    const draw = draws.shift();
    if (draw?.length !== length) throw new Error(`no draw of ${length} bytes`);
    return draw;
  };
}

describe('handshakes recorded from the reference implementation (noise_sv2 2.0.0)', () => {
  const golden = JSON.parse(fixture('noise_sv2-2.0.0-handshakes.json')) as Golden;
  const message = (k: number): Uint8Array =>
    Uint8Array.from({ length: k * 100 + 6 }, (_, x) => (x * 3 + k) & 0xff);

  it.each(golden.handshakes)('$act1', (one) => {
    const [initiatorSecret = ''] = one.initiatorDraws;
    const [ephemeralSecret = '', staticSecret = '', aux = ''] = one.responderDraws;

    const initiator = new NoiseInitiator({
      authority: hexToBytes(golden.authorityPublicKey),
      random: replay(hexToBytes(initiatorSecret), drawOf(one.act1)),
    });
    expect(bytesToHex(initiator.message)).toBe(one.act1);
    const a = conclude(initiator, hexToBytes(one.act2), golden.now);

    const keys = keyPairOf(hexToBytes(staticSecret), replay(drawOf(one.responderStatic)));
    const certificate = createCertificate({
      authoritySecretKey: hexToBytes(golden.authoritySecretKey),
      serverPublicKey: keys.xOnly,
      validFrom: golden.now,
      notValidAfter: golden.now + golden.validity,
      random: () => hexToBytes(aux),
    });
    const b = new NoiseResponder({
      identity: { keys, certificate },
      random: replay(hexToBytes(ephemeralSecret), drawOf(one.act2.slice(0, 128))),
    }).receive(hexToBytes(one.act1));
    if (b.kind !== 'done') throw new Error(b.kind);
    expect(bytesToHex(b.reply)).toBe(one.act2);

    for (let k = 0; k < 3; k++) {
      expect(bytesToHex(a.transport.send.seal(message(k)))).toBe(one.fromInitiator[k]);
      expect(bytesToHex(b.transport.send.seal(message(k)))).toBe(one.fromResponder[k]);
      expect(b.transport.receive.open(hexToBytes(one.fromInitiator[k] ?? ''))).toEqual(message(k));
      expect(a.transport.receive.open(hexToBytes(one.fromResponder[k] ?? ''))).toEqual(message(k));
    }
  });
});

describe('certificate', () => {
  const key = authorityPublicKey(AUTHORITY);
  const check = (message: Uint8Array, now: number, authority: Uint8Array | 'any' = key) =>
    checkCertificate(message, identity.keys.xOnly, authority, now);

  it('is good within its time and the leeway', () => {
    for (const now of [NOW - 3_600 - CLOCK_LEEWAY, NOW, NOW + 3_600 + CLOCK_LEEWAY])
      expect(check(identity.certificate, now).version).toBe(0);
  });

  it('tells by how much the clock is off', () => {
    const slow = (): unknown => check(identity.certificate, NOW - 3_600 - 95);
    expect(slow).toThrow(
      expect.objectContaining({
        code: 'clockBehind',
        secondsOff: 95,
        message: expect.stringContaining('95 seconds behind'),
      }),
    );
    expect(() => check(identity.certificate, NOW + 3_600 + 11)).toThrow(
      expect.objectContaining({ code: 'clockAhead', secondsOff: 11 }),
    );
  });

  it('of another authority, for another key or changed is refused before the clock is blamed', () => {
    const other = authorityPublicKey(new Uint8Array(32).fill(8));
    expect(codeOf(() => check(identity.certificate, NOW, other))).toBe('certificateSignature');
    expect(codeOf(() => checkCertificate(identity.certificate, other, key, NOW))).toBe(
      'certificateSignature',
    );
    for (let at = 2; at < 74; at++) {
      const changed = Uint8Array.from(identity.certificate);
      changed[at] = (changed[at] ?? 0) ^ 0x80;
      expect(codeOf(() => check(changed, NOW))).toBe('certificateSignature');
    }
  });

  it('of another format is refused, whoever signed it', () => {
    const changed = Uint8Array.from(identity.certificate);
    changed[0] = 1;
    expect(codeOf(() => check(changed, NOW, 'any'))).toBe('certificateVersion');
    expect(codeOf(() => check(changed.subarray(1), NOW))).toBe('certificateLength');
  });

  it('is not checked when any authority will do', () => {
    const initiator = newInitiator('any');
    expect(conclude(initiator, answer(initiator.message).reply, 0).certificate.validFrom).toBe(NOW - 3_600);
  });

  it('holds times beyond 32 bits at their limit', () => {
    const long = createCertificate({
      authoritySecretKey: AUTHORITY,
      serverPublicKey: identity.keys.xOnly,
      validFrom: -5,
      notValidAfter: 2 ** 40,
      random,
    });
    expect(check(long, NOW)).toMatchObject({ validFrom: 0, notValidAfter: 2 ** 32 - 1 });
  });
});

describe('authority key', () => {
  // SV2 4.7.1.
  const raw = Uint8Array.from([
    118, 99, 112, 0, 151, 156, 28, 17, 175, 12, 48, 11, 205, 140, 127, 228, 134, 16, 252, 233, 185, 193, 30,
    61, 174, 227, 90, 224, 176, 138, 116, 85,
  ]);
  const text = '9bXiEd8boQVhq7WddEcERUL5tyyJVFYdU8th3HfbNXK3Yw6GRXh';

  it('is written and read as in the vector of the specification', () => {
    expect(encodeAuthorityKey(raw)).toBe(text);
    expect(parseAuthorityKey(text)).toEqual(raw);
  });

  it('is refused when mistyped, of another kind, no point of the curve, or endless', () => {
    const noPoint = hexToBytes('eefdea4cdb677750a420fee807eacf21eb9898ae79b9768766e4faa04a2d4a34');
    for (const bad of [
      '',
      text.slice(1),
      text.replace('b', 'c'),
      'bc1qxyz',
      '0OIl',
      encodeAuthorityKey(noPoint),
      '9'.repeat(1_000_000),
    ])
      expect(codeOf(() => parseAuthorityKey(bad))).toBe('authorityKey');
    expect(codeOf(() => encodeAuthorityKey(raw.subarray(1)))).toBe('authorityKey');
  });
});

describe('what Electron lacks', () => {
  it('is not used: no node module, no OpenSSL and no WebCrypto in core/stratum-v2', () => {
    const folder = new URL('../../src-main/core/stratum-v2/', import.meta.url);
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((f) => f.endsWith('.ts'));
    expect(files.length).toBeGreaterThan(7);
    for (const file of files) {
      const source = readFileSync(new URL(file, folder), 'utf8');
      for (const [, from = ''] of source.matchAll(/\bfrom '([^']+)'/g))
        expect(from).toMatch(/^(\.{1,2}\/|@noble\/|@scure\/)/);
      expect(source).not.toMatch(
        /node:|createCipheriv|createECDH|getRandomValues|crypto\.subtle|randomBytes\(/,
      );
    }
  });
});
