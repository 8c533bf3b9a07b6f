/** What goes out comes in again: any schema, any rows, byte by byte. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { DataType, FieldSchema, MilvusRow } from '../../../src/shared/milvus-types.ts';
import { openCore, type TestCore } from '../index/core-fixture.ts';
import { exported, imported, textOf } from './archive-fixture.ts';

const RUNS = Number(process.env.WHORL_ARCHIVE_RUNS ?? 60);

const TEXTS = [
  'Ein Gasthaus am Weg – „Zum tänzelnden Pony“',
  'いろはにほへと散りぬるを',
  '꿈길밖에 길이 없어',
  '床前明月光，疑是地上霜',
  '👩🏽‍🚀🏳️‍🌈 z̸̢a̷̛l̶̈́g̵o',
  '"\\\n\r\t\u2028\u0000\u001f{}',
  '',
];

const INT64 = [-(2n ** 63n), 2n ** 63n - 1n, 0n, -1n, 2n ** 53n + 1n, -(2n ** 53n) - 1n];
const half = fc.constantFrom('\ud800', 'a\udfff', '\udc00\ud800', 'x');
const words = fc.oneof(fc.constantFrom(...TEXTS), fc.string({ unit: 'grapheme', maxLength: 40 }));
const int64 = fc.oneof(
  fc.constantFrom(...INT64),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
);
const number = fc.oneof(
  fc.constantFrom(0, -0, 5e-324, 1.7976931348623157e308, 2 ** 53, -(2 ** 62), 0.1),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
);
const float = fc.float({ noNaN: true, noDefaultInfinity: true });
/** Of a vector: a few of them stay below the longest that can be compared. */
const coordinate = fc.float({ noNaN: true, min: -Math.fround(1e17), max: Math.fround(1e17) });
const plainName = fc.stringMatching(/^[a-z][a-z0-9_]{0,8}$/);

/** Values of a JSON field or dynamic key. */
const json: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(null, true, false),
    number,
    int64,
    words,
    half,
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.oneof(plainName, words, half), tie('value'), { maxKeys: 3 }),
  ),
})).value;

const VALUES: { readonly [T in DataType]: (dimension: number) => fc.Arbitrary<unknown> } = {
  Bool: () => fc.boolean(),
  Int8: () => fc.integer({ min: -128, max: 127 }),
  Int16: () => fc.integer({ min: -32_768, max: 32_767 }),
  Int32: () => fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  Int64: () => int64,
  Float: () => float,
  Double: () => number,
  VarChar: () => words,
  JSON: () => fc.dictionary(plainName, json, { maxKeys: 3 }),
  Array: () => fc.array(int64, { maxLength: 3 }),
  FloatVector: (dimension) => fc.array(coordinate, { minLength: dimension, maxLength: dimension }),
};

interface Made {
  readonly collectionName: string;
  readonly schema: object;
  readonly indexParams: readonly object[];
  readonly rows: readonly MilvusRow[];
}

const scalarTypes = Object.keys(VALUES).filter((type) => type !== 'FloatVector') as DataType[];

function fieldOf(type: DataType, fieldName: string, dim: number): FieldSchema {
  if (type === 'VarChar') {
    return { fieldName, dataType: type, elementTypeParams: { max_length: 65_535 } };
  }
  if (type === 'FloatVector') return { fieldName, dataType: type, elementTypeParams: { dim } };
  if (type === 'Array') {
    const elementTypeParams = { max_capacity: 3 };
    return { fieldName, dataType: type, elementDataType: 'Int64', elementTypeParams };
  }
  return { fieldName, dataType: type, description: `die ${type}` };
}

/** A collection with some rows; `autoID` collections generate their keys. */
const collection = fc
  .record({
    name: fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,12}$/),
    keyType: fc.constantFrom('Int64' as const, 'VarChar' as const),
    autoID: fc.boolean(),
    dynamic: fc.boolean(),
    types: fc.array(fc.tuple(fc.constantFrom(...scalarTypes), fc.boolean()), { maxLength: 5 }),
    vectors: fc.array(fc.integer({ min: 2, max: 5 }), { minLength: 1, maxLength: 2 }),
    embedded: fc.boolean(),
    indexed: fc.boolean(),
    metricType: fc.constantFrom('IP', 'COSINE', 'L2'),
    description: words,
  })
  .chain((shape) => {
    const scalars = shape.types.map(([type, nullable], i) => ({ type, nullable, name: `s${i}` }));
    const vectors = shape.vectors.map((dim, i) => ({ dim, name: `v${i}` }));
    const fields: FieldSchema[] = [
      { ...fieldOf(shape.keyType, 'id', 0), isPrimary: true },
      ...scalars.map(({ type, name, nullable }) => ({ ...fieldOf(type, name, 0), nullable })),
      ...vectors.map(({ dim, name }) => fieldOf('FloatVector', name, dim)),
      ...(shape.embedded
        ? [fieldOf('VarChar', 'text', 0), fieldOf('FloatVector', 'model', 16)]
        : []),
    ];
    const functions = shape.embedded
      ? [
          {
            name: 'embed',
            type: 'TextEmbedding',
            inputFieldNames: ['text'],
            outputFieldNames: ['model'],
            params: { provider: 'whorl', n: 1 },
          },
        ]
      : [];
    const indexParams = fields
      .filter(({ dataType }) => shape.indexed && dataType === 'FloatVector')
      .map(({ fieldName }) => ({
        fieldName,
        metricType: shape.metricType,
        indexType: 'HNSW',
        params: { M: 8, efConstruction: 32 },
      }));
    const row = fc.record({
      ...(shape.autoID ? {} : { id: shape.keyType === 'Int64' ? int64 : words }),
      ...Object.fromEntries(
        scalars.map(({ type, name, nullable }) => {
          const value = VALUES[type](0);
          return [name, nullable ? fc.option(value) : value];
        }),
      ),
      ...Object.fromEntries(vectors.map(({ dim, name }) => [name, VALUES.FloatVector(dim)])),
      ...(shape.embedded ? { text: words } : {}),
    });
    const extra = fc.dictionary(
      fc.oneof(
        fc.constantFrom('zusatz', '付録', '추가'),
        half.map((h) => `x${h}`),
      ),
      json,
      { maxKeys: 2 },
    );
    const whole = fc.tuple(row, extra).map(([a, b]) => (shape.dynamic ? { ...b, ...a } : a));
    const schema = {
      autoID: shape.autoID,
      enableDynamicField: shape.dynamic,
      description: shape.description,
      fields,
      functions,
    };
    return fc.array(whole, { maxLength: 8 }).map(
      (rows): Made => ({
        collectionName: shape.name,
        schema,
        indexParams,
        rows: rows as unknown as readonly MilvusRow[],
      }),
    );
  });

async function filled(
  made: readonly Made[],
  order: (rows: readonly MilvusRow[]) => readonly MilvusRow[],
) {
  const store = await openCore();
  for (const { rows, ...create } of made) {
    await store.milvus.createCollection(create as never);
    for (const row of order(rows)) {
      await store.milvus
        .upsert({ collectionName: create.collectionName, data: [row] })
        .catch(async (error: unknown) => {
          // An upsert into a collection with generated keys wants a key: those rows are inserted.
          if (!(create.schema as { autoID: boolean }).autoID) throw error;
          await store.milvus.insert({ collectionName: create.collectionName, data: [row] });
        });
    }
  }
  return store;
}

async function closed(...stores: readonly TestCore[]): Promise<void> {
  await Promise.all(stores.map(({ core }) => core.close()));
}

const collections = fc.uniqueArray(collection, {
  minLength: 1,
  maxLength: 2,
  selector: (made) => made.collectionName,
});

describe('a store, out and in again', () => {
  test('gives the same bytes, whatever it holds', async () => {
    await fc.assert(
      fc.asyncProperty(collections, async (made) => {
        const first = await filled(made, (rows) => rows);
        const file = await exported(first.core);
        const second = await openCore();
        const { collections: came } = await imported(second.core, file);
        expect(came.map(({ name }) => name)).toEqual(
          made.map((each) => each.collectionName).sort(),
        );
        expect(await textOf(await exported(second.core))).toBe(await textOf(file));
        for (const { collectionName } of made) {
          const query = { collectionName, filter: '', limit: 16_384 };
          await Promise.all(
            [first, second].map(({ milvus }) =>
              milvus.loadCollection({ collectionName }).catch(() => {}),
            ),
          );
          const [a, b] = await Promise.allSettled([
            first.milvus.query(query),
            second.milvus.query(query),
          ]);
          expect(b.status).toBe(a.status);
          if (a.status === 'fulfilled' && b.status === 'fulfilled')
            expect(b.value).toEqual(a.value);
        }
        await closed(first, second);
      }),
      { numRuns: RUNS },
    );
  }, 120_000);

  test('gives the same bytes for equal content, in whatever order it came', async () => {
    const keyed = collections.filter((all) =>
      all.every(({ schema }) => !(schema as { autoID: boolean }).autoID),
    );
    await fc.assert(
      fc.asyncProperty(keyed, async (made) => {
        // Of rows with one key the last one counts, in both orders the same.
        const unique = made.map((each) => ({
          ...each,
          rows: [...new Map(each.rows.map((row) => [String(row.id), row])).values()],
        }));
        const a = await filled(unique, (rows) => rows);
        const b = await filled([...unique].reverse(), (rows) => [...rows].reverse());
        // A row that comes and goes leaves nothing.
        expect(await textOf(await exported(b.core))).toBe(await textOf(await exported(a.core)));
        await closed(a, b);
      }),
      { numRuns: Math.ceil(RUNS / 2) },
    );
  }, 120_000);
});
