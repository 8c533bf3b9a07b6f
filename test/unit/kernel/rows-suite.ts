/** Rows, refusals and memory of the vector index; Node and Chromium run it. */
import { describe, expect, it } from 'vitest';
import {
  VectorIndex,
  type VectorIndexOptions,
} from '../../../workers/index/kernel/vector-index.ts';
import { built, codeOf, now } from './measures.ts';
import { clustered } from './vectors.ts';

export function describeRows(): void {
  describe('rows, refusals, memory', () => {
    it('gives back what was appended, also for COSINE, and copies', async () => {
      const index = await VectorIndex.create({ dimension: 3, metric: 'COSINE', indexType: 'FLAT' });
      const vectors = Float32Array.of(3, 4, 0, 0, 0, 0.25);
      index.append(vectors);
      const copy = index.vector(0);
      expect([...copy]).toEqual([3, 4, 0]);
      copy.fill(9);
      expect([...index.vector(0)]).toEqual([3, 4, 0]);
      expect([...index.vector(1)]).toEqual([0, 0, 0.25]);
      expect([...index.score(Float32Array.of(0, 0, 7), Uint32Array.of(1, 0, 1))]).toEqual([
        1, 0, 1,
      ]);
    });

    it('an empty index answers with nothing', async () => {
      const index = await built(new Float32Array(0), { dimension: 6 });
      expect(index.search(new Float32Array(6), { limit: 5 }).rows.length).toBe(0);
      expect(index.search(new Float32Array(6), { limit: 5, walk: true }).rows.length).toBe(0);
      expect(index.restore(index.snapshot())).toBe(true);
    });

    it('refuses vectors that are not finite, and adds none of them', async () => {
      const index = await built(Float32Array.of(1, 0, 0, 1), { dimension: 2 });
      for (const bad of [NaN, Infinity, -Infinity, 3e38]) {
        expect(codeOf(() => index.append(Float32Array.of(1, 1, 0, bad)))).toBe('milvus 1100');
        expect(codeOf(() => index.search(Float32Array.of(bad, 1), { limit: 1 }))).toBe(
          'milvus 1100',
        );
      }
      expect(index.count).toBe(2);
      expect(index.append(Float32Array.of(2, 2))).toBe(2);
      while (!index.build(1, now));
      expect([...index.search(Float32Array.of(1, 1), { limit: 9 }).rows]).toEqual([2, 0, 1]);
    });

    it('refuses wrong lengths, options and rows by name', async () => {
      const index = await built(Float32Array.of(1, 0), { dimension: 2 });
      const query = Float32Array.of(1, 0);
      expect(codeOf(() => index.append(new Float32Array(3)))).toBe('milvus 1100');
      expect(codeOf(() => index.search(new Float32Array(3), { limit: 1 }))).toBe('milvus 1100');
      for (const options of [
        { limit: 0 },
        { limit: 1.5 },
        { limit: 1, ef: 0 },
        { limit: 1, top: 2 },
      ]) {
        expect(codeOf(() => index.search(query, options))).toBe('invalid_option');
      }
      for (const row of [1, 2 ** 31]) {
        expect(codeOf(() => index.score(query, Uint32Array.of(row)))).toBe('invalid_option');
        expect(codeOf(() => index.vector(row))).toBe('invalid_option');
      }
      const wrong = [
        { dimension: 1 },
        { dimension: 4097 },
        { M: 1 },
        { metric: 'l2' },
        { nprobe: 3 },
      ];
      for (const option of wrong) {
        const options = { dimension: 2, metric: 'IP', indexType: 'HNSW', ...option };
        await expect(VectorIndex.create(options as VectorIndexOptions)).rejects.toMatchObject({
          code: 'invalid_option',
          message: expect.stringContaining(Object.keys(option)[0]!),
        });
      }
    });

    it('is closed once', async () => {
      const index = await built(Float32Array.of(1, 0), { dimension: 2 });
      index.close();
      index.close();
      expect(codeOf(() => index.search(Float32Array.of(1, 0), { limit: 1 }))).toBe('closed');
      expect(codeOf(() => index.append(Float32Array.of(1, 0)))).toBe('closed');
    });

    it('without memory it says so, keeps its rows and answers', async () => {
      const dimension = 128;
      const vectors = clustered({ rows: 5000, dimension, clusters: 9, spread: 0.5, seed: 81 });
      const index = await VectorIndex.create({
        dimension,
        metric: 'L2',
        indexType: 'HNSW',
        M: 16,
        maxBytes: 4 * 2 ** 20,
      });
      const batch = 512 * dimension;
      const codes: string[] = [];
      for (let at = 0; at < vectors.length; at += batch) {
        codes.push(codeOf(() => index.append(vectors.subarray(at, at + batch))));
      }
      expect(codes[0]).toBe('nothing thrown');
      expect(codes.at(-1)).toBe('out_of_memory');
      expect(index.count).toBeGreaterThan(0);
      expect(index.count % 512).toBe(0);
      expect(index.bytes).toBeLessThanOrEqual(4 * 2 ** 20);
      const row = index.count - 1;
      expect([...index.search(index.vector(row), { limit: 1 }).rows]).toEqual([row]);
    });

    it('without memory for the graph it still answers exactly', async () => {
      const vectors = clustered({ rows: 2000, dimension: 32, clusters: 9, spread: 0.5, seed: 82 });
      const shape = {
        dimension: 32,
        metric: 'L2',
        indexType: 'HNSW',
        M: 16,
        exactBelow: 0,
      } as const;
      const roomy = await VectorIndex.create(shape);
      roomy.append(vectors);
      for (const spare of [0, 3000, 20_000, 60_000]) {
        const index = await VectorIndex.create({ ...shape, maxBytes: roomy.bytes + spare });
        index.append(vectors);
        const outcome = codeOf(() => {
          while (!index.build(10, now));
        });
        if (spare === 0) expect(outcome).toBe('out_of_memory');
        for (const row of [0, 999, 1999]) {
          expect([...index.search(index.vector(row), { limit: 1 }).rows]).toEqual([row]);
        }
      }
    });
  });
}
