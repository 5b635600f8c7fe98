import { describe, expect, test } from 'vitest';
import { encodeNotify, notifyTemplate, parseLine } from '../../src-main/core/stratum-v1/messages.ts';
import type { NotifyTemplate } from '../../src-main/core/stratum-v1/messages.ts';
import {
  MAX_WORKERS,
  Session,
  UNNAMED,
  VERSION_REQUEST_ID,
  encodeOutcome,
} from '../../src-main/core/stratum-v1/session.ts';
import type { Output } from '../../src-main/core/stratum-v1/session.ts';
import { REJECT_REASONS } from '../../src-main/core/mining/types.ts';
import { easyJob } from '../fixtures/stratum-v1-job.ts';

const template = (id: number): NotifyTemplate => notifyTemplate(easyJob({ id }));

function newSession(): Session {
  return new Session({ extranonce1: Uint8Array.of(1, 2, 3, 4), extranonce2Size: 8, serverName: 'Adit/test' });
}

function say(session: Session, method: string, params: unknown[] = [], id: unknown = 1): readonly Output[] {
  return session.receive(parseLine(JSON.stringify({ id, method, params })));
}

/** The JSON of the line an output sends. */
function sent(output: Output | undefined): { id: unknown; result: unknown; error: unknown } {
  if (output === undefined || !('text' in output)) throw new Error(`nothing sent: ${JSON.stringify(output)}`);
  return JSON.parse(output.text) as { id: unknown; result: unknown; error: unknown };
}

function readySession(difficulty = 1024): Session {
  const session = newSession();
  say(session, 'mining.subscribe', ['test/1']);
  say(session, 'mining.authorize', ['addr.w1', 'x']);
  session.jobSent(template(1), difficulty);
  return session;
}

const submit = (session: Session, job: string, more: unknown[] = []): Output | undefined =>
  say(session, 'mining.submit', ['addr.w1', job, '0000000000000001', '65000000', 'abc', ...more])[0];

describe('the handshake', () => {
  test('subscribe, then authorise: ready once', () => {
    const session = newSession();
    const subscribed = say(session, 'mining.subscribe', ['bitaxe/BM1370/v2.9'], 5);
    expect(sent(subscribed[0])).toEqual({
      id: 5,
      result: [
        [
          ['mining.set_difficulty', '01020304'],
          ['mining.notify', '01020304'],
        ],
        '01020304',
        8,
      ],
      error: null,
    });
    expect(subscribed[1]).toEqual({ kind: 'named', userAgent: 'bitaxe/BM1370/v2.9' });
    expect(session.ready).toBe(false);
    const authorised = say(session, 'mining.authorize', ['addr.w1', 'whatever']);
    expect(sent(authorised[0])).toMatchObject({ result: true, error: null });
    expect(authorised.slice(1)).toEqual([{ kind: 'authorized', worker: 'addr.w1' }, { kind: 'ready' }]);
    expect(say(session, 'mining.authorize', ['addr.w1', 'x']).map(({ kind }) => kind)).toEqual(['send']);
    expect(say(session, 'mining.subscribe', ['bitaxe/BM1370/v2.9']).map(({ kind }) => kind)).toEqual([
      'send',
    ]);
  });

  test('authorise before subscribe is served too', () => {
    const session = newSession();
    expect(say(session, 'mining.authorize', ['w']).map(({ kind }) => kind)).toEqual(['send', 'authorized']);
    expect(say(session, 'mining.subscribe').map(({ kind }) => kind)).toEqual(['send', 'ready']);
  });

  test('a session asked to be taken up again gets its own new extranonce', () => {
    const outputs = say(newSession(), 'mining.subscribe', ['cgminer/4.13', 'deadbeef']);
    expect(sent(outputs[0])).toMatchObject({ result: [expect.anything(), '01020304', 8] });
  });

  test('a machine without a name gets one', () => {
    const session = newSession();
    say(session, 'mining.authorize', []);
    expect(session.workers).toEqual([UNNAMED]);
  });

  test('names are bounded in length and number', () => {
    const session = newSession();
    say(session, 'mining.authorize', ['x'.repeat(5_000)]);
    expect(session.workers[0]).toHaveLength(120);
    for (let i = 0; i < 3 * MAX_WORKERS; i += 1) say(session, 'mining.authorize', [`w${i}`]);
    expect(session.workers).toHaveLength(MAX_WORKERS);
  });

  test('the name of a machine that told none is taken from its version', () => {
    const session = newSession();
    say(session, 'mining.subscribe');
    const answer = JSON.stringify({ id: VERSION_REQUEST_ID, result: 'cgminer/4.9', error: null });
    expect(session.receive(parseLine(answer))).toEqual([{ kind: 'named', userAgent: 'cgminer/4.9' }]);
    expect(session.receive(parseLine(answer.replace('4.9', '5')))).toEqual([]);
    expect(session.userAgent).toBe('cgminer/4.9');
  });
});

describe('mining.configure (BIP310)', () => {
  const configure = (names: unknown, values: unknown, session = newSession()): unknown =>
    sent(say(session, 'mining.configure', [names, values])[0]).result;

  test('only what was asked is answered (Whatsminer and cgminer stumble over more)', () => {
    expect(configure(['version-rolling'], { 'version-rolling.mask': 'ffffffff' })).toEqual({
      'version-rolling': true,
      'version-rolling.mask': '1fffe000',
    });
  });
  test('the mask is never wider than the miner asked', () => {
    expect(configure(['version-rolling'], { 'version-rolling.mask': '00c00000' })).toMatchObject({
      'version-rolling.mask': '00c00000',
    });
  });
  test('too few bits for the miner: no version rolling', () => {
    const session = newSession();
    const values = { 'version-rolling.mask': '0000e000', 'version-rolling.min-bit-count': 4 };
    expect(configure(['version-rolling'], values, session)).toEqual({ 'version-rolling': false });
    expect(session.versionRolling).toBe(false);
  });
  test('all extensions, known and not', () => {
    const names = ['minimum-difficulty', 'subscribe-extranonce', 'info', 'warp-drive', 'info'];
    expect(configure(names, { 'minimum-difficulty.value': 64 })).toEqual({
      'minimum-difficulty': true,
      'subscribe-extranonce': true,
      info: true,
      'warp-drive': false,
    });
  });
  test('a name that is no name cannot break the answer', () => {
    expect(configure(['a"b\\'], {})).toEqual({ 'a"b\\': false });
    expect(configure(null, null)).toEqual({});
  });
  test('a minimum difficulty is passed on as a floor', () => {
    const outputs = say(newSession(), 'mining.configure', [
      ['minimum-difficulty'],
      { 'minimum-difficulty.value': '64' },
    ]);
    expect(outputs[1]).toEqual({ kind: 'difficultyAsked', difficulty: 64, floor: true });
    expect(configure(['minimum-difficulty'], {})).toEqual({ 'minimum-difficulty': false });
  });
});

describe('odd requests have harmless answers', () => {
  test.each<[string, unknown[], unknown]>([
    ['mining.extranonce.subscribe', [], true],
    ['mining.multi_version', [4], true],
    ['mining.get_transactions', ['1'], []],
    ['eth_submitHashrate', ['0x500000', '0x1'], true],
    ['mining.ping', [], 'pong'],
    ['client.get_version', [], 'Adit/test'],
    ['mining.suggest_difficulty', [512], true],
  ])('%s', (method, params, result) =>
    expect(sent(say(newSession(), method, params, 'id-7')[0])).toEqual({ id: 'id-7', result, error: null }),
  );
  test('an unknown method is an error, and is counted', () => {
    const [output] = say(newSession(), 'mining.dig');
    expect(output?.kind).toBe('confused');
    expect(sent(output)).toMatchObject({ result: null, error: [20, 'unknown method mining.dig', null] });
  });
  test('a miner that says goodbye is let go', () =>
    expect(say(newSession(), 'mining.term').at(-1)).toEqual({ kind: 'disconnect', reason: 'terminated' }));
  test('answers of the miner are not answered', () =>
    expect(newSession().receive(parseLine('{"id":1,"result":true,"error":null}'))).toEqual([]));
});

describe('mining.submit', () => {
  test('before subscribing: 25', () => {
    const output = submit(newSession(), '1');
    expect(output).toMatchObject({ kind: 'rejected', reason: 'unauthorized' });
    expect(sent(output).error).toEqual([25, 'Not subscribed', null]);
  });
  test('before authorising: 24', () => {
    const session = newSession();
    say(session, 'mining.subscribe');
    expect(sent(submit(session, '1')).error).toEqual([24, 'Unauthorized worker', null]);
    expect(sent(say(session, 'mining.submit', ['w'])[0]).error).toEqual([24, 'Unauthorized worker', null]);
  });
  test('an unknown job: 21', () => {
    for (const job of ['2', 'zz', '', '1_9']) {
      const output = submit(readySession(), job);
      expect(output).toMatchObject({ kind: 'rejected', reason: 'unknownJob', worker: 'addr.w1' });
      expect(sent(output).error).toEqual([21, 'Job not found', null]);
    }
  });
  test('extranonce2 of another size: 20', () => {
    for (const extranonce2 of ['', '01', '000000000000000102']) {
      const output = say(readySession(), 'mining.submit', [
        'addr.w1',
        '1',
        extranonce2,
        '65000000',
        'abc',
      ])[0];
      expect(output).toMatchObject({ kind: 'rejected', reason: 'malformed' });
      expect(sent(output).error).toMatchObject([20, 'extranonce2 must be 8 bytes', null]);
    }
  });
  test('hex that is none: 20', () => {
    const output = say(readySession(), 'mining.submit', ['addr.w1', '1', '0000000000000001', 'xx', 'abc'])[0];
    expect(output).toMatchObject({ kind: 'rejected', reason: 'malformed', worker: 'addr.w1' });
    expect(sent(output).error).toMatchObject([20, expect.any(String), null]);
  });
  test('a good one comes out whole', () => {
    expect(submit(readySession(), '01', ['00002000'])).toEqual({
      kind: 'share',
      share: {
        id: '1',
        worker: 'addr.w1',
        jobId: 1,
        extranonce2: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1),
        ntime: 0x65000000,
        nonce: 0xabc,
        versionBits: 0x2000,
        assignedDifficulty: 1024,
      },
    });
  });
  test('counts for the worker it names if that one was authorised here, else for the first', () => {
    const session = readySession();
    say(session, 'mining.authorize', ['addr.w2']);
    const worker = (name: unknown): string | undefined => {
      const [output] = say(session, 'mining.submit', [name, '1', '0000000000000001', '65000000', 'abc']);
      return output?.kind === 'share' ? output.share.worker : undefined;
    };
    expect(['addr.w2', 'addr.w1', 'stranger', null, 7].map(worker)).toEqual([
      'addr.w2',
      'addr.w1',
      'addr.w1',
      'addr.w1',
      'addr.w1',
    ]);
  });
});

describe('difficulty', () => {
  const judged = (session: Session, job: string): number | undefined => {
    const output = submit(session, job);
    return output?.kind === 'share' ? output.share.assignedDifficulty : undefined;
  };

  test('goes before the first job, and again only when it changes', () => {
    const session = newSession();
    say(session, 'mining.subscribe');
    say(session, 'mining.authorize', ['w']);
    expect(session.jobSent(template(1), 512)).toBe(
      '{"id":null,"method":"mining.set_difficulty","params":[512]}\n',
    );
    expect(session.jobSent(template(2), 512)).toBe('');
    expect(session.jobSent(template(3), 256)).toBe(
      '{"id":null,"method":"mining.set_difficulty","params":[256]}\n',
    );
  });

  test('a rise: old jobs keep the old one, new jobs have the new one', () => {
    const session = readySession(1024);
    session.jobSent(template(2), 4096);
    expect([judged(session, '1'), judged(session, '2')]).toEqual([1024, 4096]);
  });

  test('a fall: the lower of the two also for old jobs, for some miners use it at once', () => {
    const session = readySession(1024);
    session.jobSent(template(2), 128);
    expect([judged(session, '1'), judged(session, '2')]).toEqual([128, 128]);
  });

  test('between two jobs: the same job again under another name, each with its own difficulty', () => {
    const session = readySession(1024);
    const text = session.resend(template(1), 8192, 0, true);
    const [difficulty, notify] = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { method: string; params: unknown[] });
    expect(difficulty).toMatchObject({ method: 'mining.set_difficulty', params: [8192] });
    expect(notify).toMatchObject({ method: 'mining.notify' });
    const name = notify?.params[0] as string;
    expect(name).not.toBe('1');
    expect(judged(session, '1')).toBe(1024);
    expect(judged(session, name)).toBe(8192);
    expect(session.jobSent(template(2), 8192)).toBe('');
    expect(judged(session, '2')).toBe(8192);
    expect(judged(session, '1')).toBe(1024);
  });

  test('the job sent again moves its time on, by the clock or at least by one second', () => {
    const ntime = (text: string): number =>
      Number.parseInt(
        (JSON.parse(text.trim().split('\n')[1] as string) as { params: string[] }).params[7] as string,
        16,
      );
    const session = readySession();
    const { time } = easyJob({ id: 1 });
    expect(ntime(session.resend(template(1), 1, time - 100, false))).toBe(time + 1);
    expect(ntime(session.resend(template(1), 2, time, false))).toBe(time + 2);
    expect(ntime(session.resend(template(1), 4, time + 50, false))).toBe(time + 50);
  });

  test('a hundred changes are remembered in bounded memory, and the newest count', () => {
    const session = readySession(1);
    for (let i = 1; i <= 100; i += 1) session.jobSent(template(i + 1), 2 ** (i % 40));
    expect(judged(session, (101).toString(16))).toBe(2 ** 20);
    expect(judged(session, (100).toString(16))).toBe(2 ** 19);
    expect(judged(session, '1')).toBeGreaterThanOrEqual(1);
  });
});

describe('version rolling', () => {
  const negotiated = (mask: string): Session => {
    const session = newSession();
    say(session, 'mining.configure', [['version-rolling'], { 'version-rolling.mask': mask }]);
    return session;
  };
  test('without bits: the version of the job', () =>
    expect(negotiated('1fffe000').versionsOf(0x20000000, undefined)).toEqual([0x20000000]));
  test('bits of the mask replace those of the job', () =>
    expect(negotiated('1fffe000').versionsOf(0x20000000, 0x1abc2000)).toEqual([0x3abc2000]));
  test('bits outside the mask are tried as a whole version, and on top of the job: the hash decides first', () => {
    expect(negotiated('1fffe000').versionsOf(0x20000000, 0x1)).toEqual([0x1, 0x20000001]);
    expect(negotiated('00c00000').versionsOf(0x20000000, 0x2000)).toEqual([0x2000, 0x20002000]);
    expect(negotiated('1fffe000').versionsOf(0x20000000, 0x20004000)).toEqual([0x20004000]);
  });
  test('a job with a signalling bit inside the mask: replaced or added, both are tried', () =>
    expect(negotiated('1fffe000').versionsOf(0x30000000, 0x2000)).toEqual([0x20002000, 0x30002000]));
  test('a miner that never asked has the bits of BIP320', () => {
    expect(newSession().versionsOf(0x20000000, 0x2000)).toEqual([0x20002000]);
    expect(newSession().versionsOf(0x20000000, 0)).toEqual([0x20000000]);
  });
});

describe('every reject reason has its code of the field', () => {
  const CODES = {
    stale: 21,
    unknownJob: 21,
    duplicate: 22,
    lowDifficulty: 23,
    unauthorized: 24,
    malformed: 20,
  };
  test.each(REJECT_REASONS)('%s', (reason) => {
    const line = JSON.parse(encodeOutcome('9', { kind: 'rejected', reason, detail: '' })) as {
      id: number;
      error: [number, string];
    };
    expect(line.id).toBe(9);
    expect(line.error[0]).toBe(CODES[reason]);
    expect(line.error[1]).not.toBe('');
  });
});

test('the clean flag is the only difference between the two forms of a job', () => {
  const job = template(7);
  expect(encodeNotify(job, true).replace('true', 'false')).toBe(encodeNotify(job, false));
});
