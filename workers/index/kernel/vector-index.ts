/**
 * A vector index in WASM memory: exact scan, and HNSW over int8 codes whose results are compared again
 * by their float32 vectors, unless only codes are kept. It knows rows by dense numbers 0, 1, 2, ...; deletes are a matter of the
 * bitmap that a search is given. It uses nothing global but WebAssembly.
 */
import { isWhorlError, milvusError, WhorlError } from '../../../src/shared/errors.ts';
import { bulkSettings, paysInBulk } from './bulk.ts';
import { bulkGraph } from './bulk-graph.ts';
import { copyRows } from './compact.ts';
import { readGraph, writeGraph } from './graph-io.ts';
import { type IndexKernel, type KernelMaker, kernelMaker } from './kernel.ts';
import {
  type CheckedIndexOptions,
  checkBitmap,
  checkIndexOptions,
  checkSearchOptions,
  type VectorIndexOptions,
  type VectorSearchOptions,
  type Vectors,
} from './options.ts';
import { defaultEf, planSearch, type SearchPlan, siftBreadth } from './plan.ts';
import { checkKind, recallOf, runPlan, setQuery, TRIED, vectorOf, widthOf } from './run.ts';
import { keepsSigns, METRICS, setUp } from './shape.ts';
import { type GraphShape, parseGraph } from './snapshot.ts';
import {
  bitsSet,
  notFinite,
  outOfMemory,
  putBitmap,
  takeVectors,
  type VectorHits,
} from './transfer.ts';
import { GRAPH_BAR, SIGNS_BAR, Trial } from './trial.ts';

export type { VectorIndexOptions, VectorSearchOptions, Vectors } from './options.ts';
export type { VectorHits } from './transfer.ts';

/** Rows inserted between two looks at the clock: about a millisecond. */
const ROWS_PER_LOOK = 4;
const MOST_ROWS = 2 ** 31;

export class VectorIndex {
  readonly #options: CheckedIndexOptions;
  readonly #shape: GraphShape;
  #kernel: IndexKernel | null;
  #count = 0;
  /** Of the graph, and of the signs of rows; see `trial.ts`. */
  readonly #trial = new Trial(GRAPH_BAR);
  readonly #signTrial = new Trial(SIGNS_BAR);
  readonly #signs: boolean;
  #restored = false;
  readonly #makeKernel: KernelMaker;
  /** A graph of all rows that is being made, or null. */
  #bulk: Generator<void, void> | null = null;
  /** Rows from which on a bulk build finds no memory. */
  #bulkBelow = Number.POSITIVE_INFINITY;

  private constructor(options: CheckedIndexOptions, kernel: IndexKernel, makeKernel: KernelMaker) {
    this.#options = options;
    this.#makeKernel = makeKernel;
    this.#shape = { dimension: options.dimension, metric: METRICS[options.metric], M: options.M };
    this.#kernel = kernel;
    this.#signs = keepsSigns(options);
  }

  /**
   * An empty index.
   * @throws `invalid_option`, `unsupported` (no WebAssembly SIMD, or forbidden), `out_of_memory`
   */
  static async create(options: VectorIndexOptions): Promise<VectorIndex> {
    const checked = checkIndexOptions(options);
    const makeKernel = await kernelMaker();
    const kernel = makeKernel();
    if (!setUp(kernel, checked, !checked.codesOnly, keepsSigns(checked))) {
      throw outOfMemory(kernel, 'the index was not created');
    }
    return new VectorIndex(checked, kernel, makeKernel);
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
    return this.inserted === this.#count && (this.#count <= exactBelow || !this.#isTrialDue);
  }

  get #isTrialDue(): boolean {
    return this.#trial.isDue(this.#count) || (this.#signs && this.#signTrial.isDue(this.#count));
  }

  /** Whether searches use the graph where it is cheaper; until it has proved itself they are exact. */
  get trusted(): boolean {
    return this.#trial.trusted;
  }

  /** Whether searches sift by sign bits where that is cheaper: where it has proved itself, too. */
  get sifts(): boolean {
    return this.#signs && this.#signTrial.trusted;
  }

  /** Bytes of WASM memory in use. */
  get bytes(): number {
    return this.#use((kernel) => kernel.usedBytes());
  }

  /**
   * Adds rows (row-major) and returns the number of the first. All of them or none. They are found at
   * once; the graph follows by {@link build}.
   * @throws `invalid_option` for the wrong kind of array; Milvus 1100 for a wrong length, NaN, Infinity, or a vector longer than 1e18; `out_of_memory`
   */
  append(vectors: Vectors): number {
    const { dimension, codesOnly } = this.#options;
    checkKind(this.#options, vectors);
    const rows = vectors.length / widthOf(this.#options);
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
      const refused = takeVectors(kernel, vectors, first, dimension, codesOnly);
      if (refused >= 0) throw notFinite(`vector ${refused} of ${rows}`, 'Nothing was added');
      this.#count = first + rows;
      return first;
    });
  }

  /**
   * Inserts pending rows into the graph, then tries it, for about `budgetMs` milliseconds of the clock
   * `now`, at least a few rows. Where most rows are missing, a graph of all is made aside, several times
   * faster, and put in at the end. True when nothing is left to do; always true for `FLAT`.
   * @throws `out_of_memory`; searches stay correct, pending rows are compared one by one
   */
  build(budgetMs: number, now: () => number): boolean {
    if (this.#options.indexType === 'FLAT') return true;
    return this.#use((kernel) => {
      const end = now() + budgetMs;
      return (
        this.#linkAll(kernel, end, now) &&
        this.#linkPending(kernel, end, now) &&
        this.#try(kernel, end, now)
      );
    });
  }

  /** Links all rows at once where that pays; false when the time is up before the end. */
  #linkAll(kernel: IndexKernel, end: number, now: () => number): boolean {
    this.#bulk ??= this.#startBulk(kernel);
    if (this.#bulk === null) return true;
    try {
      while (this.#bulk.next().done !== true) if (now() >= end) return false;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      // Made aside, a graph takes more memory for a while than one by one; that way is slower, not worse.
      this.#bulkBelow = Math.min(this.#bulkBelow, this.#count);
      kernel.clearGraph();
    }
    this.#bulk = null;
    return now() < end;
  }

  /** A kernel for a graph that is made aside; null where there is no memory for it. */
  #makeAside(): IndexKernel | null {
    try {
      const aside = this.#makeKernel();
      return setUp(aside, this.#options, false, false) ? aside : null;
    } catch (error) {
      if (isWhorlError(error) && error.code === 'out_of_memory') return null;
      throw error;
    }
  }

  #startBulk(kernel: IndexKernel): Generator<void, void> | null {
    const { M, efConstruction, seed } = this.#options;
    const rows = this.#count;
    if (rows >= this.#bulkBelow || !paysInBulk(rows, kernel.insertedRows() >>> 0)) return null;
    const aside = this.#makeAside();
    if (aside === null) {
      this.#bulkBelow = rows;
      return null;
    }
    return bulkGraph(kernel, aside, rows, M, bulkSettings(M, efConstruction, seed));
  }

  /** Inserts pending rows one by one; false when the time is up before the end. */
  #linkPending(kernel: IndexKernel, end: number, now: () => number): boolean {
    let pending = this.#count - (kernel.insertedRows() >>> 0);
    while (pending > 0) {
      const done = kernel.insertRows(ROWS_PER_LOOK);
      if (done < 0) {
        throw outOfMemory(kernel, `all rows are kept, and ${pending} are found without the graph`);
      }
      pending -= done;
      if (now() >= end) break;
    }
    return pending === 0;
  }

  /** Tries the graph, then the signs, where that is due and searches could use them. True when nothing is left to try. */
  #try(kernel: IndexKernel, end: number, now: () => number): boolean {
    if (this.#count <= this.#options.exactBelow) return true;
    const walk = { kind: 'graph', breadth: defaultEf(this.#count) } as const;
    if (!this.#tryOne(kernel, this.#trial, walk, end, now)) return false;
    if (this.#restored && !this.#trial.trusted) {
      // A saved graph that finds too little is worth nothing; a built one may find more as it grows.
      this.#restored = false;
      this.#trial.restart();
      kernel.clearGraph();
      return false;
    }
    const sift = { kind: 'signs', keep: siftBreadth(TRIED, this.#count) } as const;
    return !this.#signs || this.#tryOne(kernel, this.#signTrial, sift, end, now);
  }

  #tryOne(
    kernel: IndexKernel,
    trial: Trial,
    plan: SearchPlan,
    end: number,
    now: () => number,
  ): boolean {
    const rows = this.#count;
    while (trial.isDue(rows)) {
      trial.step(rows, (row) => recallOf(kernel, this.#options, rows, row, plan));
      if (trial.isDue(rows) && now() >= end) return false;
    }
    return true;
  }

  /**
   * The rows nearest to a query.
   * @throws Milvus 1100 for a query of another dimension or that is not finite; `invalid_option`; `out_of_memory`
   */
  search(query: Vectors, options: VectorSearchOptions): VectorHits {
    checkSearchOptions(options, this.#count);
    return this.#use((kernel) => {
      setQuery(kernel, this.#options, query);
      const allowed = options.allowed;
      const matching = allowed
        ? (options.allowedCount ?? bitsSet(allowed, this.#count))
        : this.#count;
      const limit = Math.min(options.limit, matching);
      if (limit === 0) return { rows: new Uint32Array(0), scores: new Float32Array(0) };
      const bitmap = allowed ? putBitmap(kernel, allowed, this.#count) : 0;
      const plan = this.#plan(kernel, options, limit, matching);
      const hits = runPlan(kernel, plan, this.#count, limit, bitmap);
      if (hits.rows.length === limit) return hits;
      // A walk can end on an island with fewer rows than there are; a scan cannot.
      return runPlan(kernel, { kind: 'exact' }, this.#count, limit, bitmap);
    });
  }

  /**
   * Scores of given rows, in the order given.
   * @throws Milvus 1100 for the query; `invalid_option` for a row that does not exist
   */
  score(query: Vectors, rows: Uint32Array): Float32Array {
    return this.#use((kernel) => {
      setQuery(kernel, this.#options, query);
      return Float32Array.from(rows, (row) => kernel.scoreRow(this.#existing(row)));
    });
  }

  /**
   * A copy of a row's vector, as it was appended, or what its codes say where only those are kept;
   * `HAMMING`: its bits as 0 and 1.
   * @throws `invalid_option` for a row that does not exist
   */
  vector(row: number): Float32Array {
    return this.#use((kernel) => vectorOf(kernel, this.#options, this.#existing(row)));
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
      this.#bulk = null;
      this.#trial.restart();
      this.#restored = true;
      return true;
    });
  }

  /**
   * Drops every row whose bit is not set (as in `allowed` of a search) and gives their memory back. Rows
   * that are kept are numbered anew, in their order, from 0; scores stay what they were. The graph is
   * made anew by {@link build}; searches are exact until then. Takes about a millisecond a thousand rows,
   * and memory for both while it lasts.
   * @throws `invalid_option` where bits are missing; `out_of_memory`, and then nothing was changed
   */
  compact(keep: Uint32Array): void {
    checkBitmap('keep', keep, this.#count);
    this.#use((kernel) => {
      const count = bitsSet(keep, this.#count);
      const fresh = this.#makeKernel();
      const { codesOnly } = this.#options;
      try {
        if (!setUp(fresh, this.#options, !codesOnly, this.#signs)) throw new RangeError();
        copyRows(kernel, fresh, this.#count, keep, count, !codesOnly);
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        throw outOfMemory(kernel, `all ${this.#count} rows are kept, also those to be dropped`);
      }
      this.#kernel = fresh;
      this.#count = count;
      this.#bulk = null;
      this.#restored = false;
      this.#trial.restart();
      this.#signTrial.restart();
    });
  }

  /** Lets go of the memory. Later calls throw `closed`. */
  close(): void {
    this.#kernel = null;
    this.#bulk = null;
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
      sifts: this.sifts,
      allowed,
      limit,
      ef: options.ef ?? defaultEf(this.#count),
      exactBelow: this.#options.exactBelow,
      exact: options.exact ?? false,
      walk: options.walk ?? false,
      sift: this.#signs && (options.sift ?? false),
    });
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
