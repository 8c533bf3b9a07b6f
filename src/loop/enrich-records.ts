/** What enrichment looks up in the collection that it fills. */
import { isWhorlError } from '../shared/errors.ts';
import type { MilvusRow } from '../shared/milvus-types.ts';
import type { BaseCollection } from './collection.ts';
import { quote } from './siblings.ts';
import type { LoopStore } from './types.ts';

/** Longest value that a filter compares when an inserted record is looked for. */
const MAX_COMPARED = 1_024;
/** Keys that are looked up in one call. */
const LOOKED_UP = 256;

const NOT_LOADED = 101;

interface Place {
  readonly store: LoopStore;
  readonly base: BaseCollection;
}

interface Call {
  readonly signal: AbortSignal;
}

/** The key of a record with these very texts, `into` among them; null where there is none. */
export async function findSame(
  { store, base }: Place,
  row: MilvusRow,
  into: string,
  call: Call,
): Promise<string | null> {
  const texts = base.fields.filter(({ type }) => type === 'VarChar').map(({ name }) => name);
  const same = [...new Set([...texts, into])].flatMap((name) => {
    const value = row[name];
    if (typeof value !== 'string') return [];
    return value.length <= MAX_COMPARED || name === into ? [`${name} == ${quote(value)}`] : [];
  });
  const [found] = await store.query(
    {
      collectionName: base.name,
      filter: same.join(' and '),
      limit: 1,
      outputFields: [base.keyField],
    },
    call,
  );
  return found ? String(found[base.keyField]) : null;
}

/**
 * Those of the given primary keys that the collection holds; all of them where it lies unloaded and cannot
 * be looked into.
 */
export async function presentKeys(
  { store, base }: Place,
  keys: readonly string[],
  call: Call,
): Promise<ReadonlySet<string>> {
  const present = new Set<string>();
  for (let at = 0; at < keys.length; at += LOOKED_UP) {
    const id = keys.slice(at, at + LOOKED_UP);
    const body = { collectionName: base.name, id, outputFields: [base.keyField] };
    try {
      for (const row of await store.get(body, call)) present.add(String(row[base.keyField]));
    } catch (error) {
      if (isWhorlError(error) && error.milvusCode === NOT_LOADED) return new Set(keys);
      throw error;
    }
  }
  return present;
}
