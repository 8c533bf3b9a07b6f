/**
 * Texts to unit vectors without a model: each word is a fixed pseudo-random direction, a text their
 * sum. Texts that share words are close, others nearly orthogonal; the same text gives the same bits.
 */
import type { LoopEmbedder } from '../../src/loop/types.ts';

export interface WordEmbedder extends LoopEmbedder {
  ready: boolean;
  readonly dimension: number;
  /** Texts embedded so far. */
  readonly seen: string[];
}

export function wordEmbedder(dimension = 128, fingerprint = 'words-1'): WordEmbedder {
  const seen: string[] = [];
  return {
    ready: true,
    dimension,
    seen,
    async embed(texts, options = {}) {
      options.signal?.throwIfAborted();
      seen.push(...texts);
      const vectors = new Float32Array(texts.length * dimension);
      texts.forEach((text, i) => {
        vectors.set(embedWords(text, dimension), i * dimension);
      });
      return { vectors, dimension, fingerprint, tokens: 0 };
    },
  };
}

export function embedWords(text: string, dimension = 128): Float32Array {
  const sum = new Float32Array(dimension);
  for (const word of text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? ['']) {
    let state = 2166136261;
    for (const character of word) state = Math.imul(state ^ character.charCodeAt(0), 16777619);
    for (let i = 0; i < dimension; i++) {
      state = Math.imul(state ^ (state >>> 15), 2246822519) + 0x9e3779b9;
      const mixed = Math.imul(state ^ (state >>> 13), 3266489917);
      sum[i] = (sum[i] ?? 0) + ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 31 - 1;
    }
  }
  const norm = Math.sqrt(sum.reduce((total, value) => total + value * value, 0));
  return sum.map((value) => value / norm);
}
