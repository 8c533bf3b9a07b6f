/** insert, upsert, delete. Each is checked as a whole, then committed as a whole, then acknowledged. */
import { milvusError, throwIfAborted } from '../../src/shared/errors.ts';
import type { EmbedProgress } from '../../src/shared/types.ts';
import { generateIds } from './auto-id.ts';
import { collectionName, invalid, missing, optionalText, parseBody } from './body.ts';
import { toChunks } from './chunks.ts';
import type { Collection } from './collection.ts';
import { type EmbeddedTexts, embedTexts, mismatch } from './embedder.ts';
import type { CallScope } from './endpoints.ts';
import { type DraftRows, parseRows, parseWantedKey, type StoredRow } from './entity.ts';
import { rowsOf, tellErased } from './erased-texts.ts';
import { keyBytes, keyText, type PrimaryKey } from './keys.ts';
import type { Ledger } from './ledger.ts';
import { looseAfter, rangesOf, untidied } from './pages.ts';
import type { CollectionRecord, VectorSpace } from './records.ts';
import type { RowTable } from './rows.ts';
import { dimensionOf, keyField, vectorFields } from './schema.ts';
import { wantedFilter } from './wanted-filter.ts';

/** Rows of one call; a call is one transaction and one message. */
const MAX_ROWS = 1_000_000;

export async function insertRows(
  scope: CallScope,
  raw: unknown,
  mode: 'insert' | 'upsert',
): Promise<readonly string[]> {
  const { ledger } = scope;
  const body = parseBody(raw, ['collectionName', 'data', 'partitionName']);
  const name = collectionName(body);
  const record = await ledger.view(async () => ledger.find(name)?.record);
  if (record === undefined) throw unknownCollection(name);
  checkPartition(optionalText(body, 'partitionName'));
  ledger.requireLeader();
  if (Array.isArray(body.data) && body.data.length > MAX_ROWS) {
    throw invalid(`at most ${MAX_ROWS} rows a call, got ${body.data.length}`);
  }
  const drafts = parseRows(body.data, record.spec, mode);
  const embedded = await embedFunctions(scope, record, drafts);
  return ledger.write(async () => {
    throwIfAborted(scope.signal);
    const collection = ledger.require(name);
    if (collection.record.id !== record.id) throw replaced(name);
    return append(scope, collection, mode, drafts, embedded);
  });
}

/** Recorded with 1804 for inserts, with 100 everywhere else. */
function unknownCollection(name: string): Error {
  return milvusError(
    1804,
    `fail to deal the insert data, error: can't find collection: collection not found[database=default][collection=${name}]`,
  );
}

function replaced(name: string): Error {
  return milvusError(
    100,
    `collection not found[database=default][collection=${name}]: it was dropped and created again during the call; nothing was inserted`,
  );
}

export function checkPartition(name: string): void {
  if (name !== '' && name !== '_default') {
    throw milvusError(200, `partition not found[partition=${name}]`);
  }
}

/** Vectors of all function fields, from the texts of the rows. */
async function embedFunctions(
  scope: CallScope,
  record: CollectionRecord,
  drafts: DraftRows,
): Promise<ReadonlyMap<string, EmbeddedTexts>> {
  const embedded = new Map<string, EmbeddedTexts>();
  const total = drafts.rows.length * record.spec.functions.length;
  for (const [at, { input, output }] of record.spec.functions.entries()) {
    const field = vectorFields(record.spec).find((each) => each.name === output);
    if (field === undefined) continue;
    const texts = drafts.rows.map((row) => String(row.values[input] ?? ''));
    const { signal } = scope;
    const before = at * drafts.rows.length;
    const report = ({ done }: EmbedProgress) => scope.report?.({ done: before + done, total });
    const options = { signal, report, priority: 'bulk' } as const;
    embedded.set(output, await embedTexts(scope.embedder, texts, dimensionOf(field), options));
  }
  return embedded;
}

async function append(
  scope: CallScope,
  collection: Collection,
  mode: 'insert' | 'upsert',
  drafts: DraftRows,
  embedded: ReadonlyMap<string, EmbeddedTexts>,
): Promise<readonly string[]> {
  const { ledger } = scope;
  const { record } = collection;
  const spaces = nextSpaces(scope, collection, embedded);
  const table = await collection.openRows(ledger.store, ledger.head.sequence);
  const keys = keysOf(ledger, record, drafts, scope.clock.now());
  const rows = drafts.rows.map(
    ({ values, dynamic }, i): StoredRow => ({ key: keys[i] ?? 0n, values, dynamic }),
  );
  const vectors = new Map<string, Float32Array<ArrayBuffer>>(drafts.vectors);
  for (const [name, each] of embedded) vectors.set(name, each.vectors);
  const first = record.nextRow;
  // With generated keys an upsert replaces the row it names by one with a new key, as Milvus does.
  const superseded =
    record.spec.autoId && mode === 'upsert' ? drafts.rows.map((r) => r.key ?? 0n) : [];
  const replaced = rowsOf(table, [...superseded, ...keys]);
  const end = first + rows.length;
  const next: CollectionRecord = untidied({ ...record, nextRow: end, vectors: spaces }, [
    ...rangesOf(deadBy(record, table, { superseded, keys, first })),
    ...looseAfter(record.spec, first, end),
  ]);
  const numbers = Float64Array.from(rows, (_, i) => first + i);
  const last = keys.at(-1);
  await ledger.commit({
    ...scope.call,
    kind: mode,
    collection: record.id,
    record: next,
    removed: superseded.map(keyBytes),
    added: rows.map(({ key, values, dynamic }, i) => ({
      key: keyBytes(key),
      record: { row: first + i, values, dynamic },
    })),
    chunks: toChunks(next, numbers, vectors),
    onWritten: (written) => reportWritten(scope, record, rows.length, written),
    ...(record.spec.autoId && last !== undefined ? { lastAutoId: BigInt(last) } : {}),
  });
  follow(collection, () => {
    collection.applyRemoved(superseded);
    collection.applyAppended({ first, rows, vectors });
  });
  tellErased(scope.embedder, record.spec, replaced, rows);
  scope.grown(collection);
  return keys.map(keyText);
}

/** Embedding is nearly all of the work where there is any: the bar is full then, and writing only shows life. */
function reportWritten(
  scope: CallScope,
  { spec }: CollectionRecord,
  rows: number,
  written: number,
): void {
  const embedded = rows * spec.functions.length;
  scope.report?.({ done: embedded || written, total: embedded || rows });
}

/** Numbers of the rows that an insert or upsert replaces, those of the same call included. */
function deadBy(
  { spec }: CollectionRecord,
  table: RowTable,
  {
    superseded,
    keys,
    first,
  }: {
    readonly superseded: readonly PrimaryKey[];
    readonly keys: readonly PrimaryKey[];
    readonly first: number;
  },
): number[] {
  // Generated keys are new.
  if (spec.autoId) return numbersOf(table, superseded);
  return [...numbersOf(table, keys), ...repeated(keys, first)];
}

/** Numbers of the rows of some keys, where there are any. */
function numbersOf(table: RowTable, keys: readonly PrimaryKey[]): number[] {
  return keys.flatMap((key) => {
    const slot = table.find(key);
    return slot === undefined ? [] : [table.numberOf(slot)];
  });
}

/** Numbers of rows that a later row of the same call replaces at once. */
function repeated(keys: readonly PrimaryKey[], first: number): number[] {
  const newest = new Map(keys.map((key, i) => [key, i]));
  return keys.flatMap((key, i) => (newest.get(key) === i ? [] : [first + i]));
}

/** The commit stands whatever becomes of the caches: one that cannot follow is read again. */
function follow(collection: Collection, apply: () => void): void {
  try {
    apply();
    collection.shed();
  } catch {
    collection.drop();
  }
}

/** The vector spaces after the call; rejects when the model is not the one whose vectors are stored. */
function nextSpaces(
  scope: CallScope,
  collection: Collection,
  embedded: ReadonlyMap<string, EmbeddedTexts>,
): CollectionRecord['vectors'] {
  const spaces: { [field: string]: VectorSpace } = { ...collection.record.vectors };
  for (const { name } of vectorFields(collection.record.spec)) {
    const before = spaces[name] ?? { fingerprint: null, generation: 0 };
    const fingerprint = embedded.get(name)?.fingerprint ?? 'caller';
    if (before.fingerprint !== null && before.fingerprint !== fingerprint) {
      scope.differs(collection, name, fingerprint);
      throw mismatch(
        before.fingerprint,
        fingerprint,
        `Field ${name} of ${collection.name} holds vectors of another model and is being embedded again. Nothing was inserted; try again when that is done.`,
      );
    }
    spaces[name] = { ...before, fingerprint };
  }
  return spaces;
}

function keysOf(
  ledger: Ledger,
  record: CollectionRecord,
  drafts: DraftRows,
  now: number,
): readonly PrimaryKey[] {
  if (!record.spec.autoId) return drafts.rows.map((row) => row.key ?? 0n);
  const ids = generateIds(drafts.rows.length, ledger.head.lastAutoId, now);
  return keyField(record.spec).type === 'Int64' ? ids : ids.map(String);
}

/** Deletes by filter or by `id`; returns how many Milvus would count: an absent id counts. */
export async function deleteRows(scope: CallScope, raw: unknown): Promise<number> {
  const { ledger } = scope;
  const body = parseBody(raw, ['collectionName', 'filter', 'exprParams', 'id', 'partitionName']);
  const name = collectionName(body);
  const { spec } = await ledger.view(async () => ledger.require(name).record);
  const text = optionalText(body, 'filter');
  if (text === '' && (body.id === undefined || body.id === null)) throw missing('filter');
  if (text !== '' && body.id !== undefined) throw invalid('give "filter" or "id", not both');
  checkPartition(optionalText(body, 'partitionName'));
  ledger.requireLeader();
  const filter = wantedFilter(body, spec);
  const listed = filter === null ? parseIds(body.id, spec) : filter.keysOnly ? filter.keys : null;
  return ledger.write(async () => {
    throwIfAborted(scope.signal);
    const collection = ledger.require(name);
    const rows = await collection.openRows(ledger.store, ledger.head.sequence);
    const keys = new Set<PrimaryKey>(listed ?? []);
    if (listed === null) {
      const { bitmap } = rows.select(filter);
      rows.each((row, stored) => {
        if (((bitmap[row >>> 5] ?? 0) >>> (row & 31)) & 1) keys.add(stored.key);
      });
    }
    const present = [...keys].filter((key) => rows.find(key) !== undefined);
    if (present.length > 0) {
      const gone = rowsOf(rows, present);
      await ledger.commit({
        ...scope.call,
        kind: 'delete',
        collection: collection.record.id,
        record: untidied(collection.record, rangesOf(numbersOf(rows, present))),
        removed: present.map(keyBytes),
      });
      follow(collection, () => collection.applyRemoved(present));
      tellErased(scope.embedder, spec, gone);
    }
    return listed?.length ?? present.length;
  });
}

/** `id`: one key or a list. */
export function parseIds(raw: unknown, spec: CollectionRecord['spec']): readonly PrimaryKey[] {
  const field = keyField(spec);
  const list: readonly unknown[] = Array.isArray(raw) ? raw : [raw];
  return list.map((id) => parseWantedKey(id, field, `"id" (${field.name})`));
}
