/** What a change takes out of the store, told to whoever keeps vectors of it. */
import type { CoreEmbedder } from './embedder.ts';
import type { StoredRow } from './entity.ts';
import type { PrimaryKey } from './keys.ts';
import type { RowTable } from './rows.ts';
import type { CollectionSpec } from './schema.ts';

/** More texts than these are not looked up one by one. */
const MANY = 4_096;

/** The rows of some keys, as they are now; keys that have none are left out. */
export function rowsOf(table: RowTable, keys: readonly PrimaryKey[]): readonly StoredRow[] {
  return keys.flatMap((key) => {
    const row = table.find(key);
    const stored = row === undefined ? undefined : table.at(row);
    return stored === undefined ? [] : [stored];
  });
}

/**
 * Tells of the embedded texts of `before` that are not in `after`. Rows that were removed are always told
 * of: their text may have been embedded elsewhere, too.
 */
export function tellErased(
  embedder: CoreEmbedder,
  spec: CollectionSpec,
  before: readonly StoredRow[],
  after: readonly StoredRow[] = [],
): void {
  const texts = textsOf(spec, before);
  for (const text of textsOf(spec, after)) texts.delete(text);
  const isReplaced = after.length > 0;
  if (before.length === 0 || (isReplaced && texts.size === 0)) return;
  embedder.erased?.(texts.size > MANY ? 'all' : [...texts]);
}

function textsOf({ functions }: CollectionSpec, rows: readonly StoredRow[]): Set<string> {
  return new Set(
    rows.flatMap(({ values }) => functions.map(({ input }) => String(values[input] ?? ''))),
  );
}
