/** Where verified pieces are kept between visits. */

/**
 * Pieces by key; keys are absolute http(s) addresses. What `get` returns may be anything that was ever
 * stored: the reader verifies it. `put` may reject (quota, private mode): the reader then goes on
 * without.
 */
export interface AssetCache {
  get(key: string): Promise<Uint8Array<ArrayBuffer> | null>;
  put(key: string, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  delete(key: string): Promise<void>;
  keys(): Promise<string[]>;
}

const CACHE_NAME = 'whorl-assets-1';

/** The Cache API as an {@link AssetCache}; opened on first use, and again after an opening that failed. */
export function cacheStorageAssets(storage: CacheStorage): AssetCache {
  let opened: Promise<Cache> | undefined;
  const open = (): Promise<Cache> => {
    opened ??= storage.open(CACHE_NAME).catch((error) => {
      opened = undefined;
      throw error;
    });
    return opened;
  };
  return {
    async get(key) {
      const response = await (await open()).match(key);
      return response ? new Uint8Array(await response.arrayBuffer()) : null;
    },
    async put(key, bytes) {
      await (await open()).put(key, new Response(bytes));
    },
    async delete(key) {
      await (await open()).delete(key);
    },
    async keys() {
      return (await (await open()).keys()).map((request) => request.url);
    },
  };
}
