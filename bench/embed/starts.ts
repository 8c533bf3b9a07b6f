/** Starts each side on fresh pages, in turns, with everything in the browser's caches. */
import type { BrowserContext } from 'playwright';
import type { StartName, Starts } from './measures.ts';
import type { StartTimes } from './start.ts';

const ADDRESSES: Readonly<Partial<Record<StartName, string>>> = {
  ours: 'start-ours.html',
  ort_fp32: 'start-ort.html?weights=fp32',
  ort_int8: 'start-ort.html?weights=int8',
  transformers_fp32: 'start-transformers.html?weights=fp32',
  transformers_q8: 'start-transformers.html?weights=q8',
  ours_in_memory: 'start-ours-memory.html',
  ort_fp32_in_memory: 'start-ort-memory.html?weights=fp32',
  ort_int8_in_memory: 'start-ort-memory.html?weights=int8',
};

/** Visits that fill the caches: the browser keeps compiled code from the second on. */
const WARM_VISITS = 2;

export async function measureStarts(
  browser: BrowserContext,
  url: string,
  rounds: number,
): Promise<Starts> {
  const entries = Object.entries(ADDRESSES) as [StartName, string][];
  const starts: Starts = Object.fromEntries(entries.map(([name]) => [name, []]));
  for (let round = -WARM_VISITS; round < rounds; round++) {
    for (let turn = 0; turn < entries.length; turn++) {
      const at = (turn + Math.max(round, 0)) % entries.length;
      const [name, address] = entries[at] as [StartName, string];
      const times = await visit(browser, `${url}${address}`);
      if (round >= 0) starts[name]?.push(times);
    }
  }
  return starts;
}

async function visit(browser: BrowserContext, address: string): Promise<StartTimes> {
  const page = await browser.newPage();
  try {
    await page.goto(address, { waitUntil: 'commit' });
    await page.waitForFunction('globalThis.started', null, { timeout: 120_000 });
    const found = (await page.evaluate('globalThis.started')) as StartTimes & { error?: string };
    if (found.error !== undefined) throw new Error(`${address}: ${found.error}`);
    return found;
  } finally {
    await page.close();
  }
}
