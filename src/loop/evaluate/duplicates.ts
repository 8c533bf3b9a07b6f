import { textKey, tokensOf } from './fold.ts';

/** Cosine from which two generated texts repeat each other. */
export const REPEAT_COSINE = 0.92;
/** Cosine and token Jaccard that together make a near-duplicate of any text. */
export const NEAR_COSINE = 0.95;
export const NEAR_JACCARD = 0.7;
/** Cosine from which a person should look. */
export const REVIEW_COSINE = 0.9;

export interface KnownText {
  readonly id: string;
  readonly text: string;
  /** Unit vector of the text. */
  readonly vector: Float32Array;
}

export interface Repeat {
  readonly id: string;
  /** `exact`: the same after folding; `near`: the same thing said again. */
  readonly kind: 'exact' | 'near';
  /** 1 for an exact repeat. */
  readonly cosine: number;
}

/** How two texts stand to each other by loop.md section 5; `cosine` is that of their vectors. */
export function likeness(
  a: string,
  b: string,
  cosine: number,
): 'exact' | 'near' | 'review' | 'distinct' {
  if (textKey(a) === textKey(b)) return 'exact';
  if (cosine >= NEAR_COSINE && jaccard(a, b) >= NEAR_JACCARD) return 'near';
  return cosine >= REVIEW_COSINE ? 'review' : 'distinct';
}

/** The generated text that `text` repeats, exact ones before the nearest; null when it is new. */
export function findRepeat(
  text: string,
  vector: Float32Array | null,
  recent: readonly KnownText[],
): Repeat | null {
  const key = textKey(text);
  const same = recent.find((known) => textKey(known.text) === key);
  if (same !== undefined) return { id: same.id, kind: 'exact', cosine: 1 };
  if (vector === null) return null;
  let nearest: Repeat | null = null;
  for (const known of recent) {
    const cosine = dot(vector, known.vector);
    if (cosine < REPEAT_COSINE || cosine <= (nearest?.cosine ?? 0)) continue;
    nearest = { id: known.id, kind: 'near', cosine };
  }
  return nearest;
}

/** Share of the distinct words of both texts that both have, 0..1; 0 when there is none. */
export function jaccard(a: string, b: string): number {
  const left = new Set(tokensOf(a));
  const right = new Set(tokensOf(b));
  let shared = 0;
  for (const token of left) if (right.has(token)) shared++;
  const all = left.size + right.size - shared;
  return all === 0 ? 0 : shared / all;
}

/** Inner product: the cosine of unit vectors. 0 for vectors of differing length, which nothing relates. */
export function dot(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return 0;
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] ?? 0) * (b[i] ?? 0);
  return sum;
}
