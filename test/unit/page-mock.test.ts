import { describe, expect, it } from 'vitest';
import type { Topic, TopicName } from '../../src-main/core/api/schema.ts';
import { apiSchema } from '../../src-main/core/api/schema.ts';
import { MockClient, SCENES } from '../../src-renderer/api/mock.ts';

function first<N extends TopicName>(client: MockClient, name: N): Promise<Topic<N>> {
  return new Promise((done) => {
    const stop = client.watch(name, (value) => {
      done(value);
      queueMicrotask(() => stop());
    });
  });
}

describe.each(SCENES)('the made-up engine, %s', (scene) => {
  it('sends only what the schema allows, and all of it', async () => {
    const client = new MockClient(scene, false);
    for (const name of Object.keys(apiSchema.topics) as TopicName[]) {
      const value: unknown = await first(client, name);
      const topic = apiSchema.topics[name];
      const items = topic.kind === 'value' ? [value] : Object.values(value as object);
      for (const item of items) expect(topic.item.safeParse(item).success).toBe(true);
    }
    client.close();
  });

  it('splits the whole reward among the outputs of its job', async () => {
    const client = new MockClient(scene, false);
    const job = await first(client, 'job');
    if (job !== null) {
      expect(job.outputs.reduce((sum, output) => sum + output.value, 0)).toBe(job.reward);
      const answer = await client.query('template.transactions', { templateId: job.templateId });
      expect(answer?.transactions).toHaveLength(job.transactionCount);
    }
    client.close();
  });
});

describe('the made-up engine', () => {
  it('refuses addresses of another network with the field at fault', async () => {
    const client = new MockClient('mining', false);
    await expect(
      client.command('settings.update', {
        payouts: { main: [{ address: 'tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx', basisPoints: 10_000 }] },
      }),
    ).rejects.toMatchObject({ name: 'ApiError', field: 'payouts.main.0' });
    client.close();
  });
});
