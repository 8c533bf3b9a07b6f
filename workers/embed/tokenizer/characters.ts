/** How a pre-tokeniser of words takes each character. */
import { unsupported } from './refusal.ts';

/** Between words. */
export const SPACE = 1;
/** A word by itself. */
export const ALONE = 2;
/** Part of a word, which ends where the kind changes. */
export const WORD = 3;
/** Part of a word of the other kind. */
export const OTHER = 4;

const WHITE_SPACE = /^\p{White_Space}$/u;
/** As the original: the ASCII signs that Unicode counts as symbols are punctuation, too. */
const PUNCTUATION = /^[\p{P}!-/:-@[-`{-~]$/u;
const WORD_CHARACTER = /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]$/u;

type Kind = (character: string) => number;

const PRE_TOKENIZERS: Readonly<Record<string, Kind>> = {
  BertPreTokenizer: (character) => {
    if (WHITE_SPACE.test(character)) return SPACE;
    return PUNCTUATION.test(character) ? ALONE : WORD;
  },
  Whitespace: (character) => {
    if (WHITE_SPACE.test(character)) return SPACE;
    return WORD_CHARACTER.test(character) ? WORD : OTHER;
  },
  WhitespaceSplit: (character) => (WHITE_SPACE.test(character) ? SPACE : WORD),
};

/** The kinds of all characters, asked once for each of the basic plane. */
export class Characters {
  readonly #kind: Kind;
  readonly #known = new Uint8Array(0x10000);

  /** @throws WhorlError `unsupported` for another pre-tokeniser. */
  constructor(preTokenizer: string) {
    const kind = Object.hasOwn(PRE_TOKENIZERS, preTokenizer) && PRE_TOKENIZERS[preTokenizer];
    if (!kind) throw unsupported(`the pre-tokenizer ${preTokenizer} with WordPiece`);
    this.#kind = kind;
  }

  kindOf(codePoint: number): number {
    const known = this.#known[codePoint];
    if (known) return known;
    const kind = this.#kind(String.fromCodePoint(codePoint));
    if (codePoint < this.#known.length) this.#known[codePoint] = kind;
    return kind;
  }
}
