import { afterEach, expect, test } from 'vitest';
import { rig } from '../fixtures/stratum-v1-peers.ts';
import type { Client, Rig } from '../fixtures/stratum-v1-peers.ts';

let open: Rig | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});

const MINERS = 1_000;

test('1,000 miners on one computer: all get every job, share by share are served, and go without a trace', async () => {
  open = await rig({ startDifficulty: 1_024 });
  const { upstream, gateway, client, clock, notices } = open;
  upstream.say({ cleanJobs: true });
  const miners: Client[] = [];
  for (let i = 0; i < MINERS; i += 1) miners.push(await (await client()).login(`addr.w${i}`));
  expect(gateway.miners().filter(({ connections }) => connections === 1)).toHaveLength(MINERS);

  const job = upstream.say({ cleanJobs: true });
  await Promise.all(miners.map((miner) => miner.take((line) => line.params?.[0] === job.id.toString(16))));
  expect(gateway.lastFanOutMs()).toBeGreaterThan(0);

  const params = [job.id.toString(16), '0000000000000001', job.time.toString(16), '00000000'];
  const answers = await Promise.all(
    miners.map((miner, i) => miner.ask('mining.submit', [`addr.w${i}`, ...params])),
  );
  expect(new Set(answers.map((answer) => answer.error?.[0]))).toEqual(new Set([23]));

  clock.pass(1_000);
  expect(notices).toEqual([]);
  for (const miner of miners) miner.socket.destroy();
  while (gateway.miners().some(({ connections }) => connections > 0)) {
    await new Promise<void>((resolve) => {
      const off = gateway.onMiners(() => {
        off();
        resolve();
      });
    });
  }
}, 60_000);
