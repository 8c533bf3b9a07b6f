/** Tidying up while somebody waits: Milvus's compaction, and what `engine.erase` ends with. */
import type { CompactionState } from '../../src/shared/milvus-types.ts';
import { collectionName, invalid, missing, parseBody, textList } from './body.ts';
import type { CallScope } from './endpoints.ts';

/**
 * Tidies up a collection: vectors of rows that are gone leave the storage and its copies, small chunks
 * become one. A server answers at once and goes on; here it is done when it is answered.
 */
export async function compact(scope: CallScope, raw: unknown): Promise<number> {
  const name = collectionName(parseBody(raw, ['collectionName', 'isClustering']));
  await scope.ledger.view(async () => scope.ledger.require(name));
  await scrubAll(scope, [name]);
  return scope.ledger.head.sequence;
}

/** A compaction is over when its number is known, so that the state of any is that it is over. */
export async function compactionState(scope: CallScope, raw: unknown): Promise<CompactionState> {
  const { jobID } = parseBody(raw, ['jobID']);
  if (jobID === undefined || jobID === null) throw missing('jobID');
  const { sequence } = await scope.ledger.view(async () => scope.ledger.head);
  if (!Number.isSafeInteger(jobID) || (jobID as number) < 0 || (jobID as number) > sequence) {
    throw invalid(`there was no compaction ${String(jobID)}`);
  }
  return {
    compactionID: jobID as number,
    state: 'Completed',
    executingPlanNumber: 0,
    timeoutPlanNumber: 0,
    completedPlanNumber: 1,
  };
}

/** The endpoint `whorl/scrub`: collections that are not there have nothing left to scrub. */
export async function scrub(scope: CallScope, raw: unknown): Promise<void> {
  const body = parseBody(raw, ['collectionNames']);
  const names = textList(body, 'collectionNames');
  if (names === undefined) throw missing('collectionNames');
  await scrubAll(scope, names);
}

/** Tidies collections up, then has the copies of the storage made anew. */
async function scrubAll(scope: CallScope, names: readonly string[]): Promise<void> {
  const { ledger, signal } = scope;
  ledger.requireLeader();
  let pages = 0;
  const alive = (): void => {
    pages += 1;
    scope.report?.({ done: pages, total: pages });
  };
  for (const name of names) {
    const collection = ledger.find(name);
    if (collection !== undefined) await scope.tidy(collection, alive);
  }
  await ledger.store.storage.scrub?.(signal === undefined ? {} : { signal });
}
