/** A browser profile of its own, and what may happen to it: the faults of storage that need a whole browser. */
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Browser,
  type BrowserContext,
  type CDPSession,
  chromium,
  type Page,
} from 'playwright';
import { type ChromiumProcess, startChromium } from './chromium-process.ts';

/** Left out of copies: large, and nothing that a page stores on purpose. */
const NOT_COPIED =
  /(?:^|\/)(?:Cache|Code Cache|GPUCache|DawnGraphiteCache|DawnWebGPUCache|GrShaderCache|ShaderCache|GraphiteDawnCache|component_crx_cache|Crashpad|Singleton\w+|DevToolsActivePort)$/;

export interface ProfileOptions {
  /** Flags beside those of `test/chromium.ts`. */
  readonly flags?: readonly string[];
  /** A folder that is taken over; default: a fresh one. */
  readonly folder?: string;
}

/** What was noticed on a page and must not be there. */
export interface FaultTab {
  readonly page: Page;
  /** Uncaught errors, unhandled rejections and console errors. */
  readonly complaints: string[];
  /** Numbers of the changes that the page said are confirmed, in the order in which they came. */
  readonly acked: number[];
}

/**
 * One browser on one profile. It may be killed, started again and stopped; the profile stays until
 * {@link Profile.close}.
 */
export class Profile {
  readonly folder: string;
  readonly #flags: readonly string[];
  #process: ChromiumProcess;
  #browser: Browser;
  #cdp: CDPSession;

  private constructor(
    folder: string,
    flags: readonly string[],
    running: { process: ChromiumProcess; browser: Browser; cdp: CDPSession },
  ) {
    this.folder = folder;
    this.#flags = flags;
    this.#process = running.process;
    this.#browser = running.browser;
    this.#cdp = running.cdp;
  }

  static async open(options: ProfileOptions = {}): Promise<Profile> {
    const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'whorl-profile-'));
    const flags = options.flags ?? [];
    return new Profile(folder, flags, await started(folder, flags));
  }

  get context(): BrowserContext {
    const [context] = this.#browser.contexts();
    if (context === undefined) throw new Error('The browser has no context.');
    return context;
  }

  /** A session with the browser as a whole. */
  get cdp(): CDPSession {
    return this.#cdp;
  }

  /** A tab on `url` whose `window.faultPage` is ready. */
  async tab(url: string): Promise<FaultTab> {
    const page = await this.context.newPage();
    const tab: FaultTab = { page, complaints: [], acked: [] };
    page.on('pageerror', (error) => tab.complaints.push(`uncaught: ${error.message}`));
    page.on('console', (message) => {
      if (message.type() === 'error') tab.complaints.push(`console: ${message.text()}`);
    });
    await page.exposeFunction('acked', (change: number) => {
      tab.acked.push(change);
    });
    await page.goto(url);
    await page
      .waitForFunction(() => window.faultPage !== undefined)
      .catch((error: unknown) => {
        throw new Error(`the page did not start: ${tab.complaints.join('; ')}`, { cause: error });
      });
    return tab;
  }

  /** Process ids of the renderers that there are. */
  async renderers(): Promise<readonly number[]> {
    const { processInfo } = (await this.#cdp.send('SystemInfo.getProcessInfo')) as {
      processInfo: readonly { readonly type: string; readonly id: number }[];
    };
    return processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => id);
  }

  /** SIGKILL to every renderer, workers and all; the browser goes on. Returns how many there were. */
  async killRenderers(): Promise<number> {
    const renderers = await this.renderers();
    for (const id of renderers) kill(id);
    return renderers.length;
  }

  /** SIGKILL to the browser and all that is its; the profile stays as it is on the disk. */
  async kill(): Promise<void> {
    await this.#process.kill();
    await this.#browser.close().catch(() => {});
  }

  /** Starts the browser again on the same profile, after {@link Profile.kill}. */
  async restart(): Promise<void> {
    const running = await started(this.folder, this.#flags);
    this.#process = running.process;
    this.#browser = running.browser;
    this.#cdp = running.cdp;
  }

  /**
   * Stops all processes, copies the profile and lets them go on: what a loss of power would leave, but
   * for what the kernel has not written yet. Returns the copy's folder.
   */
  stopAndCopy(whileStopped: () => void = () => {}): string {
    const copy = mkdtempSync(join(tmpdir(), 'whorl-torn-'));
    this.#process.signal('SIGSTOP');
    try {
      whileStopped();
      cpSync(this.folder, copy, { recursive: true, filter: (from) => !NOT_COPIED.test(from) });
    } finally {
      this.#process.signal('SIGCONT');
    }
    return copy;
  }

  /** Ends the browser and deletes the profile. */
  async close(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended by itself between being listed and being killed.
  }
}

async function started(folder: string, flags: readonly string[]) {
  const process = await startChromium(folder, flags);
  try {
    const browser = await chromium.connectOverCDP(process.endpoint);
    return { process, browser, cdp: await browser.newBrowserCDPSession() };
  } catch (error) {
    await process.kill();
    throw error;
  }
}

type Send = (method: string, params: object) => Promise<unknown>;

const sessions = new WeakMap<Page, Promise<{ send: Send }>>();

/** One session a page, never detached: what it overrides ends with it. */
async function send(page: Page, method: string, params: object): Promise<void> {
  const known = sessions.get(page) ?? (page.context().newCDPSession(page) as Promise<unknown>);
  const session = known as Promise<{ send: Send }>;
  sessions.set(page, session);
  await (await session).send(method, params);
}

/** Bytes that the page's origin may keep; null lifts the bound. */
export async function setQuota(page: Page, quotaSize: number | null): Promise<void> {
  const { origin } = new URL(page.url());
  const bound = quotaSize === null ? {} : { quotaSize };
  await send(page, 'Storage.overrideQuotaForOrigin', { origin, ...bound });
}

/** Clears what the page's origin keeps, under open connections. */
export async function clearData(
  page: Page,
  storageTypes: 'indexeddb' | 'file_systems' | 'all',
): Promise<void> {
  const { origin } = new URL(page.url());
  await send(page, 'Storage.clearDataForOrigin', { origin, storageTypes });
}

/**
 * Renderers that a tab gets while it opens. A browser that keeps a spare one at hand gives that one; start
 * it with {@link NO_SPARE_RENDERER}.
 */
export async function withRenderers(
  profile: Profile,
  url: string,
): Promise<{ readonly tab: FaultTab; readonly pids: readonly number[] }> {
  const before = new Set(await profile.renderers());
  const tab = await profile.tab(url);
  const pids = (await profile.renderers()).filter((pid) => !before.has(pid));
  return { tab, pids };
}

export const NO_SPARE_RENDERER = '--disable-features=SpareRendererForSitePerProcess';

/**
 * Stops renderers as an operating system stops what lies in the background, or lets them go on: nothing in
 * them runs, and what they hold they keep. (`Page.setWebLifecycleState` does nothing to a page that
 * Playwright keeps in focus.)
 */
export function setStopped(pids: readonly number[], stopped: boolean): void {
  for (const pid of pids) process.kill(pid, stopped ? 'SIGSTOP' : 'SIGCONT');
}

/** Files of a profile's IndexedDB, the newest last. `like` chooses by name. */
export function databaseFiles(profile: string, like: RegExp): string[] {
  const root = join(profile, 'Default/IndexedDB');
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && like.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort((a, b) => statSync(a).mtimeMs - statSync(b).mtimeMs);
}

/** Cuts the end of a file away: `keep` in 0..1 is the share that stays. Returns the bytes that stayed. */
export function truncate(file: string, keep: number): number {
  const bytes = Math.floor(statSync(file).size * keep);
  truncateSync(file, bytes);
  return bytes;
}

/** Writes other bytes in the place of a file. */
export function overwrite(file: string, bytes: Uint8Array): void {
  writeFileSync(file, bytes);
}
