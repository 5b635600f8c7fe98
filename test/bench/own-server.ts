// A process with the parts of the engine that serve miners: templates over RPC, solo jobs, gateway, books. No page.
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { installSha256 } from '../../src-main/core/bitcoin/hash.ts';
import { resolvePayouts } from '../../src-main/core/mining/payout.ts';
import { fastSha256 } from '../../src-main/engine/fast-sha256.ts';
import { createGateway } from '../../src-main/services/gateway/index.ts';
import { Ledger } from '../../src-main/services/ledger/index.ts';
import { silentLog } from '../../src-main/services/log/index.ts';
import { createNodeRpc } from '../../src-main/services/node/rpc.ts';
import { openStore } from '../../src-main/services/store/index.ts';
import { createRpcTemplateSource } from '../../src-main/services/templates/index.ts';
import { createSoloUpstream } from '../../src-main/services/upstream/index.ts';

export interface OwnServerSetup {
  readonly rpcPort: number;
  readonly cookieFile: string;
  readonly folder: string;
  readonly address: string;
}

const FLUSH_MS = 5_000;
const TICK_MS = 1_000;
/** Never: the node would find that the shim's target is not its own. */
const PROPOSE_AFTER_MS = 2 ** 31 - 1;
/** So high that the difficulty stays at the least there is, as for the peer, whatever comes in a burst. */
const SHARES_PER_MINUTE = 60_000;

const setup = JSON.parse(process.argv[2] ?? '') as OwnServerSetup;
// As the engine does at its start.
installSha256(fastSha256);
const clock = { now: () => Date.now() };
const log = silentLog;
const network = 'regtest';
const checked = resolvePayouts([{ address: setup.address, basisPoints: 10_000 }], network);
if (!checked.ok) throw new Error(checked.message);
const { payouts } = checked;

const rpc = createNodeRpc({ target: () => ({ port: setup.rpcPort, cookieFile: setup.cookieFile }) });
const source = createRpcTemplateSource({ rpc, network, clock, log });
const upstream = createSoloUpstream({
  source,
  payouts: () => payouts,
  tag: () => '/Adit/',
  network,
  clock,
  log,
  keeper: {
    found: () => {
      throw new Error('own-server: a share was a block');
    },
    onTip: () => {},
    onNodeReady: () => {},
  },
  extranonceSize: 12,
  proposeAfterMs: PROPOSE_AFTER_MS,
});
const store = openStore(join(setup.folder, 'store'), network, Date.now());
const ledger = new Ledger({ store, now: Date.now, isPractice: () => false, onBest: () => {} });
const gateway = createGateway({
  upstream,
  host: '127.0.0.1',
  port: 0,
  sharesPerMinute: SHARES_PER_MINUTE,
  limits: { maxConnections: 6_000 },
  clock,
  random: (bytes) => randomBytes(bytes),
  log,
});
gateway.onShare((share) => ledger.record(share));
const tick = (): void => {
  ledger.totals(ledger.rows(gateway.miners()));
};
gateway.onMiners(tick);
setInterval(tick, TICK_MS);
setInterval(() => ledger.flush(), FLUSH_MS);
upstream.start();
source.start();
await new Promise<void>((resolve) => {
  if (upstream.current() !== undefined) resolve();
  else upstream.onJob(() => resolve());
});
await gateway.start();
process.send?.({ port: gateway.addresses()[0]?.port });
// So that a profile is written at the end.
process.on('SIGTERM', () => process.exit());
process.on('disconnect', () => process.exit());
