/** Bytes to lines of text, whatever the pieces in which they come. */
import { archiveInvalid, archiveTooLarge, MAX_LINE_BYTES } from './limits.ts';

const NEWLINE = 0x0a;

export class LineSplitter {
  readonly #where: string;
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #lines = 0;

  /** `where` names the entry in errors. */
  constructor(where: string) {
    this.#where = where;
  }

  /** The lines that end in this piece. Throws `archive_invalid` for what is no UTF-8, `too_large` for a line over the bound. */
  *split(piece: Uint8Array): Generator<string> {
    let from = 0;
    for (;;) {
      const end = piece.indexOf(NEWLINE, from);
      this.#hold(piece.subarray(from, end < 0 ? piece.length : end));
      if (end < 0) return;
      yield this.#take();
      from = end + 1;
    }
  }

  #hold(bytes: Uint8Array): void {
    this.#heldBytes += bytes.length;
    if (this.#heldBytes > MAX_LINE_BYTES) {
      throw archiveTooLarge(
        `${this.#where} line ${this.#lines + 1}`,
        `over ${MAX_LINE_BYTES} bytes`,
      );
    }
    if (bytes.length > 0) this.#held.push(bytes);
  }

  #take(): string {
    this.#lines += 1;
    const [only = new Uint8Array(0), ...more] = this.#held;
    const bytes = more.length === 0 ? only : joined(this.#held, this.#heldBytes);
    this.#held = [];
    this.#heldBytes = 0;
    try {
      return this.#decoder.decode(bytes);
    } catch (cause) {
      throw archiveInvalid(`${this.#where} line ${this.#lines}`, 'it is not UTF-8', cause);
    }
  }

  /** To be called behind the last piece: every line has its end. */
  end(): void {
    if (this.#heldBytes > 0) throw archiveInvalid(this.#where, 'its last line has no end');
  }
}

function joined(parts: readonly Uint8Array[], bytes: number): Uint8Array {
  const all = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
