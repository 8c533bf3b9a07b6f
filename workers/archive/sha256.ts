/**
 * SHA-256 (FIPS 180-4) of bytes that come piece by piece: the platform's digest wants all of them at once,
 * and the vectors of a collection are larger than a worker should hold.
 */

import { SCHEDULE_WORDS, startState, takeBlock } from '../../src/shared/sha256-block.ts';

const BLOCK = 64;

export class Sha256 {
  readonly #state = startState();
  readonly #words = new Int32Array(SCHEDULE_WORDS);
  readonly #held = new Uint8Array(BLOCK);
  #bytes = 0;

  update(bytes: Uint8Array): void {
    const held = this.#bytes % BLOCK;
    this.#bytes += bytes.length;
    let from = 0;
    if (held > 0) {
      from = Math.min(BLOCK - held, bytes.length);
      this.#held.set(bytes.subarray(0, from), held);
      if (held + from < BLOCK) return;
      this.#block(this.#held, 0);
    }
    for (; from + BLOCK <= bytes.length; from += BLOCK) this.#block(bytes, from);
    this.#held.set(bytes.subarray(from));
  }

  /** Lower-case hex. The object is used up. */
  hex(): string {
    const bits = BigInt(this.#bytes) * 8n;
    const held = this.#bytes % BLOCK;
    const padding = new Uint8Array((held < 56 ? BLOCK : 2 * BLOCK) - held);
    padding[0] = 0x80;
    new DataView(padding.buffer).setBigUint64(padding.length - 8, bits);
    this.update(padding);
    return Array.from(this.#state, (word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
  }

  #block(bytes: Uint8Array, at: number): void {
    const words = this.#words;
    for (let i = 0, b = at; i < 16; i++, b += 4) {
      words[i] =
        ((bytes[b] as number) << 24) |
        ((bytes[b + 1] as number) << 16) |
        ((bytes[b + 2] as number) << 8) |
        (bytes[b + 3] as number);
    }
    takeBlock(this.#state, words);
  }
}
