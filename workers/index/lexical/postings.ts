import { type Growable, grown } from './growable.ts';

/** Entries of the slices that a term's postings grow through; the last size repeats. */
const LARGEST_SLICE = 4096;
const MANY = 255;
const NO_SLICE = 0xffffffff;

/**
 * For each term the documents that contain it and how often, in 5 bytes a posting: all terms share
 * one pool, in which the postings of a term are a chain of slices of 1, 2, 4 .. 4,096 entries. Most
 * terms occur once, and a typed array of its own for each would cost thirty times its content.
 *
 * A slice has one cell more than entries: the position of the next slice. A count of 255 or more
 * does not fit the byte and stands in `#many` by position.
 */
export class Postings {
  #documents: Growable<Uint32Array> = new Uint32Array(1024);
  #counts: Growable<Uint8Array> = new Uint8Array(1024);
  readonly #many = new Map<number, number>();
  #used = 0;

  #head: Growable<Uint32Array> = new Uint32Array(256);
  /** Where the next posting of the term goes. */
  #tail: Growable<Uint32Array> = new Uint32Array(256);
  #length: Growable<Uint32Array> = new Uint32Array(256);
  #terms = 0;

  /** Number of terms; they are numbered from 0. */
  get terms(): number {
    return this.#terms;
  }

  /** The number of a new term without postings. */
  addTerm(): number {
    const term = this.#terms++;
    this.#head = grown(this.#head, this.#terms);
    this.#tail = grown(this.#tail, this.#terms);
    this.#length = grown(this.#length, this.#terms);
    const first = this.#takeSlice(1);
    this.#head[term] = first;
    this.#tail[term] = first;
    return term;
  }

  /** `document` must be larger than any that the term has. */
  add(term: number, document: number, count: number): void {
    const length = this.#length[term] ?? 0;
    let at = this.#tail[term] ?? 0;
    const size = sliceThatEndsAt(length);
    if (size > 0) {
      const next = this.#takeSlice(Math.min(size * 2, LARGEST_SLICE));
      this.#documents[at] = next;
      at = next;
    }
    this.#documents[at] = document;
    this.#counts[at] = Math.min(count, MANY);
    if (count >= MANY) this.#many.set(at, count);
    this.#tail[term] = at + 1;
    this.#length[term] = length + 1;
  }

  /** The postings of a term, by ascending document. */
  visit(term: number, visitor: (document: number, count: number) => void): void {
    let left = this.#length[term] ?? 0;
    let at = this.#head[term] ?? 0;
    for (let size = 1; left > 0; size = Math.min(size * 2, LARGEST_SLICE)) {
      const end = at + Math.min(size, left);
      for (let i = at; i < end; i++) visitor(this.#documents[i] ?? 0, this.#countAt(i));
      left -= end - at;
      at = this.#documents[end] ?? 0;
    }
  }

  #countAt(position: number): number {
    const count = this.#counts[position] ?? 0;
    return count < MANY ? count : (this.#many.get(position) ?? MANY);
  }

  #takeSlice(entries: number): number {
    const at = this.#used;
    this.#used += entries + 1;
    this.#documents = grown(this.#documents, this.#used);
    this.#counts = grown(this.#counts, this.#used);
    this.#documents[at + entries] = NO_SLICE;
    return at;
  }
}

/** The size of the slice that is full after `length` postings, or 0 when there is room left. */
function sliceThatEndsAt(length: number): number {
  // Slices of 1, 2, 4 .. 4,096 end after 1, 3, 7 .. 8,191 postings, then every 4,096.
  if (length >= 2 * LARGEST_SLICE - 1) {
    return (length - (2 * LARGEST_SLICE - 1)) % LARGEST_SLICE === 0 ? LARGEST_SLICE : 0;
  }
  return length > 0 && (length & (length + 1)) === 0 ? (length + 1) / 2 : 0;
}
