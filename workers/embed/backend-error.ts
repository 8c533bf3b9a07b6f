/** What a runtime throws, as a typed error that says what to do. */
import { isWhorlError, WhorlError } from '../../src/shared/errors.ts';
import type { Backend } from '../../src/shared/types.ts';

const MEMORY = /bad_alloc|out of memory|allocation failed|could not allocate|exceeds? .*memory/i;
const POLICY = /content security policy|unsafe-eval|disallowed by embedder|blocked by csp/i;
// A token or a position that its table has no row for: `Gather` on the CPU, or `Add` of a slice of it.
const BOUNDS = /indices element out of data bounds|attempting to broadcast an axis/i;
// What does not become a session however often it is tried.
const GRAPH =
  /protobuf parsing failed|no graph was found|load model .*failed|invalid model|unsupported model ir|is not a registered function|opset|could not find an implementation/i;

const NAMES: { readonly [B in Backend]: string } = {
  wasm: 'WASM',
  webgpu: 'WebGPU',
  onnx: 'ONNX Runtime (WASM)',
};

/** A backend as people are told of it. */
export function backendName(backend: Backend): string {
  return NAMES[backend];
}

/**
 * `backend_failed` (retryable, with a fresh session or worker), `out_of_memory`, or `asset_corrupt`
 * where the graph cannot be run, or the tokenizer's ids are not those of the model. What is typed already
 * stays as it is.
 */
export function backendError(backend: Backend, what: string, error: unknown): WhorlError {
  if (isWhorlError(error)) return error;
  const detail = error instanceof Error ? error.message : String(error);
  const who = `The ${backendName(backend)} encoder ${what}`;
  if (MEMORY.test(detail)) {
    return new WhorlError(
      'out_of_memory',
      `${who}: there is not enough memory (${detail}). Close other tabs and try again.`,
      { cause: error },
    );
  }
  if (POLICY.test(detail)) {
    return new WhorlError(
      'backend_failed',
      `${who}: the page's Content-Security-Policy forbids WebAssembly. Add 'wasm-unsafe-eval' to script-src (${detail}).`,
      { cause: error },
    );
  }
  if (BOUNDS.test(detail)) {
    return new WhorlError(
      'asset_corrupt',
      `${who}: the model has no row for a token or a position (${detail}). The tokenizer is not that of the model, or maxTokens is more than the model takes.`,
      { cause: error },
    );
  }
  if (GRAPH.test(detail)) {
    return new WhorlError(
      'asset_corrupt',
      `${who}: this ONNX graph cannot be run by it (${detail}). Export it again, in one file and with operators that ONNX Runtime 1.30 has.`,
      { cause: error },
    );
  }
  return new WhorlError('backend_failed', `${who} (${detail}).`, {
    cause: error,
    retryable: true,
  });
}
