import { FormatError, concatBytes } from './bytes.ts';
import { sha256d } from './hash.ts';

const HASH = 32;

function flatten(hashes: readonly Uint8Array[], room: number, offset: number, name: string): Uint8Array {
  const row = new Uint8Array(room * HASH);
  for (let i = 0; i < hashes.length; i++) {
    const hash = hashes[i] as Uint8Array;
    if (hash.length !== HASH)
      throw new FormatError('range', `${name}: hash ${i} has ${hash.length} bytes, not 32`);
    row.set(hash, offset + i * HASH);
  }
  return row;
}

/** Hashes pairs of a row of `count` hashes in place, from the pair at `first`; an odd last one is paired with itself. */
function climb(row: Uint8Array, count: number, first: number): number {
  const odd = count % 2 === 1;
  for (let i = first; i + 1 < count; i += 2) {
    row.set(sha256d(row.subarray(i * HASH, (i + 2) * HASH)), (i / 2) * HASH);
  }
  if (odd) {
    const last = row.subarray((count - 1) * HASH, count * HASH);
    row.set(sha256d(concatBytes(last, last)), ((count - 1) / 2) * HASH);
  }
  return (count + 1) >> 1;
}

/** Root of Bitcoin's merkle tree over at least one leaf (txids or wtxids), all in internal order. */
export function merkleRoot(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) throw new FormatError('range', 'merkleRoot: a block has at least one transaction');
  const row = flatten(leaves, leaves.length, 0, 'merkleRoot');
  let count = leaves.length;
  while (count > 1) count = climb(row, count, 0);
  return row.slice(0, HASH);
}

/**
 * What a miner needs to get from the coinbase's txid to the root: its siblings from the leaf up.
 * @param txids all other transactions of the block in block order, internal byte order, without the coinbase.
 */
export function merklePath(txids: readonly Uint8Array[]): Uint8Array[] {
  const path: Uint8Array[] = [];
  // Place 0 stands for the coinbase and stays unknown: only its siblings are read.
  const row = flatten(txids, txids.length + 1, HASH, 'merklePath');
  let count = txids.length + 1;
  while (count > 1) {
    path.push(row.slice(HASH, 2 * HASH));
    count = climb(row, count, 2);
  }
  return path;
}

/** Climbs from the leftmost leaf to the root, with the siblings from the leaf up (see `merklePath`). */
export function rootFromPath(leaf: Uint8Array, path: readonly Uint8Array[]): Uint8Array {
  const pair = new Uint8Array(2 * HASH);
  let node = leaf;
  for (const sibling of path) {
    pair.set(node, 0);
    pair.set(sibling, HASH);
    node = sha256d(pair);
  }
  return node;
}

/** `OP_RETURN`, a push of 36 bytes, and BIP141's tag: how the script of a witness commitment begins. */
export const WITNESS_COMMITMENT_HEADER: Uint8Array = Uint8Array.of(0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed);

/**
 * The commitment hash of BIP141: SHA256d(witness merkle root ‖ witness reserved value).
 * @param witness the witness merkle root, or the wtxids of all transactions but the coinbase (whose leaf is 32 zeros).
 * @param reserved 32 bytes, which stand in the coinbase's witness.
 */
export function witnessCommitment(
  witness: Uint8Array | readonly Uint8Array[],
  reserved: Uint8Array,
): Uint8Array {
  if (reserved.length !== HASH)
    throw new FormatError('range', 'witnessCommitment: the reserved value has 32 bytes');
  const root = witness instanceof Uint8Array ? witness : merkleRoot([new Uint8Array(HASH), ...witness]);
  if (root.length !== HASH) throw new FormatError('range', 'witnessCommitment: the root has 32 bytes');
  return sha256d(concatBytes(root, reserved));
}

/** The output script that carries a commitment hash: 38 bytes. */
export function witnessCommitmentScript(commitment: Uint8Array): Uint8Array {
  return concatBytes(WITNESS_COMMITMENT_HEADER, commitment);
}
