import { describe, expect, it } from 'vitest';
import type { OnnxModel } from '../../../src/shared/types.ts';
import { openOnnxEncoder } from '../../../workers/embed/onnx-model.ts';
import type { OrtModule } from '../../../workers/embed/ort-runtime.ts';
import {
  BERT,
  type FakeSession,
  FakeTensor,
  fakeRuntime,
  fakeSession,
  type Run,
  STATES,
  statesOf,
} from './onnx-fake.ts';
import { NODES, onnxFile, TENSORS } from './onnx-file.ts';
import { Hub, load, MODEL, URLS } from './onnx-hub.ts';

describe('openOnnxEncoder', () => {
  const { signal } = new AbortController();
  const breathe = async (): Promise<void> => {};

  async function open(
    session: FakeSession | Error,
    changes: {
      backend?: 'onnx' | 'webgpu';
      file?: Uint8Array<ArrayBuffer>;
      model?: OnnxModel;
    } = {},
  ) {
    const hub = new Hub();
    if (changes.file) hub.files.set(URLS.url, changes.file);
    const { loaded, progress } = await load(hub, { model: changes.model ?? MODEL });
    const { Tensor } = fakeRuntime();
    const runtime = {
      Tensor,
      env: { wasm: {} },
      InferenceSession: {
        create: async () => {
          if (session instanceof Error) throw session;
          return session;
        },
      },
    } as unknown as OrtModule;
    const encoder = await openOnnxEncoder(loaded, runtime, changes.backend ?? 'onnx', {
      signal,
      breathe,
    });
    return { encoder, progress };
  }

  it('tries the encoder before it is used', async () => {
    const session = fakeSession();
    const { encoder, progress } = await open(session);
    expect(encoder).toMatchObject({ dimension: 4, backend: 'onnx' });
    expect(session.runs.some(({ rows }) => rows > 1)).toBe(true);
    expect(progress.at(-1)?.stage).toBe('check');
    expect(session.released).toBe(0);
  });

  it('finds the dimension by running where the graph does not tell', async () => {
    const session = fakeSession(BERT, { last_hidden_state: ['float32', ['b', 's', 'd']] }, (run) =>
      statesOf(run, 6),
    );
    expect((await open(session)).encoder.dimension).toBe(6);
  });

  it('runs one text at a time where activations are quantised together', async () => {
    const dynamic = onnxFile([
      ...NODES,
      { type: 'DynamicQuantizeLinear', inputs: ['at'], outputs: ['q', 's', 'z'] },
    ]);
    const session = fakeSession();
    await open(session, { file: dynamic });
    expect(session.runs.every(({ rows }) => rows === 1)).toBe(true);
  });

  const noise = (run: Run): FakeTensor => {
    const tensor = statesOf(run);
    (tensor.data as Float32Array)[1] = Math.random() * 1_000;
    return tensor;
  };
  const neighbours = (run: Run): FakeTensor => {
    const tensor = statesOf(run);
    for (let k = 0; k < tensor.data.length; k += 4)
      (tensor.data as Float32Array)[k] = run.rows * 50;
    return tensor;
  };
  const constant = ({ rows, tokens }: Run): FakeTensor =>
    new FakeTensor('float32', new Float32Array(rows * tokens * 4).fill(1), [rows, tokens, 4]);
  const padded = (run: Run): FakeTensor => {
    const tensor = statesOf(run);
    const values = tensor.data as Float32Array;
    for (let row = 0; row < run.rows; row += 1) values[row * run.tokens * 4] = run.tokens * 100;
    return tensor;
  };
  it.each([
    ['another vector each time', noise, /embedded twice/],
    ['vectors that depend on the neighbours', neighbours, /beside others|padded/],
    ['vectors that depend on the padding', padded, /padded|beside others/],
    ['one vector for everything', constant, /differing texts have the same vector/],
    [
      'NaN',
      ({ rows, tokens }: Run) =>
        new FakeTensor('float32', new Float32Array(rows * tokens * 4).fill(Number.NaN), [
          rows,
          tokens,
          4,
        ]),
      /not finite/,
    ],
  ])('refuses an encoder that gives %s, and lets the session go', async (_, answer, why) => {
    const session = fakeSession(BERT, STATES, answer);
    const run = open(session);
    await expect(run).rejects.toMatchObject({ code: 'backend_wrong' });
    await expect(run).rejects.toThrow(why);
    expect(session.released).toBe(1);
  });

  it('refuses a graph of another pooling, and lets the session go', async () => {
    const session = fakeSession(BERT, { logits: ['float32', ['b', 2]] });
    await expect(open(session)).rejects.toMatchObject({ code: 'asset_corrupt' });
    expect(session.released).toBe(1);
  });

  it('says that a graph which the runtime refuses is the file, not the device', async () => {
    const refused = new Error(
      "Can't create a session. ERROR_CODE: 7, ERROR_MESSAGE: Failed to load model because protobuf parsing failed.",
    );
    await expect(open(refused)).rejects.toMatchObject({ code: 'asset_corrupt', retryable: false });
  });

  it('tries the longest input where the table of positions has no known name', async () => {
    const unnamed = onnxFile(NODES, [TENSORS[0] as never]);
    const session = fakeSession(BERT, STATES, (run) => {
      if (run.tokens > 100)
        throw new Error('Attempting to broadcast an axis by a dimension other than 1. 100 by 256');
      return statesOf(run);
    });
    const run = open(session, { file: unnamed });
    await expect(run).rejects.toMatchObject({ code: 'invalid_option' });
    await expect(run).rejects.toThrow(/does not take 256 tokens.*maxTokens/);
    expect(
      (await open(session, { file: unnamed, model: { ...MODEL, maxTokens: 100 } })).encoder
        .dimension,
    ).toBe(4);
  });

  it('does not let a GPU run a model whose vocabulary is not known', async () => {
    const unknown = onnxFile(NODES.slice(1));
    await expect(open(fakeSession(), { file: unknown, backend: 'webgpu' })).rejects.toMatchObject({
      code: 'unsupported',
    });
    expect((await open(fakeSession(), { file: unknown })).encoder.backend).toBe('onnx');
  });
});
