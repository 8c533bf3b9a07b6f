/** `manifest.json`: what an archive holds, and the hash of every other entry. */
import { type Body, isObject } from '../index/body.ts';
import type { StoredJson } from '../index/json.ts';
import { JsonTextError, jsonText, parseJsonText } from './json-text.ts';
import { archiveInvalid, archiveTooLarge, archiveTooNew, FORMAT, MAX_ROWS } from './limits.ts';

export const MANIFEST = 'manifest.json';
const CREATED_BY = 'whorl';

export interface ManifestVectors {
  readonly field: string;
  readonly dimension: number;
  readonly fingerprint: string | null;
}

export interface ManifestCollection {
  readonly name: string;
  readonly loaded: boolean;
  readonly rows: number;
  readonly vectors: readonly ManifestVectors[];
}

export interface ManifestEntry {
  readonly name: string;
  /** Inflated. */
  readonly bytes: number;
  readonly sha256: string;
}

export interface Manifest {
  readonly collections: readonly ManifestCollection[];
  /** All other entries, in the order of the file. */
  readonly entries: readonly ManifestEntry[];
}

/** Names of the entries of a collection, in the order of the file. */
export function entryNames({ name, vectors }: ManifestCollection): readonly string[] {
  const folder = `collections/${name}`;
  return [
    `${folder}/schema.json`,
    `${folder}/rows.jsonl`,
    ...vectors.map(({ field }) => `${folder}/vectors/${field}.f32`),
  ];
}

/** The one text of a manifest. */
export function manifestText({ collections, entries }: Manifest): string {
  const all = { format: FORMAT, createdBy: CREATED_BY, collections, entries };
  return `${jsonText(all as unknown as StoredJson)}\n`;
}

/**
 * Throws `archive_invalid` for what {@link manifestText} did not write, naming what is wrong;
 * `storage_too_new` for a later format.
 */
export function parseManifest(text: string): Manifest {
  const raw = object(parse(text), 'It');
  const { format } = raw;
  if (typeof format !== 'number' || !Number.isSafeInteger(format) || format < 1) {
    throw invalid('it names no format');
  }
  if (format > FORMAT) throw archiveTooNew(format);
  known(raw, ['format', 'createdBy', 'collections', 'entries'], 'it');
  if (raw.createdBy !== CREATED_BY) throw invalid('it was not written by Whorl');
  const manifest: Manifest = {
    collections: list(raw.collections, 'collections').map(parseCollection),
    entries: list(raw.entries, 'entries').map(parseEntry),
  };
  if (manifestText(manifest) !== text) throw invalid('it is not written as this format writes it');
  return manifest;
}

function invalid(what: string): Error {
  return archiveInvalid(MANIFEST, what);
}

function parse(text: string): unknown {
  try {
    return parseJsonText(text, 8);
  } catch (error) {
    if (error instanceof JsonTextError) throw invalid(`it ${error.message}`);
    throw error;
  }
}

function object(value: unknown, what: string): Body {
  if (!isObject(value)) throw invalid(`${what} is no object`);
  return value;
}

function list(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw invalid(`"${what}" is no list`);
  return value;
}

function known(body: Body, names: readonly string[], what: string): void {
  const stranger = Object.keys(body).find((name) => !names.includes(name));
  if (stranger !== undefined) {
    throw invalid(
      `${what} has the member ${JSON.stringify(stranger)}, which format ${FORMAT} has not`,
    );
  }
}

function text(body: Body, name: string): string {
  const value = body[name];
  if (typeof value !== 'string') throw invalid(`"${name}" is no text`);
  return value;
}

function whole(body: Body, name: string): number {
  const value = body[name];
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw invalid(`"${name}" is no whole number`);
  }
  return value;
}

function parseCollection(value: unknown): ManifestCollection {
  const raw = object(value, 'a collection');
  known(raw, ['name', 'loaded', 'rows', 'vectors'], 'a collection');
  const rows = whole(raw, 'rows');
  if (rows > MAX_ROWS) throw archiveTooLarge(MANIFEST, `${rows} rows, at most ${MAX_ROWS}`);
  if (typeof raw.loaded !== 'boolean') throw invalid('"loaded" is neither true nor false');
  const vectors = list(raw.vectors, 'vectors').map(parseVectors);
  return { name: text(raw, 'name'), loaded: raw.loaded, rows, vectors };
}

function parseVectors(value: unknown): ManifestVectors {
  const raw = object(value, 'a vector field');
  known(raw, ['field', 'dimension', 'fingerprint'], 'a vector field');
  const fingerprint = raw.fingerprint === null ? null : text(raw, 'fingerprint');
  if (fingerprint === '' || (fingerprint?.length ?? 0) > 1_024) {
    throw invalid('"fingerprint" has no or too many characters');
  }
  return { field: text(raw, 'field'), dimension: whole(raw, 'dimension'), fingerprint };
}

function parseEntry(value: unknown): ManifestEntry {
  const raw = object(value, 'an entry');
  known(raw, ['name', 'bytes', 'sha256'], 'an entry');
  const sha256 = text(raw, 'sha256');
  if (!/^[0-9a-f]{64}$/.test(sha256)) throw invalid('"sha256" is no hash');
  return { name: text(raw, 'name'), bytes: whole(raw, 'bytes'), sha256 };
}
