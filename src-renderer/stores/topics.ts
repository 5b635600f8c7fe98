import { create } from 'zustand';
import type { StoreApi, UseBoundStore } from 'zustand';
import type { ApiClient, Topic, TopicName } from '../../src-main/core/api/schema.ts';

interface Held<N extends TopicName> {
  /** Undefined until the first snapshot. */
  readonly value: Topic<N> | undefined;
}
type Store<N extends TopicName> = UseBoundStore<StoreApi<Held<N>>>;

function topicStore<N extends TopicName>(_name: N): Store<N> {
  return create<Held<N>>()(() => ({ value: undefined }));
}

/** One store per topic of the API; nothing else writes to them. */
export const topics: { readonly [N in TopicName]: Store<N> } = {
  state: topicStore('state'),
  node: topicStore('node'),
  job: topicStore('job'),
  totals: topicStore('totals'),
  miners: topicStore('miners'),
  blocks: topicStore('blocks'),
  events: topicStore('events'),
  settings: topicStore('settings'),
  connection: topicStore('connection'),
};

/** Whether the engine answers, and since when it has not. */
export const link = create<{ connected: boolean; ever: boolean; lostAt: number | null }>()(() => ({
  connected: false,
  ever: false,
  lostAt: null,
}));

// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- ties the store to the topic
function feedTopic<N extends TopicName>(client: ApiClient, name: N): () => void {
  const store: Store<N> = topics[name];
  return client.watch(name, (value) => store.setState({ value }));
}

/** Lets every store follow its topic. Returns the way to stop. */
export function feed(client: ApiClient): () => void {
  const stops = (Object.keys(topics) as TopicName[]).map((name) => feedTopic(client, name));
  stops.push(
    client.onConnection((connected) => {
      link.setState((before) => ({
        connected,
        ever: before.ever || connected,
        lostAt: connected ? null : (before.lostAt ?? Date.now()),
      }));
    }),
  );
  return () => {
    for (const stop of stops) stop();
  };
}

/** A part of a topic; the component draws anew only when that part changed (by identity). */
export function useTopic<N extends TopicName, R>(name: N, select: (value: Topic<N>) => R): R | undefined {
  const store: Store<N> = topics[name];
  return store((held) => (held.value === undefined ? undefined : select(held.value)));
}
