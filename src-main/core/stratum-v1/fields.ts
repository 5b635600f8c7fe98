/**
 * Reading of the single values of a Stratum V1 message, as firmware in the field really sends them: hex with or without
 * leading zeros or "0x", upper or lower case, and now and then a number where a string belongs. Nothing here throws.
 */

/** Longest worker name and user agent that are kept, in characters. Longer ones are cut, never refused. */
export const MAX_NAME = 120;

const HEX_U32 = /^(?:0x)?0*([0-9a-f]{1,8})$/i;
const HEX_BYTES = /^(?:[0-9a-f]{2})*$/i;

/**
 * A 32-bit field (ntime, nonce, version bits).
 * Takes big-endian hex with 1 to 8 significant digits, or a whole number that is the value itself.
 * Gives undefined for anything else.
 */
export function parseU32(value: unknown): number | undefined {
  if (typeof value === 'number') {
    return Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff ? value : undefined;
  }
  if (typeof value !== 'string' || value.length > 40) return undefined;
  const digits = HEX_U32.exec(value)?.[1];
  return digits === undefined ? undefined : Number.parseInt(digits, 16);
}

/** Bytes from hex in any case, with or without "0x", at most `maxBytes` long. Undefined for anything else. */
export function parseBytes(value: unknown, maxBytes: number): Uint8Array | undefined {
  if (typeof value !== 'string' || value.length > 2 * maxBytes + 2) return undefined;
  const digits = value.startsWith('0x') || value.startsWith('0X') ? value.slice(2) : value;
  if (digits.length > 2 * maxBytes || !HEX_BYTES.test(digits)) return undefined;
  const bytes = new Uint8Array(digits.length / 2);
  for (let i = 0; i < bytes.length; i += 1) bytes[i] = Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

/** A difficulty: a finite number above zero, as a number or as decimal text. Undefined for anything else. */
export function parseDifficulty(value: unknown): number | undefined {
  let number: number;
  if (typeof value === 'number') number = value;
  else if (typeof value === 'string' && value.length <= 40 && /^\s*[0-9.]/.test(value))
    number = Number(value);
  else return undefined;
  return Number.isFinite(number) && number > 0 ? number : undefined;
}

/**
 * Text a device says about itself: cut to `MAX_NAME`, everything but printable ASCII dropped, trimmed. Quotes and angle
 * brackets stay; whoever shows it escapes it. A number is taken as its digits. Gives "" when nothing is left.
 */
export function printable(value: unknown): string {
  if (typeof value === 'number') return String(value);
  if (typeof value !== 'string') return '';
  return value
    .slice(0, 4 * MAX_NAME)
    .replace(/[^\x20-\x7e]/g, '')
    .trim()
    .slice(0, MAX_NAME);
}
