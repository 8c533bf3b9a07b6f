/** A blank page of the site that has the published library at hand as `window.whorl`. */
import type { Browser, Page } from 'playwright';
import type * as Whorl from '../../src/index.ts';
import type { Site } from './site.ts';

declare global {
  interface Window {
    whorl: typeof Whorl;
    engine: Whorl.Engine;
    taverns: Whorl.Loop;
  }
}

/** Files to lay beside the site: see `SiteOptions.pages`. */
export const PROGRAM_PAGES: Readonly<Record<string, string>> = {
  'program.html':
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>program</title><link rel="icon" href="data:,"><script type="module" src="./program.js"></script></html>',
  'program.js': "import * as whorl from './lib/index.js';\nwindow.whorl = whorl;\n",
};

/** Opens the page and waits for the library. */
export async function openProgram(browser: Browser, site: Site): Promise<Page> {
  const page = await browser.newPage();
  await page.goto(`${site.url}program.html`);
  await page.waitForFunction(() => window.whorl !== undefined);
  return page;
}

/** Starts `window.engine` on the WebAssembly backend with the site's model. */
export async function startEngine(page: Page): Promise<void> {
  await page.evaluate(async () => {
    const assets = new URL('models/all-MiniLM-L6-v2/', location.href).href;
    window.engine = await window.whorl.createEngine({ assets, backend: 'wasm' });
  });
}
