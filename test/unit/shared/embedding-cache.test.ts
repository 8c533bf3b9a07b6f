import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { embedThroughCache } from '../../../src/shared/cached-embed.ts';
import { EmbeddingCache } from '../../../src/shared/embedding-cache.ts';
import { textDigest } from '../../../src/shared/text-digest.ts';
import { FakeLane, numbered, settle, vectorsOf } from './fake-lane.ts';

/** Room for exactly so many vectors of two numbers. */
const roomFor = (entries: number): number => entries * (2 * 4 + 128);

function write(cache: EmbeddingCache, text: string, value = 1, fingerprint = 'a'): void {
  cache.write(textDigest(text), Float32Array.of(value, value), fingerprint);
}

const read = (cache: EmbeddingCache, text: string) => cache.read(textDigest(text))?.[0] ?? null;

describe('a cache of vectors', () => {
  it('knows what was written, by text and nothing else', () => {
    const cache = new EmbeddingCache(roomFor(10));
    write(cache, 'ale', 3);
    expect(read(cache, 'ale')).toBe(3);
    expect(read(cache, 'Ale')).toBeNull();
    write(cache, 'ale', 4);
    expect(read(cache, 'ale')).toBe(4);
    expect(cache.entries).toBe(1);
  });

  it('keeps a copy, which later changes of the original do not reach', () => {
    const cache = new EmbeddingCache(roomFor(10));
    const vector = Float32Array.of(1, 2);
    cache.write(textDigest('x'), vector, 'a');
    vector.fill(9);
    expect(cache.read(textDigest('x'))).toEqual(Float32Array.of(1, 2));
  });

  it('drops the least lately used when it is full; reading is using', () => {
    const cache = new EmbeddingCache(roomFor(3));
    for (const [i, text] of ['a', 'b', 'c'].entries()) write(cache, text, i);
    expect(read(cache, 'a')).toBe(0);
    write(cache, 'd', 3);
    expect(read(cache, 'b')).toBeNull();
    expect([read(cache, 'a'), read(cache, 'c'), read(cache, 'd')]).toEqual([0, 2, 3]);
    expect(cache.bytes).toBe(roomFor(3));
  });

  it('behaves as a plain map with an order, within its bytes, whatever is done to it', () => {
    const text = fc.constantFrom(...'abcdefghij');
    const step = fc.oneof(
      fc.record({ do: fc.constant('write' as const), text, value: fc.nat(99) }),
      fc.record({ do: fc.constant('read' as const), text }),
      fc.record({ do: fc.constant('forget' as const), text }),
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.array(step), (room, steps) => {
        const cache = new EmbeddingCache(roomFor(room));
        const model = new Map<string, number>();
        for (const each of steps) {
          if (each.do === 'write') {
            model.delete(each.text);
            model.set(each.text, each.value);
            const [oldest] = model.keys();
            if (model.size > room && oldest !== undefined) model.delete(oldest);
            write(cache, each.text, each.value);
          } else if (each.do === 'forget') {
            model.delete(each.text);
            cache.forget([each.text]);
          } else {
            const known = model.get(each.text);
            expect(read(cache, each.text)).toBe(known ?? null);
            if (known !== undefined) {
              model.delete(each.text);
              model.set(each.text, known);
            }
          }
          expect(cache.entries).toBe(model.size);
          expect(cache.bytes).toBeLessThanOrEqual(roomFor(room));
        }
        for (const [each, value] of model) expect(read(cache, each)).toBe(value);
      }),
    );
  });

  it('holds thousands, over many pages', () => {
    const cache = new EmbeddingCache(roomFor(1_000));
    for (let i = 0; i < 3_000; i++) write(cache, `text ${i}`, i);
    expect(cache.entries).toBe(1_000);
    expect(read(cache, 'text 1999')).toBeNull();
    for (let i = 2_000; i < 3_000; i++) expect(read(cache, `text ${i}`)).toBe(i);
  });

  it('of no room, or less than one vector takes, keeps nothing', () => {
    for (const bytes of [0, 100]) {
      const cache = new EmbeddingCache(bytes);
      write(cache, 'x');
      expect(read(cache, 'x')).toBeNull();
      expect(cache.bytes).toBe(0);
    }
    expect(new EmbeddingCache(0).enabled).toBe(false);
  });

  it('is emptied by a vector of another model, and of another dimension', () => {
    const cache = new EmbeddingCache(roomFor(10));
    write(cache, 'x');
    write(cache, 'y', 1, 'b');
    expect(read(cache, 'x')).toBeNull();
    expect(cache.fingerprint).toBe('b');
    cache.write(textDigest('z'), Float32Array.of(1, 2, 3), 'b');
    expect([read(cache, 'y'), cache.dimension, cache.entries]).toEqual([null, 3, 1]);
  });

  it('wipes a vector whose text was erased: nothing of it is left in the row', () => {
    const cache = new EmbeddingCache(roomFor(10));
    write(cache, 'secret', 7);
    const view = cache.read(textDigest('secret'));
    const { epoch } = cache;
    cache.forget(['secret', 'unknown']);
    expect(read(cache, 'secret')).toBeNull();
    expect(view).toEqual(Float32Array.of(0, 0));
    expect(cache.epoch).not.toBe(epoch);
  });
});

describe('embedding by way of a cache', () => {
  const setUp = (bytes = roomFor(100)) => {
    const cache = new EmbeddingCache(bytes);
    const lane = new FakeLane({ delayMs: 0 });
    const seen: number[] = [];
    const embed = (texts: readonly string[]) =>
      embedThroughCache(
        cache,
        (request, options) => lane.embed(request, options),
        { texts, priority: 'query' },
        { onProgress: (done) => seen.push(done) },
      );
    return { cache, lane, embed, seen };
  };

  it('makes no call for what it knows', async () => {
    const { embed, lane, seen } = setUp();
    const first = await embed(['1 a', '2 b']);
    const second = await embed(['2 b', '1 a', '2 b']);
    expect(lane.calls).toHaveLength(1);
    expect(first.tokens).toBe(2);
    expect(second).toEqual({
      vectors: vectorsOf(['2 b', '1 a', '2 b']),
      dimension: 2,
      fingerprint: 'fake',
      tokens: 0,
    });
    expect(seen).toEqual([3]);
  });

  it('hands on what it does not know, each text once, and puts all in their places', async () => {
    const { embed, lane, seen } = setUp();
    await embed(['1 a']);
    const { vectors } = await embed(['3 c', '1 a', '2 b', '3 c']);
    expect(lane.calls[1]?.request).toEqual({ texts: ['3 c', '2 b'], priority: 'query' });
    expect(vectors).toEqual(vectorsOf(['3 c', '1 a', '2 b', '3 c']));
    lane.calls[1]?.options.onProgress?.(2);
    expect(seen.at(-1)).toBe(4);
  });

  it('gives vectors of its own: what the caller does to them reaches nobody', async () => {
    const { embed } = setUp();
    (await embed(['1 a'])).vectors.fill(0);
    (await embed(['1 a'])).vectors.fill(0);
    expect((await embed(['1 a'])).vectors).toEqual(vectorsOf(['1 a']));
  });

  it('serves a call that is larger than its room', async () => {
    const { embed, lane } = setUp(roomFor(2));
    const texts = ['1', '2', '3', '4', '1', '4'];
    expect((await embed(texts)).vectors).toEqual(vectorsOf(texts));
    // 3 and 4 stayed; reading 1 and 2 takes their room while they are still needed.
    expect((await embed(['3', '4', '1', '2'])).vectors).toEqual(vectorsOf(['3', '4', '1', '2']));
    expect(lane.calls[1]?.request.texts).toEqual(['1', '2']);
  });

  it('starts over when another model answers than the one whose vectors were kept', async () => {
    const { cache, embed, lane } = setUp();
    write(cache, '1 a', 9, 'former');
    expect((await embed(['1 a', '2 b'])).vectors).toEqual(vectorsOf(['1 a', '2 b']));
    expect(lane.calls.map(({ request }) => request.texts.length)).toEqual([1, 2]);
    expect(cache.fingerprint).toBe('fake');
  });

  it('keeps nothing of a call during which text was erased', async () => {
    const { cache, embed, lane } = setUp();
    lane.delayMs = null;
    const call = embed(['1 secret']);
    await settle();
    cache.forget(['1 secret']);
    lane.open[0]?.answer();
    await call;
    expect(cache.entries).toBe(0);
  });

  it('lets others in while it takes the digests of much text: an abort ends it before anybody is asked', async () => {
    const { cache, lane } = setUp();
    const abort = new AbortController();
    // Some 600,000 blocks of SHA-256.
    const texts = numbered(20_000, 240);
    const embed = lane.embed.bind(lane);
    const call = embedThroughCache(cache, embed, { texts }, { signal: abort.signal });
    setTimeout(() => abort.abort());
    await expect(call).rejects.toMatchObject({ code: 'aborted' });
    expect(lane.calls).toEqual([]);
  });

  it('keeps nothing of a call that failed, and asks nothing when it is off', async () => {
    const { cache, embed, lane } = setUp();
    lane.delayMs = null;
    const call = embed(['1 a']);
    await settle();
    lane.open[0]?.fail(new Error('no') as never);
    await expect(call).rejects.toThrow('no');
    expect(cache.entries).toBe(0);
    const off = setUp(0);
    await off.embed(['1 a', '1 a']);
    expect(off.lane.calls[0]?.request.texts).toEqual(['1 a', '1 a']);
  });
});
