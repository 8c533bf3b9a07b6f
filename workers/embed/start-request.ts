/** A request to start, checked: what is not known or cannot be meant is refused by name. */
import { WhorlError } from '../../src/shared/errors.ts';
import type { EmbedStartRequest, LentModel, OnnxModel } from '../../src/shared/types.ts';

const OPTIONS = [
  'assets',
  'backend',
  'precision',
  'variant',
  'allowFallbackAdapter',
  'ort',
  'lent',
  'onnx',
] as const satisfies (keyof EmbedStartRequest)[];
const PLACES = ['wasmModule', 'wasmBinary', 'webgpuModule', 'webgpuBinary'] as const;
const LENT = ['manifest', 'tokenizer', 'image', 'kernel'] as const satisfies (keyof LentModel)[];
const ONNX = [
  'url',
  'tokenizer',
  'pooling',
  'model',
  'maxTokens',
] as const satisfies (keyof OnnxModel)[];

const BACKENDS = ['auto', 'wasm', 'webgpu', 'onnx'] as const;
const PRECISIONS = ['int8', 'float32'] as const;
const VARIANTS = ['simd128', 'relaxed'] as const;
const POOLINGS = ['mean', 'cls', 'none'] as const;

/** @throws WhorlError `invalid_option` that names the option. */
export function checkStartRequest(request: EmbedStartRequest): void {
  refuseUnknown(request, OPTIONS, 'the start of the embedder');
  const { backend, precision, variant, allowFallbackAdapter, lent, onnx } = request;
  oneOf(backend, BACKENDS, 'backend');
  if (precision !== undefined) oneOf(precision, PRECISIONS, 'precision');
  if (variant !== undefined) oneOf(variant, VARIANTS, 'variant');
  if (allowFallbackAdapter !== undefined && typeof allowFallbackAdapter !== 'boolean') {
    throw invalid('allowFallbackAdapter must be true or false.');
  }
  if (!isAddress(request.assets) || !request.assets.endsWith('/')) {
    throw invalid('assets must be an absolute http(s) address with a slash at its end.');
  }
  for (const place of PLACES) {
    if (!isAddress(request.ort?.[place]))
      throw invalid(`ort.${place} must be an absolute address.`);
  }
  if (lent !== undefined) checkLent(lent, request);
  if (onnx !== undefined) checkOnnx(onnx, request);
}

/**
 * Equal for requests that end in the same embedder. How its bytes come (`lent`, or by download) makes no
 * difference to what runs.
 */
export function startKey(request: EmbedStartRequest): string {
  const { assets, backend, precision = 'int8', variant, allowFallbackAdapter, onnx, ort } = request;
  return JSON.stringify([
    assets,
    backend,
    precision,
    variant ?? null,
    allowFallbackAdapter ?? false,
    onnx ? ONNX.map((field) => onnx[field] ?? null) : null,
    PLACES.map((place) => ort[place]),
  ]);
}

function checkLent(lent: LentModel, { backend, onnx }: EmbedStartRequest): void {
  if (typeof lent !== 'object' || lent === null) throw invalid('lent must be a lent model.');
  refuseUnknown(lent, LENT, 'lent');
  for (const field of ['manifest', 'tokenizer'] as const) {
    if (!(lent[field] instanceof Uint8Array)) throw invalid(`lent.${field} must be bytes.`);
  }
  if (!(lent.image instanceof ArrayBuffer)) throw invalid('lent.image must be a buffer.');
  if (typeof lent.kernel !== 'string') throw invalid('lent.kernel must be a text.');
  if (onnx !== undefined) throw invalid('lent and onnx name two models; give one of them.');
  if (backend !== 'auto' && backend !== 'wasm') {
    throw invalid(
      `lent is a model of Whorl's own kernel; the backend "${backend}" cannot take it.`,
    );
  }
}

function checkOnnx(onnx: OnnxModel, { backend, variant }: EmbedStartRequest): void {
  if (typeof onnx !== 'object' || onnx === null) throw invalid('onnx must be an ONNX encoder.');
  refuseUnknown(onnx, ONNX, 'onnx');
  for (const field of ['url', 'tokenizer'] as const) {
    if (!isAddress(onnx[field])) throw invalid(`onnx.${field} must be an absolute address.`);
  }
  oneOf(onnx.pooling, POOLINGS, 'onnx.pooling');
  if (backend === 'wasm' || variant !== undefined) {
    throw invalid(
      'An ONNX encoder does not run on Whorl\'s own kernel; the backend must be "auto", "onnx" or "webgpu".',
    );
  }
}

function refuseUnknown(value: object, known: readonly string[], where: string): void {
  for (const key of Object.keys(value)) {
    if (!known.includes(key)) throw invalid(`Unknown option "${key}" in ${where}.`);
  }
}

function oneOf(value: unknown, allowed: readonly string[], name: string): void {
  if (allowed.includes(value as string)) return;
  const list = allowed.map((each) => `"${each}"`).join(', ');
  throw invalid(`${name} must be one of ${list}, not "${String(value)}".`);
}

function isAddress(value: unknown): value is string {
  return typeof value === 'string' && /^https?:/i.test(value) && URL.canParse(value);
}

function invalid(message: string): WhorlError {
  return new WhorlError('invalid_option', message);
}
