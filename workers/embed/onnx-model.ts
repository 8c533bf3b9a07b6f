/**
 * An encoder that somebody else exported: an `.onnx` file, its `tokenizer.json`, and how token vectors
 * become one. No manifest describes it, so it is looked at before it is used, and tried on texts.
 */
import { isWhorlError, WhorlError } from '../../src/shared/errors.ts';
import type { DownloadProgress, Fingerprint, OnnxModel } from '../../src/shared/types.ts';
import { backendError } from './backend-error.ts';
import { type OnnxFacts, readOnnxFacts } from './onnx-model-facts.ts';
import {
  type LooseFile,
  type LooseFileDeps,
  loadLooseFile,
  pageInstead,
} from './onnx-model-file.ts';
import { LooseBar } from './onnx-model-progress.ts';
import { tryEncoder } from './onnx-model-trial.ts';
import { OrtEncoder } from './ort-encoder.ts';
import { planGraph, runGraph, type SessionLike } from './ort-graph.ts';
import { createSession, type OrtBackend, type OrtModule } from './ort-runtime.ts';
import type { Pooling } from './pooling.ts';
import { createTokenizer, type Tokenizer } from './tokenizer.ts';

/** Largest `.onnx` file that is read. */
export const MAX_ONNX_BYTES = 512 * 1024 * 1024;
/** Largest `tokenizer.json` that is read; that of a multilingual model has 17 MB, of a large one 33. */
export const MAX_TOKENIZER_BYTES = 64 * 1024 * 1024;
export const DEFAULT_MAX_TOKENS = 256;
/** Longest input that is tried at the start where the file does not tell how long inputs may be. */
const LONGEST_TRIAL = 1_024;

export interface LoadedOnnxModel {
  /** Name of the vector space: what the caller said, or the file's name. */
  readonly name: string;
  readonly fingerprint: Fingerprint;
  readonly maxTokens: number;
  /** The file in words, for `EmbedderInfo.weights`. */
  readonly weights: string;
  readonly pooling: Pooling;
  readonly graph: Uint8Array<ArrayBuffer>;
  readonly tokenizer: Tokenizer;
  readonly facts: OnnxFacts;
  /** Reports the stages that follow on the same bar. */
  readonly meter: { stage(stage: 'compile' | 'check'): void };
  /** Why the model is not kept on this device; null when it is. */
  readonly note: string | null;
}

export interface OnnxLoadOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: DownloadProgress) => void;
}

/**
 * Loads an ONNX encoder's two files and looks at them; nothing of ONNX Runtime is needed for that.
 *
 * @throws WhorlError `aborted`, `network`, `asset_missing`, `asset_corrupt` (a web page, a broken file,
 * a tokenizer with more tokens than the model), `asset_incomplete`, `too_large`, `unsupported` (weights
 * beside the file), `invalid_option` (`maxTokens` is more than the model takes).
 */
export async function loadOnnxModel(
  model: OnnxModel,
  deps: LooseFileDeps,
  options: OnnxLoadOptions,
): Promise<LoadedOnnxModel> {
  const maxTokens = model.maxTokens ?? DEFAULT_MAX_TOKENS;
  const bar = new LooseBar(options.onProgress);
  // The small file first: an error in it costs no long wait.
  const tokenizerName = lastPart(model.tokenizer);
  const tokenizerFile = await loadLooseFile(
    {
      url: model.tokenizer,
      name: tokenizerName,
      maxBytes: MAX_TOKENIZER_BYTES,
      signal: options.signal,
      onBytes: bar.listen(tokenizerName),
      check: (bytes) => refusePage(bytes, tokenizerName, model.tokenizer),
    },
    deps,
  );
  const tokenizer = readTokenizer(tokenizerFile.bytes, maxTokens, model.tokenizer);
  const name = lastPart(model.url);
  const file = await loadLooseFile(
    {
      url: model.url,
      name,
      maxBytes: MAX_ONNX_BYTES,
      signal: options.signal,
      onBytes: bar.listen(name),
      check: (bytes) => {
        refusePage(bytes, name, model.url);
        readOnnxFacts(bytes, name);
      },
    },
    deps,
  );
  const facts = readOnnxFacts(file.bytes, name);
  checkVocabulary(tokenizerFile.bytes, facts, model);
  checkLength(maxTokens, facts, name);
  return {
    ...identify(model, maxTokens, file, tokenizerFile),
    maxTokens,
    weights: `${name}, ${(file.bytes.length / 1e6).toFixed(1)} MB`,
    pooling: model.pooling,
    graph: file.bytes,
    tokenizer,
    facts,
    meter: bar,
    note: file.note ?? tokenizerFile.note,
  };
}

/**
 * An encoder over a loaded model that has been tried.
 *
 * @throws WhorlError `asset_corrupt` (inputs or outputs do not fit the pooling), `backend_wrong`,
 * `backend_failed`, `out_of_memory`, `invalid_option` (`maxTokens`), `unsupported`, `aborted`.
 */
export async function openOnnxEncoder(
  model: LoadedOnnxModel,
  runtime: OrtModule,
  backend: OrtBackend,
  options: { readonly signal: AbortSignal; readonly breathe: () => Promise<void> },
): Promise<OrtEncoder> {
  const { facts, pooling, maxTokens, tokenizer } = model;
  if (backend === 'webgpu' && facts.vocabulary === null) {
    throw new WhorlError(
      'unsupported',
      `How many tokens "${model.name}" knows cannot be read from its graph, and WebGPU does not refuse a token that is not there. Ask for the backend "onnx".`,
    );
  }
  const session = await createSession(runtime, backend, { graph: model.graph });
  let encoder: OrtEncoder | null = null;
  try {
    const dimension = await dimensionOf(runtime, session, backend, pooling);
    encoder = new OrtEncoder({
      runtime,
      session,
      backend,
      pooling,
      dimension,
      maxTokens,
      vocabulary: facts.vocabulary,
      perText: facts.dynamic,
      breathe: options.breathe,
    });
    model.meter.stage('check');
    await tryEncoder(encoder, tokenizer, options.signal);
    if (facts.positions === null) await tryLongest(encoder, model, options.signal);
    return encoder;
  } catch (error) {
    await (encoder ? encoder.close() : session.release().catch(() => {}));
    throw error;
  }
}

/** From the graph's own words where it says so, otherwise by running it once. */
async function dimensionOf(
  runtime: OrtModule,
  session: SessionLike,
  backend: OrtBackend,
  pooling: Pooling,
): Promise<number> {
  const plan = planGraph(session, pooling);
  if (plan.dimension !== null) return plan.dimension;
  try {
    return (await runGraph(runtime, session, plan, [Int32Array.of(0, 0)])).dimension;
  } catch (error) {
    throw backendError(backend, 'failed on its first text', error);
  }
}

/** A table of positions that was not found by its name is found by its end. */
async function tryLongest(
  encoder: OrtEncoder,
  { maxTokens, tokenizer, name }: LoadedOnnxModel,
  signal: AbortSignal,
): Promise<void> {
  const length = Math.min(maxTokens, LONGEST_TRIAL);
  const [token = 0] = tokenizer.encode('a');
  try {
    await encoder.embed([new Int32Array(length).fill(token)], { signal });
  } catch (error) {
    const { code, message } = error as WhorlError;
    if (!isWhorlError(error) || (code !== 'backend_failed' && code !== 'asset_corrupt'))
      throw error;
    throw new WhorlError(
      'invalid_option',
      `"${name}" does not take ${length} tokens, though short texts work: set "maxTokens" to what the model was made for. ${message}`,
      { cause: error },
    );
  }
}

function identify(
  { url, model, pooling }: OnnxModel,
  maxTokens: number,
  file: LooseFile,
  tokenizer: LooseFile,
): { readonly name: string; readonly fingerprint: Fingerprint } {
  const name = model ?? lastPart(url);
  const digests = `o-${file.sha256.slice(0, 16)}/t-${tokenizer.sha256.slice(0, 16)}`;
  return { name, fingerprint: `${name}/${digests}/${pooling}-l2-${maxTokens}` };
}

function readTokenizer(
  bytes: Uint8Array<ArrayBuffer>,
  maxTokens: number,
  address: string,
): Tokenizer {
  try {
    return createTokenizer(bytes, maxTokens);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const code = isWhorlError(error) ? (error as WhorlError).code : 'asset_corrupt';
    throw new WhorlError(code, `The tokenizer at ${address} cannot be used. ${why}`, {
      cause: error,
    });
  }
}

/** Ids beyond the model's table would take another token's row, or stop a text in the middle of its work. */
function checkVocabulary(
  tokenizer: Uint8Array<ArrayBuffer>,
  { vocabulary }: OnnxFacts,
  { url, tokenizer: address }: OnnxModel,
): void {
  const largest = largestId(tokenizer);
  if (vocabulary === null || largest < vocabulary) return;
  throw new WhorlError(
    'asset_corrupt',
    `The tokenizer at ${address} has tokens up to number ${largest}, and the model at ${url} knows ${vocabulary} tokens (0 to ${vocabulary - 1}): they do not belong together. Take the tokenizer.json that lies beside the model.`,
  );
}

/** The largest id of a tokenizer's vocabulary: pairs of a map (WordPiece, BPE), or places in a list (Unigram). */
function largestId(file: Uint8Array<ArrayBuffer>): number {
  const json = JSON.parse(new TextDecoder().decode(file)) as {
    readonly model?: { readonly vocab?: unknown };
  };
  const vocab = json.model?.vocab;
  if (Array.isArray(vocab)) return vocab.length - 1;
  let largest = -1;
  for (const id of Object.values((vocab ?? {}) as Record<string, unknown>)) {
    if (typeof id === 'number' && id > largest) largest = id;
  }
  return largest;
}

function checkLength(maxTokens: number, { positions }: OnnxFacts, name: string): void {
  if (positions === null || maxTokens <= positions) return;
  throw new WhorlError(
    'invalid_option',
    `"${name}" takes at most ${positions} tokens, and maxTokens is ${maxTokens}. Set "maxTokens" to ${positions} or less.`,
  );
}

/** Some servers send a page with the type of the file that was asked for. */
function refusePage(bytes: Uint8Array<ArrayBuffer>, name: string, url: string): void {
  const start = new TextDecoder().decode(bytes.subarray(0, 256)).trimStart();
  if (/^<(!doctype|html|head|\?xml)/i.test(start)) throw pageInstead({ name, url });
}

function lastPart(address: string): string {
  const { pathname, host } = new URL(address);
  const part = pathname.split('/').findLast((piece) => piece !== '') ?? host;
  return part.slice(0, 120);
}
