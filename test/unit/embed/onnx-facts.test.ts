import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isWhorlError } from '../../../src/shared/errors.ts';
import { readOnnxFacts } from '../../../workers/embed/onnx-model-facts.ts';
import { bytes, graphBytes, NODES, type NodeOf, number, onnxFile, TENSORS } from './onnx-file.ts';

const facts = (nodes: readonly NodeOf[], tensors = TENSORS) =>
  readOnnxFacts(onnxFile(nodes, tensors), 'model.onnx');
const gather = (table: string, ids: string, output = 'words'): NodeOf => ({
  type: 'Gather',
  inputs: [table, ids],
  outputs: [output],
});
const pass = (type: string, input: string, output: string): NodeOf => ({
  type,
  inputs: [input, 'more'],
  outputs: [output],
});

describe('what an ONNX file tells', () => {
  it('finds the rows of both tables', () => {
    expect(facts(NODES)).toEqual({ vocabulary: 40, positions: 512, dynamic: false });
    const packed = TENSORS.map((tensor) => ({ ...tensor, packed: true }));
    expect(facts(NODES, packed)).toEqual({ vocabulary: 40, positions: 512, dynamic: false });
  });

  it.each([
    ['through a cast of the ids', [pass('Cast', 'input_ids', 'i'), gather('w', 'i')], 40],
    [
      'through a table stored as int8',
      [pass('DequantizeLinear', 'w', 'd'), gather('d', 'input_ids')],
      40,
    ],
    ['the smallest of two', [gather('w', 'input_ids'), gather('small', 'input_ids', 'o')], 7],
    [
      'in a fused operator',
      [{ type: 'EmbedLayerNormalization', inputs: ['input_ids', '', 'w', 'p'], outputs: ['o'] }],
      40,
    ],
    [
      'in blocks of 4 bits',
      [{ type: 'GatherBlockQuantized', inputs: ['w', 'input_ids', 's'], outputs: ['o'] }],
      40,
    ],
    ['nowhere where the ids are computed', [pass('Add', 'input_ids', 'i'), gather('w', 'i')], null],
    [
      'nowhere where the table is computed',
      [pass('Mul', 'w', 'd'), gather('d', 'input_ids')],
      null,
    ],
  ] as [string, NodeOf[], number | null][])('finds the vocabulary %s', (_, nodes, rows) => {
    const tensors = [
      { name: 'w', shape: [40, 4] },
      { name: 'small', shape: [7, 4] },
    ];
    expect(facts(nodes, tensors).vocabulary).toBe(rows);
  });

  it.each([
    ['bert.embeddings.position_embeddings.weight', [512, 4], 512],
    ['pos_emb', [64, 4], 64],
    ['transformer.wpe.weight', [1_024, 4], 1_024],
    ['embeddings.position_embeddings.weight_quantized', [512, 4], 512],
    ['encoder.relative_attention_bias.weight', [32, 12], null],
    ['embeddings.position_ids', [1, 512], null],
    ['composer.embedding', [9, 4], null],
  ] as [string, number[], number | null][])(
    'reads "%s" %j as %j positions',
    (name, shape, rows) => {
      expect(facts(NODES, [{ name, shape }]).positions).toBe(rows);
    },
  );

  it('leaves out the two positions that RoBERTa never uses', () => {
    expect(facts([pass('CumSum', 'attention_mask', 'p'), ...NODES]).positions).toBe(510);
  });

  it('notices activations that are quantised together', () => {
    expect(facts([...NODES, pass('DynamicQuantizeLinear', 'at', 'q')]).dynamic).toBe(true);
  });

  it('refuses weights that lie beside the file', () => {
    const attempt = () => facts(NODES, [{ name: 'w', shape: [40, 4], external: true }]);
    expect(attempt).toThrow(expect.objectContaining({ code: 'unsupported' }));
    expect(attempt).toThrow(/the tensor "w"/);
  });

  const whole = onnxFile();
  it.each([
    ['nothing', new Uint8Array(0), /no version/],
    [
      'a web page',
      new TextEncoder().encode('<!doctype html><html></html>'),
      /unknown kind|too early/,
    ],
    ['JSON', new TextEncoder().encode('{"error":"not found"}'), /is not an ONNX file/],
    [
      'a pointer of Git LFS',
      new TextEncoder().encode(
        'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n',
      ),
      /is not an ONNX file/,
    ],
    ['zeros', new Uint8Array(64), /without a number/],
    ['half a file', whole.slice(0, whole.length - 9), /9 bytes too early/],
    ['no graph', Uint8Array.from(number(1, 9)), /holds no graph/],
    ['an empty graph', Uint8Array.from([...number(1, 9), ...bytes(7, [])]), /holds no graph/],
    ['no version', Uint8Array.from(bytes(7, graphBytes(NODES, TENSORS))), /no version/],
    ['an endless number', new Uint8Array(32).fill(0xff), /number without an end/],
    ['a cut number', Uint8Array.of(8, 0x80), /middle of a number/],
    [
      'a tensor of many dimensions',
      onnxFile(NODES, [{ name: 'w', shape: new Array(17).fill(1) }]),
      /16 dimensions/,
    ],
  ])('refuses %s, and may be asked again', (_, file, why) => {
    const attempt = () => readOnnxFacts(file, 'model.onnx');
    expect(attempt).toThrow(why);
    expect(attempt).toThrow(expect.objectContaining({ code: 'asset_corrupt', retryable: true }));
  });

  it('answers any bytes with facts or with a typed error', () => {
    const spoilt = fc.tuple(fc.nat(whole.length - 1), fc.nat(255)).map(([at, value]) => {
      const copy = whole.slice();
      copy[at] = value;
      return copy;
    });
    const anything = fc.uint8Array({ maxLength: 200 }).map((array) => Uint8Array.from(array));
    fc.assert(
      fc.property(fc.oneof(spoilt, anything), (file) => {
        try {
          readOnnxFacts(file, 'x');
        } catch (error) {
          expect(isWhorlError(error)).toBe(true);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    [
      'sizes without an end',
      () => bytes(7, [...bytes(5, bytes(1, new Uint8Array(300_000).fill(1)))]),
    ],
    [
      'more tensors than any model has',
      () =>
        bytes(
          7,
          new Uint8Array(2 * ((1 << 20) + 1)).map((_, at) => (at % 2 === 0 ? 5 * 8 + 2 : 0)),
        ),
    ],
    [
      'a node with more inputs than any operator takes',
      () =>
        bytes(
          7,
          bytes(
            1,
            new Uint8Array(200_000).map((_, at) => (at % 2 === 0 ? 8 + 2 : 0)),
          ),
        ),
    ],
  ])('refuses %s, typed', (_, graph) => {
    const file = Uint8Array.from([...number(1, 9), ...graph()]);
    expect(() => readOnnxFacts(file, 'model.onnx')).toThrow(
      expect.objectContaining({
        code: 'asset_corrupt',
        message: expect.stringMatching(/more than/),
      }),
    );
  });
});
