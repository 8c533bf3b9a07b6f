/** Two collections with everything that an archive can hold. */
import type { MilvusRow } from '../../../src/shared/milvus-types.ts';
import type { TestCore } from '../index/core-fixture.ts';

const key = (i: number) => String(-(2n ** 63n) + BigInt(i) * 1_234_567_890_123_456_789n);
const names = ['Pony', '龍亭', '용의 집', '🐎 pub', 'Grüner Drache'];

export const INNS = {
  collectionName: 'inns',
  schema: {
    enableDynamicField: true,
    description: 'Gasthäuser',
    fields: [
      { fieldName: 'id', dataType: 'Int64', isPrimary: true },
      { fieldName: 'text', dataType: 'VarChar', elementTypeParams: { max_length: 200 } },
      { fieldName: 'beds', dataType: 'Int16' },
      { fieldName: 'far', dataType: 'Int64' },
      { fieldName: 'grade', dataType: 'Float' },
      { fieldName: 'open', dataType: 'Bool' },
      { fieldName: 'about', dataType: 'JSON' },
      { fieldName: 'vector', dataType: 'FloatVector', elementTypeParams: { dim: 4 } },
      { fieldName: 'model', dataType: 'FloatVector', elementTypeParams: { dim: 16 } },
    ],
    functions: [
      {
        name: 'embed',
        type: 'TextEmbedding',
        inputFieldNames: ['text'],
        outputFieldNames: ['model'],
      },
    ],
  },
  indexParams: [
    { fieldName: 'vector', metricType: 'L2', indexType: 'FLAT' },
    { fieldName: 'model', metricType: 'COSINE', indexType: 'HNSW', params: { M: 8 } },
  ],
} as const;

export const MADE = {
  collectionName: 'made',
  schema: {
    autoID: true,
    fields: [
      { fieldName: 'id', dataType: 'Int64', isPrimary: true },
      { fieldName: 'vector', dataType: 'FloatVector', elementTypeParams: { dim: 2 } },
    ],
  },
  indexParams: [{ fieldName: 'vector', metricType: 'IP', indexType: 'AUTOINDEX' }],
} as const;

export function innRows(count: number): readonly MilvusRow[] {
  return Array.from({ length: count }, (_, i) => ({
    id: key(i % 14) === key(i) ? key(i) : String(i),
    text: `${names[i % names.length]} ${i}`,
    beds: i - 5,
    far: 2n ** 62n + BigInt(i),
    grade: i / 3,
    open: i % 2 === 0,
    about: { deep: [{ er: i }], big: 2n ** 60n + BigInt(i), half: '\ud800' },
    vector: [i, -i, 0.5, -0],
    ...(i % 5 === 4 ? {} : { stars: i % 5, 別名: names[i % names.length] }),
  })) as unknown as readonly MilvusRow[];
}

export async function fill({ milvus }: Pick<TestCore, 'milvus'>, rows = 12): Promise<void> {
  await milvus.createCollection(INNS);
  await milvus.createCollection(MADE);
  await milvus.insert({ collectionName: 'inns', data: innRows(rows) });
  const data = Array.from({ length: rows }, (_, i) => ({ vector: [i, 1] }));
  await milvus.insert({ collectionName: 'made', data });
}
