// The Stratum V2 client: every way in which a connection does not come about says which it was and what to do.
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import {
  encodeFrameOf,
  messageOf,
  type ServerMessage,
} from '../../src-main/core/stratum-v2/channels/messages.ts';
import { FrameDecoder, sealFrame } from '../../src-main/core/stratum-v2/frame.ts';
import {
  SetupConnectionError,
  SetupConnectionSuccess,
} from '../../src-main/core/stratum-v2/messages/common.ts';
import { SetNewPrevHash } from '../../src-main/core/stratum-v2/messages/mining.ts';
import {
  NoiseResponder,
  authorityPublicKey,
  encodeAuthorityKey,
  type ResponderIdentity,
} from '../../src-main/core/stratum-v2/noise.ts';
import { connectSv2, type Sv2ClientOptions } from '../../src-main/services/upstream/index.ts';
import { AUTHORITY_KEY, IDENTITY, random, sv2Rig } from '../fixtures/stratum-v2-peers.ts';

const NOW = 1_750_000_000_000;
const servers: Server[] = [];
const sockets = new Set<Socket>();
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
});

async function serve(onSocket: (socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    onSocket(socket);
  });
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** A server that does the handshake and answers the first message with these. */
function scripted(
  answers: readonly ServerMessage[],
  identity: ResponderIdentity = IDENTITY,
): Promise<number> {
  return serve((socket) => {
    const responder = new NoiseResponder({ identity, random });
    let decoder: FrameDecoder | undefined;
    let send: ((message: ServerMessage) => void) | undefined;
    let left = answers;
    socket.on('data', (packet) => {
      if (!decoder) {
        const step = responder.receive(packet);
        if (step.kind !== 'done') return;
        socket.write(step.reply);
        decoder = new FrameDecoder({ maxPayload: 10_000, cipher: step.transport.receive });
        send = (message) => void socket.write(sealFrame(encodeFrameOf(message), step.transport.send));
        return;
      }
      decoder.push(packet);
      if (!decoder.next()) return;
      for (const answer of left) send?.(answer);
      left = [];
    });
  });
}

const to = (port: number, over: Partial<Sv2ClientOptions> = {}) =>
  connectSv2({
    host: '127.0.0.1',
    port,
    authorityKey: AUTHORITY_KEY,
    vendor: 'test',
    random,
    now: () => NOW,
    ...over,
  });

const SUCCESS = messageOf(SetupConnectionSuccess, { usedVersion: 2, flags: 0 });

describe('a connection that does not come about', () => {
  test('a name that does not exist', async () => {
    await expect(to(1, { host: 'nothing.invalid' })).rejects.toMatchObject({ code: 'resolve' });
  });

  test('nobody listens', async () => {
    const port = await serve(() => {});
    await new Promise((resolve) => servers.pop()?.close(resolve));
    await expect(to(port)).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining(String(port)),
    });
  });

  test('a server that hangs up, one that is silent, and one that speaks something else', async () => {
    await expect(to(await serve((socket) => socket.end()))).rejects.toMatchObject({ code: 'closed' });
    await expect(to(await serve(() => {}), { timeoutMs: 50 })).rejects.toMatchObject({ code: 'timeout' });
    const other = await serve((socket) => socket.write('{"error":"what?"}\n'.repeat(20)));
    await expect(to(other)).rejects.toMatchObject({
      code: 'handshake',
      message: expect.stringMatching(/port/),
    });
  });

  test('a key that is none, and one of somebody else', async () => {
    await expect(to(1, { authorityKey: `${AUTHORITY_KEY.slice(0, -1)}1` })).rejects.toMatchObject({
      code: 'authorityKey',
    });
    const other = encodeAuthorityKey(authorityPublicKey(new Uint8Array(32).fill(9)));
    await expect(to(await scripted([SUCCESS]), { authorityKey: other })).rejects.toMatchObject({
      code: 'wrongKey',
    });
  });

  test.each([
    ['our clock is behind', 'clockBehind', -60_000, 60_000 - 43_200],
    ['the certificate has run out', 'certificateExpired', 50_000, 50_000 - 43_200],
  ])('%s', async (_name, code, seconds, off) => {
    const port = await scripted([SUCCESS]);
    await expect(to(port, { now: () => NOW + seconds * 1_000 })).rejects.toMatchObject({
      code,
      secondsOff: off,
      message: expect.stringContaining('clock'),
    });
  });

  test('a server that refuses the set-up', async () => {
    const refusal = messageOf(SetupConnectionError, { flags: 0, errorCode: 'unsupported-protocol' });
    await expect(to(await scripted([refusal]))).rejects.toMatchObject({
      code: 'setupRefused',
      errorCode: 'unsupported-protocol',
    });
  });

  test('a server that does not answer the set-up', async () => {
    await expect(to(await scripted([]), { timeoutMs: 100 })).rejects.toMatchObject({ code: 'timeout' });
  });

  test('the user gives up, before and in the middle', async () => {
    const port = await scripted([]);
    await expect(to(port, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'cancelled' });
    const silent = await serve((socket) => socket.once('data', () => abort.abort()));
    const abort = new AbortController();
    await expect(to(silent, { signal: abort.signal })).rejects.toMatchObject({ code: 'cancelled' });
  });
});

describe('a connection that stands', () => {
  test('ends with what the server did wrong', async () => {
    const wrong = messageOf(SetNewPrevHash, {
      channelId: 1,
      jobId: 9,
      prevHash: new Uint8Array(32),
      minNtime: 0,
      nbits: 0,
    });
    const unknown = await to(await scripted([SUCCESS, wrong]));
    unknown.listen(() => {});
    // For a channel that is not there it is only strange.
    const twice = await to(await scripted([SUCCESS, SUCCESS]));
    expect((await twice.over).code).toBe('protocol');
    await expect(twice.openStandard({ userIdentity: 'a', nominalHashRate: 0 })).rejects.toMatchObject({
      code: 'protocol',
    });
    unknown.close();
    expect((await unknown.over).code).toBe('ended');
  });

  test('with any key, when the user wants it so', async () => {
    const client = await to(await scripted([SUCCESS]), { authorityKey: 'any', now: () => 0 });
    expect(client.certificate.notValidAfter).toBe(1_750_000_000 + 43_200);
    client.close();
  });

  test('a channel that is not opened in time, and one whose connection ends', async () => {
    const slow = await to(await scripted([SUCCESS]), { timeoutMs: 200 });
    const wish = { userIdentity: 'a', nominalHashRate: 0 };
    const late = slow.openStandard(wish);
    await expect(late).rejects.toMatchObject({ code: 'timeout' });
    const lost = slow.openStandard(wish);
    slow.close();
    await expect(lost).rejects.toMatchObject({ code: 'ended' });
  });

  test('what came before anyone listened is not lost', async () => {
    const rig = await sv2Rig();
    try {
      rig.upstream.say({ cleanJobs: true });
      const client = await to(rig.port);
      const channel = await client.openExtended({
        userIdentity: 'a',
        nominalHashRate: 0,
        minExtranonceSize: 8,
      });
      const other = await client.openStandard({ userIdentity: 'b', nominalHashRate: 0 });
      const heard: unknown[] = [];
      client.listen((event) => heard.push([event.kind, 'channel' in event ? event.channel : undefined]));
      expect(heard).toEqual([
        ['work', channel],
        ['work', other],
      ]);
      client.close();
    } finally {
      await rig.close();
    }
  });
});
