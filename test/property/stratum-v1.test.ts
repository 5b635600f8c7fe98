import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  notifyTemplate,
  foreignProtocol,
  jobIdText,
  parseJobId,
  parseLine,
  difficultyText,
} from '../../src-main/core/stratum-v1/messages.ts';
import { Session } from '../../src-main/core/stratum-v1/session.ts';
import type { Output } from '../../src-main/core/stratum-v1/session.ts';
import { LineBuffer } from '../../src-main/services/gateway/lines.ts';
import { easyJob } from '../fixtures/stratum-v1-job.ts';

const METHODS = [
  'mining.subscribe',
  'mining.authorize',
  'mining.configure',
  'mining.submit',
  'mining.suggest_difficulty',
  'mining.suggest_target',
  'mining.extranonce.subscribe',
  'mining.multi_version',
  'mining.get_transactions',
  'eth_submitHashrate',
  'mining.ping',
  'pong',
  'client.get_version',
  'mining.term',
  'mining.nonsense',
];

const newSession = (): Session =>
  new Session({ extranonce1: Uint8Array.of(1, 2, 3, 4), extranonce2Size: 8, serverName: 'Adit' });

/** A parameter as a miner, a broken one, or an attacker may send it. */
const parameter = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom('1', '2', '1_1', '0000000000000001', '65000000', 'abc', '00002000', 'w.1', 'ffffffff'),
  fc.constantFrom(['version-rolling'], { 'version-rolling.mask': '1fffe000' }, [
    'minimum-difficulty',
    '__proto__',
  ]),
);
const message = fc.oneof(
  fc
    .record({
      id: fc.jsonValue({ maxDepth: 1 }),
      method: fc.constantFrom(...METHODS),
      params: fc.array(parameter, { maxLength: 8 }),
    })
    .map((value) => JSON.stringify(value)),
  fc.json({ maxDepth: 4 }),
  fc.string({ maxLength: 300, unit: 'binary' }),
);

/** What leaves is always whole lines of ASCII JSON. */
function checkOutputs(outputs: readonly Output[]): void {
  for (const output of outputs) {
    if (!('text' in output)) continue;
    expect(output.text).toMatch(/^[\x20-\x7e]+\n$/);
    const line = JSON.parse(output.text) as object;
    expect(line).toHaveProperty('id');
    if (output.kind === 'rejected') expect(line).toHaveProperty('error.0', expect.any(Number));
  }
}

describe('whatever a peer sends', () => {
  test('a line never throws, neither in the parser nor in the session, and answers are clean JSON lines', () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 40 }), (lines) => {
        const session = newSession();
        for (const line of lines) checkOutputs(session.receive(parseLine(line)));
      }),
      { numRuns: 500 },
    );
  });

  test('a session survives any order of messages, jobs and difficulties; only a ready one gives shares', () => {
    type Step =
      | { kind: 'line'; line: string }
      | { kind: 'job'; difficulty: number }
      | { kind: 'resend'; difficulty: number };
    const difficulty = fc.integer({ min: -20, max: 48 }).map((power) => 2 ** power);
    const step: fc.Arbitrary<Step> = fc.oneof(
      message.map((line) => ({ kind: 'line' as const, line })),
      difficulty.map((value) => ({ kind: 'job' as const, difficulty: value })),
      difficulty.map((value) => ({ kind: 'resend' as const, difficulty: value })),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const session = newSession();
        let id = 0;
        let least = Infinity;
        let most = 0;
        for (const each of steps) {
          if (each.kind === 'line') {
            const outputs = session.receive(parseLine(each.line));
            checkOutputs(outputs);
            for (const output of outputs) {
              if (output.kind !== 'share') continue;
              expect(session.ready).toBe(true);
              expect(output.share.jobId).toBeLessThanOrEqual(id);
              expect(output.share.extranonce2).toHaveLength(8);
              expect(output.share.assignedDifficulty).toBeGreaterThanOrEqual(least);
              expect(output.share.assignedDifficulty).toBeLessThanOrEqual(most);
            }
          } else if (session.ready && (each.kind === 'job' || id > 0)) {
            least = Math.min(least, each.difficulty);
            most = Math.max(most, each.difficulty);
            if (each.kind === 'job') {
              id += 1;
              session.jobSent(notifyTemplate(easyJob({ id })), each.difficulty);
            } else session.resend(notifyTemplate(easyJob({ id })), each.difficulty, 0, false);
            expect(session.difficulty).toBe(each.difficulty);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  test('random bytes are told apart without a throw', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => void foreignProtocol(bytes)));
  });
});

test('a job sent is judged by its own difficulty, or by a lower one that came later', () => {
  const difficulty = fc.integer({ min: 0, max: 20 }).map((power) => 2 ** power);
  fc.assert(
    fc.property(fc.array(difficulty, { minLength: 1, maxLength: 8 }), (difficulties) => {
      const session = newSession();
      for (const [index, value] of difficulties.entries())
        session.jobSent(notifyTemplate(easyJob({ id: index + 1 })), value);
      for (const index of difficulties.keys()) {
        expect(session.assignedDifficulty(index + 1, undefined)).toBe(Math.min(...difficulties.slice(index)));
      }
    }),
  );
});

test('job ids come back from their text', () => {
  fc.assert(
    fc.property(
      fc.maxSafeNat(),
      fc.option(fc.integer({ min: 0, max: 0xffffffff }), { nil: undefined }),
      (id, epoch) => {
        expect(parseJobId(jobIdText(id, epoch))).toEqual({ id, epoch });
      },
    ),
  );
});

test('a power-of-two difficulty reads back exactly, without an exponent', () => {
  fc.assert(
    fc.property(fc.integer({ min: -20, max: 48 }), (power) => {
      const text = difficultyText(2 ** power);
      expect(text).toMatch(/^[0-9]+(\.[0-9]+)?$/);
      expect(Number(text)).toBe(2 ** power);
    }),
  );
});

test('lines come out the same however the stream is cut into packets', () => {
  const line = fc.string({ maxLength: 60 }).map((text) => text.replaceAll('\n', ' '));
  fc.assert(
    fc.property(
      fc.array(line, { maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
      (lines, cuts) => {
        const stream = Buffer.from(lines.map((text) => `${text}\n`).join(''));
        const buffer = new LineBuffer(1_000);
        const out: string[] = [];
        for (let at = 0, cut = 0; at < stream.length; cut += 1) {
          const size = cuts[cut % cuts.length] as number;
          buffer.push(stream.subarray(at, at + size));
          at += size;
          for (let next = buffer.next(); next !== undefined; next = buffer.next()) {
            if (next.kind === 'line') out.push(next.text);
          }
        }
        expect(out).toEqual(lines);
        expect(buffer.size).toBe(0);
      },
    ),
  );
});
