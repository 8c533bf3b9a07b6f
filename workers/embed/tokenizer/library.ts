/**
 * Models that only `@huggingface/tokenizers` runs here: BPE, with the pre-tokeniser that the file names.
 * Added tokens, normaliser and template are Whorl's own, as with every model.
 */
import { Tokenizer as Library } from '@huggingface/tokenizers';
import type { Fields } from './file.ts';
import type { Ids } from './ids.ts';
import type { Model } from './model.ts';
import { corrupt } from './refusal.ts';

/** What the library's objects are, which can be called; its types do not say so. */
interface LibraryParts {
  readonly pre_tokenizer: ((text: string, options: { section_index: number }) => string[]) | null;
  readonly model: ((parts: string[]) => string[]) & { readonly unk_token_id?: number };
}

/** A space between two words, which the usual pre-tokenisers end a part before. */
const BETWEEN_WORDS = /[A-Za-z] (?=[A-Za-z])/g;

/** @param file The whole tokenizer.json, parsed. */
export class LibraryModel implements Model {
  readonly #library: Library;

  /** @throws WhorlError `asset_corrupt` when the library does not take it. */
  constructor(file: Fields) {
    try {
      const parts = { ...file, normalizer: null, post_processor: null, decoder: null };
      this.#library = new Library({ added_tokens: [], pre_tokenizer: null, ...parts }, {});
    } catch (error) {
      throw corrupt(error instanceof Error ? error.message : String(error), error);
    }
  }

  idOf(piece: string): number | undefined {
    return this.#library.token_to_id(piece);
  }

  encode(text: string, isWhole: boolean, ids: Ids): void {
    const known = isWhole ? text : text.slice(0, lastSpace(text));
    if (known === '') return;
    const { pre_tokenizer: split, model } = this.#library as unknown as LibraryParts;
    const parts = split ? split(known, { section_index: 0 }) : [known];
    for (const piece of model(parts)) {
      const id = this.idOf(piece) ?? model.unk_token_id;
      if (id === undefined) throw corrupt(`it has no id for "${piece}" and no unknown token`);
      ids.add(id);
    }
  }
}

function lastSpace(text: string): number {
  let last = 0;
  for (const { index } of text.matchAll(BETWEEN_WORDS)) last = index + 1;
  return last;
}
