import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  copyFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { ApiError } from '../../core/api/define.ts';
import {
  DEFAULT_SETTINGS,
  SETTINGS_VERSION,
  patchSettings,
  settingsSchema,
  type Settings,
  type SettingsPatch,
} from '../../core/api/settings.ts';

/** A settings file larger than this is not one of ours. */
const MAX_BYTES = 1_000_000;

/**
 * Steps from one version of the file to the next: `MIGRATIONS[n]` takes version n and gives n + 1. An update must never
 * break a saved configuration, so every version that was ever released stays readable.
 */
const MIGRATIONS: Readonly<Record<number, (old: Record<string, unknown>) => Record<string, unknown>>> = {};

export interface SettingsStore {
  get(): Settings;
  /**
   * Joins the change with the settings, checks it, and saves before it returns. Throws `ApiError` with the field at fault;
   * nothing is changed then. `check` is asked with the joined settings before they are saved.
   */
  update(patch: SettingsPatch, check?: (next: Settings) => void): Settings;
  subscribe(listener: (next: Settings, previous: Settings) => void): () => void;
  /** What happened at opening that the user should hear of: a damaged file set aside, an older copy used. */
  readonly notice: string | undefined;
}

type Read =
  | { readonly kind: 'ok'; readonly settings: Settings }
  | { readonly kind: 'missing' }
  | { readonly kind: 'bad'; readonly why: string };

function read(path: string): Read {
  if (!existsSync(path)) return { kind: 'missing' };
  let raw: unknown;
  try {
    const text = readFileSync(path, 'utf8');
    if (text.length > MAX_BYTES) return { kind: 'bad', why: 'it is too large' };
    raw = JSON.parse(text);
  } catch (error) {
    return { kind: 'bad', why: error instanceof Error ? error.message : String(error) };
  }
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw))
    return { kind: 'bad', why: 'it is not an object' };
  let value = raw as Record<string, unknown>;
  const version = value['version'];
  if (typeof version !== 'number' || !Number.isInteger(version) || version < 1)
    return { kind: 'bad', why: 'it has no version' };
  if (version > SETTINGS_VERSION)
    return { kind: 'bad', why: `it was written by a newer Adit (version ${version})` };
  for (let n = version; n < SETTINGS_VERSION; n += 1) {
    const step = MIGRATIONS[n];
    if (step === undefined) return { kind: 'bad', why: `version ${n} is not known` };
    value = step(value);
  }
  const parsed = settingsSchema.safeParse(fillIn(value));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    return { kind: 'bad', why: `${issue?.path.join('.') ?? 'it'}: ${issue?.message ?? 'not valid'}` };
  }
  return { kind: 'ok', settings: parsed.data };
}

/** Settings that came with a later release of the same version get their default; one level deep is all there is. */
function fillIn(value: Record<string, unknown>): Record<string, unknown> {
  const filled: Record<string, unknown> = { ...DEFAULT_SETTINGS, ...value };
  for (const [key, fallback] of Object.entries(DEFAULT_SETTINGS)) {
    const own = value[key];
    if (typeof fallback === 'object' && typeof own === 'object' && own !== null)
      filled[key] = { ...fallback, ...own };
  }
  return filled;
}

/** Writes so that after a crash there is either the old file or the new one, whole: temp file, fsync, rename. */
function write(path: string, settings: Settings): void {
  const temporary = `${path}.new`;
  const fd = openSync(temporary, 'w', 0o600);
  try {
    writeSync(fd, `${JSON.stringify(settings, null, 2)}\n`);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  if (existsSync(path)) copyFileSync(path, `${path}.bak`);
  renameSync(temporary, path);
}

/** Dotted path of the first fault zod found, and its words. */
function firstIssue(error: {
  readonly issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[];
}): ApiError {
  const issue = error.issues[0];
  const field = issue?.path.map(String).join('.');
  return new ApiError(
    'settings.invalid',
    `${field ? `${field}: ` : ''}${issue?.message ?? 'not valid'}`,
    field,
  );
}

/**
 * Opens `<folder>/settings.json`. A damaged file is set aside as `settings.json.damaged-<time>` and the backup of the save
 * before is used, else the defaults: payout addresses are then empty, so nothing is mined to a wrong place.
 */
export function openSettings(folder: string, now: () => number): SettingsStore {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, 'settings.json');
  let notice: string | undefined;
  let settings = DEFAULT_SETTINGS;
  const first = read(path);
  if (first.kind === 'ok') settings = first.settings;
  if (first.kind === 'bad') {
    const aside = `${path}.damaged-${now()}`;
    renameSync(path, aside);
    const backup = read(`${path}.bak`);
    if (backup.kind === 'ok') settings = backup.settings;
    notice =
      `The settings file could not be read (${first.why}). It was set aside as ${aside}; ` +
      (backup.kind === 'ok'
        ? 'the settings saved before it are used. Check them.'
        : 'Adit starts with new settings. Set your payout address again.');
  }
  const listeners = new Set<(next: Settings, previous: Settings) => void>();
  return {
    get: () => settings,
    update(patch, check) {
      const joined = settingsSchema.safeParse(patchSettings(settings, patch));
      if (!joined.success) throw firstIssue(joined.error);
      check?.(joined.data);
      try {
        write(path, joined.data);
      } catch (error) {
        throw new ApiError(
          'settings.notSaved',
          `The settings could not be saved to ${path} (${error instanceof Error ? error.message : String(error)}). Nothing was changed. Free some space or check the folder's rights, then try again.`,
        );
      }
      const previous = settings;
      settings = joined.data;
      for (const listener of listeners) listener(settings, previous);
      return settings;
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    get notice() {
      return notice;
    },
  };
}
