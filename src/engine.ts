/**
 * The engine: starts the two workers, owns their lifetime, and joins them with a port so that text
 * goes from the index worker to the embed worker without visiting the page.
 */
import { type CheckedOptions, checkOptions, type EngineOptions } from './engine-options.ts';
import { createLoop } from './loop/loop.ts';
import type { Loop, LoopOptions, LoopStore } from './loop/types.ts';
import { createMilvusClient } from './milvus/client.ts';
import { embedWorkerUrl, indexWorkerUrl, ortPlaces } from './places.ts';
import { resolveAssets } from './shared/assets.ts';
import { asWhorlError, isWhorlError, throwIfAborted, type WhorlError } from './shared/errors.ts';
import { type Far, Link } from './shared/link.ts';
import type {
  MilvusCallOptions,
  MilvusClient,
  MilvusEndpoint,
  MilvusEnvelope,
} from './shared/milvus-types.ts';
import type {
  Backend,
  CallOptions,
  CandidatesRequest,
  CandidatesResult,
  DownloadProgress,
  EmbedContract,
  EmbedderInfo,
  EmbedProgress,
  EmbedRequest,
  EmbedResult,
  EngineStatus,
  IndexContract,
  LexicalHit,
} from './shared/types.ts';
import { SharedStart } from './shared-start.ts';
import { spawnWorker } from './spawn.ts';

const IDLE: EngineStatus = {
  embedder: { state: 'idle' },
  store: null,
  restarts: { embed: 0, index: 0 },
};

/** Longest silence of the embed worker: a batch, or the making of a session, on a slow machine. */
const BATCH_MS = 60_000;

/** Failures of a backend after which `auto` tries WebAssembly in a fresh worker. */
const BACKEND_FAILURES = new Set([
  'backend_failed',
  'backend_wrong',
  'worker_lost',
  'out_of_memory',
]);

/**
 * A running engine. Dispatches `status` whenever {@link Engine.status} changes. After `close()` every
 * call rejects with `closed`.
 */
export class Engine extends EventTarget {
  /** Milvus REST v2, one method for each endpoint. */
  readonly milvus: MilvusClient;
  readonly #options: CheckedOptions;
  readonly #assets: string;
  readonly #embed: Link<EmbedContract>;
  readonly #index: Link<IndexContract>;
  readonly #start: SharedStart<EmbedderInfo, DownloadProgress>;
  readonly #closing = new AbortController();
  /** One for all loops: by it they know that they share what they write. */
  readonly #loopStore: LoopStore;
  #status: EngineStatus = IDLE;
  #bridge: Promise<void> | null = null;

  /** Use {@link createEngine}. */
  constructor(options: CheckedOptions) {
    super();
    this.#options = options;
    this.#assets = resolveAssets(options.assets, document.baseURI);
    this.#embed = new Link<EmbedContract>({
      name: 'embed worker',
      // Making a session or running a long batch blocks its thread for seconds on a slow machine; one that
      // was terminated is noticed by its lock, at once.
      hungMs: 60_000,
      spawn: () => this.#spawn('embed', embedWorkerUrl),
      onLost: (error) => this.#embedLost(error),
    });
    this.#index = new Link<IndexContract>({
      name: 'index worker',
      spawn: () => this.#spawn('index', indexWorkerUrl),
      prepare: async (call) => {
        const store = await call('open', { name: options.name, storage: options.storage });
        this.#update({ store });
        void this.#watchStore(call);
      },
      onLost: () => this.#indexLost(),
    });
    this.#start = new SharedStart((signal, report) => this.#startEmbedder(signal, report));
    this.milvus = createMilvusClient((endpoint, body, options) =>
      this.#milvus(endpoint, body, options),
    );
    this.#loopStore = {
      ...this.milvus,
      candidates: this.#candidates.bind(this),
      canWrite: () => this.#status.store?.role !== 'follower',
    };
  }

  /** A snapshot; never changes after it was read. */
  get status(): EngineStatus {
    return this.#status;
  }

  /** Opens the store. Called by {@link createEngine}; harmless when called again. */
  async open(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    const store = await this.#index.call('status', {}, options);
    this.#update({ store });
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
    const info = await this.#start.wait(options);
    await this.#join(options);
    return info;
  }

  /**
   * Texts to unit vectors, row-major. Text beyond the model's bound (256 tokens for MiniLM) is cut.
   * Cancelling takes effect between batches.
   */
  async embed(
    texts: readonly string[],
    options: {
      readonly signal?: AbortSignal;
      readonly onProgress?: (progress: EmbedProgress) => void;
      readonly priority?: 'query' | 'bulk';
    } = {},
  ): Promise<EmbedResult> {
    await this.#start.wait(options.signal ? { signal: options.signal } : {});
    const request: EmbedRequest = { texts, priority: options.priority ?? 'bulk' };
    const onProgress = options.onProgress ?? (() => {});
    const how = { ...signalOf(options), onProgress, deadlineMs: BATCH_MS };
    return this.#watchBackend(this.#embed.call('embed', request, how));
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

  /** A loop over one collection. Several may run side by side. */
  loop(options: LoopOptions): Loop {
    const isReady = () => this.#status.embedder.state === 'ready';
    const embedder = {
      get ready() {
        return isReady();
      },
      embed: this.embed.bind(this),
    };
    return createLoop({ store: this.#loopStore, embedder }, options);
  }

  /** Ends the workers after letting the store finish what it had acknowledged. */
  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    this.#embed.close();
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
  ): Promise<MilvusEnvelope> {
    const how = { ...signalOf(options), onProgress: options.onProgress ?? (() => {}) };
    const call = () => this.#index.call('milvus', { endpoint, body }, how as CallOptions<never>);
    const bridge = this.#bridge;
    try {
      return await this.#watchBackend(call());
    } catch (error) {
      // Nothing was written: text needs the model, so it is started and the call is made once more.
      if (!isWhorlError(error) || error.code !== 'embedder_unavailable') throw error;
      await this.#mendBridge(bridge, signalOf(options));
      await this.prepare(signalOf(options));
      return call();
    }
  }

  /**
   * What a call that may embed says of the backend. A runtime that failed is spent: its worker is
   * replaced. A GPU that was lost in the middle leaves WebAssembly at work, and the status says so.
   */
  async #watchBackend<T>(call: Promise<T>): Promise<T> {
    try {
      const result = await call;
      const { embedder } = this.#status;
      if (embedder.state === 'ready' && embedder.backend !== 'wasm') void this.#readBackend();
      return result;
    } catch (error) {
      if (isWhorlError(error) && error.code === 'backend_failed') this.#embed.replace(error);
      throw error;
    }
  }

  async #readBackend(): Promise<void> {
    const info = await this.#embed.call('info', {}).catch(() => null);
    const { embedder } = this.#status;
    if (info === null || embedder.state !== 'ready' || info.why === embedder.why) return;
    this.#update({ embedder: { state: 'ready', ...info, lanes: [] } });
  }

  /** The index worker found no model behind the bridge: another one is wanted, unless there is one already. */
  async #mendBridge(
    bridge: Promise<void> | null,
    options: { readonly signal?: AbortSignal },
  ): Promise<void> {
    if (bridge === null || this.#bridge !== bridge) return;
    // The index worker may know of a death before the page does: this waits until the page knows, too.
    await this.#embed.call('info', {}, options).catch(() => {});
    if (this.#bridge === bridge) this.#bridge = null;
  }

  async #startEmbedder(
    signal: AbortSignal,
    report: (progress: DownloadProgress) => void,
  ): Promise<EmbedderInfo> {
    const { backend } = this.#options;
    this.#update({ embedder: { state: 'loading', progress: null } });
    const onProgress = (progress: DownloadProgress) => {
      this.#update({ embedder: { state: 'loading', progress } });
      report(progress);
    };
    try {
      const info = await this.#startBackend(backend, signal, onProgress);
      this.#update({ embedder: { state: 'ready', ...info, lanes: [] } });
      return info;
    } catch (error) {
      const { code, message } = asWhorlError(error);
      this.#update({
        embedder: code === 'aborted' ? { state: 'idle' } : { state: 'failed', code, message },
      });
      throw error;
    }
  }

  /** A runtime that failed to start is not to be trusted with a second start: WebAssembly gets a fresh worker. */
  async #startBackend(
    backend: 'auto' | Backend,
    signal: AbortSignal,
    onProgress: (progress: DownloadProgress) => void,
  ): Promise<EmbedderInfo> {
    const start = (chosen: 'auto' | Backend) => {
      const request = { assets: this.#assets, backend: chosen, ort: ortPlaces };
      return this.#embed.call('start', request, {
        signal,
        onProgress,
        deadlineMs: BATCH_MS,
      } as CallOptions<never>);
    };
    try {
      return await start(backend);
    } catch (error) {
      const failure = asWhorlError(error);
      if (backend !== 'auto' || !BACKEND_FAILURES.has(failure.code)) throw error;
      this.#embed.replace(failure);
      const info = await start('wasm');
      return { ...info, why: `${info.why} Before that: ${failure.message}` };
    }
  }

  /** Joins the running workers by a fresh port; once for each pair of them. */
  async #join(options: { readonly signal?: AbortSignal }): Promise<void> {
    if (this.#bridge === null) {
      const bridge = this.#connect();
      this.#bridge = bridge;
      bridge.catch(() => {
        if (this.#bridge === bridge) this.#bridge = null;
      });
    }
    await this.#bridge;
    throwIfAborted(options.signal);
  }

  async #connect(): Promise<void> {
    const { port1, port2 } = new MessageChannel();
    await this.#embed.call('attach', { port: port1 }, { transfer: [port1] });
    await this.#index.call('connectEmbedder', { ports: [port2] }, { transfer: [port2] });
  }

  #embedLost(error: WhorlError): void {
    const wasReady = this.#status.embedder.state === 'ready';
    this.#bridge = null;
    this.#start.forget();
    const { restarts } = this.#status;
    const { code, message } = error;
    this.#update({
      embedder: { state: 'failed', code, message },
      restarts: { ...restarts, embed: restarts.embed + 1 },
    });
    // A fresh port makes calls that wait on the dead one settle, and the next question need not wait.
    if (wasReady) this.prepare().catch(() => {});
  }

  #indexLost(): void {
    const wasOpen = this.#status.store !== null;
    this.#bridge = null;
    const { restarts } = this.#status;
    this.#update({ store: null, restarts: { ...restarts, index: restarts.index + 1 } });
    // One that did not come up is not started again before somebody calls: it would fail the same way at once.
    if (wasOpen && !this.#closing.signal.aborted) this.open().catch(() => {});
  }

  /** Follows what one store says of itself (leader or follower, durable or volatile) until it is lost or closed. */
  async #watchStore(call: Link<IndexContract>['call']): Promise<void> {
    const onProgress = (store: EngineStatus['store']) => this.#update({ store });
    const how = { signal: this.#closing.signal, deadlineMs: Number.POSITIVE_INFINITY, onProgress };
    await call('watch', {}, how as CallOptions<never>).catch(() => {});
  }

  #spawn(which: 'embed' | 'index', url: URL): Far {
    const own = this.#options.workers?.[which];
    if (!own) return spawnWorker(url, `whorl ${which}`);
    const worker = own();
    return { endpoint: worker, end: () => worker.terminate() };
  }

  #update(change: Partial<EngineStatus>): void {
    this.#status = { ...this.#status, ...change };
    this.dispatchEvent(new Event('status'));
  }
}

function signalOf(options: { readonly signal?: AbortSignal }): { readonly signal?: AbortSignal } {
  return options.signal ? { signal: options.signal } : {};
}

/**
 * Starts the workers and opens the store; the model is downloaded when it is first needed, or by
 * `prepare()`. Throws `invalid_option`, `worker_start_failed`, or what opening the store says.
 */
export async function createEngine(options: EngineOptions = {}): Promise<Engine> {
  const engine = new Engine(checkOptions(options, document.baseURI));
  try {
    await engine.open(options.signal ? { signal: options.signal } : {});
    return engine;
  } catch (error) {
    await engine.close();
    throw error;
  }
}
