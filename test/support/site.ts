/** The built site behind the built proxy, as `npm start` runs them, and a browser on it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright';
import { CHROMIUM_FLAGS, chromiumPath } from '../chromium.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface Site {
  /** With a trailing slash. */
  readonly url: string;
  /** What the server printed. */
  output(): string;
  close(): Promise<void>;
}

export interface SiteOptions {
  /** The stand-in for the Claude API; absent: no key, so `no_key`. */
  readonly upstream?: { readonly url: string; readonly key: string };
  /** Files laid beside the site, by name. */
  readonly pages?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
}

/** The site with the library under `lib/` and further pages beside it, in a folder of its own. */
function layOut(pages: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'whorl-site-'));
  cpSync(join(ROOT, 'dist/site'), folder, { recursive: true });
  cpSync(join(ROOT, 'dist/lib'), join(folder, 'lib'), { recursive: true });
  for (const [name, text] of Object.entries(pages)) writeFileSync(join(folder, name), text);
  return folder;
}

/** Starts `dist/lib/proxy-node.js` on a free port. */
export async function startSite(options: SiteOptions = {}): Promise<Site> {
  const folder = layOut(options.pages ?? {});
  const { ANTHROPIC_API_KEY: _, ...env } = process.env;
  const child = spawn(
    process.execPath,
    [join(ROOT, 'dist/lib/proxy-node.js'), '--port', '0', '--site', folder],
    {
      cwd: folder,
      env: {
        ...env,
        WHORL_PROXY_STATE: join(folder, '.state'),
        ...(options.upstream
          ? { ANTHROPIC_API_KEY: options.upstream.key, ANTHROPIC_BASE_URL: options.upstream.url }
          : {}),
        ...options.env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let output = '';
  const url = await new Promise<string>((resolve, reject) => {
    const read = (chunk: Buffer) => {
      output += chunk.toString();
      const found = /http:\/\/localhost:\d+\/?/.exec(output);
      if (found) resolve(found[0].endsWith('/') ? found[0] : `${found[0]}/`);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.on('exit', (code) => reject(new Error(`the server ended with ${code}: ${output}`)));
  });
  return { url, output: () => output, close: () => end(child, folder) };
}

async function end(child: ChildProcess, folder: string): Promise<void> {
  if (child.exitCode === null) {
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await gone;
  }
  rmSync(folder, { recursive: true, force: true });
}

/** A browser by the rules of `test/chromium.ts`. */
export async function launch(args: readonly string[] = []): Promise<Browser> {
  return chromium.launch({
    executablePath: await chromiumPath(),
    args: [...CHROMIUM_FLAGS, ...args],
  });
}

/** Collects what must stay empty: uncaught errors, unhandled rejections, CSP violations, console errors. */
export function complaintsOf(page: Page): string[] {
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(`uncaught: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(`console: ${message.text()}`);
  });
  return complaints;
}
