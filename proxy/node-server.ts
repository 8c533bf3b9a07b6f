/** Proxy and site on one port of this machine. */
import { randomUUID } from 'node:crypto';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener, type HttpBindings } from '@hono/node-server';
import { siteHandler } from './node-site.ts';
import type { ProxyOptions } from './options.ts';
import { type ClaudeProxy, createProxy } from './proxy.ts';
import { errorBody, ProxyError } from './proxy-error.ts';

export interface ServeOptions {
  /** First port to try; the next ones follow when it is taken. 0 takes any. Default 5173. */
  readonly port?: number;
  /** Default `localhost`: both loopback addresses, so that no other server can stand behind the name. */
  readonly host?: string;
  /** Folder of the built site; null serves the proxy alone. */
  readonly site: string | null;
  /** Origins beside our own that the page may fetch from. */
  readonly connect?: readonly string[];
  /** Front servers whose `X-Forwarded-For` is believed, 0..8. Default 0: the peer is the client. */
  readonly trustedHops?: number;
  /** `origins` are added to the server's own. */
  readonly proxy?: ProxyOptions;
}

export interface RunningServer {
  /** Without a trailing slash: `http://localhost:5173`. */
  readonly url: string;
  readonly port: number;
  /** Stops listening, lets open answers end for `graceMs` (default 0), then stops them. */
  close(options?: { readonly graceMs?: number }): Promise<void>;
}

const PORTS_TRIED = 20;

const SWEEP_MS = 50;

/** Starts everything; rejects with `invalid_option`, `storage_unavailable` or `network`. */
export async function serve(options: ServeOptions): Promise<RunningServer> {
  const { host = 'localhost', connect = [], trustedHops = 0 } = options;
  const site = options.site === null ? null : siteHandler({ directory: options.site, connect });
  // The proxy wants to know its port first; who calls in between waits.
  let start: (listener: RequestListener) => void = () => {};
  const started = new Promise<RequestListener>((resolve) => {
    start = resolve;
  });
  const { servers, port } = await listen(host, options.port ?? 5173, started);
  try {
    const origins = [...ownOrigins(port), ...(options.proxy?.origins ?? [])];
    const proxy = createProxy({ ...options.proxy, origins });
    await proxy.ready();
    start(route(proxy, site, trustedHops));
    const name = host === 'localhost' || isAnyAddress(host) ? 'localhost' : bracketed(host);
    return {
      url: `http://${name}:${port}`,
      port,
      close: ({ graceMs = 0 } = {}) => close(servers, proxy, graceMs),
    };
  } catch (error) {
    await Promise.all(servers.map(shut));
    throw error;
  }
}

/** What a browser on this machine can call us. Not taken from `Host`, which a page can choose by DNS. */
function ownOrigins(port: number): string[] {
  return ['localhost', '127.0.0.1', '[::1]'].map((name) => `http://${name}:${port}`);
}

function isAnyAddress(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

interface Bound {
  readonly servers: Server[];
  readonly port: number;
}

async function listen(
  host: string,
  first: number,
  started: Promise<RequestListener>,
): Promise<Bound> {
  const last = first === 0 ? 0 : Math.min(65_535, first + PORTS_TRIED - 1);
  for (let port = first; port <= last; port += 1) {
    const bound = await bind(host, port, started);
    if (bound !== null) return bound;
  }
  throw new ProxyError(
    'network',
    `The ports ${first} to ${last} of ${host} are all taken. Choose another with --port.`,
  );
}

/** All addresses of the host on one port, or null when one of them is taken. */
async function bind(
  host: string,
  port: number,
  started: Promise<RequestListener>,
): Promise<Bound | null> {
  const addresses = host === 'localhost' ? ['127.0.0.1', '::1'] : [host];
  const servers: Server[] = [];
  let actual = port;
  for (const [index, address] of addresses.entries()) {
    const outcome = await open(address, actual, started);
    if (typeof outcome === 'string') {
      // Machines without IPv6 have no ::1.
      if (index > 0 && (outcome === 'EADDRNOTAVAIL' || outcome === 'EAFNOSUPPORT')) continue;
      await Promise.all(servers.map(shut));
      if (outcome === 'EADDRINUSE') return null;
      throw new ProxyError('network', `Cannot listen on ${address} port ${actual}: ${outcome}.`);
    }
    servers.push(outcome);
    actual = (outcome.address() as AddressInfo).port;
  }
  return { servers, port: actual };
}

/** A listening server, or the code of the error. */
function open(
  address: string,
  port: number,
  started: Promise<RequestListener>,
): Promise<Server | string> {
  const limits = { headersTimeout: 10_000, requestTimeout: 60_000, maxHeaderSize: 16_384 };
  return new Promise((resolve) => {
    const server = createServer(limits, (request, response) => {
      void started.then((listener) => listener(request, response));
    });
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host: address, port, ipv6Only: address === '::1' }, () => resolve(server));
  });
}

/** Decides by the target as it was sent: a URL parser would first turn `\` into `/`. */
function route(
  proxy: ClaudeProxy,
  site: ReturnType<typeof siteHandler> | null,
  trustedHops: number,
): RequestListener {
  const toProxy = getRequestListener(
    (request, env) => {
      const { incoming, outgoing } = env as HttpBindings;
      const address = clientAddress(incoming, trustedHops);
      return proxy.fetch(request, { address, disconnect: () => outgoing.destroy() });
    },
    { overrideGlobalObjects: false },
  );
  return (request, response) => {
    const { url = '', method } = request;
    const own = url === '/v1/messages' || url === '/healthz';
    const file = (method === 'GET' || method === 'HEAD') && !url.startsWith('/v1');
    const handler = own ? toProxy : file && site !== null ? site : notFound;
    Promise.resolve(handler(request, response)).catch((error: unknown) => fail(response, error));
  };
}

function notFound(request: IncomingMessage, response: ServerResponse): void {
  request.resume();
  const message = 'There is nothing at this address. The proxy answers POST /v1/messages.';
  const error = new ProxyError('invalid_request', message, {
    status: 404,
    type: 'not_found_error',
  });
  response.writeHead(404, {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(JSON.stringify(errorBody(error, randomUUID())));
}

function fail(response: ServerResponse, error: unknown): void {
  console.error(error);
  if (response.headersSent) response.destroy();
  else response.writeHead(500, { 'content-type': 'text/plain; charset=utf-8' }).end('Failed\n');
}

/**
 * The client as the outermost trusted front server saw it: each server appends the address of its
 * peer to `X-Forwarded-For`, and what stands left of the trusted ones is the client's own claim.
 */
export function clientAddress(request: IncomingMessage, trustedHops: number): string | undefined {
  const chain = [
    ...String(request.headers['x-forwarded-for'] ?? '').split(','),
    request.socket.remoteAddress ?? '',
  ].map((part) => part.trim());
  return chain.filter((part) => part !== '').at(-1 - trustedHops) ?? request.socket.remoteAddress;
}

async function close(
  servers: readonly Server[],
  proxy: ClaudeProxy,
  graceMs: number,
): Promise<void> {
  const closed = Promise.all(servers.map((server) => ended(server)));
  // A connection that is kept alive becomes idle only after its last answer.
  const sweep = setInterval(() => {
    for (const server of servers) server.closeIdleConnections();
  }, SWEEP_MS);
  if (graceMs > 0) await Promise.race([closed, pause(graceMs)]);
  await proxy.close();
  // The last events of stopped answers leave before their sockets go.
  await Promise.race([closed, pause(2 * SWEEP_MS)]);
  clearInterval(sweep);
  for (const server of servers) server.closeAllConnections();
  await closed;
}

function ended(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}

async function shut(server: Server): Promise<void> {
  const closed = ended(server);
  server.closeAllConnections();
  await closed;
}
