/**
 * The gate of enrichment. Invention cannot be gated by groundedness; what can be asked of a text that
 * was written for a record is that it is about this record, does not deny what the record says, and
 * does not repeat the text of another one. Pure.
 */

export type GateVerdict = { readonly ok: true } | { readonly ok: false; readonly reason: string };

export interface GateInput {
  readonly text: string;
  /** Fields whose value must appear, with the value. */
  readonly mentions: readonly (readonly [field: string, value: string])[];
  /** Number fields of the record. */
  readonly numbers: readonly (readonly [field: string, value: number])[];
}

/** A text that was taken before, with its vector where there is one. */
export interface TakenText {
  readonly key: string;
  readonly text: string;
  readonly vector: Float32Array | null;
}

/** A value longer than this is prose, which need not appear word for word. */
const MAX_MENTION = 80;
const MIN_TEXT = 8;
/** Cosine and token Jaccard from which two texts are near-duplicates. */
const NEAR_COSINE = 0.95;
const NEAR_JACCARD = 0.7;
/** Words before a name within which a negation denies it. */
const NEGATION =
  /(?:\bnot\b|\bnever\b|\bno\b|n't\b|\bnowhere near\b|\bnothing to do with\b)(?:\s+[\p{L}'-]+){0,2}\s*$/iu;

/** Whether a text is about its record and does not contradict it. */
export function gateText(input: GateInput): GateVerdict {
  const text = folded(input.text);
  if (text.length < MIN_TEXT) return refused('the text is empty or a few characters long');
  for (const [field, value] of input.mentions) {
    const name = folded(value);
    if (name === '' || name.length > MAX_MENTION) continue;
    const places = placesOf(name, text);
    if (places.length === 0) return refused(`it does not mention the ${field} ("${value}")`);
    if (places.every((at) => NEGATION.test(text.slice(0, at))))
      return refused(`it denies the ${field} ("${value}")`);
  }
  for (const [field, value] of input.numbers) {
    const said = numberBeside(folded(field.replaceAll('_', ' ')), text);
    if (said !== null && said !== value)
      return refused(`it says ${field} ${said}, and the record says ${value}`);
  }
  return { ok: true };
}

/** The key of a text that says the same, or null. Exact after folding, or near in vector and words. */
export function repeatOf(
  text: string,
  vector: Float32Array | null,
  taken: readonly TakenText[],
): string | null {
  const own = folded(text);
  const words = wordSet(own);
  const same = taken.find((other) => {
    const theirs = folded(other.text);
    if (theirs === own) return true;
    if (vector === null || other.vector === null) return false;
    return (
      cosine(vector, other.vector) >= NEAR_COSINE && jaccard(words, wordSet(theirs)) >= NEAR_JACCARD
    );
  });
  return same?.key ?? null;
}

/** NFKC, case-folded, white space folded. */
export function folded(text: string): string {
  return text.normalize('NFKC').toLowerCase().replace(/\s+/g, ' ').trim();
}

function refused(reason: string): GateVerdict {
  return { ok: false, reason };
}

/** Where a name stands, as whole words in scripts that have them. */
function placesOf(name: string, text: string): number[] {
  const places: number[] = [];
  for (let at = text.indexOf(name); at >= 0; at = text.indexOf(name, at + 1)) {
    const before = text.slice(0, at).at(-1) ?? '';
    const after = text.charAt(at + name.length);
    if (!joins(before, name.charAt(0)) && !joins(after, name.at(-1) ?? '')) places.push(at);
  }
  return places;
}

const LETTER = /[\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}\p{N}]/u;

function joins(outside: string, inside: string): boolean {
  return LETTER.test(outside) && LETTER.test(inside);
}

/** The number right after or right before a field's name, or null. */
function numberBeside(field: string, text: string): number | null {
  const escaped = field.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const found =
    new RegExp(`${escaped}(?: is| was| of|:)? (\\d+(?:\\.\\d+)?)`, 'u').exec(text) ??
    new RegExp(`(\\d+(?:\\.\\d+)?) ${escaped}`, 'u').exec(text);
  return found?.[1] === undefined ? null : Number(found[1]);
}

function wordSet(text: string): Set<string> {
  const words = text.match(/[\p{L}\p{N}]+/gu) ?? [];
  return new Set(words);
}

function jaccard(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  let shared = 0;
  for (const word of a) if (b.has(word)) shared += 1;
  const all = a.size + b.size - shared;
  return all === 0 ? 0 : shared / all;
}

function cosine(a: Float32Array, b: Float32Array): number {
  let dot = 0;
  let aa = 0;
  let bb = 0;
  for (let i = 0; i < a.length; i++) {
    const x = a[i] ?? 0;
    const y = b[i] ?? 0;
    dot += x * y;
    aa += x * x;
    bb += y * y;
  }
  return aa > 0 && bb > 0 ? dot / Math.sqrt(aa * bb) : 0;
}
