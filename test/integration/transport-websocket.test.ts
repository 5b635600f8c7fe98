import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocket } from 'ws';
import { expect, test } from 'vitest';
import { createApiHub } from '../../src-main/core/api/hub.ts';
import { nodeSchedule } from '../../src-main/transport/schedule.ts';
import { createWebSocketHost } from '../../src-main/transport/websocket.ts';
import type { WebSocketHostOptions } from '../../src-main/transport/websocket.ts';
import { INITIAL, eventRow, plainHandlers } from '../fixtures/api-world.ts';

async function world(options: WebSocketHostOptions) {
  const hub = createApiHub({
    handlers: plainHandlers(),
    schedule: nodeSchedule,
    initial: INITIAL,
    intervals: { events: 0 },
    onError: () => {},
  });
  const host = createWebSocketHost(hub, options);
  const http = createServer();
  http.on('upgrade', (request, socket, head) => host.accept(request, socket, head));
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const { port } = http.address() as AddressInfo;
  const connect = async (settings: { autoPong?: boolean } = {}): Promise<WebSocket> => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`, settings);
    await new Promise((resolve) => socket.once('open', resolve));
    return socket;
  };
  const stop = async (): Promise<void> => {
    await host.close();
    http.closeAllConnections();
    await new Promise((resolve) => http.close(resolve));
  };
  return { hub, host, connect, stop };
}

test('a socket that answers no ping is dropped, one that does stays', async () => {
  const { host, connect, stop } = await world({ heartbeatMs: 40 });
  const alive = await connect();
  const dead = await connect({ autoPong: false });
  let pings = 0;
  const heard = new Promise<void>((resolve) =>
    alive.on('ping', () => {
      pings += 1;
      if (pings === 4) resolve();
    }),
  );
  await new Promise((resolve) => dead.once('close', resolve));
  await heard;
  expect(host.count).toBe(1);
  expect(alive.readyState).toBe(alive.OPEN);
  await stop();
});

test('what waits for a reader that stands still is bounded, and it catches up with a snapshot', async () => {
  const lagAbove = 256 * 1024;
  const { hub, connect, stop } = await world({ limits: { lagAbove, caughtUpBelow: 64 * 1024 } });
  const socket = await connect();
  const frames: { t: string; seq?: number; n?: number }[] = [];
  let got = (): void => {};
  socket.on('message', (data: Buffer) => {
    const frame = JSON.parse(data.toString('utf8')) as (typeof frames)[number];
    frames.push(frame);
    if (frame.t === 'ping') socket.send(JSON.stringify({ t: 'pong', n: frame.n }));
    got();
  });
  const until = async (condition: () => boolean): Promise<void> => {
    while (!condition()) await new Promise<void>((resolve) => (got = resolve));
  };
  socket.send(JSON.stringify({ t: 'subscribe', id: 1, topic: 'events' }));
  await until(() => frames.length === 1);
  socket.pause();
  // 100 MB of changes, for a reader that takes none of them.
  for (let id = 1; id <= 2_000; id += 1) hub.append('events', eventRow(id, 'x'.repeat(50_000)));
  socket.resume();
  await until(() => frames.some(({ t, seq }) => t === 'snapshot' && seq === 2_000));
  const changes = frames.filter(({ t }) => t === 'change').length;
  expect(changes).toBeLessThanOrEqual(lagAbove / 50_000 + 1);
  await stop();
});

test('closing tells the sockets that the server goes away', async () => {
  const { connect, stop } = await world({});
  const socket = await connect();
  const code = new Promise((resolve) => socket.once('close', resolve));
  await stop();
  expect(await code).toBe(1001);
});
