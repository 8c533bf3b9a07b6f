/** What `createEngine` takes, checked: unknown names are refused, not ignored. */
import { isOnnxSpec, type OnnxSpec, resolveOnnx } from './embedder/onnx.ts';
import type { Embedder } from './embedder/types.ts';
import { type AssetsSpec, resolveAssets } from './shared/assets.ts';
import { WhorlError } from './shared/errors.ts';
import type { Backend, OnnxModel, Precision } from './shared/types.ts';

export interface EngineOptions {
  /**
   * Name of the database; 1..64 letters, digits, `-` and `_`. Engines of one name and origin share
   * their records, and one tab at a time writes. Default `whorl`.
   */
  readonly name?: string;
  /**
   * Where the model lies: a base URL that holds our `manifest.json`, or a Hugging Face repository
   * with a pinned revision. Default `models/all-MiniLM-L6-v2/` beside the page.
   */
  readonly assets?: AssetsSpec;
  /**
   * What embeds. Default: the packed model of `assets`. `onnx({ ... })`: another ONNX encoder.
   * `fromPipeline(...)`, or any object with `embed(texts)`: vectors from the page's own code. `assets`,
   * `precision` and `embedWorkers` belong to the packed model and are refused beside another embedder.
   */
  readonly embedder?: OnnxSpec | Embedder;
  /**
   * Default `auto`: our own kernel in WebAssembly, a GPU beside it for very much work where there is a real
   * one, ONNX Runtime on WebAssembly only where the kernel cannot run. A named backend is used for
   * everything, in one worker where it is `webgpu` or `onnx`, or refused.
   */
  readonly backend?: 'auto' | Backend;
  /**
   * How our own kernel multiplies. Default `int8`. `float32` is exact, slower, and takes three times the
   * memory.
   */
  readonly precision?: Precision;
  /**
   * Most embed workers for bulk work, 1..4, each with its own copy of the model (some 50 MB). Default: one
   * less than there are cores, 2..4; 1 on a device with 1 GiB of memory or less. With 1, no GPU joins.
   */
  readonly embedWorkers?: number;
  /**
   * Most bytes of vectors that are kept for texts that were embedded before, on the page and in the index
   * worker each; 0..1,073,741,824, 0 for none. Texts themselves are not kept. Default 33,554,432: some
   * 20,000 vectors of MiniLM.
   */
  readonly embeddingCacheBytes?: number;
  /** Default `indexeddb`; where the browser denies it, the engine keeps records in memory and `status.store` says `volatile`. */
  readonly storage?: 'indexeddb' | 'memory';
  /**
   * Whether a second copy of the records is kept in the origin private file system, from which a database
   * that the browser lost comes back (`status.store.mirroredThrough`). It takes about as much space again.
   * Default true where the browser has such files; means nothing with `storage: 'memory'`.
   */
  readonly mirror?: boolean;
  /**
   * Workers made by the caller, for hosts that must choose their URLs themselves. `embed` is called once for
   * each worker of the pool, `archive` once for each export and import.
   */
  readonly workers?: {
    readonly embed?: () => Worker;
    readonly index?: () => Worker;
    readonly archive?: () => Worker;
  };
  readonly signal?: AbortSignal;
}

export interface CheckedOptions {
  readonly name: string;
  /** Absolute, with a trailing slash. */
  readonly assets: string;
  /** Of the host; null: the embed workers embed. */
  readonly embedder: Embedder | null;
  /** For the embed workers; null: the packed model. */
  readonly onnx: OnnxModel | null;
  readonly backend: 'auto' | Backend;
  readonly precision: Precision;
  /** Null: by the device. */
  readonly embedWorkers: number | null;
  readonly embeddingCacheBytes: number;
  readonly storage: 'indexeddb' | 'memory';
  readonly mirror: boolean;
  readonly workers?: NonNullable<EngineOptions['workers']>;
  readonly signal?: AbortSignal;
}

const KNOWN = new Set([
  'name',
  'assets',
  'embedder',
  'backend',
  'precision',
  'embedWorkers',
  'embeddingCacheBytes',
  'storage',
  'mirror',
  'workers',
  'signal',
]);
const WORKERS = new Set(['embed', 'index', 'archive']);
const NAME = /^[A-Za-z0-9_-]{1,64}$/;
const CACHE_BYTES = 32 * 2 ** 20;

function invalid(message: string): WhorlError {
  return new WhorlError('invalid_option', `createEngine: ${message}`);
}

function oneOf<T extends string>(name: string, value: string, choices: readonly T[]): T {
  if (choices.includes(value as T)) return value as T;
  throw invalid(`"${name}" must be one of ${choices.join(', ')}, not "${value}".`);
}

function whole(name: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw invalid(`"${name}" must be a whole number from ${least} to ${most}, not ${String(value)}.`);
}

function flag(name: string, value: boolean): boolean {
  if (typeof value === 'boolean') return value;
  throw invalid(`"${name}" must be true or false, not ${String(value)}.`);
}

function checkWorkers(workers: NonNullable<EngineOptions['workers']>): void {
  for (const [which, make] of Object.entries(workers)) {
    if (!WORKERS.has(which)) throw invalid(`there is no worker "${which}".`);
    if (typeof make !== 'function') throw invalid(`"workers.${which}" must be a function.`);
  }
}

/** Options that mean nothing beside an embedder of another kind than the packed model. */
function checkApart(options: EngineOptions, names: readonly (keyof EngineOptions)[], what: string) {
  const stray = names.find((name) => options[name] !== undefined);
  if (stray !== undefined) throw invalid(`"${stray}" has no meaning with ${what}; leave it out.`);
}

function checkEmbedder(
  options: EngineOptions,
  base: string,
): Pick<CheckedOptions, 'embedder' | 'onnx'> {
  const { embedder } = options;
  if (embedder === undefined) return { embedder: null, onnx: null };
  if (isOnnxSpec(embedder)) {
    checkApart(options, ['assets', 'precision', 'embedWorkers'], 'an ONNX encoder');
    if (options.backend === 'wasm') {
      throw invalid('our own kernel ("wasm") cannot run another ONNX encoder; ask for "onnx".');
    }
    return { embedder: null, onnx: resolveOnnx(embedder, base) };
  }
  if (typeof embedder !== 'object' || embedder === null || typeof embedder.embed !== 'function') {
    throw invalid('"embedder" must be what onnx() makes, or an object with a function "embed".');
  }
  const { model } = embedder;
  if (model !== undefined && (typeof model !== 'string' || !/^.{1,200}$/su.test(model))) {
    throw invalid('"embedder.model" must be a text of 1 to 200 characters.');
  }
  checkApart(
    options,
    ['assets', 'backend', 'precision', 'embedWorkers'],
    'an embedder of your own',
  );
  return { embedder, onnx: null };
}

/** Defaults filled in. Throws `invalid_option` that names what is wrong. */
export function checkOptions(options: EngineOptions, base: string): CheckedOptions {
  const unknown = Object.keys(options).find((key) => !KNOWN.has(key));
  if (unknown !== undefined) throw invalid(`there is no option "${unknown}".`);
  const name = options.name ?? 'whorl';
  if (typeof name !== 'string' || !NAME.test(name))
    throw invalid('"name" must be 1 to 64 letters, digits, "-" or "_".');
  checkWorkers(options.workers ?? {});
  const { embedWorkers, embeddingCacheBytes = CACHE_BYTES } = options;
  const backend = options.backend ?? 'auto';
  return {
    name,
    assets: resolveAssets(options.assets ?? 'models/all-MiniLM-L6-v2/', base),
    ...checkEmbedder(options, base),
    backend: oneOf('backend', backend, ['auto', 'wasm', 'webgpu', 'onnx']),
    precision: oneOf('precision', options.precision ?? 'int8', ['int8', 'float32']),
    embedWorkers: embedWorkers === undefined ? null : whole('embedWorkers', embedWorkers, 1, 4),
    embeddingCacheBytes: whole('embeddingCacheBytes', embeddingCacheBytes, 0, 2 ** 30),
    storage: oneOf('storage', options.storage ?? 'indexeddb', ['indexeddb', 'memory']),
    mirror: flag('mirror', options.mirror ?? true),
    ...(options.workers ? { workers: options.workers } : {}),
    ...(options.signal ? { signal: options.signal } : {}),
  };
}
