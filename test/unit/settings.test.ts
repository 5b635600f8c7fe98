import { mkdtempSync, readFileSync, readdirSync, writeFileSync, chmodSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ApiError } from '../../src-main/core/api/define.ts';
import { DEFAULT_SETTINGS, patchSettings, settingsSchema } from '../../src-main/core/api/settings.ts';
import { openSettings } from '../../src-main/services/settings/index.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'adit-settings-'));
});
afterEach(() => {
  chmodSync(folder, 0o700);
  rmSync(folder, { recursive: true, force: true });
});
const file = (): string => join(folder, 'settings.json');
const open = () => openSettings(folder, () => 1_700_000_000_000);

describe('settings', () => {
  it('begins with defaults that pass their own schema and name no payout', () => {
    expect(settingsSchema.parse(DEFAULT_SETTINGS)).toEqual(DEFAULT_SETTINGS);
    const settings = open();
    expect(settings.get().payouts).toEqual({ main: [], testnet4: [], signet: [], regtest: [] });
    expect(settings.notice).toBeUndefined();
  });

  it('keeps a change over a restart and leaves the rest as it was', () => {
    open().update({ gateway: { sv1Port: 4444 }, tag: '/mine/' });
    const again = open().get();
    expect(again.gateway).toEqual({ ...DEFAULT_SETTINGS.gateway, sv1Port: 4444 });
    expect(again.tag).toBe('/mine/');
    expect(again.node).toEqual(DEFAULT_SETTINGS.node);
  });

  it('tells listeners what was and what is', () => {
    const settings = open();
    const seen: string[] = [];
    const stop = settings.subscribe((next, previous) => seen.push(`${previous.tag} ${next.tag}`));
    settings.update({ tag: 'a' });
    stop();
    settings.update({ tag: 'b' });
    expect(seen).toEqual(['/Adit/ a']);
  });

  it('refuses a bad change with the field at fault, and changes nothing', () => {
    const settings = open();
    const attempt = (): unknown => settings.update({ gateway: { sv1Port: 70_000 } });
    expect(attempt).toThrow(ApiError);
    try {
      attempt();
    } catch (error) {
      expect((error as ApiError).field).toBe('gateway.sv1Port');
    }
    expect(settings.get()).toEqual(DEFAULT_SETTINGS);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('asks the check before it saves', () => {
    const settings = open();
    expect(() =>
      settings.update({ tag: 'x' }, () => {
        throw new ApiError('no', 'no');
      }),
    ).toThrow('no');
    expect(settings.get().tag).toBe('/Adit/');
    expect(open().get().tag).toBe('/Adit/');
  });

  it.each([
    ['cut short', '{"version":1,"netw'],
    ['of a wrong type', '[]'],
    ['without a version', '{}'],
    ['from a newer Adit', JSON.stringify({ ...DEFAULT_SETTINGS, version: 99 })],
    ['with a value out of range', JSON.stringify({ ...DEFAULT_SETTINGS, network: 'moon' })],
  ])('sets a file %s aside and uses the save before it', (_name, text) => {
    const settings = open();
    settings.update({ tag: 'first' });
    settings.update({ tag: 'second' });
    writeFileSync(file(), text);
    const again = open();
    expect(again.get().tag).toBe('first');
    expect(again.notice).toMatch(/set aside as .*damaged-/);
    const aside = readdirSync(folder).find((name) => name.includes('damaged'));
    expect(readFileSync(join(folder, aside ?? ''), 'utf8')).toBe(text);
  });

  it('starts afresh where there is no backup either', () => {
    writeFileSync(file(), 'garbage');
    const settings = open();
    expect(settings.get()).toEqual(DEFAULT_SETTINGS);
    expect(settings.notice).toMatch(/Set your payout address again/);
  });

  it('fills in settings that an older release did not have', () => {
    const { expectedLater: _none, ...gateway } = { ...DEFAULT_SETTINGS.gateway, expectedLater: 0 };
    const { sharesPerMinute: _gone, ...older } = gateway;
    writeFileSync(file(), JSON.stringify({ ...DEFAULT_SETTINGS, gateway: older }));
    expect(open().get()).toEqual(DEFAULT_SETTINGS);
  });

  it('says when it cannot save, and keeps what it had', () => {
    const settings = open();
    rmSync(folder, { recursive: true });
    expect(() => settings.update({ tag: 'x' })).toThrow(/could not be saved/);
    expect(settings.get().tag).toBe('/Adit/');
    openSettings(folder, () => 0);
  });

  it('joins lists whole, so that removing an address removes it', () => {
    const entry = { address: 'a', basisPoints: 10_000 };
    const joined = patchSettings(DEFAULT_SETTINGS, { payouts: { main: [entry] } });
    expect(joined.payouts.main).toEqual([entry]);
    expect(patchSettings(joined, { payouts: { main: [] } }).payouts.main).toEqual([]);
    expect(patchSettings(joined, { payouts: { regtest: [entry] } }).payouts.main).toEqual([entry]);
  });
});
