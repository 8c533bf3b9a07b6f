/** Our side: the public API of the built library, with its own kernel, and without the cache of vectors. */
import type { Engine } from '../../src/index.ts';
import { PLACES } from './settings.ts';
import type { Side } from './side.ts';

type Library = typeof import('../../src/index.ts');

export function libraryOf(): Promise<Library> {
  return import(/* @vite-ignore */ new URL(PLACES.lib, location.href).href);
}

/**
 * An engine that embeds everything that it is asked for, however often, and keeps nothing.
 * @param workers Embed workers at most.
 */
export async function openEngine(workers: number): Promise<Engine> {
  const { createEngine } = await libraryOf();
  return createEngine({
    assets: new URL(PLACES.ourModel, location.href).href,
    backend: 'wasm',
    storage: 'memory',
    embedWorkers: workers,
    embeddingCacheBytes: 0,
  });
}

export class OurSide implements Side {
  readonly name = 'ours';
  readonly #engine: Engine;

  private constructor(engine: Engine) {
    this.#engine = engine;
  }

  static async open(workers: number): Promise<OurSide> {
    const engine = await openEngine(workers);
    await engine.prepare();
    return new OurSide(engine);
  }

  /** Why this backend runs, in the engine's own words. */
  get why(): string {
    const { embedder } = this.#engine.status;
    return embedder.state === 'ready' ? embedder.why : embedder.state;
  }

  async query(text: string): Promise<Float32Array> {
    return (await this.#engine.embed([text], { priority: 'query' })).vectors;
  }

  /** The engine plans its own batches. */
  async embed(texts: readonly string[]): Promise<Float32Array> {
    return (await this.#engine.embed(texts, { priority: 'bulk' })).vectors;
  }

  close(): Promise<void> {
    return this.#engine.close();
  }
}
