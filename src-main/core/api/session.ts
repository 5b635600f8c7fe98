/**
 * Signing in to the headless server. The address it prints ends in `#token=…`; a fragment is never sent by a browser, so
 * it shows up in no log. The page trades it once for an HttpOnly cookie and removes it from the address bar and history.
 */

/** Path of the session: POST `{token}` signs in, GET says whether this browser is signed in (204) or not (401). */
export const SESSION_PATH = '/session';
/** Path of the plain page that says how to get in. */
export const SIGN_IN_PATH = '/open';
/** Path of the WebSocket. */
export const SOCKET_PATH = '/api';

/** What of the browser is needed; `window` fits. */
export interface SessionBrowser {
  readonly location: { readonly hash: string; readonly pathname: string; readonly search: string };
  readonly history: { replaceState(data: unknown, unused: string, url: string): void };
  fetch(url: string, init: RequestInit): Promise<{ readonly status: number }>;
}

export type SessionState =
  | { readonly kind: 'signedIn' }
  /** No token, a wrong one, or a session that is over: show the page at `SIGN_IN_PATH`. */
  | { readonly kind: 'needsToken' }
  /** The server did not answer, or has no time for logins: try again. */
  | { readonly kind: 'unreachable' };

const judge = (status: number): SessionState => {
  if (status === 204) return { kind: 'signedIn' };
  return status === 401 || status === 403 ? { kind: 'needsToken' } : { kind: 'unreachable' };
};

/** Asks whether this browser is signed in. Never throws. */
export async function checkSession(browser: SessionBrowser): Promise<SessionState> {
  try {
    const { status } = await browser.fetch(SESSION_PATH, {
      method: 'GET',
      credentials: 'same-origin',
      cache: 'no-store',
    });
    return judge(status);
  } catch {
    return { kind: 'unreachable' };
  }
}

/**
 * Trades the token in the address for the session cookie and removes it from the address. Without a token it asks whether
 * the browser is signed in already. Never throws.
 */
export async function exchangeToken(browser: SessionBrowser): Promise<SessionState> {
  const { hash, pathname, search } = browser.location;
  const token = new URLSearchParams(hash.slice(1)).get('token');
  if (token === null) return checkSession(browser);
  let state: SessionState;
  try {
    const { status } = await browser.fetch(SESSION_PATH, {
      method: 'POST',
      credentials: 'same-origin',
      cache: 'no-store',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token }),
    });
    state = judge(status);
  } catch {
    state = { kind: 'unreachable' };
  }
  // Kept when the server did not answer, so that a reload can try again.
  if (state.kind !== 'unreachable') browser.history.replaceState(null, '', pathname + search);
  return state;
}
