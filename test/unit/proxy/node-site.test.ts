import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { contentSecurityPolicy } from '../../../proxy/site-headers.ts';
import { raw, siteFolder, start } from './server-support.ts';

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

  test('the page states the same policy, but for what a page cannot state', async () => {
    const page = await readFile(new URL('../../../index.html', import.meta.url), 'utf8');
    const stated = /http-equiv="Content-Security-Policy"\s+content="([^"]*)"/.exec(page)?.[1];
    const connect = "'self' https://models.example";
    expect(stated?.replace('%WHORL_CONNECT_SRC%', connect).split('; ')).toEqual(
      contentSecurityPolicy(['https://models.example'])
        .split('; ')
        .filter((directive) => !directive.startsWith('frame-ancestors')),
    );
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
