/** The loop over the real store and index, in memory: what the double assumes holds there too. */
import { describe, expect, it } from 'vitest';
import { extractive } from '../../../src/loop/generate/extractive.ts';
import { createLoop } from '../../../src/loop/loop.ts';
import type { Generator, LoopStore } from '../../../src/loop/types.ts';
import { createMilvusClient } from '../../../src/milvus/client.ts';
import { textCollection } from '../../../src/milvus/text-collection.ts';
import { IndexCore } from '../../../workers/index/core.ts';
import { wordEmbedder } from '../../fakes/word-embedder.ts';
import { scripted, TAVERNS } from './loop-bench.ts';

async function real(textFilled: boolean) {
  const embedder = wordEmbedder();
  const core = await IndexCore.open({
    name: 'loop',
    openStorage: null,
    lock: null,
    clock: { now: () => Date.now(), monotonic: () => performance.now() },
    embedder: { embed: (request) => embedder.embed(request.texts) },
    pause: () => new Promise((resolve) => setTimeout(resolve, 0)),
  });
  const client = createMilvusClient((endpoint, body, options) =>
    core.milvus(endpoint, body, options),
  );
  const store = {
    ...client,
    candidates: (...given: Parameters<LoopStore['candidates']>) => core.candidates(...given),
  };
  const collection = textCollection('taverns', {
    textField: 'description',
    fields: ['name', 'location'],
    dimension: 128,
  });
  await store.createCollection(collection);
  if (textFilled) {
    const data = TAVERNS.map(([name, location, description]) => ({ name, location, description }));
    await store.insert({ collectionName: 'taverns', data });
  }
  const make = (generator: Generator = extractive()) =>
    createLoop(
      { store, embedder },
      { collectionName: 'taverns', textField: 'description', generator },
    );
  return { core, store, make, embedder };
}

describe('the loop over the real core', () => {
  it('asks, rates, learns and restores', async () => {
    const { core, store, make } = await real(true);
    const turn = await make().ask('Where is the best beer poured?');
    expect(turn.verdict.decision).toBe('admitted');
    const liked = turn.hits.at(-1)!;
    await turn.rateHit(liked.id, 'up');
    await turn.openHit(liked.id);
    const [restored] = await make().turns();
    expect(restored).toMatchObject({ id: turn.id, hitVotes: { [liked.id]: 'up' } });
    const hits = await make().search('Where is the best good beer poured?');
    const found = hits.find(({ id }) => id === liked.id)!;
    expect(found.rank).toBeLessThan(liked.rank);
    expect(found.why).toMatchObject({ turnId: turn.id, liked: true });
    expect(await make().summary()).toMatchObject({ turns: 1, rated: 1, admitted: 1, broken: 0 });
    const again = await make().ask('Where is the best beer poured?');
    await again.rate('down');
    await again.rate(null);
    expect((await make().summary()).rated).toBe(1);
    const names = await store.get({ collectionName: 'taverns__generated', id: [turn.id] });
    expect(names[0]).toMatchObject({ text: turn.answer, turn: turn.id });
    await core.close();
  });

  it('answers by words before the model is ready', async () => {
    const { core, make, embedder } = await real(true);
    embedder.ready = false;
    const turn = await make().ask('Who drank ale?');
    expect(turn).toMatchObject({ retrieval: 'lexical' });
    expect(turn.hits[0]?.text).toContain('ale');
    embedder.ready = true;
    await turn.rate('up');
    expect((await make().search('Who drank ale?'))[0]?.why).toMatchObject({ turnId: turn.id });
    await core.close();
  });

  it('tells records with equal texts apart by a dynamic field that takes the text', async () => {
    const { core, store, embedder } = await real(false);
    const field = (fieldName: string) => ({
      fieldName,
      dataType: 'VarChar' as const,
      elementTypeParams: { max_length: 200 },
    });
    await store.createCollection({
      collectionName: 'rooms',
      schema: {
        autoID: true,
        enableDynamicField: true,
        fields: [
          { fieldName: 'id', dataType: 'Int64', isPrimary: true },
          field('name'),
          { fieldName: 'floor', dataType: 'Int64' },
          { fieldName: 'vector', dataType: 'FloatVector', elementTypeParams: { dim: 128 } },
        ],
      },
      indexParams: [{ fieldName: 'vector', metricType: 'IP' }],
    });
    const generator = scripted((prompt) =>
      prompt.endsWith('1')
        ? 'Oak is low and warm, near the kitchen.'
        : 'Oak overlooks a river and hills.',
    );
    const insert = store.insert.bind(store);
    let inserts = 0;
    const lossy: LoopStore = {
      ...store,
      insert: (body, how) => {
        inserts += 1;
        if (inserts === 2) throw new Error('lost');
        return insert(body, how);
      },
    };
    const rows = [
      { name: 'Oak', floor: '1' },
      { name: 'Oak', floor: '2' },
    ];
    const options = {
      rows,
      template: '{name} {floor}',
      mention: ['name'],
      into: 'blurb',
      concurrency: 1,
    };
    const loop = { collectionName: 'rooms', textField: 'name', generator };
    await expect(createLoop({ store: lossy, embedder }, loop).enrich(options)).rejects.toThrow(
      'lost',
    );
    await createLoop({ store, embedder }, loop).enrich(options);
    const found = await store.query({ collectionName: 'rooms', outputFields: ['floor', 'blurb'] });
    expect(found.map(({ floor }) => String(floor)).sort()).toEqual(['1', '2']);
    expect(generator.prompts).toHaveLength(2);
    await core.close();
  });

  it('enriches, resumes after a lost acknowledgement, and generates nothing twice', async () => {
    const { core, store, make } = await real(false);
    const rows = TAVERNS.slice(0, 3).map(([name, location]) => ({ name, location }));
    const texts = TAVERNS.map(([name, location, text]) => `${name} in ${location}: ${text}`);
    const generator = scripted(
      (prompt) => texts.find((text) => prompt.includes(text.split(':')[0]!))!,
    );
    const options = { rows, template: '{name} in {location}', into: 'description', concurrency: 1 };
    const insert = store.insert.bind(store);
    const lossy: LoopStore = {
      ...store,
      insert: async (body, how) => {
        await insert(body, how);
        throw new Error('lost');
      },
    };
    const { embedder } = await real(false);
    const broken = createLoop(
      { store: lossy, embedder },
      { collectionName: 'taverns', textField: 'description', generator },
    );
    await expect(broken.enrich(options)).rejects.toThrow('lost');
    const result = await make(generator).enrich(options);
    expect(result.records.map(({ state }) => state)).toEqual(['inserted', 'inserted', 'inserted']);
    expect(generator.prompts).toHaveLength(3);
    const [count] = await store.query({ collectionName: 'taverns', outputFields: ['count(*)'] });
    expect(Number(count?.['count(*)'])).toBe(3);
    const turn = await make().ask('beer in the corner');
    expect(turn.hits[0]?.generatedFields).toEqual(['description']);

    // Dropped and made anew, as the article's program begins: the texts that were paid for go in again.
    const described = textCollection('taverns', {
      textField: 'description',
      fields: ['name', 'location'],
      dimension: 128,
    });
    await store.dropCollection({ collectionName: 'taverns' });
    await store.createCollection(described);
    const anew = await make(generator).enrich(options);
    expect(anew).toMatchObject({ generated: 0, skipped: 0, done: 3 });
    expect(generator.prompts).toHaveLength(3);
    const [filled] = await store.query({ collectionName: 'taverns', outputFields: ['count(*)'] });
    expect(Number(filled?.['count(*)'])).toBe(3);
    await core.close();
  });
});
