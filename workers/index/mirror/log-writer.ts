/** Writing a log: frames at its end, and what it costs. */
import type { MirrorFile, MirrorFiles } from './files.ts';
import { buildFrame, FILE_MAGIC, type FrameKind, type Stamp, valueFrame } from './frame.ts';
import type { FoundLog, LogHeader, LogPlace } from './log-reader.ts';

type Pieces = readonly Uint8Array<ArrayBuffer>[];

export class LogWriter {
  readonly name: string;
  readonly header: LogHeader;
  readonly #file: MirrorFile;
  #place: LogPlace;
  #written: LogPlace;

  private constructor(name: string, header: LogHeader, file: MirrorFile, place: LogPlace) {
    this.name = name;
    this.header = header;
    this.#file = file;
    this.#place = place;
    this.#written = place;
  }

  /** Goes on after the last whole change of a log; what is behind it is cut off. */
  static async resume(files: MirrorFiles, found: FoundLog): Promise<LogWriter> {
    const { name, base, checkpoint, last, end, ...header } = found;
    const file = await files.open(name);
    try {
      // Shorter than what was read of it: somebody else has been at it.
      if (file.size() < end) throw new Error(`the log is shorter than its ${end} bytes`);
      if (file.size() > end) file.truncate(end);
      return new LogWriter(name, header, file, { base, checkpoint, last, end });
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** Begins a log. It counts once {@link LogWriter.endCheckpoint} is on the disk. */
  static async begin(files: MirrorFiles, name: string, header: LogHeader): Promise<LogWriter> {
    const file = await files.open(name);
    const last: Stamp = { number: 0, sequence: 0, at: 0 };
    const writer = new LogWriter(name, header, file, { base: 0, checkpoint: 0, last, end: 0 });
    try {
      file.truncate(0);
      writer.#append([FILE_MAGIC, ...valueFrame('header', last, header)]);
      return writer;
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** What is on the disk. */
  get place(): LogPlace {
    return this.#place;
  }

  /** Bytes written, on the disk or not. */
  get size(): number {
    return this.#written.end;
  }

  #append(pieces: Pieces): void {
    let at = this.#written.end;
    for (const piece of pieces) {
      this.#file.write(piece, at);
      at += piece.length;
    }
    this.#written = { ...this.#written, end: at };
  }

  page(stamp: Stamp, body: Pieces): void {
    this.#append(buildFrame('page', stamp, body));
  }

  /** Frames of one change, built already. */
  change(stamp: Stamp, frames: Pieces): void {
    this.#append(frames);
    this.#written = { ...this.#written, last: stamp };
  }

  endCheckpoint(stamp: Stamp): void {
    this.#append(buildFrame('end', stamp, []));
    const { end } = this.#written;
    this.#written = { base: stamp.number, checkpoint: end, last: stamp, end };
  }

  /** Puts onto the disk what was written. */
  flush(): void {
    this.#file.flush();
    this.#place = this.#written;
  }

  close(): void {
    this.#file.close();
  }
}

/** Removes a log of whoever wrote it; its content first, because another tab may hold the name. */
export async function discardLog(files: MirrorFiles, name: string): Promise<void> {
  const file = await files.open(name);
  try {
    file.truncate(0);
    file.flush();
  } finally {
    file.close();
  }
  await files.remove(name);
}

/** Frames of one change from the parts that were recorded of it. */
export function changeFrames(stamp: Stamp, parts: readonly Pieces[]): Pieces {
  return parts.flatMap((body, at): Pieces => {
    const kind: FrameKind = at === parts.length - 1 ? 'change' : 'part';
    return buildFrame(kind, stamp, body);
  });
}
