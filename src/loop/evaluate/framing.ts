/** Words around a claim, and sentences that claim nothing about the world. */
import type { StopReason } from '../types.ts';

const SOURCES =
  '(?:sources?|records?|documents?|texts?|context|passages?|information|notes?|collection|data)';
const NUMBERED = '(?:\\s*(?:no\\.?\\s*)?\\d{1,3})?';
const THE = '(?:the|your|these|those|this|my|our|any|all(?: of)? the|none of the|no)';
const GIVEN = '(?:\\s+(?:provided|given|available|supplied|cited|above|following|numbered|other))?';

const OPENINGS: readonly RegExp[] = [
  new RegExp(
    `^(?:according to|based on|as (?:stated|noted|described|mentioned|said) (?:in|by)|from|per|in) (?:${THE}${GIVEN} )?${SOURCES}${NUMBERED}\\s*[,:]\\s*`,
    'iu',
  ),
  new RegExp(
    `^(?:${THE}${GIVEN} )?${SOURCES}${NUMBERED} (?:also )?(?:say|says|state|states|note|notes|report|reports|mention|mentions|show|shows|indicate|indicates|suggest|suggests|explain|explains|describe|describes|tell us|tells us)(?: us)?(?: that|:)\\s*`,
    'iu',
  ),
  /^(?:in (?:short|summary|brief|conclusion|addition|particular|other words|fact)|to summarize|overall|additionally|furthermore|moreover|also|finally|similarly|likewise|specifically|notably|interestingly|for example|for instance|as a result|yes|no|sure|certainly|of course|so|thus|therefore|however)\s*[,:]\s*/iu,
  /^(?:it (?:is|was) (?:found|shown|noted|reported|stated|observed|concluded|said) that|note that|we (?:see|find|learn) that)\s+/iu,
  /^(?:[-*•–]|\d{1,2}[.)])\s+/u,
];

/** Openings of a quotation in other languages: `あなたの記録から：`. */
const QUOTATION_OPENING = /^[^:：。！？.!?\n]{2,60}[:：]\s*/u;

/** A sentence that speaks to the reader and states nothing. */
const POLITE: readonly RegExp[] = [
  /^(?:here(?:'s| is| are)|below (?:is|are)|the following)\b[^.]*[:.]?$/iu,
  /^(?:i hope|hope) (?:this|that) helps\b/iu,
  /^(?:let me know|feel free|please (?:let me know|feel free|ask)|is there anything else|would you like)\b/iu,
  /^(?:sure|certainly|of course|great question|yes|no|thanks?|thank you)\b[^\p{L}]*$/iu,
  /^[^.!?。！？]{0,60}[:：]$/u,
];

/** The sources, or the question, do not meet. Stated about the search, not about the world. */
const NOT_ANSWERED: readonly RegExp[] = [
  new RegExp(
    `\\b${SOURCES}\\b[^.]{0,40}\\b(?:do(?:es)?|did|could|can|is|are)(?: not|n't|not)\\b[^.]{0,40}\\b(?:answer|mention|say|contain|include|provide|specify|state|tell|give|address|cover|discuss|describe|indicate|explain|enough|sufficient)`,
    'iu',
  ),
  new RegExp(
    `\\b(?:no|none of (?:the|these|your)|neither of the)\\s+(?:\\w+\\s+)?${SOURCES}\\b[^.]{0,40}\\b(?:answers?|mentions?|says?|contains?|uses?|covers?|addresses|describes?|about|on this|was|were)\\b`,
    'iu',
  ),
  new RegExp(
    `\\bthere (?:is|are|was|were) no\\b[^.]{0,40}\\b(?:information|mention|answer|${SOURCES})\\b[^.]*\\b(?:in|among|about|for|to)\\b`,
    'iu',
  ),
  /\b(?:i|we)(?: am|'m| are|'re| was| were)? (?:sorry|afraid|unable to (?:answer|find|determine|provide|say|help)|not able to (?:answer|find|determine|provide|say|help))/iu,
  /\b(?:i|we) (?:can(?:not|'t| not)|could(?: not|n't)|do(?: not|n't)|did(?: not|n't)) (?:answer|find|help|determine|provide|say|tell|know|see any|have (?:any |enough |that )?information|have enough)/iu,
  /(?:記録|資料|情報源|出典|文書|ソース|情報|文中)(?:に|の中に|から|では|は|には)?[^。]{0,40}(?:ありません|ない|見つかりません|見当たりません|含まれていません|書かれていません|述べられていません|できません|わかりません|分かりません)/u,
  /(?:お答え|回答|お応え)(?:すること(?:が|は))?(?:でき(?:ません|ない)|いたしかねます|しかねます)/u,
  /(?:记录|資料|资料|来源|來源|文档|文件|信息|資訊|紀錄|内容|內容)(?:中|里|裡|内|內)?[^。]{0,20}(?:没有|沒有|未|并无|並無|无法|無法|不包含|不足)/u,
  /(?:没有|沒有|未)(?:任何|一条|一條)?(?:记录|資料|资料|来源|來源|文档|信息|紀錄)[^。]{0,30}(?:问题|問題|提到|提及|包含|回答|说明|說明)/u,
  /(?:我|抱歉)[^。]{0,12}(?:无法|無法|不能|未能)(?:回答|确定|確定|提供|找到|判断|判斷)/u,
  /(?:기록|자료|출처|문서|정보|내용)(?:에|에는|에서|에서는|은|는|이|가|으로는|만으로는)?[^.]{0,40}(?:없습니다|없어요|않습니다|않아요|없음|찾을 수 없|알 수 없|나와 있지 않)/u,
  /(?:답변|대답|답)(?:을|를)?\s*(?:드릴 수 없|할 수 없|찾을 수 없|드리기 어렵)/u,
];

const APOLOGY =
  /^(?:(?:i'm|i am) sorry\b|sorry(?:[,.!]| but\b)|apologies(?:[,.!]| but\b)|申し訳(?:ありません|ございません)|すみません|抱歉|很抱歉|对不起|對不起|죄송합니다|죄송하지만)/iu;

/** The claim without its openings; marks are taken off before. */
export function withoutFraming(sentence: string): string {
  let bare = sentence.trim();
  for (let changed = true; changed; ) {
    changed = false;
    for (const opening of OPENINGS) {
      const rest = bare.replace(opening, '');
      if (rest === bare || rest.trim() === '') continue;
      bare = rest.trim();
      changed = true;
    }
  }
  return bare;
}

/** What follows the opening of a quotation, or the sentence. */
export function withoutQuotationOpening(sentence: string): string {
  const rest = sentence.replace(QUOTATION_OPENING, '');
  return rest === '' ? sentence : rest;
}

export type Framing = 'polite' | 'not-answered' | null;

/** How a sentence claims nothing, or null when it claims something. */
export function framingOf(sentence: string): Framing {
  const text = sentence.normalize('NFKC').replace(/[’ʼ]/g, "'").trim();
  if (!/[\p{L}\p{N}]/u.test(text)) return 'polite';
  if (NOT_ANSWERED.some((pattern) => pattern.test(text)) || APOLOGY.test(text))
    return 'not-answered';
  return POLITE.some((pattern) => pattern.test(text)) ? 'polite' : null;
}

/**
 * A refusal says that there is no answer and states nothing else: a partial answer that names what is
 * missing is none. English, Japanese, Chinese, Korean; what no phrase fits is not a refusal.
 */
export function isRefusal(kinds: readonly Framing[], stopReason: StopReason): boolean {
  if (stopReason === 'refusal') return true;
  return kinds.includes('not-answered') && kinds.every((kind) => kind !== null);
}
