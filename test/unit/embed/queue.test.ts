import { describe, expect, it } from 'vitest';
import { WhorlError } from '../../../src/shared/errors.ts';
import { planBatches } from '../../../workers/embed/batches.ts';
import type { EncodeOptions, Encoder } from '../../../workers/embed/encoder.ts';
import { EncodeQueue } from '../../../workers/embed/queue.ts';
import { breathe } from '../../../workers/embed/timing.ts';

const RULES = { tokens: 8, waste: 0.25 };

/** Gives each sequence the vector [first id, length]; remembers what went through together. */
class EchoEncoder implements Encoder {
  readonly backend = 'wasm';
  readonly dimension = 2;
  readonly threads = 1;
  readonly rules = RULES;
  readonly seen: number[][] = [];
  readonly priorities: (string | undefined)[] = [];
  fail: (run: number) => unknown = () => undefined;
  pause: (priority: string | undefined) => Promise<void> = breathe;

  async embed(
    ids: readonly Int32Array[],
    { priority }: EncodeOptions = {},
  ): Promise<Float32Array<ArrayBuffer>> {
    const problem = this.fail(this.seen.length);
    this.priorities.push(priority);
    this.seen.push(ids.map((sequence) => sequence[0] ?? -1));
    await this.pause(priority);
    if (problem) throw problem;
    return Float32Array.from(ids.flatMap((sequence) => [sequence[0] ?? -1, sequence.length]));
  }

  async close(): Promise<void> {}
}

async function noRecovery(error: unknown): Promise<void> {
  throw error;
}

function queueOf(encoder: EchoEncoder, recover = noRecovery) {
  return new EncodeQueue({ encoder: () => encoder, recover, breathe });
}

const sequences = (...specs: readonly (readonly [id: number, length: number])[]): Int32Array[] =>
  specs.map(([id, length]) => new Int32Array(length).fill(id));

const job = (ids: Int32Array[], extra: { priority?: 'query'; signal?: AbortSignal } = {}) => ({
  ids,
  priority: extra.priority ?? ('bulk' as const),
  signal: extra.signal ?? new AbortController().signal,
  onProgress: () => {},
});

describe('planBatches', () => {
  it('counts real tokens only where nothing is padded', () => {
    const lengths = [9, 1, 1, 1, 1, 1, 1, 1];
    expect(planBatches(lengths, { tokens: 16, waste: 1 })).toEqual([[0, 1, 2, 3, 4, 5, 6, 7]]);
    expect(planBatches(lengths, { tokens: 10, waste: 1 })).toEqual([
      [0, 1],
      [2, 3, 4, 5, 6, 7],
    ]);
  });

  it('holds every position once, within the budget and the waste, longest first', () => {
    const lengths = Array.from({ length: 200 }, (_, i) => 2 + ((i * 7_919) % 254));
    const rules = { tokens: 512, waste: 0.1 };
    const batches = planBatches(lengths, rules);
    expect(batches.flat().toSorted((a, b) => a - b)).toEqual(lengths.map((_, index) => index));
    let before = Number.POSITIVE_INFINITY;
    for (const batch of batches) {
      const sizes = batch.map((index) => lengths[index] as number);
      const padded = Math.max(...sizes) * batch.length;
      const real = sizes.reduce((a, b) => a + b, 0);
      if (batch.length > 1) expect(padded).toBeLessThanOrEqual(rules.tokens);
      expect(padded - real).toBeLessThanOrEqual(rules.waste * padded);
      expect(Math.max(...sizes)).toBeLessThanOrEqual(before);
      before = Math.min(...sizes);
    }
  });

  it('gives a sequence over the budget a batch of its own, and nothing for nothing', () => {
    expect(planBatches([100, 3, 3], RULES)).toEqual([[0], [1, 2]]);
    expect(planBatches([], RULES)).toEqual([]);
  });
});

describe('EncodeQueue', () => {
  it('restores the order', async () => {
    const ids = sequences([1, 2], [2, 7], [3, 2], [4, 5]);
    const vectors = await queueOf(new EchoEncoder()).run(job(ids));
    expect([...vectors]).toEqual([1, 2, 2, 7, 3, 2, 4, 5]);
  });

  it('gives nothing for nothing', async () => {
    expect(await queueOf(new EchoEncoder()).run(job([]))).toHaveLength(0);
  });

  it('lets a query in at the next batch', async () => {
    const encoder = new EchoEncoder();
    const queue = queueOf(encoder);
    const bulk = queue.run(job(sequences([1, 8], [2, 8], [3, 8], [4, 8])));
    await breathe();
    const query = queue.run(job(sequences([9, 3]), { priority: 'query' }));
    await Promise.all([bulk, query]);
    const at = encoder.seen.findIndex((batch) => batch.includes(9));
    expect(at).toBeGreaterThan(0);
    expect(at).toBeLessThanOrEqual(2);
    expect(encoder.seen.flat().toSorted()).toEqual([1, 2, 3, 4, 9]);
  });

  it('begins no batch of bulk work while a query waits, and lets a query wait for none', async () => {
    const encoder = new EchoEncoder();
    const queue = queueOf(encoder);
    const bulk = queue.run(job(sequences([1, 8], [2, 8], [3, 8])));
    await breathe();
    const before = encoder.seen.length;
    const queries = [7, 8, 9].map((id) =>
      queue.run(job(sequences([id, 3]), { priority: 'query' })),
    );
    // Handed over at once, in the middle of the bulk batch.
    expect(encoder.seen.length).toBe(before + 1);
    expect((await Promise.all(queries)).map(([id]) => id)).toEqual([7, 8, 9]);
    expect(encoder.seen.slice(before).flat()).toEqual([7, 8, 9]);
    expect(encoder.priorities.slice(before)).toEqual(['query', 'query', 'query']);
    expect([...(await bulk)]).toEqual([1, 8, 2, 8, 3, 8]);
  });

  it('begins every job anew when what was encoded is not to be trusted', async () => {
    const encoder = new EchoEncoder();
    const queue = queueOf(encoder);
    const done: number[] = [];
    const bulk = queue.run({
      ...job(sequences([1, 8], [2, 8], [3, 8])),
      onProgress: (count) => done.push(count),
    });
    while (done.length < 2) await breathe();
    queue.restart();
    expect([...(await bulk)]).toEqual([1, 8, 2, 8, 3, 8]);
    expect(done.slice(0, 2)).toEqual([1, 2]);
    expect(done.slice(-3)).toEqual([1, 2, 3]);
    expect(queue.idle).toBe(true);
  });

  it('tells the tokens of each batch, after the job that it ended', async () => {
    const told: [number, boolean][] = [];
    const encoder = new EchoEncoder();
    const queue: EncodeQueue = new EncodeQueue({
      encoder: () => encoder,
      recover: noRecovery,
      breathe,
      onEncoded: (tokens) => told.push([tokens, queue.idle]),
    });
    await queue.run(job(sequences([1, 8], [2, 5])));
    await breathe();
    expect(told).toEqual([
      [8, false],
      [5, true],
    ]);
  });

  it('does not recover twice when the other lane had the encoder replaced', async () => {
    const [old, fresh] = [new EchoEncoder(), new EchoEncoder()];
    const lost = new WhorlError('backend_failed', 'lost', { retryable: true });
    old.fail = () => lost;
    // The query fails when the bulk lane has mended everything already.
    old.pause = async (priority) => {
      for (let i = 0; i < (priority === 'query' ? 5 : 1); i += 1) await breathe();
    };
    let encoder = old;
    const recovered: unknown[] = [];
    const queue = new EncodeQueue({
      encoder: () => encoder,
      breathe,
      recover: async (error) => {
        recovered.push(error);
        encoder = fresh;
      },
    });
    const bulk = queue.run(job(sequences([1, 8])));
    await Promise.resolve();
    const query = queue.run(job(sequences([2, 3]), { priority: 'query' }));
    expect([...(await bulk), ...(await query)]).toEqual([1, 8, 2, 3]);
    expect(recovered).toEqual([lost]);
    expect(old.seen.flat()).toEqual([1, 2]);
    expect(fresh.seen.flat()).toEqual([1, 2]);
  });

  it('lets bulk jobs take turns, so that each shows life', async () => {
    const encoder = new EchoEncoder();
    const queue = queueOf(encoder);
    const shown: string[] = [];
    const bulk = (name: string, first: number) => ({
      ...job(sequences([first, 8], [first + 1, 8], [first + 2, 8])),
      onProgress: (done: number) => shown.push(`${name}${done}`),
    });
    const both = [queue.run(bulk('a', 1)), queue.run(bulk('b', 11))];
    expect((await Promise.all(both)).map((vectors) => [...vectors])).toEqual([
      [1, 8, 2, 8, 3, 8],
      [11, 8, 12, 8, 13, 8],
    ]);
    expect(shown).toEqual(['a1', 'b1', 'a2', 'b2', 'a3', 'b3']);
  });

  it('stops an aborted job between batches and lets the others go on', async () => {
    const encoder = new EchoEncoder();
    const queue = queueOf(encoder);
    const abort = new AbortController();
    const first = queue.run(job(sequences([1, 8], [2, 8], [3, 8]), { signal: abort.signal }));
    const second = queue.run(job(sequences([7, 2])));
    await breathe();
    abort.abort();
    await expect(first).rejects.toMatchObject({ code: 'aborted' });
    expect([...(await second)]).toEqual([7, 2]);
    expect(encoder.seen.flat()).not.toContain(3);
  });

  it('runs a batch once more after a recovery, and rejects what cannot be mended', async () => {
    const encoder = new EchoEncoder();
    const lost = new WhorlError('backend_failed', 'lost', { retryable: true });
    encoder.fail = (run) => (run === 1 ? lost : undefined);
    const recovered: unknown[] = [];
    const queue = queueOf(encoder, async (error) => void recovered.push(error));
    const vectors = await queue.run(job(sequences([1, 8], [2, 8])));
    expect([...vectors]).toEqual([1, 8, 2, 8]);
    expect(recovered).toEqual([lost]);
    encoder.fail = () => lost;
    const strict = queueOf(encoder);
    await expect(strict.run(job(sequences([1, 8])))).rejects.toBe(lost);
    encoder.fail = () => undefined;
    expect([...(await strict.run(job(sequences([5, 2]))))]).toEqual([5, 2]);
  });

  it('reports progress and rejects what waits when it is closed', async () => {
    const done: number[] = [];
    const queue = queueOf(new EchoEncoder());
    await queue.run({
      ...job(sequences([1, 8], [2, 8], [3, 2])),
      onProgress: (count) => done.push(count),
    });
    expect(done).toEqual([1, 2, 3]);
    const waiting = queue.run(job(sequences([1, 8], [2, 8])));
    queue.close(new WhorlError('closed', 'closed'));
    await expect(waiting).rejects.toMatchObject({ code: 'closed' });
  });
});
