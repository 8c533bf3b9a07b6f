/** Row numbers as runs: pairs of a first number and how many follow on it. A graph is saved with those of its rows. */
import type { RowTable } from './rows.ts';
import type { SavedGraph } from './saved-graph.ts';

/** The numbers of the first slots of a table. */
export function runsOf(table: RowTable, slots: number): Float64Array<ArrayBuffer> {
  const runs: number[] = [];
  for (let slot = 0; slot < slots; slot++) {
    const number = table.numberOf(slot);
    const last = runs.length - 2;
    if (last >= 0 && (runs[last] as number) + (runs[last + 1] as number) === number) {
      runs[last + 1] = (runs[last + 1] as number) + 1;
    } else runs.push(number, 1);
  }
  return Float64Array.from(runs);
}

/** Whether the rows of a saved graph are those of the first slots of a table. */
export function runsAre(
  { runs, count }: Pick<SavedGraph, 'runs' | 'count'>,
  table: RowTable,
): boolean {
  if (!Number.isSafeInteger(count) || count > table.length || runs.length % 2 !== 0) return false;
  const own = runsOf(table, count);
  return own.length === runs.length && own.every((value, i) => value === runs[i]);
}
