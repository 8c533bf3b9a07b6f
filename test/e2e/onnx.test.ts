/**
 * ONNX Runtime in a real Chromium, from the sources: somebody's quantised ONNX file against the golden
 * vectors, and the packed model on a GPU in software against WebAssembly, also when its device is lost.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright';
import { rolldown } from 'rolldown';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WEBGPU_FLAGS } from '../chromium.ts';
import type { OnnxPage, OpenOrder } from '../support/onnx-page.ts';
import { launch } from '../support/site.ts';
import { type StaticServer, startStaticServer } from '../support/static-server.ts';

declare global {
  interface Window {
    onnxPage: OnnxPage;
  }
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SHARED = join(ROOT, '../shared');
const QUANTISED = join(SHARED, 'models/all-MiniLM-L6-v2/onnx/model_quantized.onnx');
const GOLDEN = join(SHARED, 'golden/vectors.json');

let server: StaticServer;
let browser: Browser;
let page: Page;

async function bundled(): Promise<string> {
  const bundle = await rolldown({ input: join(ROOT, 'test/support/onnx-page.ts') });
  const { output } = await bundle.generate({ format: 'esm' });
  await bundle.close();
  return output[0].code;
}

function order(backend: OpenOrder['backend'], model: OpenOrder['model']): OpenOrder {
  const ort = `${server.origin}/ort/`;
  return {
    backend,
    model,
    ort: {
      wasmModule: `${ort}ort.wasm.bundle.min.mjs`,
      wasmBinary: `${ort}ort-wasm-simd-threaded.wasm`,
      webgpuModule: `${ort}ort.webgpu.bundle.min.mjs`,
      webgpuBinary: `${ort}ort-wasm-simd-threaded.asyncify.wasm`,
    },
  };
}

const packed = (): string => `${server.origin}/packed/`;
const brought = (changes: object = {}) => ({
  url: `${server.origin}/shared/onnx/model_quantized.onnx`,
  tokenizer: `${server.origin}/shared/tokenizer.json`,
  pooling: 'mean' as const,
  ...changes,
});

const open = (name: string, what: OpenOrder) =>
  page.evaluate(([n, w]) => window.onnxPage.open(n, w), [name, what] as const);
const embed = (name: string, texts: readonly string[]) =>
  page.evaluate(([n, t]) => window.onnxPage.embed(n, t), [name, texts] as const);
const close = (name: string) => page.evaluate((n) => window.onnxPage.close(n), name);

function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Array.from(a).reduce((sum, value, k) => sum + value * (b[k] ?? 0), 0);
}

beforeAll(async () => {
  server = await startStaticServer(
    {
      '/ort/': join(ROOT, 'node_modules/onnxruntime-web/dist'),
      '/packed/': join(ROOT, 'public/models/all-MiniLM-L6-v2'),
      '/shared/': join(SHARED, 'models/all-MiniLM-L6-v2'),
    },
    {
      'page.html':
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>onnx</title><link rel="icon" href="data:,"><script type="module" src="./page.js"></script></html>',
      'page.js': await bundled(),
    },
  );
  browser = await launch(WEBGPU_FLAGS);
  page = await browser.newPage();
  await page.goto(`${server.origin}/page.html`);
  await page.waitForFunction(() => window.onnxPage !== undefined);
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

const TEXTS = [
  'a quiet inn beside the river',
  'a peaceful tavern near the water',
  'the stock market fell sharply on Tuesday',
  '',
  '오늘 서울은 비가 옵니다.',
  `${'The innkeeper keeps a lantern in the window all night long. '.repeat(2)}`,
];

describe('the packed model on WebGPU in software', () => {
  it('gives the vectors of WebAssembly', async () => {
    await open('plain', order('onnx', packed()));
    expect(await open('gpu', order('webgpu', packed()))).toMatchObject({
      backend: 'webgpu',
      dimension: 384,
    });
    const plain = await embed('plain', TEXTS);
    const gpu = await embed('gpu', TEXTS);
    for (const [row, vector] of gpu.entries()) {
      expect(cosine(vector, plain[row] ?? [])).toBeGreaterThan(0.9999);
      expect(cosine(vector, vector)).toBeCloseTo(1, 4);
    }
  });

  it('rejects what runs and what waits when the GPU crashes in the middle of a batch', async () => {
    const many = [`${TEXTS[5]} one`, `${TEXTS[5]} two`];
    // Once through: the shaders of these shapes are compiled, so that the crash meets running work.
    await embed('gpu', many);
    const endings = page.evaluate((texts) => window.onnxPage.endings('gpu', texts), many);
    await new Promise((resolve) => setTimeout(resolve, 150));
    const cdp = await browser.newBrowserCDPSession();
    void cdp.send('Browser.crashGpuProcess').catch(() => {});
    for (const ending of await endings) {
      expect(ending).toMatchObject({ code: 'backend_failed', retryable: true });
      expect(ending.message).toMatch(/device lost/);
      expect(ending.ms).toBeLessThan(30_000);
    }
    const [after] = await page.evaluate((texts) => window.onnxPage.endings('gpu', texts), many);
    expect(after).toMatchObject({ code: 'backend_failed' });
    await close('gpu');
    // The other runtime of the same page is untouched.
    expect(await embed('plain', TEXTS.slice(0, 1))).toHaveLength(1);
    await close('plain');
  });
});

const absent = [QUANTISED, GOLDEN].filter((path) => !existsSync(path));
describe.skipIf(absent.length > 0)(
  'an ONNX file that somebody else exported (needs ../shared)',
  () => {
    const golden = () =>
      (
        JSON.parse(readFileSync(GOLDEN, 'utf8')) as { text: string; vector_f32_base64: string }[]
      ).map(({ text, vector_f32_base64 }) => {
        const bytes = Uint8Array.from(Buffer.from(vector_f32_base64, 'base64'));
        return { text, vector: new Float32Array(bytes.buffer) };
      });

    it('gives the golden vectors as far as its weights allow, alone or beside others', async () => {
      const opened = await open('brought', order('onnx', brought()));
      expect(opened).toMatchObject({ backend: 'onnx', dimension: 384 });
      expect(opened.fingerprint).toMatch(
        /^model_quantized\.onnx\/o-[0-9a-f]{16}\/t-[0-9a-f]{16}\/mean-l2-256$/,
      );
      const known = golden();
      const found = await embed(
        'brought',
        known.map(({ text }) => text),
      );
      const cosines = found.map((vector, row) => cosine(vector, known[row]?.vector ?? []));
      expect(Math.min(...cosines)).toBeGreaterThan(0.97);
      const alone = await embed('brought', [known[3]?.text ?? '']);
      expect(alone[0]).toEqual(found[3]);
      await close('brought');
    });
  },
);
