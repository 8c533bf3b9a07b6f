/**
 * The browser that tests and tools drive: `CHROME_PATH`, else an installed Chrome or Chromium, else
 * the one in the npm package `@sparticuz/chromium` (Linux only).
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** Keeps the browser quiet on a closed network. */
export const CHROMIUM_FLAGS = [
  '--no-sandbox',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** WebGPU in software: correctness only, its speed means nothing. */
export const WEBGPU_FLAGS = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];

const MAC = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
];
const NAMES = ['google-chrome-stable', 'google-chrome', 'chromium', 'chromium-browser'];

function onPath(name: string): string | undefined {
  try {
    return execFileSync('which', [name], { stdio: ['ignore', 'pipe', 'ignore'] })
      .toString()
      .trim();
  } catch {
    return undefined;
  }
}

/** Path of a Chromium. Throws with what to do where there is none. */
export async function chromiumPath(): Promise<string> {
  const asked = process.env.CHROME_PATH;
  if (asked) {
    if (!existsSync(asked)) throw new Error(`CHROME_PATH names ${asked}, which does not exist.`);
    return asked;
  }
  const installed = [...MAC.filter((path) => existsSync(path)), ...NAMES.map(onPath)].find(Boolean);
  if (installed) return installed;
  if (process.platform !== 'linux') {
    throw new Error('No Chrome or Chromium was found. Install one, or set CHROME_PATH.');
  }
  const { default: packed } = await import('@sparticuz/chromium');
  return packed.executablePath();
}
