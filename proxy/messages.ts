/** One `POST /v1/messages`, from the right to ask to the last byte of the answer. */
import type { Access } from './access.ts';
import { capped, readBody } from './body.ts';
import type { Budget } from './budget.ts';
import { type Caller, type Ending, Exchange } from './exchange.ts';
import { type ParsedRequest, type RequestParser, requestParser } from './message-request.ts';
import type { Settings } from './options.ts';
import { asProxyError, ProxyError } from './proxy-error.ts';
import { clientKey, RateLimit, Slots } from './rate-limit.ts';
import type { Redact } from './redact.ts';
import { Relay } from './relay.ts';
import { Upstream } from './upstream.ts';
import type { Watch } from './watch.ts';

const CLOSE_MS = 1_000;

export interface MessagesParts {
  readonly settings: Settings;
  readonly access: Access;
  readonly budget: Budget;
  readonly redact: Redact;
}

export class Messages {
  readonly #parts: MessagesParts;
  readonly #parse: RequestParser;
  readonly #rate: RateLimit;
  readonly #slots: Slots;
  readonly #upstream: Upstream | null;
  readonly #open = new Set<Exchange>();
  #closed = false;

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

  /**
   * Answers, or throws a {@link ProxyError}. `onEnd` is called once where the request got as far as
   * the API, also when it throws.
   */
  async handle(
    request: Request,
    caller: Caller,
    onEnd: (ending: Ending) => void,
  ): Promise<Response> {
    const { settings, access, budget } = this.#parts;
    const origin = await access.check(request);
    const wait = this.#rate.take(clientKey(caller.address, origin));
    if (wait > 0) throw tooMany(wait);
    if (this.#upstream === null) throw noKey();
    const { bodyMs: maxMs, maxBodyBytes: maxBytes, totalMs } = settings;
    const bytes = await readBody(request, { maxBytes, maxMs, signal: request.signal });
    const parsed = this.#parse(bytes);
    // Only now: a body that trickles in must not hold a place.
    const release = this.#slots.take();
    if (release === null) throw busy();
    try {
      const reservation = await budget.reserve(parsed.inputBound + parsed.body.max_tokens);
      const options = { request, caller, parsed, totalMs, reservation, release, onEnd };
      return await this.#run(this.#upstream, new Exchange(options));
    } catch (error) {
      release();
      throw error;
    }
  }

  async #run(upstream: Upstream, exchange: Exchange): Promise<Response> {
    this.#open.add(exchange);
    void exchange.over.then(() => this.#open.delete(exchange));
    if (this.#closed) exchange.watch.stop('closed');
    try {
      return await this.#answer(upstream, exchange);
    } catch (error) {
      const known = asProxyError(error);
      exchange.refused(known);
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
      onEnd: (error) => exchange.answered(error),
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
    exchange.answered(null);
    return new Response(redact(text), { status: 200, headers });
  }

  /** Stops every exchange, whose client gets an error that says so, and waits until they are over. */
  async close(): Promise<void> {
    this.#closed = true;
    const open = [...this.#open];
    for (const { watch } of open) watch.stop('closed');
    // Bounded: a fetch from outside may not listen to its signal.
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, CLOSE_MS);
    });
    await Promise.race([Promise.all(open.map(({ over }) => over)), late]);
    clearTimeout(timer);
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
