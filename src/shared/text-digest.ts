/**
 * SHA-256 (FIPS 180-4) of a text's UTF-16 units, at once. WebCrypto answers by way of a thread of its own,
 * which stands in line behind busy workers, and is absent where the page is no secure context.
 */

import { SCHEDULE_WORDS, startState, takeBlock } from './sha256-block.ts';

const UNITS_PER_BLOCK = 32;

const words = new Int32Array(SCHEDULE_WORDS);
const START = startState();
const state = startState();

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
    takeBlock(state, words);
  }
  let digest = '';
  for (const word of state) digest += String.fromCharCode(word >>> 16, word & 0xffff);
  return digest;
}
