import { throwIfAborted, WhorlError } from '../../shared/errors.ts';
import { dot } from './duplicates.ts';

/** Unit rows, row-major, one for each text. */
export type EmbedTexts = (texts: readonly string[]) => Promise<Float32Array>;

/** Embedded texts by their text. */
export interface Vectors {
  /** The vector of a text that was asked for; null for any other. */
  of(text: string): Float32Array | null;
  /** Cosine of two texts; 0 when one of them was not asked for. */
  cosine(a: string, b: string): number;
}

/**
 * Embeds each distinct text once, in one call.
 * @throws WhorlError `backend_wrong` when the answer does not hold one finite row for each text;
 *   `aborted` when the signal is.
 */
export async function embedAll(
  texts: Iterable<string>,
  embed: EmbedTexts,
  signal?: AbortSignal,
): Promise<Vectors> {
  const distinct = [...new Set(texts)];
  throwIfAborted(signal);
  const rows = distinct.length === 0 ? new Float32Array() : await embed(distinct);
  throwIfAborted(signal);
  const size = distinct.length === 0 ? 0 : rows.length / distinct.length;
  if (
    !Number.isInteger(size) ||
    (distinct.length > 0 && size === 0) ||
    !rows.every(Number.isFinite)
  ) {
    throw new WhorlError(
      'backend_wrong',
      `The embedder gave ${rows.length} numbers for ${distinct.length} texts, or numbers that are not finite; nothing was judged by them.`,
      { retryable: true },
    );
  }
  const byText = new Map(
    distinct.map((text, i) => [text, rows.slice(i * size, (i + 1) * size)] as const),
  );
  const of = (text: string): Float32Array | null => byText.get(text) ?? null;
  const cosine = (a: string, b: string): number => {
    const [left, right] = [of(a), of(b)];
    return left === null || right === null ? 0 : dot(left, right);
  };
  return { of, cosine };
}
