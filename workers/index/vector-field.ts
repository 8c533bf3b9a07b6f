/** The vectors of one field of one collection in WASM memory: a cache that storage can always refill. */

import { isWhorlError } from '../../src/shared/errors.ts';
import { VectorIndex } from './kernel/vector-index.ts';
import type { Selection } from './rows.ts';
import { dimensionOf, type FieldSpec, type VectorIndexSpec } from './schema.ts';

export interface NearestOptions {
  readonly limit: number;
  readonly ef?: number;
  /** Rows that count; null when all do. */
  readonly selection: Selection | null;
  readonly exact?: boolean;
}

export interface Nearest {
  readonly rows: Uint32Array;
  /** Of the index's metric: IP and COSINE best first descending, L2 squared ascending. */
  readonly scores: Float32Array;
}

const KERNEL_MAX_M = 512;
const KERNEL_MAX_EF_CONSTRUCTION = 32_768;
const KERNEL_MAX_EF = 65_536;

export class VectorField {
  readonly field: FieldSpec;
  readonly spec: VectorIndexSpec;
  readonly generation: number;
  readonly #index: VectorIndex;
  /** Rows that the saved graph holds; 0 where none is saved. */
  savedCount = 0;
  #closed = false;

  private constructor(
    field: FieldSpec,
    spec: VectorIndexSpec,
    generation: number,
    index: VectorIndex,
  ) {
    this.field = field;
    this.spec = spec;
    this.generation = generation;
    this.#index = index;
  }

  static async create(
    field: FieldSpec,
    spec: VectorIndexSpec,
    generation: number,
  ): Promise<VectorField> {
    const { M, efConstruction } = spec.params;
    const index = await VectorIndex.create({
      dimension: dimensionOf(field),
      metric: spec.metricType,
      indexType: spec.built,
      ...(M === undefined ? {} : { M: Math.min(Number(M), KERNEL_MAX_M) }),
      ...(efConstruction === undefined
        ? {}
        : { efConstruction: Math.min(Number(efConstruction), KERNEL_MAX_EF_CONSTRUCTION) }),
    });
    return new VectorField(field, spec, generation, index);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Rows it holds. */
  get count(): number {
    return this.#index.count;
  }

  /** Rows that the graph reaches. */
  get inserted(): number {
    return this.#closed ? 0 : this.#use((index) => index.inserted);
  }

  /** Whether the graph has every row and was tried, so that building has nothing left to do. */
  get settled(): boolean {
    return this.#closed || this.#use((index) => index.settled);
  }

  append(vectors: Float32Array): void {
    this.#use((index) => index.append(vectors));
  }

  /** A copy of the vector of a row. */
  vector(row: number): Float32Array {
    return this.#use((index) => index.vector(row));
  }

  nearest(query: Float32Array, options: NearestOptions): Nearest {
    const { selection, ef } = options;
    const wanted = {
      limit: options.limit,
      ...(ef === undefined ? {} : { ef: Math.min(Math.max(ef, 1), KERNEL_MAX_EF) }),
      ...(selection === null ? {} : { allowed: selection.bitmap, allowedCount: selection.count }),
      ...(options.exact === true ? { exact: true } : {}),
    };
    return this.#use((index) => index.search(query, wanted));
  }

  /** A slice of graph building; true when nothing is left to do. */
  build(budgetMs: number, now: () => number): boolean {
    return this.#closed || this.#use((index) => index.build(budgetMs, now));
  }

  snapshot(): Uint8Array {
    return this.#use((index) => index.snapshot());
  }

  restore(bytes: Uint8Array): boolean {
    return this.#use((index) => index.restore(bytes));
  }

  /** A kernel that trapped is never used again: the field closes, and the next use fills a fresh one. */
  #use<T>(work: (index: VectorIndex) => T): T {
    try {
      return work(this.#index);
    } catch (error) {
      if (isWhorlError(error) && error.code === 'internal') this.close();
      throw error;
    }
  }

  close(): void {
    this.#closed = true;
    this.#index.close();
  }
}

/** Cosine of two vectors of one length; 0 where one of them is zero. */
export function cosine(a: Float32Array, b: Float32Array): number {
  let dot = 0;
  let aa = 0;
  let bb = 0;
  for (let i = 0; i < a.length; i++) {
    const x = a[i] ?? 0;
    const y = b[i] ?? 0;
    dot += x * y;
    aa += x * x;
    bb += y * y;
  }
  return aa === 0 || bb === 0 ? 0 : dot / Math.sqrt(aa * bb);
}
