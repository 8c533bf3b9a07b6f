import type { EmbedTexts } from '../../../src/loop/evaluate/index.ts';

const SIZE = 512;

/** Words that the double takes for the same. */
const ALIKE: ReadonlyMap<string, string> = new Map([
  ['constructed', 'built'],
  ['meal', 'supper'],
]);

/**
 * A deterministic stand-in for an embedder: a unit vector of word counts, each word in a place of its
 * own. Cosine is word overlap; single words have cosine 1 or 0.
 */
export function bagOfWords(): { embed: EmbedTexts; readonly calls: string[][] } {
  const calls: string[][] = [];
  const places = new Map<string, number>();
  const embed: EmbedTexts = async (texts) => {
    calls.push([...texts]);
    const rows = new Float32Array(texts.length * SIZE);
    for (const [i, text] of texts.entries()) {
      const row = rows.subarray(i * SIZE, (i + 1) * SIZE);
      for (const word of text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []) {
        const known = ALIKE.get(word) ?? word;
        if (!places.has(known)) places.set(known, places.size);
        const place = places.get(known)!;
        if (place >= SIZE) throw new Error('too many words for the double');
        row[place] = row[place]! + 1;
      }
      const length = Math.hypot(...row);
      if (length > 0) for (const [k, value] of row.entries()) row[k] = value / length;
    }
    return rows;
  };
  return { embed, calls };
}
