/**
 * A full disk (fault F07) in a real browser, made by `Storage.overrideQuotaForOrigin`. Chromium puts
 * the QuotaExceededError on the transaction, not on the request that met it. It remembers for a while
 * how much room IndexedDB has, so the bound is set before the first write and met by writing on.
 */
import type { Browser, CDPSession, Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openProgram, PROGRAM_PAGES } from '../support/program.ts';
import { complaintsOf, launch, type Site, startSite } from '../support/site.ts';

const ROWS = 200;
const DIMENSION = 1_024;
/** Room for a few inserts. */
const BYTES = 4_000_000;

/** Vectors that no storage can compress, and an outcome as text. */
const HELPERS = `window.noise = (seed, dimension) => {
  let state = seed + 1;
  return Float32Array.from({ length: dimension }, () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647 - 0.5;
  });
};`;

declare global {
  interface Window {
    noise(seed: number, dimension: number): Float32Array;
  }
}

/** Inserts `ROWS` rows of 4 KiB with keys from `first` on; the outcome as text. */
function insert(page: Page, first: number): Promise<string> {
  return page.evaluate(
    async ({ from, rows, dimension }) => {
      const data = Array.from({ length: rows }, (_, i) => ({
        id: from + i,
        vector: window.noise(from + i, dimension),
      }));
      try {
        const done = await window.engine.milvus.insert({ collectionName: 'full', data });
        return `kept ${done.insertCount}`;
      } catch (error) {
        const { code, retryable, message } = error as {
          code: string;
          retryable: boolean;
          message: string;
        };
        return `${code} ${retryable} ${message}`;
      }
    },
    { from: first, rows: ROWS, dimension: DIMENSION },
  );
}

/** Rows that are counted, the row nearest to that of key 7, and the role of the tab. */
function look(page: Page): Promise<{ count: number; nearest: unknown; role: string | undefined }> {
  return page.evaluate(async (dimension) => {
    const { milvus } = window.engine;
    const [row] = await milvus.query({ collectionName: 'full', outputFields: ['count(*)'] });
    const data = [window.noise(7, dimension)];
    const [hit] = await milvus.search({ collectionName: 'full', data, limit: 1 });
    return {
      count: Number(row?.['count(*)']),
      nearest: hit?.id,
      role: window.engine.status.store?.role,
    };
  }, DIMENSION);
}

async function start(page: Page): Promise<void> {
  await page.evaluate(async () => {
    window.engine = await window.whorl.createEngine({ name: 'quota' });
  });
  await page.evaluate(HELPERS);
}

describe('a full disk', () => {
  let site: Site;
  let browser: Browser;
  let page: Page;
  let cdp: CDPSession;
  let complaints: string[];
  /** Rows that were confirmed. */
  let kept = 0;

  /** Bytes that the origin may keep; null lifts the bound. */
  async function quota(quotaSize: number | null): Promise<void> {
    const origin = new URL(site.url).origin;
    await cdp.send('Storage.overrideQuotaForOrigin', {
      origin,
      ...(quotaSize === null ? {} : { quotaSize }),
    });
  }

  beforeAll(async () => {
    site = await startSite({ pages: PROGRAM_PAGES });
    browser = await launch();
    page = await openProgram(browser, site);
    complaints = complaintsOf(page);
    cdp = await page.context().newCDPSession(page);
    await quota(BYTES);
    await start(page);
    await page.evaluate(
      (dimension) => window.engine.milvus.createCollection({ collectionName: 'full', dimension }),
      DIMENSION,
    );
  });

  afterAll(async () => {
    await browser?.close();
    await site?.close();
  });

  it('refuses the whole insert by name, and keeps what was confirmed', async () => {
    let said = await insert(page, 0);
    while (said.startsWith('kept') && kept < 20 * ROWS) {
      kept += ROWS;
      said = await insert(page, kept);
    }
    expect(said).toMatch(/^storage_full true .*all earlier ones are/);
    expect(kept).toBeGreaterThan(0);
    expect(await look(page)).toEqual({ count: kept, nearest: '7', role: 'leader' });
  });

  it('takes the same insert when there is room again', async () => {
    await quota(null);
    expect(await insert(page, kept)).toBe(`kept ${ROWS}`);
    kept += ROWS;
    expect(await look(page)).toEqual({ count: kept, nearest: '7', role: 'leader' });
  });

  it('has all of it after a reload', async () => {
    await page.reload();
    await page.waitForFunction(() => window.whorl !== undefined);
    await start(page);
    expect(await look(page)).toEqual({ count: kept, nearest: '7', role: 'leader' });
    expect(complaints).toEqual([]);
  });
});
