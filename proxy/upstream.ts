/**
 * The call of the Claude API, through the official SDK. What leaves is bounded a second time here:
 * one URL, one method, a list of headers, no redirects, no retries. A retry costs money, so it is
 * the decision of the page, which knows its budget and whether anybody still waits.
 */
import Anthropic, {
  APIConnectionError,
  APIConnectionTimeoutError,
  APIError,
  type ClientOptions,
} from '@anthropic-ai/sdk';
import type { UpstreamBody } from './message-request.ts';
import { API_VERSION } from './options.ts';
import {
  type ApiErrorType,
  ProxyError,
  type ProxyErrorCode,
  type ProxyErrorOptions,
} from './proxy-error.ts';
import type { Redact } from './redact.ts';
import type { Watch } from './watch.ts';

const HEADERS = new Set([
  'accept',
  'anthropic-version',
  'authorization',
  'content-type',
  'user-agent',
]);

const TYPES: ReadonlySet<string> = new Set<ApiErrorType>([
  'invalid_request_error',
  'authentication_error',
  'billing_error',
  'permission_error',
  'not_found_error',
  'rate_limit_error',
  'timeout_error',
  'api_error',
  'overloaded_error',
]);

/** Limits of spending: they look like 429 or 402, and asking again does not help. */
const SPENT = new Set([
  'contract_spend_limit_reached',
  'enforced_spend_limit_reached',
  'linked_organization_spend_limit_reached',
  'linked_organization_billing_unavailable',
]);

const MAX_MESSAGE = 1_000;

export interface UpstreamOptions {
  readonly apiKey: string;
  readonly baseUrl: string;
  readonly fetch: typeof fetch;
  readonly redact: Redact;
}

export class Upstream {
  readonly #client: Anthropic;
  readonly #redact: Redact;

  constructor(options: UpstreamOptions) {
    this.#redact = options.redact;
    const baseURL = options.baseUrl.replace(/\/+$/, '');
    this.#client = new Anthropic({
      apiKey: options.apiKey,
      baseURL,
      maxRetries: 0,
      // Time is kept by Watch; this only has to be longer than its largest bound.
      timeout: 2 ** 31 - 1,
      fetch: guarded(options.fetch, `${baseURL}/v1/messages`),
      // Logs and traces of the SDK may carry headers and content.
      logLevel: 'off',
      openTelemetry: false,
      defaultHeaders: { 'anthropic-version': API_VERSION },
    });
  }

  /** Resolves with the answer's head once it is 200; rejects with an {@link ProxyError} otherwise. */
  async open(body: UpstreamBody, watch: Watch): Promise<Response> {
    const params = body as Anthropic.MessageCreateParams;
    try {
      return await this.#client.messages.create(params, { signal: watch.signal }).asResponse();
    } catch (error) {
      throw watch.error() ?? this.#map(error);
    }
  }

  #map(error: unknown): ProxyError {
    if (error instanceof APIConnectionTimeoutError || error instanceof APIConnectionError) {
      return unreachable(error);
    }
    if (error instanceof APIError && typeof error.status === 'number') return this.#refused(error);
    return unreachable(error);
  }

  #refused(error: APIError): ProxyError {
    const status = error.status ?? 502;
    const { code, message, ...more } = kindOf(status, error.errorCode);
    const said = error.apiMessage === null ? null : this.#redact(error.apiMessage);
    const retryAfterMs = retryAfter(error.headers);
    return new ProxyError(code, message(said?.slice(0, MAX_MESSAGE) ?? null), {
      status,
      ...(error.type !== null && TYPES.has(error.type) ? { type: error.type as ApiErrorType } : {}),
      ...(error.errorCode === null ? {} : { upstreamCode: this.#redact(error.errorCode) }),
      ...(retryAfterMs === null ? {} : { retryAfterMs }),
      ...more,
    });
  }
}

/** A fetch that can reach one URL with a few headers, whatever the SDK was told by the environment. */
function guarded(inner: typeof fetch, url: string): NonNullable<ClientOptions['fetch']> {
  return async (input, init) => {
    const target = typeof input === 'string' || input instanceof URL ? String(input) : input.url;
    if (target !== url || init?.method?.toUpperCase() !== 'POST') {
      throw new ProxyError(
        'internal',
        'The SDK asked for another address than the messages of the API.',
      );
    }
    const headers = new Headers();
    for (const [name, value] of new Headers(init.headers)) {
      if (HEADERS.has(name)) headers.set(name, value);
    }
    // A redirect would carry the key to another host.
    return inner(target, { ...init, headers, redirect: 'manual' });
  };
}

interface Mapped extends ProxyErrorOptions {
  readonly code: ProxyErrorCode;
  readonly message: (said: string | null) => string;
}

const asSaid =
  (fallback: string) =>
  (said: string | null): string =>
    said ?? fallback;

function kindOf(status: number, errorCode: string | null): Mapped {
  if (status === 402 || (errorCode !== null && SPENT.has(errorCode))) {
    const message = asSaid(
      'The account of this proxy has reached a spend limit at the Claude API.',
    );
    return { code: 'budget_exhausted', message, retryable: false };
  }
  return BY_STATUS[status] ?? strange(status);
}

const BY_STATUS: { readonly [status: number]: Mapped } = {
  400: { code: 'invalid_request', message: asSaid('The Claude API refused the request.') },
  401: {
    code: 'unauthorized',
    message: () =>
      "The Claude API refused the proxy's own key. Its operator must set a valid ANTHROPIC_API_KEY.",
  },
  403: { code: 'forbidden', message: asSaid("The Claude API forbids this to the proxy's key.") },
  404: { code: 'invalid_request', message: asSaid('The Claude API does not know this model.') },
  408: { code: 'stream_timeout', message: asSaid('The Claude API timed out.') },
  409: { code: 'upstream_failed', message: asSaid('The Claude API reported a conflict.') },
  413: { code: 'too_large', message: asSaid('The request is too large for the Claude API.') },
  422: { code: 'invalid_request', message: asSaid('The Claude API refused the request.') },
  429: { code: 'rate_limited', message: asSaid('The Claude API limits the rate of this proxy.') },
  500: { code: 'upstream_failed', message: asSaid('The Claude API failed.') },
  502: { code: 'upstream_failed', message: asSaid('The Claude API failed.') },
  503: { code: 'overloaded', message: asSaid('The Claude API is not available just now.') },
  504: { code: 'stream_timeout', message: asSaid('The Claude API timed out.') },
  529: { code: 'overloaded', message: asSaid('The Claude API is overloaded.') },
};

/** Statuses that the API does not document: another server stands between, or a redirect came. */
function strange(status: number): Mapped {
  const message = () => `The Claude API answered with the unexpected status ${status}.`;
  return { code: 'upstream_failed', message, status: 502, type: 'api_error' };
}

function unreachable(cause: unknown): ProxyError {
  const message =
    'The Claude API could not be reached. Nothing was answered; the request may be made again.';
  return new ProxyError('upstream_failed', message, { cause });
}

/** Longest wait that is passed on; a day covers every documented limit. */
const MAX_RETRY_AFTER_MS = 86_400_000;

/** The wait that the upstream asked for, in milliseconds, or null. */
export function retryAfter(headers: Headers | undefined, now = Date.now()): number | null {
  const ms = Number.parseFloat(headers?.get('retry-after-ms') ?? '');
  if (ms >= 0) return Math.min(ms, MAX_RETRY_AFTER_MS);
  const value = headers?.get('retry-after') ?? '';
  const seconds = /^\d+(\.\d+)?$/.test(value) ? Number(value) : (Date.parse(value) - now) / 1000;
  return seconds >= 0 ? Math.min(seconds * 1000, MAX_RETRY_AFTER_MS) : null;
}
