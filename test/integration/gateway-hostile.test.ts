import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { rig } from '../fixtures/stratum-v1-peers.ts';
import type { Client, Rig } from '../fixtures/stratum-v1-peers.ts';

let open: Rig | undefined;
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await open?.close();
  open = undefined;
});

async function running(options: Parameters<typeof rig>[0] = {}): Promise<{ rig: Rig; honest: Client }> {
  open = await rig(options);
  open.upstream.say({ cleanJobs: true });
  return { rig: open, honest: await (await open.client()).login('addr.honest') };
}

/** An honest miner that was there all along is still served. */
async function undisturbed({ upstream }: Rig, honest: Client): Promise<void> {
  expect((await honest.ask('mining.ping', [])).result).toBe('pong');
  honest.lines.length = 0;
  const job = upstream.say({ cleanJobs: true });
  expect((await honest.method('mining.notify')).params?.[0]).toBe(job.id.toString(16));
}

describe('what is no miner', () => {
  test.each<[string, string | Uint8Array, string]>([
    ['a browser', 'GET / HTTP/1.1\r\nHost: adit\r\n\r\n', 'http'],
    [
      'a web page that posts Stratum',
      'POST / HTTP/1.1\r\n\r\n{"id":1,"method":"mining.subscribe","params":[]}\n',
      'http',
    ],
    ['TLS', Uint8Array.of(0x16, 0x03, 0x01, 0x02, 0x00, 0x01), 'tls'],
    [
      'a PROXY line',
      'PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n{"id":1,"method":"mining.subscribe"}\n',
      'proxyProtocol',
    ],
    ['Stratum V2', Uint8Array.from({ length: 64 }, (_, i) => 200 - i), 'notStratum'],
    ['a person', 'hello\n', 'notStratum'],
    ['JSON cut short', '{"id":1,"method":\n', 'notJson'],
    ['broken UTF-8 outside of text', Buffer.from([0x7b, 0xff, 0xfe, 0x7d, 0x0a]), 'notJson'],
  ])('%s is told apart and let go, and the operator learns how to mend it', async (_name, bytes, code) => {
    const { rig: it, honest } = await running();
    const peer = await it.client();
    peer.write(bytes);
    await peer.untilClosed();
    const notice = await it.notice(code);
    expect(notice.remote).toBe('127.0.0.1');
    expect(notice.detail.length).toBeGreaterThan(30);
    expect(peer.lines).toEqual([]);
    await undisturbed(it, honest);
  });

  test('a browser is told in words, and nothing in it can be run or read by a page', async () => {
    const { rig: it } = await running();
    const peer = await it.client();
    let text = '';
    peer.socket.on('data', (data) => {
      text += data.toString('latin1');
    });
    peer.write('GET /x HTTP/1.1\r\n\r\n');
    await peer.untilClosed();
    expect(text).toMatch(/^HTTP\/1\.1 400 /);
    expect(text).toContain('text/plain');
    expect(text).not.toMatch(/access-control/i);
    const [head, body] = text.split('\r\n\r\n') as [string, string];
    expect(Number(/Content-Length: (\d+)/.exec(head)?.[1])).toBe(Buffer.byteLength(body));
  });

  test('broken UTF-8 inside of text is read as far as it goes', async () => {
    const { rig: it } = await running();
    const peer = await it.client();
    peer.write(
      Buffer.concat([
        Buffer.from('{"id":1,"method":"mining.authorize","params":["w'),
        Buffer.from([0xff, 0xc3, 0x28]),
        Buffer.from('.1","x"]}\n'),
      ]),
    );
    expect((await peer.take((line) => line.id === 1)).result).toBe(true);
    expect(it.gateway.miners().map(({ worker }) => worker)).toContain('w(.1');
  });
});

describe('too much', () => {
  test('a line of 10 MB is cut off at 16 kB with little memory used', async () => {
    const { rig: it, honest } = await running();
    const peer = await it.client();
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    const chunk = Buffer.alloc(65_536, 0x61);
    peer.write('{"id":"');
    for (let sent = 0; sent < 10_000_000 && !peer.closed; sent += chunk.length) {
      peer.write(chunk);
      most = Math.max(most, process.memoryUsage().arrayBuffers);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await peer.untilClosed();
    expect((await it.notice('lineTooLong')).detail).toContain('16 kB');
    // The writer's own chunks count too; a gateway that kept the line would need far more.
    expect(most - before).toBeLessThan(8_000_000);
    await undisturbed(it, honest);
  });

  test('deep JSON and wrong types everywhere: an answer with a code, no more', async () => {
    const { rig: it, honest } = await running();
    const deep = `${'['.repeat(7_000)}${']'.repeat(7_000)}`;
    for (const params of [deep, '{"a":{}}', '"x"', '5', 'null', '[[[]]]', '[{},{},{},{},{},{}]']) {
      for (const method of [
        'mining.subscribe',
        'mining.configure',
        'mining.authorize',
        'mining.submit',
        'mining.suggest_target',
      ]) {
        const peer = await it.client();
        peer.write(`{"id":1,"method":"${method}","params":${params}}\n`);
        await peer.take((line) => line.id === 1);
        peer.socket.destroy();
      }
    }
    await undisturbed(it, honest);
  });

  test('a flood of refused shares: dropped and said once', async () => {
    const { rig: it, honest } = await running({ limits: { maxInvalid: 50 } });
    const peer = await (await it.client()).login('addr.flood');
    const line =
      '{"id":9,"method":"mining.submit","params":["addr.flood","1","0000000000000001","68000000","00000001"]}\n';
    peer.write(line.repeat(2_000));
    await peer.untilClosed();
    expect((await it.notice('invalidFlood')).detail).toContain('addr.flood');
    expect(it.shares.length).toBeLessThanOrEqual(60);
    await undisturbed(it, honest);
  });

  test('a flood of good requests is slowed down, not dropped, and does not hold up others', async () => {
    const { rig: it, honest } = await running({ limits: { messagesPerSecond: 500 } });
    const peer = await (await it.client()).login('addr.eager');
    it.clock.pass(1_000);
    peer.write('{"id":7,"method":"mining.ping"}\n'.repeat(1_200));
    await undisturbed(it, honest);
    let answers = 0;
    const all = peer.until(() => {
      answers = peer.lines.filter((line) => line.id === 7).length;
      return answers === 1_200 ? true : undefined;
    });
    // Time stands for the gateway until it is moved: without that, only 500 are read.
    const timer = setInterval(() => it.clock.pass(1_000), 100);
    await all;
    clearInterval(timer);
    expect(peer.closed).toBe(false);
  });

  test('a peer that does not read is dropped when too much waits for it', async () => {
    const { rig: it, honest } = await running({ limits: { maxBufferedBytes: 100_000 } });
    const peer = await (await it.client()).login('addr.stuck');
    await peer.method('mining.notify');
    peer.socket.pause();
    let rounds = 0;
    while (it.notices.length === 0 && rounds < 5_000) {
      it.upstream.say({
        merklePath: Array.from({ length: 14 }, () => new Uint8Array(32)),
        coinbaseSuffix: new Uint8Array(30_000),
      });
      rounds += 1;
      if (rounds % 10 === 0) await honest.ask('mining.ping', []);
    }
    expect(it.notices[0]).toMatchObject({ code: 'slow', remote: '127.0.0.1' });
    await undisturbed(it, honest);
  });

  test('one address can not take all places: the rest is refused with one notice, and its number is told later', async () => {
    const { rig: it, honest } = await running({ limits: { maxPerLoopback: 20 } });
    const results = await Promise.all(
      Array.from({ length: 300 }, async () => {
        const socket = connect({ host: '127.0.0.1', port: it.port });
        sockets.push(socket);
        const refused = new Promise<string>((resolve) => socket.once('close', () => resolve('refused')));
        socket.on('error', () => {});
        const served = new Promise<string>((resolve) => socket.once('data', () => resolve('served')));
        socket.write('{"id":1,"method":"mining.subscribe","params":[]}\n');
        return Promise.race([refused, served]);
      }),
    );
    expect(results.filter((result) => result === 'served')).toHaveLength(19);
    expect(it.notices).toHaveLength(1);
    expect(it.notices[0]).toMatchObject({ code: 'tooManyFromAddress', remote: '127.0.0.1' });
    await undisturbed(it, honest);
    it.clock.pass(61_000);
    expect(it.notices.find(({ detail }) => detail.includes('280 more times'))).toBeDefined();
  });

  test('places are free again when connections end', async () => {
    const { rig: it } = await running({ limits: { maxConnections: 2, maxPerLoopback: 2 } });
    for (let i = 0; i < 5; i += 1) {
      const peer = await it.client();
      await peer.ask('mining.ping', []);
      peer.socket.destroy();
      // A new one is refused until the gateway has seen the old one go.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(it.notices).toEqual([]);
  });

  test('names made up without end do not add up', async () => {
    const { rig: it } = await running();
    const peer = await it.client();
    for (let i = 0; i < 200; i += 1) await peer.ask('mining.authorize', [`made-up-${i}`]);
    expect(it.gateway.miners().length).toBeLessThanOrEqual(65);
  });
});

describe('silence', () => {
  test('who connects and says nothing is dropped after 30 s', async () => {
    const { rig: it, honest } = await running();
    const peer = await it.client();
    await honest.ask('mining.ping', []);
    it.clock.pass(29_000);
    expect(it.notices).toEqual([]);
    it.clock.pass(1_000);
    await peer.untilClosed();
    expect((await it.notice('handshake')).detail).toContain('30 s');
    await undisturbed(it, honest);
  });

  test('who subscribes but never authorises is dropped too', async () => {
    const { rig: it } = await running();
    const peer = await it.client();
    await peer.ask('mining.subscribe', []);
    it.clock.pass(30_000);
    await peer.untilClosed();
    expect(it.notices[0]?.code).toBe('handshake');
  });

  test('a half-open connection is asked for a sign of life, then dropped', async () => {
    const { rig: it, honest } = await running();
    for (let i = 0; i < 7; i += 1) it.clock.pass(121_000);
    await honest.method('mining.ping');
    expect(honest.closed).toBe(false);
    it.clock.pass(121_000);
    await honest.untilClosed();
    expect((await it.notice('halfOpen')).code).toBe('halfOpen');
    expect(it.gateway.miners()[0]).toMatchObject({ connections: 0 });
  });

  test('a miner that goes away with a message is let go without a notice', async () => {
    const { rig: it, honest } = await running();
    expect((await honest.ask('mining.term', [])).result).toBe(true);
    await honest.untilClosed();
    expect(it.notices).toEqual([]);
  });

  test('a connection cut in the middle of a line leaves nothing behind', async () => {
    const { rig: it, honest } = await running();
    const peer = await (await it.client()).login('addr.cut');
    await new Promise((resolve) => peer.socket.write('{"id":5,"method":"mining.sub', resolve));
    const gone = new Promise<void>((resolve) => it.gateway.onMiners(resolve));
    peer.socket.resetAndDestroy();
    await gone;
    expect(it.gateway.miners().find(({ worker }) => worker === 'addr.cut')?.connections).toBe(0);
    await undisturbed(it, honest);
  });
});
