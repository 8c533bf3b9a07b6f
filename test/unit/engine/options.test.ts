import { describe, expect, it } from 'vitest';
import { onnx } from '../../../src/embedder/onnx.ts';
import { checkOptions, type EngineOptions } from '../../../src/engine-options.ts';

const ONNX = onnx({ url: 'm/model.onnx', tokenizer: 'm/tokenizer.json', pooling: 'mean' });
const BASE = 'https://inn.example/app/';

describe('options of an engine', () => {
  it('have defaults beside the page', () => {
    expect(checkOptions({}, BASE)).toEqual({
      name: 'whorl',
      assets: 'https://inn.example/app/models/all-MiniLM-L6-v2/',
      embedder: null,
      onnx: null,
      backend: 'auto',
      precision: 'int8',
      embedWorkers: null,
      embeddingCacheBytes: 33_554_432,
      mirror: true,
      storage: 'indexeddb',
    });
  });

  it.each<[object, string]>([
    [{ nmae: 'x' }, '"nmae"'],
    [{ name: 'a b' }, '"name"'],
    [{ name: 7 }, '"name"'],
    [{ backend: 'cuda' }, '"backend"'],
    [{ storage: 'disk' }, '"storage"'],
    [{ workers: { embedd: () => {} } }, '"embedd"'],
    [{ workers: { embed: 'worker.js' } }, '"workers.embed"'],
    [{ precision: 'int4' }, '"precision"'],
    [{ embedWorkers: 0 }, '"embedWorkers"'],
    [{ embedWorkers: 5 }, '"embedWorkers"'],
    [{ embedWorkers: 1.5 }, '"embedWorkers"'],
    [{ mirror: 'yes' }, '"mirror"'],
    [{ embeddingCacheBytes: -1 }, '"embeddingCacheBytes"'],
    [{ embeddingCacheBytes: 2 ** 31 }, '"embeddingCacheBytes"'],
    [{ embeddingCacheBytes: '32 MB' }, '"embeddingCacheBytes"'],
    [{ embedder: null }, '"embedder"'],
    [{ embedder: 'minilm' }, '"embedder"'],
    [{ embedder: { embed: 'x' } }, '"embedder"'],
    [{ embedder: { embed: () => [], model: '' } }, '"embedder.model"'],
    [{ embedder: { embed: () => [], model: 7 } }, '"embedder.model"'],
    [{ embedder: { embed: () => [] }, backend: 'wasm' }, '"backend"'],
    [{ embedder: { embed: () => [] }, embedWorkers: 2 }, '"embedWorkers"'],
    [{ embedder: ONNX, precision: 'float32' }, '"precision"'],
    [{ embedder: ONNX, assets: 'x/' }, '"assets"'],
    [{ embedder: ONNX, backend: 'wasm' }, '"wasm"'],
  ])('%o is refused by name', (options, name) => {
    const check = () => checkOptions(options as EngineOptions, BASE);
    expect(check).toThrow(expect.objectContaining({ code: 'invalid_option' }));
    expect(check).toThrow(name);
  });

  it('take an embedder of the page as it is, and an ONNX encoder with absolute addresses', () => {
    const embedder = { embed: () => [] };
    expect(checkOptions({ embedder }, BASE)).toMatchObject({ embedder, onnx: null });
    expect(checkOptions({ embedder: ONNX, backend: 'webgpu' }, BASE)).toMatchObject({
      embedder: null,
      onnx: { url: 'https://inn.example/app/m/model.onnx', pooling: 'mean' },
      backend: 'webgpu',
    });
  });

  it('resolve where the model lies, and refuse a moving branch', () => {
    expect(checkOptions({ assets: 'm' }, BASE).assets).toBe('https://inn.example/app/m/');
    const assets = { huggingFace: 'a/b', revision: 'main' };
    expect(() => checkOptions({ assets }, BASE)).toThrow(/revision/);
  });
});
