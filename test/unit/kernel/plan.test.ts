import { describe, expect, it } from 'vitest';
import {
  defaultEf,
  EXACT_BELOW,
  planSearch,
  type SearchFacts,
  siftBreadth,
} from '../../../workers/index/kernel/plan.ts';

const LARGE: SearchFacts = {
  rows: 93_150,
  inserted: 93_150,
  trusted: true,
  sifts: false,
  allowed: 93_150,
  limit: 10,
  ef: defaultEf(93_150),
  exactBelow: EXACT_BELOW,
  exact: false,
  walk: false,
  sift: false,
};

const kindOf = (facts: Partial<SearchFacts>) => planSearch({ ...LARGE, ...facts }).kind;

describe('planSearch', () => {
  it('walks large indexes', () => {
    expect(planSearch(LARGE)).toEqual({ kind: 'graph', breadth: defaultEf(93_150) });
  });

  it('keeps more nodes among more rows', () => {
    expect(defaultEf(0)).toBe(384);
    expect(defaultEf(20_000)).toBe(384);
    expect(defaultEf(40_000)).toBe(464);
    expect(defaultEf(93_150)).toBe(562);
  });

  it('keeps at least as many nodes as hits are wanted', () => {
    expect(planSearch({ ...LARGE, limit: 900 })).toEqual({ kind: 'graph', breadth: 900 });
  });

  it('compares all where few rows match', () => {
    expect(kindOf({ allowed: EXACT_BELOW })).toBe('exact');
    expect(kindOf({ rows: 9000, inserted: 9000, allowed: 9000 })).toBe('exact');
    expect(kindOf({ allowed: 12_000 })).toBe('exact');
  });

  it('compares all where that is cheaper than a walk', () => {
    expect(kindOf({ limit: 5000 })).toBe('exact');
    expect(kindOf({ allowed: 30_000 })).toBe('exact');
    expect(kindOf({ allowed: 46_000 })).toBe('graph');
    expect(kindOf({ allowed: 30_000, ef: 100 })).toBe('graph');
    const few = { rows: 20_000, inserted: 20_000, allowed: 20_000 };
    expect(kindOf({ ...few, ef: defaultEf(20_000) })).toBe('graph');
    expect(kindOf({ ...few, rows: 15_000, inserted: 15_000, allowed: 15_000 })).toBe('exact');
  });

  it('compares all while most rows are not in the graph', () => {
    expect(kindOf({ inserted: 0 })).toBe('exact');
    expect(kindOf({ trusted: false })).toBe('exact');
    expect(kindOf({ trusted: false, walk: true })).toBe('graph');
    expect(kindOf({ inserted: 20_000 })).toBe('exact');
    expect(kindOf({ inserted: 90_000 })).toBe('graph');
  });

  it('does what it is told', () => {
    expect(kindOf({ exact: true })).toBe('exact');
    expect(kindOf({ walk: true, allowed: 3 })).toBe('graph');
    expect(kindOf({ walk: true, inserted: 0 })).toBe('exact');
    expect(kindOf({ walk: true, exact: true })).toBe('exact');
    expect(kindOf({ exactBelow: 100_000 })).toBe('exact');
  });

  it('sifts by signs where all of them cost less than a walk, and filters let many through', () => {
    const sifting = { sifts: true };
    expect(planSearch({ ...LARGE, ...sifting })).toEqual({
      kind: 'signs',
      keep: siftBreadth(10, 93_150),
    });
    expect(kindOf({ ...sifting, rows: 20_000, inserted: 0, allowed: 20_000 })).toBe('signs');
    expect(kindOf({ ...sifting, allowed: 46_000 })).toBe('signs');
    expect(kindOf({ ...sifting, allowed: 18_000 })).toBe('signs');
    expect(kindOf({ ...sifting, allowed: 10_500 })).toBe('exact');
    expect(kindOf({ ...sifting, allowed: EXACT_BELOW })).toBe('exact');
    const many = { rows: 500_000, inserted: 500_000, ef: defaultEf(500_000) };
    expect(kindOf({ ...sifting, ...many, allowed: 500_000 })).toBe('graph');
    expect(kindOf({ ...sifting, ...many, allowed: 250_000 })).toBe('graph');
    expect(kindOf({ ...sifting, ...many, allowed: 100_000 })).toBe('signs');
    expect(kindOf({ ...sifting, ...many, allowed: 50_000 })).toBe('exact');
    expect(kindOf({ ...sifting, ...many, allowed: 500_000, trusted: false })).toBe('signs');
  });

  it('lets more rows through for more hits, more rows, and a wider ef', () => {
    expect(siftBreadth(10, 20_000)).toBe(894);
    expect(siftBreadth(100, 20_000)).toBe(2828);
    expect(siftBreadth(10, 93_150)).toBe(1930);
    const keepOf = (facts: Partial<SearchFacts>) => planSearch({ ...LARGE, ...facts, sift: true });
    expect(keepOf({ ef: 2 * defaultEf(93_150) })).toEqual({ kind: 'signs', keep: 3860 });
    expect(keepOf({ ef: 10 })).toEqual({ kind: 'signs', keep: 1930 });
    expect(keepOf({ limit: 93_150 })).toEqual({ kind: 'signs', keep: 93_150 });
  });
});
