import { beforeEach, describe, expect, it } from 'vitest';
import {
  type FeatureExtractor,
  fromPipeline,
  type PipelineOptions,
  type PipelineTensor,
} from '../../../src/embedder/transformers.ts';

let disposed = 0;
const calls: { texts: string[]; options: unknown }[] = [];
beforeEach(() => {
  disposed = 0;
  calls.length = 0;
});

/** A pipeline by pretence: a text's vector is its length and 1. */
function pipelineOf(
  change: (tensor: PipelineTensor, texts: string[]) => PipelineTensor | undefined = (tensor) =>
    tensor,
): FeatureExtractor {
  return async (texts, options) => {
    calls.push({ texts, options });
    const tensor = {
      dims: [texts.length, 2],
      data: Float32Array.from(texts.flatMap((text) => [text.length, 1])),
      dispose: () => {
        disposed += 1;
      },
    };
    return change(tensor, texts) as PipelineTensor;
  };
}

const call = (signal = new AbortController().signal) => ({ signal, priority: 'bulk' as const });

describe('fromPipeline', () => {
  it('asks for pooled unit vectors, one text at a time, and copies them', async () => {
    let memory: PipelineTensor | undefined;
    const embedder = fromPipeline(
      pipelineOf((tensor) => {
        memory = tensor;
        return tensor;
      }),
    );
    const rows = await embedder.embed(['a', 'bb', 'ccc'], call());
    expect(calls).toEqual(
      ['a', 'bb', 'ccc'].map((text) => ({
        texts: [text],
        options: { pooling: 'mean', normalize: true },
      })),
    );
    (memory as unknown as { data: Float32Array }).data.fill(9);
    expect(rows).toEqual([Float32Array.of(1, 1), Float32Array.of(2, 1), Float32Array.of(3, 1)]);
    expect(disposed).toBe(3);
    expect('model' in embedder).toBe(false);
  });

  it('hands over more at a time where that is asked for', async () => {
    const embedder = fromPipeline(pipelineOf(), { pooling: 'cls', model: 'bge@1 fp16', batch: 2 });
    const rows = await embedder.embed(['a', 'bb', 'ccc'], call());
    expect(calls.map(({ texts }) => texts)).toEqual([['a', 'bb'], ['ccc']]);
    expect(calls[0]?.options).toEqual({ pooling: 'cls', normalize: true });
    expect(rows).toHaveLength(3);
    expect(embedder.model).toBe('bge@1 fp16');
    expect(await embedder.embed([], call())).toEqual([]);
  });

  it('reads numbers of any kind', async () => {
    const embedder = fromPipeline(
      pipelineOf(() => ({ dims: [1, 2], data: BigInt64Array.of(3n, 4n) })),
    );
    expect(await embedder.embed(['a'], call())).toEqual([Float32Array.of(3, 4)]);
  });

  it('stops between two batches when it is aborted', async () => {
    const abort = new AbortController();
    const embedder = fromPipeline(
      pipelineOf((tensor) => {
        abort.abort();
        return tensor;
      }),
    );
    const run = embedder.embed(['a', 'b', 'c'], call(abort.signal));
    await expect(run).rejects.toMatchObject({ code: 'aborted' });
    expect(calls).toHaveLength(1);
    expect(disposed).toBe(1);
  });

  it.each([
    ['vectors for each token', { dims: [1, 3, 2], data: new Float32Array(6) }, /\[1, 3, 2\]/],
    ['more rows', { dims: [2, 2], data: new Float32Array(4) }, /\[2, 2\] for 1 texts/],
    ['no numbers', { dims: [1, 0], data: new Float32Array(0) }, /\[1, 0\]/],
    ['fewer numbers than it says', { dims: [1, 2], data: new Float32Array(1) }, /\[1, 2\]/],
    ['no tensor', undefined, /no tensor/],
    ['something else', { label: 'POSITIVE' }, /feature-extraction/],
  ])('refuses %s', async (_, answer, why) => {
    const embedder = fromPipeline(pipelineOf(() => answer as PipelineTensor));
    const run = Promise.resolve(embedder.embed(['a'], call()));
    await expect(run).rejects.toMatchObject({ code: 'backend_wrong' });
    await expect(run).rejects.toThrow(why);
  });

  it('passes on what the pipeline throws', async () => {
    const broken: FeatureExtractor = () => Promise.reject(new Error('no more memory'));
    await expect(fromPipeline(broken).embed(['a'], call())).rejects.toThrow('no more memory');
  });

  it.each([
    [{ normalize: false }, /no option "normalize"/],
    [{ pooling: 'none' }, /"pooling" must be one of mean.*not "none"/],
    [{ batch: 0 }, /"batch" must be a whole number from 1 to 256, not 0/],
    [{ batch: 257 }, /not 257/],
    [{ batch: 2, pooling: 'last_token' }, /"batch" must be 1 with the pooling "last_token"/],
    [{ model: ' ' }, /"model" must be a text/],
  ])('refuses %j by name', (options, why) => {
    const attempt = () => fromPipeline(pipelineOf(), options as PipelineOptions);
    expect(attempt).toThrow(why);
    expect(attempt).toThrow(expect.objectContaining({ code: 'invalid_option' }));
  });

  it('refuses what is no pipeline, a promise of one too', () => {
    for (const wrong of [Promise.resolve(pipelineOf()), undefined, 'feature-extraction']) {
      expect(() => fromPipeline(wrong as never)).toThrow(/must be a pipeline: await pipeline/);
    }
  });
});
