/** The site's service worker, as built, in a scope of doubles. */
import { runInNewContext } from 'node:vm';
import { beforeAll, describe, expect, it } from 'vitest';
import { serviceWorker } from '../../../tools/site/offline.ts';

const SCOPE = 'https://inn.example/app/';
const FILES = ['./', 'assets/main.js'];

type Listener = (event: object) => void;

/** Caches of one origin; `denied` ones throw, as where storage is full or blocked. */
class Caches {
  denied = false;
  readonly stores = new Map<string, Map<string, Response>>();

  async open(name: string) {
    if (this.denied) throw new DOMException('denied', 'SecurityError');
    const store = this.stores.get(name) ?? new Map<string, Response>();
    this.stores.set(name, store);
    return {
      put: async (url: string, response: Response) => void store.set(url, response),
      match: async (url: string) => store.get(url)?.clone(),
    };
  }

  keys = async () => [...this.stores.keys()];
  delete = async (name: string) => this.stores.delete(name);
}

let script = '';

beforeAll(async () => {
  script = await serviceWorker(FILES, 'build-2');
});

/** A running service worker. `network` answers what it fetches. */
function run(network: (url: string) => Response | Error) {
  const caches = new Caches();
  const listeners: { [type: string]: Listener } = {};
  const fetch = async (asked: string | { readonly url: string }) => {
    const answer = network(typeof asked === 'string' ? asked : asked.url);
    if (answer instanceof Error) throw answer;
    return answer;
  };
  const self = {
    registration: { scope: SCOPE },
    addEventListener: (type: string, listener: Listener) => {
      listeners[type] = listener;
    },
  };
  runInNewContext(script, { self, caches, fetch, URL, Promise, TypeError });
  const wait = async (type: string) => {
    let work: Promise<unknown> = Promise.resolve();
    listeners[type]?.({ waitUntil: (promise: Promise<unknown>) => (work = promise) });
    await work;
  };
  const ask = async (
    path: string,
    init: { mode?: string; method?: string; range?: string } = {},
  ) => {
    let answer: Promise<Response> | undefined;
    const headers = new Headers(init.range ? { range: init.range } : {});
    const { mode = 'cors', method = 'GET' } = init;
    const request = { url: new URL(path, SCOPE).href, method, mode, headers };
    listeners.fetch?.({ request, respondWith: (promise: Promise<Response>) => (answer = promise) });
    return (await answer)?.text();
  };
  return { caches, wait, ask };
}

const page = () => new Response('page', { headers: { 'content-type': 'text/html' } });
const text = (body: string) =>
  new Response(body, { headers: { 'content-type': 'text/javascript' } });
const online = (url: string) => (url === SCOPE ? page() : text('script'));

describe("the site's service worker", () => {
  it('keeps its build, answers from it without a network, and drops older builds', async () => {
    let down = false;
    const { caches, wait, ask } = run((url) => (down ? new TypeError('down') : online(url)));
    await caches.open('whorl-site-build-1');
    await caches.open('somebody-else');
    await wait('install');
    await wait('activate');
    down = true;
    expect(await caches.keys()).toEqual(['somebody-else', 'whorl-site-build-2']);
    expect(await ask('./', { mode: 'navigate' })).toBe('page');
    expect(await ask('index.html', { mode: 'navigate' })).toBe('page');
    expect(await ask('assets/main.js')).toBe('script');
  });

  it('leaves everything else alone', async () => {
    const { wait, ask } = run(online);
    await wait('install');
    for (const path of [
      '/other/',
      '/app/v1/messages',
      'https://other.example/app/assets/main.js',
    ]) {
      expect(await ask(path)).toBeUndefined();
    }
    expect(await ask('assets/main.js', { method: 'POST' })).toBeUndefined();
    expect(await ask('assets/main.js', { range: 'bytes=0-1' })).toBeUndefined();
    expect(await ask('other', { mode: 'navigate' })).toBeUndefined();
  });

  it('keeps nothing of a sign-in page that answers for every file', async () => {
    const { caches, wait } = run(page);
    await expect(wait('install')).rejects.toThrow('assets/main.js answered 200 text/html');
    expect(caches.stores.get('whorl-site-build-2')?.has(`${SCOPE}assets/main.js`)).toBe(false);
  });

  it('asks the network where its cache cannot be opened', async () => {
    const { caches, wait, ask } = run(online);
    await wait('install');
    caches.denied = true;
    expect(await ask('assets/main.js')).toBe('script');
    expect(await ask('./', { mode: 'navigate' })).toBe('page');
  });
});
