/** Our index as a side of the comparison. */
import { VectorIndex } from '../../workers/index/kernel/vector-index.ts';
import type { Builder, Clock } from './interleave.ts';
import { EF_CONSTRUCTION, LIMIT, M } from './settings.ts';

/** Milliseconds of building between two looks at how far it is. */
const BUDGET = 5;

export class OurSide implements Builder {
  readonly #index: VectorIndex;
  readonly #clock: Clock;

  private constructor(index: VectorIndex, clock: Clock) {
    this.#index = index;
    this.#clock = clock;
  }

  /** Compiles the kernel and appends all rows; none is in the graph yet. */
  static async create(rows: Float32Array, dimension: number, clock: Clock): Promise<OurSide> {
    const index = await VectorIndex.create({
      dimension,
      metric: 'IP',
      indexType: 'HNSW',
      M,
      efConstruction: EF_CONSTRUCTION,
    });
    index.append(rows);
    return new OurSide(index, clock);
  }

  get bytesARow(): number {
    return this.#index.bytes / this.#index.count;
  }

  insertTo(rows: number): void {
    while (this.#index.inserted < rows) this.#index.build(BUDGET, this.#clock.now);
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

  exact(query: Float32Array): Uint32Array {
    return this.#index.search(query, { limit: LIMIT, exact: true }).rows;
  }
}
