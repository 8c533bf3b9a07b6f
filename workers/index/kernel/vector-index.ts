/**
 * A vector index in WASM memory: exact scan, and HNSW over int8 codes whose results are compared again
 * by their float32 vectors. It knows rows by dense numbers 0, 1, 2, ...; deletes are a matter of the
 * bitmap that a search is given. It uses nothing global but WebAssembly.
 */
import { milvusError, WhorlError } from '../../../src/shared/errors.ts';
import { readGraph, writeGraph } from './graph-io.ts';
import { type IndexKernel, instantiateKernel } from './kernel.ts';
import {
  type CheckedIndexOptions,
  checkIndexOptions,
  checkSearchOptions,
  type VectorIndexOptions,
  type VectorSearchOptions,
} from './options.ts';
import { DEFAULT_EF, planSearch, type SearchPlan } from './plan.ts';
import { type GraphShape, parseGraph } from './snapshot.ts';
import { GraphTrial } from './trial.ts';

export type { VectorIndexOptions, VectorSearchOptions } from './options.ts';

/** Rows and their scores, best first. */
export interface VectorHits {
  readonly rows: Uint32Array;
  /** IP, COSINE: descending; L2: squared distance, ascending. Computed from the float32 vectors. */
  readonly scores: Float32Array;
}

/** Codes of `wasm/index/rows.ts`. */
const METRICS = { IP: 0, COSINE: 1, L2: 2 } as const;
/** Rows inserted between two looks at the clock: about a millisecond. */
const ROWS_PER_LOOK = 4;
const MOST_ROWS = 2 ** 31;

export class VectorIndex {
  readonly #options: CheckedIndexOptions;
  readonly #shape: GraphShape;
  #kernel: IndexKernel | null;
  #count = 0;
  readonly #trial = new GraphTrial();
  #restored = false;

  private constructor(options: CheckedIndexOptions, kernel: IndexKernel) {
    this.#options = options;
    this.#shape = { dimension: options.dimension, metric: METRICS[options.metric], M: options.M };
    this.#kernel = kernel;
  }

  /**
   * An empty index.
   * @throws `invalid_option`, `unsupported` (no WebAssembly SIMD, or forbidden), `out_of_memory`
   */
  static async create(options: VectorIndexOptions): Promise<VectorIndex> {
    const checked = checkIndexOptions(options);
    const kernel = await instantiateKernel();
    const { dimension, metric, indexType, M, efConstruction, seed, maxBytes } = checked;
    kernel.limitMemory(maxBytes);
    const links = indexType === 'HNSW' ? M : 0;
    if (!kernel.setUp(dimension, METRICS[metric], links, efConstruction, seed)) {
      throw outOfMemory(kernel, 'the index was not created');
    }
    return new VectorIndex(checked, kernel);
  }

  /** Rows appended so far, which is the number of the next. */
  get count(): number {
    return this.#count;
  }

  /** Rows that searches reach through the graph; the others are compared one by one. */
  get inserted(): number {
    return this.#use((kernel) => kernel.insertedRows() >>> 0);
  }

  /** Whether {@link build} has nothing left to do: every row is in the graph, and the graph was tried. */
  get settled(): boolean {
    const { indexType, exactBelow } = this.#options;
    if (indexType === 'FLAT') return true;
    return (
      this.inserted === this.#count &&
      (this.#count <= exactBelow || !this.#trial.isDue(this.#count))
    );
  }

  /** Whether searches use the graph where it is cheaper; until it has proved itself they are exact. */
  get trusted(): boolean {
    return this.#trial.trusted;
  }

  /** Bytes of WASM memory in use. */
  get bytes(): number {
    return this.#use((kernel) => kernel.usedBytes());
  }

  /**
   * Adds rows (row-major) and returns the number of the first. All of them or none. They are found at
   * once; the graph follows by {@link build}.
   * @throws Milvus 1100 for a wrong length, NaN, Infinity, or a vector longer than 1e18; `out_of_memory`
   */
  append(vectors: Float32Array): number {
    const { dimension } = this.#options;
    const rows = vectors.length / dimension;
    if (!Number.isInteger(rows)) {
      throw milvusError(
        1100,
        `${vectors.length} numbers are no whole vectors of dimension ${dimension}: invalid parameter. Nothing was added.`,
      );
    }
    const first = this.#count;
    if (rows === 0) return first;
    return this.#use((kernel) => {
      if (first + rows > MOST_ROWS || !kernel.reserveRows(first + rows)) {
        throw outOfMemory(kernel, `${first} rows are kept and ${rows} were not added`);
      }
      copyVectors(kernel, vectors, first, dimension);
      const refused = kernel.appendRows(rows);
      if (refused >= 0) throw notFinite(`vector ${refused} of ${rows}`, 'Nothing was added');
      this.#count = first + rows;
      return first;
    });
  }

  /**
   * Inserts pending rows into the graph, then tries it, for about `budgetMs` milliseconds of the clock
   * `now`, at least a few rows. True when nothing is left to do; always true for `FLAT`.
   * @throws `out_of_memory`; searches stay correct, pending rows are compared one by one
   */
  build(budgetMs: number, now: () => number): boolean {
    if (this.#options.indexType === 'FLAT') return true;
    return this.#use((kernel) => {
      const end = now() + budgetMs;
      let pending = this.#count - (kernel.insertedRows() >>> 0);
      while (pending > 0) {
        const done = kernel.insertRows(ROWS_PER_LOOK);
        if (done < 0) {
          throw outOfMemory(
            kernel,
            `all rows are kept, and ${pending} are found without the graph`,
          );
        }
        pending -= done;
        if (now() >= end) break;
      }
      return pending === 0 && this.#try(kernel, end, now);
    });
  }

  /** Tries the graph where that is due and searches could use it. True when nothing is left to try. */
  #try(kernel: IndexKernel, end: number, now: () => number): boolean {
    const rows = this.#count;
    if (rows <= this.#options.exactBelow) return true;
    while (this.#trial.isDue(rows)) {
      this.#trial.step(rows, (row) => this.#recallOf(kernel, row));
      if (this.#trial.isDue(rows) && now() >= end) return false;
    }
    if (this.#trial.trusted || !this.#restored) return true;
    // A saved graph that finds too little is worth nothing; a built one may find more as it grows.
    this.#restored = false;
    this.#trial.restart();
    kernel.clearGraph();
    return false;
  }

  /**
   * The rows nearest to a query.
   * @throws Milvus 1100 for a query of another dimension or that is not finite; `invalid_option`; `out_of_memory`
   */
  search(query: Float32Array, options: VectorSearchOptions): VectorHits {
    checkSearchOptions(options, this.#count);
    return this.#use((kernel) => {
      this.#setQuery(kernel, query);
      const allowed = options.allowed;
      const matching = allowed
        ? (options.allowedCount ?? bitsSet(allowed, this.#count))
        : this.#count;
      const limit = Math.min(options.limit, matching);
      if (limit === 0) return { rows: new Uint32Array(0), scores: new Float32Array(0) };
      const bitmap = allowed ? putBitmap(kernel, allowed, this.#count) : 0;
      const hits = this.#run(kernel, this.#plan(kernel, options, limit, matching), limit, bitmap);
      // A walk can end on an island with fewer rows than there are; a scan cannot.
      return hits.rows.length < limit ? this.#run(kernel, { kind: 'exact' }, limit, bitmap) : hits;
    });
  }

  /**
   * Scores of given rows, in the order given.
   * @throws Milvus 1100 for the query; `invalid_option` for a row that does not exist
   */
  score(query: Float32Array, rows: Uint32Array): Float32Array {
    return this.#use((kernel) => {
      this.#setQuery(kernel, query);
      return Float32Array.from(rows, (row) => kernel.scoreRow(this.#existing(row)));
    });
  }

  /** A copy of a row's vector, as it was appended. @throws `invalid_option` for a row that does not exist */
  vector(row: number): Float32Array {
    return this.#use((kernel) => {
      const at = kernel.floatsOf(this.#existing(row)) >>> 0;
      return new Float32Array(kernel.memory.buffer, at, this.#options.dimension).slice();
    });
  }

  /** The graph without the vectors; an index of the same rows takes it by {@link restore}. */
  snapshot(): Uint8Array {
    return this.#use((kernel) => readGraph(kernel, this.#shape));
  }

  /**
   * Takes a graph made by {@link snapshot} for these rows; rows behind it are pending. False when
   * anything about it is in doubt: then {@link build} makes it anew. Searches stay exact until
   * {@link build} has tried it.
   */
  restore(bytes: Uint8Array): boolean {
    if (this.#options.indexType === 'FLAT') return false;
    return this.#use((kernel) => {
      const parts = parseGraph(bytes, this.#shape, this.#count);
      if (parts === null || !writeGraph(kernel, parts)) return false;
      this.#trial.restart();
      this.#restored = true;
      return true;
    });
  }

  /** Lets go of the memory. Later calls throw `closed`. */
  close(): void {
    this.#kernel = null;
  }

  /** Share of the ten best for a row's own vector that a walk finds; equal scores count as found. */
  #recallOf(kernel: IndexKernel, row: number): number {
    this.#setQuery(kernel, this.vector(row));
    const limit = Math.min(10, this.#count);
    const truth = this.#run(kernel, { kind: 'exact' }, limit, 0).scores;
    const found = this.#run(kernel, { kind: 'graph', breadth: DEFAULT_EF }, limit, 0).scores;
    const worst = truth.at(-1) as number;
    const isGood = (score: number) =>
      this.#options.metric === 'L2' ? score <= worst : score >= worst;
    return found.filter(isGood).length / truth.length;
  }

  #plan(
    kernel: IndexKernel,
    options: VectorSearchOptions,
    limit: number,
    allowed: number,
  ): SearchPlan {
    return planSearch({
      rows: this.#count,
      inserted: kernel.insertedRows() >>> 0,
      trusted: this.#trial.trusted,
      allowed,
      limit,
      ef: options.ef ?? DEFAULT_EF,
      exactBelow: this.#options.exactBelow,
      exact: options.exact ?? false,
      walk: options.walk ?? false,
    });
  }

  #run(kernel: IndexKernel, plan: SearchPlan, limit: number, bitmap: number): VectorHits {
    if (!kernel.startBest(limit)) throw outOfMemory(kernel, 'all rows are kept');
    let from = 0;
    // A walk wider than any before needs memory; without it the answer is exact instead.
    if (plan.kind === 'graph' && kernel.searchGraph(plan.breadth, bitmap)) {
      from = kernel.insertedRows() >>> 0;
    }
    if (bitmap === 0) kernel.scanRows(from, this.#count);
    else kernel.scanBitmap(from, this.#count);
    return takeHits(kernel);
  }

  #setQuery(kernel: IndexKernel, query: Float32Array): void {
    const { dimension } = this.#options;
    if (query.length !== dimension) {
      throw milvusError(
        1100,
        `vector dimension mismatch, expected vector size(byte) ${dimension * 4}, actual ${query.length * 4}: invalid parameter`,
      );
    }
    new Float32Array(kernel.memory.buffer, kernel.queryAt() >>> 0, dimension).set(query);
    if (!kernel.takeQuery()) throw notFinite('the query vector', 'Nothing was searched');
  }

  #existing(row: number): number {
    if (Number.isInteger(row) && row >= 0 && row < this.#count) return row;
    throw new WhorlError('invalid_option', `There is no row ${row}; there are ${this.#count}.`);
  }

  /** Runs with the kernel. A trap leaves it in an unknown state, so it is not used again. */
  #use<T>(work: (kernel: IndexKernel) => T): T {
    if (this.#kernel === null) throw new WhorlError('closed', 'The vector index is closed.');
    try {
      return work(this.#kernel);
    } catch (error) {
      if (!(error instanceof WebAssembly.RuntimeError)) throw error;
      this.#kernel = null;
      throw new WhorlError(
        'internal',
        'The vector index stopped and was closed. Stored vectors are not touched; open it again.',
        { cause: error },
      );
    }
  }
}

function outOfMemory(kernel: IndexKernel, kept: string): WhorlError {
  const used = Math.round(kernel.usedBytes() / 2 ** 20);
  return new WhorlError(
    'out_of_memory',
    `The vector index has no more memory (${used} MiB in use): ${kept}. Close what is not needed, or split the collection.`,
  );
}

function notFinite(what: string, kept: string): WhorlError {
  return milvusError(
    1100,
    `${what} is not finite or longer than 1e18: invalid parameter. ${kept}.`,
  );
}

/** Copies vectors behind the rows; the padding of a row stays zero. */
function copyVectors(
  kernel: IndexKernel,
  vectors: Float32Array,
  first: number,
  dimension: number,
): void {
  const memory = new Float32Array(kernel.memory.buffer);
  const perBlock = kernel.rowsPerBlock();
  const padded = kernel.paddedDimension();
  for (let from = 0; from < vectors.length; ) {
    const row = first + from / dimension;
    const at = kernel.floatsOf(row) >>> 2;
    const room = padded === dimension ? (perBlock - (row % perBlock)) * dimension : dimension;
    memory.set(vectors.subarray(from, from + room), at);
    from += room;
  }
}

function putBitmap(kernel: IndexKernel, allowed: Uint32Array, rows: number): number {
  const words = Math.ceil(rows / 32);
  const at = kernel.bitmapOf(words) >>> 0;
  if (at === 0) throw outOfMemory(kernel, 'all rows are kept');
  new Uint32Array(kernel.memory.buffer, at, words).set(allowed.subarray(0, words));
  return at;
}

/** Bits set among the first `rows`. */
function bitsSet(bitmap: Uint32Array, rows: number): number {
  let count = 0;
  for (let i = 0; i < rows >>> 5; i++) count += ones(bitmap[i] as number);
  const rest = rows & 31;
  return rest === 0 ? count : count + ones((bitmap[rows >>> 5] as number) & (2 ** rest - 1));
}

/** Bits set in a 32-bit word. */
function ones(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555);
  const nibbles = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333);
  return Math.imul((nibbles + (nibbles >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

function takeHits(kernel: IndexKernel): VectorHits {
  const count = kernel.finish();
  const at = kernel.bestAt() >>> 0;
  const rows = new Uint32Array(kernel.memory.buffer, at, 2 * count);
  const scores = new Float32Array(kernel.memory.buffer, at, 2 * count);
  return {
    rows: Uint32Array.from({ length: count }, (_, i) => rows[2 * i] as number),
    scores: Float32Array.from({ length: count }, (_, i) => scores[2 * i + 1] as number),
  };
}
