import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { resolve } from 'node:path';
import { runInNewContext } from 'node:vm';
import { beforeEach, expect, test } from 'vitest';

interface Bridge {
  connect(events: { opened(): void; frame(text: string): void; lost(): void }): {
    send(text: unknown): void;
    close(): void;
  };
}
type Listener = (event: unknown) => void;

/** A DOM port of which the test holds both ends. */
function fakePort() {
  const listeners = new Map<string, Listener>();
  const sent: unknown[] = [];
  const port = {
    started: false,
    closed: false,
    addEventListener: (name: string, listener: Listener) => void listeners.set(name, listener),
    postMessage: (message: unknown) => void sent.push(message),
    start() {
      port.started = true;
    },
    close() {
      port.closed = true;
    },
  };
  return { port, sent, emit: (name: string, event: unknown) => listeners.get(name)?.(event) };
}

let exposed: Record<string, unknown>;
let asked: unknown[][];
let give: (event: { ports: unknown[] }, id: unknown) => void;

beforeEach(() => {
  exposed = {};
  asked = [];
  const source = readFileSync(resolve(import.meta.dirname, '../../src-main/electron/preload.cts'), 'utf8');
  const electron = {
    contextBridge: { exposeInMainWorld: (name: string, value: unknown) => (exposed[name] = value) },
    ipcRenderer: {
      on: (channel: string, listener: typeof give) => {
        expect(channel).toBe('adit:port');
        give = listener;
      },
      send: (...args: unknown[]) => asked.push(args),
    },
  };
  runInNewContext(stripTypeScriptTypes(source), {
    // All a sandboxed preload can require.
    require: (name: string) => (name === 'electron' ? electron : undefined),
  });
});

const connect = () => {
  const seen: string[] = [];
  const connection = (exposed['adit'] as Bridge).connect({
    opened: () => void seen.push('opened'),
    frame: (text) => void seen.push(text),
    lost: () => void seen.push('lost'),
  });
  return { seen, connection };
};

test('the page gets one function and nothing of Electron', () => {
  expect(Object.keys(exposed)).toEqual(['adit']);
  expect(Object.keys(exposed['adit'] as object)).toEqual(['connect']);
  expect(Object.keys(connect().connection)).toEqual(['send', 'close']);
});

test('frames pass as text in both directions, events and other values do not', () => {
  const { seen, connection } = connect();
  expect(asked).toEqual([['adit:connect', 1]]);
  connection.send('too early');
  const { port, sent, emit } = fakePort();
  give({ ports: [port] }, 1);
  expect(port.started).toBe(true);
  emit('message', { data: 'hello' });
  emit('message', { data: { not: 'text' } });
  connection.send('world');
  connection.send({ not: 'text' });
  expect(sent).toEqual(['world']);
  emit('close', {});
  expect(seen).toEqual(['opened', 'hello', 'lost']);
  connection.close();
  expect(port.closed).toBe(true);
});

test('a port nobody waits for is closed', () => {
  const { connection } = connect();
  const wrong = fakePort();
  give({ ports: [wrong.port] }, 99);
  expect(wrong.port.closed).toBe(true);
  connection.close();
  const late = fakePort();
  give({ ports: [late.port] }, 1);
  expect(late.port.closed).toBe(true);
  give({ ports: [] }, 1);
});
