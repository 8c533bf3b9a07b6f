/** Reading a log: its frames, one after the other, and where its last whole change ends. */
import { isObject } from '../body.ts';
import { BrokenBytes } from './decode.ts';
import type { MirrorFiles } from './files.ts';
import {
  FILE_MAGIC,
  FRAME_HEAD,
  type Frame,
  frameSize,
  frameValue,
  parseFrame,
  type Stamp,
} from './frame.ts';
import { type Identity, isId } from './identity.ts';

const BLOCK_BYTES = 1_048_576;

/** Version of the logs; a later one keeps the form of the first frame. */
export const LOG_VERSION = 1;

/** What a log says of itself in its first frame. */
export interface LogHeader extends Identity {
  readonly version: number;
  /** Counts the logs of an engine; the highest whole one counts. */
  readonly generation: number;
  /** Format of the records, as in docs/storage-format.md. */
  readonly format: number;
}

/** A log that can be used. */
export interface FoundLog extends LogHeader {
  readonly name: string;
  /** Of the end of the checkpoint: changes up to here cannot be told apart. */
  readonly base: number;
  /** Bytes of header and checkpoint. */
  readonly checkpoint: number;
  /** The last whole change. */
  readonly last: Stamp;
  /** Where it ends; what comes after is cut off. */
  readonly end: number;
}

export interface PlacedFrame extends Frame {
  /** Offset of the first byte after the frame. */
  readonly end: number;
}

/**
 * Frames from `from` (the offset of a frame) on, up to the first that is broken or cut; reads a block at a
 * time. Rejects where the file cannot be read.
 */
export async function* readFrames(
  files: MirrorFiles,
  name: string,
  from: number = FILE_MAGIC.length,
): AsyncGenerator<PlacedFrame, void> {
  let offset = from;
  let wanted = BLOCK_BYTES;
  for (;;) {
    const asked = wanted;
    const block = await files.read(name, offset, asked);
    let at = 0;
    for (;;) {
      const size = soundSize(block, at);
      if (size === 'broken') return;
      if (size === null || at + size > block.length) {
        wanted = Math.max(BLOCK_BYTES, size ?? FRAME_HEAD);
        break;
      }
      const frame = soundFrame(block, at, size);
      if (frame === null) return;
      at += size;
      yield { ...frame, end: offset + at };
    }
    // Nothing new in what was asked for: the file ends here.
    if (at === 0 && block.length < asked) return;
    offset += at;
  }
}

function soundSize(block: Uint8Array<ArrayBuffer>, at: number): number | null | 'broken' {
  try {
    return frameSize(block, at);
  } catch (error) {
    if (error instanceof BrokenBytes) return 'broken';
    throw error;
  }
}

function soundFrame(block: Uint8Array<ArrayBuffer>, at: number, size: number): Frame | null {
  try {
    return parseFrame(block, at, size);
  } catch (error) {
    if (error instanceof BrokenBytes) return null;
    throw error;
  }
}

/**
 * The header of a log, `too new` where a later version of this program wrote it, or null where the file is
 * no log.
 */
export async function readHeader(
  files: MirrorFiles,
  name: string,
  format: number,
): Promise<LogHeader | 'too new' | null> {
  const magic = await files.read(name, 0, FILE_MAGIC.length);
  if (FILE_MAGIC.some((byte, at) => byte !== magic[at])) return null;
  for await (const frame of readFrames(files, name)) {
    const header = frame.kind === 'header' ? parseHeader(frame) : null;
    const later = header !== null && (header.version > LOG_VERSION || header.format > format);
    return later ? 'too new' : header;
  }
  return null;
}

function parseHeader(frame: Frame): LogHeader | null {
  try {
    const value = frameValue(frame);
    if (!isObject(value) || !isId(value.origin) || !isId(value.lineage)) return null;
    const { version, generation, format } = value;
    const whole = [version, generation, format].every((each) => Number.isSafeInteger(each));
    return whole ? (value as unknown as LogHeader) : null;
  } catch (error) {
    if (error instanceof BrokenBytes) return null;
    throw error;
  }
}

/** Where to go on reading: after a change that is known to be whole. */
export interface LogPlace {
  readonly base: number;
  readonly checkpoint: number;
  readonly last: Stamp;
  readonly end: number;
}

/** Follows a log to its last whole change; null where not even its checkpoint is whole. */
export async function followLog(
  files: MirrorFiles,
  name: string,
  from: LogPlace | null,
): Promise<LogPlace | null> {
  let place = from;
  for await (const { kind, stamp, end } of readFrames(files, name, from?.end)) {
    if (place === null) {
      if (kind === 'end') place = { base: stamp.number, checkpoint: end, last: stamp, end };
      else if (kind === 'marker') return null;
    } else if (kind === 'change' || kind === 'part') {
      // Anything else than the next change is not of this history.
      if (stamp.number !== place.last.number + 1) return place;
      if (kind === 'change') place = { ...place, last: stamp, end };
    } else return place;
  }
  return place;
}
