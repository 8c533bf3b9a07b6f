/**
 * The vectors of the index benchmark: real MiniLM vectors from `../shared/data/vectors`, where they are
 * kept as int8 codes. An index that keeps int8 codes itself would look free of loss on them, so half a
 * code of uniform noise is added to every coordinate before the row is normalised again.
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const FOLDER = fileURLToPath(new URL('../../../shared/data/vectors/', import.meta.url));

export const DIMENSION = 384;
/** Rows that there are, in random order; a smaller benchmark takes the first of them. */
export const MOST_ROWS = 93_150;
/** Queries, none of which is among the rows. */
export const QUERIES = 500;
/** Draws the noise. */
export const NOISE_SEED = 20_240_607;

/** Why the vectors cannot be read here, or null. */
export const missing = existsSync(FOLDER) ? null : '../shared/data/vectors is absent';

/** The first `count` rows, unit float32, row-major, with noise. */
export function readRows(count: number): Float32Array {
  const bytes = readExactly(`minilm-${MOST_ROWS}x${DIMENSION}.i8`, MOST_ROWS * DIMENSION);
  const codes = new Int8Array(bytes.buffer, bytes.byteOffset, count * DIMENSION);
  return noisyRows(codes, DIMENSION, NOISE_SEED);
}

/** All queries, unit float32, row-major. */
export function readQueries(): Float32Array {
  const bytes = readExactly(`queries-${QUERIES}x${DIMENSION}.f32`, QUERIES * DIMENSION * 4);
  return new Float32Array(bytes.slice().buffer);
}

/** Codes with uniform noise of -.5 to .5, each row divided by its L2 norm. */
export function noisyRows(codes: Int8Array, dimension: number, seed: number): Float32Array {
  const random = mulberry32(seed);
  const rows = Float32Array.from(codes, (code) => code + random() - 0.5);
  for (let from = 0; from < rows.length; from += dimension) {
    normalise(rows.subarray(from, from + dimension));
  }
  return rows;
}

function normalise(row: Float32Array): void {
  const norm = Math.sqrt(row.reduce((sum, x) => sum + x * x, 0));
  for (let i = 0; i < row.length; i++) row[i] = (row[i] as number) / norm;
}

function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A file of a size known beforehand; its own copy of the memory, so that views are aligned. */
function readExactly(name: string, length: number): Uint8Array {
  const bytes = new Uint8Array(readFileSync(FOLDER + name));
  if (bytes.length === length) return bytes;
  throw new Error(`${name} has ${bytes.length} bytes, but ${length} were expected.`);
}
