import { z } from 'zod';
import { RpcError, type NodeRpc } from '../node/index.ts';

/** RPC_INVALID_ADDRESS_OR_KEY (rpc/protocol.h): what `getblockheader` says of a block it does not know. */
const RPC_NOT_FOUND = -5;
const LOOKUP_MS = 15_000;

const headerSchema = z.object({ confirmations: z.int(), height: z.int().min(0) });
const heightSchema = z.int().min(0);

/**
 * Where a block stands on the node's chain. `confirmations`: 1 for the tip, -1 when the node knows the block but it is not
 * on the best chain. Rejects when the node does not answer, or not in a way that can be used.
 */
export type ChainLookup = (
  hash: string,
) => Promise<
  | { readonly kind: 'known'; readonly confirmations: number; readonly tipHeight: number }
  | { readonly kind: 'unknown'; readonly tipHeight: number }
>;

/** A look-up by `getblockheader`. @throws RpcError | RpcUnreachable | ZodError */
export function createChainLookup(rpc: NodeRpc): ChainLookup {
  const options = { timeoutMs: LOOKUP_MS };
  const tipHeight = async (): Promise<number> =>
    heightSchema.parse(await rpc.call('getblockcount', [], options));
  return async (hash) => {
    try {
      const { confirmations, height } = headerSchema.parse(await rpc.call('getblockheader', [hash], options));
      if (confirmations > 0) return { kind: 'known', confirmations, tipHeight: height + confirmations - 1 };
      return { kind: 'known', confirmations, tipHeight: await tipHeight() };
    } catch (error) {
      if (error instanceof RpcError && error.code === RPC_NOT_FOUND)
        return { kind: 'unknown', tipHeight: await tipHeight() };
      throw error;
    }
  };
}
