import { Agent, request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import { RpcError, RpcUnreachable } from './errors.ts';
import type { UnreachableCode } from './errors.ts';

/** Where the node answers, and the words of its cookie (`__cookie__:<hex>`). */
export interface RpcEndpoint {
  readonly port: number;
  readonly credentials: string;
}

export interface RawCallOptions {
  readonly timeoutMs: number;
  readonly maxReplyBytes: number;
  readonly signal?: AbortSignal | undefined;
}

interface HttpReply {
  readonly status: number;
  readonly text: string;
}

const replyError = z.looseObject({ code: z.int(), message: z.string() });
const reply = z.looseObject({
  result: z.unknown(),
  error: z.unknown().optional(),
  id: z.unknown().optional(),
});
const MAX_MESSAGE = 2_000;

/**
 * Judges a JSON-RPC reply. Core answers errors with HTTP 500, 404 or 400 and a JSON body with `error` (httprpc.cpp), a
 * wrong cookie with 401 and no body, a full work queue with 503 and plain text.
 *
 * @param id the id the reply must carry; undefined when the caller can't know it
 * @returns the result
 * @throws RpcError when the node answered with an error, RpcUnreachable for everything that is not an answer
 */
export function readReply(method: string, status: number, text: string, id: number | undefined): unknown {
  if (status === 401 || status === 403) {
    throw new RpcUnreachable(method, 'unauthorized', `the node did not accept the cookie (HTTP ${status})`);
  }
  if (status === 503)
    throw new RpcUnreachable(method, 'busy', 'the node has too many requests waiting (HTTP 503)');
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    const what = text === '' ? 'an empty reply' : `"${text.slice(0, 60).replace(/[^\x20-\x7e]/g, ' ')}"`;
    throw new RpcUnreachable(method, 'notJson', `the reply is not JSON (HTTP ${status}, ${what})`);
  }
  const bad = (why: string): RpcUnreachable =>
    new RpcUnreachable(method, 'badReply', `${why} (HTTP ${status})`);
  const body = reply.safeParse(parsed);
  if (!body.success) throw bad('the reply is not a JSON-RPC object');
  if (body.data.error !== null && body.data.error !== undefined) {
    const error = replyError.safeParse(body.data.error);
    if (!error.success) throw bad('the reply has an error without a code and a message');
    throw new RpcError(method, error.data.code, error.data.message.slice(0, MAX_MESSAGE));
  }
  if (status !== 200) throw bad('the reply has an HTTP error but no JSON-RPC error');
  if (!Object.hasOwn(body.data, 'result')) throw bad('the reply has neither a result nor an error');
  if (id !== undefined && body.data.id !== id) throw bad('the reply belongs to another question');
  return body.data.result;
}

/** Turns a socket's error into an outcome. `begun`: some of the reply had come. */
export function socketFailure(method: string, error: NodeJS.ErrnoException, begun: boolean): RpcUnreachable {
  const code: UnreachableCode =
    error.code === 'ECONNREFUSED'
      ? 'refused'
      : begun || error.code === 'ECONNRESET' || error.code === 'EPIPE'
        ? 'cut'
        : error.code === 'ETIMEDOUT' || error.code === 'ESOCKETTIMEDOUT'
          ? 'timeout'
          : 'network';
  const words: Partial<Record<UnreachableCode, string>> = {
    refused: 'nothing listens on the port of the node',
    cut: 'the connection ended within the reply',
    timeout: 'no answer in time',
  };
  return new RpcUnreachable(method, code, words[code] ?? error.message);
}

/** JSON-RPC over `node:http` with connections kept open: for large or long calls, see `rpc.ts`. */
export class HttpRpc {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 16, maxFreeSockets: 4 });
  #id = 0;

  /**
   * One call. The time bound covers the whole of it; the size of the reply is bounded while it comes in.
   * @throws RpcError | RpcUnreachable
   */
  async call(
    endpoint: RpcEndpoint,
    method: string,
    params: readonly unknown[],
    options: RawCallOptions,
  ): Promise<unknown> {
    this.#id += 1;
    const id = this.#id;
    const body = Buffer.from(JSON.stringify({ jsonrpc: '1.0', id, method, params }));
    const deadline = performance.now() + options.timeoutMs;
    const first = await this.#post(endpoint, method, body, options, options.timeoutMs);
    // The node closes idle connections (-rpcservertimeout). One that died just as it was used again has carried nothing
    // to the node's dispatcher, and every call on this path may be repeated, so a fresh connection is tried once.
    const last =
      first === 'stale'
        ? await this.#post(endpoint, method, body, options, Math.max(deadline - performance.now(), 1))
        : first;
    if (last === 'stale') throw new RpcUnreachable(method, 'cut', 'the connection ended before the reply');
    return readReply(method, last.status, last.text, id);
  }

  close(): void {
    this.#agent.destroy();
  }

  #post(
    endpoint: RpcEndpoint,
    method: string,
    body: Buffer,
    options: RawCallOptions,
    timeoutMs: number,
  ): Promise<HttpReply | 'stale'> {
    const { promise, resolve, reject } = Promise.withResolvers<HttpReply | 'stale'>();
    if (options.signal?.aborted) {
      reject(new RpcUnreachable(method, 'aborted', 'no longer wanted'));
      return promise;
    }
    let response: IncomingMessage | undefined;
    const outgoing = request(
      {
        agent: this.#agent,
        host: '127.0.0.1',
        port: endpoint.port,
        method: 'POST',
        path: '/',
        auth: endpoint.credentials,
        headers: { 'content-type': 'application/json', 'content-length': body.length },
      },
      (incoming) => {
        response = incoming;
        const announced = Number(incoming.headers['content-length'] ?? 0);
        if (announced > options.maxReplyBytes) return fail('tooLarge', `a reply of ${announced} bytes`);
        const chunks: Buffer[] = [];
        let size = 0;
        incoming.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size > options.maxReplyBytes) fail('tooLarge', `a reply over ${options.maxReplyBytes} bytes`);
          else chunks.push(chunk);
        });
        incoming.on('end', () => {
          if (!incoming.complete) return fail('cut', 'the connection ended within the reply');
          done();
          resolve({ status: incoming.statusCode ?? 0, text: Buffer.concat(chunks, size).toString('utf8') });
        });
        incoming.on('error', (error) => {
          done();
          reject(socketFailure(method, error, true));
        });
      },
    );
    const done = (): void => {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', onAbort);
    };
    const fail = (code: UnreachableCode, reason: string): void => {
      done();
      reject(new RpcUnreachable(method, code, reason));
      outgoing.destroy();
    };
    const onAbort = (): void => fail('aborted', 'no longer wanted');
    const timer = setTimeout(() => fail('timeout', `no answer within ${timeoutMs / 1000} s`), timeoutMs);
    options.signal?.addEventListener('abort', onAbort, { once: true });
    outgoing.on('error', (error: NodeJS.ErrnoException) => {
      done();
      const stale =
        response === undefined &&
        outgoing.reusedSocket &&
        (error.code === 'ECONNRESET' || error.code === 'EPIPE');
      if (stale) resolve('stale');
      else reject(socketFailure(method, error, response !== undefined));
    });
    outgoing.end(body);
    return promise;
  }
}
