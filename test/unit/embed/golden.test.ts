import { describe, expect, it } from 'vitest';
import { compareGolden, type GoldenFiles } from '../../../tools/golden/compare.ts';

const base64 = (values: readonly number[]): string =>
  Buffer.from(new Float32Array(values).buffer).toString('base64');

const FILES: GoldenFiles = {
  tokens: [
    { text: 'a', ids: [1, 2] },
    { text: 'b', ids: [1, 3, 2] },
  ],
  vectors: [
    { text: 'a', vector_f32_base64: base64([1, 0]) },
    { text: 'b', vector_f32_base64: base64([0, 1]) },
  ],
  tavern: { inner_product: 0.47 },
};
const RIGHT = {
  ids: [
    [1, 2],
    [1, 3, 2],
  ],
  vectors: [
    [1, 0],
    [0, 1],
  ],
  tavern: [
    [1, 0],
    [0.472, Math.sqrt(1 - 0.472 ** 2)],
  ],
};

describe('compareGolden', () => {
  it('passes what is right', () => {
    expect(compareGolden('wasm', FILES, RIGHT)).toEqual({
      suite: 'golden',
      backend: 'wasm',
      tokens: [2, 2],
      cos_mean: 1,
      cos_min: 1,
      failures: [],
    });
  });

  it('leaves out what has no file', () => {
    const report = compareGolden('wasm', {}, { ids: [], vectors: [], tavern: [] });
    expect(report).toMatchObject({ tokens: null, cos_mean: null, cos_min: null, failures: [] });
  });

  it.each([
    [
      'an id',
      {
        ids: [
          [1, 2],
          [1, 4, 2],
        ],
      },
      /token ids differ: "b"/,
    ],
    ['a missing sequence', { ids: [[1, 2]] }, /token ids differ/],
    [
      'a turned vector',
      {
        vectors: [
          [1, 0],
          [0.1, 1],
        ],
      },
      /cosine 0\.99504: "b"/,
    ],
    [
      'a vector that is not finite',
      {
        vectors: [
          [1, 0],
          [Number.NaN, 1],
        ],
      },
      /cosine NaN/,
    ],
    ['a missing vector', { vectors: [[1, 0]] }, /cosine NaN/],
    [
      'another tavern pair',
      {
        tavern: [
          [1, 0],
          [0.4745, 0.88],
        ],
      },
      /tavern pair 0\.4745/,
    ],
    ['no tavern pair', { tavern: [] }, /tavern pair NaN/],
  ])('finds %s', (_, wrong, message) => {
    const { failures } = compareGolden('wasm', FILES, { ...RIGHT, ...wrong });
    expect(failures.join('\n')).toMatch(message);
  });
});
