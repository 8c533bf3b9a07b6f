/** An import as one tab asks another for it; blobs travel with the message. */
import type {
  ArchivedCollection,
  ImportedCollection,
  TakeInRequest,
} from '../../src/shared/archive-types.ts';
import { WhorlError } from '../../src/shared/errors.ts';
import type { MilvusEnvelope } from '../../src/shared/milvus-types.ts';
import { isObject } from './body.ts';

export const IMPORT = 'whorl/import';

/** The answer to an import that was made by a tab that is gone. Throws `outcome_unknown` where it said more than the request does. */
export function importAnswer(body: unknown): MilvusEnvelope {
  const { collections, onConflict, rename } = parseTakeIn(body);
  if (onConflict !== 'refuse') {
    throw new WhorlError(
      'outcome_unknown',
      'The import was made, and all of it is in the store. The tab that made it is gone, and with it the answer which collections it replaced or skipped; look at the collections.',
    );
  }
  const names = new Map(rename);
  const created = collections.map(
    ({ name, count }): ImportedCollection => ({
      from: name,
      name: names.get(name) ?? name,
      rows: count,
      action: 'created',
    }),
  );
  return { code: 0, data: { collections: created } };
}

/** What one tab asks of another is as untrusted in shape as any caller's body. */
export function parseTakeIn(body: unknown): TakeInRequest {
  if (!isObject(body)) throw odd('it is no object');
  const { collections, onConflict, rename } = body;
  if (!Array.isArray(collections) || !collections.every(isArchived)) throw odd('"collections"');
  if (onConflict !== 'refuse' && onConflict !== 'replace' && onConflict !== 'skip') {
    throw odd('"onConflict"');
  }
  if (!Array.isArray(rename) || !rename.every(isPair)) throw odd('"rename"');
  return { collections, onConflict, rename };
}

function odd(what: string): WhorlError {
  return new WhorlError(
    'invalid_option',
    `import: the request is not understood: ${what}. Nothing was imported.`,
  );
}

function isPair(value: unknown): value is readonly [string, string] {
  return Array.isArray(value) && value.length === 2 && value.every((v) => typeof v === 'string');
}

function isArchived(value: unknown): value is ArchivedCollection {
  if (!isObject(value) || !Array.isArray(value.vectors)) return false;
  const { name, loaded, schema, count, rows, vectors } = value;
  const said =
    typeof name === 'string' && typeof schema === 'string' && typeof loaded === 'boolean';
  return said && Number.isSafeInteger(count) && rows instanceof Blob && vectors.every(isVectors);
}

function isVectors(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { field, dimension, fingerprint, data } = value;
  const space = fingerprint === null || typeof fingerprint === 'string';
  return (
    typeof field === 'string' && Number.isSafeInteger(dimension) && space && data instanceof Blob
  );
}
