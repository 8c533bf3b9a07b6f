/**
 * One file, piece by piece: kept pieces first, then what is missing from the network, each piece
 * verified before it is kept or used. A cut goes on at the first missing piece; wrong bytes are asked
 * for once more past every cache, then the file is refused.
 */
import { throwIfAborted, WhorlError } from '../../src/shared/errors.ts';
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
import type { ModelFile } from './manifest.ts';
import { type PieceKeeper, pieceSpan } from './piece-keeper.ts';

/** Milliseconds before each try after a failed one that brought no new piece. */
const PAUSES_MS = [500, 1_000, 2_000, 4_000];
/** Milliseconds without a byte after which a connection counts as cut. */
const IDLE_MS = 20_000;

export interface FileContext {
  readonly base: string;
  readonly deps: DownloadDeps;
  readonly keeper: PieceKeeper;
  readonly meter: ProgressMeter;
  readonly signal: AbortSignal;
}

/**
 * The bytes of a file, all verified.
 *
 * @throws WhorlError `aborted`, `network`, `asset_missing`, `asset_corrupt`, `asset_incomplete`.
 */
export async function downloadFile(
  file: ModelFile,
  context: FileContext,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(file.bytes);
  const missing = await fillFromCache(file, bytes, context);
  let failures = 0;
  let reloaded = false;
  while (missing.size > 0) {
    const before = missing.size;
    try {
      await fetchRun(file, bytes, missing, reloaded, context);
    } catch (error) {
      throwIfAborted(context.signal);
      if (missing.size < before) failures = 0;
      const problem = error as WhorlError;
      if (problem.code === 'asset_corrupt' && !reloaded) {
        reloaded = true;
        continue;
      }
      const pause = PAUSES_MS[failures];
      if (!mayGoOn(problem) || pause === undefined) throw error;
      failures += 1;
      await context.deps.wait(Math.max(pause, problem.retryAfterMs ?? 0), context.signal);
    }
  }
  return bytes;
}

// What our own cache keeps need not lie in the browser's as well.
function httpCache(reload: boolean, keeper: PieceKeeper): RequestCache {
  if (reload) return 'reload';
  return keeper.note === null ? 'no-store' : 'default';
}

function mayGoOn(error: WhorlError): boolean {
  return error.code === 'network' || error.code === 'asset_incomplete';
}

/** Puts kept pieces in place; answers with the numbers of those that are missing or were spoilt. */
async function fillFromCache(
  file: ModelFile,
  bytes: Uint8Array<ArrayBuffer>,
  { keeper, meter, signal }: FileContext,
): Promise<Set<number>> {
  const missing = new Set<number>();
  for (let index = 0; index < file.pieces.length; index += 1) {
    throwIfAborted(signal);
    const { from, to } = pieceSpan(file, index);
    const kept = await keeper.piece(file, index);
    if (kept && kept.length === to - from && (await sha256(kept)) === file.pieces[index]) {
      bytes.set(kept, from);
      meter.verified(file.path, kept.length, true);
      continue;
    }
    if (kept) await keeper.dropPiece(file, index);
    missing.add(index);
  }
  return missing;
}

/** Fetches the first run of missing pieces; removes each from `missing` once it is verified. */
async function fetchRun(
  file: ModelFile,
  bytes: Uint8Array<ArrayBuffer>,
  missing: Set<number>,
  reload: boolean,
  context: FileContext,
): Promise<void> {
  const first = Math.min(...missing);
  let last = first;
  while (missing.has(last + 1)) last += 1;
  // After wrong bytes the whole is asked for: a range may be what a middlebox gets wrong.
  const from = reload ? 0 : pieceSpan(file, first).from;
  const to = reload ? file.bytes : pieceSpan(file, last).to;
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
    await readPieces(file, bytes, missing, body, end, context);
  } finally {
    // Lets go of the connection where the body was left early; has no effect after its end.
    void body.reader.cancel().catch(() => {});
  }
}

async function readPieces(
  file: ModelFile,
  bytes: Uint8Array<ArrayBuffer>,
  missing: Set<number>,
  body: OpenBody,
  end: number,
  context: FileContext,
): Promise<void> {
  let at = body.start;
  let index = pieceAt(file, at);
  for (;;) {
    const chunk = await nextChunk(body, file.path, context);
    if (!chunk) break;
    if (at + chunk.length > end) {
      throw corrupt(file.path, `it goes on after the ${end} bytes that it should have`);
    }
    let used = 0;
    while (used < chunk.length) {
      const { from, to } = pieceSpan(file, index);
      const part = chunk.subarray(used, used + to - at);
      if (missing.has(index)) {
        bytes.set(part, at);
        context.meter.arriving(file.path, at + part.length - from);
      }
      at += part.length;
      used += part.length;
      if (at < to) continue;
      if (missing.has(index)) await settlePiece(file, bytes, index, missing, context);
      index += 1;
    }
  }
  if (at < end) throw incomplete(file.path, at, end);
}

function pieceAt(file: ModelFile, at: number): number {
  let index = 0;
  while (pieceSpan(file, index).to <= at && index < file.pieces.length) index += 1;
  return index;
}

async function settlePiece(
  file: ModelFile,
  bytes: Uint8Array<ArrayBuffer>,
  index: number,
  missing: Set<number>,
  { keeper, meter, signal }: FileContext,
): Promise<void> {
  const { from, to } = pieceSpan(file, index);
  const piece = bytes.subarray(from, to);
  if ((await sha256(piece)) !== file.pieces[index]) {
    throw corrupt(file.path, `its bytes ${from} to ${to} have another SHA-256`);
  }
  throwIfAborted(signal);
  missing.delete(index);
  meter.verified(file.path, piece.length, false);
  await keeper.keepPiece(file, index, piece);
}

/** The next bytes, or null at the end. A silent connection is cut. */
async function nextChunk(
  { reader }: OpenBody,
  name: string,
  { deps, signal }: FileContext,
): Promise<Uint8Array<ArrayBuffer> | null> {
  const idle = new AbortController();
  const silence = deps.wait(IDLE_MS, idle.signal).then(() => {
    throw new WhorlError('network', `no byte came for ${IDLE_MS / 1_000} s`);
  });
  silence.catch(() => {});
  try {
    const { done, value } = await guarded(
      () => Promise.race([reader.read(), silence]),
      name,
      signal,
    );
    return done ? null : value;
  } finally {
    idle.abort();
  }
}
