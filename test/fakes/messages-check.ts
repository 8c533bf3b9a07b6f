/** What the real API checks before it answers: version, key, shape. */
import type { MessagesBody } from './messages-script.ts';

/** The version that `@anthropic-ai/sdk` 1.11 sends. */
export const API_VERSION = '2026-10-21';

export interface Refusal {
  readonly status: number;
  readonly message: string;
}

/** Top-level fields of `MessageCreateParams`; sampling parameters are no longer among them. */
const FIELDS = new Set([
  'model',
  'max_tokens',
  'messages',
  'system',
  'stop_sequences',
  'stream',
  'metadata',
  'cache_control',
  'container',
  'diagnostics',
  'inference_geo',
  'output_config',
  'service_tier',
  'speed',
  'thinking',
  'tool_choice',
  'tools',
]);

/** Models that were named in old examples and no longer answer. */
const RETIRED = new Set([
  'claude-3-opus-20240229',
  'claude-3-sonnet-20240229',
  'claude-3-haiku-20240307',
]);

/** Either header counts: SDK 1.x sends a bearer, older code `x-api-key`. */
export function checkKey(
  headers: Readonly<Record<string, string>>,
  key: string | null,
): Refusal | null {
  if (key === null) return null;
  const bearer = headers.authorization?.replace(/^Bearer /, '');
  const given = headers['x-api-key'] ?? bearer;
  if (given === undefined) return { status: 401, message: 'x-api-key header is required' };
  return given === key ? null : { status: 401, message: 'invalid x-api-key' };
}

export function checkVersion(headers: Readonly<Record<string, string>>): Refusal | null {
  const version = headers['anthropic-version'];
  if (version === undefined) return refusal('anthropic-version: header is required');
  if (version === API_VERSION) return null;
  return refusal(`anthropic-version: "${version}" is not a valid version`);
}

function refusal(message: string, status = 400): Refusal {
  return { status, message };
}

function contentFits(content: unknown): boolean {
  if (typeof content === 'string') return true;
  if (!Array.isArray(content)) return false;
  return content.every((block) => block?.type === 'text' && typeof block.text === 'string');
}

/** The body, or why the API would refuse it. */
export function checkBody(body: unknown): MessagesBody | Refusal {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    return refusal('The request body is not valid JSON.');
  }
  const unknown = Object.keys(body).find((name) => !FIELDS.has(name));
  if (unknown !== undefined) return refusal(`${unknown}: Extra inputs are not permitted`);
  const fields = body as Record<string, unknown>;
  if (typeof fields.model !== 'string') return refusal('model: Field required');
  if (RETIRED.has(fields.model)) return refusal(`model: ${fields.model}`, 404);
  if (!Number.isInteger(fields.max_tokens)) return refusal('max_tokens: Field required');
  if (!Array.isArray(fields.messages) || fields.messages.length === 0) {
    return refusal('messages: at least one message is required');
  }
  for (const [index, message] of fields.messages.entries()) {
    const role = message?.role;
    if (role !== 'user' && role !== 'assistant') return refusal(`messages.${index}.role: Invalid`);
    if (!contentFits(message.content)) return refusal(`messages.${index}.content: Invalid`);
  }
  return body as MessagesBody;
}

export function isRefusal(value: MessagesBody | Refusal): value is Refusal {
  return 'status' in value;
}
