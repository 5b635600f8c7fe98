import { readFileSync, readdirSync } from 'node:fs';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { targetOfDifficulty } from '../../src-main/core/bitcoin/target.ts';
import { coinbaseOf } from '../../src-main/core/mining/job.ts';
import { DuplicateSet, checkShare } from '../../src-main/core/mining/share.ts';
import type { Job, ShareOutcome } from '../../src-main/core/mining/types.ts';
import {
  encodeNotify,
  encodeSetDifficulty,
  notifyTemplate,
  parseLine,
} from '../../src-main/core/stratum-v1/messages.ts';
import { Session, encodeOutcome, type SubmittedShare } from '../../src-main/core/stratum-v1/session.ts';
import {
  MODELS,
  MOST_PROVEN_HASHRATE,
  createCpuMiner,
  createSimulatedMiner,
  type PracticeMiner,
  type PracticeShare,
} from '../../src-main/services/practice/index.ts';
import { easyJob } from '../fixtures/stratum-v1-job.ts';

interface Judged {
  readonly share: SubmittedShare;
  readonly outcome: ShareOutcome;
  readonly version: number;
}

/** A gateway in small: the product's own session and share check, jobs and difficulty by hand. */
class TestServer {
  readonly judged: Judged[] = [];
  readonly sessions: Session[] = [];
  readonly lines: string[] = [];
  readonly sockets = new Set<Socket>();
  readonly #server: Server;
  readonly #jobs = new Map<number, Job>();
  readonly #seen = new DuplicateSet();
  readonly #difficulty: number;
  readonly #trusting: boolean;
  #job: Job | undefined;
  #waiting: { readonly done: () => boolean; readonly resolve: () => void }[] = [];
  /** Sent instead of an answer to the first line of a connection. */
  greeting: string | undefined;

  /** @param trusting accepts every share without looking at it. */
  constructor(difficulty: number, trusting = false) {
    this.#difficulty = difficulty;
    this.#trusting = trusting;
    this.#server = createServer((socket) => this.#serve(socket));
  }

  async listen(): Promise<{ host: string; port: number }> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return { host: '127.0.0.1', port: (this.#server.address() as AddressInfo).port };
  }

  #serve(socket: Socket): void {
    // A different extranonce1 for each connection, as a gateway gives.
    const session = new Session({
      extranonce1: Uint8Array.of(0xad, 0x17, 0, this.sessions.length),
      extranonce2Size: 8,
      serverName: 'test',
    });
    this.sessions.push(session);
    this.sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => {
      this.sockets.delete(socket);
      this.#look();
    });
    socket.setEncoding('utf8');
    let rest = '';
    socket.on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        this.lines.push(line);
        if (this.greeting !== undefined) {
          socket.write(this.greeting);
          break;
        }
        this.#answer(socket, session, line);
      }
      this.#look();
    });
  }

  #answer(socket: Socket, session: Session, line: string): void {
    for (const output of session.receive(parseLine(line))) {
      if ('text' in output) socket.write(output.text);
      if (output.kind === 'ready' && this.#job) this.#notify(socket, session, this.#job);
      if (output.kind === 'share')
        socket.write(encodeOutcome(output.share.id, this.#judge(session, output.share)));
    }
  }

  #judge(session: Session, share: SubmittedShare): ShareOutcome {
    const job = this.#jobs.get(share.jobId);
    if (!job) return { kind: 'rejected', reason: 'unknownJob', detail: '' };
    const [version = job.version] = session.versionsOf(job.version, share.versionBits);
    const extranonce = Uint8Array.of(...session.extranonce1, ...share.extranonce2);
    const solution = { jobId: job.id, extranonce, version, ntime: share.ntime, nonce: share.nonce };
    const outcome: ShareOutcome = this.#trusting
      ? { kind: 'valid', hash: new Uint8Array(32), difficulty: share.assignedDifficulty }
      : checkShare(job, solution, {
          assignedTarget: targetOfDifficulty(share.assignedDifficulty),
          current: true,
          seen: this.#seen,
          now: job.time + 60,
        });
    this.judged.push({ share, outcome, version });
    return outcome;
  }

  #notify(socket: Socket, session: Session, job: Job): void {
    const template = notifyTemplate(job);
    socket.write(session.jobSent(template, this.#difficulty) + encodeNotify(template, job.cleanJobs));
  }

  setJob(job: Job): void {
    coinbaseOf(job, new Uint8Array(job.extranonceSize));
    this.#job = job;
    this.#jobs.set(job.id, job);
    for (const socket of this.sockets) {
      const session = this.sessions.at(-1);
      if (session?.ready) this.#notify(socket, session, job);
    }
  }

  setDifficulty(difficulty: number): void {
    for (const socket of this.sockets) socket.write(encodeSetDifficulty(difficulty));
  }

  sharesOf(jobId: number): Judged[] {
    return this.judged.filter(({ share }) => share.jobId === jobId);
  }

  #look(): void {
    this.#waiting = this.#waiting.filter(({ done, resolve }) => {
      if (!done()) return true;
      resolve();
      return false;
    });
  }

  /** Resolves when the condition holds; looked at after every line and every closed connection. */
  until(done: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ done, resolve });
      this.#look();
    });
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }
}

const open: { stop?: () => Promise<void>; close?: () => Promise<void> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).toReversed()) await (each.stop ?? each.close)?.call(each);
});

/** About 4,000 hashes a share: many a second, and none too quick for the checks. */
const EASY = 2 ** -20;

async function server(
  difficulty: number,
  trusting = false,
): Promise<TestServer & { at: { host: string; port: number } }> {
  const made = new TestServer(difficulty, trusting);
  open.push(made);
  const at = await made.listen();
  return Object.assign(made, { at });
}

function cpuMiner(threads: number): PracticeMiner {
  const miner = createCpuMiner({ network: 'regtest', worker: 'practice.cpu', threads });
  open.push(miner);
  return miner;
}

function states(miner: Pick<PracticeMiner, 'onState'>, wanted: string): Promise<string> {
  return new Promise((resolve) => {
    const stop = miner.onState((state, detail) => {
      if (state !== wanted) return;
      stop();
      resolve(detail);
    });
  });
}

function nextShare(miner: Pick<PracticeMiner, 'onShare'>): Promise<PracticeShare> {
  return new Promise((resolve) => {
    const stop = miner.onShare((share) => {
      stop();
      resolve(share);
    });
  });
}

describe('the CPU miner', () => {
  test('finds shares that the product accepts, each its own, and rolls the version', async () => {
    const gateway = await server(EASY);
    gateway.setJob(easyJob({ id: 1 }));
    const miner = cpuMiner(2);
    miner.start(gateway.at);
    await gateway.until(() => gateway.judged.length >= 60);
    expect(gateway.judged.map(({ outcome }) => outcome.kind)).not.toContain('rejected');
    expect(new Set(gateway.judged.map(({ version }) => version)).size).toBeGreaterThan(1);
    expect(gateway.sessions[0]).toMatchObject({
      userAgent: 'adit-cpu/1',
      workers: ['practice.cpu'],
      versionRolling: true,
    });
    const stats = miner.stats();
    expect(stats).toMatchObject({ state: 'working', threads: 2, rejected: 0, lost: 0, difficulty: EASY });
    expect(stats.hasher).toMatch(/^(?:addon|wasm)\/\w/);
  });

  test('keeps its own count of work and answers', async () => {
    const gateway = await server(EASY);
    gateway.setJob(easyJob({ id: 1 }));
    const miner = cpuMiner(1);
    miner.start(gateway.at);
    const { share, reply, difficulty } = await nextShare(miner);
    expect({ reply, difficulty, job: share.jobId }).toEqual({
      reply: { kind: 'accepted' },
      difficulty: EASY,
      job: '1',
    });
    await gateway.until(() => miner.stats().hashes > 0);
    await miner.stop();
    const stats = miner.stats();
    expect(stats.accepted + stats.lost).toBeLessThanOrEqual(gateway.judged.length);
    expect(stats).toMatchObject({ state: 'stopped', threads: 0, hashrate: 0 });
  });

  test('leaves the old job as soon as a clean one comes', async () => {
    const gateway = await server(EASY);
    gateway.setJob(easyJob({ id: 1 }));
    const miner = cpuMiner(1);
    miner.start(gateway.at);
    await gateway.until(() => gateway.judged.length >= 5);
    for (let id = 2; id <= 6; id += 1) {
      gateway.setJob(easyJob({ id, previousHash: new Uint8Array(32).fill(id), cleanJobs: true }));
      await gateway.until(() => gateway.sharesOf(id).length >= 3);
    }
    // One thread: once it has begun the new job, nothing of an older one may follow.
    const order = gateway.judged.map(({ share }) => share.jobId);
    expect(order).toEqual(order.toSorted((a, b) => a - b));
  });

  test('uses a new difficulty from the next job on', async () => {
    const gateway = await server(EASY);
    gateway.setJob(easyJob({ id: 1 }));
    const miner = cpuMiner(1);
    miner.start(gateway.at);
    await gateway.until(() => gateway.judged.length >= 1);
    gateway.setDifficulty(8 * EASY);
    gateway.setJob(easyJob({ id: 2, cleanJobs: true }));
    await gateway.until(() => gateway.sharesOf(2).length >= 5);
    for (const { outcome } of gateway.sharesOf(2)) {
      expect(outcome.kind === 'rejected' ? 0 : outcome.difficulty).toBeGreaterThanOrEqual(8 * EASY);
    }
  });

  test('comes back after the connection is lost, and says why it was', async () => {
    const gateway = await server(EASY);
    gateway.setJob(easyJob({ id: 1 }));
    const miner = cpuMiner(1);
    miner.start(gateway.at);
    await gateway.until(() => gateway.judged.length >= 1);
    const lost = states(miner, 'waiting');
    for (const socket of gateway.sockets) socket.destroy();
    expect(await lost).not.toBe('');
    const before = gateway.judged.length;
    await gateway.until(() => gateway.sessions.length === 2 && gateway.judged.length > before);
    expect(gateway.judged.at(-1)?.outcome.kind).toBe('valid');
  });

  test('changes its threads while it mines, without doing work twice', async () => {
    const gateway = await server(EASY);
    gateway.setJob(easyJob({ id: 1 }));
    const miner = cpuMiner(1);
    miner.start(gateway.at);
    for (const threads of [3, 1, 2]) {
      miner.setThreads(threads);
      const before = gateway.judged.length;
      await gateway.until(() => gateway.judged.length >= before + 20);
      expect(miner.stats().threads).toBe(threads);
    }
    expect(
      gateway.judged.map(({ outcome }) => (outcome.kind === 'rejected' ? outcome.reason : outcome.kind)),
    ).not.toContain('duplicate');
    expect(() => miner.setThreads(257)).toThrow(expect.objectContaining({ code: 'range' }));
  });

  test('stops cleanly and can start again', async () => {
    const gateway = await server(EASY);
    gateway.setJob(easyJob({ id: 1 }));
    const miner = cpuMiner(1);
    miner.start(gateway.at);
    await gateway.until(() => gateway.judged.length >= 1);
    await miner.stop();
    await gateway.until(() => gateway.sockets.size === 0);
    const before = gateway.judged.length;
    miner.start(gateway.at);
    await gateway.until(() => gateway.judged.length > before);
    expect(gateway.sessions).toHaveLength(2);
  });

  test.runIf(process.platform === 'linux')(
    'hashes at the lowest priority, and only its own threads',
    async () => {
      const niceOf = (): number[] =>
        readdirSync('/proc/self/task').map((id) => {
          const fields = readFileSync(`/proc/self/task/${id}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
          return Number(fields[16]);
        });
      const before = niceOf().filter((nice) => nice === 19).length;
      const gateway = await server(EASY);
      gateway.setJob(easyJob({ id: 1 }));
      const miner = cpuMiner(2);
      miner.start(gateway.at);
      await gateway.until(() => gateway.judged.length >= 20);
      // The second thread may start later than the first finds its shares.
      await expect
        .poll(() => niceOf().filter((nice) => nice === 19).length - before, { timeout: 10_000 })
        .toBe(2);
    },
  );

  test.each([
    { name: 'garbage', line: 'HTTP/1.1 400 Bad Request\r\n\r\n', why: 'no JSON' },
    { name: 'a list', line: '[]\n', why: 'no JSON object' },
    { name: 'a line without end', line: 'x'.repeat(600_000), why: 'longer than any job' },
    {
      name: 'a job that is none',
      line: '{"id":null,"method":"mining.notify","params":["1"]}\n',
      why: 'previous hash',
    },
    {
      name: 'a refused subscription',
      line: '{"id":2,"result":null,"error":[20,"full",null]}\n',
      why: 'full',
    },
    { name: 'a refused name', line: '{"id":3,"result":false,"error":null}\n', why: 'worker name' },
  ])('hangs up on a server that sends $name, and says so', async ({ line, why }) => {
    const gateway = await server(EASY);
    gateway.greeting = line;
    const miner = cpuMiner(1);
    const ended = states(miner, 'waiting');
    miner.start(gateway.at);
    expect(await ended).toContain(why);
    expect(miner.stats()).toMatchObject({ state: 'waiting', accepted: 0 });
  });
});

describe('a simulated machine', () => {
  const base = { network: 'regtest', worker: 'practice.toy' } as const;

  test('of few kH/s finds real shares at its own pace', async () => {
    const gateway = await server(EASY);
    gateway.setJob(easyJob({ id: 1 }));
    // 4,096 hashes a share: at 200 kH/s about 50 a second.
    const miner = createSimulatedMiner({ ...base, model: 'nerdMiner', hashrate: 200_000 });
    open.push(miner);
    miner.start(gateway.at);
    await gateway.until(() => miner.stats().hashes > 0 && gateway.judged.length >= 20);
    expect(gateway.judged.every(({ outcome }) => outcome.kind === 'valid')).toBe(true);
    expect(gateway.sessions[0]).toMatchObject({
      userAgent: MODELS.nerdMiner.userAgent,
      versionRolling: false,
    });
    expect(gateway.lines.filter((line) => line.includes('suggest_difficulty'))).toHaveLength(1);
    const { hashes, hashrate } = miner.stats();
    expect(hashes).toBeGreaterThan(10_000);
    expect(hashrate).toBeLessThan(400_000);
  });

  test('of any size sends shares at the rate of its difficulty when nobody checks them', async () => {
    // 200 TH/s at 2,048: one share in 44 ms.
    const gateway = await server(2_048, true);
    gateway.setJob(easyJob({ id: 1 }));
    // A constant draw makes the process regular: -ln(1 - x) = 1 is just the mean.
    const random = (): number => 1 - Math.exp(-1);
    const miner = createSimulatedMiner({ ...base, model: 'antminerS21', shares: 'unproven', random });
    open.push(miner);
    const shares: PracticeShare[] = [];
    miner.onShare((share) => shares.push(share));
    miner.start(gateway.at);
    while (shares.length < 6) await nextShare(miner);
    const [first, last] = [shares[0], shares[5]] as [PracticeShare, PracticeShare];
    expect(first).toMatchObject({ reply: { kind: 'accepted' }, difficulty: 2_048 });
    expect(last.at - first.at).toBeGreaterThan(5 * 40);
    expect(gateway.judged[0]?.share.versionBits).toBeDefined();
    const { hashes, hashrate } = miner.stats();
    expect(hashes).toBeGreaterThan(200e12 * 0.2);
    expect(hashrate / 200e12).toBeCloseTo(1, 1);
  });

  test('that can not be backed by a CPU is refused unless it says it is unproven', () => {
    expect(() => createSimulatedMiner({ ...base, model: 'bitaxeGamma' })).toThrow(
      expect.objectContaining({
        code: 'notBacked',
        message: expect.stringContaining(String(MOST_PROVEN_HASHRATE)),
      }),
    );
    expect(() => createSimulatedMiner({ ...base, model: 'nerdMiner', hashrate: 0 })).toThrow(
      expect.objectContaining({ code: 'range' }),
    );
  });

  test('without proof is refused by a gateway that checks', async () => {
    const gateway = await server(1024);
    gateway.setJob(easyJob({ id: 1 }));
    const miner = createSimulatedMiner({ ...base, model: 'antminerS21', shares: 'unproven' });
    open.push(miner);
    miner.start(gateway.at);
    const { reply } = await nextShare(miner);
    expect(reply).toMatchObject({ kind: 'rejected', code: 23 });
    expect(miner.stats()).toMatchObject({ accepted: 0, hasher: 'simulated' });
  });
});

test('no practice miner works on mainnet', () => {
  const main = { network: 'main', worker: 'practice.cpu' } as const;
  expect(() => createCpuMiner({ ...main, threads: 1 })).toThrow(expect.objectContaining({ code: 'mainnet' }));
  expect(() => createSimulatedMiner({ ...main, model: 'nerdMiner' })).toThrow(
    expect.objectContaining({ code: 'mainnet' }),
  );
});
