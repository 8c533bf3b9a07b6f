/**
 * WordPiece (`tokenizers/src/models/wordpiece`): of each word the longest piece that it begins with,
 * then of the rest, and so on; a word that cannot be put together so, or that is too long, is unknown.
 * Words are found, folded into UTF-8 and hashed in one pass, without a string for any of them.
 */
import { ALONE, type Characters, SPACE } from './characters.ts';
import { asCount, asText, type Fields } from './file.ts';
import type { Ids } from './ids.ts';
import type { Model } from './model.ts';
import { corrupt, unsupported } from './refusal.ts';
import { HASH_PRIME, HASH_SEED, type Vocabulary } from './vocabulary.ts';

/**
 * Longest word that may be asked for, in characters; the usual value is 100. The time for a word grows
 * with its square.
 */
const MOST_CHARACTERS = 1_024;

export class WordPiece implements Model {
  readonly #characters: Characters;
  readonly #vocabulary: Vocabulary;
  readonly #unknown: number;
  readonly #mostCharacters: number;
  /** What continuing pieces begin with, and the hash of it. */
  readonly #prefix: Uint8Array;
  readonly #prefixHash: number;
  /** The word in hand, behind room for the prefix. */
  readonly #bytes: Uint8Array;
  #end = 0;
  #count = 0;
  /** Hashes of the beginnings of what is left of the word. */
  readonly #hashes: Int32Array;
  #found = 0;

  /** @throws WhorlError `asset_corrupt`, `unsupported`. */
  constructor(fields: Fields, vocabulary: Vocabulary, characters: Characters) {
    const unknown = asText(fields.unk_token ?? '[UNK]', 'unk_token');
    const id = vocabulary.idOf(unknown);
    if (id === undefined) throw corrupt(`its unknown token ${unknown} is not in the vocabulary`);
    this.#unknown = id;
    this.#characters = characters;
    this.#vocabulary = vocabulary;
    this.#mostCharacters = asCount(fields.max_input_chars_per_word ?? 100, 'the longest word');
    if (this.#mostCharacters > MOST_CHARACTERS) {
      throw unsupported(`words of ${this.#mostCharacters} characters`);
    }
    const prefix = asText(fields.continuing_subword_prefix ?? '##', 'continuing_subword_prefix');
    this.#prefix = new TextEncoder().encode(prefix);
    let hash = HASH_SEED;
    for (const byte of this.#prefix) hash = Math.imul(hash ^ byte, HASH_PRIME);
    this.#prefixHash = hash;
    this.#bytes = new Uint8Array(this.#prefix.length + this.#mostCharacters * 4);
    this.#hashes = new Int32Array(this.#bytes.length);
    this.#clear();
  }

  encode(text: string, isWhole: boolean, ids: Ids): void {
    this.#clear();
    let open = SPACE;
    for (let i = 0; i < text.length; ) {
      const point = text.codePointAt(i) as number;
      i += point > 0xffff ? 2 : 1;
      const kind = this.#characters.kindOf(point);
      if (kind !== open || kind === ALONE) {
        if (open !== SPACE) this.#close(ids);
        if (ids.full) return;
        open = kind;
      }
      if (kind !== SPACE) this.#put(point);
    }
    if (open !== SPACE && isWhole) this.#close(ids);
  }

  #clear(): void {
    this.#end = this.#prefix.length;
    this.#count = 0;
  }

  /** Adds a character to the word in hand, in UTF-8. */
  #put(point: number): void {
    if (++this.#count > this.#mostCharacters) return;
    const bytes = this.#bytes;
    if (point < 0x80) {
      bytes[this.#end++] = point;
      return;
    }
    if (point < 0x800) bytes[this.#end++] = 0xc0 | (point >> 6);
    else {
      if (point < 0x10000) bytes[this.#end++] = 0xe0 | (point >> 12);
      else {
        bytes[this.#end++] = 0xf0 | (point >> 18);
        bytes[this.#end++] = 0x80 | ((point >> 12) & 0x3f);
      }
      bytes[this.#end++] = 0x80 | ((point >> 6) & 0x3f);
    }
    bytes[this.#end++] = 0x80 | (point & 0x3f);
  }

  /** Adds the ids of the word in hand. */
  #close(ids: Ids): void {
    const before = ids.length;
    let isKnown = this.#count <= this.#mostCharacters;
    for (let start = this.#prefix.length; isKnown && start < this.#end; ) {
      const end = this.#longest(start);
      isKnown = end > start;
      if (isKnown) ids.add(this.#found);
      start = end;
    }
    if (!isKnown) {
      ids.shorten(before);
      ids.add(this.#unknown);
    }
    this.#clear();
  }

  /** End of the longest piece from a place in the word, its id in `#found`; the place itself for none. */
  #longest(start: number): number {
    const bytes = this.#bytes;
    const room = this.#prefix.length;
    const isFirst = start === room;
    // What stood before the place has been used: a continuing piece gets its prefix there.
    if (!isFirst) bytes.set(this.#prefix, start - room);
    const from = isFirst ? start : start - room;
    const last = Math.min(this.#end, from + this.#vocabulary.longest);
    let hash = isFirst ? HASH_SEED : this.#prefixHash;
    for (let i = start; i < last; i++) {
      hash = Math.imul(hash ^ (bytes[i] as number), HASH_PRIME);
      this.#hashes[i] = hash;
    }
    for (let end = last; end > start; end--) {
      this.#found = this.#vocabulary.find(this.#hashes[end - 1] as number, bytes, from, end);
      if (this.#found >= 0) return end;
    }
    return start;
  }
}
