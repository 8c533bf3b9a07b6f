/**
 * The bytes of a zip file around its data (PKWARE APPNOTE 6.3), in the one form in which we write them: no
 * dates, no extra fields, no comments, entries one after the other from byte 0, the directory right behind,
 * the end record last. There is one such file for given entries, so that reading can demand it byte by byte.
 */

export const STORED = 0;
export const DEFLATED = 8;

/** One entry, as local header and directory both describe it. */
export interface ZipEntry {
  /** ASCII. */
  readonly name: string;
  readonly method: typeof STORED | typeof DEFLATED;
  readonly crc: number;
  /** Bytes in the file. */
  readonly packed: number;
  /** Bytes of the content. */
  readonly bytes: number;
}

export const LOCAL_BYTES = 30;
export const CENTRAL_BYTES = 46;
export const END_BYTES = 22;

export const LOCAL_SIGNATURE = 0x04034b50;
export const CENTRAL_SIGNATURE = 0x02014b50;
export const END_SIGNATURE = 0x06054b50;

/** 2.0: deflate. */
const VERSION = 20;
/** 1 January 1980, the first day that zip has. */
const DATE = 0x0021;

const encoder = new TextEncoder();

function record(bytes: number, name: string): { bytes: Uint8Array<ArrayBuffer>; view: DataView } {
  const all = new Uint8Array(bytes + name.length);
  all.set(encoder.encode(name), bytes);
  return { bytes: all, view: new DataView(all.buffer) };
}

/** Version, flags, method, time, date, checksum, sizes, lengths of name and extra field: the same in both headers. */
function describe(view: DataView, at: number, entry: ZipEntry): void {
  view.setUint16(at, VERSION, true);
  view.setUint16(at + 4, entry.method, true);
  view.setUint16(at + 8, DATE, true);
  view.setUint32(at + 10, entry.crc, true);
  view.setUint32(at + 14, entry.packed, true);
  view.setUint32(at + 18, entry.bytes, true);
  view.setUint16(at + 22, entry.name.length, true);
}

/** What stands before the data of an entry. */
export function localHeader(entry: ZipEntry): Uint8Array<ArrayBuffer> {
  const { bytes, view } = record(LOCAL_BYTES, entry.name);
  view.setUint32(0, LOCAL_SIGNATURE, true);
  describe(view, 4, entry);
  return bytes;
}

/** The entry in the directory; `offset` is where its local header begins. */
export function centralRecord(entry: ZipEntry, offset: number): Uint8Array<ArrayBuffer> {
  const { bytes, view } = record(CENTRAL_BYTES, entry.name);
  view.setUint32(0, CENTRAL_SIGNATURE, true);
  view.setUint16(4, VERSION, true);
  describe(view, 6, entry);
  view.setUint32(42, offset, true);
  return bytes;
}

/** The end of the file; `offset` and `bytes` are those of the directory. */
export function endRecord(entries: number, bytes: number, offset: number): Uint8Array<ArrayBuffer> {
  const { bytes: all, view } = record(END_BYTES, '');
  view.setUint32(0, END_SIGNATURE, true);
  view.setUint16(8, entries, true);
  view.setUint16(10, entries, true);
  view.setUint32(12, bytes, true);
  view.setUint32(16, offset, true);
  return all;
}
