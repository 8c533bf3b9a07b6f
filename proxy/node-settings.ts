/** What the command line and the environment say, parsed strictly: a name that is no setting is refused. */
import { parseArgs } from 'node:util';
import type { ServeOptions } from './node-server.ts';
import type { ProxyOptions } from './options.ts';
import { ProxyError } from './proxy-error.ts';
import { connectSources } from './site-headers.ts';

export const USAGE = `Serves the Whorl app and its proxy to the Claude API.

  --port N      first port to try (default 5173; 0 takes any)
  --host NAME   address to listen on (default localhost)
  --site DIR    folder of the built site (default: dist/site)
  --no-site     serve the proxy alone
  --help        show this text

Settings of the proxy are environment variables; docs/proxy.md lists them.`;

export interface NodeSettings {
  readonly help: boolean;
  readonly serve: Omit<ServeOptions, 'site' | 'proxy'>;
  /** A folder, null for none, undefined to look for it. */
  readonly site: string | null | undefined;
  /** Where the token budget is kept. */
  readonly state: string;
  readonly log: boolean;
  readonly proxy: ProxyOptions;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Numbers: each environment name and the option it sets; the option's schema has the bounds. */
const NUMBERS = {
  WHORL_PROXY_MAX_TOKENS: 'maxTokens',
  WHORL_PROXY_MAX_BODY_BYTES: 'maxBodyBytes',
  WHORL_PROXY_MAX_MESSAGES: 'maxMessages',
  WHORL_PROXY_MAX_RESPONSE_BYTES: 'maxResponseBytes',
  WHORL_PROXY_BODY_MS: 'bodyMs',
  WHORL_PROXY_FIRST_BYTE_MS: 'firstByteMs',
  WHORL_PROXY_IDLE_MS: 'idleMs',
  WHORL_PROXY_TOTAL_MS: 'totalMs',
  WHORL_PROXY_RATE_PER_MINUTE: 'ratePerMinute',
  WHORL_PROXY_BURST: 'burst',
  WHORL_PROXY_CONCURRENCY: 'concurrency',
  WHORL_PROXY_DAILY_TOKENS: 'dailyTokens',
} as const satisfies Record<string, keyof ProxyOptions>;

const OTHERS = [
  'WHORL_PROXY_TOKEN',
  'WHORL_PROXY_ORIGINS',
  'WHORL_PROXY_MODELS',
  'WHORL_PROXY_DEFAULT_MODEL',
  'WHORL_PROXY_ALIASES',
  'WHORL_PROXY_STATE',
  'WHORL_PROXY_TRUSTED_HOPS',
  'WHORL_PROXY_LOG',
];

/** Every name that begins with `WHORL_PROXY_` and means something. */
export const PROXY_NAMES: readonly string[] = [...Object.keys(NUMBERS), ...OTHERS].sort();

/** Throws `invalid_option` that names the argument or the variable. */
export function readSettings(argv: readonly string[], env: Environment): NodeSettings {
  const args = readArguments(argv);
  refuseUnknown(env);
  const port = args.port ?? set(env.WHORL_PORT);
  const host = args.host ?? set(env.WHORL_HOST);
  const hops = set(env.WHORL_PROXY_TRUSTED_HOPS);
  return {
    help: args.help ?? false,
    site: args['no-site'] ? null : args.site,
    state: set(env.WHORL_PROXY_STATE) ?? '.proxy-state',
    log: flag('WHORL_PROXY_LOG', env),
    serve: {
      ...(port === undefined ? {} : { port: number('port', port, 65_535) }),
      ...(host === undefined ? {} : { host }),
      ...(hops === undefined ? {} : { trustedHops: number('WHORL_PROXY_TRUSTED_HOPS', hops, 8) }),
      connect: connectSources(env.WHORL_CONNECT_SRC),
    },
    proxy: proxyOptions(env),
  };
}

function readArguments(argv: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...argv],
      strict: true,
      allowPositionals: false,
      options: {
        port: { type: 'string' },
        host: { type: 'string' },
        site: { type: 'string' },
        'no-site': { type: 'boolean' },
        help: { type: 'boolean' },
      },
    });
    return values;
  } catch (cause) {
    throw new ProxyError('invalid_option', `${(cause as Error).message}\n\n${USAGE}`, { cause });
  }
}

function refuseUnknown(env: Environment): void {
  const known = new Set(PROXY_NAMES);
  const unknown = Object.keys(env).find(
    (name) => name.startsWith('WHORL_PROXY_') && !known.has(name),
  );
  if (unknown === undefined) return;
  const message = `There is no setting ${unknown}. Known: ${PROXY_NAMES.join(', ')}.`;
  throw new ProxyError('invalid_option', message);
}

function proxyOptions(env: Environment): ProxyOptions {
  const numbers: Partial<Record<(typeof NUMBERS)[keyof typeof NUMBERS], number>> = {};
  for (const [name, option] of Object.entries(NUMBERS)) {
    const text = set(env[name]);
    if (text !== undefined) numbers[option] = number(name, text);
  }
  const texts = {
    apiKey: set(env.ANTHROPIC_API_KEY),
    baseUrl: set(env.ANTHROPIC_BASE_URL),
    token: set(env.WHORL_PROXY_TOKEN),
    defaultModel: set(env.WHORL_PROXY_DEFAULT_MODEL),
    models: list(env.WHORL_PROXY_MODELS),
    aliases: aliases(env),
  };
  return { ...numbers, ...texts, origins: list(env.WHORL_PROXY_ORIGINS) ?? [] };
}

/** An empty variable is how a shell or a container says "none". */
function set(value: string | undefined): string | undefined {
  const text = value?.trim();
  return text === '' ? undefined : text;
}

function list(value: string | undefined): string[] | undefined {
  return set(value)
    ?.split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

function number(name: string, text: string, most = Number.MAX_SAFE_INTEGER): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (value <= most) return value;
  const message = `${name} must be a whole number from 0 to ${most}, not "${text}".`;
  throw new ProxyError('invalid_option', message);
}

function flag(name: string, env: Environment): boolean {
  const text = set(env[name]) ?? '0';
  if (text === '0' || text === '1') return text === '1';
  throw new ProxyError('invalid_option', `${name} must be 0 or 1, not "${text}".`);
}

function aliases(env: Environment): Record<string, string> | undefined {
  const pairs = list(env.WHORL_PROXY_ALIASES)?.map((pair) => pair.split('='));
  if (pairs === undefined) return undefined;
  for (const pair of pairs) {
    if (pair.length === 2 && pair.every((part) => part.trim() !== '')) continue;
    const message = `WHORL_PROXY_ALIASES must be a list such as old=new,older=new, not "${pair.join('=')}".`;
    throw new ProxyError('invalid_option', message);
  }
  return Object.fromEntries(pairs.map(([old = '', next = '']) => [old.trim(), next.trim()]));
}
