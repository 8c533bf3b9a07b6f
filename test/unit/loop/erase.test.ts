/** Erasing records with all that was made of them, over the real core. */
import { beforeEach, describe, expect, test } from 'vitest';
import { type EraseRequest, erase } from '../../../src/loop/erase.ts';
import { extractive } from '../../../src/loop/generate/extractive.ts';
import { createLoop } from '../../../src/loop/loop.ts';
import type { Generator, LoopStore } from '../../../src/loop/types.ts';
import { createMilvusClient } from '../../../src/milvus/client.ts';
import { textCollection } from '../../../src/milvus/text-collection.ts';
import { WhorlError } from '../../../src/shared/errors.ts';
import { IndexCore } from '../../../workers/index/core.ts';
import { MemoryDisk, MemoryStorage } from '../../../workers/index/storage/memory-storage.ts';
import { STORE_NAMES } from '../../../workers/index/storage/storage.ts';
import { wordEmbedder } from '../../fakes/word-embedder.ts';
import { scripted, TAVERNS } from './loop-bench.ts';

const collectionName = 'taverns';
const SECRET = 'the cellar door opens with the word Celebrimbor';

async function bench() {
  const disk = new MemoryDisk();
  const embedder = wordEmbedder();
  const core = await IndexCore.open({
    name: 'erase',
    openStorage: async () => new MemoryStorage(disk),
    lock: null,
    clock: { now: () => Date.now(), monotonic: () => performance.now() },
    embedder: { embed: (request) => embedder.embed(request.texts) },
    pause: () => new Promise((resolve) => setTimeout(resolve, 0)),
  });
  const failing = new Map<string, unknown>();
  const client = createMilvusClient((endpoint, body, options) => {
    const what = `${endpoint} ${(body as { collectionName?: string }).collectionName}`;
    const error = failing.get(what);
    failing.delete(what);
    if (error !== undefined) throw error;
    return core.milvus(endpoint, body, options);
  });
  const store: LoopStore = {
    ...client,
    candidates: (...given: Parameters<LoopStore['candidates']>) => core.candidates(...given),
  };
  const fields = { textField: 'description', fields: ['name', 'location'], dimension: 128 };
  await client.createCollection(textCollection(collectionName, fields));
  const data = TAVERNS.map(([name, location, description]) => ({ name, location, description }));
  const secret = {
    name: 'The Secret Cellar',
    location: 'Eregion',
    description: `In Eregion ${SECRET}.`,
  };
  const { insertIds } = await client.insert({ collectionName, data: [...data, secret] });
  const make = (generator: Generator = extractive()) =>
    createLoop({ store, embedder }, { collectionName, textField: 'description', generator });
  const run = (request: Omit<EraseRequest, 'collectionName'>) =>
    erase(
      { collectionName, ...request },
      {
        store,
        scrub: async (collectionNames, call) => {
          await core.milvus('whorl/scrub', { collectionNames }, call);
        },
      },
    );
  /** All that lies in the storage, as text; vectors as hexadecimal digits. */
  const stored = async () => {
    const storage = new MemoryStorage(disk);
    const all: unknown[] = [];
    for (const name of STORE_NAMES)
      all.push(await storage.read([name], (tx) => tx.scan(name, null)));
    return JSON.stringify(all, (_, value: unknown) => {
      if (typeof value === 'bigint') return String(value);
      if (value instanceof ArrayBuffer) return Buffer.from(value).toString('hex');
      if (ArrayBuffer.isView(value)) {
        return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex');
      }
      return value;
    });
  };
  const vectorOf = async (text: string) => {
    const { vectors } = await embedder.embed([text]);
    return Buffer.from(vectors.buffer).toString('hex');
  };
  const id = insertIds.at(-1) ?? '';
  return { core, client, store, make, run, stored, vectorOf, id, secret, failing };
}

type Bench = Awaited<ReturnType<typeof bench>>;
let b: Bench;
beforeEach(async () => {
  b = await bench();
  return () => b.core.close();
});

/** A turn that shows the secret and is rated, one that does not, and the secret enriched. */
async function used({ make, id }: Bench) {
  const turn = await make().ask('Which word opens the cellar door in Eregion?', { limit: 3 });
  expect(turn.hits.map((hit) => hit.id)).toContain(id);
  expect(turn.generatedId).not.toBeNull();
  await turn.rateHit(id, 'up');
  const other = await make().ask('Where is the best beer poured?', { limit: 1 });
  expect(other.hits.map((hit) => hit.id)).not.toContain(id);
  return { turn, other };
}

/** Those of the traces that are in what is stored. */
const found = (stored: string, traces: readonly string[]) =>
  traces.filter((trace) => stored.includes(trace));

describe('erase', () => {
  test.each(['ids', 'filter'] as const)(
    'by %s: record, vector, answers, turns and votes are gone; the rest stays',
    async (by) => {
      const { turn, other } = await used(b);
      const vector = await b.vectorOf(b.secret.description);
      const before = await b.stored();
      const traces = [SECRET, vector, turn.id];
      expect(found(before, traces)).toEqual(traces);
      const which = by === 'ids' ? { ids: [b.id] } : { filter: 'location == "Eregion"' };
      expect(await b.run(which)).toEqual({ records: 1, answers: 1, turns: 1, enrichments: 0 });
      const after = await b.stored();
      expect(found(after, traces)).toEqual([]);
      expect((await b.make().turns()).map(({ id }) => id)).toEqual([other.id]);
      expect(await b.make().summary()).toMatchObject({ turns: 1, broken: 0 });
      const hits = await b.make().search('Which word opens the cellar door?');
      expect(hits.map(({ id }) => id)).not.toContain(b.id);
    },
  );

  test('without descendants only the record goes, and its vector', async () => {
    const { turn } = await used(b);
    const result = await b.run({ ids: [b.id], descendants: false });
    expect(result).toEqual({ records: 1, answers: 0, turns: 0, enrichments: 0 });
    expect(found(await b.stored(), [await b.vectorOf(b.secret.description)])).toEqual([]);
    expect((await b.make().turns()).map(({ id }) => id)).toContain(turn.id);
  });

  test('texts that enrichment wrote for the record go, also those that were refused', async () => {
    const written = scripted((prompt) =>
      prompt.includes('Cellar')
        ? 'The Secret Cellar of Eregion is deep, and quiet at night.'
        : 'The Golden Perch is known for its beer.',
    );
    const { name, location } = b.secret;
    const template = 'Describe {name} in {location}';
    const rows = [
      { name, location, description: 'x' },
      { name: 'Nameless', location: 'nowhere at all', description: 'y' },
    ];
    const { records } = await b.make(written).enrich({ rows, template, into: 'description' });
    expect(records.map(({ state }) => state)).toEqual(['inserted', 'quarantined']);
    const inserted = records[0]?.id ?? '';
    const result = await b.run({ filter: `id in [${inserted}]` });
    expect(result).toMatchObject({ records: 1, enrichments: 1 });
    expect(found(await b.stored(), ['deep, and quiet at night'])).toEqual([]);
    const nameless = { name: 'Golden Perch, known', location: 'Stock', description: 'z' };
    const { insertIds } = await b.client.insert({
      collectionName,
      data: [{ ...nameless, name: 'The Golden Perch is known for its beer.' }],
    });
    expect(await b.run({ ids: insertIds })).toMatchObject({ records: 1, enrichments: 1 });
    expect(found(await b.stored(), ['known for its beer'])).toEqual([]);
  });

  test('is safe to repeat: an error says how far it came, and the next call does the rest', async () => {
    const { turn } = await used(b);
    const full = new WhorlError('storage_full', 'No room.', { retryable: true });
    const points = [
      'entities/query taverns',
      'entities/delete taverns__generated',
      'entities/delete taverns__memory',
      'entities/delete taverns',
    ];
    for (const point of points) {
      b.failing.set(point, full);
      await expect(b.run({ ids: [b.id] })).rejects.toMatchObject({
        code: 'storage_full',
        retryable: true,
        message: expect.stringMatching(/Erasing ended while .*Deleted so far: .*Call it again/),
      });
    }
    await b.run({ ids: [b.id] });
    const after = await b.stored();
    expect(found(after, [SECRET, turn.id])).toEqual([]);
    const nothing = { records: 0, answers: 0, turns: 0, enrichments: 0 };
    expect(await b.run({ ids: [b.id] })).toEqual(nothing);
  });

  test('an answer that is being written of the record is not kept', async () => {
    const slow: Generator = {
      ...extractive(),
      generate: async (prompt, options) => {
        await b.run({ ids: [b.id] });
        return extractive().generate(prompt, options);
      },
    };
    const asking = b.make(slow).ask('Which word opens the cellar door in Eregion?', { limit: 3 });
    await expect(asking).rejects.toMatchObject({ code: 'invalid_request', retryable: true });
    expect(found(await b.stored(), [SECRET])).toEqual([]);
    expect(await b.make().turns()).toEqual([]);
  });

  test('a turn that cannot be read goes where it names the record', async () => {
    const { turn, other } = await used(b);
    const name = 'taverns__memory';
    const rows = await b.client.query({ collectionName: name, filter: 'kind == "turn"' });
    await b.client.upsert({
      collectionName: name,
      data: rows.map((row) => ({ ...row, feedback: '{' })),
    });
    expect(await b.make().summary()).toMatchObject({ turns: 0, broken: 2 });
    expect(await b.run({ ids: [b.id] })).toMatchObject({ turns: 1 });
    const left = await b.client.query({ collectionName: name, filter: 'kind == "turn"' });
    expect(left.map(({ id }) => id)).toEqual([other.id]);
    expect(found(await b.stored(), [turn.id])).toEqual([]);
  });

  test.each([
    [{}, 'give "ids" or "filter"'],
    [{ ids: [1], filter: 'id > 1' }, 'not both'],
    [{ ids: [1.5] }, 'primary keys'],
    [{ ids: ['x'] }, 'no Int64'],
    [{ filter: ' ' }, 'expression'],
    [{ ids: [1], descendants: 1 }, 'true or false'],
    [{ ids: [1], force: true }, 'no option "force"'],
  ])('%j is refused', async (request, message) => {
    await expect(b.run(request as never)).rejects.toMatchObject({
      code: 'invalid_option',
      message: expect.stringContaining(message),
    });
  });

  test('an unknown collection, a wrong filter and an aborted signal', async () => {
    const parts = { store: b.store, scrub: async () => {} };
    const unknown = erase({ collectionName: 'none', ids: [1] }, parts);
    await expect(unknown).rejects.toMatchObject({ milvusCode: 100 });
    await expect(b.run({ filter: 'id ==' })).rejects.toMatchObject({ milvusCode: 1100 });
    const aborted = b.run({ ids: [b.id], signal: AbortSignal.abort() });
    await expect(aborted).rejects.toMatchObject({ code: 'aborted' });
    expect(found(await b.stored(), [SECRET])).toHaveLength(1);
  });
});
