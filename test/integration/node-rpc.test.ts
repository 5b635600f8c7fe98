import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { RpcError, RpcUnreachable } from '../../src-main/services/node/errors.ts';
import { readReply } from '../../src-main/services/node/http-rpc.ts';
import { createNodeRpc } from '../../src-main/services/node/rpc.ts';

interface Question {
  readonly id: unknown;
  readonly method: string;
  readonly params: readonly unknown[];
  readonly authorization: string;
}
type Answer = (question: Question, response: ServerResponse, request: IncomingMessage) => void;

let folder: string;
let server: Server;
let rpc: ReturnType<typeof createNodeRpc>;
let answer: Answer;
let connections: number;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'adit-rpc-'));
  writeFileSync(join(folder, '.cookie'), '__cookie__:one');
  connections = 0;
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = JSON.parse(Buffer.concat(chunks).toString()) as Question;
      answer({ ...body, authorization: request.headers.authorization ?? '' }, response, request);
    });
  });
  server.on('connection', () => (connections += 1));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  rpc = createNodeRpc({
    target: () => ({ port, cookieFile: join(folder, '.cookie') }),
    maxReplyBytes: 1_000_000,
  });
});
afterEach(async () => {
  rpc.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true, force: true });
});

const result =
  (value: unknown): Answer =>
  ({ id }, response) =>
    response.end(JSON.stringify({ id, error: null, result: value }));
const basic = (words: string) => `Basic ${Buffer.from(words).toString('base64')}`;
const failure = (call: Promise<unknown>): Promise<RpcError | RpcUnreachable> =>
  call.then(
    () => {
      throw new Error('was answered');
    },
    (error: RpcError | RpcUnreachable) => error,
  );

// One method of each way: through the package, and through the client of our own.
describe.each(['getblockchaininfo', 'getblocktemplate'])('%s', (method) => {
  test('asks with cookie, method and parameters, and gives the result', async () => {
    const asked: Question[] = [];
    answer = (question, response, request) => {
      asked.push(question);
      result({ ok: true })(question, response, request);
    };
    expect(await rpc.call(method, [{ rules: ['segwit'] }, 2])).toEqual({ ok: true });
    expect(asked).toMatchObject([
      { method, params: [{ rules: ['segwit'] }, 2], authorization: basic('__cookie__:one') },
    ]);
  });

  test('keeps long numbers numbers, and strings of digits strings', async () => {
    const digits = '1'.repeat(64);
    answer = ({ id }, response) =>
      response.end(
        `{"id":${JSON.stringify(id)},"error":null,"result":{"progress":0.99999834521781234,"difficulty":146472570619930.81,"hash":"${digits}"}}`,
      );
    expect(await rpc.call(method)).toEqual({
      progress: Number('0.99999834521781234'),
      difficulty: 146_472_570_619_930.8,
      hash: digits,
    });
  });

  test("gives the node's error with its number", async () => {
    answer = ({ id }, response) =>
      response
        .writeHead(500)
        .end(JSON.stringify({ id, result: null, error: { code: -28, message: 'Loading block index…' } }));
    const error = await failure(rpc.call(method));
    expect(error).toBeInstanceOf(RpcError);
    expect(error).toMatchObject({ code: -28, message: 'Loading block index…', method });
  });

  test.each<[string, string, Answer]>([
    [
      'cut with a length',
      'cut',
      (_, response) => {
        response.writeHead(200, { 'content-length': 500 });
        response.write('{"result":{"chain"', () => response.destroy());
      },
    ],
    [
      'cut in chunks',
      'cut',
      (_, response) => {
        response.write('{"result":{"chain"', () => response.destroy());
      },
    ],
    ['closed without a word', 'cut', (_, response) => void response.destroy()],
    ['HTML', 'notJson', (_, response) => response.writeHead(200).end('<html><body>hello</body></html>')],
    [
      'HTML with an error',
      'notJson',
      (_, response) => response.writeHead(500, { 'content-type': 'text/html' }).end('<html>'),
    ],
    ['nothing', 'notJson', (_, response) => response.end()],
    ['half of the JSON', 'notJson', (_, response) => response.end('{"result":{"chain":"main"')],
    ['a list', 'badReply', (_, response) => response.end('[]')],
    ['a number', 'badReply', (_, response) => response.end('7')],
    ['no result', 'badReply', ({ id }, response) => response.end(JSON.stringify({ id, error: null }))],
    [
      'an error that is a word',
      'badReply',
      ({ id }, response) => response.end(JSON.stringify({ id, result: null, error: 'no' })),
    ],
    [
      'an HTTP error with a result',
      'badReply',
      ({ id }, response) => response.writeHead(500).end(JSON.stringify({ id, result: 1, error: null })),
    ],
    ['a full work queue', 'busy', (_, response) => response.writeHead(503).end('Work queue depth exceeded')],
    ['forbidden', 'unauthorized', (_, response) => response.writeHead(403).end()],
    ['more than fits, announced', 'tooLarge', (_, response) => response.end(Buffer.alloc(1_000_001, ' '))],
    [
      'more than fits, without end',
      'tooLarge',
      (_, response) => {
        const more = (): void => {
          if (!response.destroyed) response.write(Buffer.alloc(100_000, ' '), () => setImmediate(more));
        };
        more();
      },
    ],
  ])('%s is its own outcome: %s', async (_, code, wrong) => {
    answer = wrong;
    const error = await failure(rpc.call(method, [], { timeoutMs: 5_000 }));
    expect(error).toBeInstanceOf(RpcUnreachable);
    expect(error).toMatchObject({ code, method });
    // And the next call is not disturbed by it.
    answer = result(1);
    expect(await rpc.call(method)).toBe(1);
  });

  test('does not wait for ever', async () => {
    answer = () => {};
    expect(await failure(rpc.call(method, [], { timeoutMs: 50 }))).toMatchObject({ code: 'timeout' });
  });

  test('does not wait for a reply that drips either', async () => {
    answer = (_, response) => {
      const drip = setInterval(() => response.write(' '), 10);
      response.on('close', () => clearInterval(drip));
    };
    expect(await failure(rpc.call(method, [], { timeoutMs: 100 }))).toMatchObject({ code: 'timeout' });
  });

  test('can be called off, before and while it waits; the connection is closed', async () => {
    const closed = new Promise<void>((resolve) => {
      answer = (_, response) => {
        response.on('close', resolve);
        controller.abort();
      };
    });
    const controller = new AbortController();
    expect(await failure(rpc.call(method, [], { signal: controller.signal }))).toMatchObject({
      code: 'aborted',
    });
    await closed;
    expect(await failure(rpc.call(method, [], { signal: AbortSignal.abort() }))).toMatchObject({
      code: 'aborted',
    });
  });

  test('reads the cookie anew when the node does not take it', async () => {
    let expected = '__cookie__:one';
    answer = (question, response, request) => {
      if (question.authorization === basic(expected)) result('in')(question, response, request);
      else response.writeHead(401).end();
    };
    expect(await rpc.call(method)).toBe('in');
    expected = '__cookie__:two';
    expect(await failure(rpc.call(method))).toMatchObject({ code: 'unauthorized' });
    writeFileSync(join(folder, '.cookie'), '__cookie__:two');
    expect(await rpc.call(method)).toBe('in');
  });

  test('calls side by side keep their own answers', async () => {
    answer = (question, response, request) => {
      setTimeout(
        () => result(question.params[0])(question, response, request),
        5 + (Number(question.params[0]) % 7),
      );
    };
    const numbers = Array.from({ length: 40 }, (_, n) => n);
    expect(await Promise.all(numbers.map((n) => rpc.call(method, [n])))).toEqual(numbers);
  });
});

test('large calls use one connection again, also one the node has closed meanwhile', async () => {
  answer = result(null);
  for (let n = 0; n < 5; n += 1) expect(await rpc.call('submitblock', ['00'])).toBeNull();
  expect(connections).toBe(1);
  server.closeIdleConnections();
  expect(await rpc.call('submitblock', ['00'])).toBeNull();
  expect(connections).toBe(2);
});

test('a block of 4 MB goes through whole', async () => {
  const block = 'ab'.repeat(4_000_000);
  let length = 0;
  answer = (question, response, request) => {
    length = String(question.params[0]).length;
    result(null)(question, response, request);
  };
  expect(await rpc.call('submitblock', [block])).toBeNull();
  expect(length).toBe(8_000_000);
});

test('an answer to another question is not taken', async () => {
  answer = (_, response) => response.end(JSON.stringify({ id: 'other', error: null, result: 1 }));
  expect(await failure(rpc.call('getblocktemplate'))).toMatchObject({ code: 'badReply' });
});

describe('no node to ask', () => {
  test('none of ours runs', async () => {
    const none = createNodeRpc({ target: () => undefined });
    expect(await failure(none.call('getblockcount'))).toMatchObject({ code: 'down' });
  });
  test.each([
    ['is not there', undefined],
    ['is empty', ''],
    ['is no cookie', 'hello'],
    ['is a giant', 'x'.repeat(1_000_000)],
    ['holds line breaks', '__cookie__:a\r\nX: y'],
  ])('the cookie %s', async (_, text) => {
    rmSync(join(folder, '.cookie'));
    if (text !== undefined) writeFileSync(join(folder, '.cookie'), text);
    expect(await failure(rpc.call('getblockcount'))).toMatchObject({ code: 'down' });
  });
  test.each(['getblockcount', 'submitblock'])('nothing listens: %s', async (method) => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    expect(await failure(rpc.call(method))).toMatchObject({ code: 'refused' });
    server.listen(0, '127.0.0.1');
  });
});

test('error messages of the node are bounded', () => {
  const text = JSON.stringify({ id: 1, result: null, error: { code: -1, message: 'x'.repeat(1_000_000) } });
  expect(() => readReply('m', 500, text, 1)).toThrow(
    expect.objectContaining({ message: 'x'.repeat(2_000) }) as Error,
  );
});
