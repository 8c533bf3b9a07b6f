/** Starts and runs of our own kernel on a made-up model: what may go wrong, and what takes over. */
import { afterEach, describe, expect, it } from 'vitest';
import type { DownloadProgress, EmbedStartRequest, LentModel } from '../../../src/shared/types.ts';
import type { Embedder } from '../../../workers/embed/embedder.ts';
import { type EmbedderDeps, startEmbedder } from '../../../workers/embed/start-embedder.ts';
import { BASE } from './asset-server.ts';
import { madeUpServer, serverDeps, spoiltKernels } from './made-up-server.ts';
import { PLACES } from './node-model.ts';

const { signal } = new AbortController();
const SERVER = madeUpServer();
const opened: Embedder[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((embedder) => embedder.close()));
});

async function start(
  deps: EmbedderDeps,
  changes: Partial<EmbedStartRequest> = {},
  onProgress: (progress: DownloadProgress) => void = () => {},
): Promise<Embedder> {
  const request: EmbedStartRequest = { assets: BASE, backend: 'auto', ort: PLACES, ...changes };
  const { signal: own } = new AbortController();
  const embedder = await startEmbedder(request, deps, { signal: own, onProgress });
  opened.push(embedder);
  return embedder;
}

const TEXTS = ['an inn by the river', '川の宿', 'Is the bridge open?', ''];
const vectorsOf = async (embedder: Embedder, texts: readonly string[] = TEXTS) =>
  (await embedder.embed({ texts }, { signal })).vectors;

describe('a start of our own kernel', () => {
  it.each(['WordPiece', 'Unigram'] as const)('runs a made-up %s model', async (tokenizer) => {
    const embedder = await start(serverDeps(madeUpServer({ tokenizer })));
    expect(embedder.info).toMatchObject({ backend: 'wasm', dimension: 48, maxTokens: 64 });
    expect(await vectorsOf(embedder)).toHaveLength(4 * 48);
  });

  it('names the precision that multiplies', async () => {
    const precise = await start(serverDeps(SERVER), { precision: 'float32' });
    const coarse = await start(serverDeps(SERVER), { precision: 'int8' });
    expect(precise.info.weights).toContain('multiplied as float32');
    expect(coarse.info.weights).toContain('multiplied as int8');
    const [one, two] = [await vectorsOf(precise), await vectorsOf(coarse)];
    expect(one).not.toEqual(two);
    const far = one.reduce((most, value, k) => Math.max(most, Math.abs(value - (two[k] ?? 9))), 0);
    expect(far).toBeLessThan(0.01);
  });

  const spoils: readonly (readonly [string, RegExp, (numbers: Float32Array) => void])[] = [
    ['zeros', /length 0\.0000/, (numbers) => numbers.fill(0)],
    ['NaN', /not finite/, (numbers) => numbers.fill(Number.NaN)],
    ['shuffled numbers', /cosine/, (numbers) => numbers.reverse()],
    [
      'numbers twice as large',
      /length 2\.0000/,
      (numbers) => numbers.set(numbers.map((value) => 2 * value)),
    ],
  ];
  it.each(spoils)('does not use a kernel that gives %s', async (_, why, change) => {
    const { kernels, opened: made } = spoiltKernels({ change });
    const error = await start(serverDeps(SERVER, { kernels }), { backend: 'wasm' }).catch((e) => e);
    expect(error).toMatchObject({ code: 'backend_wrong' });
    expect(error.message).toMatch(why);
    expect(made.map(({ closed }) => closed > 0)).toEqual([true]);
  });

  it('takes the plain build where the relaxed one is wrong, unless that was asked for', async () => {
    const change = (numbers: Float32Array, variant: string): void => {
      if (variant === 'relaxed') numbers.reverse();
    };
    const { kernels } = spoiltKernels({ variant: 'relaxed', change });
    const embedder = await start(serverDeps(SERVER, { kernels }), { backend: 'wasm' });
    expect(embedder.info).toMatchObject({ backend: 'wasm' });
    expect(embedder.info.why).toMatch(/computes wrong vectors/);
    expect(await vectorsOf(embedder)).toEqual(await vectorsOf(await start(serverDeps(SERVER))));
    const named = start(serverDeps(SERVER, { kernels }), { variant: 'relaxed' });
    await expect(named).rejects.toMatchObject({ code: 'backend_wrong' });
  });

  it('names the tensor that the weights lack', async () => {
    const { kernels, opened: made } = spoiltKernels({ missing: ['encoder.layer.1.x', 'y'] });
    const error = await start(serverDeps(SERVER, { kernels }), { backend: 'wasm' }).catch((e) => e);
    expect(error).toMatchObject({ code: 'asset_corrupt' });
    expect(error.message).toMatch(/"encoder\.layer\.1\.x" and 1 others/);
    expect(made.map(({ closed }) => closed > 0)).toEqual([true]);
  });

  it('tells each reason where nothing runs', async () => {
    const { kernels } = spoiltKernels({ change: (numbers) => numbers.fill(0) });
    const error = await start(serverDeps(SERVER, { kernels })).catch((reason) => reason);
    expect(error).toMatchObject({ code: 'embedder_unavailable' });
    expect(error.message).toMatch(/wrong vectors.*without a graph/);
  });

  it('tries no other build where the model itself cannot be had', async () => {
    const server = madeUpServer();
    server.mischief = ({ path }) => (path === 'weights.bin' ? { status: 404 } : undefined);
    const { kernels, opened: made } = spoiltKernels({ variant: 'relaxed' });
    const starting = start(serverDeps(server, { kernels }));
    await expect(starting).rejects.toMatchObject({ code: 'asset_missing' });
    expect(server.requests('weights.bin')).toHaveLength(1);
    expect(made.map(({ closed }) => closed)).toEqual([1]);
  });

  it('stops when it is aborted, and lets go of the kernel', async () => {
    const { kernels, opened: made } = spoiltKernels();
    const abort = new AbortController();
    const request: EmbedStartRequest = { assets: BASE, backend: 'auto', ort: PLACES };
    const starting = startEmbedder(request, serverDeps(SERVER, { kernels }), {
      signal: abort.signal,
      onProgress: ({ file }) => {
        if (file === 'weights.bin') abort.abort();
      },
    });
    await expect(starting).rejects.toMatchObject({ code: 'aborted' });
    expect(made.map(({ closed }) => closed)).toEqual([1]);
  });
});

describe('the known answers, asked again', () => {
  const long = 'river inn bridge '.repeat(30);
  /** About 6,000 tokens. */
  const WORK = Array.from({ length: 100 }, (_, i) => `${long}${i}`);

  /** Right at first; wrong as soon as the test says so. */
  function turning(variant?: 'relaxed') {
    const state = { wrong: false };
    const spoilt = spoiltKernels({
      ...(variant ? { variant } : {}),
      change: (numbers, name) => {
        if (state.wrong && (!variant || name === variant)) numbers.reverse();
      },
    });
    return { ...spoilt, state };
  }
  const until = async (done: () => boolean): Promise<void> => {
    for (let i = 0; i < 2_000 && !done(); i += 1) await new Promise((r) => setTimeout(r, 1));
    expect(done()).toBe(true);
  };

  it('leave a right kernel alone, and are asked once', async () => {
    const batches: number[] = [];
    const change = (numbers: Float32Array): void => void batches.push(numbers.length / 48);
    const embedder = await start(serverDeps(SERVER, spoiltKernels({ change })));
    const { why } = embedder.info;
    expect(batches).toEqual([2]);
    await vectorsOf(embedder, WORK);
    await until(() => batches.at(-1) === 8);
    await vectorsOf(embedder, WORK);
    await vectorsOf(embedder, ['inn', 'river']);
    expect(batches.filter((texts) => texts === 8)).toHaveLength(1);
    expect(batches.at(-1)).toBe(2);
    expect(embedder.info.why).toBe(why);
  });

  it('replace a build that went wrong, and say so', async () => {
    const { kernels, opened: made, state } = turning('relaxed');
    const embedder = await start(serverDeps(SERVER, { kernels }));
    const right = await vectorsOf(embedder);
    await vectorsOf(embedder, WORK.slice(0, 2));
    state.wrong = true;
    await vectorsOf(embedder, WORK);
    await until(() => embedder.info.why.includes('replaced by'));
    expect(embedder.info).toMatchObject({ backend: 'wasm' });
    expect(embedder.info.why).toMatch(/"relaxed".*failed while running.*"simd128".*wrong vectors/);
    expect(made.map(({ closed }) => closed > 0)).toEqual([true, false]);
    expect(await vectorsOf(embedder)).toEqual(right);
  });

  it('do not let work in hand end with what the wrong build made of it', async () => {
    const { kernels, state } = turning('relaxed');
    const embedder = await start(serverDeps(SERVER, { kernels }));
    const right = await vectorsOf(await start(serverDeps(SERVER)), WORK);
    state.wrong = true;
    // One job runs on beyond the moment at which the answers are asked for, whatever else there is to do.
    const work = Array.from({ length: 10 }, () => WORK).flat();
    const vectors = await vectorsOf(embedder, work);
    expect(embedder.info.why).toMatch(/replaced by/);
    for (let copy = 0; copy < 10; copy += 1) {
      const from = copy * right.length;
      expect(vectors.subarray(from, from + right.length)).toEqual(right);
    }
  });

  it('end an embedder that nothing can take over', async () => {
    const { kernels, state } = turning();
    const embedder = await start(serverDeps(SERVER, { kernels }), { backend: 'wasm' });
    state.wrong = true;
    await vectorsOf(embedder, WORK);
    await expect(async () => {
      for (let i = 0; i < 2_000; i += 1) await vectorsOf(embedder, ['inn']);
    }).rejects.toMatchObject({ code: 'backend_wrong' });
    await expect(vectorsOf(embedder)).rejects.toMatchObject({ code: 'backend_wrong' });
    expect(() => embedder.lend()).toThrow(/wrong vectors/);
  });
});

describe('a lent model', () => {
  const noNetwork = (changes: Partial<EmbedderDeps> = {}): EmbedderDeps =>
    serverDeps(SERVER, {
      fetch: () => Promise.reject(new Error('the network was used')),
      ...changes,
    });
  const lendFrom = async (changes: Partial<EmbedStartRequest> = {}): Promise<LentModel> => {
    const lent = (await start(serverDeps(SERVER), changes)).lend();
    if (!lent) throw new Error('nothing was lent');
    return lent;
  };

  it('runs without network and gives the same vectors, bit for bit', async () => {
    const owner = await start(serverDeps(SERVER));
    const lent = owner.lend() as LentModel;
    const borrower = await start(noNetwork(), { backend: 'wasm', lent });
    expect(borrower.info).toMatchObject({
      backend: 'wasm',
      fingerprint: owner.info.fingerprint,
      weights: owner.info.weights,
    });
    expect(borrower.info.why).toContain('from another worker');
    expect(await vectorsOf(borrower)).toEqual(await vectorsOf(owner));
    // It may lend again, and what was lent is a copy.
    new Uint8Array(lent.image).fill(0);
    const again = await start(noNetwork(), { lent: borrower.lend() as LentModel });
    expect(await vectorsOf(again)).toEqual(await vectorsOf(owner));
  });

  it('is checked by the known answers', async () => {
    const lent = await lendFrom();
    const { kernels } = spoiltKernels({ change: (numbers) => numbers.reverse() });
    const starting = start(noNetwork({ kernels }), { lent });
    await expect(starting).rejects.toMatchObject({ code: 'backend_wrong' });
  });

  const refused: readonly (readonly [
    string,
    string,
    (lent: LentModel) => Partial<LentModel>,
    Partial<EmbedStartRequest>,
  ])[] = [
    ['another precision', 'unsupported', () => ({}), { precision: 'float32' }],
    ['another build', 'unsupported', () => ({}), { variant: 'relaxed' }],
    ['a strange kernel', 'unsupported', () => ({ kernel: 'minilm/avx/int8/1' }), {}],
    [
      'another binary',
      'unsupported',
      ({ kernel }) => ({ kernel: kernel.replace(/[^/]+$/, 'ffff') }),
      {},
    ],
    [
      'an image that is cut',
      'unsupported',
      ({ image }) => ({ image: image.slice(0, image.byteLength - 64) }),
      {},
    ],
    [
      'a tokenizer that is cut',
      'unsupported',
      ({ tokenizer }) => ({ tokenizer: tokenizer.slice(0, -1) }),
      {},
    ],
    [
      'a manifest that is none',
      'asset_corrupt',
      () => ({ manifest: new TextEncoder().encode('{}') }),
      {},
    ],
  ];
  it.each(refused)('with %s is refused', async (_, code, change, request) => {
    const { kernel } = await lendFrom();
    const lent = await lendFrom(kernel.includes('relaxed') ? { variant: 'simd128' } : {});
    const starting = start(noNetwork(), { ...request, lent: { ...lent, ...change(lent) } });
    await expect(starting).rejects.toMatchObject({ code });
  });
});

describe('work for a running embedder', () => {
  it('refuses what are not texts, and aborts', async () => {
    const embedder = await start(serverDeps(SERVER));
    const wrong = embedder.embed({ texts: ['a', 5 as unknown as string] }, { signal });
    await expect(wrong).rejects.toMatchObject({ code: 'invalid_option' });
    const many = embedder.embed({ texts: new Array(70_000).fill('') }, { signal });
    await expect(many).rejects.toMatchObject({ code: 'invalid_option' });
    const late = embedder.embed({ texts: ['x'] }, { signal: AbortSignal.abort() });
    await expect(late).rejects.toMatchObject({ code: 'aborted' });
    await embedder.close();
    await embedder.close();
    await expect(vectorsOf(embedder)).rejects.toMatchObject({ code: 'closed' });
  });

  it('embeds 10,000 texts in bounded memory, with progress', async () => {
    const { kernels, opened: made } = spoiltKernels();
    const embedder = await start(serverDeps(SERVER, { kernels }));
    const used = (): number => made[0]?.kernel.usedBytes ?? 0;
    const texts = Array.from({ length: 10_000 }, (_, i) => `inn ${i} by the river`);
    await vectorsOf(embedder, texts.slice(0, 640));
    const before = used();
    const seen: number[] = [];
    const { vectors } = await embedder.embed(
      { texts },
      { signal, onProgress: (n) => seen.push(n) },
    );
    expect(vectors).toHaveLength(10_000 * 48);
    expect(seen.at(-1)).toBe(10_000);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(used()).toBe(before);
    const alone = await vectorsOf(embedder, [texts[7_777] as string]);
    expect(vectors.subarray(7_777 * 48, 7_778 * 48)).toEqual(alone);
  });

  it('looks at the messages while it reads many texts', async () => {
    let now = 0;
    const breaths: number[] = [];
    const ticking = (): number => {
      now += 1;
      return now;
    };
    const breathe = async (): Promise<void> => void breaths.push(now);
    const embedder = await start(serverDeps(SERVER, { now: ticking, breathe }));
    breaths.length = 0;
    await embedder.tokenize(new Array(400).fill('inn'), signal);
    expect(breaths.length).toBeGreaterThanOrEqual(80);
  });

  it('answers a query while bulk work is under way', async () => {
    const embedder = await start(serverDeps(SERVER));
    const order: string[] = [];
    const bulk = vectorsOf(
      embedder,
      Array.from({ length: 2_000 }, (_, i) => `inn ${i}`),
    ).then(() => order.push('bulk'));
    const query = embedder
      .embed({ texts: ['where'], priority: 'query' }, { signal })
      .then(() => order.push('query'));
    await Promise.all([bulk, query]);
    expect(order).toEqual(['query', 'bulk']);
  });
});
