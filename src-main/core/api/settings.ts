import { z } from 'zod';
import { NETWORKS } from '../bitcoin/network.ts';

// The page's Content-Security-Policy forbids `new Function`, and even zod's probe for it is reported as a violation. Said
// here because this is the first module of the API that makes a schema.
z.config({ jitless: true });

/** Settings the user can change. One table: schema, default, and what the form shows all come from here. */
export const SETTINGS_VERSION = 1;

export const payoutEntry = z.strictObject({
  address: z.string().trim().min(1).max(120),
  /** Part of the reward in parts per 10,000 (1 % = 100). */
  basisPoints: z.int().min(1).max(10_000),
});

/** A coinbase tag: printable ASCII, so that it reads the same in every explorer. Room is what the 100-byte scriptSig leaves. */
export const tagSchema = z
  .string()
  .max(40, 'A tag has at most 40 characters.')
  .regex(/^[\x20-\x7e]*$/, 'A tag holds only plain letters, digits and signs (printable ASCII).');

export const settingsSchema = z.strictObject({
  version: z.literal(SETTINGS_VERSION),
  network: z.enum(NETWORKS),
  /** One list per network: an address of one chain must never be used on another. Empty: not set. */
  payouts: z.strictObject({
    main: z.array(payoutEntry).max(20),
    testnet4: z.array(payoutEntry).max(20),
    signet: z.array(payoutEntry).max(20),
    regtest: z.array(payoutEntry).max(20),
  }),
  tag: tagSchema,
  node: z.strictObject({
    /** Absolute path of a `bitcoin-node` or `bitcoind` to use; empty: find one. */
    binary: z.string().max(4096),
    /** Folder for the chain; empty: inside Adit's own data folder. */
    dataDir: z.string().max(4096),
    /** Megabytes of blocks to keep (MiB); 0 keeps all of them. */
    pruneMiB: z.union([z.literal(0), z.int().min(550).max(2_000_000)]),
    dbCacheMiB: z.int().min(4).max(65_536),
    maxConnections: z.int().min(8).max(1_000),
    /** Accept connections from other nodes. */
    listen: z.boolean(),
  }),
  gateway: z.strictObject({
    /** `loopback`: only this computer's own programs; `lan`: machines on the local network too. */
    exposure: z.enum(['loopback', 'lan']),
    sv1Port: z.int().min(1).max(65_535),
    sv2Port: z.int().min(1).max(65_535),
    /** What a machine starts with before its speed is known. 0: pick by the machine's name. */
    startDifficulty: z
      .number()
      .min(0)
      .max(2 ** 48),
    sharesPerMinute: z.number().min(1).max(60),
    maxConnections: z.int().min(1).max(20_000),
  }),
  practice: z.strictObject({
    /** Threads of the built-in CPU miner in practice; 0: half the cores. */
    threads: z.int().min(0).max(256),
  }),
  page: z.strictObject({
    theme: z.enum(['system', 'dark', 'light']),
    hideAddresses: z.boolean(),
  }),
});
export type Settings = z.output<typeof settingsSchema>;

export const DEFAULT_SETTINGS: Settings = {
  version: SETTINGS_VERSION,
  network: 'main',
  payouts: { main: [], testnet4: [], signet: [], regtest: [] },
  tag: '/Adit/',
  node: { binary: '', dataDir: '', pruneMiB: 10_000, dbCacheMiB: 1_024, maxConnections: 40, listen: false },
  gateway: {
    exposure: 'loopback',
    sv1Port: 3333,
    sv2Port: 3336,
    startDifficulty: 0,
    sharesPerMinute: 6,
    maxConnections: 2_000,
  },
  practice: { threads: 0 },
  page: { theme: 'system', hideAddresses: false },
};

/** A change to some settings: any part of the tree; lists are replaced whole. */
export const settingsPatchSchema = z.strictObject({
  network: settingsSchema.shape.network.optional(),
  payouts: settingsSchema.shape.payouts.partial().optional(),
  tag: tagSchema.optional(),
  node: settingsSchema.shape.node.partial().optional(),
  gateway: settingsSchema.shape.gateway.partial().optional(),
  practice: settingsSchema.shape.practice.partial().optional(),
  page: settingsSchema.shape.page.partial().optional(),
});
export type SettingsPatch = z.output<typeof settingsPatchSchema>;

/** Joins a change with the settings. Pure; the result still has to pass `settingsSchema`. */
export function patchSettings(settings: Settings, patch: SettingsPatch): Settings {
  return {
    version: SETTINGS_VERSION,
    network: patch.network ?? settings.network,
    payouts: { ...settings.payouts, ...patch.payouts },
    tag: patch.tag ?? settings.tag,
    node: { ...settings.node, ...patch.node },
    gateway: { ...settings.gateway, ...patch.gateway },
    practice: { ...settings.practice, ...patch.practice },
    page: { ...settings.page, ...patch.page },
  };
}
