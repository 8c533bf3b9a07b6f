/**
 * Where the model may lie: a Hugging Face repository with a pinned revision, tested against a local
 * server with the same paths; and what a page sees when something else lies there.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PROGRAM_PAGES } from '../support/program.ts';
import { launch } from '../support/site.ts';
import { type StaticServer, startStaticServer } from '../support/static-server.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MODEL = join(ROOT, 'public/models/all-MiniLM-L6-v2');
const REVISION = 'c9745ed1d9f207416be6d2e6f8de32d1f16199bf';
const REPOSITORY = `/whorl/all-MiniLM-L6-v2/resolve/${REVISION}/`;

let hub: StaticServer;
let host: StaticServer;
let browser: Browser;
let page: Page;

/** Starts the model in the page; the code of the error when that fails. */
function prepare(huggingFace: string, revision: string): Promise<string> {
  return page.evaluate(
    async ({ huggingFace, revision, endpoint }) => {
      const { createEngine } = window.whorl;
      try {
        const engine = await createEngine({
          assets: { huggingFace, revision, endpoint },
          backend: 'wasm',
          storage: 'memory',
        });
        const { model } = await engine.prepare();
        await engine.close();
        return model;
      } catch (error) {
        return (error as { code: string }).code;
      }
    },
    { huggingFace, revision, endpoint: hub.origin },
  );
}

beforeAll(async () => {
  hub = await startStaticServer({
    [REPOSITORY]: MODEL,
    [`/whorl/page-instead/resolve/${REVISION}/`]: join(ROOT, 'test/fixtures/consumer'),
  });
  host = await startStaticServer({ '/lib/': join(ROOT, 'dist/lib') }, PROGRAM_PAGES);
  browser = await launch();
  page = await browser.newPage();
  await page.goto(`${host.origin}/program.html`);
  await page.waitForFunction(() => window.whorl !== undefined);
});

afterAll(async () => {
  await browser?.close();
  await Promise.all([hub?.close(), host?.close()]);
});

describe('assets from a Hugging Face repository', () => {
  it('are found under the pinned revision', async () => {
    expect(await prepare('whorl/all-MiniLM-L6-v2', REVISION)).toBe('all-MiniLM-L6-v2');
    const asked = hub.requests.filter((path) => path.startsWith(REPOSITORY));
    const files = new Set(asked.map((path) => path.slice(REPOSITORY.length).split('?')[0]));
    // Nothing that only ONNX Runtime needs.
    expect([...files].sort()).toEqual(['manifest.json', 'tokenizer.json', 'weights.bin']);
  });

  it('are refused without a pinned revision, by name when missing', async () => {
    expect(await prepare('whorl/all-MiniLM-L6-v2', 'main')).toBe('invalid_option');
    expect(await prepare('whorl/nothing', REVISION)).toBe('asset_missing');
    expect(await prepare('whorl/page-instead', REVISION)).toBe('asset_missing');
  });
});
