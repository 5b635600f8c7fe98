import type { EventRow } from '../../../src-main/core/api/schema.ts';
import type { Tone } from '../../ui/text.tsx';

export const LEVEL_TONE: Readonly<Record<EventRow['level'], Tone>> = {
  info: 'idle',
  good: 'good',
  warn: 'warn',
  bad: 'bad',
};
