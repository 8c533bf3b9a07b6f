import { describe, expect, it } from 'vitest';
import { evaluate } from '../../../src/loop/evaluate/index.ts';
import type { StopReason } from '../../../src/loop/types.ts';

async function refuses(answer: string, stopReason: StopReason = 'end_turn'): Promise<boolean> {
  const prompt = { system: '', messages: [], sources: [], question: '', hash: '', tokens: 0 };
  const { verdict } = await evaluate(
    { question: '', answer, prompt, extractive: false, stopReason },
    null,
  );
  expect(verdict.decision === 'dropped').toBe(verdict.refusal);
  return verdict.refusal;
}

describe('refusals', () => {
  it.each([
    'Your records do not answer this question.',
    'I cannot answer this from the sources.',
    "I'm sorry, but I can't help with that.",
    "The sources don't mention a tavern in Bree.",
    'None of the provided sources mentions the price.',
    'There is no information about the price in the sources.',
    'The provided context does not contain enough information to answer.',
    'あなたの記録には、この質問の答えがありません。',
    '申し訳ありませんが、お答えできません。',
    '資料には価格について書かれていません。',
    '您的记录中没有这个问题的答案。',
    '抱歉，我无法回答这个问题。',
    '來源沒有提到價格。',
    '내 기록에는 이 질문의 답이 없습니다.',
    '죄송하지만 답변을 드릴 수 없습니다.',
    '제공된 자료에는 가격이 나와 있지 않습니다.',
  ])('knows %j', async (answer) => {
    expect(await refuses(answer)).toBe(true);
  });

  it('believes the stop reason', async () => {
    expect(await refuses('The inn is old.', 'refusal')).toBe(true);
  });

  it.each([
    'The landlord said he could not answer the letter.',
    'The inn does not serve ale on Sundays.',
    'No dogs are allowed in the bar.',
    'The Eel and Lantern [1] is the one. The sources do not say when it opens.',
    '店主は「申し訳ない」と言って酒を出した。',
    '酒场不卖冰水。',
    '店主は日曜に休まない。',
    '주막은 일요일에 쉬지 않습니다.',
    'Sorry Tom is the name of the bar.',
  ])('does not take %j for one', async (answer) => {
    expect(await refuses(answer)).toBe(false);
  });
});
