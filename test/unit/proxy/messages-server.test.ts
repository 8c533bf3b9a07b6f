import Anthropic, { APIError } from '@anthropic-ai/sdk';
import { afterEach, describe, expect, test } from 'vitest';
import {
  API_VERSION,
  type MessagesServer,
  type MessagesServerOptions,
  promptText,
  type Script,
  STAND_IN_KEY,
  startMessagesServer,
} from '../../fakes/messages-server.ts';

const open: MessagesServer[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});

async function standIn(script: Script, options?: MessagesServerOptions) {
  const server = await startMessagesServer(script, options);
  open.push(server);
  const sdk = new Anthropic({ baseURL: server.url, apiKey: server.key, maxRetries: 0 });
  return { server, sdk };
}

const ASK = {
  model: 'claude-haiku-5-5',
  max_tokens: 64,
  messages: [{ role: 'user' as const, content: '宿屋はどこ？' }],
};

function raw(server: MessagesServer, body: unknown, headers: Record<string, string> = {}) {
  return fetch(`${server.url}/v1/messages`, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: {
      'content-type': 'application/json',
      'anthropic-version': API_VERSION,
      'x-api-key': STAND_IN_KEY,
      ...headers,
    },
  });
}

describe('the stand-in speaks to the official SDK', () => {
  test('as JSON and as a stream, with the same text', async () => {
    const { server, sdk } = await standIn((body) => `Re: ${promptText(body)} 🐉`);
    const whole = await sdk.messages.create(ASK);
    expect(whole.content).toEqual([{ type: 'text', text: 'Re: 宿屋はどこ？ 🐉', citations: null }]);
    const streamed = await sdk.messages.stream(ASK).finalMessage();
    expect(streamed.content).toMatchObject([{ type: 'text', text: 'Re: 宿屋はどこ？ 🐉' }]);
    expect(streamed.stop_reason).toBe('end_turn');
    expect(server.requests.map((request) => request.headers['anthropic-version'])).toEqual([
      API_VERSION,
      API_VERSION,
    ]);
  });

  test.each([1, 2, 3, 5, 7])('in writes of %i bytes that split UTF-8 and events', async (bytes) => {
    const text = 'ホビットの酒場 🍺 호빗';
    const { sdk } = await standIn({ text, writeBytes: bytes, pingEvery: 1, crlf: bytes % 2 === 0 });
    const message = await sdk.messages.stream(ASK).finalMessage();
    expect(message.content).toMatchObject([{ text }]);
  });

  test('with the stop reason and usage of the script', async () => {
    const { sdk } = await standIn({
      text: 'No.',
      stopReason: 'refusal',
      usage: { input: 9, output: 3 },
    });
    const message = await sdk.messages.stream(ASK).finalMessage();
    expect(message.stop_reason).toBe('refusal');
    expect(message.usage).toMatchObject({ input_tokens: 9, output_tokens: 3 });
  });
});

describe('the stand-in checks what the real API checks', () => {
  test.each([
    ['no version', { 'anthropic-version': '' }, 400],
    ['an old version', { 'anthropic-version': '2023-06-01' }, 400],
    ['a wrong key', { 'x-api-key': 'sk-wrong' }, 401],
  ])('%s', async (_, headers, status) => {
    const { server } = await standIn('never');
    const response = await raw(server, ASK, headers);
    expect(response.status).toBe(status);
    expect(server.requests[0]).toMatchObject({ accepted: false });
  });

  test.each([
    ['temperature', { ...ASK, temperature: 0 }, 400, 'temperature: Extra inputs are not permitted'],
    ['a retired model', { ...ASK, model: 'claude-3-opus-20240229' }, 404, 'claude-3-opus'],
    ['no messages', { ...ASK, messages: [] }, 400, 'messages'],
    ['no max_tokens', { ...ASK, max_tokens: undefined }, 400, 'max_tokens'],
  ])('%s', async (_, body, status, message) => {
    const { server } = await standIn('never');
    const response = await raw(server, body);
    expect(response.status).toBe(status);
    const error = (await response.json()) as { error: { message: string } };
    expect(error.error.message).toContain(message);
  });

  test('other paths are 404', async () => {
    const { server } = await standIn('never');
    expect((await fetch(`${server.url}/v1/models`)).status).toBe(404);
  });
});

describe('the stand-in goes wrong on demand', () => {
  test('429 with retry-after, then an answer', async () => {
    const { server, sdk } = await standIn([{ status: 429, retryAfter: 2 }, 'well']);
    const error = await sdk.messages.create(ASK).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(APIError);
    expect(error).toMatchObject({ status: 429, type: 'rate_limit_error' });
    expect((error as APIError).headers?.get('retry-after')).toBe('2');
    expect((await sdk.messages.create(ASK)).content).toMatchObject([{ text: 'well' }]);
    expect(server.requests).toHaveLength(2);
  });

  test('a clean early end lacks message_stop; a cut one fails to read', async () => {
    const { server } = await standIn([
      { text: 'one two three four', deltaLength: 4, fault: { kind: 'end', after: 2 } },
      { text: 'one two three four', deltaLength: 4, fault: { kind: 'cut', after: 2 } },
    ]);
    const ended = await (await raw(server, { ...ASK, stream: true })).text();
    expect(ended.match(/text_delta/g)).toHaveLength(2);
    expect(ended).not.toContain('message_stop');
    const cut = await raw(server, { ...ASK, stream: true });
    await expect(cut.text()).rejects.toThrow();
  });

  test('an error event after 200', async () => {
    const { sdk } = await standIn({ text: 'abc', fault: { kind: 'error' } });
    const error = await sdk.messages
      .stream(ASK)
      .finalMessage()
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ type: 'overloaded_error' });
  });

  test('silence is noticed as a disconnect once the client leaves', async () => {
    const { server } = await standIn({ text: 'abc', fault: { kind: 'silence', after: 1 } });
    const abort = new AbortController();
    const response = await fetch(`${server.url}/v1/messages`, {
      method: 'POST',
      signal: abort.signal,
      body: JSON.stringify({ ...ASK, stream: true }),
      headers: { 'anthropic-version': API_VERSION, authorization: `Bearer ${STAND_IN_KEY}` },
    });
    await response.body?.getReader().read();
    abort.abort();
    await server.requests[0]?.over;
    expect(server.requests[0]).toMatchObject({ disconnected: true, finished: false });
  });
});
