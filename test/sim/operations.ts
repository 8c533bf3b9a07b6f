/** Every operation of the store as something that can be struck at each of its requests. */
import { isWhorlError } from '../../src/shared/errors.ts';
import type { MilvusRow } from '../../src/shared/milvus-types.ts';
import { CREATE, NAME, type Tab, type World } from './world.ts';

export const TEXTS = 'texts';

export const CREATE_TEXTS = {
  collectionName: TEXTS,
  schema: {
    enableDynamicField: true,
    fields: [
      { fieldName: 'id', dataType: 'Int64', isPrimary: true },
      { fieldName: 'text', dataType: 'VarChar', elementTypeParams: { max_length: 200 } },
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
  indexParams: [{ fieldName: 'vector', metricType: 'COSINE', indexType: 'HNSW' }],
} as const;

export interface Operation {
  readonly name: string;
  /** In a tab that has just been opened: its caches are empty. */
  run(tab: Tab, world: World): Promise<unknown>;
  /** Brings the world into the state before; the default is {@link furnish}. What can wait still waits then. */
  readonly before?: (tab: Tab, world: World) => Promise<unknown>;
  /** Goes on in the background: a call that came through may not be done yet. */
  readonly background?: true;
}

const row = (id: number, n: number) => ({ id, n, vec: [id, n] });

/** Two collections with some rows, of which some were replaced and some deleted. */
export async function furnish({ milvus }: Tab): Promise<void> {
  await milvus.createCollection(CREATE);
  await milvus.createCollection(CREATE_TEXTS);
  await milvus.insert({ collectionName: NAME, data: [row(1, 1), row(2, 2), row(3, 3), row(4, 4)] });
  await milvus.upsert({ collectionName: NAME, data: [row(2, 7)] });
  await milvus.delete({ collectionName: NAME, filter: 'id == 3' });
  await milvus.insert({
    collectionName: TEXTS,
    data: [
      { id: 1, text: 'The Prancing Pony', guest: 'Strider' },
      { id: 2, text: '躍る小馬亭' },
      { id: 3, text: 'The Green Dragon', stars: 4 },
    ],
  });
}

const more = [row(2, 8), row(5, 5), row(6, 6)];

export const OPERATIONS: readonly Operation[] = [
  {
    name: 'create',
    run: ({ milvus }) => milvus.createCollection({ ...CREATE, collectionName: 'c' }),
  },
  { name: 'drop', run: ({ milvus }) => milvus.dropCollection({ collectionName: NAME }) },
  { name: 'insert', run: ({ milvus }) => milvus.insert({ collectionName: NAME, data: more }) },
  {
    name: 'insert of texts',
    run: ({ milvus }) =>
      milvus.insert({ collectionName: TEXTS, data: [{ id: 9, text: 'The Ivy Bush' }] }),
  },
  { name: 'upsert', run: ({ milvus }) => milvus.upsert({ collectionName: NAME, data: more }) },
  {
    name: 'delete by key',
    run: ({ milvus }) => milvus.delete({ collectionName: NAME, filter: 'id in [1, 4]' }),
  },
  {
    name: 'delete by filter',
    run: ({ milvus }) => milvus.delete({ collectionName: NAME, filter: 'n > 3' }),
  },
  { name: 'release', run: ({ milvus }) => milvus.releaseCollection({ collectionName: NAME }) },
  {
    name: 'load',
    before: async (tab) => {
      await furnish(tab);
      await tab.milvus.releaseCollection({ collectionName: NAME });
    },
    run: ({ milvus }) => milvus.loadCollection({ collectionName: NAME }),
  },
  {
    name: 'search by vector',
    run: ({ milvus }) => milvus.search({ collectionName: NAME, data: [[1, 1]], limit: 3 }),
  },
  {
    name: 'search by text',
    run: ({ milvus }) => milvus.search({ collectionName: TEXTS, data: ['Pony'], limit: 2 }),
  },
  {
    name: 'query',
    run: ({ milvus }) => milvus.query({ collectionName: NAME, outputFields: ['*'] }),
  },
  { name: 'get', run: ({ milvus }) => milvus.get({ collectionName: NAME, id: [1, 2] }) },
  {
    name: 'candidates',
    run: ({ core }) =>
      core.candidates({
        collectionName: TEXTS,
        text: 'green dragon',
        textFields: ['text'],
        annsField: 'vector',
      }),
  },
  {
    name: 'tidying up',
    background: true,
    run: ({ core }) => core.idle(),
  },
  {
    name: 'embedding again after another model came',
    background: true,
    run: async ({ core, milvus }, { embedder }) => {
      embedder.fingerprint = 'letters-2';
      embedder.salt = 5;
      core.modelConnected('letters-2');
      await core.idle();
      // A job that was struck stops and says so; the next search by text asks for it again.
      await milvus.search({ collectionName: TEXTS, data: ['Pony'], limit: 1 });
    },
  },
];

/** All that can be seen of a tab's database, as text: each row with its vector, and what is nearest to it. */
export async function seen(tab: Tab): Promise<string> {
  const { milvus } = tab;
  const all: unknown[] = [];
  for (const collectionName of [...(await milvus.listCollections({}))].sort()) {
    const { loadState } = await milvus.getCollectionLoadState({ collectionName });
    // A collection that is released keeps its rows; they are looked at all the same.
    if (loadState !== 'LoadStateLoaded') await milvus.loadCollection({ collectionName });
    const rows = await milvus.query({ collectionName, outputFields: ['*'], limit: 100 });
    const near = await nearest(tab, collectionName, rows);
    if (loadState !== 'LoadStateLoaded') await milvus.releaseCollection({ collectionName });
    all.push([collectionName, loadState, rows.map(plain), near]);
  }
  return JSON.stringify(all);
}

function plain(row: MilvusRow): unknown {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [
      name,
      value instanceof Float32Array ? [...value] : value,
    ]),
  );
}

async function nearest({ milvus }: Tab, collectionName: string, rows: readonly MilvusRow[]) {
  const vectors = rows.flatMap((row) =>
    Object.values(row).filter((value) => value instanceof Float32Array),
  );
  if (vectors.length === 0) return [];
  const hits = await milvus.search({ collectionName, data: vectors, limit: 1 });
  return hits.map(({ id }) => id);
}

/** Fails typed, or not at all; anything else is a defect. */
export async function fails(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return false;
  } catch (error) {
    if (!isWhorlError(error)) throw error;
    return true;
  }
}
