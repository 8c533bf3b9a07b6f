/** What the parts of a tokenizer have in common. */
import type { Ids } from './ids.ts';

/** From a text that is normalised to ids. */
export interface Model {
  /**
   * Adds the ids of a text.
   *
   * @param isWhole False where the text goes on behind what is given: then only those ids are added
   * that stay the same whatever follows, which may be fewer.
   */
  encode(text: string, isWhole: boolean, ids: Ids): void;
}
