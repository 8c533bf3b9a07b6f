import { describe, expect, test } from 'vitest';
import { ASK, bench, errorOf, eventsOf, request, textOf, until } from './support.ts';

const STREAM = { ...ASK, stream: true };

describe('a stream that does not end well', () => {
  test.each([
    ['end', 'stream_incomplete'],
    ['cut', 'stream_incomplete'],
    ['error', 'overloaded'],
  ] as const)('%s: the last event is an error with code %s', async (kind, code) => {
    const { proxy, log, logged } = await bench({
      text: 'one two three four five',
      deltaLength: 4,
      fault: { kind, after: 3 },
    });
    const events = eventsOf(await (await proxy.fetch(request(STREAM))).text());
    expect(textOf(events)).toBe('one two thre');
    expect(events.map(({ event }) => event)).not.toContain('message_stop');
    expect(events.at(-1)).toMatchObject({ event: 'error', data: { error: { code } } });
    await logged(1);
    expect(log[0]).toMatchObject({ status: 200, code });
  });

  test('an error event keeps its type and message', async () => {
    const fault = { kind: 'error', type: 'api_error', message: 'Internal server error' } as const;
    const { proxy } = await bench({ text: 'abc', fault });
    const events = eventsOf(await (await proxy.fetch(request(STREAM))).text());
    expect(events.at(-1)?.data).toMatchObject({
      type: 'error',
      error: { type: 'api_error', message: 'Internal server error', code: 'upstream_failed' },
    });
  });

  test('silence after some text ends with stream_timeout, and the upstream is let go', async () => {
    const { proxy, upstream } = await bench(
      { text: 'one two three', deltaLength: 4, fault: { kind: 'silence', after: 1 } },
      { idleMs: 80 },
    );
    const events = eventsOf(await (await proxy.fetch(request(STREAM))).text());
    expect(events.at(-1)?.data).toMatchObject({ error: { code: 'stream_timeout' } });
    await upstream.requests[0]?.over;
    expect(upstream.requests[0]?.disconnected).toBe(true);
  });

  test('pings keep a slow stream alive', async () => {
    const { proxy } = await bench(
      { text: 'slow but sure', deltaLength: 4, delayMs: 60, pingEvery: 1 },
      { idleMs: 200 },
    );
    const events = eventsOf(await (await proxy.fetch(request(STREAM))).text());
    expect(events.at(-1)?.event).toBe('message_stop');
  });

  test('a late first byte is 504 before anything is promised', async () => {
    const { proxy, upstream } = await bench({ text: 'x', firstByteMs: 5_000 }, { firstByteMs: 60 });
    const response = await proxy.fetch(request(STREAM));
    expect(response.status).toBe(504);
    expect(await errorOf(response)).toMatchObject({
      code: 'stream_timeout',
      type: 'timeout_error',
    });
    await upstream.requests[0]?.over;
    expect(upstream.requests[0]?.disconnected).toBe(true);
  });

  test('headers without a first event are a late first byte too', async () => {
    const { proxy } = await bench({ text: 'x', delayMs: 5_000 }, { firstByteMs: 60 });
    expect((await proxy.fetch(request(STREAM))).status).toBe(504);
  });

  test('the whole answer has a bound', async () => {
    const { proxy } = await bench(
      { text: 'a b c d e f g h', deltaLength: 1, delayMs: 40 },
      { totalMs: 250 },
    );
    const events = eventsOf(await (await proxy.fetch(request(STREAM))).text());
    expect(events.at(-1)?.data).toMatchObject({ error: { code: 'stream_timeout' } });
    expect(textOf(events).length).toBeGreaterThan(0);
    const whole = await bench({ text: 'x', firstByteMs: 5_000 }, { totalMs: 60 });
    expect((await whole.proxy.fetch(request(ASK))).status).toBe(504);
  });

  test('bytes have a cap', async () => {
    const { proxy } = await bench({ text: 'long '.repeat(1_000) }, { maxResponseBytes: 4_096 });
    const text = await (await proxy.fetch(request(STREAM))).text();
    expect(text.length).toBeLessThan(6_000);
    expect(eventsOf(text).at(-1)?.data).toMatchObject({ error: { code: 'too_large' } });
    const whole = await proxy.fetch(request(ASK));
    expect(whole.status).toBe(502);
    expect(await errorOf(whole)).toMatchObject({ code: 'too_large' });
  });

  test.each(['end', 'cut'] as const)('a JSON answer that ends by "%s" is 502', async (kind) => {
    const { proxy } = await bench({ text: 'x', fault: { kind } });
    const response = await proxy.fetch(request(ASK));
    expect(response.status).toBe(502);
    expect(await errorOf(response)).toMatchObject({ code: 'stream_incomplete' });
  });
});

describe('a client that leaves', () => {
  test('stops the upstream in the middle of the stream', async () => {
    const { proxy, upstream, log, logged } = await bench({
      text: 'word '.repeat(200),
      deltaLength: 5,
      delayMs: 20,
    });
    const abort = new AbortController();
    const response = await proxy.fetch(request(STREAM, { signal: abort.signal }));
    const reader = response.body?.getReader();
    await reader?.read();
    abort.abort();
    await upstream.requests[0]?.over;
    expect(upstream.requests[0]).toMatchObject({ disconnected: true, finished: false });
    await logged(1);
    expect(log[0]?.code).toBe('aborted');
  });

  test('stops it by cancelling the body, too', async () => {
    const { proxy, upstream } = await bench({ text: 'word '.repeat(200), delayMs: 20 });
    const response = await proxy.fetch(request(STREAM));
    const reader = response.body?.getReader();
    await reader?.read();
    await reader?.cancel();
    await upstream.requests[0]?.over;
    expect(upstream.requests[0]?.disconnected).toBe(true);
  });

  test.each([ASK, STREAM])('stops it before the first byte', async (body) => {
    const { proxy, upstream } = await bench({ text: 'x', firstByteMs: 5_000 });
    const abort = new AbortController();
    const pending = proxy.fetch(request(body, { signal: abort.signal }));
    await until(() => upstream.requests.length === 1);
    abort.abort();
    expect((await pending).status).toBe(499);
    await upstream.requests[0]?.over;
    expect(upstream.requests[0]?.disconnected).toBe(true);
  });

  test('and one that stops reading is let go, with its place given back', async () => {
    const { proxy, upstream, log, logged } = await bench(
      { text: 'word '.repeat(400), deltaLength: 5 },
      { idleMs: 80, concurrency: 1 },
    );
    const response = await proxy.fetch(request(STREAM));
    await logged(1);
    expect(log[0]?.code).toBe('stream_timeout');
    await expect(response.text()).rejects.toThrow('read nothing');
    upstream.use('next');
    expect((await proxy.fetch(request(ASK))).status).toBe(200);
  });
});

describe('closing', () => {
  test('ends open streams with an error event and refuses what comes later', async () => {
    const { proxy, upstream } = await bench({ text: 'word '.repeat(200), delayMs: 20 });
    const response = await proxy.fetch(request(STREAM));
    const text = response.text();
    await until(() => upstream.requests.length === 1);
    await proxy.close();
    expect(eventsOf(await text).at(-1)?.data).toMatchObject({ error: { code: 'closed' } });
    await upstream.requests[0]?.over;
    expect(upstream.requests[0]?.disconnected).toBe(true);
    expect((await proxy.fetch(request(ASK))).status).toBe(503);
  });
});

describe('an exchange that is stopped while the client is not reading', () => {
  test.each([
    ['total', { totalMs: 150, idleMs: 5_000 }],
    ['closed', { idleMs: 5_000 }],
  ] as const)('by "%s" ends by itself and gives its place back', async (how, options) => {
    const { proxy, upstream, log, logged } = await bench(
      { text: 'word '.repeat(400), deltaLength: 5 },
      { ...options, concurrency: 1 },
    );
    const response = await proxy.fetch(request(STREAM));
    if (how === 'closed') await proxy.close();
    await logged(1);
    expect(log[0]?.code).toBe(how === 'closed' ? 'closed' : 'stream_timeout');
    await upstream.requests[0]?.over;
    const events = eventsOf(await response.text());
    expect(events[0]?.event).toBe('message_start');
    expect(events.at(-1)?.event).toBe('error');
  });
});
