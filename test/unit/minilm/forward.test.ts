/** The whole forward pass against the plain reference, for made-up models of all shapes. */
import { describe, expect, test } from 'vitest';
import type { BertShape } from '../../../tools/model/bert.ts';
import { normalNumbers } from './builds.ts';
import {
  cosine,
  embed,
  expected,
  makeUp,
  openKernel,
  randomIds,
  vectorsOf,
} from './kernel-fixture.ts';

const L6: BertShape = {
  layers: 6,
  hidden: 96,
  heads: 3,
  intermediate: 384,
  vocabulary: 300,
  positions: 256,
  tokenTypes: 2,
  layerNormEps: 1e-12,
};
const SHAPES: readonly (readonly [string, BertShape])[] = [
  ['L6 with heads of 32', L6],
  ['L12 with heads of 26', { ...L6, layers: 12, hidden: 78, intermediate: 104 }],
  ['L3 with heads of 20', { ...L6, layers: 3, hidden: 60, intermediate: 100, layerNormEps: 1e-5 }],
  ['L1 of sizes that pad everywhere', { ...L6, layers: 1, hidden: 22, heads: 2, intermediate: 37 }],
  [
    'L2 with heads of 1 and one token type',
    { ...L6, layers: 2, hidden: 9, heads: 9, tokenTypes: 1 },
  ],
];
const PATHS = [
  ['simd128', 'int8'],
  ['relaxed', 'int8'],
  ['simd128', 'float32'],
  ['relaxed', 'float32'],
] as const;

/** Float32 sums in another order; and, for int8, activations of 14 bits. */
const LEAST = { int8: 1 - 5e-6, float32: 1 - 1e-7 } as const;

describe.each(SHAPES)('%s', (_, shape) => {
  const model = makeUp(shape, 7);
  const lengths = [1, 2, 3, 5, 8, 13, 30, 31, 61];
  const sequences = randomIds(shape, lengths, normalNumbers(9));
  const wanted = sequences.map((ids) => expected(model, ids));

  test.each(PATHS)(
    '%s %s: vectors of the reference, of unit length',
    async (variant, precision) => {
      const kernel = await openKernel(model, { variant, precision });
      embed(kernel, sequences).forEach((vector, index) => {
        expect(cosine(vector, vector)).toBeCloseTo(1, 5);
        expect(cosine(vector, wanted[index]!)).toBeGreaterThan(LEAST[precision]);
      });
      kernel.close();
    },
  );
});

describe('weights stored as float32', () => {
  const model = makeUp(L6, 3, 'float32');
  const sequences = randomIds(L6, [2, 9, 24], normalNumbers(1));

  test.each([
    ['simd128', 'float32', 1 - 1e-7],
    ['relaxed', 'float32', 1 - 1e-7],
    // Linear layers are rounded to int8 on the way in, words and positions are not.
    ['simd128', 'int8', 0.999],
  ] as const)('%s %s', async (variant, precision, least) => {
    const kernel = await openKernel(model, { variant, precision });
    embed(kernel, sequences).forEach((vector, index) => {
      expect(cosine(vector, expected(model, sequences[index]!))).toBeGreaterThan(least);
    });
  });
});

describe('lengths', () => {
  test('every length from 1 to 256, all in one batch: as the reference', async () => {
    const shape: BertShape = { ...L6, layers: 1, hidden: 16, heads: 2, intermediate: 16 };
    const model = makeUp(shape, 4);
    const lengths = Array.from({ length: 256 }, (_, i) => i + 1);
    const sequences = randomIds(shape, lengths, normalNumbers(2));
    const kernel = await openKernel(model);
    embed(kernel, sequences).forEach((vector, index) => {
      expect(cosine(vector, expected(model, sequences[index]!))).toBeGreaterThan(1 - 5e-6);
    });
  });

  test('512 tokens where the model has as many positions', async () => {
    const shape: BertShape = {
      ...L6,
      layers: 1,
      hidden: 48,
      heads: 2,
      intermediate: 64,
      positions: 512,
    };
    const model = makeUp(shape, 5);
    const sequences = randomIds(shape, [512, 257], normalNumbers(2));
    const wanted = sequences.map((ids) => expected(model, ids));
    for (const [variant, precision] of PATHS) {
      const kernel = await openKernel(model, { variant, precision });
      embed(kernel, sequences).forEach((vector, index) => {
        expect(cosine(vector, wanted[index]!)).toBeGreaterThan(LEAST[precision]);
      });
    }
  });

  test('maxTokens below the positions changes nothing but what is refused', async () => {
    const model = makeUp(L6, 6);
    const [ids] = randomIds(L6, [40], normalNumbers(2));
    const long = await openKernel(model);
    const short = await openKernel(model, { maxTokens: 40 });
    expect(embed(short, [ids!])).toEqual(embed(long, [ids!]));
    expect(() => short.begin('bulk', [new Int32Array(41)])).toThrow('has 41 tokens');
  });
});

describe.each(PATHS)('batches, %s %s', (variant, precision) => {
  const shape: BertShape = { ...L6, layers: 2, hidden: 52, heads: 2, intermediate: 88 };
  const model = makeUp(shape, 11);
  const normal = normalNumbers(12);

  test('a vector does not depend on what else is in the batch, to the last bit', async () => {
    const kernel = await openKernel(model, { variant, precision });
    const lengths = Array.from({ length: 40 }, (_, i) => 1 + ((i * 37) % 120));
    const sequences = randomIds(shape, lengths, normal);
    const alone = sequences.map((ids) => embed(kernel, [ids])[0]!);
    expect(embed(kernel, sequences)).toEqual(alone);
    expect(embed(kernel, sequences.toReversed()).toReversed()).toEqual(alone);
    for (const size of [2, 3, 7, 13]) {
      for (let from = 0; from < sequences.length; from += size) {
        const part = sequences.slice(from, from + size);
        expect(embed(kernel, part)).toEqual(alone.slice(from, from + size));
      }
    }
  });

  test('a query in the middle of a bulk batch disturbs neither, also when its slot grows', async () => {
    const kernel = await openKernel(model, { variant, precision });
    const bulk = randomIds(shape, [120, 3, 77, 200, 41], normal);
    const alone = embed(kernel, bulk, 'bulk');
    const queries = [24, 1, 100, 250].map((length) => randomIds(shape, [length], normal)[0]!);
    const fresh = await openKernel(model, { variant, precision });
    const answers = queries.map((ids) => embed(fresh, [ids], 'query')[0]!);
    kernel.begin('bulk', bulk);
    let steps = 0;
    let asked = 0;
    while (!kernel.step('bulk')) {
      steps += 1;
      const query = queries[asked];
      if (steps % 3 === 0 && query) {
        expect(embed(kernel, [query], 'query')[0]).toEqual(answers[asked]);
        asked += 1;
      }
    }
    expect(asked).toBe(queries.length);
    expect(vectorsOf(kernel.take('bulk'), bulk.length)).toEqual(alone);
  });

  test('both slots step by step in turn', async () => {
    const kernel = await openKernel(model, { variant, precision });
    const one = randomIds(shape, [60, 61], normal);
    const two = randomIds(shape, [90, 5, 17], normal);
    const wanted = [embed(kernel, one), embed(kernel, two)];
    kernel.begin('query', one);
    kernel.begin('bulk', two);
    let open = true;
    while (open) {
      const query = kernel.step('query');
      open = !kernel.step('bulk') || !query;
    }
    expect(vectorsOf(kernel.take('bulk'), 3)).toEqual(wanted[1]);
    expect(vectorsOf(kernel.take('query'), 2)).toEqual(wanted[0]);
  });

  test('random shapes of batches: as the sequences alone', async () => {
    const kernel = await openKernel(model, { variant, precision });
    for (let round = 0; round < 12; round += 1) {
      const count = 1 + Math.floor(Math.abs(normal()) * 12);
      const lengths = Array.from({ length: count }, () =>
        Math.min(256, 1 + Math.floor(normal() ** 2 * 30)),
      );
      const sequences = randomIds(shape, lengths, normal);
      const together = embed(kernel, sequences);
      const pick = round % count;
      expect(embed(kernel, [sequences[pick]!], 'query')).toEqual([together[pick]]);
    }
  });
});
