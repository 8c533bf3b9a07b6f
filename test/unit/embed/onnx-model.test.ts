import { describe, expect, it } from 'vitest';
import type { OnnxModel } from '../../../src/shared/types.ts';
import { MemoryCache, sha } from './asset-server.ts';
import { NODES, onnxFile, TENSORS, tokenizerFile } from './onnx-file.ts';
import { type Answer, Hub, load, MODEL, URLS } from './onnx-hub.ts';

describe('loadOnnxModel', () => {
  it('reads both files, says who they are, and reports one bar', async () => {
    const hub = new Hub();
    const { loaded, progress } = await load(hub);
    const [file, tokenizer] = [sha(onnxFile()), sha(tokenizerFile())].map((hex) =>
      hex.slice(0, 16),
    );
    expect(loaded).toMatchObject({
      name: 'model.onnx',
      fingerprint: `model.onnx/o-${file}/t-${tokenizer}/mean-l2-256`,
      maxTokens: 256,
      pooling: 'mean',
      facts: { vocabulary: 40, positions: 512, dynamic: false },
      note: expect.stringContaining('no cache storage'),
    });
    expect([...loaded.tokenizer.encode('a quiet INN')]).toEqual([2, 4, 5, 6, 3]);
    expect(loaded.weights).toBe('model.onnx, 0.0 MB');
    expect(hub.asked).toEqual(['GET tokenizer.json', 'GET model.onnx?rev=7']);
    const bytes = progress.map(({ loadedBytes }) => loadedBytes);
    expect(bytes).toEqual(bytes.toSorted((a, b) => a - b));
    expect(progress.at(-1)).toMatchObject({
      stage: 'download',
      file: 'model.onnx',
      loadedBytes: onnxFile().length + tokenizerFile().length,
      totalBytes: onnxFile().length + tokenizerFile().length,
      fromCache: false,
    });
    loaded.meter.stage('check');
  });

  it('makes the fingerprint of all that the vectors depend on', async () => {
    const prints = new Set<string>();
    const other = onnxFile(NODES, [...TENSORS, { name: 'more', shape: [1] }]);
    for (const [model, file] of [
      [MODEL, onnxFile()],
      [MODEL, other],
      [{ ...MODEL, pooling: 'cls' }, onnxFile()],
      [{ ...MODEL, maxTokens: 100 }, onnxFile()],
      [{ ...MODEL, model: 'mine' }, onnxFile()],
    ] as [OnnxModel, Uint8Array<ArrayBuffer>][]) {
      const hub = new Hub();
      hub.files.set(URLS.url, file);
      prints.add((await load(hub, { model })).loaded.fingerprint);
    }
    expect(prints.size).toBe(5);
    expect([...prints].at(-1)).toMatch(/^mine\/o-/);
  });

  it('keeps what it read, asks only whether it changed, and does without an answer', async () => {
    const cache = new MemoryCache();
    const first = await load(new Hub(), { cache });
    expect(first.loaded.note).toBeNull();
    expect(cache.entries.size).toBe(4);
    const hub = new Hub();
    const again = await load(hub, { cache });
    expect(hub.asked).toEqual(['HEAD tokenizer.json', 'HEAD model.onnx?rev=7']);
    expect(again.loaded.fingerprint).toBe(first.loaded.fingerprint);
    expect(again.progress.every(({ fromCache, stage }) => fromCache && stage === 'verify')).toBe(
      true,
    );
    expect(again.progress.at(-1)?.loadedBytes).toBe(again.progress.at(-1)?.totalBytes);
    const offline = new Hub();
    const { loaded } = await load(
      Object.assign(offline, { fetch: () => Promise.reject(new TypeError('offline')) }),
      { cache },
    );
    expect(loaded.fingerprint).toBe(first.loaded.fingerprint);
  });

  it('reads a file again that the server has replaced, and forgets the former one', async () => {
    const cache = new MemoryCache();
    const { loaded: former } = await load(new Hub(), { cache });
    const hub = new Hub();
    hub.etag = '"2"';
    hub.files.set(URLS.url, onnxFile(NODES, [...TENSORS, { name: 'more', shape: [1] }]));
    const { loaded } = await load(hub, { cache });
    expect(hub.asked).toContain('GET model.onnx?rev=7');
    expect(loaded.fingerprint).not.toBe(former.fingerprint);
    expect(cache.entries.size).toBe(4);
  });

  it('asks nothing of a server that says no version, and trusts what it kept', async () => {
    const cache = new MemoryCache();
    const hub = new Hub();
    hub.etag = null;
    await load(hub, { cache });
    await load(hub, { cache });
    expect(hub.asked).toHaveLength(2);
  });

  it('does not use what was spoilt in the cache, bytes or note', async () => {
    for (const spoil of [
      (bytes: Uint8Array) => bytes.fill(1, 10, 11),
      (bytes: Uint8Array) => bytes.fill(0x7b),
    ]) {
      const cache = new MemoryCache();
      const { loaded: former } = await load(new Hub(), { cache });
      for (const bytes of cache.entries.values()) spoil(bytes);
      const hub = new Hub();
      const { loaded } = await load(hub, { cache });
      expect(loaded.fingerprint).toBe(former.fingerprint);
      expect(hub.asked.filter((asked) => asked.startsWith('GET'))).toHaveLength(2);
    }
  });

  it('goes on without a cache that is full, and says so', async () => {
    const cache = new MemoryCache();
    cache.full = true;
    const { loaded } = await load(new Hub(), { cache });
    expect(loaded.note).toMatch(/"model\.onnx" is not kept on this device \(its storage is full\)/);
  });

  it('tries again after a cut and a failure of the server, for as long as it waits for', async () => {
    const hub = new Hub().answer(
      URLS.url,
      { cutAfter: 150 },
      { status: 503, headers: { 'retry-after': '2' } },
    );
    const { waits } = await load(hub);
    expect(waits).toEqual([500, 2_000]);
    const gone = new Hub().answer(URLS.url, { fails: true }, { fails: true }, { fails: true });
    await expect(load(gone)).rejects.toMatchObject({ code: 'network', retryable: true });
    expect(gone.asked.filter((asked) => asked.includes('onnx'))).toHaveLength(3);
  });

  const page = '<!DOCTYPE html><html><body>Sign in</body></html>';
  const html = { 'content-type': 'text/html; charset=utf-8' };
  it.each([
    [
      'nothing there',
      URLS.url,
      { status: 404 },
      'asset_missing',
      /model\.onnx\?rev=7: the server answered 404/,
    ],
    ['no permission', URLS.tokenizer, { status: 401 }, 'asset_missing', /answered 401/],
    [
      'a page by its type',
      URLS.url,
      { body: page, headers: html },
      'asset_corrupt',
      /a web page came/,
    ],
    ['a page by its words', URLS.url, { body: page }, 'asset_corrupt', /a web page came/],
    [
      'a page for the tokenizer',
      URLS.tokenizer,
      { body: `\n  ${page}` },
      'asset_corrupt',
      /a web page came/,
    ],
    [
      'a broken graph',
      URLS.url,
      { body: onnxFile().slice(0, -20) },
      'asset_corrupt',
      /not an ONNX file/,
    ],
    [
      'a broken tokenizer',
      URLS.tokenizer,
      { body: '{"model":' },
      'asset_corrupt',
      /tokenizer at https/,
    ],
    ['another JSON', URLS.tokenizer, { body: '{"a":1}' }, 'asset_corrupt', /tokenizer at https/],
    [
      'a file that is too large',
      URLS.url,
      { headers: { 'content-length': String(600 * 2 ** 20) } },
      'too_large',
      /536870912 bytes/,
    ],
    [
      'a tokenizer of another model',
      URLS.tokenizer,
      { body: tokenizerFile(40) },
      'asset_corrupt',
      /up to number 40.*knows 40 tokens \(0 to 39\)/,
    ],
    [
      'weights beside the file',
      URLS.url,
      { body: onnxFile(NODES, [{ name: 'w', shape: [4], external: true }]) },
      'unsupported',
      /weights in another file/,
    ],
  ] as [string, string, Answer, string, RegExp][])(
    'refuses %s and keeps nothing of it',
    async (_, url, answer, code, why) => {
      const cache = new MemoryCache();
      const hub = new Hub().answer(url, answer, answer, answer);
      const run = load(hub, { cache });
      await expect(run).rejects.toMatchObject({ code });
      await expect(run).rejects.toThrow(why);
      if (code !== 'asset_corrupt' || url === URLS.url) {
        expect(
          [...cache.entries.keys()].filter((key) => key.startsWith(url.split('?')[0] as string)),
        ).toEqual([]);
      }
    },
  );

  it('reads no more than the bound of a body that does not say how long it is', async () => {
    const hub = new Hub();
    let read = 0;
    const chunk = new Uint8Array(16 * 2 ** 20).fill(32);
    const endless = async (url: string, init: RequestInit): Promise<Response> => {
      if (url !== URLS.tokenizer) return hub.fetch(url, init);
      return new Response(
        new ReadableStream({
          pull(controller) {
            read += chunk.length;
            controller.enqueue(chunk);
          },
        }),
      );
    };
    await expect(load(Object.assign(new Hub(), { fetch: endless }))).rejects.toMatchObject({
      code: 'too_large',
    });
    expect(read).toBeLessThanOrEqual(96 * 2 ** 20);
  });

  it('refuses more tokens than the model has positions for', async () => {
    const run = load(new Hub(), { model: { ...MODEL, maxTokens: 513 } });
    await expect(run).rejects.toMatchObject({ code: 'invalid_option' });
    await expect(run).rejects.toThrow(/at most 512 tokens, and maxTokens is 513/);
    expect((await load(new Hub(), { model: { ...MODEL, maxTokens: 512 } })).loaded.maxTokens).toBe(
      512,
    );
  });

  it('stops at once when it is aborted, in the middle of a silent body too', async () => {
    const abort = new AbortController();
    const hub = new Hub().answer(URLS.url, { silent: true });
    const run = load(hub, {
      signal: abort.signal,
      onProgress: () => setTimeout(() => abort.abort(), 5),
    });
    await expect(run).rejects.toMatchObject({ code: 'aborted' });
  });
});
