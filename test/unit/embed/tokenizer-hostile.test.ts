/** Files that ask for work or memory out of proportion: refused by what they ask for, and soon. */
import { describe, expect, it } from 'vitest';
import { createTokenizer } from '../../../workers/embed/tokenizer.ts';
import { added, bertFile, template, tokenizerFile, WORDS } from './tokenizer-files.ts';

const refusal = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    return `${(error as Error).name} ${(error as { code?: string }).code}`;
  }
  return 'none';
};
const CORRUPT = 'WhorlError asset_corrupt';
const UNSUPPORTED = 'WhorlError unsupported';
const refusalOf = (parts: object, model: object = {}): string =>
  refusal(() => createTokenizer(bertFile(parts, model), 256));

/** A BERT file with a part written as it stands. */
function withPart(name: string, text: string): Uint8Array {
  const { [name]: _, ...rest } = JSON.parse(new TextDecoder().decode(bertFile()));
  return new TextEncoder().encode(`${JSON.stringify(rest).slice(0, -1)},"${name}":${text}}`);
}
const nested = (list: string, depth: number, inner: string): string =>
  `{"type":"Sequence","${list}":[`.repeat(depth) + inner + ']}'.repeat(depth);

function unigramFile(longest: number): Uint8Array {
  const vocab = [
    ['<unk>', 0],
    ['a', -1],
    ['z'.repeat(longest), -2],
  ];
  return tokenizerFile({
    model: { type: 'Unigram', unk_id: 0, vocab },
    post_processor: template({ '<unk>': 0 }, {}),
  });
}

/** Pieces whose hashes (FNV-1a, folded) all fall into the same few slots of a table. */
function collidingPieces(count: number): Record<string, number> {
  const pieces: Record<string, number> = { ...WORDS };
  const mask = 2 ** Math.ceil(Math.log2((count + 50) * 2)) - 1;
  for (let i = 0, id = 100; id < 100 + count; i++) {
    const piece = i.toString(36);
    let hash = 0x811c9dc5 | 0;
    for (let c = 0; c < piece.length; c++) {
      hash = Math.imul(hash ^ piece.charCodeAt(c), 0x01000193);
    }
    if (((hash ^ (hash >>> 15)) & mask & ~63) === 0) pieces[piece] = id++;
  }
  return pieces;
}

describe('a hostile tokenizer file', () => {
  it.each([
    ['normalizer', nested('normalizers', 100_000, '{"type":"NFC"}')],
    ['normalizer', nested('normalizers', 100, '{"type":"NFC"}')],
    ['post_processor', nested('processors', 100_000, '{"type":"ByteLevel"}')],
    ['pre_tokenizer', nested('pretokenizers', 100_000, '{"type":"WhitespaceSplit"}')],
    ['model', `{"vocab":${'['.repeat(100_000)}${']'.repeat(100_000)}}`],
  ])('that nests without end is refused: %s', (name, text) => {
    expect(refusal(() => createTokenizer(withPart(name, text), 256))).toBe(CORRUPT);
  });

  it('cannot put more special tokens around a text than any model has', () => {
    const pair = { type: 'BertProcessing', cls: ['a', 2], sep: ['b', 3] };
    const processors = Array.from({ length: 50_000 }, () => pair);
    expect(refusalOf({ post_processor: { type: 'Sequence', processors } })).toBe(CORRUPT);
    const piece = { SpecialToken: { id: 'x', type_id: 0 } };
    const many = (pieces: number, ids: number): object => ({
      type: 'TemplateProcessing',
      single: [...Array.from({ length: pieces }, () => piece), { Sequence: { id: 'A' } }],
      special_tokens: { x: { id: 'x', ids: Array.from({ length: ids }, () => 1) } },
    });
    expect(refusalOf({ post_processor: many(10_000, 20_000) })).toBe(CORRUPT);
    expect(refusalOf({ post_processor: many(20, 20) })).toBe(CORRUPT);
    expect(refusalOf({ post_processor: many(5, 5) })).toBe('none');
  });

  it('cannot make much of little text', () => {
    const replace = (content: string): object => ({
      type: 'Replace',
      pattern: { String: 'a' },
      content,
    });
    expect(refusalOf({ normalizer: replace('b'.repeat(1_000_000)) })).toBe(UNSUPPORTED);
    const normalizers = Array.from({ length: 40 }, () => replace('aa'));
    const own = createTokenizer(bertFile({ normalizer: { type: 'Sequence', normalizers } }), 256);
    expect(refusal(() => own.encode('a'.repeat(3_000)))).toBe(CORRUPT);
    expect([...own.encode('inn')]).toEqual([2, WORDS.inn, 3]);
  });

  it('cannot ask for words or pieces whose search is quadratic', () => {
    expect(refusalOf({}, { max_input_chars_per_word: 1_025 })).toBe(UNSUPPORTED);
    expect(refusalOf({}, { max_input_chars_per_word: 1_024 })).toBe('none');
    expect(refusal(() => createTokenizer(unigramFile(513), 9))).toBe(UNSUPPORTED);
    expect(refusal(() => createTokenizer(unigramFile(512), 9))).toBe('none');
  });

  it('cannot fill one slot of the table with everything', () => {
    expect(refusalOf({}, { vocab: collidingPieces(4_000) })).toBe(CORRUPT);
  });

  it('cannot add more tokens than a pattern finds in good time', () => {
    const many = (count: number): object => ({
      added_tokens: Array.from({ length: count }, (_, i) =>
        added(Object.keys(WORDS).length + i, `<extra_${i}>`),
      ),
    });
    expect(refusalOf(many(20_000))).toBe(UNSUPPORTED);
    expect(refusalOf(many(2_000))).toBe('none');
  });
});
