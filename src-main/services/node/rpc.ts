import { open } from 'node:fs/promises';
import Client from 'bitcoin-core';
import { RpcError, RpcUnreachable } from './errors.ts';
import { HttpRpc, readReply, socketFailure } from './http-rpc.ts';
import type { RawCallOptions, RpcEndpoint } from './http-rpc.ts';
import type { NodeRpc, RpcCallOptions } from './types.ts';

/**
 * Calls that carry whole blocks, and the one the node holds back until something is new. The package parses a reply
 * several times (its request logger does even with logging off, json-bigint does in plain JavaScript): on this machine an
 * 8 MB template takes it 112 ms against 33 ms here, an 8 MB submitblock 90 ms against 40 ms.
 */
const HOT = new Set(['getblocktemplate', 'submitblock']);

const DEFAULT_TIMEOUT_MS = 30_000;
/** setTimeout counts in 32 bits; a longer wait would end at once. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;
/** A template of a full block is about 8 MB of hex and at most some 4 MB of facts about it. */
const DEFAULT_MAX_REPLY_BYTES = 32 * 1024 * 1024;
const MAX_COOKIE_BYTES = 1_024;

export interface NodeRpcOptions {
  /** Where the node of ours is to be asked, or undefined while there is none. Called before every call. */
  readonly target: () => { readonly port: number; readonly cookieFile: string } | undefined;
  readonly maxReplyBytes?: number;
}

/** The parts of a `request` object that are used here; the package's types know only promises. */
interface RunningRequest {
  abort(): void;
  on(event: 'data', listener: (chunk: Buffer) => void): unknown;
}
interface PostReply {
  readonly statusCode?: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body?: unknown;
}
type Post = (
  options: Record<string, unknown>,
  callback: (error: NodeJS.ErrnoException | null, response: PostReply | undefined) => void,
) => RunningRequest;

const silent = { debug() {} };

/**
 * JSON-RPC to the node with its cookie. The cookie is read when first needed, and anew when the node refuses it (it makes
 * one at every start). Every call is bounded in time (`timeoutMs`, default 30 s) and in the size of its reply.
 */
export function createNodeRpc(options: NodeRpcOptions): NodeRpc & { readonly close: () => void } {
  const maxReplyBytes = options.maxReplyBytes ?? DEFAULT_MAX_REPLY_BYTES;
  const http = new HttpRpc();
  let known:
    { readonly cookieFile: string; readonly endpoint: RpcEndpoint; readonly client: Client } | undefined;

  const connect = async (method: string, again: boolean): Promise<NonNullable<typeof known>> => {
    const target = options.target();
    if (target === undefined) throw new RpcUnreachable(method, 'down', 'the node is not running');
    if (
      !again &&
      known !== undefined &&
      known.cookieFile === target.cookieFile &&
      known.endpoint.port === target.port
    ) {
      return known;
    }
    const credentials = await readCookie(target.cookieFile, method);
    const endpoint: RpcEndpoint = { port: target.port, credentials };
    const colon = credentials.indexOf(':');
    const client = new Client({
      host: `http://127.0.0.1:${target.port}`,
      username: credentials.slice(0, colon),
      password: credentials.slice(colon + 1),
      logger: silent,
    });
    // The package's own parser turns every number of more than 15 characters into a string, a hash rate or a progress
    // too, and reports a page of HTML as an RPC error with an HTTP status for a code.
    client.parser = { rpc: judge, rest: () => undefined };
    known = { cookieFile: target.cookieFile, endpoint, client };
    return known;
  };

  const ask = async (
    method: string,
    params: readonly unknown[],
    raw: RawCallOptions,
    again: boolean,
  ): Promise<unknown> => {
    const { endpoint, client } = await connect(method, again);
    return HOT.has(method)
      ? http.call(endpoint, method, params, raw)
      : callPackage(client, method, params, raw);
  };

  return {
    async call(method: string, params: readonly unknown[] = [], call: RpcCallOptions = {}): Promise<unknown> {
      const raw: RawCallOptions = {
        timeoutMs: Math.min(call.timeoutMs ?? DEFAULT_TIMEOUT_MS, MAX_TIMEOUT_MS),
        maxReplyBytes,
        signal: call.signal,
      };
      try {
        return await ask(method, params, raw, false);
      } catch (error) {
        if (!(error instanceof RpcUnreachable) || error.code !== 'unauthorized') throw error;
        return ask(method, params, raw, true);
      }
    },
    close: () => http.close(),
  };
}

async function readCookie(path: string, method: string): Promise<string> {
  let text: string;
  try {
    await using file = await open(path, 'r');
    const { buffer, bytesRead } = await file.read(Buffer.alloc(MAX_COOKIE_BYTES), 0, MAX_COOKIE_BYTES, 0);
    text = buffer.toString('latin1', 0, bytesRead).trim();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw new RpcUnreachable(
      method,
      'down',
      code === 'ENOENT' ? 'the node has not written its cookie yet' : `the cookie can't be read (${code})`,
    );
  }
  if (!/^[\x21-\x39\x3b-\x7e]+:[\x21-\x7e]+$/.test(text)) {
    throw new RpcUnreachable(method, 'down', 'the cookie file of the node is not a cookie');
  }
  return text;
}

/** What `callPackage` hands through the package: `command()` gives its parser the reply and returns what that makes of it. */
interface Answer {
  readonly method: string;
  readonly status: number;
  readonly text: string;
}

function judge(answer: Answer): unknown {
  // The package makes its ids from the clock and keeps them to itself, so they can't be compared; one reply comes per
  // connection's request, which HTTP itself keeps apart.
  return readReply(answer.method, answer.status, answer.text, undefined);
}

/** One call through the package, with the bounds it lacks: size of the reply, time of the whole call, abort. */
async function callPackage(
  client: Client,
  method: string,
  params: readonly unknown[],
  options: RawCallOptions,
): Promise<unknown> {
  if (options.signal?.aborted) throw new RpcUnreachable(method, 'aborted', 'no longer wanted');
  const { promise: stopped, reject: stop } = Promise.withResolvers<never>();
  let running: RunningRequest | undefined;
  const fail = (error: RpcUnreachable): void => {
    stop(error);
    running?.abort();
  };
  const post = client.request['post' as keyof typeof client.request] as unknown as Post;
  const postAsync = (request: Record<string, unknown>): Promise<Answer> => {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    let size = 0;
    running = post({ ...request, followRedirect: false, timeout: options.timeoutMs }, (error, response) => {
      if (error !== null || response === undefined) {
        return reject(socketFailure(method, error ?? new Error('no reply'), size > 0));
      }
      // The package takes a connection that closes within the body for its end.
      const announced = Number(response.headers['content-length'] ?? size);
      if (announced > size) {
        return reject(new RpcUnreachable(method, 'cut', 'the connection ended within the reply'));
      }
      const text = typeof response.body === 'string' ? response.body : '';
      resolve({ method, status: response.statusCode ?? 0, text });
    });
    running.on('data', (chunk) => {
      size += chunk.length;
      if (size > options.maxReplyBytes) {
        fail(new RpcUnreachable(method, 'tooLarge', `a reply over ${options.maxReplyBytes} bytes`));
      }
    });
    return promise;
  };
  // A client of its own for this call: same settings, its own `postAsync`, so that calls side by side don't meet.
  const once = Object.create(client, { request: { value: { ...client.request, postAsync } } }) as Client;
  const timer = setTimeout(
    () => fail(new RpcUnreachable(method, 'timeout', `no answer within ${options.timeoutMs / 1000} s`)),
    options.timeoutMs,
  );
  const onAbort = (): void => fail(new RpcUnreachable(method, 'aborted', 'no longer wanted'));
  options.signal?.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([once.command(method, ...params), stopped]);
  } catch (error) {
    if (error instanceof RpcError || error instanceof RpcUnreachable) throw error;
    throw new RpcUnreachable(method, 'badReply', error instanceof Error ? error.message : String(error));
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', onAbort);
  }
}
