/**
 * Mutants of saved graphs. Whatever the bytes say: no trap, no hang, and what is taken answers like a graph
 * that was built. 500 here; `WHORL_MUTANTS=10000` for all.
 */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { VectorIndex } from '../../../workers/index/kernel/vector-index.ts';
import { built, now } from './measures.ts';
import { type Mutation, mutantOf, mutations, sealed } from './mutant.ts';
import { clustered, plainScore, rowOf } from './vectors.ts';

const RUNS = Number(process.env.WHORL_MUTANTS ?? 500);
const SEED = Number(process.env.WHORL_SEED ?? 20_261_121);
const DIMENSION = 18;
const ROWS = 1_200;
const SHAPE = { dimension: DIMENSION, metric: 'L2', M: 8, exactBelow: 0 } as const;
/** A walk over a twentieth of the rows, so that a graph that is wrong shows. */
const WALK = { limit: 10, ef: 60, walk: true } as const;
/** Longest that one mutant may take, with looking at what became of it. */
const MOST_MS = 2_000;
/** Rows asked for of each graph that was taken. */
const ASKED = 24;
/** What a graph must find that searches rely on, of what an exact scan finds: its own bar, less what so few rows scatter. */
const BAR = 0.9;

function vectors(): Float32Array {
  const all = clustered({
    rows: ROWS,
    dimension: DIMENSION,
    clusters: 30,
    spread: 0.5,
    seed: 91,
  });
  // Rows that are equal, so that there are chains: two of 30, twenty of two.
  for (let row = 20; row < 80; row++) {
    all.copyWithin(row * DIMENSION, (row % 2) * DIMENSION, (row % 2) * DIMENSION + DIMENSION);
  }
  for (let row = 100; row < 140; row += 2) {
    all.copyWithin((row + 1) * DIMENSION, row * DIMENSION, (row + 1) * DIMENSION);
  }
  return all;
}

let data: Float32Array;
let whole: Uint8Array;
let index: VectorIndex;

beforeAll(async () => {
  data = vectors();
  whole = (await built(data, SHAPE)).snapshot();
  index = await VectorIndex.create({ ...SHAPE, indexType: 'HNSW' });
  index.append(data);
});

/** Share of the ten nearest that a walk finds, over rows spread by `shift`; every hit must be what it says it is. */
function recallOf(shift: number): number {
  let found = 0;
  for (let i = 0; i < ASKED; i++) {
    const query = rowOf(data, DIMENSION, (shift + i * 50) % ROWS);
    const truth = index.search(query, { limit: 10, exact: true });
    const hits = index.search(query, WALK);
    expect(new Set(hits.rows).size).toBe(hits.rows.length);
    hits.rows.forEach((row, place) => {
      const plain = plainScore('L2', query, rowOf(data, DIMENSION, row));
      expect(Math.abs((hits.scores[place] as number) - plain)).toBeLessThan(1e-4);
    });
    const worst = truth.scores.at(-1) as number;
    found += hits.scores.filter((score) => score <= worst).length;
    // Asked without a word of graphs, the answer is the exact one.
    expect([...index.search(query, { limit: 10 }).scores]).toEqual([...truth.scores]);
  }
  return found / (10 * ASKED);
}

/** Takes a mutant or refuses it, and holds what was taken to what a built graph finds. True when it was taken. */
function attempt(mutant: Uint8Array, shift: number): boolean {
  const from = now();
  const taken = index.restore(mutant);
  if (taken) {
    while (!index.build(50, now)) expect(now() - from).toBeLessThan(MOST_MS);
    expect(index.inserted).toBe(ROWS);
    if (index.trusted) expect(recallOf(shift)).toBeGreaterThanOrEqual(BAR);
  }
  expect(now() - from).toBeLessThan(MOST_MS);
  return taken;
}

const sameAs = (a: Uint8Array, b: Uint8Array) =>
  a.length === b.length && a.every((byte, i) => byte === b[i]);

describe(`F16 ${RUNS} mutants of a saved graph (seed ${SEED})`, () => {
  it('the whole one is taken and finds what is there', { timeout: 60_000 }, () => {
    expect(attempt(whole, 0)).toBe(true);
    expect(index.trusted).toBe(true);
    expect(recallOf(7)).toBeGreaterThan(0.97);
  });

  it('are refused, or answer as a built graph does', { timeout: 1_200_000 }, () => {
    const counts = { taken: 0, refused: 0, unsealed: 0 };
    const check = (mutation: Mutation, shift: number): void => {
      const mutant = mutantOf(whole, mutation, ROWS);
      const taken = attempt(mutant, shift);
      counts[taken ? 'taken' : 'refused'] += 1;
      if (mutation.isSealed || sameAs(mutant, whole)) return;
      // What nobody made right again is found out by its checksum, whatever it is.
      counts.unsealed += 1;
      expect(taken).toBe(false);
    };
    fc.assert(fc.property(mutations(ROWS, whole.length), fc.nat(ROWS - 1), check), {
      numRuns: RUNS,
      seed: SEED,
    });
    // All three must occur, or nothing was tried.
    expect(counts.taken).toBeGreaterThan(RUNS / 50);
    expect(counts.refused).toBeGreaterThan(RUNS / 4);
    expect(counts.unsealed).toBeGreaterThan(RUNS / 50);
    console.info(`mutants: ${JSON.stringify({ runs: RUNS, seed: SEED, ...counts })}`);
  });

  it('after all of them the index takes the whole one and gives the same back', () => {
    expect(index.restore(whole)).toBe(true);
    expect(index.snapshot()).toEqual(whole);
  });

  it.each([1, 2, 3])('a row in the chain of other codes is refused (seed %i)', (seed) => {
    // Rows 100 and 101 share a node, as do 102 and 103, and so on: their second rows change places.
    const mutant = whole.slice();
    const words = new Uint32Array(mutant.buffer);
    const twinAt = (row: number) => 11 + ((ROWS + 3) >>> 2) + row;
    const [a, b] = [100 + 2 * seed, 110 + 2 * seed];
    const headOf = (row: number) => (words[twinAt(row)] === 0 ? row + 1 : row);
    const [one, other] = [twinAt(headOf(a)), twinAt(headOf(b))];
    const kept = words[one] as number;
    expect(kept).toBeGreaterThan(0);
    words[one] = words[other] as number;
    words[other] = kept;
    expect(index.restore(sealed(mutant))).toBe(false);
  });
});
