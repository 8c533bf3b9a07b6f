/**
 * Vectors of texts that were embedded before, so that the same text costs nothing again: the least lately
 * used go first when the room is full. No text is kept, its digest alone; but a vector tells much of its
 * text, so whoever erases text must say so here.
 */
import { textDigest } from './text-digest.ts';

/** Beside a vector: its digest and its place in the table, roughly. */
const ENTRY_BYTES = 128;
const ROWS_PER_PAGE = 256;

export class EmbeddingCache {
  readonly #maxBytes: number;
  /** Digest to row, the least lately used first. */
  readonly #rows = new Map<string, number>();
  /** Rows in pages, so that room is taken as it is needed. */
  #pages: Float32Array[] = [];
  /** Rows that were given back. */
  #free: number[] = [];
  #fingerprint: string | null = null;
  #dimension = 0;
  #epoch = 0;

  /** @param maxBytes Most bytes of vectors and digests; 0 keeps nothing. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Whether it can keep anything. */
  get enabled(): boolean {
    return this.#maxBytes > 0;
  }

  /** The vector space of what is kept; null where nothing is. */
  get fingerprint(): string | null {
    return this.#fingerprint;
  }

  get dimension(): number {
    return this.#dimension;
  }

  get entries(): number {
    return this.#rows.size;
  }

  /** Bytes in use; never more than it was made with. */
  get bytes(): number {
    return this.#rows.size * this.#entryBytes;
  }

  /** Changes whenever something is forgotten: what was embedded before that is not to be kept any more. */
  get epoch(): number {
    return this.#epoch;
  }

  get #entryBytes(): number {
    return this.#dimension * Float32Array.BYTES_PER_ELEMENT + ENTRY_BYTES;
  }

  /** The vector of a digest: a view that holds until the next change. Counts as a use. */
  read(digest: string): Float32Array | null {
    const row = this.#rows.get(digest);
    if (row === undefined) return null;
    this.#rows.delete(digest);
    this.#rows.set(digest, row);
    return this.#row(row);
  }

  /** Keeps a copy. A vector of another space than the last one empties the cache first. */
  write(digest: string, vector: Float32Array, fingerprint: string): void {
    if (fingerprint !== this.#fingerprint || vector.length !== this.#dimension) {
      this.clear();
      this.#fingerprint = fingerprint;
      this.#dimension = vector.length;
    }
    const row = this.#rows.get(digest) ?? this.#claim();
    if (row === null) return;
    this.#rows.delete(digest);
    this.#rows.set(digest, row);
    this.#row(row).set(vector);
  }

  /** Wipes what is kept for some texts: they were erased. */
  forget(texts: Iterable<string>): void {
    this.#epoch += 1;
    for (const text of texts) {
      const digest = textDigest(text);
      const row = this.#rows.get(digest);
      if (row === undefined) continue;
      this.#rows.delete(digest);
      this.#row(row).fill(0);
      this.#free.push(row);
    }
  }

  /** Forgets everything and gives the memory back. */
  clear(): void {
    this.#epoch += 1;
    this.#rows.clear();
    this.#pages = [];
    this.#free = [];
    this.#fingerprint = null;
    this.#dimension = 0;
  }

  /** A row for a newcomer: one that was given back, a new one, or that of the least lately used; null for no room at all. */
  #claim(): number | null {
    const freed = this.#free.pop();
    if (freed !== undefined) return freed;
    const next = this.#rows.size;
    if ((next + 1) * this.#entryBytes <= this.#maxBytes) {
      if (next % ROWS_PER_PAGE === 0) this.#pages.push(this.#newPage(next));
      return next;
    }
    const oldest = this.#rows.entries().next().value;
    if (oldest === undefined) return null;
    this.#rows.delete(oldest[0]);
    return oldest[1];
  }

  #newPage(from: number): Float32Array {
    const most = Math.floor(this.#maxBytes / this.#entryBytes) - from;
    return new Float32Array(Math.min(ROWS_PER_PAGE, most) * this.#dimension);
  }

  #row(row: number): Float32Array {
    const page = this.#pages[Math.floor(row / ROWS_PER_PAGE)];
    const from = (row % ROWS_PER_PAGE) * this.#dimension;
    return page?.subarray(from, from + this.#dimension) ?? new Float32Array(this.#dimension);
  }
}
