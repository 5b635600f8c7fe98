/** Numbers and dates as people read them. Every function is pure but for the locale, which is the browser's. */
const locale = typeof navigator === 'undefined' ? 'en' : navigator.language;

export interface Figure {
  readonly value: string;
  readonly unit: string;
}

const plain = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
const withDigits = new Map<string, Intl.NumberFormat>();

function digits(value: number, minimum: number, maximum: number): string {
  const key = `${minimum}-${maximum}`;
  let format = withDigits.get(key);
  if (format === undefined) {
    format = new Intl.NumberFormat(locale, {
      minimumFractionDigits: minimum,
      maximumFractionDigits: maximum,
    });
    withDigits.set(key, format);
  }
  return format.format(value);
}

/** Three figures that count: 8.42, 84.2, 842. */
function threeDigits(value: number): string {
  const size = Math.abs(value);
  if (size === 0) return '0';
  if (size >= 99.95) return digits(value, 0, 0);
  if (size >= 9.995) return digits(value, 1, 1);
  return digits(value, 2, 2);
}

function scaled(value: number, prefixes: readonly string[]): { value: number; prefix: string } {
  let step = 0;
  let rest = value;
  while (Math.abs(rest) >= 999.5 && step < prefixes.length - 1) {
    rest /= 1000;
    step++;
  }
  return { value: rest, prefix: prefixes[step]! };
}

/** A whole number with the locale's separators. */
export function count(value: number): string {
  return plain.format(value);
}

/** @param value H/s; below 1 H/s it is nothing */
export function hashrate(value: number): Figure {
  if (!(value >= 0.5)) return { value: '0', unit: 'H/s' };
  const { value: rest, prefix } = scaled(value, ['', 'k', 'M', 'G', 'T', 'P', 'E', 'Z']);
  return { value: prefix === '' ? digits(rest, 0, 0) : threeDigits(rest), unit: `${prefix}H/s` };
}

/** A hashrate for an axis: no zeros behind the point. */
export function hashrateTick(value: number): string {
  const { value: rest, prefix } = scaled(value, ['', 'k', 'M', 'G', 'T', 'P', 'E', 'Z']);
  return `${digits(rest, 0, 2)} ${prefix}H/s`;
}

/** @param value difficulty ("pdiff"); fractions only below 1 */
export function difficulty(value: number): Figure {
  if (value > 0 && value < 1) {
    // The easiest chain has a difficulty of 4.7e-10; that many zeros help nobody.
    return { value: value < 0.001 ? `< ${digits(0.001, 3, 3)}` : digits(value, 0, 3), unit: '' };
  }
  const { value: rest, prefix } = scaled(value, ['', 'k', 'M', 'G', 'T', 'P', 'E']);
  return { value: prefix === '' ? digits(rest, 0, rest < 10 ? 1 : 0) : threeDigits(rest), unit: prefix };
}

/** @param sat an amount; from 0.001 BTC on it reads in BTC with at least four decimals, below in sat */
export function amount(sat: number): Figure {
  if (Math.abs(sat) < 100_000) return { value: count(sat), unit: 'sat' };
  return {
    value: digits(sat / 1e8, Math.abs(sat) >= 1e9 ? 2 : 4, Math.abs(sat) >= 1e6 ? 4 : 6),
    unit: 'BTC',
  };
}

/** All eight decimals: for places where a sat matters. */
export function exactAmount(sat: number): Figure {
  return { value: digits(sat / 1e8, 8, 8), unit: 'BTC' };
}

export function join(figure: Figure): string {
  return figure.unit === '' ? figure.value : `${figure.value} ${figure.unit}`;
}

/** @param part 0 to 1 */
export function percent(part: number, decimals = 1): string {
  return `${digits(part * 100, 0, decimals)} %`;
}

/** Progress that never reads 100 before it is: 0.99996 is "99.9 %". */
export function progress(part: number): string {
  return `${digits(Math.floor(Math.min(0.999, Math.max(0, part)) * 1000) / 10, 1, 1)} %`;
}

/** A small part of a whole, with as many decimals as it needs to not be zero. */
export function fraction(part: number): string {
  const value = part * 100;
  if (value === 0) return '0 %';
  if (value >= 1) return `${digits(value, 0, 1)} %`;
  if (value < 1e-9) return '< 0.000000001 %';
  return `${value.toLocaleString(locale, { maximumSignificantDigits: 2, maximumFractionDigits: 20 })} %`;
}

/** A part in one decimal; what is there but rounds to nothing says so. */
export function share(part: number): string {
  return part > 0 && part < 0.0005 ? `< ${digits(0.1, 1, 1)} %` : percent(part);
}

/** Rounded to what a person keeps in mind: 2,380; 124 million; 3.1 billion. */
export function roughly(value: number): string {
  if (value < 10) return digits(value, 0, 1);
  if (value < 1e6) return count(Number(value.toPrecision(3)));
  return new Intl.NumberFormat(locale, {
    notation: 'compact',
    compactDisplay: 'long',
    maximumSignificantDigits: 3,
  }).format(value);
}

const units = new Map<string, Intl.NumberFormat>();
function inUnit(value: number, unit: string, display: 'short' | 'long', decimals = 0): string {
  const key = `${unit}-${display}-${decimals}`;
  let format = units.get(key);
  if (format === undefined) {
    format = new Intl.NumberFormat(locale, {
      style: 'unit',
      unit,
      unitDisplay: display,
      maximumFractionDigits: decimals,
    });
    units.set(key, format);
  }
  return format.format(value);
}

/** How long something took or is old, in one unit: 4 sec, 3 min, 2 hr, 5 days. */
export function span(ms: number, display: 'short' | 'long' = 'short'): string {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 90) return inUnit(Math.floor(seconds), 'second', display);
  if (seconds < 90 * 60) return inUnit(Math.round(seconds / 60), 'minute', display);
  if (seconds < 36 * 3600) return inUnit(Math.round(seconds / 3600), 'hour', display);
  if (seconds < 60 * 86_400) return inUnit(Math.round(seconds / 86_400), 'day', display);
  if (seconds < 730 * 86_400) return inUnit(Math.round(seconds / 2_629_800), 'month', display);
  return longSpan(seconds, display);
}

function longSpan(seconds: number, display: 'short' | 'long'): string {
  const years = seconds / 31_557_600;
  if (years >= 1e6) return `${roughly(years)} years`;
  return inUnit(Number(years.toPrecision(3)), 'year', display, years < 10 ? 1 : 0);
}

/** @param ms a short time */
export function milliseconds(ms: number): string {
  return ms < 1 ? `< ${count(1)} ms` : `${count(ms)} ms`;
}

/** @param bytes a size; decimal units as disks are sold in */
export function bytes(value: number): string {
  if (value < 1e6) return inUnit(value / 1e3, 'kilobyte', 'short');
  if (value < 1e9) return inUnit(Math.round(value / 1e6), 'megabyte', 'short');
  if (value < 1e12) return inUnit(value / 1e9, 'gigabyte', 'short', value < 1e11 ? 1 : 0);
  return inUnit(value / 1e12, 'terabyte', 'short', 2);
}

const timeOfDay = new Intl.DateTimeFormat(locale, { hour: 'numeric', minute: '2-digit' });
const timeWithSeconds = new Intl.DateTimeFormat(locale, {
  hour: 'numeric',
  minute: '2-digit',
  second: '2-digit',
});
const dayAndMonth = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short' });
const fullDate = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' });
const weekday = new Intl.DateTimeFormat(locale, { weekday: 'short', day: 'numeric' });

export const clock = (at: number): string => timeOfDay.format(at);
export const clockSeconds = (at: number): string => timeWithSeconds.format(at);
export const day = (at: number): string => dayAndMonth.format(at);
export const shortDay = (at: number): string => weekday.format(at);
export const moment = (at: number): string => fullDate.format(at);

/** bc1q…7x4f: enough to know one's own address by. Whole when short. */
export function shortAddress(address: string): string {
  return address.length <= 14 ? address : `${address.slice(0, 4)}…${address.slice(-4)}`;
}

/** 0000…8c21 */
export function shortHash(hash: string): string {
  return `${hash.slice(0, 4)}…${hash.slice(-6)}`;
}

/** Groups of four, as addresses are read aloud. */
export function groups(text: string): string[] {
  return text.match(/.{1,4}/g) ?? [];
}

const mediumDate = new Intl.DateTimeFormat(locale, { weekday: 'long', day: 'numeric', month: 'long' });
export const shortDate = (at: number): string => mediumDate.format(at);
