/** Collections to one file. */
import type { ArchivedCollection } from '../../src/shared/archive-types.ts';
import { WhorlError } from '../../src/shared/errors.ts';
import {
  MAX_DIRECTORY_BYTES,
  MAX_ENTRIES,
  MAX_EXPANDED_BYTES,
  MAX_FILE_BYTES,
  MAX_MANIFEST_BYTES,
  type Step,
} from './limits.ts';
import { entryNames, MANIFEST, type ManifestCollection, manifestText } from './manifest.ts';
import { CENTRAL_BYTES } from './zip-layout.ts';
import { fileBytes, type PackedEntry, packEntry, zipped } from './zip-write.ts';

/**
 * Equal collections give equal bytes: in the order of their names, without dates. Rejects with `too_large`
 * what could not be imported again.
 */
export async function packArchive(
  collections: readonly ArchivedCollection[],
  step: Step,
): Promise<Blob> {
  const sorted = [...collections].sort((a, b) => (a.name < b.name ? -1 : 1));
  const packed: PackedEntry[] = [];
  for (const collection of sorted) packed.push(...(await packCollection(collection, step)));
  const entries = packed.map(({ entry: { name, bytes }, sha256 }) => ({ name, bytes, sha256 }));
  const text = manifestText({ collections: sorted.map(described), entries });
  const manifest = await packEntry(MANIFEST, new Blob([text]), { deflate: true, step });
  const all = [manifest, ...packed];
  checkBounds(all);
  return zipped(all);
}

function described({ name, loaded, count, vectors }: ArchivedCollection): ManifestCollection {
  const fields = vectors.map(({ field, dimension, fingerprint }) => ({
    field,
    dimension,
    fingerprint,
  }));
  return { name, loaded, rows: count, vectors: fields };
}

/** Text shrinks; the mantissas of vectors do not. */
async function packCollection(collection: ArchivedCollection, step: Step): Promise<PackedEntry[]> {
  const { schema, rows, vectors } = collection;
  const contents = [new Blob([schema]), rows, ...vectors.map(({ data }) => data)];
  const packed: PackedEntry[] = [];
  for (const [i, name] of entryNames(described(collection)).entries()) {
    const content = contents[i] as Blob;
    packed.push(await packEntry(name, content, { deflate: i < 2, step }));
  }
  return packed;
}

function checkBounds(packed: readonly PackedEntry[]): void {
  const entries = packed.map(({ entry }) => entry);
  const directory = entries.reduce((sum, { name }) => sum + CENTRAL_BYTES + name.length, 0);
  const expanded = entries.reduce((sum, { bytes }) => sum + bytes, 0);
  const manifest = entries[0]?.bytes ?? 0;
  const within =
    fileBytes(entries) <= MAX_FILE_BYTES &&
    expanded <= MAX_EXPANDED_BYTES &&
    entries.length <= MAX_ENTRIES &&
    directory <= MAX_DIRECTORY_BYTES &&
    manifest <= MAX_MANIFEST_BYTES;
  if (within) return;
  throw new WhorlError(
    'too_large',
    `The export would have ${entries.length} entries and ${expanded} bytes; at most ${MAX_ENTRIES} and ${MAX_EXPANDED_BYTES} fit into one file. Nothing was changed; export fewer collections at a time.`,
  );
}
