import type { z } from 'zod';
import { ApiError } from './define.ts';
import type { TopicChange } from './define.ts';
import { sameJson } from './equal.ts';
import { apiSchema } from './schema.ts';
import type {
  ApiSchema,
  ApiServer,
  CommandName,
  CommandOutput,
  QueryName,
  QueryOutput,
  Topic,
  TopicName,
} from './schema.ts';
import type { Schedule } from './timing.ts';

type TopicOfKind<K extends string> = {
  [N in TopicName]: ApiSchema['topics'][N]['kind'] extends K ? N : never;
}[TopicName];
export type ValueTopic = TopicOfKind<'value'>;
export type MapTopic = TopicOfKind<'map'>;
export type ListTopic = TopicOfKind<'list'>;
/** One entry of a `map` topic, one item of a `list` topic. */
export type TopicItem<N extends TopicName> = z.output<ApiSchema['topics'][N]['item']>;

type Answer<T> = T | Promise<T>;

/** What answers each call. The input is checked already and has its defaults and transforms applied. */
export interface ApiHandlers {
  readonly commands: {
    readonly [N in CommandName]: (
      input: z.output<ApiSchema['commands'][N]['input']>,
    ) => Answer<CommandOutput<N>>;
  };
  readonly queries: {
    readonly [N in QueryName]: (input: z.output<ApiSchema['queries'][N]['input']>) => Answer<QueryOutput<N>>;
  };
}

export interface MapPublisher<T> {
  set(key: string, value: T): void;
  remove(key: string): void;
  /** Makes these the only entries. */
  replace(entries: Iterable<readonly [string, T]>): void;
}

/**
 * The engine's end of the API: answers calls and publishes topics. Published values belong to the hub from then on: they
 * are kept and compared, so the publisher must make a new value instead of changing one it has given away.
 */
export interface ApiHub extends ApiServer {
  value<N extends ValueTopic>(name: N, value: Topic<N>): void;
  map<N extends MapTopic>(name: N): MapPublisher<TopicItem<N>>;
  append<N extends ListTopic>(name: N, ...items: TopicItem<N>[]): void;
  /** Sends what coalescing holds back, now. */
  flush(): void;
  /** Flushes and forgets all subscribers; later calls fail with `stopping`, later changes are not sent. */
  close(): void;
}

export interface HubOptions {
  readonly handlers: ApiHandlers;
  readonly schedule: Schedule;
  /** What the `value` topics hold before anything is published. `map` and `list` topics begin empty. */
  readonly initial: { readonly [N in ValueTopic]: Topic<N> };
  /** What a `list` topic begins with, oldest first, for example the events of earlier runs. */
  readonly lists?: { readonly [N in ListTopic]?: readonly TopicItem<N>[] };
  /**
   * Shortest time between two changes of a topic in ms; what comes in between is merged. 0 sends each change at once.
   * Default: `IMMEDIATE_TOPICS` at once, all others 100 ms.
   */
  readonly intervals?: { readonly [N in TopicName]?: number };
  /** Hears of every error that is no `ApiError`: a fault of ours, of which clients get only the code `internal`. */
  readonly onError: (where: string, error: unknown) => void;
}

/** Topics a user must never wait for, however short. */
export const IMMEDIATE_TOPICS: readonly TopicName[] = ['state', 'job', 'blocks', 'settings'];
const DEFAULT_INTERVAL = 100;

const REMOVED = Symbol('removed');

/** The content of one topic: what subscribers know, and what is held back. */
interface Content {
  snapshot(): unknown;
  /** Takes what is held back into the content and gives the change, or undefined if there is none. */
  take(): TopicChange | undefined;
}

class ValueContent implements Content {
  #sent: unknown;
  #next: { readonly value: unknown } | undefined;
  constructor(initial: unknown) {
    this.#sent = initial;
  }
  put(value: unknown): void {
    this.#next = sameJson(value, this.#sent) ? undefined : { value };
  }
  snapshot(): unknown {
    return this.#sent;
  }
  take(): TopicChange | undefined {
    if (!this.#next) return undefined;
    this.#sent = this.#next.value;
    this.#next = undefined;
    return { kind: 'value', value: this.#sent };
  }
}

class MapContent implements Content {
  readonly #sent = new Map<string, unknown>();
  readonly #pending = new Map<string, unknown>();
  set(key: string, value: unknown): void {
    if (this.#sent.has(key) && sameJson(value, this.#sent.get(key))) this.#pending.delete(key);
    else this.#pending.set(key, value);
  }
  remove(key: string): void {
    if (this.#sent.has(key)) this.#pending.set(key, REMOVED);
    else this.#pending.delete(key);
  }
  replace(entries: Iterable<readonly [string, unknown]>): void {
    const next = new Map(entries);
    for (const key of [...this.#sent.keys(), ...this.#pending.keys()]) if (!next.has(key)) this.remove(key);
    for (const [key, value] of next) this.set(key, value);
  }
  snapshot(): unknown {
    return Object.fromEntries(this.#sent);
  }
  take(): TopicChange | undefined {
    if (this.#pending.size === 0) return undefined;
    const set: [string, unknown][] = [];
    const remove: string[] = [];
    for (const [key, value] of this.#pending) {
      if (value === REMOVED) {
        remove.push(key);
        this.#sent.delete(key);
      } else {
        set.push([key, value]);
        this.#sent.set(key, value);
      }
    }
    this.#pending.clear();
    // fromEntries makes own properties of every key, `__proto__` too: keys hold names that machines chose.
    return { kind: 'map', set: Object.fromEntries(set), remove };
  }
}

class ListContent implements Content {
  #sent: readonly unknown[];
  #pending: unknown[] = [];
  readonly #limit: number;
  constructor(initial: readonly unknown[], limit: number) {
    this.#limit = limit;
    this.#sent = initial.slice(-limit);
  }
  append(items: readonly unknown[]): void {
    this.#pending.push(...items);
    if (this.#pending.length > this.#limit) this.#pending = this.#pending.slice(-this.#limit);
  }
  snapshot(): unknown {
    return this.#sent;
  }
  take(): TopicChange | undefined {
    if (this.#pending.length === 0) return undefined;
    const append = this.#pending;
    this.#pending = [];
    this.#sent = [...this.#sent, ...append].slice(-this.#limit);
    return { kind: 'list', append };
  }
}

/** A topic: its content, its numbering, its subscribers and the pace of its changes. */
class LiveTopic<C extends Content> {
  readonly content: C;
  readonly #interval: number;
  readonly #schedule: Schedule;
  readonly #onError: (error: unknown) => void;
  readonly #subscribers = new Set<{ readonly onChange: (seq: number, change: TopicChange) => void }>();
  #seq = 0;
  /** Set while the interval since the last change runs. */
  #stopPause: (() => void) | undefined;
  #closed = false;

  constructor(content: C, interval: number, schedule: Schedule, onError: (error: unknown) => void) {
    this.content = content;
    this.#interval = interval;
    this.#schedule = schedule;
    this.#onError = onError;
  }

  /** To be called after the content changed. */
  changed(): void {
    if (!this.#stopPause) this.flush();
  }

  flush(): void {
    this.#stopPause?.();
    this.#stopPause = undefined;
    if (this.#closed) return;
    const change = this.content.take();
    if (!change) return;
    this.#seq += 1;
    if (this.#interval > 0) {
      this.#stopPause = this.#schedule(this.#interval, () => {
        this.#stopPause = undefined;
        this.flush();
      });
    }
    for (const { onChange } of this.#subscribers) {
      try {
        onChange(this.#seq, change);
      } catch (error) {
        this.#onError(error);
      }
    }
  }

  subscribe(onChange: (seq: number, change: TopicChange) => void): ReturnType<ApiServer['subscribe']> {
    const subscriber = { onChange };
    if (!this.#closed) this.#subscribers.add(subscriber);
    return {
      snapshot: this.content.snapshot(),
      seq: this.#seq,
      unsubscribe: () => void this.#subscribers.delete(subscriber),
    };
  }

  close(): void {
    this.flush();
    this.#stopPause?.();
    this.#closed = true;
    this.#subscribers.clear();
  }
}

/** Makes an `ApiError` of the first thing zod found wrong with an input. */
function inputError(error: z.ZodError): ApiError {
  const [issue] = error.issues;
  const field = issue?.path.map(String).join('.');
  return new ApiError(
    'invalid_input',
    issue?.message ?? 'The input is not valid.',
    field === '' ? undefined : field,
  );
}

/**
 * Makes the server of the API. Pure: time comes in through `schedule`.
 *
 * Errors a call can fail with: what its handler throws as `ApiError`; `unknown_call`; `invalid_input` with the field;
 * `stopping` after `close`; `internal` for anything else, of which only `onError` hears the details.
 * `subscribe` throws `unknown_topic`.
 */
export function createApiHub(options: HubOptions): ApiHub {
  const { handlers, schedule, initial, lists = {}, intervals = {}, onError } = options;
  let closed = false;

  const live = <C extends Content>(name: TopicName, content: C): LiveTopic<C> =>
    new LiveTopic(
      content,
      intervals[name] ?? (IMMEDIATE_TOPICS.includes(name) ? 0 : DEFAULT_INTERVAL),
      schedule,
      (error) => onError(`subscriber of ${name}`, error),
    );
  const values = new Map<string, LiveTopic<ValueContent>>();
  const maps = new Map<string, LiveTopic<MapContent>>();
  const listed = new Map<string, LiveTopic<ListContent>>();
  for (const name of Object.keys(apiSchema.topics) as TopicName[]) {
    const definition = apiSchema.topics[name];
    if (definition.kind === 'value')
      values.set(name, live(name, new ValueContent(initial[name as ValueTopic])));
    else if (definition.kind === 'map') maps.set(name, live(name, new MapContent()));
    else listed.set(name, live(name, new ListContent(lists[name as ListTopic] ?? [], definition.limit)));
  }
  const all = [...values.values(), ...maps.values(), ...listed.values()];
  /** The topic by its name; the type of the name promises that it is there. */
  const topicOf = <T>(topics: ReadonlyMap<string, T>, name: string): T => {
    const topic = topics.get(name);
    if (topic === undefined)
      throw new ApiError('unknown_topic', `There is no topic of this kind called "${name}".`);
    return topic;
  };

  return {
    async call(kind, name, input) {
      if (closed) throw new ApiError('stopping', 'Adit is stopping. Start it again to go on.');
      const definitions: ApiSchema['commands'] | ApiSchema['queries'] =
        kind === 'command' ? apiSchema.commands : apiSchema.queries;
      if (!Object.hasOwn(definitions, name))
        throw new ApiError('unknown_call', `Adit has no ${kind} of this name.`);
      const definition = definitions[name as keyof typeof definitions] as {
        input: z.ZodType;
        output: z.ZodType;
      };
      const parsed = definition.input.safeParse(input ?? {});
      if (!parsed.success) throw inputError(parsed.error);
      const handler = (kind === 'command' ? handlers.commands : handlers.queries)[name as never] as (
        input: unknown,
      ) => unknown;
      try {
        const output = await handler(parsed.data);
        // Checked on the way out too, so that nothing beyond the schema leaves the engine.
        return definition.output.parse(output);
      } catch (error) {
        if (error instanceof ApiError) throw error;
        onError(`${kind} ${name}`, error);
        throw new ApiError(
          'internal',
          'Something went wrong inside Adit. The log has the details; try again.',
        );
      }
    },
    subscribe(name, onChange) {
      const topic = values.get(name) ?? maps.get(name) ?? listed.get(name);
      if (!topic) throw new ApiError('unknown_topic', 'Adit has no topic of this name.');
      return topic.subscribe(onChange);
    },
    value(name, value) {
      const topic = topicOf(values, name);
      topic.content.put(value);
      topic.changed();
    },
    map(name) {
      const topic = topicOf(maps, name);
      return {
        set(key, value) {
          topic.content.set(key, value);
          topic.changed();
        },
        remove(key) {
          topic.content.remove(key);
          topic.changed();
        },
        replace(entries) {
          topic.content.replace(entries);
          topic.changed();
        },
      };
    },
    append(name, ...items) {
      const topic = topicOf(listed, name);
      topic.content.append(items);
      topic.changed();
    },
    flush() {
      for (const topic of all) topic.flush();
    },
    close() {
      if (closed) return;
      closed = true;
      for (const topic of all) topic.close();
    },
  };
}
