/** ONNX files made by hand: as much of the format as a look at them needs. */

function varint(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) + 128);
  }
}

export const number = (field: number, value: number): number[] => [
  ...varint(field * 8),
  ...varint(value),
];
export const bytes = (field: number, content: ArrayLike<number>): number[] => [
  ...varint(field * 8 + 2),
  ...varint(content.length),
  ...Array.from(content),
];
const text = (field: number, content: string): number[] =>
  bytes(field, new TextEncoder().encode(content));

export interface NodeOf {
  readonly type: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

export interface TensorOf {
  readonly name: string;
  readonly shape: readonly number[];
  readonly external?: boolean;
  /** Sizes written as one packed field. */
  readonly packed?: boolean;
}

export function graphBytes(nodes: readonly NodeOf[], tensors: readonly TensorOf[]): number[] {
  return [
    ...nodes.flatMap(({ type, inputs, outputs }) =>
      bytes(1, [
        ...inputs.flatMap((name) => text(1, name)),
        ...outputs.flatMap((name) => text(2, name)),
        ...text(4, type),
      ]),
    ),
    ...tensors.flatMap(({ name, shape, external, packed }) =>
      bytes(5, [
        ...(packed ? bytes(1, shape.flatMap(varint)) : shape.flatMap((size) => number(1, size))),
        ...number(2, 1),
        ...text(8, name),
        ...(external ? number(14, 1) : []),
      ]),
    ),
  ];
}

/** A model around a graph. */
export function onnxFile(
  nodes: readonly NodeOf[] = NODES,
  tensors: readonly TensorOf[] = TENSORS,
): Uint8Array<ArrayBuffer> {
  return Uint8Array.from([
    ...number(1, 9),
    ...text(2, 'by hand'),
    ...bytes(7, graphBytes(nodes, tensors)),
  ]);
}

/** Token and position tables as an exporter of PyTorch writes them. */
export const NODES: readonly NodeOf[] = [
  {
    type: 'Gather',
    inputs: ['embeddings.word_embeddings.weight', 'input_ids'],
    outputs: ['words'],
  },
  { type: 'Gather', inputs: ['embeddings.position_embeddings.weight', 'places'], outputs: ['at'] },
  { type: 'Add', inputs: ['words', 'at'], outputs: ['last_hidden_state'] },
];
export const TENSORS: readonly TensorOf[] = [
  { name: 'embeddings.word_embeddings.weight', shape: [40, 4] },
  { name: 'embeddings.position_embeddings.weight', shape: [512, 4] },
];

const WORDS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', 'a', 'quiet', 'inn', 'river', 'the', 'lantern'];

/** A WordPiece tokenizer of ten tokens, and of more where `largest` says so. */
export function tokenizerFile(largest = WORDS.length - 1): Uint8Array<ArrayBuffer> {
  const vocab = Object.fromEntries(WORDS.map((word, id) => [word, id]));
  if (largest >= WORDS.length) vocab.strange = largest;
  const special = WORDS.slice(0, 4).map((content, id) => ({
    id,
    content,
    special: true,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
  }));
  return new TextEncoder().encode(
    JSON.stringify({
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: special,
      normalizer: {
        type: 'BertNormalizer',
        clean_text: true,
        handle_chinese_chars: true,
        strip_accents: null,
        lowercase: true,
      },
      pre_tokenizer: { type: 'BertPreTokenizer' },
      post_processor: {
        type: 'TemplateProcessing',
        single: [
          { SpecialToken: { id: '[CLS]', type_id: 0 } },
          { Sequence: { id: 'A', type_id: 0 } },
          { SpecialToken: { id: '[SEP]', type_id: 0 } },
        ],
        pair: [],
        special_tokens: {
          '[CLS]': { id: '[CLS]', ids: [2], tokens: ['[CLS]'] },
          '[SEP]': { id: '[SEP]', ids: [3], tokens: ['[SEP]'] },
        },
      },
      decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
      model: {
        type: 'WordPiece',
        unk_token: '[UNK]',
        continuing_subword_prefix: '##',
        max_input_chars_per_word: 100,
        vocab,
      },
    }),
  );
}
