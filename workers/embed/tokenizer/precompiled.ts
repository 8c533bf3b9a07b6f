/**
 * SentencePiece's normalisation by table (`precompiled_charsmap`), as the crate `spm_precompiled` and
 * `tokenizers/src/normalizers/precompiled.rs` do it, which models with a Unigram vocabulary were
 * published with: a grapheme of fewer than 6 bytes is replaced whole by what the shortest key at its
 * beginning says; else each of its characters is. `@huggingface/tokenizers` 0.2.0 does not read the
 * table at all but guesses with NFKC.
 */
import { corrupt } from './refusal.ts';

/** A grapheme of this many bytes or more is taken apart. */
const LONG_GRAPHEME = 6;

/** What was looked up last is kept, up to this many characters and graphemes. */
const KEPT = 4096;

/**
 * Code units that the segmenter is given at once: V8's takes quadratic time over a text of more than
 * 65,535 (a megabyte of emoji: ten minutes).
 */
const PORTION = 4_096;

/** Bytes of the longest replacement; Unicode's own longest has 33. */
const LONGEST_REPLACEMENT = 256;

/**
 * Between two characters of these ranges a grapheme always ends (UAX 29: class Other, and whole
 * Hangul syllables), so that the segmenter, which is slow, is not asked.
 */
const SEPARATE: readonly (readonly [number, number])[] = [
  [0x20, 0x7e],
  [0xa0, 0xac],
  [0xae, 0x2ff],
  [0x370, 0x482],
  [0x48a, 0x52f],
  [0x3041, 0x3096],
  [0x30a1, 0x30fa],
  [0x4e00, 0x9fff],
  [0xac00, 0xd7a3],
  [0xff01, 0xff60],
];

/** A table from the base64 of a tokenizer.json; text to normalised text. */
export function precompiled(base64: string): (text: string) => string {
  const map = new CharacterMap(bytesOf(base64));
  const segmenter = new Intl.Segmenter('und', { granularity: 'grapheme' });
  return (text) => {
    let out = '';
    for (let i = 0; i < text.length; ) {
      if (isSeparate(text, i) && isSeparate(text, i + 1)) {
        out += map.character(text.charAt(i++));
        continue;
      }
      let end = i + 1;
      while (end < text.length && !(isSeparate(text, end - 1) && isSeparate(text, end))) end++;
      for (const grapheme of graphemes(segmenter, text.slice(i, end)))
        out += map.grapheme(grapheme);
      i = end;
    }
    return out;
  };
}

/**
 * The graphemes of a text, portion by portion. The rules of UAX 29 look one character ahead and never
 * back over a boundary but to count flags in pairs, which a boundary leaves even: so every boundary
 * within a portion stands, and the next portion may begin at any.
 */
function* graphemes(segmenter: Intl.Segmenter, text: string): Generator<string> {
  let room = PORTION;
  for (let start = 0; start < text.length; ) {
    const portion = text.slice(start, portionEnd(text, start + room));
    let done = 0;
    for (const { segment } of segmenter.segment(portion)) {
      // The last one may go on behind the portion.
      if (done + segment.length === portion.length && start + portion.length < text.length) break;
      yield segment;
      done += segment.length;
      if (room > PORTION) break;
    }
    start += done;
    room = done === 0 ? room * 2 : PORTION;
  }
}

/** Not between the halves of a surrogate pair. */
function portionEnd(text: string, end: number): number {
  return end < text.length && (text.charCodeAt(end - 1) & 0xfc00) === 0xd800 ? end - 1 : end;
}

/** The end of the text separates, too. */
function isSeparate(text: string, at: number): boolean {
  if (at >= text.length) return true;
  const code = text.charCodeAt(at);
  return SEPARATE.some(([first, last]) => code >= first && code <= last);
}

class CharacterMap {
  /** A Darts double array over the bytes of the keys; a value is an offset in the replacements. */
  readonly #units: Uint32Array;
  /** Replacements in UTF-8, each ended by a zero byte. */
  readonly #replacements: Uint8Array;
  readonly #kept = new Map<string, string | null>();
  readonly #encoder = new TextEncoder();
  readonly #decoder = new TextDecoder();

  constructor(bytes: Uint8Array) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const size = bytes.length >= 4 ? view.getUint32(0, true) : 0;
    if (size === 0 || size % 4 !== 0 || size > bytes.length - 4) {
      throw corrupt('its precompiled_charsmap is cut off');
    }
    this.#units = Uint32Array.from({ length: size / 4 }, (_, i) => view.getUint32(4 + i * 4, true));
    this.#replacements = bytes.subarray(4 + size);
  }

  character(character: string): string {
    return this.#replacement(character) ?? character;
  }

  grapheme(grapheme: string): string {
    const isShort = grapheme.length < LONG_GRAPHEME;
    if (isShort && this.#encoder.encode(grapheme).length < LONG_GRAPHEME) {
      const whole = this.#replacement(grapheme);
      if (whole !== null) return whole;
    }
    let out = '';
    for (const character of grapheme) out += this.character(character);
    return out;
  }

  /** Null where nothing is to be replaced. */
  #replacement(text: string): string | null {
    const known = this.#kept.get(text);
    if (known !== undefined) return known;
    const found = this.#find(this.#encoder.encode(text));
    if (this.#kept.size >= KEPT) this.#kept.clear();
    this.#kept.set(text, found);
    return found;
  }

  /** The replacement for the shortest key that the bytes begin with. */
  #find(bytes: Uint8Array): string | null {
    let unit = this.#units[0] ?? 0;
    let at = offsetOf(unit);
    for (const byte of bytes) {
      if (byte === 0) return null;
      at ^= byte;
      unit = this.#units[at] ?? 0;
      // The label of a value has its highest bit set, so that no byte equals it.
      if ((unit & 0x800000ff) !== byte) return null;
      at ^= offsetOf(unit);
      if ((unit >>> 8) & 1) return this.#replacementAt((this.#units[at] ?? 0) & 0x7fffffff);
    }
    return null;
  }

  #replacementAt(offset: number): string {
    const end = this.#replacements.indexOf(0, offset);
    const bytes = this.#replacements.subarray(offset, end < 0 ? undefined : end);
    if (bytes.length > LONGEST_REPLACEMENT) {
      throw corrupt(`its precompiled_charsmap has a replacement of ${bytes.length} bytes`);
    }
    return this.#decoder.decode(bytes);
  }
}

function offsetOf(unit: number): number {
  return ((unit >>> 10) << ((unit & 0x200) >>> 6)) >>> 0;
}

function bytesOf(base64: string): Uint8Array {
  try {
    return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  } catch (cause) {
    throw corrupt('its precompiled_charsmap is no base64', cause);
  }
}
