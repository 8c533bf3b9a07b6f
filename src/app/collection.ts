/**
 * The app's records as a collection: its schema, its first filling, and single changes.
 *
 * `description` is what is embedded, quoted and sent; name, place and visitor are found by their
 * words. Embedding all four together was measured and found worse (docs/decisions/app.md).
 */
import type { LoopOptions } from '../loop/types.ts';
import type {
  CreateCollectionBody,
  MilvusCallOptions,
  MilvusClient,
  MilvusRow,
} from '../shared/milvus-types.ts';
import { guessLanguage, isLanguage } from './language.ts';
import type { RecordDraft } from './ports.ts';
import type { RecordItem } from './state.ts';

export const COLLECTION = 'taverns';

const DIMENSION = 384;
const PAGE = 1_000;
/** Records to a transaction while filling: a sign of progress about every second on a slow machine. */
const BATCH = 6;
const FIELDS = ['id', 'name', 'location', 'famous_visitor', 'description', 'lang'];

/** Longest texts of a record, in UTF-16 units; a unit is at most 3 bytes of UTF-8. */
export const MAX_LENGTH = { line: 200, description: 4_000 } as const;

const LINE_BYTES = MAX_LENGTH.line * 3;
const DESCRIPTION_BYTES = MAX_LENGTH.description * 3;

const text = (fieldName: string, max_length: number) =>
  ({ fieldName, dataType: 'VarChar', elementTypeParams: { max_length } }) as const;

const SCHEMA: CreateCollectionBody = {
  collectionName: COLLECTION,
  schema: {
    autoID: true,
    enableDynamicField: false,
    fields: [
      { fieldName: 'id', dataType: 'Int64', isPrimary: true },
      text('name', LINE_BYTES),
      text('location', LINE_BYTES),
      text('famous_visitor', LINE_BYTES),
      text('description', DESCRIPTION_BYTES),
      text('lang', 8),
      { fieldName: 'vector', dataType: 'FloatVector', elementTypeParams: { dim: DIMENSION } },
    ],
    functions: [
      {
        name: 'embed_description',
        type: 'TextEmbedding',
        inputFieldNames: ['description'],
        outputFieldNames: ['vector'],
      },
    ],
  },
  indexParams: [
    {
      fieldName: 'vector',
      indexName: 'vector',
      metricType: 'IP',
      indexType: 'HNSW',
      params: { M: 16, efConstruction: 200 },
    },
  ],
};

/** How the loop reads this collection; the generator is the caller's. */
export const LOOP: Omit<LoopOptions, 'generator'> = {
  collectionName: COLLECTION,
  textField: 'description',
  lexicalFields: ['name', 'location', 'famous_visitor'],
  annsField: 'vector',
};

/** The text in which words are searched while there is no index. */
export function textOf(record: RecordDraft): string {
  const { name, location, famous_visitor, description } = record;
  return [name, location, famous_visitor, description].filter(Boolean).join('. ');
}

/** All stored records, oldest first; null when there is no collection yet. */
export async function readRecords(
  milvus: MilvusClient,
  options: MilvusCallOptions = {},
): Promise<readonly RecordItem[] | null> {
  const { has } = await milvus.hasCollection({ collectionName: COLLECTION }, options);
  if (!has) return null;
  await milvus.loadCollection({ collectionName: COLLECTION }, options);
  const records: RecordItem[] = [];
  for (;;) {
    const page = await milvus.query(
      { collectionName: COLLECTION, limit: PAGE, offset: records.length, outputFields: FIELDS },
      options,
    );
    records.push(...page.map(recordOf));
    if (page.length < PAGE) return records;
  }
}

/**
 * Makes the collection where it is missing and inserts the records, a few to a transaction: what is
 * embedded stays embedded when the page is closed in the middle, and {@link missingFrom} says what
 * is left to do.
 */
export async function fill(
  milvus: MilvusClient,
  records: readonly RecordDraft[],
  options: MilvusCallOptions = {},
): Promise<void> {
  const signal = options.signal ? { signal: options.signal } : {};
  const { has } = await milvus.hasCollection({ collectionName: COLLECTION }, signal);
  if (!has) await milvus.createCollection(SCHEMA, signal);
  await milvus.loadCollection({ collectionName: COLLECTION }, signal);
  for (let from = 0; from < records.length; from += BATCH) {
    const data = records.slice(from, from + BATCH).map(rowOf);
    await milvus.insert({ collectionName: COLLECTION, data }, signal);
    options.onProgress?.({ done: from + data.length, total: records.length });
  }
}

/** Records that are not among the stored ones, by name and place. */
export function missingFrom(
  stored: readonly RecordItem[],
  records: readonly RecordDraft[],
): readonly RecordDraft[] {
  const key = ({ name, location }: RecordDraft) => JSON.stringify([name, location]);
  const present = new Set(stored.map(key));
  return records.filter((record) => !present.has(key(record)));
}

/** Adds one record; durable when it resolves. */
export async function addRecord(
  milvus: MilvusClient,
  draft: RecordDraft,
  options: MilvusCallOptions = {},
): Promise<RecordItem> {
  const { insertIds } = await milvus.insert(
    { collectionName: COLLECTION, data: [rowOf(draft)] },
    options,
  );
  return { ...draft, id: insertIds[0] ?? null };
}

/** Deletes one record. Ids are decimal digits; anything else is refused by the filter's grammar. */
export async function removeRecord(
  milvus: MilvusClient,
  id: string,
  options: MilvusCallOptions = {},
): Promise<void> {
  await milvus.delete({ collectionName: COLLECTION, filter: `id in [${id}]` }, options);
}

function rowOf(record: RecordDraft): MilvusRow {
  const { name, location, famous_visitor, description, lang } = record;
  return { name, location, famous_visitor, description, lang };
}

/** A stored row as a record. What is missing or of another type is empty, never `undefined` on screen. */
export function recordOf(row: MilvusRow): RecordItem {
  const field = (name: string) => {
    const value = row[name];
    return typeof value === 'string' ? value : '';
  };
  const description = field('description');
  const lang = field('lang');
  const id = row.id;
  return {
    id: id === undefined || id === null ? null : String(id),
    name: field('name'),
    location: field('location'),
    famous_visitor: field('famous_visitor'),
    description,
    lang: isLanguage(lang) ? lang : guessLanguage(description),
  };
}
