/** Builds the graph of a vector field in slices and saves it. */
import type { Job } from './background.ts';
import type { Collection } from './collection.ts';
import { EXACT_BELOW } from './kernel/plan.ts';
import type { Ledger } from './ledger.ts';
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
    await saveGraph(ledger, collection, field);
  };
}

async function saveGraph(
  ledger: Ledger,
  collection: Collection,
  field: VectorField,
): Promise<void> {
  // A follower builds for itself and leaves saving to the leader.
  if (ledger.role !== 'leader') return;
  await ledger.write(async () => {
    if (field.closed) return;
    ledger.quota.admitBackground();
    const at = { id: collection.record.id, field: field.field.id };
    const count = field.inserted;
    const graph = { generation: field.generation, count, bytes: field.snapshot() };
    await ledger.store.saveSnapshot(ledger.head, at, graph);
    field.savedCount = count;
  });
}
