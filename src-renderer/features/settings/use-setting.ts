import { useEffect, useState } from 'react';
import type { SettingsPatch } from '../../../src-main/core/api/settings.ts';
import { useCommand } from '../../api/context.ts';

export interface SettingControl {
  readonly save: (patch: SettingsPatch) => Promise<boolean>;
  /** What the engine said against it, in its own words. */
  readonly error: string | undefined;
  readonly busy: boolean;
  /** True for a moment after it was saved. */
  readonly saved: boolean;
  readonly clear: () => void;
}

/** One setting, saved by itself, with its own error and its own tick. */
export function useSetting(): SettingControl {
  const update = useCommand('settings.update');
  const [saved, setSaved] = useState(false);
  useEffect(() => {
    if (!saved) return undefined;
    const timer = setTimeout(() => setSaved(false), 2_000);
    return () => clearTimeout(timer);
  }, [saved]);
  return {
    save: async (patch) => {
      const outcome = await update.run(patch);
      setSaved(outcome.ok);
      return outcome.ok;
    },
    error: update.error?.message,
    busy: update.busy,
    saved,
    clear: update.clear,
  };
}
