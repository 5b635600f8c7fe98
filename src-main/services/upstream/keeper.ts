import * as files from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { blockHash, checkBlockStructure, parseBlock, type Block } from '../../core/bitcoin/block.ts';
import { displayHash } from '../../core/bitcoin/bytes.ts';
import { NETWORKS, type Network } from '../../core/bitcoin/network.ts';
import { difficultyOfHash } from '../../core/bitcoin/target.ts';
import { MAX_BLOCK_WEIGHT, weightOf } from '../../core/bitcoin/transaction.ts';
import type { TemplateSourceKind } from '../../core/mining/types.ts';
import type { Log } from '../log/index.ts';
import type { SubmitResult } from '../templates/index.ts';
import type { ChainLookup } from './lookup.ts';

/** Blocks above it until a block's fate is taken as settled: when its reward can be spent (COINBASE_MATURITY). */
export const FINAL_DEPTH = 100;
/** Waits between two attempts: doubled from the first to the last. */
const RETRY_FIRST_MS = 500;
const RETRY_LAST_MS = 60_000;
/** Between two tries to write a file when the disk is full. */
const SAVE_RETRY_MS = 5_000;
/** How often unsettled blocks are looked at when nothing happens. */
const WATCH_MS = 60_000;
/** Of a machine's name and its own name for itself, in characters. */
const MAX_NAME = 300;
const MAX_SIDECAR_BYTES = 64_000;
const NAME = /^(\d{1,10})-([0-9a-f]{64})\.dat$/;
const PARTIAL = '.tmp';
const DAMAGED = '.damaged';

export interface FoundBlock {
  /** The whole block, BIP144. */
  readonly block: Uint8Array;
  /** Display order. */
  readonly hash: string;
  readonly height: number;
  readonly foundAt: number;
  readonly worker: string;
  readonly userAgent: string;
  /** sat, both. */
  readonly reward: number;
  readonly fees: number;
  /** Reached by the hash. */
  readonly difficulty: number;
  readonly network: Network;
  readonly source: TemplateSourceKind;
  /** Without the coinbase. */
  readonly transactionCount: number;
  readonly weight: number;
}

const recordSchema = z.object({
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  height: z.int().min(0),
  foundAt: z.number(),
  worker: z.string().max(MAX_NAME),
  userAgent: z.string().max(MAX_NAME),
  reward: z.number(),
  fees: z.number(),
  difficulty: z.number(),
  network: z.enum(NETWORKS),
  source: z.enum(['rpc', 'ipc']),
  transactionCount: z.number(),
  weight: z.number(),
  /** As in the API's `BlockRow`. */
  status: z.enum(['sending', 'waiting', 'onChain', 'stale', 'rejected']),
  confirmations: z.number(),
  /** The node's word, or why it is not there yet. */
  reason: z.string().max(1_000).nullable(),
  attempts: z.number(),
  /** Nothing more is done for the block by itself. */
  final: z.boolean(),
});

/** A found block and what became of it. */
export type KeptBlock = Readonly<z.output<typeof recordSchema>> & {
  /** Path of the raw block once it is on disk. */
  readonly file: string | null;
};

export interface KeeperProblem {
  readonly code: 'blockNotSaved' | 'blockFileDamaged' | 'blockFolder';
  readonly message: string;
  readonly advice: string;
}

export type KeeperFs = Pick<
  typeof files,
  'mkdir' | 'open' | 'readFile' | 'readdir' | 'rename' | 'rm' | 'stat'
>;

export interface BlockKeeperOptions {
  /** For the blocks of one network; made when needed. */
  readonly folder: string;
  readonly network: Network;
  /** Must start sending before it returns its promise. */
  readonly submit: (block: Uint8Array) => Promise<SubmitResult>;
  /** Where a block stands on the node's chain; rejects when the node does not answer. */
  readonly lookup: ChainLookup;
  readonly clock: { now(): number };
  readonly log: Log;
  readonly fs?: KeeperFs;
}

export interface BlockKeeper {
  /** Reads the folder and takes up every block whose fate is not settled. Resolves when they are on their way. */
  start(): Promise<void>;
  /** Ends timers and waits for files being written. */
  stop(): Promise<void>;
  /** Sends the block, keeps it, then tells the listeners. Never throws. The same block again changes nothing. */
  found(block: FoundBlock): void;
  /** The node answers (again): what waits is sent at once. */
  onNodeReady(): void;
  /** The tip moved: looks how deep the blocks are. */
  onTip(): void;
  /** Sends a block again on the user's word, whatever became of it. Undefined when it is not known. */
  resubmit(hash: string): Promise<KeptBlock | undefined>;
  raw(hash: string): Promise<Uint8Array | undefined>;
  /** All blocks known, oldest first. */
  blocks(): readonly KeptBlock[];
  /** Called with each new or changed record, after the block is on its way. */
  onChange(listener: (block: KeptBlock) => void): () => void;
  /** `undefined`: the last problem is over. */
  onProblem(listener: (problem: KeeperProblem | undefined) => void): () => void;
}

interface Entry {
  record: KeptBlock;
  /** In memory until the block is on disk. */
  bytes: Uint8Array | undefined;
  /** A submission or a look-up is under way; `again`: another one was asked for meanwhile. */
  busy: boolean;
  again: boolean;
  retry: NodeJS.Timeout | undefined;
  retryMs: number;
  /** The last write in line, and whether the record changed since it began. */
  saving: Promise<void> | undefined;
  dirty: boolean;
}

/**
 * The keeper of found blocks: none may be lost, whatever crashes.
 *
 * A block is first handed to the node and then written to disk, both started in the same turn of the event loop, neither
 * waiting for the other: the node gets it without the delay of a disk, and the file is on its way while the node checks it.
 * What a crash at each moment leaves behind:
 * - before the request has left: nothing yet; no order of the two could be better, this is the time of one system call
 * - after that, before the file has its name: the node has the block. A file that was complete but not yet renamed is
 *   found by `start` and used
 * - after the rename (behind an fsync of the file, and followed by one of the folder): `start` finds the file and sends
 *   the block, unless the small file beside it says that its fate is settled
 * A block sent twice does no harm: the node answers "duplicate", and its chain is asked what became of it.
 */
export function createBlockKeeper(options: BlockKeeperOptions): BlockKeeper {
  return new Keeper(options);
}

class Keeper implements BlockKeeper {
  readonly #options: BlockKeeperOptions;
  readonly #fs: KeeperFs;
  readonly #entries = new Map<string, Entry>();
  readonly #changeListeners = new Set<(block: KeptBlock) => void>();
  readonly #problemListeners = new Set<(problem: KeeperProblem | undefined) => void>();
  readonly #unsaved = new Set<string>();
  #stop = new AbortController();
  #watch: NodeJS.Timeout | undefined;

  constructor(options: BlockKeeperOptions) {
    this.#options = options;
    this.#fs = options.fs ?? files;
  }

  async start(): Promise<void> {
    this.#stop = new AbortController();
    clearInterval(this.#watch);
    this.#watch = setInterval(() => this.onTip(), WATCH_MS).unref();
    const { folder, log } = this.#options;
    let names: string[];
    try {
      names = await this.#fs.readdir(folder);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      log.error('the folder of found blocks can not be read', { folder, reason: String(error) });
      this.#report({
        code: 'blockFolder',
        message: `The folder of found blocks can't be read (${String(error)}).`,
        advice: `Make ${folder} readable and restart Adit.`,
      });
      return;
    }
    for (const name of names) {
      if (!name.endsWith(`.dat${PARTIAL}`)) continue;
      const whole = await this.#rescue(name, names);
      if (whole !== undefined) names.push(whole);
    }
    for (const name of names) {
      const hash = NAME.exec(name)?.[2];
      if (hash !== undefined && !this.#entries.has(hash)) await this.#load(name, hash);
    }
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    clearInterval(this.#watch);
    for (const entry of this.#entries.values()) clearTimeout(entry.retry);
    for (const entry of this.#entries.values()) await entry.saving;
  }

  found({ block, ...facts }: FoundBlock): void {
    if (this.#entries.has(facts.hash)) {
      this.#options.log.warn('the same block was found again', { hash: facts.hash });
      return;
    }
    const worker = facts.worker.slice(0, MAX_NAME);
    const userAgent = facts.userAgent.slice(0, MAX_NAME);
    const record = {
      ...facts,
      worker,
      userAgent,
      status: 'sending',
      confirmations: 0,
      reason: null,
      attempts: 0,
      final: false,
      file: null,
    } as const;
    const entry = this.#enter(record, block);
    void this.#send(entry);
    this.#save(entry);
    this.#options.log.info('block found', { hash: facts.hash, height: facts.height, worker: facts.worker });
    this.#tell(entry);
  }

  onNodeReady(): void {
    for (const entry of this.#entries.values()) if (!entry.record.final) this.#attend(entry);
  }

  onTip(): void {
    for (const entry of this.#entries.values()) {
      if (entry.record.final || entry.busy) continue;
      this.#attend(entry);
    }
  }

  async resubmit(hash: string): Promise<KeptBlock | undefined> {
    const entry = this.#entries.get(hash);
    if (entry === undefined || entry.busy) return entry?.record;
    this.#change(entry, { final: false, status: 'sending', reason: null });
    await this.#send(entry);
    return entry.record;
  }

  async raw(hash: string): Promise<Uint8Array | undefined> {
    const entry = this.#entries.get(hash);
    return entry === undefined ? undefined : this.#bytesOf(entry);
  }

  blocks(): readonly KeptBlock[] {
    return [...this.#entries.values()].map(({ record }) => record).sort((a, b) => a.foundAt - b.foundAt);
  }

  onChange(listener: (block: KeptBlock) => void): () => void {
    this.#changeListeners.add(listener);
    return () => this.#changeListeners.delete(listener);
  }

  onProblem(listener: (problem: KeeperProblem | undefined) => void): () => void {
    this.#problemListeners.add(listener);
    return () => this.#problemListeners.delete(listener);
  }

  #enter(record: KeptBlock, bytes: Uint8Array | undefined): Entry {
    const entry: Entry = {
      record,
      bytes,
      busy: false,
      again: false,
      retry: undefined,
      retryMs: RETRY_FIRST_MS,
      saving: undefined,
      dirty: false,
    };
    this.#entries.set(record.hash, entry);
    return entry;
  }

  /** The next step for a block whose fate is open. */
  #attend(entry: Entry): void {
    if (this.#stop.signal.aborted) return;
    clearTimeout(entry.retry);
    if (entry.busy) {
      entry.again = true;
      return;
    }
    void (entry.record.status === 'onChain' || entry.record.status === 'stale'
      ? this.#check(entry)
      : this.#send(entry));
  }

  /** Hands the block to the node. Calls `submit` before it first yields when the block is in memory. */
  async #send(entry: Entry): Promise<void> {
    clearTimeout(entry.retry);
    entry.busy = true;
    entry.again = false;
    entry.record = { ...entry.record, attempts: entry.record.attempts + 1 };
    let result: SubmitResult;
    try {
      result = await this.#options.submit(entry.bytes ?? (await this.#read(entry)));
    } catch (error) {
      result = { kind: 'unreachable', reason: error instanceof Error ? error.message : String(error) };
    }
    this.#options.log.info('answer to a submitted block', { hash: entry.record.hash, ...result });
    switch (result.kind) {
      case 'accepted':
        if (result.already) await this.#look(entry);
        else this.#change(entry, { status: 'onChain', confirmations: 1, reason: null });
        break;
      case 'inconclusive':
        this.#change(entry, { status: 'stale', reason: 'the node keeps it, but another block came first' });
        break;
      case 'rejected':
        this.#change(entry, { status: 'rejected', reason: result.reason, final: true });
        break;
      case 'unreachable':
        this.#change(entry, { status: 'waiting', reason: result.reason });
        // A node that answers but can't take the block may have gone on without it for good.
        if (entry.record.attempts > 1) await this.#look(entry);
        break;
    }
    this.#rest(entry);
  }

  async #check(entry: Entry): Promise<void> {
    entry.busy = true;
    entry.again = false;
    await this.#look(entry);
    if (entry.record.status === 'sending') await this.#send(entry);
    else this.#rest(entry);
  }

  /** Asks the chain where the block stands and writes it down. Leaves the record as it is when the node does not answer. */
  async #look(entry: Entry): Promise<void> {
    const { record } = entry;
    let found: Awaited<ReturnType<ChainLookup>>;
    try {
      found = await this.#options.lookup(record.hash);
    } catch (error) {
      this.#options.log.debug('a found block could not be looked up', {
        hash: record.hash,
        reason: String(error),
      });
      return;
    }
    const buried = found.tipHeight >= record.height + FINAL_DEPTH;
    if (found.kind === 'known' && found.confirmations > 0) {
      const { confirmations } = found;
      this.#change(entry, {
        status: 'onChain',
        confirmations,
        reason: null,
        final: confirmations > FINAL_DEPTH,
      });
    } else if (found.kind === 'known') {
      this.#change(entry, {
        status: 'stale',
        confirmations: 0,
        reason: 'another block is in its place',
        final: buried,
      });
    } else if (buried) {
      this.#change(entry, {
        status: 'stale',
        confirmations: 0,
        reason: 'the chain went on without it',
        final: true,
      });
    } else if (record.status === 'onChain' || record.status === 'stale') {
      // The node had it and does not know it any more: its chain was restored or built anew.
      this.#change(entry, { status: 'sending', confirmations: 0, reason: null });
    }
  }

  /** After an attempt: another one at once, later, or none. */
  #rest(entry: Entry): void {
    entry.busy = false;
    this.#release(entry);
    const { status, final } = entry.record;
    if (this.#stop.signal.aborted || final) return;
    if (entry.again) {
      this.#attend(entry);
    } else if (status === 'waiting' || status === 'sending') {
      entry.retry = setTimeout(() => this.#attend(entry), entry.retryMs);
      entry.retryMs = Math.min(entry.retryMs * 2, RETRY_LAST_MS);
    } else {
      entry.retryMs = RETRY_FIRST_MS;
    }
  }

  #change(entry: Entry, change: Partial<KeptBlock>): void {
    const before = JSON.stringify(entry.record);
    entry.record = { ...entry.record, ...change };
    if (JSON.stringify(entry.record) === before) return;
    this.#save(entry);
    this.#tell(entry);
  }

  /** Writes the block if it is not on disk yet, and its record. One write at a time per block; the last state wins. */
  #save(entry: Entry): void {
    entry.dirty = true;
    entry.saving ??= this.#saveUntilDone(entry).finally(() => {
      entry.saving = undefined;
    });
  }

  async #saveUntilDone(entry: Entry): Promise<void> {
    const { folder, log } = this.#options;
    const name = `${entry.record.height}-${entry.record.hash}`;
    while (entry.dirty) {
      try {
        if (entry.record.file === null && entry.bytes !== undefined) {
          await this.#fs.mkdir(folder, { recursive: true, mode: 0o700 });
          await this.#write(`${name}.dat`, entry.bytes);
          entry.record = { ...entry.record, file: join(folder, `${name}.dat`) };
          this.#tell(entry);
        }
        entry.dirty = false;
        const { file: _, ...record } = entry.record;
        await this.#write(`${name}.json`, Buffer.from(JSON.stringify(record)));
        if (this.#unsaved.delete(entry.record.hash) && this.#unsaved.size === 0) this.#report(undefined);
      } catch (error) {
        entry.dirty = true;
        const first = !this.#unsaved.has(entry.record.hash);
        this.#unsaved.add(entry.record.hash);
        if (first) {
          log.error('a found block could not be written to disk', {
            hash: entry.record.hash,
            reason: String(error),
          });
          this.#report({
            code: 'blockNotSaved',
            message: `Block ${entry.record.hash} was found but could not be written to disk (${String(error)}). It is kept in memory and sent to the node all the same.`,
            advice: `Make room on the disk of ${folder}, and leave Adit running until this message is gone.`,
          });
        }
        await pause(SAVE_RETRY_MS, this.#stop.signal);
        if (this.#stop.signal.aborted) return;
      }
    }
    this.#release(entry);
  }

  /** From here on a block on disk is read from its file when it is needed. */
  #release(entry: Entry): void {
    if (!entry.busy && entry.record.file !== null) entry.bytes = undefined;
  }

  /** Temporary file, fsync, rename, fsync of the folder: after it, a file of this name is whole, also after a power cut. */
  async #write(name: string, bytes: Uint8Array): Promise<void> {
    const path = join(this.#options.folder, name);
    const handle = await this.#fs.open(`${path}${PARTIAL}`, 'w', 0o600);
    try {
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await this.#fs.rename(`${path}${PARTIAL}`, path);
    await this.#syncFolder();
  }

  async #syncFolder(): Promise<void> {
    // Windows has no fsync of folders; NTFS journals the rename.
    if (process.platform === 'win32') return;
    const folder = await this.#fs.open(this.#options.folder, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }

  /** A block file that a crash left before its rename: whole, it gets its name, which is returned; else it goes. */
  async #rescue(partial: string, names: readonly string[]): Promise<string | undefined> {
    const { folder, log } = this.#options;
    const name = partial.slice(0, -PARTIAL.length);
    const hash = NAME.exec(name)?.[2];
    if (hash === undefined || this.#entries.has(hash)) return undefined;
    try {
      if (
        !names.includes(name) &&
        readBlock(await this.#readBounded(join(folder, partial), MAX_BLOCK_WEIGHT), hash).ok
      ) {
        await this.#fs.rename(join(folder, partial), join(folder, name));
        await this.#syncFolder();
        log.warn('a found block was rescued from an unfinished file', { name });
        return name;
      }
      // The rest of a write that had only begun, when the block was on its way to the node.
      await this.#fs.rm(join(folder, partial), { force: true });
    } catch (error) {
      log.error('an unfinished block file can not be used', { name: partial, reason: String(error) });
    }
    return undefined;
  }

  async #load(name: string, hash: string): Promise<void> {
    const { folder, network, log } = this.#options;
    const path = join(folder, name);
    const height = Number(NAME.exec(name)?.[1]);
    const known = await this.#readSidecar(path.replace(/\.dat$/, '.json'), hash, height);
    if (known !== undefined && known.network !== network) {
      log.warn('a block of another network lies in this folder; it is left alone', {
        name,
        network: known.network,
      });
      return;
    }
    if (known?.final === true) {
      this.#enter({ ...known, file: path }, undefined);
      return;
    }
    let bytes: Uint8Array | undefined;
    let read: ReadBlock;
    try {
      bytes = await this.#readBounded(path, MAX_BLOCK_WEIGHT);
      read = readBlock(bytes, hash);
    } catch (error) {
      if (!(error instanceof RangeError)) {
        // The file may be as it should: nothing is done to it.
        this.#damaged(name, String(error), 'It was left where it is.');
        return;
      }
      read = { ok: false, reason: error.message };
    }
    if (!read.ok) {
      this.#damaged(name, read.reason, `It was set aside as ${name}${DAMAGED}.`);
      await this.#fs.rename(path, `${path}${DAMAGED}`).catch((error: unknown) => {
        log.error('a damaged block file could not be set aside', { name, reason: String(error) });
      });
      return;
    }
    const record = known ?? recordOf(read.block, hash, height, network, this.#options.clock.now());
    const entry = this.#enter({ ...record, file: path }, bytes);
    log.info('a found block is taken up again', { hash, status: record.status });
    this.#tell(entry);
    void (record.status === 'onChain' ? this.#check(entry) : this.#send(entry));
  }

  async #readSidecar(
    path: string,
    hash: string,
    height: number,
  ): Promise<z.output<typeof recordSchema> | undefined> {
    try {
      const parsed = recordSchema.safeParse(
        JSON.parse(Buffer.from(await this.#readBounded(path, MAX_SIDECAR_BYTES)).toString('utf8')),
      );
      if (parsed.success && parsed.data.hash === hash && parsed.data.height === height) return parsed.data;
      this.#options.log.warn('the record of a found block makes no sense; the block itself is used', {
        path,
      });
    } catch (error) {
      this.#options.log.warn('the record of a found block can not be read; the block itself is used', {
        path,
        reason: String(error),
      });
    }
    return undefined;
  }

  async #readBounded(path: string, limit: number): Promise<Uint8Array> {
    const { size } = await this.#fs.stat(path);
    if (size > limit) throw new RangeError(`${path} has ${size} bytes, more than the ${limit} it can have`);
    return this.#fs.readFile(path);
  }

  async #read(entry: Entry): Promise<Uint8Array> {
    const bytes = await this.#bytesOf(entry);
    if (bytes === undefined) throw new Error('the file of the block is gone');
    return bytes;
  }

  async #bytesOf({ bytes, record }: Entry): Promise<Uint8Array | undefined> {
    if (bytes !== undefined || record.file === null) return bytes;
    try {
      return await this.#readBounded(record.file, MAX_BLOCK_WEIGHT);
    } catch (error) {
      this.#options.log.error('the file of a found block can not be read', {
        file: record.file,
        reason: String(error),
      });
      return undefined;
    }
  }

  #damaged(name: string, reason: string, done: string): void {
    this.#options.log.error('the file of a found block can not be used', { name, reason });
    this.#report({
      code: 'blockFileDamaged',
      message: `The file ${name} of a found block can't be used: ${reason}. ${done}`,
      advice:
        'Check the disk. If the block is not on the chain, put a copy of the file from a backup in its place and restart Adit.',
    });
  }

  #tell({ record }: Entry): void {
    for (const listener of this.#changeListeners) this.#guard(() => listener(record));
  }

  #report(problem: KeeperProblem | undefined): void {
    for (const listener of this.#problemListeners) this.#guard(() => listener(problem));
  }

  #guard(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#options.log.error('a listener of the block keeper failed', { reason: String(error) });
    }
  }
}

/** Waits, but not beyond the signal's end. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
    if (signal.aborted) done();
  });
}

type ReadBlock =
  { readonly ok: true; readonly block: Block } | { readonly ok: false; readonly reason: string };

/** Parses a block file and proves that it is the block its name says, whole. */
function readBlock(bytes: Uint8Array, hash: string): ReadBlock {
  try {
    const block = parseBlock(bytes);
    if (displayHash(blockHash(block.header)) !== hash) return { ok: false, reason: 'it holds another block' };
    const structure = checkBlockStructure(block);
    return structure.ok ? { ok: true, block } : { ok: false, reason: structure.reason };
  } catch (error) {
    return { ok: false, reason: error instanceof Error ? error.message : String(error) };
  }
}

/** What can be told of a block whose record is lost. Fees are unknown without the coins its transactions spent. */
function recordOf(
  block: Block,
  hash: string,
  height: number,
  network: Network,
  now: number,
): z.output<typeof recordSchema> {
  const [coinbase, ...rest] = block.transactions;
  return {
    hash,
    height,
    foundAt: Math.min(block.header.time * 1_000, now),
    worker: '',
    userAgent: '',
    reward: coinbase?.outputs.reduce((sum, { value }) => sum + value, 0) ?? 0,
    fees: 0,
    difficulty: difficultyOfHash(blockHash(block.header)),
    network,
    source: 'rpc',
    transactionCount: rest.length,
    weight: block.transactions.reduce((sum, transaction) => sum + weightOf(transaction), 4 * 81),
    status: 'sending',
    confirmations: 0,
    reason: null,
    attempts: 0,
    final: false,
  };
}
