/**
 * A stand-in for api.anthropic.com over real HTTP: it checks what the real one checks, speaks the
 * documented SSE and JSON, goes wrong on demand, and remembers what it was asked.
 *
 * ```ts
 * const claude = await startMessagesServer((body) => `You asked: ${promptText(body)}`);
 * // ANTHROPIC_BASE_URL=claude.url, ANTHROPIC_API_KEY=claude.key
 * claude.requests[0]?.body;
 * await claude.close();
 * ```
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { checkBody, checkKey, checkVersion, isRefusal, type Refusal } from './messages-check.ts';
import type {
  AnswerReply,
  ErrorReply,
  MessagesBody,
  RecordedRequest,
  Reply,
  Script,
} from './messages-script.ts';
import {
  answerJson,
  answerSteps,
  encodeEvent,
  errorShape,
  type WireStep,
} from './messages-wire.ts';

export { API_VERSION } from './messages-check.ts';
export * from './messages-script.ts';

export interface MessagesServerOptions {
  /** Key that a request must carry; `null` asks for none. Default {@link STAND_IN_KEY}. */
  readonly key?: string | null;
  /** `false` takes any or no `anthropic-version`. Default true. */
  readonly checkVersion?: boolean;
  /** Answers browsers of any origin. The real API does not, unless a header asks for it. Default false. */
  readonly cors?: boolean;
}

export interface MessagesServer {
  /** Base URL without a trailing slash, for `ANTHROPIC_BASE_URL`. */
  readonly url: string;
  readonly key: string;
  /** Every request to any path, oldest first. */
  readonly requests: readonly RecordedRequest[];
  /** Replaces the script; the count of accepted requests that it sees starts at 0 again. */
  use(script: Script): void;
  /** Ends open exchanges and the server. */
  close(): Promise<void>;
}

/** Looks like a key, so that a search for leaks finds it. */
export const STAND_IN_KEY = 'sk-ant-api03-stand-in-0123456789abcdef';

/** A client drops what it holds unread when the socket breaks, so the break comes a little later. */
const CUT_AFTER_MS = 30;

const CORS = {
  'access-control-allow-origin': '*',
  'access-control-allow-headers': '*',
  'access-control-expose-headers': '*',
};

class Exchange {
  readonly #response: ServerResponse;
  readonly #record: RecordedRequest;
  readonly #base: Readonly<Record<string, string>>;

  constructor(response: ServerResponse, record: RecordedRequest, cors: boolean) {
    this.#response = response;
    this.#record = record;
    this.#base = { 'request-id': requestId(record.index), ...(cors ? CORS : {}) };
  }

  async refuse(reply: ErrorReply | Refusal): Promise<void> {
    const { status, message } = reply;
    const more: Partial<ErrorReply> = reply;
    if (!(await this.#wait(more.firstByteMs))) return;
    const retry = more.retryAfter === undefined ? {} : { 'retry-after': String(more.retryAfter) };
    const type = more.rawBody === undefined ? 'application/json' : 'text/html';
    const shape = errorShape(status, {
      type: more.type,
      message,
      errorCode: more.errorCode,
      requestId: requestId(this.#record.index),
    });
    this.#response.writeHead(status, {
      'content-type': type,
      ...this.#base,
      ...retry,
      ...more.headers,
    });
    this.#end(more.rawBody ?? JSON.stringify(shape));
  }

  async answer(body: MessagesBody, reply: AnswerReply): Promise<void> {
    if (!(await this.#wait(reply.firstByteMs))) return;
    const id = `msg_standin_${this.#record.index}`;
    if (!body.stream) {
      if (reply.fault && reply.fault.kind !== 'error') return await this.#breakJson(reply);
      this.#response.writeHead(200, {
        'content-type': 'application/json',
        ...this.#base,
        ...reply.headers,
      });
      return this.#end(JSON.stringify(answerJson(id, body, reply)));
    }
    this.#response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      ...this.#base,
      ...reply.headers,
    });
    this.#response.flushHeaders();
    for (const step of answerSteps(id, body, reply)) {
      if (!(await this.#send(step, reply))) return;
    }
    this.#end();
  }

  /** False when the stream is over, by fault or because the client left. */
  async #send(step: WireStep, reply: AnswerReply): Promise<boolean> {
    if (!('fault' in step)) return this.#write(encodeEvent(step, reply.crlf ?? false), reply);
    const { kind, type = 'overloaded_error', message = 'Overloaded' } = step.fault;
    if (kind === 'cut') await this.#cut();
    else if (kind === 'end') this.#end();
    else if (kind === 'error') {
      const data = { type: 'error', error: { type, message } };
      await this.#write(encodeEvent({ event: 'error', data }, reply.crlf ?? false), reply);
      this.#end();
    }
    return false;
  }

  async #write(bytes: Uint8Array, reply: AnswerReply): Promise<boolean> {
    const size = reply.writeBytes ?? bytes.length;
    for (let at = 0; at < bytes.length; at += size) {
      if (!(await this.#wait(reply.delayMs))) return false;
      const flowing = this.#response.write(bytes.subarray(at, at + size));
      // Small writes leave in packets of their own only when the loop turns between them.
      if (reply.writeBytes) await new Promise<void>((resolve) => setImmediate(resolve));
      if (!flowing) await this.#drained();
    }
    return !this.#response.destroyed;
  }

  #drained(): Promise<void> {
    const response = this.#response;
    return new Promise((resolve) => {
      const done = () => {
        response.removeListener('drain', done);
        response.removeListener('close', done);
        resolve();
      };
      response.once('drain', done);
      response.once('close', done);
    });
  }

  /** Ends the socket once a client that reads at once has read what was written. */
  async #cut(): Promise<void> {
    if (await this.#wait(CUT_AFTER_MS)) this.#response.socket?.destroy();
  }

  /** Faults of a JSON answer: half of it, then `silence`, or the end of the socket. */
  async #breakJson(reply: AnswerReply): Promise<void> {
    this.#response.writeHead(200, { 'content-type': 'application/json', ...this.#base });
    this.#response.write('{"id":"msg_standin","type":"mess');
    if (reply.fault?.kind === 'cut') await this.#cut();
    if (reply.fault?.kind === 'end') this.#end();
  }

  /** False when the client left meanwhile. */
  async #wait(ms = 0): Promise<boolean> {
    if (ms > 0) {
      await new Promise<void>((resolve) => {
        const done = () => {
          clearTimeout(timer);
          this.#response.removeListener('close', done);
          resolve();
        };
        const timer = setTimeout(done, ms);
        this.#response.once('close', done);
      });
    }
    return !this.#response.destroyed;
  }

  #end(text = ''): void {
    this.#record.finished = true;
    this.#response.end(text);
  }
}

function requestId(index: number): string {
  return `req_standin_${index}`;
}

function flatHeaders(request: IncomingMessage): Record<string, string> {
  const out: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers)) out[name] = String(value);
  return out;
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function nextReply(script: Script, body: MessagesBody, accepted: number): Reply | Promise<Reply> {
  if (typeof script === 'function') return script(body, accepted);
  if (!Array.isArray(script)) return script as Reply;
  const reply = (script as readonly Reply[])[Math.min(accepted, script.length - 1)];
  if (reply === undefined) throw new Error('The script of the stand-in is an empty list.');
  return reply;
}

function isError(reply: AnswerReply | ErrorReply): reply is ErrorReply {
  return 'status' in reply;
}

/** The state of one stand-in: what it was asked and what it answers next. */
class StandIn {
  readonly requests: RecordedRequest[] = [];
  readonly #options: MessagesServerOptions;
  #script: Script;
  #accepted = 0;

  constructor(script: Script, options: MessagesServerOptions) {
    this.#script = script;
    this.#options = options;
  }

  use(script: Script): void {
    this.#script = script;
    this.#accepted = 0;
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const cors = this.#options.cors ?? false;
    if (cors && request.method === 'OPTIONS') {
      response.writeHead(204, CORS).end();
      return;
    }
    const raw = await readText(request);
    const checked = this.#check(request, raw);
    const record = this.#remember(request, response, raw, !isRefusal(checked));
    const exchange = new Exchange(response, record, cors);
    if (isRefusal(checked)) return exchange.refuse(checked);
    const reply = await nextReply(this.#script, checked, this.#accepted++);
    if (typeof reply === 'string') return exchange.answer(checked, { text: reply });
    return isError(reply) ? exchange.refuse(reply) : exchange.answer(checked, reply);
  }

  #check(request: IncomingMessage, raw: string): MessagesBody | Refusal {
    const headers = flatHeaders(request);
    if (request.url !== '/v1/messages' || request.method !== 'POST') {
      return { status: 404, message: 'Not found' };
    }
    const { key = STAND_IN_KEY, checkVersion: wanted = true } = this.#options;
    const refused = checkKey(headers, key) ?? (wanted ? checkVersion(headers) : null);
    return refused ?? checkBody(parseJson(raw));
  }

  #remember(
    request: IncomingMessage,
    response: ServerResponse,
    raw: string,
    accepted: boolean,
  ): RecordedRequest {
    const record: RecordedRequest = {
      index: this.requests.length,
      method: request.method ?? '',
      path: request.url ?? '',
      headers: flatHeaders(request),
      body: parseJson(raw),
      raw,
      accepted,
      finished: false,
      disconnected: false,
      over: new Promise<void>((resolve) => {
        response.once('close', () => {
          record.disconnected = !record.finished;
          resolve();
        });
      }),
    };
    this.requests.push(record);
    return record;
  }
}

/** Starts the stand-in on a free port of 127.0.0.1. */
export async function startMessagesServer(
  script: Script,
  options: MessagesServerOptions = {},
): Promise<MessagesServer> {
  const standIn = new StandIn(script, options);
  const server = createServer((request, response) => {
    standIn.handle(request, response).catch((error: unknown) => {
      response.destroy(error instanceof Error ? error : new Error(String(error)));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    key: options.key ?? STAND_IN_KEY,
    requests: standIn.requests,
    use: (next) => standIn.use(next),
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
