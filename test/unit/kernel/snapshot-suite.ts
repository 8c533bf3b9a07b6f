/** Saved graphs, whole and mutilated; Node and Chromium run it. */
import { describe, expect, it } from 'vitest';
import { checksumOf } from '../../../workers/index/kernel/snapshot.ts';
import { VectorIndex } from '../../../workers/index/kernel/vector-index.ts';
import { built } from './measures.ts';
import { clustered, plainScore, random, rowOf } from './vectors.ts';

const SHAPE = { dimension: 18, metric: 'L2', M: 6, exactBelow: 0 } as const;
const ROWS = 400;

function vectors(rows = ROWS, seed = 91): Float32Array {
  const all = clustered({ rows, dimension: 18, clusters: 7, spread: 0.5, seed });
  // Some rows are equal, so that snapshots hold chains.
  for (let row = 20; row < 60; row++) all.copyWithin(row * 18, 0, (row % 3 === 0 ? 1 : 0) * 18);
  return all;
}

async function unbuilt(data: Float32Array): Promise<VectorIndex> {
  const index = await VectorIndex.create({ ...SHAPE, indexType: 'HNSW' });
  index.append(data);
  return index;
}

/** The same bytes with one more mutation, now and then with a checksum that fits. */
function mutate(bytes: Uint8Array, next: () => number): Uint8Array {
  const pick = (n: number) => Math.floor(next() * n);
  let mutant = bytes.slice();
  const words = () => new Uint32Array(mutant.buffer, 0, mutant.length >>> 2);
  const kind = pick(8);
  if (kind === 0) mutant[pick(mutant.length)]! ^= 1 << pick(8);
  else if (kind === 1) words()[pick(words().length)] = pick(2 ** 32);
  else if (kind === 2) words()[pick(words().length)] = pick(ROWS + 2);
  else if (kind === 3) mutant = mutant.slice(0, pick(mutant.length));
  else if (kind === 4) mutant = new Uint8Array([...mutant, ...new Uint8Array(4 * (1 + pick(9)))]);
  else if (kind === 5) words()[pick(11)] = [0, 1, 2 ** 32 - 1, ROWS, ROWS - 1, 255][pick(6)]!;
  else if (kind === 6) mutant[44 + pick(ROWS)] = [0, 1, 2, 15, 16, 254, 255][pick(7)]!;
  else mutant.copyWithin(pick(mutant.length), pick(mutant.length), pick(mutant.length));
  if (mutant.length >= 44 && mutant.length % 4 === 0 && next() < 0.8) {
    if (next() < 0.8) words()[2] = mutant.length;
    words()[3] = checksumOf(words().subarray(4));
  }
  return mutant;
}

export function describeSnapshots(mutants: number): void {
  describe('snapshots', () => {
    it('a restored graph answers the same, and grows the same', async () => {
      const data = vectors();
      const index = await built(data, SHAPE);
      const other = await unbuilt(data);
      const bytes = index.snapshot();
      expect(other.restore(bytes)).toBe(true);
      expect(other.inserted).toBe(ROWS);
      expect(other.snapshot()).toEqual(bytes);
      const more = vectors(100, 5);
      for (const each of [index, other]) {
        each.append(more);
        while (!each.build(50, () => performance.now()));
      }
      expect(other.snapshot()).toEqual(index.snapshot());
      for (let row = 0; row < 100; row++) {
        const query = rowOf(more, 18, row);
        const options = { limit: 7, ef: 20, walk: true };
        expect(other.search(query, options)).toEqual(index.search(query, options));
      }
    });

    it('rows appended after it are pending', async () => {
      const data = vectors();
      const index = await built(data.slice(0, 300 * 18), SHAPE);
      const other = await unbuilt(data);
      expect(other.restore(index.snapshot())).toBe(true);
      expect(other.inserted).toBe(300);
      expect([...other.search(rowOf(data, 18, 350), { limit: 1, walk: true }).rows]).toEqual([350]);
      while (!other.build(50, () => performance.now()));
      const whole = await built(data, SHAPE);
      expect(other.snapshot()).toEqual(whole.snapshot());
    });

    it('replaces a graph, and leaves it when refused', async () => {
      const data = vectors();
      const index = await built(data, SHAPE);
      const bytes = index.snapshot();
      expect(index.restore(bytes)).toBe(true);
      const broken = bytes.slice();
      broken[200]! ^= 1;
      expect(index.restore(broken)).toBe(false);
      expect(index.snapshot()).toEqual(bytes);
    });

    it('refuses other vectors, other shapes, fewer rows', async () => {
      const data = vectors();
      const bytes = (await built(data, SHAPE)).snapshot();
      const changed = data.slice();
      changed[399 * 18]! += 1;
      expect((await unbuilt(changed)).restore(bytes)).toBe(false);
      expect((await unbuilt(data.slice(0, 399 * 18))).restore(bytes)).toBe(false);
      for (const shape of [
        { M: 7 },
        { metric: 'COSINE' },
        { dimension: 9 },
        { indexType: 'FLAT' },
      ]) {
        const options = { ...SHAPE, indexType: 'HNSW', ...shape } as typeof SHAPE & {
          indexType: 'HNSW';
        };
        const index = await VectorIndex.create(options);
        index.append(data);
        expect(index.restore(bytes)).toBe(false);
      }
    });

    it('takes bytes that are not aligned', async () => {
      const data = vectors();
      const bytes = (await built(data, SHAPE)).snapshot();
      const shifted = new Uint8Array(bytes.length + 1);
      shifted.set(bytes, 1);
      expect((await unbuilt(data)).restore(shifted.subarray(1))).toBe(true);
    });

    it(`${mutants} mutilated ones are refused or lead only to true answers`, async () => {
      const seed = 20_261_120;
      const data = vectors();
      const bytes = (await built(data, SHAPE)).snapshot();
      const index = await unbuilt(data);
      const next = random(seed);
      let taken = 0;
      for (let i = 0; i < mutants; i++) {
        const mutant = mutate(bytes, next);
        if (!index.restore(mutant)) continue;
        taken++;
        const query = rowOf(data, 18, i % ROWS);
        const hits = index.search(query, { limit: 9, ef: 30, walk: true });
        expect(new Set(hits.rows).size, `seed ${seed}, mutant ${i}`).toBe(hits.rows.length);
        hits.rows.forEach((row, place) => {
          const plain = plainScore('L2', query, rowOf(data, 18, row));
          expect(Math.abs(hits.scores[place]! - plain), `mutant ${i}`).toBeLessThan(1e-4);
        });
        // Growing on it must not trap either.
        if (taken % 50 !== 0) continue;
        const grown = await unbuilt(vectors(ROWS + 30));
        grown.append(vectors(20, 8));
        if (grown.restore(mutant)) while (!grown.build(50, () => performance.now()));
        grown.close();
      }
      // Both kinds must occur, or nothing was tried.
      expect(taken).toBeGreaterThan(mutants / 50);
      expect(taken).toBeLessThan(mutants);
      expect(index.restore(bytes)).toBe(true);
      expect(index.snapshot()).toEqual(bytes);
    });
  });
}
