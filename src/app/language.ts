/**
 * Languages: which one the person reads, and which one a text is written in.
 */

export const LANGUAGES = ['en', 'ja', 'zh', 'ko'] as const;
export type LanguageCode = (typeof LANGUAGES)[number];

/** Each language by its own name. */
export const LANGUAGE_NAMES: { readonly [code in LanguageCode]: string } = {
  en: 'English',
  ja: '日本語',
  zh: '中文',
  ko: '한국어',
};

/** BCP 47 tag for `lang` attributes; the Chinese here is simplified. */
export const LANGUAGE_TAGS: { readonly [code in LanguageCode]: string } = {
  en: 'en',
  ja: 'ja',
  zh: 'zh-Hans',
  ko: 'ko',
};

export function isLanguage(value: unknown): value is LanguageCode {
  return LANGUAGES.includes(value as LanguageCode);
}

/** The remembered language, else the first of the browser's that there is, else English. */
export function pickLanguage(
  remembered: string | null,
  preferred: readonly string[],
): LanguageCode {
  if (isLanguage(remembered)) return remembered;
  const bases = preferred.map((tag) => tag.toLowerCase().split('-')[0]);
  return bases.find(isLanguage) ?? 'en';
}

/**
 * The language of a text by its script: kana is Japanese, hangul Korean, other Han Chinese, else
 * English. Enough to choose a font and a voice; Japanese without any kana is taken for Chinese.
 */
export function guessLanguage(text: string): LanguageCode {
  if (/[\p{Script=Hiragana}\p{Script=Katakana}]/u.test(text)) return 'ja';
  if (/\p{Script=Hangul}/u.test(text)) return 'ko';
  return /\p{Script=Han}/u.test(text) ? 'zh' : 'en';
}

/** The BCP 47 tag of a text's language. */
export function tagOf(text: string): string {
  return LANGUAGE_TAGS[guessLanguage(text)];
}
