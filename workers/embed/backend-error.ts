/** What a runtime throws, as a typed error that says what to do. */
import { WhorlError } from '../../src/shared/errors.ts';
import type { Backend } from '../../src/shared/types.ts';

const MEMORY = /bad_alloc|out of memory|allocation failed|could not allocate|exceeds? .*memory/i;
const POLICY = /content security policy|unsafe-eval|disallowed by embedder|blocked by csp/i;

/** `backend_failed` (retryable, with a fresh session or worker) or `out_of_memory`. */
export function backendError(backend: Backend, what: string, error: unknown): WhorlError {
  const detail = error instanceof Error ? error.message : String(error);
  const name = backend === 'webgpu' ? 'WebGPU' : 'WASM';
  if (MEMORY.test(detail)) {
    return new WhorlError(
      'out_of_memory',
      `The ${name} encoder ${what}: there is not enough memory (${detail}). Close other tabs and try again.`,
      { cause: error },
    );
  }
  if (POLICY.test(detail)) {
    return new WhorlError(
      'backend_failed',
      `The ${name} encoder ${what}: the page's Content-Security-Policy forbids WebAssembly. Add 'wasm-unsafe-eval' to script-src (${detail}).`,
      { cause: error },
    );
  }
  return new WhorlError('backend_failed', `The ${name} encoder ${what} (${detail}).`, {
    cause: error,
    retryable: true,
  });
}
