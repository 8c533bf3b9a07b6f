/** Small tokenizer.json files for tests. */
export interface FileParts {
  readonly model: object;
  readonly normalizer?: object | null;
  readonly pre_tokenizer?: object | null;
  readonly post_processor?: object | null;
  readonly added_tokens?: readonly object[];
}

export function tokenizerFile(parts: FileParts, space?: number): Uint8Array {
  const whole = { normalizer: null, pre_tokenizer: null, post_processor: null, ...parts };
  return new TextEncoder().encode(JSON.stringify(whole, null, space));
}

/** The template `before text behind`. */
export function template(before: Record<string, number>, behind: Record<string, number>): object {
  const special = Object.entries({ ...before, ...behind });
  const pieces = (names: object): object[] =>
    Object.keys(names).map((id) => ({ SpecialToken: { id, type_id: 0 } }));
  return {
    type: 'TemplateProcessing',
    single: [...pieces(before), { Sequence: { id: 'A', type_id: 0 } }, ...pieces(behind)],
    pair: [],
    special_tokens: Object.fromEntries(
      special.map(([id, number]) => [id, { id, ids: [number], tokens: [id] }]),
    ),
  };
}

export const added = (id: number, content: string, more: object = {}): object => ({
  id,
  content,
  special: true,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  ...more,
});

export const BERT_NORMALIZER = {
  type: 'BertNormalizer',
  clean_text: true,
  handle_chinese_chars: true,
  strip_accents: null,
  lowercase: true,
};

export const WORDS: Readonly<Record<string, number>> = Object.fromEntries(
  '[PAD] [UNK] [CLS] [SEP] inn river the a b c ab ##a ##b ##c ##ab ##cab È é ##é 人 ##人 ! ## ##ver Inn ΣΑΣ ς'
    .split(' ')
    .map((piece, id) => [piece, id]),
);

/** A BERT file over {@link WORDS}; parts can be replaced. */
export function bertFile(parts: Partial<FileParts> = {}, model: object = {}): Uint8Array {
  return tokenizerFile({
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: WORDS,
      ...model,
    },
    normalizer: BERT_NORMALIZER,
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: template({ '[CLS]': 2 }, { '[SEP]': 3 }),
    added_tokens: ['[PAD]', '[UNK]', '[CLS]', '[SEP]'].map((content, id) => added(id, content)),
    ...parts,
  });
}
