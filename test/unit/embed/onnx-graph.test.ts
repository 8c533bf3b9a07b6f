import { beforeEach, describe, expect, it } from 'vitest';
import { planGraph, runGraph } from '../../../workers/embed/ort-graph.ts';
import type { Pooling } from '../../../workers/embed/pooling.ts';
import {
  BERT,
  FakeTensor,
  fakeRuntime,
  fakeSession,
  type Ports,
  STATES,
  statesOf,
} from './onnx-fake.ts';

const plan = (inputs: Ports, outputs: Ports, pooling: Pooling = 'mean') =>
  planGraph(fakeSession(inputs, outputs), pooling);
const TOKENS: Ports = { states: ['float32', ['b', 's', 4]] };
const SENTENCE: Ports = { sentence_embedding: ['float32', ['b', 4]] };

beforeEach(() => {
  FakeTensor.alive = 0;
});

describe('planGraph', () => {
  it('reads inputs, output and dimension from the metadata', () => {
    expect(plan(BERT, { ...STATES, ...SENTENCE })).toMatchObject({
      output: 'last_hidden_state',
      dimension: 4,
      masked: true,
    });
    expect(plan(BERT, { ...STATES, ...SENTENCE }, 'none').output).toBe('sentence_embedding');
  });

  it.each([
    ['a name of its own, when it is the only one', TOKENS, 'mean', 'states'],
    ['the usual name before another', { ...TOKENS, ...STATES }, 'cls', 'last_hidden_state'],
    [
      'the usual name of sentence-transformers',
      { token_embeddings: ['float32', ['b', 's', 4]], ...TOKENS },
      'mean',
      'token_embeddings',
    ],
    [
      'half precision',
      { last_hidden_state: ['float16', ['b', 's', 4]] },
      'mean',
      'last_hidden_state',
    ],
    [
      'an unknown shape under the usual name',
      { last_hidden_state: ['float32', []] },
      'mean',
      'last_hidden_state',
    ],
    [
      'the only vector a text',
      { ...STATES, text_embeds: ['float32', ['b', 4]] },
      'none',
      'text_embeds',
    ],
  ] as [string, Ports, Pooling, string][])('takes %s', (_, outputs, pooling, output) => {
    expect(plan(BERT, outputs, pooling).output).toBe(output);
  });

  it('leaves the dimension open where the graph does', () => {
    expect(
      plan(BERT, { last_hidden_state: ['float32', ['b', 's', 'hidden']] }).dimension,
    ).toBeNull();
  });

  it('knows a graph without a mask', () => {
    expect(plan({ input_ids: ['int32', ['b', 's']] }, STATES).masked).toBe(false);
  });

  it.each([
    ['no token ids', { attention_mask: BERT.input_ids as never }, STATES, /no input "input_ids"/],
    ['nothing to ask', {}, STATES, /no input "input_ids".*takes nothing/],
    [
      'pixels',
      { ...BERT, pixel_values: ['float32', ['b', 3, 224, 224]] },
      STATES,
      /"pixel_values" that no tokenizer gives/,
    ],
    [
      'a prototype as name',
      { ...BERT, constructor: ['int64', ['b', 's']] },
      STATES,
      /"constructor"/,
    ],
    ['ids as floats', { input_ids: ['float32', ['b', 's']] }, STATES, /neither int64 nor int32/],
    ['ids that are no tensor', { input_ids: ['sequence', []] }, STATES, /neither int64 nor int32/],
    ['a fixed length', { input_ids: ['int64', [1, 128]] }, STATES, /free shape/],
    ['ids of another rank', { input_ids: ['int64', ['b', 's', 'x']] }, STATES, /free shape/],
    ['no states', BERT, SENTENCE, /must answer a vector for each token.*no output is that/],
    [
      'two of them',
      BERT,
      { a: ['float32', ['b', 's', 4]], b: ['float32', ['b', 's', 4]] },
      /2 outputs are that/,
    ],
    [
      'states as whole numbers',
      BERT,
      { last_hidden_state: ['int8', ['b', 's', 4]] },
      /no output is that/,
    ],
    ['nothing to answer', BERT, {}, /answers nothing/],
    [
      'vectors of no numbers',
      BERT,
      { last_hidden_state: ['float32', ['b', 's', 0]] },
      /has 0 numbers/,
    ],
    ['huge vectors', BERT, { last_hidden_state: ['float32', ['b', 's', 1e6]] }, /1000000 numbers/],
  ] as [string, Ports, Ports, RegExp][])(
    'refuses %s, and says what is there',
    (_, inputs, outputs, why) => {
      const attempt = () => plan(inputs, outputs);
      expect(attempt).toThrow(why);
      expect(attempt).toThrow(expect.objectContaining({ code: 'asset_corrupt', retryable: false }));
      for (const [name, [type, shape]] of Object.entries({ ...inputs, ...outputs })) {
        if (type !== 'sequence') expect(attempt).toThrow(`${name} (${type} [${shape.join(', ')}])`);
      }
    },
  );

  it('names at most twelve of many', () => {
    const many = Object.fromEntries(
      Array.from({ length: 500 }, (_, i) => [`past_${i}`, ['float32', ['b', 4]]]),
    ) as unknown as Ports;
    expect(() => plan(BERT, many)).toThrow(/past_11 .*, 488 more\./);
  });
});

describe('runGraph', () => {
  const batch = [Int32Array.of(101, 5, 102), Int32Array.of(101, 102)];

  it.each(['int64', 'int32'])('fills %s inputs by what the session asks', async (type) => {
    const inputs: Ports = {
      token_type_ids: [type, ['b', 's']],
      attention_mask: [type, ['b', 's']],
      input_ids: [type, ['b', 's']],
    };
    const session = fakeSession(inputs);
    await runGraph(fakeRuntime(), session, planGraph(session, 'mean'), batch);
    const feeds = session.runs[0]?.feeds ?? {};
    const numbers = (name: string) => Array.from(feeds[name]?.data ?? [], Number);
    expect(Object.keys(feeds).toSorted()).toEqual(Object.keys(inputs).toSorted());
    expect(numbers('input_ids')).toEqual([101, 5, 102, 101, 102, 0]);
    expect(numbers('attention_mask')).toEqual([1, 1, 1, 1, 1, 0]);
    expect(numbers('token_type_ids')).toEqual([0, 0, 0, 0, 0, 0]);
    for (const feed of Object.values(feeds)) expect(feed).toMatchObject({ type, dims: [2, 3] });
    expect(FakeTensor.alive).toBe(0);
  });

  it('pools by mask, by first token, or not at all', async () => {
    const session = fakeSession();
    const mean = await runGraph(fakeRuntime(), session, planGraph(session, 'mean'), batch);
    expect(mean.dimension).toBe(4);
    expect(mean.vectors[4]).toBeCloseTo((101 + 102) / 2 + 1, 4);
    const first = await runGraph(fakeRuntime(), session, planGraph(session, 'cls'), batch);
    expect([...first.vectors]).toEqual([102, 105, 110, 117, 102, 105, 110, 117]);
    const whole = fakeSession(
      BERT,
      SENTENCE,
      () => new FakeTensor('float32', Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8), [2, 4]),
    );
    const none = await runGraph(fakeRuntime(), whole, planGraph(whole, 'none'), batch);
    expect([...none.vectors]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('copies what the runtime hands out, and reads half precision', async () => {
    const memory = new Float32Array(8).fill(1);
    const session = fakeSession(BERT, SENTENCE, () => new FakeTensor('float32', memory, [2, 4]));
    const { vectors } = await runGraph(fakeRuntime(), session, planGraph(session, 'none'), batch);
    memory.fill(9);
    expect([...vectors]).toEqual(new Array(8).fill(1));
    const halves = fakeSession(
      BERT,
      SENTENCE,
      () => new FakeTensor('float16', new Uint16Array(8).fill(0x3c00), [2, 4]),
    );
    const read = await runGraph(fakeRuntime(), halves, planGraph(halves, 'none'), batch);
    expect([...read.vectors]).toEqual(new Array(8).fill(1));
  });

  const floats = (count: number) => new Float32Array(count).fill(1);
  it.each([
    ['fewer rows', () => new FakeTensor('float32', floats(12), [1, 3, 4])],
    ['more rows', () => new FakeTensor('float32', floats(36), [3, 3, 4])],
    ['fewer tokens', () => new FakeTensor('float32', floats(16), [2, 2, 4])],
    ['another rank', () => new FakeTensor('float32', floats(8), [2, 4])],
    ['no numbers', () => new FakeTensor('float32', floats(0), [2, 3, 0])],
    ['fewer numbers than its shape', () => new FakeTensor('float32', floats(23), [2, 3, 4])],
    ['whole numbers', () => new FakeTensor('int32', new Int32Array(24), [2, 3, 4])],
    ['words', () => new FakeTensor('string', ['a'] as never, [2, 3, 4])],
    ['a scalar', () => new FakeTensor('float32', floats(1), [])],
    ['nothing', () => undefined],
  ])('refuses %s in the answer, and keeps no tensor', async (_, answer) => {
    const session = fakeSession(BERT, STATES, answer);
    const run = runGraph(fakeRuntime(), session, planGraph(session, 'mean'), batch);
    await expect(run).rejects.toMatchObject({
      code: 'asset_corrupt',
      message: expect.stringContaining('last_hidden_state (float32 [batch, seq, 4])'),
    });
    expect(FakeTensor.alive).toBe(0);
  });

  it('keeps no tensor when the runtime throws', async () => {
    const session = fakeSession(BERT, STATES, (run) => {
      statesOf(run).dispose();
      throw new Error('failed to call OrtRun()');
    });
    const run = runGraph(fakeRuntime(), session, planGraph(session, 'mean'), batch);
    await expect(run).rejects.toThrow('OrtRun');
    expect(FakeTensor.alive).toBe(0);
  });
});
