/** Everything that can be configured, with default and bounds, in one schema. */
import * as v from 'valibot';
import { type BudgetStore, memoryBudgetStore } from './budget.ts';
import { ProxyError } from './proxy-error.ts';

/** Pinned; `@anthropic-ai/sdk` 1.11 sends the same one. */
export const API_VERSION = '2026-10-21';

/** The current small, fast model in the types of `@anthropic-ai/sdk` 1.11. */
export const DEFAULT_MODEL = 'claude-haiku-5-5';

/** In `origins`: the origin of the request's own URL. */
export const SELF = 'self';

/** What happened to one request; no part of what was asked or answered. */
export interface LogEntry {
  /** ISO 8601. */
  readonly at: string;
  readonly requestId: string;
  readonly status: number;
  /** Our error code, also when it came after the status line; null when all went well. */
  readonly code: string | null;
  readonly model: string | null;
  /** Tokens charged to the budget. */
  readonly tokens: number;
  readonly ms: number;
  /** What the operator needs to know beside the code; never a secret. */
  readonly detail: string | null;
}

const name = v.pipe(
  v.string(),
  v.regex(/^[\w.:@-]{1,100}$/, 'must be a model name of at most 100 letters, digits or . : @ _ -'),
);

function whole(fallback: number, least: number, most: number) {
  const bounds = `must be a whole number from ${least} to ${most}`;
  return v.optional(
    v.pipe(
      v.number(bounds),
      v.integer(bounds),
      v.minValue(least, bounds),
      v.maxValue(most, bounds),
    ),
    fallback,
  );
}

function isOrigin(text: string): boolean {
  if (text === SELF) return true;
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)
    ? new URL(text).origin === text
    : false;
}

function isBaseUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  const bare = url.username === '' && url.password === '' && url.search === '' && url.hash === '';
  return bare && /^https?:$/.test(url.protocol);
}

const origin = v.pipe(
  v.string(),
  v.check(isOrigin, 'must be an exact origin such as https://example.org, or the word self'),
);

// Printable ASCII without spaces: anything else cannot be sent in a header.
const secret = (least: number) =>
  v.pipe(
    v.string(),
    v.regex(/^[!-~]+$/, 'must be printable ASCII without spaces'),
    v.minLength(least, `must have at least ${least} characters`),
    v.maxLength(1024, 'must have at most 1024 characters'),
  );

const store = v.custom<BudgetStore>(
  (value) => typeof value === 'object' && value !== null && 'load' in value && 'save' in value,
  'must have load and save',
);

const func = <F>() => v.custom<F>((value) => typeof value === 'function', 'must be a function');

const schema = v.strictObject({
  /** Key of the Claude API; absent: every request is answered 503 `no_key`. */
  apiKey: v.optional(secret(1)),
  /** Base URL of the Claude API. */
  baseUrl: v.optional(
    v.pipe(
      v.string(),
      v.check(isBaseUrl, 'must be an http(s) URL without user, query or fragment'),
    ),
    'https://api.anthropic.com',
  ),
  /** What a request without `Origin` must carry; absent: such requests are refused. */
  token: v.optional(secret(16)),
  /**
   * Origins whose pages may call. `self` is the origin of the request's URL, which is safe only
   * where the host decides about the `Host` header; the Node server names its origins instead.
   */
  origins: v.optional(v.pipe(v.array(origin), v.maxLength(100)), [SELF]),
  /** Models that may be asked for. */
  models: v.optional(v.pipe(v.array(name), v.minLength(1), v.maxLength(50)), [
    DEFAULT_MODEL,
    'claude-haiku-4-5',
  ]),
  /** Used when a request names no model. Default: the first of `models`. */
  defaultModel: v.optional(name),
  /** Names that mean another model; the answer says so in `whorl-model-alias`. */
  aliases: v.optional(v.record(name, name)),
  /** Largest `max_tokens` of a request. */
  maxTokens: whole(4_096, 1, 64_000),
  maxBodyBytes: whole(65_536, 1_024, 4_194_304),
  maxMessages: whole(64, 1, 1_000),
  /** Bytes of an answer after which it is cut, with an `error` event. */
  maxResponseBytes: whole(2_097_152, 1_024, 67_108_864),
  /** Milliseconds for the body of a request to arrive. */
  bodyMs: whole(10_000, 10, 300_000),
  /** Milliseconds to the first event of a stream. */
  firstByteMs: whole(30_000, 10, 600_000),
  /** Milliseconds between two events (`ping` counts), and that a client may stop reading. */
  idleMs: whole(30_000, 10, 600_000),
  /** Milliseconds for the whole answer. */
  totalMs: whole(300_000, 10, 3_600_000),
  /** Requests a minute of one client (address and origin). */
  ratePerMinute: whole(60, 1, 100_000),
  /** Requests of one client at once. */
  burst: whole(30, 1, 100_000),
  /** Requests of all clients that run at the same time. */
  concurrency: whole(16, 1, 10_000),
  /** Tokens, input and output, a UTC day. */
  dailyTokens: whole(1_000_000, 0, 1_000_000_000_000),
  /** Keeps the budget. Default: memory, which forgets with the process. */
  budget: v.optional(store),
  /** Default: the global one. */
  fetch: v.optional(func<typeof fetch>()),
  /** Milliseconds since 1970. Default `Date.now`. */
  now: v.optional(func<() => number>()),
  /** Monotonic milliseconds. Default `performance.now`. */
  clock: v.optional(func<() => number>()),
  /** Told about each finished request. Default: nobody. */
  log: v.optional(func<(entry: LogEntry) => void>()),
});

export type ProxyOptions = v.InferInput<typeof schema>;

/** Options with every default filled in. */
export type Settings = Omit<
  v.InferOutput<typeof schema>,
  'defaultModel' | 'aliases' | 'budget' | 'fetch' | 'now' | 'clock' | 'log'
> & {
  readonly defaultModel: string;
  readonly aliases: ReadonlyMap<string, string>;
  readonly budget: BudgetStore;
  readonly fetch: typeof fetch;
  readonly now: () => number;
  readonly clock: () => number;
  readonly log: (entry: LogEntry) => void;
};

/** Checks options and fills in defaults; throws `invalid_option` that names the option. */
export function settingsOf(options: ProxyOptions): Settings {
  const parsed = v.safeParse(schema, options, { abortEarly: true });
  if (!parsed.success) throw invalidOption(parsed.issues[0]);
  const given = parsed.output;
  const defaultModel = given.defaultModel ?? given.models[0] ?? DEFAULT_MODEL;
  // The model that the article names is gone; programs that still send its name get the default.
  const aliases = given.aliases ?? { 'claude-3-opus-20240229': defaultModel };
  checkModels(given.models, defaultModel, aliases);
  return {
    ...given,
    defaultModel,
    aliases: new Map(Object.entries(aliases)),
    budget: given.budget ?? memoryBudgetStore(),
    // Wrapped: some hosts refuse a global fetch that is called as a method.
    fetch: given.fetch ?? ((input, init) => fetch(input, init)),
    now: given.now ?? Date.now,
    clock: given.clock ?? (() => performance.now()),
    log: given.log === undefined ? () => {} : guardedLog(given.log),
  };
}

/** A log that fails must not take an answer with it. */
function guardedLog(log: (entry: LogEntry) => void): (entry: LogEntry) => void {
  return (entry) => {
    try {
      log(entry);
    } catch (error) {
      console.error(error);
    }
  };
}

function checkModels(
  models: readonly string[],
  defaultModel: string,
  aliases: Readonly<Record<string, string>>,
): void {
  for (const [option, model] of [
    ['defaultModel', defaultModel] as const,
    ...Object.entries(aliases).map(([alias, target]) => [`aliases.${alias}`, target] as const),
  ]) {
    if (models.includes(model)) continue;
    throw new ProxyError(
      'invalid_option',
      `Option "${option}" names the model "${model}", which is not among the allowed ones: ${models.join(', ')}.`,
    );
  }
}

function invalidOption(issue: v.InferIssue<typeof schema>): ProxyError {
  const path = v.getDotPath(issue) ?? '';
  if (issue.type === 'strict_object' && issue.expected === 'never') {
    return new ProxyError('invalid_option', `There is no option "${path}".`);
  }
  return new ProxyError('invalid_option', `Option "${path}" is wrong: ${issue.message}.`);
}
