/**
 * Numbers and times in the person's language; units are the symbols that all four share.
 */
import { LANGUAGE_TAGS, type LanguageCode } from './language.ts';

const MB = 1_000_000;
const GB = 1_000_000_000;

export interface Format {
  /** `1.2 s`, `840 ms`, `0.4 ms`. */
  readonly duration: (ms: number) => string;
  /** Decimal megabytes or gigabytes: `12.4 MB`. */
  readonly bytes: (bytes: number) => string;
  /** Two decimals: `0.71`. */
  readonly score: (score: number) => string;
  readonly count: (n: number) => string;
  /** Date and time of an ISO 8601 stamp; empty for what is no date. */
  readonly moment: (iso: string) => string;
}

export function formatFor(language: LanguageCode): Format {
  const tag = LANGUAGE_TAGS[language];
  const one = new Intl.NumberFormat(tag, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
  const fine = new Intl.NumberFormat(tag, { maximumFractionDigits: 1 });
  const two = new Intl.NumberFormat(tag, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  const whole = new Intl.NumberFormat(tag, { maximumFractionDigits: 0 });
  const when = new Intl.DateTimeFormat(tag, { dateStyle: 'medium', timeStyle: 'short' });
  return {
    duration: (ms) => {
      if (ms >= 1_000) return `${one.format(ms / 1_000)} s`;
      return `${ms >= 10 ? whole.format(ms) : fine.format(ms)} ms`;
    },
    bytes: (bytes) =>
      bytes >= GB ? `${one.format(bytes / GB)} GB` : `${one.format(bytes / MB)} MB`,
    score: (score) => two.format(score),
    count: (n) => whole.format(n),
    moment: (iso) => {
      const date = new Date(iso);
      return Number.isNaN(date.getTime()) ? '' : when.format(date);
    },
  };
}
