import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const folder = join(import.meta.dirname, '../../src-renderer');
const tokens = readFileSync(join(folder, 'ui/tokens.css'), 'utf8');

function luminance(hex: string): number {
  const [red, green, blue] = [1, 3, 5]
    .map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
}

/** WCAG 2.2, "contrast ratio". */
function contrast(one: string, other: string): number {
  const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (light! + 0.05) / (dark! + 0.05);
}

function token(name: string, theme: 'light' | 'dark'): string {
  const match = new RegExp(`--${name}: light-dark\\((#[0-9a-f]{6}), (#[0-9a-f]{6})\\)`).exec(tokens);
  if (match === null) throw new Error(`no token --${name} with a colour for each theme`);
  return theme === 'light' ? match[1]! : match[2]!;
}

const GROUNDS = ['bg', 'rail', 'card', 'raise'];
const TEXTS = ['ink', 'soft', 'faint', 'lamp-text', 'vein', 'sky', 'rust'];
const PAIRS: readonly (readonly [string, string])[] = [
  ...TEXTS.flatMap((text) => GROUNDS.map((ground) => [text, ground] as const)),
  ['ink', 'press'],
  ['soft', 'press'],
  ['lamp-ink', 'lamp-fill'],
  ['rust-ink', 'rust-fill'],
];

describe.each(['light', 'dark'] as const)('tokens, %s', (theme) => {
  it.each(PAIRS)('%s on %s is readable', (text, ground) => {
    expect(contrast(token(text, theme), token(ground, theme))).toBeGreaterThanOrEqual(4.5);
  });

  it.each(['bg', 'card'])('borders of controls stand out on %s', (ground) => {
    expect(contrast(token('line-strong', theme), token(ground, theme))).toBeGreaterThanOrEqual(3);
  });
});

describe('styles', () => {
  it('take every colour from the tokens', () => {
    const faults: string[] = [];
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      if (!/\.(css|tsx|ts)$/.test(entry.name) || entry.name === 'tokens.css') continue;
      const path = join(entry.parentPath, entry.name);
      readFileSync(path, 'utf8')
        .split('\n')
        .forEach((line, index) => {
          if (
            /(?<![\w&/-])#[0-9a-f]{3,8}\b|\b(?:rgb|hsl|oklch)a?\(/i.test(line) &&
            !/mask-image|#\//.test(line)
          )
            faults.push(`${path}:${index + 1}: ${line.trim()}`);
        });
    }
    expect(faults).toEqual([]);
  });
});
