/** Vectors cut into the chunks that storage keeps. */
import { checksumOf } from './kernel/snapshot.ts';
import { pageOf, pageRows } from './pages.ts';
import type { ChunkRecord, CollectionRecord } from './records.ts';
import { dimensionOf, type FieldSpec, vectorFields } from './schema.ts';

/** A chunk, and the space of its field that it belongs to. */
export interface PlacedChunk {
  readonly field: number;
  readonly generation: number;
  readonly chunk: ChunkRecord;
}

/** What chunks of a field have in common. */
type ChunkKind = Pick<ChunkRecord, 'collection' | 'field' | 'dimension' | 'fingerprint'>;

/**
 * Chunks of all vector fields, in the spaces that the record names. `numbers`: of the rows, ascending.
 * `vectors`: by field name, row-major, in the order of the numbers.
 */
export function toChunks(
  record: CollectionRecord,
  numbers: ArrayLike<number>,
  vectors: ReadonlyMap<string, Float32Array>,
): readonly PlacedChunk[] {
  return vectorFields(record.spec).flatMap((field) => {
    const all = vectors.get(field.name);
    const space = record.vectors[field.name];
    if (all === undefined || !space?.fingerprint) return [];
    const { generation, fingerprint } = space;
    const kind = kindOf(record.id, field, fingerprint);
    return toPages(kind, numbers, all).map((chunk) => ({ field: field.id, generation, chunk }));
  });
}

export function kindOf(
  collection: number,
  field: FieldSpec,
  fingerprint: ChunkRecord['fingerprint'],
): ChunkKind {
  return { collection, field: field.name, dimension: dimensionOf(field), fingerprint };
}

/** One chunk for each page that the numbers, which ascend, lie in. */
export function toPages(
  kind: ChunkKind,
  numbers: ArrayLike<number>,
  all: Float32Array,
): ChunkRecord[] {
  const { dimension } = kind;
  const perPage = pageRows(dimension);
  const chunks: ChunkRecord[] = [];
  for (let from = 0; from < numbers.length; ) {
    const { to: end } = pageOf(numbers[from] as number, perPage);
    let to = from + 1;
    while (to < numbers.length && (numbers[to] as number) < end) to += 1;
    const part = all.slice(from * dimension, to * dimension);
    chunks.push(makeChunk(kind, Array.prototype.slice.call(numbers, from, to), part));
    from = to;
  }
  return chunks;
}

/** A chunk of vectors with ascending numbers; takes the buffer of `data`. */
function makeChunk(
  kind: ChunkKind,
  numbers: readonly number[],
  data: Float32Array<ArrayBuffer>,
): ChunkRecord {
  const [firstRow = 0] = numbers;
  const rows = numbers.length;
  const isDense = (numbers.at(-1) ?? 0) === firstRow + rows - 1;
  return {
    ...kind,
    elementType: 'float32',
    firstRow,
    rows,
    ...(isDense ? {} : { offsets: Uint32Array.from(numbers, (number) => number - firstRow) }),
    checksum: checksumOf(new Uint32Array(data.buffer)),
    data: data.buffer,
  };
}
