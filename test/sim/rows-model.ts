/** What the store must hold: rows by key, and what a change makes of them. */
import * as fc from 'fast-check';

export type Row = readonly [id: number, n: number];
export type Model = ReadonlyMap<number, number>;

/** One writing call. */
export type Write =
  | { readonly kind: 'insert' | 'upsert'; readonly rows: readonly Row[] }
  | { readonly kind: 'delete'; readonly ids: readonly number[] }
  | { readonly kind: 'deleteBelow'; readonly n: number }
  /** Drops the collection and makes it again, as two calls. */
  | { readonly kind: 'renew' };

export function after(model: Model, write: Write): Model {
  if (write.kind === 'renew') return new Map();
  const next = new Map(model);
  if (write.kind === 'delete') for (const id of write.ids) next.delete(id);
  else if (write.kind === 'deleteBelow') {
    for (const [id, n] of model) if (n < write.n) next.delete(id);
  } else for (const [id, n] of write.rows) next.set(id, n);
  return next;
}

export function sorted(model: Model): readonly Row[] {
  return [...model].sort(([a], [b]) => a - b);
}

export const printed = (model: Model): string => JSON.stringify(sorted(model));

/** Outcome of a call that was made beside others: it came through, or it may or must not have. */
export interface Ended {
  readonly write: Write;
  readonly may: 'there' | 'absent' | 'either';
}

/** Every model that calls of no order among themselves may have left. */
export function possible(model: Model, ended: readonly Ended[]): readonly Model[] {
  if (ended.length === 0) return [model];
  return ended.flatMap(({ write, may }, at) => {
    const rest = ended.filter((_, other) => other !== at);
    const with_ = may === 'absent' ? [] : possible(after(model, write), rest);
    const without = may === 'there' ? [] : possible(model, rest);
    return [...with_, ...without];
  });
}

const id = fc.integer({ min: -3, max: 6 });
const n = fc.integer({ min: 0, max: 5 });
const rows = fc.array(fc.tuple(id, n), { minLength: 1, maxLength: 4 });

/** Calls that may be made beside each other. */
export const change: fc.Arbitrary<Write> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constantFrom('insert' as const, 'upsert' as const), rows }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('delete' as const),
      ids: fc.array(id, { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('deleteBelow' as const), n }) },
);

export const renewal: fc.Arbitrary<Write> = fc.constant({ kind: 'renew' });
