/**
 * Noise_NX_Secp256k1+EllSwift_ChaChaPoly_SHA256: the handshake and the ciphers of Stratum V2.
 * Source: the SV2 specification, chapter 4 (its section numbers stand at each part), over the Noise framework.
 *
 * Pure: bytes go in, bytes come out, randomness and time are passed in. All integers on the wire are little-endian. Only
 * @noble and @scure do the arithmetic, because the OpenSSL of Electron's Node (BoringSSL) has neither this cipher nor this
 * curve.
 */
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { schnorr, secp256k1 } from '@noble/curves/secp256k1.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { createBase58check } from '@scure/base';
import { concatBytes } from '../bitcoin/bytes.ts';
import {
  ELLSWIFT_LENGTH,
  ellswiftEcdh,
  generateKeyPair,
  parsePeerKey,
  type KeyPair,
  type PeerKey,
  type RandomBytes,
} from './ellswift.ts';

export type NoiseErrorCode =
  | 'authentication'
  | 'nonceExhausted'
  | 'finished'
  | 'authorityKey'
  | 'certificateLength'
  | 'certificateVersion'
  | 'certificateSignature'
  | 'clockBehind'
  | 'clockAhead';

/**
 * Why a handshake or a sealed frame failed. Every one of them ends the connection (SV2 4.5).
 * `secondsOff` is set for "clockBehind" and "clockAhead": how far our clock is outside the certificate's validity.
 */
export class NoiseError extends Error {
  readonly code: NoiseErrorCode;
  readonly secondsOff: number | undefined;
  constructor(code: NoiseErrorCode, message: string, secondsOff?: number) {
    super(message);
    this.name = 'NoiseError';
    this.code = code;
    this.secondsOff = secondsOff;
  }
}

/** Bytes of a message authentication code (SV2 3.1, MAC). */
export const MAC_LENGTH = 16;
/** SIGNATURE_NOISE_MESSAGE (SV2 4.5.2): version, valid_from, not_valid_after, signature. */
export const CERTIFICATE_LENGTH = 74;
/** Act 1 (SV2 4.5.1.1): the initiator's ephemeral key. */
export const ACT_1_LENGTH = ELLSWIFT_LENGTH;
/**
 * Act 2 (SV2 4.5.2.1): ephemeral key, sealed static key, sealed certificate, 234 bytes. The specification's total of 170 dates from
 * 32-byte keys; its parts, and every implementation, come to 234.
 */
export const ACT_2_LENGTH = ELLSWIFT_LENGTH + ELLSWIFT_LENGTH + MAC_LENGTH + CERTIFICATE_LENGTH + MAC_LENGTH;

const EMPTY = new Uint8Array(0);
const U32 = 0x1_0000_0000;

/**
 * One direction of an encrypted connection (SV2 4.4.1, CipherState): a key and a nonce that counts up.
 *
 * The nonce is 4 zero bytes, then the counter as 64 bits little-endian. The highest counter is never used (Noise, section
 * 5.1); instead of it `seal` and `open` throw "nonceExhausted". SV2 defines no rekeying, so the connection ends there: at a
 * million messages a second that is after 580,000 years.
 */
export class CipherState {
  readonly #key: Uint8Array;
  readonly #nonce = new Uint8Array(12);
  readonly #view = new DataView(this.#nonce.buffer);
  #low: number;
  #high: number;

  /** `key` has 32 bytes and is copied. `counter` is the first nonce; other than 0 only in tests. */
  constructor(key: Uint8Array, counter = 0n) {
    this.#key = Uint8Array.from(key);
    this.#low = Number(counter & 0xffff_ffffn);
    this.#high = Number(counter >> 32n);
  }

  /** How many messages this direction has carried. */
  get counter(): bigint {
    return (BigInt(this.#high) << 32n) | BigInt(this.#low);
  }

  #setNonce(): void {
    if (this.#low === U32 - 1 && this.#high === U32 - 1)
      throw new NoiseError('nonceExhausted', 'this connection has used up its nonces: connect anew');
    this.#view.setUint32(4, this.#low, true);
    this.#view.setUint32(8, this.#high, true);
  }

  #count(): void {
    this.#low += 1;
    if (this.#low === U32) {
      this.#low = 0;
      this.#high += 1;
    }
  }

  /**
   * EncryptWithAd: gives ciphertext and MAC, `plaintext.length + 16` bytes, in `out` when that is given (exactly so long; it
   * may begin at the plaintext itself).
   */
  seal(plaintext: Uint8Array, ad: Uint8Array = EMPTY, out?: Uint8Array): Uint8Array {
    this.#setNonce();
    const sealed = chacha20poly1305(this.#key, this.#nonce, ad).encrypt(plaintext, out);
    this.#count();
    return sealed;
  }

  /**
   * DecryptWithAd: gives the plaintext, `sealed.length - 16` bytes, in `out` when that is given. Throws "authentication" when
   * even one bit was changed or a message was lost, repeated or put in another place; the counter then stays.
   */
  open(sealed: Uint8Array, ad: Uint8Array = EMPTY, out?: Uint8Array): Uint8Array {
    this.#setNonce();
    let plaintext: Uint8Array;
    try {
      plaintext = chacha20poly1305(this.#key, this.#nonce, ad).decrypt(sealed, out);
    } catch {
      // Too short for a MAC, or a wrong one: the cipher says no more than that, and more must not be said.
      throw new NoiseError(
        'authentication',
        'the peer sent data that was not encrypted with the key of this connection, or that was changed on the way',
      );
    }
    this.#count();
    return plaintext;
  }
}

/** Both directions of a connection whose handshake is done. */
export interface NoiseTransport {
  /** Seals what we send. */
  readonly send: CipherState;
  /** Opens what we receive. */
  readonly receive: CipherState;
}

const PROTOCOL_NAME = 'Noise_NX_Secp256k1+EllSwift_ChaChaPoly_SHA256';
/** SV2 4.5.1: h = ck = HASH(protocolName), since the name is longer than a hash. */
const INITIAL_CHAINING_KEY = sha256(new TextEncoder().encode(PROTOCOL_NAME));
/** SV2 4.5.1, step 3: h = HASH(h), which is Noise's MixHash of an empty prologue. */
const INITIAL_HASH = sha256(INITIAL_CHAINING_KEY);

/** The variables of a handshake (SV2 4.4.2): h, ck, and the cipher once there is a key. */
class HandshakeState {
  #hash: Uint8Array = INITIAL_HASH;
  #chainingKey: Uint8Array = INITIAL_CHAINING_KEY;
  #cipher: CipherState | undefined;

  mixHash(data: Uint8Array): void {
    this.#hash = sha256.create().update(this.#hash).update(data).digest();
  }

  mixKey(material: Uint8Array): void {
    const [chainingKey, key] = hkdf(this.#chainingKey, material);
    this.#chainingKey = chainingKey;
    this.#cipher = new CipherState(key);
  }

  encryptAndHash(plaintext: Uint8Array): Uint8Array {
    const ciphertext = this.#cipher ? this.#cipher.seal(plaintext, this.#hash) : plaintext;
    this.mixHash(ciphertext);
    return ciphertext;
  }

  decryptAndHash(ciphertext: Uint8Array): Uint8Array {
    const plaintext = this.#cipher ? this.#cipher.open(ciphertext, this.#hash) : ciphertext;
    this.mixHash(ciphertext);
    return plaintext;
  }

  /** SV2 4.5.2.1, step 9: the ciphers from initiator to responder, and back. */
  split(): [CipherState, CipherState] {
    const [key1, key2] = hkdf(this.#chainingKey, EMPTY);
    return [new CipherState(key1), new CipherState(key2)];
  }
}

/** SV2 4.4.2, `HKDF(chaining_key, input_key_material)` with two outputs and no info (RFC 5869). */
function hkdf(chainingKey: Uint8Array, material: Uint8Array): [Uint8Array, Uint8Array] {
  const temporary = hmac(sha256, chainingKey, material);
  const output1 = hmac(sha256, temporary, Uint8Array.of(1));
  const output2 = hmac(sha256, temporary, concatBytes(output1, Uint8Array.of(2)));
  return [output1, output2];
}

/** What a server's certificate says (SV2 4.5.3). */
export interface Certificate {
  readonly version: number;
  /** Unix seconds. */
  readonly validFrom: number;
  /** Unix seconds. */
  readonly notValidAfter: number;
  /** 32 bytes: the X coordinate of the server's static key. */
  readonly serverPublicKey: Uint8Array;
  /** 64 bytes, BIP340. */
  readonly signature: Uint8Array;
}

/** The one version of the certificate format there is. The specification names none; sv2-tp and SRI write and expect 0. */
const CERTIFICATE_VERSION = 0;
/** The bytes before the signature. */
const CERTIFICATE_HEAD = 10;
/** How many seconds our clock may be outside a certificate's validity. SRI's initiator allows the same. */
export const CLOCK_LEEWAY = 10;

/** SV2 4.5.3.1: m = SHA-256(version || valid_from || not_valid_after || server_public_key). */
function signedHash(message: Uint8Array, serverPublicKey: Uint8Array): Uint8Array {
  return sha256.create().update(message.subarray(0, CERTIFICATE_HEAD)).update(serverPublicKey).digest();
}

/**
 * Makes SIGNATURE_NOISE_MESSAGE (74 bytes): the authority's word that `serverPublicKey` (32 bytes, X coordinate) is a server of
 * its own from `validFrom` to `notValidAfter` (Unix seconds). Some initiators allow no leeway at all, so `validFrom` should
 * lie well before now: a miner whose clock is slow could not connect otherwise.
 */
export function createCertificate(options: {
  readonly authoritySecretKey: Uint8Array;
  readonly serverPublicKey: Uint8Array;
  readonly validFrom: number;
  readonly notValidAfter: number;
  readonly random: RandomBytes;
}): Uint8Array {
  const message = new Uint8Array(CERTIFICATE_LENGTH);
  const view = new DataView(message.buffer);
  view.setUint16(0, CERTIFICATE_VERSION, true);
  view.setUint32(2, clampU32(options.validFrom), true);
  view.setUint32(6, clampU32(options.notValidAfter), true);
  const hash = signedHash(message, options.serverPublicKey);
  message.set(schnorr.sign(hash, options.authoritySecretKey, options.random(32)), CERTIFICATE_HEAD);
  return message;
}

function clampU32(seconds: number): number {
  return Math.min(Math.max(Math.floor(seconds), 0), U32 - 1);
}

/**
 * Checks SIGNATURE_NOISE_MESSAGE (74 bytes) as an initiator must (SV2 4.5.3): format, signature by `authorityPublicKey` (32
 * bytes), then validity at `now` (Unix seconds) with `CLOCK_LEEWAY`. The signature comes first, so that a word about the
 * clock can be trusted. With "any" as authority only the form is checked: the connection is then encrypted, but to whoever
 * answered. Throws `NoiseError` "certificate..." or "clock...".
 */
export function checkCertificate(
  message: Uint8Array,
  serverPublicKey: Uint8Array,
  authorityPublicKey: Uint8Array | 'any',
  now: number,
): Certificate {
  if (message.length !== CERTIFICATE_LENGTH)
    throw new NoiseError(
      'certificateLength',
      `a certificate has ${CERTIFICATE_LENGTH} bytes, got ${message.length}`,
    );
  const view = new DataView(message.buffer, message.byteOffset, message.length);
  const certificate: Certificate = {
    version: view.getUint16(0, true),
    validFrom: view.getUint32(2, true),
    notValidAfter: view.getUint32(6, true),
    serverPublicKey,
    signature: message.slice(CERTIFICATE_HEAD),
  };
  if (certificate.version !== CERTIFICATE_VERSION)
    throw new NoiseError(
      'certificateVersion',
      `the server's certificate has format ${certificate.version}, only ${CERTIFICATE_VERSION} is known: it may need a newer Adit`,
    );
  if (authorityPublicKey === 'any') return certificate;
  if (!schnorr.verify(certificate.signature, signedHash(message, serverPublicKey), authorityPublicKey))
    throw new NoiseError(
      'certificateSignature',
      "the server is not one of the authority key you gave: check the key, which is the last part of the pool's address",
    );
  const early = certificate.validFrom - now;
  if (early > CLOCK_LEEWAY)
    throw new NoiseError(
      'clockBehind',
      `your clock is ${Math.ceil(early)} seconds behind the start of the server's certificate: set this computer's time; if it is right, the server's is not`,
      Math.ceil(early),
    );
  const late = now - certificate.notValidAfter;
  if (late > CLOCK_LEEWAY)
    throw new NoiseError(
      'clockAhead',
      `your clock is ${Math.ceil(late)} seconds past the end of the server's certificate: set this computer's time; if it is right, the server's certificate has run out`,
      Math.ceil(late),
    );
  return certificate;
}

/** Collects a message of known length from however many pieces the network makes of it. Holds no byte more. */
class Collector {
  readonly #bytes: Uint8Array;
  #filled = 0;
  constructor(length: number) {
    this.#bytes = new Uint8Array(length);
  }

  get missing(): number {
    return this.#bytes.length - this.#filled;
  }

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** Takes what fits and gives the rest. */
  add(bytes: Uint8Array): Uint8Array {
    const taken = Math.min(bytes.length, this.missing);
    this.#bytes.set(bytes.subarray(0, taken), this.#filled);
    this.#filled += taken;
    return bytes.subarray(taken);
  }
}

/** `missing` bytes of the peer's message are not there yet. */
export interface HandshakePending {
  readonly kind: 'pending';
  readonly missing: number;
}

export interface InitiatorDone {
  readonly kind: 'done';
  readonly transport: NoiseTransport;
  /** Checked, unless the authority was "any". */
  readonly certificate: Certificate;
  /** What came after the handshake: the first sealed bytes. */
  readonly rest: Uint8Array;
}

/**
 * The side that connects. Send `message` (64 bytes), then pass everything received to `receive` until it is "done". After an
 * error, or once done, an initiator is used up: `receive` throws "finished".
 */
export class NoiseInitiator {
  /** Act 1 (SV2 4.5.1.1). */
  readonly message: Uint8Array;
  readonly #state = new HandshakeState();
  readonly #ephemeral: KeyPair;
  readonly #authority: Uint8Array | 'any';
  readonly #collector = new Collector(ACT_2_LENGTH);
  #finished = false;

  /** `authority` is the key (32 bytes) that must have signed the server's certificate, or "any" for none: see `checkCertificate`. */
  constructor(options: { readonly authority: Uint8Array | 'any'; readonly random: RandomBytes }) {
    this.#authority = options.authority;
    this.#ephemeral = generateKeyPair(options.random);
    this.#state.mixHash(this.#ephemeral.publicKey);
    this.#state.encryptAndHash(EMPTY);
    this.message = this.#ephemeral.publicKey;
  }

  /** Takes bytes of act 2 (SV2 4.5.2.2); `now` in Unix seconds. Throws `NoiseError`: then disconnect. */
  receive(bytes: Uint8Array, now: number): HandshakePending | InitiatorDone {
    if (this.#finished) throw new NoiseError('finished', 'this handshake is over');
    const rest = this.#collector.add(bytes);
    if (this.#collector.missing > 0) return { kind: 'pending', missing: this.#collector.missing };
    this.#finished = true;
    const message = this.#collector.bytes;
    const state = this.#state;
    const sealedStatic = message.subarray(ELLSWIFT_LENGTH, ELLSWIFT_LENGTH + ELLSWIFT_LENGTH + MAC_LENGTH);
    const sealedCertificate = message.subarray(ELLSWIFT_LENGTH + sealedStatic.length);
    try {
      const remoteEphemeral = parsePeerKey(message.subarray(0, ELLSWIFT_LENGTH));
      state.mixHash(remoteEphemeral.encoding);
      state.mixKey(ellswiftEcdh(this.#ephemeral, remoteEphemeral, true, true));
      const remoteStatic = parsePeerKey(state.decryptAndHash(sealedStatic));
      state.mixKey(ellswiftEcdh(this.#ephemeral, remoteStatic, true, true));
      const certificate = checkCertificate(
        state.decryptAndHash(sealedCertificate),
        remoteStatic.xOnly,
        this.#authority,
        now,
      );
      const [send, receive] = state.split();
      return { kind: 'done', transport: { send, receive }, certificate, rest };
    } finally {
      this.#ephemeral.secretKey.fill(0);
    }
  }
}

/** Who a responder is: its static key and the certificate for it. Made once and used for many connections. */
export interface ResponderIdentity {
  readonly keys: KeyPair;
  /** SIGNATURE_NOISE_MESSAGE, 74 bytes. */
  readonly certificate: Uint8Array;
}

/** A fresh static key with a certificate of the authority; for the times see `createCertificate`. */
export function createIdentity(options: {
  readonly authoritySecretKey: Uint8Array;
  readonly validFrom: number;
  readonly notValidAfter: number;
  readonly random: RandomBytes;
}): ResponderIdentity {
  const keys = generateKeyPair(options.random);
  return { keys, certificate: createCertificate({ ...options, serverPublicKey: keys.xOnly }) };
}

export interface ResponderDone {
  readonly kind: 'done';
  /** Act 2 (234 bytes): send it before anything else. */
  readonly reply: Uint8Array;
  readonly transport: NoiseTransport;
  /** What came after the handshake. An honest initiator cannot have sent anything yet. */
  readonly rest: Uint8Array;
}

/**
 * The side that is connected to. Pass everything received to `receive` until it is "done", then send its `reply`. Costs
 * nothing until 64 bytes have come; any 64 bytes are a valid act 1, so that a peer speaks something else shows only with its
 * first sealed frame. Once done, `receive` throws "finished".
 */
export class NoiseResponder {
  readonly #identity: ResponderIdentity;
  readonly #random: RandomBytes;
  readonly #collector = new Collector(ACT_1_LENGTH);
  #finished = false;

  constructor(options: { readonly identity: ResponderIdentity; readonly random: RandomBytes }) {
    this.#identity = options.identity;
    this.#random = options.random;
  }

  /** Takes bytes of act 1 (SV2 4.5.1.2) and answers it (4.5.2.1). */
  receive(bytes: Uint8Array): HandshakePending | ResponderDone {
    if (this.#finished) throw new NoiseError('finished', 'this handshake is over');
    const rest = this.#collector.add(bytes);
    if (this.#collector.missing > 0) return { kind: 'pending', missing: this.#collector.missing };
    this.#finished = true;
    const { keys, certificate } = this.#identity;
    const state = new HandshakeState();
    const remote: PeerKey = parsePeerKey(this.#collector.bytes);
    state.mixHash(remote.encoding);
    state.decryptAndHash(EMPTY);

    const ephemeral = generateKeyPair(this.#random);
    state.mixHash(ephemeral.publicKey);
    state.mixKey(ellswiftEcdh(ephemeral, remote, false, true));
    ephemeral.secretKey.fill(0);
    const sealedStatic = state.encryptAndHash(keys.publicKey);
    state.mixKey(ellswiftEcdh(keys, remote, false, false));
    const sealedCertificate = state.encryptAndHash(certificate);
    const [receive, send] = state.split();
    return {
      kind: 'done',
      reply: concatBytes(ephemeral.publicKey, sealedStatic, sealedCertificate),
      transport: { send, receive },
      rest,
    };
  }
}

const base58check = createBase58check(sha256);
/** SV2 4.7: version 1 as U16 little-endian. */
const AUTHORITY_PREFIX = [1, 0] as const;

/** The public key (32 bytes, BIP340) of an authority's secret key (32 bytes). */
export function authorityPublicKey(secretKey: Uint8Array): Uint8Array {
  return schnorr.getPublicKey(secretKey);
}

/** An authority's public key (32 bytes) as miners type it: base58check of the prefix [1, 0] and the key (SV2 4.7). */
export function encodeAuthorityKey(publicKey: Uint8Array): string {
  if (publicKey.length !== 32)
    throw new NoiseError('authorityKey', `an authority key has 32 bytes, got ${publicKey.length}`);
  return base58check.encode(concatBytes(Uint8Array.from(AUTHORITY_PREFIX), publicKey));
}

/** The reverse of `encodeAuthorityKey`; also checks that the key is one. Throws `NoiseError` "authorityKey". */
export function parseAuthorityKey(text: string): Uint8Array {
  let bytes: Uint8Array;
  try {
    // 34 bytes and a checksum are 52 characters at most; base58 takes quadratic time, so nothing longer gets in.
    if (text.length > 64) throw new Error('too long');
    bytes = base58check.decode(text);
  } catch {
    throw new NoiseError(
      'authorityKey',
      "this is not an authority key: copy it whole from the pool's page; a letter is missing or wrong",
    );
  }
  if (bytes.length !== 34 || bytes[0] !== AUTHORITY_PREFIX[0] || bytes[1] !== AUTHORITY_PREFIX[1])
    throw new NoiseError(
      'authorityKey',
      'this is not a Stratum V2 authority key: those mostly begin with a 9',
    );
  const key = bytes.slice(2);
  try {
    secp256k1.Point.fromBytes(concatBytes(Uint8Array.of(2), key));
  } catch {
    throw new NoiseError(
      'authorityKey',
      'this authority key is well written, but no such key exists: ask the pool for the right one',
    );
  }
  return key;
}
