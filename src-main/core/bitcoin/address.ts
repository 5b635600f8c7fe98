import { base58, bech32, bech32m } from '@scure/base';
import { schnorr } from '@noble/curves/secp256k1.js';
import { bytesToHex, concatBytes, equalBytes } from './bytes.ts';
import { sha256d } from './hash.ts';
import { NETWORK, NETWORKS } from './network.ts';
import type { Network } from './network.ts';
import { scriptType, witnessProgram } from './script.ts';

export type AddressType = 'p2pkh' | 'p2sh' | 'p2wpkh' | 'p2wsh' | 'p2tr' | 'witness';

export type AddressErrorCode =
  | 'empty'
  | 'tooLong'
  | 'privateKey'
  | 'recoveryPhrase'
  | 'extendedKey'
  | 'descriptor'
  | 'lightning'
  | 'silentPayment'
  | 'otherCoin'
  | 'network'
  | 'mixedCase'
  | 'checksum'
  | 'encoding'
  | 'program'
  | 'curve'
  | 'anyoneCanSpend'
  | 'notAnAddress';

/** `message` is a sentence for the user that says what to do. `script` is hex, as in the API's `address.check`. */
export type AddressCheck =
  | {
      readonly ok: true;
      /** In the one form it should be kept in: bech32 in lower case. */
      readonly address: string;
      readonly type: AddressType;
      /** The output script, lower-case hex. */
      readonly script: string;
      readonly warning: string | null;
    }
  | { readonly ok: false; readonly code: AddressErrorCode; readonly message: string };

/** No address with its `bitcoin:` wrapping is longer; the API has the same limit. */
const MAX_TEXT = 1_000;
/** BIP173: a bech32 string has at most 90 characters. */
const MAX_ADDRESS = 90;

const NETWORK_WORDS: Readonly<Record<Network, string>> = {
  main: "Bitcoin's main network",
  testnet4: 'testnet4',
  signet: 'signet',
  regtest: 'regtest (a private practice chain)',
};

function refuse(code: AddressErrorCode, message: string): AddressCheck {
  return { ok: false, code, message };
}

function accept(
  address: string,
  type: AddressType,
  script: Uint8Array,
  warning: string | null = null,
): AddressCheck {
  return { ok: true, address, type, script: bytesToHex(script), warning };
}

function wrongNetwork(belongsTo: string, network: Network): AddressCheck {
  return refuse(
    'network',
    `This address belongs to ${belongsTo}, but Adit is set to ${NETWORK_WORDS[network]}. ` +
      `Use an address from a wallet on ${NETWORK_WORDS[network]}.`,
  );
}

/** The networks whose parameters fit, in words. */
function networkWords(fits: (network: Network) => boolean): string {
  const words = NETWORKS.filter(fits).map((network) => NETWORK_WORDS[network]);
  return words.length < 2 ? (words[0] ?? '') : `${words.slice(0, -1).join(', ')} or ${words.at(-1) ?? ''}`;
}

/** Takes off what comes along when an address is copied: blanks, invisible characters, quotes, brackets, a URI around it. */
function tidy(text: string): string {
  // Invisible: zero-width blanks and joiners, direction marks, byte order mark, soft hyphen.
  let tidied = text.replace(/[\s\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]+/g, '');
  tidied = tidied.replace(/^["'`<([{«»“”‘’]+/, '').replace(/["'`>)\]}«»“”‘’.,;:!]+$/, '');
  const uri = /^bitcoin:(?:\/\/)?([^?#]*)/i.exec(tidied);
  return uri?.[1] ?? tidied;
}

/**
 * Reads an address as a user pastes it and says which script it pays on `network`, or why it can't be used.
 * Base58Check with the prefixes of the network; segwit addresses by BIP173 (version 0, bech32) and BIP350 (1 to 16,
 * bech32m). A taproot key that is no point of the curve is refused (BIP341, BIP340 lift_x): what it is paid is lost for
 * good. Never throws.
 */
export function checkAddress(text: string, network: Network): AddressCheck {
  if (text.length > MAX_TEXT)
    return refuse('tooLong', 'This is too long for an address. Paste only the address.');
  if (/^\s*(?:\p{L}{2,12}\s+){11,23}\p{L}{2,12}\s*$/u.test(text)) {
    return refuse(
      'recoveryPhrase',
      'This looks like a recovery phrase: never paste it anywhere. Whoever has it has your coins. Paste a receiving address.',
    );
  }
  const input = tidy(text);
  if (input === '') return refuse('empty', 'Paste a Bitcoin address: where the reward of a block should go.');
  const special = recognise(input);
  if (special !== undefined) return special;
  if (input.length > MAX_ADDRESS) {
    return refuse(
      'tooLong',
      `An address has at most ${MAX_ADDRESS} characters, this has ${input.length}. Paste only the address.`,
    );
  }
  const prefix = /^(bc|tb|bcrt)1/i.exec(input)?.[1];
  return prefix === undefined ? checkBase58(input, network) : checkSegwit(input, prefix, network);
}

const PRIVATE_KEY =
  'This is a private key: never paste it anywhere. Whoever has it has your coins. Paste a receiving address.';

/** A mistyped secret is still a secret: the look is enough, before any checksum. WIF, BIP38, and BIP32's xprv and its kin. */
const SECRET =
  /^(?:5[1-9A-HJ-NP-Za-km-z]{50}|[KLc][1-9A-HJ-NP-Za-km-z]{51}|9[1-9A-HJ-NP-Za-km-z]{50}|6P[1-9A-HJ-NP-Za-km-z]{56}|[xyztuvYZUV]prv.*)$/;

/** Things people paste that are not on-chain addresses and deserve a better answer than "wrong". */
function recognise(input: string): AddressCheck | undefined {
  if (SECRET.test(input)) return refuse('privateKey', PRIVATE_KEY);
  if (/^[xyztuvYZUV]pub[1-9A-HJ-NP-Za-km-z]{50,}$/.test(input)) {
    return refuse(
      'extendedKey',
      'This is an extended public key (it shows all addresses of a wallet). Paste one receiving address instead.',
    );
  }
  if (/^(?:lightning:|lnurl1|lno1|lni1|ln(?:bc|tbs|tb|bcrt|sb)[0-9]*[munp]?1)/i.test(input)) {
    return refuse(
      'lightning',
      'This belongs to Lightning. A block reward is paid on the chain: paste an on-chain address of your wallet.',
    );
  }
  if (/^[^@\s]+@[^@\s]+\.[^@\s]+$/.test(input)) {
    return refuse(
      'lightning',
      'This is a Lightning or e-mail address. A block reward is paid on the chain: paste an on-chain address of your wallet.',
    );
  }
  if (/^(?:t?sp1)[02-9ac-hj-np-z]{60,}$/i.test(input)) {
    return refuse(
      'silentPayment',
      'This is a silent payment address. A coinbase can’t pay those: paste an ordinary receiving address.',
    );
  }
  if (/^(?:wpkh|wsh|pkh|sh|tr|combo|multi|sortedmulti|addr|raw|pk)\(/i.test(input)) {
    return refuse(
      'descriptor',
      'This is a descriptor, not an address. Paste one receiving address of the wallet.',
    );
  }
  if (/^0x[0-9a-f]{40}$/i.test(input))
    return refuse('otherCoin', 'This is an Ethereum address. Paste a Bitcoin address.');
  if (/^(?:bitcoincash:|ltc1|tltc1|ecash:|kaspa:)/i.test(input)) {
    return refuse('otherCoin', 'This address belongs to another coin. Paste a Bitcoin address.');
  }
  if (/^[0-9a-f]{64}$/i.test(input)) {
    return refuse(
      'notAnAddress',
      'These are 64 hex digits, not an address. If it is a private key, never paste it anywhere. Paste a receiving address.',
    );
  }
  return undefined;
}

/** Payload with version bytes, or undefined when the checksum does not fit. */
function decodeBase58Check(input: string): Uint8Array | undefined {
  const bytes = base58.decode(input);
  if (bytes.length < 5) return undefined;
  const payload = bytes.subarray(0, -4);
  return equalBytes(sha256d(payload).subarray(0, 4), bytes.subarray(-4)) ? payload : undefined;
}

function checkBase58(input: string, network: Network): AddressCheck {
  if (!/^[1-9A-HJ-NP-Za-km-z]+$/.test(input) || input.length < 25) {
    return refuse(
      'notAnAddress',
      'This is not a Bitcoin address. Copy the receiving address from your wallet.',
    );
  }
  const payload = decodeBase58Check(input);
  if (payload === undefined) {
    return refuse(
      'checksum',
      'There is a mistake in this address: its checksum does not fit. Copy it again from your wallet.',
    );
  }
  const version = payload[0] ?? -1;
  if ((version === 0x80 || version === 0xef) && (payload.length === 33 || payload.length === 34))
    return refuse('privateKey', PRIVATE_KEY);
  if (payload.length !== 21)
    return refuse(
      'notAnAddress',
      'This is not a Bitcoin address. Copy the receiving address from your wallet.',
    );
  const parameters = NETWORK[network];
  const hash = payload.subarray(1);
  if (version === parameters.p2pkh) {
    return accept(
      input,
      'p2pkh',
      concatBytes(Uint8Array.of(0x76, 0xa9, 20), hash, Uint8Array.of(0x88, 0xac)),
      `This is the oldest kind of address. It works, but a newer one (${parameters.bech32}1…) costs less to spend from.`,
    );
  }
  if (version === parameters.p2sh)
    return accept(input, 'p2sh', concatBytes(Uint8Array.of(0xa9, 20), hash, Uint8Array.of(0x87)));
  const belongsTo = networkWords(
    (other) => NETWORK[other].p2pkh === version || NETWORK[other].p2sh === version,
  );
  if (belongsTo !== '') return wrongNetwork(belongsTo, network);
  return refuse('otherCoin', 'This address belongs to another coin. Paste a Bitcoin address.');
}

function checkSegwit(input: string, prefix: string, network: Network): AddressCheck {
  const lower = input.toLowerCase();
  if (input !== lower && input !== input.toUpperCase()) {
    return refuse(
      'mixedCase',
      'This address mixes small and capital letters, so it was changed on its way. Copy it again from your wallet.',
    );
  }
  const version0 = bech32.decodeUnsafe(lower, MAX_ADDRESS);
  const later = version0 === undefined ? bech32m.decodeUnsafe(lower, MAX_ADDRESS) : undefined;
  const decoded = version0 ?? later;
  if (!decoded) {
    return refuse(
      'checksum',
      'There is a mistake in this address: its checksum does not fit. Copy it again from your wallet.',
    );
  }
  const [version, ...words] = decoded.words;
  if (version === undefined || version > 16)
    return refuse(
      'program',
      'This address has an unknown form. Copy the receiving address from your wallet.',
    );
  if ((version === 0) !== (version0 !== undefined)) {
    return refuse(
      'encoding',
      'This address was written with the wrong checksum for its kind (bech32 and bech32m, BIP350). Update the wallet that made it, or use another address.',
    );
  }
  // Padding bits that are not zero, or too many of them, are refused here (BIP173).
  const program = bech32.fromWordsUnsafe(words);
  if (!program || program.length < 2 || program.length > 40) {
    return refuse('program', 'This address has the wrong length inside. Copy it again from your wallet.');
  }
  if (version === 0 && program.length !== 20 && program.length !== 32) {
    return refuse('program', 'This address has the wrong length inside. Copy it again from your wallet.');
  }
  const hrp = prefix.toLowerCase();
  if (hrp !== NETWORK[network].bech32)
    return wrongNetwork(
      networkWords((other) => NETWORK[other].bech32 === hrp),
      network,
    );

  const script = concatBytes(Uint8Array.of(version === 0 ? 0 : 0x50 + version, program.length), program);
  const type = scriptType(script);
  if (type === 'p2tr') {
    return isCurvePoint(program)
      ? accept(lower, 'p2tr', script)
      : refuse(
          'curve',
          'This taproot address holds no valid key: whatever it is paid would be lost for good. Use another address.',
        );
  }
  if (type === 'p2wpkh' || type === 'p2wsh') return accept(lower, type, script);
  if (version === 1 && program.length === 2 && program[0] === 0x4e && program[1] === 0x73) {
    return refuse(
      'anyoneCanSpend',
      'This is a pay-to-anchor address: anyone can take what it is paid. Use an address of your own wallet.',
    );
  }
  return accept(
    lower,
    'witness',
    script,
    'This kind of address has no rules yet: today whoever mines the next block could take what it is paid. Use it only if you know why.',
  );
}

function isCurvePoint(x: Uint8Array): boolean {
  try {
    schnorr.utils.lift_x(BigInt(`0x${bytesToHex(x)}`));
    return true;
  } catch {
    return false;
  }
}

/** The address of an output script on a network; undefined for scripts that have none (BIP141 commitments, bare keys). */
export function addressOfScript(script: Uint8Array, network: Network): string | undefined {
  const parameters = NETWORK[network];
  const witness = witnessProgram(script);
  if (witness !== undefined) {
    const { version, program } = witness;
    if (version === 0 && program.length !== 20 && program.length !== 32) return undefined;
    const words = [version, ...bech32.toWords(program)];
    return (version === 0 ? bech32 : bech32m).encode(parameters.bech32, words);
  }
  const type = scriptType(script);
  if (type === 'p2pkh') return encodeBase58Check(parameters.p2pkh, script.subarray(3, 23));
  if (type === 'p2sh') return encodeBase58Check(parameters.p2sh, script.subarray(2, 22));
  return undefined;
}

function encodeBase58Check(version: number, hash: Uint8Array): string {
  const payload = concatBytes(Uint8Array.of(version), hash);
  return base58.encode(concatBytes(payload, sha256d(payload).subarray(0, 4)));
}
