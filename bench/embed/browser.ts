/** Chromium with one profile for all pages, so that what was cached stays cached. */
import { join } from 'node:path';
import { type BrowserContext, chromium, type Page } from 'playwright';
import { CHROMIUM_FLAGS, chromiumPath } from '../../test/chromium.ts';
import type { Bench } from './page.ts';

/** @param folder Where the profile is laid, the caller's to remove. */
export async function launch(folder: string): Promise<BrowserContext> {
  const executablePath = await chromiumPath();
  return chromium.launchPersistentContext(join(folder, 'profile'), {
    executablePath,
    args: CHROMIUM_FLAGS,
  });
}

type Arguments<K extends keyof Bench> = Parameters<Bench[K]>;
type Answer<K extends keyof Bench> = Awaited<ReturnType<Bench[K]>>;

/** The page of `page.ts`. */
export class BenchPage {
  readonly #page: Page;

  private constructor(page: Page) {
    this.#page = page;
  }

  static async open(browser: BrowserContext, url: string): Promise<BenchPage> {
    const page = await browser.newPage();
    page.on('console', (message) => {
      if (message.type() === 'info') console.log(`  ${message.text()}`);
      if (message.type() === 'error') console.error(`  ${message.text()}`);
    });
    await page.goto(`${url}page.html`, { waitUntil: 'load' });
    await page.waitForFunction('globalThis.bench');
    return new BenchPage(page);
  }

  /** Calls what the page offers, with arguments and an answer that JSON can carry. */
  async call<K extends keyof Bench>(name: K, ...given: Arguments<K>): Promise<Answer<K>> {
    return this.#page.evaluate(
      ([method, values]) => {
        const { bench } = globalThis as unknown as {
          bench: Record<string, (...values: unknown[]) => unknown>;
        };
        return bench[method]?.(...values);
      },
      [name, given] as [string, unknown[]],
    ) as Promise<Answer<K>>;
  }

  async close(): Promise<void> {
    await this.#page.close();
  }
}
