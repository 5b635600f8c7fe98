import { bech32, bech32m } from '@scure/base';
import { describe, expect, it } from 'vitest';
import { addressOfScript, checkAddress } from '../../src-main/core/bitcoin/address.ts';
import { bytesToHex, hexToBytes } from '../../src-main/core/bitcoin/bytes.ts';
import { NETWORKS } from '../../src-main/core/bitcoin/network.ts';
import type { Network } from '../../src-main/core/bitcoin/network.ts';
import { dustThreshold, legacySigops, scriptType } from '../../src-main/core/bitcoin/script.ts';

function refusal(text: string, network: Network = 'main'): { code: string; message: string } {
  const checked = checkAddress(text, network);
  if (checked.ok) throw new Error(`accepted: ${text}`);
  return checked;
}

const P2WPKH = 'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4';
const WITNESS_V1_LONG = 'bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y';

describe('addresses of BIP350', () => {
  it.each([
    [
      'BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4',
      'main',
      'p2wpkh',
      '0014751e76e8199196d454941c45d1b3a323f1433bd6',
    ],
    [
      'tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7',
      'testnet4',
      'p2wsh',
      '00201863143c14c5166804bd19203356da136c985678cd4d27a1b8c6329604903262',
    ],
    [
      WITNESS_V1_LONG,
      'main',
      'witness',
      '5128751e76e8199196d454941c45d1b3a323f1433bd6751e76e8199196d454941c45d1b3a323f1433bd6',
    ],
    ['BC1SW50QGDZ25J', 'main', 'witness', '6002751e'],
    ['bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs', 'main', 'witness', '5210751e76e8199196d454941c45d1b3a323'],
    [
      'tb1qqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesrxh6hy',
      'signet',
      'p2wsh',
      '0020000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433',
    ],
    [
      'tb1pqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesf3hn0c',
      'signet',
      'p2tr',
      '5120000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433',
    ],
    [
      'bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0',
      'main',
      'p2tr',
      '512079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798',
    ],
  ] as const)('%s', (text, network, type, script) => {
    const checked = checkAddress(text, network);
    expect(checked).toMatchObject({ ok: true, address: text.toLowerCase(), type, script });
    expect(checked.ok && (checked.warning !== null) === (type === 'witness')).toBe(true);
    expect(addressOfScript(hexToBytes(script), network)).toBe(text.toLowerCase());
    expect(scriptType(hexToBytes(script))).toBe(type);
  });

  it.each([
    ['tc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq5zuyut', 'notAnAddress'],
    ['bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd', 'encoding'],
    ['tb1z0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqglt7rf', 'encoding'],
    ['BC1S0XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ54WELL', 'encoding'],
    ['bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kemeawh', 'encoding'],
    ['tb1q0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq24jc47', 'encoding'],
    ['bc1p38j9r5y49hruaue7wxjce0updqjuyyx0kh56v8s25huc6995vvpql3jow4', 'checksum'],
    ['BC130XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ7ZWS8R', 'program'],
    ['bc1pw5dgrnzv', 'program'],
    ['bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v8n0nx0muaewav253zgeav', 'program'],
    ['BC1QR508D6QEJXTDG4Y5R3ZARVARYV98GJ9P', 'program'],
    ['tb1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq47Zagq', 'mixedCase'],
    ['bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v07qwwzcrf', 'program'],
    ['tb1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vpggkg4j', 'program'],
    ['bc1gmk9yu', 'program'],
  ])('refuses %s', (text, code) => {
    for (const network of NETWORKS) expect(refusal(text, network).code).toBe(code);
  });
});

describe('other addresses', () => {
  it('knows the addresses of the BIP173 examples on their networks', () => {
    expect(checkAddress(P2WPKH, 'main').ok).toBe(true);
    expect(checkAddress('tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx', 'testnet4').ok).toBe(true);
    expect(checkAddress('bc1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qccfmv3', 'main').ok).toBe(
      true,
    );
  });

  it('knows p2pkh and p2sh, and hints that p2pkh is old', () => {
    const genesis = checkAddress('1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa', 'main');
    expect(genesis).toMatchObject({
      ok: true,
      type: 'p2pkh',
      script: '76a91462e907b15cbf27d5425399ebf6f0fb50ebb88f1888ac',
    });
    expect(genesis.ok && genesis.warning).toMatch(/bc1…/);
    // BIP16's first address to be paid, and BIP13's form of it.
    expect(checkAddress('3P14159f73E4gFr7JterCCQh9QjiTjiZrG', 'main')).toMatchObject({
      ok: true,
      type: 'p2sh',
      script: 'a914e9c3dd0c07aac76179ebc76a6c78d4d67c6c160a87',
      warning: null,
    });
    expect(addressOfScript(hexToBytes('76a91462e907b15cbf27d5425399ebf6f0fb50ebb88f1888ac'), 'main')).toBe(
      '1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa',
    );
    expect(addressOfScript(hexToBytes('a914e9c3dd0c07aac76179ebc76a6c78d4d67c6c160a87'), 'main')).toBe(
      '3P14159f73E4gFr7JterCCQh9QjiTjiZrG',
    );
  });

  it('names the network an address belongs to', () => {
    const regtest =
      addressOfScript(hexToBytes('0014751e76e8199196d454941c45d1b3a323f1433bd6'), 'regtest') ?? '';
    expect(regtest).toMatch(/^bcrt1q/);
    expect(checkAddress(regtest, 'regtest').ok).toBe(true);
    expect(refusal(regtest).message).toMatch(/belongs to regtest.*set to Bitcoin's main network/);
    expect(refusal(P2WPKH, 'signet').message).toMatch(/belongs to Bitcoin's main network.*set to signet/);
    expect(refusal('tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx').message).toMatch(/testnet4 or signet/);
    const old =
      addressOfScript(hexToBytes('76a91462e907b15cbf27d5425399ebf6f0fb50ebb88f1888ac'), 'testnet4') ?? '';
    expect(checkAddress(old, 'regtest').ok).toBe(true);
    expect(refusal(old)).toMatchObject({
      code: 'network',
      message: expect.stringMatching(/testnet4, signet or regtest/) as string,
    });
    expect(refusal('1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa', 'regtest').code).toBe('network');
  });

  it.each([
    `bitcoin:${P2WPKH}`,
    `BITCOIN:${P2WPKH.toUpperCase()}?amount=0.1&label=x%20y`,
    `bitcoin://${P2WPKH}`,
    `  "${P2WPKH}",\n`,
    `<${P2WPKH}>.`,
    `\ufeff\u200b${P2WPKH}\u00a0`,
    'bc1q w508 d6qe jxtd g4y5 r3za rvar y0c5 xw7k v8f3 t4',
  ])('reads %j', (text) => expect(checkAddress(text, 'main')).toMatchObject({ ok: true, address: P2WPKH }));

  it('refuses every single wrong character', () => {
    for (const address of [P2WPKH, '1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa']) {
      for (let i = 0; i < address.length; i++) {
        for (const wrong of ['q', 'x', '2', 'Z']) {
          if (address[i] === wrong) continue;
          expect(checkAddress(address.slice(0, i) + wrong + address.slice(i + 1), 'main').ok).toBe(false);
        }
      }
    }
  });
});

describe('what must never be paid', () => {
  const encode = (version: number, program: Uint8Array): string =>
    bech32m.encode('bc', [version, ...bech32m.toWords(program)]);

  it('a taproot key that is no point of the curve', () => {
    // BIP340 test vector 5: an x that is not on the curve. Also 0, the field's prime, and above it.
    for (const x of [
      'eefdea4cdb677750a420fee807eacf21eb9898ae79b9768766e4faa04a2d4a34',
      '0000000000000000000000000000000000000000000000000000000000000000',
      'fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f',
      'fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc30',
    ]) {
      expect(refusal(encode(1, hexToBytes(x)))).toMatchObject({ code: 'curve' });
    }
    // BIP340 test vector 0's key, which is on it.
    const good = 'f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9';
    expect(checkAddress(encode(1, hexToBytes(good)), 'main')).toMatchObject({ ok: true, type: 'p2tr' });
  });

  it('an anchor anyone can spend', () => {
    expect(encode(1, hexToBytes('4e73'))).toBe('bc1pfeessrawgf');
    expect(refusal('bc1pfeessrawgf').code).toBe('anyoneCanSpend');
  });
});

describe('what people paste by mistake', () => {
  it.each([
    ['', 'empty'],
    ['   \n', 'empty'],
    ['bitcoin:?lightning=lnbc1', 'empty'],
    ['x'.repeat(1_001), 'tooLong'],
    [`bc1q${'q'.repeat(100)}`, 'tooLong'],
    ['hello', 'notAnAddress'],
    ['1234567890', 'notAnAddress'],
    // WIF of the Bitcoin wiki: uncompressed, compressed, testnet; and one with a typing error.
    ['5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ', 'privateKey'],
    ['KwDiBf89QgGbjEhKnhXJuH7LrciVrZi3qYjgd9M7rFU73sVHnoWn', 'privateKey'],
    ['cMahea7zqjxrtgAbB7LSGbcQUr1uX1ojuat9jZodMN87JcbXMTcA', 'privateKey'],
    ['5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTK', 'privateKey'],
    ['6PRVWUbkzzsbcVac2qwfssoUJAN1Xhrg6bNk8J7Nzm5H7kxEbn2Nh2ZoGg', 'privateKey'],
    [
      'abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about',
      'recoveryPhrase',
    ],
    // BIP32 test vector 1.
    [
      'xpub661MyMwAqRbcFtXgS5sYJABqqG9YLmC4Q1Rdap9gSE8NqtwybGhePY2gZ29ESFjqJoCu1Rupje8YtGqsefD265TMg7usUDFdp6W1EGMcet8',
      'extendedKey',
    ],
    [
      'xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi',
      'privateKey',
    ],
    ['wpkh([d34db33f/84h/0h/0h]xpub661MyMwAqRbcF/0/*)', 'descriptor'],
    [
      'lnbc2500u1pvjluezpp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypqdq5xysxxatsyp3k7enxv4js',
      'lightning',
    ],
    [
      'lightning:LNURL1DP68GURN8GHJ7UM9WFMXJCM99E3K7MF0V9CXJ0M385EKVCENXC6R2C35XVUKXEFCV5MKVV34X5EKZD3EV56NYD3HXQURZEPEXEJXXEPNXSCRVWFNV9NXZCN9XQ6XYEFHVGCXXCMYXYMNSERXFQ5FNS',
      'lightning',
    ],
    ['satoshi@example.org', 'lightning'],
    ['0x52908400098527886E0F7030069857D2E4169EE7', 'otherCoin'],
    ['LVg2kJoFNg45Nbpy53h7Fe1wKyeXVRhMH9', 'otherCoin'],
    ['ltc1qw508d6qejxtdg4y5r3zarvary0c5xw7kgmn4n9', 'otherCoin'],
    ['4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b', 'notAnAddress'],
    ['1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb', 'checksum'],
  ])('%s', (text, code) => {
    const { code: got, message } = refusal(text);
    expect(got).toBe(code);
    expect(message).toMatch(/\.$/);
    if (code === 'privateKey' || code === 'recoveryPhrase')
      expect(message).toMatch(/never paste it anywhere/);
  });

  it('never repeats what was pasted', () => {
    const secret = '5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ';
    expect(refusal(secret).message).not.toContain(secret.slice(0, 8));
  });
});

describe('scripts', () => {
  it('have the dust thresholds of Core at 3,000 sat/kvB', () => {
    const dust = (hex: string): number => dustThreshold(hexToBytes(hex));
    expect(dust(`76a914${'00'.repeat(20)}88ac`)).toBe(546);
    expect(dust(`a914${'00'.repeat(20)}87`)).toBe(540);
    expect(dust(`0014${'00'.repeat(20)}`)).toBe(294);
    expect(dust(`0020${'00'.repeat(32)}`)).toBe(330);
    expect(dust(`5120${'00'.repeat(32)}`)).toBe(330);
    expect(dust('6a00')).toBe(0);
  });

  it('have their kind', () => {
    expect(scriptType(hexToBytes(`21${'02'.repeat(33)}ac`))).toBe('p2pk');
    expect(scriptType(hexToBytes('6a24aa21a9ed'))).toBe('nulldata');
    expect(scriptType(hexToBytes(`0013${'00'.repeat(19)}`))).toBe('nonstandard');
    expect(scriptType(new Uint8Array(0))).toBe('nonstandard');
    expect(addressOfScript(hexToBytes(`21${'02'.repeat(33)}ac`), 'main')).toBeUndefined();
    expect(addressOfScript(hexToBytes('6a24aa21a9ed'), 'main')).toBeUndefined();
    expect(addressOfScript(hexToBytes(`0013${'00'.repeat(19)}`), 'main')).toBeUndefined();
  });

  it('count signature operations, but none inside pushes', () => {
    const sigops = (hex: string): number => legacySigops(hexToBytes(hex));
    expect(sigops(`76a914${'ac'.repeat(20)}88ac`)).toBe(1);
    expect(sigops('acadaeaf')).toBe(42);
    expect(sigops('4c03acacacac')).toBe(1);
    expect(sigops('4d0300acacacac')).toBe(1);
    expect(sigops('4e03000000acacacac')).toBe(1);
    expect(sigops('ac4d03')).toBe(1);
    expect(sigops('ac4c')).toBe(1);
    expect(sigops(`0014${'ac'.repeat(20)}`)).toBe(0);
  });

  it('keeps bech32 addresses of all versions apart', () => {
    const program = new Uint8Array(20).fill(7);
    for (let version = 0; version <= 16; version++) {
      const words = [version, ...bech32.toWords(program)];
      const right = version === 0 ? bech32.encode('tb', words) : bech32m.encode('tb', words);
      const wrong = version === 0 ? bech32m.encode('tb', words) : bech32.encode('tb', words);
      const checked = checkAddress(right, 'testnet4');
      expect(checked.ok && checked.script).toBe(
        bytesToHex(Uint8Array.of(version === 0 ? 0 : 0x50 + version, 20, ...program)),
      );
      expect(refusal(wrong, 'testnet4').code).toBe('encoding');
    }
  });
});
