/** What is erased is gone: a scanner that finds a record everywhere before finds it nowhere afterwards. */
import { afterEach, expect, test } from 'vitest';
import { createEngine } from '../../src/create-engine.ts';
import type { Engine } from '../../src/engine.ts';
import { extractive } from '../../src/loop/generate/extractive.ts';
import { textCollection } from '../../src/milvus/text-collection.ts';
import { embedWords } from '../fakes/word-embedder.ts';
import { findTraces, type Needles, placesOf, textNeedles, vectorNeedle } from './traces.ts';

const collectionName = 'diary';
const embed = async (texts: readonly string[]) => texts.map((text) => embedWords(text));
const engines: Engine[] = [];

afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.close()));
});

async function start(name: string): Promise<Engine> {
  const engine = await createEngine({ name, embedder: { embed } });
  engines.push(engine);
  return engine;
}

/** Mulberry32: numbers from 0 to before 1. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';

interface Scene {
  readonly engine: Engine;
  readonly name: string;
  readonly id: string;
  readonly needles: Needles;
  readonly random: () => number;
}

/** Other records, and one that was changed once, asked for, quoted, rated. */
async function lived(seed: number): Promise<Scene> {
  const random = seeded(seed);
  // No packing makes it shorter, so that none can hide it.
  const canary = Array.from({ length: 44 }, () => LETTERS[Math.floor(random() * 62)]).join('');
  const before = `The shed key hung behind the ${canary.slice(0, 20)}.`;
  const text = `The shed key lies under the third flower pot, says ${canary}.`;
  const name = `scan-${crypto.randomUUID().slice(0, 8)}`;
  const engine = await start(name);
  await engine.milvus.createCollection(textCollection(collectionName, { dimension: 128 }));
  const others = Math.floor(random() * 300);
  const data = Array.from({ length: others + 1 }, (_, i) => ({
    text: i === Math.floor(others / 2) ? before : `Entry ${i}: it rained, and the bus was late.`,
  }));
  const { insertIds } = await engine.milvus.insert({ collectionName, data });
  const old = insertIds[Math.floor(others / 2)] ?? '';
  const { upsertIds } = await engine.milvus.upsert({ collectionName, data: [{ id: old, text }] });
  const [id = ''] = upsertIds;
  const loop = engine.loop({ collectionName, textField: 'text', generator: extractive() });
  const turn = await loop.ask('Where does the shed key lie?', { limit: 3 });
  expect(turn.answer).toContain(canary);
  await turn.rateHit(id, 'up');
  const needles = new Map([
    ...textNeedles('text', text),
    ...textNeedles('canary', canary),
    ...vectorNeedle('vector', embedWords(text)),
    ...vectorNeedle('old vector', embedWords(before)),
  ]);
  return { engine, name, id, needles, random };
}

test.each([1, 2, 3])(
  'seed %i: nothing of an erased record is left in database, files, caches and exports',
  async (seed) => {
    const { engine, name, id, needles, random } = await lived(seed);
    // The mirror follows in its own time.
    await expect
      .poll(() => findTraces(name, needles, null), { timeout: 10_000 })
      .toContain('file: canary UTF-8');
    const before = await findTraces(name, needles, await engine.export());
    // The scanner sees: rows of records and of turns, vectors, the exported file.
    for (const seen of [
      'database rows: text UTF-8',
      'database rows: canary UTF-16LE',
      'database vectors: vector',
      'file: vector',
      'export: canary UTF-8',
      'export: vector',
    ]) {
      expect(before).toContain(seen);
    }
    const which = random() < 0.5 ? { ids: [id] } : { filter: `id in [${id}]` };
    const result = await engine.erase({ collectionName, ...which });
    expect(result).toEqual({ records: 1, answers: 1, turns: 1, enrichments: 0 });
    expect(await findTraces(name, needles, await engine.export())).toEqual([]);
    await engine.close();
    expect(await findTraces(name, needles, null)).toEqual([]);
  },
);

test.each([4, 5, 6])(
  'seed %i: a record that is deleted leaves no text at once, and no vector soon',
  async (seed) => {
    const { engine, name, id, needles } = await lived(seed);
    await engine.milvus.delete({ collectionName, filter: `id in [${id}]` });
    await engine.milvus.dropCollection({ collectionName: `${collectionName}__memory` });
    await engine.milvus.dropCollection({ collectionName: `${collectionName}__generated` });
    const inDatabase = async () =>
      (await findTraces(name, needles, null)).filter((trace) => trace.startsWith('database'));
    expect((await inDatabase()).filter((trace) => !trace.includes('vector'))).toEqual([]);
    await expect.poll(inDatabase, { timeout: 5_000 }).toEqual([]);
  },
);

test.each([7, 8, 9])('seed %i: erasing all leaves neither database nor files', async (seed) => {
  const { engine, name, needles } = await lived(seed);
  await expect(engine.eraseAll({ confirm: 'another' })).rejects.toMatchObject({
    code: 'invalid_option',
  });
  expect(await findTraces(name, needles, null)).toContain('database rows: text UTF-8');
  await engine.eraseAll({ confirm: name });
  expect(await findTraces(name, needles, null)).toEqual([]);
  expect(await placesOf(name)).toEqual([]);
  await expect(engine.milvus.listCollections({})).rejects.toMatchObject({ code: 'closed' });
  const again = await start(name);
  expect(again.status.store).toMatchObject({ durability: 'durable', modes: [], collections: 0 });
});

test('a second tab of the engine: what one erases, neither has, and both stay usable', async () => {
  const { engine, name, id, needles } = await lived(10);
  const other = await start(name);
  expect(other.status.store?.role).toBe('follower');
  expect(await other.erase({ collectionName, ids: [id] })).toMatchObject({ records: 1, turns: 1 });
  expect(await findTraces(name, needles, await other.export())).toEqual([]);
  for (const each of [engine, other]) {
    const found = await each.milvus.query({ collectionName, filter: `id in [${id}]` });
    expect(found).toEqual([]);
  }
});
