/**
 * F22, F23, F24, F26, F27 in real Chromium, through the public engine: workers that are ended from outside
 * and from inside, hang, or never start. Every call settles, typed; the next one works on a fresh worker;
 * what was acknowledged is there.
 */
import { afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createEngine } from '../../src/create-engine.ts';
import type { Engine } from '../../src/engine.ts';
import type { EngineOptions } from '../../src/engine-options.ts';
import { embedWorkerUrl, indexWorkerUrl } from '../../src/places.ts';
import type { WhorlError } from '../../src/shared/errors.ts';
import { embedWords } from '../fakes/word-embedder.ts';
import { random } from '../unit/kernel/vectors.ts';
import {
  listenForComplaints,
  type Mine,
  MinedWorkers,
  scriptOf,
  workerUnder,
} from './mined-worker.ts';

/** `npm run test:faults` runs all seeds, and what takes as long as a worker may be silent; `npm test` a third. */
const ALL = import.meta.env.WHORL_FAULTS === 'all';

const collectionName = 'inns';
const DIMENSION = 32;
const ASSETS = new URL('/models/all-MiniLM-L6-v2/', location.href);

const INNS = (dim = DIMENSION) =>
  ({
    collectionName,
    schema: {
      fields: [
        { fieldName: 'id', dataType: 'Int64', isPrimary: true },
        { fieldName: 'text', dataType: 'VarChar', elementTypeParams: { max_length: 500 } },
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

/** Words to vectors, on the page. */
const words = {
  model: 'words',
  embed: async (texts: readonly string[]) => texts.map((text) => embedWords(text, DIMENSION)),
};

const engines: Engine[] = [];

async function start(options: EngineOptions): Promise<Engine> {
  const engine = await createEngine({ name: `faults-${crypto.randomUUID()}`, ...options });
  engines.push(engine);
  return engine;
}

const complaints = listenForComplaints();

afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.close()));
  for (const frame of document.querySelectorAll('iframe')) frame.remove();
  expect(complaints.said).toEqual([]);
});

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const textOf = (id: number) => `inn ${id} pours ale number${id} by the river of street${id % 7}`;
const rowsFrom = (first: number, count: number) =>
  Array.from({ length: count }, (_, i) => ({ id: first + i, text: textOf(first + i) }));

/** The error of a call, null when it went well; it must be one of ours, and come soon. */
async function endOf(call: Promise<unknown>, withinMs = 5_000): Promise<WhorlError | null> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not settled in ${withinMs} ms`)), withinMs);
  });
  try {
    await Promise.race([call, late]);
    return null;
  } catch (error) {
    expect(error).toMatchObject({ name: 'WhorlError' });
    return error as WhorlError;
  } finally {
    clearTimeout(timer);
  }
}

async function idsIn(engine: Engine): Promise<number[]> {
  const rows = await engine.milvus.query({
    collectionName,
    filter: '',
    outputFields: ['id'],
    limit: 10_000,
  });
  return rows.map(({ id }) => Number(id)).sort((a, b) => a - b);
}

/** When a fault strikes. */
type Moment = 'before the first call' | 'in the middle of an insert' | 'between two calls';
const MOMENTS: readonly Moment[] = [
  'before the first call',
  'in the middle of an insert',
  'between two calls',
];

/**
 * Inserts batches, has the index worker end once, goes on, and looks at what is there: every acknowledged
 * batch whole, the one under way whole or not at all.
 */
async function strike(mine: Mine, moment: Moment, seed: number, settleMs: number): Promise<void> {
  const next = random(seed);
  const pick = (n: number) => Math.floor(next() * n);
  const mined = new MinedWorkers(indexWorkerUrl);
  const engine = await start({ embedder: words, workers: { index: mined.make } });
  const at = 1 + pick(3);
  const acked: number[] = [];
  const doubtful: number[] = [];
  const call = async (first: number, rows: readonly { readonly id: number }[]) => {
    const data = rows as ReturnType<typeof rowsFrom>;
    const inserted = engine.milvus.insert({ collectionName, data });
    if (first === at && moment === 'in the middle of an insert') {
      await pause(pick(12));
      mined.blow(mine);
    }
    const error = await endOf(inserted, settleMs);
    if (error !== null) {
      expect(error, `seed ${seed}`).toMatchObject({ code: 'worker_lost', retryable: true });
    }
    (error === null ? acked : doubtful).push(...data.map(({ id }) => id));
  };
  if (moment === 'before the first call') {
    mined.blow(mine);
    const error = await endOf(engine.milvus.listCollections({}), settleMs);
    if (error !== null) expect(error).toMatchObject({ code: 'worker_lost' });
  }
  await engine.milvus.createCollection(INNS());
  for (let batch = 0, first = 0; batch < 5; batch++) {
    if (batch === at && moment === 'between two calls') mined.blow(mine);
    const size = 20 + pick(180);
    await call(batch, rowsFrom(first, size));
    first += size;
  }
  const there = await idsIn(engine);
  const lost = acked.filter((id) => !there.includes(id));
  expect(lost, `seed ${seed}`).toEqual([]);
  const half = doubtful.filter((id) => there.includes(id)).length;
  expect([0, doubtful.length], `seed ${seed}`).toContain(half);
  // Text goes over a bridge that was joined anew, and the vectors belong to their rows.
  for (const id of [acked[0], acked.at(-1)]) {
    const data = [textOf(id as number)];
    const [hit] = await engine.milvus.search({ collectionName, data, limit: 1 });
    expect(hit, `seed ${seed}`).toMatchObject({ id: String(id) });
  }
  expect(engine.status.restarts.index).toBe(1);
  expect(mined.made).toHaveLength(2);
  expect(engine.status.store).toMatchObject({ role: 'leader', durability: 'durable' });
}

const ENDS = ['terminate', 'close', 'crash'] as const;

describe('F23 the index worker is ended', { timeout: 60_000 }, () => {
  for (const mine of ENDS) {
    for (const [at, moment] of MOMENTS.entries()) {
      const seeds = (ALL ? [1, 2, 3] : [1]).map((n) => 100 * (at + 1) + n);
      test.each(seeds)(`by ${mine}, ${moment} (seed %i)`, (seed) =>
        strike(mine, moment, seed, 5_000),
      );
    }
  }

  test('three times in a row, under calls of every kind: each settles, and all that was acknowledged is there', async () => {
    const mined = new MinedWorkers(indexWorkerUrl);
    const engine = await start({ embedder: words, workers: { index: mined.make } });
    await engine.milvus.createCollection(INNS());
    await engine.milvus.insert({ collectionName, data: rowsFrom(0, 50) });
    for (const [round, mine] of ENDS.entries()) {
      const calls = [
        engine.milvus.insert({ collectionName, data: rowsFrom(1_000 * (round + 1), 10) }),
        engine.milvus.search({ collectionName, data: ['ale'], limit: 3 }),
        engine.milvus.query({ collectionName, filter: 'id < 5' }),
        engine.lexical(['ale', 'bread'], 'ale'),
        engine.milvus.listCollections({}),
      ];
      mined.blow(mine);
      for (const error of await Promise.all(calls.map((call) => endOf(call)))) {
        if (error !== null) expect(error).toMatchObject({ code: 'worker_lost', retryable: true });
      }
      // The page may learn of it only now.
      await endOf(engine.milvus.listCollections({}));
      expect((await idsIn(engine)).slice(0, 50)).toEqual(rowsFrom(0, 50).map(({ id }) => id));
      expect(engine.status.restarts.index).toBe(round + 1);
    }
  });
});

// Found by the pings that stay unanswered, after 20 s and 60 s. Side by side: their waiting is all that costs time.
describe.runIf(ALL)('F24 a worker hangs (runs with test:faults)', { timeout: 120_000 }, () => {
  test('the index worker, in an endless loop or blocked, at any moment (seeds 1, 2, 3)', async () => {
    const mines = ['hang', 'block', 'block'] as const;
    await Promise.all(
      MOMENTS.map((moment, at) => strike(mines[at] as Mine, moment, at + 1, 40_000)),
    );
  });

  test('the embed worker, in an endless loop or blocked (seeds 1, 2, 3)', async () => {
    const mines = ['hang', 'block', 'block'] as const;
    const hang = async (mine: Mine, moment: Moment) => {
      const { engine, mined } = await startMined();
      if (moment !== 'before the first call') await engine.prepare();
      if (moment !== 'in the middle of an insert') mined.blow(mine);
      const embedding = engine.embed(bulk(60));
      await pause(20);
      if (moment === 'in the middle of an insert') mined.blow(mine);
      const codes = ['worker_lost', 'worker_start_failed', 'deadline'];
      const error = await endOf(embedding, 80_000);
      if (error !== null) expect(codes).toContain(error.code);
      expect((await engine.embed(bulk(3))).vectors).toHaveLength(3 * 384);
    };
    await Promise.all(MOMENTS.map((moment, at) => hang(mines[at] as Mine, moment)));
  });
});

describe('F22 the index worker cannot be started', { timeout: 90_000 }, () => {
  let bundle = '';
  beforeAll(async () => {
    const response = await fetch(new URL('/dist/lib/index.worker.js', location.href));
    // The development server adds a map, which a cut would only shorten.
    bundle = (await response.text()).split('\n//# sourceMappingURL')[0] ?? '';
    expect(bundle.length).toBeGreaterThan(100_000);
  });

  /** A script that cannot be run, by kind. */
  const SCRIPTS: { readonly [kind: string]: () => string } = {
    'is not there (404)': () =>
      new URL(`/nothing/${crypto.randomUUID()}.js?raw`, location.href).href,
    'is a web page (200)': () => scriptOf('<!doctype html><title>Sign in</title>', 'text/html'),
    'has another MIME type': () => scriptOf('postMessage(1)', 'text/plain'),
    'was cut after a tenth': () => scriptOf(bundle.slice(0, bundle.length * 0.1)),
    'was cut in the middle': () => scriptOf(bundle.slice(0, bundle.length / 2)),
    'was cut before its end': () => scriptOf(bundle.slice(0, -400)),
  };

  test.each(Object.keys(SCRIPTS).filter((_, at) => ALL || at % 2 === 0))(
    'its script %s: said at once, and the next engine works',
    async (kind) => {
      const make = () => new Worker((SCRIPTS[kind] as () => string)(), { type: 'module' });
      const error = await endOf(start({ embedder: words, workers: { index: make } }));
      expect(error).toMatchObject({ code: 'worker_start_failed', retryable: true });
      expect(error?.message).toContain('The index worker could not be started');
      const engine = await start({ embedder: words });
      expect(await engine.milvus.listCollections({})).toEqual([]);
    },
  );

  test.each(
    ['is not there (404)', 'was cut in the middle', 'has another MIME type'].slice(0, ALL ? 3 : 1),
  )('after a death its script %s: the next calls say so until it is there again', async (kind) => {
    const mined = new MinedWorkers(indexWorkerUrl);
    // A site that was deployed anew while the page was open; and then the old script is back.
    mined.instead = (at) =>
      at === 1 || at === 2
        ? () => new Worker((SCRIPTS[kind] as () => string)(), { type: 'module' })
        : undefined;
    const engine = await start({ embedder: words, workers: { index: mined.make } });
    await engine.milvus.createCollection(INNS());
    await engine.milvus.insert({ collectionName, data: rowsFrom(0, 20) });
    mined.blow('terminate');
    await expect.poll(() => engine.status.restarts.index, { timeout: 5_000 }).toBe(2);
    expect(engine.status.store).toBeNull();
    const error = await endOf(engine.milvus.listCollections({}));
    expect(error).toMatchObject({ code: 'worker_start_failed' });
    expect(await idsIn(engine)).toHaveLength(20);
    expect(engine.status.store).toMatchObject({ role: 'leader' });
  });

  test.runIf(ALL)('a script that runs and never answers is given up after 15 s', async () => {
    const make = () => new Worker(scriptOf('export {};'), { type: 'module' });
    const error = await endOf(start({ embedder: words, workers: { index: make } }), 20_000);
    expect(error).toMatchObject({ code: 'worker_start_failed', retryable: true });
    expect(error?.message).toContain('no sign of life');
  });

  test.each([
    "worker-src 'none'; script-src 'self' blob:",
    "child-src 'none'; script-src 'self'",
    "default-src 'none'",
  ])('the page forbids workers: %s', async (policy) => {
    const make = await workerUnder(policy, indexWorkerUrl);
    const error = await endOf(start({ embedder: words, workers: { index: make } }));
    expect(error).toMatchObject({ code: 'worker_start_failed' });
    expect(error?.message).toMatch(/content security policy|Content Security Policy/);
  });
});

/** Scripts may run, WebAssembly may not. */
const NO_WASM = "script-src 'self' blob: 'unsafe-inline'; worker-src 'self' blob:";

describe('F27 a content security policy without wasm-unsafe-eval', { timeout: 60_000 }, () => {
  test('the index: rows are kept and read, a search says what is missing', async () => {
    const make = await workerUnder(NO_WASM, indexWorkerUrl);
    const engine = await start({ embedder: words, workers: { index: make } });
    await engine.milvus.createCollection(INNS());
    await engine.milvus.insert({ collectionName, data: rowsFrom(0, 5) });
    expect(await idsIn(engine)).toEqual([0, 1, 2, 3, 4]);
    const search = () => engine.milvus.search({ collectionName, data: ['ale'], limit: 1 });
    for (const error of [await endOf(search()), await endOf(search())]) {
      expect(error).toMatchObject({ code: 'unsupported' });
      expect(error?.message).toContain("'wasm-unsafe-eval'");
    }
  });

  test('the encoder: the first call says what is missing, and so does the status', async () => {
    const make = await workerUnder(NO_WASM, embedWorkerUrl);
    const engine = await start({ assets: ASSETS, storage: 'memory', workers: { embed: make } });
    const error = await endOf(engine.embed(['ale']), 30_000);
    expect(error?.message).toContain("'wasm-unsafe-eval'");
    expect(engine.status.embedder).toMatchObject({ state: 'failed', code: error?.code });
  });
});

const bulk = (count: number) => rowsFrom(0, count).map(({ text }) => text.repeat(4));

/** An engine with the real model in one worker that can be ended. */
async function startMined() {
  const mined = new MinedWorkers(embedWorkerUrl);
  const options = { assets: ASSETS, backend: 'wasm', embedWorkers: 1, storage: 'memory' } as const;
  const workers = { embed: mined.make };
  return { engine: await start({ ...options, embeddingCacheBytes: 0, workers }), mined };
}

describe('F23 the embed worker is ended', { timeout: 120_000 }, () => {
  beforeAll(async () => {
    // Once for all: later engines find the model in the cache.
    const engine = await start({ assets: ASSETS, storage: 'memory' });
    await engine.prepare();
    await engine.close();
  });

  for (const [at, mine] of ENDS.entries()) {
    // The first of each ends it before its first word, which is waited for 15 s.
    const seeds = (ALL ? [1, 2, 3] : [2 + (at % 2)]).map((n) => 10 * (at + 1) + n);
    test.each(seeds)(`by ${mine}, at a moment of its own (seed %i)`, async (seed) => {
      const { engine, mined } = await startMined();
      const pick = random(seed);
      const moment = MOMENTS[seed % 10 === 0 ? 0 : (seed % 10) - 1] as Moment;
      if (moment !== 'before the first call') await engine.prepare();
      let isBlown = false;
      const blow = () => {
        if (!isBlown) mined.blow(mine);
        isBlown = true;
      };
      if (moment !== 'in the middle of an insert') blow();
      const onProgress = ({ done }: { readonly done: number }) => {
        if (done >= 4 + pick() * 20) blow();
      };
      const error = await endOf(engine.embed(bulk(60), { onProgress }), 30_000);
      // One that is ended before its first word never started, as far as the page can know.
      const codes = ['worker_lost', 'worker_start_failed'];
      if (error !== null) expect(codes).toContain(error.code);
      expect(isBlown).toBe(true);
      const { vectors } = await engine.embed(bulk(3));
      expect(vectors).toHaveLength(3 * 384);
      expect(engine.status).toMatchObject({ embedder: { state: 'ready' }, restarts: { embed: 1 } });
    });
  }

  test.each(ENDS)(
    'by %s under an insert of text: acknowledged or typed, and the next one works',
    async (mine) => {
      const { engine, mined } = await startMined();
      await engine.prepare();
      await engine.milvus.createCollection(INNS(384));
      const data = rowsFrom(0, 80);
      const insert = engine.milvus.insert({ collectionName, data });
      await pause(30);
      mined.blow(mine);
      const error = await endOf(insert, 60_000);
      const there = (await idsIn(engine)).length;
      expect(there).toBe(error === null ? 80 : 0);
      await engine.milvus.upsert({ collectionName, data });
      expect(await idsIn(engine)).toHaveLength(80);
      const query = { collectionName, data: [textOf(7)], limit: 1 };
      expect(await engine.milvus.search(query)).toMatchObject([{ id: '7' }]);
    },
  );

  test('F22 its script is not there: said at once, and the next start works', async () => {
    const mined = new MinedWorkers(embedWorkerUrl);
    const missing = () => new Worker(scriptOf('<html>', 'text/html'), { type: 'module' });
    mined.instead = (at) => (at < 2 ? missing : undefined);
    const engine = await start({
      assets: ASSETS,
      storage: 'memory',
      workers: { embed: mined.make },
    });
    await expect.poll(() => engine.status.restarts.embed).toBe(1);
    expect(await endOf(engine.prepare())).toMatchObject({ code: 'worker_start_failed' });
    expect(engine.status.embedder).toMatchObject({ state: 'failed', code: 'worker_start_failed' });
    expect(await engine.prepare()).toMatchObject({ backend: 'wasm' });
  });
});

test('nothing was uncaught, unhandled or written to the console as an error', async () => {
  onTestFinished(() => complaints.stop());
  await pause(300);
  expect(complaints.said).toEqual([]);
});
