/** A Chromium of our own as a process group, so that it can be stopped and killed as a whole. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { CHROMIUM_FLAGS, chromiumPath } from '../../chromium.ts';

const START_MS = 30_000;
const END_MS = 10_000;

/** Left by a browser that was killed; the next one would take the profile for one in use. */
const LOCKS = ['SingletonLock', 'SingletonCookie', 'SingletonSocket', 'DevToolsActivePort'];

export interface ChromiumProcess {
  /** WebSocket address of its DevTools. */
  readonly endpoint: string;
  /** Sends a signal to the browser and all its children. */
  signal(name: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): void;
  /** SIGKILL to all of it; resolves when nothing of it is left. */
  kill(): Promise<void>;
}

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Starts Chromium on a profile folder, headless; `flags` beside those of `test/chromium.ts`. */
export async function startChromium(
  profile: string,
  flags: readonly string[] = [],
): Promise<ChromiumProcess> {
  for (const lock of LOCKS) rmSync(join(profile, lock), { force: true });
  const child = spawn(
    await chromiumPath(),
    [
      ...CHROMIUM_FLAGS,
      '--headless=new',
      '--remote-debugging-port=0',
      `--user-data-dir=${profile}`,
      '--disable-gpu',
      '--disable-hang-monitor',
      '--disable-background-timer-throttling',
      '--disable-backgrounding-occluded-windows',
      '--disable-renderer-backgrounding',
      '--password-store=basic',
      '--no-default-browser-check',
      ...flags,
      'about:blank',
    ],
    { detached: true, stdio: 'ignore' },
  );
  const { pid } = child;
  if (pid === undefined) throw new Error('Chromium did not start.');
  const group = (name: NodeJS.Signals | 0): void => {
    process.kill(-pid, name);
  };
  const endpoint = await devTools(child, join(profile, 'DevToolsActivePort'));
  return {
    endpoint,
    signal: group,
    kill: async () => {
      if (alive(group)) group('SIGKILL');
      for (let waited = 0; alive(group); waited += 10) {
        if (waited > END_MS) throw new Error('Chromium outlived SIGKILL.');
        await wait(10);
      }
    },
  };
}

function alive(group: (name: 0) => void): boolean {
  try {
    group(0);
    return true;
  } catch {
    return false;
  }
}

async function devTools(child: ChildProcess, file: string): Promise<string> {
  for (let waited = 0; waited < START_MS; waited += 20) {
    if (child.exitCode !== null) throw new Error(`Chromium ended with ${child.exitCode}.`);
    const [port, path] = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [];
    if (port && path) return `ws://127.0.0.1:${port}${path}`;
    await wait(20);
  }
  child.kill('SIGKILL');
  throw new Error('Chromium did not say where its DevTools are.');
}
