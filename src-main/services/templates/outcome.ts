import { RpcError, RpcUnreachable } from '../node/index.ts';
import { TemplateReplyError } from './reply.ts';
import type { SourceState, SubmitResult } from './types.ts';

/** Core's numbers (rpc/protocol.h). */
const RPC_CLIENT_NOT_CONNECTED = -9;
const RPC_CLIENT_IN_INITIAL_DOWNLOAD = -10;
const RPC_DESERIALIZATION_ERROR = -22;
const RPC_IN_WARMUP = -28;

/** A node that is away is asked often: the question costs nothing while nobody answers. */
const RETRY_AWAY_MS = 200;
/** A node that answers but gives no work is asked less often. */
const RETRY_MS = 1_000;

/**
 * Refusals that another moment can turn round: the node has not seen the parent yet (it was behind, or lost its last blocks
 * in a crash), or its clock is behind ours (a block's time may be two hours ahead).
 */
const NOT_YET = new Set(['prev-blk-not-found', 'time-too-new']);

/** What a failed request for a template means, and when to ask again. */
export function troubleOf(error: unknown): { readonly state: SourceState; readonly retryMs: number } {
  if (error instanceof TemplateReplyError) {
    return {
      state: {
        kind: 'failed',
        reason: `The node's block template can't be used: ${error.message}.`,
        advice: error.advice,
      },
      retryMs: RETRY_MS,
    };
  }
  if (error instanceof RpcUnreachable) {
    return {
      state: { kind: 'waiting', reason: `The node does not answer: ${error.reason}.` },
      retryMs: RETRY_AWAY_MS,
    };
  }
  if (error instanceof RpcError) {
    switch (error.code) {
      case RPC_IN_WARMUP:
        return {
          state: { kind: 'waiting', reason: `The node is starting: ${error.message}` },
          retryMs: RETRY_AWAY_MS,
        };
      case RPC_CLIENT_NOT_CONNECTED:
        return {
          state: {
            kind: 'waiting',
            reason: 'The node is not connected to any other node yet, so it gives no work.',
          },
          retryMs: RETRY_MS,
        };
      case RPC_CLIENT_IN_INITIAL_DOWNLOAD:
        return {
          state: {
            kind: 'waiting',
            reason: 'The node is still catching up with the chain; work begins when it has.',
          },
          retryMs: RETRY_MS,
        };
    }
    return {
      state: {
        kind: 'waiting',
        reason: `The node gives no block template: ${error.message} (${error.code}).`,
      },
      retryMs: RETRY_MS,
    };
  }
  const reason = error instanceof Error ? error.message : String(error);
  return {
    state: { kind: 'waiting', reason: `No block template could be had: ${reason}.` },
    retryMs: RETRY_MS,
  };
}

/**
 * What `submitblock` answered. null is acceptance; else BIP22's words or a reject reason. An answer that is neither says
 * nothing about the block, so it counts as no answer.
 */
export function submitResultOf(answer: unknown): SubmitResult {
  if (answer === null) return { kind: 'accepted', already: false };
  if (typeof answer !== 'string' || answer === '')
    return { kind: 'unreachable', reason: 'the answer of the node makes no sense' };
  const reason = answer.slice(0, 200);
  if (reason === 'duplicate') return { kind: 'accepted', already: true };
  if (reason === 'inconclusive' || reason === 'duplicate-inconclusive') return { kind: 'inconclusive' };
  if (NOT_YET.has(reason)) return { kind: 'unreachable', reason: `the node can't take it yet (${reason})` };
  return { kind: 'rejected', reason };
}

/** What a failed `submitblock` call means: only a block the node could not read is refused; all else is to be sent again. */
export function submitFailureOf(error: unknown): SubmitResult {
  if (error instanceof RpcError && error.code === RPC_DESERIALIZATION_ERROR)
    return { kind: 'rejected', reason: error.message };
  return { kind: 'unreachable', reason: error instanceof Error ? error.message : String(error) };
}
