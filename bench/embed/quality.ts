/** How good vectors are: against the float32 ones, and against what people say of sentences. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Likeness } from './measures.ts';
import { DIMENSION } from './settings.ts';
import { cosineOfRows, mean, spearman } from './statistics.ts';
import type { Pair } from './sts.ts';

const GOLDEN = fileURLToPath(new URL('../../../shared/golden/vectors.json', import.meta.url));

export interface Golden {
  readonly texts: readonly string[];
  /** Row-major float32 vectors of the reference. */
  readonly vectors: Float32Array;
}

export function readGolden(): Golden {
  const entries: { readonly text: string; readonly vector_f32_base64: string }[] = JSON.parse(
    readFileSync(GOLDEN, 'utf8'),
  );
  const vectors = new Float32Array(entries.length * DIMENSION);
  entries.forEach(({ vector_f32_base64 }, at) => {
    const bytes = Uint8Array.from(Buffer.from(vector_f32_base64, 'base64'));
    vectors.set(new Float32Array(bytes.buffer), at * DIMENSION);
  });
  return { texts: entries.map(({ text }) => text), vectors };
}

export function likenessTo(golden: Golden, vectors: Float32Array): Likeness {
  const cosines = golden.texts.map((_, row) =>
    cosineOfRows(golden.vectors, vectors, DIMENSION, row),
  );
  return { mean: mean(cosines), min: cosines.reduce((least, x) => Math.min(least, x), 1) };
}

/** Every sentence of the pairs, once. */
export function sentencesOf(pairs: readonly Pair[]): string[] {
  return [...new Set(pairs.flatMap(({ a, b }) => [a, b]))];
}

/** @param vectors Of the sentences of `sentencesOf`, row-major. */
export function correlation(pairs: readonly Pair[], vectors: Float32Array): number {
  const rows = new Map(sentencesOf(pairs).map((text, row) => [text, row]));
  const rowOf = (text: string) => rows.get(text) ?? -1;
  const cosines = pairs.map(({ a, b }) =>
    cosineOfRows(vectors, vectors, DIMENSION, rowOf(a), rowOf(b)),
  );
  return spearman(
    cosines,
    pairs.map(({ score }) => score),
  );
}
