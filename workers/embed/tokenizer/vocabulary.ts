/**
 * The pieces of a tokenizer.json and their ids, looked up by their bytes in UTF-8. The table is built
 * in WebAssembly (`wasm/vocabulary`), which is as quick in its first millisecond as ever after; the
 * instance is dropped then, and what it made is copied out.
 */
import { WhorlError } from '../../../src/shared/errors.ts';
import { vocabularyIndex } from '../../../wasm/build/vocabulary-index.ts';

/** Exports of `wasm/vocabulary/index.ts`. Addresses and sizes need `>>> 0`. */
interface Indexer {
  readonly memory: WebAssembly.Memory;
  reserve(bytes: number): number;
  find(): number;
  index(offset: number): number;
  closedAt(): number;
  slotsAt(): number;
  slotsBytes(): number;
  entriesAt(): number;
  piecesAt(): number;
  piecesBytes(): number;
  numbersAt(): number;
  numbersBytes(): number;
  longestPiece(): number;
}

/** FNV-1a, 32 bits, as in `wasm/vocabulary/index.ts`: start with the seed, fold in byte by byte. */
export const HASH_SEED = 0x811c9dc5 | 0;
export const HASH_PRIME = 0x01000193;

/** Integers an entry: where its piece begins, its length in bytes, its id. */
const ENTRY = 3;

interface Table {
  readonly slots: Int32Array;
  readonly entries: Int32Array;
  readonly pieces: Uint8Array;
}

export class Vocabulary {
  /** Different pieces. */
  readonly size: number;
  /** Bytes of the longest piece. */
  readonly longest: number;
  /** Scores by id, of a list of pairs; empty for an object. */
  readonly scores: Float64Array;
  readonly #slots: Int32Array;
  readonly #entries: Int32Array;
  readonly #pieces: Uint8Array;

  constructor(table: Table, size: number, longest: number, scores: Float64Array) {
    this.size = size;
    this.longest = longest;
    this.scores = scores;
    this.#slots = table.slots;
    this.#entries = table.entries;
    this.#pieces = table.pieces;
  }

  /** Id of the piece that these bytes are, or -1. `hash` is the {@link HASH_SEED FNV-1a} of them. */
  find(hash: number, bytes: Uint8Array, start: number, end: number): number {
    const slots = this.#slots;
    const mask = (slots.length >> 1) - 1;
    for (let slot = (hash ^ (hash >>> 15)) & mask; ; slot = (slot + 1) & mask) {
      const number = slots[slot * 2 + 1] as number;
      if (number === 0) return -1;
      if (slots[slot * 2] !== hash) continue;
      const entry = (number - 1) * ENTRY;
      if (this.#isPiece(entry, bytes, start, end)) return this.#entries[entry + 2] as number;
    }
  }

  /** Pieces as the original counts them: in a list, equal ones each. */
  get count(): number {
    return Math.max(this.size, this.scores.length);
  }

  /** Id of a piece, or undefined. */
  idOf(piece: string): number | undefined {
    const bytes = new TextEncoder().encode(piece);
    let hash = HASH_SEED;
    for (const byte of bytes) hash = Math.imul(hash ^ byte, HASH_PRIME);
    const id = this.find(hash, bytes, 0, bytes.length);
    return id < 0 ? undefined : id;
  }

  #isPiece(entry: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#entries[entry + 1] !== end - start) return false;
    const from = this.#entries[entry] as number;
    for (let i = start; i < end; i++) {
      if (bytes[i] !== this.#pieces[from + i - start]) return false;
    }
    return true;
  }
}

/** A vocabulary, and where its text stood in the file: from its bracket to behind the closing one. */
export interface FoundVocabulary {
  readonly vocabulary: Vocabulary;
  readonly start: number;
  readonly end: number;
}

let compiled: WebAssembly.Module | null = null;

/**
 * The first member named `vocab` of a JSON text, which must be an object of ids or a list of pairs of
 * piece and score; null where there is none that a tokenizer could have.
 *
 * @throws WhorlError `out_of_memory`.
 */
export function findVocabulary(file: Uint8Array): FoundVocabulary | null {
  compiled ??= new WebAssembly.Module(binary());
  const indexer = new WebAssembly.Instance(compiled).exports as unknown as Indexer;
  const address = indexer.reserve(file.length) >>> 0;
  if (address === 0) throw outOfMemory(file.length);
  new Uint8Array(indexer.memory.buffer, address).set(file);
  const start = indexer.find();
  if (start < 0) return null;
  const size = indexer.index(start);
  if (size === -2) throw outOfMemory(file.length);
  if (size < 0) return null;
  const vocabulary = copyOut(indexer, size);
  return vocabulary && { vocabulary, start, end: indexer.closedAt() >>> 0 };
}

/** In a plain loop: `Uint8Array.from` with a function takes a millisecond before it is optimised. */
function binary(): Uint8Array<ArrayBuffer> {
  const text = atob(vocabularyIndex);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

function copyOut(indexer: Indexer, size: number): Vocabulary | null {
  const { buffer } = indexer.memory;
  const integers = (at: number, count: number): Int32Array =>
    new Int32Array(buffer, at >>> 0, count).slice();
  const bytes = (at: number, count: number): Uint8Array =>
    new Uint8Array(buffer, at >>> 0, count >>> 0).slice();
  const scores = readScores(bytes(indexer.numbersAt(), indexer.numbersBytes()));
  if (!scores) return null;
  const table = {
    slots: integers(indexer.slotsAt(), (indexer.slotsBytes() >>> 0) / 4),
    entries: integers(indexer.entriesAt(), size * ENTRY),
    pieces: bytes(indexer.piecesAt(), indexer.piecesBytes()),
  };
  return new Vocabulary(table, size, indexer.longestPiece() >>> 0, scores);
}

/** The numbers as the host's JSON reads them, which is exact; null where one is no number. */
function readScores(list: Uint8Array): Float64Array | null {
  try {
    const text = new TextDecoder().decode(list).slice(0, -1);
    return Float64Array.from(JSON.parse(`[${text}]`) as number[]);
  } catch {
    return null;
  }
}

function outOfMemory(bytes: number): WhorlError {
  return new WhorlError(
    'out_of_memory',
    `There is no memory to read a tokenizer of ${bytes} bytes. Nothing was started. Close other tabs, then try again.`,
  );
}
