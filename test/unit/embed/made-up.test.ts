import { describe, expect, it } from 'vitest';
import { referenceEmbedding } from '../../../tools/model/forward.ts';
import { type MadeUpOptions, makeUpModel, unpackModel } from '../../../tools/model/made-up.ts';
import { fileOf, graphOf } from '../../../workers/embed/manifest.ts';
import { createTokenizer } from '../../../workers/embed/tokenizer.ts';
import { pieces, sha } from './asset-server.ts';

const BASE: MadeUpOptions = {
  layers: 2,
  hidden: 60,
  heads: 3,
  intermediate: 100,
  vocabulary: 300,
  positions: 64,
  maxTokens: 32,
  tokenizer: 'WordPiece',
  seed: 1,
};

const cosine = (a: Float32Array, b: Float32Array): number =>
  a.reduce((sum, value, k) => sum + value * (b[k] as number), 0);

const SHAPES: readonly (readonly [string, MadeUpOptions])[] = [
  ['three heads of 20', BASE],
  ['Unigram', { ...BASE, tokenizer: 'Unigram' }],
  ['float32', { ...BASE, precision: 'float32' }],
  [
    'twelve layers, twelve heads of 26',
    { ...BASE, layers: 12, hidden: 312, heads: 12, intermediate: 624, positions: 512 },
  ],
  ['a single head and layer', { ...BASE, layers: 1, hidden: 8, heads: 1, intermediate: 12 }],
];

describe('a made-up model', () => {
  it.each(SHAPES)('is consistent: %s', (_, options) => {
    const files = makeUpModel(options);
    const { manifest, weights } = unpackModel(files);
    for (const file of manifest.files) {
      const bytes = files.get(file.path) as Uint8Array;
      expect([bytes.length, sha(bytes)]).toEqual([file.bytes, file.sha256]);
      expect(pieces(bytes).map(sha)).toEqual(file.pieces);
    }
    expect(manifest.architecture).toMatchObject({
      hidden: options.hidden,
      layers: options.layers,
      vocabulary: options.vocabulary,
    });
    const tokenizer = createTokenizer(
      files.get('tokenizer.json') as Uint8Array,
      manifest.maxTokens,
    );
    const least = options.precision === 'float32' ? 0.999999 : 0.998;
    const vectors = manifest.knownAnswers.map(({ text, vector }) => {
      const ids = tokenizer.encode(text);
      expect(Math.max(...ids)).toBeLessThan(options.vocabulary);
      const found = referenceEmbedding(ids, weights, manifest.architecture);
      expect(cosine(found, vector)).toBeGreaterThan(least);
      return found;
    });
    // Different texts have different vectors, or no test of an encoder would mean anything.
    for (const [i, vector] of vectors.entries()) {
      for (const other of vectors.slice(i + 1)) expect(cosine(vector, other)).toBeLessThan(0.97);
    }
  });

  it('has no graph, and says so', () => {
    const { manifest } = unpackModel(makeUpModel(BASE));
    expect(manifest).toMatchObject({ externalName: '', external: [] });
    expect(() => graphOf(manifest)).toThrowError(expect.objectContaining({ code: 'unsupported' }));
    expect(fileOf(manifest, 'weights').path).toBe('weights.bin');
  });

  it('is the same for the same seed only', () => {
    const bytes = (seed: number): string =>
      sha(makeUpModel({ ...BASE, seed }).get('weights.bin') as Uint8Array);
    expect(bytes(7)).toBe(bytes(7));
    expect(bytes(7)).not.toBe(bytes(8));
  });

  it('has as many tokens as asked for, all different', () => {
    for (const [tokenizer, vocabulary] of [
      ['WordPiece', 9],
      ['Unigram', 9],
      ['WordPiece', 5000],
      ['Unigram', 5000],
    ] as const) {
      const files = makeUpModel({ ...BASE, layers: 1, tokenizer, vocabulary });
      const json = JSON.parse(new TextDecoder().decode(files.get('tokenizer.json')));
      const tokens =
        tokenizer === 'WordPiece'
          ? Object.keys(json.model.vocab)
          : json.model.vocab.map(([token]: [string]) => token);
      expect(new Set(tokens).size).toBe(vocabulary);
    }
  });

  it('refuses a shape that is none', () => {
    expect(() => makeUpModel({ ...BASE, heads: 7 })).toThrow(/multiple/);
    expect(() => makeUpModel({ ...BASE, maxTokens: 65 })).toThrow(/positions/);
    expect(() => makeUpModel({ ...BASE, vocabulary: 4 })).toThrow(/at least 8/);
  });
});
