/**
 * What the stand-in for the Claude API is told to answer. Types only; the server is in
 * `messages-server.ts`, the bytes are made in `messages-wire.ts`.
 */

/** `StopReason` of the API version 2026-10-21. */
export type StopReason =
  | 'end_turn'
  | 'stop_sequence'
  | 'max_tokens'
  | 'refusal'
  | 'pause_turn'
  | 'tool_use'
  | 'model_context_window_exceeded';

export interface TextBlock {
  readonly type: 'text';
  readonly text: string;
}

/** The body of a request that passed the stand-in's own checks. */
export interface MessagesBody {
  readonly model: string;
  readonly max_tokens: number;
  readonly messages: readonly {
    readonly role: 'user' | 'assistant';
    readonly content: string | readonly TextBlock[];
  }[];
  readonly system?: string | readonly TextBlock[];
  readonly stop_sequences?: readonly string[];
  readonly stream?: boolean;
}

/** One request as the stand-in saw it; `finished` and `disconnected` change while it is answered. */
export interface RecordedRequest {
  /** From 0, counting requests that passed the checks of version, key and shape, and those that did not. */
  readonly index: number;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The parsed body; `null` when it was no JSON. */
  readonly body: unknown;
  readonly raw: string;
  /** True when the script was asked; false when a check answered. */
  readonly accepted: boolean;
  /** The whole scripted answer was written. */
  finished: boolean;
  /** The client went away before the answer was written. */
  disconnected: boolean;
  /** Resolves when the exchange is over, with the two flags final. */
  readonly over: Promise<void>;
}

/**
 * How a stream goes wrong, after `after` text deltas (default 0: right after `message_start`):
 * `end` closes the body cleanly without `message_stop`; `cut` destroys the socket; `silence` sends
 * nothing more and keeps the socket; `error` sends an `error` event and closes.
 */
export interface Fault {
  readonly kind: 'end' | 'cut' | 'silence' | 'error';
  readonly after?: number;
  /** For `error`. Default `overloaded_error`, `Overloaded`. */
  readonly type?: string;
  readonly message?: string;
}

/** An answer with status 200, as SSE or JSON by the request's `stream`. */
export interface AnswerReply {
  readonly text: string;
  /** Default: the model of the request. */
  readonly model?: string;
  /** Default `end_turn`. */
  readonly stopReason?: StopReason;
  readonly stopSequence?: string;
  /** Default: a quarter of the characters of prompt and answer, at least 1 each. */
  readonly usage?: { readonly input: number; readonly output: number };
  /** Code points in a text delta. Default 12. */
  readonly deltaLength?: number;
  /** Bytes in a write; small numbers split events and UTF-8 sequences. Default: one event a write. */
  readonly writeBytes?: number;
  /** Milliseconds before the status line. Default 0. */
  readonly firstByteMs?: number;
  /** Milliseconds between writes. Default 0. */
  readonly delayMs?: number;
  /** Sends a `ping` before every n-th text delta; the one after `message_start` always comes. */
  readonly pingEvery?: number;
  /** Sends an event of an unknown name before the text, and one of unknown data after it. */
  readonly unknownEvents?: boolean;
  /** Ends lines with CR LF. Default LF. */
  readonly crlf?: boolean;
  /** Leaves the usage out of `message_delta`, as a misbehaving server would. */
  readonly omitUsage?: boolean;
  /** Further response headers, such as `set-cookie`. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly fault?: Fault;
}

/** A refusal before any answer. */
export interface ErrorReply {
  readonly status: number;
  /** Default: the type that the API gives with that status. */
  readonly type?: string;
  readonly message?: string;
  /** `error.details.error_code`. */
  readonly errorCode?: string;
  /** Seconds, or a date, as the header `retry-after`. */
  readonly retryAfter?: string | number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as it is instead of the error shape, such as a gateway's HTML. */
  readonly rawBody?: string;
  readonly firstByteMs?: number;
}

/** A plain string is an answer of that text. */
export type Reply = string | AnswerReply | ErrorReply;

/**
 * The same reply for every request, one for each in order (the last repeats), or a function of the
 * request's body and of the number of requests that were accepted before it.
 */
export type Script =
  | Reply
  | readonly Reply[]
  | ((body: MessagesBody, accepted: number) => Reply | Promise<Reply>);

/** The text of all user messages of a request, joined by line ends. */
export function promptText(body: MessagesBody): string {
  return body.messages
    .filter((message) => message.role === 'user')
    .map(({ content }) =>
      typeof content === 'string' ? content : content.map((block) => block.text).join('\n'),
    )
    .join('\n');
}
