import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ASK, bench, errorOf, request } from './support.ts';

const KNOWN = ['model', 'max_tokens', 'messages', 'system', 'stop_sequences', 'stream'];
const DROPPED = ['temperature', 'top_p', 'top_k', 'metadata'];

async function refusal(body: unknown, options = {}) {
  const { proxy, upstream } = await bench('never', options);
  const response = await proxy.fetch(request(body));
  expect(response.status).toBe(400);
  expect(upstream.requests).toHaveLength(0);
  const error = await errorOf(response);
  expect(error).toMatchObject({ type: 'invalid_request_error', code: 'invalid_request' });
  return error.message;
}

describe('a field that is not ours is refused by name', () => {
  test.each([
    'tools',
    'tool_choice',
    'thinking',
    'container',
    'service_tier',
    'mcp_servers',
    'betas',
    'n',
    '__proto__',
    'constructor',
    'toString',
  ])('%s', async (name) => {
    const body = `{"max_tokens":5,"messages":[{"role":"user","content":"x"}],"${name}":{"a":1}}`;
    expect(await refusal(body)).toMatch(new RegExp(`^${name}: `));
  });

  test('also inside messages and blocks', async () => {
    const user = { role: 'user', content: 'x' };
    expect(await refusal({ ...ASK, messages: [user, { ...user, name: 'eve' }] })).toMatch(
      /^messages\.1\.name: /,
    );
    const block = { type: 'text', text: 'x', cache_control: { type: 'ephemeral' } };
    expect(await refusal({ ...ASK, messages: [{ role: 'user', content: [block] }] })).toMatch(
      /^messages\.0\.content\.0\.cache_control: /,
    );
    expect(await refusal({ ...ASK, system: [block] })).toMatch(/^system\.0\.cache_control: /);
  });

  // The body is built by hand, because an object literal cannot hold an own `__proto__`.
  test('property: whatever else is sent, only known fields ever reach the API', async () => {
    const { proxy, upstream } = await bench('ok', {
      burst: 100_000,
      ratePerMinute: 100_000,
      dailyTokens: 1_000_000_000,
    });
    const name = fc.oneof(
      fc.string({ maxLength: 12 }),
      fc.constantFrom('__proto__', 'constructor', 'tools', 'stream', 'metadata', 'top_k', 'Model'),
    );
    const extra = fc.dictionary(name, fc.jsonValue({ maxDepth: 2 }), { maxKeys: 3 });
    await fc.assert(
      fc.asyncProperty(extra, async (fields) => {
        const before = upstream.requests.length;
        const response = await proxy.fetch(request(JSON.stringify({ ...fields, ...ASK })));
        const text = await response.text();
        const strange = Object.keys(fields).filter(
          (key) => !KNOWN.includes(key) && !DROPPED.includes(key),
        );
        if (strange.length > 0) expect(response.status, text).toBe(400);
        for (const sent of upstream.requests.slice(before)) {
          const body = sent.body as Record<string, unknown>;
          for (const key of Object.keys(body)) expect(KNOWN).toContain(key);
          expect(body.messages).toEqual(ASK.messages);
        }
      }),
      { numRuns: 150 },
    );
    expect(upstream.requests.length).toBeGreaterThan(0);
  });

  test('property: no bytes make the proxy fail inside', async () => {
    const { proxy } = await bench('ok', { burst: 100_000, ratePerMinute: 100_000 });
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 64 }),
      fc.json().map((text) => new TextEncoder().encode(text)),
    );
    await fc.assert(
      fc.asyncProperty(bytes, async (body) => {
        const response = await proxy.fetch(request(body));
        expect(response.status).toBe(400);
        expect(await errorOf(response)).toMatchObject({ code: 'invalid_request' });
      }),
      { numRuns: 150 },
    );
  });
});

describe('values have bounds', () => {
  const messages = (count: number) =>
    Array.from({ length: count }, () => ({ role: 'user', content: 'x' }));
  test.each([
    ['max_tokens', { ...ASK, max_tokens: 4_097 }],
    ['max_tokens', { ...ASK, max_tokens: 0 }],
    ['max_tokens', { ...ASK, max_tokens: 1.5 }],
    ['max_tokens', { ...ASK, max_tokens: '64' }],
    ['max_tokens', { ...ASK, max_tokens: undefined }],
    ['messages', { ...ASK, messages: undefined }],
    ['messages', { ...ASK, messages: [] }],
    ['messages', { ...ASK, messages: messages(65) }],
    ['messages.0.role', { ...ASK, messages: [{ role: 'system', content: 'x' }] }],
    ['messages.0.content', { ...ASK, messages: [{ role: 'user', content: '' }] }],
    ['messages.0.content', { ...ASK, messages: [{ role: 'user', content: [] }] }],
    ['messages.0.content', { ...ASK, messages: [{ role: 'user', content: 7 }] }],
    ['messages.0.content', { ...ASK, messages: [{ role: 'user' }] }],
    [
      'messages.0.content.0.type',
      { ...ASK, messages: [{ role: 'user', content: [{ type: 'image', source: {} }] }] },
    ],
    ['stream', { ...ASK, stream: 'yes' }],
    ['system', { ...ASK, system: 7 }],
    ['stop_sequences', { ...ASK, stop_sequences: Array(17).fill('x') }],
    ['stop_sequences.0', { ...ASK, stop_sequences: ['x'.repeat(300)] }],
    ['temperature', { ...ASK, temperature: 'hot' }],
    ['model', { ...ASK, model: 7 }],
    ['model', { ...ASK, model: 'claude-opus-5-5' }],
    ['model', { ...ASK, model: 'constructor' }],
  ])('%s', async (field, body) => {
    expect(await refusal(body)).toMatch(new RegExp(`^${field.replaceAll('.', '\\.')}: `));
  });

  test.each([
    ['no JSON', '{"model":'],
    ['a list', '[]'],
    ['null', 'null'],
    ['nothing', ''],
  ])('%s', async (_, body) => {
    expect(await refusal(body)).toMatch(/JSON|body/);
  });

  test('bytes that are no UTF-8', async () => {
    expect(await refusal(new Uint8Array([0x7b, 0xff, 0x7d]))).toContain('UTF-8');
  });

  test('no value of the request is repeated in an error', async () => {
    expect(await refusal({ ...ASK, model: 'secret-words-of-a-person' })).not.toContain('secret');
    const role = [{ role: 'secret', content: 'secret' }];
    expect(await refusal({ ...ASK, messages: role })).not.toContain('secret');
  });
});

describe('what is accepted reaches the API unchanged', () => {
  test('system, stop sequences, several turns, blocks', async () => {
    const { proxy, upstream } = await bench('ok');
    const body = {
      ...ASK,
      system: [{ type: 'text', text: 'Cite.' }],
      stop_sequences: ['\n\nHuman:'],
      messages: [
        { role: 'user', content: '宿屋 🍺' },
        { role: 'assistant', content: [{ type: 'text', text: 'はい', citations: null }] },
        { role: 'user', content: [{ type: 'text', text: 'もっと' }] },
      ],
    };
    expect((await proxy.fetch(request(body))).status).toBe(200);
    expect(upstream.requests[0]?.body).toEqual({
      ...body,
      stream: false,
      messages: [
        body.messages[0],
        // What a client got from the API and sends back; `citations: null` says nothing.
        { role: 'assistant', content: [{ type: 'text', text: 'はい' }] },
        body.messages[2],
      ],
    });
  });

  test('every dropped field is named', async () => {
    const { proxy, upstream } = await bench('ok');
    const body = { ...ASK, top_p: 0.5, temperature: null, top_k: 3, metadata: { user_id: 'eve' } };
    const response = await proxy.fetch(request(body));
    expect(response.headers.get('whorl-dropped')).toBe('temperature, top_p, top_k, metadata');
    expect(upstream.requests[0]?.raw).not.toContain('eve');
  });

  test('aliases and models are settings', async () => {
    const { proxy, upstream } = await bench('ok', {
      models: ['claude-sonnet-5-5', 'claude-haiku-5-5'],
      defaultModel: 'claude-haiku-5-5',
      aliases: { best: 'claude-sonnet-5-5' },
    });
    const best = await proxy.fetch(request({ ...ASK, model: 'best' }));
    expect(best.headers.get('whorl-model-alias')).toBe('best -> claude-sonnet-5-5');
    const gone = await proxy.fetch(request({ ...ASK, model: 'claude-3-opus-20240229' }));
    expect(gone.status).toBe(400);
    expect(upstream.requests.map(({ body }) => (body as { model: string }).model)).toEqual([
      'claude-sonnet-5-5',
    ]);
  });
});
