import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { MessageChannel } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { WebSocket } from 'ws';
import { webSocketChannel } from '../../src-main/core/api/browser.ts';
import type { ClientChannel } from '../../src-main/core/api/client.ts';
import { memoryChannel } from '../../src-main/transport/memory.ts';
import { messagePortChannel, serveMessagePort } from '../../src-main/transport/message-port.ts';
import { nodeSchedule } from '../../src-main/transport/schedule.ts';
import { serveSession } from '../../src-main/transport/session.ts';
import { createWebSocketHost } from '../../src-main/transport/websocket.ts';
import { transportContract } from './transport-contract.ts';
import type { RawConnection } from './transport-contract.ts';

/** The timers of back-off, made short: these tests wait for the real thing. */
const quick: typeof nodeSchedule = (ms, task) => nodeSchedule(ms <= 5_000 ? 1 : ms, task);

transportContract('memory', (server, options) => {
  const channels = new Set<ClientChannel>();
  return Promise.resolve({
    channel() {
      const channel = memoryChannel(server, quick, options);
      channels.add(channel);
      return channel;
    },
    raw() {
      const frames: string[] = [];
      let end = (): void => {};
      const ended = new Promise<void>((resolve) => (end = resolve));
      const session = serveSession(
        server,
        { send: (frame) => frames.push(frame), close: () => end() },
        options,
      );
      const raw: RawConnection = {
        frames,
        ended,
        send: (frame) => session.receive(frame),
        read: () => {},
        close: () => session.ended(),
      };
      return Promise.resolve(raw);
    },
    drop: () => channels.forEach((channel) => channel.reset()),
    stop: () => Promise.resolve(),
  });
});

transportContract('MessagePort', (server, options) => {
  const stops = new Set<() => void>();
  const serve = (): MessagePort => {
    const { port1, port2 } = new MessageChannel();
    stops.add(serveMessagePort(server, port1, options));
    return port2;
  };
  const drop = (): void => {
    for (const stop of stops) stop();
    stops.clear();
  };
  return Promise.resolve({
    channel: () => messagePortChannel((give) => give(serve()), quick),
    raw() {
      const port = serve();
      const frames: string[] = [];
      const listener = (frame: string): void => void frames.push(frame);
      port.on('message', listener);
      const raw: RawConnection = {
        frames,
        ended: new Promise((resolve) => port.on('close', () => resolve())),
        send: (frame) => port.postMessage(frame),
        read: (on) => (on ? port.on('message', listener) : port.off('message', listener)),
        close: () => port.close(),
      };
      return Promise.resolve(raw);
    },
    drop,
    stop: () => Promise.resolve(drop()),
  });
});

transportContract('WebSocket', async (server, options) => {
  const host = createWebSocketHost(server, options);
  const http = createServer();
  http.on('upgrade', (request, socket, head) => host.accept(request, socket, head));
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const { port } = http.address() as AddressInfo;
  const sockets = new Set<import('node:stream').Duplex>();
  http.on('connection', (socket) => sockets.add(socket));
  return {
    // Node's own WebSocket stands in for the browser's; they share one interface.
    channel: () => webSocketChannel(`ws://127.0.0.1:${port}/`, { schedule: quick }),
    async raw() {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
      const frames: string[] = [];
      socket.on('message', (data: Buffer) => frames.push(data.toString('utf8')));
      socket.on('error', () => {});
      await new Promise((resolve) => socket.once('open', resolve));
      return {
        frames,
        ended: new Promise((resolve) => socket.once('close', () => resolve())),
        send: (frame: string | Uint8Array) => socket.send(frame),
        read: (on) => (on ? socket.resume() : socket.pause()),
        close: () => socket.terminate(),
      };
    },
    drop: () => sockets.forEach((socket) => socket.destroy()),
    async stop() {
      await host.close();
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
});
