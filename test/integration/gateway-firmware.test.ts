import { afterEach, describe, expect, test } from 'vitest';
import { bytesToHex } from '../../src-main/core/bitcoin/bytes.ts';
import { sha256d } from '../../src-main/core/bitcoin/hash.ts';
import { meetsTarget, targetOfDifficulty } from '../../src-main/core/bitcoin/target.ts';
import { rig } from '../fixtures/stratum-v1-peers.ts';
import type { Client, Line, Rig } from '../fixtures/stratum-v1-peers.ts';

/**
 * Each firmware's own way of talking, from its source or from captures, followed to an accepted share. The share is found
 * from nothing but the lines on the wire, as the firmware would: this also proves the byte orders end to end.
 */
let open: Rig | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});

interface Work {
  readonly job: string;
  readonly extranonce2: string;
  readonly ntime: string;
  readonly nonce: number;
}

const swapWords = (hex: string): string => hex.replace(/(..)(..)(..)(..)/g, '$4$3$2$1');
const turn = (hex: string): Buffer => Buffer.from(Buffer.from(hex, 'hex').toReversed());

/** Builds the header from `mining.notify` the way a miner does, and hashes. */
function work(
  notify: Line,
  extranonce1: string,
  extranonce2: string,
  difficulty: number,
  version?: number,
): Work {
  const [job, prevhash, coinb1, coinb2, branches, versionHex, nbits, ntime] = notify.params as [
    string,
    string,
    string,
    string,
    string[],
    string,
    string,
    string,
  ];
  let root = sha256d(Buffer.from(coinb1 + extranonce1 + extranonce2 + coinb2, 'hex'));
  for (const branch of branches) root = sha256d(Buffer.concat([root, Buffer.from(branch, 'hex')]));
  const versionBytes = Buffer.alloc(4);
  versionBytes.writeUInt32LE(version ?? Number.parseInt(versionHex, 16));
  const header = Buffer.concat([
    versionBytes,
    Buffer.from(swapWords(prevhash), 'hex'),
    root,
    turn(ntime),
    turn(nbits),
    Buffer.alloc(4),
  ]);
  const target = targetOfDifficulty(difficulty);
  for (let nonce = 0; nonce < 10_000_000; nonce += 1) {
    header.writeUInt32LE(nonce, 76);
    if (meetsTarget(sha256d(header), target)) return { job, extranonce2, ntime, nonce };
  }
  throw new Error('no share found');
}

async function start(): Promise<{ rig: Rig; client: Client }> {
  open = await rig();
  open.upstream.say({ cleanJobs: true });
  return { rig: open, client: await open.client() };
}

/** Waits for the answer to an id, then for the job, and gives what is needed to mine. */
async function jobOf(
  client: Client,
  subscribeId: unknown,
): Promise<{ notify: Line; extranonce1: string; size: number; difficulty: number }> {
  const answer = await client.take((line) => line.id === subscribeId && line.method === undefined);
  const [, extranonce1, size] = answer.result as [unknown, string, number];
  const difficulty = (await client.method('mining.set_difficulty')).params?.[0] as number;
  return { notify: await client.method('mining.notify'), extranonce1, size, difficulty };
}

const answered = (client: Client, id: unknown): Promise<Line> =>
  client.take((line) => line.id === id && line.method === undefined);

const pad = (value: number, digits = 8): string => value.toString(16).padStart(digits, '0');

describe('firmware', () => {
  test('Bitaxe (ESP-Miner): everything sent without waiting, version bits in the share', async () => {
    const { client } = await start();
    client.write(
      '{"id":1,"method":"mining.configure","params":[["version-rolling"],{"version-rolling.mask":"ffffffff"}]}\n',
    );
    client.write('{"id":2,"method":"mining.subscribe","params":["bitaxe/BM1370/v2.9.0"]}\n');
    client.write('{"id":3,"method":"mining.authorize","params":["bc1qexample.bitaxe","x"]}\n');
    expect((await answered(client, 1)).result).toEqual({
      'version-rolling': true,
      'version-rolling.mask': '1fffe000',
    });
    const { notify, extranonce1, size, difficulty } = await jobOf(client, 2);
    expect((await answered(client, 3)).result).toBe(true);
    client.write('{"id":4,"method":"mining.suggest_difficulty","params":[1000]}\n');
    client.write('{"id":5,"method":"mining.extranonce.subscribe","params":[]}\n');
    expect((await answered(client, 4)).result).toBe(true);
    expect((await answered(client, 5)).result).toBe(true);
    expect((await client.method('mining.set_difficulty')).params).toEqual([1024]);
    const found = work(notify, extranonce1, pad(0, size * 2), difficulty, 0x20b44000);
    client.write(
      `{"id":6,"method":"mining.submit","params":["bc1qexample.bitaxe","${found.job}","${found.extranonce2}","${found.ntime}","${pad(found.nonce)}","00b44000"]}\n`,
    );
    expect(await answered(client, 6)).toMatchObject({ result: true, error: null });
  });

  test('NerdMiner: spaces in the JSON, reads one line after subscribing, nonce without leading zeros, keeps alive by suggesting', async () => {
    const { client } = await start();
    client.write('{"id": 1, "method": "mining.subscribe", "params": ["NerdMinerV2/V1.8.3"]}\n');
    await client.until(() => client.raw[0]);
    // doc["result"][1] and [2] of the very first line is what it takes, whatever that line is.
    const first = JSON.parse(client.raw[0] as string) as { result: [unknown, string, number] };
    expect(first.result[2]).toBe(8);
    client.write('{"params": ["bc1qexample.nerd", "x"], "id": 2, "method": "mining.authorize"}\n');
    client.write('{"id":3,"method":"mining.suggest_difficulty","params":[0.00015]}\n');
    const { notify, extranonce1 } = await jobOf(client, 1);
    expect((await answered(client, 3)).result).toBe(true);
    const raised = await client.method('mining.set_difficulty');
    expect(raised.params?.[0]).toBe(2 ** -13);
    const found = work(notify, extranonce1, '0000000000000001', 2 ** -20);
    client.write(
      `{"id":4,"method":"mining.submit","params":["bc1qexample.nerd","${found.job}","0000000000000001","${found.ntime}","${found.nonce.toString(16)}"]}\n`,
    );
    expect((await answered(client, 4)).result).toBe(true);
    client.write('{"id":5,"method":"mining.suggest_difficulty","params":[0.00015]}\n');
    expect((await answered(client, 5)).result).toBe(true);
    expect(client.lines.filter((line) => line.method === 'mining.set_difficulty')).toEqual([]);
  });

  test('cgminer: configure first and nothing unasked in the answer, session to take up again, params before id', async () => {
    const { client } = await start();
    client.write(
      '{"id": 0, "method": "mining.configure", "params": [["version-rolling"], {"version-rolling.mask": "ffffffff"}]}\n',
    );
    expect(Object.keys((await answered(client, 0)).result as object).sort()).toEqual([
      'version-rolling',
      'version-rolling.mask',
    ]);
    client.write('{"id": 1, "method": "mining.subscribe", "params": ["cgminer/4.13.1", "deadbeef"]}\n');
    const subscribed = await answered(client, 1);
    const [subscriptions, extranonce1] = subscribed.result as [string[][], string, number];
    expect(subscriptions.find(([name]) => name === 'mining.notify')?.[1]).toMatch(/^[0-9a-f]+$/);
    client.write('{"id": 2, "method": "mining.authorize", "params": ["addr.rig", "x"]}\n');
    const notify = await client.method('mining.notify');
    const found = work(notify, extranonce1, '0100000000000000', 2 ** -20);
    client.write(
      `{"params": ["addr.rig", "${found.job}", "${found.extranonce2}", "${found.ntime}", "${pad(found.nonce)}"], "id": 3, "method": "mining.submit"}\n`,
    );
    expect(await answered(client, 3)).toMatchObject({ result: true, error: null });
  });

  test('Whatsminer: stops at unknown keys in the configure answer, sends a session that is no hex of ours, full version bits', async () => {
    const { client } = await start();
    client.write(
      '{"id": 196, "method": "mining.configure", "params": [["version-rolling"], {"version-rolling.mask": "1fffe000"}]}\n',
    );
    expect((await answered(client, 196)).result).toEqual({
      'version-rolling': true,
      'version-rolling.mask': '1fffe000',
    });
    client.write(
      '{"id": 197, "method": "mining.subscribe", "params": ["whatsminer/v1.0", "ae6812eb4cd7735a302a8a9dd95cf71f"]}\n',
    );
    client.write('{"id": 198, "method": "mining.authorize", "params": ["spot.m30s40x16", "123"]}\n');
    const { notify, extranonce1, difficulty } = await jobOf(client, 197);
    const found = work(notify, extranonce1, '147a3f0000000000', difficulty);
    client.write(
      `{"params": ["spot.m30s40x16", "${found.job}", "147a3f0000000000", "${found.ntime}", "${pad(found.nonce)}", "00000000"], "id": 2196, "method": "mining.submit"}\n`,
    );
    expect((await answered(client, 2196)).result).toBe(true);
  });

  test('bosminer and rental proxies: nulls in subscribe, minimum difficulty asked for', async () => {
    const { client } = await start();
    client.write(
      '{"id":0,"method":"mining.configure","params":[["version-rolling","minimum-difficulty"],{"version-rolling.mask":"1fffe000","version-rolling.min-bit-count":"16","minimum-difficulty.value":0.0000015}]}\n',
    );
    expect((await answered(client, 0)).result).toEqual({
      'version-rolling': true,
      'version-rolling.mask': '1fffe000',
      'minimum-difficulty': true,
    });
    client.write(
      '{"id":1,"method":"mining.subscribe","params":["bosminer-plus-tuner 0.9",null,"adit.local",null]}\n',
    );
    client.write('{"id":2,"method":"mining.authorize","params":["addr.s19",null]}\n');
    const { notify, extranonce1, difficulty } = await jobOf(client, 1);
    expect(difficulty).toBe(2 ** -19);
    const found = work(notify, extranonce1, '00000000000000ff', difficulty);
    client.write(
      `{"id":3,"method":"mining.submit","params":["addr.s19","${found.job}","00000000000000FF","${found.ntime.toUpperCase()}","${pad(found.nonce).toUpperCase()}","00000000"]}\n`,
    );
    expect((await answered(client, 3)).result).toBe(true);
  });

  test('Antminer S9: asks for several versions, then sends bits it never negotiated', async () => {
    const { client } = await start();
    client.write('{"id": 1, "method": "mining.subscribe", "params": ["bmminer/2.0.0"]}\n');
    client.write('{"id": 2, "method": "mining.authorize", "params": ["addr.s9", ""]}\n');
    client.write('{"id": 3, "method": "mining.multi_version", "params": [4]}\n');
    const { notify, extranonce1, difficulty } = await jobOf(client, 1);
    expect((await answered(client, 3)).result).toBe(true);
    const found = work(notify, extranonce1, '0000000000000000', difficulty, 0x20006000);
    client.write(
      `{"id": 4, "method": "mining.submit", "params": ["addr.s9", "${found.job}", "0000000000000000", "${found.ntime}", "${pad(found.nonce)}", "20006000"]}\n`,
    );
    expect((await answered(client, 4)).result).toBe(true);
  });

  test('cpuminer: the same id for every share, no version bits', async () => {
    const { client } = await start();
    client.write('{"id": 1, "method": "mining.subscribe", "params": ["cpuminer/2.5.1"]}\n');
    const extranonce1 = ((await answered(client, 1)).result as [unknown, string, number])[1];
    client.write('{"id": 2, "method": "mining.authorize", "params": ["addr", "x"]}\n');
    const notify = await client.method('mining.notify');
    for (const extranonce2 of ['0000000000000000', '0100000000000000']) {
      const found = work(notify, extranonce1, extranonce2, 2 ** -20);
      client.write(
        `{"method": "mining.submit", "params": ["addr", "${found.job}", "${extranonce2}", "${found.ntime}", "${pad(found.nonce)}"], "id":4}\n`,
      );
      expect((await answered(client, 4)).result).toBe(true);
    }
  });

  test('old miners: authorise first, no user agent, CR LF, text ids', async () => {
    const { client } = await start();
    client.write('{"id":"auth","method":"mining.authorize","params":["addr"]}\r\n');
    client.write('{"id":"sub","method":"mining.subscribe"}\r\n');
    const { notify, extranonce1, difficulty } = await jobOf(client, 'sub');
    const found = work(notify, extranonce1, '0000000000000002', difficulty);
    client.write(
      `{"id":"s","method":"mining.submit","params":["addr","${found.job}","0000000000000002",${Number.parseInt(found.ntime, 16)},${found.nonce}]}\r\n`,
    );
    expect((await answered(client, 's')).result).toBe(true);
    client.write('{"id":null,"method":"mining.submit","params":["addr","1"]}\r\n');
    expect((await client.take((line) => line.id === null && line.error !== undefined)).error?.[0]).toBe(20);
  });

  test('ESP-Miner answers a ping with a method, cgminer with a result: both count as a sign of life and get no answer', async () => {
    const { rig: running, client } = await start();
    await client.login();
    running.clock.pass(121_000);
    const ping = await client.method('mining.ping');
    client.write(
      `{"id":${ping.id as number},"method":"pong","params":[]}\n{"id": ${ping.id as number}, "result": "pong", "error": null}\n`,
    );
    expect((await client.ask('client.get_version', [])).result).toBe('Adit');
    expect(client.lines.filter((line) => line.id === ping.id)).toEqual([]);
    running.clock.pass(800_000);
    expect((await client.ask('mining.ping', [])).result).toBe('pong');
  });

  test('messages cut into single bytes, and many in one packet, are the same', async () => {
    const { client } = await start();
    const text =
      '{"id":1,"method":"mining.subscribe","params":["slow/1"]}\n{"id":2,"method":"mining.authorize","params":["addr","x"]}\n';
    for (const byte of Buffer.from(text)) client.write(Uint8Array.of(byte));
    const { notify, extranonce1, difficulty } = await jobOf(client, 1);
    const shares = [3, 4, 5].map((id) => {
      const found = work(notify, extranonce1, pad(id, 16), difficulty);
      return `{"id":${id},"method":"mining.submit","params":["addr","${found.job}","${found.extranonce2}","${found.ntime}","${pad(found.nonce)}"]}\n`;
    });
    client.write(shares.join(''));
    for (const id of [3, 4, 5]) expect((await answered(client, id)).result).toBe(true);
  });

  test('extranonces are handed out without a repeat', async () => {
    const { rig: running } = await start();
    const clients = await Promise.all(
      Array.from({ length: 5 }, async () => (await running.client()).login()),
    );
    expect(new Set(clients.map((each) => bytesToHex(each.extranonce1))).size).toBe(5);
  });
});
