import { describe, expect, it } from 'vitest';
import { sampleLanguages, sampleRecords } from '../../../src/app/sample/sample.ts';
import { evaluate } from '../../../src/loop/evaluate/index.ts';
import { extractive } from '../../../src/loop/generate/extractive.ts';
import { LexicalIndex } from '../../../workers/index/lexical/lexical-index.ts';
import questions from '../../fixtures/sample-questions.json' with { type: 'json' };

const index = new LexicalIndex();
for (const [row, record] of sampleRecords.entries()) {
  index.add(
    row,
    `${record.name} ${record.location} ${record.famous_visitor} ${record.description}`,
  );
}

function promptOf(question: string) {
  const rows = [...index.search(question, 5).rows];
  const sources = rows.map((row, i) => {
    const record = sampleRecords[row]!;
    const heading = `name: ${record.name}\nlocation: ${record.location}\n`;
    return { number: i + 1, id: String(row), text: heading + record.description, heading };
  });
  return { system: '', messages: [], sources, question, hash: '', tokens: 0 };
}

/** A vector that only says that a model was ready. */
const embed = async (texts: readonly string[]) => new Float32Array(texts.length * 4).fill(0.5);

describe('answers that the offline generator selects from the sample', () => {
  it.each(sampleLanguages)('are found word for word in their sources: %s', async (language) => {
    const own = questions.filter((one) => one.lang === language);
    expect(own.length).toBeGreaterThan(0);
    for (const question of own.flatMap((one) => [one.question, one.reworded])) {
      const prompt = promptOf(question);
      const { text, stopReason } = await extractive().generate(prompt);
      const input = { question, answer: text, prompt, extractive: true, stopReason };
      const { verdict, citations } = await evaluate(input, embed);
      const claims = verdict.sentences.filter((sentence) => sentence.state !== 'framing');
      expect(claims.length, text).toBeGreaterThan(0);
      expect(citations.length, text).toBeGreaterThan(0);
      expect(
        claims.filter((sentence) => sentence.state !== 'grounded'),
        text,
      ).toEqual([]);
      expect(verdict, text).toMatchObject({ decision: 'admitted', citationValidity: 1 });
    }
  });
});
