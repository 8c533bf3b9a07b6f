/** What `createEngine` takes, checked: unknown names are refused, not ignored. */
import type { AssetsSpec } from './shared/assets.ts';
import { WhorlError } from './shared/errors.ts';
import type { Backend } from './shared/types.ts';

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
  /** Default `auto`: WebGPU where a real adapter exists, else WebAssembly. A named backend is used or refused. */
  readonly backend?: 'auto' | Backend;
  /** Default `indexeddb`; where the browser denies it, the engine keeps records in memory and `status.store` says `volatile`. */
  readonly storage?: 'indexeddb' | 'memory';
  /** Workers made by the caller, for hosts that must choose their URLs themselves. */
  readonly workers?: {
    readonly embed?: () => Worker;
    readonly index?: () => Worker;
  };
  readonly signal?: AbortSignal;
}

export type CheckedOptions = Required<Omit<EngineOptions, 'signal' | 'workers'>> &
  Pick<EngineOptions, 'signal' | 'workers'>;

const KNOWN = new Set(['name', 'assets', 'backend', 'storage', 'workers', 'signal']);
const WORKERS = new Set(['embed', 'index']);
const NAME = /^[A-Za-z0-9_-]{1,64}$/;

function invalid(message: string): WhorlError {
  return new WhorlError('invalid_option', `createEngine: ${message}`);
}

function oneOf<T extends string>(name: string, value: string, choices: readonly T[]): T {
  if (choices.includes(value as T)) return value as T;
  throw invalid(`"${name}" must be one of ${choices.join(', ')}, not "${value}".`);
}

function checkWorkers(workers: NonNullable<EngineOptions['workers']>): void {
  for (const [which, make] of Object.entries(workers)) {
    if (!WORKERS.has(which)) throw invalid(`there is no worker "${which}".`);
    if (typeof make !== 'function') throw invalid(`"workers.${which}" must be a function.`);
  }
}

/** Defaults filled in. Throws `invalid_option` that names what is wrong. */
export function checkOptions(options: EngineOptions, base: string): CheckedOptions {
  const unknown = Object.keys(options).find((key) => !KNOWN.has(key));
  if (unknown !== undefined) throw invalid(`there is no option "${unknown}".`);
  const name = options.name ?? 'whorl';
  if (typeof name !== 'string' || !NAME.test(name))
    throw invalid('"name" must be 1 to 64 letters, digits, "-" or "_".');
  checkWorkers(options.workers ?? {});
  return {
    name,
    assets: options.assets ?? new URL('models/all-MiniLM-L6-v2/', base).href,
    backend: oneOf('backend', options.backend ?? 'auto', ['auto', 'wasm', 'webgpu', 'onnx']),
    storage: oneOf('storage', options.storage ?? 'indexeddb', ['indexeddb', 'memory']),
    ...(options.workers ? { workers: options.workers } : {}),
    ...(options.signal ? { signal: options.signal } : {}),
  };
}
