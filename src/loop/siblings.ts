/**
 * The two collections beside the one that is asked: `<name>__generated` for admitted answers,
 * `<name>__memory` for turns and feedback. They are made on first use. Two lanes by construction:
 * no search of the human records needs a filter, and any schema of theirs works.
 */
import { isWhorlError, WhorlError } from '../shared/errors.ts';
import type { FieldSchema, MilvusRow, QueryBody, SearchHit } from '../shared/milvus-types.ts';
import { BODY_PARTS, FIELD_BYTES, MEMORY_FIELDS } from './turn-rows.ts';
import type { LoopStore } from './types.ts';

const COLLECTION_NOT_FOUND = 100;
const MAX_NAME = 255;
/** Rows of one page when a whole collection is read. */
const PAGE = 256;

const varChar = (fieldName: string, max_length: number): FieldSchema => ({
  fieldName,
  dataType: 'VarChar',
  elementTypeParams: { max_length },
});

const key = (max_length: number): FieldSchema => ({
  ...varChar('id', max_length),
  isPrimary: true,
});

const GENERATED: readonly FieldSchema[] = [
  key(128),
  varChar('text', FIELD_BYTES),
  varChar('question', 16_384),
  varChar('turn', 128),
  varChar('parents', FIELD_BYTES),
  varChar('prompt_hash', 64),
  varChar('model', 256),
  { fieldName: 'depth', dataType: 'Int32' },
  varChar('verdict', FIELD_BYTES),
  varChar('at', 32),
  varChar('space', 512),
];

const MEMORY: readonly FieldSchema[] = [
  key(256),
  varChar('kind', 16),
  varChar('ref', FIELD_BYTES),
  varChar('at', 32),
  { fieldName: 'rated', dataType: 'Bool' },
  varChar('space', 512),
  varChar('decision', 32),
  varChar('question', 16_384),
  varChar('feedback', FIELD_BYTES),
  ...BODY_PARTS.map((name) => varChar(name, FIELD_BYTES)),
];

const LANES = {
  generated: { fields: GENERATED, says: 'answers that were admitted, with their provenance' },
  memory: { fields: MEMORY, says: 'turns, feedback and the state of enrichment' },
} as const;

/** Fields of the generated collection beside the vector. */
export const GENERATED_FIELDS: readonly string[] = GENERATED.map((field) => field.fieldName);

interface Reading {
  readonly signal: AbortSignal;
}

/** One sibling collection. Reading one that does not exist yet gives nothing; writing makes it. */
export class Sibling {
  readonly name: string;
  readonly #store: LoopStore;
  readonly #lane: (typeof LANES)[keyof typeof LANES];
  readonly #dimension: () => Promise<number>;
  #known = false;

  /** `dimension`: of the vectors of the collection beside which this one stands. */
  constructor(
    store: LoopStore,
    base: string,
    lane: keyof typeof LANES,
    dimension: () => Promise<number>,
  ) {
    this.name = `${base}__${lane}`;
    if (this.name.length > MAX_NAME)
      throw new WhorlError(
        'invalid_option',
        `The name "${base.slice(0, 32)}…" is too long: "${this.name.slice(-12)}" must fit in ${MAX_NAME} characters.`,
      );
    this.#store = store;
    this.#lane = LANES[lane];
    this.#dimension = dimension;
  }

  dimension(): Promise<number> {
    return this.#dimension();
  }

  async get(ids: readonly string[], fields: readonly string[], { signal }: Reading) {
    if (ids.length === 0) return [];
    const body = { collectionName: this.name, id: ids, outputFields: fields };
    return this.#read(() => this.#store.get(body, { signal }), signal);
  }

  async search(
    vector: Float32Array,
    how: { readonly filter: string; readonly limit: number; readonly fields: readonly string[] },
    { signal }: Reading,
  ): Promise<readonly SearchHit[]> {
    const body = {
      collectionName: this.name,
      data: [vector],
      annsField: 'vector',
      filter: how.filter,
      limit: how.limit,
      outputFields: how.fields,
    };
    return this.#read(() => this.#store.search(body, { signal }), signal);
  }

  async query(body: Omit<QueryBody, 'collectionName'>, { signal }: Reading) {
    const whole = { ...body, collectionName: this.name };
    return this.#read(() => this.#store.query(whole, { signal }), signal);
  }

  /** How many rows a filter finds. */
  async count(filter: string, reading: Reading): Promise<number> {
    const [row] = await this.query({ filter, outputFields: ['count(*)'] }, reading);
    return row ? Number(row['count(*)']) : 0;
  }

  /** All rows that a filter finds, page by page in the order of their keys. */
  async *all(filter: string, fields: readonly string[], reading: Reading) {
    let after = '';
    while (true) {
      const page: readonly MilvusRow[] = await this.query(
        {
          filter: `${filter} and id > ${quote(after)}`,
          limit: PAGE,
          outputFields: fields,
        },
        reading,
      );
      yield* page;
      const last = page.at(-1)?.id;
      if (page.length < PAGE || typeof last !== 'string') return;
      after = last;
    }
  }

  /** Writes rows in one call, which our store makes one transaction. */
  async upsert(data: readonly MilvusRow[], { signal }: Reading): Promise<void> {
    await this.#ensure(signal);
    try {
      await this.#store.upsert({ collectionName: this.name, data }, { signal });
    } catch (error) {
      if (!isMissing(error)) throw error;
      // Somebody dropped it since it was seen; nothing was written.
      this.#known = false;
      await this.#ensure(signal);
      await this.#store.upsert({ collectionName: this.name, data }, { signal });
    }
  }

  async #read<T>(read: () => Promise<readonly T[]>, signal: AbortSignal): Promise<readonly T[]> {
    if (!(await this.#open(signal))) return [];
    try {
      return await read();
    } catch (error) {
      if (!isMissing(error)) throw error;
      this.#known = false;
      return [];
    }
  }

  /** Whether the collection is there; loads it when it lies unloaded. */
  async #open(signal: AbortSignal): Promise<boolean> {
    if (this.#known) return true;
    const collectionName = this.name;
    const { has } = await this.#store.hasCollection({ collectionName }, { signal });
    if (!has) return false;
    const found = await this.#store.describeCollection({ collectionName }, { signal });
    const names = new Set(found.fields.map((field) => field.name));
    const missing = this.#lane.fields.find(({ fieldName }) => !names.has(fieldName));
    if (missing || !names.has('vector'))
      throw new WhorlError(
        'unsupported',
        `The collection "${this.name}" exists but has no field "${missing?.fieldName ?? 'vector'}": it is not Whorl's. Nothing was changed. Rename it, or use another collection.`,
      );
    if (found.load !== 'LoadStateLoaded')
      await this.#store.loadCollection({ collectionName }, { signal });
    this.#known = true;
    return true;
  }

  async #ensure(signal: AbortSignal): Promise<void> {
    if (await this.#open(signal)) return;
    const dim = await this.#dimension();
    const vector: FieldSchema = {
      fieldName: 'vector',
      dataType: 'FloatVector',
      elementTypeParams: { dim },
    };
    await this.#store.createCollection(
      {
        collectionName: this.name,
        description: `Whorl: ${this.#lane.says}`,
        schema: {
          autoID: false,
          enableDynamicField: false,
          fields: [...this.#lane.fields, vector],
        },
        indexParams: [
          { fieldName: 'vector', indexName: 'vector', metricType: 'IP', indexType: 'FLAT' },
        ],
      },
      { signal },
    );
    this.#known = true;
  }
}

export const MEMORY_OUTPUT: readonly string[] = [...MEMORY_FIELDS, 'vector'];

function isMissing(error: unknown): boolean {
  return isWhorlError(error) && error.milvusCode === COLLECTION_NOT_FOUND;
}

/** A string literal of the filter grammar. */
export function quote(text: string): string {
  return JSON.stringify(text);
}
