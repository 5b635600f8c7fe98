import type { Protocol } from 'electron';
import { PAGE_HEADERS } from '../transport/page.ts';
import type { PageFiles } from '../transport/page.ts';
import { SCHEME, isOwnUrl } from './origin.ts';

/** Makes `app:` a scheme like `https:`: with origins, secure, fetchable. Must run before the app is ready. */
export function registerScheme(protocol: Pick<Protocol, 'registerSchemesAsPrivileged'>): void {
  protocol.registerSchemesAsPrivileged([
    { scheme: SCHEME, privileges: { standard: true, secure: true, supportFetchAPI: true } },
  ]);
}

/** Answers one request of the page: a file of the build by its exact path, else 404. The disk is never asked. */
export function answerRequest(files: PageFiles, method: string, url: string): Response {
  const headers = { ...PAGE_HEADERS, 'content-type': 'text/plain; charset=utf-8' };
  if (!isOwnUrl(url)) return new Response('Not found', { status: 404, headers });
  if (method !== 'GET' && method !== 'HEAD') return new Response('Use GET', { status: 405, headers });
  const file = files.get(new URL(url).pathname);
  if (!file) return new Response('Not found', { status: 404, headers });
  return new Response(method === 'HEAD' ? null : file.body, {
    status: 200,
    headers: { ...PAGE_HEADERS, 'content-type': file.type, 'cache-control': file.cacheControl },
  });
}

/** Serves the page under `app://adit/`. */
export function servePage(protocol: Pick<Protocol, 'handle'>, files: PageFiles): void {
  protocol.handle(SCHEME, ({ method, url }) => answerRequest(files, method, url));
}
