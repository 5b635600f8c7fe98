/**
 * Interop: our Stratum V2 against the reference implementation. Usage:
 *   npm run test:interop [-- --no-build] [--seed N] [--count N] [--only codec|noise|live] [--write-golden]
 * Builds what is missing into the cache (needs cargo, and capnp for the applications) unless --no-build is given; what
 * cannot be had is skipped aloud. --write-golden writes the golden data of the unit tests anew, after the crates were updated
 * in `vectors/Cargo.toml`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { bringTestNode } from '../machine.mjs';
import { brokenFrames, oursToTheirs, theirsToOurs, workerNames } from './codec.ts';
import { ourInitiator, ourResponder, refusals } from './noise.ts';
import {
  deviceOnGateway,
  deviceOnRegtest,
  deviceOnSessions,
  pool,
  translatorOnGateway,
  translatorOnRegtest,
  translatorOnSessions,
} from './live.ts';
import { APPLICATIONS, bringApplication, bringPeer, goldenData, type Application } from './support/cargo.ts';
import { Peer } from './support/peer.ts';
import { Report } from './support/report.ts';

const { values } = parseArgs({
  options: {
    'no-build': { type: 'boolean', default: false },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    count: { type: 'string', default: '300' },
    only: { type: 'string' },
    'write-golden': { type: 'boolean', default: false },
  },
});
const seed = Number(values.seed);
const count = Number(values.count);
const build = !values['no-build'];
const wanted = (part: string): boolean => values.only === undefined || values.only === part;

const report = new Report();
// So that what runs is ended: see `support/process.ts`.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1));

/** The committed golden data must be what these crates give. */
async function golden(path: string): Promise<string> {
  for (const kind of ['messages', 'noise']) {
    const file = new URL(`../fixtures/vectors/sri-${kind}.json`, import.meta.url);
    const data = goldenData(path, kind);
    if (values['write-golden']) writeFileSync(file, data);
    else if (readFileSync(file, 'utf8') !== data)
      throw new Error(`sri-${kind}.json is of other crates: write it anew with --write-golden`);
  }
  return values['write-golden'] ? 'written' : 'as committed';
}

console.log(`seed ${seed}`);
if (wanted('codec') || wanted('noise')) {
  const brought = bringPeer(build);
  if (brought.ok) {
    const peer = new Peer(brought.path);
    try {
      Object.assign(report.peers, await peer.must<Record<string, string>>('versions'));
      await report.check('golden data', () => golden(brought.path));
      if (wanted('codec')) {
        await report.check('messages, ours to theirs', () => oursToTheirs(peer, count, seed));
        await report.check('messages, theirs to ours', () => theirsToOurs(peer, count, seed));
        await report.check('worker names', () => workerNames(peer, count, seed));
        await report.check('broken frames', () => brokenFrames(peer, count, seed));
      }
      if (wanted('noise')) {
        await report.check('our initiator, their responder', () => ourInitiator(peer, 12));
        await report.check('their initiator, our responder', () => ourResponder(peer, 12));
        await report.check('what must be refused', () => refusals(peer));
      }
    } finally {
      await peer.stop();
    }
  } else report.skip('codec and noise against the reference crates', brought.reason);
}

/** Runs checks with a program of the reference implementation, or skips them aloud. */
async function withApplication(
  application: Application,
  checks: Readonly<Record<string, (path: string) => Promise<string>>>,
): Promise<void> {
  const brought = bringApplication(application, build);
  if (!brought.ok) {
    for (const name of Object.keys(checks)) report.skip(name, brought.reason);
    return;
  }
  report.peers[application.program] = application.version;
  for (const [name, work] of Object.entries(checks)) await report.check(name, () => work(brought.path));
}

if (wanted('live')) {
  const { miningDevice, translator } = APPLICATIONS;
  const node = [miningDevice, translator].some((application) => bringApplication(application, build).ok)
    ? bringTestNode()
    : { ok: false as const, reason: 'no program of the reference to mine them' };
  if (node.ok) process.env['ADIT_TEST_NODE'] = node.json;
  else report.skip('blocks of a regtest node', node.reason);
  await withApplication(APPLICATIONS.miningDevice, {
    'SRI mining_device on our gateway': deviceOnGateway,
    ...(node.ok ? { 'SRI mining_device on the engine: a block of a regtest node': deviceOnRegtest } : {}),
    'SRI mining_device, a job ahead of its block hash': deviceOnSessions,
  });
  await withApplication(APPLICATIONS.translator, {
    'SRI translator on our gateway, one channel for all': (path) => translatorOnGateway(path, true),
    'SRI translator on our gateway, a channel for each': (path) => translatorOnGateway(path, false),
    ...(node.ok ? { 'SRI translator on the engine: a block of a regtest node': translatorOnRegtest } : {}),
    'SRI translator, a job ahead of its block hash, another prefix': translatorOnSessions,
  });
  await withApplication(APPLICATIONS.pool, { 'our client on the SRI pool, its templates from us': pool });
}
process.exitCode = report.end() ? 0 : 1;
