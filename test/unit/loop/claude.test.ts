import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type ClaudeOptions, claude } from '../../../src/loop/generate/claude.ts';
import { readMessage } from '../../../src/loop/generate/message-stream.ts';
import type { Prompt } from '../../../src/loop/types.ts';
import {
  type MessagesServer,
  type Script,
  startMessagesServer,
} from '../../fakes/messages-server.ts';

const PROMPT: Prompt = {
  system: 'Be brief.',
  messages: [{ role: 'user', content: 'Who came to Bree?' }],
  sources: [],
  question: 'Who came to Bree?',
  hash: '00',
  tokens: 10,
};
const TEXT = '旅人のアラゴルンは「躍る小馬亭」に来た [1]。 👩‍🚀 Ärger.';

const open: { close(): Promise<void> | void }[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

async function server(script: Script): Promise<MessagesServer> {
  const started = await startMessagesServer(script, { key: null, checkVersion: false });
  open.push(started);
  return started;
}

function generator(url: string, more: Partial<ClaudeOptions> = {}) {
  const waits: number[] = [];
  const made = claude({
    endpoint: url,
    model: 'claude-haiku-4-5',
    random: () => 0.5,
    wait: async (ms) => {
      waits.push(ms);
    },
    ...more,
  });
  return { waits, generate: made.generate, name: made.name };
}

/** A server that answers each request by a function over the raw response. */
async function rawServer(answer: Parameters<typeof createServer>[1]): Promise<string> {
  const raw: Server = createServer(answer as never);
  await new Promise<void>((resolve) => raw.listen(0, '127.0.0.1', resolve));
  open.push({
    close: () =>
      new Promise<void>((resolve) => {
        raw.closeAllConnections();
        raw.close(() => resolve());
      }),
  });
  return `http://127.0.0.1:${(raw.address() as AddressInfo).port}`;
}

describe('claude', () => {
  it.each([
    ['whole events', {}],
    ['single bytes, so that characters and events are split', { writeBytes: 1, deltaLength: 3 }],
    ['CR LF, pings and unknown events', { crlf: true, pingEvery: 1, unknownEvents: true }],
    ['no usage at the end', { omitUsage: true }],
  ])('streams over %s', async (_, how) => {
    const upstream = await server({ text: TEXT, usage: { input: 21, output: 9 }, ...how });
    const tokens: string[] = [];
    const { generate } = generator(upstream.url);
    const done = await generate(PROMPT, { onToken: (text) => tokens.push(text), maxTokens: 77 });
    expect(done.text).toBe(TEXT);
    expect(tokens.join('')).toBe(TEXT);
    expect(tokens.length).toBeGreaterThan(1);
    expect(done).toMatchObject({ model: 'claude-haiku-4-5', stopReason: 'end_turn' });
    expect(done.usage.inputTokens).toBe(21);
    expect(upstream.requests[0]?.body).toEqual({
      model: 'claude-haiku-4-5',
      max_tokens: 77,
      system: PROMPT.system,
      messages: PROMPT.messages,
      stream: true,
    });
  });

  it('names no model unless told to, sends given headers, and reaches below a path', async () => {
    const seen: { url: string; init: RequestInit }[] = [];
    const fetch = async (url: unknown, init?: RequestInit) => {
      seen.push({ url: String(url), init: init ?? {} });
      return new Response('no', { status: 404 });
    };
    const made = claude({ endpoint: 'https://h.example/app', headers: { 'x-a': '1' }, fetch });
    await expect(made.generate(PROMPT)).rejects.toMatchObject({ code: 'unsupported' });
    expect(made.name).toBe('claude');
    expect(seen).toHaveLength(1);
    expect(seen[0]?.url).toBe('https://h.example/app/v1/messages');
    expect(JSON.parse(String(seen[0]?.init.body))).not.toHaveProperty('model');
    expect(seen[0]?.init.headers).toMatchObject({ 'x-a': '1', 'content-type': 'application/json' });
  });

  it('sends a temperature when it is given one, also 0, and none otherwise', async () => {
    const bodies: unknown[] = [];
    const fetch = async (_: unknown, init?: RequestInit) => {
      bodies.push(JSON.parse(String(init?.body)));
      return new Response('no', { status: 404 });
    };
    const url = 'https://h.example';
    await generator(url, { fetch, temperature: 0 })
      .generate(PROMPT)
      .catch(() => {});
    await generator(url, { fetch })
      .generate(PROMPT)
      .catch(() => {});
    expect(bodies).toHaveLength(2);
    expect(bodies[0]).toMatchObject({ temperature: 0 });
    expect(bodies[1]).not.toHaveProperty('temperature');
  });

  it.each([-0.1, 1.1, Number.NaN, '0' as never])('refuses the temperature %s', (temperature) => {
    expect(() => claude({ endpoint: 'https://h.example', temperature })).toThrow(/"temperature"/);
  });

  it.each([
    'max_tokens',
    'refusal',
    'pause_turn',
    'tool_use',
    'stop_sequence',
    'model_context_window_exceeded',
  ] as const)('says that a generation ended by %s', async (stopReason) => {
    const upstream = await server({ text: 'Part', stopReason });
    const done = await generator(upstream.url).generate(PROMPT);
    expect(done).toMatchObject({ text: 'Part', stopReason });
  });

  it.each([
    [401, 'unauthorized'],
    [402, 'budget_exhausted'],
    [403, 'forbidden'],
    [404, 'invalid_request'],
    [400, 'invalid_request'],
    [413, 'too_large'],
  ])('never repeats after HTTP %i', async (status, code) => {
    const upstream = await server({ status, message: 'No.' });
    await expect(generator(upstream.url).generate(PROMPT)).rejects.toMatchObject({
      code,
      retryable: false,
    });
    expect(upstream.requests).toHaveLength(1);
  });

  it.each([
    [429, 'rate_limited'],
    [500, 'upstream_failed'],
    [502, 'upstream_failed'],
    [529, 'overloaded'],
  ])('repeats HTTP %i a bounded number of times, with full jitter', async (status, code) => {
    const upstream = await server({ status });
    const { generate, waits } = generator(upstream.url);
    await expect(generate(PROMPT)).rejects.toMatchObject({ code, retryable: true });
    expect(upstream.requests).toHaveLength(3);
    expect(waits).toEqual([250, 500]);
  });

  it('waits as long as it was told, and gives a long wait to the caller', async () => {
    const upstream = await server([{ status: 429, retryAfter: 7 }, 'Later.']);
    const { generate, waits } = generator(upstream.url);
    expect((await generate(PROMPT)).text).toBe('Later.');
    expect(waits).toEqual([7000]);
    upstream.use({ status: 429, retryAfter: 3600 });
    await expect(generate(PROMPT)).rejects.toMatchObject({
      code: 'rate_limited',
      retryAfterMs: 3_600_000,
    });
    expect(waits).toHaveLength(1);
  });

  it('does not repeat a 429 whose cause is money, nor what x-should-retry forbids', async () => {
    const upstream = await server({
      status: 429,
      message: 'You reached your monthly spend limit.',
    });
    const { generate } = generator(upstream.url);
    await expect(generate(PROMPT)).rejects.toMatchObject({ code: 'budget_exhausted' });
    upstream.use({ status: 500, headers: { 'x-should-retry': 'false' } });
    await expect(generate(PROMPT)).rejects.toMatchObject({ code: 'upstream_failed' });
    expect(upstream.requests).toHaveLength(2);
  });

  it.each([
    ['no_key', 503],
    ['budget_exhausted', 429],
    ['forbidden', 403],
  ])('knows the code %s of the proxy', async (code, status) => {
    const url = await rawServer((_, response) => {
      response.writeHead(status, { 'content-type': 'application/json' });
      const error = { type: 'api_error', message: 'Said the proxy.', code };
      response.end(JSON.stringify({ type: 'error', error }));
    });
    const { generate, waits } = generator(url);
    await expect(generate(PROMPT)).rejects.toMatchObject({ code, retryable: false });
    expect(waits).toEqual([]);
  });

  it('tells a place without a proxy from a failing one', async () => {
    const upstream = await server({ status: 405, rawBody: '<h1>Method Not Allowed</h1>' });
    await expect(generator(upstream.url).generate(PROMPT)).rejects.toMatchObject({
      code: 'unsupported',
    });
    const portal = await rawServer((_, response) => {
      response.writeHead(200, { 'content-type': 'text/html' });
      response.end('<h1>Log in to the hotel</h1>');
    });
    await expect(generator(portal).generate(PROMPT)).rejects.toMatchObject({ code: 'unsupported' });
    const gone = await rawServer((_, response) => response.end());
    await open.pop()?.close();
    const { generate, waits } = generator(gone);
    await expect(generate(PROMPT)).rejects.toMatchObject({ code: 'network', retryable: true });
    expect(waits).toHaveLength(2);
  });

  it.each(['end', 'cut', 'error'] as const)(
    'repeats a stream with the fault "%s" before the first token',
    async (kind) => {
      const upstream = await server([{ text: TEXT, fault: { kind } }, { text: TEXT }]);
      expect((await generator(upstream.url).generate(PROMPT)).text).toBe(TEXT);
      expect(upstream.requests).toHaveLength(2);
    },
  );

  it.each([
    ['end', 'stream_incomplete'],
    ['cut', 'stream_incomplete'],
    ['error', 'overloaded'],
  ] as const)('never repeats one with the fault "%s" after it', async (kind, code) => {
    const upstream = await server({ text: TEXT, fault: { kind, after: 1 }, deltaLength: 4 });
    const tokens: string[] = [];
    const { generate } = generator(upstream.url);
    await expect(generate(PROMPT, { onToken: (text) => tokens.push(text) })).rejects.toMatchObject({
      code,
    });
    expect(tokens).toEqual([TEXT.slice(0, 4)]);
    expect(upstream.requests).toHaveLength(1);
  });

  it('does not repeat a permanent error event', async () => {
    const fault = { kind: 'error', type: 'invalid_request_error', message: 'No.' } as const;
    const upstream = await server({ text: TEXT, fault });
    await expect(generator(upstream.url).generate(PROMPT)).rejects.toMatchObject({
      code: 'invalid_request',
    });
    expect(upstream.requests).toHaveLength(1);
  });

  it.each([
    ['first byte', { firstByteMs: 400 }, { firstByteMs: 40 }],
    ['silence', { fault: { kind: 'silence', after: 1 } }, { idleMs: 40 }],
    ['first token behind pings', { delayMs: 60, pingEvery: 1 }, { firstTokenMs: 50, idleMs: 300 }],
    ['whole', { delayMs: 15, deltaLength: 1, pingEvery: 1 }, { totalMs: 120 }],
  ] as const)('ends an attempt by its deadline: %s', async (_, how, timeouts) => {
    const upstream = await server({ text: TEXT, ...how });
    const { generate } = generator(upstream.url, { timeouts, retries: 0 });
    await expect(generate(PROMPT)).rejects.toMatchObject({ code: 'stream_timeout' });
    const [request] = upstream.requests;
    await request?.over;
    expect(request?.disconnected).toBe(true);
  });

  it('lets pings keep a slow stream alive', async () => {
    const upstream = await server({ text: 'abc', deltaLength: 1, delayMs: 25, pingEvery: 1 });
    const { generate } = generator(upstream.url, { timeouts: { idleMs: 200 }, retries: 0 });
    expect((await generate(PROMPT)).text).toBe('abc');
  });

  it('aborts upstream, at once, before and while the answer arrives', async () => {
    const upstream = await server({ text: TEXT, deltaLength: 2, delayMs: 20 });
    const { generate } = generator(upstream.url);
    const abort = new AbortController();
    const reason = new Error('stop button');
    const running = generate(PROMPT, { signal: abort.signal, onToken: () => abort.abort(reason) });
    await expect(running).rejects.toMatchObject({ code: 'aborted', cause: reason });
    await upstream.requests[0]?.over;
    expect(upstream.requests[0]?.disconnected).toBe(true);
    await expect(generate(PROMPT, { signal: abort.signal })).rejects.toMatchObject({
      code: 'aborted',
    });
    expect(upstream.requests).toHaveLength(1);
  });

  it('aborts while it waits between attempts', async () => {
    const upstream = await server({ status: 529, retryAfter: 15 });
    const abort = new AbortController();
    const made = claude({ endpoint: upstream.url, model: 'claude-haiku-4-5' });
    const running = made.generate(PROMPT, { signal: abort.signal });
    await vi.waitFor(() => expect(upstream.requests).toHaveLength(1));
    setTimeout(() => abort.abort(), 30);
    await expect(running).rejects.toMatchObject({ code: 'aborted' });
    expect(upstream.requests).toHaveLength(1);
  });

  it('settles when a fetch ignores its signal', async () => {
    const fetch = () => new Promise<Response>(() => {});
    const { generate } = generator('http://h.example', {
      fetch,
      retries: 0,
      timeouts: { firstByteMs: 20 },
    });
    await expect(generate(PROMPT)).rejects.toMatchObject({ code: 'stream_timeout' });
  });

  it('bounds an answer', async () => {
    const upstream = await server({ text: 'x'.repeat(40_000), deltaLength: 10_000 });
    await expect(generator(upstream.url).generate(PROMPT)).rejects.toMatchObject({
      code: 'too_large',
    });
  });

  it.each([
    [{ endpoint: 'nonsense' }, /endpoint/],
    [{ endpoint: 'file:///x' }, /endpoint/],
    [{ endpoint: 'http://h', retries: 9 }, /retries/],
    [{ endpoint: 'http://h', timeouts: { idleMS: 3 } }, /idleMS/],
    [{ endpoint: 'http://h', timeouts: { idleMs: 0 } }, /idleMs/],
    [{ endpoint: 'http://h', apiKey: 'x' }, /apiKey/],
    [{ endpoint: 'http://h', model: 'a b' }, /model/],
  ])('refuses %j by name', (options, message) => {
    expect(() => claude(options as never)).toThrow(
      expect.objectContaining({ code: 'invalid_option', message: expect.stringMatching(message) }),
    );
  });
});

describe('readMessage', () => {
  const listener = { onLife: () => {}, onText: () => {} };
  const reading = (bytes: Uint8Array, size: number) => {
    let at = 0;
    return async () => {
      at += size;
      return at - size < bytes.length ? bytes.subarray(at - size, at) : null;
    };
  };

  it.each([
    ['{"type":"message_start"}', 'upstream_failed'],
    [
      '{"type":"message_delta","delta":{"stop_reason":"bored"},"usage":{"output_tokens":1}}',
      'upstream_failed',
    ],
    ['{"type":"error","error":7}', 'upstream_failed'],
    ['{"type":"message_stop"}', 'stream_incomplete'],
    ['not json', 'upstream_failed'],
    ['[1]', 'stream_incomplete'],
  ])('refuses a stream of %s', async (data, code) => {
    const bytes = new TextEncoder().encode(`data: ${data}\n\n`);
    await expect(readMessage(reading(bytes, 7), listener)).rejects.toMatchObject({ code });
  });

  it('bounds one event', async () => {
    const bytes = new TextEncoder().encode(`data: ${'x'.repeat(1_200_000)}`);
    await expect(readMessage(reading(bytes, 65_536), listener)).rejects.toMatchObject({
      code: 'too_large',
    });
  });

  it('settles with a typed error for any bytes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 200 }),
        fc.integer({ min: 1, max: 50 }),
        async (bytes, size) => {
          await expect(readMessage(reading(bytes, size), listener)).rejects.toMatchObject({
            name: 'WhorlError',
          });
        },
      ),
      { numRuns: 200 },
    );
  });
});
