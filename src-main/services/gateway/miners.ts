import { createHash } from 'node:crypto';
import type { MinerView } from './types.ts';

/** Machines kept in mind, those that are gone included. A peer that makes up names can't fill the memory. */
const MAX_RECORDS = 8_192;

/** What a machine looks like through one of its connections. */
export interface MinerLink {
  readonly userAgent: string;
  readonly difficulty: number;
  readonly versionRolling: boolean;
}

interface MinerEntry {
  readonly id: string;
  readonly worker: string;
  readonly remote: string;
  readonly links: Set<MinerLink>;
  /** As last seen, for a machine that is gone. */
  last: MinerLink;
  connectedAt: number | undefined;
  lastShareAt: number | undefined;
}

/** The id of a machine: the same whenever the same worker name comes from the same address, over restarts too. */
export function minerId(worker: string, remote: string): string {
  return createHash('sha256').update(`${remote}\n${worker}`).digest('hex').slice(0, 16);
}

/** The machines behind the connections. */
export class Miners {
  readonly #records = new Map<string, MinerEntry>();
  readonly #protocol: MinerView['protocol'];

  constructor(protocol: MinerView['protocol']) {
    this.#protocol = protocol;
  }

  /** A connection speaks for this machine from now on. Gives the machine's id. */
  join(worker: string, remote: string, link: MinerLink, now: number): string {
    const id = minerId(worker, remote);
    let record = this.#records.get(id);
    if (!record) {
      if (this.#records.size >= MAX_RECORDS) this.#forgetOne();
      record = {
        id,
        worker,
        remote,
        links: new Set(),
        last: link,
        connectedAt: undefined,
        lastShareAt: undefined,
      };
      this.#records.set(id, record);
    }
    record.connectedAt ??= now;
    record.links.add(link);
    record.last = link;
    return id;
  }

  leave(id: string, link: MinerLink): void {
    const record = this.#records.get(id);
    if (!record?.links.delete(link)) return;
    const [another] = record.links;
    if (another) {
      record.last = another;
      return;
    }
    record.connectedAt = undefined;
    // A copy: the link itself is a whole connection.
    const { userAgent, difficulty, versionRolling } = link;
    record.last = { userAgent, difficulty, versionRolling };
    // Gone machines stand at the end in the order they went, so that the one gone longest is forgotten first.
    this.#records.delete(id);
    this.#records.set(id, record);
  }

  share(id: string, at: number): void {
    const record = this.#records.get(id);
    if (record) record.lastShareAt = at;
  }

  #forgetOne(): void {
    for (const [id, record] of this.#records) {
      if (record.links.size > 0) continue;
      this.#records.delete(id);
      return;
    }
  }

  views(): readonly MinerView[] {
    return Array.from(this.#records.values(), (record) => {
      const { id, worker, remote, connectedAt, lastShareAt, last } = record;
      return {
        id,
        worker,
        userAgent: last.userAgent,
        remote,
        protocol: this.#protocol,
        connectedAt,
        connections: record.links.size,
        difficulty: last.difficulty,
        versionRolling: last.versionRolling,
        lastShareAt,
      };
    });
  }
}

/**
 * The machines of several listeners as one list. A machine that moved from one protocol to another is there once: as it is
 * connected now, else as it was last.
 */
export function joinMinerViews(...lists: readonly (readonly MinerView[])[]): readonly MinerView[] {
  const byId = new Map<string, MinerView>();
  for (const view of lists.flat()) {
    const other = byId.get(view.id);
    byId.set(view.id, other ? joined(other, view) : view);
  }
  return [...byId.values()];
}

function joined(a: MinerView, b: MinerView): MinerView {
  const newer =
    (b.connectedAt ?? -1) > (a.connectedAt ?? -1) || (b.connectedAt === a.connectedAt && later(b, a)) ? b : a;
  return {
    ...newer,
    connections: a.connections + b.connections,
    lastShareAt: later(b, a) ? b.lastShareAt : a.lastShareAt,
  };
}

function later(a: MinerView, b: MinerView): boolean {
  return (a.lastShareAt ?? -1) > (b.lastShareAt ?? -1);
}
