/** Content to a zip file of blobs. Equal content gives equal bytes. */
import { Deflate } from 'fflate';
import { crc32 } from './crc32.ts';
import { FREE_BYTES, MAX_RATIO, type Step } from './limits.ts';
import { BlobBuilder, piecesOf } from './pieces.ts';
import { Sha256 } from './sha256.ts';
import {
  CENTRAL_BYTES,
  centralRecord,
  DEFLATED,
  endRecord,
  LOCAL_BYTES,
  localHeader,
  STORED,
  type ZipEntry,
} from './zip-layout.ts';

export interface PackedEntry {
  readonly entry: ZipEntry;
  /** Of the content, lower-case hex. */
  readonly sha256: string;
  readonly data: Blob;
}

/**
 * zlib's default level: the next ones gain a percent and take twice the time. The hash table's size is named
 * because its default goes by a logarithm, which engines may round apart.
 */
const OPTIONS = { level: 6, mem: 8 } as const;
/** Blocks of deflate end where its input is handed over: always at the same places. */
const PUSH_BYTES = 65_536;

/**
 * Content with its checksums. It is deflated where that is asked for, unless it would shrink so far that
 * reading took it for a bomb.
 */
export async function packEntry(
  name: string,
  content: Blob,
  how: { readonly deflate: boolean; readonly step: Step },
): Promise<PackedEntry> {
  const sum = new Sha256();
  const packer = how.deflate ? new Packer() : null;
  let crc = 0;
  for await (const piece of piecesOf(content)) {
    crc = crc32(piece, crc);
    sum.update(piece);
    packer?.push(piece);
    how.step(piece.length);
  }
  const deflated = packer?.end() ?? null;
  const bytes = content.size;
  const take = deflated !== null && (bytes <= FREE_BYTES || bytes <= deflated.size * MAX_RATIO);
  const data = take ? deflated : content;
  const method = take ? DEFLATED : STORED;
  return { entry: { name, method, crc, packed: data.size, bytes }, sha256: sum.hex(), data };
}

class Packer {
  readonly #out = new BlobBuilder();
  readonly #deflate = new Deflate(OPTIONS, (bytes) =>
    this.#out.add(bytes as Uint8Array<ArrayBuffer>),
  );

  push(piece: Uint8Array<ArrayBuffer>): void {
    for (let from = 0; from < piece.length; from += PUSH_BYTES) {
      this.#deflate.push(piece.subarray(from, from + PUSH_BYTES), false);
    }
  }

  end(): Blob {
    this.#deflate.push(new Uint8Array(0), true);
    return this.#out.blob();
  }
}

/** Bytes of the file that holds these entries. */
export function fileBytes(entries: readonly ZipEntry[]): number {
  const around = LOCAL_BYTES + CENTRAL_BYTES;
  const each = entries.map(({ packed, name }) => packed + around + 2 * name.length);
  return each.reduce((sum, bytes) => sum + bytes, endRecord(0, 0, 0).length);
}

/** The file, of the entries in their order. */
export function zipped(packed: readonly PackedEntry[]): Blob {
  const parts: BlobPart[] = [];
  const directory: Uint8Array<ArrayBuffer>[] = [];
  let offset = 0;
  for (const { entry, data } of packed) {
    const header = localHeader(entry);
    parts.push(header, data);
    directory.push(centralRecord(entry, offset));
    offset += header.length + data.size;
  }
  const bytes = directory.reduce((sum, record) => sum + record.length, 0);
  const end = endRecord(packed.length, bytes, offset);
  return new Blob([...parts, ...directory, end], { type: 'application/zip' });
}
