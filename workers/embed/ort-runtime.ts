/**
 * ONNX Runtime, loaded at run time from our own files (`docs/decisions/onnxruntime-places.md`). Its
 * own start is final when it fails, so everything that can fail before it is done here.
 */
import type * as Ort from 'onnxruntime-web';
import { throwIfAborted, WhorlError } from '../../src/shared/errors.ts';
import type { OrtPlaces } from '../../src/shared/types.ts';
import { backendError } from './backend-error.ts';

export type OrtModule = typeof Ort;

/** Where ONNX Runtime multiplies: on WebAssembly or on WebGPU. */
export type OrtBackend = 'onnx' | 'webgpu';

export interface RuntimeDeps {
  readonly fetch: (input: string, init: RequestInit) => Promise<Response>;
  /** `import(url)`; handed in, so that bundlers leave it alone and tests can stand in. */
  readonly importModule: (url: string) => Promise<unknown>;
}

/** The runtime of a backend, ready for sessions. */
export async function loadRuntime(
  backend: OrtBackend,
  places: OrtPlaces,
  deps: RuntimeDeps,
  signal: AbortSignal,
): Promise<OrtModule> {
  const module = backend === 'webgpu' ? places.webgpuModule : places.wasmModule;
  const binary = backend === 'webgpu' ? places.webgpuBinary : places.wasmBinary;
  const [runtime, bytes] = await Promise.all([
    importRuntime(module, deps),
    fetchBinary(binary, deps, signal),
  ]);
  throwIfAborted(signal);
  const { env } = runtime;
  env.logLevel = 'error';
  env.wasm.numThreads = 1;
  env.wasm.proxy = false;
  env.wasm.wasmBinary = bytes;
  return runtime;
}

async function importRuntime(url: string, deps: RuntimeDeps): Promise<OrtModule> {
  let module: Partial<OrtModule>;
  try {
    module = (await deps.importModule(url)) as Partial<OrtModule>;
  } catch (error) {
    throw new WhorlError(
      'asset_missing',
      `ONNX Runtime could not be loaded from ${url} (${String((error as Error)?.message ?? error)}). Check that the file lies there, is served as JavaScript, and is allowed by the page's Content-Security-Policy (script-src).`,
      { cause: error, retryable: true },
    );
  }
  if (!module.InferenceSession || !module.env) {
    throw new WhorlError('asset_corrupt', `${url} is a module, but not ONNX Runtime.`);
  }
  return module as OrtModule;
}

/** The WebAssembly binary, checked as far as its first bytes; the platform checks the rest. */
async function fetchBinary(url: string, deps: RuntimeDeps, signal: AbortSignal) {
  let response: Response;
  let bytes: ArrayBuffer;
  try {
    response = await deps.fetch(url, { signal });
    bytes = await response.arrayBuffer();
  } catch (error) {
    throwIfAborted(signal);
    throw new WhorlError(
      'network',
      `The connection broke while reading ${url} (${String((error as Error)?.message ?? error)}). Try again.`,
      { cause: error, retryable: true },
    );
  }
  if (!response.ok) {
    throw new WhorlError(
      'asset_missing',
      `ONNX Runtime's binary is not at ${url}: the server answered ${response.status}.`,
      { retryable: response.status >= 500 },
    );
  }
  const magic = new Uint8Array(bytes, 0, Math.min(4, bytes.byteLength));
  if (String.fromCharCode(...magic) !== '\0asm') {
    throw new WhorlError(
      'asset_corrupt',
      `${url} is not a WebAssembly binary (${bytes.byteLength} bytes, ${response.headers.get('content-type') ?? 'no type'}): perhaps a web page came in its place.`,
      { retryable: true },
    );
  }
  return bytes;
}

/** What a session is made of; the weights lie in the graph, or beside it under the name that it refers to. */
export interface SessionSource {
  readonly graph: Uint8Array<ArrayBuffer>;
  readonly externalName?: string;
  readonly external?: Uint8Array<ArrayBuffer>;
}

/** @throws WhorlError `asset_corrupt`, `backend_failed`, `out_of_memory`. */
export async function createSession(
  runtime: OrtModule,
  backend: OrtBackend,
  { graph, externalName, external }: SessionSource,
): Promise<Ort.InferenceSession> {
  try {
    return await runtime.InferenceSession.create(graph, {
      executionProviders: [backend === 'webgpu' ? 'webgpu' : 'wasm'],
      ...(externalName && external
        ? { externalData: [{ path: externalName, data: external }] }
        : {}),
      graphOptimizationLevel: 'all',
      // Errors only: what it warns of (shape arithmetic on the CPU) is as it should be.
      logSeverityLevel: 3,
    });
  } catch (error) {
    throw backendError(backend, 'could not be started', error);
  } finally {
    // Compiled by now, or refused: either way the bytes are no longer needed.
    Reflect.deleteProperty(runtime.env.wasm, 'wasmBinary');
  }
}
