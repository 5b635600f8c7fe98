/** Where the page lives in the app: a scheme of its own, so that it is no file and no web site. */
export const SCHEME = 'app';
export const HOST = 'adit';
export const PAGE_URL = `${SCHEME}://${HOST}/`;

/** Whether a URL belongs to the app's page. `URL` parses it: comparing text would be fooled by `app://adit.evil/`. */
export function isOwnUrl(text: string): boolean {
  const url = URL.parse(text);
  return (
    url !== null &&
    url.protocol === `${SCHEME}:` &&
    url.host === HOST &&
    url.username === '' &&
    url.port === ''
  );
}
