/**
 * What an import left that was cut: rows and vectors under numbers that no collection has. Nobody can see
 * them; they are dropped in the background when a tab has taken the lead.
 */
import type { Job } from './background.ts';
import type { Ledger } from './ledger.ts';
import type { ReadTransaction, Storage } from './storage/storage.ts';

/** Numbers below `below` under which there are rows or vectors, but no collection. */
export function leftovers(storage: Storage, below: number): Promise<readonly number[]> {
  return storage.read(['collections', 'rows', 'vectors'], async (tx) => {
    const collections = await tx.scan('collections', null);
    const known = new Set(collections.map(({ key }) => key as number));
    const found = new Set<number>();
    for (const store of ['rows', 'vectors'] as const) {
      for (const id of await numbersIn(tx, store, below)) if (!known.has(id)) found.add(id);
    }
    return [...found];
  });
}

/** The collections that a store has something of: one look for each, whatever it has. */
async function numbersIn(
  tx: ReadTransaction,
  store: 'rows' | 'vectors',
  below: number,
): Promise<readonly number[]> {
  const numbers: number[] = [];
  for (let from = 0; from < below; ) {
    const [entry] = await tx.scan(store, { lower: [from], upper: [below] }, 1);
    if (entry === undefined) break;
    const [id] = entry.key as [number];
    numbers.push(id);
    from = id + 1;
  }
  return numbers;
}

/** Made when the lead is taken: an import that begins later has higher numbers and is left alone. */
export function leftoversJob(ledger: Ledger): Job {
  const { epoch, nextCollection } = ledger.head;
  return async (pause, signal) => {
    for (const collection of await leftovers(ledger.store.storage, nextCollection)) {
      await pause();
      if (signal.aborted || ledger.role !== 'leader') return;
      await ledger.write(async () => {
        if (ledger.head.epoch !== epoch) return;
        await ledger.commit({ kind: 'drop', collection, record: null });
      });
    }
  };
}
