import type { Session, WebContents } from 'electron';
import { isOwnUrl } from './origin.ts';

/** All the page may ask of the system: to put text on the clipboard (the copy buttons). */
const PERMISSIONS: ReadonlySet<string> = new Set(['clipboard-sanitized-write']);

/** Sites a link may open in the user's browser: explorers and Adit's own sources. */
export const EXTERNAL_HOSTS: ReadonlySet<string> = new Set([
  'mempool.space',
  'bitcoincore.org',
  'github.com',
]);

/** Whether the page at `url` gets a permission. */
export function allowsPermission(permission: string, url: string): boolean {
  return PERMISSIONS.has(permission) && isOwnUrl(url);
}

/** The address to hand to the user's browser, or undefined if it is none of those Adit links to. */
export function externalUrl(text: string): string | undefined {
  const url = text.length <= 2_048 ? URL.parse(text) : null;
  if (url?.protocol !== 'https:' || url.username !== '' || url.password !== '' || url.port !== '')
    return undefined;
  return EXTERNAL_HOSTS.has(url.hostname) ? url.href : undefined;
}

/** Whether the renderer may load `url`. Its page needs nothing but its own files; the rest is some dependency's own idea. */
export function allowsRequest(url: string, packaged: boolean): boolean {
  if (isOwnUrl(url) || url.startsWith('data:image/')) return true;
  return !packaged && url.startsWith('devtools://');
}

/** Closes a session to everything but the app's page: permissions, devices, downloads, and the network. */
export function hardenSession(session: Session, packaged: boolean): void {
  session.setPermissionRequestHandler((_contents, permission, decide, details) => {
    decide(details.isMainFrame && allowsPermission(permission, details.requestingUrl));
  });
  session.setPermissionCheckHandler((_contents, permission, _origin, details) =>
    allowsPermission(permission, details.requestingUrl ?? ''),
  );
  session.setDevicePermissionHandler(() => false);
  session.setDisplayMediaRequestHandler((_request, decide) => decide({}));
  session.webRequest.onBeforeRequest((details, decide) =>
    decide({ cancel: !allowsRequest(details.url, packaged) }),
  );
  session.on('will-download', (event) => event.preventDefault());
}

/** Keeps a page where it is: no navigation, no windows, no webviews. Links Adit knows open in the user's browser. */
export function hardenContents(contents: WebContents, openExternal: (url: string) => void): void {
  contents.on('will-navigate', (event) => event.preventDefault());
  contents.on('will-frame-navigate', (event) => event.preventDefault());
  contents.on('will-redirect', (event) => event.preventDefault());
  contents.on('will-attach-webview', (event) => event.preventDefault());
  contents.setWindowOpenHandler(({ url }) => {
    const safe = externalUrl(url);
    if (safe !== undefined) openExternal(safe);
    return { action: 'deny' };
  });
}

/** The frame a message came from, as far as it matters. */
interface Frame {
  readonly url: string;
  readonly parent: unknown;
}

/** Whether a message comes from the main frame of our window, showing our page. A frame that is gone comes from nowhere. */
export function isOwnSender(
  event: { readonly senderFrame: Frame | null; readonly sender: unknown },
  own: unknown,
): boolean {
  const { senderFrame, sender } = event;
  return own !== undefined && sender === own && senderFrame?.parent === null && isOwnUrl(senderFrame.url);
}
