/** Renaming and counting, and what a server must be told that a page does by itself. */
import { milvusError, throwIfAborted } from '../../src/shared/errors.ts';
import { collectionName, invalid, parseBody } from './body.ts';
import type { CallScope } from './endpoints.ts';

/** The rows, vectors and aliases stay the collection's. */
export async function renameCollection(scope: CallScope, raw: unknown): Promise<void> {
  const body = parseBody(raw, ['collectionName', 'newCollectionName', 'newDbName']);
  const [name, next] = [collectionName(body), collectionName(body, 'newCollectionName')];
  if (body.newDbName !== undefined && body.newDbName !== 'default') {
    throw milvusError(800, `database not found[database=${String(body.newDbName)}]`);
  }
  const { ledger } = scope;
  await ledger.write(async () => {
    throwIfAborted(scope.signal);
    const { record, name: present } = ledger.require(name);
    if (present !== name) throw invalid(`unsupported use an alias to rename collection: ${name}`);
    if (ledger.find(next) !== undefined) {
      throw invalid(
        `duplicated new collection name default:${next} with other collection name or alias`,
      );
    }
    const renamed = { ...record, spec: { ...record.spec, name: next } };
    await ledger.commit({ ...scope.call, kind: 'alter', collection: record.id, record: renamed });
  });
}

export function collectionStats(
  scope: CallScope,
  raw: unknown,
): Promise<{ readonly rowCount: number }> {
  const name = collectionName(parseBody(raw, ['collectionName']));
  const { ledger } = scope;
  return ledger.view(async () => {
    const { count } = await ledger.rows(ledger.require(name));
    return { rowCount: count };
  });
}

/** Every change is on the disk before it is confirmed: there is nothing to flush. */
export async function flush(scope: CallScope, raw: unknown): Promise<void> {
  const name = collectionName(parseBody(raw, ['collectionName']));
  await scope.ledger.view(async () => scope.ledger.require(name));
}

/** Every search sees all rows: there is nothing to load anew. */
export async function refreshLoad(scope: CallScope, raw: unknown): Promise<void> {
  const name = collectionName(parseBody(raw, ['collectionName']));
  await scope.ledger.view(async () => scope.ledger.require(name).requireLoaded('query'));
}
