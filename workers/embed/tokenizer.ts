/** Text to token ids, exactly as the model was trained with. */
import { Tokenizer as Library } from '@huggingface/tokenizers';
import { WhorlError } from '../../src/shared/errors.ts';
import { type BertNormalizerOptions, bertNormalizer } from './bert-normalizer.ts';

/** Turns texts into token ids, special tokens included. */
export interface Tokenizer {
  /** Longest sequence, special tokens included; what is longer is cut before the last special token. */
  readonly maxTokens: number;
  /** The ids of one text, at least `[CLS] [SEP]`. */
  encode(text: string): Int32Array;
}

/** Characters of a first look at a long text: enough for 256 tokens of nearly any prose. */
const PREFIX = 8_192;

/**
 * A tokenizer from the bytes of a tokenizer.json. Its own `truncation` and `padding` are not used:
 * the published file says 128 where the model takes `maxTokens`.
 *
 * @throws WhorlError `asset_corrupt` when the file is not a tokenizer.
 */
export function createTokenizer(file: Uint8Array, maxTokens: number): Tokenizer {
  const library = readLibrary(file);
  const closing = library.encode('').ids.at(-1);
  if (closing === undefined) throw corrupt('it adds no special tokens');
  const whole = (text: string): number[] => library.encode(text).ids;
  return {
    maxTokens,
    encode(text) {
      const ids = encodePrefix(text, maxTokens, whole);
      if (ids.length <= maxTokens) return Int32Array.from(ids);
      const cut = Int32Array.from(ids.slice(0, maxTokens));
      cut[maxTokens - 1] = closing;
      return cut;
    },
  };
}

/**
 * Reads only as much of a long text as its first tokens need. Words never reach over white space, so
 * the tokens up to a white space are those of the whole text.
 */
function encodePrefix(
  text: string,
  maxTokens: number,
  whole: (text: string) => number[],
): readonly number[] {
  for (let length = PREFIX; length < text.length; length *= 4) {
    const end = lastSpace(text, length);
    if (end <= 0) continue;
    const ids = whole(text.slice(0, end));
    if (ids.length > maxTokens) return ids;
  }
  return whole(text);
}

function lastSpace(text: string, before: number): number {
  return Math.max(text.lastIndexOf(' ', before), text.lastIndexOf('\n', before));
}

function readLibrary(file: Uint8Array): Library {
  try {
    const json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(file));
    const library = new Library(json, {});
    if (json.normalizer?.type === 'BertNormalizer') {
      const exact = bertNormalizer(json.normalizer as BertNormalizerOptions);
      library.normalizer = exact as unknown as Library['normalizer'];
    }
    return library;
  } catch (error) {
    throw corrupt(error instanceof Error ? error.message : String(error), error);
  }
}

function corrupt(why: string, cause?: unknown): WhorlError {
  return new WhorlError(
    'asset_corrupt',
    `tokenizer.json is not a tokenizer that Whorl can run: ${why}. Pack the model again.`,
    { cause },
  );
}
