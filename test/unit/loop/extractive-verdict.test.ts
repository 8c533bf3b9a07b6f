/** What the offline generator says passes the gate in each language: its words are the sources' own. */
import { describe, expect, it } from 'vitest';
import { evaluate } from '../../../src/loop/evaluate/index.ts';
import { extractive } from '../../../src/loop/generate/extractive.ts';
import { sha256 } from '../../../src/loop/platform.ts';
import { buildPrompt } from '../../../src/loop/prompt.ts';
import type { Hit } from '../../../src/loop/types.ts';
import { wordEmbedder } from '../../fakes/word-embedder.ts';

const CASES = [
  ['Which inn serves ale?', 'Mr. Cotman keeps the inn. The inn serves ale, bread and cheese.'],
  ['名物の鰻を出す宿はどこですか？', '竹屋は京都にあります。竹屋の名物は鰻です。'],
  ['哪家客栈有竹叶青酒？', '悦来客栈卖竹叶青酒。掌柜很和气。'],
  ['막걸리가 유명한 주막은 어디인가요?', '이 주막은 막걸리가 유명하다. 손님이 많다.'],
  ['Zyxw?', 'The inn serves ale.'],
  ['ズズ？', '竹屋は京都にあります。'],
  ['龘龘？', '悦来客栈卖竹叶青酒。'],
  ['뷁뷁?', '이 주막은 조용하다.'],
] as const;

describe('an extractive answer', () => {
  it.each(CASES)('to %s is admitted', async (question, text) => {
    const hit: Hit = {
      id: 'a',
      rank: 1,
      score: 1,
      parts: { similarity: 1, words: 0, learnt: 0 },
      row: { id: 'a', description: text, name: 'Name' },
      text,
      why: null,
    };
    const prompt = await buildPrompt({
      question,
      hits: [hit],
      textField: 'description',
      headingFields: ['name'],
      tokenBudget: 500,
      digest: sha256,
    });
    const generation = await extractive().generate(prompt);
    const embedder = wordEmbedder();
    const { verdict, citations } = await evaluate(
      { question, answer: generation.text, prompt, extractive: true, stopReason: 'end_turn' },
      async (texts) => (await embedder.embed(texts)).vectors,
    );
    expect(citations.length).toBeGreaterThan(0);
    expect(verdict).toMatchObject({ decision: 'admitted', refusal: false, citationValidity: 1 });
  });

  it('that has nothing to quote counts as a refusal', async () => {
    for (const question of ['Ale?', '酒はどこ', '酒在哪里', '술은?']) {
      const prompt = await buildPrompt({
        question,
        hits: [],
        textField: 'x',
        headingFields: [],
        tokenBudget: 500,
        digest: sha256,
      });
      const { text } = await extractive().generate(prompt);
      const { verdict } = await evaluate(
        { question, answer: text, prompt, extractive: true, stopReason: 'end_turn' },
        null,
      );
      expect([question, verdict.decision]).toEqual([question, 'dropped']);
    }
  });
});
