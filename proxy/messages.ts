/** One `POST /v1/messages`, from the right to ask to the last byte of the answer. */
import type { Access } from './access.ts';
import { capped, readBody } from './body.ts';
import type { Budget, Reservation } from './budget.ts';
import { type ParsedRequest, type RequestParser, requestParser } from './message-request.ts';
import type { Settings } from './options.ts';
import { asProxyError, ProxyError } from './proxy-error.ts';
import { clientKey, RateLimit, Slots } from './rate-limit.ts';
import type { Redact } from './redact.ts';
import { Relay } from './relay.ts';
import { Upstream } from './upstream.ts';
import { UsageMeter } from './usage.ts';
import { Watch } from './watch.ts';

export interface MessagesParts {
  readonly settings: Settings;
  readonly access: Access;
  readonly budget: Budget;
  readonly redact: Redact;
}

/** How the exchange ended, for the log. */
export interface Ending {
  readonly error: ProxyError | null;
  readonly model: string | null;
  readonly tokens: number;
}

/** Who asks. */
export interface Caller {
  readonly requestId: string;
  readonly address?: string | undefined;
  readonly disconnect?: (() => void) | undefined;
}

interface Exchange {
  readonly parsed: ParsedRequest;
  readonly watch: Watch;
  readonly meter: UsageMeter;
  readonly caller: Caller;
  /** Gives everything back and tells the log; the first call counts. */
  readonly finish: (error: ProxyError | null) => void;
}

export class Messages {
  readonly #parts: MessagesParts;
  readonly #parse: RequestParser;
  readonly #rate: RateLimit;
  readonly #slots: Slots;
  readonly #upstream: Upstream | null;
  readonly #open = new Set<Watch>();

  constructor(parts: MessagesParts) {
    const { settings, redact } = parts;
    this.#parts = parts;
    this.#parse = requestParser(settings);
    this.#rate = new RateLimit({
      perMinute: settings.ratePerMinute,
      burst: settings.burst,
      clock: settings.clock,
    });
    this.#slots = new Slots(settings.concurrency);
    const { apiKey, baseUrl, fetch } = settings;
    this.#upstream = apiKey === undefined ? null : new Upstream({ apiKey, baseUrl, fetch, redact });
  }

  /** Answers, or throws an {@link ProxyError}; `onEnd` is called exactly once where it resolves. */
  async handle(
    request: Request,
    caller: Caller,
    onEnd: (ending: Ending) => void,
  ): Promise<Response> {
    const origin = await this.#parts.access.check(request);
    const wait = this.#rate.take(clientKey(caller.address, origin));
    if (wait > 0) throw tooMany(wait);
    if (this.#upstream === null) throw noKey();
    const release = this.#slots.take();
    if (release === null) throw busy();
    try {
      const { bodyMs: maxMs, maxBodyBytes: maxBytes } = this.#parts.settings;
      const bytes = await readBody(request, { maxBytes, maxMs, signal: request.signal });
      const parsed = this.#parse(bytes);
      const cost = parsed.inputBound + parsed.body.max_tokens;
      const reservation = await this.#parts.budget.reserve(cost);
      const end = { release, reservation, onEnd };
      return await this.#exchange(this.#upstream, request, parsed, caller, end);
    } catch (error) {
      release();
      throw error;
    }
  }

  async #exchange(
    upstream: Upstream,
    request: Request,
    parsed: ParsedRequest,
    caller: Caller,
    end: {
      readonly release: () => void;
      readonly reservation: Reservation;
      readonly onEnd: (ending: Ending) => void;
    },
  ): Promise<Response> {
    const watch = new Watch(this.#parts.settings.totalMs);
    const meter = new UsageMeter();
    const left = () => watch.stop('client');
    this.#open.add(watch);
    request.signal.addEventListener('abort', left, { once: true });
    if (request.signal.aborted) left();
    let ended = false;
    const close = (tokens: number): void => {
      ended = true;
      watch.end();
      this.#open.delete(watch);
      request.signal.removeEventListener('abort', left);
      end.release();
      // Nothing is lost when this fails: the store then still holds the larger, reserved sum.
      end.reservation.settle(tokens).catch(() => {});
    };
    const finish = (error: ProxyError | null): void => {
      if (ended) return;
      const tokens = meter.charge(parsed.inputBound, parsed.body.max_tokens);
      close(tokens);
      end.onEnd({ error, model: parsed.body.model, tokens });
    };
    try {
      const exchange = { parsed, watch, meter, caller, finish };
      return await this.#answer(upstream, exchange);
    } catch (error) {
      const known = asProxyError(error);
      // Refused requests are not billed; those that were given up may be.
      const billed = watch.reason !== null || known.code === 'stream_incomplete';
      if (!ended) close(billed ? meter.charge(parsed.inputBound, parsed.body.max_tokens) : 0);
      throw known;
    }
  }

  async #answer(upstream: Upstream, exchange: Exchange): Promise<Response> {
    const { parsed, watch } = exchange;
    const { firstByteMs, totalMs } = this.#parts.settings;
    // Without a stream the API is silent until the whole answer is there.
    watch.arm('first_byte', parsed.body.stream ? firstByteMs : totalMs);
    const response = await upstream.open(parsed.body, watch);
    watch.disarm();
    const headers = answerHeaders(parsed, response);
    if (!parsed.body.stream) return this.#whole(response, headers, exchange);
    const { redact, settings } = this.#parts;
    const relay = await Relay.open(response, {
      watch,
      meter: exchange.meter,
      redact,
      requestId: exchange.caller.requestId,
      disconnect: exchange.caller.disconnect,
      maxBytes: settings.maxResponseBytes,
      idleMs: settings.idleMs,
      firstByteMs,
      onEnd: exchange.finish,
    });
    headers.set('content-type', 'text/event-stream; charset=utf-8');
    // Reverse proxies that buffer would hold back the stream.
    headers.set('x-accel-buffering', 'no');
    return new Response(relay.stream(), { status: 200, headers });
  }

  async #whole(response: Response, headers: Headers, exchange: Exchange): Promise<Response> {
    const { settings, redact } = this.#parts;
    const text = await readText(response, settings.maxResponseBytes, exchange.watch);
    const message = parseMessage(text);
    exchange.meter.seeMessage(message);
    headers.set('content-type', 'application/json');
    exchange.finish(null);
    return new Response(redact(text), { status: 200, headers });
  }

  /** Stops every exchange; its client gets an error that says so. */
  close(): void {
    for (const watch of [...this.#open]) watch.stop('closed');
  }
}

async function readText(response: Response, maxBytes: number, watch: Watch): Promise<string> {
  try {
    const body = response.body;
    return body === null ? '' : await new Response(capped(body, maxBytes)).text();
  } catch (error) {
    const known = watch.error() ?? (error instanceof ProxyError ? error : null);
    const message = 'The answer of the Claude API was cut. The request may be made again.';
    throw known ?? new ProxyError('stream_incomplete', message, { cause: error });
  }
}

function parseMessage(text: string): object {
  let message: unknown = null;
  try {
    message = JSON.parse(text);
  } catch (cause) {
    const reason = 'The answer of the Claude API was no JSON. The request may be made again.';
    throw new ProxyError('stream_incomplete', reason, { cause });
  }
  if (typeof message === 'object' && message !== null && 'type' in message) {
    if (message.type === 'message') return message;
  }
  throw new ProxyError('upstream_failed', 'The Claude API did not answer with a message.');
}

/** A list of our own: of the upstream's headers only its id for this request goes on. */
function answerHeaders(parsed: ParsedRequest, response: Response): Headers {
  const headers = new Headers({ 'cache-control': 'no-store', 'whorl-model': parsed.body.model });
  if (parsed.alias !== null) headers.set('whorl-model-alias', parsed.alias);
  if (parsed.dropped.length > 0) headers.set('whorl-dropped', parsed.dropped.join(', '));
  const upstreamId = response.headers.get('request-id') ?? '';
  if (/^req_\w{1,64}$/.test(upstreamId)) headers.set('request-id', upstreamId);
  return headers;
}

function tooMany(retryAfterMs: number): ProxyError {
  const message =
    'Too many requests from this address. Nothing was sent; try again a little later.';
  return new ProxyError('rate_limited', message, { retryAfterMs });
}

function busy(): ProxyError {
  const message =
    'The proxy runs as many requests as it may. Nothing was sent; try again in a second.';
  return new ProxyError('overloaded', message, { retryAfterMs: 1_000 });
}

function noKey(): ProxyError {
  const message =
    'This proxy has no Claude API key, so nothing can be generated. Its operator can set ANTHROPIC_API_KEY.';
  return new ProxyError('no_key', message);
}
