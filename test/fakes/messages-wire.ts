/**
 * The bytes of a Messages API answer, by the documented order of events:
 * `message_start`, `content_block_start`, `content_block_delta`..., `content_block_stop`,
 * `message_delta`, `message_stop`, with `ping` anywhere (types of `@anthropic-ai/sdk` 1.11).
 */
import { type AnswerReply, type Fault, type MessagesBody, promptText } from './messages-script.ts';

export interface WireEvent {
  readonly event: string;
  readonly data: unknown;
}

/** An event, or the point where the stream goes wrong. */
export type WireStep = WireEvent | { readonly fault: Fault };

const ERROR_TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'invalid_request_error',
  429: 'rate_limit_error',
  504: 'timeout_error',
  529: 'overloaded_error',
};

export function errorShape(
  status: number,
  options: {
    readonly type?: string | undefined;
    readonly message?: string | undefined;
    readonly errorCode?: string | undefined;
    readonly requestId?: string;
  } = {},
): object {
  return {
    type: 'error',
    error: {
      type: options.type ?? ERROR_TYPES[status] ?? 'api_error',
      message: options.message ?? `Stand-in error ${status}`,
      ...(options.errorCode === undefined ? {} : { details: { error_code: options.errorCode } }),
    },
    request_id: options.requestId ?? null,
  };
}

export function usageOf(body: MessagesBody, reply: AnswerReply): { input: number; output: number } {
  if (reply.usage) return reply.usage;
  const quarter = (text: string) => Math.max(1, Math.ceil(text.length / 4));
  const system = typeof body.system === 'string' ? body.system : '';
  return { input: quarter(system + promptText(body)), output: quarter(reply.text) };
}

function messageShape(id: string, body: MessagesBody, reply: AnswerReply) {
  return {
    id,
    type: 'message',
    role: 'assistant',
    model: reply.model ?? body.model,
    container: null,
    diagnostics: null,
    content: [] as object[],
    stop_reason: null as string | null,
    stop_sequence: null as string | null,
    stop_details: null,
    usage: {
      input_tokens: usageOf(body, reply).input,
      output_tokens: 1,
      cache_creation: null,
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 0,
      inference_geo: null,
      output_tokens_details: null,
      server_tool_use: null,
      service_tier: 'standard',
      speed: null,
    },
  };
}

/** The JSON body of a request without `stream`. */
export function answerJson(id: string, body: MessagesBody, reply: AnswerReply): object {
  const message = messageShape(id, body, reply);
  return {
    ...message,
    content: [{ type: 'text', text: reply.text, citations: null }],
    stop_reason: reply.stopReason ?? 'end_turn',
    stop_sequence: reply.stopSequence ?? null,
    usage: { ...message.usage, output_tokens: usageOf(body, reply).output },
  };
}

/** The text in pieces of `size` code points. */
function pieces(text: string, size: number): string[] {
  const points = [...text];
  const out: string[] = [];
  for (let at = 0; at < points.length; at += size) out.push(points.slice(at, at + size).join(''));
  return out;
}

function event(data: { readonly type: string; readonly [key: string]: unknown }): WireEvent {
  return { event: data.type, data };
}

function ending(body: MessagesBody, reply: AnswerReply): WireEvent[] {
  const delta = {
    stop_reason: reply.stopReason ?? 'end_turn',
    stop_sequence: reply.stopSequence ?? null,
    stop_details: null,
    container: null,
  };
  const usage = reply.omitUsage ? {} : { usage: { output_tokens: usageOf(body, reply).output } };
  return [
    event({ type: 'content_block_stop', index: 0 }),
    ...(reply.unknownEvents
      ? [event({ type: 'content_block_glow', index: 0, glow: { type: 'unknown_delta' } })]
      : []),
    event({ type: 'message_delta', delta, ...usage }),
    event({ type: 'message_stop' }),
  ];
}

/** The whole stream, cut where the fault lies. */
export function answerSteps(id: string, body: MessagesBody, reply: AnswerReply): WireStep[] {
  const steps: WireStep[] = [
    event({ type: 'message_start', message: messageShape(id, body, reply) }),
    event({
      type: 'content_block_start',
      index: 0,
      content_block: { type: 'text', text: '', citations: null },
    }),
    event({ type: 'ping' }),
    ...(reply.unknownEvents
      ? [{ event: 'weather_report', data: { type: 'weather_report', sky: '晴れ' } }]
      : []),
  ];
  const texts = pieces(reply.text, reply.deltaLength ?? 12);
  for (const [index, text] of texts.entries()) {
    if (reply.fault && (reply.fault.after ?? 0) <= index) break;
    if (reply.pingEvery && index % reply.pingEvery === 0) steps.push(event({ type: 'ping' }));
    const delta = { type: 'text_delta', text };
    steps.push(event({ type: 'content_block_delta', index: 0, delta }));
  }
  if (reply.fault) return [...steps, { fault: reply.fault }];
  return [...steps, ...ending(body, reply)];
}

/** One event as bytes on the wire. */
export function encodeEvent({ event: name, data }: WireEvent, crlf: boolean): Uint8Array {
  const end = crlf ? '\r\n' : '\n';
  const text = `event: ${name}${end}data: ${JSON.stringify(data)}${end}${end}`;
  return new TextEncoder().encode(text);
}
