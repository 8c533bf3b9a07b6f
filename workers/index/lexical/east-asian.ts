/**
 * Terms of Chinese, Japanese and Korean. Pairs of characters, not `Intl.Segmenter`: it cuts a
 * compound one way in a question and another in a text, differs between browsers, takes minutes for
 * a megabyte without punctuation, and found less (docs/decisions/lexical-terms.md).
 */

/** A text offers all its terms; a query picks those that tell something. */
export type Side = 'text' | 'query';

const HAN = /\p{Script=Han}/u;
const HIRAGANA = /\p{Script=Hiragana}/u;
const KATAKANA_WORD = /[\p{Script=Katakana}ー]{3,64}/gu;
const HIRAGANA_RUN = /\p{Script=Hiragana}+/gu;

/** Pairs of Hiragana that are grammar in nearly every place they stand. */
const GRAMMAR: ReadonlySet<string> = new Set(
  `です ます した して いる ある この その どの どこ から まで られ れる って った ませ せん てい ので には
   とは もの こと たい ない よう なに だれ いつ れた あり する など ため`.split(/\s+/),
);

/**
 * A run of Han, Hiragana and Katakana:
 * - pairs of neighbours, unless both are Hiragana, which is mostly grammar;
 * - triples of Hiragana, and pairs where a text could be asked for a word of two (`そば`);
 * - Katakana of 3 characters or more also whole, since a loan word ends where the script changes;
 * - single Han characters, of a query only those that stand alone: `茶` finds `緑茶`, while `緑茶`
 *   is not diluted by everything that is green.
 */
export function chineseJapaneseTerms(run: string, side: Side, terms: string[]): void {
  const characters = [...run];
  const isHan = characters.map((character) => HAN.test(character));
  for (const [i, character] of characters.entries()) {
    const alone = isHan[i - 1] !== true && isHan[i + 1] !== true;
    if (isHan[i] === true && (alone || side === 'text')) terms.push(character);
    const next = characters[i + 1];
    if (next === undefined) continue;
    if (!(HIRAGANA.test(character) && HIRAGANA.test(next))) terms.push(character + next);
  }
  for (const [word] of run.matchAll(KATAKANA_WORD)) terms.push(word);
  for (const [part] of run.matchAll(HIRAGANA_RUN)) hiraganaTerms(part, side, terms);
}

function hiraganaTerms(run: string, side: Side, terms: string[]): void {
  if (side === 'text' || run.length === 2) {
    for (const pair of windows(run, 2)) if (!GRAMMAR.has(pair)) terms.push(pair);
  }
  for (const triple of windows(run, 3)) terms.push(triple);
}

/** Particles behind a Korean noun, longest first, so that the longest is the one taken off. */
const PARTICLES =
  `이라는 에서는 에서도 으로는 으로도 이라고 에게서 라는 라고 에서 에게 한테 까지 부터 처럼
  보다 마다 으로 이나 이든 하고 은 는 이 가 을 를 의 에 로 와 과 도 만 나`.split(/\s+/);

const LONGEST_KOREAN_TERM = 64;

/**
 * A run of Hangul between spaces: the word without its particle, and the pairs of syllables of a
 * longer one, since compounds are written with and without a space.
 */
export function koreanTerms(run: string, terms: string[]): void {
  const word = withoutParticle(run);
  terms.push(word.slice(0, LONGEST_KOREAN_TERM));
  if (word.length > 2) for (const pair of windows(word, 2)) terms.push(pair);
  const [first] = word;
  // `술을` may be `술` with a particle, but `마을` is a word: both are offered.
  if (first !== undefined && word.length === 2 && PARTICLES.includes(word.slice(1))) {
    terms.push(first);
  }
}

function withoutParticle(word: string): string {
  for (const particle of PARTICLES) {
    const kept = word.length - particle.length;
    const fewest = particle.length === 1 ? 2 : 1;
    if (kept >= fewest && word.endsWith(particle)) return word.slice(0, kept);
  }
  return word;
}

/** All stretches of `size` UTF-16 units; Hiragana and Hangul have one unit each. */
function* windows(run: string, size: number): Generator<string> {
  for (let at = 0; at + size <= run.length; at++) yield run.slice(at, at + size);
}
