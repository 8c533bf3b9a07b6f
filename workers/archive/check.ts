/**
 * A file to collections. Everything is checked before anything is handed on: the zip, the hashes, the
 * schemas by the store's own parser, every row by the rules of an insert, every vector.
 */
import type { ArchivedCollection, ArchivedVectors } from '../../src/shared/archive-types.ts';
import { type CollectionSpec, isIndexed } from '../index/schema.ts';
import {
  archiveInvalid,
  archiveTooLarge,
  MAX_MANIFEST_BYTES,
  MAX_SCHEMA_BYTES,
  type Step,
} from './limits.ts';
import { LineSplitter } from './lines.ts';
import {
  entryNames,
  MANIFEST,
  type Manifest,
  type ManifestCollection,
  parseManifest,
} from './manifest.ts';
import { piecesOf } from './pieces.ts';
import { RowReader } from './row-lines.ts';
import { parseSchemaText } from './schema-text.ts';
import { VectorCheck } from './vector-check.ts';
import { vectorTrouble } from './vector-spaces.ts';
import { expand, type FoundEntry, readEntries } from './zip-read.ts';

const FLOAT_BYTES = Float32Array.BYTES_PER_ELEMENT;

/** Rejects with `archive_invalid`, `too_large` or `storage_too_new`, which say where; nothing is kept then. */
export async function checkArchive(file: Blob, step: Step): Promise<readonly ArchivedCollection[]> {
  const entries = await readEntries(file, step);
  const manifest = await readManifest(file, entries, step);
  checkEntries(manifest, entries);
  const checked: ArchivedCollection[] = [];
  let next = 1;
  for (const [i, collection] of manifest.collections.entries()) {
    const before = manifest.collections[i - 1];
    if (before !== undefined && before.name >= collection.name) {
      throw archiveInvalid(MANIFEST, 'its collections are not in the order of their names');
    }
    const names = entryNames(collection);
    const own = entries.slice(next, next + names.length);
    next += names.length;
    checked.push(await checkCollection(file, collection, { own, manifest, step }));
  }
  return checked;
}

async function readManifest(
  file: Blob,
  entries: readonly FoundEntry[],
  step: Step,
): Promise<Manifest> {
  const [first] = entries;
  if (first?.name !== MANIFEST)
    throw archiveInvalid('The file', `it does not begin with ${MANIFEST}`);
  return parseManifest(await smallText(file, first, MAX_MANIFEST_BYTES, step));
}

/** The text of an entry that is no longer than `bound`, in bytes. */
async function smallText(
  file: Blob,
  entry: FoundEntry,
  bound: number,
  step: Step,
): Promise<string> {
  if (entry.bytes > bound) {
    throw archiveTooLarge(entry.name, `it has ${entry.bytes} bytes, at most ${bound} are read`);
  }
  const { content } = await expand(file, entry, step);
  return decoded(content, entry.name);
}

async function decoded(content: Blob, where: string): Promise<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  try {
    return decoder.decode(await content.arrayBuffer());
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw archiveInvalid(where, 'it is not UTF-8', cause);
  }
}

/** The entries of the file are those of the manifest, and those are what its collections want. */
function checkEntries(manifest: Manifest, entries: readonly FoundEntry[]): void {
  const wanted = manifest.collections.flatMap(entryNames);
  const listed = manifest.entries.map(({ name }) => name);
  const found = entries.slice(1).map(({ name }) => name);
  for (const [what, names] of [
    ['lists', listed],
    ['is followed by', found],
  ] as const) {
    const at = wanted.findIndex((name, i) => name !== names[i]);
    if (at < 0 && names.length === wanted.length) continue;
    const odd = at < 0 ? `${names.length} entries, not ${wanted.length}` : `not ${wanted[at]}`;
    throw archiveInvalid(MANIFEST, `it ${what} other entries than its collections have: ${odd}`);
  }
  for (const [i, { name, bytes }] of manifest.entries.entries()) {
    const said = entries[i + 1]?.bytes;
    if (said !== bytes)
      throw archiveInvalid(name, `it has ${said} bytes, the manifest says ${bytes}`);
  }
}

interface Reading {
  /** Of this collection: schema, rows, vectors. */
  readonly own: readonly FoundEntry[];
  readonly manifest: Manifest;
  readonly step: Step;
}

async function checkCollection(
  file: Blob,
  collection: ManifestCollection,
  reading: Reading,
): Promise<ArchivedCollection> {
  const [schemaEntry, rowsEntry, ...vectorEntries] = reading.own as readonly [
    FoundEntry,
    FoundEntry,
    ...FoundEntry[],
  ];
  if (schemaEntry.bytes > MAX_SCHEMA_BYTES) {
    throw archiveTooLarge(schemaEntry.name, `it has ${schemaEntry.bytes} bytes`);
  }
  const schema = await decoded(await verified(file, schemaEntry, reading), schemaEntry.name);
  const spec = parseSchemaText(schema, schemaEntry.name);
  checkFields(spec, collection, schemaEntry.name);
  checkVectorBytes(collection, vectorEntries);
  const rows = await verified(file, rowsEntry, reading);
  await checkRows(rows, spec, { collection, where: rowsEntry.name, step: reading.step });
  const vectors: ArchivedVectors[] = [];
  for (const [i, field] of collection.vectors.entries()) {
    const entry = vectorEntries[i] as FoundEntry;
    const data = await verified(file, entry, reading);
    await checkVectors(data, new VectorCheck(field.dimension, entry.name), reading.step);
    vectors.push({ ...field, data });
  }
  const { name, loaded, rows: count } = collection;
  return { name, loaded, schema, count, rows, vectors };
}

/** The content of an entry, whose hash is that of the manifest. */
async function verified(file: Blob, entry: FoundEntry, reading: Reading): Promise<Blob> {
  const { content, sha256 } = await expand(file, entry, reading.step);
  const listed = reading.manifest.entries.find(({ name }) => name === entry.name);
  if (listed?.sha256 !== sha256) {
    throw archiveInvalid(entry.name, 'its SHA-256 is not the one in the manifest');
  }
  return content;
}

function checkFields(spec: CollectionSpec, collection: ManifestCollection, where: string): void {
  const { name, loaded, vectors, rows } = collection;
  if (spec.name !== name) throw archiveInvalid(where, `it is of another collection than ${name}`);
  if (loaded && !isIndexed(spec)) {
    throw archiveInvalid(where, 'the collection is loaded, but a vector field has no index');
  }
  const trouble = vectorTrouble(spec, vectors, rows);
  if (trouble !== null) throw archiveInvalid(where, trouble);
}

function checkVectorBytes(collection: ManifestCollection, entries: readonly FoundEntry[]): void {
  for (const [i, { dimension }] of collection.vectors.entries()) {
    const wanted = collection.rows * dimension * FLOAT_BYTES;
    const { name, bytes } = entries[i] as FoundEntry;
    if (bytes !== wanted) {
      throw archiveInvalid(
        name,
        `it has ${bytes} bytes, ${collection.rows} vectors of ${dimension} have ${wanted}`,
      );
    }
  }
}

async function checkRows(
  rows: Blob,
  spec: CollectionSpec,
  about: { readonly collection: ManifestCollection; readonly where: string; readonly step: Step },
): Promise<void> {
  const { collection, where, step } = about;
  const splitter = new LineSplitter(where);
  const reader = new RowReader(spec, where);
  for await (const piece of piecesOf(rows)) {
    for (const line of splitter.split(piece)) {
      reader.read(line);
      if (reader.count % LINES_A_STEP === 0) step(0);
    }
    step(piece.length);
  }
  splitter.end();
  if (reader.count !== collection.rows) {
    throw archiveInvalid(
      where,
      `it has ${reader.count} rows, the manifest says ${collection.rows}`,
    );
  }
}

/** Short lines are many in a piece. */
const LINES_A_STEP = 1_024;

async function checkVectors(data: Blob, check: VectorCheck, step: Step): Promise<void> {
  for await (const piece of piecesOf(data)) {
    check.take(new Float32Array(piece.buffer));
    step(piece.length);
  }
}
