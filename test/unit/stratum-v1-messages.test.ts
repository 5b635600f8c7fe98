import { describe, expect, test } from 'vitest';
import { bytesToHex, hexToBytes, parseHash } from '../../src-main/core/bitcoin/bytes.ts';
import { bitsToTarget } from '../../src-main/core/bitcoin/target.ts';
import { headerOf } from '../../src-main/core/mining/job.ts';
import { DuplicateSet, checkShare } from '../../src-main/core/mining/share.ts';
import type { Job } from '../../src-main/core/mining/types.ts';
import {
  difficultyText,
  encodeError,
  encodeNotify,
  encodeReconnect,
  encodeResult,
  encodeSetDifficulty,
  encodeShowMessage,
  encodeSubscribed,
  foreignProtocol,
  jobIdText,
  notifyTemplate,
  parseJobId,
  parseLine,
  prevhashHex,
} from '../../src-main/core/stratum-v1/messages.ts';
import type { Request } from '../../src-main/core/stratum-v1/messages.ts';
import { Session } from '../../src-main/core/stratum-v1/session.ts';

/**
 * What a pool sent to a Bitaxe Gamma on mainnet on 2025-06-19, and the share it answered with, which the pool accepted and
 * the device rated at difficulty 29588 (published as test data of the Mujina firmware).
 */
const CAPTURE = {
  extranonce1: '4128064f',
  extranonce2: '17000000',
  previousHash: '000000000000000000015296bc96391d0d67f4a301f2d4fc6db962c16b6455fd',
  coinbase1:
    '02000000010000000000000000000000000000000000000000000000000000000000000000ffffffff170330c30d5075626c69632d506f6f6c',
  coinbase2:
    'ffffffff02e5b5c61200000000220020984a77c289084ff2d434c316bdada021c6c183d507c8a20d3b159b09ac02fe280000000000000000266a24aa21a9edb98ee50410ed4abd48401ed484fc874409d086a3faf0816136a8ad6168314c5800000000',
  branches: [
    '21af451ddb51e887ff1feb5592b87290098565035eb8500031aedcc776d4e72a',
    'c5af269519c809a9546d5a58ca6445d3dbb80cb7045448ecc48309af034da8f8',
    'fb9f8f9959f6bb0ceb63fa53aed1d5a615c6b6d3f50a468ea89a45a1234bda74',
    'a4f4fee8e5fc19ca8d93e67b9236c37ddb864982010434745c0abfe9b914980c',
    '33092206642744fbe5499c3e621cd5c6b52733e54fbebd869f070082b807f740',
    '3b857e32c5cff4864efab967b9a456ca03b2167ab96bd9076ce294c8a67a7fe2',
    '881a07cd881d0c3e590b4b090ea8d58e1439dc56c63686f7de23c47045441e30',
    '315e4dbcc8e7b1c9d594a73978268791880dddb2c26eec8e75768668dad99d80',
    '69952b77c632be16b1ac7ac7048f13d4e962b2e215d79a343f01e6e281d7c304',
    'fc63eb4392c4d6c6d689788875fca35143fdcd4f4a82e8698e0e441751a70b4a',
    '09e419bbe20aa3a7640f1b91f50599ceddff899e90d3f18951ad5418c4850a6b',
    '004978aa346b4f1880bcadb3ca3792d771ee6aeca427f61e74baba44b75cfb88',
  ],
  notify:
    '{"id":null,"method":"mining.notify","params":["875b4b7","6b6455fd6db962c101f2d4fc0d67f4a3bc96391d000152960000000000000000",' +
    '"COINBASE1","COINBASE2",[BRANCHES],"20000000","17023a04","685468d7",false]}\n',
  submit:
    '{"id": 11, "method": "mining.submit", "params": ["bc1q.bitaxe", "875b4b7", "17000000", "685468d7", "7552034c", "00b44000"]}',
};

const captured: Job = {
  id: 0x875b4b7,
  templateId: 'captured',
  source: 'rpc',
  height: 901_936,
  previousHash: parseHash(CAPTURE.previousHash),
  version: 0x20000000,
  bits: 0x17023a04,
  target: bitsToTarget(0x17023a04),
  time: 0x685468d7,
  minTime: 0x685468d7 - 600,
  coinbasePrefix: hexToBytes(CAPTURE.coinbase1),
  coinbaseSuffix: hexToBytes(CAPTURE.coinbase2),
  extranonceSize: 8,
  merklePath: CAPTURE.branches.map(hexToBytes),
  outputs: [],
  coinbaseValue: 315_012_581,
  fees: 2_512_581,
  transactionCount: 3_000,
  weight: 3_990_000,
  witnessReserved: new Uint8Array(32),
  tag: 'Public-Pool',
  cleanJobs: false,
  createdAt: 0,
};

function parsed(line: string): Request {
  const result = parseLine(line);
  if (result.kind !== 'request') throw new Error(`not a request: ${JSON.stringify(result)}`);
  return result.request;
}

describe('mining.notify', () => {
  test('is byte for byte what a real pool sent for the same job', () => {
    const expected = CAPTURE.notify
      .replace('COINBASE1', CAPTURE.coinbase1)
      .replace('COINBASE2', CAPTURE.coinbase2)
      .replace('BRANCHES', CAPTURE.branches.map((branch) => `"${branch}"`).join(','));
    expect(encodeNotify(notifyTemplate(captured), false)).toBe(expected);
  });

  test('the captured share, read by us, gives the difficulty the device measured', () => {
    const session = new Session({
      extranonce1: hexToBytes(CAPTURE.extranonce1),
      extranonce2Size: 4,
      serverName: 'test',
    });
    session.receive(parseLine('{"id":1,"method":"mining.subscribe","params":[]}'));
    session.receive(parseLine('{"id":2,"method":"mining.authorize","params":["bc1q.bitaxe","x"]}'));
    session.jobSent(notifyTemplate(captured), 8_192);
    const [output] = session.receive(parseLine(CAPTURE.submit));
    if (output?.kind !== 'share') throw new Error('not taken as a share');
    const { share } = output;
    expect(share.assignedDifficulty).toBe(8_192);
    const [version] = session.versionsOf(captured.version, share.versionBits);
    expect(version).toBe(0x20b44000);
    const solution = {
      jobId: share.jobId,
      extranonce: hexToBytes(CAPTURE.extranonce1 + CAPTURE.extranonce2),
      version: version as number,
      ntime: share.ntime,
      nonce: share.nonce,
    };
    expect(bytesToHex(headerOf(captured, solution)).slice(0, 8)).toBe('0040b420');
    const outcome = checkShare(captured, solution, {
      assignedTarget: 0xffffn << 195n,
      current: true,
      seen: new DuplicateSet(),
      now: share.ntime,
    });
    expect(outcome.kind).toBe('valid');
    expect(outcome.kind === 'valid' && Math.floor(outcome.difficulty)).toBe(29_588);
  });

  test('reverses the bytes of every word of the previous hash, and nothing else', () => {
    const hash = Uint8Array.from({ length: 32 }, (_, i) => i);
    expect(prevhashHex(hash)).toBe('03020100070605040b0a09080f0e0d0c13121110171615141b1a19181f1e1d1c');
  });

  test('a job sent again has another name, another time and the same work otherwise', () => {
    const template = notifyTemplate(captured);
    const again = JSON.parse(encodeNotify(template, true, captured.time + 1, 3)) as { params: unknown[] };
    const first = JSON.parse(encodeNotify(template, false)) as { params: unknown[] };
    expect(again.params[0]).toBe('875b4b7_3');
    expect(again.params[7]).toBe('685468d8');
    expect(again.params[8]).toBe(true);
    expect(again.params.slice(1, 7)).toEqual(first.params.slice(1, 7));
    expect(encodeNotify(template, false)).toContain('"params":["875b4b7",');
  });
});

describe('job ids', () => {
  test.each([
    [1, undefined],
    [255, undefined],
    [0x875b4b7, 2],
    [Number.MAX_SAFE_INTEGER - 1, undefined],
  ])('%i with epoch %s comes back', (id, epoch) =>
    expect(parseJobId(jobIdText(id, epoch))).toEqual({ id, epoch }),
  );
  test.each([
    ['00FF', 255],
    ['0xff', 255],
    ['FF', 255],
  ])('%s is understood', (text, id) => expect(parseJobId(text)?.id).toBe(id));
  test.each(['', 'xyz', '1_', '_1', '1_2_3', 'ffffffffffffffffff', '-1', ' 1', '1.5'])(
    '%j is no job',
    (text) => expect(parseJobId(text)).toBeUndefined(),
  );
});

describe('difficulty on the wire', () => {
  test.each([
    [1, '1'],
    [1024, '1024'],
    [2 ** 48, '281474976710656'],
    [0.5, '0.5'],
    [2 ** -20, '0.00000095367431640625'],
    [1e21, '1000000000000000000000'],
  ])('%d is %s', (difficulty, text) => expect(difficultyText(difficulty)).toBe(text));
  test('whole numbers are JSON integers', () =>
    expect(encodeSetDifficulty(2048)).toBe('{"id":null,"method":"mining.set_difficulty","params":[2048]}\n'));
});

describe('answers', () => {
  test('subscribe', () =>
    expect(encodeSubscribed('1', '0a0b0c0d', 8)).toBe(
      '{"id":1,"result":[[["mining.set_difficulty","0a0b0c0d"],["mining.notify","0a0b0c0d"]],"0a0b0c0d",8],"error":null}\n',
    ));
  test('error', () =>
    expect(encodeError('"x"', 23, 'Low')).toBe('{"id":"x","result":null,"error":[23,"Low",null]}\n'));
  test('a line of text for the miner can break nothing', () =>
    expect(JSON.parse(encodeShowMessage('a"b\n\u0001\u00e9c'))).toEqual({
      id: null,
      method: 'client.show_message',
      params: ['a"bc'],
    }));
  test('reconnect names no other host', () =>
    expect(JSON.parse(encodeReconnect())).toMatchObject({ params: [] }));
  test('every answer is one line', () => {
    for (const line of [encodeResult('1', 'true'), encodeError('1', 20, 'a\nb'), encodeReconnect()]) {
      expect(line.indexOf('\n')).toBe(line.length - 1);
    }
  });
});

describe('request ids come back as they were', () => {
  test.each([
    ['7', '7'],
    ['0', '0'],
    ['-1', '-1'],
    ['null', 'null'],
    ['"abc"', '"abc"'],
    ['1.5', '1.5'],
    ['12345678901234567890', '12345678901234567890'],
    ['1e400', '1e400'],
    ['true', 'null'],
    ['{"a":1}', 'null'],
    ['[1]', 'null'],
    [`"${'a'.repeat(500)}"`, 'null'],
  ])('%s', (id, expected) => {
    expect(parsed(`{"id":${id},"method":"mining.ping"}`).id).toBe(expected);
  });
  test('a missing one is null', () => expect(parsed('{"method":"mining.ping"}').id).toBe('null'));
});

describe('how firmware talks', () => {
  test.each<[string, string, Partial<Request>]>([
    [
      'bitaxe',
      '{"id":2,"method":"mining.subscribe","params":["bitaxe/BM1370/v2.9.0"]}',
      { kind: 'subscribe', userAgent: 'bitaxe/BM1370/v2.9.0' },
    ],
    [
      'bosminer',
      '{"id":0,"method":"mining.subscribe","params":["bosminer-plus-tuner 0.9",null,"adit.local",null]}',
      { kind: 'subscribe', userAgent: 'bosminer-plus-tuner 0.9', sessionId: '' },
    ],
    [
      'bosminer, short',
      '{"id":0,"method":"mining.subscribe","params":["bosminer",null]}',
      { kind: 'subscribe', userAgent: 'bosminer' },
    ],
    [
      'cgminer again',
      '{"id":0,"method":"mining.subscribe","params":["cgminer/4.13.1","0a0b0c0d"]}',
      { kind: 'subscribe', sessionId: '0a0b0c0d' },
    ],
    [
      'old cgminer',
      '{"id": 0, "method": "mining.subscribe", "params": []}',
      { kind: 'subscribe', userAgent: '' },
    ],
    ['no params at all', '{"id":1,"method":"mining.subscribe"}', { kind: 'subscribe', userAgent: '' }],
    [
      'null params',
      '{"id":1,"method":"mining.subscribe","params":null}',
      { kind: 'subscribe', userAgent: '' },
    ],
    [
      'an object for params',
      '{"id":1,"method":"mining.subscribe","params":{"a":1}}',
      { kind: 'subscribe', userAgent: '' },
    ],
    [
      'odd subscribe',
      '{"id":1,"method":"mining.subscribe","params":[{"a":[]},7]}',
      { kind: 'subscribe', userAgent: '', sessionId: '7' },
    ],
    [
      'json-rpc 2',
      '{"jsonrpc":"2.0","id":"a","method":"mining.authorize","params":["w"]}',
      { kind: 'authorize', worker: 'w', id: '"a"' },
    ],
    ['ckpool name', '{"id":1,"method":"mining.auth","params":["w","x"]}', { kind: 'authorize', worker: 'w' }],
    [
      'nerdminer',
      '{"params": ["bc1q.nerd", "x"], "id": 2, "method": "mining.authorize"}',
      { kind: 'authorize', worker: 'bc1q.nerd' },
    ],
    ['no name', '{"id":1,"method":"mining.authorize","params":[]}', { kind: 'authorize', worker: '' }],
    [
      'number for name',
      '{"id":1,"method":"mining.authorize","params":[5,5]}',
      { kind: 'authorize', worker: '5' },
    ],
    [
      'difficulty in the password',
      '{"id":1,"method":"mining.authorize","params":["w","x,d=4096"]}',
      { kind: 'authorize', difficulty: 4096 },
    ],
    [
      'no difficulty in it',
      '{"id":1,"method":"mining.authorize","params":["w","abcd=5x"]}',
      { kind: 'authorize', difficulty: undefined },
    ],
    [
      'bell and quotes in a name',
      '{"id":1,"method":"mining.authorize","params":["a\\u0007\\u00e9\\"<b>",""]}',
      { kind: 'authorize', worker: 'a"<b>' },
    ],
    [
      'nerdminer difficulty',
      '{"id":3,"method":"mining.suggest_difficulty","params":[0.00015]}',
      { kind: 'suggestDifficulty', difficulty: 0.00015 },
    ],
    [
      'difficulty as text',
      '{"id":3,"method":"mining.suggest_difficulty","params":["512"]}',
      { kind: 'suggestDifficulty', difficulty: 512 },
    ],
    [
      'target',
      `{"id":3,"method":"mining.suggest_target","params":["00000000ffff${'0'.repeat(52)}"]}`,
      { kind: 'suggestDifficulty', difficulty: 1 },
    ],
    [
      'extranonce',
      '{"id":3,"method":"mining.extranonce.subscribe","params":[]}',
      { kind: 'extranonceSubscribe' },
    ],
    [
      'extranonce, SRI spelling',
      '{"id":3,"method":"mining.extranonce_subscribe"}',
      { kind: 'extranonceSubscribe' },
    ],
    ['S9', '{"id":3,"method":"mining.multi_version","params":[4]}', { kind: 'multiVersion' }],
    [
      'transactions',
      '{"id":3,"method":"mining.get_transactions","params":["1"]}',
      { kind: 'getTransactions' },
    ],
    ['hashrate', '{"id":3,"method":"eth_submitHashrate","params":["0x1","0x2"]}', { kind: 'hashrate' }],
    ['term', '{"id":3,"method":"mining.term","params":[]}', { kind: 'terminate' }],
    ['version asked', '{"id":3,"method":"client.get_version"}', { kind: 'getVersion' }],
    ['ping', '{"id":3,"method":"mining.ping"}', { kind: 'ping' }],
    ['ESP-Miner pong', '{"id":3,"method":"pong","params":[]}', { kind: 'response' }],
    ['cgminer pong', '{"id": 3, "result": "pong", "error": null}', { kind: 'response', text: 'pong' }],
    ['trailing CR', '{"id":3,"method":"mining.ping"}\r', { kind: 'ping' }],
    ['NUL after the line before', '\0{"id":3,"method":"mining.ping"}', { kind: 'ping' }],
    ['byte order mark', '\ufeff{"id":3,"method":"mining.ping"}', { kind: 'ping' }],
    [
      'prototype games',
      '{"__proto__":{"method":"mining.term"},"id":1,"method":"mining.ping"}',
      { kind: 'ping' },
    ],
  ])('%s', (_name, line, expected) => expect(parsed(line)).toMatchObject(expected));

  test.each<[string, string, object]>([
    [
      'bitaxe',
      '[["version-rolling"],{"version-rolling.mask":"ffffffff"}]',
      { extensions: ['version-rolling'], mask: 0xffffffff },
    ],
    [
      'text for a number',
      '[["version-rolling"],{"version-rolling.mask":"1fffe000","version-rolling.min-bit-count":"16"}]',
      { minBitCount: 16 },
    ],
    [
      'number',
      '[["version-rolling"],{"version-rolling.mask":"1fffe000","version-rolling.min-bit-count":2}]',
      { minBitCount: 2 },
    ],
    [
      'all four',
      '[["minimum-difficulty","version-rolling","subscribe-extranonce","info"],{"minimum-difficulty.value":2048,"info.hw-version":"S19"}]',
      {
        extensions: ['minimum-difficulty', 'version-rolling', 'subscribe-extranonce', 'info'],
        minimumDifficulty: 2048,
        mask: undefined,
      },
    ],
    ['a lone name', '["version-rolling"]', { extensions: ['version-rolling'] }],
    ['no options', '[["version-rolling"]]', { extensions: ['version-rolling'], mask: undefined }],
    ['nonsense', '[[[],{},1,null],5]', { extensions: ['1'] }],
    [
      'negative bit count',
      '[["version-rolling"],{"version-rolling.min-bit-count":-2}]',
      { minBitCount: undefined },
    ],
  ])('mining.configure: %s', (_name, params, expected) =>
    expect(parsed(`{"id":1,"method":"mining.configure","params":${params}}`)).toMatchObject({
      kind: 'configure',
      ...expected,
    }),
  );
});

describe('mining.submit', () => {
  const submit = (params: string): Request => parsed(`{"id":4,"method":"mining.submit","params":${params}}`);
  test.each<[string, string, object]>([
    [
      'plain',
      '["w","1f","0000000000000001","65000000","0000abcd"]',
      { jobId: '1f', ntime: 0x65000000, nonce: 0xabcd, versionBits: undefined },
    ],
    [
      'upper case',
      '["w","1F","00000000000000AB","65000000","DEADBEEF","1FFFE000"]',
      { nonce: 0xdeadbeef, versionBits: 0x1fffe000 },
    ],
    ['unpadded (NerdMiner)', '["w","1f","0000000000000001","65000000","abc"]', { nonce: 0xabc }],
    [
      'with 0x',
      '["w","1f","0x0000000000000001","0x65000000","0xabc","0x2000"]',
      { nonce: 0xabc, versionBits: 0x2000 },
    ],
    [
      'numbers',
      '["w",31,"0000000000000001",1694498816,2748]',
      { jobId: '31', ntime: 1694498816, nonce: 2748 },
    ],
    ['null version', '["w","1f","0000000000000001","65000000","abc",null]', { versionBits: undefined }],
    ['empty version', '["w","1f","0000000000000001","65000000","abc",""]', { versionBits: undefined }],
  ])('%s', (_name, params, expected) =>
    expect(submit(params)).toMatchObject({ kind: 'submit', ...expected }),
  );

  test.each([
    '[]',
    '["w"]',
    '["w","1f","01","65000000"]',
    '["w","1f","xyz0","65000000","00"]',
    '["w","1f","123","65000000","00"]',
    '["w","1f",5,"65000000","00"]',
    '["w","1f","01","nope","00"]',
    '["w","1f","01","65000000","-1"]',
    '["w","1f","01","65000000",-1]',
    '["w","1f","01","65000000",1.5]',
    '["w","1f","01","65000000","1ffffffff"]',
    '["w","1f","01","65000000","00","zz"]',
    '["w",{},"01","65000000","00"]',
    `["w","${'1'.repeat(65)}","01","65000000","00"]`,
    `["w","1","${'01'.repeat(33)}","65000000","00"]`,
    '{"a":1}',
  ])('%s is malformed', (params) => expect(submit(params).kind).toBe('malformedSubmit'));
});

describe('what is no Stratum V1', () => {
  test.each(['hello', '{', '{"id":1,', '"x', '\u0001', 'Infinity'])('%j is no JSON', (line) =>
    expect(parseLine(line)).toEqual({ kind: 'disconnect', reason: 'notJson' }),
  );
  test.each(['[]', '1', 'null', '"x"', '[{"method":"mining.ping"}]'])('%j is no message', (line) =>
    expect(parseLine(line)).toEqual({ kind: 'disconnect', reason: 'notStratum' }),
  );
  test.each(['', '  ', '\r', '\0', '{}', '{"id":5}'])('%j is nothing', (line) =>
    expect(parseLine(line)).toEqual({ kind: 'nothing' }),
  );
  test.each(['5', '{}', 'true', '[]'])('a method of %s is an error with a code', (method) =>
    expect(parseLine(`{"id":1,"method":${method}}`)).toMatchObject({ kind: 'error', id: '1', code: 20 }),
  );
  test.each(['[]', '[null]', '["x"]', '[0]', '[-1]', '[1e999]', '[{}]'])(
    'a suggestion of %s is an error',
    (params) =>
      expect(parseLine(`{"id":1,"method":"mining.suggest_difficulty","params":${params}}`).kind).toBe(
        'error',
      ),
  );
  test.each(['["zz"]', '[5]', '["0"]', `["${'f'.repeat(65)}"]`])('a target of %s is an error', (params) =>
    expect(parseLine(`{"id":1,"method":"mining.suggest_target","params":${params}}`).kind).toBe('error'),
  );
  test('8,000 levels of nesting are harmless', () => {
    const line = `{"id":1,"method":"mining.submit","params":${'['.repeat(8_000)}${']'.repeat(8_000)}}`;
    expect(parsed(line).kind).toBe('malformedSubmit');
  });

  test.each<[string, string, string | undefined]>([
    ['HTTP', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', 'http'],
    ['HTTP POST', 'POST /api HTTP/1.1\r\n', 'http'],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n', 'http'],
    ['TLS', '\u0016\u0003\u0001\u0002\u0000', 'tls'],
    ['PROXY 1', 'PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n', 'proxyProtocol'],
    ['PROXY 2', '\r\n\r\n\0\r\nQUIT\n!', 'proxyProtocol'],
    ['Stratum V2 noise', '\u00d7\u0012\u0088', 'notStratum'],
    ['a miner', '{"id":1', undefined],
    ['a miner after blanks', '\r\n {"id":1', undefined],
    ['blanks only', '\n', undefined],
    ['byte order mark', '\u00ef\u00bb\u00bf{', undefined],
  ])('%s at the start of a connection', (_name, text, expected) =>
    expect(foreignProtocol(Uint8Array.from(text, (char) => char.charCodeAt(0)))).toBe(expected),
  );
});
