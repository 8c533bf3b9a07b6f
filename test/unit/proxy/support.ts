/** A proxy before a stand-in, called without a server in between. */
import { afterEach } from 'vitest';
import {
  type ClaudeProxy,
  createProxy,
  type LogEntry,
  type ProxyOptions,
} from '../../../proxy/index.ts';
import {
  type MessagesServer,
  type Script,
  startMessagesServer,
} from '../../fakes/messages-server.ts';

export const ORIGIN = 'https://inn.example';
export const TOKEN = 'a-token-for-programs-0123456789';

export const ASK = {
  model: 'claude-haiku-5-5',
  max_tokens: 64,
  messages: [{ role: 'user' as const, content: 'Where do hobbits drink?' }],
};

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

/** Runs after the test, last first. */
export function onEnd(clean: () => Promise<unknown>): void {
  cleanups.push(clean);
}

export async function standIn(script: Script): Promise<MessagesServer> {
  const server = await startMessagesServer(script);
  onEnd(() => server.close());
  return server;
}

export interface Bench {
  readonly proxy: ClaudeProxy;
  readonly upstream: MessagesServer;
  readonly log: LogEntry[];
  /** Resolves once as many log entries were written. */
  logged(count: number): Promise<void>;
}

export async function bench(script: Script, options: ProxyOptions = {}): Promise<Bench> {
  const upstream = await standIn(script);
  const log: LogEntry[] = [];
  const proxy = createProxy({
    apiKey: upstream.key,
    baseUrl: upstream.url,
    origins: [ORIGIN],
    token: TOKEN,
    log: (entry) => log.push(entry),
    ...options,
  });
  onEnd(() => proxy.close());
  return { proxy, upstream, log, logged: (count) => until(() => log.length >= count) };
}

/** Waits for something that happens by itself; fails after `ms`, by default five seconds. */
export async function until(holds: () => boolean, ms = 5_000): Promise<void> {
  const end = performance.now() + ms;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`Did not come true in ${ms} ms: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export interface AskInit {
  readonly headers?: Record<string, string>;
  readonly signal?: AbortSignal;
  readonly origin?: string | null;
  readonly url?: string;
  readonly method?: string;
}

/** A request as a page of {@link ORIGIN} makes it. A string or bytes are sent as they are. */
export function request(body: unknown, init: AskInit = {}): Request {
  const { origin = ORIGIN, headers = {}, signal, url, method = 'POST' } = init;
  const raw = typeof body === 'string' || body instanceof Uint8Array;
  return new Request(url ?? 'http://proxy.test/v1/messages', {
    method,
    headers: {
      'content-type': 'application/json',
      ...(origin === null ? {} : { origin }),
      ...headers,
    },
    ...(method === 'GET' || method === 'OPTIONS'
      ? {}
      : { body: raw ? (body as string) : JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal }),
  });
}

export interface ErrorShape {
  readonly type: 'error';
  readonly error: { readonly type: string; readonly message: string; readonly code: string };
  readonly request_id: string;
}

export async function errorOf(response: Response): Promise<ErrorShape['error']> {
  const shape = (await response.json()) as ErrorShape;
  if (shape.type !== 'error') throw new Error('not the error shape of the Messages API');
  return shape.error;
}

export interface Event {
  readonly event: string;
  readonly data: Record<string, unknown> & { readonly type: string };
}

/** The events of an SSE body, by a reader that is not the one under test. */
export function eventsOf(text: string): Event[] {
  return text
    .split('\n\n')
    .filter((block) => block !== '')
    .map((block) => {
      const lines = block.split('\n');
      const event = lines.find((line) => line.startsWith('event: '))?.slice(7) ?? '';
      const data = lines.find((line) => line.startsWith('data: '))?.slice(6) ?? 'null';
      return { event, data: JSON.parse(data) };
    });
}

/** The text that a stream of events adds up to. */
export function textOf(events: readonly Event[]): string {
  return events
    .filter(({ event }) => event === 'content_block_delta')
    .map(({ data }) => (data.delta as { text: string }).text)
    .join('');
}
