/**
 * Byte-pair encoding, as RoBERTa's and ModernBERT's tokenizers have it: the merges run in
 * `@huggingface/tokenizers`, of which nothing else is bundled but the reading of patterns.
 */
import { BPE, SplitPreTokenizer } from '@huggingface/tokenizers';
import { asFields, asFlag, asList, asText, type Fields } from './file.ts';
import type { Ids } from './ids.ts';
import type { Model } from './model.ts';
import { type PreTokenizer, readPreTokenizer } from './pre-tokenizer.ts';
import { corrupt, unsupported } from './refusal.ts';

/** GPT-2's pattern; white space by Unicode's rules, as in the original, not by JavaScript's. */
const GPT2 =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

/** The library's object, which can be called; its types do not say so. */
type LibraryModel = ((parts: string[]) => string[]) & {
  readonly tokens_to_ids: Map<string, number>;
  readonly unk_token_id?: number;
};

export class BytePairs implements Model {
  readonly #library: LibraryModel;
  readonly #split: PreTokenizer;

  /**
   * @param fields The `model` of the file, its vocabulary in place.
   * @throws WhorlError `asset_corrupt`, `unsupported`.
   */
  constructor(fields: Fields, preTokenizer: Fields | null) {
    if (asFlag(fields.byte_fallback, 'byte_fallback', false)) {
      throw unsupported('a BPE model that falls back to bytes');
    }
    if (fields.continuing_subword_prefix) throw unsupported('a BPE model with a prefix');
    if (fields.dropout) throw unsupported('a BPE model with dropout');
    asFields(fields.vocab, 'vocab');
    if (!Array.isArray(fields.merges)) throw corrupt('its merges are no list');
    try {
      this.#library = new BPE(fields as never) as unknown as LibraryModel;
    } catch (error) {
      throw corrupt(error instanceof Error ? error.message : String(error), error);
    }
    this.#split = readSplit(preTokenizer);
  }

  get count(): number {
    return this.#library.tokens_to_ids.size;
  }

  idOf(piece: string): number | undefined {
    return this.#library.tokens_to_ids.get(piece);
  }

  encode(text: string, isWhole: boolean, ids: Ids): void {
    // What a pattern makes of the end of a part is not known, so a part has no certain ids.
    if (!isWhole) return;
    for (const part of this.#split(text)) {
      if (ids.full) return;
      for (const piece of this.#library([part])) {
        const id = this.idOf(piece) ?? this.#library.unk_token_id;
        if (id === undefined) throw corrupt(`it has no id for "${piece}" and no unknown token`);
        ids.add(id);
      }
    }
  }
}

function readSplit(fields: Fields | null): PreTokenizer {
  switch (fields?.type) {
    case 'ByteLevel':
      return byteLevel(fields);
    case 'Split':
      return splitByPattern(fields);
    case 'Sequence': {
      const parts = asList(fields.pretokenizers, 'pretokenizers').map(readSplit);
      return (text) => parts.reduce<string[]>((done, next) => done.flatMap(next), [text]);
    }
    default:
      return readPreTokenizer(fields);
  }
}

/** Bytes of UTF-8 as visible characters: those that are none are moved behind U+0100. */
function byteLevel(fields: Fields): PreTokenizer {
  const isPrefixed = asFlag(fields.add_prefix_space, 'add_prefix_space', true);
  const splits = asFlag(fields.use_regex, 'use_regex', true);
  const encoder = new TextEncoder();
  const visible: string[] = [];
  let moved = 0x100;
  for (let byte = 0; byte < 256; byte++) {
    const isVisible = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    visible.push(String.fromCharCode(isVisible ? byte : moved++));
  }
  return (text) => {
    const whole = isPrefixed && text !== '' && !text.startsWith(' ') ? ` ${text}` : text;
    const parts = splits ? (whole.match(GPT2) ?? []) : [whole];
    return parts.map((part) => Array.from(encoder.encode(part), (byte) => visible[byte]).join(''));
  };
}

function splitByPattern(fields: Fields): PreTokenizer {
  const behavior = asText(fields.behavior, 'behavior');
  if (behavior !== 'Isolated' || asFlag(fields.invert, 'invert', false)) {
    throw unsupported('a pre-tokenizer that splits otherwise than by setting matches apart');
  }
  try {
    const split = new SplitPreTokenizer(fields as never);
    return (text) => split.pre_tokenize(text);
  } catch (error) {
    throw corrupt(error instanceof Error ? error.message : String(error), error);
  }
}
