import { beforeEach, describe, expect, it } from 'vitest';
import { OrtEncoder } from '../../../workers/embed/ort-encoder.ts';
import type { OrtBackend } from '../../../workers/embed/ort-runtime.ts';
import {
  BERT,
  type FakeSession,
  FakeTensor,
  fakeDevice,
  fakeRuntime,
  fakeSession,
  type Ports,
  STATES,
  statesOf,
} from './onnx-fake.ts';

interface Case {
  readonly session?: FakeSession;
  readonly backend?: OrtBackend;
  readonly device?: unknown;
  readonly vocabulary?: number | null;
  readonly perText?: boolean;
  readonly dimension?: number;
}

function open(options: Case = {}): {
  encoder: OrtEncoder;
  session: FakeSession;
  breaths: number[];
} {
  const session = options.session ?? fakeSession();
  const breaths: number[] = [];
  const encoder = new OrtEncoder({
    runtime: fakeRuntime(options.device),
    session,
    backend: options.backend ?? 'onnx',
    pooling: 'mean',
    dimension: options.dimension ?? 4,
    maxTokens: 128,
    vocabulary: options.vocabulary === undefined ? 1_000 : options.vocabulary,
    perText: options.perText ?? false,
    breathe: async () => void breaths.push(session.runs.length),
  });
  return { encoder, session, breaths };
}

const text = (length: number, id = 5): Int32Array => new Int32Array(length).fill(id);
const norms = (vectors: Float32Array): number[] =>
  Array.from({ length: vectors.length / 4 }, (_, row) =>
    Math.hypot(...vectors.subarray(row * 4, row * 4 + 4)),
  );

beforeEach(() => {
  FakeTensor.alive = 0;
});

describe('OrtEncoder', () => {
  it('gives unit vectors in the order of the texts, whatever the batches', async () => {
    const { encoder, session, breaths } = open();
    const ids = [3, 100, 7, 100, 3, 60, 100].map((length, index) => text(length, index + 1));
    const vectors = await encoder.embed(ids);
    for (const norm of norms(vectors)) expect(norm).toBeCloseTo(1, 6);
    for (const [index, sequence] of ids.entries()) {
      const alone = await open().encoder.embed([sequence]);
      expect(vectors.subarray(index * 4, index * 4 + 4)).toEqual(alone);
    }
    expect(session.runs.length).toBeGreaterThan(2);
    for (const { rows, tokens } of session.runs) expect(rows * tokens).toBeLessThanOrEqual(256);
    expect(breaths).toHaveLength(session.runs.length - 1);
    expect(FakeTensor.alive).toBe(0);
  });

  it('takes one text a run where vectors depend on the batch', async () => {
    const { encoder, session } = open({ perText: true });
    await encoder.embed([text(3), text(3), text(3)]);
    expect(session.runs.map(({ rows }) => rows)).toEqual([1, 1, 1]);
  });

  it('pads nothing where the graph has no mask', async () => {
    const inputs: Ports = { input_ids: ['int64', ['b', 's']] };
    const session = fakeSession(inputs);
    const { encoder } = open({ session });
    await encoder.embed([text(9), text(10), text(9), text(10)]);
    expect(session.runs.map(({ rows, tokens }) => [rows, tokens])).toEqual([
      [2, 10],
      [2, 9],
    ]);
  });

  it('takes larger batches on a GPU', async () => {
    const { encoder, session } = open({ backend: 'webgpu' });
    await encoder.embed(Array.from({ length: 40 }, () => text(100)));
    expect(session.runs.map(({ rows }) => rows)).toEqual([40]);
    expect(encoder).toMatchObject({ backend: 'webgpu', threads: 1, dimension: 4 });
  });

  it.each([
    [Int32Array.of(), /0 tokens/],
    [text(129), /129 tokens/],
    [Int32Array.of(1, -1), /number -1/],
    [Int32Array.of(1, 1_000), /number 1000/],
  ])('refuses %j before anything runs', async (sequence, why) => {
    const { encoder, session } = open();
    const bad = encoder.embed([text(3), sequence]);
    await expect(bad).rejects.toMatchObject({ code: 'invalid_option' });
    await expect(bad).rejects.toThrow(why);
    expect(session.runs).toEqual([]);
    expect(await encoder.embed([text(3)])).toHaveLength(4);
  });

  it('refuses a graph that does not fit when it is made', () => {
    const session = fakeSession(BERT, { logits: ['float32', ['b', 2]] });
    expect(() => open({ session })).toThrow(expect.objectContaining({ code: 'asset_corrupt' }));
  });

  it('refuses vectors of another dimension than at the start', async () => {
    const session = fakeSession(BERT, { last_hidden_state: ['float32', ['b', 's', 'd']] }, (run) =>
      statesOf(run, session.runs.length > 1 ? 5 : 4),
    );
    const { encoder } = open({ session });
    await encoder.embed([text(3)]);
    await expect(encoder.embed([text(3)])).rejects.toMatchObject({
      code: 'asset_corrupt',
      message: expect.stringMatching(/5 numbers where 4/),
    });
  });

  const spoils: readonly (readonly [string, number, RegExp])[] = [
    ['NaN', Number.NaN, /not finite/],
    ['infinity', Number.POSITIVE_INFINITY, /not finite/],
    ['zeros', 0, /length 0\.0000/],
  ];
  it.each(spoils)('gives no vector of %s away', async (_, value, why) => {
    const session = fakeSession(BERT, STATES, ({ rows, tokens }) => {
      const values = new Float32Array(rows * tokens * 4).fill(1);
      values.fill(value, -tokens * 4);
      return new FakeTensor('float32', values, [rows, tokens, 4]);
    });
    for (const backend of ['onnx', 'webgpu'] as const) {
      const { encoder } = open({ session, backend });
      const run = encoder.embed([text(3), text(3)]);
      await expect(run).rejects.toMatchObject({
        code: 'backend_wrong',
        retryable: backend === 'webgpu',
      });
      await expect(run).rejects.toThrow(why);
    }
    expect(FakeTensor.alive).toBe(0);
  });

  it.each([
    ['failed to call OrtRun(). ERROR_CODE: 1', 'backend_failed', true],
    ['std::bad_alloc', 'out_of_memory', false],
    ['indices element out of data bounds, idx=999999', 'asset_corrupt', false],
    [
      'Attempting to broadcast an axis by a dimension other than 1. 512 by 513',
      'asset_corrupt',
      false,
    ],
  ])('tells what a run that throws "%s" means', async (message, code, retryable) => {
    let broken = true;
    const session = fakeSession(BERT, STATES, (run) => {
      if (broken) throw new Error(message);
      return statesOf(run);
    });
    const { encoder } = open({ session });
    const run = encoder.embed([text(3)]);
    await expect(run).rejects.toMatchObject({ code, retryable });
    await expect(run).rejects.toThrow(message);
    broken = false;
    expect(await encoder.embed([text(3)])).toHaveLength(4);
  });

  it('leaves a strange token to the runtime where the vocabulary is not known', async () => {
    const { encoder, session } = open({ vocabulary: null });
    await encoder.embed([Int32Array.of(1, 999_999)]);
    expect(session.runs).toHaveLength(1);
    await expect(encoder.embed([Int32Array.of(-1)])).rejects.toMatchObject({
      code: 'invalid_option',
    });
  });

  it('stops between batches when it is aborted, and says how far it came', async () => {
    const { encoder, session } = open();
    const abort = new AbortController();
    const seen: number[] = [];
    const run = encoder.embed(
      Array.from({ length: 9 }, () => text(120)),
      {
        signal: abort.signal,
        priority: 'bulk',
        onProgress: (done) => {
          seen.push(done);
          if (done >= 4) abort.abort();
        },
      },
    );
    await expect(run).rejects.toMatchObject({ code: 'aborted' });
    expect(seen).toEqual([2, 4]);
    expect(session.runs).toHaveLength(2);
  });

  it('runs calls one after the other', async () => {
    let running = 0;
    const session = fakeSession(BERT, STATES, async (run) => {
      running += 1;
      expect(running).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 2));
      running -= 1;
      return statesOf(run);
    });
    const { encoder } = open({ session });
    const results = await Promise.all(
      [text(3, 1), text(3, 2), text(4, 3)].map((one) => encoder.embed([one])),
    );
    expect(results).toHaveLength(3);
  });

  it('lets the session go once, after the call that runs', async () => {
    const { encoder, session } = open();
    const last = encoder.embed([text(3)]);
    await Promise.all([encoder.close(), encoder.close()]);
    await expect(last).rejects.toMatchObject({ code: 'closed' });
    expect(session.released).toBe(1);
    await expect(encoder.embed([text(3)])).rejects.toMatchObject({ code: 'closed' });
  });
});

describe('OrtEncoder on a GPU that is lost', () => {
  /** A run that never settles, as one does whose device is gone. */
  const stuck = () => fakeSession(BERT, STATES, () => new Promise<never>(() => {}));

  it('rejects the batch that runs and those behind it, and closes without waiting', async () => {
    const { device, lose } = fakeDevice();
    const session = stuck();
    const { encoder } = open({ session, backend: 'webgpu', device });
    const running = encoder.embed([text(3)]);
    const behind = encoder.embed([text(4)]);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(session.runs).toHaveLength(1);
    lose('the driver was reset');
    for (const call of [running, behind, encoder.embed([text(5)])]) {
      await expect(call).rejects.toMatchObject({ code: 'backend_failed', retryable: true });
      await expect(call).rejects.toThrow(/device lost: destroyed the driver was reset/);
    }
    expect(session.runs).toHaveLength(1);
    session.release = () => new Promise<never>(() => {});
    await encoder.close();
  });

  it('tells of the loss where the runtime throws something misleading', async () => {
    const { device, lose } = fakeDevice();
    const session = fakeSession(BERT, STATES, async () => {
      lose('');
      await new Promise((resolve) => setTimeout(resolve, 2));
      throw new TypeError("Cannot read properties of undefined (reading 'destroy')");
    });
    const { encoder } = open({ session, backend: 'webgpu', device });
    await expect(encoder.embed([text(3)])).rejects.toThrow(/device lost: destroyed/);
  });

  it.each([
    ['has no device', () => undefined],
    ['gives none', async () => undefined],
    ['cannot be asked', () => Promise.reject(new Error('no'))],
  ])('works where the runtime %s', async (_, device) => {
    const { encoder } = open({ backend: 'webgpu', device: device() });
    expect(await encoder.embed([text(3)])).toHaveLength(4);
    await encoder.close();
  });
});
