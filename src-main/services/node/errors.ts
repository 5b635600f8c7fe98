/** The node answered, with an error. `code` is Core's number (rpc/protocol.h): -28 warm-up, -8 bad parameter, -32601 no such method, … */
export class RpcError extends Error {
  override readonly name = 'RpcError';
  readonly code: number;
  readonly method: string;
  constructor(method: string, code: number, message: string) {
    super(message);
    this.method = method;
    this.code = code;
  }
}

/**
 * Why there is no answer that can be used.
 *
 * - `down`: no node of ours is running, or its cookie is not there yet
 * - `refused`: nothing listens on the port
 * - `unauthorized`: the cookie was not taken, also after reading it anew
 * - `busy`: the node's work queue is full (HTTP 503): ask again later
 * - `timeout`, `aborted`: we stopped waiting, by the clock or because the caller asked
 * - `cut`: the connection ended within the reply
 * - `tooLarge`: the reply was over the size bound
 * - `notJson`: the reply is something else, HTML for example
 * - `badReply`: JSON, but not a JSON-RPC answer to our question
 * - `network`: any other failure of the socket
 */
export type UnreachableCode =
  | 'down'
  | 'refused'
  | 'unauthorized'
  | 'busy'
  | 'timeout'
  | 'aborted'
  | 'cut'
  | 'tooLarge'
  | 'notJson'
  | 'badReply'
  | 'network';

/** The node did not answer, or not in a way that can be used. `reason` is for people and logs. */
export class RpcUnreachable extends Error {
  override readonly name = 'RpcUnreachable';
  readonly code: UnreachableCode;
  readonly method: string;
  readonly reason: string;
  constructor(method: string, code: UnreachableCode, reason: string) {
    super(`${method}: ${reason}`);
    this.method = method;
    this.code = code;
    this.reason = reason;
  }
}

/** RPC_IN_WARMUP (Core, rpc/protocol.h): the node is up and says in `message` what it is loading. */
export const RPC_IN_WARMUP = -28;
