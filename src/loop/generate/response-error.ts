/**
 * Error answers to typed errors: the shape of the Messages API (`{type: 'error', error: {type, message,
 * code?}}`), from Claude or from the proxy, which adds a code.
 */
import * as v from 'valibot';
import { type ErrorCode, WhorlError } from '../../shared/errors.ts';

/** Bytes of an error answer that are read; the rest is not of interest. */
const MAX_ERROR_BYTES = 16_384;
const MAX_MESSAGE = 300;

const ErrorShape = v.object({
  error: v.object({
    type: v.string(),
    message: v.string(),
    code: v.optional(v.nullable(v.string())),
  }),
});
type ApiError = v.InferOutput<typeof ErrorShape>['error'];

/** Codes of the proxy that say more than type and status. */
const PROXY_CODES: ReadonlySet<string> = new Set<ErrorCode>([
  'no_key',
  'unauthorized',
  'forbidden',
  'invalid_request',
  'too_large',
  'rate_limited',
  'budget_exhausted',
  'overloaded',
  'upstream_failed',
  'stream_incomplete',
  'stream_timeout',
]);

const BY_TYPE: { readonly [type: string]: ErrorCode } = {
  invalid_request_error: 'invalid_request',
  authentication_error: 'unauthorized',
  billing_error: 'budget_exhausted',
  permission_error: 'forbidden',
  not_found_error: 'invalid_request',
  request_too_large: 'too_large',
  rate_limit_error: 'rate_limited',
  timeout_error: 'stream_timeout',
  api_error: 'upstream_failed',
  overloaded_error: 'overloaded',
};

const BY_STATUS: { readonly [status: number]: ErrorCode } = {
  400: 'invalid_request',
  401: 'unauthorized',
  402: 'budget_exhausted',
  403: 'forbidden',
  404: 'invalid_request',
  408: 'stream_timeout',
  413: 'too_large',
  429: 'rate_limited',
  529: 'overloaded',
};

/** A 429 whose cause is money does not pass by waiting. */
const SPENT = /spend|spending|billing|credit balance|usage limit|budget|quota/i;

const RETRYABLE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'network',
  'rate_limited',
  'overloaded',
  'upstream_failed',
  'stream_incomplete',
  'stream_timeout',
]);

/** The error of an answer whose status is not 2xx. Reads at most 16 KiB of it. */
export async function errorOfResponse(response: Response, url: string): Promise<WhorlError> {
  const api = parseShape(await readSome(response));
  if (api === null) return errorOfForeign(response, url);
  const code = codeOf(api, response.status);
  const retryAfterMs = retryAfter(response.headers);
  const may = response.headers.get('x-should-retry');
  return new WhorlError(code, describe(code, api, response.status), {
    retryable: may !== 'false' && RETRYABLE.has(code) && response.status !== 501,
    ...(retryAfterMs === null ? {} : { retryAfterMs }),
  });
}

/** The error of an `error` event inside a stream. */
export function errorOfEvent(data: unknown): WhorlError {
  const parsed = v.safeParse(ErrorShape, data);
  if (!parsed.success)
    return new WhorlError('upstream_failed', 'The stream reported an error of unknown shape.');
  const code = codeOf(parsed.output.error, null);
  return new WhorlError(code, describe(code, parsed.output.error, null), {
    retryable: RETRYABLE.has(code),
  });
}

/** Not our proxy: a static host answers 404 or 405, a captive portal or a gateway anything. */
function errorOfForeign(response: Response, url: string): WhorlError {
  const { status } = response;
  if (status === 404 || status === 405 || status === 501) {
    return new WhorlError(
      'unsupported',
      `There is no generation proxy at ${url} (HTTP ${status}). Start one, or use the offline generator.`,
    );
  }
  const code = BY_STATUS[status] ?? 'upstream_failed';
  const retryAfterMs = retryAfter(response.headers);
  return new WhorlError(code, `${url} answered HTTP ${status} without saying why.`, {
    retryable: RETRYABLE.has(code),
    ...(retryAfterMs === null ? {} : { retryAfterMs }),
  });
}

function codeOf(api: ApiError, status: number | null): ErrorCode {
  if (api.code && PROXY_CODES.has(api.code)) return api.code as ErrorCode;
  const code = BY_TYPE[api.type] ?? (status === null ? undefined : BY_STATUS[status]);
  // The API has no error type of its own for a request that is too large.
  if (status === 413) return 'too_large';
  if (code === 'rate_limited' && SPENT.test(api.message)) return 'budget_exhausted';
  return code ?? 'upstream_failed';
}

const ADVICE: Partial<Record<ErrorCode, string>> = {
  no_key:
    'The proxy has no API key. Nothing was sent to Claude. Set ANTHROPIC_API_KEY there, or use the offline generator.',
  unauthorized: 'The proxy or Claude did not accept the credentials. Nothing was stored.',
  forbidden: 'The proxy or Claude refused this origin or model. Nothing was stored.',
  rate_limited: 'Too many requests for now. Nothing was stored; try again later.',
  budget_exhausted:
    'The token budget is spent. Nothing was stored; waiting a moment does not help.',
  overloaded: 'Claude is overloaded. Nothing was stored; try again.',
  too_large: 'The request was too large. Nothing was stored; send fewer or shorter sources.',
};

function describe(code: ErrorCode, api: ApiError, status: number | null): string {
  const detail = `${api.type}${status === null ? '' : `, HTTP ${status}`}: ${api.message.slice(0, MAX_MESSAGE)}`;
  const advice = ADVICE[code] ?? 'The generation failed. Nothing was stored.';
  return `${advice} (${detail})`;
}

/** Milliseconds from `retry-after-ms` or `retry-after` (seconds or a date); null where neither says. */
function retryAfter(headers: Headers): number | null {
  const ms = Number.parseFloat(headers.get('retry-after-ms') ?? '');
  if (Number.isFinite(ms) && ms >= 0) return ms;
  const said = headers.get('retry-after');
  if (said === null) return null;
  const seconds = Number(said);
  if (Number.isFinite(seconds)) return seconds >= 0 ? seconds * 1000 : null;
  const date = Date.parse(said);
  return Number.isNaN(date) ? null : Math.max(0, date - Date.now());
}

function parseShape(text: string): ApiError | null {
  try {
    const parsed = v.safeParse(ErrorShape, JSON.parse(text));
    return parsed.success ? parsed.output.error : null;
  } catch {
    return null;
  }
}

async function readSome(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  if (!reader) return '';
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  try {
    while (bytes < MAX_ERROR_BYTES) {
      const { done, value } = await reader.read();
      if (done) break;
      bytes += value.byteLength;
      text += decoder.decode(value, { stream: true });
    }
  } catch {
    // An error answer that is cut is still an error answer; its status says the rest.
  }
  reader.cancel().catch(() => {});
  return text;
}
