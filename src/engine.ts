/**
 * The engine: starts the workers, owns their lifetime, and joins them with ports so that text goes from
 * the index worker to what embeds without visiting the page.
 */

import { alone } from './alone.ts';
import { Archiving } from './archive/archiving.ts';
import type { ExportOptions, ImportOptions } from './archive/options.ts';
import { Bridge } from './embedder/bridge.ts';
import { checkTexts } from './embedder/check-texts.ts';
import type { SourceEvents } from './embedder/embed-source.ts';
import { EmbedWorkers } from './embedder/embed-workers.ts';
import { Embedding } from './embedder/embedding.ts';
import { HostEmbedder } from './embedder/host-embedder.ts';
import { poolSize } from './embedder/pool-size.ts';
import type { CheckedOptions } from './engine-options.ts';
import type { EraseAllRequest } from './erase-all-request.ts';
import { Erasing } from './erasing.ts';
import type { EraseRequest, EraseResult } from './loop/erase.ts';
import { createLoop } from './loop/loop.ts';
import type { Loop, LoopOptions, LoopStore } from './loop/types.ts';
import { createMilvusClient } from './milvus/client.ts';
import { openChannel } from './open-channel.ts';
import { Persistence } from './persistence.ts';
import { archiveWorkerUrl, embedWorkerUrl, indexWorkerUrl, ortPlaces } from './places.ts';
import type { ImportResult } from './shared/archive-types.ts';
import { isWhorlError } from './shared/errors.ts';
import { type Far, Link } from './shared/link.ts';
import type {
  MilvusCallOptions,
  MilvusClient,
  MilvusEndpoint,
  MilvusEnvelope,
} from './shared/milvus-types.ts';
import type {
  CallOptions,
  CandidatesRequest,
  CandidatesResult,
  DownloadProgress,
  EmbedderInfo,
  EmbeddingNews,
  EmbedProgress,
  EmbedRequest,
  EmbedResult,
  EngineStatus,
  IndexContract,
  LexicalHit,
} from './shared/types.ts';
import { spawnWorker } from './spawn.ts';

const IDLE: EngineStatus = {
  embedder: { state: 'idle' },
  store: null,
  restarts: { embed: 0, index: 0 },
};

/** Calls that take text out of the store, or may. */
const ERASING: ReadonlySet<MilvusEndpoint> = new Set([
  'collections/drop',
  'entities/delete',
  'entities/upsert',
]);

/**
 * A running engine. Dispatches `status` whenever {@link Engine.status} changes. After `close()` every
 * call rejects with `closed`.
 */
export class Engine extends EventTarget {
  /** Milvus REST v2, one method for each endpoint. */
  readonly milvus: MilvusClient;
  readonly #options: CheckedOptions;
  readonly #index: Link<IndexContract>;
  readonly #embedding: Embedding;
  readonly #bridge: Bridge;
  readonly #archiving: Archiving;
  readonly #erasing: Erasing;
  readonly #closing = new AbortController();
  /** One for all loops: by it they know that they share what they write. */
  readonly #loopStore: LoopStore;
  /** Other engines of this name, and the index worker, say here that text was erased. */
  readonly #erasures: BroadcastChannel | null;
  #status: EngineStatus = IDLE;
  readonly #persistence = new Persistence(() => this.#update({}));

  /** Use `createEngine`. */
  constructor(options: CheckedOptions) {
    super();
    this.#options = options;
    this.#embedding = new Embedding({
      source: (events) => this.#source(events),
      cacheBytes: options.embeddingCacheBytes,
      onStatus: (embedder) => this.#update({ embedder }),
      onRestart: () => this.#count('embed'),
      onLane: (open) => void this.#bridge.add(open),
      onLost: () => this.#bridge.drop(),
    });
    this.#index = new Link<IndexContract>({
      name: 'index worker',
      spawn: () => this.#spawn('index', indexWorkerUrl),
      prepare: async (call) => {
        const { name, storage, mirror, embeddingCacheBytes } = options;
        const store = await call('open', { name, storage, mirror, embeddingCacheBytes });
        this.#update({ store });
        void this.#watchStore(call);
        void this.#watchEmbedding(call);
      },
      onLost: () => this.#indexLost(),
    });
    this.#bridge = new Bridge(this.#embedding, this.#index.call);
    this.#erasures = openChannel(`whorl/${options.name}/erasures`);
    if (this.#erasures !== null) this.#erasures.onmessage = () => this.#embedding.forget();
    const spawnArchive = () => this.#spawn('archive', archiveWorkerUrl);
    this.#archiving = new Archiving(this.#index.call, spawnArchive, this.#closing.signal);
    this.milvus = createMilvusClient((endpoint, body, call) => this.#milvus(endpoint, body, call));
    // What a loop replaces are its own rows: a rating must not make it forget the question.
    const own = createMilvusClient((endpoint, body, call) =>
      this.#milvus(endpoint, body, call, endpoint !== 'entities/upsert'),
    );
    this.#loopStore = {
      ...own,
      candidates: this.#candidates.bind(this),
      canWrite: () => !this.#status.store?.modes.includes('read_only'),
      alone: (what, work, signal) => alone(`whorl/${options.name}/loop/${what}`, work, signal),
    };
    this.#erasing = new Erasing({
      name: options.name,
      store: this.#loopStore,
      milvus: this.milvus,
      index: this.#index.call,
      closing: this.#closing.signal,
    });
  }

  /** A snapshot; never changes after it was read. */
  get status(): EngineStatus {
    return this.#status;
  }

  /** Starts the embed worker without its model. Called by `createEngine`; harmless when called again. */
  warm(): void {
    this.#embedding.warm();
  }

  /** Opens the store. Called by `createEngine`; harmless when called again. */
  async open(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    const store = await this.#index.call('status', {}, options);
    this.#update({ store });
    void this.#persistence.look();
  }

  /**
   * Asks the browser to keep this site's storage also when space gets scarce; some browsers ask the user.
   * Resolves to whether it does, which `status.store.persisted` says, too. False is a normal answer.
   *
   * @throws WhorlError `aborted`, `closed`.
   */
  requestPersistence(options: { readonly signal?: AbortSignal } = {}): Promise<boolean> {
    return this.#persistence.request(this.#status, this.#closing.signal, options.signal);
  }

  /**
   * Downloads and starts the model; at once when it runs already. `embed`, and inserts and searches
   * that carry text, do this by themselves. Aborting gives up waiting; the download itself stops when
   * nobody waits for it any more, and resumes where it was cut.
   */
  async prepare(
    options: {
      readonly signal?: AbortSignal;
      readonly onProgress?: (progress: DownloadProgress) => void;
    } = {},
  ): Promise<EmbedderInfo> {
    const info = await this.#embedding.wait(options);
    await this.#bridge.join(options.signal);
    return info;
  }

  /**
   * Texts to unit vectors, row-major. Text beyond the model's bound (256 tokens for MiniLM) is cut. Bulk
   * work is shared out over several workers; a query never waits for it. The same text costs nothing again
   * while its vector is kept (`embeddingCacheBytes`). Cancelling takes effect between batches.
   *
   * @throws WhorlError `invalid_option` (no list of texts, or more than 65,536), `aborted`, `closed`, what
   * starting the model says, `worker_lost`, `backend_failed`, `out_of_memory` (each after another worker
   * was tried, where there is one).
   */
  async embed(
    texts: readonly string[],
    options: {
      readonly signal?: AbortSignal;
      readonly onProgress?: (progress: EmbedProgress) => void;
      readonly priority?: 'query' | 'bulk';
    } = {},
  ): Promise<EmbedResult> {
    checkTexts(texts);
    // A list of our own: the caller may go on with his.
    const request: EmbedRequest = { texts: [...texts], priority: options.priority ?? 'bulk' };
    const total = texts.length;
    const onProgress = (done: number): void => options.onProgress?.({ done, total });
    return this.#embedding.embed(request, { ...signalOf(options), onProgress });
  }

  /** BM25 over texts that are in no collection, best first; needs no model. */
  async lexical(
    texts: readonly string[],
    query: string,
    options: { readonly limit?: number; readonly signal?: AbortSignal } = {},
  ): Promise<readonly LexicalHit[]> {
    const request = { texts, query, limit: options.limit ?? 10 };
    const { hits } = await this.#index.call('lexical', request, signalOf(options));
    return hits;
  }

  /**
   * Collections as one file: schemas, rows and vectors, with their hashes. Equal content gives equal bytes.
   * One state of the store, whoever writes meanwhile; writers wait while it is read. Works in every tab.
   *
   * @throws WhorlError `invalid_option`, `milvus` 100 (a collection that is not there), `too_large` (over
   * 4 GiB: export fewer collections), `storage_lost`, `worker_lost`, `aborted`, `closed`.
   */
  export(options: ExportOptions = {}): Promise<Blob> {
    return this.#archiving.export(options);
  }

  /**
   * Takes in a file of `export`: all of it or nothing. The file is not trusted: it is read in a worker of
   * its own, which is ended afterwards, and every byte of it is checked before anything is stored. Vectors
   * of another model are embedded again in the background once a model runs. Works in every tab.
   *
   * @throws WhorlError `invalid_option` (also where a name is taken), `archive_invalid`, `too_large`,
   * `storage_too_new` (a later format), `deadline` (over 2 s at one step, or 10 s and a second for each MiB
   * in all), `not_leader` (the tab that writes cannot be asked), `storage_full`, `worker_lost`, `aborted`,
   * `closed`: with each of these nothing was imported. `outcome_unknown`: the storage or the tab that writes
   * was lost in the last step.
   */
  async import(
    file: Blob | ArrayBuffer | ArrayBufferView,
    options: ImportOptions = {},
  ): Promise<ImportResult> {
    try {
      return await this.#archiving.import(file, options);
    } finally {
      // A collection may have been replaced: vectors of its texts are kept no longer.
      if (options.onConflict === 'replace') this.#embedding.forget();
    }
  }

  /** A loop over one collection. Several may run side by side. */
  loop(options: LoopOptions): Loop {
    const isReady = () => this.#embedding.ready;
    const embedder = {
      get ready() {
        return isReady();
      },
      embed: this.embed.bind(this),
    };
    return createLoop({ store: this.#loopStore, embedder }, options);
  }

  /**
   * Erases records with their vectors and all that was made of them: stored answers whose lineage reaches
   * them, turns that showed them, what was said of these, texts that enrichment wrote. Resolves when
   * nothing of it is left in the storage, its mirror and the caches; then a new export has none of it,
   * and files that were exported before are as they were. Safe to repeat after an error.
   *
   * @throws WhorlError `invalid_option`, `milvus` (100: no such collection, 1100: a wrong filter, 101: not
   * loaded), `aborted`, `closed`, `storage_full`, `storage_lost`, `worker_lost`: the message says how far it came.
   */
  erase(request: EraseRequest): Promise<EraseResult> {
    return this.#erasing.erase(request);
  }

  /**
   * Erases all that this engine keeps: every collection, the mirror, the database, and vectors that are kept
   * for texts; closes the engine. `confirm`: its name. Where another tab leads, its database stays, empty.
   * The model's files are no records and stay.
   *
   * @throws WhorlError `invalid_option`, `aborted`, `closed`, or what the storage says; safe to repeat.
   */
  async eraseAll(request: EraseAllRequest): Promise<void> {
    await this.#erasing.all(request);
    await this.close();
  }

  /** Ends the workers after letting the store finish what it had acknowledged. */
  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    this.#embedding.close();
    this.#erasures?.close();
    // A worker that is not there has nothing to finish: none is started to be ended.
    if (this.#status.store !== null) {
      await this.#index.call('close', {}, { deadlineMs: 5_000 }).catch(() => {});
    }
    this.#index.close();
  }

  #candidates(request: CandidatesRequest, options: CallOptions = {}): Promise<CandidatesResult> {
    return this.#index.call('candidates', request, options as CallOptions<never>);
  }

  async #milvus(
    endpoint: MilvusEndpoint,
    body: unknown,
    options: MilvusCallOptions = {},
    erases = true,
  ): Promise<MilvusEnvelope> {
    const how = { ...signalOf(options), onProgress: options.onProgress ?? (() => {}) };
    const call = () => this.#index.call('milvus', { endpoint, body }, how as CallOptions<never>);
    const bridge = this.#bridge.built;
    try {
      return await this.#watched(call());
    } catch (error) {
      // Nothing was written: text needs the model, so it is started and the call is made once more.
      if (!isWhorlError(error) || error.code !== 'embedder_unavailable') throw error;
      await this.#bridge.mend(bridge);
      await this.prepare(signalOf(options));
      return await this.#watched(call());
    } finally {
      // Also after a failure: whether a change that was under way is kept shows when it is read.
      if (erases && ERASING.has(endpoint)) this.#embedding.forget();
    }
  }

  /** A call that may embed: soon after it, the backends are asked whether they are still the same. */
  async #watched<T>(call: Promise<T>): Promise<T> {
    try {
      return await call;
    } finally {
      this.#embedding.look();
    }
  }

  #source(events: SourceEvents): EmbedWorkers | HostEmbedder {
    const { embedder, assets, backend, precision, onnx } = this.#options;
    if (embedder !== null) return new HostEmbedder(embedder);
    const { hardwareConcurrency, deviceMemory } = navigator as {
      deviceMemory?: number;
    } & Navigator;
    const ownKernel = backend === 'auto' || backend === 'wasm' ? { precision } : {};
    return new EmbedWorkers({
      request: { assets, backend, ort: ortPlaces, ...(onnx ? { onnx } : ownKernel) },
      size: poolSize({ hardwareConcurrency, deviceMemory }, this.#options.embedWorkers),
      gpu: 'gpu' in navigator && navigator.gpu !== undefined,
      spawn: () => this.#spawn('embed', embedWorkerUrl),
      events,
    });
  }

  #indexLost(): void {
    const wasOpen = this.#status.store !== null;
    this.#bridge.drop();
    this.#update({ store: null });
    this.#count('index');
    // One that did not come up is not started again before somebody calls: it would fail the same way at once.
    if (wasOpen && !this.#closing.signal.aborted) this.open().catch(() => {});
  }

  /** Follows what one store says of itself (leader or follower, durable or volatile) until it is lost or closed. */
  async #watchStore(call: Link<IndexContract>['call']): Promise<void> {
    const onProgress = (store: EngineStatus['store']) => this.#update({ store });
    const how = { signal: this.#closing.signal, deadlineMs: Number.POSITIVE_INFINITY, onProgress };
    await call('watch', {}, how as CallOptions<never>).catch(() => {});
  }

  /** Text that waits in one index worker may be worth further lanes, and a lane may fail there, until that worker is lost or closed. */
  async #watchEmbedding(call: Link<IndexContract>['call']): Promise<void> {
    const onProgress = ({ waiting, failed }: EmbeddingNews) => {
      if (failed === undefined) this.#embedding.expectBulk(waiting);
      else this.#embedding.failed(failed);
    };
    const how = { signal: this.#closing.signal, deadlineMs: Number.POSITIVE_INFINITY, onProgress };
    await call('watchEmbedding', {}, how as CallOptions<never>).catch(() => {});
  }

  #count(which: 'embed' | 'index'): void {
    const { restarts } = this.#status;
    this.#update({ restarts: { ...restarts, [which]: restarts[which] + 1 } });
  }

  #spawn(which: 'embed' | 'index' | 'archive', url: URL): Far {
    const own = this.#options.workers?.[which];
    if (!own) return spawnWorker(url, `whorl ${which}`);
    const worker = own();
    return { endpoint: worker, end: () => worker.terminate() };
  }

  #update(change: Partial<EngineStatus>): void {
    this.#status = this.#persistence.in({ ...this.#status, ...change });
    this.dispatchEvent(new Event('status'));
  }
}

function signalOf(options: { readonly signal?: AbortSignal }): { readonly signal?: AbortSignal } {
  return options.signal ? { signal: options.signal } : {};
}
