/**
 * The request of a page, and the request that is made of it. The upstream body is written field by
 * field from what the schema let through; nothing of the original object travels on.
 */
import * as v from 'valibot';
import type { Settings } from './options.ts';
import { ProxyError } from './proxy-error.ts';

interface TextBlock {
  readonly type: 'text';
  readonly text: string;
}

/** The whole of what the proxy ever sends upstream. */
export interface UpstreamBody {
  readonly model: string;
  readonly max_tokens: number;
  readonly messages: readonly {
    readonly role: 'user' | 'assistant';
    readonly content: string | readonly TextBlock[];
  }[];
  readonly stream: boolean;
  readonly system?: string | readonly TextBlock[];
  readonly stop_sequences?: readonly string[];
}

export interface ParsedRequest {
  readonly body: UpstreamBody;
  /** `old -> new` when an alias was followed. */
  readonly alias: string | null;
  /** Fields that were accepted and not sent on. */
  readonly dropped: readonly string[];
  /** Tokens that the input cannot exceed. */
  readonly inputBound: number;
}

/**
 * Accepted and left out, and said in `whorl-dropped`: API version 2026-10-21 has no sampling
 * parameters any more, and `metadata` would tell a third party who is asking.
 */
const DROPPED = ['temperature', 'top_p', 'top_k', 'metadata'] as const;

const MAX_BLOCKS = 100;
const MAX_STOP_SEQUENCES = 16;

// `citations: null` is in every block that the API answers, and clients send such blocks back.
const block = v.strictObject({
  type: v.literal('text', 'must be "text": this proxy passes on text only'),
  text: v.pipe(v.string('must be a text'), v.minLength(1, 'must not be empty')),
  citations: v.optional(v.null('must be null')),
});

const blocks = v.pipe(
  v.array(block, 'must be a text or a list of text blocks'),
  v.minLength(1, 'must not be empty'),
  v.maxLength(MAX_BLOCKS, `must have at most ${MAX_BLOCKS} blocks`),
);

const plain = v.pipe(v.string(), v.minLength(1, 'must not be empty'));

/** Chosen by type rather than tried in turn, so that an error names the place inside the list. */
const content = v.lazy((input) => (typeof input === 'string' ? plain : blocks));

const message = v.strictObject({
  role: v.picklist(['user', 'assistant'], 'must be "user" or "assistant"'),
  content,
});

function schemaOf({ maxTokens, maxMessages }: Settings) {
  const cap = `must be a whole number from 1 to ${maxTokens}, the cap of this proxy`;
  return v.strictObject({
    model: v.optional(v.string('must be the name of a model')),
    max_tokens: v.pipe(
      v.number(cap),
      v.integer(cap),
      v.minValue(1, cap),
      v.maxValue(maxTokens, cap),
    ),
    messages: v.pipe(
      v.array(message, 'must be a list of messages'),
      v.minLength(1, 'must not be empty'),
      v.maxLength(maxMessages, `must have at most ${maxMessages} messages`),
    ),
    system: v.optional(content),
    stop_sequences: v.optional(
      v.pipe(
        v.array(
          v.pipe(v.string(), v.minLength(1), v.maxLength(256, 'must have at most 256 characters')),
          'must be a list of texts',
        ),
        v.maxLength(MAX_STOP_SEQUENCES, `must have at most ${MAX_STOP_SEQUENCES} texts`),
      ),
    ),
    stream: v.optional(v.boolean('must be true or false'), false),
    temperature: v.optional(v.nullable(v.number('must be a number'))),
    top_p: v.optional(v.nullable(v.number('must be a number'))),
    top_k: v.optional(v.nullable(v.number('must be a number'))),
    metadata: v.optional(v.unknown()),
  });
}

export type RequestParser = (bytes: Uint8Array) => ParsedRequest;

/** The parser for these settings; it throws `invalid_request` that names the field. */
export function requestParser(settings: Settings): RequestParser {
  const schema = schemaOf(settings);
  return (bytes) => {
    const parsed = v.safeParse(schema, parseJson(bytes), { abortEarly: true });
    if (!parsed.success) throw wrongField(parsed.issues[0]);
    const { model: asked, ...fields } = parsed.output;
    const { model, alias } = resolveModel(asked, settings);
    const body: UpstreamBody = {
      model,
      max_tokens: fields.max_tokens,
      messages: fields.messages.map(({ role, content: text }) => ({ role, content: bare(text) })),
      stream: fields.stream,
      ...(fields.system === undefined ? {} : { system: bare(fields.system) }),
      ...(fields.stop_sequences === undefined ? {} : { stop_sequences: fields.stop_sequences }),
    };
    const dropped = DROPPED.filter((field) => fields[field] !== undefined);
    return { body, alias, dropped, inputBound: inputBound(body) };
  };
}

function bare(text: string | readonly TextBlock[]): string | TextBlock[] {
  if (typeof text === 'string') return text;
  return text.map((part) => ({ type: 'text', text: part.text }));
}

function resolveModel(asked: string | undefined, settings: Settings) {
  const { models, aliases, defaultModel } = settings;
  const name = asked ?? defaultModel;
  const model = aliases.get(name) ?? name;
  if (!models.includes(model)) {
    throw new ProxyError(
      'invalid_request',
      `model: this proxy passes on only ${models.join(', ')}. Nothing was sent.`,
    );
  }
  return { model, alias: model === name ? null : `${name} -> ${model}` };
}

/**
 * Every token of a byte-level vocabulary stands for at least one byte, so bytes bound tokens from
 * above; the constants are for the marks between messages.
 */
function inputBound(body: UpstreamBody): number {
  const texts = [
    ...textsOf(body.system),
    ...body.messages.flatMap((item) => textsOf(item.content)),
  ];
  const encoder = new TextEncoder();
  const bytes = texts.reduce((sum, text) => sum + encoder.encode(text).length + 8, 0);
  return bytes + 16 * body.messages.length + 32;
}

function textsOf(text: string | readonly TextBlock[] | undefined): string[] {
  if (text === undefined) return [];
  return typeof text === 'string' ? [text] : text.map((part) => part.text);
}

function parseJson(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new ProxyError('invalid_request', 'The request body is not valid UTF-8.', { cause });
  }
  let value: unknown;
  try {
    value = JSON.parse(text, refuseInherited);
  } catch (cause) {
    if (cause instanceof ProxyError) throw cause;
    throw new ProxyError('invalid_request', 'The request body is not valid JSON.', { cause });
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw new ProxyError('invalid_request', 'The request body is not a JSON object.');
}

// A key such as `__proto__` is in every object by inheritance, so a schema would not call it unknown.
function refuseInherited(key: string, value: unknown): unknown {
  if (key !== '' && key in Object.prototype) {
    throw new ProxyError('invalid_request', `${key}: this field name is not accepted.`);
  }
  return value;
}

function wrongField(issue: v.BaseIssue<unknown>): ProxyError {
  const path = (v.getDotPath(issue as v.InferIssue<ReturnType<typeof schemaOf>>) ?? 'body').slice(
    0,
    100,
  );
  if (issue.type === 'strict_object' && issue.expected === 'never') {
    const message = `${path}: this proxy does not pass this field on. Nothing was sent.`;
    return new ProxyError('invalid_request', message);
  }
  const missing = issue.received === 'undefined' && issue.type === 'strict_object';
  const why = missing ? 'is required' : issue.message;
  return new ProxyError('invalid_request', `${path}: ${why}. Nothing was sent.`);
}
