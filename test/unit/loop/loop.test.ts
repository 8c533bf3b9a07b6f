import { describe, expect, it } from 'vitest';
import { createLoop } from '../../../src/loop/loop.ts';
import type { Generator, Hit } from '../../../src/loop/types.ts';
import { milvusError, WhorlError } from '../../../src/shared/errors.ts';
import { embedWords } from '../../fakes/word-embedder.ts';
import { bench, scripted } from './loop-bench.ts';

const ids = (hits: readonly Hit[]) => hits.map(({ id }) => id);

describe('ask', () => {
  it('runs a turn from question to kept answer', async () => {
    const { loop, memory, generated } = await bench();
    const stages: string[] = [];
    const tokens: string[] = [];
    let early: readonly Hit[] = [];
    const turn = await loop.ask('Who drank ale with Sam?', {
      onStage: (stage) => stages.push(stage),
      onToken: (token) => tokens.push(token),
      onHits: (hits) => {
        early = hits;
      },
    });
    expect(stages).toEqual(['embed', 'retrieve', 'generate', 'evaluate', 'store']);
    expect(turn.hits[0]?.id).toBe('r1');
    expect(early).toEqual(turn.hits);
    expect(turn.hits).toHaveLength(5);
    expect(turn.answer).toBe(
      'From your records: Frodo and Sam drank ale here on many evenings. [1]',
    );
    expect(tokens.join('')).toBe(turn.answer);
    expect(turn.citations.map(({ id }) => id)).toEqual(['r1']);
    expect(turn).toMatchObject({
      retrieval: 'hybrid',
      extractive: true,
      model: 'extractive',
      vote: null,
      verdict: { decision: 'admitted', refusal: false },
      generatedId: turn.id,
    });
    const { total, ...spent } = turn.timings;
    expect(Object.values(spent).every((ms) => ms > 0)).toBe(true);
    expect(total).toBeGreaterThanOrEqual(Object.values(spent).reduce((a, b) => a + b, 0));
    expect(memory().size).toBe(1);
    expect(generated().get(turn.id)).toMatchObject({
      text: turn.answer,
      turn: turn.id,
      prompt_hash: turn.prompt.hash,
      model: 'extractive',
      depth: 1,
      parents: JSON.stringify(turn.prompt.sources.map(({ id }) => id)),
    });
  });

  it('never lets a generated answer into a prompt', async () => {
    const { loop } = await bench();
    await loop.ask('Who drank ale with Sam?');
    const again = await loop.ask('Who drank ale with Sam?');
    expect(again.hits.every(({ id }) => id.startsWith('r'))).toBe(true);
    expect(again.verdict.decision).toBe('dropped');
    expect(again.verdict.duplicateOf).not.toBeNull();
    expect(again.generatedId).toBeNull();
  });

  it('finds a repeat however many stored answers are nearer to the question', async () => {
    const { loop, make, store, generated } = await bench();
    const first = await loop.ask('Who drank ale with Sam?');
    const asked = 'Who drank ale on many evenings with Sam and Frodo?';
    const row = generated().get(first.id)!;
    const data = Array.from({ length: 40 }, (_, i) => ({
      ...row,
      id: `other-${i}`,
      text: `Another answer, number ${i}.`,
      vector: embedWords(asked),
    }));
    await store.upsert({ collectionName: 'taverns__generated', data: data as never });
    const again = await make().ask(asked);
    expect(again.answer).toBe(first.answer);
    expect(again.verdict).toMatchObject({ decision: 'dropped', duplicateOf: first.id });
  });

  it('keeps a quarantined answer in its turn only', async () => {
    const { make, memory, generated } = await bench();
    const liar = scripted(() => 'Gandalf burned the inn down in 1420. [1]');
    const turn = await make({ generator: liar }).ask('Who drank ale with Sam?');
    expect(turn.verdict.decision).toBe('quarantined');
    expect(turn.generatedId).toBeNull();
    expect(memory().size).toBe(1);
    expect(generated().size).toBe(0);
  });

  it.each(['max_tokens', 'refusal', 'pause_turn'] as const)(
    'shows a generation ended by %s as a draft and keeps nothing',
    async (stopReason) => {
      const { make, memory, generated } = await bench();
      const cut = scripted(() => ({ text: 'Frodo and', stopReason }));
      const turn = await make({ generator: cut }).ask('Who drank ale?');
      expect(turn).toMatchObject({ draft: stopReason, answer: 'Frodo and', generatedId: null });
      expect(memory().size + generated().size).toBe(0);
      await expect(turn.rate('up')).rejects.toMatchObject({ code: 'unsupported' });
    },
  );

  it('answers by words, and says so, while no model is ready', async () => {
    const { loop, embedder, memory } = await bench();
    embedder.ready = false;
    const turn = await loop.ask('Who drank ale?');
    expect(turn.retrieval).toBe('lexical');
    expect(turn.hits[0]).toMatchObject({ id: 'r1', parts: { similarity: 0 } });
    expect(turn.generatedId).toBeNull();
    expect(embedder.seen).toEqual([]);
    expect(memory().get(turn.id).space).toBe('');
  });

  it('stores nothing when it is aborted while the answer streams', async () => {
    const { make, memory, store } = await bench();
    const abort = new AbortController();
    const slow: Generator = {
      name: 'slow',
      extractive: false,
      generate: (_, options) =>
        new Promise((_, reject) => {
          options?.onToken?.('Half');
          options?.signal?.addEventListener('abort', () =>
            reject(new WhorlError('aborted', 'Stopped.')),
          );
        }),
    };
    const running = make({ generator: slow }).ask('Ale?', {
      signal: abort.signal,
      onToken: () => abort.abort(),
    });
    await expect(running).rejects.toMatchObject({ code: 'aborted' });
    expect(memory().size).toBe(0);
    expect(store.calls.some((call) => /^(upsert|insert|createCollection)/.test(call))).toBe(false);
  });

  it('stores nothing when the generator ignores the abort and answers all the same', async () => {
    const { make, memory } = await bench();
    const abort = new AbortController();
    const deaf: Generator = {
      name: 'deaf',
      extractive: false,
      generate: async () => {
        abort.abort();
        return {
          text: 'Frodo. [1]',
          model: 'deaf',
          stopReason: 'end_turn',
          usage: { inputTokens: 1, outputTokens: 1 },
        };
      },
    };
    await expect(
      make({ generator: deaf }).ask('Ale?', { signal: abort.signal }),
    ).rejects.toMatchObject({ code: 'aborted' });
    expect(memory().size).toBe(0);
  });

  it('passes on what fails, keeps nothing, and works the next time', async () => {
    const { loop, store, memory } = await bench();
    store.failNext('candidates taverns', milvusError(101, 'not loaded'));
    await expect(loop.ask('Ale?')).rejects.toMatchObject({ milvusCode: 101 });
    store.failNext('upsert taverns__memory', new WhorlError('not_leader', 'Another tab writes.'));
    await expect(loop.ask('Ale?')).rejects.toMatchObject({ code: 'not_leader' });
    expect(memory().size).toBe(0);
    expect((await loop.ask('Ale?')).hits.length).toBeGreaterThan(0);
  });

  it('says that another generator answered', async () => {
    const { make } = await bench();
    const instead = { code: 'no_key', message: 'No key.' };
    const generator = scripted(() => ({ text: 'From your records: x', extractive: true, instead }));
    const turn = await make({ generator }).ask('Ale?');
    expect(turn).toMatchObject({
      extractive: true,
      model: 'scripted-1',
      generator: 'scripted',
      usage: { inputTokens: 10, outputTokens: 5 },
      instead,
    });
    const { turns } = { turns: await make().turns() };
    expect(turns[0]).toMatchObject({ instead, usage: turn.usage });
  });

  it('takes the budget, the limit and another generator', async () => {
    const { make } = await bench();
    const generator = scripted(() => 'I do not know.');
    const turn = await make({ tokenBudget: 64 }).ask('Where is beer?', { limit: 2, generator });
    expect(turn.hits).toHaveLength(2);
    expect(turn.generator).toBe('scripted');
    expect(turn.verdict.refusal).toBe(true);
  });

  it.each([
    ['an empty question', (loop: Loop) => loop.ask('  '), 'invalid_option'],
    ['a long question', (loop: Loop) => loop.ask('x'.repeat(4001)), 'too_large'],
    ['limit 0', (loop: Loop) => loop.ask('Ale?', { limit: 0 }), 'invalid_option'],
    ['limit 51', (loop: Loop) => loop.search('Ale?', { limit: 51 }), 'invalid_option'],
    ['an unknown option', (loop: Loop) => loop.ask('Ale?', { topK: 3 } as never), 'invalid_option'],
  ])('refuses %s', async (_, call, code) => {
    const { loop } = await bench();
    await expect(call(loop)).rejects.toMatchObject({ code });
  });

  it('refuses options and fields that do not exist, by name', async () => {
    const { parts, options, make } = await bench();
    const bad = (more: object) => () => createLoop(parts, { ...options, ...more } as never);
    expect(bad({ model: 'x' })).toThrow(/"model"/);
    expect(bad({ tokenBudget: 9 })).toThrow(/"tokenBudget"/);
    expect(bad({ generator: {} })).toThrow(/"generator"/);
    expect(bad({ lexicalFields: 'name' })).toThrow(/"lexicalFields" must be an array/);
    await expect(make({ textField: 'body' }).ask('Ale?')).rejects.toThrow(
      /no VarChar field "body"/,
    );
    await expect(make({ annsField: 'v' }).ask('Ale?')).rejects.toThrow(/no vector field "v"/);
    await expect(make({ collectionName: 'nope' }).ask('Ale?')).rejects.toMatchObject({
      milvusCode: 100,
    });
  });

  it("refuses a sibling that is somebody else's", async () => {
    const { store, loop } = await bench();
    await store.createCollection({
      collectionName: 'taverns__memory',
      schema: { fields: [{ fieldName: 'id', dataType: 'VarChar', isPrimary: true }] },
    });
    await expect(loop.ask('Ale?')).rejects.toMatchObject({ code: 'unsupported' });
  });

  it('ends its calls when it is closed', async () => {
    const { make } = await bench();
    const never: Generator = {
      name: 'never',
      extractive: false,
      generate: (_, options) =>
        new Promise((_, reject) => {
          options?.signal?.addEventListener('abort', () => reject(options.signal?.reason));
        }),
    };
    const loop = make({ generator: never });
    const running = loop.ask('Ale?', { onHits: () => queueMicrotask(() => loop.close()) });
    await expect(running).rejects.toMatchObject({ code: 'closed' });
    await expect(loop.turns()).rejects.toMatchObject({ code: 'closed' });
  });
});

type Loop = Awaited<ReturnType<typeof bench>>['loop'];

describe('feedback', () => {
  const asked = 'Where is the best beer poured?';
  const reworded = 'Where is the best good beer poured?';

  it('moves a reworded question, and says by how much and why', async () => {
    const { loop, make } = await bench();
    const before = await loop.search(reworded);
    const turn = await loop.ask(asked);
    const liked = turn.hits.at(-1)!;
    await turn.rateHit(liked.id, 'up');
    expect(turn.hitVotes).toEqual({ [liked.id]: 'up' });
    const after = await make().search(reworded);
    const rank = (hits: readonly Hit[]) => ids(hits).indexOf(liked.id);
    expect(rank(after)).toBeGreaterThanOrEqual(0);
    expect(rank(before) === -1 ? 5 : rank(before)).toBeGreaterThan(rank(after));
    const hit = after.find(({ id }) => id === liked.id)!;
    expect(hit.parts.learnt).toBeGreaterThan(0.05);
    expect(hit.why).toMatchObject({ question: asked, turnId: turn.id, liked: true });
    expect(hit.why!.places).toBeGreaterThan(0);
    expect(hit.why!.similarity).toBeGreaterThan(0.6);
    const unrelated = await loop.search('Old Ham Gamgee stories');
    expect(unrelated.every(({ why, parts }) => why === null && parts.learnt === 0)).toBe(true);
  });

  it('takes a vote back, to the very scores of before', async () => {
    const { loop } = await bench();
    const turn = await loop.ask(asked);
    const before = await loop.search(reworded);
    await turn.rate('up');
    expect(await loop.search(reworded)).not.toEqual(before);
    await turn.rate(null);
    expect(turn.vote).toBeNull();
    expect(await loop.search(reworded)).toEqual(before);
  });

  it('keeps event, feedback and calibration in one upsert', async () => {
    const { loop, store, memory } = await bench();
    const first = await loop.ask(asked);
    await first.rate('up');
    const second = await loop.ask(asked);
    store.calls.length = 0;
    await second.rate('down');
    expect(store.calls.filter((call) => call.startsWith('upsert'))).toEqual([
      'upsert taverns__memory',
    ]);
    expect(memory().get('calibration')).toBeDefined();
    const events = [...memory().values()].filter(({ kind }) => kind === 'event');
    expect(events).toHaveLength(2);
    expect(memory().get(second.id)).toMatchObject({ rated: true, kind: 'turn' });
    const { a, b } = JSON.parse(memory().get('calibration').body0);
    expect(a).toBeLessThan(0);
    expect(b).toBeGreaterThan(0);
  });

  it('changes nothing when that upsert fails, and can be said again', async () => {
    const { loop, store, memory } = await bench();
    const turn = await loop.ask(asked);
    const stored = structuredClone([...memory()]);
    store.failNext('upsert taverns__memory', new WhorlError('storage_full', 'Full.'));
    await expect(turn.rate('up')).rejects.toMatchObject({ code: 'storage_full' });
    expect(turn.vote).toBeNull();
    expect([...memory()]).toEqual(stored);
    await turn.rate('up');
    expect(turn.vote).toBe('up');
  });

  it('loses no rating when several are given at once', async () => {
    const { loop, make } = await bench();
    const turn = await loop.ask(asked);
    await Promise.all([
      ...turn.hits.map(({ id }, i) => turn.rateHit(id, i % 2 ? 'up' : 'down')),
      turn.rate('down'),
      turn.openHit(turn.hits[1]!.id),
    ]);
    const [restored] = await make().turns();
    expect(restored?.vote).toBe('down');
    expect(Object.keys(restored!.hitVotes).sort()).toEqual(ids(turn.hits).sort());
  });

  it('restores turns that can still be rated', async () => {
    const { loop, make } = await bench();
    const one = await loop.ask(asked);
    const two = await loop.ask('Who waited in Bree?');
    await one.rate('up');
    const again = make();
    const turns = await again.turns();
    expect(turns.map(({ id }) => id)).toEqual([one.id, two.id]);
    expect(turns[0]?.vote).toBe('up');
    const plain = (turn: object) => {
      const { timings: _, ...rest } = JSON.parse(JSON.stringify(turn));
      return rest;
    };
    expect(plain(turns[0]!)).toEqual(plain(one));
    await turns[1]!.rateHit(turns[1]!.hits[0]!.id, 'down');
    expect((await make().turns())[1]?.hitVotes).toEqual({ [two.hits[0]!.id]: 'down' });
    expect(await again.summary()).toEqual({
      turns: 2,
      rated: 2,
      admitted: 2,
      quarantined: 0,
      lambda: 1,
      broken: 0,
    });
  });

  it('refuses a record that was not shown, and a turn that is gone', async () => {
    const { loop, store } = await bench();
    const turn = await loop.ask(asked, { limit: 1 });
    await expect(turn.rateHit('r5', 'up')).rejects.toMatchObject({ code: 'invalid_option' });
    await expect(turn.rate('good' as never)).rejects.toMatchObject({ code: 'invalid_option' });
    await expect(turn.rate('up', { at: 1 } as never)).rejects.toMatchObject({
      code: 'invalid_option',
    });
    await expect(turn.rate('up', { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'aborted',
    });
    await store.delete({ collectionName: 'taverns__memory', filter: 'kind == "turn"' });
    await expect(turn.rate('up')).rejects.toMatchObject({ code: 'invalid_request' });
  });

  it('learns from a turn that had no vector once a model is there to rate it', async () => {
    const { loop, embedder, memory } = await bench();
    embedder.ready = false;
    const turn = await loop.ask(asked);
    await turn.openHit(turn.hits[0]!.id);
    expect(memory().get(turn.id)).toMatchObject({ rated: true, space: '' });
    embedder.ready = true;
    expect((await loop.search(reworded)).every(({ why }) => why === null)).toBe(true);
    await turn.rateHit(turn.hits[1]!.id, 'up');
    expect(memory().get(turn.id)).toMatchObject({ rated: true, space: 'words-1' });
    const hits = await loop.search(reworded);
    expect(hits.find(({ id }) => id === turn.hits[1]!.id)?.why).toMatchObject({ turnId: turn.id });
  });

  it('does not compare questions of another vector space', async () => {
    const { loop, parts, options } = await bench();
    const turn = await loop.ask(asked);
    await turn.rate('up');
    const { embedder } = parts;
    const other = createLoop(
      {
        ...parts,
        embedder: {
          ready: true,
          embed: async (texts, how) => ({
            ...(await embedder.embed(texts, how)),
            fingerprint: 'other',
          }),
        },
      },
      options,
    );
    expect((await other.search(asked)).every(({ why }) => why === null)).toBe(true);
    expect((await loop.search(asked)).some(({ why }) => why !== null)).toBe(true);
  });

  it('leaves out and counts rows that cannot be read', async () => {
    const { loop, memory } = await bench();
    const good = await loop.ask(asked);
    const bad = await loop.ask('Who waited in Bree?');
    await bad.rate('up');
    memory().get(bad.id).body0 = '{"question":';
    memory().get(bad.id).feedback = '{"shown":[{"id":"r0","rank":0,"u":9}]}';
    expect((await loop.turns()).map(({ id }) => id)).toEqual([good.id]);
    expect(await loop.summary()).toMatchObject({ turns: 1, broken: 1 });
    expect((await loop.search('Who waited in Bree?')).every(({ why }) => why === null)).toBe(true);
    memory().get('calibration') && memory().delete('calibration');
  });

  it('does not guess a broken calibration', async () => {
    const { loop, memory } = await bench();
    const turn = await loop.ask(asked);
    await turn.rate('up');
    await (await loop.ask(asked)).rate('up');
    memory().get('calibration').body0 = '{"a":"x"}';
    await expect(loop.search(asked)).rejects.toMatchObject({ code: 'storage_lost' });
  });

  it('makes its siblings anew when they were dropped', async () => {
    const { loop, store } = await bench();
    const turn = await loop.ask(asked);
    await turn.rate('up');
    store.collections.delete('taverns__memory');
    store.collections.delete('taverns__generated');
    expect((await loop.search(asked)).every(({ why }) => why === null)).toBe(true);
    expect(await loop.turns()).toEqual([]);
    const again = await loop.ask(asked);
    expect((await loop.turns()).map(({ id }) => id)).toEqual([again.id]);
  });

  it('keeps the order of turns when the clock is set back', async () => {
    const { loop, time } = await bench();
    const one = await loop.ask('Ale one?');
    time.wall -= 86_400_000;
    const two = await loop.ask('Ale two?');
    expect((await loop.turns()).map(({ id }) => id)).toEqual([one.id, two.id]);
  });
});
