/** What an embedder does when its backend fails or is wrong, and when a query comes: encoders by pretence. */
import { describe, expect, it } from 'vitest';
import { WhorlError } from '../../../src/shared/errors.ts';
import type { BackendOptions, RunningModel } from '../../../workers/embed/backends.ts';
import type { Attempt } from '../../../workers/embed/choose.ts';
import { Embedder } from '../../../workers/embed/embedder.ts';
import type { Encoder } from '../../../workers/embed/encoder.ts';
import { breathe, now } from '../../../workers/embed/timing.ts';
import type { Tokenizer } from '../../../workers/embed/tokenizer.ts';

const { signal } = new AbortController();
const GPU: Attempt = { backend: 'webgpu' };
const LOST = new WhorlError('backend_failed', 'The device was lost.', { retryable: true });
const WRONG = new WhorlError('backend_wrong', 'The vector is not finite.', { retryable: true });

class PretendedEncoder implements Encoder {
  readonly backend = 'webgpu';
  readonly dimension = 1;
  readonly threads = 1;
  readonly rules = { tokens: 8, waste: 1 };
  fail: WhorlError | null = null;
  closed = 0;

  async embed(ids: readonly Int32Array[]): Promise<Float32Array<ArrayBuffer>> {
    await breathe();
    if (this.closed > 0) throw new WhorlError('closed', 'The encoder was closed.');
    if (this.fail) throw this.fail;
    return Float32Array.from(ids, ({ length }) => length);
  }

  async close(): Promise<void> {
    this.closed += 1;
  }
}

function running(
  encoder: Encoder,
  fingerprint = 'm/1',
  onText: (text: string) => void = () => {},
): RunningModel {
  const tokenizer: Tokenizer = {
    maxTokens: 8,
    encode(text) {
      onText(text);
      return new Int32Array(text.length + 1);
    },
  };
  const model = { model: 'm', fingerprint, maxTokens: 8, weights: 'none', tokenizer };
  return { ...model, encoder, answers: [], lend: null, note: null };
}

function embedderOf(
  first: Encoder,
  start: (options: BackendOptions) => Promise<RunningModel>,
  successors: readonly Attempt[] = [GPU],
): Embedder {
  return new Embedder({
    running: running(first),
    attempt: GPU,
    why: 'The test says so.',
    successors,
    start: (_, options) => start(options),
    breathe,
    now,
  });
}

const embed = (embedder: Embedder) => embedder.embed({ texts: ['inn'] }, { signal });

describe('a running embedder whose backend fails', () => {
  it.each([LOST, WRONG])('starts a GPU afresh after "$code", once', async (error) => {
    const [first, second] = [new PretendedEncoder(), new PretendedEncoder()];
    first.fail = error;
    const embedder = embedderOf(first, async () => running(second));
    expect([...(await embed(embedder)).vectors]).toEqual([4]);
    expect(first.closed).toBe(1);
    expect(embedder.info.why).toMatch(/WebGPU failed while running and was started afresh/);
    second.fail = error;
    await expect(embed(embedder)).rejects.toBe(error);
    await expect(embed(embedder)).rejects.toBe(error);
    expect(second.closed).toBe(0);
  });

  it('does not take a model that is another by now, and tells every later call why', async () => {
    const [first, second] = [new PretendedEncoder(), new PretendedEncoder()];
    first.fail = LOST;
    const embedder = embedderOf(first, async () => running(second, 'm/2'));
    for (let call = 0; call < 2; call += 1) {
      await expect(embed(embedder)).rejects.toMatchObject({
        code: 'backend_failed',
        retryable: true,
      });
    }
    await expect(embed(embedder)).rejects.toThrow(
      /The device was lost\. .*WebGPU.*another model \(m\/2\)/,
    );
    expect([first.closed > 0, second.closed]).toEqual([true, 1]);
  });

  it('tells why what was to take over did not start', async () => {
    const first = new PretendedEncoder();
    first.fail = LOST;
    const offline = new WhorlError('network', 'The connection broke.', { retryable: true });
    const embedder = embedderOf(first, () => Promise.reject(offline));
    const both = [embed(embedder), embed(embedder)];
    for (const call of [...both, ...both.map(() => embed(embedder))]) {
      await expect(call).rejects.toMatchObject({ code: 'backend_failed', retryable: true });
      await expect(call).rejects.toThrow(/The device was lost\. .*The connection broke\./);
    }
  });

  it('fails typed where the start of the next one throws something else', async () => {
    const first = new PretendedEncoder();
    first.fail = LOST;
    const embedder = embedderOf(first, () =>
      Promise.reject(new TypeError('undefined is no function')),
    );
    for (let call = 0; call < 2; call += 1) {
      await expect(embed(embedder)).rejects.toMatchObject({ code: 'backend_failed' });
    }
  });

  it('stops the start of the next one when it is closed, and begins no other', async () => {
    const first = new PretendedEncoder();
    first.fail = LOST;
    const signals: AbortSignal[] = [];
    const embedder = embedderOf(
      first,
      (options) =>
        new Promise((_, reject) => {
          signals.push(options.signal);
          const stop = () => reject(new WhorlError('aborted', 'Aborted.'));
          options.signal.addEventListener('abort', stop);
        }),
      [GPU, { backend: 'onnx' }],
    );
    const call = expect(embed(embedder)).rejects.toMatchObject({ code: 'closed' });
    while (signals.length === 0) await breathe();
    await embedder.close();
    await call;
    for (let i = 0; i < 5; i += 1) await breathe();
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
    await expect(embed(embedder)).rejects.toMatchObject({ code: 'closed' });
  });
});

describe('a running embedder with much to read', () => {
  it('reads no text of bulk work while a query is answered', async () => {
    const log: string[] = [];
    class SlowEncoder extends PretendedEncoder {
      override async embed(ids: readonly Int32Array[]) {
        const query = ids.length === 1;
        if (query) log.push('query begins');
        for (let i = 0; query && i < 20; i += 1) await breathe();
        if (query) log.push('query ends');
        return super.embed(ids);
      }
    }
    let time = 0;
    const embedder = new Embedder({
      running: running(new SlowEncoder(), 'm/1', (text) => log.push(text)),
      attempt: GPU,
      why: '',
      successors: [],
      start: () => Promise.reject(LOST),
      breathe,
      // Every text takes longer than may pass without a look at the messages.
      now: () => {
        time += 10;
        return time;
      },
    });
    const bulk = embedder.embed({ texts: new Array(200).fill('bulk') }, { signal });
    while (log.length < 20) await breathe();
    await embedder.embed({ texts: ['query'], priority: 'query' }, { signal });
    const during = log.slice(log.indexOf('query begins'), log.indexOf('query ends'));
    expect(during.filter((entry) => entry === 'bulk').length).toBeLessThanOrEqual(1);
    expect((await bulk).vectors).toHaveLength(200);
    expect(log.filter((entry) => entry === 'bulk')).toHaveLength(200);
  });
});
