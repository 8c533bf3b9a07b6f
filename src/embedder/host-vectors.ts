/** What an embedder of the host answered, checked and brought to unit length: it is nobody's word but its own. */
import { WhorlError } from '../shared/errors.ts';

/** Most numbers a vector; as in Milvus. */
const MAX_DIMENSION = 32_768;

export interface UnitVectors {
  /** Row-major, unit length, in a buffer of their own. */
  readonly vectors: Float32Array<ArrayBuffer>;
  readonly dimension: number;
}

/**
 * @param answer Rows in a list, or all of them row-major in one `Float32Array`.
 * @param texts How many there must be; at least 1.
 * @throws WhorlError `backend_wrong` that says what is wrong, and of which text.
 */
export function unitVectors(answer: unknown, texts: number): UnitVectors {
  const { vectors, dimension } =
    answer instanceof Float32Array ? fromFlat(answer, texts) : fromRows(answer, texts);
  for (let row = 0; row < texts; row++) {
    normalise(vectors.subarray(row * dimension, (row + 1) * dimension), row);
  }
  return { vectors, dimension };
}

function fromFlat(answer: Float32Array, texts: number): UnitVectors {
  const dimension = answer.length / texts;
  if (!Number.isInteger(dimension)) {
    throw wrong(`${answer.length} numbers for ${texts} texts, which is no whole number of each`);
  }
  checkDimension(dimension);
  return { vectors: new Float32Array(answer), dimension };
}

function fromRows(answer: unknown, texts: number): UnitVectors {
  if (!Array.isArray(answer)) {
    throw wrong('neither a list of vectors nor a Float32Array');
  }
  if (answer.length !== texts) throw wrong(`${answer.length} vectors for ${texts} texts`);
  const rows: readonly unknown[] = answer;
  const dimension = isRow(rows[0]) ? rows[0].length : 0;
  checkDimension(dimension);
  const vectors = new Float32Array(texts * dimension);
  for (const [index, row] of rows.entries()) {
    if (!isRow(row)) throw wrong(`no list of numbers for text ${index}`);
    if (row.length !== dimension) {
      throw wrong(`${row.length} numbers for text ${index}, ${dimension} for the first one`);
    }
    // A hole or a text in a plain list would become NaN here, which the next step refuses.
    for (let i = 0; i < dimension; i++) vectors[index * dimension + i] = numberAt(row, i);
  }
  return { vectors, dimension };
}

function isRow(value: unknown): value is Float32Array | readonly unknown[] {
  return value instanceof Float32Array || Array.isArray(value);
}

function numberAt(row: Float32Array | readonly unknown[], at: number): number {
  const value = row[at];
  return typeof value === 'number' ? value : Number.NaN;
}

function checkDimension(dimension: number): void {
  if (dimension >= 1 && dimension <= MAX_DIMENSION) return;
  throw wrong(`vectors of ${dimension} numbers; 1 to ${MAX_DIMENSION} are possible`);
}

function normalise(row: Float32Array, index: number): void {
  let sum = 0;
  for (const value of row) sum += value * value;
  const length = Math.sqrt(sum);
  if (!Number.isFinite(length)) throw wrong(`a vector that is not finite for text ${index}`);
  if (length === 0) {
    throw wrong(`a vector of zeros for text ${index}, which has no direction to compare`);
  }
  for (let i = 0; i < row.length; i++) row[i] = (row[i] ?? 0) / length;
}

function wrong(what: string): WhorlError {
  return new WhorlError(
    'backend_wrong',
    `The embedder answered ${what}. Nothing was kept; mend the embedder and make the call again.`,
  );
}
