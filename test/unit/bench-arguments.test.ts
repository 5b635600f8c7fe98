import { expect, test } from 'vitest';
import {
  ArgumentError,
  checkTarget,
  parseUrl,
  readBenchArguments,
  readStratumArguments,
} from '../bench/arguments.ts';

const read = (...words: string[]): ReturnType<typeof readStratumArguments> =>
  readStratumArguments(['--url', 'stratum+tcp://127.0.0.1:3333', '--user', 'me', ...words]);

test('the load generator: defaults and every word', () => {
  expect(read()).toMatchObject({
    host: '127.0.0.1',
    port: 3333,
    user: 'me',
    miners: 100,
    seconds: 30,
    sharesPerMinute: 6,
    burst: 0,
    json: false,
    lan: false,
  });
  expect(
    read(
      '--miners',
      '1000',
      '--shares-per-minute',
      '0',
      '--suggest-difficulty',
      '1e-6',
      '--burst',
      '5',
      '--tip-command',
      'true',
      '--tip-every',
      '1.5',
      '--node-log',
      '/x',
      '--json',
      '--lan',
    ),
  ).toMatchObject({
    miners: 1_000,
    sharesPerMinute: 0,
    suggestDifficulty: 1e-6,
    burst: 5,
    tipCommand: 'true',
    tipEvery: 1.5,
    nodeLog: '/x',
    json: true,
    lan: true,
  });
  expect(readStratumArguments(['--help']).help).toBe(true);
});

test.each([
  [['--miners', '5001'], /--miners takes a number from 1 to 5000/],
  [['--miners', '1.5'], /whole number/],
  [['--miners', '-1'], /./],
  [['--seconds', '601'], /--seconds takes a number from 1 to 600/],
  [['--seconds', 'Infinity'], /--seconds/],
  [['--burst', '61'], /--burst/],
  [['--window', '0'], /--window/],
  [['--suggest-difficulty', '0'], /--suggest-difficulty/],
  [['--node-log', '/x'], /--tip-command/],
  [['--anywhere'], /--help/],
  [['more'], /--help/],
])('the load generator refuses %j', (words, message) => {
  expect(() => read(...words)).toThrow(ArgumentError);
  expect(() => read(...words)).toThrow(message);
});

test('the load generator asks for what is missing', () => {
  expect(() => readStratumArguments(['--user', 'me'])).toThrow('--url is missing');
  expect(() => readStratumArguments(['--url', 'localhost:1'])).toThrow('--user is missing');
});

test.each([
  ['stratum+tcp://127.0.0.1:3333', '127.0.0.1', 3333],
  ['localhost:1/', 'localhost', 1],
  ['stratum+tcp://[::1]:65535', '::1', 65_535],
])('an address: %s', (text, host, port) => {
  expect(parseUrl(text)).toEqual({ host, port });
});

test.each(['127.0.0.1', 'stratum+tcp://h:0', 'h:65536', 'http://h:1', 'stratum+ssl://h:1', 'a b:1', ''])(
  'no address: %j',
  (text) => {
    expect(() => parseUrl(text)).toThrow(ArgumentError);
  },
);

test('load goes to this computer, with a word to private addresses, never anywhere else', () => {
  for (const address of ['127.0.0.1', '127.8.9.1', '::1', '::ffff:127.0.0.1']) {
    checkTarget(address, false);
    checkTarget(address, true);
  }
  for (const address of ['10.1.2.3', '172.31.0.1', '192.168.1.5', '169.254.1.1', 'fd12::1', 'fe80::1']) {
    expect(() => checkTarget(address, false)).toThrow('--lan');
    checkTarget(address, true);
  }
  for (const address of [
    '8.8.8.8',
    '172.32.0.1',
    '0.0.0.0',
    '::',
    '2001:db8::1',
    '::ffff:8.8.8.8',
    '224.0.0.1',
    '255.255.255.255',
    'name',
  ]) {
    expect(() => checkTarget(address, false)).toThrow(ArgumentError);
    expect(() => checkTarget(address, true)).toThrow(ArgumentError);
  }
});

test('the bench', () => {
  expect(readBenchArguments([])).toEqual({ help: false, json: false, only: [], rounds: 3 });
  expect(readBenchArguments(['--json', '--only', 'sv1', '--only', 'page', '--rounds', '1'])).toEqual({
    help: false,
    json: true,
    only: ['sv1', 'page'],
    rounds: 1,
  });
  expect(() => readBenchArguments(['--rounds', '10'])).toThrow(ArgumentError);
  expect(() => readBenchArguments(['--fast'])).toThrow(ArgumentError);
});
