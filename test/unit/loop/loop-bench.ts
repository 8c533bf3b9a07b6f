/** A small collection, a loop over it, and everything deterministic. */
import { extractive } from '../../../src/loop/generate/extractive.ts';
import { createLoop } from '../../../src/loop/loop.ts';
import type { LoopParts } from '../../../src/loop/parts.ts';
import type { Generation, Generator, LoopOptions } from '../../../src/loop/types.ts';
import { fakeLoopStore } from '../../fakes/loop-store.ts';
import { embedWords, wordEmbedder } from '../../fakes/word-embedder.ts';

export const TAVERNS = [
  [
    'The Prancing Pony',
    'Bree',
    'The inn in Bree serves good beer. Aragorn waited there in the corner.',
  ],
  ['Green Dragon', 'Bywater', 'Frodo and Sam drank ale here on many evenings.'],
  ['The Golden Perch', 'Stock', 'The best beer in the Eastfarthing is poured here.'],
  ['The Floating Log', 'Frogmorton', 'A plain house for travellers on the East Road.'],
  ['The Forsaken Inn', 'East Road', 'The last inn a day east of Bree, quiet and lonely.'],
  ['The Ivy Bush', 'Hobbiton', 'Old Ham Gamgee told stories about Bilbo here.'],
] as const;

export async function bench(more: Partial<LoopParts> = {}) {
  const store = fakeLoopStore();
  const embedder = wordEmbedder();
  await store.createCollection({
    collectionName: 'taverns',
    schema: {
      fields: [
        {
          fieldName: 'id',
          dataType: 'VarChar',
          isPrimary: true,
          elementTypeParams: { max_length: 64 },
        },
        { fieldName: 'name', dataType: 'VarChar', elementTypeParams: { max_length: 200 } },
        { fieldName: 'location', dataType: 'VarChar', elementTypeParams: { max_length: 200 } },
        { fieldName: 'description', dataType: 'VarChar', elementTypeParams: { max_length: 2000 } },
        { fieldName: 'vector', dataType: 'FloatVector', elementTypeParams: { dim: 128 } },
      ],
    },
    indexParams: [{ fieldName: 'vector' }],
  });
  await store.insert({
    collectionName: 'taverns',
    data: TAVERNS.map(([name, location, description], i) => ({
      id: `r${i}`,
      name,
      location,
      description,
      vector: embedWords(description),
    })),
  });
  store.calls.length = 0;
  const time = { now: 0, wall: 1_800_000_000_000 };
  let ids = 0;
  const parts: LoopParts = {
    store,
    embedder,
    clock: { now: () => (time.now += 1), wall: () => time.wall },
    randomId: () => `id-${String(++ids).padStart(4, '0')}`,
    ...more,
  };
  const options: LoopOptions = {
    collectionName: 'taverns',
    textField: 'description',
    generator: extractive(),
  };
  const make = (change: Partial<LoopOptions> = {}) => createLoop(parts, { ...options, ...change });
  const memory = () => store.collections.get('taverns__memory')?.rows ?? new Map();
  const generated = () => store.collections.get('taverns__generated')?.rows ?? new Map();
  return { store, embedder, parts, options, make, loop: make(), time, memory, generated };
}

/** A generator that says what it is told, and counts. */
export function scripted(
  say: (prompt: string, call: number) => string | Partial<Generation> | Promise<string>,
): Generator & { readonly prompts: string[] } {
  const prompts: string[] = [];
  return {
    prompts,
    name: 'scripted',
    extractive: false,
    async generate(prompt, options = {}) {
      options.signal?.throwIfAborted();
      const content = prompt.messages.map((message) => message.content).join('\n');
      prompts.push(content);
      const said = await say(content, prompts.length - 1);
      options.signal?.throwIfAborted();
      const generation: Generation = {
        text: '',
        model: 'scripted-1',
        stopReason: 'end_turn',
        usage: { inputTokens: 10, outputTokens: 5 },
        ...(typeof said === 'string' ? { text: said } : said),
      };
      options.onToken?.(generation.text);
      return generation;
    },
  };
}
