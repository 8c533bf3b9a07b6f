/**
 * The words of a language.
 */
import type { LanguageCode } from '../language.ts';
import { en } from './en.ts';
import { ja } from './ja.ts';
import { ko } from './ko.ts';
import type { Messages } from './types.ts';
import { zh } from './zh.ts';

const ALL: { readonly [code in LanguageCode]: Messages } = { en, ja, zh, ko };

export function messagesFor(language: LanguageCode): Messages {
  return ALL[language];
}
