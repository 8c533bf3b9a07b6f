/** A lane whose every answer is in the test's hand. A vector holds the text's number and its length. */
import type { EmbedOptions } from '../../../src/shared/embed-job.ts';
import type { Lane } from '../../../src/shared/embed-pool.ts';
import { abortedError, type WhorlError } from '../../../src/shared/errors.ts';
import type { EmbedRequest, EmbedResult } from '../../../src/shared/types.ts';

export interface Call {
  readonly request: EmbedRequest;
  readonly options: EmbedOptions;
  /** Answers with the right vectors, or with what is given. */
  answer(change?: Partial<EmbedResult>): void;
  fail(error: WhorlError): void;
}

export const numberOf = (text: string): number => Number(text.split(' ')[0]);

export function vectorsOf(texts: readonly string[]): Float32Array {
  return Float32Array.from(texts.flatMap((text) => [numberOf(text), text.length]));
}

export class FakeLane implements Lane {
  readonly sliceTokens: number;
  readonly bulkOnly: boolean;
  readonly calls: Call[] = [];
  /** Calls that are not settled. */
  open: Call[] = [];
  /** Answers by itself, this many milliseconds later; null: the test answers. */
  delayMs: number | null;

  constructor(options: { sliceTokens?: number; delayMs?: number | null; bulkOnly?: boolean } = {}) {
    this.sliceTokens = options.sliceTokens ?? 2_000;
    this.delayMs = options.delayMs ?? null;
    this.bulkOnly = options.bulkOnly ?? false;
  }

  get texts(): number {
    return this.calls.reduce((sum, { request }) => sum + request.texts.length, 0);
  }

  embed(request: EmbedRequest, options: EmbedOptions): Promise<EmbedResult> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.open = this.open.filter((each) => each !== call);
        options.signal?.removeEventListener('abort', stop);
      };
      const stop = (): void => call.fail(abortedError(options.signal));
      const call: Call = {
        request,
        options,
        answer: (change = {}) => {
          leave();
          const vectors = vectorsOf(request.texts);
          const tokens = request.texts.length;
          resolve({ vectors, dimension: 2, fingerprint: 'fake', tokens, ...change });
        },
        fail: (error) => {
          leave();
          reject(error);
        },
      };
      this.calls.push(call);
      this.open.push(call);
      options.signal?.addEventListener('abort', stop);
      if (this.delayMs !== null) setTimeout(() => call.answer(), this.delayMs);
    });
  }
}

/** So many texts of so many tokens each, roughly; the first word is the text's number. */
export function numbered(count: number, tokens = 30): string[] {
  return Array.from({ length: count }, (_, i) => `${i} `.padEnd(4 * (tokens - 2), 'x'));
}

/** Lets everything run that waits for nothing. */
export const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));
