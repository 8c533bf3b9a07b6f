import { existsSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { indexKernel } from '../../../wasm/build/index-kernel.ts';
import { VectorIndex } from '../../../workers/index/kernel/vector-index.ts';
import { built, recall, unreachable } from './measures.ts';
import { describeVectorIndex } from './suite.ts';
import { bitmap, random, rowOf } from './vectors.ts';

describeVectorIndex(2500);

const FOLDER = new URL('../../../../shared/data/vectors/', import.meta.url);
const DIMENSION = 384;

/** Real vectors with half a code of noise and length 1 again, so that int8 codes lose something. */
function realVectors(rows: number): Float32Array {
  const codes = new Int8Array(readFileSync(new URL('minilm-93150x384.i8', FOLDER)).buffer);
  const next = random(12_345);
  const vectors = new Float32Array(rows * DIMENSION);
  for (let row = 0; row < rows; row++) {
    const vector = rowOf(vectors, DIMENSION, row);
    for (let k = 0; k < DIMENSION; k++) vector[k] = codes[row * DIMENSION + k]! + next() - 0.5;
    const length = Math.hypot(...vector);
    for (let k = 0; k < DIMENSION; k++) vector[k]! /= length;
  }
  return vectors;
}

function realQueries(count: number): Float32Array[] {
  const file = readFileSync(new URL('queries-500x384.f32', FOLDER));
  const all = new Float32Array(file.buffer.slice(file.byteOffset, file.byteOffset + file.length));
  return Array.from({ length: count }, (_, i) => rowOf(all, DIMENSION, i));
}

describe('20,000 real vectors', () => {
  const missing = !existsSync(FOLDER);
  it.skipIf(missing)(
    `recall, reach, filters${missing ? ' (skipped: ../shared/data/vectors is absent)' : ''}`,
    { timeout: 120_000 },
    async () => {
      const vectors = realVectors(20_000);
      const queries = realQueries(100);
      const index = await built(vectors, { dimension: DIMENSION, M: 48, efConstruction: 200 });
      expect(recall(index, 'IP', queries, { walk: true })).toBeGreaterThanOrEqual(0.99);
      expect(recall(index, 'IP', queries, {})).toBeGreaterThanOrEqual(0.99);
      expect(recall(index, 'IP', queries, { walk: true, ef: 256 })).toBeGreaterThanOrEqual(0.985);
      const next = random(4);
      const half = bitmap(20_000, () => next() < 0.5);
      expect(recall(index, 'IP', queries, { ...half, walk: true })).toBeGreaterThanOrEqual(0.98);
      expect(index.bytes / 20_000).toBeLessThan(2600);
      expect(unreachable(index, 'IP', 100, 10)).toBe(0);
    },
  );
});

describe('the kernel', () => {
  it('is small', () => {
    expect(gzipSync(Buffer.from(indexKernel, 'base64'), { level: 9 }).length).toBeLessThan(12_000);
  });

  it('reports its memory', async () => {
    const index = await VectorIndex.create({ dimension: 8, metric: 'L2', indexType: 'FLAT' });
    const before = index.bytes;
    index.append(new Float32Array(80_000));
    expect(index.bytes).toBeGreaterThan(before + 80_000 * 4);
  });
});
