/**
 * F21: the page is closed in the middle of a turn, at every point where anything happens. What is there
 * afterwards is a whole turn or none, and the question can be asked again.
 */
import { describe, expect, it } from 'vitest';
import { extractive } from '../../../src/loop/generate/extractive.ts';
import { createLoop } from '../../../src/loop/loop.ts';
import type { Generator, Loop } from '../../../src/loop/types.ts';
import { MemoryDisk } from '../../../workers/index/storage/memory-storage.ts';
import { type SimTab, World } from '../index/tab-world.ts';
import { TAVERNS } from './loop-bench.ts';

const QUESTION = 'Where is the best beer poured?';
const varChar = (fieldName: string) => ({
  fieldName,
  dataType: 'VarChar' as const,
  elementTypeParams: { max_length: 2_000 },
});
const TAVERNS_SCHEMA = {
  collectionName: 'taverns',
  schema: {
    autoID: true,
    fields: [
      { fieldName: 'id', dataType: 'Int64', isPrimary: true },
      varChar('description'),
      { fieldName: 'vector', dataType: 'FloatVector', elementTypeParams: { dim: 16 } },
    ],
    functions: [
      {
        name: 'embed',
        type: 'TextEmbedding',
        inputFieldNames: ['description'],
        outputFieldNames: ['vector'],
      },
    ],
  },
  indexParams: [{ fieldName: 'vector', metricType: 'COSINE', indexType: 'FLAT' }],
} as const;

/** An answer that takes its time, as one of a model does. */
function slowly(tab: SimTab): Generator {
  const { generate, ...rest } = extractive();
  return {
    ...rest,
    generate: async (...given) => {
      await tab.world.wait(tab, 5);
      return generate(...given);
    },
  };
}

let ids = 0;

function loopOf(tab: SimTab): Loop {
  const { milvus, world } = tab;
  const parts = {
    store: { ...milvus, candidates: (request: never) => tab.opened.candidates(request) },
    embedder: {
      ready: true,
      embed: (texts: readonly string[]) => tab.embedder.embed({ texts }, {}),
    },
    clock: { now: () => world.now, wall: () => 1_700_000_000_000 + world.now },
    randomId: () => `id-${++ids}`,
    digest: async (text: string) => String(text.length),
  };
  const options = { collectionName: 'taverns', textField: 'description', generator: slowly(tab) };
  return createLoop(parts as never, options);
}

async function bar(seed: number) {
  const world = new World({ seed, disk: new MemoryDisk() });
  world.patienceMs = 200;
  const tab = await world.open();
  await world.until(tab.milvus.createCollection(TAVERNS_SCHEMA));
  const data = TAVERNS.map(([, , description]) => ({ description }));
  await world.until(tab.milvus.insert({ collectionName: 'taverns', data }));
  return { world, tab };
}

/** Ids of a sibling collection, and what its rows name. */
async function namesIn({ world, milvus }: SimTab, lane: string, fields: readonly string[]) {
  const collectionName = `taverns__${lane}`;
  const { has } = await world.until(milvus.hasCollection({ collectionName }));
  if (!has) return [];
  return world.until(milvus.query({ collectionName, filter: '', outputFields: fields }));
}

/** Closes the page after so many happenings of a turn; null where the turn was over by then. */
async function closedAfter(steps: number, seed: number) {
  const { world, tab } = await bar(seed);
  let isOver = false;
  const asked = loopOf(tab)
    .ask(QUESTION)
    .finally(() => {
      isOver = true;
    });
  asked.catch(() => {});
  await world.steps(steps);
  if (isOver) return null;
  world.crash(tab);
  const again = await world.open();
  const loop = loopOf(again);
  const turns = await world.until(loop.turns());
  const answers = await namesIn(again, 'generated', ['turn']);
  const summary = await world.until(loop.summary());
  expect(summary.broken).toBe(0);
  for (const turn of turns) {
    expect(turn.question).toBe(QUESTION);
    expect(turn.draft ?? null).toBeNull();
    // A turn never names an answer that is not there.
    const names = answers.map(({ id }) => id);
    if (turn.generatedId) expect(names).toContain(turn.generatedId);
  }
  // What was cut off is asked again, in the ordinary way.
  const next = await world.until(loop.ask(QUESTION));
  expect(next.answer.length).toBeGreaterThan(0);
  expect((await world.until(loop.turns())).length).toBe(turns.length + 1);
  return { turns: turns.length, answers: answers.length };
}

describe('F21 a page that is closed in the middle of a turn', () => {
  it.each([1, 2, 3])(
    'keeps the whole turn or nothing of it (seed %i)',
    async (seed) => {
      const seen = new Set<string>();
      let steps = 1;
      for (; ; steps++) {
        const left = await closedAfter(steps, seed);
        if (left === null) break;
        seen.add(`${left.turns} turns, ${left.answers} answers`);
      }
      expect(steps).toBeGreaterThan(10);
      // Cut off before anything was stored, between answer and turn, and after both were, not yet confirmed.
      expect([...seen].sort()).toEqual([
        '0 turns, 0 answers',
        '0 turns, 1 answers',
        '1 turns, 1 answers',
      ]);
    },
    60_000,
  );
});
