/** Blobs read and made piece by piece, so that no more than a piece is in memory. */
import { STEP_BYTES } from './limits.ts';

/** A blob in pieces of 1 MiB, always cut at the same places. */
export async function* piecesOf(blob: Blob): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for (let from = 0; from < blob.size; from += STEP_BYTES) {
    yield new Uint8Array(await blob.slice(from, from + STEP_BYTES).arrayBuffer());
  }
}

/** All bytes of a blob that is known to be small. */
export async function bytesOf(blob: Blob): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await blob.arrayBuffer());
}

/** Collects bytes into a blob: the browser may keep what a Blob holds outside of this thread's memory. */
export class BlobBuilder {
  readonly #blobs: Blob[] = [];
  #pending: Uint8Array<ArrayBuffer>[] = [];
  #pendingBytes = 0;
  #bytes = 0;

  get size(): number {
    return this.#bytes;
  }

  /** Takes the bytes; the caller must not change them afterwards. */
  add(bytes: Uint8Array<ArrayBuffer>): void {
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    this.#bytes += bytes.length;
    if (this.#pendingBytes >= STEP_BYTES) this.#flush();
  }

  #flush(): void {
    this.#blobs.push(new Blob(this.#pending));
    this.#pending = [];
    this.#pendingBytes = 0;
  }

  blob(): Blob {
    this.#flush();
    return new Blob(this.#blobs);
  }
}
