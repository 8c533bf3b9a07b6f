/** What `embed` takes. */
import { WhorlError } from '../shared/errors.ts';

/** Most texts a call; more belong into several calls, so that progress is kept. */
const MAX_TEXTS = 65_536;

/** Throws `invalid_option` for anything but a list of at most 65,536 texts. */
export function checkTexts(texts: unknown): void {
  if (!Array.isArray(texts))
    throw new WhorlError('invalid_option', 'embed: "texts" must be a list.');
  if (texts.length > MAX_TEXTS) {
    const message = `embed: ${texts.length} texts are too many for one call; hand over at most ${MAX_TEXTS} at a time.`;
    throw new WhorlError('invalid_option', message);
  }
  const wrong = texts.findIndex((text) => typeof text !== 'string');
  if (wrong >= 0) throw new WhorlError('invalid_option', `embed: texts[${wrong}] is not a text.`);
}
