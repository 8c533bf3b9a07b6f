/**
 * One file, piece by piece and in order: a kept piece where there is one, else from the network, each
 * verified before it is kept or handed on. No more than a few pieces are in memory at a time. A cut goes on
 * at the first missing piece; wrong bytes are asked for once more past every cache, then the file is refused.
 */
import { throwIfAborted, type WhorlError } from '../../src/shared/errors.ts';
import { sha256 } from './digest.ts';
import type { ProgressMeter } from './download-progress.ts';
import {
  corrupt,
  type DownloadDeps,
  guarded,
  incomplete,
  type OpenBody,
  openBody,
} from './download-response.ts';
import { KeptPieces } from './kept-pieces.ts';
import type { ModelFile } from './manifest.ts';
import { type PieceKeeper, pieceSpan } from './piece-keeper.ts';
import { unlessSilent } from './silence.ts';

/** Milliseconds before each try after a failed one that brought no new piece. */
const PAUSES_MS = [500, 1_000, 2_000, 4_000];

export interface FileContext {
  readonly base: string;
  readonly deps: DownloadDeps;
  readonly keeper: PieceKeeper;
  readonly meter: ProgressMeter;
  readonly signal: AbortSignal;
}

/** Takes a verified piece; `from` is the offset of its first byte. It may throw, which ends the download. */
export type PieceSink = (piece: Uint8Array<ArrayBuffer>, from: number) => void;

/** Neighbouring pieces that are not kept, and the sink that waits for them. */
interface Run {
  readonly file: ModelFile;
  readonly sink: PieceSink;
  /** The first that is still missing. */
  next: number;
  readonly to: number;
}

/**
 * Hands a file to `sink`, piece by piece, in order, all verified.
 *
 * @param kept What is read ahead of the file's kept pieces; made here where it was not begun before.
 * @throws WhorlError `aborted`, `network`, `asset_missing`, `asset_corrupt`, `asset_incomplete`; what the
 * sink throws.
 */
export async function streamFile(
  file: ModelFile,
  context: FileContext,
  sink: PieceSink,
  kept: KeptPieces = new KeptPieces(file, context.keeper),
): Promise<void> {
  for (let index = 0; index < file.pieces.length; ) {
    const piece = await kept.get(index);
    throwIfAborted(context.signal);
    if (piece) {
      context.meter.verified(file.path, piece.length, true);
      sink(piece, pieceSpan(file, index).from);
      kept.release(index);
      index += 1;
      continue;
    }
    const to = await endOfGap(kept, index);
    await fetchRun({ file, sink, next: index, to }, context);
    index = to;
  }
}

/** The bytes of a whole file. Throws what {@link streamFile} throws. */
export async function downloadFile(
  file: ModelFile,
  context: FileContext,
  kept?: KeptPieces,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(file.bytes);
  await streamFile(file, context, (piece, from) => bytes.set(piece, from), kept);
  return bytes;
}

async function endOfGap(kept: KeptPieces, first: number): Promise<number> {
  let to = first + 1;
  while (to < kept.file.pieces.length && (await kept.get(to)) === null) to += 1;
  return to;
}

/** Fetches a run to its end: goes on after a cut, and once past every cache after wrong bytes. */
async function fetchRun(run: Run, context: FileContext): Promise<void> {
  let failures = 0;
  let reloaded = false;
  while (run.next < run.to) {
    const before = run.next;
    try {
      await fetchRest(run, reloaded, context);
    } catch (error) {
      throwIfAborted(context.signal);
      if (run.next > before) failures = 0;
      const problem = error as WhorlError;
      if (problem.code === 'asset_corrupt' && problem.retryable && !reloaded) {
        reloaded = true;
        continue;
      }
      const pause = PAUSES_MS[failures];
      if (!mayGoOn(problem) || pause === undefined) throw error;
      failures += 1;
      await context.deps.wait(Math.max(pause, problem.retryAfterMs ?? 0), context.signal);
    }
  }
}

// What our own cache keeps need not lie in the browser's as well.
function httpCache(reload: boolean, keeper: PieceKeeper): RequestCache {
  if (reload) return 'reload';
  return keeper.note === null ? 'no-store' : 'default';
}

function mayGoOn(error: WhorlError): boolean {
  return error.code === 'network' || error.code === 'asset_incomplete';
}

/** One request for what is missing of a run. */
async function fetchRest(run: Run, reload: boolean, context: FileContext): Promise<void> {
  const { file } = run;
  // After wrong bytes the whole is asked for: a range may be what a middlebox gets wrong.
  const from = reload ? 0 : pieceSpan(file, run.next).from;
  const to = reload ? file.bytes : pieceSpan(file, run.to - 1).to;
  const body = await openBody(context.deps, {
    url: context.base + file.path,
    name: file.path,
    bytes: file.bytes,
    from,
    to,
    cache: httpCache(reload, context.keeper),
    signal: context.signal,
  });
  const end = body.start === 0 && from > 0 ? file.bytes : to;
  try {
    await readPieces(run, body, end, context);
  } finally {
    // Lets go of the connection where the body was left early; has no effect after its end.
    void body.reader.cancel().catch(() => {});
  }
}

async function readPieces(
  run: Run,
  body: OpenBody,
  end: number,
  context: FileContext,
): Promise<void> {
  const { file } = run;
  const last = pieceSpan(file, run.to - 1).to;
  let at = body.start;
  let piece = new Uint8Array(0);
  // What lies behind the run was kept: the rest of a whole file is not waited for.
  while (at < last || last === end) {
    const chunk = await nextChunk(body, file.path, context);
    if (!chunk) break;
    if (at + chunk.length > end) {
      throw corrupt(file.path, `it goes on after the ${end} bytes that it should have`);
    }
    for (let used = 0; used < chunk.length && at < last; ) {
      const { from, to } = spanAt(run, at);
      const part = chunk.subarray(used, used + to - at);
      const wanted = from >= pieceSpan(file, run.next).from;
      if (wanted) {
        if (at === from) piece = new Uint8Array(to - from);
        piece.set(part, at - from);
        context.meter.arriving(file.path, at + part.length - from);
      }
      at += part.length;
      used += part.length;
      if (wanted && at === to) await settlePiece(run, piece, context);
    }
  }
  if (at < last) throw incomplete(file.path, at, end);
}

/** The piece in which a byte lies; all that lies before the run counts as one. */
function spanAt(run: Run, at: number): { from: number; to: number } {
  const start = pieceSpan(run.file, run.next);
  return at < start.from ? { from: 0, to: start.from } : start;
}

async function settlePiece(
  run: Run,
  piece: Uint8Array<ArrayBuffer>,
  { keeper, meter, signal }: FileContext,
): Promise<void> {
  const { file, next } = run;
  const { from, to } = pieceSpan(file, next);
  if ((await sha256(piece)) !== file.pieces[next]) {
    throw corrupt(file.path, `its bytes ${from} to ${to} have another SHA-256`);
  }
  throwIfAborted(signal);
  run.next += 1;
  meter.verified(file.path, piece.length, false);
  run.sink(piece, from);
  await keeper.keepPiece(file, next, piece);
}

/** The next bytes, or null at the end. A silent connection is cut. */
async function nextChunk(
  { reader }: OpenBody,
  name: string,
  { deps, signal }: FileContext,
): Promise<Uint8Array<ArrayBuffer> | null> {
  const next = () => unlessSilent(reader.read(), deps);
  const { done, value } = await guarded(next, name, signal);
  return done ? null : value;
}
