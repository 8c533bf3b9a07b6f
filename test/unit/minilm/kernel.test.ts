/** The host of the kernel: what it refuses, what it keeps, how it lends, and what memory it takes. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { BertShape } from '../../../tools/model/bert.ts';
import { roundToNearest } from '../../../tools/model/rounding.ts';
import { type KernelOptions, MiniLmKernel } from '../../../workers/embed/kernel/minilm-kernel.ts';
import type { ModelTensor } from '../../../workers/embed/manifest.ts';
import { allowRelaxed, normalNumbers } from './builds.ts';
import {
  embed,
  loadAll,
  type MadeUp,
  makeUp,
  openKernel,
  randomIds,
  refusal,
  rowsOf,
} from './kernel-fixture.ts';

const SHAPE: BertShape = {
  layers: 2,
  hidden: 60,
  heads: 3,
  intermediate: 100,
  vocabulary: 200,
  positions: 64,
  tokenTypes: 2,
  layerNormEps: 1e-12,
};
const WORDS = 'embeddings.word_embeddings.weight';
const OPTIONS: KernelOptions = { variant: 'simd128', precision: 'int8', maxTokens: 64 };

let model: MadeUp;
let sequences: Int32Array[];

beforeAll(() => {
  allowRelaxed();
  model = makeUp(SHAPE, 21);
  sequences = randomIds(SHAPE, [5, 24, 1], normalNumbers(4));
});

async function refusalOf(promise: Promise<unknown>): Promise<string> {
  const result = await promise.then(
    () => null,
    (error: unknown) => error,
  );
  return refusal(() => {
    if (result) throw result;
  });
}

function tensorOf(name: string, from: MadeUp = model): ModelTensor {
  return from.tensors.find((tensor) => tensor.name === name)!;
}

describe('opening', () => {
  test.each([
    [{ precision: 'int4' }, 'precision must be int8 or float32, but is int4'],
    [{ variant: 'avx' }, 'variant must be simd128 or relaxed, but is avx'],
    [{ maxTokens: 0 }, 'maxTokens must be an integer from 1 to 64, but is 0'],
    [{ maxTokens: 65 }, 'maxTokens must be an integer from 1 to 64, but is 65'],
    [{ maxBytes: -1 }, 'maxBytes must be'],
    [{ maxBytes: 2 ** 33 }, 'maxBytes must be'],
    [{ threads: 2 }, 'The kernel has no option "threads"'],
  ])('refuses %j', async (change, words) => {
    const options = { ...OPTIONS, ...change } as KernelOptions;
    const said = await refusalOf(MiniLmKernel.open(model.shape, options));
    expect(said).toMatch(/^invalid_option: /);
    expect(said).toContain(words);
  });

  test.each([
    [{ heads: 7 }, '60 columns cannot be shared out among 7 heads'],
    [{ intermediate: 9_000 }, 'more than 8192 columns'],
  ])('cannot run the shape %j', async (change, words) => {
    const said = await refusalOf(MiniLmKernel.open({ ...model.shape, ...change }, OPTIONS));
    expect(said).toMatch(/^unsupported: /);
    expect(said).toContain(words);
  });

  test('out of memory for the weights is typed', async () => {
    const said = await refusalOf(MiniLmKernel.open(model.shape, { ...OPTIONS, maxBytes: 70_000 }));
    expect(said).toMatch(/^out_of_memory: There is no memory for the weights/);
  });

  test('a shape beyond 4 GiB is refused and does not wrap around', async () => {
    const giant = { ...model.shape, hidden: 8_190, heads: 3, vocabulary: 2_000_000, layers: 128 };
    const said = await refusalOf(MiniLmKernel.open({ ...giant, intermediate: 8_192 }, OPTIONS));
    expect(said).toMatch(/^out_of_memory: /);
  });

  test('identity names variant, precision and binary', async () => {
    const plain = await MiniLmKernel.open(model.shape, OPTIONS);
    const relaxed = await MiniLmKernel.open(model.shape, {
      ...OPTIONS,
      variant: 'relaxed',
      precision: 'float32',
    });
    expect(plain.identity).toMatch(/^minilm\/simd128\/int8\/[0-9a-f]{32}$/);
    expect(relaxed.identity).toMatch(/^minilm\/relaxed\/float32\/[0-9a-f]{32}$/);
    expect(plain.identity.split('/')[3]).not.toBe(relaxed.identity.split('/')[3]);
  });
});

describe('loading', () => {
  test('in any order and in parts of whole rows gives the same vectors', async () => {
    const whole = await openKernel(model);
    const parts = await MiniLmKernel.open(model.shape, OPTIONS);
    expect(parts.missing()).toHaveLength(model.tensors.length);
    for (const tensor of model.tensors.toReversed()) {
      const rows = tensor.shape[0]!;
      for (let from = 0; from < rows; from += 7) {
        expect(parts.missing()).toContain(tensor.name);
        parts.load(tensor, ...rowsOf(model, tensor, from, Math.min(rows, from + 7)), from);
      }
      expect(parts.missing()).not.toContain(tensor.name);
    }
    expect(parts.missing()).toEqual([]);
    expect(embed(parts, sequences)).toEqual(embed(whole, sequences));
  });

  test('bytes that begin at an odd address are taken', async () => {
    const kernel = await MiniLmKernel.open(model.shape, OPTIONS);
    for (const tensor of model.tensors) {
      const [bytes, scales] = rowsOf(model, tensor);
      const moved = new Uint8Array(bytes.length + 1);
      moved.set(bytes, 1);
      kernel.load(tensor, moved.subarray(1), scales);
    }
    expect(embed(kernel, sequences)).toEqual(embed(await openKernel(model), sequences));
  });

  test('word embeddings may be float32, position embeddings int8', async () => {
    const exact = makeUp(SHAPE, 21, 'float32');
    const words = tensorOf(WORDS, exact);
    const positions = tensorOf('embeddings.position_embeddings.weight');
    const coded = roundToNearest({
      shape: positions.shape,
      data: exact.weights.get(positions.name)!.data,
    });
    const mixed = await MiniLmKernel.open(model.shape, OPTIONS);
    for (const tensor of model.tensors) {
      if (tensor.name === WORDS) mixed.load(words, ...rowsOf(exact, words));
      else if (tensor === positions) {
        const packed = { ...positions, type: 'int8-rows', bytes: coded.codes.length } as const;
        mixed.load(packed, new Uint8Array(coded.codes.buffer), coded.scales);
      } else mixed.load(tensor, ...rowsOf(model, tensor));
    }
    const stored = embed(await openKernel(model), sequences);
    embed(mixed, sequences).forEach((vector, index) => {
      const apart = vector.map((x, k) => Math.abs(x - stored[index]![k]!));
      expect(Math.max(...apart)).toBeGreaterThan(0);
      expect(Math.max(...apart)).toBeLessThan(0.02);
    });
  });

  test('a tensor that no forward pass needs is ignored', async () => {
    const kernel = await MiniLmKernel.open(model.shape, OPTIONS);
    const pooler: ModelTensor = {
      name: 'pooler.dense.bias',
      shape: [60],
      type: 'float32',
      offset: 0,
      bytes: 240,
    };
    kernel.load(pooler, new Uint8Array(240), null);
    expect(kernel.missing()).toHaveLength(model.tensors.length);
  });

  test('what does not fit is refused by name, and nothing of it is counted', async () => {
    const kernel = await MiniLmKernel.open(model.shape, OPTIONS);
    const words = tensorOf(WORDS);
    const bias = tensorOf('encoder.layer.1.output.dense.bias');
    const [codes, scales] = rowsOf(model, words);
    const [values] = rowsOf(model, bias);
    const nan = scales!.slice();
    nan[3] = Number.NaN;
    const cases: readonly (readonly [string, () => void])[] = [
      ['its shape is [200,59]', () => kernel.load({ ...words, shape: [200, 59] }, codes, scales)],
      ['its shape is [60,1]', () => kernel.load({ ...bias, shape: [60, 1] }, values, null)],
      [
        'biases and LayerNorms are float32',
        () => kernel.load({ ...bias, type: 'int8-rows' }, values, scales),
      ],
      ['no whole rows', () => kernel.load(words, codes.subarray(1), scales)],
      ['no whole rows', () => kernel.load(words, new Uint8Array(0), scales)],
      ['no whole rows from row 1 on', () => kernel.load(words, codes, scales, 1)],
      ['0 scales came with 200 rows', () => kernel.load(words, codes, null)],
      ['199 scales came with 200 rows', () => kernel.load(words, codes, scales!.subarray(1))],
      ['one of its scales is not finite', () => kernel.load(words, codes, nan)],
      [
        'its row 2 came where row 0 was next',
        () => kernel.load(words, codes.subarray(0, 60), scales!.subarray(0, 1), 2),
      ],
    ];
    for (const [words, call] of cases) {
      const said = refusal(call);
      expect(said).toMatch(/^asset_corrupt: The tensor "/);
      expect(said).toContain(words);
    }
    expect(kernel.missing()).toHaveLength(model.tensors.length);
    kernel.load(bias, values, null);
    expect(refusal(() => kernel.load(bias, values, null))).toContain('row 0 came where row 60');
  });

  test('nothing is embedded, and no image is taken, before the last tensor is there', async () => {
    const kernel = await MiniLmKernel.open(model.shape, OPTIONS);
    expect(refusal(() => kernel.begin('query', sequences))).toMatch(/^internal: .*37 tensors/);
    expect(refusal(() => kernel.image())).toMatch(/^internal: /);
    loadAll(kernel, model);
    expect(embed(kernel, sequences)).toHaveLength(3);
  });
});

describe('lending', () => {
  test.each([
    ['simd128', 'int8', 'int8'],
    ['simd128', 'float32', 'int8'],
    ['simd128', 'int8', 'float32'],
    ['relaxed', 'int8', 'int8'],
  ] as const)(
    '%s %s, stored as %s: bit for bit the same vectors',
    async (variant, precision, stored) => {
      const own = makeUp(SHAPE, 22, stored);
      const options = { ...OPTIONS, variant, precision };
      const lender = await openKernel(own, options);
      const wanted = embed(lender, sequences);
      const lent = { image: lender.image(), kernel: lender.identity };
      // Another bound of tokens moves where the model lies, which must not matter.
      const taker = await MiniLmKernel.openLent(own.shape, { ...options, maxTokens: 30 }, lent);
      expect(taker.missing()).toEqual([]);
      expect(embed(taker, sequences)).toEqual(wanted);
      lender.close();
      expect(embed(taker, sequences)).toEqual(wanted);
    },
  );

  test('an image of something else is refused', async () => {
    const lender = await openKernel(model);
    const lent = { image: lender.image(), kernel: lender.identity };
    const wide = makeUp({ ...SHAPE, intermediate: 108 }, 1).shape;
    const noWords = lent.image.slice(0);
    new DataView(noWords).setInt32(32, 0, true);
    const cases = [
      ['it is one of "another"', model.shape, { ...lent, kernel: 'another' }],
      ['of another shape', wide, lent],
      ['of another shape', model.shape, { ...lent, image: new ArrayBuffer(0) }],
      ['no word embeddings', model.shape, { ...lent, image: noWords }],
      ['another size', model.shape, { ...lent, image: lent.image.slice(0, -64) }],
    ] as const;
    for (const [words, shape, offered] of cases) {
      const said = await refusalOf(MiniLmKernel.openLent(shape, OPTIONS, offered));
      expect(said).toMatch(/^unsupported: The lent model cannot be used: /);
      expect(said).toContain(words);
    }
  });
});

describe('batches', () => {
  test('ids and lengths are checked, and the slot stays empty', async () => {
    const kernel = await openKernel(model);
    const cases = [
      ['has 0 tokens, but the encoder takes 1 to 64', [new Int32Array(0)]],
      ['has 65 tokens', [new Int32Array(65)]],
      ["token 200, but the model's vocabulary is 0 to 199", [Int32Array.of(1, 200)]],
      ['token -1', [Int32Array.of(1), Int32Array.of(-1)]],
    ] as const;
    for (const [words, ids] of cases) {
      const said = refusal(() => kernel.begin('bulk', ids));
      expect(said).toMatch(/^invalid_option: /);
      expect(said).toContain(words);
    }
    expect(embed(kernel, sequences)).toHaveLength(3);
  });

  test('an empty batch is done at once', async () => {
    const kernel = await openKernel(model);
    kernel.begin('bulk', []);
    expect(kernel.step('bulk')).toBe(true);
    expect(kernel.take('bulk')).toEqual(new Float32Array(0));
  });

  test('a slot holds one batch, which is taken when it is done', async () => {
    const kernel = await openKernel(model);
    expect(refusal(() => kernel.step('bulk'))).toMatch(/^internal: There is no batch/);
    kernel.begin('bulk', sequences);
    expect(refusal(() => kernel.begin('bulk', sequences))).toMatch(/^internal: /);
    expect(refusal(() => kernel.take('bulk'))).toMatch(/^internal: .*before it was done/);
    kernel.cancel('bulk');
    kernel.cancel('bulk');
    expect(refusal(() => kernel.take('bulk'))).toMatch(/^internal: There is no batch/);
    expect(embed(kernel, sequences)).toHaveLength(3);
  });

  test('what is taken is a copy', async () => {
    const kernel = await openKernel(model);
    const [before] = embed(kernel, [sequences[1]!]);
    kernel.begin('bulk', [sequences[1]!]);
    while (!kernel.step('bulk'));
    const taken = kernel.take('bulk');
    expect(taken.buffer.byteLength).toBe(60 * 4);
    embed(kernel, [sequences[0]!]);
    expect(taken).toEqual(before);
  });

  test('out of memory keeps the model and the other batch, and a smaller one does', async () => {
    const { usedBytes } = await openKernel(model);
    const kernel = await openKernel(model, { maxBytes: usedBytes + 300_000 });
    const query = [sequences[1]!];
    const wanted = embed(kernel, query, 'query');
    kernel.begin('query', query);
    kernel.step('query');
    const many = Array.from({ length: 40 }, () => new Int32Array(64));
    const said = refusal(() => kernel.begin('bulk', many));
    expect(said).toMatch(/^out_of_memory: There is no memory for a batch of 2560 tokens/);
    expect(said).toContain('batches under way are kept');
    expect(refusal(() => kernel.step('bulk'))).toMatch(/no batch/);
    while (!kernel.step('query'));
    expect(kernel.take('query')).toEqual(wanted[0]);
    expect(embed(kernel, many.slice(0, 2))).toHaveLength(2);
  });

  test('what an empty slot has grown to is room for the other', async () => {
    const [first, second] = [randomIds(SHAPE, [64, 64, 64, 64], normalNumbers(4)), sequences];
    const grown = await openKernel(model);
    const { usedBytes } = grown;
    embed(grown, first);
    const slotBytes = grown.usedBytes - usedBytes;
    const kernel = await openKernel(model, { maxBytes: usedBytes + 1.5 * slotBytes });
    const wanted = embed(await openKernel(model), second);
    kernel.begin('bulk', first);
    expect(refusal(() => kernel.begin('query', first))).toMatch(/^out_of_memory/);
    kernel.cancel('bulk');
    expect(embed(kernel, first, 'query')).toEqual(embed(await openKernel(model), first));
    // And the other way round, as often as it is wanted.
    expect(embed(kernel, first, 'bulk')).toHaveLength(4);
    expect(embed(kernel, second, 'query')).toEqual(wanted);
  });

  test('memory grows with the largest batch, not with the number of texts', async () => {
    const kernel = await openKernel(model);
    const batch = randomIds(SHAPE, [64, 64, 64, 8], normalNumbers(3));
    embed(kernel, batch);
    const { usedBytes } = kernel;
    for (let i = 0; i < 300; i += 1) embed(kernel, batch);
    expect(kernel.usedBytes).toBe(usedBytes);
    // Three of the four columns of 60 are padded to 24 a head.
    expect(usedBytes).toBeLessThan(1_500_000);
  });

  test('closed is closed', async () => {
    const kernel = await openKernel(model);
    kernel.begin('bulk', sequences);
    kernel.close();
    kernel.cancel('bulk');
    for (const call of [
      () => kernel.step('bulk'),
      () => kernel.begin('query', sequences),
      () => kernel.image(),
      () => kernel.missing(),
      () => kernel.usedBytes,
    ]) {
      expect(refusal(call)).toMatch(/^closed: /);
    }
    kernel.close();
  });
});
