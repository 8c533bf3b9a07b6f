/** What every generator keeps, whoever writes the words. */
import { describe, expect, it } from 'vitest';
import type { Generator, Prompt } from '../../src/loop/types.ts';

export interface GeneratorCase {
  readonly name: string;
  /** A generator that can answer, made anew for each test. */
  readonly make: () => Promise<Generator> | Generator;
}

const FIRST = 'Where is soup served until ten?';
const SECOND = 'Who mends the boats in winter?';

function promptOf(question: string): Prompt {
  const texts = [
    'The Lantern serves soup until ten. Its porch lamp is lit at dusk.',
    'At the Iron Quay the twins mend the boats in winter. Crates come before dawn.',
  ];
  const sources = texts.map((text, i) => ({ number: i + 1, id: `s${i + 1}`, text }));
  const listed = sources.map(({ number, text }) => `[${number}] ${text}`).join('\n');
  return {
    system: 'Answer from the sources.',
    messages: [{ role: 'user', content: `${listed}\n\n${question}` }],
    sources,
    question,
    hash: '00',
    tokens: 60,
  };
}

const STOPS = [
  'end_turn',
  'stop_sequence',
  'max_tokens',
  'refusal',
  'pause_turn',
  'tool_use',
  'model_context_window_exceeded',
];

export function generatorSuite({ name, make }: GeneratorCase): void {
  describe(`generator: ${name}`, () => {
    it('has a name, and answers with text, model, a known reason and whole usage', async () => {
      const generator = await make();
      expect(generator.name).not.toBe('');
      const generation = await generator.generate(promptOf(FIRST));
      expect(generation.text.length).toBeGreaterThan(0);
      expect(generation.model).not.toBe('');
      expect(STOPS).toContain(generation.stopReason);
      for (const tokens of [generation.usage.inputTokens, generation.usage.outputTokens]) {
        expect(Number.isSafeInteger(tokens) && tokens >= 0).toBe(true);
      }
    });

    it('hands out the text as it comes: the tokens are the text', async () => {
      const tokens: string[] = [];
      const generator = await make();
      const { text } = await generator.generate(promptOf(FIRST), {
        onToken: (t) => tokens.push(t),
      });
      expect(tokens.length).toBeGreaterThan(0);
      expect(tokens.join('')).toBe(text);
    });

    it('says nothing when it is cancelled before it begins', async () => {
      const tokens: string[] = [];
      const generator = await make();
      const call = generator.generate(promptOf(FIRST), {
        signal: AbortSignal.abort(),
        onToken: (t) => tokens.push(t),
      });
      await expect(call).rejects.toMatchObject({ code: 'aborted' });
      expect(tokens).toEqual([]);
    });

    it('says nothing more once it is cancelled', async () => {
      const abort = new AbortController();
      let after = 0;
      const generator = await make();
      const call = generator.generate(promptOf(FIRST), {
        signal: abort.signal,
        onToken: () => {
          if (abort.signal.aborted) after += 1;
          abort.abort();
        },
      });
      await expect(call).rejects.toMatchObject({ code: 'aborted' });
      await new Promise((resolve) => setTimeout(resolve, 30));
      expect(after).toBe(0);
    });

    it('keeps two answers apart that are asked for side by side', async () => {
      const generator = await make();
      const [soup, boats] = await Promise.all([
        generator.generate(promptOf(FIRST)),
        generator.generate(promptOf(SECOND)),
      ]);
      expect(soup.text).toMatch(/soup/i);
      expect(boats.text).toMatch(/boats/i);
    });
  });
}
