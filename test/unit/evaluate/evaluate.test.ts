import { describe, expect, it } from 'vitest';
import { type EvaluateInput, evaluate } from '../../../src/loop/evaluate/index.ts';
import type { Prompt, PromptSource } from '../../../src/loop/types.ts';
import { bagOfWords } from './bag-of-words.ts';

const LANTERN = `The Eel and Lantern was built in 1862 on the bank of the Great Ouse.
Smoked eel is served with horseradish from October to March.
The upper room is never heated in winter, and guests sleep under three blankets.
Hester Maudsley settled her bill with a map that she drew by hand.`;
const MILL = `The Mill House keeps nine rooms for walkers. Supper is eaten at one long table.`;

function promptOf(...sources: Partial<PromptSource>[]): Prompt {
  return {
    system: '',
    messages: [],
    question: 'q',
    hash: '',
    tokens: 0,
    sources: sources.map((source, i) => ({ number: i + 1, id: `r${i + 1}`, text: '', ...source })),
  };
}

const prompt = promptOf({ text: LANTERN }, { text: MILL });

async function judge(answer: string, more: Partial<EvaluateInput> = {}) {
  const input = {
    question: 'q',
    answer,
    prompt,
    extractive: false,
    stopReason: 'end_turn',
    ...more,
  };
  return evaluate(input as EvaluateInput, bagOfWords().embed);
}

const stateOf = async (answer: string) => (await judge(answer)).verdict.sentences[0];

describe('the gate', () => {
  it.each([
    ['word for word', 'Smoked eel is served with horseradish from October to March [1].'],
    ['reordered', 'From October to March, smoked eel with horseradish is served [1].'],
    ['framed', 'According to source 1, smoked eel with horseradish is served [1].'],
    ['shortened', 'Guests sleep under three blankets in the upper room [1].'],
    ['a number in digits', 'In the upper room guests sleep under 3 blankets [1].'],
    ['a synonym', 'The Eel and Lantern was constructed on the bank of the Great Ouse in 1862 [1].'],
    ['the same denial', 'In winter the upper room is never heated [1].'],
    [
      'two sentences in one',
      'Hester Maudsley drew a map by hand and settled her bill, and smoked eel is served with horseradish [1].',
    ],
    ['a bullet', '- Smoked eel is served with horseradish [1].'],
  ])('passes honest text: %s', async (_, answer) => {
    expect(await stateOf(answer)).toMatchObject({ state: 'grounded' });
    expect((await judge(answer)).verdict.decision).toBe('admitted');
  });

  it.each([
    ['a random sentence', 'The harbour master weighs the ships at noon [1].', /near enough/],
    [
      'another record',
      'Supper is eaten at one long table for all walkers [1].',
      /near enough|words/,
    ],
    [
      'half true',
      'Smoked eel is served with horseradish by the bishop and seven dancing bears [1].',
      /number 7/,
    ],
    [
      'half true, no number',
      'Smoked eel is served with horseradish while bishops and dancing bears applaud [1].',
      /near enough|words/,
    ],
    [
      'a number swapped',
      'The Eel and Lantern was built in 1872 on the bank of the Great Ouse [1].',
      /1872/,
    ],
    [
      'a number word swapped',
      'Guests sleep under four blankets in the upper room [1].',
      /number 4/,
    ],
    [
      'a number of elsewhere',
      'Guests sleep under nine blankets in the upper room [1].',
      /number 9/,
    ],
    [
      'a denial added',
      'Smoked eel is not served with horseradish from October to March [1].',
      /denies/,
    ],
    [
      'a contracted denial',
      "Smoked eel isn't served with horseradish from October to March [1].",
      /denies/,
    ],
    ['a denial dropped', 'The upper room is heated in winter [1].', /denies this/],
    [
      'a second denial',
      'The upper room is never heated in winter, and guests do not sleep under three blankets [1].',
      /denies/,
    ],
    ['an antonym', 'The upper room is never cooled in winter [1].', /"cooled"/],
    ['an antonym of a small word', 'The lower room is never heated in winter [1].', /"lower"/],
    [
      'a term swapped',
      'Smoked trout is served with horseradish from October to March [1].',
      /words/,
    ],
    [
      'a name swapped',
      'The bill of Ioanna Vlachou was settled with a map by hand [1].',
      /"ioanna"/,
    ],
    [
      'a name swapped at the start',
      'Vlachou settled her bill with a map that she drew by hand [1].',
      /words/,
    ],
  ])('stops %s', async (_, answer, reason) => {
    const sentence = await stateOf(answer);
    expect(sentence).toMatchObject({ state: 'unsupported' });
    expect(sentence?.reason).toMatch(reason);
    expect((await judge(answer)).verdict.decision).toBe('quarantined');
  });

  it('asks the sources that are cited, and all where none is', async () => {
    expect(await stateOf('The Mill House keeps nine rooms for walkers [1].')).toMatchObject({
      state: 'unsupported',
    });
    expect(await stateOf('The Mill House keeps nine rooms for walkers [2].')).toMatchObject({
      state: 'grounded',
    });
    expect(await stateOf('The Mill House keeps nine rooms for walkers.')).toMatchObject({
      state: 'grounded',
    });
  });

  it('lets the heading of a source speak for each of its sentences', async () => {
    const heading = 'name: Green Dragon\nlocation: Bywater\n';
    const text = `${heading}The hall is lit by forty lamps.`;
    const answer = 'The hall of the Green Dragon in Bywater is lit by forty lamps [1].';
    const with_ = await judge(answer, { prompt: promptOf({ text, heading }) });
    expect(with_.verdict.sentences[0]).toMatchObject({ state: 'grounded' });
    const other = answer.replace('Bywater', 'Lothlorien');
    const wrong = await judge(other, { prompt: promptOf({ text, heading }) });
    expect(wrong.verdict.sentences[0]).toMatchObject({ state: 'unsupported' });
  });

  it('tells a turned word by its neighbours where the source says both', async () => {
    const text = 'The first bell is rung before dinner and the last bell after dinner is over.';
    const asked = promptOf({ text });
    const right = await judge('Before dinner is rung the first bell [1].', { prompt: asked });
    expect(right.verdict.sentences[0]?.state).toBe('grounded');
    const wrong = await judge('The last bell is rung before dinner [1].', { prompt: asked });
    expect(wrong.verdict.sentences[0]?.state).toBe('unsupported');
  });

  it('compares a number however it is written', async () => {
    const asked = promptOf({
      text: 'Forty-one guests paid 1,250 crowns for the 3rd of two hundred casks of old brown ale from the cellar under the stairs.',
    });
    for (const [answer, state] of [
      [
        '41 guests paid 1250 crowns for the third of 200 casks of old brown ale from the cellar under the stairs.',
        'grounded',
      ],
      [
        '41 guests paid 1250 crowns for the third of 201 casks of old brown ale from the cellar under the stairs.',
        'unsupported',
      ],
      [
        'Forty-two guests paid 1,250 crowns for the third of 200 casks of old brown ale from the cellar under the stairs.',
        'unsupported',
      ],
    ] as const) {
      const { verdict } = await judge(answer, { prompt: asked });
      expect([answer, verdict.sentences[0]?.state]).toEqual([answer, state]);
    }
  });
});

describe('other languages', () => {
  const asked = promptOf({ text: '宿は1862年に建てられた。部屋は九つある。' });

  it('abstains, and never admits what a model wrote', async () => {
    const { verdict } = await judge('この宿には部屋が九つあります[1]。', { prompt: asked });
    expect(verdict.sentences[0]).toMatchObject({ state: 'abstained' });
    expect(verdict).toMatchObject({ decision: 'quarantined', groundedShare: null });
  });

  it('shows a verbatim sentence as grounded and still does not admit it', async () => {
    const { verdict } = await judge('部屋は九つある[1]。', { prompt: asked });
    expect(verdict.sentences[0]).toMatchObject({ state: 'grounded', reason: 'verbatim' });
    expect(verdict).toMatchObject({ decision: 'quarantined', groundedShare: 1 });
    expect(verdict.reason).toMatch(/English/);
  });

  it('admits it when it was selected and not written', async () => {
    const answer = 'あなたの記録から：部屋は九つある。 [1]';
    const { verdict } = await judge(answer, { prompt: asked, extractive: true });
    expect(verdict).toMatchObject({ decision: 'admitted', groundedShare: 1 });
  });

  it('does not admit an extractive answer that is not in the source', async () => {
    const { verdict } = await judge('部屋は十ある。[1]', { prompt: asked, extractive: true });
    expect(verdict.decision).toBe('quarantined');
  });

  it('asks for word for word of what was selected, in English too', async () => {
    const answer = 'From October to March, smoked eel with horseradish is served [1].';
    expect((await judge(answer)).verdict.decision).toBe('admitted');
    const { verdict } = await judge(answer, { extractive: true });
    expect(verdict).toMatchObject({ decision: 'quarantined' });
    expect(verdict.reason).toMatch(/^0 of 1 sentence stands word for word/);
  });

  it('does not let a piece of a sentence pass for the sentence', async () => {
    const denied = promptOf({ text: '部屋は九つあるというのは嘘だ。' });
    const { verdict } = await judge('部屋は九つある。[1]', { prompt: denied, extractive: true });
    expect(verdict.decision).toBe('quarantined');
  });

  it.each([
    [
      'French',
      "L'auberge est construite au bord de la Grande Ouse et les chambres ne sont pas chauffées [1].",
    ],
    [
      'German',
      'Das Gasthaus ist im Winter nicht geheizt und die Gäste schlafen unter drei Decken [1].',
    ],
    ['Russian', 'Таверна стоит на берегу реки [1].'],
  ])('abstains on %s', async (_, answer) => {
    expect(await stateOf(answer)).toMatchObject({ state: 'abstained' });
  });
});

describe('decisions', () => {
  const honest = 'Smoked eel is served with horseradish [1].';

  it('counts the sentences that are backed', async () => {
    const { verdict } = await judge(
      `${honest} The harbour master weighs ships. It was built in 1962.`,
    );
    expect(verdict.decision).toBe('quarantined');
    expect(verdict.reason).toBe('1 of 3 sentences are backed by a source.');
    expect(verdict.groundedShare).toBeCloseTo(1 / 3, 9);
  });

  it('quarantines a citation of nothing', async () => {
    const { verdict } = await judge('Smoked eel is served with horseradish [1][7].');
    expect(verdict).toMatchObject({ decision: 'quarantined', citationValidity: 0.5 });
    expect(verdict.reason).toMatch(/\[7\]/);
  });

  it.each(['max_tokens', 'tool_use', 'pause_turn', 'model_context_window_exceeded'] as const)(
    'quarantines an answer that ended by %s',
    async (stopReason) => {
      const { verdict } = await judge(honest, { stopReason });
      expect(verdict.decision).toBe('quarantined');
      expect(verdict.reason).toContain(stopReason);
    },
  );

  it('drops what is empty, and embeds nothing for it', async () => {
    for (const answer of ['', '  \n ', '...', '[1]']) {
      const { embed, calls } = bagOfWords();
      const input = {
        question: 'q',
        answer,
        prompt,
        extractive: false,
        stopReason: 'end_turn' as const,
      };
      const { verdict, answerVector } = await evaluate(input, embed);
      expect(verdict).toMatchObject({ decision: 'dropped', groundedShare: null });
      expect([answerVector, calls.flat()]).toEqual([null, []]);
    }
  });

  it('drops an exact repeat and quarantines a near one', async () => {
    const vector = (await judge(honest)).answerVector!;
    const text = '  smoked EEL is served with horseradish. ';
    const exact = await judge(honest, { recent: [{ id: 'g1', text, vector }] });
    expect(exact.verdict).toMatchObject({ decision: 'dropped', duplicateOf: 'g1' });
    const recent = [
      { id: 'far', text: 'something else', vector: vector.map((x) => x * 0.9) },
      { id: 'g2', text: 'Eel, smoked, with horseradish is served.', vector },
    ];
    const near = await judge(honest, { recent });
    expect(near.verdict).toMatchObject({ decision: 'quarantined', duplicateOf: 'g2' });
  });

  it('quarantines a copy of a whole record', async () => {
    const { verdict } = await judge(MILL);
    expect(verdict).toMatchObject({ decision: 'quarantined', duplicateOf: 'r2', groundedShare: 1 });
  });

  it('leaves everything open without a model', async () => {
    const input = { question: 'q', prompt, extractive: false, stopReason: 'end_turn' as const };
    const written = await evaluate(
      { ...input, answer: 'Horseradish is served with eel [1].' },
      null,
    );
    expect(written.verdict).toMatchObject({ decision: 'quarantined', groundedShare: null });
    expect(written.verdict.sentences[0]?.state).toBe('abstained');
    const quoted = await evaluate(
      { ...input, extractive: true, answer: 'Supper is eaten at one long table. [2]' },
      null,
    );
    expect(quoted.verdict).toMatchObject({ decision: 'quarantined', groundedShare: 1 });
    expect(quoted.answerVector).toBeNull();
  });

  it('does not count sentences that claim nothing', async () => {
    const { verdict } = await judge(
      `Here is what I found:\n${honest}\nLet me know if you need more.`,
    );
    expect(verdict.sentences.map((sentence) => sentence.state)).toEqual([
      'framing',
      'grounded',
      'framing',
    ]);
    expect(verdict).toMatchObject({ decision: 'admitted', groundedShare: 1 });
  });

  it('quarantines an answer that says that a part is missing', async () => {
    const { verdict } = await judge(`${honest} The sources do not say who built it.`);
    expect(verdict).toMatchObject({ decision: 'quarantined', refusal: false, groundedShare: 1 });
    expect(verdict.reason).toMatch(/missing/);
  });

  it('returns the vector of the answer without its marks', async () => {
    const { answerVector } = await judge('Supper [2].');
    const [row] = [await bagOfWords().embed(['Supper.'])];
    expect(answerVector?.length).toBe(row.length);
    expect(Math.hypot(...answerVector!)).toBeCloseTo(1, 6);
  });
});

describe('bounds', () => {
  it('calls the embedder twice at most and stays inside its caps', async () => {
    const text = Array.from({ length: 900 }, (_, i) => `Cask number ${i} holds ale.`).join(' ');
    const sizes: number[] = [];
    const embed = async (texts: readonly string[]) => {
      sizes.push(texts.length);
      return new Float32Array(texts.length * 4).fill(0.5);
    };
    const answer = Array.from({ length: 200 }, (_, i) => `Barrel ${i} contains beer.`).join(' ');
    const input = { question: 'q', answer, prompt: promptOf({ text }), extractive: false };
    const { verdict } = await evaluate({ ...input, stopReason: 'end_turn' }, embed);
    expect(sizes.length).toBeLessThanOrEqual(2);
    expect(sizes[0]).toBeLessThanOrEqual(64 + 400 + 2);
    expect(sizes[1] ?? 0).toBeLessThanOrEqual(600);
    expect(verdict.sentences.at(-1)).toMatchObject({ state: 'abstained' });
    expect(verdict.decision).toBe('quarantined');
  });

  it('has two gates and knows no third', async () => {
    const answer =
      'The Eel and Lantern was merrily built in 1862 on the bank of the Great Ouse [1].';
    const input = {
      question: 'q',
      answer,
      prompt,
      extractive: false,
      stopReason: 'end_turn' as const,
    };
    const { embed } = bagOfWords();
    // One unknown word among nine: between .90 and .95 of the weight at most when it is common.
    const strict = await evaluate(input, embed, { gate: 'strict' });
    const lenient = await evaluate(input, embed, { gate: 'lenient' });
    expect(strict.verdict.sentences[0]?.recall).toBe(lenient.verdict.sentences[0]?.recall);
    expect(strict.verdict.sentences[0]?.reason).toMatch(/95%/);
    expect(lenient.verdict.sentences[0]?.reason).not.toMatch(/95%/);
    await expect(evaluate(input, embed, { gate: 'none' as never })).rejects.toThrow(/"none"/);
    await expect(evaluate(input, embed, { strict: true } as never)).rejects.toThrow(/"strict"/);
  });

  it('rejects when it is cancelled, before and during', async () => {
    const input = {
      question: 'q',
      answer: 'A b c.',
      prompt,
      extractive: false,
      stopReason: 'end_turn' as const,
    };
    const before = AbortSignal.abort();
    await expect(evaluate(input, null, { signal: before })).rejects.toMatchObject({
      code: 'aborted',
    });
    const during = new AbortController();
    const embed = async (texts: readonly string[]) => {
      during.abort();
      return new Float32Array(texts.length);
    };
    await expect(evaluate(input, embed, { signal: during.signal })).rejects.toMatchObject({
      code: 'aborted',
    });
  });

  it('does not judge by vectors that cannot be right', async () => {
    const input = {
      question: 'q',
      answer: 'Eel is served.',
      prompt,
      extractive: false,
      stopReason: 'end_turn' as const,
    };
    for (const rows of [
      new Float32Array(7),
      new Float32Array(),
      new Float32Array(64).fill(Number.NaN),
    ]) {
      await expect(evaluate(input, async () => rows)).rejects.toMatchObject({
        code: 'backend_wrong',
      });
    }
    const boom = async () => Promise.reject(new Error('lost'));
    await expect(evaluate(input, boom)).rejects.toThrow('lost');
  });

  it('takes hostile answers', async () => {
    for (const answer of [
      '\ud800 [1]',
      '__proto__ [1].',
      '[['.repeat(5000),
      'not '.repeat(5000),
      `${'9'.repeat(400)} casks.`,
    ]) {
      const { verdict } = await judge(answer);
      expect(['quarantined', 'dropped']).toContain(verdict.decision);
    }
  });
});
