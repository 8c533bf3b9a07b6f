/** F26: no address space for another instance of the kernel. A browser reserves some ten gigabytes for each. */
import { afterEach, describe, expect, it } from 'vitest';
import { VectorIndex } from '../../../workers/index/kernel/vector-index.ts';
import { now } from './measures.ts';
import { clustered, rowOf } from './vectors.ts';

const SHAPE = { dimension: 8, metric: 'L2', indexType: 'HNSW', M: 8, exactBelow: 0 } as const;

const { Instance } = WebAssembly;

/** Instances from the n-th on find no room, as in a thread that has made too many. */
function roomFor(instances: number): { readonly made: () => number } {
  let made = 0;
  WebAssembly.Instance = class extends Instance {
    constructor(module: WebAssembly.Module, imports?: WebAssembly.Imports) {
      made += 1;
      if (made > instances) {
        throw new RangeError('WebAssembly.Instance(): Out of memory: Cannot allocate Wasm memory');
      }
      super(module, imports);
    }
  };
  return { made: () => made };
}

afterEach(() => {
  WebAssembly.Instance = Instance;
});

describe('F26 memory of WebAssembly is exhausted', () => {
  it('a new index says so, typed, and the next one works', async () => {
    roomFor(0);
    await expect(VectorIndex.create(SHAPE)).rejects.toMatchObject({
      code: 'out_of_memory',
      retryable: true,
    });
    WebAssembly.Instance = Instance;
    expect((await VectorIndex.create(SHAPE)).count).toBe(0);
  });

  it.each([1, 2, 3])(
    'no room to make a graph aside: it is made row by row (seed %i)',
    async (seed) => {
      const { made } = roomFor(1);
      const rows = 2_000 + 300 * seed;
      const vectors = clustered({ rows, dimension: 8, clusters: 9, spread: 0.5, seed });
      const index = await VectorIndex.create(SHAPE);
      index.append(vectors);
      while (!index.build(50, now));
      expect(index.inserted).toBe(rows);
      expect(index.trusted).toBe(true);
      // Asked for once, not with every slice of the work.
      expect(made()).toBe(2);
      for (const row of [0, rows - 1]) {
        const query = rowOf(vectors, 8, row);
        expect([...index.search(query, { limit: 1, walk: true }).rows]).toEqual([row]);
      }
      index.close();
    },
  );
});
