/** Export and import as a page has them: the engine, its index worker, and an archive worker for each call. */
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { createEngine } from '../../src/create-engine.ts';
import type { Engine } from '../../src/engine.ts';
import type { EngineOptions } from '../../src/engine-options.ts';
import { archiveWorkerUrl } from '../../src/places.ts';
import { isWhorlError, type WhorlError } from '../../src/shared/errors.ts';
import { embedWords } from '../fakes/word-embedder.ts';

const engines: Engine[] = [];

/** No model is downloaded for these tests. */
const embed = async (texts: readonly string[]) => texts.map((text) => embedWords(text));

async function start(options: EngineOptions = {}): Promise<Engine> {
  const name = `archive-${crypto.randomUUID().slice(0, 8)}`;
  const engine = await createEngine({ name, embedder: { embed }, ...options });
  engines.push(engine);
  return engine;
}

afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.close()));
});

const collectionName = 'inns';
const INNS = {
  collectionName,
  schema: {
    enableDynamicField: true,
    fields: [
      { fieldName: 'id', dataType: 'Int64', isPrimary: true },
      { fieldName: 'text', dataType: 'VarChar', elementTypeParams: { max_length: 2_000 } },
      { fieldName: 'vector', dataType: 'FloatVector', elementTypeParams: { dim: 8 } },
    ],
  },
  indexParams: [{ fieldName: 'vector', metricType: 'L2', indexType: 'HNSW' }],
} as const;

const TEXTS = ['The Prancing Pony', '躍る小馬亭', '춤추는 조랑말', '跃马客栈 🐎'];

function rows(count: number) {
  return Array.from({ length: count }, (_, i) => ({
    id: String(9_007_199_254_740_993n + BigInt(i) * 7n),
    text: `${TEXTS[i % 4]} ${i}`,
    vector: Array.from({ length: 8 }, (_, j) => Math.fround(Math.sin(i * 8 + j))),
    stars: i % 5,
  }));
}

async function filled(count: number, options: EngineOptions = {}): Promise<Engine> {
  const engine = await start(options);
  await engine.milvus.createCollection(INNS);
  if (count > 0) await engine.milvus.insert({ collectionName, data: rows(count) });
  return engine;
}

const bytesOf = async (blob: Blob) => new Uint8Array(await blob.arrayBuffer());

async function refused(work: Promise<unknown>): Promise<WhorlError> {
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!isWhorlError(error)) throw new Error(`not refused with words: ${String(error)}`);
  return error;
}

const all = (engine: Engine) =>
  engine.milvus.query({ collectionName, filter: '', limit: 16_384, outputFields: ['*'] });

describe('a file of an engine', () => {
  test('takes collections from one engine to another, byte by byte', async () => {
    const stages = new Set<string>();
    const onProgress = ({ stage }: { readonly stage: string }) => void stages.add(stage);
    const first = await filled(3_000);
    const file = await first.export({ onProgress });
    expect(file.type).toBe('application/zip');
    const second = await start();
    const result = await second.import(file, { onProgress });
    expect(result.collections).toEqual([
      { from: 'inns', name: 'inns', rows: 3_000, action: 'created' },
    ]);
    expect(await all(second)).toEqual(await all(first));
    expect(await bytesOf(await second.export())).toEqual(await bytesOf(file));
    expect([...stages].sort()).toEqual(['check', 'pack', 'read', 'store']);
    const [row] = rows(3_000).slice(1_234, 1_235);
    const hits = await second.milvus.search({
      collectionName,
      data: [row?.vector ?? []],
      limit: 1,
    });
    expect(hits[0]?.id).toBe(row?.id);
  });

  test('is the same file again, also after the engine was closed and opened', async () => {
    const name = `archive-${crypto.randomUUID().slice(0, 8)}`;
    const first = await filled(500, { name });
    const file = await bytesOf(await first.export());
    await first.close();
    const again = await start({ name });
    expect(await bytesOf(await again.export({ collections: ['inns'] }))).toEqual(file);
  });

  test('comes in beside what is there: refused, renamed, skipped, in its place', async () => {
    const engine = await filled(50);
    const file = await engine.export();
    await engine.milvus.delete({ collectionName, filter: 'stars == 1' });
    expect((await refused(engine.import(file))).message).toContain('"inns" already');
    expect(await all(engine)).toHaveLength(40);
    const renamed = await engine.import(file, { rename: { inns: 'taverns' } });
    expect(renamed.collections[0]).toMatchObject({ name: 'taverns', action: 'created', rows: 50 });
    const skipped = await engine.import(file, { onConflict: 'skip' });
    expect(skipped.collections[0]).toMatchObject({ action: 'skipped', rows: 0 });
    expect(await all(engine)).toHaveLength(40);
    const replaced = await engine.import(file, { onConflict: 'replace' });
    expect(replaced.collections[0]).toMatchObject({ action: 'replaced', rows: 50 });
    expect(await all(engine)).toHaveLength(50);
    expect(await engine.milvus.listCollections({})).toEqual(['taverns', 'inns']);
  });

  test('is taken in by the tab that leads, whichever tab asks', async () => {
    const source = await filled(700);
    const file = await source.export();
    const name = `archive-${crypto.randomUUID().slice(0, 8)}`;
    const [leader, follower] = [await start({ name }), await start({ name })];
    expect([leader, follower].map(({ status }) => status.store?.role)).toEqual([
      'leader',
      'follower',
    ]);
    const rows: number[] = [];
    const onProgress = ({ stage, done }: { readonly stage: string; readonly done: number }) => {
      if (stage === 'store') rows.push(done);
    };
    const { collections } = await follower.import(file, { onProgress });
    expect(collections).toEqual([{ from: 'inns', name: 'inns', rows: 700, action: 'created' }]);
    expect(rows.at(-1)).toBe(700);
    expect(await bytesOf(await follower.export())).toEqual(await bytesOf(file));
    expect(await all(leader)).toEqual(await all(source));
  });

  test('is refused whole where a byte of it is not what it was, and the next one is taken', async () => {
    const source = await filled(200);
    const good = await bytesOf(await source.export());
    const target = await start();
    await fc.assert(
      fc.asyncProperty(
        fc.nat(good.length - 1),
        fc.integer({ min: 1, max: 255 }),
        async (at, flip) => {
          const bad = good.slice();
          bad[at] = (bad[at] ?? 0) ^ flip;
          const error = await refused(target.import(bad.buffer));
          expect(['archive_invalid', 'too_large', 'storage_too_new']).toContain(error.code);
          expect(error.message).toContain('Nothing was imported');
        },
      ),
      { numRuns: 12 },
    );
    expect(await target.milvus.listCollections({})).toEqual([]);
    await target.import(good);
    expect(await bytesOf(await target.export())).toEqual(good);
  });

  test('that makes its reader hang costs two seconds and a worker', async () => {
    let hang = true;
    const made: Worker[] = [];
    const archive = () => {
      const url = hang ? hangingWorker() : archiveWorkerUrl;
      const worker = new Worker(url, { type: 'module' });
      made.push(worker);
      return worker;
    };
    const engine = await filled(20, { workers: { archive } });
    hang = false;
    const file = await engine.export();
    hang = true;
    const begun = performance.now();
    const error = await refused(engine.import(file, { rename: { inns: 'other' } }));
    expect(error.code).toBe('deadline');
    expect(error.message).toContain('Its reader was ended');
    expect(performance.now() - begun).toBeLessThan(6_000);
    hang = false;
    await engine.import(file, { rename: { inns: 'other' } });
    expect(await engine.milvus.listCollections({})).toEqual(['inns', 'other']);
    expect(made).toHaveLength(3);
  });

  test('is given up when the caller says so, with nothing kept', async () => {
    const source = await filled(4_000);
    const file = await source.export();
    for (const stage of ['check', 'store']) {
      const target = await start();
      const stop = new AbortController();
      const onProgress = (progress: { readonly stage: string }) => {
        if (progress.stage === stage) stop.abort();
      };
      const error = await refused(target.import(file, { signal: stop.signal, onProgress }));
      expect(error.code).toBe('aborted');
      expect(await target.milvus.listCollections({})).toEqual([]);
      await target.import(file);
      expect(await all(target)).toHaveLength(4_000);
    }
  });

  test('is refused by name where an option is not known', async () => {
    const engine = await start();
    const odd = { conflict: 'replace' } as never;
    expect((await refused(engine.import(new Blob([]), odd))).message).toContain('"conflict"');
    expect((await refused(engine.export({ all: true } as never))).message).toContain('"all"');
    expect((await refused(engine.import('x' as never))).code).toBe('invalid_option');
    expect((await refused(engine.export({ collections: ['no'] }))).milvusCode).toBe(100);
    expect((await refused(engine.import(new Blob([])))).code).toBe('archive_invalid');
  });

  test('does not start, or dies, with words', async () => {
    const { href } = new URL('/no-such-worker.js', location.href);
    const archive = () => new Worker(href, { type: 'module' });
    const engine = await filled(5, { workers: { archive } });
    const error = await refused(engine.export());
    expect(error.code).toBe('worker_start_failed');
    expect(await all(engine)).toHaveLength(5);
  });
});

/** A worker that answers its first messages and then, asked for work, nothing any more. */
function hangingWorker(): string {
  const source = `
    import { serve } from ${JSON.stringify(new URL('/src/shared/link.ts', location.href).href)};
    serve({ check: () => { for (;;); }, pack: () => {} }, self);
  `;
  return URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
}
