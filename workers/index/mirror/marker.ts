/**
 * A tiny file that says: there was data, and how far it had come. It also names the log and a place in it
 * up to which it is whole, so that opening reads the end of a log only. Two slots are written in turn, so
 * that a write that is cut leaves the other one.
 */
import { isObject } from '../body.ts';
import { BrokenBytes } from './decode.ts';
import type { MirrorFiles } from './files.ts';
import { type Frame, frameSize, frameValue, parseFrame, type Stamp, valueFrame } from './frame.ts';
import { type Identity, isId } from './identity.ts';
import type { LogPlace } from './log-reader.ts';

export const MARKER_FILE = 'marker';
const SLOT_BYTES = 1_024;

export interface Marker extends Identity {
  /** Counts writes; the higher slot is the newer one. */
  readonly turn: number;
  readonly format: number;
  /** The last change that was known to be in the mirror, or in the database where there is no mirror. */
  readonly last: Stamp;
  readonly log: { readonly name: string; readonly place: LogPlace } | null;
}

/** Null: there is no marker. `damaged`: there is one, so there was data, but it says nothing more. */
export async function readMarker(files: MirrorFiles): Promise<Marker | 'damaged' | null> {
  if (!(await files.list()).includes(MARKER_FILE)) return null;
  const bytes = await files.read(MARKER_FILE, 0, 2 * SLOT_BYTES);
  const slots = [parseSlot(bytes, 0), parseSlot(bytes, SLOT_BYTES)].filter((slot) => slot !== null);
  if (slots.length === 0) return 'damaged';
  return slots.reduce((a, b) => (a.turn > b.turn ? a : b));
}

function parseSlot(bytes: Uint8Array<ArrayBuffer>, at: number): Marker | null {
  try {
    const slot = bytes.subarray(at, at + SLOT_BYTES);
    const size = frameSize(slot, 0);
    if (size === null || size > slot.length) return null;
    const frame = parseFrame(slot, 0, size);
    return frame.kind === 'marker' ? parseMarker(frame) : null;
  } catch (error) {
    if (error instanceof BrokenBytes) return null;
    throw error;
  }
}

function parseMarker(frame: Frame): Marker | null {
  const value = frameValue(frame);
  if (!isObject(value) || !isId(value.origin) || !isId(value.lineage)) return null;
  const { turn, format, log } = value;
  if (![turn, format].every((each) => Number.isSafeInteger(each))) return null;
  const sound = log === null || (isObject(log) && isId(log.name) && isPlace(log.place));
  return sound ? ({ ...value, last: frame.stamp } as unknown as Marker) : null;
}

function isPlace(value: unknown): boolean {
  if (!isObject(value) || !isObject(value.last)) return false;
  const { base, checkpoint, end, last } = value;
  return [base, checkpoint, end, last.number, last.sequence].every((each) =>
    Number.isSafeInteger(each),
  );
}

/** Writes the marker onto the disk, in the slot of its turn. */
export async function writeMarker(files: MirrorFiles, marker: Marker): Promise<void> {
  const { last, ...value } = marker;
  const file = await files.open(MARKER_FILE);
  try {
    let at = (marker.turn % 2) * SLOT_BYTES;
    for (const piece of valueFrame('marker', last, value)) {
      file.write(piece, at);
      at += piece.length;
    }
    file.flush();
  } finally {
    file.close();
  }
}
