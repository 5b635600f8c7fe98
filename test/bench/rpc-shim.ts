// A process between a regtest node and the servers that are measured: passes JSON-RPC through, but makes the target in
// templates harder. On regtest every second hash is a block; so it is for no server, and shares are shares.
import { once } from 'node:events';
import { Agent, createServer, request } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { targetToBits, bitsToTarget } from '../../src-main/core/bitcoin/target.ts';

/** Difficulty 65,536: none of the shares of a bench is likely to meet it. */
const BITS = 0x1b00ffff;
const MAX_BODY = 64_000_000;
/** The target stands within so many bytes of a template's end: what follows its transactions is about 1 kB. */
const TAIL = 16_384;

const TARGET = bitsToTarget(BITS);
if (targetToBits(TARGET) !== BITS) throw new Error('rpc-shim: bits and target do not agree');
const PATCHES: readonly (readonly [key: string, value: string])[] = [
  ['"bits":"', BITS.toString(16).padStart(8, '0')],
  ['"target":"', TARGET.toString(16).padStart(64, '0')],
];

async function readAll(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY) throw new Error('rpc-shim: a body is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Passes a template on while it still comes in, so that the shim adds little to the time measured; only its end waits for the new target. */
async function passTemplate(reply: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  let tail: Buffer = Buffer.alloc(0);
  for await (const chunk of reply as AsyncIterable<Buffer>) {
    const joined = Buffer.concat([tail, chunk]);
    const passed = Math.max(0, joined.length - TAIL);
    if (passed > 0) outgoing.write(joined.subarray(0, passed));
    tail = joined.subarray(passed);
  }
  harden(tail);
  outgoing.end(tail);
}

/** Writes over the old values in place: they have the same length, and stand behind the transactions. */
function harden(template: Buffer): void {
  for (const [key, value] of PATCHES) {
    const at = template.lastIndexOf(key);
    if (at !== -1) template.write(value, at + key.length, 'latin1');
  }
}

const nodePort = Number(process.argv[2]);
const agent = new Agent({ keepAlive: true });
const server = createServer((incoming, outgoing) => {
  void (async () => {
    const body = await readAll(incoming);
    const { authorization, 'content-type': type } = incoming.headers;
    const forward = request({
      host: '127.0.0.1',
      port: nodePort,
      method: incoming.method,
      path: incoming.url,
      agent,
      headers: {
        ...(authorization === undefined ? {} : { authorization }),
        'content-type': type ?? 'application/json',
        'content-length': body.length,
      },
    });
    outgoing.on('close', () => forward.destroy());
    forward.end(body);
    const [reply] = (await once(forward, 'response')) as [IncomingMessage];
    const length = reply.headers['content-length'];
    outgoing.writeHead(reply.statusCode ?? 502, {
      'content-type': reply.headers['content-type'] ?? 'application/json',
      ...(length === undefined ? {} : { 'content-length': length }),
    });
    if (body.includes('getblocktemplate')) await passTemplate(reply, outgoing);
    else await pipeline(reply, outgoing);
  })().catch(() => outgoing.destroy());
});
// Long polls last as long as they last.
server.requestTimeout = 0;
server.keepAliveTimeout = 600_000;
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
process.on('disconnect', () => process.exit());
