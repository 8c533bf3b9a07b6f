/** The fields of a tokenizer.json, with the vocabulary taken out of the text before it is parsed. */
import { corrupt } from './refusal.ts';
import { findVocabulary, type Vocabulary } from './vocabulary.ts';

/** A JSON object of a tokenizer.json; fields are checked where they are read. */
export type Fields = Readonly<Record<string, unknown>>;

export interface TokenizerFile {
  readonly model: Fields;
  readonly normalizer: Fields | null;
  readonly preTokenizer: Fields | null;
  readonly postProcessor: Fields | null;
  readonly addedTokens: readonly Fields[];
  /** Null where `model.vocab` is nothing that WordPiece or Unigram could have. */
  readonly vocabulary: Vocabulary | null;
}

/** Levels of objects and lists in a part of the file; published ones have 8 at most. */
const MOST_LEVELS = 24;

/** Stands in the parsed text for the vocabulary that was taken out. */
const TAKEN_OUT = '\u0000vocabulary';

/**
 * Reads a tokenizer.json.
 *
 * @throws WhorlError `asset_corrupt` when it is not one, `out_of_memory`.
 */
export function readTokenizerFile(file: Uint8Array): TokenizerFile {
  const quick = readAround(file);
  if (quick) return quick;
  // The first member of that name was another one, or what it holds is of no use here.
  const whole = parse(file);
  const vocab = asFields(whole.model, 'model').vocab;
  const text = new TextEncoder().encode(`{"vocab":${JSON.stringify(vocab ?? null)}}`);
  return fieldsOf(whole, findVocabulary(text)?.vocabulary ?? null);
}

function readAround(file: Uint8Array): TokenizerFile | null {
  const found = findVocabulary(file);
  if (!found) return null;
  const whole = parse(file.subarray(0, found.start), TAKEN_OUT, file.subarray(found.end));
  const { vocab } = asFields(whole.model, 'model');
  return vocab === TAKEN_OUT ? fieldsOf(whole, found.vocabulary) : null;
}

/** The JSON of a text, or of two texts with a value between them. */
function parse(head: Uint8Array, between?: string, tail?: Uint8Array): Fields {
  try {
    const decode = (bytes: Uint8Array): string =>
      new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    const middle = between === undefined ? '' : JSON.stringify(between);
    return asFields(JSON.parse(decode(head) + middle + (tail ? decode(tail) : '')), 'the file');
  } catch (error) {
    throw corrupt(error instanceof Error ? error.message : String(error), error);
  }
}

function fieldsOf(whole: Fields, vocabulary: Vocabulary | null): TokenizerFile {
  return {
    model: asFields(whole.model, 'model'),
    normalizer: optional(whole.normalizer, 'normalizer'),
    preTokenizer: optional(whole.pre_tokenizer, 'pre_tokenizer'),
    postProcessor: optional(whole.post_processor, 'post_processor'),
    addedTokens: asList(whole.added_tokens ?? [], 'added_tokens'),
    vocabulary,
  };
}

/** @throws WhorlError `asset_corrupt` when it is no JSON object. */
export function asFields(value: unknown, name: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw corrupt(`${name} is no object`);
}

/** A list of objects. */
export function asList(value: unknown, name: string): readonly Fields[] {
  if (!Array.isArray(value)) throw corrupt(`${name} is no list`);
  return value.map((entry) => asFields(entry, `an entry of ${name}`));
}

export function asText(value: unknown, name: string): string {
  if (typeof value === 'string' && value.isWellFormed()) return value;
  throw corrupt(`${name} is no text`);
}

/** A whole number from 0 to 2^31 - 1. */
export function asCount(value: unknown, name: string): number {
  if (typeof value === 'number' && value >= 0 && value === (value | 0)) return value;
  throw corrupt(`${name} is no whole number`);
}

/** A truth value; `otherwise` where the field is absent or null. */
export function asFlag(value: unknown, name: string, otherwise: boolean): boolean {
  if (value === undefined || value === null) return otherwise;
  if (typeof value === 'boolean') return value;
  throw corrupt(`${name} is neither true nor false`);
}

function optional(value: unknown, name: string): Fields | null {
  if (value === undefined || value === null) return null;
  if (!isWithin(value, MOST_LEVELS)) throw corrupt(`${name} has more than ${MOST_LEVELS} levels`);
  return asFields(value, name);
}

/** Whether a value has no more levels than that, so that reading and running it needs little stack. */
function isWithin(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return levels > 0 && Object.values(value).every((inner) => isWithin(inner, levels - 1));
}
