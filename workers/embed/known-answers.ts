/** Whether a backend computes what the model means: a GPU, or a relaxed instruction, can be silently wrong. */
import { WhorlError } from '../../src/shared/errors.ts';
import { backendName } from './backend-error.ts';
import type { Encoder } from './encoder.ts';
import type { KnownAnswer } from './manifest.ts';
import type { Tokenizer } from './tokenizer.ts';

const LEAST_COSINE = 0.99;
const NORM_TOLERANCE = 1e-3;

/**
 * Embeds the stored texts, all together, so that batching (padding, masks) takes part.
 *
 * @returns the smallest cosine.
 * @throws WhorlError `backend_wrong` that names the text; what the encoder throws.
 */
export async function checkKnownAnswers(
  encoder: Encoder,
  tokenizer: Tokenizer,
  answers: readonly KnownAnswer[],
  signal: AbortSignal,
): Promise<number> {
  const ids = answers.map(({ text }) => tokenizer.encode(text));
  const vectors = await encoder.embed(ids, { signal });
  const cosines = answers.map((answer, index) => {
    const from = index * encoder.dimension;
    return cosineOf(answer, vectors.subarray(from, from + encoder.dimension), encoder);
  });
  return Math.min(...cosines);
}

/** The answers with the fewest tokens; cheap to ask for before the first use. */
export function shortestAnswers(
  answers: readonly KnownAnswer[],
  tokenizer: Tokenizer,
  count: number,
): KnownAnswer[] {
  const lengths = answers.map((answer) => ({
    answer,
    tokens: tokenizer.encode(answer.text).length,
  }));
  lengths.sort((a, b) => a.tokens - b.tokens);
  return lengths.slice(0, count).map(({ answer }) => answer);
}

function cosineOf(answer: KnownAnswer, vector: Float32Array, encoder: Encoder): number {
  let dot = 0;
  let square = 0;
  vector.forEach((value, k) => {
    dot += value * (answer.vector[k] ?? 0);
    square += value * value;
  });
  const norm = Math.sqrt(square);
  if (!Number.isFinite(norm)) throw wrong(answer, encoder, 'the vector is not finite');
  if (Math.abs(norm - 1) > NORM_TOLERANCE) {
    throw wrong(answer, encoder, `the vector has length ${norm.toFixed(4)} instead of 1`);
  }
  if (dot < LEAST_COSINE) {
    throw wrong(answer, encoder, `the cosine to the stored vector is ${dot.toFixed(4)}`);
  }
  return dot;
}

function wrong({ language, text }: KnownAnswer, { backend }: Encoder, why: string): WhorlError {
  return new WhorlError(
    'backend_wrong',
    `The ${backendName(backend)} encoder computes wrong vectors and is not used: for the known text "${text.slice(0, 40)}" (${language}) ${why}.`,
  );
}
