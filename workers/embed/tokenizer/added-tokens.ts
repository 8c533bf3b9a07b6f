/**
 * Added tokens: texts that are tokens as they stand, found before anything else is done
 * (`tokenizers/src/tokenizer/added_vocabulary.rs`). Where several match, the leftmost does, then the
 * longest.
 */
import { asCount, asFlag, asText, type Fields } from './file.ts';
import { corrupt, unsupported } from './refusal.ts';

export interface AddedToken {
  readonly content: string;
  readonly id: number;
  /** Only where no word character touches it. */
  readonly singleWord: boolean;
  /** Takes the white space before, or behind it, away. */
  readonly stripsLeft: boolean;
  readonly stripsRight: boolean;
  /** Looked for in the normalised text instead of the text as it came. */
  readonly normalized: boolean;
}

/** A part of a text: an added token, or what stands between two of them. */
export interface Section {
  readonly start: number;
  readonly end: number;
  /** Id of the added token, or -1. */
  readonly id: number;
}

/** Added tokens a file may have; published ones have up to 6,000. Each is looked for at every place. */
const MOST_TOKENS = 16_384;

// What the original's regular expressions call a word character and white space.
const WORD_AT_END = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]$/u;
const WORD_AT_START = /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/u;
const SPACE = /^\p{White_Space}$/u;

/** What added tokens are numbered by. */
export interface PieceIds {
  /** Id of a piece of the vocabulary, or undefined. */
  idOf(piece: string): number | undefined;
  /** Pieces of the vocabulary. */
  readonly count: number;
}

/**
 * A token that is a piece of the vocabulary has its id, whatever the entry states. The original numbers
 * the others on from the count of pieces and ignores what is stated, too; where that is not the same, no
 * one can tell which of the two the model was trained with.
 *
 * @throws WhorlError `asset_corrupt`, `unsupported`.
 */
export function readAddedTokens(entries: readonly Fields[], pieces: PieceIds): AddedToken[] {
  if (entries.length > MOST_TOKENS) throw unsupported(`${entries.length} added tokens`);
  const tokens = new Map<string, AddedToken>();
  let next = pieces.count;
  for (const entry of entries) {
    const content = asText(entry.content, 'the content of an added token');
    if (content === '') throw corrupt('an added token is empty');
    const known = pieces.idOf(content) ?? tokens.get(content)?.id;
    if (known === undefined && asCount(entry.id, `the id of ${content}`) !== next++) {
      throw corrupt(`its added token ${content} does not have the id behind those before it`);
    }
    const special = asFlag(entry.special, 'special', false);
    tokens.set(content, {
      content,
      id: known ?? next - 1,
      singleWord: asFlag(entry.single_word, 'single_word', false),
      stripsLeft: asFlag(entry.lstrip, 'lstrip', false),
      stripsRight: asFlag(entry.rstrip, 'rstrip', false),
      normalized: asFlag(entry.normalized, 'normalized', !special),
    });
  }
  return [...tokens.values()];
}

/** Finds a set of added tokens in texts. */
export class AddedTokenFinder {
  /** Code units of the longest content. */
  readonly longest: number;
  readonly #byContent: ReadonlyMap<string, AddedToken>;
  readonly #pattern: RegExp | null;

  /** @param spelled The tokens by what is looked for. */
  constructor(spelled: ReadonlyMap<string, AddedToken>) {
    const contents = [...spelled.keys()].filter((content) => content !== '');
    // The first alternative that matches wins, so the longest come first.
    contents.sort((a, b) => b.length - a.length);
    this.longest = contents[0]?.length ?? 0;
    this.#byContent = spelled;
    const alternatives = contents.map((content) => content.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'));
    this.#pattern = contents.length === 0 ? null : new RegExp(alternatives.join('|'), 'g');
  }

  /** The sections of a text, in order and without gaps but for white space that a token takes away. */
  *sections(text: string): Generator<Section> {
    let done = 0;
    for (const match of this.#pattern ? text.matchAll(this.#pattern) : []) {
      const token = this.#byContent.get(match[0]) as AddedToken;
      let start = match.index;
      let end = start + match[0].length;
      if (token.singleWord && touchesWord(text, start, end)) continue;
      if (token.stripsLeft) while (start > done && isSpace(text, start - 1)) start--;
      if (token.stripsRight) while (end < text.length && isSpace(text, end)) end++;
      if (done < start) yield { start: done, end: start, id: -1 };
      yield { start, end, id: token.id };
      done = end;
    }
    if (done < text.length) yield { start: done, end: text.length, id: -1 };
  }
}

function isSpace(text: string, at: number): boolean {
  return SPACE.test(text.charAt(at));
}

/** Whether a word character stands right before or behind; two units hold any character. */
function touchesWord(text: string, start: number, end: number): boolean {
  return (
    WORD_AT_END.test(text.slice(Math.max(0, start - 2), start)) ||
    WORD_AT_START.test(text.slice(end, end + 2))
  );
}
