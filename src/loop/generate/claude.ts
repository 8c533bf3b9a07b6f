/**
 * Claude, through the thin proxy: `POST {endpoint}/v1/messages`, streamed. The page holds no key.
 *
 * A call is repeated only while no token has been shown, only for errors that can pass by themselves,
 * a bounded number of times, with full-jitter backoff or for as long as the other side said.
 */
import { abortedError, asWhorlError, isWhorlError, WhorlError } from '../../shared/errors.ts';
import type { GenerateOptions, Generation, Generator, Prompt } from '../types.ts';
import { incomplete, readMessage } from './message-stream.ts';
import { errorOfResponse } from './response-error.ts';
import { Watchdog } from './watchdog.ts';

export interface ClaudeOptions {
  /** Base URL of the proxy; `v1/messages` is below it. */
  readonly endpoint: string | URL;
  /** A model that the proxy allows. Default: none is named, and the proxy's own default answers. */
  readonly model?: string;
  /** 0..1, for programs written for it; the proxy drops it where the API has no such field, and says so in a header. */
  readonly temperature?: number;
  /** Sent with each request, for proxies that want a token of their own. */
  readonly headers?: { readonly [name: string]: string };
  /** Default: the global `fetch`. */
  readonly fetch?: typeof fetch;
  /** Repeats after the first attempt, 0..5. Default 2. */
  readonly retries?: number;
  readonly timeouts?: Partial<ClaudeTimeouts>;
  /** Waits between attempts; rejects when the signal aborts. Default: a timer. */
  readonly wait?: (ms: number, signal: AbortSignal | undefined) => Promise<void>;
  /** 0 <= x < 1, for the jitter. Default `Math.random`. */
  readonly random?: () => number;
}

/** Milliseconds. */
export interface ClaudeTimeouts {
  /** To the headers of the answer. Default 30,000. */
  readonly firstByteMs: number;
  /** From the headers to the first text. Default 60,000. */
  readonly firstTokenMs: number;
  /** Between two events; a ping counts. Default 30,000. */
  readonly idleMs: number;
  /** For the whole of one attempt. Default 300,000. */
  readonly totalMs: number;
}

const TIMEOUTS: ClaudeTimeouts = {
  firstByteMs: 30_000,
  firstTokenMs: 60_000,
  idleMs: 30_000,
  totalMs: 300_000,
};

const DEFAULT_MAX_TOKENS = 1024;
const RETRIES = 2;
const MAX_RETRIES = 5;
const BACKOFF_MS = 500;
const MAX_BACKOFF_MS = 8_000;
/** A longer wait than this is the caller's to decide: the error carries it. */
const LONGEST_RETRY_AFTER_MS = 20_000;
const KNOWN = new Set([
  'endpoint',
  'model',
  'temperature',
  'headers',
  'fetch',
  'retries',
  'timeouts',
  'wait',
  'random',
]);

/**
 * A generator that streams from Claude through a proxy. Throws `invalid_option`. Its `generate`
 * rejects with `no_key`, `unauthorized`, `forbidden`, `invalid_request`, `too_large`, `rate_limited`,
 * `budget_exhausted`, `overloaded`, `upstream_failed`, `stream_incomplete`, `stream_timeout`,
 * `network`, `unsupported` (no proxy there) or `aborted`.
 */
export function claude(options: ClaudeOptions): Generator {
  const checked = check(options);
  return {
    name: checked.model ?? 'claude',
    extractive: false,
    generate: (prompt, how = {}) => withRetries(checked, prompt, how),
  };
}

type Checked = Required<Omit<ClaudeOptions, 'endpoint' | 'timeouts' | 'model' | 'temperature'>> & {
  readonly url: string;
  readonly model: string | null;
  readonly temperature: number | null;
  readonly timeouts: ClaudeTimeouts;
};

function invalid(message: string): WhorlError {
  return new WhorlError('invalid_option', `claude: ${message}`);
}

function check(options: ClaudeOptions): Checked {
  const unknown = Object.keys(options).find((key) => !KNOWN.has(key));
  if (unknown !== undefined) throw invalid(`there is no option "${unknown}".`);
  const retries = options.retries ?? RETRIES;
  if (!Number.isInteger(retries) || retries < 0 || retries > MAX_RETRIES)
    throw invalid(`"retries" must be an integer of 0..${MAX_RETRIES}, not ${retries}.`);
  const model = options.model ?? null;
  if (model !== null && !/^[\w.:/-]{1,128}$/.test(model))
    throw invalid(`"model" is not the name of a model.`);
  const temperature = options.temperature ?? null;
  if (
    temperature !== null &&
    (typeof temperature !== 'number' || !(temperature >= 0 && temperature <= 1))
  )
    throw invalid(`"temperature" must be 0..1, not ${temperature}.`);
  return {
    url: messagesUrl(options.endpoint),
    model,
    temperature,
    headers: options.headers ?? {},
    // A detached call of the browser's fetch throws "Illegal invocation".
    fetch: options.fetch ?? ((input, init) => globalThis.fetch(input, init)),
    retries,
    timeouts: checkTimeouts(options.timeouts ?? {}),
    wait: options.wait ?? pause,
    random: options.random ?? Math.random,
  };
}

function checkTimeouts(given: Partial<ClaudeTimeouts>): ClaudeTimeouts {
  for (const [name, ms] of Object.entries(given)) {
    if (!Object.hasOwn(TIMEOUTS, name)) throw invalid(`there is no timeout "${name}".`);
    if (!(ms >= 1 && ms <= 2_147_483_647))
      throw invalid(`the timeout "${name}" must be 1..2147483647 ms, not ${ms}.`);
  }
  return { ...TIMEOUTS, ...given };
}

function messagesUrl(endpoint: string | URL): string {
  const base = typeof document === 'undefined' ? undefined : document.baseURI;
  let url: URL;
  try {
    url = new URL(endpoint, base);
  } catch (cause) {
    throw new WhorlError('invalid_option', `claude: "endpoint" is not a URL.`, { cause });
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    throw invalid(`"endpoint" must be http or https, not ${url.protocol}`);
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return new URL('v1/messages', url).href;
}

async function withRetries(
  options: Checked,
  prompt: Prompt,
  how: GenerateOptions,
): Promise<Generation> {
  for (let attempt = 0; ; attempt++) {
    const shown = { any: false };
    try {
      return await attemptOnce(options, prompt, how, shown);
    } catch (error) {
      const delay = delayBefore(error, attempt, shown.any, options);
      if (delay === null) throw error;
      await options.wait(delay, how.signal);
      if (how.signal?.aborted) throw abortedError(how.signal);
    }
  }
}

/** Milliseconds until the next attempt, or null when there is none. */
function delayBefore(
  error: unknown,
  attempt: number,
  shown: boolean,
  { retries, random }: Checked,
): number | null {
  if (shown || attempt >= retries || !isWhorlError(error) || !error.retryable) return null;
  if (error.code === 'network' && globalThis.navigator?.onLine === false) return null;
  const said = error.retryAfterMs;
  if (said !== undefined) return said <= LONGEST_RETRY_AFTER_MS ? said : null;
  return random() * Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** attempt);
}

async function attemptOnce(
  options: Checked,
  prompt: Prompt,
  how: GenerateOptions,
  shown: { any: boolean },
): Promise<Generation> {
  const dog = new Watchdog(how.signal);
  try {
    dog.arm('total', options.timeouts.totalMs, 'the whole answer');
    dog.arm('idle', options.timeouts.firstByteMs, 'the first byte of the answer');
    const response = await dog.race(send(options, prompt, how, dog.signal));
    return await receive(response, options, how, shown, dog);
  } catch (error) {
    throw dog.reason() ?? asWhorlError(error);
  } finally {
    dog.end();
  }
}

async function send(
  options: Checked,
  prompt: Prompt,
  how: GenerateOptions,
  signal: AbortSignal,
): Promise<Response> {
  const body = {
    ...(options.model === null ? {} : { model: options.model }),
    ...(options.temperature === null ? {} : { temperature: options.temperature }),
    max_tokens: how.maxTokens ?? DEFAULT_MAX_TOKENS,
    system: prompt.system,
    messages: prompt.messages,
    stream: true,
  };
  try {
    return await options.fetch(options.url, {
      method: 'POST',
      headers: { ...options.headers, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal,
      redirect: 'error',
      credentials: 'same-origin',
      cache: 'no-store',
    });
  } catch (cause) {
    throw new WhorlError(
      'network',
      `The proxy at ${options.url} could not be reached; nothing was stored. Check the connection, or use the offline generator.`,
      { cause, retryable: true },
    );
  }
}

async function receive(
  response: Response,
  options: Checked,
  how: GenerateOptions,
  shown: { any: boolean },
  dog: Watchdog,
): Promise<Generation> {
  if (!response.ok) throw await dog.race(errorOfResponse(response, options.url));
  const reader = eventStream(response, options.url);
  const { idleMs, firstTokenMs } = options.timeouts;
  dog.arm('token', firstTokenMs, 'the first word');
  dog.arm('idle', idleMs, 'a sign of life');
  try {
    return await readMessage(() => next(reader, dog), {
      onLife: () => dog.arm('idle', idleMs, 'a sign of life'),
      onText: (text) => {
        dog.disarm('token');
        shown.any = true;
        how.onToken?.(text);
      },
    });
  } finally {
    reader.cancel().catch(() => {});
  }
}

type Reader = ReadableStreamDefaultReader<Uint8Array>;

function eventStream(response: Response, url: string): Reader {
  const type = response.headers.get('content-type') ?? '';
  if (response.body && /^text\/event-stream\b/i.test(type)) return response.body.getReader();
  response.body?.cancel().catch(() => {});
  const named = type.slice(0, 80) || 'no content type';
  throw new WhorlError(
    'unsupported',
    `${url} answered with ${named} instead of an event stream: that is no generation proxy. Nothing was stored.`,
  );
}

async function next(reader: Reader, dog: Watchdog): Promise<Uint8Array | null> {
  try {
    const { done, value } = await dog.race(reader.read());
    return done ? null : value;
  } catch (cause) {
    throw incomplete('The connection broke while the answer arrived', cause);
  }
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = () => {
      clearTimeout(timer);
      reject(abortedError(signal));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', leave);
      resolve();
    }, ms);
    if (signal?.aborted) leave();
    else signal?.addEventListener('abort', leave, { once: true });
  });
}
