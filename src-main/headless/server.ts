import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isIPv6 } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { ApiError } from '../core/api/define.ts';
import type { ApiServer } from '../core/api/schema.ts';
import { SESSION_PATH, SIGN_IN_PATH, SOCKET_PATH } from '../core/api/session.ts';
import type { Log } from '../services/log/index.ts';
import { PAGE_HEADERS, loadPage } from '../transport/page.ts';
import type { PageFile, PageFiles } from '../transport/page.ts';
import { createWebSocketHost } from '../transport/websocket.ts';
import { Logins } from './login.ts';
import { SIGN_IN_FILES } from './sign-in.ts';

export interface HeadlessServerOptions {
  readonly api: ApiServer;
  /** The built page. */
  readonly pageFolder: string;
  /** Address to listen on; loopback unless the user chose another. */
  readonly host?: string;
  /** 0: any free port. */
  readonly port: number;
  /** The secret of the printed address; at least 20 characters. */
  readonly token: string;
  /** Names a browser may use for this server besides loopback's, `name` or `name:port`: against DNS rebinding. */
  readonly allowedHosts?: readonly string[];
  readonly log: Log;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

export interface HeadlessServer {
  /** The address to open, with the token. Secret. */
  readonly url: string;
  readonly port: number;
  close(): Promise<void>;
}

const MAX_CONNECTIONS = 256;
/** The body of a login: a token and some JSON around it. */
const MAX_BODY = 1_024;
const BODY_WITHIN = 5_000;

/** Splits `name:port` or `[v6]:port`; the name in lower case. Undefined if it is neither. */
function splitHost(host: string): { readonly name: string; readonly port: string } | undefined {
  const match = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(\d{1,5}))?$/i.exec(host);
  return match?.[1] ? { name: match[1].toLowerCase(), port: match[2] ?? '' } : undefined;
}

const bracketed = (address: string): string => (isIPv6(address) ? `[${address}]` : address);
/** The address of a socket as a URL writes it; IPv4 in IPv6 as plain IPv4. */
const urlAddress = (address: string | undefined): string =>
  bracketed((address ?? '').replace(/^::ffff:/i, ''));

function cookieOf(request: IncomingMessage, name: string): string | undefined {
  for (const part of (request.headers.cookie ?? '').split(';')) {
    const at = part.indexOf('=');
    if (at > 0 && part.slice(0, at).trim() === name) return part.slice(at + 1).trim();
  }
  return undefined;
}

function readBody(request: IncomingMessage): Promise<string | undefined> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const timer = setTimeout(() => resolve(undefined), BODY_WITHIN);
    const finish = (body: string | undefined): void => {
      clearTimeout(timer);
      resolve(body);
    };
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > MAX_BODY) finish(undefined);
      else chunks.push(chunk);
    });
    request.on('end', () => finish(Buffer.concat(chunks).toString('utf8')));
    request.on('error', () => finish(undefined));
    request.on('close', () => finish(undefined));
  });
}

function tokenIn(body: string): string | undefined {
  try {
    const value: unknown = JSON.parse(body);
    if (typeof value !== 'object' || value === null || !('token' in value)) return undefined;
    return typeof value.token === 'string' ? value.token : undefined;
  } catch {
    return undefined;
  }
}

function answer(
  response: ServerResponse,
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  const body = status === 204 ? '' : `${text}\n`;
  response.writeHead(status, {
    ...PAGE_HEADERS,
    'cache-control': 'no-store',
    ...(status === 204
      ? {}
      : { 'content-type': 'text/plain; charset=utf-8', 'content-length': String(Buffer.byteLength(body)) }),
    ...headers,
  });
  response.end(body);
}

function answerFile(request: IncomingMessage, response: ServerResponse, file: PageFile): void {
  const headers: Record<string, string> = {
    ...PAGE_HEADERS,
    'content-type': file.type,
    'cache-control': file.cacheControl,
    etag: file.etag,
    vary: 'accept-encoding',
  };
  if (request.headers['if-none-match'] === file.etag) {
    response.writeHead(304, headers);
    response.end();
    return;
  }
  const zipped =
    file.gzip && /\bgzip\b/.test(request.headers['accept-encoding'] ?? '') ? file.gzip : undefined;
  if (zipped) headers['content-encoding'] = 'gzip';
  const body = zipped ?? file.body;
  headers['content-length'] = String(body.length);
  response.writeHead(200, headers);
  response.end(request.method === 'HEAD' ? undefined : body);
}

/**
 * Serves the page and the API to browsers.
 *
 * Who gets in: a browser that asks for this server by a name it may have (Host), from this server's own page (Origin), with
 * the cookie it got for the token. The page's files hold no secret and are given to anyone with a right Host.
 *
 * Rejects with `ApiError`: `page_missing`, `port_taken`, `port_denied`, `address_unavailable`.
 */
export async function createHeadlessServer(options: HeadlessServerOptions): Promise<HeadlessServer> {
  const { api, pageFolder, host = '127.0.0.1', port: wantedPort, token, allowedHosts = [], log } = options;
  const logins = new Logins(token, options.now ?? Date.now);
  const files: PageFiles = new Map([...(await loadPage(pageFolder)), ...SIGN_IN_FILES]);
  const sockets = createWebSocketHost(api, {
    onError: (where, error) => log.error(`API: ${where}`, { error: String(error) }),
  });
  let port = 0;
  /** Cookies know no ports: each Adit on this computer needs a name of its own. */
  let cookieName = '';

  const loopbackNames = new Set(['127.0.0.1', 'localhost', '[::1]']);
  const extraHosts = allowedHosts
    .map((allowed) => splitHost(allowed))
    .filter((allowed) => allowed !== undefined);

  const hostAllowed = (request: IncomingMessage): boolean => {
    const asked = splitHost(request.headers.host ?? '');
    if (!asked) return false;
    if (extraHosts.some(({ name, port }) => name === asked.name && (port === '' || port === asked.port)))
      return true;
    if ((asked.port === '' ? 80 : Number(asked.port)) !== port) return false;
    // An address in digits cannot be rebound: the one this connection came in on is fine.
    return loopbackNames.has(asked.name) || asked.name === urlAddress(request.socket.localAddress);
  };
  /** Undefined if the request does not come from a page of this server; a missing Origin does not. */
  const originScheme = (request: IncomingMessage): 'http' | 'https' | undefined => {
    const { origin, host: asked = '' } = request.headers;
    if (origin === `http://${asked.toLowerCase()}`) return 'http';
    return origin === `https://${asked.toLowerCase()}` ? 'https' : undefined;
  };
  const signedIn = (request: IncomingMessage): boolean => {
    const session = cookieOf(request, cookieName);
    return session !== undefined && logins.valid(session);
  };

  const login = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const scheme = originScheme(request);
    if (!scheme) return answer(response, 403, 'Sign in from the page of this server.');
    if (!/^application\/json\b/.test(request.headers['content-type'] ?? '')) {
      return answer(response, 415, 'Send the token as JSON.', { connection: 'close' });
    }
    const body = await readBody(request);
    const sent = body === undefined ? undefined : tokenIn(body);
    if (sent === undefined) return answer(response, 400, 'Send {"token":"…"}.', { connection: 'close' });
    const address = urlAddress(request.socket.remoteAddress);
    const outcome = logins.login(address, sent);
    if (outcome.kind === 'ok') {
      const attributes = `HttpOnly; SameSite=Strict; Path=/; Max-Age=${outcome.maxAgeSeconds}`;
      return answer(response, 204, '', {
        'set-cookie': `${cookieName}=${outcome.session}; ${attributes}${scheme === 'https' ? '; Secure' : ''}`,
      });
    }
    log.warn('A browser tried to sign in with a wrong token', { address });
    if (outcome.kind === 'wrong') return answer(response, 401, 'That token is not right.');
    return answer(response, 429, 'Too many wrong tokens.', { 'retry-after': String(outcome.seconds) });
  };

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (!hostAllowed(request)) {
      return answer(response, 421, 'This name is not one of this server. Allow it with --allow-host NAME.');
    }
    const path = (request.url ?? '').split('?', 1)[0] ?? '';
    const reading = request.method === 'GET' || request.method === 'HEAD';
    if (path === SESSION_PATH) {
      if (request.method === 'POST') return login(request, response);
      if (!reading) return answer(response, 405, 'Use GET or POST.', { allow: 'GET, HEAD, POST' });
      return signedIn(request)
        ? answer(response, 204, '')
        : answer(response, 401, `Sign in first: ${SIGN_IN_PATH}`);
    }
    if (!reading) return answer(response, 405, 'Use GET.', { allow: 'GET, HEAD' });
    const file = files.get(path);
    return file ? answerFile(request, response, file) : answer(response, 404, 'There is nothing here.');
  };

  const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const refuse = (status: string): void => {
      log.warn('A WebSocket was refused', { status, origin: (request.headers.origin ?? '').slice(0, 200) });
      socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    };
    socket.on('error', () => socket.destroy());
    if (!hostAllowed(request)) return refuse('421 Misdirected Request');
    if ((request.url ?? '').split('?', 1)[0] !== SOCKET_PATH) return refuse('404 Not Found');
    if (!originScheme(request)) return refuse('403 Forbidden');
    if (!signedIn(request)) return refuse('401 Unauthorized');
    return sockets.accept(request, socket, head);
  };

  const server = createServer({
    requestTimeout: 10_000,
    headersTimeout: 5_000,
    keepAliveTimeout: 5_000,
    connectionsCheckingInterval: 2_000,
    maxHeaderSize: 16 * 1_024,
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.on('request', (request, response) => {
    serve(request, response).catch((error: unknown) => {
      log.error('The page server failed to answer', { error: String(error) });
      if (!response.headersSent)
        answer(response, 500, 'Something went wrong inside Adit. The log has the details.');
    });
  });
  server.on('upgrade', upgrade);

  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const where = `${bracketed(host)}:${wantedPort}`;
      if (error.code === 'EADDRINUSE') {
        reject(
          new ApiError(
            'port_taken',
            `${where} is taken by another program. Choose another port with --port.`,
          ),
        );
      } else if (error.code === 'EACCES') {
        reject(
          new ApiError(
            'port_denied',
            `You may not listen on ${where}. Choose a port above 1023 with --port.`,
          ),
        );
      } else {
        reject(
          new ApiError(
            'address_unavailable',
            `Cannot listen on ${where} (${error.code ?? error.message}). Check --listen.`,
          ),
        );
      }
    });
    server.listen(wantedPort, host, resolve);
  });
  server.removeAllListeners('error');
  server.on('error', (error) => log.error('The page server failed', { error: String(error) }));
  port = (server.address() as AddressInfo).port;
  cookieName = `adit-${port}`;

  const anyAddress = host === '0.0.0.0' || host === '::';
  return {
    url: `http://${anyAddress ? '127.0.0.1' : bracketed(host)}:${port}/#token=${encodeURIComponent(token)}`,
    port,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      await sockets.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
