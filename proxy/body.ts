/** Reading of bodies that may be too large, too slow, or never end. */
import { ProxyError } from './proxy-error.ts';

export interface ReadOptions {
  readonly maxBytes: number;
  readonly maxMs: number;
  readonly signal: AbortSignal;
}

/** The whole body of a request; rejects with `too_large`, `stream_timeout` (408) or `aborted`. */
export async function readBody(request: Request, options: ReadOptions): Promise<Uint8Array> {
  const { maxBytes, maxMs, signal } = options;
  checkHeaders(request, maxBytes);
  if (request.body === null) throw new ProxyError('invalid_request', 'The request has no body.');
  const reader = request.body.getReader();
  let stop: (error: ProxyError) => void = () => {};
  const stopped = new Promise<never>((_, reject) => {
    stop = reject;
  });
  const late = new ProxyError(
    'stream_timeout',
    `The request body did not arrive in ${maxMs} ms. Nothing was sent.`,
    { status: 408 },
  );
  const timer = setTimeout(() => stop(late), maxMs);
  const left = () =>
    stop(new ProxyError('aborted', 'The client left before its request was read.'));
  signal.addEventListener('abort', left, { once: true });
  try {
    return await Promise.race([collect(reader, maxBytes), stopped]);
  } catch (error) {
    reader.cancel().catch(() => {});
    if (error instanceof ProxyError) throw error;
    throw new ProxyError('aborted', 'The request body was cut.', { cause: error });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', left);
  }
}

function checkHeaders(request: Request, maxBytes: number): void {
  const type = request.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/json') {
    const message = 'The content-type of a request must be application/json.';
    throw new ProxyError('invalid_request', message, { status: 415 });
  }
  if ((request.headers.get('content-encoding') ?? 'identity') !== 'identity') {
    const message = 'A request must not be compressed: remove content-encoding.';
    throw new ProxyError('invalid_request', message, { status: 415 });
  }
  // May be absent or wrong; what is counted below decides.
  if (Number(request.headers.get('content-length') ?? 0) > maxBytes) throw tooLarge(maxBytes);
}

async function collect(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  maxBytes: number,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > maxBytes) throw tooLarge(maxBytes);
    chunks.push(value);
  }
  const whole = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

function tooLarge(maxBytes: number): ProxyError {
  const message = `The request body is larger than ${maxBytes} bytes, the cap of this proxy. Nothing was sent.`;
  return new ProxyError('too_large', message);
}

/** The same bytes, failing with `too_large` once there are more than `maxBytes`. */
export function capped(
  body: ReadableStream<Uint8Array>,
  maxBytes: number,
): ReadableStream<Uint8Array> {
  let size = 0;
  return body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        size += chunk.length;
        if (size <= maxBytes) controller.enqueue(chunk);
        else controller.error(tooLong());
      },
    }),
  );
}

/** An answer that is larger than the proxy passes on. */
export function tooLong(): ProxyError {
  const message = 'The answer grew larger than this proxy passes on and was cut; it is a draft.';
  return new ProxyError('too_large', message, { status: 502 });
}
