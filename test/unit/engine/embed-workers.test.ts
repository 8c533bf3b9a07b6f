import { afterEach, describe, expect, it } from 'vitest';
import type { SourceInfo } from '../../../src/embedder/embed-source.ts';
import { EmbedWorkers, GPU_TEXTS, POOL_TEXTS } from '../../../src/embedder/embed-workers.ts';
import { poolSize } from '../../../src/embedder/pool-size.ts';
import { WhorlError } from '../../../src/shared/errors.ts';
import type { EmbedStartRequest } from '../../../src/shared/types.ts';
import { numbered, vectorsOf } from '../shared/fake-lane.ts';
import { FakeWorkers, INFO, REQUEST } from './fake-workers.ts';

const NEVER = new AbortController().signal;
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

const opened: { close(): void }[] = [];

function open(
  options: {
    size?: number;
    gpu?: boolean;
    restMs?: number;
    request?: Partial<EmbedStartRequest>;
  } = {},
) {
  const fakes = new FakeWorkers();
  const told: SourceInfo[] = [];
  const lost: WhorlError[] = [];
  const seen = { restarts: 0, lanes: 0 };
  const workers = new EmbedWorkers({
    request: { ...REQUEST, ...options.request },
    size: options.size ?? 3,
    gpu: options.gpu ?? true,
    ...(options.restMs === undefined ? {} : { restMs: options.restMs }),
    spawn: fakes.spawn,
    events: {
      onInfo: (info) => told.push(info),
      onLane: () => {
        seen.lanes += 1;
      },
      onRestart: () => {
        seen.restarts += 1;
      },
      onLost: (error) => lost.push(error),
    },
  });
  opened.push(workers, fakes);
  const start = (signal = NEVER) => workers.start(signal, () => {});
  const bulk = (texts = numbered(200), signal?: AbortSignal) =>
    workers.embed({ texts }, signal ? { signal } : {});
  return { workers, fakes, told, lost, seen, start, bulk };
}

afterEach(() => {
  for (const each of opened.splice(0)) each.close();
});

describe('embed workers', () => {
  it('start with one, which answers alone until there is bulk work', async () => {
    const { fakes, start, workers } = open();
    const info = await start();
    expect(info).toMatchObject({
      ...INFO,
      lanes: [{ backend: 'wasm', threads: 1, queries: true }],
    });
    await workers.embed({ texts: numbered(100), priority: 'query' }, {});
    await workers.embed({ texts: numbered(POOL_TEXTS) }, {});
    await pause(20);
    expect(fakes.all).toHaveLength(1);
  });

  it('take further ones for bulk work, with the model of the first and no download', async () => {
    const { fakes, start, bulk, told, seen } = open();
    fakes.onEmbed = () => pause(5);
    await start();
    const texts = numbered(900);
    expect((await bulk(texts)).vectors).toEqual(vectorsOf(texts));
    await expect.poll(() => fakes.all.length).toBe(3);
    expect(fakes.all.map(({ lent }) => lent)).toEqual([2, 0, 0]);
    for (const further of fakes.all.slice(1)) {
      expect(further.starts).toHaveLength(1);
      expect(further.starts[0]).toMatchObject({
        backend: 'wasm',
        lent: { kernel: 'double kernel', manifest: Uint8Array.of(1) },
      });
      expect(further.texts.length).toBeGreaterThan(0);
      expect(further.queries).toBe(0);
    }
    expect(seen.lanes).toBe(3);
    expect(told.at(-1)?.lanes.map(({ queries }) => queries)).toEqual([true, false, false]);
  });

  it.each(['invalid_option', 'unsupported'] as const)(
    'that cannot take the lent model (%s) download it themselves',
    async (code) => {
      const { fakes, start, bulk } = open({ size: 2 });
      fakes.onStart = ({ lent }) => {
        if (lent) throw new WhorlError(code, 'another kernel');
        return INFO;
      };
      await start();
      await bulk();
      await expect.poll(() => fakes.all[1]?.starts.length).toBe(2);
      expect(fakes.all[1]?.starts[1]).not.toHaveProperty('lent');
    },
  );

  it('download where there is nothing to lend, and are no pool where ONNX Runtime runs', async () => {
    const { fakes, start, bulk } = open({ size: 2 });
    fakes.onLend = () => null;
    await start();
    await bulk();
    await expect.poll(() => fakes.all.length).toBe(2);
    expect(fakes.all[1]?.starts[0]).not.toHaveProperty('lent');
    const other = open({ gpu: false });
    other.fakes.onStart = () => ({ ...INFO, backend: 'onnx' });
    await other.start();
    await other.bulk(numbered(GPU_TEXTS));
    await pause(20);
    expect(other.fakes.all).toHaveLength(1);
  });

  it('that fail to start are tried once, and the status says why there are fewer', async () => {
    const { fakes, start, bulk, told } = open();
    fakes.onStart = (_, worker) => {
      if (worker !== fakes.all[0]) throw new WhorlError('out_of_memory', 'No room.');
      return INFO;
    };
    await start();
    await bulk();
    await expect.poll(() => told.at(-1)?.why).toContain('No room.');
    await bulk();
    await pause(20);
    expect(fakes.all).toHaveLength(2);
    expect(fakes.living).toHaveLength(1);
  });

  it('of another model than the one that runs do not join', async () => {
    const { fakes, start, bulk, told } = open();
    fakes.onStart = (_, worker) =>
      worker === fakes.all[0] ? INFO : { ...INFO, fingerprint: 'double-2' };
    await start();
    expect((await bulk()).fingerprint).toBe('double-1');
    await expect.poll(() => told.at(-1)?.why).toContain('another model');
    expect(fakes.living).toHaveLength(1);
  });

  it('are ended when they rest, all but the first, and come again with the next work', async () => {
    const { fakes, start, bulk, told } = open({ size: 2, restMs: 60 });
    await start();
    await bulk();
    await expect.poll(() => fakes.living.length).toBe(2);
    await expect.poll(() => fakes.living.length).toBe(1);
    expect(fakes.living[0]).toBe(fakes.all[0]);
    expect(told.at(-1)?.lanes).toHaveLength(1);
    await bulk();
    await expect.poll(() => fakes.living.length).toBe(2);
  });

  it('are not ended while the work lasts', async () => {
    const { fakes, start, bulk, seen } = open({ size: 2, restMs: 30 });
    await start();
    await bulk();
    await expect.poll(() => fakes.living.length).toBe(2);
    fakes.onEmbed = () => pause(100);
    await bulk();
    expect(fakes.living).toHaveLength(2);
    expect(seen.restarts).toBe(0);
  });

  it('grow also for work that waits elsewhere, once it is more than a little', async () => {
    const { fakes, start, workers } = open({ size: 2 });
    workers.expectBulk(1_000);
    await start();
    workers.expectBulk(POOL_TEXTS);
    await pause(10);
    expect(fakes.all).toHaveLength(1);
    workers.expectBulk(POOL_TEXTS + 1);
    await expect.poll(() => fakes.all.length).toBe(2);
  });
});

describe('an embed worker that dies', () => {
  it('in the middle of bulk work: the call goes on, and another takes its place', async () => {
    const { fakes, start, bulk, told, seen, lost } = open({ size: 2 });
    await start();
    await bulk();
    await expect.poll(() => fakes.living.length).toBe(2);
    fakes.onEmbed = () => pause(10);
    const texts = numbered(600);
    const call = bulk(texts);
    await pause(15);
    fakes.all[0]?.crash();
    expect((await call).vectors).toEqual(vectorsOf(texts));
    await expect.poll(() => fakes.living.length).toBe(2);
    // The newcomer has its model from the survivor.
    expect(fakes.all[1]?.lent).toBe(1);
    expect(told.at(-1)?.lanes.map(({ queries }) => queries)).toEqual([true, false]);
    expect([seen.restarts, lost.length]).toEqual([1, 0]);
  });

  it('by what the index worker says of it: it alone is replaced, from a living one', async () => {
    const { workers, fakes, start, bulk, seen, lost } = open({ size: 2 });
    await start();
    await bulk();
    await expect.poll(() => seen.lanes).toBe(2);
    const [, second] = await workers.ports();
    workers.failed(second?.id ?? 0, new WhorlError('backend_failed', 'It broke.'));
    expect(fakes.all.map(({ ended }) => ended)).toEqual([false, true]);
    await expect.poll(() => fakes.living.length).toBe(2);
    await expect.poll(() => seen.lanes).toBe(3);
    expect([seen.restarts, lost.length]).toEqual([1, 0]);
    // A number is never given again: what is said of the one that is gone harms no other.
    workers.failed(second?.id ?? 0, new WhorlError('backend_failed', 'It broke.'));
    expect(fakes.living).toHaveLength(2);
  });

  it('while it lends its model: another one lends it, and the pool is made whole', async () => {
    const { fakes, start, bulk, told } = open({ size: 3 });
    await start();
    // The second one has its model; the first dies when the third asks for it.
    const lend = fakes.onLend;
    fakes.onLend = () => {
      const [first, second] = fakes.all;
      if (second === undefined || first?.ended) return lend();
      first?.crash();
      return lend();
    };
    await bulk();
    await expect.poll(() => fakes.living.length).toBe(3);
    await expect.poll(() => told.at(-1)?.lanes.length).toBe(3);
    expect(told.at(-1)?.why).toBe(INFO.why);
    expect(fakes.all[1]?.lent).toBeGreaterThan(0);
  });

  it('and is the only one: its calls reject, and the engine is told to start again', async () => {
    const { fakes, start, bulk, lost, workers } = open({ size: 1 });
    await start();
    fakes.onEmbed = () => new Promise(() => {});
    const call = bulk();
    const query = workers.embed({ texts: ['1'], priority: 'query' }, {});
    const settled = Promise.allSettled([call, query]);
    await pause(10);
    fakes.all[0]?.crash();
    for (const each of await settled) {
      expect(each).toMatchObject({ reason: { code: 'worker_lost', retryable: true } });
    }
    expect(lost).toMatchObject([{ code: 'worker_lost' }]);
    expect(workers.running).toBe(false);
    fakes.onEmbed = () => {};
    await start();
    expect((await bulk()).tokens).toBe(200);
  });

  it('under every worker that takes a text: the call rejects after the second one', async () => {
    const { fakes, start, bulk, seen } = open({ size: 4 });
    await start();
    await bulk();
    await expect.poll(() => fakes.living.length).toBe(4);
    fakes.onEmbed = (worker) => {
      setTimeout(() => worker.crash());
      return new Promise(() => {});
    };
    await expect(bulk(['1'])).rejects.toMatchObject({ code: 'worker_lost' });
    fakes.onEmbed = () => {};
    await expect.poll(() => fakes.living.length).toBe(4);
    expect(seen.restarts).toBe(2);
    expect((await bulk()).tokens).toBe(200);
  });

  it.each(['backend_failed', 'backend_wrong'] as const)(
    'by its backend (%s) is replaced, too',
    async (code) => {
      const { fakes, start, bulk } = open({ size: 2 });
      await start();
      await bulk();
      await expect.poll(() => fakes.living.length).toBe(2);
      let failures = 0;
      fakes.onEmbed = () => {
        failures += 1;
        if (failures === 1) throw new WhorlError(code, 'broken');
      };
      expect((await bulk()).tokens).toBe(200);
      await expect.poll(() => fakes.all.length).toBe(3);
      expect(fakes.all.slice(0, 2).filter(({ ended }) => ended)).toHaveLength(1);
    },
  );

  it('while it starts: another one starts, with less to go wrong, and the status says why', async () => {
    const { fakes, start } = open();
    fakes.onStart = ({ backend }, worker) => {
      if (backend !== 'auto') return INFO;
      setTimeout(() => worker.crash());
      return new Promise(() => {});
    };
    const info = await start();
    expect(fakes.all[1]?.starts[0]?.backend).toBe('wasm');
    expect(info.why).toContain('crashed');
  });

  it('while a named backend starts: nothing else is tried', async () => {
    const { fakes, start } = open({ request: { backend: 'webgpu' } });
    await expect(start()).rejects.toMatchObject({ code: 'embedder_unavailable' });
    expect(fakes.all).toHaveLength(1);
  });

  it('not, but fails for another reason: the same worker tries again', async () => {
    const { fakes, start } = open();
    fakes.onStart = () => {
      throw new WhorlError('network', 'offline', { retryable: true });
    };
    await expect(start()).rejects.toMatchObject({ code: 'network' });
    fakes.onStart = () => INFO;
    await start();
    expect(fakes.all).toHaveLength(1);
  });
});

describe('a GPU', () => {
  const withGpu = (fakes: FakeWorkers) => {
    fakes.onStart = ({ backend }) => ({
      ...INFO,
      backend: backend === 'webgpu' ? 'webgpu' : 'wasm',
    });
  };

  it('joins for very much work, in the background, and answers no queries', async () => {
    const { fakes, start, bulk, told, workers } = open({ size: 2, request: { precision: 'int8' } });
    withGpu(fakes);
    fakes.onEmbed = () => pause(3);
    await start();
    await bulk(numbered(GPU_TEXTS - 1));
    expect(fakes.all.some(({ info }) => info?.backend === 'webgpu')).toBe(false);
    await bulk(numbered(GPU_TEXTS));
    const gpu = fakes.all.find(({ info }) => info?.backend === 'webgpu');
    expect(gpu?.starts[0]).toEqual({ ...REQUEST, backend: 'webgpu' });
    expect(gpu?.texts.length).toBeGreaterThan(0);
    expect(told.at(-1)?.backend).toBe('wasm');
    expect(told.at(-1)?.lanes).toContainEqual({ backend: 'webgpu', threads: 1, queries: false });
    await workers.embed({ texts: ['1'], priority: 'query' }, {});
    expect(gpu?.queries).toBe(0);
  });

  it('that is refused is not asked again, and the status says why', async () => {
    const { fakes, start, bulk, told } = open({ size: 2 });
    await start();
    await bulk(numbered(GPU_TEXTS));
    await expect.poll(() => told.at(-1)?.why).toContain('There is no adapter.');
    await bulk(numbered(GPU_TEXTS));
    await pause(20);
    expect(fakes.all).toHaveLength(3);
    expect(fakes.living).toHaveLength(2);
  });

  it.each([
    ['there is none', { gpu: false }],
    ['one worker was asked for', { size: 1 }],
    ['our kernel was asked for', { request: { backend: 'wasm' as const } }],
  ])('is not tried where %s', async (_, options) => {
    const { fakes, start, bulk } = open(options);
    withGpu(fakes);
    await start();
    await bulk(numbered(GPU_TEXTS));
    await pause(20);
    expect(fakes.all.some(({ info }) => info?.backend === 'webgpu')).toBe(false);
  });

  it('that is lost leaves its slice to the kernels, and does not come back', async () => {
    const { fakes, start, bulk, told, seen, lost } = open({ size: 2 });
    withGpu(fakes);
    fakes.onEmbed = (worker) => {
      if (worker.info?.backend !== 'webgpu') return pause(3);
      setTimeout(() => worker.crash());
      return new Promise(() => {});
    };
    await start();
    const texts = numbered(3 * GPU_TEXTS);
    expect((await bulk(texts)).vectors).toEqual(vectorsOf(texts));
    expect(told.at(-1)?.why).toContain('The GPU lane was dropped');
    expect([seen.restarts, lost.length]).toEqual([1, 0]);
    await bulk(texts);
    expect(fakes.all.filter(({ info }) => info?.backend === 'webgpu')).toHaveLength(1);
  });

  it('named by the caller does everything in one worker', async () => {
    const { fakes, start, bulk, workers, told } = open({ request: { backend: 'webgpu' } });
    withGpu(fakes);
    expect((await start()).lanes).toEqual([{ backend: 'webgpu', threads: 1, queries: true }]);
    await bulk(numbered(GPU_TEXTS));
    await workers.embed({ texts: ['1'], priority: 'query' }, {});
    await pause(10);
    expect(fakes.all).toHaveLength(1);
    expect(fakes.all[0]?.queries).toBe(1);
    expect(told).toEqual([]);
  });

  it('left alone takes queries until a kernel is back', async () => {
    const { fakes, start, bulk, lost, workers } = open({ size: 2 });
    withGpu(fakes);
    fakes.onEmbed = () => pause(2);
    await start();
    await bulk(numbered(2 * GPU_TEXTS));
    await expect.poll(() => fakes.living.length).toBe(3);
    fakes.onStart = () => new Promise(() => {});
    for (const worker of fakes.living) if (worker.info?.backend === 'wasm') worker.crash();
    expect(lost).toHaveLength(1);
    expect((await workers.embed({ texts: ['1'], priority: 'query' }, {})).tokens).toBe(1);
    withGpu(fakes);
    expect((await start()).backend).toBe('wasm');
  });
});

describe('the status', () => {
  it('of the former model does not outlive a start that found another one', async () => {
    const { fakes, start, bulk, lost, told } = open();
    fakes.onStart = ({ backend }) => ({
      ...INFO,
      backend: backend === 'webgpu' ? 'webgpu' : 'wasm',
    });
    await start();
    await bulk(numbered(GPU_TEXTS));
    const backends = () => told.at(-1)?.lanes.map(({ backend }) => backend) ?? [];
    await expect.poll(() => backends().filter((each) => each === 'webgpu')).toHaveLength(1);
    await expect.poll(() => fakes.living.length).toBe(4);
    const kernels = () => fakes.living.filter(({ info }) => info?.backend === 'wasm');
    fakes.onLend = () => new Promise(() => {}) as never;
    for (const kernel of kernels()) kernel.crash();
    expect(lost.length).toBeGreaterThan(0);
    fakes.onStart = () => ({ ...INFO, fingerprint: 'double-2' });
    const { lanes } = await start();
    expect(lanes).toEqual([{ backend: 'wasm', threads: 1, queries: true }]);
    expect((await bulk()).fingerprint).toBe('double-2');
  });

  it('is told anew when a backend was replaced inside its worker', async () => {
    const { fakes, start, workers, told } = open();
    await start();
    await workers.refresh();
    expect(told).toEqual([]);
    if (fakes.all[0])
      fakes.all[0].info = { ...INFO, backend: 'onnx', why: 'The kernel was wrong.' };
    await workers.refresh();
    expect(told.at(-1)).toMatchObject({ backend: 'onnx', why: 'The kernel was wrong.' });
  });
});

describe('closing', () => {
  it('rejects what is under way, ends every worker, and starts none', async () => {
    const { fakes, start, bulk, workers, lost } = open();
    await start();
    await bulk();
    await expect.poll(() => fakes.living.length).toBe(3);
    fakes.onEmbed = () => new Promise(() => {});
    const call = bulk();
    workers.close();
    await expect(call).rejects.toMatchObject({ code: 'closed' });
    expect(fakes.living).toEqual([]);
    workers.expectBulk(5_000);
    await pause(10);
    expect(fakes.all).toHaveLength(3);
    expect(lost).toEqual([]);
  });

  it('while further ones start ends those, too', async () => {
    const { fakes, start, bulk, workers } = open();
    await start();
    fakes.onStart = () => new Promise(() => {});
    await bulk();
    await expect.poll(() => fakes.all.length).toBe(2);
    workers.close();
    await pause(10);
    expect(fakes.living).toEqual([]);
    expect(fakes.all).toHaveLength(2);
  });
});

it.each([
  [{ hardwareConcurrency: 1 }, null, 2],
  [{ hardwareConcurrency: 2 }, null, 2],
  [{ hardwareConcurrency: 4 }, null, 3],
  [{ hardwareConcurrency: 64 }, null, 4],
  [{}, null, 2],
  [{ hardwareConcurrency: 8, deviceMemory: 0.5 }, null, 1],
  [{ hardwareConcurrency: 8, deviceMemory: 1 }, null, 1],
  [{ hardwareConcurrency: 8, deviceMemory: 2 }, null, 4],
  [{ hardwareConcurrency: 2, deviceMemory: 0.25 }, 3, 3],
])('%o, asked for %o: %i workers', (facts, asked, size) => {
  expect(poolSize(facts, asked)).toBe(size);
});
