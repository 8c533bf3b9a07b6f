/** The tokens of a filter, read from left to right. */
import { filterError } from './filter-error.ts';
import { type Token, tokenize } from './lexer.ts';

export class Tokens {
  readonly #text: string;
  readonly #tokens: readonly Token[];
  #next = 0;

  constructor(text: string) {
    this.#text = text;
    this.#tokens = tokenize(text);
  }

  peek(ahead = 0): Token {
    const token = this.#tokens[this.#next + ahead] ?? this.#tokens.at(-1);
    if (token === undefined) throw filterError(this.#text, 0, 'the filter is empty');
    return token;
  }

  take(): Token {
    const token = this.peek();
    this.#next += 1;
    return token;
  }

  /** Keywords are all-lower or all-upper case. */
  isWord(word: string, ahead = 0): boolean {
    const token = this.peek(ahead);
    return token.kind === 'name' && (token.text === word || token.text === word.toUpperCase());
  }

  isMark(mark: string): boolean {
    const token = this.peek();
    return token.kind === 'mark' && token.text === mark;
  }

  expect(mark: string): void {
    if (!this.isMark(mark)) throw this.#missing(`'${mark}'`);
    this.#next += 1;
  }

  expectWord(word: string): void {
    if (!this.isWord(word)) throw this.#missing(`'${word}'`);
    this.#next += 1;
  }

  #missing(wanted: string): Error {
    const token = this.peek();
    return filterError(this.#text, token.at, `expecting ${wanted}, found ${describe(token)}`);
  }
}

export function isNot(token: Token): boolean {
  if (token.kind === 'mark') return token.text === '!';
  return token.kind === 'name' && (token.text === 'not' || token.text === 'NOT');
}

export function describe(token: Token): string {
  return token.kind === 'end' ? 'the end' : `'${token.text}'`;
}
