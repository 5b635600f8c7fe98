import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { checkCertificate, parseAuthorityKey } from '../../src-main/core/stratum-v2/noise.ts';
import {
  AUTHORITY_FILE,
  AuthorityError,
  HandshakeQueue,
  openAuthority,
} from '../../src-main/services/sv2-transport/index.ts';

describe('the authority key', () => {
  let folder: string;
  let now = 1_750_000_000_000;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'adit-authority-'));
    now = 1_750_000_000_000;
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
  const file = (): string => join(folder, AUTHORITY_FILE);
  const open = () =>
    openAuthority({ folder, now: () => now, random: (length) => new Uint8Array(randomBytes(length)) });

  it('is made at the first run, readable for nobody else, and stays', () => {
    const first = open();
    expect(first.notice).toBeUndefined();
    expect(parseAuthorityKey(first.text)).toEqual(first.publicKey);
    if (process.platform !== 'win32') expect(statSync(file()).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).toEqual([AUTHORITY_FILE]);
    expect(open().text).toBe(first.text);
  });

  it.skipIf(process.platform === 'win32')('takes back rights others were given', () => {
    open();
    chmodSync(file(), 0o644);
    open();
    expect(statSync(file()).mode & 0o777).toBe(0o600);
  });

  it.each([
    ['cut off', '{"version":1,"secretKey":"00'],
    ['empty', ''],
    ['of another version', '{"version":2,"secretKey":"00"}'],
    ['without a key', '{"version":1}'],
    ['null', 'null'],
    ['a key that is none', JSON.stringify({ version: 1, secretKey: '0'.repeat(64) })],
    ['huge', ' '.repeat(5_000)],
  ])('is set aside aloud when its file is %s', (_what, text) => {
    writeFileSync(file(), text);
    const authority = open();
    expect(authority.notice).toMatch(/new one.*every machine/);
    const aside = readdirSync(folder).find((name) => name.includes('damaged'));
    expect(readFileSync(join(folder, aside ?? ''), 'utf8')).toBe(text);
    expect(open()).toMatchObject({ text: authority.text, notice: undefined });
  });

  it('is never replaced when it only cannot be read or kept', () => {
    mkdirSync(file());
    expect(() => open()).toThrow(AuthorityError);
    rmSync(folder, { recursive: true });
    writeFileSync(folder, '');
    expect(() => open()).toThrow(expect.objectContaining({ code: 'notSaved' }));
  });

  it('signs for a static key of this run, with room for clocks that are wrong by days', () => {
    const authority = open();
    const { certificate, keys } = authority.identity();
    const check = (days: number) =>
      checkCertificate(certificate, keys.xOnly, authority.publicKey, now / 1_000 + days * 86_400);
    for (const days of [-6, 0, 29]) expect(() => check(days)).not.toThrow();
    expect(() => check(-8)).toThrow(expect.objectContaining({ code: 'clockBehind' }));
    expect(() => check(31)).toThrow(expect.objectContaining({ code: 'clockAhead' }));
  });

  it('renews its certificate long before the end, also when the clock is set back', () => {
    const authority = open();
    const first = authority.identity();
    now += 14 * 86_400_000;
    expect(authority.identity()).toBe(first);
    now += 2 * 86_400_000;
    const second = authority.identity();
    expect(second).not.toBe(first);
    now -= 5 * 86_400_000;
    const third = authority.identity();
    expect(third).not.toBe(second);
    for (const { certificate, keys } of [third])
      expect(() => checkCertificate(certificate, keys.xOnly, authority.publicKey, now / 1_000)).not.toThrow();
  });
});

describe('the queue of handshakes', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('does one at a time, addresses in turn', () => {
    const queue = new HandshakeQueue();
    const done: string[] = [];
    for (let i = 0; i < 3; i += 1) queue.add('mean', () => done.push(`mean ${i}`));
    queue.add('honest', () => done.push('honest'));
    expect(done).toEqual([]);
    vi.advanceTimersToNextTimer();
    expect(done).toEqual(['mean 0']);
    vi.runAllTimers();
    expect(done).toEqual(['mean 0', 'honest', 'mean 1', 'mean 2']);
    expect(queue.size).toBe(0);
    queue.add('later', () => done.push('later'));
    vi.runAllTimers();
    expect(done.at(-1)).toBe('later');
  });

  it('rests after each, half as long as it took', () => {
    const queue = new HandshakeQueue();
    const at: number[] = [];
    const work = (): void => {
      at.push(performance.now());
      vi.setSystemTime(Date.now() + 0);
      vi.advanceTimersByTime(10);
    };
    queue.add('a', work);
    queue.add('a', work);
    vi.runAllTimers();
    expect((at[1] ?? 0) - (at[0] ?? 0)).toBe(15);
  });

  it('forgets those that have gone', () => {
    const queue = new HandshakeQueue();
    const done: number[] = [];
    const leave = [0, 1, 2].map((i) => queue.add('a', () => done.push(i)));
    leave[1]?.();
    vi.runAllTimers();
    leave[0]?.();
    expect(done).toEqual([0, 2]);
    queue.add('a', () => done.push(3));
    queue.clear();
    vi.runAllTimers();
    expect(done).toEqual([0, 2]);
  });
});
