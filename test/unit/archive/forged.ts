/** Archives that nobody exported: everything about them fits but what a test made odd. */
import { createHash } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';
import { crc32 } from '../../../workers/archive/crc32.ts';
import {
  centralRecord,
  DEFLATED,
  endRecord,
  localHeader,
  STORED,
  type ZipEntry,
} from '../../../workers/archive/zip-layout.ts';
import { expand, readEntries } from '../../../workers/archive/zip-read.ts';
import { noStep } from './archive-fixture.ts';

export interface Part {
  readonly name: string;
  readonly content: Uint8Array;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export const bytes = (text: string): Uint8Array => encoder.encode(text);
export const text = (content: Uint8Array): string => decoder.decode(content);

/** The entries of a file that was exported. */
export async function partsOf(file: Blob): Promise<Part[]> {
  const parts: Part[] = [];
  for (const entry of await readEntries(file, noStep)) {
    const { content } = await expand(file, entry, noStep);
    parts.push({ name: entry.name, content: new Uint8Array(await content.arrayBuffer()) });
  }
  return parts;
}

/** What is said of an entry, where it is not the truth. */
export type Lies = Partial<ZipEntry> & { readonly data?: Uint8Array };

/** A zip file of these parts. `lies` are told of the entry at a place; `packing` deflates the parts it names. */
export function zipOf(
  parts: readonly Part[],
  how: {
    readonly lies?: (part: Part, at: number) => Lies;
    readonly deflate?: (part: Part) => boolean;
  } = {},
): Blob {
  const { lies = (): Lies => ({}), deflate = () => false } = how;
  const files: BlobPart[] = [];
  const directory: BlobPart[] = [];
  let offset = 0;
  let directoryBytes = 0;
  for (const [at, part] of parts.entries()) {
    const packs = deflate(part);
    const { data = packs ? deflateRawSync(part.content) : part.content, ...said } = lies(part, at);
    const entry: ZipEntry = {
      name: part.name,
      method: packs ? DEFLATED : STORED,
      crc: crc32(part.content),
      packed: data.length,
      bytes: part.content.length,
      ...said,
    };
    const header = localHeader(entry);
    const record = centralRecord(entry, offset);
    files.push(header, data as Uint8Array<ArrayBuffer>);
    directory.push(record);
    offset += header.length + data.length;
    directoryBytes += record.length;
  }
  return new Blob([...files, ...directory, endRecord(parts.length, directoryBytes, offset)]);
}

interface ManifestJson {
  entries: { name: string; bytes: number; sha256: string }[];
  [member: string]: unknown;
}

/** The parts with a manifest whose hashes and sizes are those of the parts, changed by `change` afterwards. */
export function listed(
  parts: readonly Part[],
  change: (manifest: ManifestJson) => void = () => {},
): Part[] {
  const [manifest, ...others] = parts;
  const json = JSON.parse(text(manifest?.content ?? new Uint8Array())) as ManifestJson;
  for (const entry of json.entries) {
    const part = others.find(({ name }) => name === entry.name);
    if (part === undefined) continue;
    entry.bytes = part.content.length;
    entry.sha256 = createHash('sha256').update(part.content).digest('hex');
  }
  change(json);
  return [{ name: 'manifest.json', content: bytes(`${sorted(json)}\n`) }, ...others];
}

/** JSON with its names in order. */
export function sorted(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
}

/** The parts with one of them changed. */
export function withPart(
  parts: readonly Part[],
  ending: string,
  change: (content: Uint8Array) => Uint8Array,
): Part[] {
  return parts.map((part) =>
    part.name.endsWith(ending) ? { name: part.name, content: change(part.content) } : part,
  );
}
