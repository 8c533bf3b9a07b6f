/**
 * What can go wrong, as a closed vocabulary. One class with a code survives structured clone and
 * realms; a class per kind does not.
 */
export type ErrorCode =
  // calls and lifetimes
  | 'aborted'
  | 'deadline'
  | 'closed'
  | 'invalid_option'
  | 'unsupported'
  | 'internal'
  // workers
  | 'worker_start_failed'
  | 'worker_lost'
  // assets and encoders
  | 'network'
  | 'asset_missing'
  | 'asset_corrupt'
  | 'asset_incomplete'
  | 'embedder_unavailable'
  | 'backend_failed'
  | 'backend_wrong'
  | 'out_of_memory'
  // storage
  | 'not_leader'
  | 'storage_unavailable'
  | 'storage_full'
  | 'storage_lost'
  | 'storage_too_new'
  | 'storage_blocked'
  | 'fingerprint_mismatch'
  | 'archive_invalid'
  | 'outcome_unknown'
  // Milvus: `milvusCode` carries the number
  | 'milvus'
  // generation
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
  | 'stream_timeout';

/** Options of {@link WhorlError}. */
export interface WhorlErrorOptions {
  readonly cause?: unknown;
  /** Whether the same call may succeed when made again without a change. Default false. */
  readonly retryable?: boolean;
  /** The Milvus error code; present exactly when `code` is `milvus`. */
  readonly milvusCode?: number;
  /** How long to wait before a retry, in milliseconds, where the other side said so. */
  readonly retryAfterMs?: number;
}

const BRAND = Symbol.for('whorl.error');

/**
 * The one error that Whorl throws. `message` says what happened, what was kept and what to do;
 * `code` is for programs.
 */
export class WhorlError extends Error {
  override readonly name = 'WhorlError' as const;
  readonly [BRAND] = true;
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly milvusCode?: number;
  readonly retryAfterMs?: number;

  constructor(code: ErrorCode, message: string, options: WhorlErrorOptions = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? false;
    if (options.milvusCode !== undefined) this.milvusCode = options.milvusCode;
    if (options.retryAfterMs !== undefined) this.retryAfterMs = options.retryAfterMs;
  }
}

/** True for a {@link WhorlError} of any realm or bundle copy, where `instanceof` fails. */
export function isWhorlError(value: unknown): value is WhorlError {
  return typeof value === 'object' && value !== null && BRAND in value;
}

/** A {@link WhorlError} with a Milvus code and the message form of Milvus. */
export function milvusError(milvusCode: number, message: string, cause?: unknown): WhorlError {
  return new WhorlError('milvus', message, { milvusCode, cause });
}

/** The rejection of an aborted call; keeps the signal's reason as cause. */
export function abortedError(signal?: AbortSignal): WhorlError {
  const message =
    'The call was cancelled and does nothing more. A change that was being written at that moment is kept whole or not at all.';
  return new WhorlError('aborted', message, { cause: signal?.reason });
}

/** Throws {@link abortedError} when the signal is aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortedError(signal);
}

/** An error as it crosses a thread border. */
export interface WireError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly retryable: boolean;
  readonly milvusCode?: number;
  readonly retryAfterMs?: number;
  readonly cause?: WireError;
  readonly stack?: string;
}

const MAX_CAUSES = 8;

/** Any thrown value as a plain object; causes are followed to a depth of 8. */
export function toWire(error: unknown, depth = 0): WireError {
  const own = asWhorlError(error);
  const cause = depth < MAX_CAUSES && own.cause != null ? toWire(own.cause, depth + 1) : undefined;
  return {
    code: own.code,
    message: own.message,
    retryable: own.retryable,
    ...(own.milvusCode === undefined ? {} : { milvusCode: own.milvusCode }),
    ...(own.retryAfterMs === undefined ? {} : { retryAfterMs: own.retryAfterMs }),
    ...(cause === undefined ? {} : { cause }),
    ...(own.stack === undefined ? {} : { stack: own.stack }),
  };
}

/** The inverse of {@link toWire}. */
export function fromWire(wire: WireError): WhorlError {
  const error = new WhorlError(wire.code, wire.message, {
    retryable: wire.retryable,
    ...(wire.milvusCode === undefined ? {} : { milvusCode: wire.milvusCode }),
    ...(wire.retryAfterMs === undefined ? {} : { retryAfterMs: wire.retryAfterMs }),
    ...(wire.cause === undefined ? {} : { cause: fromWire(wire.cause) }),
  });
  if (wire.stack !== undefined) error.stack = wire.stack;
  return error;
}

/** Any thrown value as a {@link WhorlError}; abort and memory exhaustion keep their meaning. */
export function asWhorlError(error: unknown): WhorlError {
  if (isWhorlError(error)) return error;
  if (!(error instanceof Error) && !isDomException(error)) {
    return new WhorlError('internal', String(error));
  }
  const { name, message } = error as Error;
  if (name === 'AbortError') return new WhorlError('aborted', message, { cause: error });
  if (name === 'RangeError' && /memory|allocation|array length/i.test(message)) {
    return new WhorlError('out_of_memory', message);
  }
  const known = new WhorlError('internal', `${name}: ${message}`);
  if ((error as Error).stack !== undefined) known.stack = (error as Error).stack as string;
  return known;
}

function isDomException(value: unknown): boolean {
  return typeof DOMException !== 'undefined' && value instanceof DOMException;
}
