import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import Anthropic, { APIError } from '@anthropic-ai/sdk';
import { describe, expect, test } from 'vitest';
import { clientAddress, serve } from '../../../proxy/node-server.ts';
import { post, raw, start } from './server-support.ts';
import { ASK, eventsOf, onEnd, TOKEN, until } from './support.ts';

describe('the official SDK, pointed at the proxy', () => {
  test('gets an answer, whole and streamed', async () => {
    const text = '「踊る小馬亭」へようこそ 🐴';
    const { sdk } = await start({ text, writeBytes: 2, pingEvery: 2, unknownEvents: true });
    const whole = await sdk.messages.create(ASK);
    expect(whole.content).toMatchObject([{ type: 'text', text }]);
    const pieces: string[] = [];
    const stream = sdk.messages.stream(ASK).on('text', (piece) => pieces.push(piece));
    const message = await stream.finalMessage();
    expect(pieces.join('')).toBe(text);
    expect(message).toMatchObject({ stop_reason: 'end_turn', content: [{ type: 'text', text }] });
  });

  test('sees the name of an alias in the headers', async () => {
    const { sdk } = await start('ok');
    const { response } = await sdk.messages
      .create({ ...ASK, model: 'claude-3-opus-20240229' })
      .withResponse();
    expect(response.headers.get('whorl-model-alias')).toContain('-> claude-haiku-5-5');
  });

  test('throws its typed errors, with our code', async () => {
    const { sdk, upstream } = await start({ status: 429, retryAfter: 3 });
    const limited = await sdk.messages.create(ASK).catch((error: unknown) => error);
    expect(limited).toBeInstanceOf(Anthropic.RateLimitError);
    expect(limited).toMatchObject({ errorCode: 'rate_limited', type: 'rate_limit_error' });
    upstream.use({ text: 'abc', fault: { kind: 'end', after: 1 } });
    const cut = await sdk.messages
      .stream(ASK)
      .finalMessage()
      .catch((error: unknown) => error);
    expect(cut).toBeInstanceOf(APIError);
    expect(cut).toMatchObject({ errorCode: 'stream_incomplete' });
  });

  test('does not repeat what x-should-retry forbids', async () => {
    const { server, log } = await start('never', { apiKey: undefined });
    const sdk = new Anthropic({ baseURL: server.url, apiKey: TOKEN, maxRetries: 3 });
    const error = await sdk.messages.create(ASK).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ status: 503, errorCode: 'no_key' });
    expect(log).toHaveLength(1);
  });

  test('stops the upstream when it aborts', async () => {
    const { sdk, upstream, log } = await start({ text: 'word '.repeat(200), delayMs: 20 });
    const stream = sdk.messages.stream(ASK);
    await new Promise((resolve) => stream.once('text', resolve));
    stream.abort();
    await stream.done().catch(() => {});
    await upstream.requests[0]?.over;
    expect(upstream.requests[0]?.disconnected).toBe(true);
    await until(() => log.length === 1);
    expect(log[0]?.code).toBe('aborted');
  });
});

describe('a real connection', () => {
  test('of a page of the same origin is let in by either loopback name', async () => {
    const { server } = await start('ok');
    for (const name of ['localhost', '127.0.0.1']) {
      const origin = `http://${name}:${server.port}`;
      const headers = { 'content-type': 'application/json', origin };
      expect((await post(server, ASK, { headers })).status).toBe(200);
    }
    const headers = { 'content-type': 'application/json', origin: 'http://evil.test' };
    expect((await post(server, ASK, { headers })).status).toBe(403);
  });

  test('cannot make itself same-origin by its Host', async () => {
    const { server, upstream } = await start('never');
    const body = JSON.stringify(ASK);
    const answer = await raw(
      server,
      `POST /v1/messages HTTP/1.1\r\nhost: evil.test:${server.port}\r\norigin: http://evil.test:${server.port}\r\n` +
        `content-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 403/);
    expect(upstream.requests).toHaveLength(0);
  });

  test('streams: the first event is there long before the last', async () => {
    const { server } = await start({ text: 'a b c d e', deltaLength: 2, delayMs: 60 });
    const response = await post(server, { ...ASK, stream: true });
    const begun = performance.now();
    const reader = response.body?.getReader();
    await reader?.read();
    const first = performance.now() - begun;
    while (!(await reader?.read())?.done);
    expect(performance.now() - begun - first).toBeGreaterThan(200);
  });

  test('that is cut by the client stops the upstream', async () => {
    const { server, upstream } = await start({ text: 'word '.repeat(200), delayMs: 20 });
    const body = JSON.stringify({ ...ASK, stream: true });
    const socket = connect(server.port, '127.0.0.1');
    socket.write(
      `POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: ${TOKEN}\r\n` +
        `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    await new Promise((resolve) => socket.once('data', resolve));
    socket.destroy();
    await upstream.requests[0]?.over;
    expect(upstream.requests[0]?.disconnected).toBe(true);
  });

  test('that does not read is closed, and the upstream with it', async () => {
    const { server, upstream, log } = await start(
      // More than the sockets of both sides hold, and never finished.
      {
        text: 'x'.repeat(12_400_000),
        deltaLength: 400_000,
        fault: { kind: 'silence', after: 30 },
      },
      { idleMs: 150, maxResponseBytes: 67_108_864 },
    );
    const body = JSON.stringify({ ...ASK, stream: true });
    const socket = connect(server.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.pause();
    socket.write(
      `POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: ${TOKEN}\r\n` +
        `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    await until(() => log.length === 1);
    expect(log[0]?.code).toBe('stream_timeout');
    await upstream.requests[0]?.over;
    expect(upstream.requests[0]?.disconnected).toBe(true);
    socket.destroy();
  });

  test('that sends half a body is answered 408', async () => {
    const { server, upstream } = await start('never', { bodyMs: 80 });
    const answer = await raw(
      server,
      `POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: ${TOKEN}\r\n` +
        'content-type: application/json\r\ncontent-length: 500\r\nconnection: close\r\n\r\n{"model":',
    );
    expect(answer).toMatch(/^HTTP\/1\.1 408/);
    expect(upstream.requests).toHaveLength(0);
  });

  test.each([
    '//v1/messages',
    '/v1\\messages',
    '\\v1\\messages',
    '/v1/./messages',
    '/v1/x/../messages',
    '/v1/%2e/messages',
    '/v1/mess%61ges',
    '/v1/messages?x=1',
    '/v1/messages#x',
    '/@evil.test/v1/messages',
    'http://evil.test/v1/messages',
    '@evil.test/v1/messages',
    '*',
  ])('to %s is 404', async (target) => {
    const { server, upstream } = await start('never');
    const body = JSON.stringify(ASK);
    const answer = await raw(
      server,
      `POST ${target} HTTP/1.1\r\nhost: x\r\nx-api-key: ${TOKEN}\r\n` +
        `content-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 40[04]/);
    expect(upstream.requests).toHaveLength(0);
  });

  test('is told apart by X-Forwarded-For only as far as front servers are trusted', () => {
    const from = (forwarded: string | undefined, hops: number) =>
      clientAddress(
        {
          headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded },
          socket: { remoteAddress: '10.0.0.9' },
        } as never,
        hops,
      );
    expect(from('1.1.1.1', 0)).toBe('10.0.0.9');
    expect(from('6.6.6.6, 1.1.1.1', 1)).toBe('1.1.1.1');
    expect(from('6.6.6.6, 1.1.1.1, 2.2.2.2', 2)).toBe('1.1.1.1');
    expect(from(undefined, 1)).toBe('10.0.0.9');
  });
});

describe('starting and stopping', () => {
  test('takes the next port when one is taken, on either loopback address', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    onEnd(() => new Promise((resolve) => other.close(resolve)));
    const { port } = other.address() as AddressInfo;
    const server = await serve({ port, site: null });
    onEnd(() => server.close());
    expect(server.port).toBeGreaterThan(port);
    expect(server.port).toBeLessThan(port + 20);
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  });

  test('fails on a budget that cannot be read, and leaves no port taken', async () => {
    const budget = { load: () => Promise.reject(new Error('broken')), save: async () => {} };
    await expect(serve({ port: 0, site: null, proxy: { budget } })).rejects.toThrow('broken');
  });

  test('lets an open answer end within its grace', async () => {
    const { server } = await start({ text: 'a b c', deltaLength: 2, delayMs: 40 });
    const response = await post(server, { ...ASK, stream: true });
    const text = response.text();
    await server.close({ graceMs: 5_000 });
    expect(eventsOf(await text).at(-1)?.event).toBe('message_stop');
  });

  test('and tells a longer one that it ends', async () => {
    const { server } = await start({ text: 'word '.repeat(500), delayMs: 20 });
    const response = await post(server, { ...ASK, stream: true });
    const text = response.text();
    await server.close({ graceMs: 60 });
    expect(eventsOf(await text).at(-1)?.data).toMatchObject({ error: { code: 'closed' } });
  });
});
