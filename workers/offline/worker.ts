/**
 * The service worker of the site: after one visit the page starts without a network. It keeps the
 * files of its own build and nothing else; the model has a store of its own, verified piece by piece.
 *
 * A new build waits until every tab of the old one is closed: files of the running build stay served,
 * so that a chunk which is loaded late always fits. It answers GET requests of its own origin only.
 */
import { BUILD, FILES } from 'virtual:whorl-build';

declare const self: ServiceWorkerGlobalScope;

const PREFIX = 'whorl-site-';
const CACHE = `${PREFIX}${BUILD}`;

function inScope(path: string): string {
  return new URL(path, self.registration.scope).href;
}

async function install(): Promise<void> {
  const cache = await caches.open(CACHE);
  await Promise.all(FILES.map((path) => keep(cache, inScope(path))));
}

/** `cache.add` would store a captive portal's page as readily as a script: the type must fit the name. */
async function keep(cache: Cache, url: string): Promise<void> {
  const response = await fetch(url, { cache: 'no-cache' });
  const isPage = (response.headers.get('content-type') ?? '').startsWith('text/html');
  const wantsPage = url === inScope('./');
  if (!response.ok || response.redirected || isPage !== wantsPage) {
    throw new TypeError(
      `${url} answered ${response.status} ${response.headers.get('content-type')}`,
    );
  }
  await cache.put(url, response);
}

async function dropOldBuilds(): Promise<void> {
  const names = await caches.keys();
  const old = names.filter((name) => name.startsWith(PREFIX) && name !== CACHE);
  await Promise.all(old.map((name) => caches.delete(name)));
}

async function answer(request: Request): Promise<Response> {
  return (await kept(request)) ?? fetch(request);
}

async function kept(request: Request): Promise<Response | undefined> {
  const key = request.mode === 'navigate' ? inScope('./') : request.url;
  try {
    const cache = await caches.open(CACHE);
    return await cache.match(key, { ignoreVary: true });
  } catch {
    // A cache that is broken or blocked must not take the site away from those who have a network.
    return undefined;
  }
}

function isOurs(request: Request): boolean {
  if (request.method !== 'GET' || request.headers.has('range')) return false;
  const url = new URL(request.url);
  const scope = new URL(self.registration.scope);
  if (url.origin !== scope.origin || !url.pathname.startsWith(scope.pathname)) return false;
  const path = url.pathname.slice(scope.pathname.length);
  if (request.mode === 'navigate') return path === '' || path === 'index.html';
  return FILES.includes(path);
}

self.addEventListener('install', (event) => event.waitUntil(install()));
self.addEventListener('activate', (event) => event.waitUntil(dropOldBuilds()));
self.addEventListener('fetch', (event) => {
  if (isOurs(event.request)) event.respondWith(answer(event.request));
});
