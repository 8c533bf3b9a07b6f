/** A backend from nothing to checked: for a packed model, a lent one, and an ONNX encoder from elsewhere. */
import { throwIfAborted, WhorlError } from '../../src/shared/errors.ts';
import type {
  DownloadProgress,
  EmbedStartRequest,
  LentModel,
  OnnxModel,
  Precision,
} from '../../src/shared/types.ts';
import type { Attempt } from './choose.ts';
import { externalData } from './dequantise.ts';
import { type ModelDownloadDeps, type ModelFiles, openModel } from './download.ts';
import type { Encoder } from './encoder.ts';
import { checkTensors, refuseMissing } from './kernel/tensor-check.ts';
import { KernelEncoder } from './kernel-encoder.ts';
import { type Kernel, type KernelSettings, type KernelSource, variantOf } from './kernel-source.ts';
import { checkKnownAnswers, shortestAnswers } from './known-answers.ts';
import { fileOf, type KnownAnswer, type ModelManifest, parseManifest } from './manifest.ts';
import { loadOnnxModel, openOnnxEncoder } from './onnx-model.ts';
import { OrtEncoder } from './ort-encoder.ts';
import {
  createSession,
  loadRuntime,
  type OrtBackend,
  type OrtModule,
  type RuntimeDeps,
} from './ort-runtime.ts';
import { TensorLoader } from './tensor-loader.ts';
import { createTokenizer, type Tokenizer } from './tokenizer.ts';

export interface BackendDeps extends ModelDownloadDeps, RuntimeDeps {
  readonly kernels: KernelSource;
  /** Lets messages in between two pieces of work. */
  readonly breathe: () => Promise<void>;
  /** Milliseconds; never goes back. */
  readonly now: () => number;
}

export interface BackendOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: DownloadProgress) => void;
}

/** A model that runs, and has shown that it runs rightly. */
export interface RunningModel {
  readonly model: string;
  readonly fingerprint: string;
  readonly maxTokens: number;
  /** How weights are stored and multiplied, in words. */
  readonly weights: string;
  readonly tokenizer: Tokenizer;
  readonly encoder: Encoder;
  /** Empty for an encoder that brought none. */
  readonly answers: readonly KnownAnswer[];
  /** A copy for another worker; null where there is no kernel to copy. */
  readonly lend: (() => LentModel) | null;
  /** Why the model is not kept on this device; null when it is. */
  readonly note: string | null;
}

/** Known answers before the first use; the others follow when the code has been compiled for speed. */
const FIRST_ANSWERS = 2;
const WORDS: { readonly [P in Precision]: string } = {
  int8: 'multiplied as int8 by 14-bit activations',
  float32: 'multiplied as float32',
};

export class BackendStarter {
  readonly #request: EmbedStartRequest;
  readonly #deps: BackendDeps;
  // One module instance a backend: a WebGPU runtime that fails leaves the WASM one untouched. Only
  // loaded ones are remembered, so that a failed load may be tried again.
  readonly #runtimes = new Map<OrtBackend, OrtModule>();

  constructor(request: EmbedStartRequest, deps: BackendDeps) {
    this.#request = request;
    this.#deps = deps;
  }

  /** Asks for the model's manifest; what it answers with is read by {@link start}. */
  open(options: BackendOptions): Promise<ModelFiles> {
    return openModel(this.#request.assets, this.#deps, options);
  }

  /**
   * Runs the packed model, or the ONNX encoder that was brought.
   *
   * @param opened The manifest, where it was asked for already.
   * @throws WhorlError what downloading throws; `backend_failed`, `backend_wrong`, `out_of_memory`,
   * `unsupported`.
   */
  async start(
    attempt: Attempt,
    options: BackendOptions,
    opened?: Promise<ModelFiles>,
  ): Promise<RunningModel> {
    const { onnx } = this.#request;
    if (onnx && attempt.backend !== 'wasm') {
      return this.#startBrought(onnx, attempt.backend, options);
    }
    const files = await (opened ?? this.open(options));
    if (attempt.backend === 'wasm') return this.#startKernel(files, attempt.variant, options);
    return this.#startOrt(files, attempt.backend, options);
  }

  /**
   * Runs what another worker lent; needs no network.
   *
   * @throws WhorlError `invalid_option` for what is not a lent model, `unsupported` for one of another
   * kernel; `backend_wrong`, `out_of_memory`.
   */
  async startLent(lent: LentModel, { signal }: BackendOptions): Promise<RunningModel> {
    const manifest = lentManifest(lent);
    checkTensors(manifest.architecture, manifest.tensors);
    const variant = variantOf(lent.kernel);
    if (!variant) throw refused(`its kernel "${String(lent.kernel)}" is not known here`);
    const { variant: asked = variant } = this.#request;
    if (asked !== variant) throw refused(`it is one of the build "${variant}", not of "${asked}"`);
    const tokenizer = createTokenizer(lent.tokenizer, manifest.maxTokens);
    const settings = this.#settings(manifest, variant);
    const kernel = await this.#deps.kernels.openLent(manifest.architecture, settings, lent);
    return this.#runKernel(kernel, manifest, tokenizer, lent, signal);
  }

  async #startKernel(
    files: ModelFiles,
    variant: KernelSettings['variant'],
    { signal }: BackendOptions,
  ): Promise<RunningModel> {
    const { manifest, manifestBytes } = files;
    // Memory for a model that is not there would cost seconds.
    checkTensors(manifest.architecture, manifest.tensors);
    files.want(['tokenizer', 'weights']);
    files.prefetch('weights');
    const opening = this.#deps.kernels.open(
      manifest.architecture,
      this.#settings(manifest, variant),
    );
    // Compiled while the first bytes come; told when it is wanted.
    opening.catch(() => {});
    const bytes = await files.bytes('tokenizer').catch(async (error) => {
      await opening.then((kernel) => kernel.close()).catch(() => {});
      throw error;
    });
    const kernel = await opening;
    try {
      const tokenizer = createTokenizer(bytes, manifest.maxTokens);
      await loadWeights(files, kernel);
      const kept = files.keep();
      kept.catch(() => {});
      files.meter.stage('check');
      const shared = { manifest: manifestBytes, tokenizer: bytes };
      const running = await this.#runKernel(kernel, manifest, tokenizer, shared, signal);
      await kept;
      return { ...running, note: files.note };
    } catch (error) {
      kernel.close();
      throw error;
    }
  }

  #settings(manifest: ModelManifest, variant: KernelSettings['variant']): KernelSettings {
    const { precision = 'int8' } = this.#request;
    return { precision, variant, maxTokens: manifest.maxTokens };
  }

  /** A kernel with its weights, checked by the shortest known answers. */
  async #runKernel(
    kernel: Kernel,
    manifest: ModelManifest,
    tokenizer: Tokenizer,
    shared: Pick<LentModel, 'manifest' | 'tokenizer'>,
    signal: AbortSignal,
  ): Promise<RunningModel> {
    const { dimension, maxTokens, architecture, knownAnswers } = manifest;
    const { breathe, now } = this.#deps;
    const { vocabulary } = architecture;
    const encoder = new KernelEncoder({ kernel, dimension, maxTokens, vocabulary, breathe, now });
    const first = shortestAnswers(knownAnswers, tokenizer, FIRST_ANSWERS);
    await checked(encoder, () => checkKnownAnswers(encoder, tokenizer, first, signal));
    return {
      ...identityOf(manifest),
      weights: `${manifest.weights}; ${WORDS[this.#request.precision ?? 'int8']}`,
      tokenizer,
      encoder,
      lend: () => ({
        manifest: shared.manifest.slice(),
        tokenizer: shared.tokenizer.slice(),
        image: kernel.image(),
        kernel: kernel.identity,
      }),
      note: null,
    };
  }

  async #startOrt(
    files: ModelFiles,
    backend: OrtBackend,
    { signal }: BackendOptions,
  ): Promise<RunningModel> {
    const { manifest } = files;
    files.want(['tokenizer', 'graph', 'weights']);
    const tokenizer = createTokenizer(await files.bytes('tokenizer'), manifest.maxTokens);
    const graph = await files.bytes('graph');
    const weights = await files.bytes('weights');
    await files.keep();
    files.meter.stage('compile');
    const runtime = await this.#runtime(backend, signal);
    throwIfAborted(signal);
    const session = await createSession(runtime, backend, {
      graph,
      externalName: manifest.externalName,
      external: externalData(manifest, weights),
    });
    const encoder = await encoderOver(session, () => {
      const { dimension, maxTokens, architecture } = manifest;
      const { vocabulary } = architecture;
      const { breathe } = this.#deps;
      const shape = { pooling: 'none', dimension, maxTokens, vocabulary } as const;
      return new OrtEncoder({ runtime, session, backend, ...shape, breathe });
    });
    files.meter.stage('check');
    await this.#deps.breathe();
    const { knownAnswers } = manifest;
    await checked(encoder, () => checkKnownAnswers(encoder, tokenizer, knownAnswers, signal));
    const words = `${manifest.weights}; multiplied as float32`;
    const { note } = files;
    return { ...identityOf(manifest), weights: words, tokenizer, encoder, lend: null, note };
  }

  async #startBrought(
    onnx: OnnxModel,
    backend: OrtBackend,
    options: BackendOptions,
  ): Promise<RunningModel> {
    const model = await loadOnnxModel(onnx, this.#deps, options);
    model.meter.stage('compile');
    const runtime = await this.#runtime(backend, options.signal);
    const { signal } = options;
    const { breathe } = this.#deps;
    const encoder = await openOnnxEncoder(model, runtime, backend, { signal, breathe });
    const { name, fingerprint, maxTokens, weights, tokenizer, note } = model;
    const identity = { model: name, fingerprint, maxTokens };
    return { ...identity, weights, tokenizer, encoder, answers: [], lend: null, note };
  }

  async #runtime(backend: OrtBackend, signal: AbortSignal): Promise<OrtModule> {
    const known = this.#runtimes.get(backend);
    if (known) return known;
    const runtime = await loadRuntime(backend, this.#request.ort, this.#deps, signal);
    this.#runtimes.set(backend, runtime);
    return runtime;
  }
}

function identityOf(manifest: ModelManifest) {
  const { model, fingerprint, maxTokens, knownAnswers } = manifest;
  return { model, fingerprint, maxTokens, answers: knownAnswers };
}

/** A session that no encoder came of is let go. */
async function encoderOver(
  session: { release(): Promise<void> },
  make: () => OrtEncoder,
): Promise<OrtEncoder> {
  try {
    return make();
  } catch (error) {
    await session.release().catch(() => {});
    throw error;
  }
}

async function checked(encoder: Encoder, check: () => Promise<unknown>): Promise<void> {
  try {
    await check();
  } catch (error) {
    await encoder.close();
    throw error;
  }
}

/** Gives the kernel each tensor as its bytes arrive. */
async function loadWeights(files: ModelFiles, kernel: Kernel): Promise<void> {
  const loader = new TensorLoader(files.manifest.tensors, kernel);
  await files.stream('weights', (piece, from) => loader.take(piece, from));
  refuseMissing(kernel.missing());
}

function lentManifest(lent: LentModel): ModelManifest {
  const manifest = parseManifest(lent.manifest);
  const { bytes } = fileOf(manifest, 'tokenizer');
  if (bytes !== lent.tokenizer.length) {
    throw refused(`its tokenizer has ${lent.tokenizer.length} bytes instead of ${bytes}`);
  }
  return manifest;
}

function refused(why: string): WhorlError {
  return new WhorlError(
    'unsupported',
    `The lent model cannot be used: ${why}. Nothing was changed; start by download.`,
  );
}
