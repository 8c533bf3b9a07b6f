/** What the engine does when its workers die, fail to start, or lose sight of each other. The workers are doubles on ports. */
import { afterEach, describe, expect, test } from 'vitest';
import { createEngine } from '../../src/create-engine.ts';
import type { Engine } from '../../src/engine.ts';
import { extractive } from '../../src/loop/generate/extractive.ts';
import { WhorlError } from '../../src/shared/errors.ts';
import { type Handlers, serve } from '../../src/shared/link.ts';
import type {
  EmbedContract,
  EmbeddingNews,
  IndexContract,
  StoreStatus,
} from '../../src/shared/types.ts';

const STORE: StoreStatus = {
  storage: 'memory',
  durability: 'volatile',
  role: 'leader',
  collections: 0,
  modes: [],
};

const VECTORS = { vectors: new Float32Array(4), dimension: 4, fingerprint: 'double', tokens: 3 };

const never = () => new Promise<never>(() => {});

/** Doubles of the two workers, and what was asked of them. */
class Workers {
  readonly spawned = { embed: 0, index: 0 };
  readonly ports: { embed: MessagePort[]; index: MessagePort[] } = { embed: [], index: [] };
  bridges = 0;
  /** Numbers of the lanes that the last bridge has. */
  lanes: readonly number[] = [];
  /** What the index worker tells the page of embedding. */
  news: (news: EmbeddingNews) => void = () => {};
  /** The index worker has a port to a model that answers. */
  bridged = false;
  /** Index workers from now on fail to start. */
  broken = false;
  #watcher: ((status: StoreStatus) => void) | null = null;
  start: () => Promise<unknown> = async () => ({ backend: 'wasm', why: '', dimension: 4 });
  embed: () => Promise<never> = never;
  info: () => unknown = () => null;

  make(which: 'embed' | 'index'): () => Worker {
    return () => {
      const { port1, port2 } = new MessageChannel();
      this.spawned[which] += 1;
      this.ports[which].push(port1);
      if (which === 'embed') serve<EmbedContract>(this.#embed(), port2);
      else if (this.broken) setTimeout(() => port1.dispatchEvent(new Event('error')));
      else serve<IndexContract>(this.#index(), port2);
      return Object.assign(port1, { terminate: () => port1.close() }) as unknown as Worker;
    };
  }

  forgetWatcher(): void {
    this.#watcher = null;
  }

  /** Tells whoever watches the store; false when nobody does. */
  tell(status: StoreStatus): boolean {
    this.#watcher?.(status);
    return this.#watcher !== null;
  }

  /** As when the script of a running worker throws. */
  crash(which: 'embed' | 'index'): void {
    this.ports[which].at(-1)?.dispatchEvent(new ErrorEvent('error', { message: 'crashed' }));
  }

  #embed(): Handlers<EmbedContract> {
    return {
      start: () => this.start() as never,
      embed: () => this.embed(),
      tokenize: never,
      attach: () => {},
      lend: () => null,
      info: () => this.info() as never,
    };
  }

  #index(): Handlers<IndexContract> {
    return {
      open: () => STORE,
      status: () => STORE,
      watch: (_, { report }) => {
        this.#watcher = report as (status: StoreStatus) => void;
        return never();
      },
      connectEmbedder: ({ lanes }) => {
        this.lanes = lanes.map(({ id }) => id);
        this.bridges += 1;
        this.bridged = true;
      },
      watchEmbedding: (_, { report }) => {
        this.news = report as (news: EmbeddingNews) => void;
        return never();
      },
      milvus: async () => {
        await new Promise((resolve) => setTimeout(resolve, 5));
        if (!this.bridged) throw new WhorlError('embedder_unavailable', 'no model');
        return { code: 0, data: [] };
      },
      candidates: never,
      lexical: never,
      destroy: () => {},
      readOut: never,
      takeIn: never,
      close: () => {},
    };
  }
}

const engines: Engine[] = [];

async function start(workers: Workers): Promise<Engine> {
  const { make } = workers;
  const engine = await createEngine({
    storage: 'memory',
    workers: { embed: make.call(workers, 'embed'), index: make.call(workers, 'index') },
  });
  engines.push(engine);
  return engine;
}

afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.close()));
});

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('the engine', () => {
  test('a bridge that broke between two living workers is built anew, once for all calls', async () => {
    const workers = new Workers();
    const engine = await start(workers);
    await engine.milvus.listCollections({});
    expect(workers.bridges).toBe(1);
    workers.bridged = false;
    const calls = [1, 2, 3].map(() => engine.milvus.listCollections({}));
    expect(await Promise.all(calls)).toEqual([[], [], []]);
    expect(workers.bridges).toBe(2);
    expect(workers.spawned).toEqual({ embed: 1, index: 1 });
  });

  test('an index worker that cannot come up again is tried once, then by the next call', async () => {
    const workers = new Workers();
    const engine = await start(workers);
    workers.broken = true;
    workers.crash('index');
    await pause(300);
    expect(workers.spawned.index).toBe(2);
    expect(engine.status.store).toBeNull();
    await expect(engine.milvus.listCollections({})).rejects.toMatchObject({
      code: 'worker_start_failed',
    });
    expect(workers.spawned.index).toBe(3);
    workers.broken = false;
    workers.forgetWatcher();
    expect(await engine.milvus.listCollections({})).toEqual([]);
    expect(engine.status.store).toEqual(STORE);
    // Also the store that a call has started says what becomes of it.
    await expect
      .poll(() => workers.tell({ ...STORE, role: 'follower', modes: ['read_only'] }))
      .toBe(true);
    await expect.poll(() => engine.status.store?.modes).toEqual(['read_only']);
    // A loop knows it, too: an answer that could not be kept is not paid for.
    const loop = engine.loop({ collectionName: 'c', textField: 't', generator: extractive() });
    await expect(loop.ask('Ale?')).rejects.toMatchObject({ code: 'not_leader' });
  });

  test('a runtime that failed is spent: its worker is replaced, and the next call works', async () => {
    const workers = new Workers();
    const engine = await start(workers);
    await engine.prepare();
    workers.embed = () => Promise.reject(new WhorlError('backend_failed', 'the runtime broke'));
    await expect(engine.embed(['a'])).rejects.toMatchObject({ code: 'backend_failed' });
    workers.embed = async () => VECTORS as never;
    expect((await engine.embed(['a'])).vectors).toHaveLength(4);
    expect(workers.spawned.embed).toBe(2);
    expect(engine.status).toMatchObject({ embedder: { state: 'ready' }, restarts: { embed: 1 } });
  });

  test('a worker that failed under the index worker, by its number, is replaced', async () => {
    const workers = new Workers();
    const engine = await start(workers);
    await engine.prepare();
    const [id = 0] = workers.lanes;
    const failure = { code: 'backend_failed', message: 'the runtime broke' } as const;
    workers.news({ failed: { ...failure, id: id + 100 } });
    await pause(100);
    expect(workers.spawned.embed).toBe(1);
    workers.news({ failed: { ...failure, id } });
    await expect.poll(() => engine.status.restarts.embed).toBe(1);
    await expect.poll(() => engine.status.embedder.state).toBe('ready');
    expect(workers.spawned.embed).toBe(2);
    // The bridge has the successor.
    workers.bridged = false;
    await engine.milvus.listCollections({});
    expect(workers.lanes).toEqual([id + 1]);
  });

  test('a GPU that was lost in the middle: the status names what runs instead', async () => {
    const workers = new Workers();
    const engine = await start(workers);
    workers.start = async () => ({ backend: 'webgpu', why: 'a real adapter', dimension: 4 });
    await engine.prepare();
    expect(engine.status.embedder).toMatchObject({ backend: 'webgpu' });
    workers.info = () => ({ backend: 'wasm', why: 'the GPU was lost', dimension: 4 });
    workers.embed = async () => VECTORS as never;
    await engine.embed(['a']);
    await expect
      .poll(() => engine.status.embedder)
      .toMatchObject({ state: 'ready', backend: 'wasm', why: 'the GPU was lost' });
    expect(workers.spawned.embed).toBe(1);
  });

  test('a store that cannot be opened: the reason, and no worker started to be ended', async () => {
    const workers = new Workers();
    workers.broken = true;
    await expect(start(workers)).rejects.toMatchObject({ code: 'worker_start_failed' });
    await pause(50);
    // Each once: the embed worker by the start itself, and none by the end.
    expect(workers.spawned).toEqual({ embed: 1, index: 1 });
  });

  test('an embed worker lost while it starts: one start goes on, in a fresh worker', async () => {
    const workers = new Workers();
    let starts = 0;
    workers.start = () => {
      starts += 1;
      return starts === 1 ? never() : Promise.resolve({ backend: 'wasm', why: 'second' });
    };
    const engine = await start(workers);
    const first = engine.prepare();
    await expect.poll(() => starts).toBe(1);
    workers.crash('embed');
    const [a, b] = await Promise.all([first, engine.prepare()]);
    expect(a.why).toContain('crashed');
    expect(b).toEqual(a);
    expect(starts).toBe(2);
    expect(engine.status.embedder).toMatchObject({ state: 'ready' });
  });

  test('closed during a start: every call settles with closed, and nothing is started after it', async () => {
    const workers = new Workers();
    workers.start = never;
    const engine = await start(workers);
    const waits = [engine.prepare(), engine.embed(['x']), engine.milvus.listCollections({})];
    const settled = Promise.allSettled(waits);
    await pause(50);
    await engine.close();
    for (const each of await settled) {
      expect(each).toMatchObject({ status: 'rejected', reason: { code: 'closed' } });
    }
    await expect(engine.embed(['x'])).rejects.toMatchObject({ code: 'closed' });
    await expect(engine.milvus.listCollections({})).rejects.toMatchObject({ code: 'closed' });
    expect(workers.spawned).toEqual({ embed: 1, index: 1 });
  });
});
