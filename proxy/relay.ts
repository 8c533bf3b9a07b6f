/**
 * The stream from the Claude API to the page, event by event. It is pulled by the page: a slow page
 * slows the upstream, and a page that stops reading is let go. Whatever ends the stream before
 * `message_stop` is said in a last `error` event, because a body that just ends looks like success.
 */
import { Stream } from '@anthropic-ai/sdk/core/streaming';
import { capped, tooLong } from './body.ts';
import { errorBody, ProxyError } from './proxy-error.ts';
import type { Redact } from './redact.ts';
import type { UsageMeter } from './usage.ts';
import type { StopReason, Watch } from './watch.ts';

export interface RelayOptions {
  readonly watch: Watch;
  readonly meter: UsageMeter;
  readonly redact: Redact;
  readonly requestId: string;
  readonly disconnect: (() => void) | undefined;
  readonly maxBytes: number;
  readonly idleMs: number;
  readonly firstByteMs: number;
  /** Called once, when nothing more will be read or written; null when `message_stop` was passed on. */
  readonly onEnd: (error: ProxyError | null) => void;
}

/** More than any event of the API is long: what a line without an end may take in memory. */
const LINE_BYTES = 1_048_576;

interface SseEvent {
  readonly event: string | null;
  readonly data: string;
}

export class Relay {
  readonly #options: RelayOptions;
  readonly #events: AsyncIterator<SseEvent>;
  #first: SseEvent | null = null;
  #ended = false;
  #pulling = false;
  #bytes = 0;

  private constructor(options: RelayOptions, events: AsyncIterator<SseEvent>) {
    this.#options = options;
    this.#events = events;
  }

  /**
   * Waits for the first event, so that a silent or strange upstream is still answered with an error
   * status.
   */
  static async open(response: Response, options: RelayOptions): Promise<Relay> {
    const { watch } = options;
    const type = response.headers.get('content-type') ?? '';
    if (response.body === null || !type.startsWith('text/event-stream')) {
      await response.body?.cancel();
      throw new ProxyError('upstream_failed', 'The Claude API did not answer with a stream.');
    }
    // Bounds the line that the parser holds; what passes on is counted by event.
    const bytes = capped(response.body, options.maxBytes + LINE_BYTES);
    const counted = new Response(bytes, { headers: response.headers });
    const relay = new Relay(options, Stream.rawEvents(counted)[Symbol.asyncIterator]());
    watch.arm('first_byte', options.firstByteMs);
    const { event, error } = await relay.#next();
    watch.disarm();
    if (error !== null) {
      relay.#ended = true;
      await relay.#release();
      throw error;
    }
    relay.#first = event;
    return relay;
  }

  /** The body of the answer; to be called once. */
  stream(): ReadableStream<Uint8Array> {
    const { watch } = this.#options;
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          watch.onStop = (reason) => this.#stopped(controller, reason);
          if (watch.reason !== null) this.#stopped(controller, watch.reason);
        },
        pull: (controller) => this.#pull(controller),
        cancel: () => {
          // Ended first: the stream is closed already and takes no word about the stop.
          this.#end(
            new ProxyError('aborted', 'The client left; the upstream request was stopped.'),
          );
          watch.stop('client');
        },
      },
      // One event ahead at most: what the client has not taken stays upstream.
      { highWaterMark: 1 },
    );
  }

  /** A reason to stop came; while an event is awaited, that wait ends and says so itself. */
  #stopped(controller: ReadableStreamDefaultController<Uint8Array>, reason: StopReason): void {
    const error = this.#options.watch.error();
    if (this.#ended || error === null) return;
    if (reason === 'client') {
      controller.close();
      this.#end(error);
    } else if (reason === 'slow_client') {
      this.#end(error);
      // Else only an error makes the host close the connection under a client that does not read.
      const { disconnect } = this.#options;
      if (disconnect === undefined) controller.error(error);
      else {
        controller.close();
        disconnect();
      }
    } else if (!this.#pulling) {
      this.#fail(controller, error);
    }
  }

  async #pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    const { watch, idleMs, meter } = this.#options;
    if (this.#ended) return;
    this.#pulling = true;
    watch.arm('idle', idleMs);
    const { event, error } = await this.#take();
    watch.disarm();
    this.#pulling = false;
    if (this.#ended) return;
    if (error !== null) return this.#fail(controller, error);
    // An event that was read already comes even after a stop.
    const stopped = watch.error();
    if (stopped !== null) return this.#fail(controller, stopped);
    if (event.event === 'error') return this.#fail(controller, this.#upstreamError(event.data));
    meter.see(event.event ?? '', event.data);
    const bytes = this.#encode(event);
    this.#bytes += bytes.length;
    if (this.#bytes > this.#options.maxBytes) return this.#fail(controller, tooLong());
    controller.enqueue(bytes);
    if (event.event !== 'message_stop') {
      watch.arm('slow_client', idleMs);
      return;
    }
    controller.close();
    this.#end(null);
  }

  async #take(): Promise<{ event: SseEvent; error: null } | { event: null; error: ProxyError }> {
    const first = this.#first;
    if (first === null) return this.#next();
    this.#first = null;
    return { event: first, error: null };
  }

  async #next(): Promise<{ event: SseEvent; error: null } | { event: null; error: ProxyError }> {
    const { watch } = this.#options;
    try {
      const { done, value } = await this.#events.next();
      if (!done) return { event: value, error: null };
      return { event: null, error: watch.error() ?? incomplete('ended') };
    } catch (thrown) {
      const known = watch.error() ?? (thrown instanceof ProxyError ? thrown : null);
      return { event: null, error: known ?? incomplete('was cut', thrown) };
    }
  }

  /** The upstream's own `error` event in our shape. */
  #upstreamError(data: string): ProxyError {
    const said = this.#options.redact(data);
    const { type, message } = errorFields(said);
    if (type === 'overloaded_error') return new ProxyError('overloaded', message, { type });
    if (type === 'rate_limit_error') return new ProxyError('rate_limited', message, { type });
    if (type === 'timeout_error') return new ProxyError('stream_timeout', message, { type });
    if (type === 'invalid_request_error')
      return new ProxyError('invalid_request', message, { type });
    return new ProxyError('upstream_failed', message);
  }

  #fail(controller: ReadableStreamDefaultController<Uint8Array>, error: ProxyError): void {
    const data = JSON.stringify(errorBody(error, this.#options.requestId));
    controller.enqueue(this.#encode({ event: 'error', data }));
    controller.close();
    this.#end(error);
  }

  #encode({ event, data }: SseEvent): Uint8Array {
    const lines = data.split('\n').map((line) => `data: ${line}\n`);
    const head = event === null ? '' : `event: ${event}\n`;
    return new TextEncoder().encode(this.#options.redact(`${head}${lines.join('')}\n`));
  }

  #end(error: ProxyError | null): void {
    if (this.#ended) return;
    this.#ended = true;
    void this.#release();
    this.#options.onEnd(error);
  }

  /** Lets the upstream go; its late errors have no reader. */
  async #release(): Promise<void> {
    this.#options.watch.end();
    await Promise.resolve(this.#events.return?.()).catch(() => {});
  }
}

function incomplete(how: string, cause?: unknown): ProxyError {
  return new ProxyError(
    'stream_incomplete',
    `The stream of the Claude API ${how} before message_stop. What arrived is a draft; the request may be made again.`,
    { cause },
  );
}

function errorFields(data: string): { readonly type: string; readonly message: string } {
  const fallback = {
    type: 'api_error',
    message: 'The Claude API reported an error in its stream.',
  };
  try {
    const { error } = JSON.parse(data) as { error?: { type?: unknown; message?: unknown } };
    return {
      type: typeof error?.type === 'string' ? error.type : fallback.type,
      message:
        typeof error?.message === 'string' ? error.message.slice(0, 1_000) : fallback.message,
    };
  } catch {
    return fallback;
  }
}
