import { describe, expect, it } from 'vitest';
import type { DownloadProgress } from '../../../src/shared/types.ts';
import { type DownloadedModel, downloadModel } from '../../../workers/embed/download.ts';
import { PIECE_BYTES } from '../../../workers/embed/manifest.ts';
import {
  AssetServer,
  BASE,
  FILES,
  type MemoryCache as Kept,
  MemoryCache,
  noise,
} from './asset-server.ts';

const WEIGHTS = 'weights.bin';
const TOTAL = Object.values(FILES).reduce((sum, { length }) => sum + length, 0);

async function load(
  server: AssetServer,
  cache: Kept | null = null,
  signal = new AbortController().signal,
): Promise<{ model: DownloadedModel; progress: DownloadProgress[]; waits: number[] }> {
  const progress: DownloadProgress[] = [];
  const deps = server.deps(cache);
  const model = await downloadModel(BASE, deps, { signal, onProgress: (p) => progress.push(p) });
  expectHonest(progress);
  return { model, progress, waits: deps.waits };
}

/** The bar never goes back, never passes the end, and reaches it. */
function expectHonest(progress: readonly DownloadProgress[]): void {
  const loaded = progress.map(({ loadedBytes }) => loadedBytes);
  expect(loaded).toEqual(loaded.toSorted((a, b) => a - b));
  expect(new Set(progress.map(({ totalBytes }) => totalBytes))).toEqual(new Set([TOTAL]));
  expect(loaded.at(-1)).toBe(TOTAL);
}

function expectWhole(model: DownloadedModel): void {
  expect(Buffer.compare(model.weights, FILES[WEIGHTS])).toBe(0);
  expect(Buffer.compare(model.graph, FILES['model.onnx'])).toBe(0);
  expect(Buffer.compare(model.tokenizer, FILES['tokenizer.json'])).toBe(0);
}

describe('a download that goes well', () => {
  it('reads every file once, without ranges, and says that nothing came from the cache', async () => {
    const server = new AssetServer();
    const { model, progress } = await load(server, new MemoryCache());
    expectWhole(model);
    expect(server.asked.map(({ path, range }) => [path, range])).toEqual([
      ['manifest.json', null],
      ['tokenizer.json', null],
      ['model.onnx', null],
      [WEIGHTS, null],
    ]);
    expect(progress.every(({ fromCache }) => !fromCache)).toBe(true);
    expect(model.note).toBeNull();
  });

  it('shows the same bar from the cache and asks for the manifest alone', async () => {
    const cache = new MemoryCache();
    await load(new AssetServer(), cache);
    const again = new AssetServer();
    const { model, progress } = await load(again, cache);
    expectWhole(model);
    expect(again.asked.map(({ path }) => path)).toEqual(['manifest.json']);
    expect(progress.every(({ fromCache, stage }) => fromCache && stage === 'verify')).toBe(true);
  });

  it('runs offline from the cache, and behind a sign-in page too', async () => {
    const cache = new MemoryCache();
    await load(new AssetServer(), cache);
    const offline = new AssetServer();
    offline.mischief = () => ({ fails: true });
    expectWhole((await load(offline, cache)).model);
    const portal = new AssetServer();
    portal.mischief = () => ({ headers: { 'content-type': 'text/html' } });
    expectWhole((await load(portal, cache)).model);
  });

  it('lets go of the pieces that a new version no longer has', async () => {
    const cache = new MemoryCache();
    await load(new AssetServer(), cache);
    const before = new Set(cache.entries.keys());
    const changed = FILES[WEIGHTS].slice();
    changed[0] = (changed[0] ?? 0) ^ 255;
    const server = new AssetServer({ ...FILES, [WEIGHTS]: changed });
    await downloadModel(BASE, server.deps(cache), {
      signal: new AbortController().signal,
      onProgress: () => {},
    });
    // Only the first piece differs: one gone, one new, and only that one was fetched.
    expect(server.requests(WEIGHTS)).toHaveLength(1);
    expect(server.requests(WEIGHTS)[0]?.range).toBe(`bytes=0-${PIECE_BYTES - 1}`);
    const after = new Set(cache.entries.keys());
    expect([...before].filter((key) => !after.has(key))).toHaveLength(1);
    expect(after.size).toBe(before.size);
  });
});

describe('a connection that is cut', () => {
  it('goes on at the first missing piece', async () => {
    const server = new AssetServer();
    server.mischief = ({ path, range }) =>
      path === WEIGHTS && range === null ? { cutAfter: PIECE_BYTES + 1_000 } : undefined;
    const { model, waits } = await load(server, new MemoryCache());
    expectWhole(model);
    expect(server.requests(WEIGHTS).map(({ range }) => range)).toEqual([
      null,
      `bytes=${PIECE_BYTES}-${FILES[WEIGHTS].length - 1}`,
    ]);
    expect(waits).toEqual([500]);
  });

  it('restarts on a server without ranges, and the bar waits for it', async () => {
    const server = new AssetServer();
    let first = true;
    server.mischief = ({ path }) => {
      if (path !== WEIGHTS || !first) return { noRange: true };
      first = false;
      return { cutAfter: 2 * PIECE_BYTES - 5 };
    };
    const { model, progress } = await load(server, new MemoryCache());
    expectWhole(model);
    expect(server.requests(WEIGHTS)).toHaveLength(2);
    expectHonest(progress);
  });

  it('goes on in a later visit', async () => {
    const cache = new MemoryCache();
    const broken = new AssetServer();
    broken.mischief = ({ path, range }) => {
      if (path !== WEIGHTS) return undefined;
      return range === null ? { cutAfter: PIECE_BYTES + 9 } : { fails: true };
    };
    await expect(load(broken, cache)).rejects.toMatchObject({ code: 'network', retryable: true });
    const healthy = new AssetServer();
    const { model, progress } = await load(healthy, cache);
    expectWhole(model);
    expect(healthy.requests(WEIGHTS).map(({ range }) => range)).toEqual([
      `bytes=${PIECE_BYTES}-${FILES[WEIGHTS].length - 1}`,
    ]);
    expect(progress.some(({ fromCache }) => fromCache)).toBe(true);
  });

  it('gives up after four tries that bring nothing', async () => {
    const server = new AssetServer();
    server.mischief = ({ path }) => (path === WEIGHTS ? { cutAfter: 10 } : undefined);
    const error = await load(server).catch((reason) => reason);
    expect(error).toMatchObject({ code: 'network', retryable: true });
    expect(error.message).toContain(WEIGHTS);
    expect(server.requests(WEIGHTS)).toHaveLength(5);
  });

  it('counts a silent connection as cut', async () => {
    const server = new AssetServer();
    let asked = 0;
    server.mischief = ({ path }) => {
      if (path !== WEIGHTS) return undefined;
      asked += 1;
      return asked === 1 ? { silent: true } : undefined;
    };
    const deps = server.deps();
    const wait: typeof deps.wait = async (ms, signal) => {
      if (ms < 20_000 || asked !== 1) return deps.wait(ms, signal);
      // What can be heard at once is heard before.
      await new Promise((resolve) => setTimeout(resolve, 30));
      if (signal.aborted) throw signal.reason;
    };
    const model = await downloadModel(
      BASE,
      { ...deps, wait },
      { signal: new AbortController().signal, onProgress: () => {} },
    );
    expectWhole(model);
    expect(server.requests(WEIGHTS)).toHaveLength(2);
  });

  describe('a server that takes a request and does not answer it', () => {
    /** Silence passes at once; how often it did. */
    function impatient(server: AssetServer, cache: Kept | null = null) {
      const deps = server.deps(cache);
      const silences: number[] = [];
      const wait: typeof deps.wait = async (ms, signal) => {
        if (ms < 20_000) return deps.wait(ms, signal);
        // What can be answered at once is answered before.
        await new Promise((resolve) => setTimeout(resolve, 30));
        if (signal.aborted) throw signal.reason;
        silences.push(ms);
      };
      return { deps: { ...deps, wait }, silences };
    }

    const quiet = () => ({ signal: new AbortController().signal, onProgress: () => {} });

    it.each([
      ['at all', { mute: true }],
      ['with more than a head', { silent: true }],
    ])('%s: the manifest is given up after 20 s', async (_, answer) => {
      const server = new AssetServer();
      server.mischief = () => answer;
      const { deps, silences } = impatient(server);
      const error = await downloadModel(BASE, deps, quiet()).catch((reason) => reason);
      expect(error).toMatchObject({ code: 'network', retryable: true });
      expect(error.message).toMatch(/manifest\.json.*no byte came for 20 s/);
      expect(silences).toEqual([20_000]);
      expect(server.given).toEqual('mute' in answer ? ['manifest.json'] : []);
    });

    it('a model that is kept runs without the answer', async () => {
      const cache = new MemoryCache();
      await load(new AssetServer(), cache);
      const server = new AssetServer();
      server.mischief = () => ({ mute: true });
      expectWhole(await downloadModel(BASE, impatient(server, cache).deps, quiet()));
    });

    it('a file is asked for again', async () => {
      const server = new AssetServer();
      server.mischief = ({ path }) =>
        path === WEIGHTS && server.requests(WEIGHTS).length === 0 ? { mute: true } : undefined;
      expectWhole(await downloadModel(BASE, impatient(server).deps, quiet()));
      expect(server.requests(WEIGHTS)).toHaveLength(2);
      expect(server.given).toEqual([WEIGHTS]);
    });

    it('cancelling does not wait for it', async () => {
      const server = new AssetServer();
      server.mischief = () => ({ mute: true });
      const abort = new AbortController();
      const call = downloadModel(BASE, server.deps(), { ...quiet(), signal: abort.signal });
      abort.abort();
      await expect(call).rejects.toMatchObject({ code: 'aborted' });
      expect(server.given).toEqual(['manifest.json']);
    });
  });

  it('waits as long as an overloaded server says', async () => {
    const server = new AssetServer();
    let busy = 0;
    server.mischief = ({ path }) =>
      path === WEIGHTS && busy++ < 2 ? { status: 503, headers: { 'retry-after': '3' } } : undefined;
    const { waits } = await load(server);
    expect(waits).toEqual([3_000, 3_000]);
  });
});

describe('a wrong file', () => {
  it('is asked for once more past every cache, then refused by name', async () => {
    const server = new AssetServer({ ...FILES });
    server.files[WEIGHTS] = noise(FILES[WEIGHTS].length, 99);
    const cache = new MemoryCache();
    const error = await load(server, cache).catch((reason) => reason);
    expect(error.code).toBe('asset_corrupt');
    expect(error.message).toContain(`"${WEIGHTS}"`);
    expect(server.requests(WEIGHTS).map((asked) => asked.cache)).toEqual(['no-store', 'reload']);
    expect([...cache.entries.keys()].filter((key) => key.includes(WEIGHTS))).toEqual([]);
  });

  it('heals when only the first answer was wrong', async () => {
    const server = new AssetServer();
    server.mischief = ({ path, cache }) =>
      path === WEIGHTS && cache !== 'reload'
        ? { body: noise(FILES[WEIGHTS].length, 7) }
        : undefined;
    expectWhole((await load(server)).model);
  });

  it('is refused when a web page comes in its place', async () => {
    const server = new AssetServer();
    server.mischief = ({ path }) =>
      path === 'model.onnx'
        ? { headers: { 'content-type': 'text/html; charset=utf-8' } }
        : undefined;
    const error = await load(server).catch((reason) => reason);
    expect(error).toMatchObject({ code: 'asset_corrupt', retryable: true });
    expect(error.message).toMatch(/"model.onnx".*web page/);
  });

  it('is refused when it is too long, by its head and by its bytes', async () => {
    const long = noise(FILES['model.onnx'].length + 1, 2);
    const byBytes = new AssetServer();
    byBytes.mischief = ({ path }) => (path === 'model.onnx' ? { body: long } : undefined);
    await expect(load(byBytes)).rejects.toMatchObject({ code: 'asset_corrupt' });
    const byHead = new AssetServer();
    byHead.mischief = ({ path }) =>
      path === 'model.onnx' ? { headers: { 'content-length': String(long.length) } } : undefined;
    const error = await load(byHead).catch((reason) => reason);
    expect(error).toMatchObject({ code: 'asset_corrupt' });
    expect(error.message).toContain('5001 bytes where the manifest says 5000');
  });

  it('is incomplete when it keeps ending early as if all were well', async () => {
    const server = new AssetServer();
    server.mischief = ({ path }) => (path === 'model.onnx' ? { endAfter: 4_999 } : undefined);
    const error = await load(server).catch((reason) => reason);
    expect(error).toMatchObject({ code: 'asset_incomplete', retryable: true });
    expect(error.message).toContain('4999 of 5000');
  });

  it('is missing when the server says so, without a second try', async () => {
    const server = new AssetServer();
    server.mischief = ({ path }) => (path === WEIGHTS ? { status: 404 } : undefined);
    const error = await load(server).catch((reason) => reason);
    expect(error).toMatchObject({ code: 'asset_missing', retryable: false });
    expect(error.message).toContain(`${BASE}${WEIGHTS}`);
    expect(server.requests(WEIGHTS)).toHaveLength(1);
  });

  it('is refused when the server sends another range than asked for', async () => {
    const cache = new MemoryCache();
    await load(new AssetServer(), cache);
    const [first] = [...cache.entries.keys()].filter((key) => key.includes(WEIGHTS));
    cache.entries.delete(first ?? '');
    const server = new AssetServer();
    server.mischief = ({ range }) =>
      range ? { headers: { 'content-range': 'bytes 17-99/100' } } : undefined;
    // Refused as a range, then read whole.
    expectWhole((await load(server, cache)).model);
    expect(server.requests(WEIGHTS).map(({ range }) => range)).toEqual([expect.any(String), null]);
  });
});

describe('the cache', () => {
  it('is verified: a spoilt piece is dropped and fetched alone', async () => {
    const cache = new MemoryCache();
    await load(new AssetServer(), cache);
    const keys = [...cache.entries.keys()].filter((key) => key.includes(WEIGHTS));
    const spoilt = cache.entries.get(keys[1] ?? '') as Uint8Array;
    spoilt[5] = (spoilt[5] ?? 0) ^ 1;
    const server = new AssetServer();
    expectWhole((await load(server, cache)).model);
    expect(server.requests(WEIGHTS).map(({ range }) => range)).toEqual([
      `bytes=${PIECE_BYTES}-${2 * PIECE_BYTES - 1}`,
    ]);
  });

  it('may be full: the model runs from memory and says so', async () => {
    const cache = new MemoryCache();
    cache.full = true;
    const { model } = await load(new AssetServer(), cache);
    expectWhole(model);
    expect(model.note).toContain('its storage is full');
    expect(cache.entries.size).toBe(0);
  });

  it('may be unreadable: everything is fetched', async () => {
    const cache = new MemoryCache();
    cache.get = () => Promise.reject(new Error('broken disk'));
    expectWhole((await load(new AssetServer(), cache)).model);
  });
});

describe('an abort', () => {
  it('stops in the middle, keeps whole pieces, and rejects as aborted', async () => {
    const server = new AssetServer();
    const cache = new MemoryCache();
    const abort = new AbortController();
    const run = downloadModel(BASE, server.deps(cache), {
      signal: abort.signal,
      onProgress: ({ loadedBytes }) => {
        if (loadedBytes > PIECE_BYTES + 200_000) abort.abort();
      },
    });
    await expect(run).rejects.toMatchObject({ code: 'aborted' });
    const kept = [...cache.entries.keys()].filter((key) => key.includes(WEIGHTS));
    expect(kept).toHaveLength(1);
    expect(server.requests(WEIGHTS)).toHaveLength(1);
  });

  it('before the start asks for nothing', async () => {
    const server = new AssetServer();
    await expect(load(server, null, AbortSignal.abort())).rejects.toMatchObject({
      code: 'aborted',
    });
    expect(server.asked).toEqual([]);
  });
});
