import { bytesToHex, parseHash } from '../../core/bitcoin/bytes.ts';
import { merklePath } from '../../core/bitcoin/merkle.ts';
import type { Network } from '../../core/bitcoin/network.ts';
import { heightPush } from '../../core/mining/coinbase.ts';
import type { Template } from '../../core/mining/types.ts';
import type { Log } from '../log/index.ts';
import type { NodeRpc } from '../node/index.ts';
import { HeldTemplates } from './held.ts';
import { submitFailureOf, submitResultOf, troubleOf } from './outcome.ts';
import { TemplateReplyError, checkReply, type Reply } from './reply.ts';
import type { BlockSolution, SourceState, SubmitResult, TemplateSource } from './types.ts';

/**
 * The node ends a long poll by itself when the tip moves. We must not end it earlier: the node would go on waiting on one
 * of its few RPC threads for every poll we gave up, until none is left.
 */
const LONG_POLL_MS = 24 * 3_600_000;
const CALL_MS = 30_000;
const SUBMIT_MS = 120_000;
/** How long without an answer until a node counts as hanging. */
const LIGHT_CALL_MS = 10_000;
/** Replies to a long poll on the same tip come a minute apart; a node that answers at once has not understood the question. */
const LONG_POLL_LEAST_MS = 1_000;
/** An unchanged template is passed on again after this long, for its time. */
const FRESH_MS = 60_000;
/** Verifying takes the CPU for some milliseconds: it waits until the new job is with the machines. */
const VERIFY_AFTER_MS = 250;
const TRIVIAL_CHALLENGE = '51';

export interface RpcTemplateSourceOptions {
  readonly rpc: NodeRpc;
  readonly network: Network;
  readonly clock: { now(): number };
  readonly log: Log;
  /** How often to look for better fees between long polls, in ms. Default 30 s. */
  readonly refreshMs?: number;
}

/** Ids are unique for the process, whatever sources come and go. */
let lastId = 0;

type Taken = 'passedOn' | 'unchanged' | 'outrun';

/**
 * Templates over JSON-RPC. `getblocktemplate` with a long poll id brings the template of a new tip in the same moment as
 * the tip: on a regtest node it arrived 0.4 ms after the reply to `submitblock`, before `waitfornewblock` and a plain
 * request together, so there is no second watcher of the tip. Core looks for new transactions in a long poll only after
 * a minute, so fees are looked for beside it: a light question every `refreshMs`, a template only when the mempool changed.
 */
export function createRpcTemplateSource(options: RpcTemplateSourceOptions): TemplateSource {
  return new RpcTemplateSource(options);
}

class RpcTemplateSource implements TemplateSource {
  readonly kind = 'rpc';
  readonly #rpc: NodeRpc;
  readonly #network: Network;
  readonly #clock: { now(): number };
  readonly #log: Log;
  readonly #refreshMs: number;
  readonly #rules: readonly string[];
  readonly #held = new HeldTemplates();
  readonly #templateListeners = new Set<(template: Template) => void>();
  readonly #stateListeners = new Set<(state: SourceState) => void>();
  #state: SourceState = { kind: 'stopped' };
  #current: Template | undefined;
  /** Of the last good reply. */
  #last: { readonly previousHash: string; readonly longpollId: string; readonly work: string } | undefined;
  /** Counts templates passed on; says whether one came while a request was under way. */
  #serial = 0;
  #stop: AbortController | undefined;
  #running: Promise<unknown> = Promise.resolve();
  #poll = new AbortController();
  /** Ends the pause before the next attempt. */
  #wake: () => void = () => {};
  #refreshing: Promise<void> | undefined;
  #refreshQueued: Promise<void> | undefined;
  #tendTimer: NodeJS.Timeout | undefined;
  #mempool = '';
  #strayTip = '';
  /** Set once the node gave a template that was wrong in itself: from then on each is verified before it is passed on. */
  #distrust = false;

  constructor({ rpc, network, clock, log, refreshMs = 30_000 }: RpcTemplateSourceOptions) {
    this.#rpc = rpc;
    this.#network = network;
    this.#clock = clock;
    this.#log = log;
    this.#refreshMs = refreshMs;
    this.#rules = network === 'signet' ? ['segwit', 'signet'] : ['segwit'];
  }

  start(): void {
    if (this.#stop !== undefined) return;
    const stop = new AbortController();
    this.#stop = stop;
    this.#setState({ kind: 'waiting', reason: 'Waiting for the first block template.' });
    this.#running = this.#follow(stop.signal);
    this.#scheduleTend();
  }

  async stop(): Promise<void> {
    this.#stop?.abort();
    this.#stop = undefined;
    this.#poll.abort();
    this.#wake();
    clearTimeout(this.#tendTimer);
    await this.#running;
    // The templates stay: a share on its way when mining stopped may still be a block.
    this.#setState({ kind: 'stopped' });
  }

  state(): SourceState {
    return this.#state;
  }

  current(): Template | undefined {
    return this.#current;
  }

  onTemplate(listener: (template: Template) => void): () => void {
    this.#templateListeners.add(listener);
    return () => this.#templateListeners.delete(listener);
  }

  onState(listener: (state: SourceState) => void): () => void {
    this.#stateListeners.add(listener);
    return () => this.#stateListeners.delete(listener);
  }

  refresh(): Promise<void> {
    if (this.#refreshing === undefined) {
      this.#refreshing = this.#ask(true).finally(() => {
        this.#refreshing = undefined;
      });
      return this.#refreshing;
    }
    // The request under way may have been answered before the edit that asks for this one.
    this.#refreshQueued ??= this.#refreshing.then(() => {
      this.#refreshQueued = undefined;
      return this.refresh();
    });
    return this.#refreshQueued;
  }

  // oxlint-disable-next-line typescript/require-await -- other sources have to ask the node
  async transactions(templateId: string): ReturnType<TemplateSource['transactions']> {
    return this.#held.transactions(templateId);
  }

  assemble(solution: BlockSolution): Uint8Array | undefined {
    return this.#held.assemble(solution);
  }

  async submit(block: Uint8Array): Promise<SubmitResult> {
    try {
      return submitResultOf(
        await this.#rpc.call('submitblock', [bytesToHex(block)], { timeoutMs: SUBMIT_MS }),
      );
    } catch (error) {
      return submitFailureOf(error);
    }
  }

  /** @throws RpcError | RpcUnreachable when there was no verdict */
  async propose(
    block: Uint8Array,
  ): Promise<{ readonly valid: boolean; readonly reason: string | undefined }> {
    const request = { mode: 'proposal', data: bytesToHex(block), rules: this.#rules };
    const answer = await this.#rpc.call('getblocktemplate', [request], { timeoutMs: SUBMIT_MS });
    if (answer === null) return { valid: true, reason: undefined };
    return {
      valid: false,
      reason: typeof answer === 'string' ? answer.slice(0, 200) : 'the answer of the node makes no sense',
    };
  }

  /** The long poll: asks, passes on, asks again, for as long as the source runs. Pauses only after a failure. */
  async #follow(stop: AbortSignal): Promise<void> {
    let longpollid: string | undefined;
    while (!stop.aborted) {
      this.#poll = new AbortController();
      const serial = this.#serial;
      const askedAt = performance.now();
      try {
        const raw = await this.#rpc.call('getblocktemplate', [{ rules: this.#rules, longpollid }], {
          timeoutMs: longpollid === undefined ? CALL_MS : LONG_POLL_MS,
          signal: AbortSignal.any([stop, this.#poll.signal]),
        });
        if (stop.aborted) return;
        const polled = longpollid !== undefined;
        const taken = this.#take(raw, serial, false);
        // A reply that another one outran says nothing about the tip now: ask without waiting.
        longpollid = taken === 'outrun' ? undefined : this.#last?.longpollId;
        if (taken === 'unchanged' && polled && performance.now() - askedAt < LONG_POLL_LEAST_MS) {
          await this.#pause(LONG_POLL_LEAST_MS);
        }
      } catch (error) {
        if (stop.aborted) return;
        longpollid = undefined;
        if (this.#poll.signal.aborted) continue;
        await this.#pause(this.#troubled(error));
      }
    }
  }

  /** One plain request. `force` passes the template on even when nothing in it changed. Never rejects. */
  async #ask(force: boolean): Promise<void> {
    const stop = this.#stop?.signal;
    if (stop === undefined) return;
    // Whoever asks knows something: a source that waits for the node tries again now.
    this.#wake();
    const serial = this.#serial;
    try {
      const raw = await this.#rpc.call('getblocktemplate', [{ rules: this.#rules }], {
        timeoutMs: CALL_MS,
        signal: stop,
      });
      if (!stop.aborted) this.#take(raw, serial, force);
    } catch (error) {
      if (!stop.aborted) this.#troubled(error);
    }
  }

  #scheduleTend(): void {
    clearTimeout(this.#tendTimer);
    this.#tendTimer = setTimeout(() => {
      void this.#tend().finally(() => {
        if (this.#stop !== undefined) this.#scheduleTend();
      });
    }, this.#refreshMs).unref();
  }

  /** Looks for better fees, and sees to it that the long poll is alive. */
  async #tend(): Promise<void> {
    const stop = this.#stop?.signal;
    if (stop === undefined || this.#current === undefined) return;
    let best: unknown;
    let mempool: string;
    try {
      const light = { timeoutMs: LIGHT_CALL_MS, signal: stop };
      const [hash, info] = await Promise.all([
        this.#rpc.call('getbestblockhash', [], light),
        this.#rpc.call('getmempoolinfo', [], light),
      ]);
      best = hash;
      const { size, bytes, total_fee: fee } = Object(info) as Record<string, unknown>;
      mempool = `${String(size)} ${String(bytes)} ${String(fee)}`;
    } catch (error) {
      if (!stop.aborted) this.#troubled(error);
      return;
    }
    if (stop.aborted) return;
    if (this.#state.kind === 'waiting') this.#wake();
    if (best !== this.#last?.previousHash) {
      // The long poll brings a new tip within milliseconds. One that has not in a whole round is dead.
      if (this.#strayTip === best) this.#poll.abort();
      this.#strayTip = String(best);
      return;
    }
    this.#strayTip = '';
    if (this.#state.kind === 'waiting') this.#setState({ kind: 'running' });
    const age = this.#clock.now() - (this.#current?.receivedAt ?? 0);
    if (mempool !== this.#mempool || age >= FRESH_MS) {
      this.#mempool = mempool;
      await this.#ask(false);
    }
  }

  /** Checks a reply and passes it on if it brings something. `serial`: that of the last template when it was asked for. */
  #take(raw: unknown, serial: number, force: boolean): Taken {
    const receivedAt = this.#clock.now();
    const reply = checkReply(raw, this.#network);
    if (reply.signetChallenge !== undefined && reply.signetChallenge !== TRIVIAL_CHALLENGE) {
      throw new TemplateReplyError(
        'every block of this signet needs a signature of those who run it',
        'Nobody else can mine on it. Choose testnet4 to mine with coins that cost nothing.',
      );
    }
    const previous = this.#last;
    const next = { previousHash: reply.previousHash, longpollId: reply.longpollId, work: workOf(reply) };
    const newTip = previous?.previousHash !== next.previousHash;
    // Two requests can be under way at once. If one brought a tip while the other was answered, which is the later can't
    // be told from the replies: the one passed on stands, and whoever sees this asks again.
    if (newTip && previous !== undefined && serial !== this.#serial) return 'outrun';
    const fresh = this.#current !== undefined && receivedAt - this.#current.receivedAt < FRESH_MS;
    if (fresh && !force && previous?.work === next.work) {
      this.#last = next;
      this.#setState({ kind: 'running' });
      return 'unchanged';
    }
    const template = templateOf(reply, newTip, receivedAt);
    this.#held.add(template, reply);
    if (this.#distrust) {
      const wrong = this.#held.verifyNow(template.id);
      if (wrong !== undefined) {
        this.#held.remove(template.id);
        throw new TemplateReplyError(wrong);
      }
    }
    this.#last = next;
    this.#current = template;
    this.#serial += 1;
    this.#setState({ kind: 'running' });
    this.#tell(this.#templateListeners, template);
    if (!this.#distrust) setTimeout(() => void this.#verify(template), VERIFY_AFTER_MS).unref();
    return 'passedOn';
  }

  /** Withdraws a template whose ids or commitment are not those of its transactions: no block on it could be valid. */
  async #verify(template: Template): Promise<void> {
    const wrong = await this.#held.verify(template.id);
    if (wrong === undefined) return;
    this.#log.error('the node gave a wrong template', {
      template: template.id,
      height: template.height,
      reason: wrong,
    });
    this.#distrust = true;
    if (this.#current !== template) return;
    this.#current = undefined;
    this.#last = undefined;
    this.#setState(troubleOf(new TemplateReplyError(wrong)).state);
    this.#poll.abort();
  }

  #troubled(error: unknown): number {
    const { state, retryMs } = troubleOf(error);
    if (this.#setState(state))
      this.#log.warn('no block template', { reason: 'reason' in state ? state.reason : '' });
    return retryMs;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #setState(state: SourceState): boolean {
    if (JSON.stringify(state) === JSON.stringify(this.#state)) return false;
    this.#state = state;
    this.#tell(this.#stateListeners, state);
    return true;
  }

  #tell<T>(listeners: ReadonlySet<(value: T) => void>, value: T): void {
    for (const listener of listeners) {
      try {
        listener(value);
      } catch (error) {
        this.#log.error('a listener of the template source failed', { reason: String(error) });
      }
    }
  }
}

/** The same for two replies when jobs made from them would differ by their time only. The commitment stands for all transactions. */
function workOf(reply: Reply): string {
  const { previousHash, bits, version, coinbaseValue, minTime, auxiliary, commitment, transactions } = reply;
  const content = commitment?.toString('hex') ?? transactions.map(({ txid }) => txid).join();
  return [previousHash, bits, version, coinbaseValue, minTime, auxiliary.toString('hex'), content].join(' ');
}

function templateOf(reply: Reply, newTip: boolean, receivedAt: number): Template {
  lastId += 1;
  const { commitment } = reply;
  return {
    id: `rpc-${lastId}`,
    source: 'rpc',
    height: reply.height,
    previousHash: parseHash(reply.previousHash),
    version: reply.version,
    bits: reply.bits,
    target: reply.target,
    time: reply.time,
    minTime: reply.minTime,
    coinbaseValue: reply.coinbaseValue,
    fees: reply.fees,
    scriptSigPrefix: Uint8Array.from([...heightPush(reply.height), ...reply.auxiliary]),
    // getblocktemplate leaves these to the miner. As Core's own coinbase since v30: lock time one below the height makes
    // every coinbase unique (BIP54), and counts only with a sequence below the final one.
    coinbaseVersion: 2,
    coinbaseSequence: 0xffff_fffe,
    coinbaseLockTime: reply.height - 1,
    requiredOutputs: commitment === undefined ? [] : [{ value: 0, script: Uint8Array.from(commitment) }],
    witnessReserved: commitment === undefined ? undefined : new Uint8Array(32),
    merklePath: merklePath(reply.transactions.map(({ txid }) => parseHash(txid))),
    transactionCount: reply.transactions.length,
    weight: reply.weight,
    sigops: reply.sigops,
    newTip,
    receivedAt,
  };
}
