import Anthropic from '@anthropic-ai/sdk';
import { describe, expect, test } from 'vitest';
import { API_VERSION, createProxy, DEFAULT_MODEL } from '../../../proxy/index.ts';
import { promptText } from '../../fakes/messages-server.ts';
import {
  ASK,
  bench,
  errorOf,
  eventsOf,
  ORIGIN,
  request,
  standIn,
  textOf,
  until,
} from './support.ts';

const STREAM = { ...ASK, stream: true };

describe('an answer', () => {
  test('streams event by event, pings and unknown events included', async () => {
    const text = 'ホビットは「緑竜亭」で飲む 🍺 [1]';
    const { proxy } = await bench({ text, writeBytes: 3, pingEvery: 2, unknownEvents: true });
    const response = await proxy.fetch(request(STREAM));
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    const events = eventsOf(await response.text());
    expect(textOf(events)).toBe(text);
    const names = events.map(({ event }) => event);
    expect(names[0]).toBe('message_start');
    expect(names.at(-1)).toBe('message_stop');
    expect(names.filter((name) => name === 'ping').length).toBeGreaterThan(1);
    expect(names).toContain('weather_report');
    expect(names).toContain('content_block_glow');
  });

  test('comes as JSON when no stream is asked for', async () => {
    const { proxy, log } = await bench((body) => `Re: ${promptText(body)}`);
    const response = await proxy.fetch(request(ASK));
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      type: 'message',
      content: [{ type: 'text', text: 'Re: Where do hobbits drink?' }],
      stop_reason: 'end_turn',
    });
    expect(log).toMatchObject([{ status: 200, code: null, model: 'claude-haiku-5-5' }]);
  });

  test.each(['max_tokens', 'refusal', 'stop_sequence', 'model_context_window_exceeded'] as const)(
    'keeps the stop reason %s',
    async (stopReason) => {
      const { proxy } = await bench({ text: 'cut', stopReason });
      const events = eventsOf(await (await proxy.fetch(request(STREAM))).text());
      const delta = events.find(({ event }) => event === 'message_delta');
      expect(delta?.data).toMatchObject({ delta: { stop_reason: stopReason } });
    },
  );

  test("says in headers what was mapped and dropped: the article's own request", async () => {
    const { proxy, upstream } = await bench('ok');
    const response = await proxy.fetch(
      request({ ...ASK, model: 'claude-3-opus-20240229', temperature: 0 }),
    );
    expect(response.status).toBe(200);
    expect(response.headers.get('whorl-model-alias')).toBe(
      'claude-3-opus-20240229 -> claude-haiku-5-5',
    );
    expect(response.headers.get('whorl-dropped')).toBe('temperature');
    expect(upstream.requests[0]?.body).toEqual({ ...ASK, stream: false });
  });

  test('a request that names no model gets the default one', async () => {
    const { proxy, upstream } = await bench('ok');
    const { model: _, ...rest } = ASK;
    const response = await proxy.fetch(request(rest));
    expect(response.headers.get('whorl-model')).toBe('claude-haiku-5-5');
    expect(response.headers.get('whorl-model-alias')).toBeNull();
    expect(upstream.requests[0]?.body).toMatchObject({ model: 'claude-haiku-5-5' });
  });

  test('carries no header of the upstream but its request id', async () => {
    const { proxy } = await bench({
      text: 'ok',
      headers: { 'set-cookie': 'a=b', 'anthropic-organization-id': 'org', server: 'x' },
    });
    for (const body of [ASK, STREAM]) {
      const response = await proxy.fetch(request(body));
      await response.text();
      expect(response.headers.get('request-id')).toMatch(/^req_standin_/);
      expect([...response.headers.keys()].sort()).toEqual([
        'access-control-allow-origin',
        'access-control-expose-headers',
        'cache-control',
        'content-type',
        'request-id',
        'vary',
        'whorl-model',
        ...(body === STREAM ? ['x-accel-buffering'] : []),
        'x-content-type-options',
        'x-request-id',
      ]);
    }
  });

  test('keeps a harmless x-request-id of the client and makes its own otherwise', async () => {
    const { proxy, log } = await bench('ok');
    const own = await proxy.fetch(request(ASK, { headers: { 'x-request-id': 'turn-0001' } }));
    expect(own.headers.get('x-request-id')).toBe('turn-0001');
    expect(log[0]?.requestId).toBe('turn-0001');
    const bad = await proxy.fetch(request(ASK, { headers: { 'x-request-id': 'a b"c<d>' } }));
    expect(bad.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe('what leaves for the Claude API', () => {
  test('is one URL, the pinned version and five headers', async () => {
    const { proxy, upstream } = await bench('ok');
    const headers = { 'anthropic-beta': 'x', 'anthropic-version': '2023-06-01', cookie: 'c=1' };
    await proxy.fetch(request(ASK, { headers: { ...headers, 'x-forwarded-for': '1.2.3.4' } }));
    const sent = upstream.requests[0];
    expect(sent).toMatchObject({ method: 'POST', path: '/v1/messages' });
    expect(sent?.headers['anthropic-version']).toBe(API_VERSION);
    expect(sent?.headers.authorization).toBe(`Bearer ${upstream.key}`);
    const names = Object.keys(sent?.headers ?? {});
    for (const name of ['anthropic-beta', 'cookie', 'origin', 'x-forwarded-for']) {
      expect(names).not.toContain(name);
    }
    expect(names.filter((name) => name.startsWith('x-'))).toEqual([]);
  });

  test('does not listen to headers that the SDK would take from the environment', async () => {
    process.env.ANTHROPIC_CUSTOM_HEADERS = 'anthropic-beta: everything\nx-spy: 1';
    try {
      const { proxy, upstream } = await bench('ok');
      await proxy.fetch(request(ASK));
      expect(upstream.requests[0]?.headers).not.toHaveProperty('anthropic-beta');
      expect(upstream.requests[0]?.headers).not.toHaveProperty('x-spy');
    } finally {
      delete process.env.ANTHROPIC_CUSTOM_HEADERS;
    }
  });

  test('follows no redirect, which would carry the key to another host', async () => {
    const other = await bench('stolen');
    const { proxy, upstream } = await bench({
      status: 307,
      headers: { location: `${other.upstream.url}/v1/messages` },
    });
    const response = await proxy.fetch(request(ASK));
    expect(response.status).toBe(502);
    expect(upstream.requests).toHaveLength(1);
    expect(other.upstream.requests).toHaveLength(0);
  });
});

describe('a refusal of the Claude API', () => {
  test.each([
    [400, 400, 'invalid_request_error', 'invalid_request', 'false'],
    [401, 401, 'authentication_error', 'unauthorized', 'false'],
    [402, 402, 'billing_error', 'budget_exhausted', 'false'],
    [403, 403, 'permission_error', 'forbidden', 'false'],
    [404, 404, 'not_found_error', 'invalid_request', 'false'],
    [413, 413, 'invalid_request_error', 'too_large', 'false'],
    [429, 429, 'rate_limit_error', 'rate_limited', 'true'],
    [500, 500, 'api_error', 'upstream_failed', 'true'],
    [503, 503, 'api_error', 'overloaded', 'true'],
    [504, 504, 'timeout_error', 'stream_timeout', 'true'],
    [529, 529, 'overloaded_error', 'overloaded', 'true'],
    [418, 502, 'api_error', 'upstream_failed', 'true'],
  ])('%i becomes %i %s %s', async (status, mapped, type, code, retry) => {
    const { proxy, upstream } = await bench({ status });
    for (const body of [ASK, STREAM]) {
      const response = await proxy.fetch(request(body));
      expect(response.status).toBe(mapped);
      expect(response.headers.get('x-should-retry')).toBe(retry);
      expect(await errorOf(response)).toMatchObject({ type, code });
    }
    // One request each: the proxy never repeats what costs money.
    expect(upstream.requests).toHaveLength(2);
  });

  test.each([
    ['7', 7_000],
    ['0', 0],
  ])('keeps retry-after: %s', async (retryAfter, ms) => {
    const { proxy } = await bench({ status: 429, retryAfter });
    const response = await proxy.fetch(request(STREAM));
    expect(response.headers.get('retry-after')).toBe(retryAfter);
    expect(response.headers.get('retry-after-ms')).toBe(String(ms));
    expect(response.headers.get('access-control-expose-headers')).toContain('retry-after');
  });

  test('keeps retry-after as a date', async () => {
    const date = new Date(Date.now() + 60_000).toUTCString();
    const { proxy } = await bench({ status: 529, retryAfter: date });
    const response = await proxy.fetch(request(STREAM));
    const seconds = Number(response.headers.get('retry-after'));
    expect(seconds).toBeGreaterThan(55);
    expect(seconds).toBeLessThanOrEqual(60);
  });

  test('a spend limit is a budget, not a rate: nobody should try again', async () => {
    const { proxy } = await bench({ status: 429, errorCode: 'enforced_spend_limit_reached' });
    const response = await proxy.fetch(request(STREAM));
    expect(response.headers.get('x-should-retry')).toBe('false');
    expect(await errorOf(response)).toMatchObject({
      code: 'budget_exhausted',
      details: { error_code: 'enforced_spend_limit_reached' },
    });
  });

  test("a gateway's HTML page is not passed on", async () => {
    const { proxy } = await bench({ status: 502, rawBody: '<h1>nginx secret-host</h1>' });
    const text = await (await proxy.fetch(request(STREAM))).text();
    expect(text).not.toContain('nginx');
    expect(JSON.parse(text)).toMatchObject({ error: { code: 'upstream_failed' } });
  });

  test('an upstream that is not there is 502', async () => {
    const { proxy, upstream } = await bench('never');
    await upstream.close();
    const response = await proxy.fetch(request(STREAM));
    expect(response.status).toBe(502);
    expect(await errorOf(response)).toMatchObject({ code: 'upstream_failed' });
  });

  test('an answer that is no stream and no message is 502', async () => {
    const { proxy } = await bench({ status: 200, rawBody: '<html>welcome to the wifi</html>' });
    for (const body of [ASK, STREAM]) {
      const response = await proxy.fetch(request(body));
      expect(response.status).toBe(502);
      await response.text();
    }
  });
});

describe('limits', () => {
  test('rate: a burst, then 429 with the wait, then again after it', async () => {
    let clock = 0;
    const { proxy } = await bench('ok', { burst: 2, ratePerMinute: 6, clock: () => clock });
    const ask = async (address?: string) => proxy.fetch(request(ASK), { address });
    expect((await ask('10.0.0.1')).status).toBe(200);
    expect((await ask('10.0.0.1')).status).toBe(200);
    const refused = await ask('10.0.0.1');
    expect(refused.status).toBe(429);
    expect(refused.headers.get('retry-after')).toBe('10');
    expect(await errorOf(refused)).toMatchObject({ code: 'rate_limited' });
    expect((await ask('10.0.0.2')).status).toBe(200);
    clock = 10_000;
    expect((await ask('10.0.0.1')).status).toBe(200);
    expect((await ask('10.0.0.1')).status).toBe(429);
  });

  test('concurrency: one too many is 529 and costs nothing', async () => {
    const { proxy, upstream } = await bench({ text: 'x', firstByteMs: 300 }, { concurrency: 2 });
    const running = [1, 2].map(() => proxy.fetch(request(ASK)));
    await until(() => upstream.requests.length === 2);
    const refused = await proxy.fetch(request(ASK));
    expect(refused.status).toBe(529);
    expect(refused.headers.get('retry-after')).toBe('1');
    for (const response of await Promise.all(running)) expect(response.status).toBe(200);
    expect((await proxy.fetch(request(ASK))).status).toBe(200);
    expect(upstream.requests).toHaveLength(3);
  });

  test('every way to fail gives the place back', async () => {
    const { proxy, upstream } = await bench([{ status: 500 }], { concurrency: 1, burst: 100 });
    expect((await proxy.fetch(request(ASK))).status).toBe(500);
    expect((await proxy.fetch(request('{'))).status).toBe(400);
    expect((await proxy.fetch(request({ ...ASK, tools: [] }))).status).toBe(400);
    upstream.use({ text: 'x', fault: { kind: 'cut' } });
    await (await proxy.fetch(request(STREAM))).text();
    upstream.use('fine');
    expect((await proxy.fetch(request(ASK))).status).toBe(200);
  });

  test('a body that is too large, too slow or compressed never gets on', async () => {
    const { proxy, upstream } = await bench('never', { maxBodyBytes: 2_048, bodyMs: 60 });
    const large = { ...ASK, messages: [{ role: 'user', content: 'x'.repeat(3_000) }] };
    expect((await proxy.fetch(request(large))).status).toBe(413);
    const lying = request(large, { headers: { 'content-length': '10' } });
    expect((await proxy.fetch(lying)).status).toBe(413);
    const endless = new Request('http://proxy.test/v1/messages', {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: ORIGIN },
      body: new ReadableStream({
        start: (controller) => controller.enqueue(new Uint8Array([123])),
      }),
      duplex: 'half',
    } as RequestInit);
    expect((await proxy.fetch(endless)).status).toBe(408);
    const zipped = request(ASK, { headers: { 'content-encoding': 'gzip' } });
    expect((await proxy.fetch(zipped)).status).toBe(415);
    const form = request(ASK, { headers: { 'content-type': 'text/plain' } });
    expect((await proxy.fetch(form)).status).toBe(415);
    expect(upstream.requests).toHaveLength(0);
  });
});

describe('without a key', () => {
  test('messages are 503 no_key in the error shape, and nothing should be repeated', async () => {
    const proxy = createProxy({ origins: [ORIGIN] });
    const response = await proxy.fetch(request(STREAM));
    expect(response.status).toBe(503);
    expect(response.headers.get('x-should-retry')).toBe('false');
    expect(await errorOf(response)).toMatchObject({ type: 'api_error', code: 'no_key' });
  });

  test('/healthz says so', async () => {
    const proxy = createProxy({});
    const response = await proxy.fetch(new Request('http://proxy.test/healthz'));
    expect(await response.json()).toMatchObject({
      ok: true,
      key: false,
      apiVersion: '2026-10-21',
      models: ['claude-haiku-5-5', 'claude-haiku-4-5'],
    });
  });
});

describe('the contract with the official SDK', () => {
  test('the pinned version is the one that this SDK sends by itself', async () => {
    const upstream = await standIn('ok');
    const sdk = new Anthropic({ baseURL: upstream.url, apiKey: upstream.key });
    await sdk.messages.create(ASK);
    expect(upstream.requests[0]?.headers['anthropic-version']).toBe(API_VERSION);
  });

  test('its types know the default models, and no temperature', () => {
    const models: Anthropic.Model[] = ['claude-haiku-5-5', 'claude-haiku-4-5'];
    expect(models).toContain(DEFAULT_MODEL);
    // @ts-expect-error the API version 2026-10-21 has no sampling parameters
    const params: Anthropic.MessageCreateParamsNonStreaming = { ...ASK, temperature: 0 };
    expect(params).toBeDefined();
  });
});

describe('strange numbers from the API', () => {
  test.each([1e300, -5, 1.5, '7'])('such as %j do not break the budget', async (output) => {
    const reply = { text: 'abc', usage: { input: 10, output: output as number } };
    const { proxy, log, logged } = await bench(reply);
    await (await proxy.fetch(request(STREAM))).text();
    await logged(1);
    expect(log[0]?.tokens).toBeGreaterThan(0);
    expect(log[0]?.tokens).toBeLessThan(200);
  });
});
