/**
 * The app's entry: hands the real world to the session and puts the app on the page.
 */
import { claude, createEngine, extractive, fallback } from '../index.ts';
import { trustedScriptUrl } from '../spawn.ts';
import { AnswerElement } from './answer-element.ts';
import { AppElement } from './app-element.ts';
import { ComposerElement } from './composer-element.ts';
import type { Memo, RoomEstimate } from './ports.ts';
import { RecordsElement } from './records-element.ts';
import { sampleRecords } from './sample/sample.ts';
import { Session } from './session.ts';
import { SpiralElement } from './spiral-element.ts';

const PROBE_MS = 5_000;

/** Local storage; where it is blocked, nothing is remembered and nothing fails. */
const memo: Memo = {
  read(key) {
    try {
      return localStorage.getItem(key);
    } catch {
      return null;
    }
  },
  write(key, value) {
    try {
      localStorage.setItem(key, value);
    } catch {
      // Blocked or full: the choice holds for this visit.
    }
  },
};

const NO_ROOM: RoomEstimate = { usedBytes: null, quotaBytes: null, persisted: false };

/** Some private windows have no storage manager, or one that refuses: then nothing is known. */
async function room(): Promise<RoomEstimate> {
  try {
    const { usage = null, quota = null } = await navigator.storage.estimate();
    return { usedBytes: usage, quotaBytes: quota, persisted: await navigator.storage.persisted() };
  } catch {
    return NO_ROOM;
  }
}

async function persist(): Promise<boolean> {
  try {
    return await navigator.storage.persist();
  } catch {
    return false;
  }
}

type Probed = 'key' | 'no_key' | 'unreachable';

/** The proxy lies beside the page; the path of the page does not count, its folder does. */
const endpoint = new URL('.', location.href);

let proxy: Probed = 'unreachable';

async function probe(signal: AbortSignal): Promise<Probed> {
  proxy = await askHealth(signal);
  return proxy;
}

async function askHealth(signal: AbortSignal): Promise<Probed> {
  try {
    const how = { signal: AbortSignal.any([signal, AbortSignal.timeout(PROBE_MS)]) };
    const response = await fetch(new URL('healthz', endpoint), { ...how, cache: 'no-store' });
    if (!response.ok) return 'unreachable';
    const health: unknown = await response.json();
    const hasKey = typeof health === 'object' && health !== null && 'key' in health && health.key;
    return hasKey === true ? 'key' : 'no_key';
  } catch {
    return 'unreachable';
  }
}

/** The service worker is written by the build; a development server has none. */
async function keepSite(): Promise<boolean> {
  if (!import.meta.env.PROD || !('serviceWorker' in navigator)) return false;
  try {
    const script = trustedScriptUrl(new URL('sw.js', document.baseURI));
    await navigator.serviceWorker.register(script);
    await navigator.serviceWorker.ready;
    return true;
  } catch {
    // Private windows and plain http refuse service workers: the page then needs its server.
    return false;
  }
}

customElements.define('whorl-answer', AnswerElement);
customElements.define('whorl-spiral', SpiralElement);
customElements.define('whorl-composer', ComposerElement);
customElements.define('whorl-records', RecordsElement);
customElements.define('whorl-app', AppElement);

const session = new Session({
  startEngine: () => createEngine(),
  sample: sampleRecords,
  generator: fallback(claude({ endpoint }), extractive(), { available: () => proxy !== 'no_key' }),
  probe,
  memo,
  room,
  persist,
  keepSite,
  frame: (callback) => requestAnimationFrame(callback),
  later: (callback, ms) => setTimeout(callback, ms),
});

const app = new AppElement();
app.session = session;
app.memo = memo;
document.body.append(app);
void session.start();
window.addEventListener('pagehide', (event) => {
  // A page that may come back from the back/forward cache keeps its engine.
  if (!event.persisted) void session.close();
});
