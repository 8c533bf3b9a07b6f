import { describe, expect, it } from 'vitest';
import { extractive } from '../../../src/loop/generate/extractive.ts';
import { fallback } from '../../../src/loop/generate/fallback.ts';
import { languageOf } from '../../../src/loop/generate/phrases.ts';
import { termsOf } from '../../../src/loop/generate/text-units.ts';
import type { Generator, Prompt } from '../../../src/loop/types.ts';
import { type ErrorCode, WhorlError } from '../../../src/shared/errors.ts';

function prompt(question: string, ...texts: string[]): Prompt {
  const sources = texts.map((text, i) => ({ number: i + 1, id: String(i), text }));
  return { system: '', messages: [], sources, question, hash: '', tokens: 0 };
}

const answer = async (question: string, ...texts: string[]) =>
  (await extractive().generate(prompt(question, ...texts))).text;

describe('extractive', () => {
  it('quotes the sentence that holds the words of the question, with its number', async () => {
    const text = await answer(
      'Which inn did Frodo visit?',
      'The Prancing Pony is in Bree. Aragorn waited there.',
      'The Green Dragon stands in Bywater. Frodo visited this inn on many evenings.',
    );
    expect(text).toBe('From your records: Frodo visited this inn on many evenings. [2]');
  });

  it.each([
    [
      'ja',
      '名物の鰻を出す宿はどこですか？',
      ['松屋は古い宿です。庭が有名です。', '竹屋は京都にあります。竹屋の名物は鰻です。'],
      'あなたの記録から：竹屋の名物は鰻です。 [2]',
    ],
    [
      'zh',
      '哪家客栈有竹叶青酒？',
      ['龙门客栈在沙漠里。风沙很大。', '悦来客栈卖竹叶青酒。掌柜很和气。'],
      '摘自您的记录：悦来客栈卖竹叶青酒。 [2]',
    ],
    [
      'ko',
      '막걸리가 유명한 주막은 어디인가요?',
      ['강가의 주막은 조용하다. 배가 지나간다.', '이 주막은 막걸리가 유명하다. 손님이 많다.'],
      '내 기록에서: 이 주막은 막걸리가 유명하다. [2]',
    ],
  ])('works in %s', async (_, question, texts, expected) => {
    const text = await answer(question, ...texts);
    expect(text.startsWith(expected)).toBe(true);
  });

  it('says so when no source answers, and when there is none', async () => {
    const closest = 'The records found do not answer this in so many words. The closest: ';
    expect(await answer('Zyxw?', 'The Green Dragon is warm.')).toBe(
      `${closest}The Green Dragon is warm. [1]`,
    );
    // One word of many is shared: it must not be said that none is.
    const asked = 'Which quiet lakeside cottage serves smoked trout before winter storms?';
    expect(await answer(asked, 'The cottage has a red door.')).toBe(
      `${closest}The cottage has a red door. [1]`,
    );
    expect(await answer('Anything?')).toBe('Your records do not answer this question.');
  });

  it('uses the heading to find a sentence and does not quote it', async () => {
    const heading = 'name: Green Dragon\n';
    const one = { number: 1, id: 'a', text: `${heading}A warm house in Bywater.`, heading };
    const asked = { ...prompt('Where is the Green Dragon?'), sources: [one] };
    const { text } = await extractive().generate(asked);
    expect(text).toBe('From your records: A warm house in Bywater. [1]');
  });

  it('says nothing twice and at most three things', async () => {
    const same = 'Ale is served at the inn.';
    expect(await answer('Where is ale served?', same, same)).toBe(`From your records: ${same} [1]`);
    const text = await answer('ale', 'Ale one here. Ale two there. Ale three now. Ale four then.');
    expect(text.match(/\[1\]/g)).toHaveLength(3);
  });

  it('cuts sentences as the judge does, also where a line breaks inside one', async () => {
    expect(await answer('Who is J. Smith?', 'Mr. Butterbur serves J. Smith.\nHe smiles.')).toBe(
      'From your records: Mr. Butterbur serves J. Smith. [1]',
    );
    expect(await answer('Where is ale?', 'Good ale is poured\nin the cellar. It is dark.')).toBe(
      'From your records: Good ale is poured in the cellar. [1]',
    );
  });

  it('is deterministic, free, streams what it returns, and obeys abort', async () => {
    const asked = prompt('Frodo?', 'Frodo came. Sam came with Frodo.');
    const tokens: string[] = [];
    const one = await extractive().generate(asked, { onToken: (token) => tokens.push(token) });
    expect(await extractive().generate(asked)).toEqual(one);
    expect(tokens.join('')).toBe(one.text);
    expect(one).toMatchObject({
      model: 'extractive',
      stopReason: 'end_turn',
      extractive: true,
      usage: { inputTokens: 0, outputTokens: 0 },
    });
    await expect(
      extractive().generate(asked, { signal: AbortSignal.abort() }),
    ).rejects.toMatchObject({ code: 'aborted' });
  });
});

describe('text units', () => {
  it('makes terms comparable', () => {
    expect(termsOf('Visited taverns')).toEqual(termsOf('visits TAVERN'));
    expect(termsOf('the of a')).toEqual([]);
    expect(termsOf('緑竜亭')).toEqual(['緑竜', '竜亭']);
    expect(termsOf('ＡＬＥ')).toEqual(['ale']);
  });

  it('knows the language of a question by its script', () => {
    expect(['宿はどこ', '客栈在哪里', '주막', 'Where?', 'Wo? Ärger'].map(languageOf)).toEqual([
      'ja',
      'zh',
      'ko',
      'en',
      'en',
    ]);
  });
});

describe('fallback', () => {
  const failing = (code: ErrorCode, token?: string): Generator => ({
    name: 'claude-x',
    extractive: false,
    generate: async (_, options) => {
      if (token) options?.onToken?.(token);
      throw new WhorlError(code, 'Because.');
    },
  });
  const asked = prompt('Frodo?', 'Frodo came.');

  it.each(['no_key', 'network', 'unsupported'] as const)(
    'steps in for %s and says so',
    async (code) => {
      const both = fallback(failing(code), extractive());
      expect(both).toMatchObject({ name: 'claude-x', extractive: false });
      expect(await both.generate(asked)).toMatchObject({
        model: 'extractive',
        extractive: true,
        instead: { code, message: 'Because.' },
      });
    },
  );

  it('sends nothing to what is known to be unavailable', async () => {
    let isAvailable = false;
    const never = failing('internal');
    const both = fallback(never, extractive(), { available: () => isAvailable });
    expect(await both.generate(asked)).toMatchObject({ instead: { code: 'no_key' } });
    isAvailable = true;
    await expect(both.generate(asked)).rejects.toMatchObject({ code: 'internal' });
    expect(() => fallback(never, extractive(), { avail: 1 } as never)).toThrow('avail');
  });

  it.each([
    'aborted',
    'rate_limited',
    'unauthorized',
    'stream_timeout',
    'budget_exhausted',
  ] as const)('throws %s', async (code) => {
    await expect(fallback(failing(code), extractive()).generate(asked)).rejects.toMatchObject({
      code,
    });
  });

  it('never mixes two answers', async () => {
    const tokens: string[] = [];
    const both = fallback(failing('network', 'Half'), extractive());
    await expect(
      both.generate(asked, { onToken: (token) => tokens.push(token) }),
    ).rejects.toMatchObject({ code: 'network' });
    expect(tokens).toEqual(['Half']);
  });

  it('leaves a working generator alone and refuses what is none', async () => {
    const both = fallback(extractive(), failing('network'));
    expect(await both.generate(asked)).not.toHaveProperty('instead');
    expect(() => fallback(extractive(), {} as never)).toThrow(
      expect.objectContaining({ code: 'invalid_option' }),
    );
  });
});
