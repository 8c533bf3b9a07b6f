/** The proxy as a function from `Request` to `Response`. */
import { type Context, Hono } from 'hono';
import { Access } from './access.ts';
import { Budget } from './budget.ts';
import type { Ending } from './exchange.ts';
import { Messages } from './messages.ts';
import { API_VERSION, type ProxyOptions, type Settings, settingsOf } from './options.ts';
import { asProxyError, errorBody, ProxyError, retryHeaders } from './proxy-error.ts';
import { type Redact, redactor } from './redact.ts';

/** What the host knows about a request and the request does not say. */
export interface RequestInfo {
  /** Address of the client, for the rate limit: the peer, or what a trusted front server says. */
  readonly address?: string | undefined;
  /**
   * Closes the connection of the client at once, where the host can. Without it the body of the
   * answer fails when the client stops reading.
   */
  readonly disconnect?: (() => void) | undefined;
}

export interface ClaudeProxy {
  /** Answers every request; never rejects. */
  fetch(request: Request, info?: RequestInfo): Promise<Response>;
  /** Reads the budget now, so that a broken store shows at the start. Rejects with `storage_unavailable`. */
  ready(): Promise<void>;
  /** Stops open answers with an error and stores the budget; later requests are answered 503. */
  close(): Promise<void>;
}

/** One request on its way through the routes. */
interface Visit {
  readonly requestId: string;
  readonly start: number;
  logged?: boolean;
}

type Env = { Bindings: { readonly info: RequestInfo; readonly visit: Visit } };

/**
 * A proxy with its own limits and budget. Throws `invalid_option` that names what is wrong.
 *
 * ```ts
 * const proxy = createProxy({ apiKey: env.ANTHROPIC_API_KEY, origins: ['https://example.org'] });
 * export default { fetch: (request) => proxy.fetch(request) };
 * ```
 */
export function createProxy(options: ProxyOptions = {}): ClaudeProxy {
  const service = new Service(settingsOf(options));
  return {
    fetch: (request, info = {}) => service.fetch(request, info),
    ready: () => service.ready(),
    close: () => service.close(),
  };
}

class Service {
  readonly #settings: Settings;
  readonly #access: Access;
  readonly #budget: Budget;
  readonly #messages: Messages;
  readonly #app: Hono<Env>;
  readonly #redact: Redact;
  #closed = false;

  constructor(settings: Settings) {
    this.#settings = settings;
    const { apiKey, token, dailyTokens: limit, budget: store, now } = settings;
    this.#access = new Access(settings);
    this.#budget = new Budget({ limit, store, now });
    const redact = redactor([apiKey, token]);
    this.#redact = redact;
    const { access, budget } = { access: this.#access, budget: this.#budget };
    this.#messages = new Messages({ settings, access, budget, redact });
    this.#app = this.#routes();
  }

  #routes(): Hono<Env> {
    // The path as it was written: Hono would decode it, and `/v1/mess%61ges` would be a second name.
    const app = new Hono<Env>({ getPath: exactPath });
    app.post('/v1/messages', (context) => this.#post(context));
    app.options('/v1/messages', ({ req }) => {
      return new Response(null, { status: 204, headers: this.#access.preflight(req.raw) });
    });
    app.get('/healthz', () => this.#health());
    app.notFound(() => {
      const message = 'There are only POST /v1/messages and GET /healthz here.';
      throw new ProxyError('invalid_request', message, { status: 404, type: 'not_found_error' });
    });
    app.onError((error) => {
      throw error;
    });
    return app;
  }

  async fetch(request: Request, info: RequestInfo): Promise<Response> {
    const visit: Visit = { requestId: requestIdOf(request), start: this.#settings.clock() };
    let response: Response;
    try {
      if (this.#closed) throw new ProxyError('closed', 'The proxy is shutting down.');
      response = await this.#app.fetch(request, { info, visit });
    } catch (error) {
      const known = asProxyError(error);
      response = errorResponse(known, visit.requestId);
      // Strangers who try paths are no events; what got as far as the API is in the log already.
      if (isMessages(request) && !visit.logged) {
        this.#log(visit, { error: known, status: known.status, model: null, tokens: 0 });
      }
    }
    response.headers.set('x-request-id', visit.requestId);
    response.headers.set('x-content-type-options', 'nosniff');
    for (const [name, value] of Object.entries(this.#access.corsHeaders(request))) {
      response.headers.set(name, value);
    }
    return response;
  }

  #post({ req, env: { info, visit } }: Context<Env>): Promise<Response> {
    const caller = { ...info, requestId: visit.requestId };
    return this.#messages.handle(req.raw, caller, (ending) => {
      visit.logged = true;
      this.#log(visit, ending);
    });
  }

  #log(visit: Visit, ending: Omit<Ending, 'model'> & { readonly model: string | null }): void {
    const { error, status, model, tokens } = ending;
    const inside = error?.code === 'storage_unavailable' || error?.code === 'internal';
    this.#settings.log({
      at: new Date(this.#settings.now()).toISOString(),
      requestId: visit.requestId,
      status,
      code: error?.code ?? null,
      model,
      tokens,
      ms: Math.round(this.#settings.clock() - visit.start),
      detail: inside ? this.#redact(String(error?.cause)) : null,
    });
  }

  #health(): Response {
    const { apiKey, models, defaultModel, aliases, maxTokens } = this.#settings;
    const body = {
      ok: true,
      key: apiKey !== undefined,
      apiVersion: API_VERSION,
      models,
      defaultModel,
      aliases: Object.fromEntries(aliases),
      maxTokens,
    };
    return Response.json(body, { headers: { 'cache-control': 'no-store' } });
  }

  ready(): Promise<void> {
    return this.#budget.ready();
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#messages.close();
    await this.#budget.close();
  }
}

function exactPath(request: Request): string {
  const { pathname, search } = new URL(request.url);
  return pathname + search;
}

function isMessages(request: Request): boolean {
  return exactPath(request) === '/v1/messages';
}

/** The client's own id where it is harmless, so that both sides can find the request again. */
function requestIdOf(request: Request): string {
  const given = request.headers.get('x-request-id') ?? '';
  return /^[\w-]{8,64}$/.test(given) ? given : crypto.randomUUID();
}

function errorResponse(error: ProxyError, requestId: string): Response {
  return Response.json(errorBody(error, requestId), {
    status: error.status,
    headers: { 'cache-control': 'no-store', ...retryHeaders(error) },
  });
}
