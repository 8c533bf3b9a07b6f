/** Another ONNX encoder in the place of our own model: `createEngine({ embedder: onnx({ ... }) })`. */
import { WhorlError } from '../shared/errors.ts';
import type { OnnxModel } from '../shared/types.ts';

/** What {@link onnx} takes. */
export interface OnnxOptions {
  /**
   * The `.onnx` file, absolute or relative to the page; http or https, with CORS where it lies on another
   * origin. It holds its weights (no external data) and has at most 512 MiB. An address whose content
   * changes is noticed where the server sends an ETag or a date; an address with a pinned revision is safer.
   */
  readonly url: string | URL;
  /** Its `tokenizer.json` (Hugging Face format: WordPiece, Unigram or BPE), absolute or relative to the page. */
  readonly tokenizer: string | URL;
  /**
   * How token vectors become one; what the model was trained with: `mean` over the text's tokens (most
   * sentence-transformers), the first token (`cls`, for instance BGE), or `none` where the graph has an output
   * of one vector a text (`sentence_embedding`).
   */
  readonly pooling: 'mean' | 'cls' | 'none';
  /**
   * Name of the vector space, 1 to 200 characters; shown in the status. Default: the file's name. The
   * fingerprint holds it beside the digests of both files, so that a wrong name never mixes vectors.
   */
  readonly model?: string;
  /** Longest input in tokens, special tokens included; longer text is cut. 3 to 8,192, and at most what the model takes. Default 256. */
  readonly maxTokens?: number;
}

const BRAND = Symbol.for('whorl.embedder.onnx');

/** Checked options; only {@link onnx} makes one. */
export interface OnnxSpec extends OnnxOptions {
  readonly [BRAND]: true;
}

const KNOWN = new Set(['url', 'tokenizer', 'pooling', 'model', 'maxTokens']);
const POOLINGS: readonly unknown[] = ['mean', 'cls', 'none'];

/**
 * An ONNX encoder that somebody else exported, run by ONNX Runtime on WebAssembly (`backend: 'onnx'`, the
 * default then) or on a GPU (`'webgpu'`). The runtime (14 MB) is downloaded when it is first needed.
 *
 * @throws WhorlError `invalid_option` that names the option.
 */
export function onnx(options: OnnxOptions): OnnxSpec {
  if (typeof options !== 'object' || options === null) throw invalid('it takes an object.');
  const unknown = Object.keys(options).find((key) => !KNOWN.has(key));
  if (unknown !== undefined) throw invalid(`there is no option "${unknown}".`);
  const { url, tokenizer, pooling, model, maxTokens } = options;
  checkAddress('url', url);
  checkAddress('tokenizer', tokenizer);
  if (!POOLINGS.includes(pooling)) {
    throw invalid(`"pooling" must be "mean", "cls" or "none", not ${say(pooling)}.`);
  }
  if (model !== undefined && !isName(model)) {
    throw invalid('"model" must be a text of 1 to 200 characters.');
  }
  if (maxTokens !== undefined && !isLength(maxTokens)) {
    throw invalid(`"maxTokens" must be a whole number from 3 to 8,192, not ${say(maxTokens)}.`);
  }
  return Object.freeze({
    [BRAND]: true as const,
    url: String(url),
    tokenizer: String(tokenizer),
    pooling,
    ...(model === undefined ? {} : { model }),
    ...(maxTokens === undefined ? {} : { maxTokens }),
  });
}

/** True for what {@link onnx} made, of any bundle copy. */
export function isOnnxSpec(value: unknown): value is OnnxSpec {
  return typeof value === 'object' && value !== null && BRAND in value;
}

/**
 * The model with absolute addresses, as the embed worker takes it.
 *
 * @param base Address that relative ones are relative to, usually the page's.
 * @throws WhorlError `invalid_option` for an address that is not http or https.
 */
export function resolveOnnx(spec: OnnxSpec, base: string | URL): OnnxModel {
  const { url, tokenizer, pooling, model, maxTokens } = spec;
  return {
    url: absolute('url', url, base),
    tokenizer: absolute('tokenizer', tokenizer, base),
    pooling,
    ...(model === undefined ? {} : { model }),
    ...(maxTokens === undefined ? {} : { maxTokens }),
  };
}

function absolute(name: string, address: string | URL, base: string | URL): string {
  let url: URL;
  try {
    url = new URL(address, base);
  } catch (error) {
    throw invalid(`"${name}" is not an address: ${say(String(address))}.`, error);
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw invalid(`"${name}" must be an http or https address, not "${url.protocol}".`);
  }
  if (url.username !== '' || url.password !== '') {
    throw invalid(`"${name}" must not hold a user name or a password.`);
  }
  url.hash = '';
  return url.href;
}

function checkAddress(name: string, value: unknown): void {
  if (value instanceof URL || (typeof value === 'string' && value.trim() !== '')) return;
  throw invalid(`"${name}" must be an address, not ${say(value)}.`);
}

function isName(value: unknown): boolean {
  return typeof value === 'string' && value.trim() !== '' && value.length <= 200;
}

function isLength(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 3 && (value as number) <= 8_192;
}

function say(value: unknown): string {
  return typeof value === 'string' ? `"${value.slice(0, 200)}"` : String(value);
}

function invalid(message: string, cause?: unknown): WhorlError {
  return new WhorlError('invalid_option', `onnx: ${message}`, { cause });
}
