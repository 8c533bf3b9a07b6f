import { describe, expect, test } from 'vitest';
import { createProxy } from '../../../proxy/index.ts';
import { ASK, bench, errorOf, ORIGIN, request, TOKEN } from './support.ts';

describe('CORS', () => {
  test.each([
    ['the allowed origin', ORIGIN, 200],
    ['another scheme', 'http://inn.example', 403],
    ['another port', 'https://inn.example:8443', 403],
    ['a suffix', 'https://inn.example.evil.test', 403],
    ['a prefix', 'https://evil-inn.example', 403],
    ['a subdomain', 'https://www.inn.example', 403],
    ['upper case', 'https://INN.example', 403],
    ['a trailing slash', 'https://inn.example/', 403],
    ['null', 'null', 403],
    ['empty', '', 403],
    ['the word self, which is not configured here', 'self', 403],
    ["the proxy's own URL, which is not configured here", 'http://proxy.test', 403],
    ['two origins', `${ORIGIN}, https://evil.test`, 403],
  ])('%s', async (_, origin, status) => {
    const { proxy, upstream } = await bench('ok');
    const response = await proxy.fetch(request(ASK, { origin }));
    expect(response.status).toBe(status);
    expect(response.headers.get('vary')).toBe('Origin');
    expect(response.headers.get('access-control-allow-origin')).toBe(
      status === 200 ? ORIGIN : null,
    );
    expect(response.headers.get('access-control-allow-credentials')).toBeNull();
    expect(upstream.requests).toHaveLength(status === 200 ? 1 : 0);
    if (status === 403) expect(await errorOf(response)).toMatchObject({ code: 'forbidden' });

    const preflight = await proxy.fetch(
      request(null, {
        origin,
        method: 'OPTIONS',
        headers: { 'access-control-request-method': 'POST' },
      }),
    );
    expect(preflight.status).toBe(status === 200 ? 204 : 403);
    expect(preflight.headers.get('vary')).toBe('Origin');
    expect(preflight.headers.get('access-control-allow-origin')).toBe(
      status === 200 ? ORIGIN : null,
    );
  });

  test('a preflight allows POST, a few headers, and is kept for ten minutes', async () => {
    const { proxy } = await bench('ok');
    const response = await proxy.fetch(request(null, { method: 'OPTIONS' }));
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'access-control-allow-methods': 'POST',
      'access-control-allow-headers':
        'accept, anthropic-version, authorization, content-type, x-api-key',
      'access-control-max-age': '600',
    });
  });

  test('errors can be read by the page, with the headers that tell about them', async () => {
    const { proxy } = await bench({ status: 529 });
    const response = await proxy.fetch(request(ASK));
    expect(response.headers.get('access-control-allow-origin')).toBe(ORIGIN);
    const exposed = response.headers.get('access-control-expose-headers');
    for (const name of ['retry-after', 'whorl-model-alias', 'whorl-dropped', 'x-request-id']) {
      expect(exposed).toContain(name);
    }
  });

  test('without a list only the own origin may call', async () => {
    const proxy = createProxy({ apiKey: 'sk-ant-x' });
    const own = request('{', { origin: 'http://proxy.test' });
    expect((await proxy.fetch(own)).status).toBe(400);
    expect((await proxy.fetch(request('{'))).status).toBe(403);
  });
});

describe('a request without an Origin', () => {
  test.each([
    ['x-api-key', { 'x-api-key': TOKEN }, 200],
    ['a bearer, as the SDK sends it', { authorization: `Bearer ${TOKEN}` }, 200],
    ['nothing', {}, 401],
    ['an empty token', { 'x-api-key': '' }, 401],
    ['a prefix of it', { 'x-api-key': TOKEN.slice(0, -1) }, 401],
    ['more than it', { 'x-api-key': `${TOKEN}x` }, 401],
    ['a wrong x-api-key beside a right bearer', { 'x-api-key': 'x', authorization: TOKEN }, 401],
  ])('with %s', async (_, headers, status) => {
    const { proxy, upstream } = await bench('ok');
    const response = await proxy.fetch(
      request(ASK, { origin: null, headers: headers as Record<string, string> }),
    );
    expect(response.status).toBe(status);
    expect(upstream.requests).toHaveLength(status === 200 ? 1 : 0);
    if (status === 401) {
      expect(await errorOf(response)).toMatchObject({
        type: 'authentication_error',
        code: 'unauthorized',
      });
    }
  });

  test('is refused where no token is configured, whatever it carries', async () => {
    const { proxy } = await bench('ok', { token: undefined });
    for (const token of ['', 'undefined', TOKEN]) {
      const init = { origin: null, headers: { 'x-api-key': token } };
      expect((await proxy.fetch(request(ASK, init))).status).toBe(401);
    }
  });

  test('the token does not help a page of a strange origin', async () => {
    const { proxy } = await bench('ok');
    const init = { origin: 'https://evil.test', headers: { 'x-api-key': TOKEN } };
    expect((await proxy.fetch(request(ASK, init))).status).toBe(403);
  });
});

describe('other addresses are 404', () => {
  test.each([
    ['POST', '/'],
    ['POST', '/v1/messages/'],
    ['POST', '/v1/messages?beta=true'],
    ['POST', '//v1/messages'],
    ['POST', '/v1//messages'],
    ['POST', '/v1/mess%61ges'],
    ['POST', '/v1%2Fmessages'],
    ['POST', '/V1/messages'],
    ['POST', '/v1/messages/batches'],
    ['POST', '/v1/messages/count_tokens'],
    ['POST', '/@evil.test/v1/messages'],
    ['POST', '/v1/complete'],
    ['POST', '/healthz'],
    ['GET', '/v1/messages'],
    ['PUT', '/v1/messages'],
    ['GET', '/healthz/'],
    ['GET', '/healthz?x'],
    ['OPTIONS', '/healthz'],
  ])('%s %s', async (method, path) => {
    const { proxy, upstream } = await bench('never');
    const response = await proxy.fetch(
      request(ASK, { method, url: `http://proxy.test${path}`, headers: { 'x-api-key': TOKEN } }),
    );
    expect(response.status).toBe(404);
    expect(await errorOf(response)).toMatchObject({ type: 'not_found_error' });
    expect(upstream.requests).toHaveLength(0);
  });
});

describe('the key', () => {
  test('is in no answer, log entry or error, even if the upstream echoes it', async () => {
    const { proxy, upstream, log } = await bench([]);
    const key = upstream.key;
    const text = `your key is ${key}`;
    const stream = { ...ASK, stream: true };
    const seen: string[] = [];
    for (const reply of [
      { text },
      { status: 400, message: text, errorCode: key },
      { status: 500, rawBody: text },
      { text, fault: { kind: 'error' as const, message: text, type: key } },
      { text, headers: { 'x-echo': key, 'request-id': key } },
    ]) {
      upstream.use(reply);
      for (const body of [ASK, stream]) {
        const response = await proxy.fetch(request(body));
        seen.push(JSON.stringify([...response.headers]), await response.text());
      }
    }
    seen.push(await (await proxy.fetch(new Request('http://proxy.test/healthz'))).text());
    expect(seen.join('\n')).toContain('[redacted]');
    expect(upstream.requests[0]?.headers.authorization).toContain(key);
    for (const output of [...seen, JSON.stringify(log)]) {
      expect(output).not.toContain(key);
      expect(output).not.toContain(TOKEN);
    }
  });

  test('nothing of what was asked or answered is in the log', async () => {
    const { proxy, log } = await bench('an answer about dragons');
    await proxy.fetch(request(ASK));
    await proxy.fetch(request({ ...ASK, model: 'private words' }));
    expect(log).toHaveLength(2);
    expect(JSON.stringify(log)).not.toMatch(/hobbit|dragon|private/);
  });
});
