/**
 * The stream of the Messages API, read to its end. It counts only when `message_stop` arrived and the
 * reason to stop is a known one; a stream that ends early, however cleanly, is incomplete.
 */
import { createParser } from 'eventsource-parser';
import * as v from 'valibot';
import { WhorlError } from '../../shared/errors.ts';
import type { Generation, StopReason } from '../types.ts';
import { errorOfEvent } from './response-error.ts';

/** Bytes of a whole stream, frames included. */
const MAX_STREAM_BYTES = 4 * 1024 * 1024;
/** Characters of the answer: one that is longer could not be kept with its turn. */
const MAX_ANSWER = 32_768;
/** Characters of one event. */
const MAX_EVENT = 1024 * 1024;

const STOP_REASONS: readonly StopReason[] = [
  'end_turn',
  'stop_sequence',
  'max_tokens',
  'refusal',
  'pause_turn',
  'tool_use',
  'model_context_window_exceeded',
];

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const MessageStart = v.object({
  message: v.object({
    model: v.string(),
    usage: v.object({
      input_tokens: count,
      output_tokens: v.optional(count),
      cache_creation_input_tokens: v.nullish(count),
      cache_read_input_tokens: v.nullish(count),
    }),
  }),
});
const BlockDelta = v.object({
  delta: v.looseObject({ type: v.string(), text: v.optional(v.string()) }),
});
const MessageDelta = v.object({
  delta: v.object({ stop_reason: v.nullable(v.string()) }),
  usage: v.nullish(v.object({ output_tokens: count })),
});
const Typed = v.object({ type: v.string() });

export interface StreamListener {
  /** Any event arrived, a ping included. */
  onLife(): void;
  onText(text: string): void;
}

/** What has arrived of a message. */
class Message {
  text = '';
  done = false;
  #model: string | null = null;
  #stopReason: StopReason | null = null;
  #input = 0;
  #output = 0;
  readonly #onText: (text: string) => void;

  constructor(onText: (text: string) => void) {
    this.#onText = onText;
  }

  /** Events of unknown types are ignored: the API may add some at any time. */
  take(data: unknown): void {
    const event = v.safeParse(Typed, data);
    if (!event.success || this.done) return;
    const { type } = event.output;
    if (type === 'message_start') this.#start(parsed(MessageStart, data, type));
    else if (type === 'content_block_delta') this.#delta(parsed(BlockDelta, data, type));
    else if (type === 'message_delta') this.#end(parsed(MessageDelta, data, type));
    else if (type === 'message_stop') this.done = true;
    else if (type === 'error') throw errorOfEvent(data);
  }

  finish(): Generation {
    if (!this.done || this.#stopReason === null || this.#model === null) {
      throw incomplete('The stream of the answer ended early');
    }
    return {
      text: this.text,
      model: this.#model,
      stopReason: this.#stopReason,
      usage: { inputTokens: this.#input, outputTokens: this.#output },
    };
  }

  #start({ message }: v.InferOutput<typeof MessageStart>): void {
    this.#model = message.model;
    const { usage } = message;
    this.#input =
      usage.input_tokens +
      (usage.cache_creation_input_tokens ?? 0) +
      (usage.cache_read_input_tokens ?? 0);
    this.#output = usage.output_tokens ?? 0;
  }

  #delta({ delta }: v.InferOutput<typeof BlockDelta>): void {
    if (delta.type !== 'text_delta' || !delta.text) return;
    this.text += delta.text;
    if (this.text.length > MAX_ANSWER) {
      throw new WhorlError(
        'too_large',
        `The answer grew beyond ${MAX_ANSWER} characters and was stopped; nothing was stored.`,
      );
    }
    this.#onText(delta.text);
  }

  #end({ delta, usage }: v.InferOutput<typeof MessageDelta>): void {
    this.#output = usage?.output_tokens ?? this.#output;
    if (delta.stop_reason === null) return;
    const known = STOP_REASONS.find((reason) => reason === delta.stop_reason);
    if (!known) {
      const named = delta.stop_reason.slice(0, 64);
      throw new WhorlError(
        'upstream_failed',
        `The answer ended for a reason that is not known here ("${named}"); nothing was stored.`,
      );
    }
    this.#stopReason = known;
  }
}

function parsed<T extends v.GenericSchema>(schema: T, data: unknown, type: string) {
  const result = v.safeParse(schema, data);
  if (result.success) return result.output;
  throw new WhorlError(
    'upstream_failed',
    `The stream holds a "${type}" event of unknown shape; nothing was stored.`,
  );
}

/** The rejection of a stream that was cut. */
export function incomplete(what: string, cause?: unknown): WhorlError {
  return new WhorlError(
    'stream_incomplete',
    `${what}; what had arrived is a draft and nothing was stored. Ask again.`,
    { cause, retryable: true },
  );
}

/**
 * Reads a stream of server-sent events until `message_stop`. Rejects with `stream_incomplete`,
 * `too_large`, `upstream_failed`, or what an `error` event says. `read` gives the next bytes, null at
 * the end; characters split between reads are joined.
 */
export async function readMessage(
  read: () => Promise<Uint8Array | null>,
  listener: StreamListener,
): Promise<Generation> {
  const message = new Message(listener.onText);
  const parser = createParser({
    maxBufferSize: MAX_EVENT,
    onEvent: ({ data }) => {
      listener.onLife();
      message.take(parseJson(data));
    },
    onError: (error) => {
      if (error.type === 'max-buffer-size-exceeded') throw tooLong();
    },
  });
  const decoder = new TextDecoder();
  let bytes = 0;
  while (!message.done) {
    const chunk = await read();
    if (chunk === null) break;
    bytes += chunk.byteLength;
    if (bytes > MAX_STREAM_BYTES) throw tooLong();
    parser.feed(decoder.decode(chunk, { stream: true }));
  }
  return message.finish();
}

function tooLong(): WhorlError {
  return new WhorlError(
    'too_large',
    `The stream grew beyond ${MAX_STREAM_BYTES} bytes, or an event beyond ${MAX_EVENT}; nothing was stored.`,
  );
}

function parseJson(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch (cause) {
    throw new WhorlError('upstream_failed', 'The stream holds an event that is not JSON.', {
      cause,
    });
  }
}
