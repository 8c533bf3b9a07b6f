/** What every encoder must do, as a function that is run over each implementation. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Encoder } from '../../workers/embed/encoder.ts';
import type { KnownAnswer } from '../../workers/embed/manifest.ts';
import type { Tokenizer } from '../../workers/embed/tokenizer.ts';

export interface EncoderCase {
  readonly name: string;
  /** Makes a fresh encoder; a suite makes two. */
  readonly open: () => Promise<OpenEncoder>;
  readonly timeoutMs: number;
  /** Why it cannot run here. */
  readonly skip?: string;
}

export interface OpenEncoder {
  readonly encoder: Encoder;
  readonly tokenizer: Tokenizer;
  readonly answers: readonly KnownAnswer[];
  readonly vocabulary: number;
}

function row(vectors: Float32Array, index: number, dimension: number): Float32Array {
  return vectors.subarray(index * dimension, (index + 1) * dimension);
}

function cosine(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, k) => sum + value * (b[k] as number), 0);
}

export function encoderSuite({ name, open, timeoutMs, skip }: EncoderCase): void {
  const title = `encoder contract: ${name}${skip ? ` (skipped: ${skip})` : ''}`;
  describe.skipIf(skip !== undefined)(title, { timeout: timeoutMs }, () => {
    let opened: OpenEncoder;
    const encode = (texts: readonly string[]): Int32Array[] =>
      texts.map((text) => opened.tokenizer.encode(text));
    beforeAll(async () => {
      opened = await open();
    }, timeoutMs);
    afterAll(() => opened?.encoder.close(), timeoutMs);

    it('gives the known answers', async () => {
      const { encoder, answers } = opened;
      const vectors = await encoder.embed(encode(answers.map(({ text }) => text)));
      expect(vectors).toHaveLength(answers.length * encoder.dimension);
      answers.forEach((answer, index) => {
        const found = row(vectors, index, encoder.dimension);
        expect(cosine(found, answer.vector)).toBeGreaterThan(0.998);
        expect(Math.abs(cosine(found, found) - 1)).toBeLessThan(1e-4);
      });
    });

    it('keeps the order and gives each text the vector that it has alone', async () => {
      const { encoder, answers } = opened;
      const ids = encode(['', ...answers.map(({ text }) => text), '!']);
      const together = await encoder.embed(ids);
      for (const index of [0, 2, 5, ids.length - 1]) {
        const alone = await encoder.embed([ids[index] as Int32Array]);
        expect(cosine(alone, row(together, index, encoder.dimension))).toBeGreaterThan(0.9999);
      }
    });

    it('takes nothing, an empty text, and the longest text', async () => {
      const { encoder, tokenizer } = opened;
      expect(await encoder.embed([])).toHaveLength(0);
      const longest = tokenizer.encode('river inn '.repeat(400));
      expect(longest).toHaveLength(tokenizer.maxTokens);
      const vectors = await encoder.embed([tokenizer.encode(''), longest]);
      for (const index of [0, 1]) {
        const vector = row(vectors, index, encoder.dimension);
        expect(Math.abs(cosine(vector, vector) - 1)).toBeLessThan(1e-4);
      }
    });

    it('refuses what it cannot encode, and works on', async () => {
      const { encoder, tokenizer, vocabulary } = opened;
      const bad = [
        [new Int32Array(0)],
        [new Int32Array(tokenizer.maxTokens + 1).fill(5)],
        [Int32Array.of(101, vocabulary, 102)],
        [Int32Array.of(101, -1, 102)],
      ];
      for (const ids of bad) {
        await expect(encoder.embed(ids)).rejects.toMatchObject({ code: 'invalid_option' });
      }
      expect(await encoder.embed(encode(['still here']))).toHaveLength(encoder.dimension);
    });

    it('runs overlapping calls one after the other', async () => {
      const { encoder } = opened;
      const texts = ['one lantern', 'two lanterns', 'three lanterns'];
      const ids = encode(texts);
      const apart = await Promise.all(ids.map((sequence) => encoder.embed([sequence])));
      const together = await encoder.embed(ids);
      apart.forEach((vector, index) => {
        expect(cosine(vector, row(together, index, encoder.dimension))).toBeGreaterThan(0.9999);
      });
    });

    it('reports progress, and stops between batches when aborted', async () => {
      const { encoder, tokenizer } = opened;
      const long = tokenizer.encode('river inn '.repeat(400));
      const count = Math.ceil((encoder.rules.tokens * 2) / long.length) + 1;
      const ids = Array.from({ length: count }, () => long);
      const abort = new AbortController();
      const seen: number[] = [];
      const run = encoder.embed(ids, {
        signal: abort.signal,
        onProgress: (done) => {
          seen.push(done);
          abort.abort();
        },
      });
      await expect(run).rejects.toMatchObject({ code: 'aborted' });
      expect(seen).toHaveLength(1);
      expect(seen[0]).toBeLessThan(count);
      expect(await encoder.embed([tokenizer.encode('after')])).toHaveLength(encoder.dimension);
    });

    it('answers a query beside bulk work, each as if alone', async () => {
      const { encoder, tokenizer } = opened;
      const long = tokenizer.encode('river inn '.repeat(400));
      const texts = Array.from({ length: 4 }, (_, i) => long.subarray(0, long.length - 30 * i));
      const bulk = encoder.embed(texts);
      const queries = ['where is the inn', 'who is there'].map((text) => tokenizer.encode(text));
      const answered = await Promise.all(
        queries.map((ids) => encoder.embed([ids], { priority: 'query' })),
      );
      const together = await bulk;
      for (const [index, ids] of queries.entries()) {
        const alone = await encoder.embed([ids], { priority: 'query' });
        expect(cosine(alone, answered[index] as Float32Array)).toBeGreaterThan(0.9999);
      }
      for (const index of [0, 3]) {
        const alone = await encoder.embed([texts[index] as Int32Array]);
        const found = row(together, index, encoder.dimension);
        expect(cosine(alone, found)).toBeGreaterThan(0.9999);
      }
    });

    it('gives memory of its own, which later calls leave alone', async () => {
      const { encoder } = opened;
      const first = await encoder.embed(encode(['a fire in the hearth']));
      const copy = first.slice();
      await encoder.embed(encode(['something else entirely, and longer']));
      expect(first).toEqual(copy);
      expect(first.buffer.byteLength).toBe(encoder.dimension * 4);
    });

    it('rejects as closed after its end, which may be said twice', async () => {
      const { encoder, tokenizer } = await open();
      await encoder.close();
      await encoder.close();
      const late = encoder.embed([tokenizer.encode('late')]);
      await expect(late).rejects.toMatchObject({ code: 'closed' });
    });
  });
}
