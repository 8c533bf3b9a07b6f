/**
 * The nouns that both threads know, and the contracts of the two workers. Types only.
 */
import type {
  ArchivedCollection,
  ImportResult,
  ReadOutRequest,
  TakeInRequest,
} from './archive-types.ts';
import type { ErrorCode } from './errors.ts';
import type { MilvusEndpoint, MilvusEnvelope, MilvusRow } from './milvus-types.ts';

/** A contract: each method takes one request and answers one result, both structured-cloneable. */
export type Contract<C> = { [K in keyof C]: (request: never) => unknown };

/** What the caller of a linked method may say beside the request. */
export interface CallOptions<P = unknown> {
  readonly signal?: AbortSignal;
  /** Milliseconds without a reply or a progress report after which the call rejects with `deadline`. Default 30,000; Infinity for none. */
  readonly deadlineMs?: number;
  /** Buffers of the request that change hands. */
  readonly transfer?: readonly Transferable[];
  readonly onProgress?: (progress: P) => void;
}

/** What a linked method sees beside the request. */
export interface CallContext<P = unknown> {
  readonly signal: AbortSignal;
  /** Reports progress; also proves life, so that a long call keeps its deadline away. */
  report(progress: P): void;
  /** Marks buffers of the result as changing hands. They must not lie in WASM memory. */
  transfer(buffers: readonly ArrayBuffer[]): void;
}

// ---------------------------------------------------------------------------------------------
// Embedding

/** What multiplies: our own kernel, or ONNX Runtime on WebGPU or on WebAssembly. */
export type Backend = 'wasm' | 'webgpu' | 'onnx';

/** How our own kernel multiplies: int8 weights by 14-bit activations, or float32 throughout. */
export type Precision = 'int8' | 'float32';

/** Identity of a vector space: vectors of differing fingerprints are never compared. */
export type Fingerprint = string;

/** Where ONNX Runtime's files lie; absolute URLs. */
export interface OrtPlaces {
  readonly wasmModule: string;
  readonly wasmBinary: string;
  readonly webgpuModule: string;
  readonly webgpuBinary: string;
}

export interface EmbedStartRequest {
  /** Absolute base URL, with a trailing slash, under which `manifest.json` lies. */
  readonly assets: string;
  /**
   * `auto`: our own kernel (`wasm`); ONNX Runtime on WebAssembly (`onnx`) only where the kernel is refused. A
   * named backend is used or refused, never swapped.
   */
  readonly backend: 'auto' | Backend;
  /** Of our own kernel. Default `int8`. */
  readonly precision?: Precision;
  /** One build of our own kernel, used or refused; for tests and measurements. Default: the faster one that is right here. */
  readonly variant?: 'simd128' | 'relaxed';
  /** Lets `webgpu` take a software (fallback) adapter, which is right and slow. Default false. */
  readonly allowFallbackAdapter?: boolean;
  readonly ort: OrtPlaces;
  /** A running worker's model: nothing is downloaded or unpacked again. */
  readonly lent?: LentModel;
  /** Another encoder instead of the packed model of `assets`, which is not read then. Runs on `onnx` or `webgpu`. */
  readonly onnx?: OnnxModel;
}

/** A model as one embed worker hands it to another: verified bytes and the kernel's unpacked weights. */
export interface LentModel {
  readonly manifest: Uint8Array<ArrayBuffer>;
  readonly tokenizer: Uint8Array<ArrayBuffer>;
  /** The kernel's model memory, which only the same kernel, variant and precision can take. */
  readonly image: ArrayBuffer;
  /** Identity of kernel, variant and precision. */
  readonly kernel: string;
}

/** An ONNX encoder that somebody else exported. */
export interface OnnxModel {
  /** Absolute address of the `.onnx` file; external data is not supported. At most 512 MiB. */
  readonly url: string;
  /** Absolute address of its `tokenizer.json`. */
  readonly tokenizer: string;
  /**
   * How token vectors become one: `mean` over the text's tokens, the first token (`cls`), or `none` where the
   * graph answers one vector a text already.
   */
  readonly pooling: 'mean' | 'cls' | 'none';
  /** Name of the vector space. Default: made of the addresses' last parts and the files' digests. */
  readonly model?: string;
  /** Longest input in tokens, special tokens included; 3..8,192. Default 256. */
  readonly maxTokens?: number;
}

/** One honest bar: bytes of all files together, also when they come from the cache. */
export interface DownloadProgress {
  readonly stage: 'download' | 'verify' | 'compile' | 'check';
  readonly loadedBytes: number;
  readonly totalBytes: number;
  /** File that is being read; absent after the last. */
  readonly file?: string;
  readonly fromCache: boolean;
}

export interface EmbedderInfo {
  readonly model: string;
  readonly fingerprint: Fingerprint;
  readonly dimension: number;
  /** Longest input in tokens, special tokens included; longer text is cut. Infinity where the embedder does not say. */
  readonly maxTokens: number;
  /** `custom`: an embedder of the host. */
  readonly backend: Backend | 'custom';
  /** Why this backend and no other, in words; names every backend that was refused and the reason. */
  readonly why: string;
  readonly threads: number;
  readonly weights: string;
}

export interface EmbedRequest {
  readonly texts: readonly string[];
  /** `query` goes before `bulk`. Default `bulk`. */
  readonly priority?: 'query' | 'bulk';
}

export interface EmbedResult {
  /** Row-major, `texts.length x dimension`, unit length. */
  readonly vectors: Float32Array;
  readonly dimension: number;
  readonly fingerprint: Fingerprint;
  /** Tokens that went through the encoder, special tokens included: 0 for what was kept from before, and where the embedder does not say. */
  readonly tokens: number;
}

export interface EmbedProgress {
  readonly done: number;
  readonly total: number;
}

/** The embed worker, as the page and (by a port) the index worker see it. */
export interface EmbedContract {
  start(request: EmbedStartRequest): EmbedderInfo;
  embed(request: EmbedRequest): EmbedResult;
  tokenize(request: { readonly texts: readonly string[] }): { readonly ids: Int32Array[] };
  /** Serves `embed` and `info` on a further port; the newest port replaces an older one. */
  attach(request: { readonly port: MessagePort }): void;
  /** A copy of the running model for another worker; null where the running backend has none to lend. */
  lend(request: Record<string, never>): LentModel | null;
  /** The running embedder, or null before a successful `start`. */
  info(request: Record<string, never>): EmbedderInfo | null;
}

// ---------------------------------------------------------------------------------------------
// Index and store

export interface IndexOpenRequest {
  /** Database name; one engine and one leader per name and origin. */
  readonly name: string;
  readonly storage: 'indexeddb' | 'memory';
  /** Whether a second copy of the records is kept in the origin private file system. Default true. */
  readonly mirror?: boolean;
  /** Bytes of vectors that are kept for texts embedded before; 0 for none. Default 0. */
  readonly embeddingCacheBytes?: number;
}

/**
 * What a store cannot do at present; each has its sentence in `why`.
 *
 * - `memory_only`: nothing outlives the page
 * - `read_only`: nothing can be written here
 * - `quota`: the storage is full; writes are refused until there is room again, reading goes on
 * - `unmirrored`: the mirror cannot be written; what was changed since `mirroredThrough` lies in the database only
 * - `restored`: the database was lost and came back from its mirror
 * - `lost`: there were records once, and neither database nor mirror has them now
 * - `background_failed`: a graph, a re-embedding or tidying up failed; searches stay exact, and it is tried again
 */
export type StoreMode =
  | 'memory_only'
  | 'read_only'
  | 'quota'
  | 'unmirrored'
  | 'restored'
  | 'lost'
  | 'background_failed';

/** What this site stores and may store, as the browser estimates it; bytes. */
export interface StorageUsage {
  readonly bytes: number;
  readonly quota: number;
}

/** How far what is written can be trusted to stay. */
export interface StoreStatus {
  readonly storage: 'indexeddb' | 'memory';
  /** `volatile`: nothing outlives the page, and `why` says why. */
  readonly durability: 'durable' | 'volatile';
  readonly role: 'leader' | 'follower';
  readonly collections: number;
  /**
   * Sequence of the last change that is in the mirror, on the disk: nothing up to it is lost with the
   * database. Null: none is, or another tab keeps the mirror. Absent where no mirror is kept.
   */
  readonly mirroredThrough?: number | null;
  /** In the order of {@link StoreMode}; empty when all is well. */
  readonly modes: readonly StoreMode[];
  /** While the mode `quota` lasts; absent where the browser does not say it. */
  readonly usage?: StorageUsage;
  /**
   * Whether the browser keeps this site's storage when space gets scarce. False, the default of browsers: as
   * long as it can. Absent where nothing is stored, or the browser does not say it.
   */
  readonly persisted?: boolean;
  readonly why?: string;
}

/** One record that retrieval considers, with the parts of its score. */
export interface Candidate {
  /** Primary key; Int64 as decimal digits. */
  readonly id: string;
  readonly row: MilvusRow;
  /** Cosine to the query vector; null when no query vector was given (lexical only). */
  readonly cosine: number | null;
  /** Cosine to the shifted vector; null when none was given. */
  readonly shifted: number | null;
  /** BM25 of the query text; 0 when no term matches. */
  readonly bm25: number;
}

export interface CandidatesRequest {
  readonly collectionName: string;
  readonly text: string;
  /** VarChar fields whose words count. */
  readonly textFields: readonly string[];
  readonly annsField: string;
  /** Unit query vector; absent: lexical only. */
  readonly vector?: Float32Array;
  /** Unit query vector after what was learnt; its nearest records join the candidates. */
  readonly shifted?: Float32Array;
  /** Primary keys that join the candidates whatever their score. */
  readonly include?: readonly string[];
  readonly filter?: string;
  /** Nearest records taken by vector and best records taken by words, each. Default 100, at most 1,000. */
  readonly depth?: number;
  readonly outputFields?: readonly string[];
}

export interface CandidatesResult {
  readonly candidates: Candidate[];
  /** Largest BM25 of this query over the collection; 0 when no word matches. */
  readonly maxBm25: number;
}

export interface LexicalHit {
  /** Position of the text in the set. */
  readonly index: number;
  readonly score: number;
}

/** A port to what embeds, and the number by which the page knows it. */
export interface LanePort {
  readonly id: number;
  readonly port: MessagePort;
}

/** How many texts wait to be embedded as bulk work, whenever that changes; or a lane that failed. */
export type EmbeddingNews =
  | { readonly waiting: number; readonly failed?: never }
  | { readonly waiting?: never; readonly failed: LaneFailure };

/** A lane whose backend only a fresh worker mends. It is asked nothing more; another one may join. */
export interface LaneFailure {
  readonly id: number;
  readonly code: ErrorCode;
  readonly message: string;
}

/** The index worker, as the page sees it. */
export interface IndexContract {
  open(request: IndexOpenRequest): StoreStatus;
  status(request: Record<string, never>): StoreStatus;
  /** Reports every change of the status until it is cancelled. */
  watch(request: Record<string, never>): void;
  /**
   * Ports to all embed workers, in the place of those that were there; with `more`, beside them. Bulk work goes
   * to all of them, queries to the first one that lives and is no GPU.
   */
  connectEmbedder(request: { readonly lanes: readonly LanePort[]; readonly more?: boolean }): void;
  /** Reports what the page must know of embedding that is done here, until it is cancelled. */
  watchEmbedding(request: Record<string, never>): void;
  milvus(request: { readonly endpoint: MilvusEndpoint; readonly body: unknown }): MilvusEnvelope;
  candidates(request: CandidatesRequest): CandidatesResult;
  /** BM25 over texts that are in no collection; for the time before the model is ready. */
  lexical(request: {
    readonly texts: readonly string[];
    readonly query: string;
    readonly limit: number;
  }): { readonly hits: LexicalHit[] };
  /** Collections for an archive, in one state of the store. */
  readOut(request: ReadOutRequest): { readonly collections: readonly ArchivedCollection[] };
  /** Takes in the collections of an archive that was checked: all of them or none. */
  takeIn(request: TakeInRequest): ImportResult;
  /** Closes the store and, where this tab leads, removes its mirror and its database. */
  destroy(request: Record<string, never>): void;
  /** Flushes and lets go of storage and lock. */
  close(request: Record<string, never>): void;
}

// ---------------------------------------------------------------------------------------------
// Engine status

/** One that embeds: a worker, or the host's embedder. */
export interface EmbedLane {
  readonly backend: Backend | 'custom';
  readonly threads: number;
  /** Takes queries too; the others take bulk work only. */
  readonly queries: boolean;
}

export interface EngineStatus {
  readonly embedder:
    | { readonly state: 'idle' }
    | { readonly state: 'loading'; readonly progress: DownloadProgress | null }
    | ({ readonly state: 'ready'; readonly lanes: readonly EmbedLane[] } & EmbedderInfo)
    | { readonly state: 'failed'; readonly code: string; readonly message: string };
  readonly store: StoreStatus | null;
  /** Workers replaced since the start. */
  readonly restarts: { readonly embed: number; readonly index: number };
}
