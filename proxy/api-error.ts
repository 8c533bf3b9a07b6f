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
import { type ErrorCode, WhorlError } from '../src/shared/errors.ts';

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

interface Kind {
  readonly status: number;
  readonly type: ApiErrorType;
  readonly retryable: boolean;
}

/** How each code looks over HTTP unless an error says otherwise. */
const KINDS: { readonly [C in ErrorCode]?: Kind } = {
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

export interface ApiErrorOptions {
  readonly status?: number;
  readonly type?: ApiErrorType;
  readonly retryable?: boolean;
  readonly retryAfterMs?: number;
  /** `error_code` that the upstream gave; it stays beside our code. */
  readonly upstreamCode?: string;
  readonly cause?: unknown;
}

/** A {@link WhorlError} that knows how it looks over HTTP. */
export class ApiError extends WhorlError {
  readonly status: number;
  readonly type: ApiErrorType;
  readonly upstreamCode: string | null;

  constructor(code: ErrorCode, message: string, options: ApiErrorOptions = {}) {
    const kind = KINDS[code] ?? UNKNOWN;
    super(code, message, {
      retryable: options.retryable ?? kind.retryable,
      ...(options.retryAfterMs === undefined ? {} : { retryAfterMs: options.retryAfterMs }),
      ...(options.cause === undefined ? {} : { cause: options.cause }),
    });
    this.status = options.status ?? kind.status;
    this.type = options.type ?? kind.type;
    this.upstreamCode = options.upstreamCode ?? null;
  }
}

/** Any thrown value as an {@link ApiError}; what is not ours says nothing of its inside. */
export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  const message = 'The proxy failed. Nothing was sent on; the same request may be made again.';
  return new ApiError('internal', message, { cause: error });
}

/** The JSON of an error, for a body or for an `error` event. */
export function errorBody(error: ApiError, requestId: string): object {
  const { type, message, code } = error;
  return {
    type: 'error',
    error: { type, message, code, details: { error_code: error.upstreamCode ?? code } },
    request_id: requestId,
  };
}

/** Headers that say when and whether to try again, as the official SDK reads them. */
export function retryHeaders(error: ApiError): Record<string, string> {
  const headers: Record<string, string> = { 'x-should-retry': String(error.retryable) };
  if (error.retryAfterMs !== undefined) {
    headers['retry-after'] = String(Math.ceil(error.retryAfterMs / 1000));
    headers['retry-after-ms'] = String(Math.ceil(error.retryAfterMs));
  }
  return headers;
}
