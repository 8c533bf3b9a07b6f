/**
 * An engine for tests of the app: the same surface, in memory, with time in the test's hand. It
 * retrieves by shared words and answers with the script it is given; nothing here is shipped.
 */
import type { AppEngine } from '../../src/app/ports.ts';
import type {
  AskOptions,
  Hit,
  Loop,
  LoopSummary,
  SentenceVerdict,
  StopReason,
  Turn,
  TurnRecord,
  Vote,
} from '../../src/loop/types.ts';
import { abortedError, WhorlError } from '../../src/shared/errors.ts';
import type { MilvusCallOptions, MilvusClient, MilvusRow } from '../../src/shared/milvus-types.ts';
import type { EmbedderInfo, EngineStatus, LexicalHit } from '../../src/shared/types.ts';

export interface FakeScript {
  /** The answer to a question, in pieces as they stream. */
  readonly answer: (question: string, hits: readonly Hit[]) => readonly string[];
  /** Waits between two pieces; the test decides. Default: a microtask. */
  readonly pause?: (signal: AbortSignal | undefined) => Promise<void>;
  /** Sentences that no source supports. */
  readonly unsupported?: (sentence: string) => boolean;
  /** Throws to make a question fail. */
  readonly onAsk?: (question: string) => void;
  readonly extractive?: boolean;
  /** What differs in the reason of the first hit: it rose by two places, as it was liked. */
  readonly why?: { readonly places?: number; readonly liked?: boolean };
  /** Ends the answer by a bound or a refusal: shown, not stored. */
  readonly draft?: StopReason;
}

export const INFO: EmbedderInfo = {
  model: 'all-MiniLM-L6-v2',
  fingerprint: 'fake',
  dimension: 384,
  maxTokens: 256,
  backend: 'wasm',
  why: 'There is no WebGPU adapter here.',
  threads: 1,
  weights: 'int8',
};

export class FakeEngine extends EventTarget implements AppEngine {
  readonly milvus: MilvusClient;
  readonly rows: MilvusRow[] = [];
  readonly script: FakeScript;
  /** Resolved by the test when the model is ready; rejects to make it fail. */
  prepared: Promise<void> = Promise.resolve();
  role: 'leader' | 'follower' = 'leader';
  /** Thrown by the next write. */
  writeError: WhorlError | null = null;
  closed = false;
  hasCollection = false;
  readonly turnsStored: TurnRecord[] = [];
  #status: EngineStatus;
  #nextId = 1;

  constructor(script: FakeScript) {
    super();
    this.script = script;
    this.#status = {
      embedder: { state: 'idle' },
      store: {
        storage: 'indexeddb',
        durability: 'durable',
        role: 'leader',
        collections: 0,
        modes: [],
      },
      restarts: { embed: 0, index: 0 },
    };
    this.milvus = fakeMilvus(this);
  }

  get status(): EngineStatus {
    return this.#status;
  }

  say(change: Partial<EngineStatus>): void {
    this.#status = { ...this.#status, ...change };
    this.dispatchEvent(new Event('status'));
  }

  async prepare(): Promise<EmbedderInfo> {
    this.say({ embedder: { state: 'loading', progress: null } });
    try {
      await this.prepared;
    } catch (error) {
      const { code, message } = error as WhorlError;
      this.say({ embedder: { state: 'failed', code, message } });
      throw error;
    }
    this.say({ embedder: { state: 'ready', ...INFO, lanes: [] } });
    return INFO;
  }

  async lexical(texts: readonly string[], query: string): Promise<readonly LexicalHit[]> {
    return texts
      .map((text, index) => ({ index, score: overlap(text, query) }))
      .filter(({ score }) => score > 0)
      .sort((a, b) => b.score - a.score);
  }

  loop(): Loop {
    return new FakeLoop(this);
  }

  async close(): Promise<void> {
    this.closed = true;
  }

  insert(row: MilvusRow): string {
    if (this.writeError) throw this.writeError;
    const id = String(this.#nextId);
    this.#nextId += 1;
    this.rows.push({ ...row, id });
    return id;
  }
}

function overlap(text: string, query: string): number {
  const words = query.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  return words.filter((word) => text.toLowerCase().includes(word)).length;
}

function fakeMilvus(engine: FakeEngine): MilvusClient {
  const refuse = () => Promise.reject(new WhorlError('unsupported', 'The fake has no such call.'));
  const client: Partial<MilvusClient> = {
    hasCollection: async () => ({ has: engine.hasCollection }),
    createCollection: async () => {
      engine.hasCollection = true;
      return {};
    },
    loadCollection: async () => ({}),
    query: async ({ offset = 0, limit = 100 }) => engine.rows.slice(offset, offset + limit),
    insert: async ({ data }, options: MilvusCallOptions = {}) => {
      const rows = (Array.isArray(data) ? data : [data]) as readonly MilvusRow[];
      const insertIds = rows.map((row, index) => {
        options.onProgress?.({ done: index + 1, total: rows.length });
        return engine.insert(row);
      });
      return { insertCount: insertIds.length, insertIds };
    },
    delete: async ({ filter }) => {
      if (engine.writeError) throw engine.writeError;
      const id = /^id in \[(\d+)\]$/.exec(filter)?.[1];
      const at = engine.rows.findIndex((row) => row.id === id);
      if (at >= 0) engine.rows.splice(at, 1);
      return { deleteCount: at >= 0 ? 1 : 0 };
    },
  };
  return new Proxy(client, {
    get: (target, name) => Reflect.get(target, name) ?? refuse,
  }) as MilvusClient;
}

class FakeLoop implements Loop {
  readonly #engine: FakeEngine;

  constructor(engine: FakeEngine) {
    this.#engine = engine;
  }

  async ask(question: string, options: AskOptions = {}): Promise<Turn> {
    const { script, rows } = this.#engine;
    options.onStage?.('retrieve');
    const hits = hitsOf(rows, question, script.why);
    options.onHits?.(hits);
    options.onStage?.('generate');
    script.onAsk?.(question);
    let answer = '';
    for (const piece of script.answer(question, hits)) {
      await (script.pause?.(options.signal) ?? Promise.resolve());
      if (options.signal?.aborted) throw abortedError(options.signal);
      answer += piece;
      options.onToken?.(piece);
    }
    const record = recordOf(this.#engine, question, hits, answer);
    if (script.draft) return turnOf(this.#engine, { ...record, draft: script.draft });
    options.onStage?.('store');
    this.#engine.turnsStored.push(record);
    return turnOf(this.#engine, record);
  }

  async search(question: string): Promise<readonly Hit[]> {
    return hitsOf(this.#engine.rows, question);
  }

  enrich(): never {
    throw new WhorlError('unsupported', 'The fake does not enrich.');
  }

  async turns(): Promise<readonly Turn[]> {
    return this.#engine.turnsStored.map((record) => turnOf(this.#engine, record));
  }

  async summary(): Promise<LoopSummary> {
    const rated = this.#engine.turnsStored.filter((turn) => turn.vote !== null).length;
    const turns = this.#engine.turnsStored.length;
    return { turns, rated, admitted: turns, quarantined: 0, lambda: 0.82, broken: 0 };
  }

  close(): void {}
}

export function hitsOf(
  rows: readonly MilvusRow[],
  question: string,
  change: FakeScript['why'] = {},
): Hit[] {
  return rows
    .map((row) => ({ row, score: overlap(String(row.description), question) }))
    .sort((a, b) => b.score - a.score)
    .slice(0, 5)
    .map(({ row, score }, index) => {
      const parts = { similarity: 0.55 - index * 0.06, words: score * 0.05, learnt: 0 };
      const learnt = index === 0 ? 0.12 : 0;
      const why = { places: 2, turnId: 'turn-1', similarity: 0.8, liked: true, ...change };
      return {
        id: String(row.id),
        rank: index + 1,
        score: parts.similarity + parts.words + learnt,
        parts: { ...parts, learnt },
        row,
        text: String(row.description),
        why: index === 0 ? { ...why, question: 'somewhere cosy for a small guest' } : null,
      };
    });
}

export function sentencesOf(
  answer: string,
  isUnsupported: (sentence: string) => boolean,
): SentenceVerdict[] {
  return [...answer.matchAll(/[^.!?。!?]+[.!?。!?]*(?:\s*\[\d+\])*[.。]?/g)].map((match) => {
    const text = match[0].trim();
    const start = match.index + match[0].indexOf(text);
    const state = isUnsupported(text) ? 'unsupported' : 'grounded';
    return { start, end: start + text.length, text, state, cosine: 0.7, recall: 0.9, reason: '' };
  });
}

function recordOf(
  { script, turnsStored }: FakeEngine,
  question: string,
  hits: readonly Hit[],
  answer: string,
): TurnRecord {
  const sentences = sentencesOf(answer, script.unsupported ?? (() => false));
  const grounded = sentences.filter((sentence) => sentence.state === 'grounded').length;
  const sources = hits.map(({ id, text }, index) => ({ number: index + 1, id, text }));
  const content = `Question: ${question}\n\n${sources.map((one) => `[${one.number}] ${one.text}`).join('\n')}`;
  return {
    id: `turn-${turnsStored.length + 1}`,
    question,
    at: '2026-11-20T21:30:00.000Z',
    retrieval: 'hybrid',
    generator: 'fake',
    extractive: script.extractive ?? false,
    model: 'claude-fake',
    hits,
    prompt: {
      system: 'Answer from the numbered sources alone.',
      messages: [{ role: 'user', content }],
      sources,
      question,
      hash: 'f'.repeat(64),
      tokens: 412,
    },
    answer,
    citations: [],
    verdict: {
      sentences,
      groundedShare: sentences.length ? grounded / sentences.length : null,
      citationValidity: 1,
      refusal: false,
      duplicateOf: null,
      decision: 'admitted',
      reason: 'Most sentences are backed by a source.',
    },
    usage: { inputTokens: 400, outputTokens: 60 },
    timings: { embed: 3, retrieve: 1, generate: 1_100, evaluate: 40, store: 6, total: 1_200 },
    vote: null,
    hitVotes: {},
    generatedId: null,
  };
}

function turnOf(engine: FakeEngine, record: TurnRecord): Turn {
  const keep = async (change: Partial<TurnRecord>): Promise<void> => {
    if (engine.writeError) throw engine.writeError;
    const at = engine.turnsStored.findIndex((one) => one.id === record.id);
    const stored = engine.turnsStored[at];
    if (stored) engine.turnsStored[at] = { ...stored, ...change };
  };
  return {
    ...record,
    rate: (vote: Vote) => keep({ vote }),
    rateHit: (id: string, vote: Vote) => {
      const now = engine.turnsStored.find((one) => one.id === record.id);
      return keep({ hitVotes: { ...now?.hitVotes, [id]: vote } });
    },
    openHit: async () => {},
  };
}
