/** A small collection of inns whose text is embedded. */
import { openCore } from './core-fixture.ts';

export const collectionName = 'inns';
export const INNS = {
  collectionName,
  schema: {
    autoID: true,
    enableDynamicField: true,
    fields: [
      { fieldName: 'id', dataType: 'Int64', isPrimary: true },
      { fieldName: 'text', dataType: 'VarChar', elementTypeParams: { max_length: 200 } },
      { fieldName: 'place', dataType: 'VarChar', elementTypeParams: { max_length: 200 } },
      { fieldName: 'vector', dataType: 'FloatVector', elementTypeParams: { dim: 16 } },
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
  indexParams: [
    {
      fieldName: 'vector',
      metricType: 'IP',
      indexType: 'HNSW',
      params: { M: 48, efConstruction: 200 },
    },
  ],
} as const;

export const DATA = [
  { text: 'The Prancing Pony, ale and stories', place: 'Bree' },
  { text: 'The Green Dragon, cozy', place: 'Bywater', stars: 4 },
  { text: 'zzzz', place: 'nowhere', stars: 1 },
];

/** A core with the collection and its three rows. */
export async function inns(options: Parameters<typeof openCore>[0] = {}) {
  const opened = await openCore(options);
  await opened.milvus.createCollection(INNS);
  const { insertIds } = await opened.milvus.insert({ collectionName, data: DATA });
  return { ...opened, ids: insertIds };
}

export const count = async ({ milvus }: Awaited<ReturnType<typeof openCore>>) =>
  (await milvus.query({ collectionName, filter: '', outputFields: ['count(*)'] }))[0]?.['count(*)'];
