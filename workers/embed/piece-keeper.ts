/** Verified pieces between visits. A cache that fails is given up and said so; the download goes on. */
import type { AssetCache } from './asset-cache.ts';
import { type ModelFile, type ModelManifest, PIECE_BYTES } from './manifest.ts';

export class PieceKeeper {
  readonly #cache: AssetCache | null;
  readonly #base: string;
  #note: string | null;
  #broken = false;

  constructor(cache: AssetCache | null, base: string) {
    this.#cache = cache;
    this.#base = base;
    this.#note = cache
      ? null
      : 'The model is not kept on this device (the page has no cache storage) and is loaded again on the next visit.';
  }

  /** Why nothing is kept, in words; null while all is well. */
  get note(): string | null {
    return this.#note;
  }

  async manifest(): Promise<Uint8Array<ArrayBuffer> | null> {
    return this.#read(this.#manifestKey());
  }

  async piece(file: ModelFile, index: number): Promise<Uint8Array<ArrayBuffer> | null> {
    return this.#read(this.#pieceKey(file, index));
  }

  async keepPiece(file: ModelFile, index: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    await this.#write(this.#pieceKey(file, index), bytes);
  }

  async dropPiece(file: ModelFile, index: number): Promise<void> {
    await this.#cache?.delete(this.#pieceKey(file, index)).catch(() => {});
  }

  /** Keeps the manifest of a complete model and lets go of pieces that its files no longer have. */
  async keepManifest(bytes: Uint8Array<ArrayBuffer>, manifest: ModelManifest): Promise<void> {
    await this.#write(this.#manifestKey(), bytes);
    if (!this.#cache || this.#broken) return;
    const wanted = new Set(
      manifest.files.flatMap((file) => file.pieces.map((_, index) => this.#pieceKey(file, index))),
    );
    const paths = new Set(manifest.files.map((file) => this.#base + file.path));
    const keys = await this.#cache.keys().catch(() => []);
    const stale = keys.filter((key) => paths.has(key.split('?')[0] ?? '') && !wanted.has(key));
    await Promise.all(stale.map((key) => this.#cache?.delete(key).catch(() => {})));
  }

  async #read(key: string): Promise<Uint8Array<ArrayBuffer> | null> {
    // A piece that cannot be read is a piece that is fetched.
    return (await this.#cache?.get(key).catch(() => null)) ?? null;
  }

  async #write(key: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    if (!this.#cache || this.#broken) return;
    try {
      await this.#cache.put(key, bytes);
    } catch (error) {
      this.#broken = true;
      this.#note = `The model is not kept on this device (${reason(error)}) and is loaded again on the next visit.`;
    }
  }

  #manifestKey(): string {
    return `${this.#base}manifest.json`;
  }

  // By digest: a piece that stayed the same in a new version of a file is not fetched again.
  #pieceKey(file: ModelFile, index: number): string {
    return `${this.#base}${file.path}?sha256=${file.pieces[index]}`;
  }
}

function reason(error: unknown): string {
  if ((error as Error | null)?.name === 'QuotaExceededError') return 'its storage is full';
  return `its storage refused: ${(error as Error | null)?.message ?? String(error)}`;
}

/** First byte and end of a piece inside its file. */
export function pieceSpan(file: ModelFile, index: number): { from: number; to: number } {
  const from = index * PIECE_BYTES;
  return { from, to: Math.min(from + PIECE_BYTES, file.bytes) };
}
