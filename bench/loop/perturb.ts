/**
 * Honest rewrites of a sentence, and the ways to make it untrue. By rule, so that everybody gets the
 * same ones; tables are kept apart from those of the gate.
 */

export type Dice = () => number;

/** mulberry32: the same numbers for the same seed everywhere. */
export function dice(seed: number): Dice {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export function pick<T>(items: readonly T[], random: Dice): T | undefined {
  return items[Math.floor(random() * items.length)];
}

const SYNONYMS = table(`
study investigation | investigated studied | investigation study | obtained found | results findings
presented given | method technique | methods techniques | shown demonstrated | show demonstrate
determined established | compared contrasted | discussed considered | analysis examination
observed seen | calculated computed | calculation computation | used employed | using employing
experiment test | experiments tests | developed devised | problem question | range interval
patients subjects | disease illness | treatment therapy | children youngsters | rapid fast
marked pronounced | considerable substantial | several various | due owing | found discovered
important significant | indicate suggest | indicated suggested | agreement accord | effect influence
effects influences | region zone | velocity speed | made carried | described reported | cases instances
house building | guests visitors | served offered | kept held | room chamber | hangs hung | built constructed
repaired mended | still yet | morning dawn | paid settled | bed bunk | opens unlocks | dish meal
`);

const FUNCTION_WORDS: readonly (readonly [RegExp, string])[] = [
  [/\bin order to\b/g, 'to'],
  [/\bwhich (is|are|was|were|has|have)\b/g, 'that $1'],
  [/\bsuch as\b/g, 'like'],
  [/\bby means of\b/g, 'with'],
  [/\bdue to\b/g, 'because of'],
  [/\bas well as\b/g, 'and'],
  [/\bthe\b(?= [a-z]+s\b)/g, 'these'],
  [/\ba\b/g, 'one such'],
  [/\bupon\b/g, 'on'],
  [/\bhas been\b/g, 'was'],
  [/\bhave been\b/g, 'were'],
  [/\bduring\b/g, 'in the course of'],
];

const ANTONYMS = table(`
increase decrease | increased decreased | increases decreases | increasing decreasing | higher lower | high low
large small | larger smaller | greater smaller | more less | maximum minimum | upper lower | positive negative
before after | above below | strong weak | rapid slow | early late | short long | thin thick | hot cold
laminar turbulent | compressible incompressible | subsonic supersonic | normal abnormal | stable unstable
present absent | first last | front rear | outer inner | external internal | good poor | acute chronic
linear nonlinear | steady unsteady | similar different | possible impossible | always never | old new
opens closes | open closed | north south | east west | upstairs downstairs | winter summer | morning evening
free paid | warm cool | wet dry | dark bright | frequently rarely | successful unsuccessful | improved worsened
accelerated retarded | sharp blunt | leading trailing | simple complex | deep shallow | empty full | left right
`);

function table(text: string): ReadonlyMap<string, string> {
  const pairs = text.split(/[|\n]/).map((pair) => pair.trim().split(/\s+/));
  return new Map(pairs.flatMap(([a, b]) => (a && b ? [[a, b] as const, [b, a] as const] : [])));
}

const SHORT =
  /^(?:the|a|an|of|in|on|at|by|for|to|and|or|is|are|was|were|be|been|it|that|this|which|with|from|as|its|their|not|no|but|has|have|had|can|may|his|her|he|she|they|who|when|where|than|then|into|over|under)$/i;

/** Words of a sentence that tell something, with their positions. */
export function contentWords(sentence: string): { word: string; at: number }[] {
  return [...sentence.matchAll(/[A-Za-z]{4,}/g)]
    .map((match) => ({ word: match[0], at: match.index }))
    .filter(({ word }) => !SHORT.test(word));
}

function bare(sentence: string): string {
  return sentence.replace(/\s*[.!?]+\s*$/, '').trim();
}

function lowered(sentence: string): string {
  return /^[A-Z][a-z]/.test(sentence) &&
    /^(?:The|A|An|In|On|At|It|Its|No|Two|This|These|When|Nobody)\b/.test(sentence)
    ? sentence.charAt(0).toLowerCase() + sentence.slice(1)
    : sentence;
}

function synonym(sentence: string, random: Dice): string {
  const found = contentWords(sentence).filter(({ word }) => SYNONYMS.has(word.toLowerCase()));
  const chosen = pick(found, random);
  if (chosen === undefined) return sentence;
  const other = SYNONYMS.get(chosen.word.toLowerCase()) ?? chosen.word;
  return sentence.slice(0, chosen.at) + other + sentence.slice(chosen.at + chosen.word.length);
}

function functionWords(sentence: string): string {
  return FUNCTION_WORDS.reduce((text, [from, to]) => text.replace(from, to), sentence);
}

/** Moves what follows the last comma or preposition to the front. */
function reordered(sentence: string): string {
  const match =
    /^(.{20,}?),? ((?:in|for|at|by|with|on|from|during|when|while|because|after|before) [^,]{8,60})$/.exec(
      sentence,
    );
  return match === null ? sentence : `${match[2]}, ${lowered(match[1] ?? '')}`;
}

/** Leaves out a subordinate part and adverbs. */
function shortened(sentence: string): string {
  const cut = sentence
    .replace(/ \([^)]*\)/g, '')
    .replace(/\b(?:very|quite|also|mainly|usually|generally|approximately|essentially) /g, '');
  const match =
    /^(.{40,}?)(?:, (?:which|and|but|since|because|so|where|who) .*| and [^,]{25,})$/.exec(cut);
  return match?.[1] ?? cut;
}

/** True sentences, by kind. `next` is the sentence behind it in the same source. */
export function honest(sentence: string, next: string, random: Dice): Map<string, string> {
  const plain = bare(sentence);
  return new Map([
    ['framed', `According to source 1, ${functionWords(lowered(plain))}.`],
    ['reordered', `${reordered(functionWords(plain))}.`],
    ['shortened', `${shortened(functionWords(plain))}.`],
    ['merged', `${functionWords(plain)}, and ${lowered(bare(next))}.`],
    ['one synonym', `${synonym(functionWords(plain), random)}.`],
    ['synonym and order', `${reordered(synonym(functionWords(plain), random))}.`],
  ]);
}

export interface Surroundings {
  /** A sentence of some other record. */
  readonly elsewhere: string;
  /** The nearest sentence of the nearest other record. */
  readonly nearest: string;
  /** Words of the collection. */
  readonly vocabulary: readonly string[];
  /** Names of the record and of other records. */
  readonly names: readonly string[];
  readonly otherNames: readonly string[];
}

/** Untrue sentences, by kind; a kind that the sentence has no place for is left out. */
export function untrue(sentence: string, around: Surroundings, random: Dice): Map<string, string> {
  const plain = bare(sentence);
  const made: [string, string | null][] = [
    ['random sentence', around.elsewhere],
    ['nearest other record', around.nearest],
    ['half true', halfTrue(plain, bare(around.elsewhere))],
    ['number swap', numberSwap(plain, random)],
    ['negation', negated(plain)],
    ['antonym', antonym(plain, random)],
    ['one term swapped', termSwap(plain, around.vocabulary, random)],
    ['entity swap', entitySwap(plain, around, random)],
  ];
  return new Map(made.flatMap(([kind, text]) => (text === null ? [] : [[kind, `${bare(text)}.`]])));
}

function halfTrue(plain: string, other: string): string {
  const [mine, theirs] = [plain.split(' '), other.split(' ')];
  const left = mine.slice(0, Math.ceil(mine.length / 2));
  return [...left, ...theirs.slice(Math.floor(theirs.length / 2))].join(' ');
}

function numberSwap(plain: string, random: Dice): string | null {
  const found = pick([...plain.matchAll(/\d+/g)], random);
  if (found === undefined) return null;
  const other = String(Number(found[0]) + 1 + Math.floor(random() * 8));
  return plain.slice(0, found.index) + other + plain.slice(found.index + found[0].length);
}

function negated(plain: string): string | null {
  if (/\bnot\b/.test(plain)) return plain.replace(/\bnot /, '');
  const made = plain.replace(
    /\b(is|are|was|were|can|may|will|has|have|had|could|must)\b(?! not)/,
    '$1 not',
  );
  return made === plain ? null : made;
}

function antonym(plain: string, random: Dice): string | null {
  const words = [...plain.matchAll(/[A-Za-z]+/g)].filter((m) => ANTONYMS.has(m[0].toLowerCase()));
  const found = pick(words, random);
  if (found === undefined) return null;
  const other = ANTONYMS.get(found[0].toLowerCase()) ?? '';
  return plain.slice(0, found.index) + other + plain.slice(found.index + found[0].length);
}

function termSwap(plain: string, vocabulary: readonly string[], random: Dice): string | null {
  const found = pick(contentWords(plain), random);
  const other = pick(vocabulary, random);
  if (found === undefined || other === undefined || plain.includes(other)) return null;
  return plain.slice(0, found.at) + other + plain.slice(found.at + found.word.length);
}

function entitySwap(plain: string, around: Surroundings, random: Dice): string | null {
  const own = around.names.filter((name) => plain.includes(name));
  const name = pick(own, random);
  const other = pick(
    around.otherNames.filter((one) => !plain.includes(one)),
    random,
  );
  return name === undefined || other === undefined ? null : plain.replace(name, other);
}
