/**
 * Real all-MiniLM-L6-v2 vectors in Node, from `../shared/models` through onnxruntime-web, kept in
 * `node_modules/.cache` so that a second run embeds nothing.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as ort from 'onnxruntime-web';
import { createTokenizer, type Tokenizer } from '../../workers/embed/tokenizer.ts';

const MODEL = fileURLToPath(new URL('../../../shared/models/all-MiniLM-L6-v2/', import.meta.url));
const CACHE = fileURLToPath(new URL('../../node_modules/.cache/whorl-bench/', import.meta.url));
const SIZE = 384;
const MAX_TOKENS = 256;
const BATCH = 16;

export const modelMissing = existsSync(MODEL) ? null : '../shared/models is absent';

/** Embeds texts; rows row-major, in the order of the texts. */
export class Minilm {
  readonly #known = new Map<string, Float32Array>();
  #session: ort.InferenceSession | null = null;
  #tokenizer: Tokenizer | null = null;
  #added = 0;

  constructor() {
    if (existsSync(`${CACHE}minilm.keys`)) this.#load();
  }

  async embed(texts: readonly string[]): Promise<Float32Array> {
    const unknown = [...new Set(texts)].filter((text) => !this.#known.has(text));
    if (unknown.length > 0) await this.#compute(unknown);
    const rows = new Float32Array(texts.length * SIZE);
    for (const [i, text] of texts.entries()) {
      rows.set(this.#known.get(text) ?? new Float32Array(SIZE), i * SIZE);
    }
    return rows;
  }

  /** Writes what was embedded since the start to the cache. */
  save(): void {
    if (this.#added === 0) return;
    mkdirSync(CACHE, { recursive: true });
    const texts = [...this.#known.keys()];
    const rows = new Float32Array(texts.length * SIZE);
    for (const [i, text] of texts.entries()) {
      rows.set(this.#known.get(text) ?? new Float32Array(SIZE), i * SIZE);
    }
    writeFileSync(`${CACHE}minilm.f32`, Buffer.from(rows.buffer));
    writeFileSync(`${CACHE}minilm.keys`, JSON.stringify({ digest: digest(rows), texts }));
    this.#added = 0;
  }

  #load(): void {
    const { digest: wanted, texts } = JSON.parse(readFileSync(`${CACHE}minilm.keys`, 'utf8'));
    const file = readFileSync(`${CACHE}minilm.f32`);
    const rows = new Float32Array(new Uint8Array(file).buffer);
    if (digest(rows) !== wanted) return;
    for (const [i, text] of (texts as string[]).entries()) {
      this.#known.set(text, rows.slice(i * SIZE, (i + 1) * SIZE));
    }
  }

  /** By length, so that a batch needs next to no padding. */
  async #compute(texts: readonly string[]): Promise<void> {
    const tokenizer = this.#openTokenizer();
    const items = texts.map((text) => ({ text, ids: tokenizer.encode(text) }));
    items.sort((a, b) => a.ids.length - b.ids.length);
    for (let at = 0; at < items.length; at += BATCH) {
      const batch = items.slice(at, at + BATCH);
      const vectors = await this.#run(batch.map((item) => item.ids));
      for (const [i, item] of batch.entries()) {
        this.#known.set(item.text, vectors.slice(i * SIZE, (i + 1) * SIZE));
      }
    }
    this.#added += texts.length;
  }

  async #run(sequences: readonly Int32Array[]): Promise<Float32Array> {
    this.#session ??= await openSession();
    const longest = Math.max(...sequences.map((ids) => ids.length));
    const ids = new BigInt64Array(sequences.length * longest);
    const mask = new BigInt64Array(sequences.length * longest);
    for (const [row, sequence] of sequences.entries()) {
      for (const [i, id] of sequence.entries()) {
        ids[row * longest + i] = BigInt(id);
        mask[row * longest + i] = 1n;
      }
    }
    const shape = [sequences.length, longest];
    const outputs = await this.#session.run({
      input_ids: new ort.Tensor('int64', ids, shape),
      attention_mask: new ort.Tensor('int64', mask, shape),
    });
    return outputs.sentence_embedding?.data as Float32Array;
  }

  #openTokenizer(): Tokenizer {
    this.#tokenizer ??= createTokenizer(readFileSync(`${MODEL}tokenizer.json`), MAX_TOKENS);
    return this.#tokenizer;
  }
}

async function openSession(): Promise<ort.InferenceSession> {
  ort.env.wasm.numThreads = 1;
  return ort.InferenceSession.create(new Uint8Array(readFileSync(`${MODEL}onnx/model.onnx`)), {
    executionProviders: ['wasm'],
    externalData: [
      { path: 'model.onnx_data', data: new Uint8Array(readFileSync(`${MODEL}model.safetensors`)) },
    ],
  });
}

function digest(rows: Float32Array): string {
  return createHash('sha256').update(new Uint8Array(rows.buffer)).digest('hex');
}
