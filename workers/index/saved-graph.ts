/**
 * A graph as it is saved: in parts, so that no transaction is long. It is derived state: a part that is
 * missing, of another graph, or not what its checksum says is enough to build the graph anew.
 */
import type { Fingerprint } from '../../src/shared/types.ts';
import { isObject } from './body.ts';
import { checksumOf } from './kernel/snapshot.ts';

/** Bytes of one part. */
const PART_BYTES = 4_194_304;

export interface GraphName {
  /** Of the field's vectors. */
  readonly generation: number;
  /** The vector space that the graph was made of. */
  readonly model: Fingerprint | 'caller';
  /** Rows that the graph holds. */
  readonly count: number;
}

/** Store `snapshots`, key `[collection, field id, part]`. */
export interface SnapshotPart extends GraphName {
  readonly part: number;
  readonly parts: number;
  /** Checksum of all bytes, by which parts know their graph: those of two are never joined. */
  readonly whole: number;
  /** Of `bytes`. */
  readonly checksum: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Part 0: numbers of the graph's rows, see `runs.ts`. */
  readonly runs?: Float64Array<ArrayBuffer>;
}

/** A graph in one piece. */
export interface SavedGraph extends GraphName {
  readonly runs: Float64Array<ArrayBuffer>;
  /** What the kernel gave; a multiple of four bytes. */
  readonly bytes: Uint8Array;
}

/** Cuts a graph into parts, in the order in which they are saved: part 0 last. */
export function* partsOf({ bytes, runs, ...name }: SavedGraph): Generator<SnapshotPart> {
  const parts = Math.max(1, Math.ceil(bytes.length / PART_BYTES));
  const whole = checksumOfBytes(bytes);
  for (let part = parts - 1; part >= 0; part--) {
    const own = bytes.slice(part * PART_BYTES, (part + 1) * PART_BYTES) as Uint8Array<ArrayBuffer>;
    const checksum = checksumOfBytes(own);
    const first = part === 0 ? { runs } : {};
    yield { ...name, part, parts, whole, checksum, bytes: own, ...first };
  }
}

/** The graph of stored parts, in their order; null when anything about them is in doubt. */
export function joinParts(values: readonly unknown[]): SavedGraph | null {
  const parts = values.map(parsePart);
  const [first] = parts;
  if (!first || first.parts !== parts.length || !(first.runs instanceof Float64Array)) return null;
  const { generation, model, count, whole, runs } = first;
  const isOfIt = (part: SnapshotPart | null, i: number) =>
    part?.part === i &&
    part.parts === parts.length &&
    part.generation === generation &&
    part.model === model &&
    part.count === count &&
    part.whole === whole;
  if (!parts.every(isOfIt)) return null;
  const bytes = joined(parts.flatMap((part) => part?.bytes ?? []));
  return { generation, model, count, runs, bytes };
}

/** Each part is checked before it is joined. */
function parsePart(value: unknown): SnapshotPart | null {
  if (!isObject(value) || !(value.bytes instanceof Uint8Array)) return null;
  const part = value as unknown as SnapshotPart;
  return part.checksum === checksumOfBytes(part.bytes) ? part : null;
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** Of bytes of any length; what is short of a whole word counts as zeros. */
function checksumOfBytes(bytes: Uint8Array): number {
  if (bytes.byteOffset % 4 === 0 && bytes.length % 4 === 0) {
    return checksumOf(new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4));
  }
  const padded = new Uint8Array((bytes.length + 3) & ~3);
  padded.set(bytes);
  return checksumOf(new Uint32Array(padded.buffer));
}
