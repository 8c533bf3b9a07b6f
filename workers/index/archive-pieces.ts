/** The rows of an archived collection in pieces that fit into one transaction each. */
import type { ArchivedCollection } from '../../src/shared/archive-types.ts';
import { archiveInvalid } from '../archive/limits.ts';
import { LineSplitter } from '../archive/lines.ts';
import { piecesOf } from '../archive/pieces.ts';
import { type LineRow, RowReader } from '../archive/row-lines.ts';
import { VectorCheck } from '../archive/vector-check.ts';
import { pageRows } from './pages.ts';
import { type CollectionSpec, dimensionOf, vectorFields } from './schema.ts';

export interface Piece {
  /** Number of its first row. */
  readonly first: number;
  readonly rows: readonly LineRow[];
  /** By field name, row-major, in the order of the rows. */
  readonly vectors: ReadonlyMap<string, Float32Array>;
}

/** Most bytes of one piece, as lines. */
const PIECE_BYTES = 4_194_304;
const FLOAT_BYTES = Float32Array.BYTES_PER_ELEMENT;

/**
 * At least one piece, which may be empty. The rows are parsed once more: what comes from the archive worker
 * is as little trusted as any caller's.
 */
export async function* piecesOfRows(
  archived: ArchivedCollection,
  spec: CollectionSpec,
): AsyncGenerator<Piece> {
  const where = `rows of ${archived.name}`;
  const splitter = new LineSplitter(where);
  const reader = new RowReader(spec, where);
  const most = rowsAtOnce(spec);
  let rows: LineRow[] = [];
  let bytes = 0;
  let first = 0;
  for await (const part of piecesOf(archived.rows)) {
    for (const line of splitter.split(part)) {
      rows.push(reader.read(line));
      bytes += line.length;
      if (rows.length < most && bytes < PIECE_BYTES) continue;
      yield { first, rows, vectors: await vectorsOf(archived, first, rows.length) };
      first += rows.length;
      rows = [];
      bytes = 0;
    }
  }
  splitter.end();
  if (first + rows.length !== archived.count)
    throw archiveInvalid(where, 'their number is not the one said');
  if (rows.length > 0 || first === 0) {
    yield { first, rows, vectors: await vectorsOf(archived, first, rows.length) };
  }
}

/** Whole pages of the first vector field, so that what is written wants no tidying. */
function rowsAtOnce(spec: CollectionSpec): number {
  const [field] = vectorFields(spec);
  return field === undefined ? 1_024 : pageRows(dimensionOf(field));
}

async function vectorsOf(
  { vectors, name }: ArchivedCollection,
  first: number,
  rows: number,
): Promise<ReadonlyMap<string, Float32Array>> {
  const read = new Map<string, Float32Array>();
  for (const { field, dimension, data } of vectors) {
    const bytes = dimension * FLOAT_BYTES;
    const part = await data.slice(first * bytes, (first + rows) * bytes).arrayBuffer();
    const numbers = new Float32Array(part);
    const where = `vectors of ${name}, field ${field}`;
    if (numbers.length !== rows * dimension) throw archiveInvalid(where, 'there are too few');
    new VectorCheck(dimension, where).take(numbers);
    if (rows > 0) read.set(field, numbers);
  }
  return read;
}
