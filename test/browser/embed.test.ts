/** The real embed worker over the real link, with the Cache API. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { embedWorkerUrl, ortPlaces } from '../../src/places.ts';
import { Link } from '../../src/shared/link.ts';
import type {
  DownloadProgress,
  EmbedContract,
  EmbedderInfo,
  EmbedProgress,
  EmbedStartRequest,
  LentModel,
} from '../../src/shared/types.ts';
import { spawnWorker } from '../../src/spawn.ts';

const assets = new URL('/models/all-MiniLM-L6-v2/', location.href).href;
const request: EmbedStartRequest = { assets, backend: 'wasm', ort: ortPlaces };
const PATIENT = { deadlineMs: 15_000 };
const QUERY = 'a quiet inn';

const links: Link<EmbedContract>[] = [];
function openLink(): Link<EmbedContract> {
  const link = new Link<EmbedContract>({
    name: 'embed worker',
    spawn: () => spawnWorker(embedWorkerUrl, 'embed'),
    startMs: 60_000,
    hungMs: 90_000,
  });
  links.push(link);
  return link;
}

async function start(
  link: Link<EmbedContract>,
  changes: Partial<EmbedStartRequest> = {},
): Promise<{ info: EmbedderInfo; progress: DownloadProgress[] }> {
  const progress: DownloadProgress[] = [];
  const info = await link.call('start', { ...request, ...changes }, {
    ...PATIENT,
    onProgress: (p: DownloadProgress) => void progress.push(p),
  } as never);
  return { info, progress };
}

describe('the embed worker', { timeout: 120_000 }, () => {
  let link: Link<EmbedContract>;
  beforeAll(async () => {
    for (const name of await caches.keys()) await caches.delete(name);
    link = openLink();
  });
  afterAll(() => {
    for (const each of links) each.close();
  });

  it('says that nothing runs before a start', async () => {
    expect(await link.call('info', {})).toBeNull();
    await expect(link.call('embed', { texts: ['x'] })).rejects.toMatchObject({
      code: 'embedder_unavailable',
    });
  });

  it('downloads, keeps what it has verified, and starts', async () => {
    const { info, progress } = await start(link);
    expect(info).toMatchObject({ backend: 'wasm', dimension: 384, threads: 1 });
    expect(info.why).toMatch(/^Whorl's own kernel, build "(simd128|relaxed)"\. .+\.$/);
    expect(info.weights).toContain('int8');
    const loaded = progress.map(({ loadedBytes }) => loadedBytes);
    expect(loaded).toEqual(loaded.toSorted((a, b) => a - b));
    expect(progress.some(({ stage, fromCache }) => stage === 'download' && !fromCache)).toBe(true);
    expect(progress.at(-1)).toMatchObject({ stage: 'check', fromCache: false });
    const keys = await (await caches.open('whorl-assets-1')).keys();
    // Six pieces of weights, tokenizer, manifest: our own kernel needs no graph.
    expect(keys).toHaveLength(8);
  });

  it('answers an equal start with the running embedder', async () => {
    const before = performance.now();
    const [first, second] = await Promise.all([start(link), start(link)]);
    expect(first.info).toEqual(second.info);
    expect(performance.now() - before).toBeLessThan(1_000);
  });

  it('embeds, transfers the vectors, and embeds nothing', async () => {
    const result = await link.call(
      'embed',
      { texts: ['a quiet inn', ''], priority: 'query' },
      PATIENT,
    );
    expect(result.vectors).toHaveLength(2 * 384);
    expect(result.tokens).toBe(5 + 2);
    expect((await link.call('embed', { texts: [] }, PATIENT)).vectors).toHaveLength(0);
    const { ids } = await link.call('tokenize', { texts: ['a quiet inn'] });
    expect([...(ids[0] ?? [])]).toEqual([101, 1037, 4251, 7601, 102]);
  });

  it('serves embed and info, and nothing else, on a port; the newest port counts', async () => {
    const ports = [new MessageChannel(), new MessageChannel()];
    const far = ports.map(({ port1 }) => {
      const each = new Link<EmbedContract>({
        name: 'embed port',
        spawn: () => ({ endpoint: port1, end: () => port1.close() }),
        startMs: 3_000,
        hungMs: 3_000,
      });
      links.push(each);
      return each;
    });
    for (const { port2 } of ports) {
      await link.call('attach', { port: port2 }, { transfer: [port2] });
    }
    const newest = far[1] as Link<EmbedContract>;
    expect(await newest.call('info', {})).toMatchObject({ backend: 'wasm' });
    const { vectors } = await newest.call('embed', { texts: ['inn'] }, PATIENT);
    expect(vectors).toHaveLength(384);
    await expect(newest.call('start', request)).rejects.toMatchObject({ code: 'internal' });
    await expect((far[0] as Link<EmbedContract>).call('info', {})).rejects.toMatchObject({
      retryable: true,
    });
  });

  const bulkOf = (count: number): string[] =>
    Array.from({ length: count }, (_, i) => `inn number ${i} `.repeat(40));

  it('answers queries while bulk work is under way, each with the vector that it has alone', async () => {
    const alone = await link.call('embed', { texts: [QUERY], priority: 'query' }, PATIENT);
    let done = 0;
    let finished = false;
    const how = {
      ...PATIENT,
      onProgress: (progress: EmbedProgress) => {
        done = progress.done;
      },
    };
    const bulk = link.call('embed', { texts: bulkOf(60) }, how as never).finally(() => {
      finished = true;
    });
    while (done === 0 && !finished) await new Promise((resolve) => setTimeout(resolve));
    for (let i = 0; i < 3; i += 1) {
      const query = await link.call('embed', { texts: [QUERY], priority: 'query' }, PATIENT);
      expect(query.vectors).toEqual(alone.vectors);
      expect(finished).toBe(false);
    }
    expect((await bulk).vectors).toHaveLength(60 * 384);
  });

  it('stops bulk work when it is aborted and answers the next query soon', async () => {
    const abort = new AbortController();
    const bulk = link.call('embed', { texts: bulkOf(200) }, { ...PATIENT, signal: abort.signal });
    const query = await link.call('embed', { texts: ['where'], priority: 'query' }, PATIENT);
    expect(query.vectors).toHaveLength(384);
    abort.abort();
    await expect(bulk).rejects.toMatchObject({ code: 'aborted' });
    const before = performance.now();
    await link.call('embed', { texts: ['after'] }, PATIENT);
    expect(performance.now() - before).toBeLessThan(10_000);
  });

  it('lends its model to another worker, which needs nothing else and gives the same vectors', async () => {
    const lent = (await link.call('lend', {}, PATIENT)) as LentModel;
    expect(lent.kernel).toMatch(/^minilm\/(simd128|relaxed)\/int8\/[0-9a-f]+$/);
    const borrower = openLink();
    const { manifest, tokenizer, image } = lent;
    const nowhere = new URL('/nowhere/', location.href).href;
    const info = await borrower.call(
      'start',
      { ...request, assets: nowhere, lent },
      { ...PATIENT, transfer: [manifest.buffer, tokenizer.buffer, image] },
    );
    expect(image.byteLength).toBe(0);
    expect(info.why).toContain('from another worker');
    const texts = [QUERY, '', 'river '.repeat(300)];
    const [one, two] = await Promise.all(
      [link, borrower].map((each) => each.call('embed', { texts }, PATIENT)),
    );
    expect(two?.vectors).toEqual(one?.vectors);
    expect(two?.fingerprint).toBe(one?.fingerprint);
    // The lender lost nothing.
    const again = (await link.call('lend', {}, PATIENT)) as LentModel;
    expect(again.image.byteLength).toBeGreaterThan(20_000_000);
    borrower.close();
    const refused = openLink();
    await expect(start(refused, { precision: 'float32', lent: again })).rejects.toMatchObject({
      code: 'unsupported',
    });
    expect((await start(refused, { precision: 'float32' })).info.weights).toContain('float32');
    refused.close();
  });

  it.each(['simd128', 'relaxed'] as const)('runs the build "%s" by name', async (variant) => {
    const named = openLink();
    const { info } = await start(named, { variant });
    expect(info.why).toContain(`"${variant}"`);
    const pair = await named.call('embed', { texts: [QUERY, 'a peaceful tavern'] }, PATIENT);
    const usual = await link.call('embed', { texts: [QUERY, 'a peaceful tavern'] }, PATIENT);
    const likeness = pair.vectors.reduce((sum, x, k) => sum + x * (usual.vectors[k] ?? 0), 0) / 2;
    expect(likeness).toBeGreaterThan(0.9999);
    named.close();
  });

  it('starts again from the cache alone, on the same bar', async () => {
    const second = openLink();
    const { info, progress } = await start(second);
    expect(info.backend).toBe('wasm');
    const read = progress.filter(({ stage }) => stage === 'download' || stage === 'verify');
    expect(read.length).toBeGreaterThan(6);
    expect(read.every(({ fromCache, stage }) => fromCache && stage === 'verify')).toBe(true);
    expect(read.at(-1)?.loadedBytes).toBe(read.at(-1)?.totalBytes);
  });

  it('forgets a failed start', async () => {
    const third = openLink();
    const wrong = { ...request, assets: new URL('/nowhere/', location.href).href };
    await expect(third.call('start', wrong, PATIENT)).rejects.toMatchObject({
      code: expect.stringMatching(/^asset_/),
    });
    const unknown = { ...request, threads: 4 } as EmbedStartRequest;
    await expect(third.call('start', unknown)).rejects.toThrow(/"threads"/);
    expect((await start(third)).info.backend).toBe('wasm');
  });
});
