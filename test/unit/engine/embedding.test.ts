import { afterEach, describe, expect, it } from 'vitest';
import { EmbedWorkers } from '../../../src/embedder/embed-workers.ts';
import { type EmbedderStatus, Embedding } from '../../../src/embedder/embedding.ts';
import { WhorlError } from '../../../src/shared/errors.ts';
import { numbered, vectorsOf } from '../shared/fake-lane.ts';
import { FakeWorkers, INFO, REQUEST } from './fake-workers.ts';

const opened: { close(): void }[] = [];

function open(cacheBytes = 1_000_000) {
  const fakes = new FakeWorkers();
  const statuses: EmbedderStatus[] = [];
  const seen = { lost: 0, restarts: 0 };
  const embedding = new Embedding({
    source: (events) =>
      new EmbedWorkers({ request: REQUEST, size: 2, gpu: false, spawn: fakes.spawn, events }),
    cacheBytes,
    onStatus: (status) => statuses.push(status),
    onRestart: () => {
      seen.restarts += 1;
    },
    onLane: () => {},
    onLost: () => {
      seen.lost += 1;
    },
  });
  opened.push(embedding, fakes);
  const asked = () => fakes.all.reduce((sum, { texts }) => sum + texts.length, 0);
  return { embedding, fakes, statuses, seen, asked };
}

afterEach(() => {
  for (const each of opened.splice(0)) each.close();
});

describe('the embedding of an engine', () => {
  it('starts with the first text, once for many', async () => {
    const { embedding, fakes, statuses } = open();
    expect(embedding.ready).toBe(false);
    const calls = [1, 2, 3].map((n) => embedding.embed({ texts: [`${n}`] }));
    const results = await Promise.all(calls);
    expect(results.map(({ vectors }) => vectors[0])).toEqual([1, 2, 3]);
    expect(fakes.all[0]?.starts).toHaveLength(1);
    expect(statuses.map(({ state }) => state)).toEqual(['loading', 'ready']);
    expect(statuses.at(-1)).toMatchObject({ ...INFO, lanes: [{ queries: true }] });
  });

  it('asks nobody for what it embedded before, until text is erased', async () => {
    const { embedding, asked } = open();
    const texts = numbered(100);
    await embedding.embed({ texts });
    expect(asked()).toBe(100);
    const again = await embedding.embed({ texts });
    expect(again).toMatchObject({ vectors: vectorsOf(texts), tokens: 0 });
    await embedding.embed({ texts: ['7 '.padEnd(112, 'x')], priority: 'query' });
    expect(asked()).toBe(100);
    embedding.forget();
    await embedding.embed({ texts });
    expect(asked()).toBe(200);
  });

  it('keeps nothing when it is told so', async () => {
    const { embedding, asked } = open(0);
    await embedding.embed({ texts: ['1'] });
    await embedding.embed({ texts: ['1'] });
    expect(asked()).toBe(2);
  });

  it('starts again by itself when the last worker is lost', async () => {
    const { embedding, fakes, statuses, seen } = open();
    await embedding.embed({ texts: ['1'] });
    fakes.all[0]?.crash();
    expect(statuses.some(({ state }) => state === 'failed')).toBe(true);
    await expect.poll(() => embedding.ready).toBe(true);
    expect(seen).toEqual({ lost: 1, restarts: 1 });
    expect((await embedding.embed({ texts: ['2'] })).tokens).toBe(1);
    // What was embedded before is known all the same.
    expect((await embedding.embed({ texts: ['1'] })).tokens).toBe(0);
    expect(fakes.all).toHaveLength(2);
  });

  it('given up and begun again at once: the end of the former start is no word of this one', async () => {
    const { embedding, fakes, statuses } = open();
    fakes.onStart = () => new Promise(() => {});
    const abort = new AbortController();
    const former = embedding.wait({ signal: abort.signal });
    await expect.poll(() => fakes.all[0]?.starts.length).toBe(1);
    abort.abort();
    await expect(former).rejects.toMatchObject({ code: 'aborted' });
    expect(statuses.at(-1)).toEqual({ state: 'idle' });
    const again = new AbortController();
    const second = embedding.wait({ signal: again.signal });
    fakes.onStart = () => INFO;
    const from = statuses.length;
    again.abort();
    await second.catch(() => embedding.wait());
    expect(statuses.slice(from).map(({ state }) => state)).toEqual(['loading', 'ready']);
  });

  it('says what a start failed of, and tries again with the next call', async () => {
    const { embedding, fakes, statuses } = open();
    fakes.onStart = () => {
      throw new WhorlError('asset_missing', 'There is no model.');
    };
    await expect(embedding.embed({ texts: ['1'] })).rejects.toMatchObject({
      code: 'asset_missing',
    });
    expect(statuses.at(-1)).toMatchObject({ state: 'failed', code: 'asset_missing' });
    fakes.onStart = () => INFO;
    expect((await embedding.embed({ texts: ['1'] })).tokens).toBe(1);
  });

  it('notices soon after a call that a backend was replaced inside its worker', async () => {
    const { embedding, fakes, statuses } = open();
    await embedding.embed({ texts: ['1'] });
    if (fakes.all[0]) fakes.all[0].info = { ...INFO, backend: 'onnx', why: 'Another one.' };
    await embedding.embed({ texts: ['2'] });
    await expect
      .poll(() => statuses.at(-1))
      .toMatchObject({ backend: 'onnx', why: 'Another one.' });
  });

  it('closed: every call rejects, also one that could be answered from what is kept', async () => {
    const { embedding } = open();
    await embedding.embed({ texts: ['1'] });
    embedding.close();
    await expect(embedding.embed({ texts: ['1'] })).rejects.toMatchObject({ code: 'closed' });
    await expect(embedding.wait()).rejects.toMatchObject({ code: 'closed' });
  });
});
