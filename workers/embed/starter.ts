/**
 * One embedder a worker. Equal starts share one start and its result; a failed or cancelled start is
 * forgotten, so that it may be tried again; a differing start replaces what runs.
 */
import { abortedError, throwIfAborted, WhorlError } from '../../src/shared/errors.ts';
import type { DownloadProgress, EmbedStartRequest } from '../../src/shared/types.ts';
import type { Embedder } from './embedder.ts';
import { checkStartRequest, startKey } from './start-request.ts';

export interface StartOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: DownloadProgress) => void;
}

type Start = (request: EmbedStartRequest, options: StartOptions) => Promise<Embedder>;

interface Run {
  readonly key: string;
  readonly promise: Promise<Embedder>;
  readonly abort: AbortController;
  readonly listeners: Set<(progress: DownloadProgress) => void>;
  last: DownloadProgress | null;
}

export class EmbedderHolder {
  readonly #startEmbedder: Start;
  #run: Run | null = null;
  #current: Embedder | null = null;
  /** Changes from one embedder to another, in the order in which they were asked for; null where there is none. */
  #changes: Promise<void> | null = null;

  constructor(start: Start) {
    this.#startEmbedder = start;
  }

  /** The running embedder, or null. */
  get current(): Embedder | null {
    return this.#current;
  }

  /** @throws WhorlError `embedder_unavailable` before a successful start. */
  get running(): Embedder {
    if (this.#current) return this.#current;
    throw new WhorlError(
      'embedder_unavailable',
      'No model is running yet. Start one and wait for it; nothing was embedded.',
      { retryable: true },
    );
  }

  async start(request: EmbedStartRequest, options: StartOptions): Promise<Embedder> {
    checkStartRequest(request);
    throwIfAborted(options.signal);
    const key = startKey(request);
    const change = this.#changes !== null || (this.#run !== null && this.#run.key !== key);
    const run = change
      ? await this.#change(key, request, options.signal)
      : this.#runOf(key, request);
    return this.#join(run, options);
  }

  #runOf(key: string, request: EmbedStartRequest): Run {
    this.#run ??= this.#begin(key, request);
    return this.#run;
  }

  /** What runs is closed before another is begun, so that two models never lie in memory. */
  #change(key: string, request: EmbedStartRequest, signal: AbortSignal): Promise<Run> {
    const before = this.#changes;
    const change = (async () => {
      await before;
      throwIfAborted(signal);
      if (this.#run && this.#run.key !== key) await this.#replace(this.#run);
      throwIfAborted(signal);
      return this.#runOf(key, request);
    })();
    const done = change.then(
      () => {},
      () => {},
    );
    this.#changes = done.then(() => {
      if (this.#changes === last) this.#changes = null;
    });
    const last = this.#changes;
    return change;
  }

  #begin(key: string, request: EmbedStartRequest): Run {
    const abort = new AbortController();
    const listeners: Run['listeners'] = new Set();
    const promise = this.#startEmbedder(request, {
      signal: abort.signal,
      onProgress: (progress) => {
        run.last = progress;
        for (const listener of listeners) listener(progress);
      },
    });
    const run: Run = { key, promise, abort, listeners, last: null };
    promise.then(
      (embedder) => {
        if (this.#run === run) this.#current = embedder;
        else void embedder.close();
      },
      () => {
        if (this.#run === run) this.#run = null;
      },
    );
    return run;
  }

  /** Waits with the others; the start itself is cancelled when nobody waits for it any more. */
  #join(run: Run, { signal, onProgress }: StartOptions): Promise<Embedder> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        run.listeners.delete(onProgress);
        signal.removeEventListener('abort', stop);
      };
      const stop = (): void => {
        leave();
        if (run.listeners.size === 0 && this.#current === null) this.#cancel(run);
        reject(abortedError(signal));
      };
      if (signal.aborted) return reject(abortedError(signal));
      run.listeners.add(onProgress);
      signal.addEventListener('abort', stop, { once: true });
      if (run.last) onProgress(run.last);
      run.promise.then(resolve, reject).finally(leave);
    });
  }

  #cancel(run: Run): void {
    run.abort.abort();
    if (this.#run === run) this.#run = null;
  }

  async #replace(run: Run): Promise<void> {
    this.#cancel(run);
    const former = this.#current;
    this.#current = null;
    await former?.close();
  }
}
