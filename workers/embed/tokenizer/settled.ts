/**
 * Where a long text may be cut: between two letters whose normal form does not depend on what stands
 * beside them, and between which a grapheme always ends. What is before the cut then has the same
 * normal form as in the whole text, and only the word at the cut is open.
 */

/** Letters and digits without decomposition, of the scripts that most text is in. */
const SETTLED = /^[0-9A-Za-zα-ωа-яא-תء-يक-हก-ฮぁ-ゖァ-ヺ\u4E00-\u9FFF\uAC00-\uD7A3]$/;

/** How far back a place to cut is looked for, in code units. */
const REACH = 1_024;

/**
 * The last place up to `length` where a text may be cut, or -1.
 *
 * @param normalize Only letters that it makes one settled letter of count.
 */
export function settledCut(
  text: string,
  length: number,
  normalize: (text: string) => string,
): number {
  const isSettled = (at: number): boolean => {
    const letter = text.charAt(at);
    return SETTLED.test(letter) && SETTLED.test(normalize(letter).trim());
  };
  for (let cut = length; cut > 0 && cut > length - REACH; cut--) {
    if (isSettled(cut) && isSettled(cut - 1)) return cut;
  }
  return -1;
}
