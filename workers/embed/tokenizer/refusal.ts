/** What is said of a tokenizer.json that cannot be run. */
import { WhorlError } from '../../../src/shared/errors.ts';

/** The file is not what a tokenizer.json must be. */
export function corrupt(why: string, cause?: unknown): WhorlError {
  return new WhorlError(
    'asset_corrupt',
    `tokenizer.json is not a tokenizer that Whorl can run: ${why}. Nothing was started. Pack the model again, or replace the file.`,
    { cause },
  );
}

/** The file describes something that Whorl does not do exactly, and so does not do at all. */
export function unsupported(what: string): WhorlError {
  return new WhorlError(
    'unsupported',
    `tokenizer.json asks for ${what}, which Whorl does not run. Nothing was started. Choose a model with a WordPiece, Unigram or BPE tokenizer of the usual parts.`,
  );
}
