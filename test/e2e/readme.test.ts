/** The README's five lines, run as they stand in a page of the built site. */
import { readFileSync } from 'node:fs';
import type { Browser } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launch, type Site, startSite } from '../support/site.ts';

declare global {
  interface Window {
    turn?: { answer: string; hits: number; backed: string };
    failure?: string;
  }
}

function firstJavaScriptBlock(): string {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const block = /```js\n([\s\S]*?)```/.exec(readme)?.[1];
  if (!block) throw new Error('README.md has no js block');
  return block;
}

describe('the README', () => {
  let site: Site;
  let browser: Browser;

  beforeAll(async () => {
    const program = firstJavaScriptBlock().replace("from 'whorl'", "from './lib/index.js'");
    expect(program.split('\n').filter((line) => line && !line.startsWith('import'))).toHaveLength(
      5,
    );
    site = await startSite({
      pages: {
        'readme.html':
          '<!doctype html><html lang="en"><title>readme</title><link rel="icon" href="data:,"><script type="module" src="./readme.js"></script></html>',
        'readme.js': `${program}
window.turn = { answer: turn.answer, hits: turn.hits.length, backed: turn.verdict.reason };
`,
      },
    });
    browser = await launch();
  });

  afterAll(async () => {
    await browser?.close();
    await site?.close();
  });

  it('runs as it is written', async () => {
    const page = await browser.newPage();
    page.on('pageerror', (error) => console.error(error));
    await page.goto(`${site.url}readme.html`);
    await page.waitForFunction(() => window.turn !== undefined, undefined, { timeout: 120_000 });
    const turn = await page.evaluate(() => window.turn);
    expect(turn?.hits).toBe(2);
    expect(turn?.answer).toContain('The porch lamp is lit at dusk');
    await page.close();
  });
});
