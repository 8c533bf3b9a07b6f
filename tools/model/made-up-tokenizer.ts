/** Small tokenizer files of both kinds, with a vocabulary of any size. */

const LATIN = [...'abcdefghijklmnopqrstuvwxyz0123456789.,;:!?-\'"()'];
const EAST_ASIAN = [...'宿川山の茶屋客栈酒馆여관강'];
const SYLLABLES = [...'bdfgklmnprst'].flatMap((c) => [...'aeiou'].map((v) => c + v));

/** A tokenizer.json as BERT models have it: characters, then made-up words and their parts. */
export function wordPieceFile(vocabulary: number): Uint8Array {
  const special = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];
  const pieces = [...LATIN, ...LATIN.slice(0, 36).map((letter) => `##${letter}`), ...EAST_ASIAN];
  const tokens = filled([...special, ...pieces], vocabulary, (word, even) =>
    even ? word : `##${word}`,
  );
  return file({
    special,
    closing: ['[CLS]', '[SEP]'],
    ids: new Map(tokens.map((token, id) => [token, id])),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
    },
  });
}

/** A tokenizer.json as the multilingual MiniLM has it: pieces with log probabilities, `▁` for a space. */
export function unigramFile(vocabulary: number): Uint8Array {
  const special = ['<s>', '<pad>', '</s>', '<unk>'];
  const pieces = ['▁', ...LATIN, ...LATIN.slice(0, 36).map((letter) => `▁${letter}`)];
  const tokens = filled([...special, ...pieces, ...EAST_ASIAN], vocabulary, (word, even) =>
    even ? `▁${word}` : word,
  );
  // Longer pieces are worth more than their letters together, so that the best path is not obvious.
  const score = (token: string, id: number): number =>
    id < special.length ? 0 : -12 + 1.5 * token.length - id / tokens.length;
  return file({
    special,
    closing: ['<s>', '</s>'],
    ids: new Map(tokens.map((token, id) => [token, id])),
    normalizer: { type: 'NFKC' },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'WhitespaceSplit' },
        { type: 'Metaspace', replacement: '▁', add_prefix_space: true },
      ],
    },
    model: {
      type: 'Unigram',
      unk_id: special.indexOf('<unk>'),
      vocab: tokens.map((token, id) => [token, score(token, id)]),
    },
  });
}

/** The first `count` of the given tokens and of as many made-up words as are missing. */
function filled(
  tokens: readonly string[],
  count: number,
  shape: (word: string, even: boolean) => string,
): string[] {
  const all = new Set(tokens);
  for (let index = 0; all.size < count; index += 1) all.add(shape(word(index), index % 2 === 0));
  return [...all].slice(0, count);
}

/** Made-up words, all different: `index` in the digits of the syllables, two at least. */
function word(index: number): string {
  let text = '';
  for (let rest = index + SYLLABLES.length; rest > 0; rest = Math.floor(rest / SYLLABLES.length)) {
    text += SYLLABLES[rest % SYLLABLES.length];
  }
  return text;
}

interface FileParts {
  readonly special: readonly string[];
  /** What stands before and after a text. */
  readonly closing: readonly [string, string];
  readonly ids: ReadonlyMap<string, number>;
  readonly normalizer: unknown;
  readonly pre_tokenizer: unknown;
  readonly model: unknown;
}

function file({ special, closing, ids, normalizer, pre_tokenizer, model }: FileParts): Uint8Array {
  const marks = { single_word: false, lstrip: false, rstrip: false, normalized: false };
  const [before, after] = closing;
  const token = (id: string) => ({ SpecialToken: { id, type_id: 0 } });
  const json = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: special.map((content) => ({
      id: ids.get(content),
      special: true,
      content,
      ...marks,
    })),
    normalizer,
    pre_tokenizer,
    post_processor: {
      type: 'TemplateProcessing',
      single: [token(before), { Sequence: { id: 'A', type_id: 0 } }, token(after)],
      pair: [
        token(before),
        { Sequence: { id: 'A', type_id: 0 } },
        token(after),
        { Sequence: { id: 'B', type_id: 1 } },
        token(after),
      ],
      special_tokens: Object.fromEntries(
        closing.map((id) => [id, { id, ids: [ids.get(id)], tokens: [id] }]),
      ),
    },
    decoder: null,
    model,
  };
  return new TextEncoder().encode(JSON.stringify(json));
}
