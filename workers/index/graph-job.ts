/** Builds the graph of a vector field in slices and saves it. */
import type { Job } from './background.ts';
import type { Collection } from './collection.ts';
import { EXACT_BELOW } from './kernel/plan.ts';
import type { Ledger } from './ledger.ts';
import type { RowTable } from './rows.ts';
import { runsOf } from './runs.ts';
import { partsOf, type SavedGraph } from './saved-graph.ts';
import type { VectorField } from './vector-field.ts';

/** Milliseconds of one slice: a call waits no longer than that. */
const SLICE_MS = 8;
/** A field that is searched exactly needs no graph; it is begun before the switch so that it is there then. */
const BUILD_FROM = EXACT_BELOW / 2;
/** A saved graph is replaced when this share of rows is new; the rest is inserted again on opening. */
const SAVE_SHARE = 0.1;

export function wantsGraph(field: VectorField): boolean {
  return field.spec.built === 'HNSW' && field.count >= BUILD_FROM && !field.settled;
}

export function graphJob(
  ledger: Ledger,
  collection: Collection,
  field: VectorField,
  monotonic: () => number,
): Job {
  return async (pause, signal) => {
    while (!signal.aborted && !field.closed) {
      if (field.build(SLICE_MS, monotonic)) break;
      await pause();
    }
    if (signal.aborted || field.closed || !ledger.store.storage.durable) return;
    if (field.count - field.savedCount < field.count * SAVE_SHARE) return;
    await saveGraph(ledger, collection, field, pause);
  };
}

/** Saves the graph part by part; calls are answered in between, and a change of the rows gives it up. */
async function saveGraph(
  ledger: Ledger,
  collection: Collection,
  field: VectorField,
  pause: () => Promise<void>,
): Promise<void> {
  // A follower builds for itself and leaves saving to the leader.
  if (ledger.role !== 'leader') return;
  ledger.quota.admitBackground();
  const table = await ledger.rows(collection);
  const { dead } = table;
  const isAsItWas = () => !field.closed && collection.rows === table && table.dead === dead;
  const graph = await ledger.write(async () =>
    isAsItWas() ? graphOf(collection, field, table) : null,
  );
  if (graph === null) return;
  const at = { id: collection.record.id, field: field.field.id };
  let fresh = true;
  for (const part of partsOf(graph)) {
    const isSaved = await ledger.write(async () => {
      if (!isAsItWas()) return false;
      await ledger.store.saveSnapshotPart(ledger.head, at, part, fresh);
      return true;
    });
    if (!isSaved) return;
    fresh = false;
    await pause();
  }
  field.savedCount = graph.count;
}

/** Null where the graph has rows that are dead: their vectors go, and without them it could not be tried. */
function graphOf(collection: Collection, field: VectorField, table: RowTable): SavedGraph | null {
  const model = collection.record.vectors[field.field.name]?.fingerprint;
  if (!model || table.dead > 0) return null;
  const { inserted: count, generation } = field;
  return { generation, model, count, runs: runsOf(table, count), bytes: field.snapshot() };
}
