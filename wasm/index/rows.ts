/**
 * Where rows lie. Rows have dense numbers 0, 1, 2, ... and live in blocks of `1 << shift` rows; a
 * block is one piece of memory, so that growing moves nothing:
 *
 *     records   codes (int8, padded), then scale, offset, error, norm (float32)   one row after the other
 *     floats    the vector as it was given (float32, padded with zeros); absent where only codes are kept
 *     signs     the sign bits of the codes, sixteen rows together; absent without a graph, and for HAMMING
 *     links     layer 0 of the graph: a count and up to `degree0` row numbers
 *     upper     first slot of the row's upper layers
 *     twin      next row of the same codes, plus one; 0 ends the chain
 *     inLinks   rows that link to it in layer 0; 65,535 stands for that many or more
 *     level     layers above 0 that the row is in; NO_NODE where another row stands for it
 *
 * The four floats stand behind the codes and not in arrays of their own: a graph visits rows at
 * random, and so each visit touches memory in one place.
 */
import { allocate, enlarge } from './memory';

export const IP: i32 = 0;
export const COSINE: i32 = 1;
export const L2: i32 = 2;
/** Rows are bits, eight a byte, which stand in the place of codes; their scale is 1. */
export const HAMMING: i32 = 3;

/** Level of a row that is not a node: its codes are those of a node, in whose chain it is. */
export const NO_NODE: u8 = 255;

/** Bytes behind the codes of a record. */
const META: usize = 16;
/** A block's floats take about this much, so that a small collection stays small. */
const BLOCK_FLOAT_BYTES: i32 = 1 << 20;

export let metric: i32 = IP;
/** Codes and floats a row, `dimension` (bytes of bits) rounded up to 16. */
export let padded: usize = 0;
/** Most links in layer 0; 0 where there is no graph. */
export let degree0: i32 = 0;
/** Whether the floats of rows are kept; without them rows are known by their codes alone. */
export let keepsFloats: bool = true;
/** Bytes of the signs of a row; 0 where they are not kept. */
export let signBytes: usize = 0;
export let rowCount: u32 = 0;

let stage: usize = 0;
let shift: u32 = 0;
let mask: u32 = 0;
let recordBytes: usize = 0;
let linkBytes: usize = 0;
let floatsAt: usize = 0;
let signsAt: usize = 0;
let linksAt: usize = 0;
let upperAt: usize = 0;
let twinAt: usize = 0;
let inLinksAt: usize = 0;
let levelAt: usize = 0;
let blockBytes: u64 = 0;

let table: usize = 0;
let tableCapacity: u32 = 0;
let blockCount: u32 = 0;

/** Sets the layout; called once. */
export function layRows(dimension: i32, metricCode: i32, links: i32, floats: bool, signs: bool): void {
  metric = metricCode;
  keepsFloats = floats;
  padded = <usize>(((metric == HAMMING ? dimension >> 3 : dimension) + 15) & ~15);
  degree0 = links;
  shift = 4;
  while (shift < 10 && (<i32>padded << (shift + 3)) <= BLOCK_FLOAT_BYTES) shift++;
  const rows = <usize>1 << shift;
  mask = <u32>rows - 1;
  recordBytes = padded + META;
  linkBytes = links > 0 ? <usize>(links + 1) << 2 : 0;
  floatsAt = recordBytes * rows;
  signBytes = signs && metric != HAMMING ? padded >> 3 : 0;
  signsAt = floatsAt + (floats ? padded * 4 * rows : 0);
  linksAt = signsAt + signBytes * rows;
  upperAt = linksAt + linkBytes * rows;
  const perNode: usize = links > 0 ? 4 * rows : 0;
  twinAt = upperAt + perNode;
  inLinksAt = twinAt + perNode;
  levelAt = inLinksAt + (perNode >> 1);
  blockBytes = <u64>(levelAt + (perNode >> 2));
}

/** Makes room for rows `0 .. rows - 1`; false when memory is exhausted, and then rows are as before. */
export function reserveBlocks(rows: u32): bool {
  const blocks = <u32>((<u64>rows + mask) >> shift);
  if (blocks > tableCapacity) {
    const capacity = max(blocks, max(tableCapacity * 2, 64));
    const larger = enlarge(table, <u64>tableCapacity << 2, <u64>capacity << 2);
    if (larger == 0) return false;
    table = larger;
    tableCapacity = capacity;
  }
  while (blockCount < blocks) {
    const block = allocate(blockBytes);
    if (block == 0) return false;
    store<u32>(table + (<usize>blockCount << 2), <u32>block);
    blockCount++;
  }
  return true;
}

/** Says that rows up to there are complete. */
export function commitRows(rows: u32): void {
  rowCount = rows;
}

export function rowsPerBlock(): u32 {
  return mask + 1;
}

export function recordStride(): usize {
  return recordBytes;
}

// @ts-ignore: decorator
@inline
function blockOf(row: u32): usize {
  return <usize>load<u32>(table + (<usize>(row >> shift) << 2));
}

/** Address of a row's codes. */
// @ts-ignore: decorator
@inline
export function recordOf(row: u32): usize {
  return blockOf(row) + <usize>(row & mask) * recordBytes;
}

/** Rows that can be encoded at once where floats are not kept. */
export const STAGED: u32 = 64;

/** Makes room for floats that are encoded and forgotten; false when memory is exhausted. */
export function layStage(): bool {
  if (!keepsFloats) stage = allocate((<u64>padded * STAGED) << 2);
  return keepsFloats || stage != 0;
}

/**
 * Address of a row's vector; the rows of a block follow each other, `padded` floats apart. Where floats
 * are not kept, only the next rows to be appended have one, until they are.
 */
export function floatsOf(row: u32): usize {
  if (!keepsFloats) return stage + ((<usize>(row - rowCount) * padded) << 2);
  return blockOf(row) + floatsAt + ((<usize>(row & mask) * padded) << 2);
}

/** Address of the signs of a group of sixteen rows that begins with `row`; see `signs.ts`. */
// @ts-ignore: decorator
@inline
export function signsOf(row: u32): usize {
  return blockOf(row) + signsAt + <usize>(row & mask) * signBytes;
}

/** Address of a row's links in layer 0: their number, then row numbers. */
// @ts-ignore: decorator
@inline
export function linksOf(row: u32): usize {
  return blockOf(row) + linksAt + <usize>(row & mask) * linkBytes;
}

export function upperOf(row: u32): usize {
  return blockOf(row) + upperAt + (<usize>(row & mask) << 2);
}

export function twinOf(row: u32): usize {
  return blockOf(row) + twinAt + (<usize>(row & mask) << 2);
}

export function inLinksOf(row: u32): usize {
  return blockOf(row) + inLinksAt + (<usize>(row & mask) << 1);
}

export function levelOf(row: u32): usize {
  return blockOf(row) + levelAt + <usize>(row & mask);
}

// The four floats behind the codes.

/** What a code is worth; 0 for a zero vector. COSINE: of the unit vector. */
// @ts-ignore: decorator
@inline
export function scaleAt(record: usize): usize {
  return record + padded;
}

/** L2: squared length of the decoded vector. IP: see `encode.ts`. COSINE: 0. */
// @ts-ignore: decorator
@inline
export function offsetAt(record: usize): usize {
  return record + padded + 4;
}

/** Length of the difference between vector and decoded codes. COSINE: of the unit vector. */
// @ts-ignore: decorator
@inline
export function errorAt(record: usize): usize {
  return record + padded + 8;
}

/** COSINE: 1 / length (0 for a zero vector). IP and L2: length. */
// @ts-ignore: decorator
@inline
export function normAt(record: usize): usize {
  return record + padded + 12;
}
