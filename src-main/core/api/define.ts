import type { z } from 'zod';

/**
 * The kinds of an API entry. Everything that crosses a transport is plain JSON.
 *
 * - `command` changes something, `query` only reads. Both take one value and give one, or fail with an `ApiError`.
 * - A topic is watched: the client gets a snapshot first, then changes numbered from 1 without gaps. A client that sees a
 *   gap or reconnects takes a new snapshot. `value` topics replace the whole value, `map` topics set and remove entries
 *   by key, `list` topics append and keep the newest `limit` items.
 */
export interface CallDefinition<I extends z.ZodType, O extends z.ZodType> {
  readonly input: I;
  readonly output: O;
}
export type TopicDefinition<T extends z.ZodType> =
  | { readonly kind: 'value'; readonly item: T }
  | { readonly kind: 'map'; readonly item: T }
  | { readonly kind: 'list'; readonly item: T; readonly limit: number };

export interface ApiDefinition {
  readonly commands: Readonly<Record<string, CallDefinition<z.ZodType, z.ZodType>>>;
  readonly queries: Readonly<Record<string, CallDefinition<z.ZodType, z.ZodType>>>;
  readonly topics: Readonly<Record<string, TopicDefinition<z.ZodType>>>;
}

/** What a topic's watcher holds: the value, the entries by key, or the items oldest first. */
export type TopicState<D> = D extends { kind: 'value'; item: infer T extends z.ZodType }
  ? z.output<T>
  : D extends { kind: 'map'; item: infer T extends z.ZodType }
    ? Readonly<Record<string, z.output<T>>>
    : D extends { kind: 'list'; item: infer T extends z.ZodType }
      ? readonly z.output<T>[]
      : never;

export type TopicChange =
  | { readonly kind: 'value'; readonly value: unknown }
  | {
      readonly kind: 'map';
      readonly set: Readonly<Record<string, unknown>>;
      readonly remove: readonly string[];
    }
  | { readonly kind: 'list'; readonly append: readonly unknown[] };

/** An error that crosses the API. `code` is stable and for programs, `message` says what is wrong and what to do next. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly code: string;
  /** Path of the input field at fault, for forms. */
  readonly field: string | undefined;
  constructor(code: string, message: string, field?: string) {
    super(message);
    this.code = code;
    this.field = field;
  }
}

/** Applies a change to a topic's state; pure, shared by every client. */
export function applyChange(state: unknown, change: TopicChange, limit = Infinity): unknown {
  if (change.kind === 'value') return change.value;
  if (change.kind === 'map') {
    const next: Record<string, unknown> = { ...(state as Record<string, unknown>), ...change.set };
    for (const key of change.remove) delete next[key];
    return next;
  }
  const next = [...(state as readonly unknown[]), ...change.append];
  return next.length > limit ? next.slice(next.length - limit) : next;
}
