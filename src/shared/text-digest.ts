/**
 * SHA-256 (FIPS 180-4) of a text's UTF-16 units, at once. WebCrypto answers by way of a thread of its own,
 * which stands in line behind busy workers, and is absent where the page is no secure context.
 */

const UNITS_PER_BLOCK = 32;

function primes(count: number): number[] {
  const found: number[] = [];
  for (let n = 2; found.length < count; n++) {
    if (found.every((prime) => n % prime !== 0)) found.push(n);
  }
  return found;
}

/** The first 32 bits of the fraction. */
function fraction(value: number): number {
  return ((value % 1) * 2 ** 32) >>> 0;
}

const PRIMES = primes(64);
const ROUND = Uint32Array.from(PRIMES, (prime) => fraction(Math.cbrt(prime)));
const START = Uint32Array.from(PRIMES.slice(0, 8), (prime) => fraction(Math.sqrt(prime)));

const words = new Uint32Array(64);
const state = new Uint32Array(8);

function rotate(word: number, by: number): number {
  return (word >>> by) | (word << (32 - by));
}

/** Fills the last 48 words of the schedule. */
function expand(): void {
  for (let i = 16; i < 64; i++) {
    const a = words[i - 15] as number;
    const b = words[i - 2] as number;
    const s0 = rotate(a, 7) ^ rotate(a, 18) ^ (a >>> 3);
    const s1 = rotate(b, 17) ^ rotate(b, 19) ^ (b >>> 10);
    words[i] = (words[i - 16] as number) + s0 + (words[i - 7] as number) + s1;
  }
}

function compress(): void {
  let a = state[0] as number;
  let b = state[1] as number;
  let c = state[2] as number;
  let d = state[3] as number;
  let e = state[4] as number;
  let f = state[5] as number;
  let g = state[6] as number;
  let h = state[7] as number;
  for (let i = 0; i < 64; i++) {
    const s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    const choice = (e & f) ^ (~e & g);
    const t1 = (h + s1 + choice + (ROUND[i] as number) + (words[i] as number)) | 0;
    const s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
    const majority = (a & b) ^ (a & c) ^ (b & c);
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + s0 + majority) | 0;
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

/** Unit `at` of the padded message: the text, a one bit, zeros, and in the last four units its length in bits. */
function unitAt(text: string, at: number, units: number): number {
  if (at < text.length) return text.charCodeAt(at);
  if (at === text.length) return 0x8000;
  const fromEnd = units - at;
  if (fromEnd > 4) return 0;
  return Math.floor((text.length * 16) / 2 ** (16 * (fromEnd - 1))) & 0xffff;
}

function readBlock(text: string, from: number): void {
  for (let i = 0; i < 16; i++) {
    const at = from + 2 * i;
    words[i] = (text.charCodeAt(at) << 16) | text.charCodeAt(at + 1);
  }
}

/** A block that holds padding. */
function readLastBlock(text: string, from: number, units: number): void {
  for (let i = 0; i < 16; i++) {
    const at = from + 2 * i;
    words[i] = (unitAt(text, at, units) << 16) | unitAt(text, at + 1, units);
  }
}

/**
 * 256 bits as a string of 16 units: equal for equal texts, and for no two others that anybody has found.
 * Unpaired surrogates count as they are, which an encoding to UTF-8 would not let them.
 */
export function textDigest(text: string): string {
  const blocks = Math.ceil((text.length + 5) / UNITS_PER_BLOCK);
  const units = blocks * UNITS_PER_BLOCK;
  state.set(START);
  for (let from = 0; from < units; from += UNITS_PER_BLOCK) {
    if (from + UNITS_PER_BLOCK <= text.length) readBlock(text, from);
    else readLastBlock(text, from, units);
    expand();
    compress();
  }
  let digest = '';
  for (const word of state) digest += String.fromCharCode(word >>> 16, word & 0xffff);
  return digest;
}
