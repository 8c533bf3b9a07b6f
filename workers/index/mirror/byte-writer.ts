/** Bytes written one after the other, kept in pieces so that what is large is copied once. */

const FIRST_BLOCK = 4_096;
const LARGEST_BLOCK = 262_144;
/** Byte arrays from this length on become a piece of their own. */
const OWN_PIECE = 32_768;
/** Longest varint: seven bits a byte, 53 bits. */
const VARINT_BYTES = 8;

const utf8 = new TextEncoder();

export class ByteWriter {
  readonly #pieces: Uint8Array<ArrayBuffer>[] = [];
  /** What is free of the newest block. */
  #block = new Uint8Array(FIRST_BLOCK);
  #view = new DataView(this.#block.buffer);
  #blockBytes = FIRST_BLOCK;
  #at = 0;
  #before = 0;

  /** Bytes written so far. */
  get size(): number {
    return this.#before + this.#at;
  }

  /** What was written, in order. */
  pieces(): readonly Uint8Array<ArrayBuffer>[] {
    this.#cut();
    return this.#pieces;
  }

  /** Ends a piece; what is left of its block begins the next. */
  #cut(): void {
    if (this.#at === 0) return;
    this.#pieces.push(this.#block.subarray(0, this.#at));
    this.#before += this.#at;
    this.#take(this.#block.subarray(this.#at));
  }

  #take(block: Uint8Array<ArrayBuffer>): void {
    this.#block = block;
    this.#view = new DataView(block.buffer, block.byteOffset);
    this.#at = 0;
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#block.length) return;
    this.#cut();
    this.#blockBytes = Math.min(LARGEST_BLOCK, this.#blockBytes * 4);
    this.#take(new Uint8Array(Math.max(bytes, this.#blockBytes)));
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#block[this.#at++] = value;
  }

  /** A whole number of 0..2^53-1, seven bits a byte, lowest first. */
  varint(value: number): void {
    this.#reserve(VARINT_BYTES);
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) {
      this.#block[this.#at++] = (rest % 0x80) | 0x80;
    }
    this.#block[this.#at++] = rest;
  }

  float64(value: number): void {
    this.#reserve(8);
    this.#view.setFloat64(this.#at, value, true);
    this.#at += 8;
  }

  /** A copy of the bytes. */
  bytes(source: Uint8Array): void {
    if (source.length >= OWN_PIECE) {
      this.#cut();
      this.#pieces.push(source.slice());
      this.#before += source.length;
      return;
    }
    this.#reserve(source.length);
    this.#block.set(source, this.#at);
    this.#at += source.length;
  }

  /** Text with its length; one bit says which code. Lone surrogates, which UTF-8 has not, make it UTF-16. */
  text(value: string): void {
    if (!value.isWellFormed()) this.#wide(value);
    else if (value.length * 3 > LARGEST_BLOCK) this.#sized(utf8.encode(value));
    else this.#narrow(value);
  }

  #narrow(value: string): void {
    // The length is not known before: room is kept for it, then the text moves up to it.
    this.#reserve(VARINT_BYTES + value.length * 3);
    const from = this.#at + VARINT_BYTES;
    const { written } = utf8.encodeInto(value, this.#block.subarray(from));
    this.varint(written * 2);
    this.#block.copyWithin(this.#at, from, from + written);
    this.#at += written;
  }

  #wide(value: string): void {
    this.varint(value.length * 2 * 2 + 1);
    this.#reserve(value.length * 2);
    for (let at = 0; at < value.length; at++, this.#at += 2) {
      this.#view.setUint16(this.#at, value.charCodeAt(at), true);
    }
  }

  #sized(bytes: Uint8Array): void {
    this.varint(bytes.length * 2);
    this.bytes(bytes);
  }
}
