/** Milvus REST v2 endpoints, each to what it does. */
import { milvusError } from '../../src/shared/errors.ts';
import type {
  MilvusEndpoint,
  MilvusEndpoints,
  MilvusEnvelope,
} from '../../src/shared/milvus-types.ts';
import type { EmbedProgress } from '../../src/shared/types.ts';
import type { Collection } from './collection.ts';
import { compact, compactionState, scrub } from './compact.ts';
import type { CoreEmbedder } from './embedder.ts';
import type { Ledger } from './ledger.ts';
import {
  createCollection,
  describeCollection,
  dropCollection,
  hasCollection,
  listCollections,
  loadState,
  setLoaded,
} from './manage.ts';
import { deleteRows, insertRows } from './mutate.ts';
import { getRows, queryRows } from './read.ts';
import { search } from './search.ts';

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Milliseconds that never go back. */
  monotonic(): number;
}

/** What one call may use. */
export interface CallScope {
  readonly ledger: Ledger;
  readonly embedder: CoreEmbedder;
  readonly clock: Clock;
  readonly signal: AbortSignal | undefined;
  readonly report: ((progress: EmbedProgress) => void) | undefined;
  /** The call's identity, where it has one: its commit carries it. */
  readonly call: { readonly call?: string };
  /** Fingerprint of the model as last seen; null before that. */
  fingerprint(): string | null;
  /** A collection has new rows: its graph wants building. */
  grown(collection: Collection): void;
  /** Resolves when nothing of dead rows is left of a collection in the storage. */
  tidy(collection: Collection, onPage: () => void): Promise<void>;
  /** A function field holds vectors of another model than the present one. */
  differs(collection: Collection, field: string, present: string): void;
}

type Answer<E extends MilvusEndpoint> = {
  readonly data: MilvusEndpoints[E][1];
  readonly topks?: readonly number[];
};

type Handlers = {
  readonly [E in MilvusEndpoint]: (scope: CallScope, body: unknown) => Promise<Answer<E>>;
};

const HANDLERS: Handlers = {
  'collections/create': async (scope, body) => {
    await createCollection(scope, body);
    return { data: {} };
  },
  'collections/describe': async (scope, body) => ({ data: await describeCollection(scope, body) }),
  'collections/list': async (scope, body) => ({ data: await listCollections(scope, body) }),
  'collections/has': async (scope, body) => ({ data: { has: await hasCollection(scope, body) } }),
  'collections/drop': async (scope, body) => {
    await dropCollection(scope, body);
    return { data: {} };
  },
  'collections/load': async (scope, body) => {
    await setLoaded(scope, body, true);
    return { data: {} };
  },
  'collections/release': async (scope, body) => {
    await setLoaded(scope, body, false);
    return { data: {} };
  },
  'collections/get_load_state': async (scope, body) => ({ data: await loadState(scope, body) }),
  'collections/compact': async (scope, body) => ({
    data: { compactionID: await compact(scope, body) },
  }),
  'collections/get_compaction_state': async (scope, body) => ({
    data: await compactionState(scope, body),
  }),
  'whorl/scrub': async (scope, body) => {
    await scrub(scope, body);
    return { data: {} };
  },
  'entities/insert': async (scope, body) => {
    const insertIds = await insertRows(scope, body, 'insert');
    return { data: { insertCount: insertIds.length, insertIds } };
  },
  'entities/upsert': async (scope, body) => {
    const upsertIds = await insertRows(scope, body, 'upsert');
    return { data: { upsertCount: upsertIds.length, upsertIds } };
  },
  'entities/delete': async (scope, body) => ({
    data: { deleteCount: await deleteRows(scope, body) },
  }),
  'entities/get': async (scope, body) => ({ data: await getRows(scope, body) }),
  'entities/query': async (scope, body) => ({ data: await queryRows(scope, body) }),
  'entities/search': async (scope, body) => search(scope, body),
};

/** Answers one call; errors of Milvus are thrown with their code. */
export async function answer(
  endpoint: string,
  body: unknown,
  scope: CallScope,
): Promise<MilvusEnvelope> {
  if (!Object.hasOwn(HANDLERS, endpoint)) {
    throw milvusError(10, `unimplemented: there is no endpoint "${endpoint}" here`);
  }
  return { code: 0, ...(await HANDLERS[endpoint as MilvusEndpoint](scope, body)) };
}
