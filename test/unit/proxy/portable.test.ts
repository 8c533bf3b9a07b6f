import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { createProxy, type ProxyErrorCode } from '../../../proxy/index.ts';
import type { ErrorCode } from '../../../src/shared/errors.ts';
import { ASK, eventsOf, ORIGIN, request } from './support.ts';

const FOLDER = new URL('../../../proxy/', import.meta.url);

/** The files that every host loads. */
const SOURCES = readdirSync(FOLDER).filter((name) => !name.startsWith('node'));

describe('outside Node', () => {
  test.each(SOURCES)('%s uses only what every host has', (name) => {
    const text = readFileSync(new URL(name, FOLDER), 'utf8');
    expect(text).not.toMatch(/from '(node:|\.\/node)/);
    expect(text).not.toMatch(/\bprocess\.\w|\bBuffer\b|\b__dirname\b|import\.meta/);
  });

  test('a fetch from outside serves, as a service binding would', async () => {
    const seen: Request[] = [];
    const events = [
      { type: 'message_start', message: { usage: { input_tokens: 3, output_tokens: 1 } } },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'hi' } },
      { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 2 } },
      { type: 'message_stop' },
    ];
    const body = events.map((data) => `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`);
    const proxy = createProxy({
      apiKey: 'sk-ant-x',
      origins: [ORIGIN],
      fetch: async (input, init) => {
        seen.push(new Request(input, init));
        return new Response(body.join(''), { headers: { 'content-type': 'text/event-stream' } });
      },
    });
    const response = await proxy.fetch(request({ ...ASK, stream: true }));
    expect(eventsOf(await response.text()).map(({ data }) => data)).toEqual(events);
    expect(seen[0]?.url).toBe('https://api.anthropic.com/v1/messages');
    expect(seen[0]?.redirect).toBe('manual');
  });

  test('a log that fails does not fail the answer', async () => {
    const complaint = new Error('the log is full');
    const proxy = createProxy({
      origins: [ORIGIN],
      log: () => {
        throw complaint;
      },
    });
    const error = console.error;
    const said: unknown[] = [];
    console.error = (...words: unknown[]) => said.push(...words);
    try {
      expect((await proxy.fetch(request(ASK))).status).toBe(503);
    } finally {
      console.error = error;
    }
    expect(said).toEqual([complaint]);
  });
});

test('every code of the proxy is a code of the page', () => {
  // The compiler refuses this line when the proxy has a code that the page does not know.
  const known = (code: ProxyErrorCode): ErrorCode => code;
  expect(known('no_key')).toBe('no_key');
});
