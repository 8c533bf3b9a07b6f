/** A page's side of one tab: a real index worker, the link to it, and what an engine does with it. */
import { createMilvusClient } from '../../src/milvus/client.ts';
import { Link, serve } from '../../src/shared/link.ts';
import type { EmbedContract, IndexContract, StoreStatus } from '../../src/shared/types.ts';
import type { LetterEmbedder } from '../unit/index/core-fixture.ts';

export interface Tab {
  readonly index: Link<IndexContract>;
  readonly milvus: ReturnType<typeof createMilvusClient>;
  readonly workers: Worker[];
  connect(embedder: LetterEmbedder): Promise<void>;
  /** Stands still for so long, from now on. */
  freeze(ms: number): void;
}

const tabs: Tab[] = [];

export function openTab(name: string, storage: 'indexeddb' | 'memory' = 'indexeddb'): Tab {
  const workers: Worker[] = [];
  const called = crypto.randomUUID();
  const line = new BroadcastChannel(`freeze/${called}`);
  const index = new Link<IndexContract>({
    name: 'index worker',
    spawn: () => {
      const url = new URL('./frozen-worker.ts', import.meta.url);
      const worker = new Worker(url, { type: 'module', name: called });
      workers.push(worker);
      return { endpoint: worker, end: () => worker.terminate() };
    },
    prepare: async (call) => {
      await call('open', { name, storage });
    },
  });
  const tab: Tab = {
    index,
    workers,
    milvus: createMilvusClient((endpoint, body, { signal, onProgress } = {}) =>
      index.call('milvus', { endpoint, body }, {
        ...(signal ? { signal } : {}),
        ...(onProgress ? { onProgress } : {}),
      } as never),
    ),
    connect: (embedder) => connect(index, embedder),
    freeze: (ms) => line.postMessage(ms),
  };
  tabs.push(tab);
  return tab;
}

async function connect(index: Link<IndexContract>, embedder: LetterEmbedder): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  serve<Pick<EmbedContract, 'embed' | 'info'>>(
    {
      embed: (request, { signal }) => embedder.embed(request, { signal }),
      info: () => ({ fingerprint: embedder.fingerprint }) as never,
    },
    port1,
  );
  const lanes = [{ id: 1, port: port2 }];
  await index.call('connectEmbedder', { lanes }, { transfer: [port2] });
}

/** Ends all tabs of a test. */
export function closeTabs(): void {
  for (const tab of tabs.splice(0)) tab.index.close();
}

export const freshName = (): string => `browser-${crypto.randomUUID()}`;

export const statusOf = (tab: Tab): Promise<StoreStatus> => tab.index.call('status', {});
