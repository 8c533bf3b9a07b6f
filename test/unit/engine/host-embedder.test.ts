import { getEventListeners } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { HostEmbedder } from '../../../src/embedder/host-embedder.ts';
import { HostQueue } from '../../../src/embedder/host-queue.ts';
import { unitVectors } from '../../../src/embedder/host-vectors.ts';
import type { Embedder, EmbedderVectors } from '../../../src/embedder/types.ts';
import { type ErrorCode, WhorlError } from '../../../src/shared/errors.ts';
import { Link } from '../../../src/shared/link.ts';
import type { EmbedContract } from '../../../src/shared/types.ts';

const NEVER = new AbortController().signal;
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Letters of a text, counted; salted, it is another model. */
function letters(text: string, salt = 0): number[] {
  const row = [0.5, 0, 0, 0, 0, 0, 0, 0];
  for (const letter of text) {
    const at = ((letter.codePointAt(0) ?? 0) + salt) % 8;
    row[at] = (row[at] ?? 0) + 1;
  }
  return row;
}

const opened: { close(): void }[] = [];

function host(
  embed: Embedder['embed'] = (texts) => texts.map((text) => letters(text)),
  model: string | null = 'letters',
  patienceMs?: number,
): HostEmbedder {
  const source = new HostEmbedder({ embed, ...(model === null ? {} : { model }) }, patienceMs);
  opened.push(source);
  return source;
}

afterEach(() => {
  for (const each of opened.splice(0)) each.close();
});

describe('what an embedder of the page answers', () => {
  it.each<[string, EmbedderVectors]>([
    [
      'lists of numbers',
      [
        [3, 4],
        [0, 2],
      ],
    ],
    ['typed rows', [Float32Array.of(3, 4), Float32Array.of(0, 2)]],
    ['mixed rows', [[3, 4], Float32Array.of(0, 2)]],
    ['one array, row-major', Float32Array.of(3, 4, 0, 2)],
  ])('%s become unit vectors in one array', (_, answer) => {
    const { vectors, dimension } = unitVectors(answer, 2);
    expect(dimension).toBe(2);
    expect(Array.from(vectors)).toEqual([expect.closeTo(0.6), expect.closeTo(0.8), 0, 1]);
  });

  it('is copied: its own arrays stay as they are', () => {
    const flat = Float32Array.of(3, 4);
    const { vectors } = unitVectors(flat, 1);
    expect(flat).toEqual(Float32Array.of(3, 4));
    expect(vectors.buffer).not.toBe(flat.buffer);
  });

  it('may be very long or very short, as long as it is finite', () => {
    expect(Array.from(unitVectors([[3e18, 4e18]], 1).vectors)).toEqual([
      expect.closeTo(0.6),
      expect.closeTo(0.8),
    ]);
    expect(Array.from(unitVectors([[3e-18, 4e-18]], 1).vectors)).toEqual([
      expect.closeTo(0.6),
      expect.closeTo(0.8),
    ]);
  });

  it.each<[string, unknown, RegExp]>([
    ['nothing', undefined, /neither a list/],
    ['an object', { data: [1] }, /neither a list/],
    ['too few rows', [[1, 2]], /1 vectors for 2 texts/],
    ['too many rows', [[1], [1], [1]], /3 vectors for 2 texts/],
    ['a number for a row', [1, 2], /vectors of 0 numbers/],
    ['a hole', [[1, 2], undefined], /no list of numbers for text 1/],
    [
      'rows of two lengths',
      [
        [1, 2],
        [1, 2, 3],
      ],
      /3 numbers for text 1, 2 for the first/,
    ],
    ['empty rows', [[], []], /vectors of 0 numbers/],
    ['too long rows', [new Array(40_000).fill(1), []], /vectors of 40000 numbers/],
    [
      'not a number',
      [
        [1, 2],
        [Number.NaN, 1],
      ],
      /not finite for text 1/,
    ],
    ['infinite', Float32Array.of(1, 2, Number.POSITIVE_INFINITY, 1), /not finite for text 1/],
    [
      'text in a row',
      [
        [1, 2],
        ['1', 2],
      ],
      /not finite for text 1/,
    ],
    [
      'numbers beyond float32',
      [
        [1, 2],
        [1e300, 1],
      ],
      /not finite for text 1/,
    ],
    [
      'zeros',
      [
        [1, 2],
        [0, 0],
      ],
      /zeros for text 1/,
    ],
    ['an odd count', new Float32Array(3), /3 numbers for 2 texts/],
    ['an empty array', new Float32Array(0), /vectors of 0 numbers/],
    ['float64', new Float64Array(4), /neither a list/],
  ])('is refused: %s', (_, answer, message) => {
    expect(() => unitVectors(answer, 2)).toThrow(message);
    expect(() => unitVectors(answer, 2)).toThrow(
      expect.objectContaining({ code: 'backend_wrong' }),
    );
  });
});

describe('an embedder of the page', () => {
  it('is tried before use, and named in the status', async () => {
    const source = host();
    expect(source.running).toBe(false);
    await expect(source.embed({ texts: ['x'] }, {})).rejects.toMatchObject({
      code: 'embedder_unavailable',
    });
    expect(await source.start(NEVER)).toEqual({
      model: 'letters',
      fingerprint: 'custom/letters/8',
      dimension: 8,
      maxTokens: Number.POSITIVE_INFINITY,
      backend: 'custom',
      why: 'The page brought its own embedder.',
      threads: 1,
      weights: 'unknown',
      lanes: [{ backend: 'custom', threads: 1, queries: true }],
    });
    const { vectors, fingerprint } = await source.embed({ texts: ['ab', 'ba'] }, {});
    expect(fingerprint).toBe('custom/letters/8');
    expect(vectors.subarray(0, 8)).toEqual(vectors.subarray(8));
    expect(Math.hypot(...vectors.subarray(0, 8))).toBeCloseTo(1);
    expect((await source.embed({ texts: [] }, {})).vectors).toHaveLength(0);
  });

  it('without a name is known by what it answers', async () => {
    const fingerprintOf = async (salt: number, noise = 0) => {
      const embed = (texts: readonly string[]) =>
        texts.map((text) => letters(text, salt).map((value) => value * 7 + noise * Math.random()));
      return (await host(embed, null).start(NEVER)).fingerprint;
    };
    const first = await fingerprintOf(0);
    expect(first).toMatch(/^custom\/unnamed-[0-9a-f]{16}\/8$/);
    // The same one, though its numbers tremble; another one of the same dimension.
    expect(await fingerprintOf(0, 1e-3)).toBe(first);
    expect(await fingerprintOf(3)).not.toBe(first);
  });

  it('that gives every text the same vector is not started', async () => {
    await expect(host((texts) => texts.map(() => [1, 2])).start(NEVER)).rejects.toMatchObject({
      code: 'backend_wrong',
      message: expect.stringContaining('same vector'),
    });
  });

  it('that throws is told as it is, and may be asked again', async () => {
    let isBroken = true;
    const source = host((texts) => {
      if (isBroken) throw new TypeError('no key');
      return texts.map((text) => letters(text));
    });
    await expect(source.start(NEVER)).rejects.toMatchObject({
      code: 'backend_failed',
      retryable: true,
      message: expect.stringContaining('no key'),
      cause: expect.any(TypeError),
    });
    isBroken = false;
    await source.start(NEVER);
    isBroken = true;
    await expect(source.embed({ texts: ['x'] }, {})).rejects.toThrow('no key');
    isBroken = false;
    expect((await source.embed({ texts: ['x'] }, {})).vectors).toHaveLength(8);
  });

  it('that throws an error of ours is believed', async () => {
    const source = host(() => {
      throw new WhorlError('rate_limited', 'slower', { retryAfterMs: 5 });
    });
    await expect(source.start(NEVER)).rejects.toMatchObject({ code: 'rate_limited' });
  });

  it('whose vectors change their length under way is refused', async () => {
    let isShort = false;
    const source = host((texts) => texts.map((text) => letters(text).slice(0, isShort ? 4 : 8)));
    await source.start(NEVER);
    isShort = true;
    await expect(source.embed({ texts: ['x'] }, {})).rejects.toMatchObject({
      code: 'backend_wrong',
      message: expect.stringContaining('4 numbers, 8 when it was started'),
    });
  });

  it('gets texts of its own, a signal, and the priority', async () => {
    const asked: unknown[] = [];
    const source = host((texts, { priority, signal }) => {
      asked.push([texts.length, priority, signal.aborted]);
      const rows = texts.map((text) => letters(text));
      (texts as string[]).length = 0;
      return rows;
    });
    await source.start(NEVER);
    const texts = ['a', 'b'];
    await source.embed({ texts }, {});
    await source.embed({ texts, priority: 'query' }, {});
    expect(asked.slice(1)).toEqual([
      [2, 'bulk', false],
      [2, 'query', false],
    ]);
    expect(texts).toEqual(['a', 'b']);
  });

  it('gets much work in slices, one call at a time, queries first', async () => {
    let running = 0;
    const order: string[] = [];
    const source = host(async (texts, { priority }) => {
      running += 1;
      expect(running).toBe(1);
      order.push(priority);
      await pause(5);
      running -= 1;
      return texts.map((text) => letters(text));
    });
    await source.start(NEVER);
    const texts = Array.from({ length: 1_000 }, (_, i) => `${i} `.repeat(20));
    const progress: number[] = [];
    const bulk = source.embed({ texts }, { onProgress: (done) => progress.push(done) });
    const query = source.embed({ texts: ['x'], priority: 'query' }, {});
    await Promise.all([bulk, query]);
    expect(order.slice(1, 4)).toEqual(['bulk', 'query', 'bulk']);
    expect(progress.length).toBeGreaterThan(3);
    expect(progress.at(-1)).toBe(1_000);
  });

  it('serves the index worker on a port; the newest port counts', async () => {
    const source = host();
    await source.start(NEVER);
    const connect = async () => {
      const [lane] = await source.ports();
      const port = lane?.port;
      const link = new Link<Pick<EmbedContract, 'embed' | 'info'>>({
        name: 'host',
        spawn: () => ({ endpoint: port as MessagePort, end: () => port?.close() }),
      });
      opened.push(link);
      return link;
    };
    const first = await connect();
    expect(await first.call('info', {})).toMatchObject({ fingerprint: 'custom/letters/8' });
    const second = await connect();
    const { vectors } = await second.call('embed', { texts: ['a'] });
    expect(vectors).toHaveLength(8);
    await expect(first.call('info', {}, { deadlineMs: 50 })).rejects.toMatchObject({
      code: 'deadline',
    });
  });

  it('shows life to calls that wait behind others, longer than one is waited for', async () => {
    let isSlow = false;
    const embed = async (texts: readonly string[]) => {
      if (isSlow) await pause(70);
      return texts.map((text) => letters(text));
    };
    const source = host(embed, 'x', 120);
    await source.start(NEVER);
    isSlow = true;
    const [lane] = await source.ports();
    const port = lane?.port as MessagePort;
    const link = new Link<Pick<EmbedContract, 'embed'>>({
      name: 'host',
      spawn: () => ({ endpoint: port, end: () => port.close() }),
    });
    opened.push(link);
    const how = { deadlineMs: 120, onProgress: () => {} };
    const calls = [1, 2, 3, 4, 5].map((n) => link.call('embed', { texts: [`t${n}`] }, how));
    for (const { vectors } of await Promise.all(calls)) expect(vectors).toHaveLength(8);
  });

  it('is not waited for when its caller has gone, nor longer than its patience', async () => {
    const never = () => new Promise<never>(() => {});
    const source = host(never, 'x', 60);
    const abort = new AbortController();
    const call = source.start(abort.signal);
    abort.abort();
    await expect(call).rejects.toMatchObject({ code: 'aborted' });
    await expect(source.start(NEVER)).rejects.toMatchObject({ code: 'deadline', retryable: true });
  });

  it('rejects what is under way when it is closed', async () => {
    let isStuck = false;
    const source = host((texts) =>
      isStuck ? new Promise<never>(() => {}) : texts.map((text) => letters(text)),
    );
    await source.start(NEVER);
    isStuck = true;
    const calls = [
      source.embed({ texts: ['a'] }, {}),
      source.embed({ texts: ['b'], priority: 'query' }, {}),
    ];
    source.close();
    for (const call of calls) await expect(call).rejects.toMatchObject({ code: 'closed' });
  });
});

describe('a queue for one that does one thing at a time', () => {
  const work =
    (log: string[], name: string, ms = 1) =>
    async () => {
      log.push(name);
      await pause(ms);
    };

  it('runs queries before what waits, and each in the order of its coming', async () => {
    const queue = new HostQueue(1_000);
    const log: string[] = [];
    const run = (name: string, urgent: boolean) =>
      queue.run(work(log, name), { urgent, signal: NEVER });
    await Promise.all([
      run('bulk 1', false),
      run('bulk 2', false),
      run('query 1', true),
      run('query 2', true),
    ]);
    expect(log).toEqual(['bulk 1', 'query 1', 'query 2', 'bulk 2']);
  });

  it('drops what was given up before its turn, and waits for what was given up in it', async () => {
    const queue = new HostQueue(1_000);
    const log: string[] = [];
    const abort = new AbortController();
    const { signal } = abort;
    const first = queue.run(work(log, 'first', 30), { urgent: false, signal });
    const second = queue.run(work(log, 'second'), { urgent: false, signal });
    const third = queue.run(work(log, 'third'), { urgent: false, signal: NEVER });
    const settled = Promise.allSettled([first, second]);
    abort.abort();
    await settled;
    expect(log).toEqual(['first']);
    await third;
    expect(log).toEqual(['first', 'third']);
  });

  it('leaves nothing on the signals of its callers: done, given up, closed', async () => {
    const queue = new HostQueue(1_000);
    const { signal } = new AbortController();
    const how = { urgent: false, signal };
    await queue.run(async () => 1, how);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    const calls = [1, 2, 3].map(() => queue.run(() => new Promise<never>(() => {}), how));
    expect(getEventListeners(signal, 'abort')).toHaveLength(3);
    queue.close(new WhorlError('closed', 'The engine was closed.'));
    for (const call of calls) await expect(call).rejects.toMatchObject({ code: 'closed' });
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  it('goes on after a failure', async () => {
    const queue = new HostQueue(1_000);
    const fail = () => Promise.reject(new WhorlError('network' as ErrorCode, 'no'));
    const how = { urgent: false, signal: NEVER };
    await expect(queue.run(fail, how)).rejects.toMatchObject({ code: 'network' });
    expect(await queue.run(async () => 7, how)).toBe(7);
  });
});
