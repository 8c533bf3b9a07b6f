/** `engine.milvus`: one method for each endpoint, derived from one table. */
import type {
  MilvusCallOptions,
  MilvusClient,
  MilvusEndpoint,
  MilvusEnvelope,
} from '../shared/milvus-types.ts';

/** Method names of the official HTTP client, each with its path after `/v2/vectordb/`. */
export const MILVUS_METHODS = {
  createCollection: 'collections/create',
  describeCollection: 'collections/describe',
  listCollections: 'collections/list',
  hasCollection: 'collections/has',
  dropCollection: 'collections/drop',
  loadCollection: 'collections/load',
  releaseCollection: 'collections/release',
  getCollectionLoadState: 'collections/get_load_state',
  compact: 'collections/compact',
  getCompactionState: 'collections/get_compaction_state',
  insert: 'entities/insert',
  upsert: 'entities/upsert',
  delete: 'entities/delete',
  get: 'entities/get',
  query: 'entities/query',
  search: 'entities/search',
} as const satisfies { readonly [M in keyof MilvusClient]: MilvusEndpoint };

/** Sends one call to whoever answers it: the index worker, another tab, a server. */
export type MilvusCall = (
  endpoint: MilvusEndpoint,
  body: unknown,
  options?: MilvusCallOptions,
) => Promise<MilvusEnvelope>;

/** A client whose methods resolve to the `data` of the answer and reject with what `call` rejects with. */
export function createMilvusClient(call: MilvusCall): MilvusClient {
  const methods = Object.entries(MILVUS_METHODS).map(([method, endpoint]) => [
    method,
    async (body: unknown, options?: MilvusCallOptions) =>
      (await call(endpoint, body, options)).data,
  ]);
  return Object.freeze(Object.fromEntries(methods)) as MilvusClient;
}
