import { WhorlError } from '../../../src/shared/errors.ts';
import { analyze } from './analyze.ts';
import { Best } from './best.ts';
import { type Growable, grown } from './growable.ts';
import { Postings } from './postings.ts';

export interface LexicalOptions {
  /** How soon further occurrences of a term stop to count, 0 or more. Default .9. */
  readonly k1?: number;
  /** How much long texts are discounted, 0..1. Default .4. */
  readonly b?: number;
}

export interface LexicalResult {
  /** Best first; lower row first among equal scores. */
  readonly rows: Uint32Array;
  /** BM25, above 0. */
  readonly scores: Float32Array;
}

/** Below this many removed texts a compaction is not worth its pause. */
const FEW_REMOVED = 1024;
/** V8 keeps the whole text alive for a slice of it from this length on. */
const LONGEST_COPIED_SLICE = 12;
const GONE = 0xffffffff;

/**
 * BM25 over texts that come and go, exact at all times: the score of a search is what a fresh index
 * of the present texts would give.
 *
 *     idf(t) = ln(1 + (N - df + .5) / (df + .5))
 *     score  = sum of idf(t) * tf * (k1 + 1) / (tf + k1 * (1 - b + b * length / average length))
 *
 * over the terms of the query, a term that the query repeats counting as often (Robertson and
 * Zaragoza 2009; the idf that cannot turn negative is Lucene's).
 *
 * Every added text gets a document number of its own, ascending, so postings stay sorted and a
 * removal is one mark. Document frequencies are counted during the search, which walks the postings
 * anyway. When more than half of the documents are marked, the postings are copied without them:
 * constant work for each removal on average.
 */
export class LexicalIndex {
  readonly #k1: number;
  readonly #b: number;
  #terms = new Map<string, number>();
  #postings = new Postings();
  /** By document: its row, or GONE. */
  #rows: Growable<Uint32Array> = new Uint32Array(256);
  /** By document: its terms, repeated ones included. */
  #lengths: Growable<Uint32Array> = new Uint32Array(256);
  #documents = 0;
  readonly #documentOf = new Map<number, number>();
  #totalLength = 0;
  /** By document: zero between searches. */
  #scores: Growable<Float64Array> = new Float64Array(256);

  constructor(options: LexicalOptions = {}) {
    this.#k1 = options.k1 ?? 0.9;
    this.#b = options.b ?? 0.4;
    checkOptions(options, this.#k1, this.#b);
  }

  /** Texts in the index. */
  get size(): number {
    return this.#documentOf.size;
  }

  /** Adds the text of a row (0..2^32 - 2); a text that the row already has is replaced. */
  add(row: number, text: string): void {
    if (!Number.isInteger(row) || row < 0 || row >= GONE) {
      throw new WhorlError('invalid_option', `A row is a number from 0 to 4294967294, not ${row}.`);
    }
    const counts = countTerms(analyze(text, 'text'));
    this.remove(row);
    const document = this.#documents++;
    this.#rows = grown(this.#rows, this.#documents);
    this.#lengths = grown(this.#lengths, this.#documents);
    let length = 0;
    for (const [term, count] of counts) {
      this.#postings.add(this.#numberOf(term), document, count);
      length += count;
    }
    this.#rows[document] = row;
    this.#lengths[document] = length;
    this.#totalLength += length;
    this.#documentOf.set(row, document);
  }

  /** Takes a row's text out; a row without a text is left as it is. */
  remove(row: number): void {
    const document = this.#documentOf.get(row);
    if (document === undefined) return;
    this.#documentOf.delete(row);
    this.#rows[document] = GONE;
    this.#totalLength -= this.#lengths[document] ?? 0;
    const removed = this.#documents - this.size;
    if (removed > FEW_REMOVED && removed > this.size) this.#compact();
  }

  /**
   * The best `limit` rows that share a term with the query.
   * @param allowed Rows for which it is false are left out; scores do not depend on it.
   */
  search(query: string, limit: number, allowed?: (row: number) => boolean): LexicalResult {
    if (!Number.isInteger(limit) || limit < 0) {
      throw new WhorlError('invalid_option', `A limit is a number from 0, not ${limit}.`);
    }
    const best = new Best(limit);
    const touched = this.#accumulate(query);
    for (const document of touched) {
      const row = this.#rows[document] ?? GONE;
      // Rounded as it is returned, so that what looks equal is ordered by row.
      const score = Math.fround(this.#scores[document] ?? 0);
      if (score > 0 && (allowed === undefined || allowed(row))) best.offer(row, score);
    }
    this.#forget(touched);
    return best.result();
  }

  /** BM25 of each of the rows; 0 where no term matches or the row has no text. */
  score(query: string, rows: Uint32Array): Float32Array {
    const touched = this.#accumulate(query);
    const scores = Float32Array.from(rows, (row) => {
      const document = this.#documentOf.get(row);
      return document === undefined ? 0 : (this.#scores[document] ?? 0);
    });
    this.#forget(touched);
    return scores;
  }

  /** Adds the scores of the query up in `#scores` and returns the documents that have one. */
  #accumulate(query: string): number[] {
    this.#scores = grown(this.#scores, this.#documents);
    const touched: number[] = [];
    for (const [term, repeats] of countTerms(analyze(query, 'query'))) {
      const number = this.#terms.get(term);
      if (number !== undefined) this.#addTermScores(number, repeats, touched);
    }
    return touched;
  }

  #addTermScores(term: number, repeats: number, touched: number[]): void {
    let frequency = 0;
    this.#postings.visit(term, (document) => {
      if (this.#rows[document] !== GONE) frequency++;
    });
    if (frequency === 0) return;
    const idf = Math.log(1 + (this.size - frequency + 0.5) / (frequency + 0.5));
    const weight = repeats * idf * (this.#k1 + 1);
    const flat = this.#k1 * (1 - this.#b);
    const sloped = (this.#k1 * this.#b * this.size) / this.#totalLength;
    const scores = this.#scores;
    this.#postings.visit(term, (document, count) => {
      if (this.#rows[document] === GONE) return;
      const before = scores[document] ?? 0;
      if (before === 0) touched.push(document);
      const length = this.#lengths[document] ?? 0;
      scores[document] = before + (weight * count) / (count + flat + sloped * length);
    });
  }

  #forget(touched: readonly number[]): void {
    for (const document of touched) this.#scores[document] = 0;
  }

  #numberOf(term: string): number {
    const known = this.#terms.get(term);
    if (known !== undefined) return known;
    const number = this.#postings.addTerm();
    this.#terms.set(detached(term), number);
    return number;
  }

  /** Copies everything but what was removed; document numbers keep their order. */
  #compact(): void {
    const moved = new Uint32Array(this.#documents).fill(GONE);
    let next = 0;
    for (let document = 0; document < this.#documents; document++) {
      const row = this.#rows[document] ?? GONE;
      if (row === GONE) continue;
      moved[document] = next;
      this.#rows[next] = row;
      this.#lengths[next] = this.#lengths[document] ?? 0;
      this.#documentOf.set(row, next++);
    }
    this.#documents = next;
    this.#copyPostings(moved);
  }

  #copyPostings(moved: Uint32Array): void {
    const old = { terms: this.#terms, postings: this.#postings };
    this.#terms = new Map();
    this.#postings = new Postings();
    for (const [term, number] of old.terms) {
      let copied = -1;
      old.postings.visit(number, (document, count) => {
        const target = moved[document] ?? GONE;
        if (target === GONE) return;
        if (copied < 0) copied = this.#numberOf(term);
        this.#postings.add(copied, target, count);
      });
    }
  }
}

function countTerms(terms: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const term of terms) counts.set(term, (counts.get(term) ?? 0) + 1);
  return counts;
}

/** The string in memory of its own: a slice of a text of a megabyte would keep that text. */
function detached(term: string): string {
  return term.length <= LONGEST_COPIED_SLICE ? term : term.split('').join('');
}

function checkOptions(options: LexicalOptions, k1: number, b: number): void {
  for (const name of Object.keys(options)) {
    if (name !== 'k1' && name !== 'b') {
      throw new WhorlError('invalid_option', `The lexical index has no option "${name}".`);
    }
  }
  if (!(k1 >= 0 && Number.isFinite(k1))) {
    throw new WhorlError('invalid_option', `k1 is a number from 0, not ${k1}.`);
  }
  if (!(b >= 0 && b <= 1)) throw new WhorlError('invalid_option', `b is from 0 to 1, not ${b}.`);
}
