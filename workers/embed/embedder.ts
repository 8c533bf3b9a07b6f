/**
 * Texts to vectors: model, tokenizer, a checked backend, and what happens when that backend is lost.
 * No global of a worker or a page is touched here.
 */
import { isWhorlError, throwIfAborted, WhorlError } from '../../src/shared/errors.ts';
import type {
  Backend,
  DownloadProgress,
  EmbedderInfo,
  EmbedRequest,
  EmbedResult,
  EmbedStartRequest,
} from '../../src/shared/types.ts';
import { type BackendDeps, BackendStarter, type RunnableModel } from './backends.ts';
import { chooseBackends, type GpuLike, readCapabilities } from './choose.ts';
import { downloadModel, type ModelDownloadDeps } from './download.ts';
import type { Encoder } from './encoder.ts';
import type { ModelManifest } from './manifest.ts';
import { EncodeQueue } from './queue.ts';
import { createTokenizer, type Tokenizer } from './tokenizer.ts';

export interface EmbedderDeps extends ModelDownloadDeps, BackendDeps {
  readonly gpu: GpuLike | undefined;
}

export interface EmbedOptions {
  readonly signal: AbortSignal;
  readonly onProgress?: (done: number) => void;
}

interface Started {
  readonly manifest: ModelManifest;
  readonly tokenizer: Tokenizer;
  readonly starter: BackendStarter;
  readonly encoder: Encoder;
  readonly why: string;
  /** Kept only where a backend can be lost while the page lives. */
  readonly model: RunnableModel | null;
  /** Whether a lost GPU may be replaced by WASM. */
  readonly mayFallBack: boolean;
  readonly breathe: () => Promise<void>;
}

/** Most texts a call; more belong into several calls, so that progress is kept. */
const MAX_TEXTS = 65_536;
const NEVER = new AbortController().signal;

/**
 * Loads a model and starts the best backend that works.
 *
 * @throws WhorlError what downloading throws; `embedder_unavailable` when no backend can be had;
 * for a named backend its own `backend_failed` or `backend_wrong`.
 */
export async function startEmbedder(
  request: EmbedStartRequest,
  deps: EmbedderDeps,
  options: {
    readonly signal: AbortSignal;
    readonly onProgress: (progress: DownloadProgress) => void;
  },
): Promise<Embedder> {
  const facts = await readCapabilities(request.backend === 'wasm' ? undefined : deps.gpu);
  const choice = chooseBackends(facts, request);
  if (choice.attempts.length === 0) {
    throw new WhorlError(
      'embedder_unavailable',
      `${choice.why} WebGPU was asked for by name, so nothing else was tried; ask for "auto" or "wasm".`,
    );
  }
  const model = await downloadModel(request.assets, deps, options);
  const tokenizer = createTokenizer(model.tokenizer, model.manifest.maxTokens);
  const starter = new BackendStarter(request.ort, deps);
  const refused: WhorlError[] = [];
  for (const backend of choice.attempts) {
    model.meter.stage('compile');
    try {
      const encoder = await starter.start(backend, model, tokenizer, {
        signal: options.signal,
        onCheck: () => model.meter.stage('check'),
      });
      const why = [choice.why, ...refused.map(({ message }) => message), model.note ?? ''];
      return new Embedder({
        manifest: model.manifest,
        tokenizer,
        starter,
        encoder,
        why: why.filter(Boolean).join(' '),
        model: backend === 'webgpu' ? model : null,
        mayFallBack: choice.attempts.includes('wasm'),
        breathe: deps.breathe,
      });
    } catch (error) {
      if (!isWhorlError(error) || error.code === 'aborted') throw error;
      refused.push(error);
    }
  }
  throw unavailable(refused);
}

function unavailable(refused: readonly WhorlError[]): WhorlError {
  const [first] = refused;
  if (refused.length === 1 && first) return first;
  return new WhorlError(
    'embedder_unavailable',
    `No backend can embed here. ${refused.map(({ message }) => message).join(' ')}`,
    { cause: refused.at(-1), retryable: refused.some(({ retryable }) => retryable) },
  );
}

/** A running embedder. */
export class Embedder {
  readonly #started: Started;
  readonly #queue: EncodeQueue;
  #encoder: Encoder;
  #why: string;
  #recovery: Promise<void> | null = null;
  #gpuReplaced = false;
  #closed = false;

  constructor(started: Started) {
    this.#started = started;
    this.#encoder = started.encoder;
    this.#why = started.why;
    this.#queue = new EncodeQueue({
      encoder: () => this.#encoder,
      recover: (error) => this.#recover(error),
      breathe: started.breathe,
    });
  }

  get info(): EmbedderInfo {
    const { manifest } = this.#started;
    return {
      model: manifest.model,
      fingerprint: manifest.fingerprint,
      dimension: manifest.dimension,
      maxTokens: manifest.maxTokens,
      backend: this.#encoder.backend,
      why: this.#why,
      threads: this.#encoder.threads,
      weights: manifest.weights,
    };
  }

  /**
   * @throws WhorlError `invalid_option`, `aborted`, `closed`, `out_of_memory`, `backend_failed`
   * (retryable: in a fresh worker).
   */
  async embed(request: EmbedRequest, options: EmbedOptions): Promise<EmbedResult> {
    if (this.#closed) throw new WhorlError('closed', 'The embedder was closed.');
    const ids = await this.tokenize(request.texts, options.signal);
    const vectors = await this.#queue.run({
      ids,
      priority: request.priority ?? 'bulk',
      signal: options.signal,
      onProgress: options.onProgress ?? (() => {}),
    });
    const { dimension, fingerprint } = this.#started.manifest;
    const tokens = ids.reduce((sum, { length }) => sum + length, 0);
    return { vectors, dimension, fingerprint, tokens };
  }

  /** Token ids of each text, cut to the model's length. */
  async tokenize(texts: readonly string[], signal: AbortSignal = NEVER): Promise<Int32Array[]> {
    checkTexts(texts);
    const ids: Int32Array[] = [];
    for (const [index, text] of texts.entries()) {
      // About a thousand short texts take as long as one batch.
      if (index % 1_024 === 1_023) await this.#started.breathe();
      throwIfAborted(signal);
      ids.push(this.#started.tokenizer.encode(text));
    }
    return ids;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#queue.close(new WhorlError('closed', 'The embedder was closed.'));
    await this.#encoder.close();
  }

  /** One recovery at a time; whoever fails meanwhile waits for the same one. */
  #recover(error: unknown): Promise<void> {
    this.#recovery ??= this.#replace(error).finally(() => {
      this.#recovery = null;
    });
    return this.#recovery;
  }

  /** A lost GPU is started afresh once, then WASM takes over. Every newcomer answers the known texts first. */
  async #replace(error: unknown): Promise<void> {
    const { model, mayFallBack, starter, tokenizer } = this.#started;
    const failed = isWhorlError(error) && error.code === 'backend_failed';
    if (!failed || !model || this.#encoder.backend !== 'webgpu' || this.#closed) throw error;
    const attempts: Backend[] = this.#gpuReplaced ? [] : ['webgpu'];
    if (mayFallBack) attempts.push('wasm');
    this.#gpuReplaced = true;
    await this.#encoder.close();
    for (const backend of attempts) {
      try {
        this.#encoder = await starter.start(backend, model, tokenizer, { signal: NEVER });
        const what = backend === 'webgpu' ? 'was started afresh' : 'was replaced by WASM';
        this.#why = `${this.#started.why} WebGPU failed while running and ${what}: ${error.message}`;
        return;
      } catch (next) {
        if (!isWhorlError(next)) throw next;
      }
    }
    throw error;
  }
}

function checkTexts(texts: unknown): void {
  if (!Array.isArray(texts)) throw new WhorlError('invalid_option', 'texts must be a list.');
  if (texts.length > MAX_TEXTS) {
    throw new WhorlError(
      'invalid_option',
      `${texts.length} texts are too many for one call; hand over at most ${MAX_TEXTS} at a time.`,
    );
  }
  const wrong = texts.findIndex((text) => typeof text !== 'string');
  if (wrong >= 0) throw new WhorlError('invalid_option', `texts[${wrong}] is not a text.`);
}
