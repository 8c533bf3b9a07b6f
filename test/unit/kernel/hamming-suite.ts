/** Bits that differ; Node and Chromium run it. */
import { describe, expect, it } from 'vitest';
import { VectorIndex } from '../../../workers/index/kernel/vector-index.ts';
import { codeOf, now } from './measures.ts';
import { bitmap, random } from './vectors.ts';

/** Rows of bits around random centres, each bit flipped with the given chance. */
function bitClusters(rows: number, bits: number, clusters: number, flip: number, seed: number) {
  const next = random(seed);
  const centres = Array.from({ length: clusters }, () =>
    Array.from({ length: bits }, () => next() < 0.5),
  );
  const packed = new Uint8Array((rows * bits) / 8);
  for (let row = 0; row < rows; row++) {
    const centre = centres[Math.floor(next() * clusters)]!;
    for (let k = 0; k < bits; k++) {
      const bit = centre[k] !== next() < flip;
      packed[(row * bits + k) >>> 3]! |= bit ? 1 << (k & 7) : 0;
    }
  }
  return packed;
}

const rowAt = (packed: Uint8Array, bits: number, row: number) =>
  packed.slice((row * bits) / 8, ((row + 1) * bits) / 8);

function differing(a: Uint8Array, b: Uint8Array): number {
  let count = 0;
  a.forEach((byte, i) => {
    for (let x = byte ^ b[i]!; x !== 0; x &= x - 1) count++;
  });
  return count;
}

async function indexOf(packed: Uint8Array, dimension: number, indexType: 'FLAT' | 'HNSW') {
  const index = await VectorIndex.create({ dimension, metric: 'HAMMING', indexType, M: 16 });
  index.append(packed);
  while (!index.build(20, now));
  return index;
}

export function describeHamming(): void {
  describe('HAMMING', () => {
    for (const bits of [8, 40, 128, 384, 1032, 4096]) {
      it(`${bits} bits: the distances and order of a plain count`, async () => {
        const packed = bitClusters(700, bits, 5, 0.2, 7 + bits);
        const index = await indexOf(packed, bits, 'FLAT');
        for (const at of [0, 5, 699]) {
          const query = rowAt(packed, bits, at);
          const plain = Array.from({ length: 700 }, (_, row) =>
            differing(query, rowAt(packed, bits, row)),
          );
          const hits = index.search(query, { limit: 20 });
          expect([...hits.scores]).toEqual([...plain].sort((a, b) => a - b).slice(0, 20));
          hits.rows.forEach((row, i) => {
            expect(hits.scores[i]).toBe(plain[row]);
          });
          expect([...index.score(query, Uint32Array.of(at, 3))]).toEqual([0, plain[3]]);
          const odd = bitmap(700, (row) => row % 2 === 1);
          for (const row of index.search(query, { ...odd, limit: 9 }).rows) expect(row % 2).toBe(1);
        }
      });
    }

    for (const rows of [1500, 5000]) {
      it(`a graph of ${rows} rows finds what a scan finds, and every row`, async () => {
        const packed = bitClusters(rows + 60, 256, 40, 0.12, 3);
        const index = await indexOf(packed.slice(0, rows * 32), 256, 'HNSW');
        expect(index.inserted).toBe(rows);
        let found = 0;
        for (let q = rows; q < rows + 60; q++) {
          const query = rowAt(packed, 256, q);
          const truth = index.search(query, { limit: 10, exact: true }).scores;
          const walked = index.search(query, { limit: 10, ef: 128, walk: true }).scores;
          found += walked.filter((score) => score <= truth[9]!).length;
        }
        expect(found / 600).toBeGreaterThanOrEqual(0.985);
        for (let row = 0; row < rows; row++) {
          const own = rowAt(packed, 256, row);
          expect(index.search(own, { limit: 1, ef: 100, walk: true }).scores[0]).toBe(0);
        }
        const other = await VectorIndex.create({
          dimension: 256,
          metric: 'HAMMING',
          indexType: 'HNSW',
          M: 16,
        });
        other.append(packed.slice(0, rows * 32));
        expect(other.restore(index.snapshot())).toBe(true);
      });
    }

    it('hands out bits as 0 and 1', async () => {
      const index = await indexOf(Uint8Array.of(0b10000001, 0b00000010), 16, 'FLAT');
      expect([...index.vector(0)]).toEqual([1, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0]);
    });

    it('refuses floats, odd dimensions and wrong lengths', async () => {
      const index = await indexOf(Uint8Array.of(1, 2), 16, 'FLAT');
      expect(codeOf(() => index.append(new Float32Array(16)))).toBe('invalid_option');
      expect(codeOf(() => index.append(new Uint8Array(3)))).toBe('milvus 1100');
      expect(codeOf(() => index.search(new Uint8Array(3), { limit: 1 }))).toBe('milvus 1100');
      expect(codeOf(() => index.search(new Float32Array(2), { limit: 1 }))).toBe('invalid_option');
      const floats = await VectorIndex.create({ dimension: 2, metric: 'IP', indexType: 'FLAT' });
      expect(codeOf(() => floats.append(new Uint8Array(2)))).toBe('invalid_option');
      await expect(
        VectorIndex.create({ dimension: 12, metric: 'HAMMING', indexType: 'FLAT' }),
      ).rejects.toMatchObject({ code: 'invalid_option' });
    });
  });
}
