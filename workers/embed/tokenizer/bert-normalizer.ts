/**
 * The BERT normaliser, exactly as Hugging Face's Rust `tokenizers` does it (`normalizers/bert.rs`),
 * which is what the model was published with. `@huggingface/tokenizers` 0.2.0 differs: it looks at
 * UTF-16 units, so that ideographs outside of the basic plane are not set apart, lower-cases whole
 * strings, so that a final sigma changes, and keeps U+0085 and other characters by JavaScript's rules.
 */

import { normalForm } from './canonical-order.ts';

/** The `normalizer` object of a tokenizer.json. */
export interface BertNormalizerOptions {
  readonly clean_text: boolean;
  readonly handle_chinese_chars: boolean;
  /** Null or absent: as `lowercase`. */
  readonly strip_accents?: boolean | null;
  readonly lowercase: boolean;
}

// The fifth range begins at 2B920, not at 2B820 where the block does: so does the original.
const IDEOGRAPH =
  /[\u4E00-\u9FFF\u3400-\u4DBF\u{20000}-\u{2A6DF}\u{2A700}-\u{2B73F}\u{2B740}-\u{2B81F}\u{2B920}-\u{2CEAF}\uF900-\uFAFF\u{2F800}-\u{2FA1F}]/gu;
const DROPPED = /[\0\uFFFD]|(?![\t\n\r])[\p{Cc}\p{Cf}\p{Co}]/gu;
const SPACE = /[\t\n\r]|\p{White_Space}/gu;
const CAPITAL_SIGMA = /\u03A3/g;
/** What has nothing to drop, to set apart or to strip. */
const PLAIN = /^[\t\n\r -~]*$/;

/** The normaliser that a tokenizer.json asks for. */
export function bertNormalizer(options: BertNormalizerOptions): (text: string) => string {
  const strip = options.strip_accents ?? options.lowercase;
  return (text) => {
    if (PLAIN.test(text)) {
      const clean = options.clean_text ? text.replace(/[\t\n\r]/g, ' ') : text;
      return options.lowercase ? clean.toLowerCase() : clean;
    }
    // A lone surrogate cannot reach the original; it becomes U+FFFD, which is dropped.
    let out = text.toWellFormed();
    if (options.clean_text) out = out.replace(DROPPED, '').replace(SPACE, ' ');
    if (options.handle_chinese_chars) out = out.replace(IDEOGRAPH, ' $& ');
    if (strip) out = normalForm(out, 'NFD').replace(/\p{Mn}/gu, '');
    return options.lowercase ? lowercase(out) : out;
  };
}

/** Lower case character by character: the sigma at a word's end is the only letter whose lower case looks around. */
export function lowercase(text: string): string {
  return text.replace(CAPITAL_SIGMA, '\u03C3').toLowerCase();
}
