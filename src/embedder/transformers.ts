/**
 * A transformers.js pipeline as an embedder. By shape alone: nothing of transformers.js is imported, so
 * that a page pays for it only when it brings it.
 */
import { throwIfAborted, WhorlError } from '../shared/errors.ts';
import type { Embedder } from './types.ts';

/** The tensor that a pipeline answers, as far as it is used. */
export interface PipelineTensor {
  /** `[texts, numbers]`, row-major. */
  readonly dims: readonly number[];
  readonly data: ArrayLike<number | bigint>;
  /** Lets go of memory outside of JavaScript. */
  dispose?(): void;
}

/** What `await pipeline('feature-extraction', model)` gives. */
export type FeatureExtractor = (
  texts: string[],
  options: { readonly pooling: PipelinePooling; readonly normalize: true },
) => Promise<PipelineTensor>;

/** The poolings of transformers.js 3 and 4 that make one vector a text. */
export type PipelinePooling = 'mean' | 'cls' | 'first_token' | 'eos' | 'last_token';

/** Options of {@link fromPipeline}. */
export interface PipelineOptions {
  /** Name of the vector space; see {@link Embedder.model}. Give it the model, its revision and its `dtype`. */
  readonly model?: string;
  /** Default `mean`. */
  readonly pooling?: PipelinePooling;
  /**
   * Most texts that the pipeline gets at once, 1 to 256. Default 1: with weights that are quantised
   * dynamically (`q8`, `int8`, `uint8`) a text's vector depends on the texts beside it, and on WebAssembly more
   * at a time is no faster. More pay on a GPU with `fp32` or `fp16`.
   */
  readonly batch?: number;
}

const KNOWN = new Set(['model', 'pooling', 'batch']);
const POOLINGS: readonly unknown[] = ['mean', 'cls', 'first_token', 'eos', 'last_token'];
const MAX_BATCH = 256;

/**
 * `createEngine({ embedder: fromPipeline(await pipeline('feature-extraction', name)) })`. An abort is
 * looked at between two batches: transformers.js cannot be stopped in the middle of one.
 *
 * @throws WhorlError `invalid_option` that names the option. `embed` rejects with `aborted`, with
 * `backend_wrong` when the pipeline answers something else than a vector a text, and with what the pipeline
 * throws.
 */
export function fromPipeline(extractor: FeatureExtractor, options: PipelineOptions = {}): Embedder {
  checkOptions(extractor, options);
  const { model, pooling = 'mean', batch = 1 } = options;
  return {
    ...(model === undefined ? {} : { model }),
    async embed(texts, { signal }) {
      const rows: Float32Array[] = [];
      for (let from = 0; from < texts.length; from += batch) {
        throwIfAborted(signal);
        const some = texts.slice(from, from + batch);
        const tensor = await extractor(some, { pooling, normalize: true });
        try {
          rows.push(...rowsOf(tensor, some.length));
        } finally {
          tensor?.dispose?.();
        }
      }
      throwIfAborted(signal);
      return rows;
    },
  };
}

/** Copies: the tensor's memory may belong to the runtime. */
function rowsOf(tensor: PipelineTensor | undefined, texts: number): Float32Array[] {
  const { dims, data } = tensor ?? {};
  const [rows, width = 0] = dims ?? [];
  if (dims?.length !== 2 || rows !== texts || width < 1 || data?.length !== texts * width) {
    throw new WhorlError(
      'backend_wrong',
      `The pipeline answered ${dims ? `a tensor of the shape [${dims.join(', ')}]` : 'no tensor'} for ${texts} texts; [${texts}, numbers] is needed. Is it a "feature-extraction" pipeline?`,
    );
  }
  return Array.from({ length: texts }, (_, row) =>
    Float32Array.from({ length: width }, (_, k) => Number(data[row * width + k])),
  );
}

function checkOptions(extractor: unknown, options: PipelineOptions): void {
  if (typeof extractor !== 'function') {
    throw invalid(
      "the first argument must be a pipeline: await pipeline('feature-extraction', model).",
    );
  }
  const unknown = Object.keys(options).find((key) => !KNOWN.has(key));
  if (unknown !== undefined) throw invalid(`there is no option "${unknown}".`);
  const { model, pooling, batch = 1 } = options;
  if (
    model !== undefined &&
    (typeof model !== 'string' || !/\S/.test(model) || model.length > 200)
  ) {
    throw invalid('"model" must be a text of 1 to 200 characters.');
  }
  if (pooling !== undefined && !POOLINGS.includes(pooling)) {
    throw invalid(`"pooling" must be one of ${POOLINGS.join(', ')}, not "${String(pooling)}".`);
  }
  if (!(Number.isInteger(batch) && batch >= 1 && batch <= MAX_BATCH)) {
    throw invalid(`"batch" must be a whole number from 1 to ${MAX_BATCH}, not ${String(batch)}.`);
  }
  // transformers.js takes the last column of a padded batch, whatever stands in it.
  if (batch > 1 && (pooling === 'eos' || pooling === 'last_token')) {
    throw invalid(`"batch" must be 1 with the pooling "${pooling}".`);
  }
}

function invalid(message: string): WhorlError {
  return new WhorlError('invalid_option', `fromPipeline: ${message}`);
}
