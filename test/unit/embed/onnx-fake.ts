/** A session of ONNX Runtime by pretence: what it asks, what it answers, and the tensors it was given. */

import type { SessionLike } from '../../../workers/embed/ort-graph.ts';
import type { OrtModule } from '../../../workers/embed/ort-runtime.ts';

export type Shape = readonly (number | string)[];
export interface Ports {
  readonly [name: string]: readonly [type: string, shape: Shape];
}

/** Which tensors are alive, so that a leak is seen. */
export class FakeTensor {
  static alive = 0;
  readonly type: string;
  readonly data: ArrayLike<number | bigint>;
  readonly dims: readonly number[];
  #disposed = false;

  constructor(type: string, data: ArrayLike<number | bigint>, dims: readonly number[]) {
    this.type = type;
    this.data = data;
    this.dims = dims;
    FakeTensor.alive += 1;
  }

  async getData(): Promise<unknown> {
    return this.data;
  }

  dispose(): void {
    if (!this.#disposed) FakeTensor.alive -= 1;
    this.#disposed = true;
  }
}

export interface Run {
  readonly feeds: { readonly [name: string]: FakeTensor };
  readonly asked: readonly string[];
  readonly rows: number;
  readonly tokens: number;
}

/** Float32 tokens states of a text: number k of token t is id * (k + 1); 7 where the mask is 0. */
export function statesOf({ feeds, rows, tokens }: Run, dimension = 4): FakeTensor {
  const ids = feeds.input_ids?.data as ArrayLike<number | bigint>;
  const mask = feeds.attention_mask?.data;
  const values = new Float32Array(rows * tokens * dimension);
  for (let at = 0; at < rows * tokens; at += 1) {
    for (let k = 0; k < dimension; k += 1) {
      const real = !mask || Number(mask[at]) === 1;
      values[at * dimension + k] = real ? Number(ids[at]) + (k + 1) ** 2 : 7;
    }
  }
  return new FakeTensor('float32', values, [rows, tokens, dimension]);
}

export const BERT: Ports = {
  input_ids: ['int64', ['batch', 'seq']],
  attention_mask: ['int64', ['batch', 'seq']],
};
export const STATES: Ports = { last_hidden_state: ['float32', ['batch', 'seq', 4]] };

export interface FakeSession extends SessionLike {
  readonly runs: Run[];
  released: number;
}

export function fakeSession(
  inputs: Ports = BERT,
  outputs: Ports = STATES,
  answer: (run: Run) => FakeTensor | undefined | Promise<FakeTensor | undefined> = (run) =>
    statesOf(run),
): FakeSession {
  const metadata = (ports: Ports) =>
    Object.entries(ports).map(([name, [type, shape]]) =>
      type === 'sequence' ? { name, isTensor: false } : { name, isTensor: true, type, shape },
    );
  const session = {
    runs: [] as Run[],
    released: 0,
    inputMetadata: metadata(inputs),
    outputMetadata: metadata(outputs),
    async run(feeds: Run['feeds'], asked: readonly string[]) {
      const [rows = 0, tokens = 0] = feeds.input_ids?.dims ?? [];
      const run = { feeds, asked, rows, tokens };
      session.runs.push(run);
      const tensor = await answer(run);
      return tensor ? { [asked[0] as string]: tensor } : {};
    },
    async release() {
      session.released += 1;
    },
  };
  return session as unknown as FakeSession;
}

/** The rest of the runtime; `device` is what `env.webgpu.device` gives. */
export function fakeRuntime(device?: unknown): Pick<OrtModule, 'Tensor' | 'env'> {
  return {
    Tensor: FakeTensor,
    env: { webgpu: { device } },
  } as unknown as Pick<OrtModule, 'Tensor' | 'env'>;
}

/** A device whose loss is told by calling `lose`. */
export function fakeDevice(): { device: unknown; lose: (message: string) => void } {
  let lose: (message: string) => void = () => {};
  const lost = new Promise((resolve) => {
    lose = (message) => resolve({ reason: 'destroyed', message });
  });
  return { device: Promise.resolve({ lost }), lose };
}
