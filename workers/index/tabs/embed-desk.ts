/** Embeds for the leader what this tab's own calls carry. */
import { asWhorlError, toWire, WhorlError } from '../../../src/shared/errors.ts';
import type { CoreEmbedder } from '../embedder.ts';
import type { TabMessage } from './message.ts';

const MAX_RUNNING = 64;

interface Running {
  readonly abort: AbortController;
  done: number;
}

export class EmbedDesk {
  readonly #embedder: CoreEmbedder;
  readonly #post: (message: TabMessage, to: string) => void;
  readonly #running = new Map<string, Running>();

  constructor(embedder: CoreEmbedder, post: (message: TabMessage, to: string) => void) {
    this.#embedder = embedder;
    this.#post = post;
  }

  hear(from: string, message: TabMessage): void {
    if (!('id' in message)) return;
    const { id, kind } = message;
    const running = this.#running.get(`${from}:${id}`);
    if (kind === 'unembed') running?.abort.abort();
    if (kind !== 'embed' && kind !== 'embed_ping') return;
    if (running !== undefined) this.#post({ kind: 'embedding', id, done: running.done }, from);
    else if (kind === 'embed_ping') this.#post({ kind: 'embed_unknown', id }, from);
    else void this.#embed(from, message);
  }

  async #embed(
    from: string,
    { id, texts, priority }: Extract<TabMessage, { readonly kind: 'embed' }>,
  ): Promise<void> {
    const key = `${from}:${id}`;
    const running: Running = { abort: new AbortController(), done: 0 };
    const onProgress = (done: number): void => {
      running.done = done;
      this.#post({ kind: 'embedding', id, done }, from);
    };
    try {
      if (this.#running.size >= MAX_RUNNING) throw crowded();
      this.#running.set(key, running);
      this.#post({ kind: 'embedding', id, done: 0 }, from);
      const { signal } = running.abort;
      const result = await this.#embedder.embed({ texts, priority }, { signal, onProgress });
      const { vectors, dimension, fingerprint, tokens } = result;
      this.#post({ kind: 'embedded', id, vectors, dimension, fingerprint, tokens }, from);
    } catch (error) {
      this.#post({ kind: 'unembedded', id, error: toWire(asWhorlError(error)) }, from);
    } finally {
      if (this.#running.get(key) === running) this.#running.delete(key);
    }
  }

  close(): void {
    for (const { abort } of this.#running.values()) abort.abort();
  }
}

function crowded(): WhorlError {
  return new WhorlError(
    'overloaded',
    `More than ${MAX_RUNNING} embeddings for another tab run here. Nothing was changed; try again.`,
    { retryable: true },
  );
}
