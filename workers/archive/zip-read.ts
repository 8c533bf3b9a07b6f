/**
 * A zip file that anybody may have made, read without trust. Only the one form is taken in which we write
 * (`zip-layout.ts`): what the directory says is written anew and compared byte by byte, so that there is no
 * room for entries that overlap, for gaps, for second opinions of the local headers, for extensions. What is
 * inflated is bounded before and while it is inflated.
 */
import { Inflate } from 'fflate';
import { crc32 } from './crc32.ts';
import {
  archiveInvalid,
  archiveTooLarge,
  FREE_BYTES,
  MAX_DIRECTORY_BYTES,
  MAX_ENTRIES,
  MAX_EXPANDED_BYTES,
  MAX_FILE_BYTES,
  MAX_RATIO,
  type Step,
} from './limits.ts';
import { BlobBuilder, bytesOf, piecesOf } from './pieces.ts';
import { Sha256 } from './sha256.ts';
import {
  CENTRAL_BYTES,
  CENTRAL_SIGNATURE,
  centralRecord,
  DEFLATED,
  END_BYTES,
  END_SIGNATURE,
  endRecord,
  LOCAL_BYTES,
  localHeader,
  STORED,
  type ZipEntry,
} from './zip-layout.ts';

export interface FoundEntry extends ZipEntry {
  /** Where its data begin. */
  readonly start: number;
}

export interface Expanded {
  readonly content: Blob;
  /** Lower-case hex. */
  readonly sha256: string;
}

const FILE = 'The file';
const DIRECTORY = "The file's directory";

/** Bytes handed to the inflater at a time: 16 MiB come out of them at most. */
const INFLATED_AT_ONCE = 16_384;

/** The entries of a file, in their order; every header is checked, no content is read. */
export async function readEntries(file: Blob, step: Step): Promise<readonly FoundEntry[]> {
  if (file.size > MAX_FILE_BYTES) {
    throw archiveTooLarge(FILE, `it has ${file.size} bytes, at most ${MAX_FILE_BYTES} are read`);
  }
  const { count, directory, offset } = await readDirectory(file);
  const entries = parseDirectory(directory, count, offset);
  const total = entries.reduce((sum, { bytes }) => sum + bytes, 0);
  if (total > MAX_EXPANDED_BYTES) {
    throw archiveTooLarge(FILE, `it would expand to ${total} bytes, at most ${MAX_EXPANDED_BYTES}`);
  }
  for (const entry of entries) {
    const header = localHeader(entry);
    const found = await bytesOf(file.slice(entry.start - header.length, entry.start));
    if (!same(found, header)) throw archiveInvalid(entry.name, 'its two headers contradict');
    step(header.length);
  }
  return entries;
}

async function readDirectory(
  file: Blob,
): Promise<{ readonly count: number; readonly directory: Uint8Array; readonly offset: number }> {
  const end = await bytesOf(file.slice(Math.max(0, file.size - END_BYTES)));
  const view = new DataView(end.buffer);
  if (end.length < END_BYTES || view.getUint32(0, true) !== END_SIGNATURE) {
    throw archiveInvalid(FILE, 'it does not end as a Whorl archive; it is another file, or cut');
  }
  const count = view.getUint16(10, true);
  const bytes = view.getUint32(12, true);
  const offset = view.getUint32(16, true);
  if (count === 0xffff || bytes === 0xffffffff || offset === 0xffffffff) {
    throw archiveInvalid(FILE, 'it is a zip64 file, which this format does not use');
  }
  if (!same(end, endRecord(count, bytes, offset)) || offset + bytes + END_BYTES !== file.size) {
    throw archiveInvalid(FILE, 'its end record does not fit the file');
  }
  if (count > MAX_ENTRIES || bytes > MAX_DIRECTORY_BYTES) {
    throw archiveTooLarge(DIRECTORY, `it has ${count} entries in ${bytes} bytes`);
  }
  return { count, offset, directory: await bytesOf(file.slice(offset, offset + bytes)) };
}

function parseDirectory(directory: Uint8Array, count: number, end: number): readonly FoundEntry[] {
  const entries: FoundEntry[] = [];
  const names = new Set<string>();
  let at = 0;
  let offset = 0;
  for (let i = 0; i < count; i++) {
    const entry = parseRecord(directory, at, offset);
    if (names.has(entry.name)) throw archiveInvalid(DIRECTORY, `"${entry.name}" is there twice`);
    names.add(entry.name);
    entries.push(entry);
    at += CENTRAL_BYTES + entry.name.length;
    offset = entry.start + entry.packed;
    if (offset > end) throw archiveInvalid(entry.name, 'it reaches into the directory');
  }
  if (at !== directory.length) throw archiveInvalid(DIRECTORY, 'it has bytes to spare');
  if (offset !== end) throw archiveInvalid(FILE, 'there are bytes between entries and directory');
  return entries;
}

/** One record of the directory, which must be what we would write for an entry at `offset`. */
function parseRecord(directory: Uint8Array, at: number, offset: number): FoundEntry {
  const view = new DataView(directory.buffer, directory.byteOffset, directory.byteLength);
  if (at + CENTRAL_BYTES > directory.length || view.getUint32(at, true) !== CENTRAL_SIGNATURE) {
    throw archiveInvalid(DIRECTORY, 'it ends early');
  }
  const nameBytes = view.getUint16(at + 28, true);
  const name = parseName(directory.subarray(at + CENTRAL_BYTES, at + CENTRAL_BYTES + nameBytes));
  const flags = view.getUint16(at + 8, true);
  if ((flags & 1) !== 0) throw archiveInvalid(name, 'it is encrypted');
  const method = view.getUint16(at + 10, true);
  if (method !== STORED && method !== DEFLATED) {
    throw archiveInvalid(
      name,
      `it is packed by method ${method}; known are 0 (stored) and 8 (deflated)`,
    );
  }
  const crc = view.getUint32(at + 16, true);
  const packed = view.getUint32(at + 20, true);
  const bytes = view.getUint32(at + 24, true);
  const entry: ZipEntry = { name, method, crc, packed, bytes };
  const written = centralRecord(entry, offset);
  if (!same(directory.subarray(at, at + written.length), written)) {
    throw archiveInvalid(name, 'it is not laid out as this format has it (no gaps, dates, extras)');
  }
  checkSizes(entry);
  return { ...entry, start: offset + LOCAL_BYTES + nameBytes };
}

/** Only what an archive may hold has a name; nothing that leads anywhere else. */
function parseName(bytes: Uint8Array): string {
  const name = String.fromCharCode(...bytes.subarray(0, 1_024));
  const known =
    /^(?:manifest\.json|collections\/[A-Za-z_]\w*\/(?:schema\.json|rows\.jsonl|vectors\/[A-Za-z_]\w*\.f32))$/;
  if (bytes.length > 1_024 || !known.test(name)) {
    throw archiveInvalid(DIRECTORY, `it has an entry that is none of an archive: ${shown(name)}`);
  }
  return name;
}

/** Text of a stranger, fit for a message. */
export function shown(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

function checkSizes({ name, method, packed, bytes }: ZipEntry): void {
  if (method === STORED && packed !== bytes) {
    throw archiveInvalid(name, `it is stored, but ${bytes} bytes are said to lie in ${packed}`);
  }
  if (bytes > FREE_BYTES && bytes > packed * MAX_RATIO) {
    throw archiveTooLarge(
      name,
      `${packed} bytes would expand to ${bytes}, more than 1:${MAX_RATIO}`,
    );
  }
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** The content of an entry, copied out of the file (which may lie on a disk and change) and summed up. */
export async function expand(file: Blob, entry: FoundEntry, step: Step): Promise<Expanded> {
  const sink = new Sink(entry, step);
  const packed = file.slice(entry.start, entry.start + entry.packed);
  if (entry.method === STORED) for await (const piece of piecesOf(packed)) sink.take(piece);
  else await inflate(packed, entry, sink);
  return sink.end();
}

async function inflate(packed: Blob, entry: FoundEntry, sink: Sink): Promise<void> {
  const inflater = new Inflate((bytes) => sink.take(bytes as Uint8Array<ArrayBuffer>));
  let left = entry.packed;
  try {
    for await (const piece of piecesOf(packed)) {
      for (let from = 0; from < piece.length; from += INFLATED_AT_ONCE) {
        const slice = piece.subarray(from, from + INFLATED_AT_ONCE);
        left -= slice.length;
        inflater.push(slice, left === 0);
      }
    }
  } catch (cause) {
    // The inflater says in a word or two what it stumbled over; what the sink throws is told as it is.
    if (!(cause instanceof Error) || !('code' in cause) || typeof cause.code !== 'number')
      throw cause;
    throw archiveInvalid(entry.name, `it cannot be inflated (${cause.message})`, cause);
  }
}

/** Counts, sums up and keeps what comes out of an entry. */
class Sink {
  readonly #entry: FoundEntry;
  readonly #step: Step;
  readonly #out = new BlobBuilder();
  readonly #sum = new Sha256();
  #crc = 0;

  constructor(entry: FoundEntry, step: Step) {
    this.#entry = entry;
    this.#step = step;
  }

  take(bytes: Uint8Array<ArrayBuffer>): void {
    const { name, bytes: said } = this.#entry;
    if (this.#out.size + bytes.length > said) {
      throw archiveInvalid(name, `it expands to more than the ${said} bytes that it says`);
    }
    this.#crc = crc32(bytes, this.#crc);
    this.#sum.update(bytes);
    this.#out.add(bytes);
    this.#step(bytes.length);
  }

  end(): Expanded {
    const { name, bytes, crc } = this.#entry;
    if (this.#out.size !== bytes) {
      throw archiveInvalid(name, `it expands to ${this.#out.size} bytes, not to ${bytes}`);
    }
    if (this.#crc !== crc)
      throw archiveInvalid(name, 'its checksum (CRC-32) is not that of its bytes');
    return { content: this.#out.blob(), sha256: this.#sum.hex() };
  }
}
