/** The chains Adit can mine on. Names are Adit's own; `core` is what Bitcoin Core calls them. */
export const NETWORKS = ['main', 'testnet4', 'signet', 'regtest'] as const;
export type Network = (typeof NETWORKS)[number];

export interface NetworkParameters {
  /** The `chain` value of `getblockchaininfo`, and the value of bitcoind's `-chain=`. */
  readonly core: 'main' | 'testnet4' | 'signet' | 'regtest';
  /** BIP173 human-readable part. testnet4 and signet share `tb`: an address alone can't tell them apart. */
  readonly bech32: 'bc' | 'tb' | 'bcrt';
  /** Base58Check version bytes (BIP13, and `base58Prefixes` of Core's chainparams). */
  readonly p2pkh: number;
  readonly p2sh: number;
  /** Block hash of height 0, display byte order. Proves that a node is on the chain it was asked to be on. */
  readonly genesis: string;
  /** Core's default ports (chainparamsbase.cpp); Adit's own node uses others so as to never meet a user's node. */
  readonly rpcPort: number;
  readonly p2pPort: number;
  /** Blocks between two halvings of the subsidy. */
  readonly halvingInterval: number;
}

export const NETWORK: Readonly<Record<Network, NetworkParameters>> = {
  main: {
    core: 'main',
    bech32: 'bc',
    p2pkh: 0x00,
    p2sh: 0x05,
    genesis: '000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f',
    rpcPort: 8332,
    p2pPort: 8333,
    halvingInterval: 210_000,
  },
  testnet4: {
    core: 'testnet4',
    bech32: 'tb',
    p2pkh: 0x6f,
    p2sh: 0xc4,
    genesis: '00000000da84f2bafbbc53dee25a72ae507ff4914b867c565be350b0da8bf043',
    rpcPort: 48332,
    p2pPort: 48333,
    halvingInterval: 210_000,
  },
  signet: {
    core: 'signet',
    bech32: 'tb',
    p2pkh: 0x6f,
    p2sh: 0xc4,
    genesis: '00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6',
    rpcPort: 38332,
    p2pPort: 38333,
    halvingInterval: 210_000,
  },
  regtest: {
    core: 'regtest',
    bech32: 'bcrt',
    p2pkh: 0x6f,
    p2sh: 0xc4,
    genesis: '0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206',
    rpcPort: 18443,
    p2pPort: 18444,
    halvingInterval: 150,
  },
};
