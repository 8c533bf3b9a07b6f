/**
 * What tabs say to each other. Every message names the protocol, its sender and, where leading matters, the
 * epoch; what is not understood is ignored, since another version of the program may have said it.
 */
import type { WireError } from '../../../src/shared/errors.ts';
import type { MilvusEnvelope } from '../../../src/shared/milvus-types.ts';
import { isObject } from '../body.ts';

const PROTOCOL = 1;
/** Texts of one embedding: as many as rows of a call. */
const MAX_TEXTS = 1_000_000;
/** Calls of one tab that wait at the same time and are named in a ping. */
export const MAX_NAMED = 1_024;
const MAX_WORDS = 10_000;
const MAX_CAUSES = 8;

/** A change that a tab asks the leader to make. */
export interface CallMessage {
  readonly kind: 'call';
  /** Of the leader that is asked; another one does not answer. */
  readonly epoch: number;
  /** Counts the calls of the sender; its address and this number are the identity of the call. */
  readonly number: number;
  /** The sender's calls below this number are over. */
  readonly floor: number;
  /** The call had not been sent when the storage was at this sequence. */
  readonly since: number;
  readonly endpoint: string;
  readonly body: unknown;
}

export type TabMessage =
  /** Who leads? Answered by the leader alone. */
  | { readonly kind: 'seek' }
  | { readonly kind: 'leading'; readonly epoch: number }
  /** Are you there, and do you know of these calls? */
  | {
      readonly kind: 'ping';
      readonly epoch: number;
      readonly floor: number;
      readonly numbers: readonly number[];
    }
  | { readonly kind: 'pong'; readonly epoch: number; readonly missing: readonly number[] }
  | CallMessage
  /** The call was heard. */
  | { readonly kind: 'heard'; readonly epoch: number; readonly number: number }
  | { readonly kind: 'cancel'; readonly number: number; readonly floor: number }
  | {
      readonly kind: 'progress';
      readonly epoch: number;
      readonly number: number;
      readonly done: number;
      readonly total: number;
    }
  | {
      readonly kind: 'answer';
      readonly epoch: number;
      readonly number: number;
      readonly envelope: MilvusEnvelope;
    }
  | {
      readonly kind: 'failure';
      readonly epoch: number;
      readonly number: number;
      readonly error: WireError;
    }
  /** Whoever was asked does not lead in that epoch (any more). */
  | { readonly kind: 'moved'; readonly epoch: number; readonly number: number }
  | { readonly kind: 'bye' }
  /** To the tab whose call it is: texts that are to become vectors. */
  | {
      readonly kind: 'embed';
      readonly id: number;
      readonly texts: readonly string[];
      readonly priority: 'query' | 'bulk';
    }
  | { readonly kind: 'unembed'; readonly id: number }
  | { readonly kind: 'embed_ping'; readonly id: number }
  | { readonly kind: 'embed_unknown'; readonly id: number }
  | { readonly kind: 'embedding'; readonly id: number; readonly done: number }
  | {
      readonly kind: 'embedded';
      readonly id: number;
      readonly vectors: Float32Array;
      readonly dimension: number;
      readonly fingerprint: string;
      readonly tokens: number;
    }
  | { readonly kind: 'unembedded'; readonly id: number; readonly error: WireError };

export interface Heard {
  readonly from: string;
  readonly message: TabMessage;
}

/** A message as it is posted. */
export function sealed(from: string, message: TabMessage): object {
  return { whorl: PROTOCOL, from, ...message };
}

type Fields = { readonly [name: string]: unknown };
type Check = (value: unknown) => boolean;

const count: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const numbers: Check = (value) =>
  Array.isArray(value) && value.length <= MAX_NAMED && value.every(count);
const endpoint: Check = (value) => typeof value === 'string' && /^[a-z_/]{1,64}$/.test(value);
const texts: Check = (value) =>
  Array.isArray(value) &&
  value.length <= MAX_TEXTS &&
  value.every((text) => typeof text === 'string');
const envelope: Check = (value) => isObject(value) && value.code === 0 && 'data' in value;
const anything: Check = () => true;

/** Members of each kind and what they must be; an error is parsed apart. */
const KINDS: { readonly [K in TabMessage['kind']]: { readonly [member: string]: Check } } = {
  seek: {},
  leading: { epoch: count },
  ping: { epoch: count, floor: count, numbers },
  pong: { epoch: count, missing: numbers },
  call: { epoch: count, number: count, floor: count, since: count, endpoint, body: anything },
  heard: { epoch: count, number: count },
  cancel: { number: count, floor: count },
  progress: { epoch: count, number: count, done: count, total: count },
  answer: { epoch: count, number: count, envelope },
  failure: { epoch: count, number: count, error: isObject },
  moved: { epoch: count, number: count },
  bye: {},
  embed: { id: count, texts, priority: (value) => value === 'query' || value === 'bulk' },
  unembed: { id: count },
  embed_ping: { id: count },
  embed_unknown: { id: count },
  embedding: { id: count, done: count },
  embedded: {
    id: count,
    vectors: (value) => value instanceof Float32Array,
    dimension: count,
    fingerprint: (value) => typeof value === 'string' && value.length <= 1_024,
    tokens: count,
  },
  unembedded: { id: count, error: isObject },
};

/** What was heard, or null for what this version does not understand. */
export function parseHeard(raw: unknown): Heard | null {
  if (!isObject(raw) || raw.whorl !== PROTOCOL || !isAddress(raw.from)) return null;
  const { kind } = raw;
  if (typeof kind !== 'string' || !Object.hasOwn(KINDS, kind)) return null;
  const members = Object.entries(KINDS[kind as TabMessage['kind']]);
  if (!members.every(([name, check]) => Object.hasOwn(raw, name) && check(raw[name]))) return null;
  const taken: Fields = Object.fromEntries(members.map(([name]) => [name, raw[name]]));
  const error = 'error' in taken ? { error: parseError(taken.error, 0) } : {};
  return { from: raw.from, message: { kind, ...taken, ...error } as unknown as TabMessage };
}

function isAddress(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-zA-Z-]{8,64}$/.test(value);
}

/** An error of another tab: short words and a code, or `internal` for a code that is none. */
function parseError(raw: unknown, depth: number): WireError {
  const { code, message, retryable, milvusCode, retryAfterMs, cause } = isObject(raw) ? raw : {};
  const isCode = typeof code === 'string' && /^[a-z_]{1,40}$/.test(code);
  const deeper = depth < MAX_CAUSES && isObject(cause);
  return {
    code: (isCode ? code : 'internal') as WireError['code'],
    message: typeof message === 'string' ? message.slice(0, MAX_WORDS) : '',
    retryable: retryable === true,
    ...(count(milvusCode) ? { milvusCode: milvusCode as number } : {}),
    ...(count(retryAfterMs) ? { retryAfterMs: retryAfterMs as number } : {}),
    ...(deeper ? { cause: parseError(cause, depth + 1) } : {}),
  };
}
