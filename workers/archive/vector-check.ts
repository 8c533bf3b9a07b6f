/** Vectors of a stranger, in pieces that end anywhere: each is finite and no longer than an insert allows. */
import { isComparable } from '../index/vector-length.ts';
import { archiveInvalid } from './limits.ts';

export class VectorCheck {
  readonly #dimension: number;
  readonly #where: string;
  #squares = 0;
  #numbers = 0;

  /** `where` names the vectors in errors. */
  constructor(dimension: number, where: string) {
    this.#dimension = dimension;
    this.#where = where;
  }

  /** Throws `archive_invalid`, which names the vector. */
  take(numbers: Float32Array): void {
    for (const number of numbers) {
      this.#squares += number * number;
      this.#numbers += 1;
      if (this.#numbers % this.#dimension === 0) this.#close();
    }
  }

  #close(): void {
    if (!isComparable(this.#squares)) {
      const row = this.#numbers / this.#dimension;
      throw archiveInvalid(this.#where, `vector ${row} of it is not finite or longer than 1e18`);
    }
    this.#squares = 0;
  }
}
