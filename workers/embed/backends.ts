/** A backend from nothing to checked: runtime, session, known answers. */
import { throwIfAborted, WhorlError } from '../../src/shared/errors.ts';
import type { Backend, OrtPlaces } from '../../src/shared/types.ts';
import { externalData } from './dequantise.ts';
import type { DownloadedModel } from './download.ts';
import type { Encoder } from './encoder.ts';
import { checkKnownAnswers } from './known-answers.ts';
import { OrtEncoder } from './ort-encoder.ts';
import { createSession, loadRuntime, type OrtModule, type RuntimeDeps } from './ort-runtime.ts';
import type { Tokenizer } from './tokenizer.ts';

export interface BackendDeps extends RuntimeDeps {
  /** Lets messages in between two pieces of work. */
  readonly breathe: () => Promise<void>;
}

/** What a start needs of a model. */
export type RunnableModel = Pick<DownloadedModel, 'manifest' | 'graph' | 'weights'>;

export class BackendStarter {
  readonly #places: OrtPlaces;
  readonly #deps: BackendDeps;
  // One module instance a backend: a WebGPU runtime that fails leaves the WASM one untouched. Only
  // loaded ones are remembered, so that a failed load may be tried again.
  readonly #runtimes = new Map<Backend, OrtModule>();

  constructor(places: OrtPlaces, deps: BackendDeps) {
    this.#places = places;
    this.#deps = deps;
  }

  /**
   * An encoder that has given the known answers.
   *
   * @throws WhorlError `backend_failed`, `backend_wrong`, `out_of_memory`, `asset_missing`,
   * `asset_corrupt`, `network`, `aborted`.
   */
  async start(
    backend: Backend,
    model: RunnableModel,
    tokenizer: Tokenizer,
    options: { readonly signal: AbortSignal; readonly onCheck?: () => void },
  ): Promise<Encoder> {
    const encoder = await this.#encoder(backend, model, options.signal);
    try {
      options.onCheck?.();
      await this.#deps.breathe();
      await checkKnownAnswers(encoder, tokenizer, model.manifest.knownAnswers, options.signal);
      return encoder;
    } catch (error) {
      await encoder.close();
      throw error;
    }
  }

  async #encoder(backend: Backend, model: RunnableModel, signal: AbortSignal): Promise<Encoder> {
    const { manifest, graph, weights } = model;
    if (manifest.tokenizer !== 'WordPiece') {
      throw new WhorlError(
        'unsupported',
        `The model's tokenizer (${manifest.tokenizer}) is not known to this version of Whorl.`,
      );
    }
    const runtime = await this.#runtime(backend, signal);
    throwIfAborted(signal);
    const session = await createSession(runtime, backend, {
      graph,
      externalName: manifest.externalName,
      external: externalData(manifest, weights),
    });
    return new OrtEncoder({
      runtime,
      session,
      backend,
      dimension: manifest.dimension,
      maxTokens: manifest.maxTokens,
      vocabulary: manifest.architecture.vocabulary,
      breathe: this.#deps.breathe,
    });
  }

  async #runtime(backend: Backend, signal: AbortSignal): Promise<OrtModule> {
    const known = this.#runtimes.get(backend);
    if (known) return known;
    const runtime = await loadRuntime(backend, this.#places, this.#deps, signal);
    this.#runtimes.set(backend, runtime);
    return runtime;
  }
}
