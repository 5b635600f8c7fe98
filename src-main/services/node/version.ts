import { parseNodeVersion } from '../../../native/probe.mjs';
import type { NodeVersion } from '../../../native/probe.mjs';
import type { Network } from '../../core/bitcoin/network.ts';

export { parseNodeVersion };
export type { NodeVersion };

/** The oldest Bitcoin Core that Adit mines with on a public chain: 30.2. */
export const OLDEST_CORE = 300200;
/**
 * The oldest accepted on regtest: 27.0. The last RPC method that Adit needs, `getprioritisedtransactions`, came with
 * Core 26; 27 leaves one release for its fixes. On regtest nothing of value is at stake, so age alone is no fault.
 */
export const OLDEST_ON_REGTEST = 270000;
/** Date in the version of the first Bitcoin Knots that follows another chain than Bitcoin's: 29.3.knots20260508. */
export const KNOTS_LEFT = 20260508;

export type Judgement =
  | { readonly ok: true }
  | {
      readonly ok: false;
      readonly code:
        | 'core-too-old'
        | 'core-ipc-fault'
        | 'knots-other-chain'
        | 'knots-too-old'
        | 'unknown-flavour'
        | 'too-old';
      /** Why it is refused: one plain sentence. */
      readonly message: string;
      /** The one next step. */
      readonly advice: string;
    };

const USE_CORE =
  'Use Bitcoin Core 30.2 or newer, or leave the field empty: Adit then brings the right one itself.';

/**
 * Says whether Adit may mine with a node.
 *
 * Off regtest only Bitcoin Core from 30.2 on is accepted: 30.0 and 30.1 can stop giving templates or refuse to stop
 * while a client waits (bitcoin/bitcoin#33647, #33463), older ones lack the mining interface. Bitcoin Knots from
 * 29.3.knots20260508 on left Bitcoin's chain at block 961,632 in August 2026 (BIP-110; bitcoin/bips#2245): a block found
 * with it is worth nothing on Bitcoin. A Knots before that date stands on Core 29 or older, so it is too old like them.
 *
 * @param version what the program says of itself
 * @param network the chain it is to run on
 */
export function judgeBinary(
  version: Pick<NodeVersion, 'flavour' | 'version' | 'versionNumber' | 'knotsDate'>,
  network: Network,
): Judgement {
  if (network === 'regtest') {
    if (version.versionNumber >= OLDEST_ON_REGTEST) return { ok: true };
    return {
      ok: false,
      code: 'too-old',
      message: `This node is ${version.version}; for practice Adit needs 27 or newer, because older ones lack RPC calls it uses.`,
      advice: USE_CORE,
    };
  }
  if (version.flavour === 'knots') {
    // A Knots without a date in its version can't be shown to be from before the split.
    if (version.knotsDate === undefined || version.knotsDate >= KNOTS_LEFT) {
      return {
        ok: false,
        code: 'knots-other-chain',
        message: `This is Bitcoin Knots ${version.version}. Since August 2026 it follows another chain, so a block found with it would not count on Bitcoin.`,
        advice: USE_CORE,
      };
    }
    return {
      ok: false,
      code: 'knots-too-old',
      message: `This is Bitcoin Knots ${version.version}. It stands on a Bitcoin Core older than 30.2, and the Knots after it follow another chain.`,
      advice: USE_CORE,
    };
  }
  if (version.flavour !== 'core') {
    return {
      ok: false,
      code: 'unknown-flavour',
      message: `This node (${version.version}) is not Bitcoin Core. Adit can't know which chain it follows.`,
      advice: USE_CORE,
    };
  }
  if (version.versionNumber >= OLDEST_CORE) return { ok: true };
  if (version.versionNumber >= 300000) {
    return {
      ok: false,
      code: 'core-ipc-fault',
      message: `This is Bitcoin Core ${version.version}. 30.0 and 30.1 can stop giving work to miners after a while, and can hang when they are stopped.`,
      advice: USE_CORE,
    };
  }
  return {
    ok: false,
    code: 'core-too-old',
    message: `This is Bitcoin Core ${version.version}. Before 30 it has no mining interface, and Adit is not tried with it.`,
    advice: USE_CORE,
  };
}
