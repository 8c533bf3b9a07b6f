/** The engine with its real workers and the real model: the pool, deaths, the cache, and embedders of the page. */
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createEngine } from '../../src/create-engine.ts';
import type { Engine } from '../../src/engine.ts';
import type { EngineOptions } from '../../src/engine-options.ts';
import { embedWorkerUrl } from '../../src/places.ts';
import { embedWords } from '../fakes/word-embedder.ts';

const ASSETS = new URL('/models/all-MiniLM-L6-v2/', location.href);

const engines: Engine[] = [];

async function start(options: EngineOptions = {}): Promise<Engine> {
  const assets = options.embedder ? {} : { assets: ASSETS };
  const engine = await createEngine({ storage: 'memory', ...assets, ...options });
  engines.push(engine);
  return engine;
}

afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.close()));
});

/** Workers that the test can end, and how many there were. */
function ownWorkers() {
  const made: Worker[] = [];
  const embed = () => {
    const worker = new Worker(embedWorkerUrl, { type: 'module' });
    made.push(worker);
    return worker;
  };
  return { made, options: { workers: { embed } } satisfies EngineOptions };
}

const lanesOf = ({ status: { embedder } }: Engine) =>
  embedder.state === 'ready' ? embedder.lanes : [];

/** Distinct texts of several lengths. */
const texts = (count: number) =>
  Array.from({ length: count }, (_, i) =>
    `Inn number ${i} pours ale number ${i * 7}. `.repeat(1 + (i % 6)),
  );

function leastCosine(a: Float32Array, b: Float32Array, dimension: number): number {
  let least = 1;
  for (let from = 0; from < a.length; from += dimension) {
    let cosine = 0;
    for (let i = from; i < from + dimension; i++) cosine += (a[i] ?? 0) * (b[i] ?? 0);
    least = Math.min(least, cosine);
  }
  return least;
}

describe('the pool', { timeout: 120_000 }, () => {
  beforeAll(async () => {
    // Once for all: later engines find the model in the cache.
    await (await start()).prepare();
  });

  test('of two gives the vectors of one, and says who embeds', async () => {
    const all = texts(120);
    const one = await start({ embedWorkers: 1, embeddingCacheBytes: 0 });
    const expected = await one.embed(all);
    expect(lanesOf(one)).toEqual([{ backend: 'wasm', threads: 1, queries: true }]);
    await one.close();

    const two = await start({ embedWorkers: 2, embeddingCacheBytes: 0 });
    await two.embed(texts(50));
    await expect.poll(() => lanesOf(two).length, { timeout: 30_000 }).toBe(2);
    const seen: number[] = [];
    const result = await two.embed(all, { onProgress: ({ done }) => seen.push(done) });
    expect(result.tokens).toBe(expected.tokens);
    expect(result.fingerprint).toBe(expected.fingerprint);
    expect(leastCosine(result.vectors, expected.vectors, 384)).toBeGreaterThan(0.99999);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(seen.at(-1)).toBe(120);
  });

  test('embeds what it was handed, whatever becomes of the list meanwhile', async () => {
    const engine = await start({ embeddingCacheBytes: 0 });
    const list = ['ale', 'bread'];
    const call = engine.embed(list);
    list.length = 0;
    expect((await call).vectors).toHaveLength(2 * 384);
  });

  test('answers a query while bulk work is under way', async () => {
    const engine = await start({ embedWorkers: 2, embeddingCacheBytes: 0 });
    await engine.prepare();
    let isDone = false;
    const bulk = engine.embed(texts(250)).then(() => {
      isDone = true;
    });
    for (let i = 0; i < 3; i++) {
      const { vectors } = await engine.embed([`a quiet inn ${i}`], { priority: 'query' });
      expect(vectors).toHaveLength(384);
    }
    expect(isDone).toBe(false);
    await bulk;
  });

  test('goes on when a worker is ended in the middle, whichever it is, and is made whole', async () => {
    const { made, options } = ownWorkers();
    const engine = await start({ ...options, embedWorkers: 2, embeddingCacheBytes: 0 });
    await engine.embed(texts(40));
    await expect.poll(() => lanesOf(engine).length, { timeout: 30_000 }).toBe(2);
    const all = texts(160);
    const expected = await engine.embed(all);
    for (const victim of [1, 0]) {
      const call = engine.embed(all, {
        onProgress: ({ done }) => {
          if (done > 20) made[victim]?.terminate();
        },
      });
      expect(leastCosine((await call).vectors, expected.vectors, 384)).toBeGreaterThan(0.99999);
      await expect.poll(() => lanesOf(engine).length, { timeout: 30_000 }).toBe(2);
    }
    expect(engine.status.restarts.embed).toBe(2);
    expect(engine.status.embedder.state).toBe('ready');
  });

  test('stops all lanes when the call is given up, and works on', async () => {
    const engine = await start({ embedWorkers: 2, embeddingCacheBytes: 0 });
    const abort = new AbortController();
    const call = engine.embed(texts(2_000), {
      signal: abort.signal,
      onProgress: () => abort.abort(),
    });
    await expect(call).rejects.toMatchObject({ code: 'aborted' });
    expect((await engine.embed(['ale'], { priority: 'query' })).vectors).toHaveLength(384);
  });

  test('embeds what is inserted, too: work that waits in the index worker makes it grow', async () => {
    const engine = await start({ embedWorkers: 2 });
    await engine.milvus.createCollection(INNS(384));
    await engine.prepare();
    expect(lanesOf(engine)).toHaveLength(1);
    const data = texts(120).map((text, id) => ({ id, text }));
    await engine.milvus.insert({ collectionName: 'inns', data });
    await expect.poll(() => lanesOf(engine).length, { timeout: 30_000 }).toBe(2);
    const hits = await engine.milvus.search({
      collectionName: 'inns',
      data: ['Inn number 12 pours ale number 84.'],
      limit: 3,
      outputFields: ['id'],
    });
    expect(hits).toHaveLength(3);
  });
});

describe('other backends', { timeout: 120_000 }, () => {
  test('ONNX Runtime by name: one worker, the same vectors within its rounding', async () => {
    const kernel = await start({ embedWorkers: 1 });
    const expected = await kernel.embed(texts(12));
    const engine = await start({ backend: 'onnx' });
    const result = await engine.embed(texts(12));
    expect(leastCosine(result.vectors, expected.vectors, 384)).toBeGreaterThan(0.998);
    expect(result.fingerprint).toBe(expected.fingerprint);
    await engine.embed(texts(40).map((text) => text.slice(0, 30)));
    expect(lanesOf(engine)).toEqual([{ backend: 'onnx', threads: 1, queries: true }]);
  });

  test('a GPU for very much work: it joins, or the status says why not; the vectors come either way', async () => {
    const engine = await start({ embedWorkers: 2, embeddingCacheBytes: 0 });
    const words = Array.from({ length: 1_000 }, (_, i) => `inn ${i}`);
    const { vectors } = await engine.embed(words);
    expect(vectors).toHaveLength(384_000);
    const hasTold = () => {
      const { embedder } = engine.status;
      return (
        embedder.state === 'ready' &&
        (embedder.why.includes('No GPU for bulk work') ||
          embedder.lanes.some(({ backend }) => backend === 'webgpu'))
      );
    };
    if (navigator.gpu) await expect.poll(hasTold, { timeout: 60_000 }).toBe(true);
    expect(engine.status.embedder).toMatchObject({ state: 'ready', backend: 'wasm' });
  });
});

const INNS = (dim: number) =>
  ({
    collectionName: 'inns',
    schema: {
      fields: [
        { fieldName: 'id', dataType: 'Int64', isPrimary: true },
        { fieldName: 'text', dataType: 'VarChar', elementTypeParams: { max_length: 2_000 } },
        { fieldName: 'vector', dataType: 'FloatVector', elementTypeParams: { dim } },
      ],
      functions: [
        {
          name: 'embed',
          type: 'TextEmbedding',
          inputFieldNames: ['text'],
          outputFieldNames: ['vector'],
        },
      ],
    },
    indexParams: [{ fieldName: 'vector', metricType: 'COSINE', indexType: 'HNSW' }],
  }) as const;

/** Words to vectors, and what it was asked. */
function wordModel() {
  const asked: string[] = [];
  const embed = async (all: readonly string[]) => {
    asked.push(...all);
    return all.map((text) => embedWords(text, 32));
  };
  return { asked, embedder: { model: 'words', embed } };
}

describe('an embedder of the page', () => {
  test('embeds what is asked, inserted and searched; no embed worker is started', async () => {
    const { embedder, asked } = wordModel();
    const { made, options } = ownWorkers();
    const engine = await start({ embedder, ...options });
    await engine.milvus.createCollection(INNS(32));
    const data = [
      { id: 1, text: 'dark ale by the fire' },
      { id: 2, text: 'quarterly revenue' },
    ];
    await engine.milvus.insert({ collectionName: 'inns', data });
    const hits = await engine.milvus.search({
      collectionName: 'inns',
      data: ['ale and fire'],
      limit: 1,
      outputFields: ['text'],
    });
    expect(hits).toMatchObject([{ text: 'dark ale by the fire' }]);
    expect(engine.status.embedder).toMatchObject({
      state: 'ready',
      backend: 'custom',
      model: 'words',
      fingerprint: 'custom/words/32',
      lanes: [{ backend: 'custom', queries: true }],
    });
    expect(asked).toContain('dark ale by the fire');
    const { vectors } = await engine.embed(['dark ale']);
    expect(Math.hypot(...vectors)).toBeCloseTo(1, 5);
    expect(made).toEqual([]);
  });

  test('of another dimension than the field is refused, with nothing written', async () => {
    const { embedder } = wordModel();
    const engine = await start({ embedder });
    await engine.milvus.createCollection(INNS(384));
    const insert = engine.milvus.insert({ collectionName: 'inns', data: [{ id: 1, text: 'x' }] });
    await expect(insert).rejects.toMatchObject({ milvusCode: 1100 });
    expect(await engine.milvus.query({ collectionName: 'inns', filter: '' })).toEqual([]);
  });
});

describe('vectors that are kept', () => {
  test('are not made again, on the page or in the index worker, until their text is erased', async () => {
    const { embedder, asked } = wordModel();
    const engine = await start({ embedder });
    await engine.embed(['ale', 'bread']);
    await engine.milvus.createCollection(INNS(32));
    const data = [{ id: 1, text: 'cheese' }];
    await engine.milvus.insert({ collectionName: 'inns', data });
    const before = asked.length;
    await engine.embed(['bread', 'ale', 'ale']);
    await engine.milvus.upsert({ collectionName: 'inns', data });
    expect(asked).toHaveLength(before);
    await engine.embed(['ale']);
    await engine.milvus.delete({ collectionName: 'inns', filter: 'id in [1]' });
    await engine.embed(['ale']);
    await engine.milvus.insert({ collectionName: 'inns', data });
    expect(asked.slice(before)).toEqual(['ale', 'ale', 'cheese']);
  });

  test('of text that another tab erases are forgotten here, too', async () => {
    const name = `erase-${crypto.randomUUID()}`;
    const first = await start({ embedder: wordModel().embedder, name, storage: 'indexeddb' });
    const { embedder, asked } = wordModel();
    const second = await start({ embedder, name, storage: 'indexeddb' });
    await first.milvus.createCollection(INNS(32));
    await first.milvus.insert({ collectionName: 'inns', data: [{ id: 1, text: 'cheese' }] });
    await second.embed(['cheese']);
    const before = asked.length;
    await second.embed(['cheese']);
    expect(asked).toHaveLength(before);
    await first.milvus.delete({ collectionName: 'inns', filter: 'id in [1]' });
    await expect
      .poll(async () => {
        await second.embed(['cheese']);
        return asked.length;
      })
      .toBe(before + 1);
  });

  test('of nothing: with 0 bytes every text is embedded again', async () => {
    const { embedder, asked } = wordModel();
    const engine = await start({ embedder, embeddingCacheBytes: 0 });
    await engine.embed(['ale']);
    const before = asked.length;
    await engine.embed(['ale']);
    expect(asked).toHaveLength(before + 1);
  });
});
