/**
 * SHA-256 (FIPS 180-4) of bytes that come piece by piece: the platform's digest wants all of them at once,
 * and the vectors of a collection are larger than a worker should hold.
 */

const BLOCK = 64;

function primes(count: number): number[] {
  const found: number[] = [];
  for (let n = 2; found.length < count; n++) {
    if (found.every((prime) => n % prime !== 0)) found.push(n);
  }
  return found;
}

/** The first 32 bits of the fraction. */
function fraction(value: number): number {
  return ((value % 1) * 2 ** 32) | 0;
}

const PRIMES = primes(BLOCK);
const ROUND = Int32Array.from(PRIMES, (prime) => fraction(Math.cbrt(prime)));
const START = Int32Array.from(PRIMES.slice(0, 8), (prime) => fraction(Math.sqrt(prime)));

export class Sha256 {
  readonly #state = START.slice();
  readonly #words = new Int32Array(BLOCK);
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
    this.#expand(bytes, at);
    this.#compress();
  }

  #expand(bytes: Uint8Array, at: number): void {
    const words = this.#words;
    for (let i = 0, b = at; i < 16; i++, b += 4) {
      words[i] =
        ((bytes[b] as number) << 24) |
        ((bytes[b + 1] as number) << 16) |
        ((bytes[b + 2] as number) << 8) |
        (bytes[b + 3] as number);
    }
    for (let i = 16; i < BLOCK; i++) {
      const a = words[i - 15] as number;
      const b = words[i - 2] as number;
      const s0 = ((a >>> 7) | (a << 25)) ^ ((a >>> 18) | (a << 14)) ^ (a >>> 3);
      const s1 = ((b >>> 17) | (b << 15)) ^ ((b >>> 19) | (b << 13)) ^ (b >>> 10);
      words[i] = (words[i - 16] as number) + s0 + (words[i - 7] as number) + s1;
    }
  }

  #compress(): void {
    const words = this.#words;
    const state = this.#state;
    let a = state[0] as number;
    let b = state[1] as number;
    let c = state[2] as number;
    let d = state[3] as number;
    let e = state[4] as number;
    let f = state[5] as number;
    let g = state[6] as number;
    let h = state[7] as number;
    for (let i = 0; i < BLOCK; i++) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const first =
        (h + s1 + ((e & f) ^ (~e & g)) + (ROUND[i] as number) + (words[i] as number)) | 0;
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const second = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + first) | 0;
      d = c;
      c = b;
      b = a;
      a = (first + second) | 0;
    }
    state[0] = (state[0] as number) + a;
    state[1] = (state[1] as number) + b;
    state[2] = (state[2] as number) + c;
    state[3] = (state[3] as number) + d;
    state[4] = (state[4] as number) + e;
    state[5] = (state[5] as number) + f;
    state[6] = (state[6] as number) + g;
    state[7] = (state[7] as number) + h;
  }
}
