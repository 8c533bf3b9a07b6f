import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EmbedPool, sliceTokensOf } from '../../../src/shared/embed-pool.ts';
import { type ErrorCode, WhorlError } from '../../../src/shared/errors.ts';
import { FakeLane, numbered, settle, vectorsOf } from './fake-lane.ts';

const broken = (code: ErrorCode = 'worker_lost') =>
  new WhorlError(code, `it is ${code}`, { retryable: true });

function poolOf(...lanes: FakeLane[]): EmbedPool {
  const pool = new EmbedPool();
  for (const lane of lanes) pool.add(lane);
  return pool;
}

/** Settles every open call of the lanes, round by round, until nothing is open. */
async function drain(...lanes: FakeLane[]): Promise<void> {
  for (;;) {
    await settle();
    const open = lanes.flatMap((lane) => lane.open);
    if (open.length === 0) return;
    for (const call of open) call.answer();
  }
}

describe('a pool of lanes', () => {
  it('gives the vectors in the order of the texts, whichever lane made them', async () => {
    const lanes = [new FakeLane({ delayMs: 5 }), new FakeLane({ delayMs: 1 })];
    const texts = numbered(300);
    const result = await poolOf(...lanes).embed({ texts });
    expect(result).toEqual({
      vectors: vectorsOf(texts),
      dimension: 2,
      fingerprint: 'fake',
      tokens: 300,
    });
    expect(lanes.map(({ texts: count }) => count > 0)).toEqual([true, true]);
    expect(lanes.reduce((sum, lane) => sum + lane.texts, 0)).toBe(300);
  });

  it('gives the same as one lane for any texts, lanes and speeds', async () => {
    const text = fc.nat(9_999).chain((n) => fc.nat(300).map((more) => `${n} ${'x'.repeat(more)}`));
    const lane = fc.record({ sliceTokens: fc.integer({ min: 1, max: 4_000 }), delayMs: fc.nat(3) });
    await fc.assert(
      fc.asyncProperty(
        fc.array(text, { maxLength: 120 }),
        fc.array(lane, { minLength: 1, maxLength: 4 }),
        async (texts, specs) => {
          const result = await poolOf(...specs.map((spec) => new FakeLane(spec))).embed({ texts });
          expect(result.vectors).toEqual(vectorsOf(texts));
          expect(result.tokens).toBe(texts.length);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('gives a lane the next slice when it is free, so that a fast one does more', async () => {
    const [slow, fast] = [new FakeLane({ delayMs: 60 }), new FakeLane({ delayMs: 2 })];
    await poolOf(slow, fast).embed({ texts: numbered(400) });
    expect(fast.texts).toBeGreaterThan(2 * slow.texts);
  });

  it('cuts slices of 640 tokens and more, smaller towards the end', async () => {
    const lanes = [new FakeLane(), new FakeLane()];
    const call = poolOf(...lanes).embed({ texts: numbered(400, 30) });
    const sizes: number[] = [];
    for (let open = lanes[0]?.open; open?.length; open = lanes.flatMap((lane) => lane.open)) {
      sizes.push(...open.map(({ request }) => request.texts.length * 30));
      for (const each of open) each.answer();
      await settle();
    }
    await call;
    expect(Math.max(...sizes)).toBeLessThanOrEqual(2_000);
    expect(sizes.slice(0, -2).every((size) => size >= 600)).toBe(true);
    expect(sizes.at(-1)).toBeLessThan(sizes[0] ?? 0);
  });

  it('hands a single lane as much as it may take, and a text that is too long alone', async () => {
    const lane = new FakeLane({ sliceTokens: 700 });
    const long = `0 ${'x'.repeat(100_000)}`;
    const call = poolOf(lane).embed({ texts: [long, long, long, '3 short'] });
    await drain(lane);
    await call;
    expect(lane.calls.map(({ request }) => request.texts.length)).toEqual([2, 2]);
  });

  it('lets bulk calls take turns, so that a small one does not wait for a large one', async () => {
    const lane = new FakeLane();
    const pool = poolOf(lane);
    const done: string[] = [];
    const large = pool.embed({ texts: numbered(1_000) }).then(() => done.push('large'));
    const small = pool.embed({ texts: numbered(20) }).then(() => done.push('small'));
    await drain(lane);
    await Promise.all([large, small]);
    expect(done).toEqual(['small', 'large']);
    expect(lane.calls[1]?.request.texts).toHaveLength(20);
  });

  it('lets no stream of small calls keep a large one waiting', async () => {
    const lane = new FakeLane();
    const pool = poolOf(lane);
    let isDone = false;
    const large = pool.embed({ texts: numbered(400) }).then(() => {
      isDone = true;
    });
    let rounds = 0;
    for (; !isDone && rounds < 100; rounds++) {
      pool.embed({ texts: numbered(10) }).catch(() => {});
      for (const call of lane.open) call.answer();
      await settle();
    }
    expect(rounds).toBeLessThan(40);
    await large;
    pool.close(new WhorlError('closed', 'over'));
  });

  it('hands a query to the first lane at once, whole, while bulk work is under way', async () => {
    const lanes = [new FakeLane(), new FakeLane()];
    const pool = poolOf(...lanes);
    const bulk = pool.embed({ texts: numbered(500) });
    const query = pool.embed({ texts: numbered(100), priority: 'query' });
    const asked = lanes[0]?.open.find(({ request }) => request.priority === 'query');
    expect(asked?.request.texts).toHaveLength(100);
    asked?.answer();
    expect((await query).vectors).toHaveLength(200);
    expect(pool.waiting).toBe(500);
    await drain(...lanes);
    await bulk;
  });

  it('spares lanes for bulk work alone, unless there is no other', async () => {
    const gpu = new FakeLane({ bulkOnly: true, delayMs: 0 });
    const kernel = new FakeLane({ delayMs: 0 });
    const pool = poolOf(gpu, kernel);
    await pool.embed({ texts: ['1'], priority: 'query' });
    expect([gpu.texts, kernel.texts]).toEqual([0, 1]);
    pool.remove(kernel);
    await pool.embed({ texts: ['1'], priority: 'query' });
    expect([gpu.texts, kernel.texts]).toEqual([1, 1]);
  });

  it('embeds no texts by asking for none, so that dimension and fingerprint are told', async () => {
    const lane = new FakeLane({ delayMs: 0 });
    const result = await poolOf(lane).embed({ texts: [] });
    expect(result).toMatchObject({ dimension: 2, fingerprint: 'fake' });
    expect(result.vectors).toHaveLength(0);
    expect(lane.calls).toHaveLength(1);
  });

  it('lets a lane that comes later take part', async () => {
    const [first, late] = [new FakeLane(), new FakeLane()];
    const pool = poolOf(first);
    const call = pool.embed({ texts: numbered(300) });
    expect(first.open).toHaveLength(1);
    pool.add(late);
    expect(late.open).toHaveLength(1);
    await drain(first, late);
    expect((await call).vectors).toEqual(vectorsOf(numbered(300)));
  });
});

describe('progress', () => {
  it('counts the texts of all slices, never goes back, and ends with all', async () => {
    const lanes = [new FakeLane(), new FakeLane()];
    const seen: number[] = [];
    const pool = poolOf(...lanes);
    const call = pool.embed({ texts: numbered(200) }, { onProgress: (done) => seen.push(done) });
    lanes[0]?.open[0]?.options.onProgress?.(5);
    lanes[1]?.open[0]?.options.onProgress?.(7);
    expect(seen).toEqual([5, 12]);
    // What the lost lane had done is to be done again.
    lanes[1]?.open[0]?.fail(broken());
    await settle();
    lanes[0]?.open[0]?.options.onProgress?.(6);
    expect(seen).toEqual([5, 12]);
    await drain(...lanes);
    await call;
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen.at(-1)).toBe(200);
  });

  it('is not believed beyond the slice, nor after it', async () => {
    const lane = new FakeLane({ sliceTokens: 700 });
    const seen: number[] = [];
    const call = poolOf(lane).embed({ texts: numbered(40) }, { onProgress: (d) => seen.push(d) });
    const first = lane.open[0];
    first?.options.onProgress?.(1_000);
    expect(seen).toEqual([first?.request.texts.length]);
    first?.answer();
    await settle();
    first?.options.onProgress?.(1);
    await drain(lane);
    await call;
    expect(seen.at(-1)).toBe(40);
    expect(Math.max(...seen)).toBe(40);
  });

  it('whose listener throws rejects the call, and blames no lane', async () => {
    const lanes = [new FakeLane({ delayMs: 0 }), new FakeLane({ delayMs: 0 })];
    const failed: unknown[] = [];
    const pool = new EmbedPool({ onFailure: (lane) => failed.push(lane) });
    for (const lane of lanes) pool.add(lane);
    const onProgress = () => {
      throw new Error('the bar broke');
    };
    await expect(pool.embed({ texts: numbered(100) }, { onProgress })).rejects.toThrow(
      'the bar broke',
    );
    expect(failed).toEqual([]);
    expect((await pool.embed({ texts: ['1'] })).tokens).toBe(1);
  });

  it('is told as texts that wait, with each call and each slice', async () => {
    const waiting: number[] = [];
    const lane = new FakeLane({ delayMs: 0, sliceTokens: 700 });
    const pool = new EmbedPool({ onBulk: (texts) => waiting.push(texts) });
    pool.add(lane);
    await pool.embed({ texts: numbered(50) });
    await pool.embed({ texts: ['1'], priority: 'query' });
    expect(waiting[0]).toBe(50);
    expect(waiting).toEqual(waiting.toSorted((a, b) => b - a));
    expect(waiting.at(-1)).toBe(0);
  });
});

describe('a lane that fails', () => {
  it.each<ErrorCode>(['worker_lost', 'closed', 'deadline', 'backend_failed', 'out_of_memory'])(
    'with %s: its slice goes to another one, and it gets no more of the call',
    async (code) => {
      const [bad, good] = [new FakeLane(), new FakeLane()];
      const pool = poolOf(bad, good);
      const texts = numbered(200);
      const call = pool.embed({ texts });
      bad.open[0]?.fail(broken(code));
      await drain(good, bad);
      expect((await call).vectors).toEqual(vectorsOf(texts));
      expect(bad.calls).toHaveLength(1);
      // Another call may try it: whether it stays is its owner's affair.
      const next = pool.embed({ texts: numbered(50) });
      expect(bad.calls).toHaveLength(2);
      await drain(good, bad);
      await next;
    },
  );

  it('twice for one slice: the call rejects with what the second one said, and the rest is cancelled', async () => {
    const lanes = [new FakeLane(), new FakeLane(), new FakeLane()];
    const pool = poolOf(...lanes);
    const call = pool.embed({ texts: numbered(600) });
    const rejected = expect(call).rejects.toMatchObject({ code: 'backend_failed' });
    lanes[0]?.open[0]?.fail(broken('worker_lost'));
    await settle();
    lanes[1]?.open[0]?.answer();
    await settle();
    // The second lane has the slice that came back.
    lanes[1]?.open[0]?.fail(broken('backend_failed'));
    await rejected;
    expect(lanes[2]?.calls[0]?.options.signal?.aborted).toBe(true);
    await settle();
    expect(lanes.flatMap((lane) => lane.open)).toEqual([]);
    expect(pool.waiting).toBe(0);
  });

  it('and is the only one: the call rejects with what it said, at once', async () => {
    const lane = new FakeLane();
    const call = poolOf(lane).embed({ texts: numbered(300) });
    lane.open[0]?.fail(broken('out_of_memory'));
    await expect(call).rejects.toMatchObject({ code: 'out_of_memory' });
    expect(lane.calls).toHaveLength(1);
  });

  it.each<ErrorCode>(['invalid_option', 'unsupported', 'fingerprint_mismatch'])(
    'with %s, which any lane would: the call rejects without another try',
    async (code) => {
      const lanes = [new FakeLane(), new FakeLane()];
      const call = poolOf(...lanes).embed({ texts: ['1'] });
      lanes[0]?.open[0]?.fail(broken(code));
      await expect(call).rejects.toMatchObject({ code });
      expect(lanes[1]?.calls).toEqual([]);
    },
  );

  it('that a GPU had: its large slice is cut again for the others', async () => {
    const gpu = new FakeLane({ sliceTokens: 16_000, bulkOnly: true });
    const [a, b] = [new FakeLane(), new FakeLane()];
    const pool = poolOf(gpu, a, b);
    const texts = numbered(1_000);
    const call = pool.embed({ texts });
    expect(gpu.open[0]?.request.texts.length).toBeGreaterThan(300);
    gpu.open[0]?.fail(broken('backend_failed'));
    await drain(a, b);
    expect((await call).vectors).toEqual(vectorsOf(texts));
    const most = Math.max(...[...a.calls, ...b.calls].map(({ request }) => request.texts.length));
    expect(most * 30).toBeLessThanOrEqual(2_000);
  });

  it('for a query: another lane gets it, once', async () => {
    const lanes = [new FakeLane(), new FakeLane(), new FakeLane()];
    const failed: unknown[] = [];
    const pool = new EmbedPool({ onFailure: (lane) => failed.push(lane) });
    for (const lane of lanes) pool.add(lane);
    const first = pool.embed({ texts: ['1'], priority: 'query' });
    lanes[0]?.open[0]?.fail(broken());
    await settle();
    lanes[1]?.open[0]?.answer();
    expect((await first).tokens).toBe(1);
    const second = pool.embed({ texts: ['1'], priority: 'query' });
    const rejected = expect(second).rejects.toMatchObject({ code: 'deadline' });
    lanes[0]?.open[0]?.fail(broken());
    await settle();
    lanes[1]?.open[0]?.fail(broken('deadline'));
    await rejected;
    expect(lanes[2]?.calls).toEqual([]);
    expect(failed).toEqual([lanes[0], lanes[0]]);
  });

  it('because it was removed by its owner when it failed: what waits has no hope and rejects', async () => {
    const lane = new FakeLane();
    const pool: EmbedPool = new EmbedPool({ onFailure: () => pool.remove(lane) });
    pool.add(lane);
    const calls = [pool.embed({ texts: numbered(300) }), pool.embed({ texts: numbered(3) })];
    const settled = Promise.allSettled(calls);
    lane.open[0]?.fail(broken('worker_lost'));
    const [first, second] = await settled;
    expect(first).toMatchObject({ reason: { code: 'worker_lost' } });
    expect(second).toMatchObject({ reason: { code: 'embedder_unavailable', retryable: true } });
    await expect(pool.embed({ texts: ['1'] })).rejects.toMatchObject({
      code: 'embedder_unavailable',
    });
  });

  it('by throwing instead of rejecting is no different', async () => {
    const good = new FakeLane({ delayMs: 0 });
    const pool = new EmbedPool();
    pool.add({
      sliceTokens: 2_000,
      embed: () => {
        throw new Error('at once');
      },
    });
    pool.add(good);
    expect((await pool.embed({ texts: numbered(100) })).tokens).toBe(100);
    expect((await pool.embed({ texts: ['1'], priority: 'query' })).tokens).toBe(1);
  });
});

describe('answers that cannot be', () => {
  it('another number of vectors: tried once more elsewhere', async () => {
    const [bad, good] = [new FakeLane(), new FakeLane({ delayMs: 0 })];
    const texts = numbered(100);
    const call = poolOf(bad, good).embed({ texts });
    bad.open[0]?.answer({ vectors: new Float32Array(200) });
    expect((await call).vectors).toEqual(vectorsOf(texts));
    const alone = poolOf(bad).embed({ texts });
    bad.open[0]?.answer({ vectors: new Float32Array(3) });
    await expect(alone).rejects.toMatchObject({ code: 'backend_wrong' });
  });

  it.each([{ fingerprint: 'another' }, { dimension: 1 }])(
    'two models in one call (%o): nothing of it is kept',
    async (change) => {
      const lanes = [new FakeLane(), new FakeLane()];
      const call = poolOf(...lanes).embed({ texts: numbered(100) });
      lanes[0]?.open[0]?.answer();
      await settle();
      const count = lanes[1]?.open[0]?.request.texts.length ?? 0;
      const dimension = change.dimension ?? 2;
      lanes[1]?.open[0]?.answer({ ...change, vectors: new Float32Array(count * dimension) });
      await expect(call).rejects.toMatchObject({ code: 'fingerprint_mismatch', retryable: true });
    },
  );
});

describe('giving up', () => {
  it('rejects at once, tells the lanes, and leaves no listener', async () => {
    const lanes = [new FakeLane(), new FakeLane()];
    const abort = new AbortController();
    let listeners = 0;
    const { signal } = abort;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners += 1;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners -= 1;
      remove(...args);
    };
    const pool = poolOf(...lanes);
    const call = pool.embed({ texts: numbered(500) }, { signal });
    const other = pool.embed({ texts: numbered(60) });
    abort.abort();
    await expect(call).rejects.toMatchObject({ code: 'aborted' });
    expect(listeners).toBe(0);
    await drain(...lanes);
    expect((await other).vectors).toEqual(vectorsOf(numbered(60)));
    await expect(pool.embed({ texts: ['1'] }, { signal })).rejects.toMatchObject({
      code: 'aborted',
    });
  });

  it('while no lane has begun with it', async () => {
    const lane = new FakeLane();
    const pool = poolOf(lane);
    const first = pool.embed({ texts: numbered(50) });
    const abort = new AbortController();
    const second = pool.embed({ texts: numbered(50) }, { signal: abort.signal });
    abort.abort();
    await expect(second).rejects.toMatchObject({ code: 'aborted' });
    await drain(lane);
    await first;
    expect(lane.calls).toHaveLength(1);
  });

  it('by closing rejects everything with what it is given', async () => {
    const lane = new FakeLane();
    const pool = poolOf(lane);
    const calls = [pool.embed({ texts: numbered(500) }), pool.embed({ texts: numbered(5) })];
    pool.close(new WhorlError('closed', 'over'));
    for (const call of calls) await expect(call).rejects.toMatchObject({ code: 'closed' });
  });
});

it('has slices for every backend', () => {
  expect(sliceTokensOf('wasm')).toBeLessThan(sliceTokensOf('webgpu'));
});
