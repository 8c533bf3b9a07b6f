/** What the inputs of each linear layer look like on typical texts: measured with the plain reference. */
import type { Tokenizer } from '../../workers/embed/tokenizer.ts';
import type { BertShape } from './bert.ts';
import { referenceEmbedding, type Weights } from './forward.ts';
import { KNOWN_TEXTS } from './known-texts.ts';
import { InputMoments } from './rounding.ts';

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

/** Moments of the inputs by layer name; query, key and value of a layer share one. */
export function inputMoments(
  weights: Weights,
  shape: BertShape,
  tokenizer: Tokenizer,
): Map<string, InputMoments> {
  const moments = new Map<string, InputMoments>();
  for (const text of [...TEXTS, ...KNOWN_TEXTS.map((known) => known.text)]) {
    referenceEmbedding(tokenizer.encode(text), weights, shape, (name, rows, columns) => {
      const shared = name.replace(/\.(key|value)$/, '.query');
      const sums = moments.get(shared) ?? new InputMoments(columns);
      if (shared === name) sums.add(rows);
      moments.set(shared, sums);
      moments.set(name, sums);
    });
  }
  return moments;
}
