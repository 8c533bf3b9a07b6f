/** The few words that the offline generator says itself, in the language of the question. */

export type Language = 'en' | 'ja' | 'zh' | 'ko';

export interface Phrases {
  /** Before sentences that share words with the question. */
  readonly lead: string;
  /** Before sentences that hold few or none of the question's words: near in meaning, as far as retrieval can tell. */
  readonly closest: string;
  /** When there is nothing to quote. */
  readonly nothing: string;
  /** Between two sentences. */
  readonly space: string;
}

export const PHRASES: { readonly [L in Language]: Phrases } = {
  en: {
    lead: 'From your records: ',
    closest: 'The records found do not answer this in so many words. The closest: ',
    nothing: 'Your records do not answer this question.',
    space: ' ',
  },
  ja: {
    lead: 'あなたの記録から：',
    closest: 'この質問にそのまま答える記録は見つかりません。最も近い記録：',
    nothing: 'あなたの記録には、この質問の答えがありません。',
    space: '',
  },
  zh: {
    lead: '摘自您的记录：',
    closest: '没有记录直接回答这个问题。最接近的记录：',
    nothing: '您的记录中没有这个问题的答案。',
    space: '',
  },
  ko: {
    lead: '내 기록에서: ',
    closest: '이 질문에 그대로 답하는 기록을 찾을 수 없습니다. 가장 가까운 기록: ',
    nothing: '내 기록에는 이 질문의 답이 없습니다.',
    space: ' ',
  },
};

/** By script: kana says Japanese, hangul Korean, Han without kana Chinese; anything else English. */
export function languageOf(text: string): Language {
  if (/[\p{Script=Hiragana}\p{Script=Katakana}]/u.test(text)) return 'ja';
  if (/\p{Script=Hangul}/u.test(text)) return 'ko';
  if (/\p{Script=Han}/u.test(text)) return 'zh';
  return 'en';
}
