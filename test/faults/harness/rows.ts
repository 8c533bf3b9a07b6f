/**
 * Rows whose every part follows from key and version, so that a row that is read back can be told
 * whole, torn or mixed up without anything having been kept. Used by the page and by the test.
 */

/** Primary key, and how often the row was written. */
export type RowVersion = readonly [id: number, n: number];

/** One change of a stream; the engine gets it as one call. */
export type Change =
  | { readonly kind: 'insert' | 'upsert'; readonly rows: readonly RowVersion[] }
  | { readonly kind: 'delete'; readonly ids: readonly number[] };

/** Rows by key, as they are after some changes. */
export type Model = ReadonlyMap<number, number>;

export const TEXT_BYTES = 2_000;

function mix(a: number, b: number): number {
  let t = Math.imul(a ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(b + 0x7f4a7c15, 0xc2b2ae35);
  t ^= t >>> 15;
  t = Math.imul(t, 0x27d4eb2f);
  return (t ^ (t >>> 13)) >>> 0;
}

/** Unit vector that no other row has, and that nothing compresses. */
export function vectorOf([id, n]: RowVersion, dimension: number): Float32Array {
  const vector = new Float32Array(dimension);
  let state = mix(id, n) || 1;
  let squares = 0;
  for (let i = 0; i < dimension; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    const value = (state >>> 0) / 2 ** 31 - 1;
    vector[i] = value;
    squares += value * value;
  }
  const length = Math.sqrt(squares);
  return vector.map((value) => value / length);
}

/** Text of 0 to {@link TEXT_BYTES} characters that names its row in every part of it. */
export function textOf([id, n]: RowVersion): string {
  const length = mix(n, id) % TEXT_BYTES;
  return `${id}:${n};`.repeat(Math.ceil(length / 6)).slice(0, length);
}

/** The model after one more change. */
export function after(model: Model, change: Change): Model {
  const next = new Map(model);
  if (change.kind === 'delete') for (const id of change.ids) next.delete(id);
  else for (const [id, n] of change.rows) next.set(id, n);
  return next;
}

/** As text, for comparing. */
export function printed(model: Model): string {
  return JSON.stringify([...model].sort(([a], [b]) => a - b));
}
