import { describe, expect, it } from 'vitest';
import { checkOptions, type EngineOptions } from '../../../src/engine-options.ts';

const BASE = 'https://inn.example/app/';

describe('options of an engine', () => {
  it('have defaults beside the page', () => {
    expect(checkOptions({}, BASE)).toEqual({
      name: 'whorl',
      assets: 'https://inn.example/app/models/all-MiniLM-L6-v2/',
      backend: 'auto',
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
  ])('%o is refused by name', (options, name) => {
    const check = () => checkOptions(options as EngineOptions, BASE);
    expect(check).toThrow(expect.objectContaining({ code: 'invalid_option' }));
    expect(check).toThrow(name);
  });
});
