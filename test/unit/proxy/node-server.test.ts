import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Anthropic, { APIError } from '@anthropic-ai/sdk';
import { describe, expect, test } from 'vitest';
import type { LogEntry, ProxyOptions } from '../../../proxy/index.ts';
import { clientAddress, type RunningServer, serve } from '../../../proxy/node-server.ts';
import { contentSecurityPolicy } from '../../../proxy/site-headers.ts';
import type { MessagesServer, Script } from '../../fakes/messages-server.ts';
import { ASK, eventsOf, onEnd, standIn, TOKEN, until } from './support.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

interface Started {
  readonly server: RunningServer;
  readonly upstream: MessagesServer;
  readonly log: LogEntry[];
  readonly sdk: Anthropic;
}

async function start(
  script: Script,
  options: ProxyOptions = {},
  site: string | null = null,
): Promise<Started> {
  const upstream = await standIn(script);
  const log: LogEntry[] = [];
  const server = await serve({
    port: 0,
    site,
    connect: ['https://models.example'],
    proxy: {
      apiKey: upstream.key,
      baseUrl: upstream.url,
      token: TOKEN,
      log: (entry) => log.push(entry),
      ...options,
    },
  });
  onEnd(() => server.close());
  const sdk = new Anthropic({ baseURL: server.url, apiKey: TOKEN, maxRetries: 0 });
  return { server, upstream, log, sdk };
}

function post(server: RunningServer, body: unknown, init: RequestInit = {}) {
  return fetch(`${server.url}/v1/messages`, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json', origin: server.url },
    ...init,
  });
}

/** The raw answer to raw bytes: `fetch` would tidy the path first. */
function raw(server: RunningServer, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(server.port, '127.0.0.1', () => socket.write(text));
    let answer = '';
    socket.setEncoding('utf8');
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    socket.on('end', () => resolve(answer));
    socket.on('error', reject);
  });
}

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

async function siteFolder(): Promise<string> {
  const base = await mkdtemp(join(tmpdir(), 'whorl-site-'));
  onEnd(() => rm(base, { recursive: true, force: true }));
  const site = join(base, 'site');
  await mkdir(join(site, 'assets'), { recursive: true });
  await mkdir(join(site, 'models/m'), { recursive: true });
  await mkdir(join(site, '.state'));
  const files: Record<string, string> = {
    'index.html': '<!doctype html><title>Whorl</title>',
    'assets/app-Ab_3-xYz.js': 'export {};',
    'assets/plain.js': 'export {};',
    'assets/ort-12345678.wasm': '\0asm',
    'assets/ort-12345678.mjs': 'export {};',
    'models/m/manifest.json': '{}',
    'models/m/weights.bin': '0123456789',
    'models/m/empty.bin': '',
    'odd name ü.txt': 'odd',
    '.state/budget.json': 'secret',
    '../outside.txt': 'secret',
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(site, name), text);
  await symlink(join(base, 'outside.txt'), join(site, 'link.txt'));
  return site;
}

describe('the site', () => {
  test.each([
    ['/', 'text/html; charset=utf-8', 'no-cache'],
    ['/index.html', 'text/html; charset=utf-8', 'no-cache'],
    ['/assets/app-Ab_3-xYz.js', 'text/javascript; charset=utf-8', 'immutable'],
    ['/assets/plain.js', 'text/javascript; charset=utf-8', 'no-cache'],
    ['/assets/ort-12345678.wasm', 'application/wasm', 'immutable'],
    ['/assets/ort-12345678.mjs', 'text/javascript; charset=utf-8', 'immutable'],
    ['/models/m/manifest.json', 'application/json; charset=utf-8', 'no-cache'],
    ['/models/m/weights.bin', 'application/octet-stream', 'no-cache'],
    ['/odd%20name%20%C3%BC.txt', 'text/plain; charset=utf-8', 'no-cache'],
    ['/index.html?v=1', 'text/html; charset=utf-8', 'no-cache'],
  ])('%s is %s, %s, under the policy', async (path, type, cache) => {
    const { server } = await start('never', {}, await siteFolder());
    const response = await fetch(server.url + path);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe(type);
    expect(response.headers.get('cache-control')).toContain(cache);
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    expect(response.headers.get('referrer-policy')).toBe('no-referrer');
    const policy = response.headers.get('content-security-policy');
    expect(policy).toBe(contentSecurityPolicy(['https://models.example']));
    await response.text();
  });

  test('the policy allows no eval, no inline script, no foreign script', () => {
    expect(contentSecurityPolicy(['https://a.example']).split('; ')).toEqual([
      "default-src 'none'",
      "script-src 'self' 'wasm-unsafe-eval'",
      "worker-src 'self'",
      "connect-src 'self' https://a.example",
      "img-src 'self' data:",
      "style-src 'self'",
      "font-src 'self'",
      "manifest-src 'self'",
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'self'",
      "require-trusted-types-for 'script'",
      'trusted-types whorl lit-html dompurify',
    ]);
  });

  test.each([
    ['bytes=0-3', 206, '0123', 'bytes 0-3/10'],
    ['bytes=4-', 206, '456789', 'bytes 4-9/10'],
    ['bytes=-3', 206, '789', 'bytes 7-9/10'],
    ['bytes=-99', 206, '0123456789', 'bytes 0-9/10'],
    ['bytes=8-99', 206, '89', 'bytes 8-9/10'],
    ['bytes=9-9', 206, '9', 'bytes 9-9/10'],
    ['bytes=10-', 416, null, 'bytes */10'],
    ['bytes=-0', 416, null, 'bytes */10'],
    ['bytes=5-2', 200, '0123456789', null],
    ['bytes=0-1,3-4', 200, '0123456789', null],
    ['bytes=-', 200, '0123456789', null],
    ['bytes=a-b', 200, '0123456789', null],
    ['lines=0-1', 200, '0123456789', null],
  ])('range %s is %i', async (range, status, body, contentRange) => {
    const { server } = await start('never', {}, await siteFolder());
    const response = await fetch(`${server.url}/models/m/weights.bin`, { headers: { range } });
    expect(response.status).toBe(status);
    expect(response.headers.get('content-range')).toBe(contentRange);
    const text = await response.text();
    if (body !== null) expect(text).toBe(body);
  });

  test('a resumed download gets the whole file when it has changed', async () => {
    const { server } = await start('never', {}, await siteFolder());
    const url = `${server.url}/models/m/weights.bin`;
    const etag = (await fetch(url)).headers.get('etag') ?? '';
    const resume = (tag: string) =>
      fetch(url, { headers: { range: 'bytes=5-', 'if-range': tag } }).then((it) => it.text());
    expect(await resume(etag)).toBe('56789');
    expect(await resume('"other"')).toBe('0123456789');
  });

  test('an unchanged file is 304, by tag and by date', async () => {
    const { server } = await start('never', {}, await siteFolder());
    const first = await fetch(server.url);
    const etag = first.headers.get('etag') ?? '';
    const modified = first.headers.get('last-modified') ?? '';
    const status = async (headers: Record<string, string>) =>
      (await fetch(server.url, { headers })).status;
    expect(await status({ 'if-none-match': `"x", W/${etag}` })).toBe(304);
    expect(await status({ 'if-none-match': '"x"', 'if-modified-since': modified })).toBe(200);
    expect(await status({ 'if-modified-since': modified })).toBe(304);
  });

  test('HEAD and empty files have no body', async () => {
    const { server } = await start('never', {}, await siteFolder());
    const head = await fetch(`${server.url}/models/m/weights.bin`, { method: 'HEAD' });
    expect(head.headers.get('content-length')).toBe('10');
    expect(await head.text()).toBe('');
    const empty = await fetch(`${server.url}/models/m/empty.bin`);
    expect(empty.status).toBe(200);
    expect(await empty.text()).toBe('');
  });

  test.each([
    '/../outside.txt',
    '/..%2foutside.txt',
    '/%2e%2e/outside.txt',
    '/%2e%2e%2foutside.txt',
    '/..%5coutside.txt',
    '/..\\outside.txt',
    '/assets/../../outside.txt',
    '/assets/..%2f..%2foutside.txt',
    '/%252e%252e/outside.txt',
    '//outside.txt',
    '//etc/passwd',
    '/./index.html',
    '/.state/budget.json',
    '/%2estate/budget.json',
    '/link.txt',
    '/index.html%00.txt',
    '/index.html%',
    '/assets',
    '/assets/',
    '/models/m/weights.bin/',
    '/index.html/x',
    '/C:/x',
    `/${'a'.repeat(3_000)}`,
    '/nothing.js',
  ])('%s is 404', async (target) => {
    const { server } = await start('never', {}, await siteFolder());
    const answer = await raw(
      server,
      `GET ${target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 404/);
    expect(answer).not.toContain('secret');
    expect(answer).toMatch(/content-security-policy: default-src 'none'/i);
  });

  test('takes no other method', async () => {
    const { server } = await start('never', {}, await siteFolder());
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      expect((await fetch(server.url, { method })).status).toBe(404);
    }
  });
});

/** A loaded machine takes seconds to start a process. */
const START_MS = 20_000;

describe('the program', { timeout: 90_000 }, () => {
  interface Run {
    readonly child: ChildProcess;
    readonly output: () => string;
    readonly ended: Promise<number | null>;
  }

  function run(args: readonly string[], env: Record<string, string>, cwd: string): Run {
    const child = spawn(
      process.execPath,
      ['--import', import.meta.resolve('tsx'), join(ROOT, 'proxy/node.ts'), ...args],
      { cwd, env: { PATH: process.env.PATH ?? '', ...env } },
    );
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk) => {
        output += chunk;
      });
    }
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    onEnd(async () => {
      child.kill('SIGKILL');
      await ended;
    });
    return { child, output: () => output, ended };
  }

  async function printedUrl(program: Run): Promise<string> {
    let url: string | undefined;
    await until(() => {
      url = program
        .output()
        .split('\n')
        .find((line) => /^http:\/\/localhost:\d+$/.test(line));
      return url !== undefined;
    }, START_MS);
    return url ?? '';
  }

  test('prints its URL on a line, serves both, keeps the budget, ends on a signal', async () => {
    const upstream = await standIn({ text: 'hello', usage: { input: 100, output: 50 } });
    const site = await siteFolder();
    const env = {
      ANTHROPIC_API_KEY: upstream.key,
      ANTHROPIC_BASE_URL: upstream.url,
      WHORL_PROXY_LOG: '1',
      WHORL_PROXY_DAILY_TOKENS: '280',
    };
    const first = run(['--port', '0', '--site', site], env, site);
    const url = await printedUrl(first);
    expect(await (await fetch(url)).text()).toContain('<title>Whorl</title>');
    const ask = (base: string) =>
      fetch(`${base}/v1/messages`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', origin: base },
        body: JSON.stringify({ ...ASK, max_tokens: 60 }),
      });
    expect((await ask(url)).status).toBe(200);
    first.child.kill('SIGTERM');
    expect(await first.ended).toBe(0);

    const second = run(['--port', '0', '--no-site'], env, site);
    const response = await ask(await printedUrl(second));
    expect(response.status).toBe(429);
    expect(await response.json()).toMatchObject({ error: { code: 'budget_exhausted' } });
    second.child.kill('SIGINT');
    expect(await second.ended).toBe(0);
    for (const output of [first.output(), second.output()]) {
      expect(output).not.toContain(upstream.key);
      expect(output).toContain('"requestId"');
    }
  });

  test('says what is missing', async () => {
    const site = await siteFolder();
    const noSite = run(['--port', '0', '--site', join(site, 'assets')], {}, site);
    expect(await noSite.ended).toBe(1);
    expect(noSite.output()).toContain('npm run build');
    const typo = run(['--no-site'], { WHORL_PROXY_TOKNE: 'x' }, site);
    expect(await typo.ended).toBe(2);
    expect(typo.output()).toContain('WHORL_PROXY_TOKNE');
    const noKey = run(['--port', '0', '--no-site'], {}, site);
    await printedUrl(noKey);
    await until(() => noKey.output().includes('ANTHROPIC_API_KEY is not set'), START_MS);
  });
});
