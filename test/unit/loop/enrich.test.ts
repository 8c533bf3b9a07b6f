import { describe, expect, it } from 'vitest';
import { extractive } from '../../../src/loop/generate/extractive.ts';
import { fallback } from '../../../src/loop/generate/fallback.ts';
import { fieldsOf, render } from '../../../src/loop/template.ts';
import type { EnrichProgress, Generator } from '../../../src/loop/types.ts';
import { milvusError, WhorlError } from '../../../src/shared/errors.ts';
import { fakeLoopStore } from '../../fakes/loop-store.ts';
import { bench, scripted } from './loop-bench.ts';

const ROWS = [
  { name: 'Bag End Arms', location: 'Hobbiton' },
  { name: 'Three Farthing Stone', location: 'Waymeet' },
  { name: 'The Bridge Inn', location: 'Brandywine' },
];
const TEMPLATE = 'Describe the tavern {name} in {location}.';
const FLAVOURS = [
  'oak beams and pipe smoke',
  'river fish and singing boatmen',
  'mushrooms and old maps',
];

/** What a good generator says for a rendered template. */
function describeTavern(prompt: string, call = 0): string {
  const [, name, location] = /tavern (.+) in (.+)\.$/.exec(prompt) ?? [];
  return `${name} stands in ${location}, known for ${FLAVOURS[call % 3]}.`;
}

async function withAutoIds() {
  const base = await bench();
  const store = fakeLoopStore();
  await store.createCollection({
    collectionName: 'taverns10',
    schema: {
      autoID: true,
      fields: [
        { fieldName: 'id', dataType: 'Int64', isPrimary: true },
        ...['name', 'location', 'description'].map((fieldName) => ({
          fieldName,
          dataType: 'VarChar' as const,
          elementTypeParams: { max_length: 2000 },
        })),
        { fieldName: 'vector', dataType: 'FloatVector', elementTypeParams: { dim: 128 } },
      ],
    },
    indexParams: [{ fieldName: 'vector' }],
  });
  const parts = { ...base.parts, store };
  const { createLoop } = await import('../../../src/loop/loop.ts');
  const loop = (generator: Generator) =>
    createLoop(parts, { collectionName: 'taverns10', textField: 'description', generator });
  const rows = () => [...store.collections.get('taverns10')!.rows.values()];
  const memory = () => store.collections.get('taverns10__memory')!.rows;
  return { store, loop, rows, memory, embedder: base.embedder };
}

const options = { rows: ROWS, template: TEMPLATE, into: 'description' };

describe('enrich', () => {
  it('renders, generates, gates, embeds and inserts each record', async () => {
    const { loop, rows, memory } = await withAutoIds();
    const generator = scripted(describeTavern);
    const seen: EnrichProgress[] = [];
    const result = await loop(generator).enrich({
      ...options,
      concurrency: 1,
      onProgress: (progress) => seen.push(progress),
    });
    expect(generator.prompts).toEqual(
      ROWS.map(({ name, location }) => `Describe the tavern ${name} in ${location}.`),
    );
    expect(rows().map((row) => row.description)).toEqual(
      ROWS.map(
        ({ name, location }, i) => `${name} stands in ${location}, known for ${FLAVOURS[i]}.`,
      ),
    );
    expect(result).toMatchObject({
      done: 3,
      total: 3,
      generated: 3,
      skipped: 0,
      failed: 0,
      stopped: null,
      usage: { inputTokens: 30, outputTokens: 15 },
    });
    expect(result.records.map(({ state, id }) => [state, id])).toEqual([
      ['inserted', '1'],
      ['inserted', '2'],
      ['inserted', '3'],
    ]);
    expect(seen.map(({ done }) => done)).toEqual([1, 2, 3]);
    const provenance = JSON.parse(
      memory().get(`enrich:${result.records[0]!.key}`)!.body0 as string,
    );
    expect(provenance).toMatchObject({ model: 'scripted-1', reason: null });
    expect(provenance.promptHash).toMatch(/^[0-9a-f]{64}$/);
  });

  it('calls the generator zero times in a second run', async () => {
    const { loop, rows } = await withAutoIds();
    await loop(scripted(describeTavern)).enrich(options);
    const second = scripted(describeTavern);
    const result = await loop(second).enrich(options);
    expect(second.prompts).toEqual([]);
    expect(result).toMatchObject({ generated: 0, skipped: 3, done: 3, failed: 0 });
    expect(result.records.every(({ state }) => state === 'inserted')).toBe(true);
    expect(rows()).toHaveLength(3);
  });

  it('shows an enriched field as generated and never quotes it', async () => {
    const { loop } = await withAutoIds();
    const made = loop(scripted(describeTavern));
    await made.enrich(options);
    const turn = await made.ask('Who has river fish?', { generator: extractive() });
    const fish = turn.hits.find(({ text }) => text.includes('river fish'))!;
    expect(fish.rank).toBe(1);
    expect(fish.generatedFields).toEqual(['description']);
    expect(JSON.stringify(turn.prompt)).not.toContain('known for');
    expect(turn.answer).not.toContain('known for');
  });

  it.each([
    [
      'does not mention the place',
      (prompt: string) => describeTavern(prompt).replace(/ in .*?,/, ','),
      /location/,
    ],
    [
      'denies the place',
      (prompt: string) => describeTavern(prompt).replace('stands in', 'is not in'),
      /denies/,
    ],
    ['is a few characters', () => 'No.', /few characters/],
  ])('quarantines a text that %s, and does not ask again', async (_, say, reason) => {
    const { loop, rows } = await withAutoIds();
    const one = { ...options, rows: ROWS.slice(0, 1) };
    const result = await loop(scripted(say)).enrich(one);
    expect(result.records[0]).toMatchObject({ state: 'quarantined', id: null });
    expect(result.records[0]?.reason).toMatch(reason);
    expect(rows()).toEqual([]);
    const second = scripted(say);
    expect(await loop(second).enrich(one)).toMatchObject({ skipped: 1, generated: 0 });
    expect(second.prompts).toEqual([]);
  });

  it("quarantines a repeat of another record's text, also between two at a time", async () => {
    const { loop, rows } = await withAutoIds();
    const both =
      'Bag End Arms, Three Farthing Stone and The Bridge Inn are in Hobbiton, Waymeet and Brandywine.';
    const result = await loop(scripted(() => both)).enrich({ ...options, concurrency: 3 });
    expect(result.records.map(({ state }) => state).sort()).toEqual([
      'inserted',
      'quarantined',
      'quarantined',
    ]);
    expect(rows()).toHaveLength(1);
  });

  it.each(['failNext', 'failAfter'] as const)(
    'survives a crash at every write (%s) without generating or inserting twice',
    async (when) => {
      for (let fault = 1; ; fault++) {
        const { loop, store, rows } = await withAutoIds();
        const paid: string[] = [];
        const generator = scripted((prompt) => {
          paid.push(prompt);
          return describeTavern(
            prompt,
            ROWS.findIndex(({ name }) => prompt.includes(name)),
          );
        });
        let writes = 0;
        const crash = new WhorlError('worker_lost', 'Crashed.');
        for (const what of ['upsert', 'insert'] as const) {
          const real = store[what].bind(store);
          store[what] = (async (body: never, how: never) => {
            writes += 1;
            if (writes === fault && when === 'failNext') throw crash;
            const answer = await real(body, how);
            if (writes === fault && when === 'failAfter') throw crash;
            return answer;
          }) as never;
        }
        const first = await loop(generator)
          .enrich({ ...options, concurrency: 1 })
          .catch((error) => error);
        if (!(first instanceof WhorlError)) {
          expect(writes).toBeLessThan(fault);
          expect(fault).toBeGreaterThan(9);
          return;
        }
        const second = await loop(generator).enrich({ ...options, concurrency: 1 });
        expect(second.records.every(({ state }) => state === 'inserted')).toBe(true);
        expect(
          rows()
            .map(({ name }) => name)
            .sort(),
        ).toEqual(ROWS.map(({ name }) => name).sort());
        // Only a crash before the text was kept costs a second generation.
        const lost = when === 'failNext' && (fault - 1) % 3 === 0 ? 1 : 0;
        expect(paid).toHaveLength(3 + lost);
      }
    },
  );

  it('keeps what was paid for when it is cancelled, and goes on later', async () => {
    const { loop, rows } = await withAutoIds();
    const abort = new AbortController();
    const result = await loop(
      scripted((prompt, call) => {
        if (call === 1) abort.abort();
        return describeTavern(prompt, call);
      }),
    ).enrich({ ...options, concurrency: 1, signal: abort.signal });
    expect(result).toMatchObject({ stopped: 'aborted', done: 1 });
    expect(result.records.map(({ state }) => state)).toEqual(['inserted', 'pending', 'pending']);
    const rest = await loop(scripted((prompt, call) => describeTavern(prompt, call + 1))).enrich(
      options,
    );
    expect(rest).toMatchObject({ skipped: 1, generated: 2, stopped: null });
    expect(rows()).toHaveLength(3);
  });

  it('starts nothing once the token budget is spent', async () => {
    const { loop } = await withAutoIds();
    const generator = scripted(describeTavern);
    const result = await loop(generator).enrich({ ...options, concurrency: 1, tokenBudget: 16 });
    expect(result).toMatchObject({ stopped: 'token_budget', generated: 2 });
    expect(result.records[2]).toMatchObject({ state: 'pending' });
    const none = scripted(describeTavern);
    expect(await loop(none).enrich({ ...options, tokenBudget: 0 })).toMatchObject({ generated: 0 });
    expect(none.prompts).toEqual([]);
  });

  it('keeps errors to their records and tries those again', async () => {
    const { loop } = await withAutoIds();
    const failing = scripted((prompt, call) => {
      if (prompt.includes('Farthing')) throw new WhorlError('too_large', 'Too large.');
      return describeTavern(prompt, call);
    });
    const result = await loop(failing).enrich({ ...options, concurrency: 1 });
    expect(result.records.map(({ state }) => state)).toEqual(['inserted', 'failed', 'inserted']);
    expect(result).toMatchObject({ failed: 1, stopped: null });
    expect(result.records[1]?.reason).toBe('Too large.');
    const cut = scripted(() => ({ text: 'Three Farthing', stopReason: 'max_tokens' }));
    const again = await loop(cut).enrich(options);
    expect(again.records[1]?.reason).toMatch(/max_tokens/);
    expect(cut.prompts).toHaveLength(1);
  });

  it('keeps a record that its field does not take, and inserts it later without generating', async () => {
    const { loop, store, rows } = await withAutoIds();
    store.failNext('insert taverns10', milvusError(1804, 'the text is too long'));
    const one = { ...options, rows: ROWS.slice(0, 1) };
    const result = await loop(scripted(describeTavern)).enrich(one);
    expect(result.records[0]).toMatchObject({ state: 'failed', reason: 'the text is too long' });
    const second = scripted(describeTavern);
    expect((await loop(second).enrich(one)).records[0]).toMatchObject({ state: 'inserted' });
    expect(second.prompts).toEqual([]);
    expect(rows()).toHaveLength(1);
  });

  it('stops when the generator fails again and again, and goes on later', async () => {
    const { loop } = await withAutoIds();
    const rows = Array.from({ length: 40 }, (_, i) => ({ name: `Oak ${i}`, location: 'Bree' }));
    let down = true;
    const weak = scripted((prompt, call) => {
      if (down && call > 1) throw new WhorlError('overloaded', 'Busy.', { retryable: true });
      return `${describeTavern(prompt, call)} ${'qxzjkvwp'.charAt(call % 8).repeat(call + 3)}`;
    });
    const result = await loop(weak).enrich({ ...options, rows, concurrency: 2 });
    expect(result).toMatchObject({ stopped: 'generator', generated: 2 });
    expect(weak.prompts.length).toBeLessThanOrEqual(2 + 5 + 1);
    expect(result.records.at(-1)).toMatchObject({ state: 'pending', reason: 'Busy.' });
    down = false;
    const before = weak.prompts.length;
    expect((await loop(weak).enrich({ ...options, rows })).stopped).toBeNull();
    expect(weak.prompts.length - before).toBe(38);
  });

  it('stops when no call can succeed, and says why', async () => {
    const { loop } = await withAutoIds();
    const keyless = scripted(() => {
      throw new WhorlError('no_key', 'The proxy has no key.');
    });
    const result = await loop(keyless).enrich({ ...options, concurrency: 1 });
    expect(result).toMatchObject({ stopped: 'generator', done: 0 });
    expect(result.records[2]).toMatchObject({ state: 'pending', reason: 'The proxy has no key.' });
    expect(keyless.prompts).toHaveLength(1);
  });

  it('never takes quoted sentences for a written text', async () => {
    const { loop, rows } = await withAutoIds();
    await expect(loop(extractive()).enrich(options)).rejects.toMatchObject({
      code: 'invalid_option',
    });
    const keyless = scripted(() => {
      throw new WhorlError('no_key', 'No key.');
    });
    const result = await loop(fallback(keyless, extractive())).enrich({
      ...options,
      concurrency: 1,
    });
    expect(result).toMatchObject({ stopped: 'generator', generated: 0, done: 0 });
    expect(result.records[0]).toMatchObject({ state: 'pending', reason: 'No key.' });
    expect(rows()).toEqual([]);
  });

  it('does equal records once, and runs so many at a time', async () => {
    const { loop, rows } = await withAutoIds();
    let running = 0;
    let most = 0;
    const generator = scripted(async (prompt, call) => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setTimeout(resolve, 5));
      running -= 1;
      return describeTavern(prompt, call);
    });
    const twice = [...ROWS, ROWS[0]!];
    const result = await loop(generator).enrich({ ...options, rows: twice, concurrency: 2 });
    expect(most).toBe(2);
    expect(generator.prompts).toHaveLength(3);
    expect(rows()).toHaveLength(3);
    expect(result.records).toHaveLength(4);
    expect(result.records[3]).toEqual(result.records[0]);
  });

  it('upserts records that carry their key', async () => {
    const { make, store } = await bench();
    const generator = scripted(describeTavern);
    const rows = ROWS.map((row, i) => ({ ...row, id: `own-${i}` }));
    const result = await make({ generator }).enrich({ ...options, rows, concurrency: 1 });
    expect(result.records.map(({ id }) => id)).toEqual(['own-0', 'own-1', 'own-2']);
    expect(store.calls).toContain('upsert taverns');
    expect(store.calls).not.toContain('insert taverns');
  });

  it('inserts what is no longer in the collection, without generating again', async () => {
    const { loop, store, rows } = await withAutoIds();
    const generator = scripted(describeTavern);
    const first = await loop(generator).enrich({ ...options, concurrency: 1 });
    const gone = first.records[1]!.id!;
    store.collections.get('taverns10')!.rows.delete(gone);
    const one = await loop(generator).enrich(options);
    expect(one).toMatchObject({ generated: 0, skipped: 2, done: 3 });
    expect(rows().map(({ name }) => name)).toContain(ROWS[1]!.name);
    // The article's program drops the collection and starts anew.
    store.collections.get('taverns10')!.rows.clear();
    const all = await loop(generator).enrich(options);
    expect(all).toMatchObject({ generated: 0, skipped: 0, done: 3 });
    expect(rows()).toHaveLength(3);
    expect(generator.prompts).toHaveLength(3);
  });

  it('runs again over a collection that is not loaded', async () => {
    const { loop, store } = await withAutoIds();
    const generator = scripted(describeTavern);
    await loop(generator).enrich(options);
    store.collections.get('taverns10')!.loaded = false;
    expect(await loop(generator).enrich(options)).toMatchObject({ generated: 0, skipped: 3 });
  });

  it('takes no text for a repeat of one that is gone', async () => {
    const { loop, store } = await withAutoIds();
    const generator = scripted((prompt) => describeTavern(prompt));
    const one = { ...options, rows: ROWS.slice(0, 1) };
    await loop(generator).enrich(one);
    store.collections.get('taverns10')!.rows.clear();
    const result = await loop(generator).enrich({ ...one, template: `Anew: ${TEMPLATE}` });
    expect(result.records[0]).toMatchObject({ state: 'inserted', reason: null });
  });

  it('refuses a generated key before anything is generated', async () => {
    const { loop } = await withAutoIds();
    const generator = scripted(describeTavern);
    const rows = [{ id: '1', ...ROWS[0]! }];
    await expect(loop(generator).enrich({ ...options, rows })).rejects.toThrow(/"id".*generated/);
    expect(generator.prompts).toEqual([]);
  });

  it.each([
    [{ rows: [null] }, /record 0/],
    [{ mention: 'name' }, /"mention"/],
    [{ template: 'Nothing to fill' }, /names no field/],
    [{ template: '{founder}' }, /"founder"/],
    [{ mention: ['visitor'] }, /"visitor"/],
    [{ into: 'summary' }, /"summary"/],
    [{ concurrency: 0 }, /"concurrency"/],
    [{ tokenBudget: -1 }, /"tokenBudget"/],
    [{ rows: 7 }, /"rows"/],
    [{ parallel: 3 }, /"parallel"/],
  ])('refuses %j by name, before anything is generated', async (more, message) => {
    const { loop } = await withAutoIds();
    const generator = scripted(describeTavern);
    await expect(loop(generator).enrich({ ...options, ...more } as never)).rejects.toThrow(message);
    expect(generator.prompts).toEqual([]);
  });
});

describe('template', () => {
  it('fills places and keeps doubled braces', () => {
    expect(render('{name} {{not}} {a} {', { name: 'x', a: 3 })).toBe('x {not} 3 {');
    expect(fieldsOf('{name} {{not}} {name} {a_b}')).toEqual(['name', 'a_b']);
  });
});
