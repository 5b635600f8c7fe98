// Peers of the Stratum V2 port that are broken, lost or mean: each ends in a clean disconnect, and nobody else notices.
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { concatBytes } from '../../src-main/core/bitcoin/bytes.ts';
import { encodeFrameOf, messageOf } from '../../src-main/core/stratum-v2/channels/messages.ts';
import { HEADER_LENGTH, sealFrame, writeHeader } from '../../src-main/core/stratum-v2/frame.ts';
import { SetupConnection } from '../../src-main/core/stratum-v2/messages/common.ts';
import {
  OpenExtendedMiningChannel,
  OpenStandardMiningChannel,
  SubmitSharesExtended,
} from '../../src-main/core/stratum-v2/messages/mining.ts';
import { NoiseInitiator, type NoiseTransport } from '../../src-main/core/stratum-v2/noise.ts';
import { closedByPeer, random, sv2Rig, type Machine, type Sv2Rig } from '../fixtures/stratum-v2-peers.ts';

let open: Sv2Rig | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});

async function running(options: Parameters<typeof sv2Rig>[0] = {}): Promise<{ it: Sv2Rig; honest: Machine }> {
  open = await sv2Rig(options);
  open.upstream.say({ cleanJobs: true });
  const honest = await open.machine();
  await honest.client.openExtended({ userIdentity: 'honest', nominalHashRate: 0, minExtranonceSize: 6 });
  return { it: open, honest };
}

/** An honest miner that was there all along is still served, and its shares still count. */
async function undisturbed(it: Sv2Rig, honest: Machine): Promise<void> {
  honest.events.length = 0;
  const fill = ((it.upstream.current()?.id ?? 0) % 200) + 20;
  it.upstream.say({ cleanJobs: true, previousHash: new Uint8Array(32).fill(fill) });
  const { channel } = await honest.take('work');
  honest.mine(channel);
  expect((await honest.take('acknowledged')).count).toBe(1);
}

/** A peer after the handshake with its ciphers in hand. */
async function sealed(it: Sv2Rig): Promise<{ socket: Socket; transport: NoiseTransport }> {
  const socket = await it.raw();
  const initiator = new NoiseInitiator({ authority: 'any', random });
  socket.write(initiator.message);
  for (;;) {
    const [packet] = (await once(socket, 'data')) as [Buffer];
    const step = initiator.receive(packet, 1_750_000_000);
    if (step.kind === 'done') return { socket, transport: step.transport };
  }
}

const SETUP = encodeFrameOf(
  messageOf(SetupConnection, {
    protocol: 0,
    minVersion: 2,
    maxVersion: 2,
    flags: 0,
    endpointHost: 'x',
    endpointPort: 1,
    vendor: 'mean',
    hardwareVersion: '',
    firmware: '',
    deviceId: '',
  }),
);
const OPEN = encodeFrameOf(
  messageOf(OpenExtendedMiningChannel, {
    requestId: 1,
    userIdentity: 'mean',
    nominalHashRate: 0,
    maxTarget: new Uint8Array(32).fill(255),
    minExtranonceSize: 6,
  }),
);

const OPEN_STANDARD = encodeFrameOf(
  messageOf(OpenStandardMiningChannel, {
    requestId: 1,
    userIdentity: 'mean',
    nominalHashRate: 0,
    maxTarget: new Uint8Array(32).fill(255),
  }),
);

describe('what is no Stratum V2 machine', () => {
  const SV1 = '{"id": 1, "method": "mining.subscribe", "params": ["cgminer/4.12"]}\n';
  test.each<[string, string | Uint8Array, string]>([
    ['a Stratum V1 machine', SV1, 'stratumV1'],
    ['a browser', 'GET / HTTP/1.1\r\nHost: adit\r\n\r\n', 'http'],
    ['a PROXY line', 'PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n', 'proxyProtocol'],
    ['TLS', Uint8Array.from({ length: 200 }, (_, i) => [0x16, 3, 1, 0, 195, 1][i] ?? i), 'notStratumV2'],
    ['one that talks on without our half of the handshake', new Uint8Array(65).fill(1), 'notStratumV2'],
  ])('%s is let go, and the operator learns how to mend it', async (_name, bytes, code) => {
    const { it, honest } = await running();
    const socket = await it.raw();
    socket.write(bytes);
    await closedByPeer(socket);
    const notice = await it.notice(code);
    expect(notice.remote).toBe('127.0.0.1');
    expect(notice.detail.length).toBeGreaterThan(30);
    await undisturbed(it, honest);
  });

  test.each([0, 1, 63])(
    'one that sends %i bytes of its handshake is dropped after ten seconds',
    async (count) => {
      const { it, honest } = await running();
      const socket = await it.raw();
      if (count > 0) socket.write(new Uint8Array(count).fill(200));
      // Its bytes are there once those of a later one are answered.
      await it.secure();
      it.clock.pass(9_999);
      await undisturbed(it, honest);
      expect(socket.closed).toBe(false);
      it.clock.pass(1);
      await closedByPeer(socket);
      expect((await it.notice('handshake')).detail).toMatch(/10 s/);
      await undisturbed(it, honest);
    },
  );

  test('one that never sets up is dropped, and dribbling bytes does not save it', async () => {
    const { it, honest } = await running();
    const { socket, transport } = await sealed(it);
    const frame = sealFrame(SETUP, transport.send);
    socket.write(frame.subarray(0, 10));
    it.clock.pass(29_999);
    socket.write(frame.subarray(10, 20));
    await undisturbed(it, honest);
    expect(socket.closed).toBe(false);
    it.clock.pass(1);
    await closedByPeer(socket);
    expect((await it.notice('handshake')).detail).toMatch(/set up/);
  });

  test('one that goes away at our half of the handshake has the wrong key, and the operator is told', async () => {
    const { it, honest } = await running();
    const { socket } = await sealed(it);
    socket.destroy();
    expect((await it.notice('keyRefused')).detail).toMatch(/authority key/);
    await undisturbed(it, honest);
  });
});

describe('frames that are wrong', () => {
  const flip = (bytes: Uint8Array, at: number): Uint8Array => {
    const copy = bytes.slice();
    copy[at] = (copy[at] ?? 0) ^ 1;
    return copy;
  };
  const header = (length: number): Uint8Array => {
    const frame = new Uint8Array(HEADER_LENGTH);
    writeHeader(frame, 0, false, 0, length);
    return frame;
  };
  test.each<[string, (transport: NoiseTransport) => Uint8Array, string]>([
    ['noise instead of a first frame', () => random(300), 'notStratumV2'],
    ['a bit flipped in the header', ({ send }) => flip(sealFrame(SETUP, send), 3), 'notStratumV2'],
    ['a bit flipped in the payload', ({ send }) => flip(sealFrame(SETUP, send), 30), 'notStratumV2'],
    [
      'a frame sent twice',
      ({ send }) => {
        const frame = sealFrame(SETUP, send);
        return concatBytes(frame, frame);
      },
      'brokenFrame',
    ],
    [
      'frames in the wrong order',
      ({ send }) => {
        const first = sealFrame(SETUP, send);
        return concatBytes(sealFrame(OPEN, send), first);
      },
      'notStratumV2',
    ],
    [
      'a frame that announces 16 MB',
      ({ send }) => concatBytes(sealFrame(SETUP, send), send.seal(header(0xff_ffff))),
      'brokenFrame',
    ],
    [
      'a message cut short inside a whole frame',
      ({ send }) => sealFrame(concatBytes(header(3), Uint8Array.of(0, 2, 0)), send),
      'malformed',
    ],
    ['a channel before the connection is set up', ({ send }) => sealFrame(OPEN, send), 'setupExpected'],
    [
      'a second set-up',
      ({ send }) => concatBytes(sealFrame(SETUP, send), sealFrame(SETUP, send)),
      'setupRepeated',
    ],
  ])('%s ends in a disconnect', async (_name, make, code) => {
    const { it, honest } = await running();
    const { socket, transport } = await sealed(it);
    socket.write(make(transport));
    await closedByPeer(socket);
    expect((await it.notice(code)).remote).toBe('127.0.0.1');
    await undisturbed(it, honest);
    expect(it.gateway.miners().filter(({ connections }) => connections > 0)).toHaveLength(1);
  });

  test('messages of every type with anything in them are no fault of ours', async () => {
    const { it, honest } = await running({ limits: { messagesPerSecond: 1e6, maxInvalid: 1e6 } });
    let state = 12_345;
    const next = (below: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return (state >>> 8) % below;
    };
    const OPENED = [OPEN, OPEN_STANDARD, OPEN];
    for (let peer = 0; peer < 40; peer += 1) {
      const { socket, transport } = await sealed(it);
      socket.resume();
      socket.write(sealFrame(SETUP, transport.send));
      for (const frame of OPENED) socket.write(sealFrame(frame, transport.send));
      for (let i = 0; i < 60; i += 1) {
        const base = [OPEN, OPEN_STANDARD][next(4)];
        // A good message with a few bytes changed, or anything at all; its first field mostly names a channel there is.
        const frame = base?.slice() ?? concatBytes(new Uint8Array(HEADER_LENGTH), random(next(60)));
        for (let change = next(4); change > 0; change -= 1)
          frame[HEADER_LENGTH + next(Math.max(1, frame.length - HEADER_LENGTH))] = next(256);
        const type = base ? (frame[2] ?? 0) : 1 + next(0x7f);
        if (!base) frame.set([1 + next(4), 0, 0, 0].slice(0, frame.length - HEADER_LENGTH), HEADER_LENGTH);
        writeHeader(
          frame,
          next(10) === 0 ? next(0x7fff) : 0,
          next(2) === 0,
          type,
          frame.length - HEADER_LENGTH,
        );
        socket.write(sealFrame(frame, transport.send));
      }
      socket.end();
      await closedByPeer(socket);
    }
    await undisturbed(it, honest);
    expect(it.notices.filter(({ code }) => code === 'failed' || code === 'brokenFrame')).toEqual([]);
  });

  test('one that is refused learns why before the connection ends', async () => {
    const { it } = await running();
    const { socket, transport } = await sealed(it);
    const wrong = SETUP.slice();
    // protocol: template distribution
    wrong[HEADER_LENGTH] = 2;
    socket.write(sealFrame(wrong, transport.send));
    const [packet] = (await once(socket, 'data')) as [Buffer];
    const plain = transport.receive.open(packet.subarray(0, 22));
    expect(plain[2]).toBe(0x02);
    const payload = transport.receive.open(packet.subarray(22));
    expect(Buffer.from(payload).toString('latin1')).toContain('unsupported-protocol');
    await closedByPeer(socket);
  });
});

describe('floods', () => {
  test('a peer that does not read is dropped before it costs much memory', async () => {
    const { it, honest } = await running({ limits: { maxBufferedBytes: 100_000 } });
    const { socket, transport } = await sealed(it);
    socket.pause();
    socket.write(sealFrame(SETUP, transport.send));
    socket.write(sealFrame(OPEN, transport.send));
    const joined = (): boolean => it.gateway.miners().some(({ worker }) => worker === 'mean');
    while (!joined()) await new Promise<void>((resolve) => void it.gateway.onMiners(resolve));
    const coinbaseSuffix = new Uint8Array(60_000);
    for (let i = 0; i < 500 && it.notices.length === 0; i += 1) {
      it.upstream.say({ coinbaseSuffix });
      await honest.take('work');
    }
    expect((await it.notice('slow')).remote).toBe('127.0.0.1');
    await undisturbed(it, honest);
  });

  test('refused shares without end are the end', async () => {
    const { it, honest } = await running({ limits: { maxInvalid: 50 } });
    const { socket, transport } = await sealed(it);
    const share = encodeFrameOf(
      messageOf(SubmitSharesExtended, {
        channelId: 2,
        sequenceNumber: 0,
        jobId: 77,
        nonce: 0,
        ntime: 0,
        version: 0,
        extranonce: new Uint8Array(8),
      }),
    );
    socket.write(sealFrame(SETUP, transport.send));
    socket.write(sealFrame(OPEN, transport.send));
    for (let i = 0; i < 51; i += 1) socket.write(sealFrame(share, transport.send));
    await closedByPeer(socket);
    expect((await it.notice('invalidFlood')).detail).toContain('mean');
    await undisturbed(it, honest);
  });

  test('channels have a limit on each connection, and one of all together', async () => {
    const { it, honest } = await running({ limits: { maxChannelsPerConnection: 3, maxChannels: 4 } });
    const wish = { userIdentity: 'x', nominalHashRate: 0 };
    const a = await it.machine();
    for (let i = 0; i < 3; i += 1) await a.client.openStandard(wish);
    await expect(a.client.openStandard(wish)).rejects.toMatchObject({ code: 'openRefused' });
    const b = await it.machine();
    await b.client.openStandard(wish);
    expect((await b.take('closed')).reason).toBe('channel-capacity-exhausted');
    await it.notice('tooManyChannels');
    a.client.close();
    await it.machine();
    await undisturbed(it, honest);
    const c = await it.machine();
    await c.client.openStandard(wish);
    await c.take('work');
  });

  test('messages beyond the limit wait, and come to no harm', async () => {
    const { it, honest } = await running({ limits: { messagesPerSecond: 60 } });
    const { socket, transport } = await sealed(it);
    socket.write(sealFrame(SETUP, transport.send));
    for (let i = 0; i < 5; i += 1) socket.write(sealFrame(OPEN_STANDARD, transport.send));
    socket.resume();
    // Three messages of this kind in a second: the set-up and two channels.
    const connections = (): number =>
      it.gateway.miners().find(({ worker }) => worker === 'mean')?.connections ?? 0;
    while (connections() < 2) await new Promise<void>((resolve) => void it.gateway.onMiners(resolve));
    await undisturbed(it, honest);
    expect(connections()).toBe(2);
  });

  test('connections beyond the limits are refused, those of other addresses get in', async () => {
    const { it, honest } = await running({
      limits: { maxPerLoopback: 8, maxUnfinishedPerAddress: 4, maxUnfinished: 6 },
    });
    const idle: Socket[] = [];
    for (let i = 0; i < 4; i += 1) idle.push(await it.raw('127.0.0.2'));
    await closedByPeer(await it.raw('127.0.0.2'));
    expect((await it.notice('tooManyHandshakes')).remote).toBe('127.0.0.2');
    // Two more addresses fill what there is; then the oldest of the first makes room.
    for (let i = 0; i < 2; i += 1) await it.raw('127.0.0.3');
    const newcomer = await it.raw('127.0.0.4');
    await closedByPeer(idle[0] as Socket);
    expect(newcomer.closed).toBe(false);
    await undisturbed(it, honest);
    const next = await it.machine();
    await next.client.openStandard({ userIdentity: 'next', nominalHashRate: 0 });
  });

  test('an address whose handshakes come to nothing is refused for a while', async () => {
    const { it, honest } = await running();
    for (let i = 0; i < 40; i += 1) {
      const socket = await it.raw('127.0.0.2');
      socket.write(random(64));
      await once(socket, 'data');
      socket.destroy();
    }
    // Another address is not meant, and has seen to it that all of those are gone.
    await undisturbed(it, honest);
    await closedByPeer(await it.raw('127.0.0.2'));
    expect((await it.notice('handshakesFail')).remote).toBe('127.0.0.2');
    it.clock.pass(4_000);
    const socket = await it.raw('127.0.0.2');
    socket.write(random(64));
    await once(socket, 'data');
    await undisturbed(it, honest);
  });

  test('two hundred handshakes of one address do not keep another waiting', async () => {
    const { it, honest } = await running({ limits: { maxUnfinishedPerAddress: 200 } });
    const sockets = await Promise.all(Array.from({ length: 200 }, () => it.raw('127.0.0.2')));
    let answered = 0;
    for (const socket of sockets) {
      socket.once('data', () => {
        answered += 1;
      });
      socket.write(random(64));
    }
    await once(sockets[0] as Socket, 'data');
    const newcomer = await it.machine();
    expect(answered).toBeLessThan(100);
    await newcomer.client.openStandard({ userIdentity: 'newcomer', nominalHashRate: 0 });
    await undisturbed(it, honest);
  });

  test('a connection without a channel is dropped after an hour, a silent machine is not', async () => {
    const { it, honest } = await running();
    const empty = await it.machine();
    it.clock.pass(3_599_999);
    expect(it.notices).toEqual([]);
    it.clock.pass(1);
    expect((await it.notice('empty')).detail).toMatch(/60 minutes/);
    expect((await empty.client.over).code).toBe('closed');
    await undisturbed(it, honest);
  });
});
