/** Text to token ids, exactly as the model was trained with. */
import { asWhorlError } from '../../src/shared/errors.ts';
import {
  type AddedToken,
  AddedTokenFinder,
  type PieceIds,
  readAddedTokens,
} from './tokenizer/added-tokens.ts';
import { BytePairs } from './tokenizer/byte-pairs.ts';
import { Characters } from './tokenizer/characters.ts';
import { asFields, readTokenizerFile, type TokenizerFile } from './tokenizer/file.ts';
import { Ids } from './tokenizer/ids.ts';
import type { Model } from './tokenizer/model.ts';
import { isLocal, type Normalizer, readNormalizer } from './tokenizer/normalizer.ts';
import { readPreTokenizer } from './tokenizer/pre-tokenizer.ts';
import { corrupt, unsupported } from './tokenizer/refusal.ts';
import { settledCut } from './tokenizer/settled.ts';
import { readTemplate, type Template } from './tokenizer/template.ts';
import { Unigram } from './tokenizer/unigram.ts';
import { WordPiece } from './tokenizer/word-piece.ts';

/** Turns texts into token ids, special tokens included. */
export interface Tokenizer {
  /** Longest sequence, special tokens included; what is longer is cut before the last special ones. */
  readonly maxTokens: number;
  /** The ids of one text, at least the special ones (`[CLS] [SEP]`). */
  encode(text: string): Int32Array;
}

/** Characters a token of a first look at a long text: more than nearly any prose has. */
const PREFIX_PER_TOKEN = 8;

/**
 * A tokenizer from the bytes of a tokenizer.json, which are not kept. Its own `truncation` and
 * `padding` are not used: the published file says 128 where the model takes `maxTokens`.
 *
 * @throws WhorlError `asset_corrupt` when the file is not a tokenizer, `unsupported` when it asks for
 * what Whorl does not do exactly, `out_of_memory`.
 */
export function createTokenizer(file: Uint8Array, maxTokens: number): Tokenizer {
  try {
    return new Pipeline(readParts(file), maxTokens);
  } catch (error) {
    const known = asWhorlError(error);
    if (known.code !== 'internal') throw known;
    // What no check has foreseen, as a stack that ends or a pattern too large for the engine.
    throw corrupt(known.message, error);
  }
}

interface Parts {
  readonly added: readonly AddedToken[];
  readonly normalize: Normalizer;
  readonly model: Model;
  readonly template: Template;
  /** Whether a part of a text has the tokens that it has in the whole. */
  readonly mayCut: boolean;
}

function readParts(file: Uint8Array): Parts {
  const described = readTokenizerFile(file);
  const { model, pieces, mayCut } = readModel(described, file);
  const added = readAddedTokens(described.addedTokens, pieces);
  return {
    added,
    normalize: readNormalizer(described.normalizer),
    model,
    template: readTemplate(described.postProcessor),
    mayCut: mayCut && isLocal(described.normalizer) && !added.some(({ normalized }) => normalized),
  };
}

interface ReadModel {
  readonly model: Model;
  readonly pieces: PieceIds;
  readonly mayCut: boolean;
}

function readModel(described: TokenizerFile, file: Uint8Array): ReadModel {
  const { model: fields, preTokenizer, vocabulary } = described;
  const type = modelType(described);
  if (type === 'BPE') {
    const whole = asFields(JSON.parse(new TextDecoder().decode(file)), 'the file');
    const model = new BytePairs(asFields(whole.model, 'model'), preTokenizer);
    return { model, pieces: model, mayCut: false };
  }
  if (!vocabulary) throw corrupt('it has no vocabulary');
  const isList = vocabulary.scores.length > 0;
  if (type === 'WordPiece' && !isList) {
    const characters = new Characters(String(preTokenizer?.type ?? 'null'));
    return {
      model: new WordPiece(fields, vocabulary, characters),
      pieces: vocabulary,
      mayCut: true,
    };
  }
  if (type === 'Unigram' && isList) {
    const model = new Unigram(fields, vocabulary, readPreTokenizer(preTokenizer));
    return { model, pieces: vocabulary, mayCut: true };
  }
  if (type === 'WordPiece' || type === 'Unigram') throw corrupt(`no ${type} has this vocabulary`);
  throw unsupported(`the model ${type}`);
}

/** Old files do not name the type of the model. */
function modelType({ model, vocabulary }: TokenizerFile): string {
  if (typeof model.type === 'string') return model.type;
  if (model.merges !== undefined) return 'BPE';
  if (model.continuing_subword_prefix !== undefined) return 'WordPiece';
  return vocabulary && vocabulary.scores.length > 0 ? 'Unigram' : 'without a name';
}

/** The steps in the order of `tokenizers/src/tokenizer/mod.rs`. */
class Pipeline implements Tokenizer {
  readonly maxTokens: number;
  readonly #parts: Parts;
  readonly #ids: Ids;
  readonly #finder: AddedTokenFinder;
  /** Finds the added tokens that are looked for in normalised text. */
  readonly #normalizedFinder: AddedTokenFinder;

  constructor(parts: Parts, maxTokens: number) {
    const { before, behind } = parts.template;
    const special = before.length + behind.length;
    if (special === 0) throw unsupported('texts without any special token');
    if (maxTokens < special) throw corrupt(`${maxTokens} tokens are too few for its special ones`);
    this.maxTokens = maxTokens;
    this.#parts = parts;
    this.#ids = new Ids(maxTokens - special);
    const [plain, normalized] = [false, true].map((isNormalized) =>
      parts.added.filter((token) => token.normalized === isNormalized),
    ) as [AddedToken[], AddedToken[]];
    this.#finder = new AddedTokenFinder(new Map(plain.map((token) => [token.content, token])));
    this.#normalizedFinder = new AddedTokenFinder(
      new Map(normalized.map((token) => [parts.normalize(token.content), token])),
    );
  }

  encode(text: string): Int32Array {
    const { before, behind } = this.#parts.template;
    for (let length = this.maxTokens * PREFIX_PER_TOKEN; ; length *= 4) {
      const end = this.#cut(text, length);
      if (end < 0) continue;
      this.#ids.clear();
      this.#encodeUpTo(text, end);
      if (end === text.length || this.#ids.full) return this.#ids.between(before, behind);
    }
  }

  /** How much of a text to read at a certain length; -1 where it cannot be cut there. */
  #cut(text: string, length: number): number {
    if (length >= text.length || !this.#parts.mayCut) return text.length;
    return settledCut(text, length, this.#parts.normalize);
  }

  /** Adds the ids that the beginning of a text has for certain. */
  #encodeUpTo(text: string, end: number): void {
    // So that an added token which begins before the end is seen whole, and a letter behind it.
    const seen = end === text.length ? text : text.slice(0, end + this.#finder.longest + 2);
    for (const section of this.#finder.sections(seen)) {
      if (section.start >= end || this.#ids.full) return;
      if (section.id >= 0) this.#ids.add(section.id);
      else
        this.#encodeSection(
          text.slice(section.start, Math.min(section.end, end)),
          section.end <= end,
        );
    }
  }

  #encodeSection(text: string, isWhole: boolean): void {
    const { model, normalize } = this.#parts;
    const normal = normalize(text);
    for (const { start, end, id } of this.#normalizedFinder.sections(normal)) {
      if (id >= 0) this.#ids.add(id);
      else model.encode(normal.slice(start, end), isWhole, this.#ids);
    }
  }
}
