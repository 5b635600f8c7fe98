import { createContext, useCallback, useContext, useEffect, useRef, useState } from 'react';
import { ApiError } from '../../src-main/core/api/define.ts';
import type {
  ApiClient,
  CommandInput,
  CommandName,
  CommandOutput,
  QueryInput,
  QueryName,
  QueryOutput,
} from '../../src-main/core/api/schema.ts';
import { link } from '../stores/topics.ts';

export const ApiContext = createContext<ApiClient | null>(null);

export function useApi(): ApiClient {
  const client = useContext(ApiContext);
  if (client === null) throw new Error('useApi: no ApiContext above this component');
  return client;
}

/** Whatever went wrong, as an error the page can show. */
export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  return new ApiError('unexpected', error instanceof Error ? error.message : String(error));
}

export interface QueryResult<T> {
  /** The last answer; stays while a newer one is on its way. */
  readonly data: T | undefined;
  readonly error: ApiError | undefined;
  readonly refresh: () => void;
}

/**
 * Asks a query, asks it again when the input changes, after a lost connection, and every `everyMs`.
 * @param input null: do not ask (yet)
 */
export function useQuery<N extends QueryName>(
  name: N,
  input: QueryInput<N> | null,
  everyMs?: number,
): QueryResult<QueryOutput<N>> {
  const api = useApi();
  const key = input === null ? null : JSON.stringify(input);
  const [answer, setAnswer] = useState<{ key: string; data?: QueryOutput<N>; error?: ApiError }>();
  const [round, setRound] = useState(0);
  const connected = link((state) => state.connected);

  useEffect(() => {
    if (key === null || !connected) return undefined;
    let live = true;
    api.query(name, JSON.parse(key) as QueryInput<N>).then(
      (data) => live && setAnswer({ key, data }),
      (error: unknown) =>
        live &&
        setAnswer((before) => ({
          key,
          data: before?.key === key ? before.data : undefined,
          error: asApiError(error),
        })),
    );
    return () => {
      live = false;
    };
    // oxlint-disable-next-line react/exhaustive-effect-dependencies -- each round asks again
  }, [api, name, key, round, connected]);

  useEffect(() => {
    if (everyMs === undefined || key === null) return undefined;
    const timer = setInterval(() => setRound((before) => before + 1), everyMs);
    return () => clearInterval(timer);
  }, [everyMs, key]);

  const refresh = useCallback(() => setRound((before) => before + 1), []);
  return { data: answer?.data, error: answer?.key === key ? answer?.error : undefined, refresh };
}

export type Outcome<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: ApiError };

/** Sends a command; holds whether it is on its way and what went wrong last. */
export function useCommand<N extends CommandName>(
  name: N,
): {
  readonly run: (input: CommandInput<N>) => Promise<Outcome<CommandOutput<N>>>;
  readonly busy: boolean;
  readonly error: ApiError | undefined;
  readonly clear: () => void;
} {
  const api = useApi();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError>();
  const mounted = useRef(true);
  useEffect(() => {
    mounted.current = true;
    return () => {
      mounted.current = false;
    };
  }, []);

  const run = useCallback(
    async (input: CommandInput<N>): Promise<Outcome<CommandOutput<N>>> => {
      setBusy(true);
      setError(undefined);
      try {
        return { ok: true, value: await api.command(name, input) };
      } catch (caught) {
        const failure = asApiError(caught);
        if (mounted.current) setError(failure);
        return { ok: false, error: failure };
      } finally {
        if (mounted.current) setBusy(false);
      }
    },
    [api, name],
  );
  const clear = useCallback(() => setError(undefined), []);
  return { run, busy, error, clear };
}
