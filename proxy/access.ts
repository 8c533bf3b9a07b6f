/**
 * Who may call: pages of allowed origins, and programs that hold the token.
 *
 * A browser sends `Origin` with every POST and no page can forge it, so it tells which site spends
 * the key. Other programs can write any `Origin`: rate limit, concurrency and budget bound them.
 */

import { SELF } from './options.ts';
import { ProxyError } from './proxy-error.ts';

/** Response headers that a page of another origin may read. */
const EXPOSED = [
  'request-id',
  'retry-after',
  'retry-after-ms',
  'whorl-dropped',
  'whorl-model',
  'whorl-model-alias',
  'x-request-id',
  'x-should-retry',
].join(', ');

/**
 * Request headers that a page of another origin may send. `authorization` and `x-api-key` are
 * there because client libraries always send one; from a page its value is ignored.
 */
const REQUEST_HEADERS = 'accept, anthropic-version, authorization, content-type, x-api-key';

const PREFLIGHT_SECONDS = 600;

export interface AccessOptions {
  /** Exact origins, and perhaps the word `self`. */
  readonly origins: readonly string[];
  readonly token?: string | undefined;
}

export class Access {
  readonly #origins: ReadonlySet<string>;
  readonly #token: string | undefined;

  constructor({ origins, token }: AccessOptions) {
    this.#origins = new Set(origins);
    this.#token = token;
  }

  /** The origin of the page that calls, or null for a program with the token; throws otherwise. */
  async check(request: Request): Promise<string | null> {
    const origin = request.headers.get('origin');
    if (origin !== null) {
      if (this.allows(request, origin)) return origin;
      throw new ProxyError(
        'forbidden',
        'Pages of this origin may not use this proxy. Its operator can add the origin to WHORL_PROXY_ORIGINS.',
      );
    }
    await this.#checkToken(request);
    return null;
  }

  allows(request: Request, origin: string): boolean {
    if (this.#origins.has(origin)) return true;
    return this.#origins.has(SELF) && origin === new URL(request.url).origin;
  }

  async #checkToken(request: Request): Promise<void> {
    if (this.#token === undefined) {
      throw new ProxyError(
        'unauthorized',
        'A request without an Origin needs a token, and this proxy has none. Its operator can set WHORL_PROXY_TOKEN.',
      );
    }
    // The SDK 1.x sends its apiKey as a bearer; older clients and curl send x-api-key.
    const bearer = request.headers.get('authorization')?.replace(/^Bearer /i, '');
    const given = request.headers.get('x-api-key') ?? bearer ?? '';
    if (await sameText(given, this.#token)) return;
    const message =
      'A request without an Origin must carry the value of WHORL_PROXY_TOKEN as x-api-key.';
    throw new ProxyError('unauthorized', message);
  }

  /** The headers that let the page read the answer; for a page that may not, only `Vary`. */
  corsHeaders(request: Request): Record<string, string> {
    const origin = request.headers.get('origin');
    if (origin === null || !this.allows(request, origin)) return { vary: 'Origin' };
    return {
      vary: 'Origin',
      'access-control-allow-origin': origin,
      'access-control-expose-headers': EXPOSED,
    };
  }

  /** The answer to `OPTIONS`; throws `forbidden` like the request itself would. */
  preflight(request: Request): Record<string, string> {
    const origin = request.headers.get('origin');
    if (origin === null || !this.allows(request, origin)) {
      throw new ProxyError('forbidden', 'Pages of this origin may not use this proxy.');
    }
    return {
      'access-control-allow-methods': 'POST',
      'access-control-allow-headers': REQUEST_HEADERS,
      'access-control-max-age': String(PREFLIGHT_SECONDS),
    };
  }
}

/** Compares in a time that depends on neither text: both are hashed first, all bytes are looked at. */
async function sameText(left: string, right: string): Promise<boolean> {
  const [a, b] = await Promise.all([left, right].map(digest));
  let difference = 0;
  for (const [index, byte] of (a ?? new Uint8Array(1)).entries()) {
    difference |= byte ^ (b?.[index] ?? 255);
  }
  return difference === 0;
}

async function digest(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));
}
