import { createHash } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { ApiError } from '../core/api/define.ts';

/** What the page may load and do: only its own files, and the API of where it came from. */
export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Headers of every answer, in the app and headless. */
export const PAGE_HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=(), usb=(), serial=()',
};

/** File types a page is made of; anything else in the folder is not served. */
const TYPES: Readonly<Record<string, { readonly type: string; readonly text: boolean }>> = {
  '.html': { type: 'text/html; charset=utf-8', text: true },
  '.js': { type: 'text/javascript; charset=utf-8', text: true },
  '.css': { type: 'text/css; charset=utf-8', text: true },
  '.svg': { type: 'image/svg+xml', text: true },
  '.json': { type: 'application/json', text: true },
  '.png': { type: 'image/png', text: false },
  '.woff2': { type: 'font/woff2', text: false },
};
const MAX_FILES = 2_000;
const MAX_BYTES = 64 * 1024 * 1024;
/** What Vite puts a content hash into may be kept for good. */
const HASHED = /^\/assets\/.+-[\w-]{8}\.\w+$/;

export interface PageFile {
  readonly type: string;
  readonly body: Buffer<ArrayBuffer>;
  /** The body gzipped, where that is worth it. */
  readonly gzip: Buffer<ArrayBuffer> | undefined;
  readonly etag: string;
  readonly cacheControl: string;
}

/** The built page by URL path; `/` is its `index.html`. Only what is in here can be served: no path ever reaches the disk. */
export type PageFiles = ReadonlyMap<string, PageFile>;

const squeeze = promisify(gzip);

export function pageFile(
  type: string,
  body: Buffer<ArrayBuffer>,
  zipped?: Buffer<ArrayBuffer>,
  keep = false,
): PageFile {
  return {
    type,
    body,
    gzip: zipped && zipped.length < body.length * 0.9 ? zipped : undefined,
    etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`,
    cacheControl: keep ? 'public, max-age=31536000, immutable' : 'no-cache',
  };
}

/**
 * Reads the built page into memory, so that a build made while Adit runs cannot mix two versions of it.
 * Throws `ApiError` with code `page_missing`, or `page_too_large` if the folder is not what a build makes.
 */
export async function loadPage(folder: string): Promise<PageFiles> {
  const files = new Map<string, PageFile>();
  let bytes = 0;
  // Level by level, not `recursive`: inside the app's archive only plain listings can be relied on.
  const folders = [{ path: folder, url: '/' }];
  for (const { path, url } of folders) {
    const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      const file = join(path, entry.name);
      if (entry.isDirectory()) folders.push({ path: file, url: `${url}${entry.name}/` });
      const known = TYPES[extname(entry.name)];
      if (!known || !entry.isFile()) continue;
      const body = await readFile(file);
      bytes += body.length;
      if (files.size >= MAX_FILES || bytes > MAX_BYTES || folders.length > MAX_FILES) {
        throw new ApiError(
          'page_too_large',
          `${folder} is not the built page: too many files. Run: npx vite build`,
        );
      }
      const at = url + entry.name;
      files.set(
        at,
        pageFile(known.type, body, known.text ? await squeeze(body) : undefined, HASHED.test(at)),
      );
    }
  }
  const index = files.get('/index.html');
  if (!index)
    throw new ApiError(
      'page_missing',
      `The page is not built: ${folder} has no index.html. Run: npx vite build`,
    );
  files.set('/', index);
  return files;
}
