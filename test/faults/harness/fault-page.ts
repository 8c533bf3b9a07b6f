/** Runs in a page that may be killed at any moment: an engine, a stream of changes, and a look at all rows. */
import { createEngine, type Engine, type EngineOptions } from '../../../src/index.ts';
import { isWhorlError } from '../../../src/shared/errors.ts';
import type { EngineStatus } from '../../../src/shared/types.ts';
import { joinParts, type SnapshotPart } from '../../../workers/index/saved-graph.ts';
import { type GraphMutation, mutated } from './graph-mutations.ts';
import { type RawEntry, readStore, replaceStore } from './raw-database.ts';
import { type Change, type RowVersion, textOf, vectorOf } from './rows.ts';

export interface Outcome {
  readonly ok: boolean;
  readonly ms: number;
  readonly code?: string;
  readonly message?: string;
}

export interface CollectionOrder {
  readonly collectionName: string;
  readonly dimension: number;
  /** Default `HNSW`. */
  readonly indexType?: 'HNSW' | 'FLAT';
}

export interface Stream extends CollectionOrder {
  readonly changes: readonly Change[];
  /** Number of the first change; `window.acked` is told the number of each that was confirmed. */
  readonly first: number;
  /** Calls under way at a time. */
  readonly inFlight: number;
}

export interface Seen {
  /** Null: there is no such collection. */
  readonly rows: readonly RowVersion[] | null;
  /** What the count says. */
  readonly count: number;
  /** Rows that are not what they must be, each with the reason; empty when all is well. */
  readonly wrong: readonly string[];
}

/** What a test, outside of the page, may call. */
export interface FaultPage {
  /** Starts an engine with an embedder of the page (letters of the text), unless one was given. */
  open(options: EngineOptions): Promise<EngineStatus>;
  /** Milliseconds from calling `createEngine` to the answer of a first search. */
  timeToSearch(options: EngineOptions, order: CollectionOrder, near: RowVersion): Promise<number>;
  status(): EngineStatus;
  create(order: CollectionOrder): Promise<void>;
  /** Makes the changes in their order. Ends when all are settled; rejects with the first that failed. */
  run(stream: Stream): Promise<void>;
  /** One change, whatever comes of it. */
  attempt(order: CollectionOrder, change: Change): Promise<Outcome>;
  /** All rows; `near` of them (default 64, spread evenly) are searched by their own vector, too. */
  look(order: CollectionOrder, near?: number): Promise<Seen>;
  /** Keys of the nearest rows of a row's vector. */
  search(
    order: CollectionOrder,
    near: RowVersion,
    limit: number,
    params?: Readonly<Record<string, number>>,
  ): Promise<readonly number[]>;
  /** The same of many rows' vectors, one list for each. */
  searchMany(
    order: CollectionOrder,
    near: readonly RowVersion[],
    limit: number,
    params?: Readonly<Record<string, number>>,
  ): Promise<readonly (readonly number[])[]>;
  /** Entries of a store of the engine's database, past the engine; they stay in the page. */
  countStore(engine: string, store: string): Promise<number>;
  /** Keeps the saved graph of an engine that is closed, for {@link FaultPage.spoilGraph}. */
  keepGraph(engine: string): Promise<void>;
  /** Puts the graph that was kept back, spoilt; the engine is closed. */
  spoilGraph(engine: string, mutation: GraphMutation, seed: number): Promise<void>;
  /** Keeps and spoils the saved graph of an engine that is closed; nothing where there is none. */
  spoilGraphHere(engine: string, mutation: GraphMutation, seed: number): Promise<void>;
  /** Milliseconds until a search of the running engine finds the row; what fails typed is made again. */
  timeUntilFound(order: CollectionOrder, near: RowVersion): Promise<number>;
  /** As {@link FaultPage.open}, with an index worker that {@link FaultPage.endWorker} can end. */
  openWithOwnWorker(options: EngineOptions): Promise<EngineStatus>;
  /** Ends the index worker without a word, as a browser does that needs its memory. */
  endWorker(): void;
  /** Whether what is saved of a graph is whole, by its own checksums. */
  graphHolds(engine: string): Promise<boolean>;
  close(): Promise<void>;
}

declare global {
  interface Window {
    faultPage: FaultPage;
    engine: Engine;
    /** Made by the test; the page's memory ends with it. */
    acked(change: number): Promise<void>;
  }
}

const PAGE_ROWS = 2_000;

function letters(text: string, dimension = 16): Float32Array {
  const vector = new Float32Array(dimension);
  for (const character of text) {
    const at = (character.codePointAt(0) ?? 0) % dimension;
    vector[at] = (vector[at] ?? 0) + 1;
  }
  vector[0] = (vector[0] ?? 0) + 0.01;
  const length = Math.hypot(...vector);
  return vector.map((value) => value / length);
}

/** An embedder of the page: no model is downloaded for a test of storage. */
const pageEmbedder = {
  model: 'letters',
  embed: async (texts: readonly string[]) => texts.map((text) => letters(text)),
};

async function open(options: EngineOptions): Promise<EngineStatus> {
  window.engine = await createEngine({ embedder: pageEmbedder, ...options });
  return window.engine.status;
}

async function create({ collectionName, dimension, indexType }: CollectionOrder): Promise<void> {
  await window.engine.milvus.createCollection({
    collectionName,
    schema: {
      fields: [
        { fieldName: 'id', dataType: 'Int64', isPrimary: true },
        { fieldName: 'n', dataType: 'Int32' },
        { fieldName: 'text', dataType: 'VarChar', elementTypeParams: { max_length: 4_000 } },
        { fieldName: 'vector', dataType: 'FloatVector', elementTypeParams: { dim: dimension } },
      ],
    },
    indexParams: [{ fieldName: 'vector', metricType: 'L2', indexType: indexType ?? 'HNSW' }],
  });
}

async function apply({ collectionName, dimension }: CollectionOrder, change: Change) {
  const { milvus } = window.engine;
  if (change.kind === 'delete') {
    await milvus.delete({ collectionName, filter: `id in [${change.ids.join(', ')}]` });
    return;
  }
  const data = change.rows.map((row) => ({
    id: row[0],
    n: row[1],
    text: textOf(row),
    vector: vectorOf(row, dimension),
  }));
  await milvus[change.kind]({ collectionName, data });
}

async function run({ changes, first, inFlight, ...order }: Stream): Promise<void> {
  const waiting: Promise<void>[] = [];
  for (const [at, change] of changes.entries()) {
    const done = apply(order, change).then(() => {
      void window.acked(first + at);
    });
    waiting.push(done);
    if (waiting.length >= inFlight) await waiting.shift();
  }
  await Promise.all(waiting);
}

async function attempt(order: CollectionOrder, change: Change): Promise<Outcome> {
  const start = performance.now();
  try {
    await apply(order, change);
    return { ok: true, ms: performance.now() - start };
  } catch (error) {
    const ms = performance.now() - start;
    if (!isWhorlError(error)) return { ok: false, ms, code: 'untyped', message: String(error) };
    return { ok: false, ms, code: error.code, message: error.message };
  }
}

function differs(
  row: { readonly [field: string]: unknown },
  version: RowVersion,
  dimension: number,
) {
  const { text, vector } = row as { text: string; vector: Float32Array };
  if (text !== textOf(version)) return 'its text is of another row or version';
  const wanted = vectorOf(version, dimension);
  if (vector?.length !== dimension) return 'it has no vector';
  return wanted.every((value, i) => value === vector[i]) ? null : 'its vector is of another row';
}

/** Rows in key order, page by page: an answer has at most 16,384. */
async function readRows(order: CollectionOrder, wrong: string[]): Promise<RowVersion[]> {
  const { collectionName, dimension } = order;
  const rows: RowVersion[] = [];
  for (let from = Number.MIN_SAFE_INTEGER; ; ) {
    const found = await window.engine.milvus.query({
      collectionName,
      filter: `id > ${from}`,
      limit: PAGE_ROWS,
      outputFields: ['n', 'text', 'vector'],
    });
    for (const row of found) {
      const version: RowVersion = [Number(row.id), Number(row.n)];
      rows.push(version);
      const why = differs(row, version, dimension);
      if (why !== null) wrong.push(`${version.join(':')}: ${why}`);
    }
    if (found.length < PAGE_ROWS) return rows;
    from = Math.max(...found.map((row) => Number(row.id)));
  }
}

async function findOwn(order: CollectionOrder, rows: readonly RowVersion[], wrong: string[]) {
  const { collectionName, dimension } = order;
  if (rows.length === 0) return;
  const hits = await window.engine.milvus.search({
    collectionName,
    data: rows.map((row) => vectorOf(row, dimension)),
    limit: 1,
  });
  if (hits.length !== rows.length)
    wrong.push(`${rows.length - hits.length} searches found nothing`);
  rows.forEach((row, i) => {
    const hit = hits[i];
    const found = Number(hit?.id) === row[0] && Math.abs(hit?.distance ?? 1) < 1e-6;
    if (!found) wrong.push(`${row.join(':')}: its own vector finds ${JSON.stringify(hit)}`);
  });
}

async function look(order: CollectionOrder, near = 64): Promise<Seen> {
  const { milvus } = window.engine;
  const { collectionName } = order;
  const { has } = await milvus.hasCollection({ collectionName });
  if (!has) return { rows: null, count: 0, wrong: [] };
  const wrong: string[] = [];
  const rows = await readRows(order, wrong);
  const [counted] = await milvus.query({ collectionName, outputFields: ['count(*)'] });
  const count = Number(counted?.['count(*)']);
  if (count !== rows.length) wrong.push(`${count} are counted, ${rows.length} are there`);
  const stride = Math.max(1, Math.ceil(rows.length / near));
  const sample = rows.filter((_, i) => i % stride === 0);
  await findOwn(order, sample, wrong);
  return { rows, count, wrong };
}

type Params = Readonly<Record<string, number>>;

async function searchMany(
  { collectionName, dimension }: CollectionOrder,
  near: readonly RowVersion[],
  limit: number,
  params?: Params,
): Promise<readonly (readonly number[])[]> {
  return Promise.all(
    near.map(async (row) => {
      const hits = await window.engine.milvus.search({
        collectionName,
        data: [vectorOf(row, dimension)],
        limit,
        ...(params ? { searchParams: { params } } : {}),
      });
      return hits.map((hit) => Number(hit.id));
    }),
  );
}

async function search(order: CollectionOrder, near: RowVersion, limit: number, params?: Params) {
  const [found = []] = await searchMany(order, [near], limit, params);
  return found;
}

async function timeUntilFound(order: CollectionOrder, near: RowVersion): Promise<number> {
  const start = performance.now();
  for (;;) {
    try {
      const [hit] = await search(order, near, 1);
      if (hit === near[0]) return performance.now() - start;
    } catch (error) {
      if (!isWhorlError(error)) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

let ownWorker: Worker | null = null;

function openWithOwnWorker(options: EngineOptions): Promise<EngineStatus> {
  const index = (): Worker => {
    ownWorker = new Worker('./index.worker.js', { type: 'module' });
    return ownWorker;
  };
  return open({ ...options, workers: { index } });
}

let kept: readonly RawEntry[] = [];

async function keepGraph(engine: string): Promise<void> {
  kept = await readStore(`whorl/${engine}`, 'snapshots');
  if (kept.length !== 1) throw new Error(`the graph has ${kept.length} parts, not one`);
}

async function spoilGraph(engine: string, mutation: GraphMutation, seed: number): Promise<void> {
  const spoilt = kept.map(
    ([key, part]): RawEntry => [key, mutated(part as SnapshotPart, mutation, seed)],
  );
  await replaceStore(`whorl/${engine}`, 'snapshots', spoilt);
}

const page: FaultPage = {
  open,
  create,
  run,
  attempt,
  look,
  search,
  searchMany,
  countStore: async (engine, store) => (await readStore(`whorl/${engine}`, store)).length,
  keepGraph,
  spoilGraph,
  async spoilGraphHere(engine, mutation, seed) {
    kept = await readStore(`whorl/${engine}`, 'snapshots');
    await spoilGraph(engine, mutation, seed);
  },
  timeUntilFound,
  openWithOwnWorker,
  endWorker: () => ownWorker?.terminate(),
  graphHolds: async (engine) => {
    const parts = await readStore(`whorl/${engine}`, 'snapshots');
    return joinParts(parts.map(([, part]) => part)) !== null;
  },
  status: () => window.engine.status,
  close: () => window.engine.close(),
  async timeToSearch(options, order, near) {
    const start = performance.now();
    await open(options);
    const [hit] = await search(order, near, 1);
    if (hit !== near[0]) throw new Error(`row ${near[0]} was searched, ${hit} was found`);
    return performance.now() - start;
  },
};

window.faultPage = page;
