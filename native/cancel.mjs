/**
 * A signal that is aborted when the user (Ctrl-C) or the system asks this program to end, so that helpers end with it and
 * nothing half done is left. A second time ends it at once.
 *
 * @returns {AbortSignal}
 */
export function cancelOnSignal() {
  const control = new AbortController();
  for (const name of /** @type {const} */ (['SIGINT', 'SIGTERM'])) process.once(name, () => control.abort());
  return control.signal;
}
