// A Stratum V2 machine mines blocks of a real regtest chain through our own upstream and gateway.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLog } from '../../src-main/services/log/index.ts';
import { createRpcTemplateSource, type TemplateSource } from '../../src-main/services/templates/index.ts';
import {
  connectSv2,
  createBlockKeeper,
  createChainLookup,
  createSoloUpstream,
  type BlockKeeper,
  type KeptBlock,
  type SoloUpstream,
} from '../../src-main/services/upstream/index.ts';
import { displayHash } from '../../src-main/core/bitcoin/bytes.ts';
import type { MiningClientChannel } from '../../src-main/core/stratum-v2/channels/client/session.ts';
import { createSv2Gateway, type Gateway } from '../../src-main/services/gateway/index.ts';
import { openAuthority } from '../../src-main/services/sv2-transport/index.ts';
import { Machine, random } from '../fixtures/stratum-v2-peers.ts';
import { OPEN_SCRIPT, RegtestNode, testNodeCommand } from './conformance/regtest-node.ts';

describe.skipIf(testNodeCommand() === undefined)('Stratum V2 on a real node', { timeout: 90_000 }, () => {
  let node: RegtestNode;
  let folder: string;
  let source: TemplateSource;
  let keeper: BlockKeeper;
  let solo: SoloUpstream;
  let gateway: Gateway;
  let authorityKey: string;

  beforeAll(async () => {
    node = await RegtestNode.create();
    folder = mkdtempSync(join(tmpdir(), 'adit-sv2-'));
    source = createRpcTemplateSource({ rpc: node.rpc, network: 'regtest', clock: Date, log: silentLog });
    keeper = createBlockKeeper({
      folder: join(folder, 'blocks'),
      network: 'regtest',
      submit: (block) => source.submit(block),
      lookup: createChainLookup(node.rpc),
      clock: Date,
      log: silentLog,
    });
    await keeper.start();
    solo = createSoloUpstream({
      source,
      payouts: () => [{ address: 'one', script: OPEN_SCRIPT, basisPoints: 10_000 }],
      tag: () => '/test/',
      network: 'regtest',
      clock: Date,
      log: silentLog,
      keeper,
      extranonceSize: 12,
    });
    solo.start();
    source.start();
    const authority = openAuthority({ folder, now: Date.now, random });
    authorityKey = authority.text;
    gateway = createSv2Gateway({
      upstream: solo,
      host: '127.0.0.1',
      port: 0,
      startDifficulty: 2 ** -20,
      clock: { now: Date.now },
      random,
      log: silentLog,
      identity: () => authority.identity(),
    });
    await gateway.start();
  });
  afterAll(async () => {
    await gateway.stop();
    await solo.stop();
    await source.stop();
    await keeper.stop();
    await node.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  const onChain = (height: number): Promise<KeptBlock> =>
    new Promise((resolve) => {
      const look = (): void => {
        const found = keeper.blocks().find((block) => block.height === height && block.status === 'onChain');
        if (!found) return;
        off();
        resolve(found);
      };
      const off = keeper.onChange(look);
      look();
    });

  it.each([
    [
      'an extended channel',
      (machine: Machine) =>
        machine.client.openExtended({ userIdentity: 'attic', nominalHashRate: 0, minExtranonceSize: 8 }),
    ],
    [
      'a standard channel',
      (machine: Machine) => machine.client.openStandard({ userIdentity: 'attic', nominalHashRate: 0 }),
    ],
  ])(
    'two blocks in a row are found on %s and are on the chain',
    async (_name, open: (machine: Machine) => Promise<MiningClientChannel>) => {
      const client = await connectSv2({
        host: '127.0.0.1',
        port: gateway.addresses()[0]?.port ?? 0,
        authorityKey,
        vendor: 'test',
        random,
        now: Date.now,
      });
      const machine = new Machine(client);
      const channel = await open(machine);
      for (let i = 0; i < 2; i += 1) {
        const { job } = await machine.take('work');
        const height = solo.current()?.height ?? 0;
        machine.mine(channel);
        const block = await onChain(height);
        expect(block).toMatchObject({ worker: 'attic', height });
        // The tip it found is what the next work builds on.
        const next = await machine.take(
          'work',
          (event) =>
            event.job.id !== job.id && Buffer.compare(event.job.previousHash, job.previousHash) !== 0,
        );
        expect(displayHash(next.job.previousHash)).toBe(block.hash);
        machine.events.unshift(next);
      }
      client.close();
    },
  );
});
