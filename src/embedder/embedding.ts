/** Text to vectors for one engine: starts what embeds when it is needed, keeps what was embedded, and tells how it stands. */
import { embedThroughCache } from '../shared/cached-embed.ts';
import type { EmbedOptions } from '../shared/embed-job.ts';
import { EmbeddingCache } from '../shared/embedding-cache.ts';
import { asWhorlError, WhorlError } from '../shared/errors.ts';
import type {
  DownloadProgress,
  EmbedderInfo,
  EmbedRequest,
  EmbedResult,
  EngineStatus,
  LaneFailure,
  LanePort,
} from '../shared/types.ts';
import { SharedStart } from '../shared-start.ts';
import type { EmbedSource, SourceEvents, SourceInfo } from './embed-source.ts';

export type EmbedderStatus = EngineStatus['embedder'];

export interface EmbeddingOptions {
  readonly source: (events: SourceEvents) => EmbedSource;
  readonly cacheBytes: number;
  readonly onStatus: (status: EmbedderStatus) => void;
  readonly onRestart: () => void;
  /** See {@link SourceEvents.onLane}. */
  readonly onLane: SourceEvents['onLane'];
  /** Nothing embeds any more; a fresh start is under way where something did. */
  readonly onLost: () => void;
}

export interface Waiting {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: DownloadProgress) => void;
}

/** Milliseconds that calls are gathered before the workers are asked how they are. */
const REFRESH_MS = 250;

export class Embedding {
  readonly #options: EmbeddingOptions;
  readonly #source: EmbedSource;
  readonly #cache: EmbeddingCache;
  readonly #start: SharedStart<SourceInfo, DownloadProgress>;
  #status: EmbedderStatus = { state: 'idle' };
  #starts = 0;
  #refreshTimer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(options: EmbeddingOptions) {
    this.#options = options;
    this.#cache = new EmbeddingCache(options.cacheBytes);
    this.#start = new SharedStart((signal, report) => this.#begin(signal, report));
    this.#source = options.source({
      // While it starts (again), the start says how it stands.
      onInfo: (info) => {
        if (this.ready) this.#ready(info);
      },
      onLane: options.onLane,
      onRestart: options.onRestart,
      onLost: (error) => this.#lost(error),
    });
  }

  get ready(): boolean {
    return this.#status.state === 'ready';
  }

  /** See {@link EmbedSource.warm}. */
  warm(): void {
    this.#source.warm();
  }

  /** Starts what embeds; at once when it runs. */
  async wait(options: Waiting = {}): Promise<EmbedderInfo> {
    if (this.#closed) throw closed();
    return this.#start.wait(options);
  }

  /** Vectors of texts, from the cache where it has them. Starts what embeds, if need be. */
  async embed(request: EmbedRequest, options: EmbedOptions = {}): Promise<EmbedResult> {
    await this.wait(options.signal ? { signal: options.signal } : {});
    const embed = (rest: EmbedRequest, how: EmbedOptions) => this.#source.embed(rest, how);
    try {
      return await embedThroughCache(this.#cache, embed, request, options);
    } catch (error) {
      // A call that was under way when the engine was closed was ended by that, whatever it met.
      throw this.#closed ? closed() : error;
    } finally {
      this.look();
    }
  }

  /** Fresh ports for the index worker. */
  ports(): Promise<readonly LanePort[]> {
    return this.#source.ports();
  }

  expectBulk(texts: number): void {
    this.#source.expectBulk(texts);
  }

  /** Something was embedded, here or by a port: soon asks whether the backends are still the same. */
  look(): void {
    if (this.#closed || this.#refreshTimer !== undefined) return;
    this.#refreshTimer = setTimeout(() => {
      this.#refreshTimer = undefined;
      void this.#source.refresh();
    }, REFRESH_MS);
  }

  /** As {@link look}, now; resolves when deaths that others have noticed are known here, too. */
  async check(): Promise<void> {
    if (this.#source.running) await this.#source.refresh();
  }

  /** A lane failed under the index worker's hands. */
  failed({ id, code, message }: LaneFailure): void {
    this.#source.failed(id, new WhorlError(code, message, { retryable: true }));
  }

  /** Forgets all vectors that are kept: text was erased. */
  forget(): void {
    this.#cache.clear();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#refreshTimer);
    this.#cache.clear();
    this.#source.close();
  }

  async #begin(
    signal: AbortSignal,
    report: (progress: DownloadProgress) => void,
  ): Promise<SourceInfo> {
    this.#starts += 1;
    const start = this.#starts;
    this.#say({ state: 'loading', progress: null });
    const onProgress = (progress: DownloadProgress): void => {
      this.#say({ state: 'loading', progress });
      report(progress);
    };
    try {
      const info = await this.#source.start(signal, onProgress);
      this.#ready(info);
      return info;
    } catch (thrown) {
      const error = asWhorlError(thrown);
      // One that was given up may end when the next one runs, which says how it stands.
      if (start === this.#starts) {
        this.#say(error.code === 'aborted' ? { state: 'idle' } : failed(error));
      }
      throw error;
    }
  }

  #ready(info: SourceInfo): void {
    const { fingerprint } = this.#cache;
    if (fingerprint !== null && fingerprint !== info.fingerprint) this.#cache.clear();
    this.#say({ state: 'ready', ...info });
  }

  #lost(error: WhorlError): void {
    const wasReady = this.ready;
    this.#start.forget();
    this.#say(failed(error));
    this.#options.onLost();
    // The next question need not wait.
    if (wasReady && !this.#closed) this.wait().catch(() => {});
  }

  #say(status: EmbedderStatus): void {
    this.#status = status;
    this.#options.onStatus(status);
  }
}

function failed({ code, message }: WhorlError): EmbedderStatus {
  return { state: 'failed', code, message };
}

function closed(): WhorlError {
  return new WhorlError('closed', 'The engine was closed.');
}
