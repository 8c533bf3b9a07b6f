/**
 * Memory of a page that has embedded D: what the operating system keeps for its process and nobody else
 * (anonymous resident pages), less that of an empty page. The browser's own account
 * (`measureUserAgentSpecificMemory`) leaves the WebAssembly memory of workers out, and with it most of ours.
 */
import { existsSync, readFileSync } from 'node:fs';
import type { BrowserContext } from 'playwright';
import { BenchPage, launch } from './browser.ts';
import { type Opening, PEERS, type SideName } from './settings.ts';

/** Why it cannot be measured here, or null. */
export const missing = existsSync('/proc/self/status') ? null : 'memory is read from /proc';

const ONE: Opening = { workers: 1, threads: 1 };
const TWO: Opening = { workers: 2, threads: 1 };
const BATCH = 8;

const CASES: readonly (readonly [name: string, side: SideName, opening: Opening])[] = [
  ['ours, one worker', 'ours', ONE],
  ['ours, two workers', 'ours', TWO],
  ...PEERS.map((peer) => [peer, peer, ONE] as const),
];

/** Bytes by case, each in a browser of its own; nothing where it cannot be measured. */
export async function measureMemory(folder: string, url: string): Promise<Record<string, number>> {
  if (missing) {
    console.log(`memory: skipped, ${missing}`);
    return {};
  }
  const found: Record<string, number> = {};
  const empty = await inBrowser(`${folder}/empty`, url, async () => {});
  for (const [at, [name, side, opening]] of CASES.entries()) {
    console.log(`memory: ${name}`);
    const bytes = await inBrowser(`${folder}/${at}`, url, async (page) => {
      await page.call('open', [side], opening);
      await page.call('embed', side, 'D', BATCH);
    });
    found[name] = bytes - empty;
  }
  return found;
}

/** Bytes of the page's process after the work. */
async function inBrowser(
  folder: string,
  url: string,
  work: (page: BenchPage) => Promise<void>,
): Promise<number> {
  const browser = await launch(folder);
  try {
    const page = await BenchPage.open(browser, url);
    await work(page);
    return await largestRenderer(browser);
  } finally {
    await browser.close();
  }
}

interface Processes {
  readonly processInfo: readonly { readonly type: string; readonly id: number }[];
}

/** The browser keeps a spare process and the one of its first, blank page: the largest is the page's. */
async function largestRenderer(browser: BrowserContext): Promise<number> {
  const owner = browser.browser();
  if (!owner) throw new Error('The browser is gone; its memory cannot be read.');
  const session = await owner.newBrowserCDPSession();
  const { processInfo }: Processes = await session.send('SystemInfo.getProcessInfo');
  const renderers = processInfo.filter(({ type }) => type === 'renderer');
  const sizes = renderers.map(({ id }) =>
    anonymousBytes(readFileSync(`/proc/${id}/status`, 'utf8')),
  );
  return Math.max(...sizes);
}

/** @param status Of `/proc/<pid>/status`. */
export function anonymousBytes(status: string): number {
  const kilobytes = /^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1];
  if (kilobytes === undefined) throw new Error('The status of the process has no RssAnon.');
  return Number(kilobytes) * 1_024;
}
