/**
 * The graph as bytes. A snapshot holds no vectors: it can always be made anew from them, so the
 * slightest doubt discards it. Everything is checked before a byte of it enters the kernel.
 *
 * Little-endian 32-bit words:
 *
 *      0  magic "WHGR"          7  rows in the graph
 *      1  version               8  entry row, 0xffffffff when empty
 *      2  length in bytes       9  highest layer
 *      3  checksum of 4..end   10  hash of the rows' codes
 *      4  dimension
 *      5  metric: 0 IP, 1 COSINE, 2 L2
 *      6  M
 *
 * then a level byte a row (255: another row stands for it), filled up to whole words; a word a row:
 * the next row of its chain of equal codes, plus one, or 0; and for each row that is a node, layer 0
 * first: the number of links, and the rows linked.
 */

const MAGIC = 0x52474857;
const VERSION = 1;
export const HEADER_WORDS = 11;
export const NO_NODE = 255;
export const NO_ROW = 0xffffffff;
const HIGHEST_LAYER = 15;

/** What graph and snapshot must agree on. */
export interface GraphShape {
  readonly dimension: number;
  readonly metric: number;
  readonly M: number;
}

export interface GraphHead {
  readonly count: number;
  readonly entry: number;
  readonly top: number;
  readonly codesHash: number;
}

/** A checked snapshot: views on its bytes. */
export interface GraphParts extends GraphHead {
  readonly levels: Uint8Array;
  readonly twins: Uint32Array;
  /** The lists of links, one after the other: count, rows. */
  readonly lists: Uint32Array;
}

/** Two multiply-and-fold sums over the words, folded into one: any changed word shows. */
export function checksumOf(words: Uint32Array): number {
  let a = 0x811c9dc5;
  let b = words.length;
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as number;
    a = Math.imul(a ^ word, 0x01000193);
    a ^= a >>> 15;
    b = Math.imul(b + word, 0x85ebca6b);
    b ^= b >>> 13;
  }
  return (a ^ Math.imul(b, 0x9e3779b1)) >>> 0;
}

function levelWords(count: number): number {
  return (count + 3) >>> 2;
}

/** Lays out a snapshot; `write` fills levels, twins and lists. */
export function packGraph(
  shape: GraphShape,
  head: GraphHead,
  listWords: number,
  write: (parts: GraphParts) => void,
): Uint8Array {
  const words = new Uint32Array(HEADER_WORDS + levelWords(head.count) + head.count + listWords);
  write({ ...head, ...viewsOf(words, head.count) });
  const { count, entry, top, codesHash } = head;
  words.set([MAGIC, VERSION, words.byteLength, 0, shape.dimension, shape.metric, shape.M]);
  words.set([count, entry, top, codesHash], 7);
  words[3] = checksumOf(words.subarray(4));
  return new Uint8Array(words.buffer);
}

function viewsOf(words: Uint32Array, count: number) {
  const twinsAt = HEADER_WORDS + levelWords(count);
  return {
    levels: new Uint8Array(words.buffer, words.byteOffset + HEADER_WORDS * 4, count),
    twins: words.subarray(twinsAt, twinsAt + count),
    lists: words.subarray(twinsAt + count),
  };
}

/** The parts of a snapshot, or null when anything about it is in doubt. `rows`: rows of the index. */
export function parseGraph(bytes: Uint8Array, shape: GraphShape, rows: number): GraphParts | null {
  if (bytes.byteLength % 4 !== 0 || bytes.byteLength < HEADER_WORDS * 4) return null;
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  const words = new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 4);
  const [magic, version, length, checksum, dimension, metric, M] = words;
  const [count = 0, entry = 0, top = 0, codesHash = 0] = words.subarray(7, HEADER_WORDS);
  if (magic !== MAGIC || version !== VERSION || length !== bytes.byteLength) return null;
  if (dimension !== shape.dimension || metric !== shape.metric || M !== shape.M) return null;
  if (count > rows || words.length < HEADER_WORDS + levelWords(count) + count) return null;
  if (checksum !== checksumOf(words.subarray(4))) return null;
  const parts = { count, entry, top, codesHash, ...viewsOf(words, count) };
  return levelsHold(parts) && twinsHold(parts) && listsHold(parts, shape.M) ? parts : null;
}

/** The entry is a node of the highest layer, and no node is higher. */
function levelsHold({ count, entry, top, levels }: GraphParts): boolean {
  if (count === 0) return entry === NO_ROW && top === 0;
  if (entry >= count || top > HIGHEST_LAYER || levels[entry] !== top) return false;
  return levels.every((level) => level <= top || level === NO_NODE);
}

/** The chains start at nodes, end, and hold every row that is no node exactly once. */
function twinsHold({ count, levels, twins }: GraphParts): boolean {
  let left = 0;
  for (const level of levels) if (level === NO_NODE) left++;
  for (let row = 0; row < count; row++) {
    if (levels[row] === NO_NODE) continue;
    for (let next = twins[row] as number; next !== 0; next = twins[next - 1] as number) {
      if (next > count || levels[next - 1] !== NO_NODE || --left < 0) return false;
    }
  }
  return left === 0;
}

/** Every list is inside the bytes and not too long, every link leads to another node of its layer. */
function listsHold({ count, levels, lists }: GraphParts, M: number): boolean {
  let at = 0;
  for (let row = 0; row < count; row++) {
    const level = levels[row] as number;
    if (level === NO_NODE) continue;
    for (let layer = 0; layer <= level; layer++) {
      const links = lists[at++];
      if (links === undefined || links > (layer === 0 ? 2 * M : M)) return false;
      const end = at + links;
      if (end > lists.length) return false;
      for (; at < end; at++) {
        const to = lists[at] as number;
        const other = to < count && to !== row ? (levels[to] as number) : NO_NODE;
        if (other === NO_NODE || other < layer) return false;
      }
    }
  }
  return at === lists.length;
}
