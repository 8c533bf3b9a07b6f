/**
 * Text to vectors through whatever embedder is connected. It is asked in slices, so that an abort takes
 * effect soon and a change of the model is seen; within a slice it tells how far it is.
 */
import { throwIfAborted, WhorlError } from '../../src/shared/errors.ts';
import type { EmbedProgress, EmbedRequest, EmbedResult } from '../../src/shared/types.ts';
import { invalid } from './body.ts';

/** What the core needs of the embed worker; `embed-port.ts` gives it over a port. */
export interface CoreEmbedder {
  /** It slices by itself and is handed all texts of a call; otherwise it gets them slice by slice. */
  readonly slices?: boolean;
  /** Told of texts (input of a function) that were erased, or that all of a collection were. */
  erased?(texts: readonly string[] | 'all'): void;
  /** Rejects with `embedder_unavailable` while none is connected. */
  embed(
    request: EmbedRequest,
    options: {
      readonly signal?: AbortSignal | undefined;
      /** Texts of this request that are done; also a sign of life. */
      readonly onProgress?: ((done: number) => void) | undefined;
    },
  ): Promise<EmbedResult>;
}

export interface EmbeddedTexts {
  /** Row-major, texts x dimension. */
  readonly vectors: Float32Array<ArrayBuffer>;
  readonly fingerprint: string;
}

export interface EmbedOptions {
  readonly signal?: AbortSignal | undefined;
  readonly priority: 'query' | 'bulk';
  readonly report?: ((progress: EmbedProgress) => void) | undefined;
}

/** Texts handed over at a time: enough for batches of equal length. */
const SLICE_TEXTS = 64;
/** Characters (UTF-16) handed over at a time: some 4,000 tokens, the largest batch of WebGPU, seconds in WASM. */
const SLICE_CHARACTERS = 16_384;

/**
 * All texts in one vector space; rejects with 1100 when the model's dimension is not the field's, and
 * with `fingerprint_mismatch` when the model changed half-way.
 */
export async function embedTexts(
  embedder: CoreEmbedder,
  texts: readonly string[],
  dimension: number,
  options: EmbedOptions,
): Promise<EmbeddedTexts> {
  const { signal, priority, report } = options;
  const vectors = new Float32Array(texts.length * dimension);
  const total = texts.length;
  let fingerprint: string | null = null;
  for (let from = 0, to = 0; from < texts.length; from = to) {
    throwIfAborted(signal);
    const start = from;
    to = embedder.slices ? texts.length : sliceEnd(texts, from);
    const slice = texts.slice(from, to);
    const onProgress = (done: number): void => report?.({ done: start + done, total });
    const result = await embedder.embed({ texts: slice, priority }, { signal, onProgress });
    checkResult(result, slice.length, dimension);
    if (fingerprint !== null && fingerprint !== result.fingerprint) {
      throw mismatch(
        fingerprint,
        result.fingerprint,
        'The model changed during the call; nothing of it was kept. Make it again.',
      );
    }
    fingerprint = result.fingerprint;
    vectors.set(result.vectors, from * dimension);
    report?.({ done: to, total });
  }
  throwIfAborted(signal);
  return { vectors, fingerprint: fingerprint ?? '' };
}

/** End of the slice that begins at `from`: at least one text. Others wait for a slice, so it is no longer than it must be. */
function sliceEnd(texts: readonly string[], from: number): number {
  let to = from;
  let characters = 0;
  while (to < texts.length && to - from < SLICE_TEXTS) {
    characters += texts[to]?.length ?? 0;
    if (to > from && characters > SLICE_CHARACTERS) break;
    to += 1;
  }
  return to;
}

function checkResult(result: EmbedResult, texts: number, dimension: number): void {
  if (result.dimension !== dimension) {
    throw invalid(
      `vector dimension mismatch: the model gives ${result.dimension}, the field has ${dimension}`,
    );
  }
  if (result.vectors.length !== texts * dimension) {
    throw new WhorlError(
      'backend_wrong',
      'The embedder gave another number of vectors than texts.',
    );
  }
}

export function mismatch(stored: string, present: string, what: string): WhorlError {
  return new WhorlError(
    'fingerprint_mismatch',
    `${what} (vector space ${stored}, present model ${present})`,
    { retryable: true },
  );
}
