/**
 * What the proxy answers when it cannot answer: the error shape of the Messages API with our code.
 *
 * ```json
 * {"type":"error","error":{"type":"rate_limit_error","message":"...","code":"budget_exhausted",
 *  "details":{"error_code":"budget_exhausted"}},"request_id":"..."}
 * ```
 *
 * `details.error_code` is where the official SDK looks; `code` is where the page looks.
 */

/** `ErrorType` of API version 2026-10-21, as far as it concerns messages. */
export type ApiErrorType =
  | 'invalid_request_error'
  | 'authentication_error'
  | 'billing_error'
  | 'permission_error'
  | 'not_found_error'
  | 'rate_limit_error'
  | 'timeout_error'
  | 'api_error'
  | 'overloaded_error';

/**
 * What can go wrong. The page knows these codes too; the proxy stands alone and shares no source
 * with it.
 */
export type ProxyErrorCode =
  // answers to requests
  | 'no_key'
  | 'unauthorized'
  | 'forbidden'
  | 'invalid_request'
  | 'too_large'
  | 'rate_limited'
  | 'budget_exhausted'
  | 'overloaded'
  | 'upstream_failed'
  | 'stream_incomplete'
  | 'stream_timeout'
  | 'storage_unavailable'
  | 'closed'
  | 'aborted'
  | 'internal'
  // thrown to the host at the start
  | 'invalid_option'
  | 'asset_missing'
  | 'network';

interface Kind {
  readonly status: number;
  readonly type: ApiErrorType;
  readonly retryable: boolean;
}

/** How each code looks over HTTP unless an error says otherwise. */
const KINDS: { readonly [C in ProxyErrorCode]?: Kind } = {
  no_key: { status: 503, type: 'api_error', retryable: false },
  unauthorized: { status: 401, type: 'authentication_error', retryable: false },
  forbidden: { status: 403, type: 'permission_error', retryable: false },
  invalid_request: { status: 400, type: 'invalid_request_error', retryable: false },
  too_large: { status: 413, type: 'invalid_request_error', retryable: false },
  rate_limited: { status: 429, type: 'rate_limit_error', retryable: true },
  budget_exhausted: { status: 429, type: 'rate_limit_error', retryable: false },
  overloaded: { status: 529, type: 'overloaded_error', retryable: true },
  upstream_failed: { status: 502, type: 'api_error', retryable: true },
  stream_incomplete: { status: 502, type: 'api_error', retryable: true },
  stream_timeout: { status: 504, type: 'timeout_error', retryable: true },
  storage_unavailable: { status: 503, type: 'api_error', retryable: false },
  closed: { status: 503, type: 'api_error', retryable: true },
  // 499 is nginx's "client closed request"; nobody reads it.
  aborted: { status: 499, type: 'api_error', retryable: false },
};

const UNKNOWN: Kind = { status: 500, type: 'api_error', retryable: false };

export interface ProxyErrorOptions {
  readonly status?: number;
  readonly type?: ApiErrorType;
  readonly retryable?: boolean;
  readonly retryAfterMs?: number;
  /** `error_code` that the upstream gave; it stays beside our code. */
  readonly upstreamCode?: string;
  readonly cause?: unknown;
}

/** The error of the proxy: a code for programs, words for people, and how it looks over HTTP. */
export class ProxyError extends Error {
  override readonly name = 'ProxyError' as const;
  readonly code: ProxyErrorCode;
  /** Whether the same request may succeed when made again without a change. */
  readonly retryable: boolean;
  /** Milliseconds to wait before that, or null where nobody said. */
  readonly retryAfterMs: number | null;
  readonly status: number;
  readonly type: ApiErrorType;
  readonly upstreamCode: string | null;

  constructor(code: ProxyErrorCode, message: string, options: ProxyErrorOptions = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    const kind = KINDS[code] ?? UNKNOWN;
    this.code = code;
    this.retryable = options.retryable ?? kind.retryable;
    this.retryAfterMs = options.retryAfterMs ?? null;
    this.status = options.status ?? kind.status;
    this.type = options.type ?? kind.type;
    this.upstreamCode = options.upstreamCode ?? null;
  }
}

/** Any thrown value as an {@link ProxyError}; what is not ours says nothing of its inside. */
export function asProxyError(error: unknown): ProxyError {
  if (error instanceof ProxyError) return error;
  const message = 'The proxy failed. Nothing was sent on; the same request may be made again.';
  return new ProxyError('internal', message, { cause: error });
}

/** The JSON of an error, for a body or for an `error` event. */
export function errorBody(error: ProxyError, requestId: string): object {
  const { type, message, code } = error;
  return {
    type: 'error',
    error: { type, message, code, details: { error_code: error.upstreamCode ?? code } },
    request_id: requestId,
  };
}

/** Headers that say when and whether to try again, as the official SDK reads them. */
export function retryHeaders(error: ProxyError): Record<string, string> {
  const headers: Record<string, string> = { 'x-should-retry': String(error.retryable) };
  if (error.retryAfterMs !== null) {
    headers['retry-after'] = String(Math.ceil(error.retryAfterMs / 1000));
    headers['retry-after-ms'] = String(Math.ceil(error.retryAfterMs));
  }
  return headers;
}
