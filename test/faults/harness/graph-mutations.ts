/**
 * What may be wrong with a saved graph: bytes that rotted, records of another graph or of no graph, and
 * graphs made up by someone who knows the format and its checksums.
 */
import { checksumOf, HEADER_WORDS } from '../../../workers/index/kernel/snapshot.ts';
import type { SnapshotPart } from '../../../workers/index/saved-graph.ts';
import { Seeded } from './random.ts';

/** A graph of one part; what comes of it is stored as it is. */
type Mutation = (part: SnapshotPart, random: Seeded) => unknown;

function wordsOf(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.slice().buffer);
}

/** Other bytes, sealed with checksums that are right: what is wrong lies behind them. */
function sealed(part: SnapshotPart, bytes: Uint8Array): SnapshotPart {
  const padded = new Uint8Array((bytes.length + 3) & ~3);
  padded.set(bytes);
  const checksum = checksumOf(wordsOf(padded));
  return { ...part, bytes: bytes as Uint8Array<ArrayBuffer>, checksum, whole: checksum };
}

/** Changes words of the kernel's own format and makes its checksum right as well. */
function forged(part: SnapshotPart, change: (words: Uint32Array) => void): SnapshotPart {
  const words = wordsOf(part.bytes);
  change(words);
  words[3] = checksumOf(words.subarray(4));
  return sealed(part, new Uint8Array(words.buffer));
}

function flipped(bytes: Uint8Array, random: Seeded): Uint8Array<ArrayBuffer> {
  const copy = bytes.slice() as Uint8Array<ArrayBuffer>;
  const at = random.int(0, copy.length - 1);
  copy[at] = (copy[at] ?? 0) ^ (1 << random.int(0, 7));
  return copy;
}

/** Where the lists of links begin, in words. */
function listsAt(words: Uint32Array): number {
  const count = words[7] ?? 0;
  return HEADER_WORDS + ((count + 3) >>> 2) + count;
}

/** Each list of links: the position of its first link, and how many there are. */
function* lists(words: Uint32Array): Generator<readonly [at: number, links: number]> {
  for (let at = listsAt(words); at < words.length; ) {
    const links = words[at] ?? 0;
    yield [at + 1, links];
    at += 1 + links;
  }
}

/** A word of the lists that is a link. */
function someLink(words: Uint32Array, random: Seeded): number {
  const all = [...lists(words)].filter(([, links]) => links > 0);
  const [at, links] = all[random.int(0, all.length - 1)] ?? [0, 1];
  return at + random.int(0, links - 1);
}

export const GRAPH_MUTATIONS = {
  'the record is null': () => null,
  'the bytes are a text': (part) => ({ ...part, bytes: 'graph' }),
  'no bytes': (part) => sealed(part, new Uint8Array(0)),
  'only zeros': (part) => sealed(part, new Uint8Array(part.bytes.length)),
  'only ones': (part) => sealed(part, new Uint8Array(part.bytes.length).fill(255)),
  'one bit flipped': (part, random) => ({ ...part, bytes: flipped(part.bytes, random) }),
  'one bit flipped, sealed outside': (part, random) => sealed(part, flipped(part.bytes, random)),
  'one bit flipped, sealed': (part, random) =>
    forged(part, (words) => {
      const at = random.int(4, words.length - 1);
      words[at] = (words[at] ?? 0) ^ (1 << random.int(0, 31));
    }),
  'cut off': (part, random) =>
    sealed(part, part.bytes.slice(0, random.int(1, part.bytes.length - 1))),
  'cut off, length made right': (part, random) => {
    const words = wordsOf(part.bytes).slice(0, random.int(HEADER_WORDS, part.bytes.length / 4 - 1));
    words[2] = words.byteLength;
    return forged({ ...part, bytes: new Uint8Array(words.buffer) }, () => {});
  },
  'bytes behind its end': (part, random) => {
    const longer = new Uint8Array(part.bytes.length + 4 * random.int(1, 100));
    longer.set(part.bytes);
    return sealed(part, longer);
  },
  'of a later generation': (part) => ({ ...part, generation: part.generation + 1 }),
  'of another model': (part) => ({ ...part, model: 'another-model' }),
  'one of two parts': (part) => ({ ...part, parts: 2 }),
  'more rows than there are': (part) => ({ ...part, count: part.count + 1_000_000 }),
  'a count that is no number': (part) => ({ ...part, count: Number.NaN }),
  'numbers of other rows': (part, random) => ({
    ...part,
    runs: part.runs?.map((number) => number + random.int(1, 9)),
  }),
  'another dimension': (part) =>
    forged(part, (words) => {
      words[4] = (words[4] ?? 0) + 1;
    }),
  'codes of other rows': (part) =>
    forged(part, (words) => {
      words[10] = (words[10] ?? 0) ^ 1;
    }),
  'an entry that is no row': (part) =>
    forged(part, (words) => {
      words[8] = 0x7fffffff;
    }),
  'a link to no row': (part, random) =>
    forged(part, (words) => {
      words[someLink(words, random)] = 0x7fffffff;
    }),
  'a list longer than the bytes': (part, random) =>
    forged(part, (words) => {
      words[someLink(words, random)] = 3;
      words[listsAt(words)] = 0x7fffffff;
    }),
  'a level above the highest': (part, random) =>
    forged(part, (words) => {
      new Uint8Array(words.buffer)[HEADER_WORDS * 4 + random.int(0, part.count - 1)] = 200;
    }),
  'all links lead to one row': (part) =>
    forged(part, (words) => {
      const to = words[8] ?? 0;
      for (const [at, links] of lists(words)) words.fill(to, at, at + links);
    }),
  'links shuffled among the rows': (part, random) =>
    forged(part, (words) => {
      const places = [...lists(words)].flatMap(([at, links]) =>
        Array.from({ length: links }, (_, i) => at + i),
      );
      for (let i = places.length - 1; i > 0; i--) {
        const [a, b] = [places[i] ?? 0, places[random.int(0, i)] ?? 0];
        [words[a], words[b]] = [words[b] ?? 0, words[a] ?? 0];
      }
    }),
} as const satisfies Readonly<Record<string, Mutation>>;

export type GraphMutation = keyof typeof GRAPH_MUTATIONS;

export function mutated(part: SnapshotPart, name: GraphMutation, seed: number): unknown {
  const mutation: Mutation = GRAPH_MUTATIONS[name];
  return mutation(part, new Seeded(seed));
}
