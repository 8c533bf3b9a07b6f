/**
 * Pages: row numbers are cut into pages of equal length, and a chunk of vectors never reaches over the
 * end of its page, so that the chunks of any number are found by a range of keys. Tidying rewrites one
 * page at a time into one chunk.
 */
import type { ChunkRecord, CollectionRecord } from './records.ts';
import { type CollectionSpec, dimensionOf, vectorFields } from './schema.ts';

/** Bytes of vectors in a full page: large enough that reading is fast, small enough to rewrite without a pause. */
const PAGE_BYTES = 1_048_576;
/** Rows of a page at most: a page is filled by single inserts, each a record of its own until it is tidied. */
const PAGE_ROWS = 1_024;
/** A page that goes on growing is tidied whenever it has so many rows more. */
const TIDY_ROWS = 128;
/** Ranges kept of one collection; more are joined with their nearest. */
const MAX_RANGES = 64;

/** Row numbers from the first to the last, both included. */
export type NumberRange = readonly [number, number];

/** Row numbers a page; part of the storage format. */
export function pageRows(dimension: number): number {
  const bytes = dimension * Float32Array.BYTES_PER_ELEMENT;
  return Math.min(PAGE_ROWS, Math.max(1, Math.floor(PAGE_BYTES / bytes)));
}

/** The page that a number lies in: its first number and the one behind its last. */
export function pageOf(
  number: number,
  rows: number,
): { readonly from: number; readonly to: number } {
  const from = number - (number % rows);
  return { from, to: from + rows };
}

/** The number of the i-th vector of a chunk. */
export function numberIn(chunk: ChunkRecord, i: number): number {
  return chunk.firstRow + (chunk.offsets === undefined ? i : (chunk.offsets[i] as number));
}

/**
 * What an append of the numbers `first .. next - 1` leaves to tidy: the page that it went on with, when
 * that page is full now or has grown by {@link TIDY_ROWS}. Pages that it began have one chunk.
 */
export function looseAfter(spec: CollectionSpec, first: number, next: number): NumberRange[] {
  return vectorFields(spec).flatMap((field) => {
    const { from, to } = pageOf(first, pageRows(dimensionOf(field)));
    if (first === from || next === first) return [];
    const end = Math.min(next, to);
    const steps = (number: number) => Math.floor((number - from) / TIDY_ROWS);
    return end === to || steps(end) > steps(first) ? [[from, end - 1] as const] : [];
  });
}

/** Numbers, in any order, as the ranges that they fill. */
export function rangesOf(numbers: readonly number[]): NumberRange[] {
  const ranges: [number, number][] = [];
  for (const number of Float64Array.from(numbers).sort()) {
    const last = ranges.at(-1);
    if (last !== undefined && number <= last[1] + 1) last[1] = number;
    else ranges.push([number, number]);
  }
  return ranges;
}

/** Ranges in order without overlap; those that lie nearest are joined until few are left. */
export function joinRanges(ranges: readonly NumberRange[]): readonly NumberRange[] {
  const sorted = [...ranges].sort((a, b) => a[0] - b[0]);
  const joined: [number, number][] = [];
  for (const [from, to] of sorted) {
    const last = joined.at(-1);
    if (last !== undefined && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else joined.push([from, to]);
  }
  return joined.length <= MAX_RANGES ? joined : bridged(joined);
}

/** Bridges the narrowest gaps. */
function bridged(ranges: readonly NumberRange[]): readonly NumberRange[] {
  const gap = (at: number) => (ranges[at]?.[0] ?? 0) - (ranges[at - 1]?.[1] ?? 0);
  const widest = ranges
    .map((_, at) => at)
    .slice(1)
    .sort((a, b) => gap(b) - gap(a))
    .slice(0, MAX_RANGES - 1)
    .sort((a, b) => a - b);
  const starts = [0, ...widest];
  return starts.map((at, i) => {
    const end = (starts[i + 1] ?? ranges.length) - 1;
    return [ranges[at]?.[0] ?? 0, ranges[end]?.[1] ?? 0] as const;
  });
}

/** The ranges without the numbers from `from` to before `to`. */
function withoutRange(
  ranges: readonly NumberRange[],
  from: number,
  to: number,
): readonly NumberRange[] {
  return ranges.flatMap(([low, high]) => {
    const left: NumberRange[] = low < from ? [[low, Math.min(high, from - 1)]] : [];
    const right: NumberRange[] = high >= to ? [[Math.max(low, to), high]] : [];
    return [...left, ...right];
  });
}

/** A record whose pages of these numbers want tidying, too. */
export function untidied(record: CollectionRecord, more: readonly NumberRange[]): CollectionRecord {
  if (more.length === 0) return record;
  return { ...record, unswept: joinRanges([...(record.unswept ?? []), ...more]) };
}

/** A record whose pages of the numbers from `from` to before `to` want no tidying any more. */
export function tidied(record: CollectionRecord, from: number, to: number): CollectionRecord {
  const { unswept = [], ...rest } = record;
  const left = withoutRange(unswept, from, to);
  return left.length === 0 ? rest : { ...rest, unswept: left };
}
