/**
 * A small honest `LoopStore` in memory: what it does not understand it refuses. Filters are
 * conjunctions of `field == literal`, `field > "text"` and `field in [..]`; text analysis is the
 * plain BM25 of the design page without stemmer.
 */

import type { LoopStore } from '../../src/loop/types.ts';
import { milvusError, throwIfAborted } from '../../src/shared/errors.ts';
import type {
  CollectionDescription,
  CollectionSchema,
  MilvusRow,
  SearchHit,
} from '../../src/shared/milvus-types.ts';
import type { Candidate } from '../../src/shared/types.ts';

interface Collection {
  readonly name: string;
  readonly schema: CollectionSchema;
  readonly key: string;
  readonly autoId: boolean;
  readonly rows: Map<string, Record<string, unknown>>;
  loaded: boolean;
  next: number;
}

export interface FakeStore extends LoopStore {
  /** Names of the methods called, in order, with the collection: `upsert taverns__memory`. */
  readonly calls: string[];
  readonly collections: Map<string, Collection>;
  /** The next call of `what` (`upsert taverns__memory`) rejects, before it changes anything. */
  failNext(what: string, error: unknown): void;
  /** The next call of `what` rejects after it changed everything: a lost acknowledgement. */
  failAfter(what: string, error: unknown): void;
}

const MAX_BYTES = 65_535;

export function fakeLoopStore(): FakeStore {
  const collections = new Map<string, Collection>();
  const calls: string[] = [];
  const before = new Map<string, unknown>();
  const after = new Map<string, unknown>();
  const take = (map: Map<string, unknown>, what: string) => {
    if (!map.has(what)) return;
    const error = map.get(what);
    map.delete(what);
    throw error;
  };
  const call = async <T>(
    method: string,
    body: { readonly collectionName: string },
    options: { readonly signal?: AbortSignal } | undefined,
    work: () => T,
  ): Promise<T> => {
    throwIfAborted(options?.signal);
    const what = `${method} ${body.collectionName}`;
    calls.push(what);
    await Promise.resolve();
    take(before, what);
    const answer = work();
    take(after, what);
    return answer;
  };
  const find = (name: string): Collection => {
    const found = collections.get(name);
    if (!found) throw milvusError(100, `collection not found[collection=${name}]`);
    return found;
  };
  const loaded = (name: string): Collection => {
    const found = find(name);
    if (!found.loaded) throw milvusError(101, `collection not loaded[collection=${name}]`);
    return found;
  };
  return {
    calls,
    collections,
    failNext: (what, error) => before.set(what, error),
    failAfter: (what, error) => after.set(what, error),
    createCollection: (body, options) =>
      call('createCollection', body, options, () => {
        if (!body.schema) throw milvusError(1100, 'this fake takes schemas only');
        if (collections.has(body.collectionName)) throw milvusError(65535, 'exists');
        const key = body.schema.fields.find((field) => field.isPrimary);
        if (!key) throw milvusError(1100, 'no primary key');
        collections.set(body.collectionName, {
          name: body.collectionName,
          schema: body.schema,
          key: key.fieldName,
          autoId: body.schema.autoID === true,
          rows: new Map(),
          loaded: (body.indexParams ?? []).length > 0,
          next: 1,
        });
        return {};
      }),
    hasCollection: (body, options) =>
      call('hasCollection', body, options, () => ({ has: collections.has(body.collectionName) })),
    loadCollection: (body, options) =>
      call('loadCollection', body, options, () => {
        find(body.collectionName).loaded = true;
        return {};
      }),
    describeCollection: (body, options) =>
      call('describeCollection', body, options, () => describe(find(body.collectionName))),
    insert: (body, options) =>
      call('insert', body, options, () => {
        const insertIds = write(find(body.collectionName), [body.data].flat() as MilvusRow[]);
        return { insertCount: insertIds.length, insertIds };
      }),
    upsert: (body, options) =>
      call('upsert', body, options, () => {
        const upsertIds = write(find(body.collectionName), [body.data].flat() as MilvusRow[]);
        return { upsertCount: upsertIds.length, upsertIds };
      }),
    delete: (body, options) =>
      call('delete', body, options, () => {
        const { rows, key } = find(body.collectionName);
        const gone = [...rows.values()].filter(matcher(body.filter));
        for (const row of gone) rows.delete(String(row[key]));
        return { deleteCount: gone.length };
      }),
    get: (body, options) =>
      call('get', body, options, () => {
        const { rows } = loaded(body.collectionName);
        const ids = ([body.id].flat() as unknown[]).map(String);
        const found = [...new Set(ids)]
          .sort()
          .map((id) => rows.get(id))
          .filter((row) => row !== undefined);
        return found.map((row) => project(row, body.outputFields ?? ['*']));
      }),
    query: (body, options) =>
      call('query', body, options, () => {
        const { rows, key } = loaded(body.collectionName);
        const found = [...rows.values()].filter(matcher(body.filter ?? ''));
        if (body.outputFields?.[0] === 'count(*)') {
          if (body.limit !== undefined) throw milvusError(1100, 'count with a limit');
          return [{ 'count(*)': String(found.length) }];
        }
        found.sort((a, b) => (String(a[key]) < String(b[key]) ? -1 : 1));
        const start = body.offset ?? 0;
        return found
          .slice(start, start + (body.limit ?? 100))
          .map((row) => project(row, body.outputFields ?? ['*']));
      }),
    search: (body, options) =>
      call('search', body, options, () => {
        const collection = loaded(body.collectionName);
        const [query] = body.data;
        if (!(query instanceof Float32Array) || !body.annsField)
          throw milvusError(1100, 'one vector and its field');
        const field = body.annsField;
        const hits = [...collection.rows.values()]
          .filter(matcher(body.filter ?? ''))
          .map((row) => ({ row, distance: dot(query, row[field] as Float32Array) }))
          .sort((a, b) => b.distance - a.distance)
          .slice(0, body.limit ?? 100);
        const fields = [collection.key, ...(body.outputFields ?? [])];
        return hits.map(
          ({ row, distance }) => ({ ...project(row, fields), distance }) as SearchHit,
        );
      }),
    candidates: (request, options) =>
      call('candidates', request, options, () => {
        const collection = loaded(request.collectionName);
        const rows = [...collection.rows.values()].filter(matcher(request.filter ?? ''));
        const words = bm25(
          rows.map((row) => request.textFields.map((field) => row[field] ?? '').join(' ')),
          request.text,
        );
        const all: Candidate[] = rows.map((row, i) => ({
          id: String(row[collection.key]),
          row: project(row, ['*']),
          cosine: request.vector
            ? dot(request.vector, row[request.annsField] as Float32Array)
            : null,
          shifted: request.shifted
            ? dot(request.shifted, row[request.annsField] as Float32Array)
            : null,
          bm25: words[i] ?? 0,
        }));
        const depth = request.depth ?? 100;
        const taken = new Set<Candidate>();
        const best = (score: (one: Candidate) => number) => {
          const order = [...all].sort((a, b) => score(b) - score(a));
          for (const one of order.slice(0, depth)) taken.add(one);
        };
        if (request.vector) best((one) => one.cosine ?? 0);
        if (request.shifted) best((one) => one.shifted ?? 0);
        const matching = all.filter((one) => one.bm25 > 0).sort((a, b) => b.bm25 - a.bm25);
        for (const one of matching.slice(0, depth)) taken.add(one);
        const include = new Set(request.include ?? []);
        for (const one of all) if (include.has(one.id)) taken.add(one);
        return { candidates: [...taken], maxBm25: matching[0]?.bm25 ?? 0 };
      }),
  };
}

function describe(collection: Collection): CollectionDescription {
  const { schema, name, key } = collection;
  return {
    collectionName: name,
    collectionID: '1',
    description: schema.description ?? '',
    autoId: collection.autoId,
    enableDynamicField: schema.enableDynamicField === true,
    fields: schema.fields.map((field, id) => ({
      name: field.fieldName,
      type: field.dataType,
      id: 100 + id,
      primaryKey: field.fieldName === key,
      autoId: field.fieldName === key && collection.autoId,
      partitionKey: false,
      clusteringKey: false,
      nullable: false,
      description: '',
      params: Object.entries(field.elementTypeParams ?? {}).map(([name, value]) => ({
        key: name,
        value: String(value),
      })),
    })),
    functions: schema.functions ?? [],
    aliases: [],
    indexes: [],
    load: collection.loaded ? 'LoadStateLoaded' : 'LoadStateNotLoad',
    shardsNum: 1,
    partitionsNum: 1,
    consistencyLevel: 'Bounded',
    properties: [],
  };
}

/** All rows are checked before the first is written: nothing is partially inserted. */
function write(collection: Collection, rows: readonly MilvusRow[]): string[] {
  const checked = rows.map((row) => checkRow(collection, row));
  return checked.map((row) => {
    if (collection.autoId) row[collection.key] = String(collection.next++);
    const id = String(row[collection.key]);
    collection.rows.set(id, row);
    return id;
  });
}

function checkRow(collection: Collection, row: MilvusRow): Record<string, unknown> {
  const { schema } = collection;
  const known = new Set(schema.fields.map((field) => field.fieldName));
  const extra = Object.keys(row).find((name) => !known.has(name));
  if (extra && !schema.enableDynamicField) throw milvusError(1804, `unknown field ${extra}`);
  const filled = new Set(schema.functions?.flatMap((one) => one.outputFieldNames) ?? []);
  for (const field of schema.fields) {
    const value = row[field.fieldName];
    if (value === undefined) {
      if ((field.isPrimary && collection.autoId) || filled.has(field.fieldName)) continue;
      throw milvusError(1804, `field ${field.fieldName} is missing`);
    }
    checkValue(field.fieldName, field.dataType, value, field.elementTypeParams ?? {});
  }
  return structuredClone(row) as Record<string, unknown>;
}

function checkValue(
  name: string,
  type: string,
  value: unknown,
  params: { readonly max_length?: number | string; readonly dim?: number | string },
): void {
  const wrong = (why: string) => milvusError(1804, `field ${name}: ${why}`);
  if (type === 'VarChar') {
    if (typeof value !== 'string') throw wrong('not a text');
    const bytes = new TextEncoder().encode(value).length;
    if (bytes > Math.min(MAX_BYTES, Number(params.max_length))) throw wrong(`${bytes} bytes`);
  } else if (type === 'FloatVector') {
    if (!(value instanceof Float32Array) || value.length !== Number(params.dim))
      throw wrong('not a vector of that dimension');
  } else if (type === 'Bool') {
    if (typeof value !== 'boolean') throw wrong('not a boolean');
  } else if (/^Int/.test(type)) {
    if (!/^-?\d+$/.test(String(value))) throw wrong('not an integer');
  }
}

function project(row: Record<string, unknown>, fields: readonly string[]): MilvusRow {
  const all = fields.includes('*');
  const kept = Object.entries(row).filter(([name]) => all || fields.includes(name));
  return structuredClone(Object.fromEntries(kept)) as MilvusRow;
}

/** Refuses what it does not understand, as the real one does. */
export function matcher(filter: string): (row: Record<string, unknown>) => boolean {
  if (filter === '') return () => true;
  const tests: ((row: Record<string, unknown>) => boolean)[] = [];
  let rest = filter;
  const clause =
    /^\s*(\w+) (==|>|in) ("(?:[^"\\]|\\.)*"|true|false|-?\d+(?:\.\d+)?|\[[^\]]*\])\s*(?:and |$)/;
  while (rest.trim() !== '') {
    const found = clause.exec(rest);
    if (!found) throw milvusError(1100, `cannot parse expression: ${filter}`);
    const [whole, field = '', operator, literal = ''] = found;
    const value: unknown = JSON.parse(literal);
    tests.push((row) => {
      const own = row[field];
      if (operator === 'in') return (value as unknown[]).includes(own);
      return operator === '>' ? String(own) > String(value) : own === value;
    });
    rest = rest.slice(whole.length);
  }
  return (row) => tests.every((test) => test(row));
}

function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);
}

/** BM25, k1 .9, b .4. */
export function bm25(texts: readonly string[], query: string): number[] {
  const documents = texts.map(wordsOf);
  const average = documents.reduce((sum, words) => sum + words.length, 0) / documents.length || 1;
  const scores = documents.map(() => 0);
  for (const term of new Set(wordsOf(query))) {
    const counts = documents.map((words) => words.filter((word) => word === term).length);
    const having = counts.filter((count) => count > 0).length;
    const idf = Math.log(1 + (documents.length - having + 0.5) / (having + 0.5));
    counts.forEach((count, i) => {
      const length = (documents[i]?.length ?? 0) / average;
      scores[i] = (scores[i] ?? 0) + (idf * count * 1.9) / (count + 0.9 * (0.6 + 0.4 * length));
    });
  }
  return scores;
}

function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]{2,}/gu) ?? [];
}
