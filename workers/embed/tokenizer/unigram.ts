/**
 * Unigram, the model of SentencePiece: of all ways to put a text together from pieces, the one with
 * the highest sum of scores (`tokenizers/src/models/unigram/model.rs`, `encode_optimized`). A
 * character that is no piece is unknown, and unknown ones side by side are one token.
 */
import { asCount, asFlag, type Fields } from './file.ts';
import type { Ids } from './ids.ts';
import type { Model } from './model.ts';
import type { PreTokenizer } from './pre-tokenizer.ts';
import { corrupt, unsupported } from './refusal.ts';
import { HASH_PRIME, HASH_SEED, type Vocabulary } from './vocabulary.ts';

/**
 * Bytes of the longest piece; SentencePiece makes none of more than 16 characters unless told to. All
 * pieces from a place are tried up to this length.
 */
const LONGEST_PIECE = 512;

/** How much worse than the worst piece an unknown character is. */
const UNKNOWN_PENALTY = 10;

export class Unigram implements Model {
  readonly #split: PreTokenizer;
  readonly #vocabulary: Vocabulary;
  readonly #unknown: number;
  readonly #unknownScore: number;
  readonly #encoder = new TextEncoder();
  // One entry a byte of the text in hand: the best way that ends before it.
  #bytes = new Uint8Array(0);
  #scores = new Float64Array(0);
  #starts = new Int32Array(0);
  #ids = new Int32Array(0);

  /** @throws WhorlError `asset_corrupt`, `unsupported`. */
  constructor(fields: Fields, vocabulary: Vocabulary, split: PreTokenizer) {
    if (asFlag(fields.byte_fallback, 'byte_fallback', false)) {
      throw unsupported('a Unigram model that falls back to bytes');
    }
    if (vocabulary.longest > LONGEST_PIECE) {
      throw unsupported(`a piece of ${vocabulary.longest} bytes`);
    }
    this.#unknown = asCount(fields.unk_id, 'unk_id');
    const { scores } = vocabulary;
    if (this.#unknown >= scores.length) throw corrupt('its unk_id is not in the vocabulary');
    this.#unknownScore = scores.reduce((least, score) => Math.min(least, score)) - UNKNOWN_PENALTY;
    this.#split = split;
    this.#vocabulary = vocabulary;
  }

  encode(text: string, isWhole: boolean, ids: Ids): void {
    const pieces = this.#split(text);
    for (const [i, piece] of pieces.entries()) {
      if (ids.full) return;
      const end = this.#search(piece);
      const settled = isWhole || i < pieces.length - 1 ? end : this.#settled(end);
      this.#collect(settled, ids);
    }
  }

  /** Finds the best way to every place of a text; returns its length in bytes. */
  #search(text: string): number {
    this.#reserve(text.length * 3 + 1);
    const end = this.#encoder.encodeInto(text, this.#bytes).written;
    this.#starts.fill(-1, 0, end + 1);
    this.#scores[0] = 0;
    for (let start = 0; start < end; start = this.#next(start, end)) this.#extend(start, end);
    return end;
  }

  /** Tries all pieces from a place. */
  #extend(start: number, end: number): void {
    const bytes = this.#bytes;
    const single = this.#next(start, end);
    const last = Math.min(end, start + this.#vocabulary.longest);
    let hash = HASH_SEED;
    let isSingleKnown = false;
    for (let i = start; i < last; ) {
      hash = Math.imul(hash ^ (bytes[i++] as number), HASH_PRIME);
      if (i < end && isInside(bytes[i] as number)) continue;
      const id = this.#vocabulary.find(hash, bytes, start, i);
      if (id < 0) continue;
      if (i === single) isSingleKnown = true;
      this.#offer(start, i, id, this.#vocabulary.scores[id] as number);
    }
    if (!isSingleKnown) this.#offer(start, single, this.#unknown, this.#unknownScore);
  }

  /** Keeps a piece where it makes the best way to its end; of equal ones the first offered stays. */
  #offer(start: number, end: number, id: number, score: number): void {
    const sum = score + (this.#scores[start] as number);
    if (this.#starts[end] !== -1 && sum <= (this.#scores[end] as number)) return;
    this.#scores[end] = sum;
    this.#starts[end] = start;
    this.#ids[end] = id;
  }

  /** Where the next character begins. */
  #next(at: number, end: number): number {
    let next = at + 1;
    while (next < end && isInside(this.#bytes[next] as number)) next++;
    return next;
  }

  /**
   * The last place that the best way goes through whatever follows the text. Such a way leaves the
   * text at its end, or by a piece that begins at most a piece's length before: the place is where the
   * best ways to all these come together.
   */
  #settled(end: number): number {
    const isOnWay = new Uint8Array(end + 1);
    for (let at = end; at > 0; at = this.#starts[at] as number) isOnWay[at] = 1;
    isOnWay[0] = 1;
    let settled = end;
    for (let leave = end - 1; leave >= 0 && leave > end - this.#vocabulary.longest; leave--) {
      if (isInside(this.#bytes[leave] as number)) continue;
      let at = leave;
      while (isOnWay[at] === 0) at = this.#starts[at] as number;
      settled = Math.min(settled, at);
    }
    return settled;
  }

  /** Adds the ids of the best way to a place. */
  #collect(end: number, ids: Ids): void {
    const way: number[] = [];
    for (let at = end; at > 0; at = this.#starts[at] as number) way.push(at);
    for (let i = way.length - 1; i >= 0 && !ids.full; i--) {
      const from = this.#starts[way[i] as number] as number;
      if (this.#ids[way[i] as number] !== this.#unknown) {
        ids.add(this.#ids[way[i] as number] as number);
        continue;
      }
      while (i > 0 && this.#ids[way[i - 1] as number] === this.#unknown) i--;
      ids.add(this.#fused(from, way[i] as number));
    }
  }

  /** Id of unknown characters side by side: the vocabulary is asked once more for all of them. */
  #fused(start: number, end: number): number {
    let hash = HASH_SEED;
    for (let i = start; i < end; i++)
      hash = Math.imul(hash ^ (this.#bytes[i] as number), HASH_PRIME);
    const id = this.#vocabulary.find(hash, this.#bytes, start, end);
    return id < 0 ? this.#unknown : id;
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#bytes.length) return;
    const room = Math.max(bytes, 1024, this.#bytes.length * 2);
    this.#bytes = new Uint8Array(room);
    this.#scores = new Float64Array(room);
    this.#starts = new Int32Array(room);
    this.#ids = new Int32Array(room);
  }
}

/** Whether a byte of UTF-8 is not the first one of its character. */
function isInside(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}
