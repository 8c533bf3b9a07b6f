/**
 * The file of a mirror: eight bytes that name it, then frames. A frame is
 *
 *     0  uint32  bytes of the payload
 *     4  uint32  CRC-32C of the four bytes before and of the payload
 *     8          payload: kind (byte), number, sequence, time (float64 each), then by kind
 *
 * all little-endian. A log begins with one `header`, then the `page`s of a checkpoint, and any `change`s
 * that were committed while it was read; `end` says that it is whole. After that come changes in the order
 * of their numbers. A large change is several frames, `part`s before the `change` that ends it: without
 * its end it did not happen.
 */
import { ByteWriter } from './byte-writer.ts';
import { crc32c } from './crc32c.ts';
import { BrokenBytes, ByteReader, decodeValue } from './decode.ts';
import { encodeValue } from './encode.ts';

export const FILE_MAGIC: Uint8Array<ArrayBuffer> = new TextEncoder().encode('WHORLLOG');
export const FRAME_HEAD = 8;
const STAMP_BYTES = 25;
/** A frame that claims more is broken. The largest operation is a chunk of vectors of 1 MiB. */
export const MAX_PAYLOAD = 67_108_864;

const KINDS = ['header', 'page', 'part', 'change', 'end', 'marker'] as const;
export type FrameKind = (typeof KINDS)[number];

/** Where in the history of the database a frame belongs. */
export interface Stamp {
  /** Counts the transactions that changed anything; see identity.ts. */
  readonly number: number;
  /** Of the store's head, after the change. */
  readonly sequence: number;
  /** Milliseconds since 1970. */
  readonly at: number;
}

export const NO_STAMP: Stamp = { number: 0, sequence: 0, at: 0 };

export interface Frame {
  readonly kind: FrameKind;
  readonly stamp: Stamp;
  /** After the stamp. */
  readonly body: Uint8Array<ArrayBuffer>;
  /** Bytes of the whole frame. */
  readonly size: number;
}

type Pieces = readonly Uint8Array<ArrayBuffer>[];

/** A frame in the pieces that are to be written one after the other. */
export function buildFrame(kind: FrameKind, stamp: Stamp, body: Pieces): Pieces {
  const head = new Uint8Array(FRAME_HEAD + STAMP_BYTES);
  const view = new DataView(head.buffer);
  view.setUint32(0, STAMP_BYTES + sizeOf(body), true);
  view.setUint8(FRAME_HEAD, KINDS.indexOf(kind));
  view.setFloat64(FRAME_HEAD + 1, stamp.number, true);
  view.setFloat64(FRAME_HEAD + 9, stamp.sequence, true);
  view.setFloat64(FRAME_HEAD + 17, stamp.at, true);
  let crc = crc32c(head.subarray(FRAME_HEAD), crc32c(head.subarray(0, 4)));
  for (const piece of body) crc = crc32c(piece, crc);
  view.setUint32(4, crc, true);
  return [head, ...body];
}

export function sizeOf(pieces: Pieces): number {
  return pieces.reduce((sum, piece) => sum + piece.length, 0);
}

/** A frame whose body is one value. */
export function valueFrame(kind: FrameKind, stamp: Stamp, value: unknown): Pieces {
  const out = new ByteWriter();
  encodeValue(out, value);
  return buildFrame(kind, stamp, out.pieces());
}

/**
 * Bytes of the frame that begins at `at`, head included; null where its length is not there yet.
 * Throws {@link BrokenBytes} where no frame can be so long or so short.
 */
export function frameSize(bytes: Uint8Array<ArrayBuffer>, at: number): number | null {
  if (at + FRAME_HEAD > bytes.length) return null;
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, true);
  if (length < STAMP_BYTES || length > MAX_PAYLOAD) throw new BrokenBytes('no frame');
  return FRAME_HEAD + length;
}

/** The frame of `size` bytes at `at`. Throws {@link BrokenBytes}. */
export function parseFrame(bytes: Uint8Array<ArrayBuffer>, at: number, size: number): Frame {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, size);
  const payload = bytes.subarray(at + FRAME_HEAD, at + size);
  const crc = crc32c(payload, crc32c(bytes.subarray(at, at + 4)));
  if (crc !== view.getUint32(4, true)) throw new BrokenBytes('a checksum does not fit');
  const kind = KINDS[view.getUint8(FRAME_HEAD)];
  const stamp: Stamp = {
    number: view.getFloat64(FRAME_HEAD + 1, true),
    sequence: view.getFloat64(FRAME_HEAD + 9, true),
    at: view.getFloat64(FRAME_HEAD + 17, true),
  };
  if (kind === undefined || !soundStamp(stamp)) throw new BrokenBytes('no such frame');
  return { kind, stamp, body: payload.subarray(STAMP_BYTES), size };
}

function soundStamp({ number, sequence, at }: Stamp): boolean {
  const whole = (value: number) => Number.isSafeInteger(value) && value >= 0;
  return whole(number) && whole(sequence) && Number.isFinite(at);
}

/** The one value of a frame's body. Throws {@link BrokenBytes}. */
export function frameValue(frame: Frame): unknown {
  const from = new ByteReader(frame.body);
  const value = decodeValue(from);
  if (from.left > 0) throw new BrokenBytes('bytes after a value');
  return value;
}
