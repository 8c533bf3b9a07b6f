/**
 * The pieces of one file that an earlier visit kept, read and verified a few ahead of whoever takes them:
 * on a warm start disk, digest and unpacking then run side by side.
 */
import { sha256 } from './digest.ts';
import type { ModelFile } from './manifest.ts';
import { type PieceKeeper, pieceSpan } from './piece-keeper.ts';

type Piece = Uint8Array<ArrayBuffer>;

/** Pieces in flight beyond the one that is asked for; 4 MiB each. */
const AHEAD = 3;

export class KeptPieces {
  readonly file: ModelFile;
  readonly #keeper: PieceKeeper;
  readonly #pieces = new Map<number, Promise<Piece | null>>();
  #next = 0;

  constructor(file: ModelFile, keeper: PieceKeeper) {
    this.file = file;
    this.#keeper = keeper;
  }

  /** Begins to read, so that the first pieces are there when they are asked for. */
  prefetch(): void {
    this.#readTo(AHEAD);
  }

  /** A verified piece, or null where none was kept or what was kept is spoilt (it is deleted then). */
  get(index: number): Promise<Piece | null> {
    this.#readTo(index + AHEAD);
    return this.#pieces.get(index) ?? this.#read(index);
  }

  /** Lets go of a piece that was taken. */
  release(index: number): void {
    this.#pieces.delete(index);
  }

  #readTo(last: number): void {
    for (; this.#next <= last && this.#next < this.file.pieces.length; this.#next += 1) {
      const piece = this.#read(this.#next);
      // Told to whoever asks for it; a start that ended early asks no more.
      piece.catch(() => {});
      this.#pieces.set(this.#next, piece);
    }
  }

  async #read(index: number): Promise<Piece | null> {
    const { file } = this;
    const kept = await this.#keeper.piece(file, index);
    if (!kept) return null;
    const { from, to } = pieceSpan(file, index);
    if (kept.length === to - from && (await sha256(kept)) === file.pieces[index]) return kept;
    await this.#keeper.dropPiece(file, index);
    return null;
  }
}
