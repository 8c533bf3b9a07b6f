/** Inputs on which a layer that was rounded shall do what it did before. */
import type { Tokenizer } from '../../workers/embed/tokenizer.ts';
import { KNOWN_TEXTS } from './known-texts.ts';
import { uniformNumbers } from './random.ts';

/**
 * Texts of many lengths, written for this project. Very short ones matter: in them the special
 * tokens, on which the model's numbers are largest, are most of the input.
 */
const TEXTS: readonly string[] = [
  '?',
  ';',
  '–',
  'x',
  '7',
  'yes',
  'inn',
  'river bank',
  'Where is it?',
  'Nobody knows; ask the ferryman.',
  'Price list 2024: ale 3.50, bread 1.20, a bed for the night 28.00.',
  'def area(width, height): return width * height  # square metres',
  'The bridge was built in 1784 and carried carts, cattle and pilgrims until the flood took its middle arch.',
  'Heat flows from the warm plate into the moving air; the thin layer beside the surface decides how fast.',
  'Patients who slept less than six hours were twice as likely to report headaches in the following week.',
  'Stock markets fell on Tuesday after the central bank left its rate unchanged and warned of slower growth.',
  'A man with a red hat is playing the violin on a street corner while two children dance.',
  'She closed the shutters, put the last log on the fire and listened to the rain until the songs below had ended.',
  'Der Wirt kennt jeden Gast beim Namen. ¿Dónde está la posada? Où mène ce chemin ?',
  'Трактир у дороги открыт до полуночи.',
  '宿',
  '海辺の酒場では漁師たちが歌っていた。',
  '今夜の部屋は空いていますか。二人で一泊したいのですが。',
  '茶馆里有人在下棋,有人在听书。',
  '从码头走到旅店只要十分钟,路上可以看到灯塔。',
  '여관 주인은 친절했다.',
  '오늘 밤 묵을 방이 있습니까? 창가 자리가 좋겠습니다.',
  'https://example.org/menu?day=friday#soup 😀 100% wool',
];

/** Tokens of made-up sequences, beside those of the texts. */
const RANDOM_TOKENS = 8_000;
/** Longest made-up sequence, without its special tokens. */
const LONGEST = 80;
/** Tokens that stand for nothing in a text. */
const RESERVED = /^(\[.*\]|<.*>)$/;

/**
 * Token ids to calibrate with: the texts above, the known texts, and sequences of tokens drawn at
 * random. The random ones matter most: so few texts hold far too few different inputs for a layer of
 * 1,536, and what is rounded to suit them alone is worse on all others.
 *
 * @param file The bytes of tokenizer.json.
 */
export function calibrationSequences(file: Uint8Array, tokenizer: Tokenizer): Int32Array[] {
  const texts = [...TEXTS, ...KNOWN_TEXTS.map((known) => known.text)];
  return [...texts.map((text) => tokenizer.encode(text)), ...randomSequences(file, tokenizer)];
}

/** Many short and few long ones, of frequent tokens mostly: vocabularies are sorted by frequency. */
function randomSequences(file: Uint8Array, tokenizer: Tokenizer): Int32Array[] {
  const ordinary = ordinaryTokens(file);
  const [before, after] = tokenizer.encode('') as unknown as [number, number];
  const random = uniformNumbers(1);
  const longest = Math.min(LONGEST, tokenizer.maxTokens - 2);
  const sequences: Int32Array[] = [];
  for (let tokens = 0; tokens < RANDOM_TOKENS; tokens += sequences.at(-1)?.length ?? 0) {
    const length = Math.max(1, Math.floor(longest ** random()));
    const ids = Array.from(
      { length },
      () => ordinary[Math.floor(random() ** 4 * ordinary.length)] as number,
    );
    sequences.push(Int32Array.of(before, ...ids, after));
  }
  return sequences;
}

/** Ids of the tokens that texts are made of, in the file's order. */
function ordinaryTokens(file: Uint8Array): number[] {
  const { vocab } = JSON.parse(new TextDecoder().decode(file)).model as {
    readonly vocab: Readonly<Record<string, number>> | readonly (readonly [string, number])[];
  };
  const entries = Array.isArray(vocab)
    ? vocab.map(([token], id): [string, number] => [token, id])
    : Object.entries(vocab as Readonly<Record<string, number>>);
  return entries.filter(([token]) => !RESERVED.test(token)).map(([, id]) => id);
}
