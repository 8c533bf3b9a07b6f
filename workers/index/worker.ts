/** The index worker: the core with the browser's storage, locks and clock. */
import { WhorlError } from '../../src/shared/errors.ts';
import { giveWay } from '../../src/shared/give-way.ts';
import { type Handlers, serve } from '../../src/shared/link.ts';
import type {
  EmbeddingNews,
  EmbedProgress,
  IndexContract,
  IndexOpenRequest,
  StoreStatus,
} from '../../src/shared/types.ts';
import { IndexCore } from './core.ts';
import { EmbedPort } from './embed-port.ts';
import { webLock } from './leader.ts';
import { OpfsFiles } from './mirror/opfs-files.ts';
import type { MirrorPlace } from './open-storage.ts';
import { browserLocks, estimateUsage, openChannel } from './platform.ts';
import { deleteDatabase } from './storage/idb-open.ts';
import { IdbStorage } from './storage/idb-storage.ts';
import { broadcastTabs, type TabOptions } from './tabs/channel.ts';

/** Engines of one name share their records: what one erases, the others must not keep vectors of. */
let erasures: BroadcastChannel | null = null;
const embedder = new EmbedPort(() => erasures?.postMessage('erased'));
let opened: Promise<IndexCore> | null = null;
let openedAs = '';

/** Of the database and of its lock: the page that embeds us may have an `app` of its own. */
function ownName(name: string): string {
  return `whorl/${name}`;
}

function openCore(request: IndexOpenRequest): Promise<IndexCore> {
  const name = ownName(request.name);
  const durable = request.storage === 'indexeddb';
  const locks = browserLocks(navigator);
  embedder.keep(request.embeddingCacheBytes ?? 0);
  listen(name);
  return IndexCore.open({
    name,
    openStorage: durable
      ? (onRetired, onVanished) => IdbStorage.open({ name, onRetired, onVanished })
      : null,
    mirror: durable ? mirrorPlace(name, request.mirror ?? true) : null,
    lock: durable && locks !== null ? webLock(locks) : null,
    tabs: durable && locks !== null ? otherTabs(name) : null,
    clock: { now: () => Date.now(), monotonic: () => performance.now() },
    embedder,
    pause: giveWay,
    deleteDatabase: () => deleteDatabase(name),
    estimate: () => estimateUsage(navigator),
  });
}

/** Files of this engine; none without locks, because two tabs would write them. */
function mirrorPlace(name: string, copy: boolean): MirrorPlace {
  const { storage } = navigator as { readonly storage?: StorageManager };
  const usable = browserLocks(navigator) !== null && storage?.getDirectory !== undefined;
  return {
    files: usable ? new OpfsFiles(() => storage.getDirectory(), name.split('/')) : null,
    copy,
  };
}

/** How other tabs are reached, or null where the browser denies that. */
function otherTabs(name: string): TabOptions | null {
  const channel = broadcastTabs(name, openChannel);
  if (channel === null) return null;
  const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
  return { tab: crypto.randomUUID(), channel, wait, random: Math.random };
}

/** The page listens on the same channel. Messages do not come back to the object that sent them. */
function listen(name: string): void {
  erasures?.close();
  erasures = openChannel(`${name}/erasures`);
  if (erasures !== null) erasures.onmessage = () => embedder.forget();
}

function core(): Promise<IndexCore> {
  if (opened !== null) return opened;
  return Promise.reject(new WhorlError('closed', 'The store is not open.'));
}

const handlers: Handlers<IndexContract> = {
  open: async (request) => {
    const as = `${request.storage}:${request.name}`;
    if (opened !== null && as !== openedAs) {
      throw new WhorlError('invalid_option', 'This worker has another store open; close it first.');
    }
    openedAs = as;
    opened ??= openCore(request).catch((error: unknown) => {
      // A failed opening is forgotten, so that the next one may succeed.
      opened = null;
      throw error;
    });
    return (await opened).status();
  },
  status: async () => (await core()).status(),
  watch: async (_request, { signal, report }) =>
    (await core()).watch(report as (status: StoreStatus) => void, signal),
  connectEmbedder: async ({ lanes, more }) => {
    const fingerprint = await embedder.connect(lanes, more);
    if (fingerprint !== null) (await core()).modelConnected(fingerprint);
  },
  watchEmbedding: (_request, { signal, report }) =>
    embedder.watch(report as (news: EmbeddingNews) => void, signal),
  milvus: async ({ endpoint, body }, { signal, report }) =>
    (await core()).milvus(endpoint, body, {
      signal,
      report: report as (progress: EmbedProgress) => void,
    }),
  candidates: async (request, { signal }) => (await core()).candidates(request, { signal }),
  lexical: async (request) => (await core()).lexical(request),
  readOut: async (request, { signal, report }) => {
    const call = { signal, report: report as (progress: EmbedProgress) => void };
    return { collections: await (await core()).archives.readOut(request, call) };
  },
  takeIn: async (request, { signal, report }) => {
    const call = { signal, report: report as (progress: EmbedProgress) => void };
    return (await core()).archives.takeIn(request, call);
  },
  destroy: async () => {
    const open = opened;
    opened = null;
    embedder.forget();
    await (await open)?.destroy();
  },
  close: async () => {
    const open = opened;
    opened = null;
    embedder.close();
    try {
      await (await open)?.close();
    } finally {
      // A delete that was being written is still told of.
      erasures?.close();
      erasures = null;
    }
  },
};

serve<IndexContract>(handlers, self as unknown as Parameters<typeof serve>[1]);
