/** Reads a file through the Cache API: from the network at the first visit, from the disk afterwards. */

async function cachedResponse(name: string, url: string): Promise<Response> {
  const cache = await caches.open(name);
  const kept = await cache.match(url);
  if (kept) return kept;
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: HTTP ${response.status}`);
  await cache.put(url, response.clone());
  return response;
}

export async function cachedBytes(name: string, url: string): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await (await cachedResponse(name, url)).arrayBuffer());
}

export async function cachedJson(name: string, url: string): Promise<object> {
  return (await cachedResponse(name, url)).json();
}
