/**
 * Vectors without end, for sizes that no file here has: rows around random centres in a space of few
 * dimensions, laid into one of many by a random map, as encoders' vectors lie near a thin sheet. Runs in
 * the page, some rows at a time: 500,000 of them as float32 are 768 MB.
 */
import { random32 } from '../../workers/index/kernel/random.ts';

/** Dimensions in which rows really differ. */
const INNER = 24;
const CENTRES = 1000;
/** Deviation around a centre; the centres deviate by 1. */
const SPREAD = 0.6;

export class SyntheticRows {
  readonly #next: () => number;
  readonly #dimension: number;
  readonly #map: Float32Array;
  readonly #centres: Float32Array;

  constructor(dimension: number, seed: number) {
    this.#next = random32(seed);
    this.#dimension = dimension;
    this.#map = Float32Array.from({ length: INNER * dimension }, () => this.#normal());
    this.#centres = Float32Array.from({ length: INNER * CENTRES }, () => this.#normal());
  }

  /** The next rows, of length 1, row-major. */
  take(count: number): Float32Array {
    const rows = new Float32Array(count * this.#dimension);
    for (let row = 0; row < count; row++) {
      this.#write(rows.subarray(row * this.#dimension, (row + 1) * this.#dimension));
    }
    return rows;
  }

  #uniform(): number {
    return (this.#next() + 0.5) / 2 ** 32;
  }

  /** Box and Muller. */
  #normal(): number {
    return Math.sqrt(-2 * Math.log(this.#uniform())) * Math.cos(2 * Math.PI * this.#uniform());
  }

  #write(row: Float32Array): void {
    const centre = (this.#next() % CENTRES) * INNER;
    for (let inner = 0; inner < INNER; inner++) {
      const x = (this.#centres[centre + inner] as number) + SPREAD * this.#normal();
      const from = inner * row.length;
      for (let k = 0; k < row.length; k++) {
        row[k] = (row[k] as number) + x * (this.#map[from + k] as number);
      }
    }
    const length = Math.sqrt(row.reduce((sum, x) => sum + x * x, 0));
    for (let k = 0; k < row.length; k++) row[k] = (row[k] as number) / length;
  }
}
