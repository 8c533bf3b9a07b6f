/** Saved graphs with something wrong in them, drawn by fast-check; most with a checksum that fits, so that the checks behind it are reached. */
import fc from 'fast-check';
import { checksumOf, HEADER_WORDS, NO_NODE } from '../../../workers/index/kernel/snapshot.ts';

/** One thing that is done to the bytes of a graph. */
export type Wound =
  /** Bits, by their place. */
  | { readonly kind: 'flips'; readonly bits: readonly number[] }
  | { readonly kind: 'header'; readonly word: number; readonly value: number }
  | { readonly kind: 'word'; readonly at: number; readonly value: number }
  | { readonly kind: 'level'; readonly row: number; readonly level: number }
  /** The chain of a row goes on with another one, or ends. */
  | { readonly kind: 'twin'; readonly row: number; readonly next: number }
  /** Two rows change places in the chains. */
  | { readonly kind: 'twins swapped'; readonly rows: readonly [number, number] }
  /** A row leaves the graph and joins a chain. */
  | { readonly kind: 'twin made'; readonly row: number; readonly of: number }
  | { readonly kind: 'link'; readonly list: number; readonly place: number; readonly to: number }
  | { readonly kind: 'links counted'; readonly list: number; readonly count: number }
  /** Every link of so many lists leads to one row. */
  | { readonly kind: 'links gathered'; readonly lists: number; readonly to: number }
  | { readonly kind: 'entry'; readonly row: number }
  | { readonly kind: 'cut'; readonly bytes: number }
  | { readonly kind: 'longer'; readonly bytes: number; readonly fill: number }
  | { readonly kind: 'moved'; readonly from: number; readonly to: number; readonly bytes: number };

export interface Mutation {
  readonly wounds: readonly Wound[];
  /** Length and checksum are made right again. */
  readonly isSealed: boolean;
}

const WORD = 2 ** 32 - 1;
const EXTREMES = [0, 1, 2, 15, 16, 254, 255, 256, 2 ** 31 - 1, 2 ** 31, WORD - 1, WORD] as const;

/** Numbers that are wrong in ways that are worth trying. */
function numbers(rows: number): fc.Arbitrary<number> {
  const near = fc.constantFrom(...EXTREMES, rows - 2, rows - 1, rows, rows + 1);
  return fc.oneof(near, fc.nat(rows), fc.nat(WORD));
}

/** Any of the kinds, for a graph of so many rows in so many bytes. */
function wounds(rows: number, bytes: number): fc.Arbitrary<Wound> {
  const row = fc.nat(rows - 1);
  const place = fc.nat(bytes - 1);
  const number = numbers(rows);
  const level = fc.constantFrom(0, 1, 2, 3, 14, 15, 16, 254, NO_NODE);
  const k = <K extends Wound['kind']>(kind: K) => fc.constant(kind);
  const bits = fc.array(fc.nat(bytes * 8 - 1), { minLength: 1, maxLength: 6 });
  return fc.oneof(
    fc.record({ kind: k('flips'), bits }),
    fc.record({ kind: k('header'), word: fc.nat(HEADER_WORDS - 1), value: number }),
    fc.record({ kind: k('word'), at: place, value: number }),
    fc.record({ kind: k('level'), row, level }),
    fc.record({ kind: k('twin'), row, next: number }),
    fc.record({ kind: k('twins swapped'), rows: fc.tuple(row, row) }),
    fc.record({ kind: k('twin made'), row, of: row }),
    fc.record({ kind: k('link'), list: row, place: fc.nat(40), to: number }),
    fc.record({ kind: k('links counted'), list: row, count: number }),
    fc.record({ kind: k('links gathered'), lists: row, to: row }),
    fc.record({ kind: k('entry'), row }),
    fc.record({ kind: k('cut'), bytes: fc.integer({ min: 1, max: bytes }) }),
    fc.record({ kind: k('longer'), bytes: fc.integer({ min: 1, max: 64 }), fill: fc.nat(255) }),
    fc.record({ kind: k('moved'), from: place, to: place, bytes: place }),
  );
}

export function mutations(rows: number, bytes: number): fc.Arbitrary<Mutation> {
  const some = fc.array(wounds(rows, bytes), { minLength: 1, maxLength: 2 });
  const isSealed = fc.nat(9).map((n) => n > 0);
  return fc.record({ wounds: some, isSealed });
}

/** The words of a graph, by what they are. */
class Words {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly rows: number;

  constructor(bytes: Uint8Array, rows: number) {
    this.bytes = bytes;
    this.words = new Uint32Array(bytes.buffer, 0, bytes.length >>> 2);
    this.rows = rows;
  }

  levelAt(row: number): number {
    return HEADER_WORDS * 4 + row;
  }

  twinAt(row: number): number {
    return HEADER_WORDS + ((this.rows + 3) >>> 2) + row;
  }

  /** Place of the count of the n-th list; lists are found by walking over those before. */
  listAt(list: number): number {
    let at = this.twinAt(0) + this.rows;
    for (let i = 0; i < list && at < this.words.length; i++) at += 1 + (this.words[at] as number);
    return at < this.words.length ? at : this.twinAt(0) + this.rows;
  }

  set(at: number, value: number): void {
    if (at < this.words.length) this.words[at] = value;
  }
}

/** The bytes with one wound more; never changes what it was given. */
function wound(bytes: Uint8Array, what: Wound, rows: number): Uint8Array {
  if (what.kind === 'cut') return bytes.slice(0, Math.max(0, bytes.length - what.bytes));
  if (what.kind === 'longer') {
    const longer = new Uint8Array(bytes.length + what.bytes).fill(what.fill);
    longer.set(bytes);
    return longer;
  }
  const mutant = bytes.slice();
  change(new Words(mutant, rows), what);
  return mutant;
}

function change(graph: Words, what: Exclude<Wound, { kind: 'cut' | 'longer' }>): void {
  const { bytes, words } = graph;
  switch (what.kind) {
    case 'flips':
      for (const bit of what.bits) bytes[bit >>> 3]! ^= 1 << (bit & 7);
      break;
    case 'header':
      graph.set(what.word, what.value);
      break;
    case 'word':
      graph.set(what.at >>> 2, what.value);
      break;
    case 'level':
      bytes[graph.levelAt(what.row)] = what.level;
      break;
    case 'twin':
      graph.set(graph.twinAt(what.row), what.next);
      break;
    case 'entry':
      graph.set(8, what.row);
      graph.set(9, bytes[graph.levelAt(what.row)] as number);
      break;
    case 'moved':
      bytes.copyWithin(what.to, what.from, what.from + what.bytes);
      break;
    case 'links counted':
      graph.set(graph.listAt(what.list), what.count);
      break;
    case 'link': {
      const at = graph.listAt(what.list);
      graph.set(at + 1 + (what.place % Math.max(1, words[at] ?? 1)), what.to);
      break;
    }
    case 'links gathered':
      gather(graph, what.lists, what.to);
      break;
    case 'twins swapped':
      swapTwins(graph, what.rows);
      break;
    case 'twin made':
      makeTwin(graph, what.row, what.of);
  }
}

function gather(graph: Words, lists: number, to: number): void {
  let at = graph.listAt(0);
  for (let list = 0; list < lists && at < graph.words.length; list++) {
    const end = at + (graph.words[at] as number);
    while (at < end) graph.set(++at, to);
    at++;
  }
}

function swapTwins(graph: Words, [a, b]: readonly [number, number]): void {
  const [one, other] = [graph.twinAt(a), graph.twinAt(b)];
  const kept = graph.words[one] ?? 0;
  graph.set(one, graph.words[other] ?? 0);
  graph.set(other, kept);
}

/** Takes a node out, as far as levels and chains tell; its lists and the links to it stay. */
function makeTwin(graph: Words, row: number, of: number): void {
  graph.bytes[graph.levelAt(row)] = NO_NODE;
  const [own, other] = [graph.twinAt(row), graph.twinAt(of)];
  graph.set(own, graph.words[other] ?? 0);
  graph.set(other, row + 1);
}

/** The bytes of a graph after a mutation. */
export function mutantOf(
  whole: Uint8Array,
  { wounds, isSealed }: Mutation,
  rows: number,
): Uint8Array {
  let mutant: Uint8Array = whole.slice();
  for (const each of wounds) mutant = wound(mutant, each, rows);
  return isSealed ? sealed(mutant) : mutant;
}

/** The same with length and checksum that fit. */
export function sealed(bytes: Uint8Array): Uint8Array {
  if (bytes.length < HEADER_WORDS * 4 || bytes.length % 4 !== 0) return bytes;
  const words = new Uint32Array(bytes.buffer, 0, bytes.length >>> 2);
  words[2] = bytes.length;
  words[3] = checksumOf(words.subarray(4));
  return bytes;
}
