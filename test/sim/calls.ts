/** What a tab is asked, and how that may end. */
import { expect } from 'vitest';
import type { Ended, Model, Write } from './rows-model.ts';
import { CREATE, NAME, type Tab } from './world.ts';

/** `there`: confirmed. `either`: the tab died before it answered. */
export type Outcome = Ended['may'] | { readonly error: unknown };

export async function outcomeOf(tab: Tab, work: () => Promise<unknown>): Promise<Outcome> {
  const ended = work().then(
    (): Outcome => 'there',
    (error: unknown): Outcome => ({ error }),
  );
  return Promise.race([ended, tab.died.then((): Outcome => 'either')]);
}

const row = (id: number, n: number) => ({ id, n, vec: [id, n] });

export async function make({ milvus }: Tab, write: Write): Promise<void> {
  const collectionName = NAME;
  switch (write.kind) {
    case 'insert':
    case 'upsert':
      await milvus[write.kind]({ collectionName, data: write.rows.map(([id, n]) => row(id, n)) });
      return;
    case 'delete':
      await milvus.delete({ collectionName, filter: `id in [${write.ids.join(', ')}]` });
      return;
    case 'deleteBelow':
      await milvus.delete({ collectionName, filter: `n < ${write.n}` });
      return;
    case 'renew':
      await renew(milvus);
  }
}

/** Two calls: what a failure between them leaves is mended by the test. */
async function renew(milvus: Tab['milvus']): Promise<void> {
  await milvus.dropCollection({ collectionName: NAME });
  await milvus.createCollection(CREATE);
}

/** Everything that can be seen of the collection; each row is found by its own vector. */
export async function look({ milvus }: Tab): Promise<Model> {
  const rows = await milvus.query({ collectionName: NAME, filter: '', outputFields: ['n', 'vec'] });
  const seen = new Map<number, number>();
  for (const each of rows) {
    const [id, n] = [Number(each.id), Number(each.n)];
    expect(seen.has(id)).toBe(false);
    seen.set(id, n);
    expect([...(each.vec as Float32Array)]).toEqual([id, n]);
  }
  if (seen.size === 0) return seen;
  const data = [...seen].map(([id, n]) => [id, n]);
  const hits = await milvus.search({ collectionName: NAME, data, limit: 1 });
  expect(hits).toEqual([...seen.keys()].map((id) => ({ id: String(id), distance: 0 })));
  return seen;
}
