import { describe, expect, it } from 'vitest';
import { ArgumentError, HELP, readArguments } from '../../src-main/headless/arguments.ts';

describe('the command line', () => {
  it('has safe defaults: this computer only, nothing fixed', () => {
    expect(readArguments([])).toMatchObject({
      practice: false,
      listen: '127.0.0.1',
      port: 7337,
      network: undefined,
      exposure: undefined,
      sv1Port: undefined,
      sv2Port: undefined,
      payout: undefined,
      page: true,
      blocks: 0,
    });
  });

  it('reads what the help names', () => {
    const words =
      '--data /d --node /n --network signet --payout tb1 --listen ::1 --port 0 --miners lan --sv1-port 3334 --sv2-port 3335 --allow-host nas.local --no-page --log-level debug';
    expect(readArguments(words.split(' '))).toMatchObject({
      data: '/d',
      node: '/n',
      network: 'signet',
      payout: 'tb1',
      listen: '::1',
      port: 0,
      exposure: 'lan',
      sv1Port: 3334,
      sv2Port: 3335,
      allowedHosts: ['nas.local'],
      page: false,
      logLevel: 'debug',
    });
    for (const word of words.split(' ').filter((w) => w.startsWith('--'))) expect(HELP).toContain(word);
  });

  it('takes free ports in practice, so that it never meets a real Adit', () => {
    expect(readArguments(['--practice', '--blocks', '3', '--threads', '2'])).toMatchObject({
      practice: true,
      blocks: 3,
      threads: 2,
      port: 0,
      sv1Port: 0,
      sv2Port: 0,
    });
  });

  it('reads simulated machines', () => {
    expect(
      readArguments(['--practice', '--simulate', 'nerdMiner', '--simulate', 'nmMiner=500000']).simulate,
    ).toEqual([
      { model: 'nerdMiner', hashrate: 78_000 },
      { model: 'nmMiner', hashrate: 500_000 },
    ]);
  });

  it.each([
    [['--network', 'moon'], /main, testnet4, signet, regtest/],
    [['--port', '70000'], /0 to 65535/],
    [['--port', '80x'], /whole number/],
    [['--bogus'], /--help/],
    [['word'], /--help/],
    [['--blocks', '3'], /practice/],
    [['--practice', '--network', 'main'], /own regtest chain/],
    [['--simulate', 'nerdMiner'], /practice/],
    [['--practice', '--simulate', 'antminerS21'], /hashrate from 1 to 2000000/],
    [['--practice', '--simulate', 'toaster'], /one of/],
  ])('%j is refused in words', (words, message) => {
    expect(() => readArguments(words)).toThrow(ArgumentError);
    expect(() => readArguments(words)).toThrow(message);
  });
});
