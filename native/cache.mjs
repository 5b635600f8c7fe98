// Where Adit keeps what it has brought, and the error all bringing ends with.
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/** Something could not be brought. `code` is stable; `message` is one plain sentence; `advice` one next step. */
export class BringError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {string} advice
   */
  constructor(code, message, advice) {
    super(message);
    this.name = 'BringError';
    this.code = code;
    this.advice = advice;
  }
}

/**
 * The folder for brought programs: `$XDG_CACHE_HOME/adit` or `~/.cache/adit` on Linux, `~/Library/Caches/adit` on macOS,
 * `%LOCALAPPDATA%\adit\cache` on Windows.
 *
 * @param {NodeJS.ProcessEnv} [env]
 * @param {NodeJS.Platform} [platform]
 * @returns {string}
 */
export function defaultCacheFolder(env = process.env, platform = process.platform) {
  if (platform === 'win32')
    return join(env['LOCALAPPDATA'] ?? join(homedir(), 'AppData', 'Local'), 'adit', 'cache');
  if (platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'adit');
  const xdg = env['XDG_CACHE_HOME'];
  // The XDG base directory specification: a relative path is to be ignored.
  return join(xdg !== undefined && isAbsolute(xdg) ? xdg : join(homedir(), '.cache'), 'adit');
}
