/**
 * Milvus REST v2 as types: endpoints, bodies, answers. Names and spellings are Milvus's.
 * Types only; the endpoint table is the single source from which `engine.milvus` is derived.
 */

export type DataType =
  | 'Bool'
  | 'Int8'
  | 'Int16'
  | 'Int32'
  | 'Int64'
  | 'Float'
  | 'Double'
  | 'VarChar'
  | 'JSON'
  | 'Array'
  | 'FloatVector';

export type MetricType = 'IP' | 'COSINE' | 'L2';

/** A value of a scalar field. Int64 leaves the engine as decimal digits, and may enter as digits, number or bigint. */
export type ScalarValue = string | number | bigint | boolean | null | JsonValue;
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/** A vector enters as Float32Array or JSON numbers and leaves as a Float32Array copy. */
export type VectorValue = Float32Array | readonly number[];

/** One entity: field names and values; keys of the dynamic field stand beside declared fields. */
export type MilvusRow = { readonly [field: string]: ScalarValue | VectorValue };

export interface FieldSchema {
  readonly fieldName: string;
  readonly dataType: DataType;
  readonly isPrimary?: boolean;
  readonly elementTypeParams?: {
    /** VarChar: bytes of UTF-8, 1..65,535. */
    readonly max_length?: number | string;
    /** Array: most elements, 1..4,096. */
    readonly max_capacity?: number | string;
    /** FloatVector: 2..32,768. */
    readonly dim?: number | string;
  };
  /** Array: the type of its elements, a scalar type but JSON. */
  readonly elementDataType?: DataType;
  /** Whether a value may be null or left out. Not for keys and vectors. Default false. */
  readonly nullable?: boolean;
  /** Taken where a row has no value, or null. Not for keys, vectors, JSON and Array. */
  readonly defaultValue?: string | number | bigint | boolean;
  readonly description?: string;
}

export interface FunctionSchema {
  readonly name: string;
  readonly type: 'TextEmbedding';
  readonly description?: string;
  readonly inputFieldNames: readonly string[];
  readonly outputFieldNames: readonly string[];
  readonly params?: { readonly [key: string]: JsonValue };
}

export interface CollectionSchema {
  readonly autoID?: boolean;
  readonly autoId?: boolean;
  readonly enableDynamicField?: boolean;
  readonly description?: string;
  readonly fields: readonly FieldSchema[];
  readonly functions?: readonly FunctionSchema[];
}

export interface IndexParams {
  readonly fieldName: string;
  readonly indexName?: string;
  readonly metricType?: MetricType;
  readonly indexType?: string;
  readonly params?: { readonly [key: string]: JsonValue };
}

interface InDatabase {
  readonly dbName?: string;
}

interface OfCollection extends InDatabase {
  readonly collectionName: string;
}

export interface CreateCollectionBody extends OfCollection {
  readonly description?: string;
  readonly schema?: CollectionSchema;
  readonly indexParams?: readonly IndexParams[];
  // quick create
  readonly dimension?: number;
  readonly metricType?: MetricType;
  readonly idType?: 'Int64' | 'VarChar';
  readonly autoID?: boolean;
  readonly primaryFieldName?: string;
  readonly vectorFieldName?: string;
  readonly params?: { readonly [key: string]: JsonValue };
}

export interface CollectionDescription {
  readonly collectionName: string;
  readonly collectionID: string;
  readonly description: string;
  readonly autoId: boolean;
  readonly enableDynamicField: boolean;
  readonly fields: readonly {
    readonly name: string;
    readonly type: DataType;
    readonly id: number;
    readonly primaryKey: boolean;
    readonly autoId: boolean;
    readonly partitionKey: boolean;
    readonly clusteringKey: boolean;
    readonly nullable: boolean;
    /** Array: the type of its elements. */
    readonly elementType?: DataType;
    readonly defaultValue?: JsonValue;
    readonly description: string;
    readonly params?: readonly { readonly key: string; readonly value: string }[];
  }[];
  readonly functions: readonly FunctionSchema[];
  readonly aliases: readonly string[];
  readonly indexes: readonly {
    readonly fieldName: string;
    readonly indexName: string;
    readonly metricType: MetricType;
  }[];
  readonly load: 'LoadStateNotLoad' | 'LoadStateLoading' | 'LoadStateLoaded';
  readonly shardsNum: number;
  readonly partitionsNum: number;
  readonly consistencyLevel: string;
  readonly properties: readonly { readonly key: string; readonly value: string }[];
}

export interface InsertBody extends OfCollection {
  readonly data: readonly MilvusRow[] | MilvusRow;
  readonly partitionName?: string;
}

/** What stands for a `{name}` of a filter. It is data: nothing of it is read as a part of the filter. */
export type TemplateValue = string | number | bigint | boolean | readonly TemplateValue[];

/** Values for the `{name}` of a filter, by name. */
export type ExprParams = { readonly [name: string]: TemplateValue };

export interface DeleteBody extends OfCollection {
  readonly filter: string;
  readonly exprParams?: ExprParams;
  readonly partitionName?: string;
}

export interface GetBody extends OfCollection {
  readonly id: string | number | bigint | readonly (string | number | bigint)[];
  readonly outputFields?: readonly string[];
}

export interface QueryBody extends OfCollection {
  readonly filter?: string;
  readonly exprParams?: ExprParams;
  /** 1..16,384; default 100. */
  readonly limit?: number;
  readonly offset?: number;
  readonly outputFields?: readonly string[];
}

export interface SearchBody extends OfCollection {
  /** Vectors, or texts where a TextEmbedding function fills the searched field. */
  readonly data: readonly (VectorValue | string)[];
  readonly annsField?: string;
  readonly filter?: string;
  readonly exprParams?: ExprParams;
  /** 1..16,384; default 100. */
  readonly limit?: number;
  readonly offset?: number;
  readonly outputFields?: readonly string[];
  readonly searchParams?: {
    readonly metricType?: MetricType;
    readonly params?: { readonly [key: string]: JsonValue };
    readonly [key: string]: JsonValue | undefined;
  };
}

/** A hit: primary key under its field's name, `distance`, and the output fields beside them. */
export type SearchHit = MilvusRow & { readonly distance: number };

export interface CompactionState {
  readonly compactionID: number;
  readonly state: string;
  readonly executingPlanNumber: number;
  readonly timeoutPlanNumber: number;
  readonly completedPlanNumber: number;
}

/** Endpoint (path after `/v2/vectordb/`) to body and `data`. */
export interface MilvusEndpoints {
  'collections/create': [CreateCollectionBody, Record<string, never>];
  'collections/describe': [OfCollection, CollectionDescription];
  'collections/list': [InDatabase, readonly string[]];
  'collections/has': [OfCollection, { readonly has: boolean }];
  'collections/drop': [OfCollection, Record<string, never>];
  'collections/load': [OfCollection, Record<string, never>];
  'collections/release': [OfCollection, Record<string, never>];
  'collections/get_load_state': [
    OfCollection,
    { readonly loadState: string; readonly loadProgress?: number; readonly message?: string },
  ];
  'collections/compact': [
    OfCollection & { readonly isClustering?: boolean },
    { readonly compactionID: number },
  ];
  'collections/get_compaction_state': [InDatabase & { readonly jobID: number }, CompactionState];
  /** Ours, and of no server: nothing of deleted rows is left in the storage and its copies when it is answered. */
  'whorl/scrub': [{ readonly collectionNames: readonly string[] }, Record<string, never>];
  'entities/insert': [
    InsertBody,
    { readonly insertCount: number; readonly insertIds: readonly string[] },
  ];
  'entities/upsert': [
    InsertBody,
    { readonly upsertCount: number; readonly upsertIds: readonly string[] },
  ];
  'entities/delete': [DeleteBody, { readonly deleteCount: number }];
  'entities/get': [GetBody, readonly MilvusRow[]];
  'entities/query': [QueryBody, readonly MilvusRow[]];
  'entities/search': [SearchBody, readonly SearchHit[]];
}

export type MilvusEndpoint = keyof MilvusEndpoints;

/** What an endpoint answers; errors are thrown with `milvusCode` instead of a code here. */
export interface MilvusEnvelope<D = unknown> {
  readonly code: 0;
  readonly data: D;
  /** Hits of each query vector in the flat list of `data`; searches only. */
  readonly topks?: readonly number[];
}

/** Options of every `engine.milvus` method. */
export interface MilvusCallOptions {
  readonly signal?: AbortSignal;
  /** insert and upsert: texts embedded, or rows written where no function embeds. Not confirmed before the promise resolves. */
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
}

type Method<E extends MilvusEndpoint> = (
  body: MilvusEndpoints[E][0],
  options?: MilvusCallOptions,
) => Promise<MilvusEndpoints[E][1]>;

/**
 * `engine.milvus`: method names of the official HTTP client; each takes the endpoint's body and
 * resolves to the endpoint's `data`, or rejects with a `WhorlError` that carries `milvusCode`.
 */
export interface MilvusClient {
  createCollection: Method<'collections/create'>;
  describeCollection: Method<'collections/describe'>;
  listCollections: Method<'collections/list'>;
  hasCollection: Method<'collections/has'>;
  dropCollection: Method<'collections/drop'>;
  loadCollection: Method<'collections/load'>;
  releaseCollection: Method<'collections/release'>;
  getCollectionLoadState: Method<'collections/get_load_state'>;
  compact: Method<'collections/compact'>;
  getCompactionState: Method<'collections/get_compaction_state'>;
  insert: Method<'entities/insert'>;
  upsert: Method<'entities/upsert'>;
  delete: Method<'entities/delete'>;
  get: Method<'entities/get'>;
  query: Method<'entities/query'>;
  search: Method<'entities/search'>;
}
