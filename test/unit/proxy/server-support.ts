/** A running server before a stand-in, and a small site for it. */
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Anthropic from '@anthropic-ai/sdk';
import type { LogEntry, ProxyOptions } from '../../../proxy/index.ts';
import { type RunningServer, serve } from '../../../proxy/node-server.ts';
import type { MessagesServer, Script } from '../../fakes/messages-server.ts';
import { onEnd, standIn, TOKEN } from './support.ts';

export interface Started {
  readonly server: RunningServer;
  readonly upstream: MessagesServer;
  readonly log: LogEntry[];
  readonly sdk: Anthropic;
}

export async function start(
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

export function post(server: RunningServer, body: unknown, init: RequestInit = {}) {
  return fetch(`${server.url}/v1/messages`, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json', origin: server.url },
    ...init,
  });
}

/** The raw answer to raw bytes: `fetch` would tidy the path first. */
export function raw(server: RunningServer, text: string): Promise<string> {
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

export async function siteFolder(): Promise<string> {
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
