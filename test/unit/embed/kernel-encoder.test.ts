import { describe, expect, it } from 'vitest';
import { KernelEncoder } from '../../../workers/embed/kernel-encoder.ts';
import { breathe } from '../../../workers/embed/timing.ts';
import { FakeKernel } from './fake-kernel.ts';

const VOCABULARY = 100_000;

/** A clock that a step moves on by a millisecond. */
function encoderOf(kernel = new FakeKernel(), maxTokens = 256) {
  let now = 0;
  let sinceBreath = 0;
  let longest = 0;
  const onStep = kernel.onStep;
  kernel.onStep = (slot) => {
    now += 1;
    sinceBreath += 1;
    longest = Math.max(longest, sinceBreath);
    onStep(slot);
  };
  const encoder = new KernelEncoder({
    kernel,
    dimension: kernel.dimension,
    maxTokens,
    vocabulary: VOCABULARY,
    now: () => now,
    breathe: () => {
      sinceBreath = 0;
      kernel.log.push('breathe');
      return breathe();
    },
  });
  return { encoder, kernel, longest: () => longest };
}

const sequence = (id: number, length: number): Int32Array => new Int32Array(length).fill(id);
const count = (log: readonly string[], entry: string): number =>
  log.filter((each) => each === entry).length;

describe('KernelEncoder', () => {
  it('gives vectors in the order of the sequences', async () => {
    const { encoder } = encoderOf();
    const ids = [sequence(1, 3), sequence(2, 200), sequence(3, 1), sequence(4, 90)];
    expect([...(await encoder.embed(ids))]).toEqual([1, 3, 2, 200, 3, 1, 4, 90]);
    expect(await encoder.embed([])).toHaveLength(0);
  });

  it('fills batches with real tokens up to the bound', async () => {
    const { encoder, kernel } = encoderOf();
    await encoder.embed(Array.from({ length: 30 }, (_, i) => sequence(i, 40 + (i % 3))));
    const sizes = kernel.log.filter((entry) => entry.startsWith('begin'));
    expect(encoder.rules).toEqual({ tokens: 640, waste: 1 });
    expect(sizes).toEqual(['begin bulk 15', 'begin bulk 15']);
  });

  it('never works longer than 5 ms without a look at the messages', async () => {
    const bulk = encoderOf();
    await bulk.encoder.embed(Array.from({ length: 12 }, (_, i) => sequence(i, 250)));
    const query = encoderOf();
    await query.encoder.embed([sequence(7, 256)], { priority: 'query' });
    for (const { longest } of [bulk, query]) {
      expect(longest()).toBeLessThanOrEqual(5);
      expect(longest()).toBeGreaterThan(3);
    }
  });

  it('runs a query to its end in the middle of a bulk batch, then goes on where it stood', async () => {
    const { encoder, kernel } = encoderOf();
    const bulk = encoder.embed([sequence(1, 200), sequence(2, 100)]);
    while (count(kernel.log, 'step bulk') < 20) await breathe();
    const query = await encoder.embed([sequence(9, 30)], { priority: 'query' });
    expect([...query]).toEqual([9, 30]);
    expect(count(kernel.log, 'step bulk')).toBeLessThan(60);
    expect([...(await bulk)]).toEqual([1, 200, 2, 100]);
    const steps = kernel.log.filter((entry) => entry !== 'breathe');
    const first = steps.indexOf('begin query 1');
    const last = steps.lastIndexOf('step query');
    expect(steps.slice(first + 1, last + 1)).toEqual(new Array(30).fill('step query'));
    expect(count(steps, 'begin bulk 2')).toBe(1);
    expect(count(steps, 'step bulk')).toBe(300);
  });

  it('makes a query wait for no more than one yield of bulk work', async () => {
    const { encoder, kernel } = encoderOf();
    const bulk = encoder.embed(Array.from({ length: 20 }, (_, i) => sequence(i, 200)));
    while (count(kernel.log, 'step bulk') < 500) await breathe();
    const before = count(kernel.log, 'step bulk');
    await encoder.embed([sequence(9, 5)], { priority: 'query' });
    expect(count(kernel.log, 'step bulk') - before).toBeLessThanOrEqual(5);
    await bulk;
  });

  it('lets bulk work stand still until the last of several queries is answered', async () => {
    const { encoder, kernel } = encoderOf();
    const bulk = encoder.embed([sequence(1, 200)]);
    await breathe();
    const queries = [3, 4, 5].map((id) => encoder.embed([sequence(id, 50)], { priority: 'query' }));
    const vectors = await Promise.all(queries);
    expect(vectors.map(([id]) => id)).toEqual([3, 4, 5]);
    const from = kernel.log.indexOf('step query');
    const part = kernel.log.slice(from, kernel.log.lastIndexOf('step query'));
    expect(part).not.toContain('step bulk');
    await bulk;
  });

  it('halves its bound where memory ends, and goes on', async () => {
    const { encoder, kernel } = encoderOf();
    kernel.room.bulk = 200;
    const ids = Array.from({ length: 20 }, (_, i) => sequence(i, 60));
    const done: number[] = [];
    const vectors = await encoder.embed(ids, { onProgress: (n) => done.push(n) });
    expect([...vectors]).toEqual(ids.flatMap((each) => [each[0], 60]));
    expect(encoder.rules.tokens).toBe(150);
    expect(done).toEqual(done.toSorted((a, b) => a - b));
    expect(done.at(-1)).toBe(20);
    kernel.log.length = 0;
    await encoder.embed(ids);
    expect(kernel.log.filter((each) => each.startsWith('begin'))).toEqual(
      new Array(10).fill('begin bulk 2'),
    );
  });

  it('says so when one text alone does not fit, and takes the next', async () => {
    const { encoder, kernel } = encoderOf();
    kernel.room.bulk = 50;
    const ids = [sequence(1, 60), sequence(2, 10)];
    const error = await encoder.embed(ids).catch((reason) => reason);
    expect(error).toMatchObject({ code: 'out_of_memory' });
    expect(error.message).toContain('60 tokens');
    expect([...(await encoder.embed([sequence(2, 10)]))]).toEqual([2, 10]);
  });

  it('gives a query the place of a bulk batch where both have no room, and runs that behind it', async () => {
    const { encoder, kernel } = encoderOf();
    kernel.together = 320;
    const bulk = encoder.embed([sequence(1, 200), sequence(2, 100)]);
    while (count(kernel.log, 'step bulk') < 20) await breathe();
    const query = encoder.embed([sequence(9, 100)], { priority: 'query' });
    expect([...(await query)]).toEqual([9, 100]);
    expect(count(kernel.log, 'step bulk')).toBeLessThan(60);
    expect([...(await bulk)]).toEqual([1, 200, 2, 100]);
    expect(count(kernel.log, 'begin bulk 2')).toBe(2);
    // Nothing became smaller: there is room again.
    expect(encoder.rules.tokens).toBe(640);
  });

  it('tells every later call, and the other slot, of a trap', async () => {
    const { encoder, kernel } = encoderOf();
    const steps = kernel.onStep;
    kernel.onStep = (slot) => {
      steps(slot);
      if (slot === 'query') throw new WebAssembly.RuntimeError('unreachable');
    };
    const failed = { code: 'backend_failed', retryable: true };
    const bulk = expect(encoder.embed([sequence(1, 200)])).rejects.toMatchObject(failed);
    while (count(kernel.log, 'step bulk') < 20) await breathe();
    const query = encoder.embed([sequence(9, 5)], { priority: 'query' });
    await expect(query).rejects.toMatchObject(failed);
    await bulk;
    await expect(encoder.embed([sequence(3, 5)])).rejects.toMatchObject(failed);
    await encoder.close();
    await expect(encoder.embed([sequence(3, 5)])).rejects.toMatchObject({ code: 'closed' });
  });

  it('stops in the middle of a batch when aborted, and empties the slot', async () => {
    const { encoder, kernel } = encoderOf();
    const abort = new AbortController();
    const bulk = encoder.embed([sequence(1, 256), sequence(2, 256)], { signal: abort.signal });
    while (count(kernel.log, 'step bulk') < 10) await breathe();
    abort.abort();
    await expect(bulk).rejects.toMatchObject({ code: 'aborted' });
    expect(count(kernel.log, 'step bulk')).toBeLessThan(60);
    expect(kernel.log).toContain('cancel bulk');
    expect([...(await encoder.embed([sequence(3, 2)]))]).toEqual([3, 2]);
    const early = encoder.embed([sequence(1, 2)], { signal: AbortSignal.abort() });
    await expect(early).rejects.toMatchObject({ code: 'aborted' });
  });

  it('tells a trap as a failed backend', async () => {
    const { encoder, kernel } = encoderOf();
    kernel.onStep = () => {
      throw new WebAssembly.RuntimeError('unreachable');
    };
    const error = await encoder.embed([sequence(1, 5)]).catch((reason) => reason);
    expect(error).toMatchObject({ code: 'backend_failed', retryable: true });
    expect(error.message).toContain('unreachable');
  });

  it('refuses what it cannot encode before anything runs', async () => {
    const { encoder, kernel } = encoderOf(new FakeKernel(), 16);
    const bad = [sequence(1, 0), sequence(1, 17), sequence(-1, 3), sequence(VOCABULARY, 3)];
    for (const ids of bad) {
      const call = encoder.embed([sequence(1, 3), ids]);
      await expect(call).rejects.toMatchObject({ code: 'invalid_option' });
    }
    expect(kernel.log).toEqual([]);
  });

  it('ends what runs when it is closed, then the kernel', async () => {
    const { encoder, kernel } = encoderOf();
    const bulk = encoder.embed([sequence(1, 256)]);
    const query = encoder.embed([sequence(2, 256)], { priority: 'query' });
    await breathe();
    const closing = [encoder.close(), encoder.close()];
    await expect(bulk).rejects.toMatchObject({ code: 'closed' });
    await expect(query).rejects.toMatchObject({ code: 'closed' });
    await Promise.all(closing);
    expect(kernel.closed).toBe(1);
    await expect(encoder.embed([sequence(1, 2)])).rejects.toMatchObject({ code: 'closed' });
  });
});
