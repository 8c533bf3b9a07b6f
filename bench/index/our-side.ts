/** Our index as a side of the comparison. */
import { VectorIndex } from '../../workers/index/kernel/vector-index.ts';
import type { Builder, Clock } from './interleave.ts';
import { eachChunk } from './saved-rows.ts';
import { EF_CONSTRUCTION, LIMIT, M } from './settings.ts';

/** Milliseconds of building between two looks at the clock. */
const BUDGET = 5;
/** Milliseconds a row that a bulk build may take in its turn; what is left is done in the end. */
const BULK_MS_A_ROW = 0.08;

function emptyIndex(dimension: number, indexType: 'FLAT' | 'HNSW'): Promise<VectorIndex> {
  const options = { dimension, metric: 'IP', indexType } as const;
  return VectorIndex.create({ ...options, M, efConstruction: EF_CONSTRUCTION });
}

/** All rows are known at once. */
export class OurSide implements Builder {
  readonly #index: VectorIndex;
  readonly #clock: Clock;
  #turns = 0;

  private constructor(index: VectorIndex, clock: Clock) {
    this.#index = index;
    this.#clock = clock;
  }

  /** Compiles the kernel and appends all rows; none is in the graph yet. */
  static async create(rows: Float32Array, dimension: number, clock: Clock): Promise<OurSide> {
    const index = await emptyIndex(dimension, 'HNSW');
    index.append(rows);
    return new OurSide(index, clock);
  }

  get bytesARow(): number {
    return this.#index.bytes / this.#index.count;
  }

  /** A turn: rows have no order here, so they stand for time. */
  insertTo(rows: number): void {
    const more = rows - this.#turns;
    this.#turns = rows;
    const end = this.#clock.now() + more * BULK_MS_A_ROW;
    while (this.#clock.now() < end && !this.#index.build(BUDGET, this.#clock.now));
  }

  finish(): void {
    while (!this.#index.build(BUDGET, this.#clock.now));
  }

  /** Through the graph, even where the index would rather compare all rows. */
  walk(query: Float32Array, ef: number): Uint32Array {
    return this.#index.search(query, { limit: LIMIT, ef, walk: true }).rows;
  }

  byDefault(query: Float32Array): Uint32Array {
    return this.#index.search(query, { limit: LIMIT }).rows;
  }

  /** By sign bits first, even where the index would rather walk. */
  sift(query: Float32Array): Uint32Array {
    return this.#index.search(query, { limit: LIMIT, sift: true }).rows;
  }

  exact(query: Float32Array): Uint32Array {
    return this.#index.search(query, { limit: LIMIT, exact: true }).rows;
  }
}

/** Rows come one by one, and each is in the graph before the next comes. */
export class OneByOne implements Builder {
  readonly #index: VectorIndex;
  readonly #rows: Float32Array;
  readonly #dimension: number;
  readonly #clock: Clock;

  private constructor(index: VectorIndex, rows: Float32Array, dimension: number, clock: Clock) {
    this.#index = index;
    this.#rows = rows;
    this.#dimension = dimension;
    this.#clock = clock;
  }

  static async create(rows: Float32Array, dimension: number, clock: Clock): Promise<OneByOne> {
    return new OneByOne(await emptyIndex(dimension, 'HNSW'), rows, dimension, clock);
  }

  insertTo(rows: number): void {
    const dimension = this.#dimension;
    for (let row = this.#index.count; row < rows; row++) {
      this.#index.append(this.#rows.subarray(row * dimension, (row + 1) * dimension));
      while (this.#index.inserted <= row) this.#index.build(BUDGET, this.#clock.now);
    }
  }

  finish(): void {
    while (!this.#index.build(BUDGET, this.#clock.now));
  }

  walk(query: Float32Array, ef: number): Uint32Array {
    return this.#index.search(query, { limit: LIMIT, ef, walk: true }).rows;
  }

  close(): void {
    this.#index.close();
  }
}

/** A search that compares the first rows one by one. */
export async function exactSearch(rows: Float32Array, dimension: number, count: number) {
  const index = await emptyIndex(dimension, 'FLAT');
  index.append(rows.subarray(0, count * dimension));
  return (query: Float32Array) => index.search(query, { limit: LIMIT }).rows;
}

/** Opens the rows that were kept and answers a first query, before there is a graph. */
export async function openAndSearch(query: Float32Array): Promise<Uint32Array> {
  const index = await emptyIndex(query.length, 'HNSW');
  await eachChunk((rows) => index.append(rows));
  return index.search(query, { limit: LIMIT }).rows;
}
