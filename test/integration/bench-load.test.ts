import { execFile } from 'node:child_process';
import { createServer } from 'node:net';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { runLoad } from '../bench/load.ts';
import { rig, type Rig } from '../fixtures/stratum-v1-peers.ts';

let open: Rig | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});

test('miners of two threads send real shares, see every tip, and the figures add up', async () => {
  const mine = await rig({ sharesPerMinute: 60_000 });
  open = mine;
  mine.upstream.say({ cleanJobs: true });
  let tips = 0;
  const phases: string[] = [];
  const result = await runLoad({
    host: '127.0.0.1',
    port: mine.port,
    user: 'me',
    miners: 6,
    workers: 2,
    seconds: 0.8,
    sharesPerMinute: 600,
    suggestDifficulty: 2 ** -20,
    burst: { seconds: 5, shares: 40, window: 4 },
    tipEveryMs: 300,
    moveTip: () => {
      tips += 1;
      const at = performance.timeOrigin + performance.now();
      mine.upstream.say({ cleanJobs: true, previousHash: new Uint8Array(32).fill(tips) });
      return Promise.resolve(at);
    },
    onPhase: (phase, edge) => {
      phases.push(`${phase} ${edge}`);
    },
  });
  expect(phases).toEqual(['open end', 'steady begin', 'steady end', 'burst begin', 'burst end']);
  expect(result.miners).toEqual({ asked: 6, ready: 6, failures: {} });
  expect(tips).toBeGreaterThan(0);
  expect(result.tipToLastNotify).toMatchObject({ tips, missed: 0 });
  expect(result.tipToLastNotify.p50).toBeGreaterThan(0);
  expect(result.burst).toMatchObject({ sent: 40, accepted: 40, errors: {} });
  expect(result).toMatchObject({ notFound: 0, unanswered: 0, disconnects: {} });
  const accepted = mine.shares.filter(({ outcome }) => outcome.kind === 'accepted');
  expect(accepted.length).toBe(result.steady.accepted + 40);
  expect(new Set(accepted.map(({ worker }) => worker))).toEqual(
    new Set([1, 2, 3, 4, 5, 6].map((n) => `me.${n}`)),
  );
  expect(result.steady.accepted).toBeGreaterThan(0);
  expect(result.steady.p99).toBeGreaterThanOrEqual(result.steady.p50 ?? Infinity);
}, 30_000);

test('a server that hangs up is named', async () => {
  const server = createServer((socket) => socket.destroy());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await expect(
    runLoad({ host: '127.0.0.1', port, user: 'me', miners: 3, seconds: 1, sharesPerMinute: 6 }),
  ).rejects.toThrow(/no miner got through/);
  server.close();
});

test('the program refuses a public address before it connects', async () => {
  const program = fileURLToPath(new URL('../bench/stratum.ts', import.meta.url));
  const words = ['--url', 'stratum+tcp://192.0.2.1:3333', '--user', 'me', '--lan'];
  const [code, said] = await new Promise<[unknown, string]>((resolve) => {
    execFile(process.execPath, [program, ...words], (error, _out, err) => resolve([error?.code, err]));
  });
  expect(code).toBe(2);
  expect(said).toContain('192.0.2.1 is a public address');
});
