import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { connect as tcpConnect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { WebSocket } from 'ws';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { webSocketChannel } from '../../src-main/core/api/browser.ts';
import { createApiClient } from '../../src-main/core/api/client.ts';
import { createApiHub } from '../../src-main/core/api/hub.ts';
import { exchangeToken } from '../../src-main/core/api/session.ts';
import { createHeadlessServer } from '../../src-main/headless/server.ts';
import type { HeadlessServer, HeadlessServerOptions } from '../../src-main/headless/server.ts';
import { silentLog } from '../../src-main/services/log/index.ts';
import { nodeSchedule } from '../../src-main/transport/schedule.ts';
import { INITIAL, plainHandlers } from '../fixtures/api-world.ts';

const TOKEN = 'correct-horse-battery-staple';
interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

describe('the headless server', () => {
  let folder: string;
  let server: HeadlessServer;
  let now: number;
  const hub = createApiHub({
    handlers: plainHandlers(),
    schedule: nodeSchedule,
    initial: INITIAL,
    onError: () => {},
  });

  const open = (options: Partial<HeadlessServerOptions> = {}): Promise<HeadlessServer> =>
    createHeadlessServer({
      api: hub,
      pageFolder: join(folder, 'page'),
      port: 0,
      token: TOKEN,
      log: silentLog,
      now: () => now,
      ...options,
    });
  const self = (): string => `127.0.0.1:${server.port}`;
  const ask = (
    path: string,
    {
      method = 'GET',
      headers = {},
      body = '',
    }: { method?: string; headers?: Record<string, string>; body?: string } = {},
  ): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const request = httpRequest(
        { host: '127.0.0.1', port: server.port, path, method, headers, agent: false },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('end', () =>
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              body: Buffer.concat(chunks),
            }),
          );
        },
      );
      request.on('error', reject);
      request.end(body);
    });
  const login = (token: unknown, headers: Record<string, string> = {}): Promise<Answer> =>
    ask('/session', {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: `http://${self()}`, ...headers },
      body: JSON.stringify({ token }),
    });
  const cookie = async (): Promise<string> => {
    const { headers } = await login(TOKEN);
    return String(headers['set-cookie']).split(';', 1)[0] ?? '';
  };
  /** The status a WebSocket was refused with, or 101. */
  const knock = (headers: Record<string, string>, path = '/api'): Promise<number> =>
    new Promise((resolve) => {
      const socket = new WebSocket(`ws://${self()}${path}`, { headers });
      socket.on('open', () => {
        socket.terminate();
        resolve(101);
      });
      socket.on('unexpected-response', (_, response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
        socket.terminate();
      });
      socket.on('error', () => {});
    });

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'adit-page-'));
    mkdirSync(join(folder, 'page', 'assets'), { recursive: true });
    writeFileSync(join(folder, 'page', 'index.html'), '<!doctype html><title>Adit</title>');
    writeFileSync(join(folder, 'page', 'assets', 'main-Ab12_x-9.js'), 'console.log(1);\n'.repeat(500));
    writeFileSync(join(folder, 'page', 'notes.exe'), 'no');
    writeFileSync(join(folder, 'secret.json'), '{"secret":true}');
    symlinkSync(join(folder, 'secret.json'), join(folder, 'page', 'link.json'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  beforeEach(async () => {
    now = 1_700_000_000_000;
    server = await open();
  });
  afterEach(() => server.close());

  describe('files', () => {
    test('the page comes with every protective header', async () => {
      const { status, headers, body } = await ask('/');
      expect(status).toBe(200);
      expect(body.toString()).toContain('<title>Adit</title>');
      expect(headers).toMatchObject({
        'content-type': 'text/html; charset=utf-8',
        'content-security-policy':
          "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'cross-origin-opener-policy': 'same-origin',
        'cross-origin-resource-policy': 'same-origin',
        'cache-control': 'no-cache',
      });
    });

    test('hashed assets are kept by the browser and come gzipped', async () => {
      const { headers, body } = await ask('/assets/main-Ab12_x-9.js', {
        headers: { 'accept-encoding': 'br, gzip' },
      });
      expect(headers).toMatchObject({
        'cache-control': 'public, max-age=31536000, immutable',
        'content-encoding': 'gzip',
        'content-type': 'text/javascript; charset=utf-8',
      });
      expect(gunzipSync(body).toString()).toContain('console.log(1);');
      const plain = await ask('/assets/main-Ab12_x-9.js');
      expect(plain.headers['content-encoding']).toBeUndefined();
    });

    test('an unchanged page is not sent again', async () => {
      const { headers } = await ask('/');
      const again = await ask('/', { headers: { 'if-none-match': String(headers['etag']) } });
      expect(again.status).toBe(304);
      expect(again.body.length).toBe(0);
    });

    test.each([
      '/../secret.json',
      '/assets/../../secret.json',
      '/%2e%2e/secret.json',
      '/..%2fsecret.json',
      '//etc/passwd',
      '/link.json',
      '/notes.exe',
      '/assets',
      '/__proto__',
      '/index.html%00.js',
      'http://127.0.0.1/',
    ])('%s is not there', async (path) => {
      expect((await ask(path)).status).toBe(404);
    });

    test('only GET and HEAD read', async () => {
      for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS'])
        expect((await ask('/', { method })).status).toBe(405);
      const head = await ask('/', { method: 'HEAD' });
      expect(head.status).toBe(200);
      expect(head.body.length).toBe(0);
    });

    test('a browser without a session finds the page that says how to get in', async () => {
      const { status, headers, body } = await ask('/open');
      expect(status).toBe(200);
      expect(body.toString()).toContain('Open the address that Adit printed');
      expect(body.toString()).not.toMatch(/<script|style=|<style/);
      expect(headers['content-security-policy']).toContain("default-src 'none'");
      expect((await ask('/open.css')).headers['content-type']).toContain('text/css');
    });
  });

  describe('names', () => {
    test.each([
      'evil.example',
      'evil.example:80',
      '[::1',
      '127.0.0.1.evil.example',
      'user@127.0.0.1',
      '127.0.0.1:1',
    ])('the Host "%s" is refused everywhere', async (host) => {
      const headers = { host };
      expect((await ask('/', { headers })).status).toBeGreaterThanOrEqual(400);
      expect((await ask('/session', { headers })).status).toBeGreaterThanOrEqual(400);
      const session = await cookie();
      expect(await knock({ host, origin: `http://${host}`, cookie: session })).toBeGreaterThanOrEqual(400);
    });

    test('loopback has three names', async () => {
      for (const name of ['127.0.0.1', 'localhost', 'LOCALHOST', '[::1]']) {
        expect((await ask('/', { headers: { host: `${name}:${server.port}` } })).status).toBe(200);
      }
    });

    test('a name the user allows is one more, with its port or any', async () => {
      await server.close();
      server = await open({ allowedHosts: ['nas.local', 'adit.example:8443'] });
      expect((await ask('/', { headers: { host: 'nas.local' } })).status).toBe(200);
      expect((await ask('/', { headers: { host: 'nas.local:99' } })).status).toBe(200);
      expect((await ask('/', { headers: { host: 'adit.example:8443' } })).status).toBe(200);
      expect((await ask('/', { headers: { host: 'adit.example' } })).status).toBe(421);
    });

    test('behind a proxy with TLS the cookie is Secure', async () => {
      await server.close();
      server = await open({ allowedHosts: ['nas.local'] });
      const { status, headers } = await login(TOKEN, { host: 'nas.local', origin: 'https://nas.local' });
      expect(status).toBe(204);
      expect(String(headers['set-cookie'])).toMatch(/; Secure$/);
    });
  });

  describe('signing in', () => {
    test('the token is traded for an HttpOnly cookie', async () => {
      expect((await ask('/session')).status).toBe(401);
      const { status, headers } = await login(TOKEN);
      expect(status).toBe(204);
      const set = String(headers['set-cookie']);
      expect(set).toContain(`adit-${server.port}=`);
      expect(set).toMatch(/; HttpOnly; SameSite=Strict; Path=\/; Max-Age=2592000$/);
      expect(set).not.toContain(TOKEN);
      expect((await ask('/session', { headers: { cookie: `other=1; ${await cookie()}` } })).status).toBe(204);
    });

    test('the address to open leads the page through it', async () => {
      const url = new URL(server.url);
      expect(url.hostname).toBe('127.0.0.1');
      const replaced: string[] = [];
      const state = await exchangeToken({
        location: { hash: url.hash, pathname: '/', search: '' },
        history: { replaceState: (_data, _unused, to) => void replaced.push(to) },
        fetch: (path, init) =>
          fetch(new URL(path, url), {
            ...init,
            headers: { ...(init.headers as object), origin: url.origin },
          }),
      });
      expect(state).toEqual({ kind: 'signedIn' });
      expect(replaced).toEqual(['/']);
    });

    test.each<[string, Record<string, string>]>([
      ['none', { origin: '' }],
      ['foreign', { origin: 'http://evil.example' }],
      ['null', { origin: 'null' }],
      ['another port', { origin: 'http://127.0.0.1:1' }],
    ])('a wrong Origin (%s) is refused even with the right token', async (_, headers) => {
      expect((await login(TOKEN, headers)).status).toBe(403);
    });

    test('only JSON counts as a login, so that a form cannot send one', async () => {
      expect((await login(TOKEN, { 'content-type': 'text/plain' })).status).toBe(415);
    });

    test.each<[string, unknown]>([
      ['wrong', 'wrong'],
      ['empty', ''],
      ['null', null],
      ['an object', {}],
      ['longer', `${TOKEN}x`],
      ['very long', 'x'.repeat(2_000)],
    ])('a token that is %s is refused', async (_, token) => {
      const { status, headers } = await login(token);
      expect([400, 401]).toContain(status);
      expect(headers['set-cookie']).toBeUndefined();
    });

    test('after ten wrong tokens even the right one has to wait a minute', async () => {
      for (let attempt = 0; attempt < 10; attempt += 1) expect((await login('wrong')).status).toBe(401);
      const refused = await login(TOKEN);
      expect(refused.status).toBe(429);
      expect(refused.headers['retry-after']).toBe('60');
      now += 60_001;
      expect((await login(TOKEN)).status).toBe(204);
    });

    test('a session ends after 30 days, with its token, and when it is altered', async () => {
      const session = await cookie();
      const signedIn = async (text: string): Promise<number> =>
        (await ask('/session', { headers: { cookie: text } })).status;
      expect(await signedIn(session)).toBe(204);
      expect(await signedIn(session.replace(/=1/, '=2'))).toBe(401);
      expect(await signedIn(session.slice(0, -1))).toBe(401);
      expect(await signedIn(`adit-${server.port}=`)).toBe(401);
      now += 30 * 24 * 3_600_000 + 1;
      expect(await signedIn(session)).toBe(401);
      now -= 30 * 24 * 3_600_000;
      await server.close();
      const { port } = server;
      server = await open({ token: `${TOKEN}-new`, port });
      expect(await signedIn(session)).toBe(401);
    });
  });

  describe('the WebSocket', () => {
    test('opens with cookie and Origin, and speaks the API', async () => {
      const headers = { cookie: await cookie(), origin: `http://${self()}` };
      const client = createApiClient(
        webSocketChannel(`ws://${self()}/api`, {
          create: (url) => new WebSocket(url, { headers }) as unknown as globalThis.WebSocket,
        }),
        { schedule: nodeSchedule },
      );
      expect(await client.query('node.log', {})).toEqual({ lines: [] });
      const state = await new Promise((resolve) => client.watch('state', resolve));
      expect(state).toEqual(INITIAL.state);
      client.close();
    });

    test('is refused without a cookie, without Origin, with a foreign one, and on other paths', async () => {
      const session = await cookie();
      const origin = `http://${self()}`;
      expect(await knock({ origin })).toBe(401);
      expect(await knock({ origin, cookie: `adit-${server.port}=1.2.3` })).toBe(401);
      expect(await knock({ cookie: session })).toBe(403);
      expect(await knock({ cookie: session, origin: 'http://evil.example' })).toBe(403);
      expect(await knock({ cookie: session, origin: 'null' })).toBe(403);
      expect(await knock({ cookie: session, origin, host: 'evil.example' })).toBe(421);
      expect(await knock({ cookie: session, origin }, '/other')).toBe(404);
      expect(await knock({ cookie: session, origin })).toBe(101);
    });

    test('one browser cannot take all sockets there are', async () => {
      const headers = { cookie: await cookie(), origin: `http://${self()}` };
      const sockets = Array.from({ length: 64 }, () => new WebSocket(`ws://${self()}/api`, { headers }));
      await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('open', resolve))));
      expect(await knock(headers)).toBe(503);
      for (const socket of sockets) socket.terminate();
    });
  });

  test('closing ends open sockets and half-sent requests', async () => {
    const half = tcpConnect(server.port, '127.0.0.1');
    await new Promise((resolve) => half.once('connect', resolve));
    half.write('GET / HTTP/1.1\r\nHost: ');
    const headers = { cookie: await cookie(), origin: `http://${self()}` };
    const socket = new WebSocket(`ws://${self()}/api`, { headers });
    await new Promise((resolve) => socket.once('open', resolve));
    const gone = Promise.all([
      new Promise((resolve) => half.once('close', resolve)),
      new Promise((resolve) => socket.once('close', resolve)),
    ]);
    await server.close();
    await gone;
    server = await open();
  });

  test('what keeps it from starting is said with what to do', async () => {
    await expect(open({ pageFolder: join(folder, 'nothing') })).rejects.toMatchObject({
      code: 'page_missing',
      message: expect.stringContaining('npx vite build') as string,
    });
    await expect(open({ port: server.port })).rejects.toMatchObject({ code: 'port_taken' });
    await expect(open({ host: '192.0.2.1' })).rejects.toMatchObject({ code: 'address_unavailable' });
    await expect(open({ token: 'short' })).rejects.toThrow('at least 20 characters');
  });
});
