/** Puts stored vectors under the slots of a table: what storage knows by numbers with gaps is dense in memory. */
import { numberIn } from './pages.ts';
import type { ChunkRecord } from './records.ts';
import type { RowTable } from './rows.ts';

/** What takes vectors, row-major, slot after slot. */
interface VectorSink {
  append(vectors: Float32Array): void;
}

export class VectorFill {
  readonly #sink: VectorSink;
  readonly #table: RowTable;
  readonly #dimension: number;
  #slot = 0;
  #lost = false;

  constructor(sink: VectorSink, table: RowTable, dimension: number) {
    this.#sink = sink;
    this.#table = table;
    this.#dimension = dimension;
  }

  /** Takes the next chunk, in the order of their numbers. Vectors of rows that have no slot are left out. */
  take(chunk: ChunkRecord): void {
    const data = new Float32Array(chunk.data);
    const end = this.#table.slotFrom(numberIn(chunk, chunk.rows - 1) + 1);
    const slots = end - this.#slot;
    if (slots <= 0) return;
    const isWhole =
      slots === chunk.rows &&
      chunk.offsets === undefined &&
      this.#table.numberOf(this.#slot) === chunk.firstRow;
    this.#sink.append(isWhole ? data : this.#picked(chunk, data, end));
    this.#slot = end;
  }

  /** The vectors of the slots up to `end`; zeros for dead rows that have none. */
  #picked(chunk: ChunkRecord, data: Float32Array, end: number): Float32Array {
    const dimension = this.#dimension;
    const first = this.#slot;
    const picked = new Float32Array((end - first) * dimension);
    let at = 0;
    for (let slot = first; slot < end; slot++) {
      const number = this.#table.numberOf(slot);
      while (at < chunk.rows && numberIn(chunk, at) < number) at += 1;
      if (at < chunk.rows && numberIn(chunk, at) === number) {
        const vector = data.subarray(at * dimension, (at + 1) * dimension);
        picked.set(vector, (slot - first) * dimension);
      } else this.#lost ||= this.#table.isLive(slot);
    }
    return picked;
  }

  /** Fills up the slots behind the last chunk. False when a live row has no vector. */
  finish(): boolean {
    const { length } = this.#table;
    for (let slot = this.#slot; slot < length; slot++) this.#lost ||= this.#table.isLive(slot);
    const rest = length - this.#slot;
    if (!this.#lost && rest > 0) this.#sink.append(new Float32Array(rest * this.#dimension));
    this.#slot = length;
    return !this.#lost;
  }
}
