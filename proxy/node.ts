/** `npm start`: the app and the proxy on this machine. The only file here with an effect on import. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fileBudgetStore } from './node-budget.ts';
import { type RunningServer, serve } from './node-server.ts';
import { type NodeSettings, readSettings, USAGE } from './node-settings.ts';
import type { LogEntry } from './options.ts';
import { ProxyError } from './proxy-error.ts';

const GRACE_MS = 5_000;

/** Built into `dist/lib` the site is a neighbour; run from the source it is in `dist`. */
const SITES = ['../site', '../dist/site'];

function findSite(given: string | null | undefined): string | null {
  if (given === null) return null;
  const places =
    given === undefined
      ? SITES.map((place) => fileURLToPath(new URL(place, import.meta.url)))
      : [resolve(given)];
  const found = places.find((place) => existsSync(join(place, 'index.html')));
  if (found !== undefined) return found;
  throw new ProxyError(
    'asset_missing',
    `There is no built site in ${places.join(' or ')}. Run "npm run build" first, name its folder with ` +
      '--site, or serve the proxy alone with --no-site.',
  );
}

function printEntry(entry: LogEntry): void {
  console.log(JSON.stringify(entry));
}

/** What goes wrong inside the proxy is always said; the rest only on request. */
function logger(all: boolean): (entry: LogEntry) => void {
  return (entry) => {
    if (all) printEntry(entry);
    else if (entry.detail !== null) console.error(JSON.stringify(entry));
  };
}

async function start(settings: NodeSettings): Promise<void> {
  const server = await serve({
    ...settings.serve,
    site: findSite(settings.site),
    proxy: {
      ...settings.proxy,
      budget: fileBudgetStore(resolve(settings.state)),
      log: logger(settings.log),
    },
  });
  stopOnSignal(server);
  console.log('Whorl is ready:');
  console.log(server.url);
  if (settings.proxy.apiKey === undefined) {
    console.log('ANTHROPIC_API_KEY is not set: answers are quoted from the sources, not written.');
    console.log('For written ones stop this (Ctrl+C), set it, and start again.');
  }
}

function stopOnSignal(server: RunningServer): void {
  let stopping = false;
  const stop = (): void => {
    // Asked a second time: whoever asks does not want to wait.
    if (stopping) process.exit(130);
    stopping = true;
    server.close({ graceMs: GRACE_MS }).then(
      () => process.exit(0),
      (error: unknown) => {
        console.error(error);
        process.exit(1);
      },
    );
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
}

try {
  const settings = readSettings(process.argv.slice(2), process.env);
  if (settings.help) console.log(USAGE);
  else await start(settings);
} catch (error) {
  if (!(error instanceof ProxyError)) throw error;
  console.error(error.message);
  process.exitCode = error.code === 'invalid_option' ? 2 : 1;
}
